//! `users/delta` and `groups/delta`: requests, links and their tokens around the tenant's rounds.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::reply::Reply;
use super::super::tenant::{
    GraphQuirk, Moment, Page, PageRules, Position, Principal, Selection, Stream, Then,
};
use super::answer::{Link, Problem, page};
use super::query::{GROUP_PROPERTIES, USER_DEFAULTS, check_select, equalities, seal, unseal};
use super::read::{Permission, Reader};

/// How many ids a filter may name.
const MAX_FILTER_IDS: usize = 50;

/// What a link freezes: whose changes, what of them, and where the round stands.
struct Ticket {
    selection: Selection,
    position: Position,
    /// Whether the empty page that comes before this one was served already.
    blank_served: bool,
}

impl Reader<'_> {
    pub(super) fn delta(&self, stream: Stream) -> Result<Reply, Problem> {
        match stream {
            Stream::Users => self.require(Permission::Users)?,
            Stream::Groups => self.require(Permission::Groups)?,
        }
        if self.has(GraphQuirk::NoDelta) {
            return Err(Problem::new(
                400,
                "Request_UnsupportedQuery",
                "Change enumeration is not supported for requested tenant.",
            ));
        }
        let mut ticket = match (
            &self.options.skip_token,
            self.options.delta_token.as_deref(),
        ) {
            (Some(token), _) => self.resume(stream, token)?,
            (None, None | Some("")) => self.begin(stream)?,
            (None, Some("latest")) => {
                let Ticket { selection, .. } = self.begin(stream)?;
                let link = self.delta_link(stream, &selection, self.tenant.directory.now);
                return Ok(page(&self.delta_context(stream), &link, &[]));
            }
            (None, Some(token)) => self.continue_from(stream, token)?,
        };
        if self.has(GraphQuirk::EmptyPages) && !ticket.blank_served {
            ticket.blank_served = true;
            let link = self.next_link(stream, &ticket);
            return Ok(page(&self.delta_context(stream), &link, &[]));
        }
        let Page { mut entries, then } = self.tenant.directory.delta_page(
            stream,
            &ticket.selection,
            ticket.position,
            self.page_rules(stream),
        );
        if self.has(GraphQuirk::Replays)
            && let Some(first) = entries.first().cloned()
        {
            entries.push(first);
        }
        if ticket.position.since.is_none() {
            self.leave_out(stream, &mut entries);
        }
        let link = match then {
            Then::More(position) => {
                ticket.position = position;
                ticket.blank_served = false;
                self.next_link(stream, &ticket)
            }
            Then::Until(moment) => self.delta_link(stream, &ticket.selection, moment),
        };
        Ok(page(&self.delta_context(stream), &link, &entries))
    }

    /// What a faulty service leaves out of an initial round.
    fn leave_out(&self, stream: Stream, entries: &mut Vec<String>) {
        let quirk = match stream {
            Stream::Users => GraphQuirk::NoUsersInInitialRound,
            Stream::Groups => GraphQuirk::NoGroupsInInitialRound,
        };
        if self.has(quirk) {
            entries.clear();
        }
        if self.has(GraphQuirk::NoMembersInInitialRound) {
            for entry in entries {
                if let Ok(Value::Object(mut object)) = serde_json::from_str(entry) {
                    object.remove("members@delta");
                    *entry = Value::Object(object).to_string();
                }
            }
        }
    }

    fn page_rules(&self, stream: Stream) -> PageRules {
        let settings = &self.tenant.settings;
        let objects = match stream {
            Stream::Users => settings.users_per_page,
            Stream::Groups => settings.groups_per_page,
        };
        let preferences = self.call.header("prefer").unwrap_or_default();
        let asked = preferences
            .split([',', ';'])
            .filter_map(|preference| preference.trim().strip_prefix("odata.maxpagesize="))
            .find_map(|number| number.parse::<usize>().ok());
        PageRules {
            objects: asked.map_or(objects, |asked| asked.min(objects)).max(1),
            members: settings.members_per_page.max(1),
            minimal: preferences.contains("return=minimal"),
            removed_in_initial_round: self.has(GraphQuirk::RemovedInInitialRound),
            managers_in_initial_round: !self.has(GraphQuirk::NoManagersInInitialRound),
        }
    }

    fn begin(&self, stream: Stream) -> Result<Ticket, Problem> {
        let options = &self.options;
        let refused = [
            ("$top", options.top.is_some()),
            ("$orderby", options.orderby.is_some()),
            ("$expand", options.expand.is_some()),
        ];
        if let Some((name, _)) = refused.iter().find(|(_, used)| *used) {
            return Err(Problem::new(
                400,
                "Request_UnsupportedQuery",
                format!("Invalid request for delta query: {name} is not supported."),
            ));
        }
        let mut names = match &options.select {
            Some(names) => names.clone(),
            None => match stream {
                Stream::Users => owned(USER_DEFAULTS),
                Stream::Groups => {
                    let mut names = owned(GROUP_PROPERTIES);
                    names.push("members".to_owned());
                    names
                }
            },
        };
        check_select(stream, &names, true)?;
        let relation = relation(stream);
        let with_relation = names.iter().any(|name| name == relation);
        names.retain(|name| name != relation && name != "id");
        let selection = Selection {
            properties: names,
            relation: with_relation,
            ids: self.filtered_ids()?,
        };
        Ok(Ticket {
            selection,
            position: Position {
                since: None,
                began: self.tenant.directory.now,
                next: 0,
                told: None,
            },
            blank_served: false,
        })
    }

    fn filtered_ids(&self) -> Result<Vec<Uuid>, Problem> {
        let Some(filter) = &self.options.filter else {
            return Ok(Vec::new());
        };
        let pairs = equalities(filter)?;
        if pairs.len() > MAX_FILTER_IDS {
            return Err(Problem::bad_request(
                "Invalid filter clause: at most 50 ids are supported.",
            ));
        }
        let ids = pairs.iter().map(|(name, value)| {
            let id = (name == "id").then(|| Uuid::parse_str(value).ok());
            id.flatten()
                .ok_or_else(|| Problem::bad_request("Invalid filter clause"))
        });
        ids.collect()
    }

    fn resume(&self, stream: Stream, token: &str) -> Result<Ticket, Problem> {
        let value = unseal(token)?;
        if value["generation"] != json!(self.tenant.page_generation) {
            return Err(Problem::expired_page());
        }
        let selection = selection(stream, &value)?;
        let number = |name: &str| value[name].as_u64();
        let malformed = || Problem::bad_request("Badly formed token.");
        Ok(Ticket {
            selection,
            position: Position {
                since: number("since"),
                began: number("began").ok_or_else(malformed)?,
                next: number("next").ok_or_else(malformed)?,
                told: value["told"].as_str().and_then(read_principal),
            },
            blank_served: value["blank"] == json!(true),
        })
    }

    fn continue_from(&self, stream: Stream, token: &str) -> Result<Ticket, Problem> {
        let value = unseal(token)?;
        if value["generation"] != json!(self.tenant.delta_generation) {
            return Err(self.expired_state(stream));
        }
        let selection = selection(stream, &value)?;
        let since = value["since"]
            .as_u64()
            .ok_or_else(|| Problem::bad_request("Badly formed token."))?;
        Ok(Ticket {
            selection,
            position: Position {
                since: Some(since),
                began: since,
                next: since + 1,
                told: None,
            },
            blank_served: false,
        })
    }

    fn expired_state(&self, stream: Stream) -> Problem {
        if self.has(GraphQuirk::GoneForExpired) {
            let location = format!("{}/v1.0/{}/delta?$deltatoken=", self.origin, set(stream));
            return Problem::new(
                410,
                "syncStateNotFound",
                "The sync state generation is not found; a full read is required.",
            )
            .with("location", location);
        }
        Problem::new(
            400,
            "syncStateNotFound",
            "The sync state generation is not found. The delta token is expired and data must be synchronized again.",
        )
    }

    fn next_link(&self, stream: Stream, ticket: &Ticket) -> Link {
        let Ticket {
            selection,
            position,
            blank_served,
        } = ticket;
        let mut value = sealed_selection(stream, selection);
        value["generation"] = json!(self.tenant.page_generation);
        value["since"] = json!(position.since);
        value["began"] = json!(position.began);
        value["next"] = json!(position.next);
        value["told"] = json!(position.told.map(print_principal));
        value["blank"] = json!(blank_served);
        Link::Next(self.link(stream, "$skiptoken", &value))
    }

    fn delta_link(&self, stream: Stream, selection: &Selection, since: Moment) -> Link {
        let mut value = sealed_selection(stream, selection);
        value["generation"] = json!(self.tenant.delta_generation);
        value["since"] = json!(since);
        Link::Delta(self.link(stream, "$deltatoken", &value))
    }

    fn link(&self, stream: Stream, parameter: &str, value: &Value) -> String {
        let (origin, token) = (self.origin, seal(value));
        format!("{origin}/v1.0/{}/delta?{parameter}={token}", set(stream))
    }

    fn delta_context(&self, stream: Stream) -> String {
        let (origin, set) = (self.origin, set(stream));
        match &self.options.select {
            Some(names) => format!("{origin}/v1.0/$metadata#{set}({})", names.join(",")),
            None => format!("{origin}/v1.0/$metadata#{set}"),
        }
    }
}

fn set(stream: Stream) -> &'static str {
    match stream {
        Stream::Users => "users",
        Stream::Groups => "groups",
    }
}

fn relation(stream: Stream) -> &'static str {
    match stream {
        Stream::Users => "manager",
        Stream::Groups => "members",
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn sealed_selection(stream: Stream, selection: &Selection) -> Value {
    let Selection {
        properties,
        relation,
        ids,
    } = selection;
    json!({"set": set(stream), "select": properties, "relation": relation, "ids": ids})
}

fn selection(stream: Stream, value: &Value) -> Result<Selection, Problem> {
    if value["set"] != set(stream) {
        return Err(Problem::bad_request(
            "The token was issued for another resource.",
        ));
    }
    let texts = |name: &str| {
        let list = value[name].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).collect::<Vec<&str>>()
    };
    Ok(Selection {
        properties: owned(&texts("select")),
        relation: value["relation"] == json!(true),
        ids: texts("ids")
            .into_iter()
            .filter_map(|id| Uuid::parse_str(id).ok())
            .collect(),
    })
}

fn print_principal(principal: Principal) -> String {
    match principal {
        Principal::User(place) => format!("u{place}"),
        Principal::Group(place) => format!("g{place}"),
    }
}

fn read_principal(text: &str) -> Option<Principal> {
    let place = text.get(1..)?.parse().ok()?;
    match text.chars().next()? {
        'u' => Some(Principal::User(place)),
        'g' => Some(Principal::Group(place)),
        _ => None,
    }
}
