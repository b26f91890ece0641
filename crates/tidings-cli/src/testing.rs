//! What tests share: a screen, a history made of objects, and a whole run of the program with golden
//! output.

mod fake;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::clock::Clock;
use crate::hooks::ServerHooks;
use crate::run::{Outside, run_in};
use crate::term::{Screen, Symbols, Zone};

pub(crate) use fake::hooks;

/// 2026-11-22 13:00:05.123 at +01:00.
pub(crate) const NOW_NS: i64 = 1_795_348_805_123_000_000;

/// A screen without colours and limits, one hour east of Greenwich.
pub(crate) fn plain_screen() -> Screen {
    Screen {
        colours: false,
        width: None,
        symbols: Symbols::UNICODE,
        zone: Zone::fixed(1),
        now_ns: NOW_NS,
    }
}

/// Compares a text with a golden file, named relative to the crate; with `TIDINGS_BLESS=1` in the
/// environment, writes it instead.
pub(crate) fn golden(name: &str, text: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/")).join(name);
    if std::env::var_os("TIDINGS_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{name} differs; if that is meant, run again with TIDINGS_BLESS=1 and review the diff\n\
         --- expected\n{expected}\n--- got\n{text}"
    );
}

/// A clock that stands still, but for a tenth of a second at each look.
struct TestClock {
    looks: std::cell::Cell<u64>,
}

impl Clock for TestClock {
    fn now_ns(&self) -> i64 {
        NOW_NS
    }

    fn elapsed_ms(&self) -> u64 {
        self.looks.set(self.looks.get() + 1);
        self.looks.get() * 100
    }
}

/// How the program is run in a test.
#[derive(Clone)]
pub(crate) struct Run {
    /// Width of the terminal behind the standard output.
    pub(crate) width: Option<usize>,
    /// Width of the terminal behind the standard error.
    pub(crate) err_width: Option<usize>,
    /// The environment.
    pub(crate) variables: Vec<(&'static str, String)>,
    pub(crate) hooks: ServerHooks,
}

/// What it gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// All of it, for golden files, with escape characters made visible.
    pub(crate) fn text(&self) -> String {
        let text = format!(
            "{}--- stderr\n{}--- exit code {}\n",
            self.out, self.err, self.code
        );
        text.replace('\u{1b}', "␛").replace('\r', "␍")
    }
}

impl Run {
    /// With an UTF-8 locale, no terminal, and `data` as the data directory.
    pub(crate) fn new(hooks: ServerHooks, data: &str) -> Run {
        Run {
            width: None,
            err_width: None,
            variables: vec![
                ("LANG", "C.UTF-8".to_owned()),
                ("TIDINGS_DATA", data.to_owned()),
            ],
            hooks,
        }
    }

    /// The same on a terminal of this width.
    pub(crate) fn on_terminal(mut self, width: usize) -> Run {
        self.width = Some(width);
        self.err_width = Some(width);
        self
    }

    /// The same with a variable.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Run {
        self.variables.insert(0, (name, value.to_owned()));
        self
    }

    /// Runs `tidings` with these arguments.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut out = Vec::new();
        let mut err = Vec::new();
        let code = self.run_to(args, &mut out, &mut err);
        Ran {
            code,
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
        }
    }

    /// Runs `tidings` with these arguments and outputs.
    pub(crate) fn run_to(
        &self,
        args: &[&str],
        out: &mut dyn std::io::Write,
        err: &mut dyn std::io::Write,
    ) -> u8 {
        let clock = TestClock {
            looks: std::cell::Cell::new(0),
        };
        let variable = |name: &str| {
            let found = self.variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let outside = Outside {
            variable: &variable,
            is_root: false,
            out_width: self.width,
            err_width: self.err_width,
            zone: Zone::fixed(1),
            clock: &clock,
        };
        let args = std::iter::once("tidings").chain(args.iter().copied());
        run_in(
            args.map(OsString::from).collect(),
            &self.hooks,
            &outside,
            out,
            err,
        )
    }
}
