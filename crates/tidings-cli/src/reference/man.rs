//! `docs/man/tidings.1`, which `tidings man` prints.

use clap::Command;
use roff::{Inline, Roff, bold, italic, roman};

use super::page::{ArgumentPage, VerbPage, global_options, verbs};
use crate::args::{ENVIRONMENT, EXIT_CODES};

/// The man page.
pub(crate) fn man_page(command: &Command) -> String {
    let mut page = Roff::new();
    let version = format!("tidings {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["TIDINGS", "1", "", version.as_str(), "Tidings"]);
    page.control("SH", ["NAME"]);
    page.text([roman("tidings - where did this message go, and why?")]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([
        bold("tidings"),
        roman(" ["),
        italic("global options"),
        roman("] "),
        italic("verb"),
        roman(" [...]"),
    ]);
    page.control("SH", ["DESCRIPTION"]);
    let about = command
        .get_long_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    paragraphs(&mut page, &about);
    page.control("SH", ["GLOBAL OPTIONS"]);
    arguments(&mut page, &global_options(command));
    page.control("SH", ["VERBS"]);
    verbs(command)
        .iter()
        .for_each(|verb| section(&mut page, verb));
    page.control("SH", ["ENVIRONMENT"]);
    for (name, meaning) in ENVIRONMENT {
        item(&mut page, name, meaning);
    }
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        item(&mut page, &code.to_string(), meaning);
    }
    page.render()
}

fn section(page: &mut Roff, verb: &VerbPage) {
    page.control("SS", [format!("tidings {}", verb.name).as_str()]);
    page.text([bold(verb.usage.clone())]);
    page.control("PP", []);
    paragraphs(page, &verb.long_about);
    arguments(page, &verb.arguments);
    page.control("PP", []);
    page.text([roman("Examples:")]);
    page.control("PP", []);
    page.control("RS", ["4"]);
    page.control("nf", []);
    // Line by line: nothing is filled here, and blanks at the start of a line are kept.
    for line in verb.examples.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
    page.control("RE", []);
}

fn arguments(page: &mut Roff, arguments: &[ArgumentPage]) {
    for argument in arguments {
        item(page, &argument.term, &argument.help);
    }
}

fn item(page: &mut Roff, term: &str, text: &str) {
    page.control("TP", []);
    page.text([bold(term)]);
    page.text(prose(text));
}

fn paragraphs(page: &mut Roff, text: &str) {
    for (at, paragraph) in text.split("\n\n").enumerate() {
        if at > 0 {
            page.control("PP", []);
        }
        page.text(prose(paragraph));
    }
}

/// Text with what stands between backticks in bold.
fn prose(text: &str) -> Vec<Inline> {
    text.replace('\n', " ")
        .split('`')
        .enumerate()
        .map(|(at, part)| if at % 2 == 0 { roman(part) } else { bold(part) })
        .collect()
}
