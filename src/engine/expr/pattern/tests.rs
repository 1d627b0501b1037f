//! Regular expressions and replacements, with the results that .NET gives.

use super::*;

fn replace(pattern: &str, text: &str, template: &str) -> Result<String, Trouble> {
    let pattern = Pattern::compile(pattern).unwrap();
    let replaced = pattern.replace(text, &Replacement::Expanded(template), 1_000_000)?;
    Ok(replaced.unwrap_or_else(|| text.to_owned()))
}

#[track_caller]
fn check(pattern: &str, text: &str, template: &str, expected: &str) {
    assert_eq!(
        replace(pattern, text, template).as_deref(),
        Ok(expected),
        "{pattern}"
    );
}

#[test]
fn empty_matches_follow_dotnet() {
    check("x*", "abc", "-", "-a-b-c-");
    check(".*", "abc", "-", "--");
    check("[a-zA-Z_]*", "john_doe72", "", "72");
    check("(.*?)(?<id>.{0,8})$", "0000000012345", "${id}", "00012345");
    check("", "ä😀", ".", ".ä.😀.");
    check("^", "abc", "x", "xabc");
    check("$", "abc", "x", "abcx");
}

#[test]
fn replacements_follow_dotnet() {
    check("(b)(?<n>c)", "abcd", "<$1$2${n}${1}>", "a<bccb>d");
    check("b", "abc", "[$&$`$'$_$$]", "a[bacabc$]c");
    check("b", "abc", "$1 ${x} $ ${", "a$1 ${x} $ ${c");
    check("(a)|(b)", "ab", "<$2>", "<><b>");
    check("(a)(b)", "ab", "$+", "b");
    check("(a)", "a", "$10", "$10");
    check("(a)", "a", "${1}0", "a0");
    check("(?<b>x)(y)", "xy", "$1$2", "yx");
}

#[test]
fn constructs_of_dotnet_are_understood() {
    check(r"(?<=@)\w+", "a@b", "x", "a@x");
    check(r"(?<!@)b(?!c)", "b@bbc", "x", "x@bbc");
    check(r"(?'n'a)\k<n>", "aab", "-", "-b");
    check(r"(?<n>a)\1", "aab", "-", "-b");
    check(r"(a)\1", "aab", "-", "-b");
    check(r"[a-z-[aeiou]]+", "abcde", "-", "a-e");
    check(r"[^a-z-[1]]", "a12", "-", "a1-");
    check(r"[]a]", "]ab", "-", "--b");
    check(r"[\]\-\\]", r"a]-\", "x", "axxx");
    check(r"[()\s-]+", "+1 (555) 123-4567", "", "+15551234567");
    check(r"[a&&b~~c-]", "a&~-d", "x", "xxxxd");
    check(r"(?i)ÄB(?-i)c", "äbc äbC", "x", "x äbC");
    check(r"(?i:a)b", "Ab AB", "x", "x AB");
    check(r"(?x) a b # comment", "ab", "x", "x");
    check(r"(?n)(a)(?<x>b)", "ab", "$1$2", "b$2");
    check(r"a(?#comment)b", "ab", "x", "x");
    check(r"\x41\u00e4\t\cA", "Aä\t\u{1}", "x", "x");
    check(r"\uD83D\uDE00", "😀", "x", "x");
    check(r"a{,2}", "a{,2}", "x", "x");
    check(r"{a}", "{a}", "x", "x");
    check(r"a{2}?", "aaaa", "x", "xx");
    check(r"\p{Lu}\P{L}", "aB1", "x", "ax");
    check(r"(a)?(?(1)b|c)", "abc", "x", "xx");
    check(r"(?>a+)b", "aab", "x", "x");
    check(r"<\d>-#~&", "<1>-#~&", "x", "x");
    check(r"(?<d>\d)(?<d>\d)", "12", "${d}", "2");
}

#[test]
fn the_end_is_also_before_a_last_line_feed() {
    check("a$", "a\n", "x", "x\n");
    check(r"a\Z", "a\n", "x", "x\n");
    check(r"a\z", "a\n", "x", "a\n");
    check("(?m)a$", "a\na", "x", "x\nx");
    check("^a", "a\na", "x", "x\na");
    check("(?m)^a", "a\na", "x", "x\nx");
    check("a.", "a\n", "x", "a\n");
    check("(?s)a.", "a\n", "x", "x");
}

#[test]
fn only_the_text_of_the_group_is_replaced() {
    let pattern = Pattern::compile("(?<number>^\\d*)(?<rest> \\w+)?").unwrap();
    let new = |group| Replacement::OfGroup { group, text: "$&" };
    let replaced = |group| pattern.replace("545 Tremont Street", &new(group), 100);
    assert_eq!(replaced("number"), Ok(Some("$& Tremont Street".to_owned())));
    assert_eq!(replaced("rest"), Ok(Some("545$& Street".to_owned())));
    assert_eq!(replaced("0"), Ok(Some("$& Street".to_owned())));
    assert_eq!(pattern.first_group("x", "rest"), Ok(None));
}

#[test]
fn what_is_no_pattern_is_refused() {
    for pattern in [
        "(",
        ")",
        "(?",
        "(?<n",
        "(?<>a)",
        "(?<a-b>c)",
        "[",
        "[a",
        "[b-a]",
        "[a-\\d]",
        "a**",
        "a++",
        "*",
        "a|*",
        "\\",
        "\\y",
        "\\p{IsGreek}",
        "\\p",
        "\\k<n>",
        "\\1",
        "\\x1",
        "\\uD83D",
        "a{2,1}",
        "a{1001}",
        "(?z)",
        "(?P<n>a)",
        "(?#",
        "(?(a)b)",
        "\\cä",
        "[a-z-[a]b]",
        "\\K",
        "(?&n)",
        "\\R",
        "(?i",
        "(?<0>a)",
        "\\Q",
    ] {
        assert!(Pattern::compile(pattern).is_err(), "{pattern}");
    }
    let deep = format!("{}a{}", "(".repeat(31), ")".repeat(31));
    assert!(Pattern::compile(&deep).is_err());
    assert!(Pattern::compile(&"a".repeat(MAX_PATTERN_BYTES + 1)).is_err());
    assert!(Pattern::compile(r"((((\w{1000}){1000}){1000}){1000})").is_err());
}

#[test]
fn no_pattern_runs_away() {
    let text = "a".repeat(4_000);
    // Linear without back-references, whatever it looks like.
    check("(a*)*b", &text, "x", &text);
    check("(a|aa)+$x", &text, "x", &text);
    let short = "a".repeat(1_000);
    assert_eq!(replace(r"(a*)*\1b", &short, "x"), Err(Trouble::TooSlow));
    check("(?=(a+)+b)c|(?=(a|a)+b)", &short, "x", &short);
    assert_eq!(
        replace(r"(?=a)", &"a".repeat(5_000), "x"),
        Err(Trouble::TextTooLong)
    );
    assert_eq!(
        replace("a", &"a".repeat(70_000), "x"),
        Err(Trouble::TextTooLong)
    );
    let long = "x".repeat(1_000);
    assert_eq!(
        replace("a", &text, &long),
        Err(Trouble::ResultTooLong(1_000_000))
    );
}

/// What looks around is searched for in the whole text at each step, so the steps are few, and those
/// of all matches count together.
#[test]
fn looking_around_and_atomic_groups_cannot_multiply_the_time() {
    let most = "a".repeat(MAX_BACKTRACKING_BYTES);
    for pattern in [
        r"(?:(?=a*)a)*b",
        // Each match is dear, and there are many.
        r"(?=(?:(?=a*)a)*z|a)a",
    ] {
        assert_eq!(
            replace(pattern, &most, "x"),
            Err(Trouble::TooSlow),
            "{pattern}"
        );
    }
    for pattern in [r"(?<=^(a+)+)b", r"(?>a+)+$b"] {
        assert_eq!(
            replace(pattern, &format!("{most}a"), "x"),
            Err(Trouble::TextTooLong),
            "{pattern}"
        );
    }
    // What people write stays possible: words parted where a capital begins, all of a long list.
    let words = "JaneDoe".repeat(70);
    let parted = replace("(?<=[a-z])(?=[A-Z])", &words, " ").unwrap();
    assert_eq!(parted.matches(' ').count(), 139);
}
