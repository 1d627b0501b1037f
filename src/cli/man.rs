//! `entrain man`: manual pages, made of what `--help` prints and of the table of configuration keys.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use roff::{Inline, Roff, bold, italic, roman};

use super::args::{self, Cli};
use super::exit::Exit;
use super::output::Output;
use super::usage::Usage;
use crate::config::{self, manual::Chapter, manual::Entry};

/// The name of the page about the configuration.
const CONFIGURATION: &str = "entrain.toml";

const SOURCE: &str = concat!("entrain ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "entrain manual";

pub(super) fn man(output: Output, arguments: &args::Man) -> anyhow::Result<Exit> {
    if let Some(folder) = &arguments.out {
        write_all(folder)?;
        let place = folder.display();
        output.message(&format!(
            "The manual pages are in {place}; man -M {place} entrain"
        ));
        return Ok(Exit::Done);
    }
    let mut out = output.results();
    match arguments.page.as_slice() {
        [page] if page == CONFIGURATION => out.write_all(configuration().as_bytes())?,
        words => out.write_all(&page(&command(words)?)?)?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// The command of these words, with the name of its page.
fn command(words: &[String]) -> anyhow::Result<clap::Command> {
    let mut command = whole();
    let mut name = command.get_name().to_owned();
    for word in words {
        let found = command.find_subcommand(word).cloned();
        let Some(found) = found else {
            let text = format!("{name} has no command {word:?}; entrain help lists all");
            return Err(Usage(text).into());
        };
        name = format!("{name}-{}", found.get_name());
        command = found;
    }
    Ok(command.display_name(name))
}

/// With what `build` adds, such as the options that every command has.
fn whole() -> clap::Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let man = Man::new(command.clone()).source(SOURCE).manual(MANUAL);
    man.render(&mut text)?;
    if command.get_name() == "entrain" {
        // What stands below the help is about these alone.
        let exits = String::from_utf8_lossy(&text).replace(".SH EXTRA", ".SH \"EXIT STATUS\"");
        text = exits.into_bytes();
    }
    let mut more = Roff::new();
    more.control("SH", ["FILES"]);
    more.text(vec![
        italic("./entrain.toml"),
        roman(", "),
        italic("/etc/entrain/entrain.toml"),
        roman(": the configuration, described in "),
        bold(CONFIGURATION),
        roman("(5)"),
    ]);
    more.to_writer(&mut text)?;
    Ok(text)
}

/// Writes every page below a folder, as `man` looks for them.
fn write_all(folder: &Path) -> anyhow::Result<()> {
    let commands = folder.join("man1");
    let files = folder.join("man5");
    for folder in [&commands, &files] {
        fs::create_dir_all(folder)?;
    }
    write_command(&commands, &whole(), "entrain")?;
    fs::write(files.join(format!("{CONFIGURATION}.5")), configuration())?;
    Ok(())
}

fn write_command(folder: &Path, command: &clap::Command, name: &str) -> anyhow::Result<()> {
    let named = command.clone().display_name(name.to_owned());
    fs::write(folder.join(format!("{name}.1")), page(&named)?)?;
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        write_command(folder, inner, &format!("{name}-{}", inner.get_name()))?;
    }
    Ok(())
}

/// The page about the configuration file.
fn configuration() -> String {
    let mut page = Roff::new();
    page.control("TH", [CONFIGURATION, "5", "", SOURCE, MANUAL]);
    page.control("SH", ["NAME"]);
    page.text(vec![roman(format!(
        "{CONFIGURATION} - configuration of entrain"
    ))]);
    page.control("SH", ["DESCRIPTION"]);
    page.text(vec![
        roman("The file is TOML. It is looked for in "),
        bold("--config"),
        roman(", "),
        bold("$ENTRAIN_CONFIG"),
        roman(", "),
        italic("./entrain.toml"),
        roman(" and "),
        italic("/etc/entrain/entrain.toml"),
        roman(". Each key can be overridden by a variable: "),
        bold("ENTRAIN_SCHEDULE__INTERVAL"),
        roman(" sets "),
        bold("schedule.interval"),
        roman(". A secret is never written in it: it is { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }. "),
        bold("entrain check"),
        roman(" lists every problem at once."),
    ]);
    for Chapter { heading, keys } in config::manual::manual() {
        let title = if heading.is_empty() {
            "SECTIONS".to_owned()
        } else {
            heading
        };
        page.control("SH", [title.as_str()]);
        for Entry {
            name,
            holds,
            is_required,
            help,
        } in &keys
        {
            page.control("TP", [] as [&str; 0]);
            let mut line: Vec<Inline> = vec![bold(*name), roman(" = "), italic(holds.as_str())];
            if *is_required {
                line.push(roman(" (required)"));
            }
            page.text(line);
            page.text(vec![roman(help.as_str())]);
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text(vec![bold("entrain"), roman("(1), config.example.toml")]);
    page.render()
}
