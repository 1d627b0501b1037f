//! `entrain explain`: why an object is, or is not, provisioned, from the state alone. It needs neither a
//! network nor a credential, and takes no lock.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::args;
use super::control;
use super::exit::Exit;
use super::find;
use super::load;
use super::output::Output;
use crate::cycle;
use crate::report::explain as report;
use crate::scheduler;
use crate::store::Store;

pub(super) async fn explain(
    output: Output,
    file: Option<&Path>,
    linked: &args::Linked,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let job = load::job(&config, &linked.job)?;
    let store = Arc::new(Store::open_read_only(&config.state)?);
    control::compare(output, &store, [job])?;
    let object = find::object(&store, &linked.object)?;
    let explanation = cycle::explain(&store, job, object.key, scheduler::now()).await?;
    let Some(explanation) = explanation else {
        anyhow::bail!("{} is no longer in the state", object.label());
    };
    cycle::with_names(Some(&store), |names| {
        if output.is_json() {
            let mut out = output.results();
            report::json(&mut out, &explanation, names)?;
            out.flush()
        } else {
            let mut out = output.text();
            report::text(&mut out, &explanation, names, output.style())?;
            out.flush()
        }
    })?;
    Ok(Exit::Done)
}
