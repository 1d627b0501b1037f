//! Plain answers in words.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

pub(super) fn text(status: StatusCode, words: impl Into<String>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        words.into(),
    )
        .into_response()
}
