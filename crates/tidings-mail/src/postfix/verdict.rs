//! What a rule, a milter or a proxy filter decided: refusals and other actions, by smtpd, cleanup
//! and postscreen.
//!
//! Four shapes, after the queue id:
//!
//! - smtpd: `reject: RCPT from h[ip]: 554 5.7.1 <to>: text; from=<a> to=<b> proto=P helo=<h>`
//! - cleanup: `reject: header Subject: x from h[ip]; from=<a> to=<b> proto=P helo=<h>: text`
//! - postscreen: `reject: RCPT from [ip]:port: 450 4.3.2 text; from=<a>, to=<b>, proto=P, helo=<h>`
//! - smtpd before a proxy filter: `proxy-reject: END-OF-MESSAGE: 554 text; from=<a> …`, no client
//!
//! The client stands before any client text in the first and third shape. How the envelope is
//! found is the subject of `tail.rs`. The stage is Postfix's own word.

use memchr::memchr;

use super::scan::{self, NOBODY};
use super::statement::{Action, Peer, Reject, RejectBy, Says};
use super::tail::{self, Tail};

/// Parses `word: …`, where the word says what was decided. `None` for any other word or shape.
pub(super) fn parse(text: &[u8]) -> Option<Says<'_>> {
    let (word, rest) = scan::cut(text, b": ")?;
    let by = match word {
        b"reject" => Some(RejectBy::Server),
        b"reject_warning" => Some(RejectBy::Warning),
        b"proxy-reject" => Some(RejectBy::Proxy),
        b"hold" | b"discard" | b"redirect" | b"filter" | b"warning" | b"warn" | b"info"
        | b"prepend" | b"replace" | b"bcc" | b"strip" | b"delay" | b"hangup" | b"permit"
        | b"dunno" | b"pass" | b"ignore" | b"proxy-accept" => None,
        milter if milter.starts_with(b"milter-") && memchr(b' ', milter).is_none() => {
            milter.ends_with(b"reject").then_some(RejectBy::Milter)
        }
        _ => return None,
    };
    let seen = seen(rest)?;
    Some(match by {
        Some(by) => Says::Reject(reject(by, seen)),
        None => Says::Action(action(word, seen)),
    })
}

/// The parts of a decision, before they are sorted into a refusal or another action.
struct Seen<'a> {
    stage: &'a [u8],
    client: Peer<'a>,
    /// Header or body line that cleanup looked at; empty in other shapes.
    content: &'a [u8],
    /// Reply or remark.
    text: &'a [u8],
    tail: Tail<'a>,
}

fn seen(text: &[u8]) -> Option<Seen<'_>> {
    // Only cleanup's kinds of content are lower case (but for postscreen when it is too busy).
    if text.first()?.is_ascii_lowercase() && !text.starts_with(b"connect from ") {
        return content(text);
    }
    // `DATA content` has a blank; proxy filters have a stage but no client.
    let end = memchr(b':', text)?;
    match scan::cut(&text[..end], b" from ") {
        Some((stage, _)) => {
            let (client, rest) = scan::peer(&text[stage.len() + 6..])?;
            let rest = rest.strip_prefix(b": ")?;
            let (text, tail) = match client.name {
                b"" => tail::after_screen_reply(rest),
                _ => tail::after_reply(rest),
            };
            Some(Seen {
                stage,
                client,
                content: b"",
                text,
                tail,
            })
        }
        None => {
            let stage = &text[..end];
            let (text, tail) = tail::after_reply(text[end..].strip_prefix(b": ")?);
            Some(Seen {
                stage,
                client: NOBODY,
                content: b"",
                text,
                tail,
            })
        }
    }
}

/// `header Subject: x from h[ip]; …`. The delivery agents' own checks have no envelope.
fn content(text: &[u8]) -> Option<Seen<'_>> {
    let (stage, rest) = scan::word(text);
    if !matches!(
        stage,
        b"header" | b"body" | b"content" | b"mime-header" | b"nested-header" | b"mime-error"
    ) {
        return None;
    }
    let (content, client, tail) =
        tail::after_content(rest).unwrap_or((rest, NOBODY, Tail::default()));
    Some(Seen {
        stage,
        client,
        content,
        text: tail.remark(),
        tail,
    })
}

fn reject(by: RejectBy, seen: Seen<'_>) -> Reject<'_> {
    let (code, text) = code(seen.text);
    let (dsn, text) = dsn(text);
    let (subject, text) = match seen.content {
        b"" => subject(text, &seen.tail),
        content => (content, text),
    };
    let Tail {
        from,
        to,
        proto,
        helo,
        sasl_username,
        ..
    } = seen.tail;
    Reject {
        by,
        stage: seen.stage,
        client: seen.client,
        code,
        dsn,
        subject,
        text,
        from,
        to,
        proto,
        helo,
        sasl_username,
    }
}

fn action<'a>(action: &'a [u8], seen: Seen<'a>) -> Action<'a> {
    let (subject, text) = match seen.content {
        b"" => subject(seen.text, &seen.tail),
        content => (content, seen.text),
    };
    let Tail {
        from,
        to,
        proto,
        helo,
        ..
    } = seen.tail;
    Action {
        action,
        stage: seen.stage,
        subject,
        client: seen.client,
        from,
        to,
        proto,
        helo,
        text,
    }
}

/// `550 ` before a reply; 0 where there is none.
fn code(text: &[u8]) -> (u16, &[u8]) {
    let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = text else {
        return (0, text);
    };
    let code = 100 * u16::from(a - b'0') + 10 * u16::from(b - b'0') + u16::from(c - b'0');
    match rest {
        [] => (code, rest),
        [b' ' | b'-', rest @ ..] => (code, rest),
        _ => (0, text),
    }
}

/// `5.7.1 ` before a reply; empty where there is none.
fn dsn(text: &[u8]) -> (&[u8], &[u8]) {
    let (word, rest) = scan::word(text);
    let mut parts = word.split(|byte| *byte == b'.');
    let well_formed = matches!(parts.next(), Some([b'2' | b'4' | b'5']))
        && (0..2).all(|_| {
            parts.next().is_some_and(|part| {
                matches!(part.len(), 1..=3) && part.iter().all(u8::is_ascii_digit)
            })
        })
        && parts.next().is_none();
    if well_formed {
        (word, rest)
    } else {
        (b"", text)
    }
}

/// Splits `<subject>: text`. The subject is what the client sent, so it ends where it equals the
/// recipient, the sender or the HELO name (the longest that fits, as one may imitate another);
/// only where none fits, at the first `>: `.
fn subject<'a>(text: &'a [u8], tail: &Tail<'_>) -> (&'a [u8], &'a [u8]) {
    const END: &[u8] = b">: ";
    let Some(inside) = text.strip_prefix(b"<") else {
        return (b"", text);
    };
    let known = [tail.to, tail.from, Some(tail.helo)];
    let known = known.into_iter().flatten();
    let len = known
        .filter_map(|known| scan::address_length(inside, known, END))
        .max();
    match len.or_else(|| scan::find(inside, END, 0)) {
        Some(len) => (&inside[..len], &inside[len + END.len()..]),
        None => (b"", text),
    }
}
