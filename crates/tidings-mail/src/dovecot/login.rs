//! What login processes say: `imap-login`, `pop3-login`, `managesieve-login`, `submission-login`.

use super::scan;
use super::statement::{LoginCause, LoginEnd, Proxy, ProxyStep, Says, Tls, Who};

/// Reads the text of a login process; `None` if it is not about one client's sign-in.
pub(super) fn read(text: &[u8]) -> Option<Says<'_>> {
    if let Some(rest) = scan::strip_any(text, &[b"Login: ", b"Logged in: "]) {
        return signed_in(rest);
    }
    if let Some(rest) = text.strip_prefix(b"proxy") {
        return proxy(rest);
    }
    if is_end(text) {
        return Some(Says::LoginEnd(ended(text)));
    }
    if is_refusal(text) {
        let (reason, who) = split_elements(text);
        let reason = refusal_reason(reason);
        return Some(Says::LoginRefused {
            reason,
            cause: refusal_cause(text),
            who,
        });
    }
    None
}

fn is_end(text: &[u8]) -> bool {
    const STARTS: &[&[u8]] = &[
        b"Disconnected",
        b"Aborted login",
        b"Login aborted",
        b"Maximum number of connections",
        b"Inactivity",
        b"Connection queue full",
        b"Connection closed",
        b"Shutting down",
        b"Internal login failure",
        b"Logged out",
        b"Too many invalid ",
        b"Login disabled",
        b"Logging in timed out",
        b"Login timed out",
        b"Auth process broken",
        b"Timeout while finishing login",
    ];
    scan::starts_any(text, STARTS)
}

/// `Login failed: …`, `Authenticate PLAIN failed: …`, `APOP failed: …`
fn is_refusal(text: &[u8]) -> bool {
    let window = &text[..text.len().min(80)];
    let has_failed = || memchr::memmem::find(window, b" failed: ").is_some();
    text.starts_with(b"Login failed")
        || scan::starts_any(text, &[b"Authenticate ", b"APOP failed", b"AUTHENTICATE "])
            && has_failed()
}

/// `Plaintext authentication disabled` of `Login failed: Plaintext authentication disabled`.
fn refusal_reason(text: &[u8]) -> &[u8] {
    let text = scan::split_once(text, b" failed: ").map_or(text, |(_, reason)| reason);
    text.strip_suffix(b".").unwrap_or(text)
}

fn refusal_cause(text: &[u8]) -> LoginCause {
    match () {
        () if contains(text, b"laintext auth") => LoginCause::PlaintextDisallowed,
        () if contains(text, b"nsupported") => LoginCause::UnsupportedMechanism,
        () if contains(text, b"certificate") || contains(text, b"SSL required") => {
            LoginCause::Certificate
        }
        () if contains(text, b"disabled") => LoginCause::Disabled,
        () => LoginCause::Other,
    }
}

/// `Login: user=<a>, …` of 1.0 and later, `Login: a [192.0.2.1]` of 0.99.
fn signed_in(text: &[u8]) -> Option<Says<'_>> {
    if starts_element(text) {
        return Some(Says::Login(elements(text)));
    }
    let (user, ip) = old_peer(text)?;
    Some(Says::Login(Who {
        user,
        rip: scan::ip(ip),
        ..Who::default()
    }))
}

/// `a [192.0.2.1]`, where the name may be absent.
fn old_peer(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, ip) = scan::split_once(text, b"[")?;
    let ip = ip.strip_suffix(b"]")?;
    scan::ip(ip)?;
    Some((name.trim_ascii_end(), ip))
}

fn ended(text: &[u8]) -> LoginEnd<'_> {
    let (reason, who) = split_elements(text);
    let reason_end = detail_start(reason).unwrap_or(reason.len());
    let detail = parenthesised(&reason[reason_end..]);
    let whole = reason;
    let reason = without_frame(reason[..reason_end].trim_ascii_end());
    let (attempts, seconds) = counts(detail);
    let cause = end_cause(whole, detail, &who);
    LoginEnd {
        reason,
        detail,
        cause,
        attempts,
        seconds,
        who,
    }
}

/// The reason without `Disconnected: ` or `Login aborted: ` before it.
fn without_frame(reason: &[u8]) -> &[u8] {
    let reason = reason.strip_suffix(b":").unwrap_or(reason);
    scan::strip_any(reason, &[b"Disconnected: ", b"Login aborted: "]).unwrap_or(reason)
}

/// Where ` (auth failed, 1 attempts in 1 secs)` begins. The reason before it may hold parentheses
/// of its own (`SSL_accept() failed`, `(mail_max_userip_connections=3)`).
fn detail_start(reason: &[u8]) -> Option<usize> {
    scan::all(reason, b" (").find(|at| {
        !matches!(
            &reason[at + 2..],
            [b'm', b'a', b'i', b'l', b'_', ..] | [b'p', b'i', b'd', b'=', ..]
        )
    })
}

/// What is between the first parenthesis and its partner.
fn parenthesised(text: &[u8]) -> &[u8] {
    let Some(inner) = text.trim_ascii_start().strip_prefix(b"(") else {
        return b"";
    };
    // `(auth failed, 1 attempts in 2 secs) (auth_failed)`: 2.4 adds a code.
    let end = scan::split_once(inner, b") (").map(|(inner, _)| inner.len());
    let end = end
        .or_else(|| memchr::memrchr(b')', inner))
        .unwrap_or(inner.len());
    &inner[..end]
}

/// Attempts and seconds of `auth failed, 3 attempts in 17 secs`, `no auth attempts in 0 secs`,
/// `1 authentication attempts`, `client didn't finish SASL auth, waited 60 secs`.
fn counts(detail: &[u8]) -> (u32, Option<u64>) {
    let mut attempts = 0;
    let mut seconds = None;
    let mut previous = None;
    for word in detail.split(|byte| matches!(byte, b' ' | b',')) {
        if let Some(number) = scan::number(word) {
            previous = Some(number);
        } else if let Some(number) = previous {
            if word.starts_with(b"attempt") || word.starts_with(b"authentication") {
                attempts = u32::try_from(number).unwrap_or(u32::MAX);
            } else if word.starts_with(b"sec") {
                seconds = Some(number);
            }
            if !word.is_empty() {
                previous = None;
            }
        }
    }
    (attempts, seconds)
}

/// Kinds by what the parentheses say, which is the more exact.
const DETAILS: &[(&[u8], LoginCause)] = &[
    (b"auth failed", LoginCause::AuthFailed),
    (b"authorization failed", LoginCause::AuthFailed),
    (
        b"tried to use disallowed plaintext auth",
        LoginCause::PlaintextDisallowed,
    ),
    (
        b"tried to use disabled plaintext auth",
        LoginCause::PlaintextDisallowed,
    ),
    (b"cleartext auth", LoginCause::PlaintextDisallowed),
    (
        b"tried to use disallowed cleartext auth",
        LoginCause::PlaintextDisallowed,
    ),
    (
        b"tried to use unsupported auth mechanism",
        LoginCause::UnsupportedMechanism,
    ),
    (b"cert required", LoginCause::Certificate),
    (b"client sent an invalid cert", LoginCause::Certificate),
    (b"client didn't send a cert", LoginCause::Certificate),
    (b"user disabled", LoginCause::Disabled),
    (b"password expired", LoginCause::Disabled),
    (b"login disabled", LoginCause::Disabled),
    (b"internal failure", LoginCause::Internal),
    (b"auth process communication failure", LoginCause::Internal),
    (
        b"auth service reported temporary failure",
        LoginCause::Internal,
    ),
    (b"disconnected before auth was ready", LoginCause::Internal),
    (b"disconnected before greeting", LoginCause::Left),
    (b"proxy dest auth failed", LoginCause::Proxy),
    (b"client didn't finish SASL auth", LoginCause::Unfinished),
    (b"disconnected while authenticating", LoginCause::Unfinished),
    (
        b"disconnected while finishing login",
        LoginCause::Unfinished,
    ),
    (b"aborted authentication", LoginCause::Unfinished),
    (b"sent invalid base64", LoginCause::Unfinished),
    (b"disconnected during TLS handshake", LoginCause::TlsFailed),
    (b"no auth attempts", LoginCause::NoAttempts),
    (b"0 authentication attempts", LoginCause::NoAttempts),
];

/// Kinds by what stands before the parentheses.
const REASONS: &[(&[u8], LoginCause)] = &[
    (
        b"Maximum number of connections",
        LoginCause::TooManyConnections,
    ),
    (b"Too many invalid", LoginCause::TooManyCommands),
    (b"Too many bad", LoginCause::TooManyCommands),
    (b"Plaintext authentication", LoginCause::PlaintextDisallowed),
    (b"Cleartext authentication", LoginCause::PlaintextDisallowed),
    (b"Internal login failure", LoginCause::Internal),
    (b"Auth process broken", LoginCause::Internal),
    (
        b"Authentication server isn't responding",
        LoginCause::Internal,
    ),
    (b"Auth process not responding", LoginCause::Internal),
    (b"TLS initialization failed", LoginCause::TlsFailed),
    (b"Login disabled", LoginCause::Disabled),
    (b"Inactivity", LoginCause::Inactivity),
    (b"nactivity", LoginCause::Inactivity),
    (b"timed out", LoginCause::Inactivity),
    (b"Timeout while", LoginCause::Inactivity),
    (b"Shutting down", LoginCause::Server),
    (b"shutting down", LoginCause::Server),
    (b"Kicked", LoginCause::Server),
    (b"Connection queue full", LoginCause::Server),
];

fn end_cause(whole: &[u8], detail: &[u8], who: &Who<'_>) -> LoginCause {
    let tls_failed = contains(whole, b"SSL_accept() f")
        || contains(whole, b"SSL_accept() syscall")
        || who.tls == Tls::Handshaking && contains(who.tls_end, b"fail");
    if tls_failed {
        return LoginCause::TlsFailed;
    }
    let by_detail = DETAILS
        .iter()
        .find(|(words, _)| detail.starts_with(words))
        .map(|(_, c)| *c);
    let by_reason = || {
        REASONS
            .iter()
            .find(|(words, _)| contains(whole, words))
            .map(|(_, c)| *c)
    };
    let cause = match by_detail {
        Some(LoginCause::NoAttempts | LoginCause::Left) => by_reason().or(by_detail),
        Some(cause) => Some(cause),
        None => by_reason(),
    };
    cause.unwrap_or_else(|| match detail {
        [b'1'..=b'9', ..] if contains(detail, b"authentication attempt") => LoginCause::AuthFailed,
        b"" => LoginCause::Left,
        _ => LoginCause::Other,
    })
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    memchr::memmem::find(text, words).is_some()
}

/// Splits `reason: user=<a>, rip=…` (or 0.99's `reason [192.0.2.1]`) into reason and elements.
fn split_elements(text: &[u8]) -> (&[u8], Who<'_>) {
    let start = scan::all(text, b": ").find(|at| starts_element(&text[at + 2..]));
    if let Some(at) = start {
        return (&text[..at], elements(&text[at + 2..]));
    }
    match old_peer(text) {
        Some((reason, ip)) => (
            reason,
            Who {
                rip: scan::ip(ip),
                ..Who::default()
            },
        ),
        None => (text, Who::default()),
    }
}

/// Whether an element that opens the list stands here.
fn starts_element(text: &[u8]) -> bool {
    const OPENING: &[&[u8]] = &[
        b"user=<",
        b"method=",
        b"rip=",
        b"lip=",
        b"session=<",
        b"real_rip=",
        b"rport=",
        b"mpid=",
        b"username=<",
        b"local_name=",
    ];
    scan::starts_any(text, OPENING)
}

/// Reads `user=<a>, method=PLAIN, rip=192.0.2.1, …`.
///
/// Names come from clients and may hold `>` and `,`, even `>, rip=192.0.2.9`. What follows the name
/// comes from the server and has each key once: the name ends at the first `>, key` after which no
/// key occurs twice.
fn elements(text: &[u8]) -> Who<'_> {
    let Some((before, after)) = scan::split_once(text, b"user=<") else {
        return Elements::read(text, Who::default()).who;
    };
    let who = Elements::read(before, Who::default()).who;
    let mut chosen = None;
    for end in memchr::memchr_iter(b'>', after) {
        let rest = &after[end + 1..];
        let rest = match rest.strip_prefix(b", ") {
            Some(rest) if is_element(rest) => rest,
            _ if rest.is_empty() => rest,
            // Custom `login_log_format_elements` may be joined by blanks.
            _ => match rest.strip_prefix(b" ") {
                Some(rest) if is_element(rest) => rest,
                _ => continue,
            },
        };
        let read = Elements::read(
            rest,
            Who {
                user: &after[..end],
                ..who
            },
        );
        let is_clean = !read.repeated;
        chosen = Some(read.who);
        if is_clean {
            break;
        }
    }
    chosen.unwrap_or(Who { user: after, ..who })
}

fn is_element(text: &[u8]) -> bool {
    starts_element(text)
        || scan::starts_any(
            text,
            &[b"TLS", b"secured", b"SSL", b"lport=", b"real_lip=", b"pid="],
        )
        || text
            .iter()
            .take(24)
            .position(|byte| *byte == b'=')
            .is_some_and(|at| {
                at > 0
                    && text[..at]
                        .iter()
                        .all(|byte| byte.is_ascii_lowercase() || *byte == b'_')
            })
}

/// Reads elements and notes whether a key came twice.
struct Elements<'a> {
    who: Who<'a>,
    seen: u16,
    repeated: bool,
}

impl<'a> Elements<'a> {
    fn read(text: &'a [u8], who: Who<'a>) -> Self {
        let mut elements = Self {
            who,
            seen: 0,
            repeated: false,
        };
        let mut rest = text;
        // A repeated key settles the matter; going on would cost a hostile line's length squared.
        while !rest.is_empty() && !elements.repeated {
            let (element, after) = next_element(rest);
            elements.take(element, rest);
            rest = after;
        }
        elements
    }

    fn take(&mut self, element: &'a [u8], from: &'a [u8]) {
        let who = &mut self.who;
        let (key, value) = scan::split_once(element, b"=").unwrap_or((element, b""));
        let bit = match key {
            b"method" => {
                who.method = value;
                0
            }
            b"rip" => {
                who.rip = scan::ip(value);
                1
            }
            b"lip" => {
                who.lip = scan::ip(value);
                2
            }
            b"session" => {
                who.session = unbracketed(value);
                3
            }
            b"mpid" => {
                who.mpid = scan::pid(value);
                4
            }
            b"rport" => {
                who.rport = scan::number(value).and_then(|port| u16::try_from(port).ok());
                5
            }
            b"lport" => {
                who.lport = scan::number(value).and_then(|port| u16::try_from(port).ok());
                6
            }
            b"real_rip" => {
                who.real_rip = scan::ip(value);
                7
            }
            _ => return self.take_tls(element, from),
        };
        self.repeated |= self.seen & (1 << bit) != 0;
        self.seen |= 1 << bit;
    }

    /// `TLS`, `TLS: Connection closed`, `TLS handshaking: …`, `secured`,
    /// `TLSv1.3 with cipher X (256/256 bits)`.
    fn take_tls(&mut self, element: &'a [u8], from: &'a [u8]) {
        let who = &mut self.who;
        if element == b"secured" {
            who.tls = Tls::Secured;
        } else if let Some(text) = element.strip_prefix(b"TLS handshak") {
            who.tls = Tls::Handshaking;
            // An OpenSSL error may hold commas: it goes on to the next known key.
            let text = scan::split_once(text, b": ").map_or(&b""[..], |(_, text)| text);
            let skipped = element.len() - text.len();
            let end = memchr::memmem::find(from, b", session=<").unwrap_or(element.len());
            who.tls_end = from.get(skipped..end.max(element.len())).unwrap_or(text);
        } else if matches!(element, b"TLS" | b"SSL") {
            who.tls = Tls::Tls;
        } else if let Some(text) = element.strip_prefix(b"TLS: ") {
            who.tls = Tls::Tls;
            if scan::starts_any(text, &[b"TLSv", b"SSLv"]) {
                who.tls_text = text;
            } else if who.tls_end.is_empty() {
                who.tls_end = text;
            }
        } else if scan::starts_any(element, &[b"TLSv", b"SSLv", b"TLS with", b"TLS "]) {
            who.tls = if who.tls == Tls::None {
                Tls::Tls
            } else {
                who.tls
            };
            who.tls_text = element;
        }
    }
}

/// `vnxc` of `<vnxc>`.
fn unbracketed(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"<")
        .and_then(|value| value.strip_suffix(b">"))
        .unwrap_or(value)
}

/// Splits at the next `, `, or at a blank before a known key where a custom format has no commas.
fn next_element(text: &[u8]) -> (&[u8], &[u8]) {
    let comma = memchr::memmem::find(text, b", ").unwrap_or(text.len());
    let element = &text[..comma];
    let rest = text.get(comma + 2..).unwrap_or(b"");
    let blank = memchr::memchr_iter(b' ', element).find(|at| {
        let next = &element[at + 1..];
        starts_element(next) || is_word(next, b"TLS") || is_word(next, b"secured")
    });
    match blank {
        Some(blank) => (&text[..blank], &text[blank + 1..]),
        None => (element, rest),
    }
}

fn is_word(text: &[u8], word: &[u8]) -> bool {
    text.strip_prefix(word)
        .is_some_and(|rest| matches!(rest.first(), None | Some(b' ')))
}

/// `(user,host:port): text: user=<…>, …` behind `proxy`; 2.2 has `(user): `.
fn proxy(text: &[u8]) -> Option<Says<'_>> {
    let (inner, text) = match text.strip_prefix(b"(") {
        Some(rest) => scan::split_once(rest, b"): ")?,
        None => (&b""[..], text.strip_prefix(b": ")?),
    };
    let (user, to) = match memchr::memrchr(b',', inner) {
        Some(comma) => (&inner[..comma], &inner[comma + 1..]),
        None => (inner, &b""[..]),
    };
    let (text, who) = split_elements(text);
    let what = match text {
        text if scan::starts_any(text, &[b"Started proxying", b"started proxying"]) => {
            ProxyStep::Started
        }
        text if scan::starts_any(
            text,
            &[b"Disconnected by", b"disconnecting", b"Disconnected"],
        ) =>
        {
            ProxyStep::Ended
        }
        text if contains(text, b"ailed")
            || contains(text, b"timed out")
            || contains(text, b"refused") =>
        {
            ProxyStep::Failed
        }
        _ => ProxyStep::Note,
    };
    let to = if to.is_empty() {
        proxy_target(text)
    } else {
        to
    };
    Some(Says::Proxy(Proxy {
        what,
        user,
        to,
        text,
        who,
    }))
}

/// The server in `started proxying to 10.0.0.1:143`, `disconnecting 10.0.0.1 (…)`.
fn proxy_target(text: &[u8]) -> &[u8] {
    let rest = scan::strip_any(
        text,
        &[
            b"started proxying to ",
            b"Started proxying to ",
            b"disconnecting ",
            b"Login failed to ",
        ],
    );
    let Some(rest) = rest else { return b"" };
    let rest = rest.strip_prefix(b"<").unwrap_or(rest);
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b' ' | b'>' | b','))
        .unwrap_or(rest.len());
    rest[..end].strip_suffix(b":").unwrap_or(&rest[..end])
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
