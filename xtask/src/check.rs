//! `cargo x check`: everything that must hold before a commit, in one command.
//!
//! Every step runs, even after one has failed; a failing step is named at the end with the way to
//! mend it. `--fast` leaves the tests out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{edges, generate};

/// The clippy that decides: Rust 1.95's. Another one's new lints are shown but fail nothing, so that
/// the checks do not depend on the day a machine was set up.
const CLIPPY: &str = "clippy 0.1.95 ";

/// How a step ended.
enum Outcome {
    Passed,
    Failed,
    /// With the reason.
    Skipped(String),
}

/// One step: its name, what to do when it fails, and the step itself, given the workspace's root.
struct Step {
    name: &'static str,
    mend: &'static str,
    run: fn(&Path) -> Outcome,
}

const CHECKS: &[Step] = &[
    Step {
        name: "format",
        mend: "run `cargo fmt --all`",
        run: format,
    },
    Step {
        name: "dependency edges",
        mend: "remove the edge, or change ARCHITECTURE.md and the table in xtask/src/edges.rs together",
        run: dependency_edges,
    },
    Step {
        name: "generated files",
        mend: "run `cargo x gen` and commit what it wrote",
        run: generated_files,
    },
    Step {
        name: "clippy",
        mend: "mend what is listed above, or `#[expect(…, reason = \"…\")]` it where it is right",
        run: clippy,
    },
    Step {
        name: "licences and bans",
        mend: "choose another dependency, or add it to deny.toml with a reason",
        run: cargo_deny,
    },
];

const TESTS: &[Step] = &[
    Step {
        name: "tests",
        mend: "mend the code; where only expected output changed, run again with TIDINGS_BLESS=1 and review the diff",
        run: tests,
    },
    Step {
        name: "models of threads",
        mend: "mend the code: loom found an order of its threads in which the test fails",
        run: models,
    },
    Step {
        name: "doc tests",
        mend: "mend the examples in the doc comments",
        run: doc_tests,
    },
];

/// Runs every check in the workspace at `root`, and the tests unless the arguments say `--fast`.
///
/// Fails with the failed steps and how to mend each; their own output is on the terminal by then.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<(), String> {
    let tests = match args {
        [] => TESTS,
        ["--fast"] => &[],
        _ => {
            return Err(format!(
                "check takes --fast or nothing, not `{}`",
                args.join(" ")
            ));
        }
    };
    let failed: Vec<String> = CHECKS
        .iter()
        .chain(tests)
        .filter(|step| !passes(step, root))
        .map(|step| format!("x check: {} failed: {}", step.name, step.mend))
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n"))
    }
}

fn passes(step: &Step, root: &Path) -> bool {
    eprintln!("x check: {}", step.name);
    match (step.run)(root) {
        Outcome::Passed => true,
        Outcome::Failed => false,
        Outcome::Skipped(why) => {
            eprintln!("x check: skipping {}: {why}", step.name);
            true
        }
    }
}

fn format(root: &Path) -> Outcome {
    cargo(root, "fmt --all --check")
}

fn dependency_edges(root: &Path) -> Outcome {
    let broken = edges::check(root).unwrap_or_else(|why| vec![why]);
    for edge in &broken {
        eprintln!("{edge}");
    }
    if broken.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed
    }
}

fn generated_files(root: &Path) -> Outcome {
    match generate::run(root, &["--check"]) {
        Ok(()) => Outcome::Passed,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            Outcome::Failed
        }
    }
}

fn clippy(root: &Path) -> Outcome {
    let version = says(root, "clippy --version").unwrap_or_default();
    if version.starts_with(CLIPPY) {
        let product = cargo(
            root,
            "clippy --quiet --workspace --all-features --lib --bins -- -D warnings",
        );
        if matches!(product, Outcome::Failed) {
            return product;
        }
        // Tests and benchmarks may look at the clock, and share helpers that not each of them uses.
        let rest = "clippy --quiet --workspace --all-features --all-targets -- -D warnings \
                    -A clippy::disallowed-methods -A dead-code -A unused-imports";
        return cargo(root, rest);
    }
    eprintln!(
        "x check: {} is not the {CLIPPY}that decides: its warnings fail nothing",
        version.trim()
    );
    cargo(root, "clippy --quiet --workspace --all-targets")
}

fn cargo_deny(root: &Path) -> Outcome {
    if says(root, "deny --version").is_none() {
        return Outcome::Skipped(
            "cargo-deny is not installed (`cargo install --locked cargo-deny`)".into(),
        );
    }
    // Without advisories: their database is fetched from the network.
    cargo(root, "deny --log-level error check bans licenses sources")
}

fn tests(root: &Path) -> Outcome {
    if says(root, "nextest --version").is_some() {
        return cargo(
            root,
            "nextest run --workspace --all-features --no-fail-fast --no-tests=pass --status-level=slow",
        );
    }
    eprintln!("x check: cargo-nextest is not installed, using cargo test");
    cargo(
        root,
        "test --quiet --workspace --all-features --no-fail-fast --lib --bins --tests --examples",
    )
}

fn doc_tests(root: &Path) -> Outcome {
    cargo(root, "test --quiet --workspace --all-features --doc")
}

/// What threads share is tried in every order, with loom in place of the standard library; built apart,
/// as the flag would build everything anew.
fn models(root: &Path) -> Outcome {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let arguments = "test --quiet --package tidings --release --lib models";
    let mut command = command(root, arguments);
    command
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", target.join("loom"));
    outcome(command, arguments)
}

/// Runs cargo with its output shown. The arguments are separated by blanks.
fn cargo(root: &Path, arguments: &str) -> Outcome {
    outcome(command(root, arguments), arguments)
}

fn outcome(mut command: Command, arguments: &str) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(_) => Outcome::Failed,
        Err(why) => {
            eprintln!("cannot start cargo {arguments}: {why}");
            Outcome::Failed
        }
    }
}

/// What cargo prints on its standard output; `None` when it fails.
fn says(root: &Path, arguments: &str) -> Option<String> {
    let output = command(root, arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn command(root: &Path, arguments: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments.split(' ')).current_dir(root);
    command
}
