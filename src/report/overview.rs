//! A plan at a glance: how many objects each section has, what happens to the whole population, and the
//! sentence that says whether it is all right.

use std::collections::BTreeMap;
use std::io;

use super::entry::Entry;
use super::section::Section;
use super::sentence::{clean, count, number, things};
use super::view::{Against, Names, Order, Part, PlanRow, PlanView};
use crate::engine::model::Key;

/// What matters most of an object; the first of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Share {
    Held,
    Disable,
    Create,
    Update,
    Unchanged,
    Failing,
    Skip,
}

impl Share {
    fn of(section: Section) -> Self {
        match section {
            Section::Held => Self::Held,
            Section::Disable | Section::Delete | Section::HandOver => Self::Disable,
            Section::Create => Self::Create,
            Section::Adopt
            | Section::Enable
            | Section::Update
            | Section::References
            | Section::AddMembers
            | Section::RemoveMembers => Self::Update,
            Section::Refused | Section::Failing => Self::Failing,
            Section::Skipped => Self::Skip,
        }
    }
}

/// Objects by what happens to them.
#[derive(Default)]
pub(super) struct Population(BTreeMap<Share, u64>);

impl Population {
    pub(super) fn add(&mut self, share: Share, times: u64) {
        *self.0.entry(share).or_default() += times;
    }

    pub(super) fn of(&self, share: Share) -> u64 {
        self.0.get(&share).copied().unwrap_or(0)
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Whether a reader can be at ease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Nothing,
    Changes,
    Held,
    Failing,
}

/// What is counted while the rows of a plan are read.
#[derive(Default)]
pub(super) struct Overview {
    /// Objects; memberships count their members, and what is held its rows.
    times: BTreeMap<Section, u64>,
    /// Each object once, by what matters most of it; whether it is linked.
    objects: BTreeMap<Key, (Share, bool)>,
    /// Requests that carrying it out takes, if each is answered as expected.
    pub(super) sent: u64,
}

impl Overview {
    pub(super) fn add(&mut self, section: Section, entry: &Entry<'_>) {
        let is_adopted = section == Section::Adopt;
        // Only a link is recorded.
        let share = if is_adopted && !entry.is_sent() {
            Share::Unchanged
        } else {
            Share::of(section)
        };
        let linked = entry.target.is_some() && !is_adopted;
        let object = self.objects.entry(entry.subject.key);
        let (most, is_linked) = object.or_insert((share, linked));
        *most = share.min(*most);
        *is_linked |= linked;
        if section != Section::Held && entry.is_sent() {
            self.sent += 1;
        }
        // What is held is approved row by row.
        let times = if section == Section::Held {
            1
        } else {
            entry.members.len().max(1) as u64
        };
        *self.times.entry(section).or_default() += times;
    }

    pub(super) fn times(&self, section: Section) -> u64 {
        self.times.get(&section).copied().unwrap_or(0)
    }

    /// The sections that have entries.
    pub(super) fn sections(&self) -> impl Iterator<Item = (Section, u64)> {
        self.times.iter().map(|(section, times)| (*section, *times))
    }

    pub(super) fn population(&self, view: &PlanView<'_>) -> Population {
        let mut population = Population::default();
        let mut touched = 0;
        for (share, is_linked) in self.objects.values() {
            population.add(*share, 1);
            touched += u64::from(*is_linked && *share != Share::Skip);
        }
        let linked = view.header.linked.total();
        population.add(Share::Unchanged, linked.saturating_sub(touched));
        population
    }

    /// Whether it is all right, in one sentence or two.
    pub(super) fn verdict(&self, view: &PlanView<'_>) -> (Mood, String) {
        let is_changed =
            |share: &Share| matches!(share, Share::Disable | Share::Create | Share::Update);
        let objects = self.objects.values();
        let objects = objects.filter(|(share, _)| is_changed(share)).count() as u64;
        let adopted = self.objects.values();
        let adopted = adopted
            .filter(|(share, _)| *share == Share::Unchanged)
            .count() as u64;
        let failing = self.times(Section::Failing);
        let held = self.times(Section::Held);
        let only_there = view
            .against
            .map_or(0, |other| other.only_there.len() as u64);
        // Two plans for an empty target: no user can leave it.
        let is_blind = view.against.is_some() && view.header.linked.total() == 0;
        let mut sentences = Vec::new();
        if objects == 0 && only_there > 0 {
            sentences.push("Nothing would be done in addition.".to_owned());
        } else if objects == 0 && adopted > 0 {
            sentences.push("No object would change.".to_owned());
        } else if objects == 0 {
            let linked = count(view.header.linked);
            sentences.push(format!(
                "Nothing would change: {linked} are linked and in sync."
            ));
        } else {
            let taken = self.times(Section::Disable) + self.times(Section::Delete);
            let taken = match taken {
                0 if is_blind => String::new(),
                0 => "; nothing is disabled or deleted".to_owned(),
                taken => format!("; {} disabled or deleted", counted(taken, "is", "are")),
            };
            sentences.push(format!(
                "{} would change{taken}.",
                things(objects, "object")
            ));
        }
        if adopted > 0 {
            sentences.push(format!(
                "{} in the target already: only the link is recorded.",
                counted(adopted, "object exists", "objects exist")
            ));
        }
        if let Some(Against { name, .. }) = view.against
            && only_there > 0
        {
            sentences.push(format!(
                "{} done only with {}.",
                counted(only_there, "action is", "actions are"),
                clean(name)
            ));
        }
        if let Some(Against { name, .. }) = view.against
            && is_blind
            && only_there > 0
        {
            sentences.push(format!(
                "No account is linked in this state, so both plans are for an empty target: users that leave the scope are listed as created only with {}, not as disabled.",
                clean(name)
            ));
        }
        if held > 0 {
            sentences.push(format!(
                "{} held by a safety limit until approved.",
                counted(held, "removal is", "removals are")
            ));
        }
        let refused = self.times(Section::Refused);
        if refused > 0 {
            sentences.push(format!(
                "The target would probably refuse {}.",
                things(refused, "action")
            ));
        }
        if failing > 0 {
            sentences.push(format!(
                "{} not be provisioned as {}.",
                counted(failing, "object can", "objects can"),
                if failing == 1 { "it is" } else { "they are" }
            ));
        }
        let mood = match (objects, held, failing + refused) {
            (_, 1.., _) => Mood::Held,
            (_, 0, 1..) => Mood::Failing,
            (0, 0, 0) if only_there + adopted == 0 => Mood::Nothing,
            (_, 0, 0) => Mood::Changes,
        };
        (mood, sentences.join(" "))
    }
}

fn counted(times: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(times), if times == 1 { one } else { many })
}

/// Passes every row of a plan as an entry, with the section where it stands.
pub(super) fn each_entry(
    view: &PlanView<'_>,
    each: &mut dyn FnMut(Section, &Entry<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let names = Names::Rows(view.rows);
    for refusal in view.refusals {
        let entry = Entry::of_refusal(refusal, names);
        each(Section::of(&entry), &entry)?;
    }
    for part in [Part::Held, Part::Cleared, Part::Skipped] {
        view.rows.each(part, Order::Name, &mut |row| match row {
            PlanRow::Action(action, _) => {
                let entry = view.entry(action)?;
                let section = match part {
                    Part::Held => Section::Held,
                    Part::Cleared | Part::Skipped => Section::of(&entry),
                };
                each(section, &entry)
            }
            PlanRow::Skipped(skipped) => {
                let entry = Entry::of_skipped(skipped, names);
                each(Section::of(&entry), &entry)
            }
        })?;
    }
    Ok(())
}
