//! What a reply of the next server tells besides its meaning: code, enhanced code, and the id
//! under which it queued the message.

/// SMTP reply code and enhanced status code at the start of a reply; zero and empty if absent.
///
/// Accepts `250 2.0.0 Ok`, `550-5.1.1 text`, `host h[ip] said: 550 5.1.1 …`.
pub(super) fn codes(text: &[u8]) -> (u16, &[u8]) {
    let reply = match memchr::memmem::find(text, b" said: ") {
        Some(at) => &text[at + 7..],
        None => match memchr::memmem::find(text, b" refused to talk to me: ") {
            Some(at) => &text[at + 24..],
            None => text,
        },
    };
    let Some((digits, rest)) = reply.split_first_chunk::<3>() else {
        return (0, b"");
    };
    if !digits.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&digits[0]) {
        return (0, b"");
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest {
        [] => (code, b""),
        [b' ' | b'-', rest @ ..] => (code, enhanced(rest)),
        _ => (0, b""),
    }
}

/// The enhanced status code `x.y.z` at the start of `text`, empty if there is none.
fn enhanced(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'.')
        .unwrap_or(text.len());
    let code = &text[..end];
    let parts = code
        .split(|byte| *byte == b'.')
        .filter(|part| (1..=3).contains(&part.len()))
        .count();
    if parts == 3 && code.len() >= 5 && code.iter().filter(|byte| **byte == b'.').count() == 2 {
        code
    } else {
        b""
    }
}

/// The id under which the next server has the message, as told in its reply.
///
/// Knows `queued as X` (Postfix, amavis and many others), `id=X` (Exim), `<rcpt> X Saved`
/// (Dovecot LMTP), `X Message accepted for delivery` (OpenSMTPD, sendmail). Where a content
/// filter passes on the reply of its own next server, the last id counts.
pub(super) fn remote_queue_id(text: &[u8]) -> Option<&[u8]> {
    const QUEUED_AS: &[u8] = b"queued as ";
    if let Some(at) = memchr::memmem::rfind(text, QUEUED_AS) {
        return id_at(&text[at + QUEUED_AS.len()..]);
    }
    if let Some(rest) = text.strip_suffix(b" Saved") {
        let at = memchr::memrchr(b' ', rest)?;
        return id_at(&rest[at + 1..]);
    }
    if let Some(at) = memchr::memmem::find(text, b" id=") {
        return id_at(&text[at + 4..]);
    }
    let at = memchr::memmem::find(text, b" Message accepted for delivery")?;
    let start = memchr::memrchr(b' ', &text[..at]).map_or(0, |blank| blank + 1);
    id_at(&text[start..at])
}

/// The word at the start of `text`, if it can be an id: 4 to 64 bytes, not a reply code.
fn id_at(text: &[u8]) -> Option<&[u8]> {
    let end = text
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || b"-_+/=:.".contains(byte)))
        .unwrap_or(text.len());
    let id = text[..end].strip_suffix(b".").unwrap_or(&text[..end]);
    ((4..=64).contains(&id.len())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_where_they_stand() {
        let cases: [(&[u8], u16, &[u8]); 8] = [
            (b"250 2.0.0 Ok: queued as X", 250, b"2.0.0"),
            (b"250 OK", 250, b""),
            (
                b"host h[192.0.2.1] said: 550-5.1.1 no (in reply to RCPT TO command)",
                550,
                b"5.1.1",
            ),
            (
                b"host h[192.0.2.1] refused to talk to me: 421 4.3.2 busy",
                421,
                b"4.3.2",
            ),
            (b"connect to h[192.0.2.1]:25: Connection refused", 0, b""),
            (b"delivered to maildir", 0, b""),
            (b"999 x", 0, b""),
            (b"25", 0, b""),
        ];
        for (text, code, dsn) in cases {
            assert_eq!(
                codes(text),
                (code, dsn),
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }

    #[test]
    fn next_ids_are_found_in_every_spelling() {
        let cases: [(&[u8], Option<&[u8]>); 7] = [
            (
                b"250 2.0.0 Ok: queued as 4jXV7t01Rpz1YS5V",
                Some(b"4jXV7t01Rpz1YS5V"),
            ),
            (
                b"250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4jXV7t01Rp",
                Some(b"4jXV7t01Rp"),
            ),
            (
                b"250 2.0.0 <a@x> WOd2OjfsAmv9AgAALsOh1Q:R2 Saved",
                Some(b"WOd2OjfsAmv9AgAALsOh1Q:R2"),
            ),
            (b"250 OK id=1xV7V6-0000E0-0I", Some(b"1xV7V6-0000E0-0I")),
            (
                b"250 2.0.0 a22cab31 Message accepted for delivery",
                Some(b"a22cab31"),
            ),
            (b"250 2.0.0 Ok", None),
            (b"delivered to command: x", None),
        ];
        for (text, id) in cases {
            assert_eq!(
                remote_queue_id(text),
                id,
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }
}
