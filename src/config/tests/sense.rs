//! What cannot be meant, and what is odd.

use super::*;

#[test]
fn addresses_must_be_safe() {
    let with = |url: &str| {
        let told = told_whole(&format!(
            "{SOURCE}{}",
            JOB.replace("https://acme.example/scim", url)
        ));
        assert!(!told.contains("hunter2"), "{told}");
        told.lines().next().unwrap().to_owned()
    };
    insta::assert_snapshot!([
        "http://acme.example/scim",
        "http://127.0.0.2:80",
        "ftp://acme.example",
        "https://",
        "https://me:hunter2@acme.example/scim",
        "https://acme.example/scim#x",
        "https://acme.example/scim/Users",
    ].map(with).join("\n"), @r##"
entrain.toml:11: jobs.acme.target.base_url: with http, the token would be sent unencrypted to acme.example
no problem
entrain.toml:11: jobs.acme.target.base_url: ftp is not a supported protocol here
entrain.toml:11: jobs.acme.target.base_url: this is not an address: empty host
entrain.toml:11: jobs.acme.target.base_url: the address contains a user name or password
entrain.toml:11: jobs.acme.target.base_url: the address contains a fragment
entrain.toml:11: jobs.acme.target.base_url: this is the address of one resource type, not of the SCIM service
"##);
}

#[test]
fn contradictions_are_reported() {
    insta::assert_snapshot!(told_whole(&format!(r#"{SOURCE}
[schedule]
interval = "40m"
cron = "0 * * * *"
{JOB}
[jobs.schedule]
interval = "5m"
timezone = "UTC"
[jobs.scope]
mode = "all"
groups = ["x"]
exclude_default_access = true
[jobs.users]
actions = ["create", "update"]
when_out_of_scope = "delete"
[jobs.groups]
actions = []
{}
[jobs.scope]
mode = "groups"
"#, JOB.replace("acme\"", "ACME\""))), @r##"
entrain.toml:9: schedule.cron: interval and cron are both set
    remove one of them
entrain.toml:9: schedule.cron: not a cron expression:
    0 * * * *
             ^
    the first field is the second: "0 0 * * * *"
entrain.toml:20: jobs.acme.schedule.timezone: a time zone has no effect on an interval
    use cron instead of interval, or remove timezone
entrain.toml:23: jobs.acme.scope.groups: groups are listed, but the mode is not "groups"
    write mode = "groups", or remove groups
entrain.toml:24: jobs.acme.scope.exclude_default_access: the Default Access role comes from assignments, which this mode does not read
    write mode = "assigned", or remove exclude_default_access
entrain.toml:27: jobs.acme.users.when_out_of_scope: when_out_of_scope is "delete", but actions does not contain "delete"
    add "delete" to actions, or write when_out_of_scope = "disable" or "keep"
entrain.toml:29: jobs.acme.groups.actions: no action is allowed
    add create, update or delete; or write enabled = false
entrain.toml:32: jobs.ACME.name: another job has this name: line 12
    give each job a unique name; case is ignored
entrain.toml:38: jobs.ACME.scope.groups: mode = "groups" requires names or ids
    add groups = ["id or display name"]
"##);
}

#[test]
fn schedules_must_make_sense() {
    let with = |schedule: &str| told_whole(&format!("{SOURCE}[schedule]\n{schedule}\n{JOB}"));
    insta::assert_snapshot!([
        with("cron = \"0 * * * *\""),
        with("cron = \"0 61 * * * *\""),
        with("cron = \"0 0 * * * *\"\ntimezone = \"Europe/Berlim\""),
        with("interval = \"0s\""),
        with("interval = \"5m\"\njitter = \"5m\""),
        with("jitter = \"a while\""),
    ].join("\n"), @r##"
entrain.toml:7: schedule.cron: not a cron expression:
    0 * * * *
             ^
    the first field is the second: "0 0 * * * *"
entrain.toml:7: schedule.cron: not a cron expression:
    0 61 * * * *
      ^
    Minutes must be less than 59. ('61' specified.)
    write second, minute, hour, day, month and weekday, as in "0 0 * * * *"
entrain.toml:8: schedule.timezone: there is no time zone "Europe/Berlim"
    did you mean Europe/Berlin?
entrain.toml:7: schedule.interval: it must be greater than zero
    write it like "90s", "40m" or "1h30m"
entrain.toml:8: schedule.jitter: the jitter is as long as the interval itself
    make it shorter than the interval
entrain.toml:7: schedule.jitter: "a while" is not a duration
    write it like "90s", "40m" or "1h30m"
"##);
}

#[test]
fn what_is_odd_is_warned_of() {
    insta::assert_snapshot!([
        told("[jobs.users]\nmappings = [ { target = \"active\", source = \"accountEnabled\" } ]"),
        told("[jobs.users]\nactions = [\"create\"]"),
        told("[jobs.users]\nmappings = [ { target = \"nickName\", expression = 'Guid()' } ]"),
        told("[jobs.scope]\nmode = \"all\"\nnested_groups = true\n[jobs.users]\nmappings = [ { target = \
              \"roles\", expression = 'AppRoleAssignmentsComplex([appRoleAssignments])' } ]"),
        told("[jobs.users]\nenabled = false\n[jobs.groups]\nenabled = false"),
    ].join("\n"), @r##"
warning: entrain.toml:13: jobs.acme.users.when_out_of_scope: no user would be disabled: no mapping that always applies reads IsSoftDeleted
    map active from 'Switch([IsSoftDeleted], , "False", "True", "True", "False")', or write when_out_of_scope = "delete" or "keep"
warning: entrain.toml:14: jobs.acme.users.actions: no user would be disabled: that is an update, which the actions do not allow
    add "update" to actions, or write when_out_of_scope = "keep"
warning: entrain.toml:14: jobs.acme.users.mappings[0]: the expression can return a different value in each cycle, and then every object is updated
    write apply = "on-create" if the value should not change
warning: entrain.toml:14: jobs.acme.scope.mode: a mapping sends roles, but this mode does not read assignments, which contain them
    write mode = "assigned", or remove the mapping
warning: entrain.toml:15: jobs.acme.scope.nested_groups: every user is in scope already, so nested_groups has no effect
    remove nested_groups
warning: entrain.toml:7: jobs.acme: neither users nor groups are enabled, so the job does nothing
    enable one of them, or write enabled = false for the job
"##);
}

#[test]
fn odd_values_are_remarked() {
    insta::assert_snapshot!(told_whole(&format!(r#"{SOURCE}
[state]
path = "/no/such/folder/entrain.db"
[schedule]
interval = "1s"
{JOB}
concurrency = 5000
timeout = "2h"
page_size = 10000
member_chunk = 100000
"#)), @r##"
warning: entrain.toml:8: state.path: the folder /no/such/folder does not exist
    mkdir -p /no/such/folder
warning: entrain.toml:10: schedule.interval: with such a short interval, Graph may throttle the requests (429)
    make it "1m" or longer; the default is "40m"
warning: entrain.toml:19: jobs.acme.target.concurrency: 5000 concurrent requests is more than most services accept
    make it 64 or less, unless the service allows more
warning: entrain.toml:20: jobs.acme.target.timeout: a request without a response blocks its object for this long
    make it "10m" or shorter
warning: entrain.toml:21: jobs.acme.target.page_size: 10000 objects in one page is more than most services accept
    make it 1000 or less, unless the service allows more
warning: entrain.toml:22: jobs.acme.target.member_chunk: 100000 members in one request is more than most services accept
    make it 1000 or less, unless the service allows more
"##);
}
