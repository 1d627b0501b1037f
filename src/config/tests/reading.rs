//! Finding the file and reading it, whatever it holds.

use super::*;

#[test]
fn syntax_errors_name_the_place() {
    insta::assert_snapshot!(told_whole("[source]\ntenant_id = abc\n"), @r##"
entrain.toml:2: not valid TOML at column 13: invalid string; expected `"`, `'`
    correct the line; text must be in quotes, and a key can occur only once
"##);
    insta::assert_snapshot!(told_whole("[source]\na = 1\na = 2\n"), @r##"
entrain.toml:3: not valid TOML at column 1: duplicate key `a` in table `source`
    correct the line; text must be in quotes, and a key can occur only once
"##);
    insta::assert_snapshot!(told_whole("[source]\na = 99999999999999999999\n"), @r##"
entrain.toml:2: not valid TOML at column 5: the number is out of range; whole numbers are from -9223372036854775808 to 9223372036854775807
    correct the line; text must be in quotes, and a key can occur only once
"##);
    insta::assert_snapshot!(told_whole("[source\n"), @r##"
entrain.toml:1: not valid TOML at column 8: invalid table header; expected `.`, `]`
    correct the line; text must be in quotes, and a key can occur only once
"##);
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let missing = load_with(Path::new("/nonexistent/entrain.toml"), &[]).unwrap_err();
    insta::assert_snapshot!(missing, @r##"
/nonexistent/entrain.toml: the configuration cannot be read: No such file or directory (os error 2)
    correct the path, the file or its permissions
"##);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.toml");
    fs::write(&path, b"[state]\n\xff\n").unwrap();
    let problems = load_with(&path, &[]).unwrap_err();
    assert_eq!(problems.problems[0].line, Some(2));
    assert_eq!(
        problems.problems[0].message,
        "the file is not UTF-8 from here on"
    );
}

#[test]
fn the_file_is_searched_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let existing = folder.path().join("entrain.toml");
    fs::write(&existing, "").unwrap();
    let existing = existing.to_str().unwrap();
    let find = |explicit: Option<&str>, variable: Option<&str>, places: &[&str]| {
        find_among(explicit.map(Path::new), variable.map(str::to_owned), places)
            .map(|path| path.display().to_string())
    };
    assert_eq!(
        find(Some("a.toml"), Some("b.toml"), &[existing]).unwrap(),
        "a.toml"
    );
    assert_eq!(find(None, Some("b.toml"), &[existing]).unwrap(), "b.toml");
    assert_eq!(
        find(None, None, &["/nonexistent/x", existing]).unwrap(),
        existing
    );
    insta::assert_snapshot!(find(None, None, &["/nonexistent/x"]).unwrap_err(), @r##"
/nonexistent/x: no configuration file was found; searched for /nonexistent/x
    set its path with --config or ENTRAIN_CONFIG; entrain init writes one
"##);
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_configuration_or_a_list_of_problems(text in "\\PC{0,200}") {
        let path = Path::new("entrain.toml");
        if let Ok(document) = Document::parse(path, &text) {
            let mut log = Log::default();
            let typed = file::File::read(&Rc::new(document), &mut log);
            let config = resolve::resolve(&typed, path, &mut log);
            proptest::prop_assert!(config.is_none() && !log.problems.is_empty());
        }
    }
}
