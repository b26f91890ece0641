//! Objects for people: a line each, or one with all of its properties.

use serde_json::Value;
use tidings_admin::describe::Object;

use super::Map;
use super::name::label;
use crate::term::{Screen, Style, clean, fit, pad, width};

/// Narrowest column that is still of use.
const COLUMN_MIN: usize = 8;

/// Objects in lines, columns below one another.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these columns; those of the object's list, and the id, where nothing is said.
    pub(crate) fn of(object: &'static Object, columns: Option<&[String]>) -> Table {
        let columns = match columns {
            Some(columns) => columns.to_vec(),
            None => {
                let listed = object.list.columns.iter().copied();
                // What names one, where the list of the reference leaves that out.
                let label = label(object).filter(|label| !object.list.columns.contains(label));
                let all = std::iter::once("id").chain(label).chain(listed);
                all.map(str::to_owned).collect()
            }
        };
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    /// The properties that it shows.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(crate) fn push(&mut self, object: &Map) {
        let cell = |name: &String| object.get(name).map(shown).unwrap_or_default();
        self.rows.push(self.columns.iter().map(cell).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The heading and the rows, no wider than the screen.
    pub(crate) fn lines(&self, screen: &Screen) -> Vec<String> {
        let widths = self.widths(screen.width);
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&widths);
            let cells =
                cells.map(|(cell, room)| pad(&fit(cell, *room, screen.symbols.ellipsis), *room));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let heading = screen.paint(Style::Bold, &line(&self.columns));
        std::iter::once(heading)
            .chain(self.rows.iter().map(|row| line(row)))
            .collect()
    }

    /// As wide as what stands in each, the widest cut until all fit.
    fn widths(&self, screen: Option<usize>) -> Vec<usize> {
        let widest = |at: usize| {
            let cells = self.rows.iter().map(|row| width(&row[at]));
            cells.max().unwrap_or(0).max(width(&self.columns[at]))
        };
        let mut widths: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let Some(screen) = screen else { return widths };
        let gaps = 2 * widths.len().saturating_sub(1);
        // An id that is cut cannot be copied.
        let has_id = usize::from(self.columns.first().is_some_and(|name| name == "id"));
        while widths.iter().sum::<usize>() + gaps > screen {
            let widest = widths[has_id..].iter_mut().max();
            match widest {
                Some(widest) if *widest > COLUMN_MIN => *widest -= 1,
                _ => break,
            }
        }
        widths
    }
}

/// One object with all of its properties, one a line.
pub(crate) fn record_lines(screen: &Screen, object: &Map) -> Vec<String> {
    let names = object.keys().map(|name| width(&clean(name))).max();
    let mut lines = Vec::new();
    for (name, value) in object {
        let name = pad(&clean(name), names.unwrap_or_default());
        let value = match shown(value) {
            value if value.is_empty() => screen.symbols.dash.to_owned(),
            value => value,
        };
        lines.push(format!("{}  {value}", screen.paint(Style::Cyan, &name)));
    }
    lines
}

/// A value in a few words, harmless on a terminal.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text).into_owned(),
        Value::Object(members) if members.values().all(|value| *value == true) => {
            let members: Vec<_> = members.keys().map(|member| clean(member)).collect();
            members.join(", ")
        }
        Value::Array(members) if members.iter().all(Value::is_string) => {
            let members: Vec<_> = members.iter().map(shown).collect();
            members.join(", ")
        }
        other => clean(&other.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::object;
    use super::*;
    use crate::testing::plain_screen;

    fn map(value: Value) -> Map {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn tables_fit_the_screen_and_hide_no_escape() {
        let mut table = Table::of(object("account").unwrap(), None);
        table.push(&map(json!({
            "id": "b", "name": "ann\u{1b}[31m", "role": "viewer", "enable": true, "lastSignIn": null
        })));
        table.push(&map(
            json!({ "id": "c", "name": "x".repeat(60), "role": "admin", "enable": false }),
        ));
        let wide = table.lines(&plain_screen());
        assert_eq!(
            wide[0].split_whitespace().collect::<Vec<_>>(),
            ["id", "name", "role", "enable", "lastSignIn"]
        );
        assert!(wide[1].starts_with("b   ann\\x1b[31m"), "{}", wide[1]);
        let narrow = Screen {
            width: Some(50),
            ..plain_screen()
        };
        for line in table.lines(&narrow) {
            assert!(width(&line) <= 50, "{line}");
        }
        assert!(table.lines(&narrow)[2].contains('…'));
    }

    #[test]
    fn records_show_everything() {
        let lines = record_lines(
            &plain_screen(),
            &map(json!({
                "id": "b",
                "events": { "auth.failed": true, "delivery.*": true },
                "httpHeaders": {},
                "httpAuth": { "@type": "Basic", "username": "u" },
                "keep": null,
            })),
        );
        assert_eq!(
            lines,
            [
                "id           b",
                "events       auth.failed, delivery.*",
                "httpHeaders  –",
                "httpAuth     {\"@type\":\"Basic\",\"username\":\"u\"}",
                "keep         –",
            ]
        );
    }
}
