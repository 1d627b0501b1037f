//! Which way to read the source takes the fewest requests: the whole tenant, or only what is in scope. Decided
//! before anything is read, from how many objects there are and how many are in scope.

use chrono::{DateTime, Utc};

use super::denial::Denied;
use super::plan::Count;

/// A way to read users and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// All of the tenant, and what changed since.
    Whole,
    /// What is in a scope or linked, by its ids, and what changed of it since.
    InScope,
}

impl Strategy {
    #[cfg(test)]
    const ALL: [Self; 2] = [Self::Whole, Self::InScope];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::InScope => "in_scope",
        }
    }
}

/// What the configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    #[default]
    Auto,
    Always(Strategy),
}

/// Requests that a way takes for users and groups, as estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// From the beginning.
    pub(crate) first: u64,
    /// In a later cycle: what recent ones took, or the least before the first one.
    pub(crate) later: u64,
}

/// How the source is read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) strategy: Strategy,
    pub(crate) why: String,
    /// Objects of the tenant; `None`: not known yet.
    pub(crate) tenant: Option<Count>,
    /// Objects in scope or linked; `None`: it was not looked for.
    pub(crate) scope: Option<Count>,
    /// When the objects of the tenant were counted; `None`: the state knows them all.
    pub(crate) counted: Option<DateTime<Utc>>,
    pub(crate) recent: Recent,
}

/// How many requests the last readings of what changed in the whole tenant took, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recent(Vec<u64>);

impl Recent {
    const MOST: usize = 5;

    pub(crate) fn new(requests: impl IntoIterator<Item = u64>) -> Self {
        let mut recent = Self::default();
        for requests in requests {
            recent.add(requests);
        }
        recent
    }

    pub(crate) fn add(&mut self, requests: u64) {
        self.0.push(requests);
        let excess = self.0.len().saturating_sub(Self::MOST);
        self.0.drain(..excess);
    }

    pub(crate) fn get(&self) -> &[u64] {
        &self.0
    }

    /// What the next one is expected to take: the median, so that one day of many changes does not count.
    fn usual(&self) -> u64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let middle = sorted.len().saturating_sub(1) / 2;
        sorted.get(middle).copied().unwrap_or(LEAST).max(LEAST)
    }
}

/// How a source is read.
#[derive(Clone, Debug)]
pub(crate) struct SourceReading {
    /// As the configuration calls the source; empty for the only one.
    pub(crate) name: String,
    pub(crate) tenant: String,
    /// `None`: it was not read yet.
    pub(crate) choice: Option<Choice>,
    /// The jobs for which it could not be read, because it refuses that.
    pub(crate) denied: Vec<Denied>,
}

impl Choice {
    /// What a way costs, as far as that is known.
    pub(crate) fn cost(&self, strategy: Strategy) -> Option<Cost> {
        match strategy {
            Strategy::Whole => self.tenant.map(|tenant| whole(tenant, &self.recent)),
            Strategy::InScope => self.scope.map(in_scope),
        }
    }
}

/// Objects on a page of a delta query. It is the service's choice; so many were seen in the field.
const USERS_PER_PAGE: u64 = 200;
const GROUPS_PER_PAGE: u64 = 100;
/// Ids in the filter of a delta query at most, as documented.
const IDS: u64 = 50;
/// Readings within which a reading from the beginning has to pay: those of a day at the usual interval.
const READINGS: u64 = 36;
/// A tenant that is read by fewer requests is read whole.
const FEW_PAGES: u64 = 10;
/// What a reading of the whole tenant takes at least: a page of users and one of groups.
const LEAST: u64 = 2;

fn whole(tenant: Count, recent: &Recent) -> Cost {
    let users = tenant.users.div_ceil(USERS_PER_PAGE).max(1);
    let groups = tenant.groups.div_ceil(GROUPS_PER_PAGE).max(1);
    Cost {
        first: users + groups,
        later: recent.usual(),
    }
}

fn in_scope(scope: Count) -> Cost {
    let requests = scope.users.div_ceil(IDS) + scope.groups.div_ceil(IDS);
    Cost {
        first: requests,
        later: requests,
    }
}

/// What the choice rests on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Situation {
    pub(crate) wish: Wish,
    /// Why the whole tenant must be read.
    pub(crate) forced: Option<String>,
    /// How it was read last.
    pub(crate) known: Option<Strategy>,
    pub(crate) tenant: Option<Count>,
    pub(crate) scope: Option<Count>,
    pub(crate) counted: Option<DateTime<Utc>>,
    pub(crate) recent: Recent,
}

impl Situation {
    fn whole(&self, tenant: Count) -> Cost {
        whole(tenant, &self.recent)
    }

    /// As many objects in scope as can matter to the choice: with more of them the whole tenant is read.
    pub(crate) fn most_in_scope(&self) -> u64 {
        let whole = self.tenant.map(|tenant| self.whole(tenant));
        let whole = whole.unwrap_or_default();
        let first = match self.known {
            Some(Strategy::Whole) => 0,
            Some(Strategy::InScope) | None => whole.first,
        };
        match self.wish {
            Wish::Auto if self.tenant.is_some() => {
                IDS * (2 * (first + READINGS * whole.later) / READINGS + 1)
            }
            Wish::Auto | Wish::Always(_) => u64::MAX,
        }
    }

    /// Whether the choice depends on how many objects are in scope.
    pub(crate) fn depends_on_scope(&self) -> bool {
        self.forced.is_none()
            && match self.wish {
                Wish::Auto => match self.tenant {
                    Some(tenant) => self.whole(tenant).first >= FEW_PAGES,
                    None => self.known == Some(Strategy::InScope),
                },
                Wish::Always(strategy) => strategy == Strategy::InScope,
            }
    }

    pub(crate) fn choose(&self) -> Choice {
        let (strategy, why) = self.decide();
        let most = self.most_in_scope();
        Choice {
            strategy,
            why,
            tenant: self.tenant,
            scope: self.scope.filter(|scope| scope.total() <= most),
            counted: self.counted,
            recent: self.recent.clone(),
        }
    }

    fn decide(&self) -> (Strategy, String) {
        if let Some(why) = &self.forced {
            return (Strategy::Whole, why.clone());
        }
        if let Wish::Always(strategy) = self.wish {
            return (
                strategy,
                format!("the configuration has read = {:?}", strategy.as_str()),
            );
        }
        let Some(tenant) = self.tenant else {
            let known = self.known.unwrap_or(Strategy::Whole);
            return (known, "the size of the tenant is not known".to_owned());
        };
        let whole = self.whole(tenant);
        if whole.first < FEW_PAGES {
            return (
                Strategy::Whole,
                format!("the tenant is read by {} requests", whole.first),
            );
        }
        let Some(scope) = self.scope else {
            return (Strategy::Whole, "the scope is not known".to_owned());
        };
        let most = self.most_in_scope();
        if scope.total() > most {
            let why = format!("more than {most} users and groups are in scope");
            return (Strategy::Whole, why);
        }
        let in_scope = in_scope(scope);
        // What was read need not be read again.
        let over_a_day = |cost: Cost, strategy| {
            let first = if self.known == Some(strategy) {
                0
            } else {
                cost.first
            };
            first + READINGS * cost.later
        };
        let by = [
            over_a_day(whole, Strategy::Whole),
            over_a_day(in_scope, Strategy::InScope),
        ];
        // Only what is clearly cheaper is a reason to change.
        let clearly = |cost: u64| cost * 3 / 4;
        let strategy = match (self.known, by) {
            (None, [whole, in_scope]) if in_scope < whole => Strategy::InScope,
            (Some(Strategy::Whole), [whole, in_scope]) if in_scope < clearly(whole) => {
                Strategy::InScope
            }
            (Some(Strategy::InScope), [whole, in_scope]) if whole >= clearly(in_scope) => {
                Strategy::InScope
            }
            (None | Some(Strategy::Whole | Strategy::InScope), _) => Strategy::Whole,
        };
        let [whole, in_scope] = by;
        (
            strategy,
            format!("over a day, whole takes {whole} requests and in_scope {in_scope}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(users: u64, groups: u64) -> Count {
        Count { users, groups }
    }

    fn choose(known: Option<Strategy>, tenant: Count, scope: Count) -> Strategy {
        let situation = Situation {
            known,
            tenant: Some(tenant),
            scope: Some(scope),
            ..Situation::default()
        };
        situation.choose().strategy
    }

    const LARGE: Count = Count {
        users: 100_000,
        groups: 1_000,
    };

    #[test]
    fn few_of_many_are_read_alone() {
        assert_eq!(choose(None, LARGE, count(50, 0)), Strategy::InScope);
        assert_eq!(choose(None, LARGE, count(300, 20)), Strategy::InScope);
        assert_eq!(choose(None, LARGE, count(5_000, 20)), Strategy::Whole);
        assert_eq!(choose(None, LARGE, LARGE), Strategy::Whole);
    }

    #[test]
    fn a_small_tenant_is_read_whole() {
        assert_eq!(choose(None, count(900, 100), count(1, 0)), Strategy::Whole);
        let known = Some(Strategy::InScope);
        assert_eq!(choose(known, count(900, 100), count(1, 0)), Strategy::Whole);
    }

    #[test]
    fn a_scope_that_grows_and_shrinks_a_little_does_not_change_the_choice() {
        let mut known = None;
        let mut changes = 0;
        for users in (50..3_000).step_by(50).chain((50..3_000).rev().step_by(50)) {
            for users in [users, users + 60, users] {
                let chosen = Some(choose(known, LARGE, count(users, 10)));
                changes += u32::from(known.is_some() && chosen != known);
                known = chosen;
            }
        }
        // Once, on the way up: what was read as a whole is cheap to keep.
        assert_eq!((changes, known), (1, Some(Strategy::Whole)));
        assert_eq!(choose(known, LARGE, count(40, 0)), Strategy::InScope);
    }

    #[test]
    fn what_must_be_read_whole_is() {
        let situation = Situation {
            wish: Wish::Always(Strategy::InScope),
            forced: Some("job demo has all in scope".to_owned()),
            tenant: Some(LARGE),
            ..Situation::default()
        };
        assert!(!situation.depends_on_scope());
        let choice = situation.choose();
        assert_eq!(choice.strategy, Strategy::Whole);
        assert_eq!(choice.why, "job demo has all in scope");
    }

    #[test]
    fn the_configuration_decides_where_it_says_so() {
        for strategy in Strategy::ALL {
            let situation = Situation {
                wish: Wish::Always(strategy),
                known: None,
                tenant: Some(count(10, 1)),
                scope: Some(count(10, 1)),
                ..Situation::default()
            };
            assert_eq!(situation.choose().strategy, strategy);
        }
    }

    #[test]
    fn a_tenant_of_unknown_size_is_read_as_before() {
        let of = |known| Situation {
            known,
            scope: Some(count(1, 1)),
            ..Situation::default()
        };
        assert_eq!(of(None).choose().strategy, Strategy::Whole);
        let known = Some(Strategy::InScope);
        assert_eq!(of(known).choose().strategy, Strategy::InScope);
    }

    #[test]
    fn what_recent_readings_took_counts() {
        let choose = |recent: &[u64]| {
            let situation = Situation {
                known: Some(Strategy::Whole),
                tenant: Some(LARGE),
                scope: Some(count(300, 0)),
                recent: Recent::new(recent.iter().copied()),
                ..Situation::default()
            };
            situation.choose()
        };
        assert_eq!(choose(&[]).strategy, Strategy::Whole);
        assert_eq!(choose(&[2, 2, 2, 2, 2]).strategy, Strategy::Whole);
        // One day of many changes is no reason; many days are.
        assert_eq!(choose(&[2, 2, 500, 2, 2]).strategy, Strategy::Whole);
        let churning = choose(&[18, 20, 19, 2, 20]);
        assert_eq!(churning.strategy, Strategy::InScope, "{}", churning.why);
        let cost = |first, later| Some(Cost { first, later });
        assert_eq!(churning.cost(Strategy::Whole), cost(510, 19));
        assert_eq!(
            churning.why,
            "over a day, whole takes 684 requests and in_scope 222"
        );
    }

    #[test]
    fn only_the_last_readings_count() {
        let mut recent = Recent::new([500, 500, 500]);
        for _ in 0..4 {
            recent.add(3);
        }
        assert_eq!(recent.get(), [500, 3, 3, 3, 3]);
        assert_eq!(recent.usual(), 3);
        assert_eq!(Recent::new([1]).usual(), 2);
        assert_eq!(Recent::new([90, 4]).usual(), 4);
    }

    #[test]
    fn costs_are_in_requests() {
        let choice = Situation {
            tenant: Some(LARGE),
            scope: Some(count(51, 1)),
            ..Situation::default()
        };
        let choice = choice.choose();
        let cost = |first, later| Some(Cost { first, later });
        assert_eq!(choice.cost(Strategy::Whole), cost(510, 2));
        assert_eq!(choice.cost(Strategy::InScope), cost(3, 3));
    }
}
