//! Removals that wait for long: their confirmation is renewed in the same cycle before they are sent.

use std::fs;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Rig;
use crate::cycle::Options;
use crate::sandbox::{ROLE_USER, Size, Uuid};

impl Rig {
    fn active(&self) -> usize {
        let users = self.sandbox.target.users();
        users.iter().filter(|user| user["active"] == true).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_whose_confirmation_is_old_is_confirmed_again_before_it_is_sent() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let config = rig.folder.path().join("entrain.toml");
    let text = fs::read_to_string(&config).unwrap();
    let one_by_one = "concurrency = 1\n\n[jobs.safety]";
    fs::write(&config, text.replace("[jobs.safety]", one_by_one)).unwrap();
    let (tenant, target) = (&rig.sandbox.tenant, &rig.sandbox.target);
    let users: Vec<Uuid> = (0..4)
        .map(|number| {
            let name = format!("user{number}@contoso.com");
            let user = serde_json::json!({"userPrincipalName": name, "displayName": name});
            tenant.add_user(user.as_object().unwrap().clone())
        })
        .collect();
    for user in &users {
        tenant.assign(*user, ROLE_USER);
    }
    assert_eq!(rig.sync().await.failed, 0);
    assert_eq!(rig.active(), 4);

    for user in &users[..3] {
        tenant.unassign(*user);
    }
    target.configure(|target| target.latency = Duration::from_millis(300));
    target.traffic().reset();
    let (mut agent, job) = rig.agent(&CancellationToken::new());
    agent.fresh = Duration::ZERO;
    let progress = watch::Sender::default();
    let options = Options::default();
    let coming_back = async {
        while target.writes() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for user in &users[..3] {
            tenant.assign(*user, ROLE_USER);
        }
    };
    let cycle = agent.run(&job, &options, &progress, agent.due(&job));
    let (summary, ()) = tokio::join!(cycle, coming_back);
    let summary = summary.unwrap_or_else(|error| panic!("{}", error.chain()));
    // One was on its way already; the others came back before they were sent.
    assert_eq!(rig.active(), 3, "{summary:#?}");
    assert_eq!((target.writes(), summary.not_tried), (1, 2), "{summary:#?}");
    drop(agent);
    assert_eq!(rig.sync().await.failed, 0);
    assert_eq!(rig.active(), 4);

    // Those that did not come back go in the same cycle, however old the confirmation is.
    for user in &users[..2] {
        tenant.unassign(*user);
    }
    let (mut agent, job) = rig.agent(&CancellationToken::new());
    agent.fresh = Duration::ZERO;
    let summary = agent.run(&job, &options, &progress, agent.due(&job)).await;
    assert_eq!(rig.active(), 2, "{summary:#?}");
}
