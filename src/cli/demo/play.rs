//! What happens in the simulated tenant: a user joins, is renamed or leaves. The demo shows it as a
//! story, and with `--keep` the reader makes it happen, line by line.

use std::io;
use std::thread;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;
use crate::sandbox::{GroupView, ROLE_USER, Sandbox, UserView};

/// What can be typed, and what it does.
pub(super) const HELP: &str = "\
Type here, and run plan or sync in the other terminal:
  join      a new person, assigned and in a group
  rename    a person gets another surname
  leave     a person's account is deleted
  quit      ends it, as Ctrl-C does";

/// Those who join, one after the other.
const JOINERS: [(&str, &str); 6] = [
    ("Noor", "Haddad"),
    ("Ilse", "Vos"),
    ("Tomás", "Rey"),
    ("Aiko", "Mori"),
    ("Priya", "Nair"),
    ("Owen", "Clarke"),
];

/// Surnames that people get.
const SURNAMES: [&str; 4] = ["Winter", "Sommer", "Rivers", "Stone"];

/// Someone who joined, and the group.
pub(super) struct Joined {
    pub(super) name: String,
    pub(super) group: String,
}

/// A new person, who is assigned and becomes a member of the first group that has members.
pub(super) fn join(sandbox: &Sandbox, given: &str, surname: &str) -> anyhow::Result<Joined> {
    let tenant = &sandbox.tenant;
    let group = group(sandbox)?;
    let alias: String = format!("{given}.{surname}")
        .chars()
        .filter(char::is_ascii)
        .collect::<String>()
        .to_lowercase();
    let name = format!("{alias}@contoso.com");
    let display = format!("{given} {surname}");
    let properties = [
        ("userPrincipalName", name.as_str()),
        ("displayName", &display),
        ("givenName", given),
        ("surname", surname),
        ("mail", &name),
        ("mailNickname", &alias),
        ("department", "Research"),
        ("jobTitle", "Analyst"),
    ];
    let properties = properties
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)));
    let joiner = tenant.add_user(properties.collect());
    let assigned = tenant.assign(joiner, ROLE_USER);
    assigned.context("the joiner was not assigned")?;
    tenant.add_members(group.id, &[joiner]);
    Ok(Joined {
        name,
        group: property(&group.properties, "displayName"),
    })
}

/// Someone with another name.
pub(super) struct Renamed {
    pub(super) user: String,
    pub(super) old: String,
    pub(super) new: String,
}

/// This person in scope gets another surname.
pub(super) fn rename(sandbox: &Sandbox, place: usize, surname: &str) -> anyhow::Result<Renamed> {
    let user = person(sandbox, place)?;
    let new = format!("{} {surname}", property(&user.properties, "givenName"));
    sandbox.tenant.update_user(user.id, |properties| {
        properties.insert("surname".to_owned(), json!(surname));
        properties.insert("displayName".to_owned(), json!(new));
    });
    Ok(Renamed {
        user: principal_name(&user),
        old: property(&user.properties, "displayName"),
        new,
    })
}

/// The account of this person in scope is deleted.
pub(super) fn leave(sandbox: &Sandbox, place: usize) -> anyhow::Result<String> {
    let user = person(sandbox, place)?;
    sandbox.tenant.soft_delete_user(user.id);
    Ok(principal_name(&user))
}

/// One of those in scope who work there: the first is 0, and after the last comes the first again.
fn person(sandbox: &Sandbox, place: usize) -> anyhow::Result<UserView> {
    let tenant = &sandbox.tenant;
    let people: Vec<UserView> = tenant
        .users_in_scope()
        .into_iter()
        .filter_map(|id| tenant.user(id))
        .filter(|user| user.properties.get("accountEnabled") != Some(&json!(false)))
        .filter(|user| user.properties.contains_key("surname"))
        .collect();
    let count = people.len().max(1);
    let mut people = people.into_iter();
    people
        .nth(place % count)
        .context("no user is left in the simulated tenant")
}

fn group(sandbox: &Sandbox) -> anyhow::Result<GroupView> {
    let tenant = &sandbox.tenant;
    tenant
        .groups_in_scope()
        .into_iter()
        .filter_map(|id| tenant.group(id))
        .find(|group| !group.members.is_empty())
        .context("the simulated tenant has no group with members")
}

fn property(properties: &Map<String, Value>, name: &str) -> String {
    let text = properties.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn principal_name(user: &UserView) -> String {
    property(&user.properties, "userPrincipalName")
}

/// Does what is typed until a stop or `quit`. Where input ends, it goes on without.
pub(super) async fn play(output: Output, sandbox: &Sandbox, interrupt: &Interrupt) {
    let mut lines = lines();
    let mut count = 0;
    loop {
        let line = tokio::select! {
            () = interrupt.stopped() => return,
            line = lines.recv() => line,
        };
        let Some(line) = line else {
            return interrupt.stopped().await;
        };
        let done = match line.trim() {
            "" => continue,
            "quit" | "q" => return,
            "join" | "j" => {
                let (given, surname) = JOINERS[count % JOINERS.len()];
                let surname = match count / JOINERS.len() {
                    0 => surname.to_owned(),
                    again => format!("{surname}-{again}"),
                };
                join(sandbox, given, &surname).map(|Joined { name, group }| {
                    format!("{name} joins, and is a member of {group}")
                })
            }
            "rename" | "r" => rename(sandbox, count, SURNAMES[count % SURNAMES.len()])
                .map(|Renamed { user: _, old, new }| format!("{old} is renamed to {new}")),
            "leave" | "l" => {
                leave(sandbox, count).map(|name| format!("{name} leaves: the account is deleted"))
            }
            other => {
                output.message(&format!("{other:?} is not known here.\n{HELP}"));
                continue;
            }
        };
        count += 1;
        match done {
            Ok(line) => output.message(&format!("  - {line}")),
            Err(error) => output.message(&format!("  {error:#}")),
        }
    }
}

/// What is typed, line by line. The thread ends with the process: a read cannot be called off.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    thread::spawn(move || {
        for line in io::stdin().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
