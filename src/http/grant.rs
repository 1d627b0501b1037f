//! Access tokens that expire: each is kept until shortly before, and one request serves all who wait for the
//! next.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::Idempotency;

/// A token is replaced this long before it expires, so that none expires between two pages.
const REFRESH_EARLY: Duration = Duration::from_mins(5);
/// How long a token that is still good is used on when no new one is to be had.
const USE_ON: Duration = Duration::from_secs(30);

/// A token that was granted.
pub(crate) struct Grant {
    text: Arc<str>,
    refresh_at: Instant,
    expires_at: Instant,
}

impl Grant {
    /// `None`: no clock goes so far.
    pub(crate) fn new(
        text: impl Into<Arc<str>>,
        asked: Instant,
        lifetime: Duration,
    ) -> Option<Self> {
        let expires_at = asked.checked_add(lifetime)?;
        Some(Self {
            text: text.into(),
            refresh_at: expires_at - REFRESH_EARLY.min(lifetime / 2),
            expires_at,
        })
    }
}

/// Where tokens come from.
#[async_trait]
pub(crate) trait Grantor: Send + Sync {
    /// What it keeps in mind between two requests.
    type Memory: Send;
    type Error: fmt::Display + Send;

    /// Requests one; `repeat` says whether that may take long.
    async fn ask(
        &self,
        repeat: Idempotency,
        memory: &mut Self::Memory,
    ) -> Result<Grant, Self::Error>;
}

/// The token in use, and what its grantor keeps in mind.
#[derive(Default)]
pub(crate) struct Grants<M>(Mutex<Current<M>>);

#[derive(Default)]
struct Current<M> {
    grant: Option<Grant>,
    memory: M,
}

impl<M: Send> Grants<M> {
    /// A token that is good for a while.
    pub(crate) async fn token<G: Grantor<Memory = M>>(
        &self,
        grantor: &G,
    ) -> Result<Arc<str>, G::Error> {
        // Held while a token is requested (single flight).
        let mut current = self.0.lock().await;
        let now = Instant::now();
        let is_good = match &current.grant {
            Some(old) if now < old.refresh_at => return Ok(old.text.clone()),
            Some(old) => now < old.expires_at,
            None => false,
        };
        let repeat = if is_good {
            Idempotency::Never
        } else {
            Idempotency::Always
        };
        match (
            grantor.ask(repeat, &mut current.memory).await,
            &mut current.grant,
        ) {
            (Ok(grant), _) => {
                let text = grant.text.clone();
                current.grant = Some(grant);
                Ok(text)
            }
            (Err(error), Some(old)) if is_good => {
                tracing::warn!(%error, "no new access token yet; the old one is still used");
                old.refresh_at = now + USE_ON;
                Ok(old.text.clone())
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets a token that was refused, unless another took its place meanwhile.
    pub(crate) async fn reject(&self, refused: &str, note: impl FnOnce(&mut M)) {
        let mut current = self.0.lock().await;
        let is_current = |grant: &Grant| *grant.text == *refused;
        if current.grant.as_ref().is_some_and(is_current) {
            current.grant = None;
            note(&mut current.memory);
        }
    }

    /// What the grantor keeps in mind.
    pub(crate) async fn memory(&self) -> impl std::ops::Deref<Target = M> + '_ {
        MutexGuard::map(self.0.lock().await, |current| &mut current.memory)
    }

    /// Puts a token there that is due to be replaced.
    #[cfg(test)]
    pub(crate) async fn put_due(&self, text: &str, expires_in: Duration) {
        let now = Instant::now();
        self.0.lock().await.grant = Some(Grant {
            text: text.into(),
            refresh_at: now,
            expires_at: now + expires_in,
        });
    }
}
