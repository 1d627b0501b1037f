//! An e-mail, as text and as HTML.

use std::fmt::Write as _;

use maud::{DOCTYPE, html};
use textwrap::{Options, WordSeparator, WordSplitter};

use super::{Item, Letter, Notice};

const COLUMNS: usize = 76;

impl Notice {
    pub(crate) fn letter(&self) -> Letter {
        Letter {
            subject: self.subject(),
            text: self.text(),
            html: self.html(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            let Item {
                topic: _,
                event: _,
                job: _,
                source: _,
                since: _,
                title,
                sentences,
                list,
                commands,
                is_good: _,
            } = item;
            text.push_str(&wrapped(title, "", ""));
            for sentence in sentences {
                text.push_str(&wrapped(sentence, "  ", "  "));
            }
            for line in list {
                text.push_str(&wrapped(line, "  - ", "    "));
            }
            for (what, command) in commands {
                // A command stays whole, so that it can be copied.
                let _ = writeln!(text, "  {what}:\n    {command}");
            }
            text.push('\n');
        }
        text.push_str("-- \n");
        text.push_str(&wrapped(&self.from, "", ""));
        text
    }

    fn html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="color-scheme" content="light dark";
                    title { (self.subject()) }
                }
                body style="font-family: sans-serif; line-height: 1.4; max-width: 44em" {
                    @for item in &self.items {
                        h2 style="font-size: 1.1em; margin: 1em 0 0.3em" {
                            @if item.is_good { "✓ " } @else { "! " }
                            (item.title)
                        }
                        @for sentence in &item.sentences {
                            p style="margin: 0.3em 0" { (sentence) }
                        }
                        @if !item.list.is_empty() {
                            ul { @for line in &item.list { li { (line) } } }
                        }
                        @for (what, command) in &item.commands {
                            p style="margin: 0.3em 0" { (what) ": " code { (command) } }
                        }
                    }
                    p style="margin-top: 2em; font-size: 0.85em" { (self.from) }
                }
            }
        };
        page.into_string()
    }
}

fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let options = Options::new(COLUMNS)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    let mut text = textwrap::fill(text, options);
    text.push('\n');
    text
}
