//! The command line: one file per command. The only place that writes to the terminal.

mod against;
mod agents;
mod apply;
mod approve;
mod args;
mod audit;
mod check;
mod completions;
mod config;
mod confirm;
mod control;
mod cycles;
mod demo;
mod erase;
mod eval;
mod exit;
mod explain;
mod export;
mod find;
mod folder;
mod format;
mod import;
mod init;
mod interrupt;
#[cfg(target_os = "linux")]
mod journal;
mod links;
mod load;
mod log;
mod man;
mod moment;
mod new_file;
mod operator;
mod output;
mod plan;
mod presets;
mod probe;
mod progress;
mod provision;
mod report;
mod reports;
mod restart;
mod rows;
mod run;
mod saved;
mod session;
mod source;
mod state;
mod status;
mod support;
mod sync;
mod test;
mod trial;
mod undo;
mod usage;
mod wrap;

use std::ffi::OsString;
use std::future::Future;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;

use args::{Cli, Command};
use exit::Exit;
use format::Format;
use output::Output;
use usage::Usage;

use crate::store;

/// How long what still blocks may go on once a command has ended.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// Runs one command; the answer is the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&arguments, &error),
    };
    let output = Output::new(cli.format, cli.verbose, cli.quiet);
    match cli.command {
        // A service that says nothing while all is well leaves its journal empty.
        Command::Run => output.start_log("info", output.is_json()),
        _ => output.start_log("warn", false),
    }
    let exit = match dispatch(output, cli) {
        Ok(exit) => exit,
        Err(error) => report_error(output, &error),
    };
    exit.into()
}

/// Prints what clap made of the arguments: an error, help or the version.
fn usage(arguments: &[OsString], error: &clap::Error) -> ExitCode {
    // Clap knows where each is printed. There is no place left to report that this failed.
    let _ = error.print();
    if error.use_stderr() && wants_json(arguments) {
        let text = error.to_string();
        let text = text.trim().trim_start_matches("error: ");
        let _ = crate::report::json::error(&mut std::io::stdout(), text);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()))
}

/// The arguments could not be parsed, so this looks for the option alone.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| argument == "--format=json")
        || arguments
            .windows(2)
            .any(|two| two[0] == "--format" && two[1] == "json")
}

fn dispatch(output: Output, cli: Cli) -> anyhow::Result<Exit> {
    let file = cli.config.as_deref();
    if let Some(file) = file {
        name_configuration(file, matches!(cli.command, Command::Run));
    }
    if cli.format == Format::Csv
        && !matches!(
            &cli.command,
            Command::Log(_) | Command::Report(_) | Command::Audit(args::Audit { plan: false, .. })
        )
    {
        let text = "only `entrain log`, `entrain report` and `entrain audit` print --format csv";
        return Err(Usage(text.to_owned()).into());
    }
    if cli.format == Format::Entra && !matches!(&cli.command, Command::Log(log) if !log.requests) {
        let text = "only `entrain log`, without --requests, prints --format entra";
        return Err(Usage(text.to_owned()).into());
    }
    match cli.command {
        Command::Run => block_on(run::run(output, file)),
        Command::Sync(sync) => block_on(sync::sync(output, file, sync)),
        Command::Plan(plan) => block_on(plan::plan(output, file, plan)),
        Command::Audit(audit) => block_on(audit::audit(output, file, audit)),
        Command::Apply(arguments) => block_on(apply::apply(output, file, arguments)),
        Command::Provision(provision) => block_on(provision::provision(output, file, provision)),
        Command::Explain(linked) => block_on(explain::explain(output, file, &linked)),
        Command::Probe(probe) => block_on(probe::probe(output, file, probe)),
        Command::Check { schema: true } => check::schema(output),
        Command::Check { schema: false } => check::check(output, file),
        Command::Test(test) if test.notify => block_on(trial::trial(output, file, &test.jobs.jobs)),
        Command::Test(test) => block_on(test::test(output, file, &test.jobs.jobs)),
        Command::Source { command } => block_on(source::source(output, file, command)),
        Command::Status(arguments) => status::status(output, file, &arguments),
        Command::Log(log) => log::log(output, file, log),
        Command::Report(arguments) => report::report(output, file, &arguments),
        Command::Approve(arguments) => approve::decide(output, file, &arguments, true),
        Command::Reject(arguments) => approve::decide(output, file, &arguments, false),
        Command::Restart(arguments) => restart::restart(output, file, &arguments),
        Command::Pause(one) => operator::pause(output, file, &one.job),
        Command::Resume(one) => operator::resume(output, file, &one.job),
        Command::Escrow { command } => operator::escrow(output, file, &command),
        Command::History(arguments) => operator::history(output, file, &arguments),
        Command::Erase(arguments) => erase::erase(output, file, &arguments),
        Command::Undo(arguments) => undo::undo(output, file, &arguments),
        Command::Links { command } => block_on(links::links(output, file, &command)),
        Command::Config { command } => config::config(output, file, &command),
        Command::Agents => agents::agents(output, file),
        Command::State { command } => state::state(output, file, &command),
        Command::SupportBundle(arguments) => support::support(output, file, &arguments),
        Command::Eval(eval) => eval::eval(output, file, &eval),
        Command::Presets { command } => presets::presets(output, command),
        Command::Init(init) => init::init(output, init),
        Command::Import(import) => block_on(import::import(output, file, &import)),
        Command::Export(export) => export::export(output, file, &export),
        Command::Demo(demo) => block_on(demo::demo(output, demo)),
        Command::Completions { shell } => completions::completions(output, shell),
        Command::Man(arguments) => man::man(output, &arguments),
    }
}

/// Commands that are shown from now on name the configuration, unless it is found without.
fn name_configuration(file: &Path, is_service: bool) {
    if !is_service {
        let found = crate::config::find_file(None);
        if !found.is_ok_and(|found| found == file) {
            crate::report::name_configuration(file);
        }
    } else if file != Path::new(crate::config::INSTALLED) {
        // A service shows them to users in other folders.
        let absolute = std::path::absolute(file);
        let file = absolute.as_deref().unwrap_or(file);
        crate::report::name_configuration(file);
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WAIT);
    done
}

/// Prints an error with everything below it, and says which exit code it means.
fn report_error(output: Output, error: &anyhow::Error) -> Exit {
    let text = crate::report::clean_lines(&format!("{error:#}"));
    output.message(&format!("error: {text}"));
    if output.is_json() {
        let mut out = output.results();
        // It was already printed on standard error.
        let _ = crate::report::json::error(&mut out, &text);
        let _ = out.flush();
    }
    if error.is::<Usage>() || names_another_tenant(error) {
        Exit::Usage
    } else {
        Exit::of_error(error)
    }
}

/// The configuration does not fit the state.
fn names_another_tenant(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<store::Error>();
        matches!(
            cause,
            Some(store::Error::OtherTenant { .. } | store::Error::TenantUnknown { .. })
        )
    })
}
