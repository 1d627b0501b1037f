//! The status page.

use super::*;

fn told_of(web: &str) -> String {
    told_whole(&format!("{web}{SOURCE}{JOB}"))
}

#[test]
fn a_page_on_this_machine_needs_nothing_but_where_it_listens() {
    for listen in [
        "127.0.0.1:8740",
        "localhost:8740",
        "[::1]:0",
        "unix:/run/entrain/web.sock",
    ] {
        let web = format!("[web]\nlisten = \"{listen}\"\n");
        assert_eq!(told_of(&web), "no problem", "{listen}");
    }
    let config = load_ok(&format!(
        "[web]\nlisten = \"localhost:8740\"\n{SOURCE}{JOB}"
    ));
    let listen = Listen::Address(([127, 0, 0, 1], 8740).into());
    assert_eq!(config.web.unwrap().listen, listen);
    assert_eq!(load_ok(&format!("{SOURCE}{JOB}")).web, None);
}

#[test]
fn a_page_that_others_reach_needs_a_token() {
    insta::assert_snapshot!(told_of("[web]\nlisten = \"0.0.0.0:8740\"\nopen_on_loopback = true\n"), @r##"
entrain.toml:2: web.listen: 0.0.0.0:8740 can be reached from other machines, but token is not set
    add token = { credential = "web-token" }, client_ca or proxy, or listen on 127.0.0.1
entrain.toml:3: web.open_on_loopback: 0.0.0.0:8740 can be reached from other machines
    remove open_on_loopback, or listen on 127.0.0.1
"##);
    insta::assert_snapshot!(told_of("[web]\nlisten = \"[::]:8740\"\ntoken = { env = \"WEB_TOKEN\" }\n"), @r##"
warning: entrain.toml:2: web.listen: the token and names of users would be sent unencrypted over the network
    add tls = { certificate = …, private_key = … }, or listen on 127.0.0.1 behind a proxy with HTTPS
"##);
}

#[test]
fn what_is_wrong_with_the_page_is_reported_at_once() {
    insta::assert_snapshot!(told_of("[web]\n"), @r##"
entrain.toml:1: web.listen: missing
    add listen = "127.0.0.1:8740"
"##);
    insta::assert_snapshot!(told_of("[web]\nlisten = \"8740\"\nhosts = [\"https://a.example\", \"b.example\"]\nport = 1\n[web.tls]\nkey = \"x\"\n"), @r##"
entrain.toml:2: web.listen: "8740" is not an address to listen on
    write an address with a port, as in "127.0.0.1:8740" or "[::1]:8740", or unix:/path
entrain.toml:3: web.hosts[0]: "https://a.example" is not a host name
    write only the name, as in "entrain.example.com"
entrain.toml:4: web.port: unknown key
    the key belongs in [notify.mail]
entrain.toml:5: web.tls.certificate: missing
    write tls = { certificate = { file = "…" }, private_key = { file = "…" } }
entrain.toml:5: web.tls.private_key: missing
    write tls = { certificate = { file = "…" }, private_key = { file = "…" } }
entrain.toml:6: web.tls.key: unknown key
    the key belongs in [state]
"##);
}
