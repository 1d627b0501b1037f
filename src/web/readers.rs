//! Connections to the state that only read. There are few, and each question has a time limit, so that no
//! request to the page takes the disk or a processor for long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::store::{self, Store};

/// Requests that read the state at once; others wait.
const READERS: usize = 4;

/// How long one request may read, and wait for its turn.
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct Readers {
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Arc<Store>>>>,
}

/// Why the state could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("reading the state took longer than 10 seconds")]
    TooLong,
    #[error("the state could not be read: {0}")]
    State(String),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let mut words = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        Self::State(words)
    }
}

/// A connection that is used by one request. It goes back when it is dropped.
struct Lent {
    readers: Readers,
    store: Arc<Store>,
    is_back: Arc<AtomicBool>,
    _turn: OwnedSemaphorePermit,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.is_back.store(true, Ordering::Release);
        self.readers.idle().push(Arc::clone(&self.store));
    }
}

/// Ends what is read once it is not waited for any more: the time is over, or the client is gone.
struct Watch<F: Fn()> {
    interrupt: F,
    is_back: Arc<AtomicBool>,
}

impl<F: Fn()> Drop for Watch<F> {
    fn drop(&mut self) {
        if !self.is_back.load(Ordering::Acquire) {
            (self.interrupt)();
        }
    }
}

impl Readers {
    pub(super) fn open(store: &Store) -> Result<Self, store::Error> {
        let idle = (0..READERS).map(|_| store.reader().map(Arc::new));
        Ok(Self {
            turns: Arc::new(Semaphore::new(READERS)),
            idle: Arc::new(Mutex::new(idle.collect::<Result<_, _>>()?)),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Arc<Store>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on a thread that may wait for the disk, and ends it when it takes too long.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Store>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = timeout(LONGEST, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Error::TooLong);
        };
        // There are as many connections as turns.
        let Some(store) = self.idle().pop() else {
            return Err(Error::TooLong);
        };
        let is_back = Arc::new(AtomicBool::new(false));
        let watch = Watch {
            interrupt: store.interrupter(),
            is_back: Arc::clone(&is_back),
        };
        let lent = Lent {
            readers: self.clone(),
            store,
            is_back,
            _turn: turn,
        };
        let mut task =
            tokio::task::spawn_blocking(move || lent.store.at_once(|| work(&lent.store)));
        let Ok(done) = timeout(LONGEST, &mut task).await else {
            // What is asked next is ended too.
            while timeout(Duration::from_millis(50), &mut task).await.is_err() {
                (watch.interrupt)();
            }
            return Err(Error::TooLong);
        };
        done.unwrap_or_else(|broken| Err(Error::State(broken.to_string())))
    }
}
