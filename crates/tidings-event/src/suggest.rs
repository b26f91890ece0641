//! Finds what somebody may have meant by a word that is not known.

/// Words longer than this are no misspelling of anything.
const MAX_WORD_BYTES: usize = 40;

/// How many suggestions are helpful.
const MAX_SUGGESTIONS: usize = 3;

/// The known words nearest to `word`, best first, at most three; none if nothing is near.
///
/// Near means: the same but for letter case, one is the beginning of the other, or few letters were
/// added, left out, changed or swapped (one in three, at most three).
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if word.is_empty() || word.len() > MAX_WORD_BYTES {
        return Vec::new();
    }
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let limit = (word.len() / 3).clamp(1, 3);
    let mut found: Vec<(usize, &str)> = Vec::new();
    for candidate in known {
        let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        let is_beginning =
            word.len() >= 3 && (letters.starts_with(&word) || word.starts_with(&letters));
        // Each letter more or less is a step, so most of many words need no closer look.
        if !is_beginning && word.len().abs_diff(letters.len()) > limit {
            continue;
        }
        let mut distance = distance(&word, &letters);
        if is_beginning {
            distance = distance.min(limit);
        }
        if distance <= limit && !found.iter().any(|(_, known)| *known == candidate) {
            found.push((distance, candidate));
        }
    }
    found.sort_by_key(|(distance, candidate)| (*distance, candidate.len()));
    found
        .into_iter()
        .map(|(_, candidate)| candidate)
        .take(MAX_SUGGESTIONS)
        .collect()
}

/// "; did you mean `a`, `b` or `c`?", or nothing.
pub(crate) fn did_you_mean(suggestions: &[&str]) -> String {
    match suggestions {
        [] => String::new(),
        [one] => format!("; did you mean `{one}`?"),
        [first @ .., last] => format!("; did you mean `{}` or `{last}`?", first.join("`, `")),
    }
}

/// The number of letters added, left out, changed, or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in b.iter().enumerate() {
            let changed = above[column] + usize::from(from != to);
            let mut best = changed.min(above[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && a[row - 1] == *to && b[column - 1] == *from;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let known = [
            "from",
            "to",
            "remoteIp",
            "remotePort",
            "queueId",
            "queueName",
            "size",
        ];
        let near = |word| nearest(word, known.into_iter());
        assert_eq!(near("form"), ["from"]);
        assert_eq!(near("REMOTEIP"), ["remoteIp"]);
        assert_eq!(near("queue"), ["queueId", "queueName"]);
        assert_eq!(near("sizes"), ["size"]);
        assert_eq!(near("xyzzy"), [""; 0]);
        assert_eq!(near(""), [""; 0]);
        assert_eq!(near(&"x".repeat(1_000)), [""; 0]);
    }

    #[test]
    fn suggestions_read_well() {
        assert_eq!(did_you_mean(&[]), "");
        assert_eq!(did_you_mean(&["a"]), "; did you mean `a`?");
        assert_eq!(
            did_you_mean(&["a", "b", "c"]),
            "; did you mean `a`, `b` or `c`?"
        );
    }

    #[test]
    fn distances() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(&chars(a), &chars(b)), expected);
            assert_eq!(distance(&chars(b), &chars(a)), expected);
        }
    }
}
