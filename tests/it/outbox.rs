//! One message, and a mail server in trouble of every kind one after the other.

use crate::notify::{HOLD, OFTEN, hold_one, in_step, mail_to, more_cycles, stop, subjects};
use crate::post::{Manner, Post};
use crate::service::{Service, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_once_after_a_server_that_is_down_refuses_and_is_slow_and_a_kill() {
    let mut post = Post::start().await;
    post.stop().await;
    let rig = in_step("").await;
    rig.configure(&format!("{HOLD}{OFTEN}{}", mail_to(post.port)));
    hold_one(&rig);
    let shows = async |words: &str| {
        let status = rig.run(&["status"]).await.expect(0);
        status.err.contains(words)
    };
    let service = Service::start(&rig, &["run"]);
    let failed = |service: &Service<'_>| service.log().contains("could not be delivered");
    until("it is down", || failed(&service)).await;
    post.behave(Manner::Refuses);
    post.start_again().await;
    let begun = std::time::Instant::now();
    while !shows("550 5.1.1 no such user here").await {
        assert!(begun.elapsed().as_secs() < 30, "it is not refused");
        more_cycles(&service, 1).await;
    }
    service.signal("-KILL");
    drop(service);
    post.behave(Manner::Slow);
    let service = Service::start(&rig, &["run"]);
    let held = || {
        let mails = post.mails();
        let held = "entrain: demo: 1 removal is held until approved";
        let of_it = subjects(&mails).iter().filter(|one| **one == held).count();
        (of_it, mails.len())
    };
    until("the message", || held().0 == 1).await;
    // No cycle waited for it, and what was said of the crash came once, too.
    until("the crash", || held().1 == 2).await;
    more_cycles(&service, 3).await;
    assert_eq!(held(), (1, 2));
    stop(service).await;
}
