//! What each line of a log means, and how much of each program's output is understood.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Serialize;
use tidings_engine::contract::ParsedLineObject;

use super::event_text;
use crate::term::{Screen, Style, clean, count, pad, pad_left, percent, plural, width};

/// Programs that are told apart; further ones are added up under [`OTHERS`].
const PROGRAMS_MAX: usize = 500;

/// Shapes of unrecognised lines that are counted of each program; lines of further shapes are
/// counted together.
const SHAPES_MAX: usize = 1_000;

const OTHERS: &str = "(further programs)";

/// A line and what it means: its statement and events beneath it.
pub(crate) fn parsed_lines(screen: &Screen, parsed: &ParsedLineObject) -> Vec<String> {
    let mut lines = vec![clean(&parsed.line).into_owned()];
    if !parsed.recognised {
        lines.push(format!(
            "    {}",
            screen.paint(Style::Yellow, "not recognised")
        ));
        return lines;
    }
    let program = clean(&parsed.program);
    let statement = screen.paint(Style::Green, &clean(&parsed.statement));
    // What a syslog daemon writes itself has no program.
    lines.push(match &*program {
        "" => format!("    {statement}"),
        program => format!("    {program}: {statement}"),
    });
    for event in &parsed.events {
        let span = match event.get("spanId") {
            Some(serde_json::Value::String(id)) => clean(id).into_owned(),
            Some(serde_json::Value::Number(id)) => id.to_string(),
            _ => String::new(),
        };
        let span = if span.is_empty() {
            String::new()
        } else {
            screen.paint(Style::Dim, &format!(" [span {span}]"))
        };
        lines.push(format!(
            "    {} {}{span}",
            screen.symbols.arrow,
            event_text(screen, event)
        ));
    }
    lines
}

/// Counts lines by program, in bounded memory.
#[derive(Default)]
pub(crate) struct ParseTally {
    programs: HashMap<String, Counts>,
}

#[derive(Default)]
struct Counts {
    lines: u64,
    recognised: u64,
    /// By shape: how often, and the first line of it.
    unrecognised: HashMap<String, (u64, String)>,
    /// Unrecognised lines of shapes beyond those that are counted.
    further: u64,
}

/// How much of a program's output is understood, as `tidings parse --summary --json` prints it.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProgramTally {
    /// Program.
    program: String,
    /// Lines it wrote.
    lines: u64,
    /// Of them recognised.
    recognised: u64,
    /// Unrecognised lines, an example of each kind, most frequent first.
    unrecognised: Vec<Unrecognised>,
    /// Unrecognised lines of which no example is shown.
    further: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Unrecognised {
    line: String,
    count: u64,
}

impl ParseTally {
    /// Counts a line.
    pub(crate) fn add(&mut self, parsed: &ParsedLineObject) {
        let is_known = self.programs.contains_key(&parsed.program);
        let name = if is_known || self.programs.len() < PROGRAMS_MAX {
            &parsed.program
        } else {
            OTHERS
        };
        let counts = self.programs.entry(name.to_owned()).or_default();
        counts.lines += 1;
        if parsed.recognised {
            counts.recognised += 1;
            return;
        }
        let room = counts.unrecognised.len() < SHAPES_MAX;
        match counts.unrecognised.entry(shape(&parsed.line)) {
            Entry::Occupied(mut known) => known.get_mut().0 += 1,
            Entry::Vacant(new) if room => {
                new.insert((1, parsed.line.clone()));
            }
            Entry::Vacant(_) => counts.further += 1,
        }
    }

    /// The programs, with at most `examples` unrecognised lines of each: those with most
    /// unrecognised lines first, then by lines.
    pub(crate) fn programs(self, examples: usize) -> Vec<ProgramTally> {
        let mut programs: Vec<ProgramTally> = self
            .programs
            .into_iter()
            .map(|(program, counts)| counts.into_tally(program, examples))
            .collect();
        programs.sort_by(|a, b| {
            let key = |tally: &ProgramTally| (tally.lines - tally.recognised, tally.lines);
            key(b).cmp(&key(a)).then_with(|| a.program.cmp(&b.program))
        });
        programs
    }
}

impl Counts {
    fn into_tally(self, program: String, examples: usize) -> ProgramTally {
        let mut found: Vec<(u64, String)> = self.unrecognised.into_values().collect();
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let hidden: u64 = found.iter().skip(examples).map(|(count, _)| count).sum();
        found.truncate(examples);
        ProgramTally {
            program,
            lines: self.lines,
            recognised: self.recognised,
            unrecognised: found
                .into_iter()
                .map(|(count, line)| Unrecognised { line, count })
                .collect(),
            further: self.further + hidden,
        }
    }
}

impl ProgramTally {
    /// The table of all programs.
    pub(crate) fn table(screen: &Screen, programs: &[ProgramTally]) -> Vec<String> {
        let lines: u64 = programs.iter().map(|program| program.lines).sum();
        let recognised: u64 = programs.iter().map(|program| program.recognised).sum();
        let names = programs
            .iter()
            .map(|program| width(&name_of(&program.program)))
            .max();
        let names = names.unwrap_or(0).max("all programs".len());
        let row = |name: &str, lines: &str, recognised: &str, share: &str| {
            format!(
                "{}  {}  {}  {}",
                pad(name, names),
                pad_left(lines, 13),
                pad_left(recognised, 13),
                pad_left(share, 8)
            )
        };
        let numbers = |name: &str, lines: u64, recognised: u64| {
            row(
                name,
                &count(lines),
                &count(recognised),
                &percent(recognised, lines),
            )
        };
        let mut rows =
            vec![screen.paint(Style::Bold, &row("PROGRAM", "LINES", "RECOGNISED", "SHARE"))];
        for program in programs {
            let text = numbers(
                &name_of(&program.program),
                program.lines,
                program.recognised,
            );
            let style = match program.recognised {
                some if some == program.lines => Style::Plain,
                _ => Style::Yellow,
            };
            rows.push(screen.paint(style, &text));
        }
        rows.push(screen.paint(Style::Bold, &numbers("all programs", lines, recognised)));
        rows
    }

    /// The table of all programs, then their unrecognised lines.
    pub(crate) fn lines(screen: &Screen, programs: &[ProgramTally]) -> Vec<String> {
        let mut lines = ProgramTally::table(screen, programs);
        for program in programs
            .iter()
            .filter(|program| program.lines > program.recognised)
        {
            lines.push(String::new());
            let missing = plural(program.lines - program.recognised, "line", "lines");
            let title = format!("{}: {missing} not recognised", name_of(&program.program));
            lines.push(screen.paint(Style::Bold, &title));
            for found in &program.unrecognised {
                let times = screen.paint(Style::Dim, &format!("{}x", count(found.count)));
                lines.push(format!("  {times} {}", clean(&found.line)));
            }
            if program.further > 0 {
                let further = plural(program.further, "line", "lines");
                let more = format!("  and {further} of other kinds");
                lines.push(screen.paint(Style::Dim, &more));
            }
        }
        lines
    }
}

fn name_of(program: &str) -> String {
    match program {
        "" => "(no program)".to_owned(),
        program => clean(program).into_owned(),
    }
}

/// What lines of one kind have in common: the line with its numbers, ids and addresses left out.
fn shape(line: &str) -> String {
    let mut shape = String::with_capacity(line.len().min(200));
    for word in line.split_whitespace().take(40) {
        let is_value = word.contains(|c: char| c.is_ascii_digit() || c == '@');
        shape.push_str(if is_value { "#" } else { word });
        shape.push(' ');
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(program: &str, recognised: bool, line: &str) -> ParsedLineObject {
        ParsedLineObject {
            line: line.to_owned(),
            recognised,
            program: program.to_owned(),
            ..ParsedLineObject::default()
        }
    }

    #[test]
    fn lines_of_one_kind_are_shown_once() {
        let mut tally = ParseTally::default();
        for number in 0..10 {
            tally.add(&line(
                "a",
                false,
                &format!("Nov 22 13:00:0{number} mx a[{number}]: odd"),
            ));
        }
        tally.add(&line("a", false, "Nov 22 13:00:05 mx a[1]: rare"));
        tally.add(&line("a", true, "known"));
        tally.add(&line("b", true, "known"));
        let programs = tally.programs(1);
        assert_eq!(programs.len(), 2);
        assert_eq!((programs[0].program.as_str(), programs[0].lines), ("a", 12));
        assert_eq!(programs[0].unrecognised[0].count, 10);
        assert_eq!(programs[0].further, 1);
        assert_eq!(programs[1].unrecognised, []);
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_uncounted() {
        let mut tally = ParseTally::default();
        for number in 0..u64::try_from(PROGRAMS_MAX).unwrap() + 10 {
            tally.add(&line(&format!("p{number}"), true, "x"));
        }
        let letters = |mut number: usize| {
            let mut word = String::new();
            while number > 0 {
                word.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
                number /= 26;
            }
            word
        };
        for number in 0..SHAPES_MAX + 10 {
            tally.add(&line("p0", false, &letters(number)));
        }
        let programs = tally.programs(5);
        assert_eq!(programs.len(), PROGRAMS_MAX + 1);
        let p0 = &programs[0];
        let shown: u64 = p0.unrecognised.iter().map(|found| found.count).sum();
        assert_eq!(shown + p0.further, p0.lines - p0.recognised);
        let others = programs
            .iter()
            .find(|program| program.program == OTHERS)
            .unwrap();
        assert_eq!(others.lines, 10);
    }
}
