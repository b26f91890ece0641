//! The table of wordings (`data/replies.txt`): reads it once, finds which lines fit a text.
//!
//! All wordings are searched at once by one Aho-Corasick automaton over the text in normal form
//! ([`super::normal`]); the first line of the file that fits wins. How to add a wording stands in
//! [`super`] and at the head of the file.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::class::{Action, Class, Scope};
use super::evidence::{Confidence, Permanence};
use super::normal::normalise;
use super::stage::Stage;

/// What the lines of one section of the table have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) class: Class,
    pub(super) scope: Scope,
    pub(super) confidence: Confidence,
    /// Overrides the action that follows from class and scope.
    pub(super) action: Option<Action>,
    /// Overrides the advice that follows from class and scope.
    pub(super) advice: Option<&'static str>,
    condition: Condition,
}

/// When a section applies; every part that is given must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Condition {
    permanence: Option<Permanence>,
    /// No server answered: the text was made by the MTA itself.
    made: bool,
    provider: Option<&'static str>,
    stage: Option<Stage>,
}

/// What is known about a text beside its words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) code: Option<u16>,
    pub(super) permanence: Permanence,
    pub(super) provider: Option<&'a str>,
    pub(super) stage: Option<Stage>,
}

impl Condition {
    fn holds(&self, context: &Context<'_>) -> bool {
        self.permanence.is_none_or(|p| p == context.permanence)
            && !(self.made && context.code.is_some())
            && self.provider.is_none_or(|p| context.provider == Some(p))
            && self.stage.is_none_or(|s| context.stage == Some(s))
    }
}

/// One line of the table: literals that must all occur.
#[derive(Debug)]
struct Rule {
    section: u16,
    /// The literals beside the first one.
    others: Box<[u16]>,
    line: &'static str,
}

/// A line of the table that fits a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) section: &'static Section,
    /// The line as it stands in the table.
    pub(super) line: &'static str,
}

pub(super) struct Table {
    sections: Vec<Section>,
    rules: Vec<Rule>,
    automaton: AhoCorasick,
    /// Per literal: the span in `starters` of the rules that begin with it.
    starts: Vec<Range<u32>>,
    starters: Vec<u16>,
}

/// The built-in table.
pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::build(include_str!("../../data/replies.txt"))
        .expect("the table is checked by the test `the_table_is_well_formed`")
});

/// A line of the table that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TableError {
    line: usize,
    problem: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replies.txt, line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for TableError {}

impl Table {
    /// The first line of the table that fits the text. `normal` is scratch space.
    pub(super) fn find(
        &'static self,
        text: &[u8],
        context: &Context<'_>,
        normal: &mut Vec<u8>,
    ) -> Option<Found> {
        // What a `^` in the table stands for; no normal form holds one.
        normal.push(b'^');
        normalise(text, context.code, normal);
        let mut hits: Vec<u16> = Vec::new();
        for hit in self.automaton.find_overlapping_iter(normal.as_slice()) {
            // There are fewer literals than 65,536: `Builder::literal` checks it.
            let literal = hit.pattern().as_usize() as u16;
            if !hits.contains(&literal) {
                hits.push(literal);
            }
        }
        let first = hits
            .iter()
            .flat_map(|&literal| self.starting_with(literal))
            .filter(|&&rule| self.fits(rule, &hits, context))
            .min()?;
        let rule = &self.rules[usize::from(*first)];
        Some(Found {
            section: &self.sections[usize::from(rule.section)],
            line: rule.line,
        })
    }

    fn starting_with(&self, literal: u16) -> &[u16] {
        let span = &self.starts[usize::from(literal)];
        &self.starters[span.start as usize..span.end as usize]
    }

    fn fits(&self, rule: u16, hits: &[u16], context: &Context<'_>) -> bool {
        let rule = &self.rules[usize::from(rule)];
        rule.others.iter().all(|other| hits.contains(other))
            && self.sections[usize::from(rule.section)]
                .condition
                .holds(context)
    }

    fn build(text: &'static str) -> Result<Self, TableError> {
        let mut builder = Builder::default();
        for (i, line) in text.lines().enumerate() {
            builder.line(line).map_err(|problem| TableError {
                line: i + 1,
                problem,
            })?;
        }
        builder.finish()
    }
}

#[derive(Default)]
struct Builder {
    sections: Vec<Section>,
    rules: Vec<Rule>,
    literals: Vec<Vec<u8>>,
    ids: HashMap<Vec<u8>, u16>,
    /// Per literal the rules that begin with it.
    starters: Vec<Vec<u16>>,
    seen: HashMap<(u16, &'static str), ()>,
}

impl Builder {
    fn line(&mut self, line: &'static str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(head) = line.strip_prefix('[') {
            let head = head
                .strip_suffix(']')
                .ok_or("a section head ends with `]`")?;
            self.sections.push(section(head)?);
            return Ok(());
        }
        let section = self
            .sections
            .last_mut()
            .ok_or("a wording before the first section")?;
        if let Some(advice) = line.strip_prefix('!') {
            let advice = advice.trim();
            if section.advice.is_some() {
                return Err("a second advice in one section".to_owned());
            }
            if !advice.ends_with('.') {
                return Err("an advice is a sentence with a full stop".to_owned());
            }
            section.advice = Some(advice);
            return Ok(());
        }
        self.wording(line)
    }

    fn wording(&mut self, line: &'static str) -> Result<(), String> {
        let section = index(self.sections.len() - 1)?;
        if self.seen.insert((section, line), ()).is_some() {
            return Err(format!("{line:?} stands twice in this section"));
        }
        let mut parts = line.split(" & ");
        let first = self.part(parts.next().unwrap_or_default())?;
        if first.len() > 1 && line.contains(" & ") {
            return Err("`*.` may not be joined with `&`: name the host".to_owned());
        }
        let mut others = Vec::new();
        for part in parts {
            match self.part(part)?.as_slice() {
                [one] => others.push(*one),
                _ => return Err("`*.` may not be joined with `&`: name the host".to_owned()),
            }
        }
        let rule = index(self.rules.len())?;
        for literal in first {
            self.starters[usize::from(literal)].push(rule);
        }
        self.rules.push(Rule {
            section,
            others: others.into_boxed_slice(),
            line,
        });
        Ok(())
    }

    /// The literals of one part of a line: `words`, `words*`, `*words`, `^words`, `*.host.name`.
    fn part(&mut self, part: &str) -> Result<Vec<u16>, String> {
        if let Some(host) = part.strip_prefix("*.") {
            let (whole, below) = (
                self.literal("", host, " ", " ")?,
                self.literal(".", host, "", " ")?,
            );
            return Ok(vec![whole, below]);
        }
        let (before, rest) = match (part.strip_prefix('*'), part.strip_prefix('^')) {
            (Some(rest), _) => ("", rest),
            (None, Some(rest)) => ("^ ", rest),
            (None, None) => (" ", part),
        };
        let (after, words) = match rest.strip_suffix('*') {
            Some(words) => ("", words),
            None => (" ", rest),
        };
        Ok(vec![self.literal("", words, before, after)?])
    }

    fn literal(
        &mut self,
        dot: &str,
        words: &str,
        before: &str,
        after: &str,
    ) -> Result<u16, String> {
        let mut normal = Vec::new();
        // The blank: a text without any is taken for qmail's, with underscores for blanks.
        normalise(format!("{words} ").as_bytes(), None, &mut normal);
        let normal = normal.trim_ascii();
        if normal != words.as_bytes() {
            let normal = String::from_utf8_lossy(normal);
            return Err(format!("write {words:?} in its normal form, {normal:?}"));
        }
        if words.len() < 2 {
            return Err(format!("{words:?} is too short to mean anything"));
        }
        let bytes = [before, dot, words, after].concat().into_bytes();
        if let Some(&id) = self.ids.get(&bytes) {
            return Ok(id);
        }
        let id = index(self.literals.len())?;
        self.ids.insert(bytes.clone(), id);
        self.literals.push(bytes);
        self.starters.push(Vec::new());
        Ok(id)
    }

    fn finish(self) -> Result<Table, TableError> {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&self.literals)
            .map_err(|error| TableError {
                line: 0,
                problem: format!("the wordings do not fit into one automaton: {error}"),
            })?;
        let mut starters = Vec::new();
        let mut starts = Vec::new();
        for rules in self.starters {
            let begin = starters.len() as u32; // at most 65,536 rules
            starters.extend(rules);
            starts.push(begin..starters.len() as u32);
        }
        Ok(Table {
            sections: self.sections,
            rules: self.rules,
            automaton,
            starts,
            starters,
        })
    }
}

fn index(n: usize) -> Result<u16, String> {
    u16::try_from(n).map_err(|_| "more than 65,536 entries".to_owned())
}

/// `class scope`, then `; options`: `sure` `likely` `guess`, `4xx` `5xx`, `made`, `@provider`,
/// `at=stage`, `action=…`.
fn section(head: &'static str) -> Result<Section, String> {
    let (what, options) = head.split_once(';').unwrap_or((head, ""));
    let (class, scope) = what
        .trim()
        .split_once(' ')
        .ok_or("a section head is `[class scope]`")?;
    let mut section = Section {
        class: Class::from_name(class).ok_or_else(|| format!("unknown class {class:?}"))?,
        scope: Scope::from_name(scope).ok_or_else(|| format!("unknown scope {scope:?}"))?,
        confidence: Confidence::Sure,
        action: None,
        advice: None,
        condition: Condition::default(),
    };
    for option in options.split_whitespace() {
        set_option(&mut section, option)?;
    }
    Ok(section)
}

fn set_option(section: &mut Section, option: &'static str) -> Result<(), String> {
    let condition = &mut section.condition;
    if let Some(confidence) = Confidence::from_name(option) {
        section.confidence = confidence;
    } else if let Some(provider) = option.strip_prefix('@') {
        condition.provider = Some(provider);
    } else if let Some(stage) = option.strip_prefix("at=") {
        let known = Stage::from_name(stage).ok_or_else(|| format!("unknown stage {stage:?}"))?;
        condition.stage = Some(known);
    } else if let Some(action) = option.strip_prefix("action=") {
        let known =
            Action::from_name(action).ok_or_else(|| format!("unknown action {action:?}"))?;
        section.action = Some(known);
    } else {
        match option {
            "4xx" => condition.permanence = Some(Permanence::Temporary),
            "5xx" => condition.permanence = Some(Permanence::Permanent),
            "made" => condition.made = true,
            _ => return Err(format!("unknown option {option:?}")),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "wording_tests.rs"]
mod tests;
