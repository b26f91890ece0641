//! Reads a settings file against the declaration; what is wrong is told with file, line, key, value,
//! and what is allowed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use tidings_cli::Failure;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declare::{Key, SECTIONS, Section};
use super::value::Given;

/// How much of a wrong value is shown.
const SHOWN_CHARS: usize = 60;

/// A table of the file with its checked values.
#[derive(Debug)]
pub(super) struct Table {
    section: &'static Section,
    given: BTreeMap<&'static str, Given>,
    /// Where it begins; nothing if it does not stand in the file.
    line: Option<usize>,
    /// Where its settings stand.
    lines: BTreeMap<&'static str, usize>,
}

impl Table {
    /// The table with nothing but defaults.
    pub(super) fn empty(name: &str) -> Table {
        let section = SECTIONS.iter().find(|section| section.name == name);
        let section = section.expect("only sections that are declared are asked for");
        Table {
            section,
            given: BTreeMap::new(),
            line: None,
            lines: BTreeMap::new(),
        }
    }

    /// The name of its section.
    pub(super) fn name(&self) -> &'static str {
        self.section.name
    }

    /// What is wrong with a setting: told with its line, or that of the table where it is not given.
    pub(super) fn wrong(&self, path: &Path, name: &str, why: &str) -> Failure {
        let path = path.display();
        Failure::usage(match self.lines.get(name).copied().or(self.line) {
            Some(line) => format!("{path}, line {line}: {why}"),
            None => format!("{path}: {why}"),
        })
    }

    /// The value that the file gives for a setting.
    pub(super) fn given(&self, name: &str) -> Option<Given> {
        self.given.get(name).cloned()
    }

    /// The value of a setting: as given, else its default, else `None`.
    pub(super) fn get(&self, name: &str) -> Option<Given> {
        if let Some(given) = self.given.get(name) {
            return Some(given.clone());
        }
        let key = self.section.keys.iter().find(|key| key.name == name);
        default_of(key.expect("only settings that are declared are asked for"))
    }
}

/// The default of a setting, if it has one.
pub(super) fn default_of(key: &Key) -> Option<Given> {
    if key.default.is_empty() {
        return None;
    }
    let value = DeValue::parse(key.default).ok()?;
    key.takes.read(value.get_ref())
}

/// A settings file by sections: several tables only of those that are lists.
#[derive(Debug, Default)]
pub(super) struct Tables(BTreeMap<&'static str, Vec<Table>>);

impl Tables {
    /// The tables of a list; none if there are none.
    pub(super) fn list(&mut self, name: &str) -> Vec<Table> {
        self.0.remove(name).unwrap_or_default()
    }

    /// Whether a section of the file says anything.
    pub(super) fn has(&self, name: &str) -> bool {
        let tables = self.0.get(name).into_iter().flatten();
        tables.into_iter().any(|table| !table.given.is_empty())
    }

    /// The one table of a section; with nothing but defaults if it is not there.
    pub(super) fn one(&mut self, name: &str) -> Table {
        self.list(name).pop().unwrap_or_else(|| Table::empty(name))
    }
}

/// A settings file being read.
pub(super) struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> File<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> File<'a> {
        File { path, text }
    }

    /// Reads all of it.
    pub(super) fn read(&self) -> Result<Tables, Failure> {
        let root = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(self.text.len(), |span| span.start);
            self.wrong(
                at,
                &format!("this is not TOML: {}", error.message().replace('\n', " ")),
            )
        })?;
        let mut tables = Tables::default();
        for (name, value) in root.get_ref() {
            let section = self.section(name)?;
            let read = self.tables(section, value)?;
            tables.0.insert(section.name, read);
        }
        Ok(tables)
    }

    fn section(&self, name: &Spanned<impl AsRef<str>>) -> Result<&'static Section, Failure> {
        let found = SECTIONS
            .iter()
            .find(|section| section.name == name.get_ref().as_ref());
        found.ok_or_else(|| {
            let headers = SECTIONS
                .iter()
                .map(|section| (section.name, header(section)));
            self.unknown(name, "there is no section", "", headers)
        })
    }

    fn tables(
        &self,
        section: &'static Section,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<Table>, Failure> {
        let wrong = || {
            let header = header(section);
            self.wrong(
                value.span().start,
                &format!("{} must be a table, begun by {header}", section.name),
            )
        };
        match value.get_ref() {
            DeValue::Table(table) if !section.is_list => {
                Ok(vec![self.table(section, table, value.span().start)?])
            }
            DeValue::Array(tables) if section.is_list => tables
                .iter()
                .map(|spanned| {
                    let table = spanned.get_ref().as_table().ok_or_else(wrong)?;
                    self.table(section, table, spanned.span().start)
                })
                .collect(),
            _ => Err(wrong()),
        }
    }

    /// Reads a table that begins at a place, given in bytes.
    fn table(
        &self,
        section: &'static Section,
        table: &DeTable<'_>,
        at: usize,
    ) -> Result<Table, Failure> {
        let (mut given, mut lines) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in table {
            let key = section
                .keys
                .iter()
                .find(|key| key.name == name.get_ref().as_ref())
                .ok_or_else(|| {
                    let names = section
                        .keys
                        .iter()
                        .map(|key| (key.name, key.name.to_owned()));
                    self.unknown(
                        name,
                        "there is no setting",
                        &format!("{}.", section.name),
                        names,
                    )
                })?;
            let read = key
                .takes
                .read(value.get_ref())
                .ok_or_else(|| self.not_allowed(section, key, value))?;
            given.insert(key.name, read);
            lines.insert(key.name, self.line(name.span().start));
        }
        Ok(Table {
            section,
            given,
            line: Some(self.line(at)),
            lines,
        })
    }

    fn not_allowed(&self, section: &Section, key: &Key, value: &Spanned<DeValue<'_>>) -> Failure {
        let text = self.text.get(value.span()).unwrap_or_default();
        let shown = if is_hidden(key.name, text) {
            "(not shown)".to_owned()
        } else {
            shortened(text)
        };
        let allowed = key.takes.allowed();
        self.wrong(
            value.span().start,
            &format!(
                "{}.{} = {shown}: it must be {allowed}",
                section.name, key.name
            ),
        )
    }

    fn unknown(
        &self,
        name: &Spanned<impl AsRef<str>>,
        what: &str,
        before: &str,
        known: impl Iterator<Item = (&'static str, String)> + Clone,
    ) -> Failure {
        let text = name.get_ref().as_ref();
        let mut why = format!("{what} {before}{}", shortened(text));
        let nearest = known
            .clone()
            .map(|(name, shown)| (strsim::damerau_levenshtein(text, name), shown))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, _)| *distance <= 1 + text.len() / 4);
        if let Some((_, nearest)) = nearest {
            let _ = write!(why, "; did you mean {nearest}?");
        }
        let names: Vec<String> = known.map(|(_, shown)| shown).collect();
        let _ = write!(
            why,
            "{} allowed are {}",
            if why.ends_with('?') { "" } else { ":" },
            names.join(", ")
        );
        self.wrong(name.span().start, &why)
    }

    /// What is wrong at a place, given in bytes.
    pub(super) fn wrong(&self, at: usize, why: &str) -> Failure {
        let (path, line) = (self.path.display(), self.line(at));
        Failure::usage(format!("{path}, line {line}: {why}"))
    }

    fn line(&self, at: usize) -> usize {
        let text = self.text.as_bytes();
        let before = text.get(..at).unwrap_or(text);
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

/// Whether the value of a setting is kept out of messages: a secret, or what may hold one.
pub(super) fn is_hidden(key: &str, value: &str) -> bool {
    match key {
        "token" | "secret" | "http_headers" => true,
        // A password, or a token in the query.
        "endpoint" => value.contains(['@', '?', '#']),
        _ => false,
    }
}

pub(super) fn header(section: &Section) -> String {
    if section.is_list {
        format!("[[{}]]", section.name)
    } else {
        format!("[{}]", section.name)
    }
}

/// A text of the file on one line, of bearable length.
fn shortened(text: &str) -> String {
    let line: String = text
        .chars()
        .take(SHOWN_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        format!("{line}…")
    } else {
        line
    }
}
