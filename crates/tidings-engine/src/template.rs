//! Templates of lines: a line taken apart along one, and put together again.
//!
//! A template is text with these bytes in place of what varies:
//!
//! * `0x01 P R`: the value of pair number `P` of the line's first event, written as `R` says,
//! * `0x02`: the next part of the residue (parts are separated by `0x00`),
//! * `0x03 F…;`: the event's time, written in the form `F`.
//!
//! A template of one byte, `0x04`, means that the residue is the line itself. Pair numbers are
//! written as one byte from `0x20`. See `docs/format.md`.

use std::net::IpAddr;

use tidings_event::digits::{push_i64, push_ip, push_u64};
use tidings_event::{Key, Value};

use crate::stamp::StampForm;

const REFERENCE: u8 = 1;
const RESIDUE: u8 = 2;
const STAMP: u8 = 3;
const VERBATIM: u8 = 4;
const SEPARATOR: u8 = 0;
const FIRST_PAIR: u8 = 0x20;
const PAIRS_MAX: usize = 90;

/// What an event says: its pairs, decoded.
pub(crate) type Pairs<'a> = [(Key, Value<'a>)];

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(Box<[u8]>),
    Pair(usize, u8),
    Residue,
    Stamp(StampForm),
}

/// A template, ready to be used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    code: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Buffers that are used again from line to line.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    text: Vec<u8>,
    stamp: Stamp,
    found: Vec<(usize, usize, Piece)>,
}

/// The time of the line before, as it was written there: the next line is often of the same
/// second.
#[derive(Debug, Default)]
struct Stamp {
    of: Option<(StampForm, i64)>,
    text: Vec<u8>,
}

impl Stamp {
    /// The time in this form, if it can be written so.
    fn text(&mut self, form: &StampForm, time_ns: i64) -> Option<&[u8]> {
        if self
            .of
            .as_ref()
            .is_none_or(|(known, ns)| *ns != time_ns || known != form)
        {
            self.of = None;
            self.text.clear();
            form.write(time_ns, &mut self.text)?;
            self.of = Some((*form, time_ns));
        }
        Some(&self.text)
    }
}

impl Template {
    /// The template that keeps every line whole.
    pub(crate) fn verbatim() -> Template {
        Template {
            code: vec![VERBATIM],
            pieces: Vec::new(),
        }
    }

    /// Its bytes, as they are stored.
    pub(crate) fn code(&self) -> &[u8] {
        &self.code
    }

    /// Reads stored bytes; `None` for what is no template.
    pub(crate) fn parse(code: &[u8]) -> Option<Template> {
        if code == [VERBATIM] {
            return Some(Template::verbatim());
        }
        let mut pieces = Vec::new();
        let mut rest = code;
        while !rest.is_empty() {
            let text = memchr::memchr3(REFERENCE, RESIDUE, STAMP, rest).unwrap_or(rest.len());
            if text > 0 {
                pieces.push(Piece::Text(rest[..text].into()));
            }
            rest = &rest[text..];
            rest = match rest {
                [] => rest,
                [REFERENCE, pair, form, tail @ ..] => {
                    pieces.push(Piece::Pair(
                        usize::from(pair.checked_sub(FIRST_PAIR)?),
                        *form,
                    ));
                    tail
                }
                [RESIDUE, tail @ ..] => {
                    pieces.push(Piece::Residue);
                    tail
                }
                [STAMP, tail @ ..] => {
                    let (form, tail) = StampForm::read_code(tail)?;
                    pieces.push(Piece::Stamp(form));
                    tail
                }
                _ => return None,
            };
        }
        Some(Template {
            code: code.to_vec(),
            pieces,
        })
    }

    /// Makes a template for a line by looking for the event's values in it.
    pub(crate) fn find(
        line: &[u8],
        time_ns: i64,
        pairs: &Pairs<'_>,
        scratch: &mut Scratch,
    ) -> Template {
        let is_plain = line.iter().all(|byte| *byte > VERBATIM);
        if !is_plain {
            return Template::verbatim();
        }
        find_values(line, time_ns, pairs, scratch);
        let mut pieces = Vec::new();
        let mut at = 0;
        for (start, end, piece) in scratch.found.drain(..) {
            push_gap(&line[at..start], &mut pieces);
            pieces.push(piece);
            at = end;
        }
        push_gap(&line[at..], &mut pieces);
        Template {
            code: code_of(&pieces),
            pieces,
        }
    }

    /// Takes a line apart: appends what the template leaves out to `residue`. False, with the
    /// residue undefined, if the line does not fit; a line that fits comes out of
    /// [`write`](Self::write) byte for byte.
    pub(crate) fn take_apart(
        &self,
        line: &[u8],
        time_ns: i64,
        pairs: &Pairs<'_>,
        scratch: &mut Scratch,
        residue: &mut Vec<u8>,
    ) -> bool {
        if self.code == [VERBATIM] {
            residue.extend_from_slice(line);
            return true;
        }
        let mut rest = line;
        let mut parts = 0;
        for piece in &self.pieces {
            let taken = match piece {
                Piece::Text(text) => strip(rest, text),
                Piece::Pair(pair, form) => match pairs.get(*pair) {
                    Some((_, Value::Str(text))) if *form == b's' => strip(rest, text.as_bytes()),
                    Some((_, value)) => strip_rendered(rest, value, *form, scratch),
                    None => None,
                },
                Piece::Residue => {
                    let length = word_length(rest);
                    if parts > 0 {
                        residue.push(SEPARATOR);
                    }
                    parts += 1;
                    residue.extend_from_slice(&rest[..length]);
                    (length > 0).then(|| &rest[length..])
                }
                Piece::Stamp(form) => scratch
                    .stamp
                    .text(form, time_ns)
                    .and_then(|stamp| strip(rest, stamp)),
            };
            match taken {
                Some(tail) => rest = tail,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// Appends the line; `None` if residue and event are not those of the template.
    pub(crate) fn write(
        &self,
        residue: &[u8],
        time_ns: i64,
        pairs: &Pairs<'_>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        if self.code == [VERBATIM] {
            out.extend_from_slice(residue);
            return Some(());
        }
        let mut parts = residue.split(|byte| *byte == SEPARATOR);
        let mut text = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Pair(pair, form) => {
                    text.clear();
                    let (_, value) = pairs.get(*pair)?;
                    (render(value, &mut text)? == *form).then(|| out.extend_from_slice(&text))?;
                }
                Piece::Residue => out.extend_from_slice(parts.next()?),
                Piece::Stamp(form) => form.write(time_ns, out)?,
            }
        }
        Some(())
    }
}

fn code_of(pieces: &[Piece]) -> Vec<u8> {
    let mut code = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => code.extend_from_slice(text),
            Piece::Pair(pair, form) => code.extend([REFERENCE, FIRST_PAIR + *pair as u8, *form]),
            Piece::Residue => code.push(RESIDUE),
            Piece::Stamp(form) => {
                code.push(STAMP);
                form.write_code(&mut code);
            }
        }
    }
    code
}

fn strip<'l>(line: &'l [u8], text: &[u8]) -> Option<&'l [u8]> {
    line.strip_prefix(text)
}

fn strip_rendered<'l>(
    line: &'l [u8],
    value: &Value<'_>,
    form: u8,
    scratch: &mut Scratch,
) -> Option<&'l [u8]> {
    scratch.text.clear();
    (render(value, &mut scratch.text)? == form).then(|| strip(line, &scratch.text))?
}

/// Keys whose values stand inside another value of the same line, or not in the line at all.
const NEVER_IN_LINE: &[Key] = &[Key::QUEUE_ID, Key::REMOTE_QUEUE_ID, Key::CODE];

/// Finds the event's values in the line, none overlapping another, and sorts them by place.
fn find_values(line: &[u8], time_ns: i64, pairs: &Pairs<'_>, scratch: &mut Scratch) {
    let found = &mut scratch.found;
    found.clear();
    let mut cursor = 0;
    if let Some((end, form)) = StampForm::detect(line, time_ns) {
        found.push((0, end, Piece::Stamp(form)));
        cursor = end;
    }
    let body = cursor;
    let has_relay = pairs.iter().any(|(key, _)| *key == Key::RELAY);
    for (number, (key, value)) in pairs.iter().enumerate().take(PAIRS_MAX) {
        let inside_relay =
            has_relay && matches!(*key, Key::HOSTNAME | Key::REMOTE_IP | Key::REMOTE_PORT);
        if inside_relay || NEVER_IN_LINE.contains(key) {
            continue;
        }
        scratch.text.clear();
        let Some(form) = render(value, &mut scratch.text) else {
            continue;
        };
        let text = scratch.text.as_slice();
        if text.is_empty()
            || (text.len() < 3 && !matches!(value, Value::UInt(_) | Value::Duration(_)))
        {
            continue;
        }
        // The values of most events come in the order of the line.
        let free = |start: &usize| {
            found
                .iter()
                .all(|(from, to, _)| *start >= *to || start + text.len() <= *from)
        };
        let start = position(line, cursor, text)
            .filter(free)
            .or_else(|| position(line, body, text).filter(free));
        if let Some(start) = start {
            cursor = start + text.len();
            found.push((start, cursor, Piece::Pair(number, form)));
        }
    }
    found.sort_unstable_by_key(|(start, ..)| *start);
}

fn position(line: &[u8], from: usize, text: &[u8]) -> Option<usize> {
    Some(from + memchr::memmem::find(line.get(from..)?, text)?)
}

/// The text between two values: words with a digit vary and are residue, the rest is the
/// template's own.
fn push_gap(gap: &[u8], pieces: &mut Vec<Piece>) {
    let mut text = Vec::new();
    let mut rest = gap;
    while !rest.is_empty() {
        let length = word_length(rest);
        let word = &rest[..length];
        if word
            .iter()
            .any(|byte| byte.is_ascii_digit() || *byte >= 0x80)
        {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text).into()));
            }
            pieces.push(Piece::Residue);
        } else {
            text.extend_from_slice(word);
        }
        rest = &rest[length..];
        let length = rest.iter().position(is_word).unwrap_or(rest.len());
        text.extend_from_slice(&rest[..length]);
        rest = &rest[length..];
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
}

fn word_length(text: &[u8]) -> usize {
    text.iter()
        .position(|byte| !is_word(byte))
        .unwrap_or(text.len())
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"._-+/".contains(byte)
}

/// Writes a value as it stands in log lines; gives the form, or `None` for what never does.
fn render(value: &Value<'_>, out: &mut Vec<u8>) -> Option<u8> {
    match value {
        Value::Str(text) => {
            out.extend_from_slice(text.as_bytes());
            Some(b's')
        }
        Value::UInt(number) => {
            push_u64(out, *number);
            Some(b'u')
        }
        Value::Int(number) => {
            push_i64(out, *number);
            Some(b'i')
        }
        Value::Duration(millis) => {
            write_seconds(*millis, out);
            Some(b'd')
        }
        Value::Ipv4(ip) => {
            push_ip(out, IpAddr::V4(*ip));
            Some(b'a')
        }
        Value::Ipv6(ip) => {
            push_ip(out, IpAddr::V6(*ip));
            Some(b'a')
        }
        _ => None,
    }
}

/// Seconds with up to three decimals, without trailing zeros: `delay=0.08`.
fn write_seconds(millis: u64, out: &mut Vec<u8>) {
    push_u64(out, millis / 1000);
    let mut rest = millis % 1000;
    if rest == 0 {
        return;
    }
    out.push(b'.');
    for place in [100, 10, 1] {
        if rest == 0 {
            break;
        }
        out.push(b'0' + (rest / place) as u8);
        rest %= place;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME_NS: i64 = 1_795_352_324_000_000_000;

    fn round_trip(line: &[u8], pairs: &Pairs<'_>) -> (Template, Vec<u8>) {
        let mut scratch = Scratch::default();
        let mut residue = Vec::new();
        let mut template = Template::find(line, TIME_NS, pairs, &mut scratch);
        if !template.take_apart(line, TIME_NS, pairs, &mut scratch, &mut residue) {
            template = Template::verbatim();
            residue = line.to_vec();
        }
        let stored = Template::parse(template.code()).unwrap();
        assert_eq!(stored, template);
        let mut whole = Vec::new();
        stored.write(&residue, TIME_NS, pairs, &mut whole).unwrap();
        assert_eq!(whole, line, "{}", String::from_utf8_lossy(line));
        (template, residue)
    }

    #[test]
    fn a_line_is_its_template_and_what_varies() {
        let pairs = [
            (Key::NODE, Value::Str("mx1")),
            (Key::PROGRAM, Value::Str("postfix/smtp")),
            (Key::PID, Value::UInt(261)),
            (Key::MTA_QUEUE_ID, Value::Str("A90049BC91D")),
            (Key::TO, Value::Str("1user@accept.test")),
            (
                Key::RELAY,
                Value::Str("mail.accept.test[203.0.113.10]:2525"),
            ),
            (Key::ELAPSED, Value::Duration(80)),
            (Key::DELAYS, Value::Str("0.03/0.04/0/0")),
            (Key::DETAILS, Value::Str("250 2.0.0 Ok")),
        ];
        let line = b"Nov 22 12:58:44 mx1 postfix/smtp[261]: A90049BC91D: to=<1user@accept.test>, \
            relay=mail.accept.test[203.0.113.10]:2525, conn_use=7, delay=0.08, delays=0.03/0.04/0/0, \
            dsn=2.0.0, status=sent (250 2.0.0 Ok)";
        let (template, residue) = round_trip(line, &pairs);
        assert_eq!(String::from_utf8_lossy(&residue), "7\x002.0.0");
        assert!(!template.code().windows(5).any(|part| part == b"A9004"));
    }

    proptest! {
        #[test]
        fn any_line_comes_back(
            line in proptest::collection::vec(any::<u8>(), 0..120),
            text in "[ -~]{0,12}",
            number in any::<u64>(),
        ) {
            let pairs = [(Key::REASON, Value::Str(&text)), (Key::SIZE, Value::UInt(number))];
            round_trip(&line, &pairs);
        }

        #[test]
        fn any_line_with_its_values_comes_back(parts in proptest::collection::vec("[a-z0-9 :<>=@.\\[\\]]{0,10}", 1..6)) {
            let line = parts.concat().into_bytes();
            let pairs: Vec<_> = parts.iter().map(|part| (Key::TO, Value::Str(part))).collect();
            round_trip(&line, &pairs);
        }
    }
}
