//! The table of wordings is well formed, and every line of it can decide.

use super::*;

#[test]
fn the_table_is_well_formed() {
    let table = Table::build(include_str!("../../data/replies.txt"));
    let table = table.map_err(|e| e.to_string()).expect("replies.txt");
    assert!(table.rules.len() > 500, "{} wordings", table.rules.len());
}

/// A provider in a section head that no group has would never fit.
#[test]
fn providers_of_sections_exist() {
    let providers = crate::provider::Providers::builtin();
    for section in &TABLE.sections {
        if let Some(key) = section.condition.provider {
            assert!(providers.by_key(key).is_some(), "@{key}");
        }
    }
}

#[test]
fn mistakes_are_named() {
    let problem = |text: &'static str| Table::build(text).err().map(|e| e.to_string()).unwrap();
    assert_eq!(
        problem("[spam message]\n\nFull Box"),
        "replies.txt, line 3: write \"Full Box\" in its normal form, \"full box\""
    );
    for (text, part) in [
        ("over quota", "before the first section"),
        ("[spam]", "class scope"),
        ("[ham message]", "unknown class \"ham\""),
        ("[spam moon]", "unknown scope \"moon\""),
        ("[spam message; maybe]", "unknown option \"maybe\""),
        ("[spam message; at=noon]", "unknown stage"),
        ("[spam message", "ends with `]`"),
        ("[spam message]\n! no full stop", "full stop"),
        ("[spam message]\nspam\nspam", "twice"),
        ("[spam message]\nx", "too short"),
        ("[spam message]\n*.a.example & spam", "`*.`"),
    ] {
        assert!(problem(text).contains(part), "{text}: {}", problem(text));
    }
}

/// The rules that fit every text which holds these literals, whatever else is known of the text.
fn rules_within(literals: &[&[u8]]) -> Vec<u16> {
    let mut hits: Vec<u16> = Vec::new();
    for literal in literals {
        for hit in TABLE.automaton.find_overlapping_iter(*literal) {
            hits.push(hit.pattern().as_usize() as u16);
        }
    }
    let starters = hits.iter().flat_map(|&hit| TABLE.starting_with(hit));
    starters
        .filter(|&&rule| {
            let others = &TABLE.rules[usize::from(rule)].others;
            others.iter().all(|other| hits.contains(other))
        })
        .copied()
        .collect()
}

fn section_of(rule: u16) -> &'static Section {
    &TABLE.sections[usize::from(TABLE.rules[usize::from(rule)].section)]
}

impl Condition {
    /// Whether this condition holds wherever `other` does.
    fn is_implied_by(&self, other: &Self) -> bool {
        (self.permanence.is_none() || self.permanence == other.permanence)
            && (!self.made || other.made)
            && (self.provider.is_none() || self.provider == other.provider)
            && (self.stage.is_none() || self.stage == other.stage)
    }
}

/// A wording behind a shorter one that fits whenever it does is dead: it was added at the wrong
/// place, or is not needed.
#[test]
fn every_line_can_decide() {
    let mut builder = Builder::default();
    for line in include_str!("../../data/replies.txt").lines() {
        builder.line(line).unwrap();
    }
    let mut dead = Vec::new();
    for (first, rules) in builder.starters.iter().enumerate() {
        for &rule in rules {
            let others = TABLE.rules[usize::from(rule)].others.iter();
            let literals: Vec<&[u8]> = std::iter::once(first)
                .chain(others.map(|&other| usize::from(other)))
                .map(|literal| builder.literals[literal].as_slice())
                .collect();
            let covers = |&earlier: &u16| {
                let before = section_of(earlier);
                earlier < rule
                    && before.confidence > Confidence::Guess
                    && before.condition.is_implied_by(&section_of(rule).condition)
            };
            if let Some(by) = rules_within(&literals).into_iter().find(covers) {
                let line = |rule: u16| TABLE.rules[usize::from(rule)].line;
                dead.push(format!(
                    "{:?} is never reached behind {:?}",
                    line(rule),
                    line(by)
                ));
            }
        }
    }
    assert!(
        dead.is_empty(),
        "{} lines:\n{}",
        dead.len(),
        dead.join("\n")
    );
}
