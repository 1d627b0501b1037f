//! The command line as clap takes it.

use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_arguments_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn global_options_stand_before_or_behind_the_command() {
    for line in [
        "entrain --config a.toml --format json -vv plan wizer",
        "entrain plan wizer -vv --format json --config a.toml",
    ] {
        let cli = parse(line).unwrap();
        assert_eq!(cli.config, Some("a.toml".into()));
        assert_eq!((cli.format, cli.verbose), (Format::Json, 2));
    }
}

#[test]
fn the_log_takes_only_words_and_times_that_there_are() {
    assert!(parse("entrain log --status failed --action add-members").is_ok());
    for wrong in ["--status bad", "--action no", "--since soon", "--limit -1"] {
        assert!(parse(&format!("entrain log {wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn jobs_are_named_or_left_out() {
    let jobs = |line| match parse(line).unwrap().command {
        Command::Sync(sync) => sync.cycle.jobs.jobs,
        other => panic!("{other:?}"),
    };
    assert!(jobs("entrain sync").is_empty());
    assert_eq!(jobs("entrain sync a --initial b"), ["a", "b"]);
}

#[test]
fn a_cycle_is_limited_to_one_object_at_most() {
    let only = |line| match parse(line).unwrap().command {
        Command::Plan(plan) => plan.cycle.options().only.map(|only| only.objects),
        other => panic!("{other:?}"),
    };
    assert_eq!(only("entrain plan"), None);
    assert_eq!(
        only("entrain plan --user jane@contoso.com"),
        Some(vec![(
            Some(ObjectKind::User),
            "jane@contoso.com".to_owned()
        )])
    );
    assert_eq!(
        only("entrain plan wizer --group Sales"),
        Some(vec![(Some(ObjectKind::Group), "Sales".to_owned())])
    );
    parse("entrain plan --user jane --group Sales").unwrap_err();
}

#[test]
fn wrong_usage_exits_with_two() {
    for line in [
        "entrain",
        "entrain snyc",
        "entrain approve",
        "entrain -q -v check",
        "entrain --format xml check",
        "entrain demo --directory x",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    assert_eq!(parse("entrain --help").unwrap_err().exit_code(), 0);
    assert_eq!(parse("entrain --version").unwrap_err().exit_code(), 0);
}
