//! Users and groups by name.

use maud::html;

use super::{Frame, Here, object};
use crate::engine::plan::Subject;
use crate::report::sentence::clean;

/// What was looked for, and what may be meant.
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) objects: Vec<Subject>,
    /// A name that is near, where there is none.
    pub(crate) near: Option<String>,
}

pub(crate) fn find(frame: Frame, found: Option<&Found>) -> String {
    let main = html! {
        h1 { "People" }
        p { "Shows whether and why a user or group is provisioned, and everything that was done to it." }
        form.form role="search" aria-label="Find by name" action="/people" method="get" {
            label.long {
                "Id, principal name, address or display name"
                input type="search" name="q" maxlength="200" autocomplete="off" value=[found.map(|found| found.text.as_str())];
            }
            button type="submit" { "Find" }
        }
        @if let Some(found) = found {
            @if found.objects.is_empty() {
                p.verdict.idle role="status" {
                    "The state has no user or group " bdi { "“" (clean(&found.text)) "”" } "."
                    @if let Some(near) = &found.near { " Did you mean " bdi { (clean(near)) } "?" }
                }
            } @else {
                p role="status" { "Several objects have this name:" }
                ul {
                    @for one in &found.objects {
                        li { (object(one)) " " span.tag { (one.kind.to_string()) } " " code { (clean(one.id.as_str())) } }
                    }
                }
            }
        }
    };
    frame.page("People", Here::People, &main)
}
