//! Which crate may know which: the dependency edges of ARCHITECTURE.md as a table, and the check.
//!
//! Only normal dependencies count: a test may use what it likes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

/// What one crate of the workspace may depend on.
struct Rule {
    name: &'static str,
    /// The workspace crates it may use.
    workspace: &'static [&'static str],
    foreign: Foreign,
    /// Said when the rule is broken.
    why: &'static str,
}

/// Which crates from outside the workspace a crate may use.
enum Foreign {
    /// These and no others: a new one is a decision, made here and in `docs/design.md`.
    Only(&'static [&'static str]),
    /// Any but these.
    AnyBut(&'static [&'static str]),
}

const RULES: &[Rule] = &[
    Rule {
        name: "tidings-event",
        workspace: &[],
        foreign: Foreign::Only(&[]),
        why: "the vocabulary depends on nothing, so that anyone can",
    },
    Rule {
        name: "tidings",
        workspace: &["tidings-event", "tidings-spool"],
        foreign: Foreign::AnyBut(&["axum", "hyper", "parquet", "reqwest", "tokio"]),
        why: "who embeds it pays for events only: no runtime, no mail, no outputs",
    },
    Rule {
        name: "tidings-wire",
        workspace: &["tidings-event"],
        foreign: Foreign::AnyBut(&["axum", "hyper", "parquet", "reqwest", "tokio"]),
        why: "bytes in, bytes out: no sockets, no files, no runtime",
    },
    Rule {
        name: "tidings-sink",
        workspace: &["tidings", "tidings-event", "tidings-spool", "tidings-wire"],
        foreign: Foreign::AnyBut(&["axum", "parquet"]),
        why: "outputs know no sources and no management",
    },
    Rule {
        name: "tidings-mail",
        workspace: &["tidings-event"],
        foreign: Foreign::Only(&["aho-corasick", "memchr", "rustc-hash"]),
        why: "what mail means knows no files, sockets, storage or clock",
    },
    Rule {
        name: "tidings-spool",
        workspace: &["tidings-event"],
        foreign: Foreign::Only(&["crc32c", "lz4_flex", "rustix"]),
        why: "the spool moves bytes: it knows no Parquet, no mail, no runtime",
    },
    Rule {
        name: "tidings-store",
        workspace: &["tidings-event", "tidings-spool"],
        foreign: Foreign::Only(&["crc32c", "parquet", "rustc-hash", "xxhash-rust", "zstd"]),
        why: "the history takes its schemas as arguments: it knows no mail, no HTTP, no runtime",
    },
    Rule {
        name: "tidings-engine",
        workspace: &[
            "tidings",
            "tidings-event",
            "tidings-mail",
            "tidings-spool",
            "tidings-store",
        ],
        foreign: Foreign::AnyBut(&["axum", "hyper", "hyper-util", "parquet", "reqwest", "tokio"]),
        why: "the engine is synchronous and has no transport; Parquet stays inside the store",
    },
    Rule {
        name: "tidings-admin",
        workspace: &["tidings-event"],
        foreign: Foreign::Only(&["serde", "serde_json"]),
        why: "the management contract is plain data: no transport, no storage, no clock",
    },
    Rule {
        name: "tidings-cli",
        workspace: &[
            "tidings-admin",
            "tidings-engine",
            "tidings-event",
            "tidings-mail",
        ],
        foreign: Foreign::AnyBut(&["axum", "parquet"]),
        why: "the client verbs work without the server",
    },
    Rule {
        name: "tidings-server",
        workspace: &[
            "tidings",
            "tidings-admin",
            "tidings-cli",
            "tidings-engine",
            "tidings-event",
            "tidings-mail",
            "tidings-sink",
            "tidings-spool",
            "tidings-store",
            "tidings-wire",
        ],
        foreign: Foreign::AnyBut(&["parquet"]),
        why: "Parquet stays inside the store",
    },
    Rule {
        name: "xtask",
        workspace: &["tidings-event", "tidings-mail"],
        foreign: Foreign::AnyBut(&[]),
        why: "generation must work while the upper crates do not compile",
    },
];

/// Checks every workspace member under `root` against the table.
///
/// Gives one sentence per broken edge, in the order of the members; empty when all is well. Fails
/// when a manifest cannot be read.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, String> {
    let mut broken = Vec::new();
    let mut seen = BTreeSet::new();
    let shared = shared_dependencies(&read(&root.join("Cargo.toml"))?);
    for path in manifests(root)? {
        let manifest = read(&path)?;
        let name = package_name(&manifest)
            .ok_or_else(|| format!("no package name in {}", path.display()))?;
        broken.extend(check_manifest(name, &manifest, &shared));
        seen.insert(name.to_owned());
    }
    let gone = RULES.iter().filter(|rule| !seen.contains(rule.name));
    broken.extend(gone.map(|rule| {
        format!(
            "the table names {}, which is no crate of the workspace",
            rule.name
        )
    }));
    Ok(broken)
}

/// The manifests of the members: `crates/*` and `xtask`, in name order.
fn manifests(root: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let crates = root.join("crates");
    let entries = fs::read_dir(&crates).map_err(|why| format!("{}: {why}", crates.display()))?;
    let mut paths: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("Cargo.toml"))
        .chain([root.join("xtask/Cargo.toml")])
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Table, String> {
    let text = fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
    text.parse()
        .map_err(|why| format!("{}: {why}", path.display()))
}

/// `[workspace.dependencies]`, which members inherit from.
fn shared_dependencies(manifest: &Table) -> Table {
    let workspace = manifest.get("workspace").and_then(Value::as_table);
    let shared = workspace.and_then(|workspace| workspace.get("dependencies")?.as_table());
    shared.cloned().unwrap_or_default()
}

fn package_name(manifest: &Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

fn check_manifest(name: &str, manifest: &Table, shared: &Table) -> Vec<String> {
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        return vec![format!("{name} has no row in the table")];
    };
    dependencies(manifest, shared)
        .into_iter()
        .filter(|dependency| !rule.allows(dependency))
        .map(|dependency| format!("{name} must not depend on {dependency}: {}", rule.why))
        .collect()
}

impl Rule {
    fn allows(&self, dependency: &str) -> bool {
        if RULES.iter().any(|rule| rule.name == dependency) {
            return self.workspace.contains(&dependency);
        }
        match self.foreign {
            Foreign::Only(names) => names.contains(&dependency),
            Foreign::AnyBut(names) => !names.contains(&dependency),
        }
    }
}

/// The names of all normal dependencies, for every target, optional ones too, renames undone.
fn dependencies(manifest: &Table, shared: &Table) -> BTreeSet<String> {
    let for_targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flatten();
    for_targets
        .filter_map(|(_, target)| target.get("dependencies"))
        .chain(manifest.get("dependencies"))
        .filter_map(Value::as_table)
        .flatten()
        .map(|(key, value)| {
            let inherited = value.get("workspace").and_then(|_| shared.get(key));
            let renamed = inherited
                .unwrap_or(value)
                .get("package")
                .and_then(Value::as_str);
            renamed.unwrap_or(key).to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(name: &str, manifest: &str) -> Vec<String> {
        let root = "[workspace.dependencies]\nhidden = { package = 'serde', version = '1' }";
        let shared = shared_dependencies(&root.parse().unwrap());
        check_manifest(name, &manifest.parse().unwrap(), &shared)
    }

    #[test]
    fn an_allowed_edge_is_silent_and_a_forbidden_one_says_why() {
        assert_eq!(
            broken(
                "tidings-mail",
                "[dependencies]\ntidings-event.workspace = true\nmemchr = '2'"
            ),
            [""; 0]
        );
        assert_eq!(
            broken(
                "tidings-spool",
                "[dependencies]\ntidings-mail.workspace = true"
            ),
            [
                "tidings-spool must not depend on tidings-mail: the spool moves bytes: it knows no Parquet, no mail, no runtime"
            ]
        );
        assert_eq!(
            broken("tidings-engine", "[dependencies]\nredb = '4'\ntokio = '1'").len(),
            1
        );
        assert_eq!(
            broken(
                "tidings-cli",
                "[dependencies]\ntidings-server.workspace = true"
            )
            .len(),
            1
        );
    }

    #[test]
    fn no_way_of_writing_a_dependency_hides_it() {
        for manifest in [
            "[dependencies]\nserde = { version = '1', optional = true }",
            "[dependencies]\nmemchr = { package = 'serde', version = '1' }",
            "[dependencies]\nhidden.workspace = true",
            "[dependencies.serde]\nversion = '1'",
            "[target.'cfg(unix)'.dependencies]\nserde = '1'",
        ] {
            let broken = broken("tidings-mail", manifest);
            assert!(
                broken.len() == 1 && broken[0].contains("depend on serde"),
                "{manifest}: {broken:?}"
            );
        }
        assert_eq!(
            broken("tidings-event", "[dev-dependencies]\nserde = '1'"),
            [""; 0]
        );
    }

    #[test]
    fn a_crate_without_a_row_is_an_error() {
        assert_eq!(
            broken("tidings-newcomer", ""),
            ["tidings-newcomer has no row in the table"]
        );
    }
}
