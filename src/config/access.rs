//! How requests to a target show who sends them.

use chrono::NaiveDate;

use super::credential::{Certificate, Secret};

/// What the target is given with each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) sign_in: SignIn,
    /// Further headers, by their names.
    pub(crate) headers: Vec<(String, DatedSecret)>,
    /// Shown when the connection is made (TLS).
    pub(crate) client_certificate: Option<Certificate>,
}

/// By what the target knows the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// A bearer token: the first is used until it is refused, then the next.
    Token(Vec<DatedSecret>),
    /// A user with a password, of which there may be several likewise.
    Basic {
        user: String,
        passwords: Vec<DatedSecret>,
    },
    /// Tokens of an authorization server.
    OAuth(OAuth),
    /// Tokens that Entra signs for an application, got with the credential of the job's first source.
    Entra { scope: String },
    /// The headers or the client certificate say it.
    Headers,
}

/// The client credentials grant (RFC 6749 section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OAuth {
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    /// The first is used until it is refused, then the next.
    pub(crate) secrets: Vec<DatedSecret>,
    pub(crate) scope: Option<String>,
    /// For whom the tokens are, where the server wants to know.
    pub(crate) audience: Option<String>,
    /// `None`: as the server takes it.
    pub(crate) authentication: Option<Authentication>,
}

/// How the client shows its secret (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// In a header.
    Basic,
    /// In the body.
    Post,
}

impl Authentication {
    /// In the order in which they are tried.
    pub(crate) const WORDS: [(&str, Self); 2] = [("basic", Self::Basic), ("post", Self::Post)];
}

/// A secret, with the day on which it expires where that is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DatedSecret {
    pub(crate) secret: Secret,
    pub(crate) expires: Option<NaiveDate>,
}

impl SignIn {
    /// The key in `[jobs.target]`.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Basic { .. } => "basic",
            Self::OAuth(_) => "oauth",
            Self::Entra { .. } => "entra",
            Self::Headers => "headers",
        }
    }

    /// The secrets of which one is used, with their key.
    pub(crate) fn secrets(&self) -> (&'static str, &[DatedSecret]) {
        match self {
            Self::Token(tokens) => ("token", tokens),
            Self::Basic { passwords, .. } => ("basic.password", passwords),
            Self::OAuth(oauth) => ("oauth.client_secret", &oauth.secrets),
            Self::Entra { .. } | Self::Headers => (self.key(), &[]),
        }
    }
}

impl Access {
    /// One token, and nothing else.
    #[cfg(test)]
    pub(crate) fn of_token(secret: Secret) -> Self {
        let expires = None;
        Self {
            sign_in: SignIn::Token(vec![DatedSecret { secret, expires }]),
            headers: Vec::new(),
            client_certificate: None,
        }
    }

    /// Every secret with its key in `[jobs.target]`, which has an index where there are several.
    pub(crate) fn keyed(&self) -> Vec<(String, &DatedSecret)> {
        let (key, secrets) = self.sign_in.secrets();
        let several = secrets.len() > 1;
        let secrets = secrets.iter().enumerate();
        let secrets = secrets.map(|(index, secret)| {
            let key = if several {
                format!("{key}[{index}]")
            } else {
                key.to_owned()
            };
            (key, secret)
        });
        let headers = self.headers.iter();
        let headers = headers.map(|(name, secret)| (format!("headers.{name}"), secret));
        secrets.chain(headers).collect()
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let (_, secrets) = self.sign_in.secrets();
        let headers = self.headers.iter().map(|(_, secret)| secret);
        let password = match &self.client_certificate {
            Some(Certificate::Pkcs12 { password, .. }) => password.as_ref(),
            Some(Certificate::Pem { .. }) | None => None,
        };
        let secrets = secrets.iter().chain(headers).map(|one| &one.secret);
        secrets.chain(password)
    }
}
