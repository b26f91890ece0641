//! Takes a failure text apart as an MTA logs it: who spoke, at which stage, with which codes.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::enhanced::Enhanced;
use super::evidence::{Direction, Fate};
use super::stage::Stage;

/// A reply or a failure text with what is known about it.
///
/// Get one from [`Reply::parse`] and overwrite what you know better:
/// `Reply { provider: Some("google"), ..Reply::parse(text) }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reply<'a> {
    /// The text, as bytes of any encoding, with or without the codes in front.
    pub text: &'a [u8],
    /// The three-digit reply code, 200 to 599; `None` when no server answered.
    pub code: Option<u16>,
    /// The enhanced status code, from the reply or from the MTA's own `dsn=`.
    pub enhanced: Option<Enhanced>,
    /// The step of the dialogue.
    pub stage: Option<Stage>,
    /// The key of the provider group of the other server ([`crate::provider::Provider::key`]).
    pub provider: Option<&'a str>,
    /// The name of the server that answered or was not reached, as in the text; not the bracketed
    /// address behind it.
    pub host: Option<&'a [u8]>,
    /// Who said it to whom.
    pub direction: Direction,
    /// What the queue made of it; [`Fate::Open`] where that is not known.
    pub fate: Fate,
}

impl<'a> Reply<'a> {
    /// Takes a failure text apart. Understood, beside a plain reply (`450 4.2.1 …`):
    ///
    /// * Postfix: `host H[ip] said: … (in reply to RCPT TO command)`, `host H[ip] refused to talk
    ///   to me: …`, `connect to H[ip]:25: …`, `lost connection with H[ip] while …`, `conversation
    ///   with H[ip] timed out while …`, `delivery temporarily suspended: …` before any of them,
    ///   and whole `reject: RCPT from h[ip]: 554 …; from=<…> …` texts;
    /// * Exim: `SMTP error from remote mail server after RCPT TO:<…>: 550 …` with anything before
    ///   it, `LMTP error after …`, `rejected RCPT <…>: …`;
    /// * sendmail: `Deferred: 451 …`; qmail: `Remote host said: …`.
    ///
    /// Never fails: what is not understood becomes the text.
    #[must_use]
    pub fn parse<T: AsRef<[u8]> + ?Sized>(raw: &'a T) -> Self {
        let raw = raw.as_ref();
        // Nearly all replies in a log are acceptances.
        if let [b'2', b'0'..=b'9', b'0'..=b'9', b' ', ..] = raw {
            return Self::from_reply(raw);
        }
        let raw = strip_label(raw);
        let (said, stage) = in_reply_to(raw);
        let plain = Self::from_reply(said).at(stage);
        if plain.code.is_some() {
            return plain;
        }
        from_server(raw)
            .or_else(|| from_client(raw))
            .or_else(|| inbound(raw))
            .or_else(|| exim(raw))
            .or_else(|| quoted_reply(raw))
            .unwrap_or(plain)
    }

    /// A text that starts with the reply itself.
    fn from_reply(text: &'a [u8]) -> Self {
        let (code, behind) = match text {
            [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..]
                if rest.first().is_none_or(|b| b" -\t:_".contains(b)) =>
            {
                let code = [a, b, c]
                    .iter()
                    .fold(0, |n, d| n * 10 + u16::from(**d - b'0'));
                (Some(code), rest.get(1..).unwrap_or_default())
            }
            _ => (None, text),
        };
        let behind = behind.trim_ascii_start();
        let behind = behind.strip_prefix(b"#").unwrap_or(behind);
        let enhanced = match Enhanced::at_start(behind) {
            Some((enhanced, _)) => Some(enhanced),
            None if code.is_some_and(|c| c < 400) => None,
            None => hashed_code(text),
        };
        Self {
            text,
            code,
            enhanced,
            ..Self::default()
        }
    }

    fn at(self, stage: Option<Stage>) -> Self {
        Self {
            stage: stage.or(self.stage),
            ..self
        }
    }

    fn by(self, peer: Peer<'a>) -> Self {
        Self {
            host: Some(peer.name),
            direction: if peer.is_ours() {
                Direction::Local
            } else {
                self.direction
            },
            ..self
        }
    }
}

/// The server at the other end, as Postfix writes it: `name[address]`.
#[derive(Clone, Copy)]
struct Peer<'a> {
    name: &'a [u8],
    address: &'a [u8],
}

impl<'a> Peer<'a> {
    /// Reads `name[address]` at the start and gives what follows, `:25` left out.
    fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let open = memchr::memchr(b'[', text)?;
        let close = open + memchr::memchr(b']', &text[open..])?;
        if memchr::memchr(b' ', &text[..open]).is_some() {
            return None;
        }
        let behind = &text[close + 1..];
        let port = match behind.first() {
            Some(b':') => {
                1 + behind[1..]
                    .iter()
                    .take_while(|b| b.is_ascii_digit())
                    .count()
            }
            _ => 0,
        };
        let behind = if port > 1 { &behind[port..] } else { behind };
        let peer = Self {
            name: &text[..open],
            address: &text[open + 1..close],
        };
        Some((peer, behind))
    }

    /// A unix socket (`[private/dovecot-lmtp]`) or the loopback address: our own system.
    fn is_ours(&self) -> bool {
        memchr::memchr(b'/', self.address).is_some()
            || self.address.starts_with(b"127.")
            || self.address == b"::1"
    }
}

/// The text behind labels that say nothing about the cause.
fn strip_label(raw: &[u8]) -> &[u8] {
    let mut text = raw.trim_ascii();
    const LABELS: [&[u8]; 4] = [
        b"delivery temporarily suspended: ",
        b"Deferred: ",
        b"deferral: ",
        b"NOQUEUE: ",
    ];
    while let Some(rest) = LABELS.iter().find_map(|label| text.strip_prefix(*label)) {
        text = rest;
    }
    text
}

/// `reject: RCPT from host[ip]: 554 5.7.1 …; from=<a> to=<b> proto=…`, and Exim's
/// `rejected RCPT <…>: …`, as our own server logs them.
fn inbound(text: &[u8]) -> Option<Reply<'_>> {
    const VERBS: [&[u8]; 4] = [
        b"reject: ",
        b"milter-reject: ",
        b"reject_warning: ",
        b"proxy-reject: ",
    ];
    let reply = if let Some(rest) = VERBS.iter().find_map(|verb| text.strip_prefix(*verb)) {
        postfix_reject(rest)
    } else {
        exim_rejected(text)?
    };
    Some(Reply {
        direction: Direction::Inbound,
        ..reply
    })
}

fn postfix_reject(text: &[u8]) -> Reply<'_> {
    const INSPECTED: [&[u8]; 5] = [
        b"header ",
        b"body ",
        b"content ",
        b"mime-header ",
        b"nested-header ",
    ];
    let text = text.trim_ascii_start();
    if INSPECTED.iter().any(|part| text.starts_with(part)) {
        return cleanup_reject(text);
    }
    let stage = Stage::from_text(text);
    // The client's name cannot hold `]: `, which ends `RCPT from name[ip]: ` and its like.
    let said = match find(text, b"]: ").or_else(|| port_end(text)) {
        Some(at) => &text[at..],
        None => find(text, b": ").map_or(text, |at| &text[at..]),
    };
    let said = match find_last(said, b"; from=<") {
        Some(at) => &said[..at],
        None => said,
    };
    Reply::from_reply(said).at(stage)
}

/// `header Subject: … from x[ip]; from=<a> to=<b> … helo=<x>: 5.7.1 words of our own table`: the
/// words are behind the last field, everything before them is the sender's.
fn cleanup_reject(text: &[u8]) -> Reply<'_> {
    let said = [&b"helo=<"[..], b"to=<", b"from=<"]
        .iter()
        .find_map(|field| find_last(text, field))
        .and_then(|at| Some(&text[at + find(&text[at..], b">")?..]));
    let own_words = said.and_then(|said| said.strip_prefix(b": "));
    // A table without words of its own makes Postfix say these.
    Reply::from_reply(own_words.unwrap_or(b"message content rejected")).at(Some(Stage::EndOfData))
}

/// Behind `]:60623: `, the client with its port.
fn port_end(text: &[u8]) -> Option<usize> {
    let at = find(text, b"]:")?;
    let digits = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    text[at + digits..]
        .starts_with(b": ")
        .then_some(at + digits + 2)
}

fn exim_rejected(text: &[u8]) -> Option<Reply<'_>> {
    static REJECTED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"rejected "));
    let at = REJECTED.find(text)? + b"rejected ".len();
    let before = &text[..at - b"rejected ".len()];
    if !(before.is_empty() || before.ends_with(b" ")) {
        return None;
    }
    let rest = &text[at..];
    // `rejected after DATA: …`, `rejected from <a@b> H=name [ip]: …`: the whole message.
    let (stage, end): (_, &[u8]) = if rest.starts_with(b"after DATA") {
        (Stage::EndOfData, b": ")
    } else if rest.starts_with(b"by local_scan") {
        (Stage::EndOfData, b"): ")
    } else if rest.starts_with(b"from <") {
        (Stage::EndOfData, b"]: ")
    } else {
        (Stage::from_text(rest)?, b">: ")
    };
    let said = find(rest, end)
        .or_else(|| find(rest, b": "))
        .map(|at| &rest[at..])?;
    let mut reply = Reply::from_reply(said).at(Some(stage));
    // Exim's words say whether it was for now.
    if reply.code.is_none() && reply.enhanced.is_none() && before.ends_with(b"temporarily ") {
        reply.enhanced = Some(Enhanced::new(4, 0, 0));
    }
    Some(reply)
}

/// Postfix: a server spoke.
fn from_server(text: &[u8]) -> Option<Reply<'_>> {
    let rest = text
        .strip_prefix(b"host ")
        .or_else(|| text.strip_prefix(b"SASL authentication failed; server "))?;
    let (peer, behind) = Peer::read(rest)?;
    if let Some(said) = behind.strip_prefix(b" said: ") {
        let (said, stage) = in_reply_to(said);
        let signing_in = text.starts_with(b"SASL").then_some(Stage::Auth);
        return Some(Reply::from_reply(said).at(stage.or(signing_in)).by(peer));
    }
    let said = behind.strip_prefix(b" refused to talk to me: ")?;
    Some(Reply::from_reply(said).at(Some(Stage::Banner)).by(peer))
}

/// The reply and the stage of `… (in reply to RCPT TO command)`.
fn in_reply_to(said: &[u8]) -> (&[u8], Option<Stage>) {
    const MARK: &[u8] = b"(in reply to ";
    match memchr::memrchr(b'(', said) {
        Some(at) if said[at..].starts_with(MARK) => (
            said[..at].trim_ascii_end(),
            Stage::from_text(&said[at + MARK.len()..]),
        ),
        _ => (said, None),
    }
}

/// Postfix: our client failed on the way.
fn from_client(text: &[u8]) -> Option<Reply<'_>> {
    let (rest, connecting) = if let Some(rest) = text.strip_prefix(b"connect to ") {
        (rest, true)
    } else if let Some(rest) = text.strip_prefix(b"lost connection with ") {
        (rest, false)
    } else {
        (text.strip_prefix(b"conversation with ")?, false)
    };
    let (peer, behind) = Peer::read(rest)?;
    let stage = if connecting {
        Some(Stage::Connect)
    } else {
        find(behind, b"while ").and_then(|at| Stage::from_text(&behind[at..]))
    };
    let reply = Reply {
        text,
        stage,
        ..Reply::default()
    };
    Some(reply.by(peer))
}

/// Exim: `SMTP error from remote mail server after RCPT TO:<…>: 550 …`, with the host behind
/// `H=` or, in old versions, before the reply as `host H [ip]: `.
fn exim(text: &[u8]) -> Option<Reply<'_>> {
    static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"TP error "));
    let at = ERROR.find(text)?;
    let rest = &text[at..];
    let after = find(rest, b" after ")?;
    let rest = &rest[after..];
    let stage = Stage::from_text(rest);
    let said = find(rest, b">: ")
        .or_else(|| find(rest, b": "))
        .map(|at| &rest[at..])?;
    let (said, old_host) = match said.strip_prefix(b"host ") {
        Some(host) => match find(host, b"]: ") {
            Some(end) => (&host[end..], Some(first_word(host))),
            None => (said, None),
        },
        None => (said, None),
    };
    let host = old_host.or_else(|| find(text, b"H=").map(|at| first_word(&text[at..])));
    Some(Reply {
        host,
        ..Reply::from_reply(said).at(stage)
    })
}

/// qmail and Exchange: the reply after a fixed phrase.
fn quoted_reply(text: &[u8]) -> Option<Reply<'_>> {
    static PHRASES: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
        [
            Finder::new("Remote host said: "),
            Finder::new("Remote_host_said:_"),
            Finder::new("Remote Server returned '"),
            Finder::new("remote server responded: "),
        ]
    });
    let at = PHRASES
        .iter()
        .find_map(|phrase| phrase.find(text).map(|at| at + phrase.needle().len()))?;
    let reply = Reply::from_reply(&text[at..]);
    reply.code.is_some().then_some(reply)
}

/// qmail: the enhanced code at the end, `(#5.1.1)`; also `(#5.1.1 - chkuser)`.
fn hashed_code(text: &[u8]) -> Option<Enhanced> {
    memchr::memchr_iter(b'#', text)
        .find_map(|at| Enhanced::at_start(&text[at + 1..]).map(|(code, _)| code))
}

fn first_word(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .position(|b| matches!(b, b' ' | b'[' | b':'))
        .unwrap_or(text.len());
    &text[..end]
}

/// Where the first `needle` ends.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle).map(|at| at + needle.len())
}

/// Where the last `needle` starts.
fn find_last(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(text, needle)
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
