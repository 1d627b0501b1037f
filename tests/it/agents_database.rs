//! What can be wrong with the database that agents share, and how it is spoken to.

use std::fs;
use std::process::Command;
use std::time::Duration;

use entrain::sandbox::Size;

use crate::agents::{Agent, by, holder, shared};
use crate::database::{Database, KEY};
use crate::rig::Rig;
use crate::service::until;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_database_is_said() {
    let Some(database) = Database::of_all() else {
        return;
    };
    let rig = shared(Rig::start(Size::new(3, 0, 0)).await, &database, "", 1);
    let text = fs::read_to_string(rig.path("a1.toml")).unwrap();
    let port = database.port;
    let fails = async |change: &dyn Fn(String) -> String, words: &str| {
        fs::write(rig.path("a1.toml"), change(text.clone())).unwrap();
        let run = by(&rig, 1, &["sync"]).await;
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.err.contains(words), "{words}\n{run:?}");
    };
    let with = |from: &'static str, to: String| move |text: String| text.replace(from, &to);
    fails(&with("entrain@", "guarded@".to_owned()), "password missing").await;
    fs::write(rig.path("password"), "open barley\n").unwrap();
    let guarded = |text: String| {
        let text = text.replace("entrain@", "guarded@");
        text.replace("schema =", "password = { file = \"password\" }\nschema =")
    };
    fails(&guarded, "state.password must hold the password").await;
    fails(
        &with("entrain@", "stranger@".to_owned()),
        "\"stranger\" does not exist",
    )
    .await;
    fails(&with("/entrain\"", "/absent\"".to_owned()), "createdb").await;
    fails(
        &with("entrain@", "powerless@".to_owned()),
        "GRANT CREATE ON DATABASE",
    )
    .await;
    let closed = format!("127.0.0.1:{port}");
    // Before anything is created.
    let schema = &database.schema;
    database.run(&format!(
        "CREATE SCHEMA {schema} AUTHORIZATION entrain; CREATE TABLE {schema}.leases (colour text)"
    ));
    fails(&|text| text, "tables of another program, such as leases").await;
    let url = format!("postgres://entrain@127.0.0.1:{port}/entrain");
    rig.edit(|text| format!("[state]\nkey = {{ file = \"state-key\" }}\n\n{text}"));
    rig.run(&["sync"]).await.expect(0);
    let copy = ["state", "copy", "--from", "entrain.db", "--to", &url];
    fs::write(rig.path("a1.toml"), &text).unwrap();
    let copied = by(&rig, 1, &copy).await.expect(1);
    assert!(copied.err.contains("such as leases"), "{copied:?}");
    database.run(&format!("DROP TABLE {schema}.leases"));
    fails(
        &with("entrain@", "powerless@".to_owned()),
        "ALTER SCHEMA entrain OWNER TO entrain",
    )
    .await;
    // Where the schema is there and its own, it needs no right to create one.
    database.run(&format!("ALTER SCHEMA {schema} OWNER TO powerless"));
    let powerless = text.replace("entrain@", "powerless@");
    fs::write(rig.path("a1.toml"), powerless).unwrap();
    by(&rig, 1, &["sync"]).await.expect(0);
    database.run(&format!("DROP SCHEMA {schema} CASCADE"));
    for name in ["copy1.db", "copy1.db-wal", "copy1.db-shm"] {
        let _ = fs::remove_file(rig.path(name));
    }
    let text_of = |text: String| text.replace(&closed, "127.0.0.1:1");
    fails(&text_of, "Connection refused").await;
    fs::write(rig.path("password"), "open sesame\n").unwrap();
    fs::write(rig.path("a1.toml"), guarded(text.clone())).unwrap();
    by(&rig, 1, &["sync"]).await.expect(0);

    // From here on the state is there, and belongs to the user `guarded`.
    database.run("UPDATE head SET format = format + 1");
    fails(&guarded, "written by a newer version of entrain").await;
    database.run("UPDATE head SET format = format - 1");
    database.run("ALTER ROLE guarded SET default_transaction_read_only = on");
    fails(&guarded, "read-only replica").await;
    database.run("ALTER ROLE guarded RESET default_transaction_read_only");
    database.run("ALTER ROLE guarded SET synchronous_commit = off");
    fails(&guarded, "synchronous_commit is off").await;
    database.run("ALTER ROLE guarded RESET synchronous_commit");
    database.run("ALTER ROLE guarded CONNECTION LIMIT 0");
    fails(&guarded, "too many connections").await;
    database.run("ALTER ROLE guarded CONNECTION LIMIT -1");
    database.run("ALTER TABLE head RENAME TO other; CREATE TABLE head (colour text); GRANT ALL ON head TO guarded");
    fails(&guarded, "tables of another program").await;
    database.run("DROP TABLE head");
    fails(&guarded, "holds no state").await;
    database.run("ALTER TABLE other RENAME TO head");
    fs::write(rig.path("a1.toml"), guarded(text.clone())).unwrap();
    by(&rig, 1, &["sync"]).await.expect(0);

    // A copy is none without its database, and a state of its own is no copy.
    rig.edit(|text| text.replace("[state]\n", "[state]\npath = \"copy1.db\"\n"));
    let alone = rig.run(&["sync"]).await.expect(1);
    assert!(alone.err.contains("state.url is not set"), "{alone:?}");
    rig.edit(|text| text.replace("copy1.db", "own.db"));
    rig.run(&["sync"]).await.expect(0);
    fails(
        &|text| guarded(text).replace("copy1.db", "own.db"),
        "is a state of its own",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_encrypted_and_the_server_is_verified() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(rig.path("."));
        let made = command.args(arguments.split_whitespace()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!(
        "req -x509 {new} -subj /CN=authority -keyout ca.key -out ca.crt"
    ));
    fs::write(rig.path("server.ext"), "subjectAltName = IP:127.0.0.1\n").unwrap();
    fs::write(rig.path("client.ext"), "extendedKeyUsage = clientAuth\n").unwrap();
    for (name, subject) in [("server", "db"), ("client", "certified")] {
        openssl(&format!(
            "req {new} -subj /CN={subject} -keyout {name}.key -out {name}.csr"
        ));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile {name}.ext \
             -out {name}.crt"
        ));
    }
    let Some((_server, database)) = Database::alone(Some(&rig.path("."))) else {
        return;
    };
    fs::write(rig.path("state-key"), KEY).unwrap();
    let text = fs::read_to_string(rig.path("entrain.toml")).unwrap();
    let certificate = "client_certificate = { certificate = { file = \"client.crt\" }, private_key = { file = \
                       \"client.key\" } }";
    let attempt = async |more: &str, host: &str| {
        let state = database.section("copy1.db", more);
        let state = state.replace("entrain@127.0.0.1", &format!("certified@{host}"));
        fs::write(rig.path("a1.toml"), format!("{state}\n{text}")).unwrap();
        by(&rig, 1, &["sync"]).await
    };
    let authority = "ca_certificate = \"ca.crt\"";
    let unknown = attempt(certificate, "127.0.0.1").await.expect(1);
    for words in ["UnknownIssuer", "state.ca_certificate names"] {
        assert!(unknown.err.contains(words), "{unknown:?}");
    }
    let named = attempt(&format!("{authority}\n{certificate}"), "localhost").await;
    assert!(named.err.contains("not valid for name"), "{named:?}");
    let bare = attempt(authority, "127.0.0.1").await.expect(1);
    assert!(bare.err.contains("no encryption"), "{bare:?}");
    attempt(&format!("{authority}\n{certificate}"), "127.0.0.1")
        .await
        .expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_waits_for_the_database_as_the_cycle_does_that_an_agent_runs_for_it() {
    let Some((_server, database)) = Database::alone(None) else {
        return;
    };
    let rig = Rig::start(Size::new(20, 2, 40)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(50));
    let rig = shared(rig, &database, "", 2);
    by(&rig, 1, &["sync"]).await.expect(0);
    let agents = [Agent::start(&rig, 1)];
    until("it has the job", || holder(&database, &agents) == Some(0)).await;
    let before = rig.sandbox.target.user_count();
    for number in 0..60 {
        rig.joiner(&format!("new.{number}"));
    }
    let target = rig.sandbox.target.clone();
    let cuts = tokio::spawn(async move {
        until("the cycle writes", || target.user_count() > before).await;
        for _ in 0..12 {
            database.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'entrain'",
            );
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    });
    by(&rig, 2, &["sync"]).await.expect(0);
    cuts.await.unwrap();
    rig.user("new.59@contoso.com");
}
