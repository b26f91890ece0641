//! Makes text that strangers wrote harmless on a terminal: nothing that is shown can move the cursor,
//! colour the screen, end its line, hide itself, or reorder what stands around it.
//!
//! Addresses, replies, host names, Message-IDs and log lines all come from remote parties, so every
//! string of a message, event or line goes through [`clean`] before it is printed.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;
use unicode_width::UnicodeWidthChar;

/// Characters without width that may follow one another: as many as real scripts stack.
const ZERO_WIDTH_RUN_MAX: usize = 4;

/// The text with everything dangerous written out: `\n`, `\r`, `\t`, `\x1b` for other ASCII controls,
/// `\u{202e}` for the rest, which is what the text form of events does too. Besides controls these are
/// the characters that reorder text, break lines, or are invisible, and piled-up combining marks.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut run = 0;
    for c in text.chars() {
        let is_zero_width = c.width() == Some(0);
        run = if is_zero_width { run + 1 } else { 0 };
        if is_hazard(c) || run > ZERO_WIDTH_RUN_MAX {
            push_escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// An object as JSON on one line, safe to print: what [`clean`] would write out, JSON escapes as
/// `\u009b`, which any reader turns back.
///
/// # Errors
/// Only where the object cannot be written as JSON, which none of ours is.
pub(crate) fn json_line<T: Serialize>(object: &T) -> std::io::Result<String> {
    let text = serde_json::to_string(object)?;
    if text.is_ascii() && !text.contains('\u{7f}') {
        return Ok(text);
    }
    // Outside its strings JSON is ASCII, so a hazard always stands inside one.
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hazard(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("writing to a String cannot fail");
            }
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

fn is_hazard(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c,
        '\u{80}'..='\u{9f}'           // C1 controls: some terminals obey them
        | '\u{ad}'                    // soft hyphen
        | '\u{61c}'                   // from here on: direction marks and overrides
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'     // line and paragraph separator among them
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'     // interlinear annotation
        | '\u{e000}'..='\u{f8ff}'     // private use: no two fonts agree, and our own marks
        | '\u{e0000}'..='\u{e0fff}'   // tags and further variation selectors
        | '\u{f0000}'..='\u{10ffff}') // private use
}

fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)).expect("a String takes it"),
        _ => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_dangerous_is_left() {
        for (hostile, harmless) in [
            ("plain <a@b.org>", "plain <a@b.org>"),
            ("\u{1b}[2J\u{1b}]0;owned\u{7}", "\\x1b[2J\\x1b]0;owned\\x07"),
            (
                "a\nNov 22 forged: line\r\t",
                "a\\nNov 22 forged: line\\r\\t",
            ),
            ("\u{9b}31mred\u{7f}", "\\u{9b}31mred\\x7f"),
            ("user\u{202e}gro.elpmaxe@", "user\\u{202e}gro.elpmaxe@"),
            (
                "\u{2066}a\u{2069}\u{200f}\u{61c}",
                "\\u{2066}a\\u{2069}\\u{200f}\\u{61c}",
            ),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("line\u{2028}para\u{2029}", "line\\u{2028}para\\u{2029}"),
            ("jörg@exämple.org 收件人", "jörg@exämple.org 收件人"),
        ] {
            assert_eq!(clean(hostile), harmless);
        }
    }

    #[test]
    fn every_control_of_unicode_is_written_out() {
        for c in (0..=0x10_ffff)
            .filter_map(char::from_u32)
            .filter(|c| c.is_control())
        {
            let text = format!("a{c}b");
            assert!(!clean(&text).contains(c), "{c:?}");
            let json = json_line(&text).unwrap();
            assert!(!json.contains(c), "{c:?} {json}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn combining_marks_cannot_climb() {
        let tower = format!("e{}", "\u{301}".repeat(50));
        let shown = clean(&tower);
        assert_eq!(shown.matches('\u{301}').count(), ZERO_WIDTH_RUN_MAX);
        assert_eq!(shown.matches("\\u{301}").count(), 46);
    }

    #[test]
    fn json_keeps_its_meaning() {
        let hostile = "\u{1b}[31m\u{9b}\u{202e}\u{e0041}\u{7f}\"\\é";
        let line = json_line(&serde_json::json!({ "from": hostile })).unwrap();
        assert_eq!(
            line,
            "{\"from\":\"\\u001b[31m\\u009b\\u202e\\udb40\\udc41\\u007f\\\"\\\\é\"}"
        );
        let back: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["from"], hostile);
    }
}
