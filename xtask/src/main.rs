//! `cargo x`: what a developer of Tidings runs besides cargo itself.
//!
//! Each subcommand is a module with a `run` function that takes the arguments after its name.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod check;
mod edges;
mod generate;

const USAGE: &str = "\
usage: cargo x COMMAND

  check [--fast]  format, dependency edges, generated files, clippy, licences, tests;
                  with --fast all but the tests
  gen [--check]   write the catalogue's Rust tables and reference pages from catalogue/;
                  with --check write nothing, and fail where a file differs
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.split_first() {
        Some((&"check", rest)) => check::run(&workspace_root(), rest),
        Some((&"gen", rest)) => generate::run(&workspace_root(), rest),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace's `Cargo.toml`, wherever the command is called from.
fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the xtask folder lies inside the workspace")
        .to_path_buf()
}
