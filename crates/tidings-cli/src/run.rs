//! From the arguments of the process to its exit code.

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::args::{Cli, ColorWhen, GlobalArgs, Verb, shield_negated_terms};
use crate::clock::{Clock, SystemClock};
use crate::failure::{Failure, Stop, io_words};
use crate::globals::{Globals, default_data};
use crate::hooks::ServerHooks;
use crate::reference::{man_page, reference_page};
use crate::session::{Outcome, Session};
use crate::term::{Screen, Symbols, Zone, clean};
use crate::verb;

/// Longest line of the help, in cells.
const HELP_WIDTH: usize = 100;

/// Runs the verb that `args` name (the first is the program's own name), prints its result to the
/// standard output and what is said about it to the standard error, and gives the exit code that
/// `tidings --help` documents.
pub fn run(args: impl IntoIterator<Item = OsString>, hooks: ServerHooks) -> ExitCode {
    let clock = SystemClock::new();
    // Not locked: the threads of `serve` write to them too.
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout());
    let mut err = io::stderr();
    let (zone, unknown_zone) = Zone::system(std::env::var_os("TZ").as_deref());
    if let Some(why) = unknown_zone {
        // Nothing depends on its being read.
        let _ = writeln!(err, "tidings: {why}");
    }
    let outside = Outside {
        variable: &|name| std::env::var_os(name),
        is_root: rustix::process::geteuid().is_root(),
        out_width: terminal_width(&io::stdout()),
        err_width: terminal_width(&io::stderr()),
        zone,
        clock: &clock,
    };
    let code = run_in(
        args.into_iter().collect(),
        &hooks,
        &outside,
        &mut out,
        &mut err,
    );
    ExitCode::from(code)
}

/// What surrounds the program; a test brings its own.
pub(crate) struct Outside<'a> {
    /// The environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub(crate) is_root: bool,
    /// Width of the terminal behind the standard output, if it is one.
    pub(crate) out_width: Option<usize>,
    /// Width of the terminal behind the standard error, if it is one.
    pub(crate) err_width: Option<usize>,
    pub(crate) zone: Zone,
    pub(crate) clock: &'a dyn Clock,
}

impl Outside<'_> {
    fn is_set(&self, name: &str) -> bool {
        (self.variable)(name).is_some_and(|value| !value.is_empty())
    }
}

fn terminal_width(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    // Some terminals do not tell their size, or tell 0.
    let told = terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0));
    Some(told.filter(|width| *width > 0).unwrap_or(80))
}

/// [`run`] with everything it touches as an argument; gives the exit code.
pub(crate) fn run_in(
    args: Vec<OsString>,
    hooks: &ServerHooks,
    outside: &Outside<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let result = match parse(args, outside.out_width) {
        Ok(cli) => execute(cli, hooks, outside, out, err),
        Err(error) => refuse(&error, out, err),
    };
    // What is still buffered may fail to be written, too.
    let result = result.and_then(|code| out.flush().map(|()| code).map_err(Stop::Output));
    match result {
        Ok(code) => code,
        Err(stop) => report(&stop, err),
    }
}

/// Reads the arguments; help is wrapped to a screen of this width, but no longer than reads well.
fn parse(args: Vec<OsString>, width: Option<usize>) -> Result<Cli, clap::Error> {
    let command = Cli::command().term_width(width.unwrap_or(HELP_WIDTH).min(HELP_WIDTH));
    let matches = command.try_get_matches_from(shield_negated_terms(args))?;
    Cli::from_arg_matches(&matches)
}

/// Prints the help that was asked for, or what is wrong with the arguments.
fn refuse(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
    let text = error.render().to_string();
    if !error.use_stderr() {
        out.write_all(text.as_bytes())?;
        return Ok(0);
    }
    let text = match text.strip_prefix("error: ") {
        Some(text) => format!("tidings: {text}"),
        None => text,
    };
    for line in text.lines() {
        // Nowhere else to say that this cannot be said.
        let _ = writeln!(err, "{}", clean(line));
    }
    Ok(2)
}

fn execute(
    cli: Cli,
    hooks: &ServerHooks,
    outside: &Outside<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Stop> {
    let color = cli.globals.color;
    match cli.verb {
        Verb::Completions(args) => {
            verb::completions(args.shell, &mut Cli::command(), out)?;
            return Ok(0);
        }
        Verb::Man(args) => {
            let page = match args.markdown {
                true => reference_page(&Cli::command()),
                false => man_page(&Cli::command()),
            };
            out.write_all(page.as_bytes())?;
            return Ok(0);
        }
        _ => {}
    }
    let mut session = Session {
        globals: globals(cli.globals, outside)?,
        hooks,
        clock: outside.clock,
        out,
        err,
        screen: screen(outside, outside.out_width, color),
        err_screen: screen(outside, outside.err_width, color),
    };
    if outside.out_width.is_none() {
        session.screen.width = columns(outside);
    }
    let outcome = verb::execute(cli.verb, &mut session)?;
    Ok(match outcome {
        Outcome::Done => 0,
        Outcome::Nothing => 1,
        Outcome::Damaged => 3,
        Outcome::Unread => 4,
    })
}

fn globals(args: GlobalArgs, outside: &Outside<'_>) -> Result<Globals, Failure> {
    let named = args
        .data
        .or_else(|| (outside.variable)("TIDINGS_DATA").map(Into::into))
        .filter(|path| !path.as_os_str().is_empty());
    let data = match named {
        Some(data) => data,
        None => default_data(outside.is_root, outside.variable)?,
    };
    let token = match (outside.variable)("TIDINGS_TOKEN") {
        Some(token) => Some(token.into_string().map_err(|_| {
            Failure::usage("TIDINGS_TOKEN holds something else than visible ASCII characters")
        })?),
        None => None,
    };
    Ok(Globals {
        data,
        config: args.config,
        server: args.server,
        token: token.filter(|token| !token.is_empty()),
    })
}

fn screen(outside: &Outside<'_>, width: Option<usize>, color: ColorWhen) -> Screen {
    let is_dumb = (outside.variable)("TERM").is_some_and(|term| term == "dumb");
    let colours = match color {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => width.is_some() && !outside.is_set("NO_COLOR") && !is_dumb,
    };
    let symbols = if speaks_utf8(outside) {
        Symbols::UNICODE
    } else {
        Symbols::ASCII
    };
    Screen {
        colours,
        width: width.map(|width| width.max(20)),
        symbols,
        zone: outside.zone.clone(),
        now_ns: outside.clock.now_ns(),
    }
}

/// Whether the locale has UTF-8; the first variable that is set decides, as in the C library.
fn speaks_utf8(outside: &Outside<'_>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter(|name| outside.is_set(name))
        .find_map(|name| (outside.variable)(name));
    let locale = locale.and_then(|locale| locale.into_string().ok());
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// The width that `COLUMNS` names, for output that is no terminal.
fn columns(outside: &Outside<'_>) -> Option<usize> {
    let columns = (outside.variable)("COLUMNS")?.into_string().ok()?;
    columns.parse().ok().filter(|columns| *columns >= 20)
}

/// Says why a verb stopped and gives the exit code for it.
fn report(stop: &Stop, err: &mut dyn Write) -> u8 {
    let (sentence, code) = match stop {
        // `| head` has what it wanted.
        Stop::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
        Stop::Output(error) => {
            let why = io_words(error);
            (format!("cannot write the output: {why}"), 4)
        }
        Stop::Failure(failure) => (failure.sentence(), failure.kind().exit_code()),
    };
    // A filter that cannot be read is shown on lines of its own; nothing of it may look like more.
    let lines: Vec<_> = sentence.lines().map(clean).collect();
    // Nowhere else to say that this cannot be said.
    let _ = writeln!(err, "tidings: {}", lines.join("\n  "));
    code
}

#[cfg(test)]
mod tests;
