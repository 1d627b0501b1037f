//! The page of a very long plan.

use super::*;
use crate::report::html::Page;

/// So many users who would be created, with as many attributes as the generic preset maps.
fn creates(users: usize) -> Vec<Action> {
    let one = |number: usize| {
        let name = format!("user{number}@contoso.com");
        let mut attributes = BTreeMap::from([(path("userName"), Value::text(&name))]);
        for place in 0..18 {
            let at =
                format!("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:a{place:02}");
            attributes.insert(path(&at), Value::text("<Müller & Söhne>"));
        }
        Action {
            subject: user(&name),
            target: None,
            operation: Operation::Create {
                attributes,
                references: Vec::new(),
                keys: vec![key(&name)],
                via: vec![Via::Direct],
            },
        }
    };
    (0..users).map(one).collect()
}

fn page(users: usize) -> String {
    let review = reviewed(creates(users), Vec::new(), 500);
    let mut page = Page::begin(Vec::new(), "t", DateTime::UNIX_EPOCH).unwrap();
    page.plan(&view(&review)).unwrap();
    String::from_utf8(page.end().unwrap()).unwrap()
}

#[test]
fn a_page_of_very_many_changes_stays_within_its_size() {
    let (short, long) = (page(500), page(25_000));
    assert!(!short.contains("more values"));
    assert!(
        short.contains("a00: <bdi>\"&lt;Müller &amp; Söhne&gt;\"</bdi>"),
        "{short}"
    );
    assert!(long.contains(" of 25,000 entries show all values"));
    assert_eq!(long.matches("class=\"row ").count(), 25_000);
    assert!(!long.contains("<Müller"));
    // At most 520 bytes for each entry beyond the first ones: a hundred thousand take less than 60 MB.
    assert!(long.len() < 8_000_000 + 25_000 * 520, "{}", long.len());
}
