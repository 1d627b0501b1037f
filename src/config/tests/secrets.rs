//! Secrets are kept to themselves.

use super::*;

#[test]
fn a_secret_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "hunter2").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let text = JOB.replace("env = \"ACME_TOKEN\"", "file = \"token\"");
    let loaded = load_in(folder.path(), &format!("{SOURCE}{text}"), &[]).unwrap();
    assert_eq!(
        loaded.config.jobs[0].target.access,
        Access::of_token(Secret::File(token))
    );
    assert_eq!(loaded.warnings.len(), 1);
    assert!(
        loaded.warnings[0]
            .message
            .starts_with("users other than the owner can read")
    );
    assert_eq!(loaded.warnings[0].line, Some(12));
}

#[test]
fn a_secret_whose_file_is_missing_or_empty_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let text = JOB.replace("env = \"ACME_TOKEN\"", "file = \"token\"");
    let text = format!("{SOURCE}{text}");
    let warning = || {
        let loaded = load_in(folder.path(), &text, &[]).unwrap();
        let [warning] = &loaded.warnings[..] else {
            panic!("{:?}", loaded.warnings)
        };
        assert_eq!(warning.line, Some(12));
        assert_eq!(warning.key, "jobs.acme.target.token");
        (warning.message.clone(), warning.remedy.clone())
    };
    let (message, remedy) = warning();
    assert!(message.contains("token cannot be read: No such file"));
    assert!(remedy.starts_with("create it with the secret"));
    for (text, words, what) in [
        ("\n", "token is empty", "write the secret into the file"),
        ("\u{feff}x", "byte order mark", "correct the file"),
        ("\"x\"", "in quotation marks", "correct the file"),
    ] {
        fs::write(&token, text).unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
        let (message, remedy) = warning();
        assert!(message.contains(words), "{message}");
        assert!(remedy.starts_with(what), "{message}: {remedy}");
    }
}

#[test]
fn no_secret_is_ever_repeated() {
    for line in [
        "client_secret = \"hunter2\"",
        "client_secret = { value = \"hunter2\" }",
        "client_secret = { env = \"hunter2 x\" }",
        "client_secret = hunter2",
    ] {
        let text = SOURCE.replace("client_secret = { env = \"ENTRAIN_CLIENT_SECRET\" }", line);
        let told = told_whole(&format!("{text}{JOB}"));
        assert!(told.contains("entrain.toml:5"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
