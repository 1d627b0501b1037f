//! Lists as servers page them.

use super::*;

/// Reads all users from a server that holds `count` and pages by `page(start, count) -> numbers`,
/// both as asked for (from 1); `total(on this page)` is what it announces.
async fn read_all(
    total: fn(usize) -> usize,
    page: fn(usize, usize) -> Vec<usize>,
) -> (Result<Complete<ListSummary>, Error>, usize) {
    let server = Server::new(move |seen| {
        let start = seen.number("startIndex").unwrap();
        let page = page(start, seen.number("count").unwrap());
        list(total(page.len()), &users(page))
    })
    .await;
    let mut count = 0;
    let reader = server.reader();
    let read = match reader.first_page(ObjectKind::User, &[]).await {
        Ok(listing) => reader.read_on(listing, |_: TargetObject| count += 1).await,
        Err(error) => Err(error),
    };
    (read, count)
}

fn up_to(last: usize, start: usize, count: usize) -> Vec<usize> {
    (start..start + count)
        .take_while(|number| *number <= last)
        .collect()
}

#[tokio::test]
async fn a_list_is_read_until_its_end_is_seen() {
    let (read, count) = read_all(|_| 25, |start, count| up_to(25, start, count)).await;
    let expected = ListSummary {
        total: 25,
        requests: 4,
    };
    assert_eq!((read.unwrap().get(), count), (&expected, 25));
}

#[tokio::test]
async fn an_empty_target_costs_one_request() {
    let (read, _) = read_all(|_| 0, |_, _| vec![]).await;
    let expected = ListSummary {
        total: 0,
        requests: 1,
    };
    assert_eq!(*read.unwrap().get(), expected);
}

#[tokio::test]
async fn a_server_may_cap_its_pages_and_announce_the_length_of_each() {
    let (read, count) = read_all(|length| length, |start, _| up_to(25, start, 4)).await;
    assert_eq!((read.unwrap().get().total, count), (25, 25));
}

#[tokio::test]
async fn a_server_may_repeat_its_last_page() {
    let repeat = |start, count| up_to(25, if start > 25 { 16 } else { start }, count);
    let (read, count) = read_all(|_| 25, repeat).await;
    assert_eq!((read.unwrap().get().total, count), (25, 25));
    // The last page is the first one too.
    let repeat = |start, count| up_to(3, if start > 3 { 1 } else { start }, count);
    let (read, count) = read_all(|_| 3, repeat).await;
    assert_eq!((read.unwrap().get().total, count), (3, 3));
}

#[tokio::test]
async fn a_server_may_count_from_0() {
    let zero_based = |start: usize, count| up_to(25, start + 1, count);
    let (read, count) = read_all(|_| 25, zero_based).await;
    assert_eq!((read.unwrap().get().total, count), (25, 25));
}

#[tokio::test]
async fn a_list_of_which_something_may_be_missing_is_not_complete() {
    type Page = fn(usize, usize) -> Vec<usize>;
    let ignored: Page = |_, count| up_to(25, 1, count);
    let overlapping: Page = |start, count| up_to(25, start.saturating_sub(2).max(1), count);
    let cut_short: Page = |start, count| up_to(20, start, count);
    let nothing: Page = |_, _| vec![];
    for page in [ignored, overlapping, cut_short, nothing] {
        let (read, _) = read_all(|_| 25, page).await;
        let error = read.unwrap_err();
        assert!(matches!(error, Error::ListIncomplete { .. }), "{error}");
    }
    // It announces what is on the page, and always sends the first one.
    let (read, _) = read_all(|length| length, ignored).await;
    let error = read.unwrap_err().to_string();
    assert!(
        error.ends_with("not complete: startIndex is ignored"),
        "{error}"
    );
}

#[tokio::test]
async fn resources_may_be_missing_from_an_empty_list() {
    let server = Server::new(|_| "{\"totalResults\": 0}".into_response()).await;
    let found = server
        .reader()
        .find(ObjectKind::User, &key("a"), |_| true, &[])
        .await;
    assert_eq!(found.unwrap(), []);
    let listing = server
        .reader()
        .first_page(ObjectKind::Group, &[])
        .await
        .unwrap();
    assert_eq!(listing.pages_left(), 0);
    assert_eq!(
        server.urls()[1],
        "GET /v2/Groups?flag&excludedAttributes=members&startIndex=1&count=10"
    );
}
