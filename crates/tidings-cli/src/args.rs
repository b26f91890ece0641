//! The command line as clap describes it: verbs, options, and the help that teaches them.
//!
//! The man page and the reference page are made from this description.

mod examples;
mod filter;
mod manage;
mod watch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub(crate) use filter::{join as join_filter, shield_negated_terms};
pub(crate) use manage::{
    ApplyArgs, CreateArgs, DeleteArgs, DescribeArgs, GetArgs, InputArgs, QueryArgs, SnapshotArgs,
    UpdateArgs,
};
pub(crate) use watch::{LiveArgs, TopArgs, WatchArgs};

/// What the process exits with, for the help, the man page and the reference page.
pub(crate) const EXIT_CODES: &[(u8, &str)] = &[
    (0, "done; a search found something"),
    (1, "a search found nothing"),
    (
        2,
        "wrong usage: an unknown option, a filter that cannot be read, a wrong configuration",
    ),
    (
        3,
        "the data directory is missing, in use by another process, or damaged",
    ),
    (
        4,
        "a file was refused or could not be read to its end, or the output not written",
    ),
    (
        5,
        "the server could not be reached, refused, or broke off; or it cannot listen",
    ),
];

/// The environment variables that are heeded, for the same places.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "TIDINGS_DATA",
        "the data directory, unless --data names one",
    ),
    (
        "TIDINGS_TOKEN",
        "the token shown to the server that --server names",
    ),
    (
        "NO_COLOR",
        "no colours, whatever it holds, unless that is nothing",
    ),
    (
        "COLUMNS",
        "the width to print for, where the output is no terminal",
    ),
    ("TZ", "the time zone in which times are shown and read"),
];

/// Where did this message go, and why?
#[derive(Debug, Parser)]
#[command(
    name = "tidings",
    version,
    about = "Where did this message go, and why?",
    long_about = "Tidings reads the logs of mail servers and answers: where did this message go, \
                  and why?\n\nRead the logs you have with `tidings import`, then ask: `tidings \
                  messages to:bob@example.org` lists what was sent to bob, `tidings story ID` tells \
                  what became of a message. `tidings serve` follows the logs from now on.",
    after_long_help = examples::TOP,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: GlobalArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options that every verb takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Data directory [env: TIDINGS_DATA] [default: /var/lib/tidings for root, else tidings in the
    /// XDG data folder]
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,

    /// Configuration file
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Ask the server at this address (http:// or https://) instead of the data directory; a token
    /// for it is taken from TIDINGS_TOKEN
    #[arg(long, value_name = "URL", global = true, value_hint = ValueHint::Url)]
    pub(crate) server: Option<String>,

    /// When to use colours; `auto` is on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", global = true, value_enum, default_value_t = ColorWhen::Auto)]
    pub(crate) color: ColorWhen,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Read log files into the history
    ///
    /// Reads whole log files, plain or compressed (.gz, .zst, .xz, .bz2), in the order of their dates, and
    /// makes every message in them findable. Lines that are in the history already are skipped,
    /// whatever their file is called now: run it again at any time, also over rotated logs.
    #[command(after_help = examples::IMPORT)]
    Import(ImportArgs),

    /// List messages, newest first, with what became of each recipient
    ///
    /// Lists the messages that match a filter, or all that a server accepted. What was refused
    /// before it was a message is listed, too, where a filter names anything but the time. The
    /// words of the filter may stand there without quotes:
    /// `tidings messages from:alice@example.org to:'*@gmail.com' status:bounced`.
    #[command(after_help = examples::MESSAGES)]
    Messages(MessagesArgs),

    /// Tell what became of a message, and why
    ///
    /// Tells the story of a message across sessions, queue ids, daemons and hosts: in plain words
    /// for each recipient, then step by step. Where the key names several messages, the newest is
    /// told and the others are listed.
    #[command(after_help = examples::STORY)]
    Story(StoryArgs),

    /// List events, newest first
    ///
    /// Lists single events as a log shows them, one a line: time, level, what happened, its type,
    /// and its values.
    #[command(after_help = examples::EVENTS)]
    Events(EventsArgs),

    /// Watch events as they happen
    ///
    /// Shows what the running server takes in, the moment it is durable. On a terminal the newest
    /// stand at the bottom of the screen: space pauses, / changes the filter, Enter shows all of an
    /// event, f follows its message, ? lists the keys. Elsewhere, or with --plain or --json, each event
    /// is a line, until Ctrl-C. A stream that breaks is taken up where it broke.
    #[command(after_help = examples::LIVE)]
    Live(LiveArgs),

    /// Watch the mail system as a whole
    ///
    /// Shows, each second: how much mail comes, goes, waits and fails, and why; the last failed
    /// sign-ins; how far the sources and the outputs are behind. Where the output is no terminal, or
    /// with --plain or --json, it looks for two seconds, prints that, and ends.
    #[command(after_help = examples::TOP_VERB)]
    Top(TopArgs),

    /// Sum up a period: volumes, verdicts, reasons, senders, delays
    ///
    /// Sums up a period, or the whole history: how much mail there was, what became of it, who sent
    /// and received most, why mail was deferred, bounced or refused, which sign-ins failed, and how
    /// long deliveries took.
    #[command(after_help = examples::STATS)]
    Stats(StatsArgs),

    /// Show what each line of a log means, without storing anything
    ///
    /// Reads log files and shows line by line what was understood, then how much of each program's
    /// output is recognised. Nothing is stored: this is for trying a log first.
    #[command(after_help = examples::PARSE)]
    Parse(ParseArgs),

    /// Check every byte of the history
    ///
    /// Reads every file of the history, compares every checksum, and says what is wrong. Changes
    /// nothing. Exits with 3 where something is wrong.
    #[command(after_help = examples::VERIFY)]
    Verify(JsonArgs),

    /// Salvage a damaged history
    ///
    /// Keeps all that can be read, sets damaged files aside, and says exactly what is lost.
    #[command(after_help = examples::REPAIR)]
    Repair(JsonArgs),

    /// List accounts, make one, or give one a new password
    ///
    /// Accounts sign in to the server's page and its API. Passwords are made here and shown once; they
    /// can be changed by who has signed in. Without a server the data directory itself is opened, so a
    /// lost password is no reason to be locked out.
    #[command(after_help = examples::ACCOUNT)]
    Account(AccountArgs),

    /// Say what objects there are to manage, or what one of them has
    ///
    /// Everything that can be looked at or set through the management API is an object: a tracer, a
    /// source, an account, how long the history is kept. Needs no server.
    #[command(after_help = examples::DESCRIBE)]
    Describe(DescribeArgs),

    /// Show one object
    ///
    /// Shows an object of a running server with all of its properties. Secrets are never shown.
    #[command(after_help = examples::GET)]
    Get(GetArgs),

    /// List objects
    ///
    /// Lists objects of a running server, newest first.
    #[command(after_help = examples::QUERY)]
    Query(QueryArgs),

    /// Make an object
    ///
    /// Makes an object in a running server, which goes by it at once. `tidings describe OBJECT` says what it
    /// takes.
    #[command(after_help = examples::CREATE)]
    Create(CreateArgs),

    /// Change an object
    ///
    /// Changes what is said of an object, and nothing else of it; the server goes by it at once.
    #[command(after_help = examples::UPDATE)]
    Update(UpdateArgs),

    /// Remove objects
    #[command(after_help = examples::DELETE)]
    Delete(DeleteArgs),

    /// Carry out a plan of changes
    ///
    /// Reads changes to objects, a JSON object a line, and makes them: first all destroys, the last line
    /// first, then the rest in its order. Besides create, update and destroy there are upsert, which updates
    /// the object of that name or makes it, and reconcile, which besides removes all others.
    #[command(after_help = examples::APPLY)]
    Apply(ApplyArgs),

    /// Print objects as a plan that makes them again
    ///
    /// Prints a line for `tidings apply` for each object, without secrets and without what the server
    /// sets itself. Applied twice, it changes nothing the second time.
    #[command(after_help = examples::SNAPSHOT)]
    Snapshot(SnapshotArgs),

    /// Try Tidings on a bundled sample log
    ///
    /// Reads a small sample log into a directory of its own and shows what can be asked of it. Your
    /// own data directory is not touched.
    #[command(after_help = examples::DEMO)]
    Demo(DemoArgs),

    /// Run the server
    ///
    /// Follows the configured logs and answers searches until it is told to stop (SIGTERM or
    /// Ctrl-C). The other verbs find it by its socket in the data directory.
    #[command(after_help = examples::SERVE)]
    Serve,

    /// Print completions for a shell
    ///
    /// Prints a script that teaches a shell to complete the verbs and options of tidings.
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),

    /// Print the man page
    #[command(hide = true)]
    Man(ManArgs),
}

/// Options of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Log files: plain, .gz, .zst, .xz or .bz2
    #[arg(required = true, value_name = "FILES", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,

    /// Read also files that look like another rendering of a log that is in the history already
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// A year that a nanosecond count can tell.
fn year(text: &str) -> Result<i32, String> {
    whole(text, 1970, 2261, "a year")
}

/// The length of a list.
fn length(text: &str) -> Result<u32, String> {
    whole(text, 1, 1_000, "a whole number")
}

/// How many of something; 0 may mean all.
fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "write a whole number, such as 50; 0 is all".to_owned())
}

/// How many of something, or none.
fn few(text: &str) -> Result<u32, String> {
    whole(text, 0, 1_000, "a whole number")
}

/// A whole number within limits, both included.
fn whole<T>(text: &str, least: T, most: T, what: &str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    match text.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("write {what} from {least} to {most}")),
    }
}

/// How times without a year or a zone are read.
#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Year of the first line, where the lines carry none [default: guessed from the file's date]
    #[arg(long, value_name = "YEAR", value_parser = year)]
    pub(crate) year: Option<i32>,

    /// Time zone of times that carry none: a name as Europe/Berlin, or +01:00 [default: this
    /// machine's]
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub(crate) timezone: Option<String>,
}

/// `--json`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `--utc`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ZoneArgs {
    /// Show and read times in UTC instead of the local time zone
    #[arg(long)]
    pub(crate) utc: bool,
}

/// The period of a search.
#[derive(Debug, Args)]
pub(crate) struct PeriodArgs {
    /// Only from this time on: 2h (ago), 3d, 2026-11-22, 2026-11-22T13:00
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,

    /// Only up to this time; a date stands for its whole day
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
}

/// How many results a search gives.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LimitArgs {
    /// Show at most this many; 0 is all [default: 50, with --json all]
    #[arg(short = 'n', long, value_name = "N", value_parser = number)]
    pub(crate) limit: Option<u64>,

    /// Print the oldest of those shown first
    #[arg(short, long)]
    pub(crate) reverse: bool,
}

/// Options of `messages`.
#[derive(Debug, Args)]
pub(crate) struct MessagesArgs {
    /// What to look for: field:value terms and words, as `from:alice@example.org status:deferred`;
    /// all messages without it
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,

    #[command(flatten)]
    pub(crate) period: PeriodArgs,

    #[command(flatten)]
    pub(crate) limit: LimitArgs,

    /// Shorten nothing, however long the lines get, and show every recipient
    #[arg(short, long)]
    pub(crate) wide: bool,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `story`.
#[derive(Debug, Args)]
pub(crate) struct StoryArgs {
    /// The message: its id, a queue id, a Message-ID, or an address of its sender or a recipient
    #[arg(value_name = "KEY")]
    pub(crate) key: String,

    /// Show the log lines beneath each step
    #[arg(long)]
    pub(crate) raw: bool,

    /// Tell at most this many messages in full; 0 is all [default: 1, with --json all]
    #[arg(short = 'n', long, value_name = "N", value_parser = number)]
    pub(crate) limit: Option<u64>,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// What to look for: field:value terms and words, as `type:auth.failed remoteIp:203.0.113.0/24`;
    /// all events without it
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,

    #[command(flatten)]
    pub(crate) period: PeriodArgs,

    #[command(flatten)]
    pub(crate) limit: LimitArgs,

    /// Show the log line beneath each event
    #[arg(long)]
    pub(crate) raw: bool,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `stats`.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) period: PeriodArgs,

    /// Length of each list
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = length)]
    pub(crate) top: u32,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `parse`.
#[derive(Debug, Args)]
pub(crate) struct ParseArgs {
    /// Log files: plain, .gz, .zst, .xz or .bz2; - is the standard input
    #[arg(required = true, value_name = "FILES", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) reading: ReadingArgs,

    /// Show only the lines that are not recognised
    #[arg(short, long, alias = "unrecognized")]
    pub(crate) unrecognised: bool,

    /// Show only the summary
    #[arg(short, long, conflicts_with = "unrecognised")]
    pub(crate) summary: bool,

    /// How many different unrecognised lines the summary shows of each program
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = few)]
    pub(crate) examples: u32,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// What is to be done with accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccountAction {
    /// List them.
    List,
    /// Make one.
    Create,
    /// Give one a new password, and let it sign in again.
    Reset,
}

/// The roles of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Everything.
    Admin,
    /// Everything but accounts.
    Operator,
    /// See everything but accounts, change nothing.
    Viewer,
    /// See the mail of some domains.
    DomainViewer,
}

/// Options of `account`.
#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    /// What to do
    #[arg(value_enum, value_name = "ACTION")]
    pub(crate) action: AccountAction,

    /// The name of the account; for `create` and `reset`
    #[arg(value_name = "NAME", required_if_eq_any([("action", "create"), ("action", "reset")]))]
    pub(crate) name: Option<String>,

    /// What a new account may do
    #[arg(long, value_name = "ROLE", value_enum, default_value_t = RoleArg::Viewer)]
    pub(crate) role: RoleArg,

    /// A domain whose mail a new domain-viewer may see; can be repeated
    #[arg(long, value_name = "DOMAIN", required_if_eq("role", "domain-viewer"))]
    pub(crate) domain: Vec<String>,

    #[command(flatten)]
    pub(crate) output: JsonArgs,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Directory for the sample's history [default: the default data directory's name with -demo]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) zone: ZoneArgs,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Options of `man`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ManArgs {
    /// Print the reference page instead, in Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[cfg(test)]
mod tests;
