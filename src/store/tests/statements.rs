//! How statements run: in both modes, on a state with statistics and without.

use super::*;
use crate::engine::job::{Limit, Limits};
use crate::engine::model::{AppRole, Assignment};
use crate::engine::plan::{Header, Skipped, Why};
use crate::store::state::used;
use crate::store::{Application, Judging, ScopeOf, TargetSettings};

use rusqlite::StatementStatus;

/// Statements that are meant to go through a whole table: where everything is due, or everything is
/// named, and where a full round ends.
const MAY_SCAN: &[&str] = &[
    // The end of a full round.
    "SELECT key FROM objects WHERE kind = ?1 AND presence = 1 AND seen <> ?2",
    "INSERT OR IGNORE INTO labels",
    "INSERT OR IGNORE INTO memberships (member_key, group_key)\n             SELECT",
    "WHERE g.kind = 2 AND g.presence > 0 AND g.seen = ?1 AND m.seen <> ?1",
    // A list of all links, and a full evaluation.
    "l.in_scope, l.unread, NULL, NULL\n                     FROM links",
    "SELECT link FROM links WHERE job = ?1 AND kind = ?2",
    // Where few are linked.
    "FROM links WHERE job = ?1 AND kind = ?2 LIMIT ?3",
    // All of something small.
    "FROM place",
    "FROM old_accounts",
    "FROM sources",
    "INSERT INTO sources",
    "FROM nested",
    "SELECT key FROM jobs",
    "FROM counter",
    "UPDATE counter",
    "max(key)",
    "max(number)",
    "SELECT key, manager FROM objects WHERE manager IS NOT NULL",
];

/// What is done before anything is planned.
fn verify(store: &Store, job: &JobName, round: i64) {
    let settings = TargetSettings {
        address: "https://target.example".to_owned(),
        credential: format!("c{round}"),
    };
    store.compare_settings(job, &settings).unwrap();
    store.note_settings(job, &settings).unwrap();
    store.note_linked_application(job).unwrap();
    store.holds_removals(job).unwrap();
    store.note_source("", "t", &[""]).unwrap();
    store.former_links(job).unwrap();
    store.sample_links(job, 1, 20).unwrap();
    store.link_records(job, None, 100).unwrap();
    store.link_record(job, key("u1")).unwrap();
    store.old_accounts_of(job, &[key("u1")]).unwrap();
    store.is_established(job).unwrap();
}

/// Everything that a cycle does with the state, in small.
fn work(store: &Store, job: &JobName, applies: bool, round: i64) {
    let cycle = store
        .begin_cycle(job, CycleKind::Incremental, at(round))
        .unwrap();
    let names = |prefix: &str, count: i64| -> Vec<String> {
        (0..count)
            .map(|number| format!("{prefix}{number}"))
            .collect()
    };
    store.note_fingerprint(job, &format!("f{round}")).unwrap();
    verify(store, job, round);
    for kind in ObjectKind::ALL {
        store.begin_round(kind, SELECT).unwrap();
        let mut changes: Vec<SourceChange> = match kind {
            User => names("u", 10)
                .iter()
                .map(|name| report(name, "u0"))
                .collect(),
            Group => names("g", 3)
                .iter()
                .map(|name| group(name, &["u1", "u2", "u3", "g0"]))
                .collect(),
        };
        changes.push(with(
            change(kind, &changes[1].id.to_string()),
            "displayName",
            Value::text(format!("name {round}")),
        ));
        let link = PageLink::Next("page".to_owned());
        store.commit_page(kind, &changes, link, at(0)).unwrap();
        let link = PageLink::Delta(Complete::after_last_page("delta".to_owned()));
        store.commit_page(kind, &[], link, at(0)).unwrap();
    }
    let application = Application {
        service_principal: id("sp"),
        roles: vec![AppRole {
            id: format!("r{round}"),
            value: None,
            display_name: "User".to_owned(),
        }],
    };
    let first = SourceNumber::FIRST;
    store.record_application(job, first, &application).unwrap();
    let assignments = (round..round + 5).map(|number| Assignment {
        kind: User,
        principal: id(&format!("u{number}")),
        role: "r0".to_owned(),
    });
    let read = Complete::after_last_page(assignments.collect());
    store.replace_assignments(job, first, &read).unwrap();
    let cutoff = store.begin_evaluation(job).unwrap();
    for kind in ObjectKind::ALL {
        let keys = store.candidates(job, kind).unwrap();
        let loaded = store.load(job, &keys).unwrap();
        assert_eq!(loaded.len(), keys.len());
        store.named(&keys).unwrap();
        store.targets(job, &keys).unwrap();
        store.roles(job, &keys).unwrap();
        store.reports(&keys).unwrap();
        store.managers(&keys).unwrap();
        store.groups_around(&keys).unwrap();
        store.assigned_keys(job, kind).unwrap();
        let target = TargetId::new("t-u1");
        store.holders(job, kind, &[target]).unwrap();
        store.each_member(job, &keys, |_| {}).unwrap();
        for name in ["u1", "g1", "name 0"] {
            store.find(kind, name).unwrap();
            store.find_groups(job, name).unwrap();
        }
    }
    look_for_scope(store, job);
    store.nested_groups().unwrap();
    store.all_managers().unwrap();
    store
        .set_scope(job, &[(key("u1"), round % 2 == 0)], Some(at(round)))
        .unwrap();
    plan(store, cycle);
    if applies {
        apply(store, cycle);
    }
    store.ids_of(&[key("u1"), key("g1")]).unwrap();
    store.sent_groups(job, key("u1")).unwrap();
    store.sent_member_targets(job, key("g1")).unwrap();
    store.link_counts(job).unwrap();
    store.scope_counts(job).unwrap();
    let current = held_values(&[("title", "y")]);
    store.confirm(job, key("u2"), &current, None, None).unwrap();
    store.unlink(job, key("u1")).unwrap();
    if applies {
        let evaluation = Evaluation {
            cutoff,
            evaluated: Evaluated::Everything,
            except: &BTreeSet::new(),
            maps_references: true,
            nested_groups: true,
            marks_new_links: true,
        };
        store.finish_evaluation(job, evaluation).unwrap();
    }
}

/// What is looked for before anything is read.
fn look_for_scope(store: &Store, job: &JobName) {
    store.strategy(SourceNumber::FIRST).unwrap();
    store.reads_in_scope(SourceNumber::FIRST).unwrap();
    store.has_rounds(SourceNumber::FIRST).unwrap();
    store.present(SourceNumber::FIRST).unwrap();
    store.linked_by_all(SourceNumber::FIRST).unwrap();
    let scope = ScopeOf {
        job: job.clone(),
        through_assigned: true,
        through: vec!["g0".to_owned()],
        groups: vec!["name 0".to_owned()],
        nested: true,
    };
    for kind in ObjectKind::ALL {
        store
            .needed(kind, std::slice::from_ref(&scope), 10)
            .unwrap();
    }
}

fn actions() -> Vec<Action> {
    let creates = ["u0", "u1", "u2"].map(|name| create(User, name, &[("userName", name)]));
    let others = [
        create(Group, "g1", &[]),
        add_members("g1", &["u1"]),
        remove_members("g2", &["u1"]),
        set_manager("u1", Some("u0")),
        update("u1", "t-u1", &[("title", None, Some("x"))]),
        update("u2", "t-u2", &[("title", None, Some("x"))]),
        delete(User, "u4", "t-u4"),
        delete(User, "u5", "t-u5"),
    ];
    creates.into_iter().chain(others).collect()
}

fn plan(store: &Store, cycle: i64) {
    let skipped = Skipped {
        subject: subject(User, "u3"),
        why: Why::NoMatchingValue,
    };
    let decisions: Vec<Decision> = actions()
        .into_iter()
        .map(|action| Decision::Act(Draft::new(action, 0)))
        .chain([Decision::Skip(skipped)])
        .collect();
    store.draft(cycle, &decisions).unwrap();
    let removals = store.removals(cycle).unwrap();
    store.take(&removals).unwrap();
    let everyone: Vec<Key> = ["u0", "u1", "u2", "u4", "u5"].map(key).into();
    let in_vain = i64::MAX;
    store.keep_disables(in_vain, &everyone).unwrap();
    store.drop_rows(&removals[..1]).unwrap();
    store.drop_references(cycle, &[key("u5")]).unwrap();
    let judging = Judging {
        min_members: &BTreeMap::new(),
        other: None,
        header: &Header::default(),
        limits: Limits {
            max_deletions: Some(Limit::Count(0)),
            max_membership_removals: None,
            max_creations: None,
            min_active: None,
        },
        is_partial: false,
        scope_groups: &BTreeSet::new(),
        now: at(cycle),
    };
    store.judge(cycle, &judging).unwrap();
    store.totals(cycle).unwrap();
    store.left_over(cycle).unwrap();
    for of in [RowsOf::Cleared, RowsOf::Held] {
        let rows = store.rows(cycle, of, None, 3).unwrap();
        let last = rows.last().map(|(place, _)| *place);
        store.rows(cycle, of, last, 100).unwrap();
    }
    store.skipped(cycle, None, 10).unwrap();
    store.left_in_queue(cycle).unwrap();
}

fn apply(store: &Store, cycle: i64) {
    let redactions = Redactions::default();
    loop {
        let queued = store.queue(cycle, None, 3).unwrap();
        if queued.is_empty() {
            break;
        }
        let ids: Vec<RowId> = queued.iter().map(|queued| queued.place.id).collect();
        let sent = store
            .advance(cycle, &[], &[], &ids, &redactions, clocks(cycle))
            .unwrap();
        let outcomes: Vec<(RowId, Outcome)> = sent
            .rows
            .into_iter()
            .map(|Row { id, action, .. }| {
                let target = format!("t-{}", action.subject.id);
                match (&action.operation, target.as_str()) {
                    (Operation::Update { .. }, "t-u2") => (id, failed(action, true)),
                    _ => (id, done(action, &target)),
                }
            })
            .collect();
        store
            .advance(cycle, &outcomes, &[], &[], &redactions, clocks(cycle))
            .unwrap();
    }
}

/// The statements that `work` ran, and how often each was compiled again while it ran once more.
fn prepared_again(store: &Store, work: impl Fn()) -> Vec<String> {
    let sum = || {
        let mut all: BTreeMap<String, i32> = BTreeMap::new();
        for sql in used::statements() {
            let again = store.read("count", |state| {
                let statement = state.prepare_cached(&sql)?;
                Ok(statement.get_status(StatementStatus::RePrepare))
            });
            all.insert(sql, again.unwrap());
        }
        all
    };
    work();
    let before = sum();
    work();
    let after = sum();
    let more = |sql: &String| after[sql] > before[sql];
    before.keys().filter(|sql| more(sql)).cloned().collect()
}

/// What is read of a cycle that ran.
fn read_again(store: &Store, job: &JobName) {
    let newest = store.newest_cycle(job).unwrap().unwrap();
    let ended = store.ended(newest).unwrap();
    assert_eq!(store.entries(&ended).unwrap().len(), ended.len());
    store.labels_of(&[id("u1"), id("other")]).unwrap();
    assert!(
        !store
            .cycles_between(at(0), at(newest + 1))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn no_statement_is_compiled_twice() {
    let world = World::new();
    let round = std::cell::Cell::new(0);
    let once = || {
        round.set(round.get() + 1);
        work(&world.store, &world.job, true, round.get());
        read_again(&world.store, &world.job);
    };
    assert_eq!(prepared_again(&world.store, once), [] as [&str; 0]);
}

#[test]
fn a_plan_runs_the_same_statements_and_reads_no_table_from_end_to_end() {
    let world = World::new();
    work(&world.store, &world.job, true, 0);
    world.settle();
    let path = world.folder.path().join("entrain.db");
    let before = std::fs::read(&path).unwrap();
    let plan = Store::open_plan(world.state()).unwrap();
    let round = std::cell::Cell::new(0);
    let once = || {
        round.set(round.get() + 1);
        work(&plan, &world.job, false, round.get());
    };
    assert_eq!(prepared_again(&plan, once), [] as [&str; 0]);
    assert_eq!(world.pending(), "");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let mut scans = Vec::new();
    for sql in used::statements() {
        if MAY_SCAN.iter().any(|part| sql.contains(part)) || !sql.contains(' ') {
            continue;
        }
        let steps: Vec<String> = plan
            .read("explain", |state| {
                let mut explain = state.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                explain
                    .raw_query()
                    .mapped(|row| row.get::<_, String>(3))
                    .collect()
            })
            .unwrap_or_default();
        let is_scan = |step: &&String| step.starts_with("SCAN of_file");
        let scanning: Vec<&String> = steps.iter().filter(is_scan).collect();
        if !scanning.is_empty() {
            scans.push(format!("{sql}\n{steps:#?}"));
        }
    }
    assert!(scans.is_empty(), "{}", scans.join("\n"));
}
