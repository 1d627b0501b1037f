//! Notifications.

use super::*;

const MAIL: &str = "[notify.mail]\nserver = \"smtp.example.com\"\nfrom = \"entrain@example.com\"\nto = \
                    [\"it@example.com\"]\n";

fn told_of(notify: &str) -> String {
    told_whole(&format!("{notify}{SOURCE}{JOB}"))
}

#[test]
fn mail_needs_a_server_a_sender_and_recipients_and_has_the_usual_ports() {
    assert_eq!(told_of(MAIL), "no problem");
    for (encryption, port) in [("starttls", 587), ("tls", 465)] {
        let config = load_ok(&format!(
            "{MAIL}encryption = \"{encryption}\"\n{SOURCE}{JOB}"
        ));
        assert_eq!(config.notify.mail.unwrap().port, port);
    }
    insta::assert_snapshot!(told_of("[notify.mail]\nport = 70000\nencryption = \"ssl\"\nuser = \"x\"\nfrom = \"nobody\"\nto = []\n"), @r##"
entrain.toml:1: notify.mail.server: missing
    add server = "smtp.example.com"
entrain.toml:1: notify.mail.password: missing
    set both user and password, or neither
entrain.toml:2: notify.mail.port: 70000 is not a valid port
    write a number up to 65535
entrain.toml:3: notify.mail.encryption: "ssl" is not one of the allowed values
    write one of: starttls, tls, none
entrain.toml:5: notify.mail.from: "nobody" is not an e-mail address
    write "it@example.com" or "IT <it@example.com>"
entrain.toml:6: notify.mail.to: empty
    write to = ["it@example.com"]
"##);
}

#[test]
fn a_password_never_goes_over_a_network_in_the_clear() {
    let login = "encryption = \"none\"\nuser = \"u\"\npassword = { env = \"P\" }\n";
    insta::assert_snapshot!(told_of(&format!("{MAIL}{login}")), @r##"
entrain.toml:5: notify.mail.encryption: the password would be sent unencrypted to smtp.example.com
    write starttls or tls; none is only for a mail server on this machine
"##);
    insta::assert_snapshot!(told_of(&format!("{MAIL}encryption = \"none\"\n")), @r##"
warning: entrain.toml:5: notify.mail.encryption: names of users are sent unencrypted to smtp.example.com
    write starttls or tls; none is only for a mail server on this machine
"##);
    let local = MAIL.replace("smtp.example.com", "127.0.0.1");
    assert_eq!(told_of(&format!("{local}{login}")), "no problem");
}

#[test]
fn a_job_chooses_among_the_ways_that_there_are() {
    let hook = "[[notify.webhooks]]\nname = \"ops\"\nurl = { env = \"OPS\" }\nform = \"slack\"\n";
    let job = "[jobs.notify]\nto = [\"wizer@example.com\"]\nwebhooks = [\"ops\"]\n";
    let config = load_ok(&format!("{MAIL}{hook}{SOURCE}{JOB}{job}"));
    let notify = &config.jobs[0].notify;
    assert_eq!(notify.webhooks.as_deref(), Some(&["ops".to_owned()][..]));
    insta::assert_snapshot!(told_of("[notify]\n"), @r##"
warning: entrain.toml:1: notify: no recipient is configured
    add [notify.mail], [[notify.webhooks]] or heartbeat
"##);
    insta::assert_snapshot!(told_whole(&format!("[notify]\n{SOURCE}{JOB}{job}")), @r##"
entrain.toml:15: jobs.acme.notify.to[0]: no mail server is configured
    add [notify.mail] with server and from
entrain.toml:16: jobs.acme.notify.webhooks[0]: there is no webhook named "ops"
    add [[notify.webhooks]] with name and url
"##);
}
