//! What both pages show: the verbs with their arguments, taken out of clap's description.

use clap::builder::ValueRange;
use clap::{Arg, ArgAction, Command};

/// A verb.
pub(super) struct VerbPage {
    pub(super) name: String,
    /// In a sentence.
    pub(super) about: String,
    /// At length; paragraphs are separated by an empty line.
    pub(super) long_about: String,
    /// `tidings story [OPTIONS] <KEY>`.
    pub(super) usage: String,
    pub(super) arguments: Vec<ArgumentPage>,
    /// Worked examples as they stand in the help, without their heading.
    pub(super) examples: String,
}

/// An option or positional argument.
pub(super) struct ArgumentPage {
    /// `-n, --limit <N>`.
    pub(super) term: String,
    /// What it does, with its default.
    pub(super) help: String,
}

/// The verbs that are not hidden, in their order.
pub(super) fn verbs(command: &Command) -> Vec<VerbPage> {
    let mut command = command.clone();
    command.build();
    command
        .get_subcommands_mut()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
        .map(|verb| VerbPage {
            usage: usage(verb),
            name: verb.get_name().to_owned(),
            about: text(verb.get_about()),
            long_about: text(verb.get_long_about().or(verb.get_about())),
            arguments: arguments(verb, false),
            examples: examples(&text(verb.get_after_help())),
        })
        .collect()
}

/// The options that every verb takes.
pub(super) fn global_options(command: &Command) -> Vec<ArgumentPage> {
    let mut command = command.clone();
    command.build();
    arguments(&command, true)
}

fn usage(verb: &mut Command) -> String {
    let usage = verb.render_usage().to_string();
    usage.trim_start_matches("Usage: ").trim().to_owned()
}

fn arguments(command: &Command, global: bool) -> Vec<ArgumentPage> {
    let is_shown = |argument: &&Arg| {
        let is_generated = matches!(
            argument.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        );
        argument.is_global_set() == global && !argument.is_hide_set() && !is_generated
    };
    let pages = command.get_arguments().filter(is_shown);
    pages.map(argument).collect()
}

fn argument(argument: &Arg) -> ArgumentPage {
    let mut help = text(argument.get_long_help().or(argument.get_help()));
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| value.get_name().to_owned())
        .collect();
    if takes_value(argument) && !values.is_empty() {
        help.push_str(&format!(" [possible values: {}]", values.join(", ")));
    }
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    if takes_value(argument) && !defaults.is_empty() {
        help.push_str(&format!(" [default: {}]", defaults.join(", ")));
    }
    ArgumentPage {
        term: term(argument),
        help,
    }
}

fn takes_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
}

fn term(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let mut value = names
        .iter()
        .map(|name| format!("<{name}>"))
        .collect::<Vec<_>>()
        .join(" ");
    if argument.is_positional() {
        let is_many = argument
            .get_num_args()
            .is_some_and(|range: ValueRange| range.max_values() > 1)
            || matches!(argument.get_action(), ArgAction::Append);
        if !argument.is_required_set() {
            value = value.replace('<', "[").replace('>', "]");
        }
        return format!("{value}{}", if is_many { "..." } else { "" });
    }
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| format!("-{short}")));
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    match takes_value(argument) {
        true => format!("{} {value}", names.join(", ")),
        false => names.join(", "),
    }
}

/// The examples beneath their heading; every line loses the two blanks that all have.
fn examples(after_help: &str) -> String {
    let body = after_help.trim_start_matches("Examples:\n");
    let lines: Vec<&str> = body
        .lines()
        .map(|line| line.strip_prefix("  ").unwrap_or(line))
        .collect();
    lines.join("\n")
}

fn text(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}
