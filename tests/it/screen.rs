//! What people see on a screen: lines that fit it, and words that stay whole.

use entrain::sandbox::Size;

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn text_fits_80_columns_and_wraps_at_words() {
    let rig = Rig::start(Size::new(30, 4, 60)).await;
    for arguments in [
        &["check"][..],
        &["test"],
        &["plan", "-v"],
        &["sync"],
        &["sync"],
        &["status"],
        &["log"],
        &["approve", "demo"],
        &["--help"],
        &["plan", "--help"],
        &["log", "--help"],
        &[
            "sync",
            "--user",
            "a-user-whom-nobody-has-ever-heard-of-in-this-tenant@contoso.com",
        ],
    ] {
        let mut command = rig.command(arguments);
        command.env_remove("COLUMNS");
        let run = Rig::finish(command.spawn().unwrap()).await;
        let wide: Vec<&str> = run
            .out
            .lines()
            .chain(run.err.lines())
            .filter(|line| textwrap::core::display_width(line) > 80)
            // A value that is longer than a line stays whole.
            .filter(|line| line.trim().contains(' '))
            // An entry of the log is a line.
            .filter(|line| !line.contains(" INFO "))
            .collect();
        assert!(wide.is_empty(), "{arguments:?}: {wide:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_without_changes_says_what_is_in_step() {
    let rig = Rig::start(Size::new(30, 4, 60)).await;
    rig.run(&["sync"]).await.expect(0);
    let quiet = rig.run(&["sync"]).await.expect(0);
    assert!(quiet.out.contains("Nothing changed; "), "{}", quiet.out);
    assert!(quiet.out.contains(" in step"), "{}", quiet.out);
    assert!(!quiet.out.contains("in scope"), "{}", quiet.out);
}
