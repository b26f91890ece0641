//! A strict pull parser for JSON (RFC 8259): the caller says what it expects next.

use std::borrow::Cow;

use super::JsonError;
use crate::escape::skim;

/// How deep arrays and objects may nest: enough for the registry form of values nested to
/// [`MAX_DEPTH`](crate::MAX_DEPTH), each of which takes three objects.
pub(super) const MAX_JSON_DEPTH: u8 = 60;

/// A number, as exact as it can be held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    UInt(u64),
    Int(i64),
    Float(f64),
}

/// Reads JSON text from front to back.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Parser<'a> {
        Parser {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// Offset of the next value or punctuation.
    pub(super) fn at(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// Goes to an offset that [`at`](Self::at) gave at the same depth, to read again from there.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The first byte of what comes next; `None` at the end.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.at).copied()
    }

    /// An error at what comes next: "expected `what`, found …".
    pub(super) fn expected(&mut self, what: &str) -> JsonError {
        self.skip_space();
        let found = match self.text[self.at..].chars().next() {
            None => "the end".to_owned(),
            Some(c) => format!("{c:?}"),
        };
        JsonError::new(self.at, format!("expected {what}, found {found}"))
    }

    /// Reads an object; `member` reads each value, given the member's name and the name's offset.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>, usize) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.container(b'{', b'}', "an object", |parser| {
            let at = parser.at();
            let name = parser.string()?;
            parser.punctuation(b':', "`:`")?;
            member(parser, name, at)
        })
    }

    /// Reads an array; `item` reads each value.
    pub(super) fn array(
        &mut self,
        item: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.container(b'[', b']', "an array", item)
    }

    /// Reads a string, borrowed where it has no escapes.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a string"));
        }
        self.at += 1;
        let mut unescaped: Option<String> = None;
        loop {
            let rest = &self.text[self.at..];
            let skimmed = skim(rest.as_bytes());
            let plain = rest.as_bytes()[skimmed..]
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | ..0x20));
            let Some(plain) = plain.map(|plain| skimmed + plain) else {
                self.at = self.text.len();
                return Err(self.expected("`\"` at the end of the string"));
            };
            let (part, stop) = (&rest[..plain], rest.as_bytes()[plain]);
            self.at += plain;
            match stop {
                b'"' => {
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(part),
                        Some(text) => Cow::Owned(text + part),
                    });
                }
                b'\\' => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(part);
                    text.push(self.escape()?);
                }
                control => {
                    let message =
                        format!("control character 0x{control:02x} in a string must be escaped");
                    return Err(JsonError::new(self.at, message));
                }
            }
        }
    }

    /// Reads a number. A whole number beyond 64 bits becomes a float.
    pub(super) fn number(&mut self) -> Result<Number, JsonError> {
        self.skip_space();
        let start = self.at;
        let is_negative = self.eat(b'-');
        let leading_zero = self.text.as_bytes().get(self.at) == Some(&b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            return Err(JsonError::new(
                start,
                "a number must not begin with 0 and another digit",
            ));
        }
        let mut is_whole = true;
        if self.eat(b'.') {
            is_whole = false;
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            is_whole = false;
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        if is_whole
            && !is_negative
            && let Ok(number) = text.parse()
        {
            return Ok(Number::UInt(number));
        }
        if is_whole && let Ok(number) = text.parse() {
            return Ok(Number::Int(number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Number::Float(number)),
            _ => Err(JsonError::new(start, format!("number {text} is too large"))),
        }
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self) -> Result<bool, JsonError> {
        if self.word("true") {
            Ok(true)
        } else if self.word("false") {
            Ok(false)
        } else {
            Err(self.expected("`true` or `false`"))
        }
    }

    /// Reads `null`, if it comes next.
    pub(super) fn null(&mut self) -> bool {
        self.word("null")
    }

    /// Reads any value and forgets it.
    pub(super) fn skip(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'{') => self.object(|parser, _, _| parser.skip()),
            Some(b'[') => self.array(Self::skip),
            Some(b'"') => self.string().map(drop),
            Some(b't' | b'f') => self.boolean().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ if self.null() => Ok(()),
            _ => Err(self.expected("a value")),
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_none() {
            Ok(())
        } else {
            Err(self.expected("the end of the line"))
        }
    }

    fn container(
        &mut self,
        open: u8,
        close: u8,
        name: &str,
        mut item: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if self.peek() != Some(open) {
            return Err(self.expected(name));
        }
        if self.depth == MAX_JSON_DEPTH {
            return Err(JsonError::new(
                self.at,
                format!("nesting is deeper than {MAX_JSON_DEPTH}"),
            ));
        }
        self.at += 1;
        self.depth += 1;
        let mut is_open = self.peek() != Some(close);
        if !is_open {
            self.at += 1;
        }
        while is_open {
            item(self)?;
            self.skip_space();
            if self.eat(close) {
                is_open = false;
                continue;
            }
            if !self.eat(b',') {
                return Err(self.expected(&format!("`,` or `{}`", char::from(close))));
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn punctuation(&mut self, byte: u8, what: &str) -> Result<(), JsonError> {
        self.skip_space();
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.expected(what))
        }
    }

    /// The character of the escape sequence that begins here.
    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => {
                return Err(JsonError::new(
                    start,
                    "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u",
                ));
            }
        })
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let first = self.four_digits(start)?;
        let code = match first {
            0xd800..=0xdbff => {
                let low = if self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    self.four_digits(start)?
                } else {
                    0
                };
                let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400);
                low.map(|low| 0x1_0000 + (first - 0xd800) * 0x400 + low)
            }
            _ => Some(first),
        };
        code.and_then(char::from_u32).ok_or_else(|| {
            JsonError::new(
                start,
                "a surrogate escape must be one of a pair, high before low",
            )
        })
    }

    fn four_digits(&mut self, start: usize) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        self.at += 4;
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| JsonError::new(start, "\\u must be followed by four hexadecimal digits"))
    }

    fn digits(&mut self) -> Result<usize, JsonError> {
        let count = self.text[self.at..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        self.at += count;
        if count == 0 {
            Err(self.expected("a digit"))
        } else {
            Ok(count)
        }
    }

    fn word(&mut self, word: &str) -> bool {
        self.skip_space();
        let found = self.text[self.at..].starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
            .count();
    }
}
