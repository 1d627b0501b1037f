//! How requests to a target show who sends them.

use super::*;
use crate::config::{Authentication, SignIn};

const TOKEN: &str = "token = { env = \"ACME_TOKEN\" }";

fn told_with(lines: &str) -> String {
    told_whole(&format!("{SOURCE}{JOB}").replace(TOKEN, lines))
}

fn sign_in(lines: &str) -> SignIn {
    let loaded = load_text(&format!("{SOURCE}{JOB}").replace(TOKEN, lines), &[]);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:#?}"));
    loaded.config.jobs[0].target.access.sign_in.clone()
}

#[test]
fn each_way_to_sign_in_is_read() {
    let tokens =
        sign_in("token = [{ env = \"A\", expires = \"2027-01-31\" }, { credential = \"B\" }]");
    let SignIn::Token(tokens) = tokens else {
        panic!("{tokens:?}")
    };
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0].expires.unwrap().to_string(), "2027-01-31");
    assert!(matches!(
        sign_in("basic = { user = \"anna\", password = { env = \"A\" } }"),
        SignIn::Basic { user, .. } if user == "anna"
    ));
    let oauth = sign_in(
        "oauth = { token_url = \"https://login.example.com/token\", client_id = \"c\", \
         client_secret = [{ env = \"A\" }, { env = \"B\" }], scope = \"scim\", authentication = \"post\" }",
    );
    let SignIn::OAuth(oauth) = oauth else {
        panic!("{oauth:?}")
    };
    assert_eq!(oauth.secrets.len(), 2);
    assert_eq!(oauth.authentication, Some(Authentication::Post));
    assert!(matches!(
        sign_in("entra = { scope = \"api://app/.default\" }"),
        SignIn::Entra { scope } if scope == "api://app/.default"
    ));
    assert_eq!(
        sign_in("headers = { \"X-Api-Key\" = { env = \"A\" } }"),
        SignIn::Headers
    );
    assert_eq!(
        sign_in("headers = { Authorization = { env = \"A\" } }"),
        SignIn::Headers
    );
}

#[test]
fn what_is_wrong_with_a_way_to_sign_in_is_named() {
    for (lines, key, expected) in [
        ("", "token", "missing"),
        ("headers = {}", "token", "missing"),
        (
            "token = { env = \"A\" }\nbasic = { user = \"u\", password = { env = \"B\" } }",
            "basic",
            "basic and token are both set",
        ),
        (
            "basic = { user = \"u:v\", password = { env = \"B\" } }",
            "basic.user",
            "cannot contain a colon",
        ),
        (
            "basic = { user = \"u\", password = \"hunter2\" }",
            "basic.password",
            "a secret cannot be written",
        ),
        ("basic = { user = \"u\" }", "basic.password", "missing"),
        ("oauth = {}", "oauth.token_url", "missing"),
        (
            "oauth = { token_url = \"http://login.example.com/token\", client_id = \"c\", client_secret = { env = \"A\" } }",
            "oauth.token_url",
            "unencrypted",
        ),
        (
            "oauth = { token_url = \"https://login.example.com/token\", client_id = \"c\", client_secret = { env = \"A\" }, authentication = \"both\" }",
            "oauth.authentication",
            "both",
        ),
        ("entra = { scope = \"\" }", "entra.scope", "empty"),
        (
            "token = { env = \"A\", expires = \"soon\" }",
            "token.expires",
            "this is not a date",
        ),
        (
            "token = { env = \"A\" }\nheaders = { host = { env = \"B\" } }",
            "headers.host",
            "entrain sets this header itself",
        ),
        (
            "token = { env = \"A\" }\nheaders = { Authorization = { env = \"B\" } }",
            "headers.Authorization",
            "the way to sign in sets this header itself",
        ),
        (
            "token = { env = \"A\" }\nheaders = { \"X Key\" = { env = \"B\" } }",
            "headers.X Key",
            "this is not the name of a header",
        ),
        (
            "token = { env = \"A\" }\nheaders = { X-A = { env = \"B\" }, x-a = { env = \"B\" } }",
            "headers.x-a",
            "the header is set twice",
        ),
    ] {
        let told = told_with(lines);
        let place = format!("jobs.acme.target.{key}: ");
        let line = told.lines().find(|line| line.contains(&place));
        assert!(
            line.is_some_and(|line| line.contains(expected)),
            "{lines}\n{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
}
