//! Messages that say one of everything.

use super::*;
use crate::engine::denial::{Denial, DeniedSource, Refuses};
use crate::engine::guard::WhyHeld;
use crate::engine::model::{JobName, Key, ObjectKind, SourceId};
use crate::engine::notice::Matter;
use crate::engine::outcome::Class;
use crate::engine::plan::Subject;
use crate::engine::quarantine::{Cause, Quarantine};
use crate::engine::record::HeldRemoval;

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + hours * 3_600, 0).unwrap()
}

fn subject(number: u32) -> Subject {
    Subject {
        kind: ObjectKind::User,
        key: Key::new(number),
        id: SourceId::new(number.to_string()),
        label: format!("user{number}@contoso.com"),
    }
}

fn event(topic: Topic, news: News) -> Event {
    let matter = match topic {
        Topic::Crash => Matter::of_agent(topic),
        Topic::SourceRefused => Matter::of_source(Refuses::SignIn, ""),
        Topic::PermissionMissing => Matter::of_source(Refuses::Permission, "north"),
        Topic::Expiring => Matter {
            topic,
            of: "source.client_secret".to_owned(),
        },
        Topic::Quarantine | Topic::Stuck | Topic::Held | Topic::Failing => {
            Matter::of_job(topic, &JobName::new("wizer"))
        }
    };
    Event {
        matter,
        news,
        since: at(0),
    }
}

fn notice(events: &[Event]) -> Notice {
    Notice::new(events, "host", "/var/lib/entrain/entrain.db", at(24))
}

fn held(removals: u32) -> Trouble {
    let removals = (0..removals).map(|number| HeldRemoval {
        subject: subject(number),
        member: None,
        action: "disable".to_owned(),
        cause: "not-assigned".to_owned(),
        reason: None,
    });
    Trouble::Held(HeldSet {
        why: vec![WhyHeld::ApplicationChanged],
        since: at(0),
        cycle: 7,
        removals: removals.collect(),
    })
}

fn denied(source: &str, refuses: Refuses, because: &str) -> Trouble {
    Trouble::Denied(DeniedSource {
        name: source.to_owned(),
        tenant: "00001111-aaaa-2222-bbbb-3333cccc4444".to_owned(),
        since: at(0),
        denial: Denial {
            refuses,
            because: because.to_owned(),
            remedy: Some("make a new one".to_owned()),
        },
        jobs: ["both", "wizer"].map(JobName::new).into(),
    })
}

fn failing(objects: u64) -> Trouble {
    let entry = Escrowed {
        subject: subject(1),
        action: "create".to_owned(),
        first_failed: at(0),
        last_failed: at(1),
        attempts: 2,
        class: None,
        http_status: Some(400),
        changed: false,
        message: format!("<b>no</b> & {}", "x".repeat(1_000)),
    };
    Trouble::Failing {
        objects,
        first: vec![entry],
        has_retries: true,
    }
}

#[test]
fn a_mail_says_when_what_fails_is_tried_again() {
    let text = |class, objects, has_retries| {
        let mut trouble = failing(objects);
        if let Trouble::Failing {
            first,
            has_retries: has,
            ..
        } = &mut trouble
        {
            first[0].class = class;
            *has = has_retries;
        }
        let letter = notice(&[event(Topic::Failing, News::Began(trouble))]).letter();
        let words: Vec<_> = letter.text.split_whitespace().collect();
        words.join(" ")
    };
    let refused = text(Some(Class::Refused), 1, true);
    assert!(
        refused.contains("once a day, or as soon as the object or its mapping changes."),
        "{refused}"
    );
    let busy = text(Some(Class::Transient), 1, true);
    assert!(
        busy.contains("Each is tried again after a minute, then"),
        "{busy}"
    );
    let many = text(Some(Class::Refused), 60, true);
    assert!(many.contains("changes; the rest after a minute"), "{many}");
    let off = text(Some(Class::Refused), 1, false);
    assert!(off.contains("with every cycle"), "{off}");
}

#[test]
fn a_mail_says_everything_with_the_commands_that_help() {
    let quarantine = Quarantine {
        since: at(0),
        cause: Cause::Refused,
        reason: "HTTP 401: token expired".to_owned(),
        tried: at(0),
    };
    let refused = denied("", Refuses::SignIn, "AADSTS7000222: expired");
    let missing = denied("north", Refuses::Permission, "GET /users/delta: 403");
    let stuck = Trouble::Stuck {
        since: Some(at(0)),
        error: Some("the target is not usable.".to_owned()),
    };
    let events = [
        event(Topic::Crash, News::Began(Trouble::Crash { times: 3 })),
        event(Topic::SourceRefused, News::Began(refused)),
        event(Topic::PermissionMissing, News::Lasts(missing)),
        event(
            Topic::Expiring,
            News::Began(Trouble::Expiring {
                day: at(240).date_naive(),
            }),
        ),
        event(
            Topic::Quarantine,
            News::Began(Trouble::Quarantine(quarantine)),
        ),
        event(Topic::Stuck, News::Lasts(stuck)),
        event(Topic::Held, News::Changed(held(2))),
        event(Topic::Quarantine, News::Ended),
        event(Topic::SourceRefused, News::Ended),
        event(Topic::PermissionMissing, News::Ended),
        event(Topic::Failing, News::Recovered),
    ];
    let letter = notice(&events).letter();
    insta::assert_snapshot!(letter.subject, @"entrain: Started after a crash, and 10 more");
    insta::assert_snapshot!(letter.text, @r"
    Started after a crash
      The previous process did not stop normally, 3 times in a row: it crashed,
      was killed, or the power failed. Requests in flight are looked up in the
      target before anything else is written.

    Microsoft Entra refuses the credential
      AADSTS7000222: expired.
      Make a new one.
      No job can read the tenant, so nothing is provisioned until this is fixed.
      For details:
        entrain test

    Still: A permission is missing in the tenant of source north
      GET /users/delta: 403.
      Make a new one.
      Tenant 00001111-aaaa-2222-bbbb-3333cccc4444; jobs: both, wizer.
      What cannot be read is not provisioned, and removals are postponed until
      this is fixed.
      Since 2027-01-15 08:00 UTC.
      For details:
        entrain test

    source.client_secret expires on 2027-01-25
      It expires on 2027-01-25, in 9 days: replace it; in the meantime, list
      both in the configuration.

    wizer: in quarantine
      In quarantine since 2027-01-15 08:00 UTC, because HTTP 401: token expired:
      nothing is written until the target accepts the credential.
      For more:
        entrain status wizer
      When the cause is fixed:
        entrain resume wizer

    wizer: still no complete cycle since 2027-01-15 08:00 UTC
      The last cycle ended with: the target is not usable.
      Since 2027-01-15 08:00 UTC.
      For more:
        entrain status wizer

    wizer: 2 removals are held until approved
      The job's application has changed, so every removal needs approval once.
      - disable user user0@contoso.com (not-assigned)
      - disable user user1@contoso.com (not-assigned)
      To review them:
        entrain plan wizer
      To approve them:
        entrain approve wizer --cycle 7
      To keep the accounts:
        entrain reject wizer

    wizer: the quarantine ended
      It began at 2027-01-15 08:00 UTC. The job runs as before.

    Microsoft Entra accepts the credential again
      It was refused since 2027-01-15 08:00 UTC.

    The permission that was missing in the tenant of source north is granted
      It was missing since 2027-01-15 08:00 UTC.

    wizer: in sync again
      First success since the problem began at 2027-01-15 08:00 UTC.

    -- 
    entrain on host, state /var/lib/entrain/entrain.db
    ");
}

#[test]
fn a_thousand_failures_are_one_short_message_and_markup_is_text() {
    let events = [event(Topic::Failing, News::Began(failing(1_000)))];
    let notice = notice(&events);
    let letter = notice.letter();
    assert_eq!(letter.subject, "entrain: wizer: 1,000 objects fail");
    assert!(letter.text.contains("- and 999 more\n"), "{}", letter.text);
    assert!(letter.text.len() < 2_000, "{}", letter.text.len());
    assert!(letter.html.contains("&lt;b&gt;no&lt;/b&gt; &amp; x"));
    let slack = notice.slack().to_string();
    assert!(slack.contains("&lt;b&gt;no&lt;/b&gt; &amp; x"), "{slack}");
    let json = notice.json("k1");
    assert_eq!(json["id"], "k1");
    assert_eq!(json["events"][0]["topic"], "objects-failing");
    assert_eq!(json["events"][0]["job"], "wizer");
    let card = &notice.teams()["attachments"][0]["content"];
    assert_eq!(card["type"], "AdaptiveCard");
    assert_eq!(card["body"][0]["text"], "wizer: 1,000 objects fail");
}

#[test]
fn what_waits_is_said_with_the_reason() {
    let one = Waiting {
        channel: "mail:it@example.com".to_owned(),
        messages: 2,
        since: at(0),
        error: Some("127.0.0.1:25: 550 no".to_owned()),
        next: at(1),
    };
    assert_eq!(
        waiting(&one),
        "2 notifications for it@example.com wait since 2027-01-15 08:00 UTC; next attempt at 2027-01-15 09:00 UTC; \
         the last attempt failed: 127.0.0.1:25: 550 no"
    );
}
