//! Our simulated target before a public compliance checker, so that it is a SCIM server by another
//! judgement than ours.

use std::process::{Command, Stdio};

use entrain::sandbox::{TargetHandle, TargetOptions};

use crate::foreign::{installed, targets};

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_target_passes_scim2_tester() {
    let Some(home) = installed("scim2-tester") else {
        return;
    };
    let target = TargetHandle::start(TargetOptions::default()).await.unwrap();
    let mut checker = Command::new(home.join("venv/bin/python"));
    checker
        .arg(targets().join("compliance.py"))
        .arg(target.scim_url())
        .env("TOKEN", target.token())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || checker.output())
        .await
        .unwrap()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    target.stop().await;
}
