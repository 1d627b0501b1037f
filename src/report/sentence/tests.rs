//! Values and names, as they stand in a sentence.

use std::collections::BTreeMap;

use super::*;

#[test]
fn quotation_marks_are_escaped_and_right_to_left_text_is_isolated() {
    let text = |text: &str| value(&Value::text(text), Names::Both(&|_| None, &|_| None));
    assert_eq!(text(r#"say "hi""#), r#""say \"hi\"""#);
    let name = "\u{5d3}\u{5d5}\u{5d3}";
    assert_eq!(text(name), format!("\"\u{2068}{name}\u{2069}\""));
    assert_eq!(super::name("Sales"), "Sales");
}

#[test]
fn elements_with_nothing_but_a_value_are_printed_as_that_value() {
    let element = |members: &[(&str, Value)]| {
        let members = members
            .iter()
            .map(|(name, one)| ((*name).to_owned(), one.clone()));
        Value::Object(members.collect::<BTreeMap<_, _>>())
    };
    let list = Value::List(vec![
        element(&[("value", Value::text("a"))]),
        element(&[
            ("primary", Value::Boolean(true)),
            ("value", Value::text("b")),
        ]),
    ]);
    assert_eq!(
        value(&list, Names::Both(&|_| None, &|_| None)),
        r#"["a", {primary: true, value: "b"}]"#
    );
}
