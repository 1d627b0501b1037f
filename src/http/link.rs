//! Links that a server hands out (`@odata.nextLink`, `Location`): followed only where the token may go.

use url::Url;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the server sent a link that is not a URL")]
    NotAUrl,
    #[error("the server sent a link to another host ({host}), which must not receive the token")]
    OtherOrigin { host: String },
}

/// Reads a link, absolute or relative, that must stay on the origin of `base`.
pub(crate) fn follow(base: &Url, link: &str) -> Result<Url, LinkError> {
    let url = base.join(link).map_err(|_| LinkError::NotAUrl)?;
    if same_origin(base, &url) {
        Ok(url)
    } else {
        Err(LinkError::OtherOrigin {
            host: url.host_str().unwrap_or("none").to_owned(),
        })
    }
}

/// Whether scheme, host and port are the same.
fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_on_its_origin() {
        let base = Url::parse("https://graph.example.com/v1.0/users/delta").unwrap();
        let next = follow(&base, "https://graph.example.com:443/v1.0/x?$skiptoken=1").unwrap();
        assert_eq!(next.path(), "/v1.0/x");
        assert_eq!(follow(&base, "/v1.0/y").unwrap().path(), "/v1.0/y");
        for elsewhere in [
            "https://evil.example.com/",
            "http://graph.example.com/",
            "https://graph.example.com:8443/",
            "//evil.example.com/",
        ] {
            assert!(follow(&base, elsewhere).is_err(), "{elsewhere}");
        }
    }
}
