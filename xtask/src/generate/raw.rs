//! The catalogue's files as they are written, before any rule is checked.
//!
//! Numbers and words that could be wrong are kept wide and optional here, so that `check` can name the entry
//! they belong to; only the shape of the files is fixed by these types.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// All files of the catalogue.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// The event files with their paths from the workspace root, sorted by path.
    pub(super) events: Vec<(String, EventFile)>,
    pub(super) keys: KeyFile,
    pub(super) metrics: MetricFile,
    pub(super) aliases: AliasFile,
}

/// `catalogue/events/*.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventFile {
    /// What the families are about that this file introduces.
    #[serde(default)]
    pub(super) families: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) event: Vec<RawEvent>,
}

/// One `[[event]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawEvent {
    pub(super) id: Option<i64>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) level: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) span: Option<String>,
    #[serde(default)]
    pub(super) raw_io: bool,
    #[serde(default)]
    pub(super) metric: bool,
    #[serde(default)]
    pub(super) history: bool,
}

/// `catalogue/keys.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    pub(super) key: Vec<RawKey>,
}

/// One `[[key]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKey {
    pub(super) id: Option<i64>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) kebab: String,
    #[serde(default, rename = "type")]
    pub(super) value_type: String,
    #[serde(default)]
    pub(super) description: String,
}

/// `catalogue/metrics.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricFile {
    pub(super) metric: Vec<RawMetric>,
}

/// One `[[metric]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawMetric {
    pub(super) id: Option<i64>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) unit: String,
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) history: bool,
    pub(super) community_export: Option<bool>,
    #[serde(default)]
    pub(super) bounds: Vec<i64>,
}

/// `catalogue/aliases.toml`: old name to current name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AliasFile {
    #[serde(default)]
    pub(super) events: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) keys: BTreeMap<String, String>,
}

impl Raw {
    /// Reads the catalogue in `folder`; the error names the file that is missing or not of the right shape.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        Ok(Self {
            events: read_events(&folder.join("events"))?,
            keys: read_toml(&folder.join("keys.toml"))?,
            metrics: read_toml(&folder.join("metrics.toml"))?,
            aliases: read_toml(&folder.join("aliases.toml"))?,
        })
    }
}

fn read_events(folder: &Path) -> Result<Vec<(String, EventFile)>, String> {
    let cannot_list = |e| format!("cannot list {}: {e}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot_list)? {
        let path = entry.map_err(cannot_list)?.path();
        let Some(name) = path
            .file_name()
            .and_then(|n| n.to_str())
            .filter(|n| n.ends_with(".toml"))
        else {
            return Err(format!(
                "{} is not a file of the catalogue; allowed: *.toml",
                path.display()
            ));
        };
        files.push((format!("catalogue/events/{name}"), read_toml(&path)?));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text =
        fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}
