//! `cargo x gen`: makes the catalogue's Rust tables and reference pages from the data in `catalogue/`.
//!
//! `raw` is the data as written, `check` turns it into a [`catalogue::Catalogue`] or says everything that is wrong
//! with it, `rust`, `paths` and `docs` render that. Names become Rust constants in one place, `catalogue::constant_name`.

use std::fs;
use std::path::Path;

mod catalogue;
mod check;
mod docs;
mod paths;
mod raw;
mod rust;

/// Writes the generated files below `root`, or with `--check` compares them.
///
/// Errors are sentences for the developer, one per line: each rule that the catalogue breaks, each file that
/// differs, or the argument that is not known.
pub(crate) fn run(root: &Path, args: &[&str]) -> Result<(), String> {
    let compare_only = match args {
        [] => false,
        ["--check"] => true,
        _ => {
            return Err(format!(
                "arguments of gen are {args:?}; allowed: none or --check"
            ));
        }
    };
    let outputs = outputs(root)?;
    if compare_only {
        compare(root, &outputs)
    } else {
        write(root, &outputs)
    }
}

/// One generated file: its path from the workspace root and its whole text.
struct Output {
    path: &'static str,
    text: String,
}

fn outputs(root: &Path) -> Result<Vec<Output>, String> {
    let raw = raw::Raw::read(&root.join("catalogue"))?;
    let catalogue = check::check(&raw).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    Ok(vec![
        Output {
            path: "crates/tidings-event/src/catalogue_gen.rs",
            text: rust::render(&catalogue),
        },
        Output {
            path: "crates/tidings/src/catalogue/paths_gen.rs",
            text: paths::render(&catalogue),
        },
        Output {
            path: "docs/reference/events.md",
            text: docs::events(&catalogue),
        },
        Output {
            path: "docs/reference/keys.md",
            text: docs::keys(&catalogue),
        },
        Output {
            path: "docs/reference/metrics.md",
            text: docs::metrics(&catalogue),
        },
    ])
}

fn write(root: &Path, outputs: &[Output]) -> Result<(), String> {
    for output in outputs {
        let path = root.join(output.path);
        // An untouched file keeps its time, so that cargo rebuilds only after a real change.
        if fs::read_to_string(&path).is_ok_and(|old| old == output.text) {
            continue;
        }
        let folder = path
            .parent()
            .expect("every output lies in a folder of the workspace");
        fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
        fs::write(&path, &output.text)
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    Ok(())
}

fn compare(root: &Path, outputs: &[Output]) -> Result<(), String> {
    let mut differing = Vec::new();
    for output in outputs {
        match fs::read_to_string(root.join(output.path)) {
            Ok(text) if text == output.text => {}
            Ok(_) => differing.push(format!(
                "{} differs from the catalogue; run `cargo x gen`",
                output.path
            )),
            Err(e) => differing.push(format!(
                "{} cannot be read ({e}); run `cargo x gen`",
                output.path
            )),
        }
    }
    if differing.is_empty() {
        Ok(())
    } else {
        Err(differing.join("\n"))
    }
}

#[cfg(test)]
mod tests;
