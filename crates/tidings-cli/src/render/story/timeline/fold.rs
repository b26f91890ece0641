//! Folds steps that come again and again, such as attempts at a server that does not answer.

use std::ops::Range;

use tidings_engine::contract::StepObject;

use crate::term::{count, plural};

/// Steps of one round at most.
const ROUND_MAX: usize = 8;

/// Rounds that are told one by one before the rest is folded.
const TOLD_ROUNDS: usize = 2;

/// Fewer rounds than these beyond those told are not worth a line that folds them.
const FOLDED_MIN: usize = 2;

/// Steps that are shown, then perhaps some that are not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The places of the steps shown.
    pub(super) shown: Range<usize>,
    /// What came again after them.
    pub(super) again: Option<Again>,
}

/// Rounds of equal steps that are not shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Again {
    rounds: usize,
    /// Steps of each.
    steps: usize,
    /// Behind the last step of them.
    pub(super) end: usize,
}

impl Again {
    /// `… 75 more times the same 4 steps, until +5 h`.
    pub(super) fn words(&self, until: &str, ellipsis: &str) -> String {
        let steps = match self.steps {
            1 => "the same".to_owned(),
            several => format!("the same {}", plural(several as u64, "step", "steps")),
        };
        format!(
            "{ellipsis} {} more times {steps}, until {}; --raw shows all",
            count(self.rounds as u64),
            until.trim()
        )
    }
}

/// The steps in parts; nothing is folded where lines are shown with them.
pub(super) fn parts(steps: &[&StepObject]) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, 0);
    let is_raw = steps.iter().any(|step| step.raw.is_some());
    while at < steps.len() && !is_raw {
        let Some((length, rounds)) = rounds_at(&steps[at..]) else {
            at += 1;
            continue;
        };
        let told = at + length * TOLD_ROUNDS;
        let end = at + length * rounds;
        parts.push(Part {
            shown: from..told,
            again: Some(Again {
                rounds: rounds - TOLD_ROUNDS,
                steps: length,
                end,
            }),
        });
        (from, at) = (end, end);
    }
    if from < steps.len() {
        parts.push(Part {
            shown: from..steps.len(),
            again: None,
        });
    }
    parts
}

/// The length of the shortest round that comes often enough from the start on, and how often.
fn rounds_at(steps: &[&StepObject]) -> Option<(usize, usize)> {
    (1..=ROUND_MAX).find_map(|length| {
        let round = steps.get(..length)?;
        let is_same = |other: &&[&StepObject]| {
            other.len() == length && other.iter().zip(round).all(|(a, b)| is_equal(a, b))
        };
        let rounds = steps.chunks(length).take_while(is_same).count();
        (rounds >= TOLD_ROUNDS + FOLDED_MIN).then_some((length, rounds))
    })
}

fn is_equal(one: &StepObject, other: &StepObject) -> bool {
    (&one.event, &one.text, &one.program, &one.recipient)
        == (&other.event, &other.text, &other.program, &other.recipient)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(texts: &str) -> Vec<StepObject> {
        let step = |text: char| StepObject {
            text: text.to_string(),
            ..StepObject::default()
        };
        texts.chars().map(step).collect()
    }

    /// The texts shown, and how often what was folded came again.
    fn folded(texts: &str) -> String {
        let steps = steps(texts);
        let parts = parts(&steps.iter().collect::<Vec<_>>());
        let shown = parts.into_iter().map(|part| {
            let again = part.again.map(|again| format!("({})", again.rounds));
            texts[part.shown].to_owned() + &again.unwrap_or_default()
        });
        shown.collect()
    }

    #[test]
    fn equal_rounds_are_folded_and_nothing_else() {
        assert_eq!(folded("qabcabcabcabcabcr"), "qabcabc(3)r");
        assert_eq!(folded("aaaab"), "aa(2)b");
        assert_eq!(folded("abcabcabc"), "abcabcabc", "three are few");
        assert_eq!(folded("abacadae"), "abacadae");
        assert_eq!(folded(""), "");
        assert_eq!(folded("ababababaaaa"), "abab(2)aa(2)");
    }

    #[test]
    fn lines_are_never_folded() {
        let mut steps = steps("aaaaaaaa");
        steps[0].raw = Some("line".to_owned());
        let parts = parts(&steps.iter().collect::<Vec<_>>());
        assert_eq!(
            parts,
            [Part {
                shown: 0..8,
                again: None
            }]
        );
    }

    #[test]
    fn what_is_folded_is_told() {
        let again = Again {
            rounds: 75,
            steps: 4,
            end: 316,
        };
        assert_eq!(
            again.words("  +5 h", "…"),
            "… 75 more times the same 4 steps, until +5 h; --raw shows all"
        );
    }
}
