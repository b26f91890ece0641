//! Shapes of text: `*` stands for any characters, `?` for one.

use crate::token::{TRIMMED, is_host_name, is_mailbox_name, is_separator};

/// The longest glob, in characters; a longer one could cost too much to match.
pub(crate) const MAX_GLOB_CHARS: usize = 256;

/// A text with wild cards, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    pub(crate) parts: Vec<Part>,
}

/// A piece of a glob. Two literals, or two `Any`s, never follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(String),
    /// `?`.
    One,
    /// `*`.
    Any,
}

impl Glob {
    /// The glob of these parts, with neighbours of one kind joined.
    pub(crate) fn new(parts: impl IntoIterator<Item = Part>) -> Glob {
        let mut joined: Vec<Part> = Vec::new();
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Part::Any), Part::Any) => {}
                (Some(Part::Literal(text)), Part::Literal(more)) => text.push_str(&more),
                (_, part) => joined.push(part),
            }
        }
        Glob { parts: joined }
    }

    /// It begins and ends with `*`: it asks for something inside a text.
    pub(crate) fn is_floating(&self) -> bool {
        self.parts.first() == Some(&Part::Any) && self.parts.last() == Some(&Part::Any)
    }

    /// It is `*` alone: any value at all.
    pub(crate) fn is_anything(&self) -> bool {
        self.parts == [Part::Any]
    }

    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub(crate) fn chars(&self) -> usize {
        let wild = self.parts.len() - self.literals().count();
        wild + self
            .literals()
            .map(|text| text.chars().count())
            .sum::<usize>()
    }

    /// Tokens that every text has which the glob matches as a whole, or one of whose terms, or host
    /// names at the end of terms, the glob matches.
    ///
    /// What lies between separators is a term. Where only one end is certain, the parts of an address
    /// at that end are: `*@gmail.com` needs `gmail.com`, `*.example.org` needs `example.org`,
    /// `alice@*` needs `alice`. A colon may separate or belong to an IPv6 address, so nothing is
    /// concluded from what touches one.
    pub(crate) fn required_tokens(&self) -> Vec<String> {
        let last = self.parts.len().saturating_sub(1);
        let mut tokens = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            let Part::Literal(text) = part else { continue };
            let text: String = text.chars().flat_map(char::to_lowercase).collect();
            let count = text.split(is_separator).count();
            for (nth, piece) in text.split(is_separator).enumerate() {
                let is_start = nth > 0 || at == 0;
                let is_end = nth + 1 < count || at == last;
                tokens.extend(certain_token(piece, is_start, is_end).map(str::to_owned));
            }
        }
        tokens
    }
}

/// A token that a text certainly has where `piece` stands in it, at the start or the end of a run
/// between separators or both.
fn certain_token(piece: &str, is_start: bool, is_end: bool) -> Option<&str> {
    if piece.contains(':') {
        return None;
    }
    let token = match (is_start, is_end) {
        (true, true) => Some(piece.trim_matches(TRIMMED)),
        (true, false) => piece
            .trim_start_matches(TRIMMED)
            .split_once('@')
            .map(|(local, _)| local)
            .filter(|local| is_mailbox_name(local)),
        (false, true) => {
            let piece = piece.trim_end_matches(TRIMMED);
            match piece.rsplit_once('@') {
                Some((_, domain)) => Some(domain),
                None => host_behind_a_dot(piece),
            }
        }
        (false, false) => None,
    };
    token.filter(|token| !token.is_empty())
}

/// The longest host name that `text` ends with and that follows a dot in it.
fn host_behind_a_dot(text: &str) -> Option<&str> {
    text.match_indices('.')
        .map(|(at, _)| &text[at + 1..])
        .find(|rest| is_host_name(rest))
}

/// A glob made ready to be matched with lower-case text.
#[derive(Clone, Debug)]
pub(crate) struct GlobMatcher {
    pattern: Vec<Symbol>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Symbol {
    Char(char),
    One,
    Any,
}

impl GlobMatcher {
    pub(crate) fn new(glob: &Glob) -> GlobMatcher {
        let mut pattern = Vec::new();
        for part in &glob.parts {
            match part {
                Part::Literal(text) => {
                    pattern.extend(text.chars().flat_map(char::to_lowercase).map(Symbol::Char));
                }
                Part::One => pattern.push(Symbol::One),
                Part::Any => pattern.push(Symbol::Any),
            }
        }
        GlobMatcher { pattern }
    }

    /// Whether the whole of `text`, in any letter case, has the shape.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if text.is_ascii() {
            let bytes = text.as_bytes();
            return self.run(bytes.len(), |at| char::from(bytes[at].to_ascii_lowercase()));
        }
        let chars: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        self.run(chars.len(), |at| chars[at])
    }

    /// Goes through text and pattern together, and back to behind the last `*` where they differ,
    /// letting it stand for one character more.
    fn run(&self, length: usize, char_at: impl Fn(usize) -> char) -> bool {
        let (mut at, mut place) = (0, 0);
        let mut last_any: Option<(usize, usize)> = None;
        while at < length {
            match self.pattern.get(place) {
                Some(Symbol::Any) => {
                    last_any = Some((at, place));
                    place += 1;
                    continue;
                }
                Some(Symbol::One) => {}
                Some(Symbol::Char(c)) if *c == char_at(at) => {}
                _ => match last_any {
                    Some((from, star)) => {
                        last_any = Some((from + 1, star));
                        (at, place) = (from + 1, star + 1);
                        continue;
                    }
                    None => return false,
                },
            }
            at += 1;
            place += 1;
        }
        self.pattern[place..]
            .iter()
            .all(|symbol| *symbol == Symbol::Any)
    }
}
