//! What the pages read: their work must grow neither with what a running cycle has still to do nor with the log.

use rusqlite::StatementStatus;

use super::*;
use crate::engine::record::LogStatus;
use crate::store::LogFilter;
use crate::store::state::used;

/// What is counted: steps of `SQLite`'s machine, which are the same on every computer.
fn steps(store: &Store, look: impl Fn()) -> i64 {
    // Compiled before they are counted.
    look();
    let sum = || {
        let steps = used::statements().into_iter().map(|sql| {
            let steps = store.read("count", |state| {
                let statement = state.prepare_cached(&sql)?;
                Ok(statement.get_status(StatementStatus::VmStep))
            });
            i64::from(steps.unwrap())
        });
        steps.sum::<i64>()
    };
    let before = sum();
    look();
    sum() - before
}

fn filters(cycle: i64) -> Vec<LogFilter> {
    let all = LogFilter::default;
    let mut filters = vec![
        all(),
        LogFilter {
            before: Some(4),
            ..all()
        },
        LogFilter {
            cycle: Some(cycle),
            ..all()
        },
        LogFilter {
            cycle: Some(cycle),
            status: Some(LogStatus::Skipped),
            ..all()
        },
        LogFilter {
            job: Some(JobName::new("wizer")),
            since: Some(at(0)),
            until: Some(at(9)),
            action: Some("create".to_owned()),
            ..all()
        },
    ];
    filters.extend(LogStatus::ALL.map(|status| LogFilter {
        status: Some(status),
        ..all()
    }));
    let objects = ["u1", "name of u1", "t-u1", "nothing"];
    filters.extend(objects.map(|text| LogFilter {
        object: Some(text.to_owned()),
        ..all()
    }));
    filters
}

/// Everything that the pages ask of the state.
fn look(world: &World) -> Vec<usize> {
    let World {
        store, job, cycle, ..
    } = world;
    store.status(job, 60).unwrap();
    store.scope_counts(job).unwrap();
    store.waiting().unwrap();
    store.last_completed(job).unwrap();
    store.watermark().unwrap();
    store.cycle(*cycle).unwrap();
    store.operations(&LogFilter::default(), 10).unwrap();
    store.link_record(job, key("u1")).unwrap();
    store.escrow_of(job, key("u1")).unwrap();
    let shown = filters(*cycle).into_iter();
    shown
        .map(|filter| store.log(&filter, 101).unwrap().len())
        .collect()
}

/// A state with a few entries in the log, read while its cycle has so many rows to send.
fn with_rows(to_send: usize) -> (World, Vec<usize>, i64) {
    let world = World::new();
    world.round(User, &[report("u1", "u0")]);
    world.link(User, "u1", "t-u1");
    world.record(&[
        failed(create(User, "u2", &[]), false),
        done(update("u1", "t-u1", &[("title", None, Some("x"))]), "t-u1"),
    ]);
    let title = |number: usize| {
        let name = format!("u{}", 3 + number % 6);
        update(&name, "t", &[("title", None, Some("x"))])
    };
    world.draft(&(0..to_send).map(title).collect::<Vec<_>>());
    let shown = look(&world);
    let steps = steps(&world.store, || drop(look(&world)));
    (world, shown, steps)
}

#[test]
fn a_page_reads_nothing_of_what_a_cycle_has_still_to_send() {
    let (_, few, small) = with_rows(10);
    let (_, many, large) = with_rows(2_000);
    assert_eq!(few, many);
    assert!(
        large <= small + small / 20,
        "{large} steps instead of {small}"
    );
}

#[test]
fn what_is_on_record_of_one_object_is_found_without_the_rest_of_the_log() {
    let mut world = World::new();
    world.link(User, "u1", "t-u1");
    let of_one = LogFilter {
        object: Some("u1".to_owned()),
        ..LogFilter::default()
    };
    let look = |world: &World| {
        let look = || assert_eq!(world.store.log(&of_one, 101).unwrap().len(), 1);
        steps(&world.store, look)
    };
    let small = look(&world);
    for round in 0..30 {
        world.next_cycle();
        let names = ["u2", "u3", "u4", "u5"];
        let changed = names.map(|name| {
            let title = format!("title {round}");
            done(
                update(name, "t", &[("title", None, Some(title.as_str()))]),
                "t",
            )
        });
        world.record(&changed);
    }
    let large = look(&world);
    assert!(large <= small + 2, "{large} steps instead of {small}");
}

#[test]
fn the_log_names_users_who_are_gone_for_good_and_target_objects_of_no_user() {
    let world = World::new();
    world.full_round(User, &[report("u1", "u0")]);
    world.link(User, "u1", "t-u1");
    let found = |text: &str| {
        let filter = LogFilter {
            object: Some(text.to_owned()),
            ..LogFilter::default()
        };
        world.store.log(&filter, 10).unwrap().len()
    };
    assert_eq!((found("U1"), found("t-u1"), found("T-u1")), (1, 1, 0));
    world
        .store
        .write("forget", |state| {
            state.run(
                "UPDATE objects SET label = 'Ada', presence = 0 WHERE key = ?1",
                [key("u1")],
            )?;
            state.run("DELETE FROM labels", [])
        })
        .unwrap();
    assert_eq!((found("ada"), found("t-u1"), found("ad")), (1, 1, 0));
}
