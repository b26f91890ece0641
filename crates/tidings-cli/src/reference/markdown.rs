//! `docs/reference/cli.md`.

use std::fmt::Write;

use clap::Command;

use super::page::{ArgumentPage, VerbPage, global_options, verbs};
use crate::args::{ENVIRONMENT, EXIT_CODES};

const INTRODUCTION: &str = "\
<!-- Generated from the description of the command line with
     `TIDINGS_BLESS=1 cargo test -p tidings-cli`; do not edit. -->

# Command line

`tidings` is one program: `tidings serve` is the server, every other verb asks a history. With
`--server`, that server is asked. Else, where a server runs on the data directory, it is asked through
its socket. Else the data directory itself is opened.

Results go to the standard output, notes, progress and errors to the standard error. With `--json`
every verb prints one object a line ([their fields](json.md)). Colours are used on a terminal only. What strangers wrote (addresses, replies, log lines) is shown with its control
characters written out, as `\\x1b`.
";

const FILTERS: &str = "
## Filters

`messages` and `events` take a filter: `from:alice@example.org -to:*@gmail.com \"mailbox full\"`. Its words
may stand on the command line as they are; quote what the shell would read itself (`*`, `\"`, `(`, `<`,
`>`). Terms with a field may be negated by a hyphen, as `-status:delivered`; a word alone needs `--`
before the filter then. [Filters](filter.md) describes the language.
";

/// The page.
pub(crate) fn reference_page(command: &Command) -> String {
    let verbs = verbs(command);
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n| Verb | |\n|---|---|\n");
    for verb in &verbs {
        line(
            &mut page,
            format_args!("| [`{0}`](#tidings-{0}) | {1} |", verb.name, verb.about),
        );
    }
    page.push_str("\n## Global options\n\nThey may stand before or after the verb.\n\n");
    arguments(&mut page, &global_options(command));
    page.push_str("\n## Environment\n\n| Variable | |\n|---|---|\n");
    for (name, meaning) in ENVIRONMENT {
        line(&mut page, format_args!("| `{name}` | {meaning} |"));
    }
    page.push_str("\n## Exit codes\n\n| Code | |\n|---|---|\n");
    for (code, meaning) in EXIT_CODES {
        line(&mut page, format_args!("| {code} | {meaning} |"));
    }
    page.push_str("\nA reader that goes away early (`tidings messages | head`) is no error.\n");
    page.push_str(FILTERS);
    for verb in &verbs {
        section(&mut page, verb);
    }
    page
}

fn section(page: &mut String, verb: &VerbPage) {
    line(
        page,
        format_args!("\n## tidings {}\n\n    {}\n", verb.name, verb.usage),
    );
    line(page, format_args!("{}", escaped(&verb.long_about)));
    if !verb.arguments.is_empty() {
        page.push('\n');
        arguments(page, &verb.arguments);
    }
    line(
        page,
        format_args!("\nExamples:\n\n```sh\n{}\n```", as_comments(&verb.examples)),
    );
}

fn arguments(page: &mut String, arguments: &[ArgumentPage]) {
    page.push_str("| Option | |\n|---|---|\n");
    for argument in arguments {
        let term = argument.term.replace('|', "\\|");
        line(
            page,
            format_args!(
                "| `{term}` | {} |",
                escaped(&argument.help).replace('\n', " ")
            ),
        );
    }
}

/// In the help an example is a sentence with the command beneath it; in a code block the sentence
/// becomes a comment.
fn as_comments(examples: &str) -> String {
    let lines: Vec<String> = examples
        .lines()
        .map(|line| match line.strip_prefix("  ") {
            Some(command) => command.to_owned(),
            None if line.starts_with("tidings ") => line.to_owned(),
            None => format!("# {line}"),
        })
        .collect();
    lines.join("\n")
}

/// Prose with what Markdown would take for its own signs escaped, outside code.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for c in text.chars() {
        in_code ^= c == '`';
        if !in_code && matches!(c, '<' | '>' | '*' | '_' | '|' | '[' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn line(page: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(page, "{arguments}").expect("writing to a String cannot fail");
}
