//! The reference page of the settings, made from their declaration.
//!
//! `TIDINGS_BLESS=1 cargo test -p tidings-server settings` writes `docs/reference/settings.md` anew.

use std::fmt::Write as _;
use std::path::Path;

use super::declare::{Key, SECTIONS, Section};

const HEAD: &str = "\
# Settings

<!-- Made from crates/tidings-server/src/settings/declare.rs; do not edit. -->

`tidings serve --config FILE` reads its settings from a [TOML](https://toml.io) file. Without a file,
and for every setting that the file leaves out, the defaults below apply. A setting that does not
exist, or a value that is not allowed, is an error: the server says what is wrong and where, and does
not start (exit code 2). The data directory is not among the settings: every verb takes it as
`--data DIR` or from `TIDINGS_DATA`.

Sizes are texts such as `\"16MiB\"` (`B`, `KiB`, `MiB`, `GiB`), times are texts such as `\"10s\"` (`ms`,
`s`, `m`, `h`, `d`). An example file is `contrib/tidings.toml`.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        write_section(&mut page, section);
    }
    page
}

fn write_section(page: &mut String, section: &Section) {
    let header = super::read::header(section);
    let _ = write!(page, "\n## `{header}`\n\n{}\n\n", wrapped(section.about));
    page.push_str("| setting | takes | default | what it is for |\n|---|---|---|---|\n");
    for key in section.keys {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            key.name,
            cell(&key.takes.allowed()),
            default(key),
            cell(key.about)
        );
    }
}

fn default(key: &Key) -> String {
    if key.default.is_empty() {
        "–".to_owned()
    } else {
        format!("`{}`", cell(key.default))
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a first line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + word.len() < 100 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/settings.md");
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page(),
        "docs/reference/settings.md differs from the declaration: run the tests with TIDINGS_BLESS=1"
    );
}
