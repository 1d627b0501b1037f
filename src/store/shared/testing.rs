//! The tests of the store and of cycles run on a database as well, where this variable names one.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::time::Duration;

use crate::config::{Database, StateAt};

const DATABASE: &str = "ENTRAIN_TEST_DATABASE";

/// A state in this folder, or with its copy there.
#[expect(
    clippy::disallowed_methods,
    reason = "how tests are run is no setting of the program"
)]
pub(crate) fn state_in(folder: &Path) -> StateAt {
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    let database = std::env::var(DATABASE).ok().filter(|url| !url.is_empty());
    let database = database.map(|url| Database {
        url: url.parse().unwrap(),
        password: None,
        client_certificate: None,
        ca_certificate: None,
        // The same for as long as the folder is, which no other test has.
        schema: format!("u{:016x}", hasher.finish()),
        lease: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
    });
    StateAt {
        path: folder.join("entrain.db"),
        database,
    }
}
