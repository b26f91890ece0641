//! What somebody who wants to deceive or to break something puts into the fields that they fill.

/// Statements of Postfix, Dovecot and others: `{H}` stands for text that a stranger chooses, `{N}`
/// for a number, `{Q}` for the queue id of a message of the stranger's own.
pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("postfix/smtpd[666]", "connect from {H}[198.51.100.66]"),
    ("postfix/smtpd[666]", "{Q}: client={H}[198.51.100.66]"),
    (
        "postfix/submission/smtpd[666]",
        "{Q}: client={H}[198.51.100.66], sasl_method={H}, sasl_username={H}",
    ),
    (
        "postfix/smtpd[666]",
        "NOQUEUE: reject: RCPT from {H}[198.51.100.66]: 554 5.7.1 <{H}>: Relay access denied; from=<{H}> to=<{H}> proto=ESMTP helo=<{H}>",
    ),
    (
        "postfix/smtpd[666]",
        "NOQUEUE: reject: HELO from unknown[198.51.100.66]: 450 4.7.1 <{H}>: Helo command rejected: {H}; proto=SMTP helo=<{H}>",
    ),
    (
        "postfix/smtpd[666]",
        "{Q}: reject: DATA from {H}[198.51.100.66]: 550 5.5.3 <DATA>: Data command rejected: {H}; from=<{H}> to=<{H}> proto=ESMTP helo=<{H}>",
    ),
    (
        "postfix/smtpd[666]",
        "{Q}: hold: header Subject: {H} from {H}[198.51.100.66]; from=<{H}> to=<{H}> proto=ESMTP helo=<{H}>: {H}",
    ),
    (
        "postfix/smtpd[666]",
        "NOQUEUE: filter: RCPT from {H}[198.51.100.66]: <{H}>: Sender address triggers FILTER {H}; from=<{H}> to=<{H}> proto=ESMTP helo=<{H}>",
    ),
    (
        "postfix/smtpd[666]",
        "warning: {H}[198.51.100.66]: SASL LOGIN authentication failed: {H}, sasl_username={H}",
    ),
    (
        "postfix/smtpd[666]",
        "warning: hostname {H} does not resolve to address 198.51.100.66: {H}",
    ),
    (
        "postfix/smtpd[666]",
        "warning: non-SMTP command from {H}[198.51.100.66]: {H}",
    ),
    (
        "postfix/smtpd[666]",
        "warning: Illegal address syntax from {H}[198.51.100.66] in MAIL command: {H}",
    ),
    (
        "postfix/smtpd[666]",
        "too many errors after {H} from {H}[198.51.100.66]",
    ),
    (
        "postfix/smtpd[666]",
        "lost connection after {H} from {H}[198.51.100.66]",
    ),
    (
        "postfix/smtpd[666]",
        "disconnect from {H}[198.51.100.66] ehlo={N} mail={N} quit={N} commands={N}/{N}",
    ),
    (
        "postfix/smtpd[666]",
        "Anonymous TLS connection established from {H}[198.51.100.66]: {H} with cipher {H} ({N}/{N} bits)",
    ),
    (
        "postfix/postscreen[667]",
        "CONNECT from [198.51.100.66]:{N} to [192.0.2.25]:25",
    ),
    (
        "postfix/postscreen[667]",
        "PREGREET {N} after {N} from [198.51.100.66]:4711: {H}",
    ),
    (
        "postfix/postscreen[667]",
        "NOQUEUE: reject: RCPT from [198.51.100.66]:4711: 550 5.7.1 Service unavailable; client [198.51.100.66] blocked using {H}; from=<{H}>, to=<{H}>, proto=ESMTP, helo=<{H}>",
    ),
    ("postfix/cleanup[668]", "{Q}: message-id=<{H}>"),
    ("postfix/cleanup[668]", "{Q}: resent-message-id={H}"),
    (
        "postfix/cleanup[668]",
        "{Q}: warning: header Subject: {H} from {H}[198.51.100.66]; from=<{H}> to=<{H}> proto=ESMTP helo=<{H}>",
    ),
    (
        "postfix/cleanup[668]",
        "{Q}: reject: header From: {H} from {H}[198.51.100.66]; from=<{H}> to=<{H}> proto=ESMTP helo=<{H}>: 5.7.1 {H}",
    ),
    (
        "postfix/cleanup[668]",
        "{Q}: milter-reject: END-OF-MESSAGE from {H}[198.51.100.66]: 5.7.1 {H}; from=<{H}> to=<{H}> proto=ESMTP helo=<{H}>",
    ),
    ("postfix/pickup[669]", "{Q}: uid={N} from=<{H}>"),
    (
        "postfix/qmgr[10]",
        "{Q}: from=<{H}>, size={N}, nrcpt={N} (queue active)",
    ),
    (
        "postfix/qmgr[10]",
        "{Q}: from=<{H}>, status=expired, returned to sender",
    ),
    (
        "postfix/smtp[670]",
        "{Q}: to=<{H}>, orig_to=<{H}>, relay={H}[203.0.113.66]:{N}, delay={N}, delays={N}/{N}/{N}/{N}, dsn=2.0.0, status=sent ({H})",
    ),
    (
        "postfix/smtp[670]",
        "{Q}: to=<{H}>, relay={H}[203.0.113.66]:25, conn_use={N}, delay=1, delays=0/0/0/1, dsn={N}.{N}.{N}, status=deferred (host {H}[203.0.113.66] said: {N} {H} (in reply to RCPT TO command))",
    ),
    (
        "postfix/smtp[670]",
        "{Q}: to=<{H}>, relay=none, delay=1, delays=0/0/1/0, dsn=5.4.4, status=bounced (Host or domain name not found. Name service error for name={H} type=AAAA: {H})",
    ),
    (
        "postfix/smtp[670]",
        "{Q}: host {H}[203.0.113.66] said: {N} {H} (in reply to MAIL FROM command)",
    ),
    ("postfix/smtp[670]", "connect to {H}[203.0.113.66]:{N}: {H}"),
    (
        "postfix/lmtp[671]",
        "{Q}: to=<{H}>, relay=mx[private/dovecot-lmtp], delay={N}, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 <{H}> {H} Saved)",
    ),
    (
        "postfix/local[672]",
        "{Q}: to=<{H}>, orig_to=<{H}>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to command: {H})",
    ),
    (
        "postfix/pipe[673]",
        "{Q}: to=<{H}>, relay={H}, delay=0, delays=0/0/0/0, dsn=5.1.1, status=bounced (user unknown. Command output: {H} )",
    ),
    (
        "postfix/bounce[674]",
        "{Q}: sender non-delivery notification: {H}",
    ),
    ("postfix/postsuper[675]", "{Q}: released from hold"),
    ("postfix/smtpd[666]", "fatal: {H}"),
    (
        "postfix/anvil[676]",
        "statistics: max connection rate {N}/{N}s for (smtp:{H}) at {H}",
    ),
    (
        "dovecot",
        "imap-login: Login: user=<{H}>, method={H}, rip=198.51.100.66, lip=192.0.2.25, mpid={N}, TLS, session=<{H}>",
    ),
    (
        "dovecot",
        "imap-login: Disconnected (auth failed, {N} attempts in {N} secs): user=<{H}>, method=PLAIN, rip=198.51.100.66, lip=192.0.2.25, session=<{H}>",
    ),
    (
        "dovecot",
        "imap({H})<{N}><{H}>: Disconnected: {H} in={N} out={N} deleted={N} expunged={N}",
    ),
    (
        "dovecot",
        "lmtp({H})<{N}><aBcDeFgHiJkLmNoPqRsTuV:1>: msgid=<{H}>: saved mail to {H}",
    ),
    (
        "dovecot",
        "lmtp({H})<{N}><aBcDeFgHiJkLmNoPqRsTuV:1>: sieve: msgid=<{H}>: stored mail into mailbox '{H}'",
    ),
    (
        "dovecot",
        "lmtp({H})<{N}><aBcDeFgHiJkLmNoPqRsTuV:1>: sieve: msgid=<{H}>: rejected message from <{H}> ({H})",
    ),
    (
        "dovecot",
        "auth: passwd-file({H},198.51.100.66): unknown user ({H})",
    ),
    (
        "amavis[677]",
        "(00677-01) Blocked SPAM {RelayedInbound}, [198.51.100.66]:1 <{H}> -> <{H}>, Message-ID: <{H}>, queued_as: {H}, {N} ms",
    ),
    ("opendkim[678]", "{Q}: {H} [198.51.100.66] not internal"),
    ("{H}[{N}]", "{H}"),
    ("{H}", "{H}: {H}"),
];

/// Numbers that fit nowhere.
pub(crate) const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "65536",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e999",
    "",
    "0x7f",
    "1.5.5",
];

/// Texts against the reader of a log, with the ids of honest messages in them.
pub(crate) fn texts(honest_id: &str, honest_address: &str) -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = [
        "x> to=<y> status=sent",
        "x>, status=sent (250 2.0.0 Ok: queued as 4jXB999999z1YS)",
        "x)\u{2028}y",
        "]: postfix/qmgr[1]: ",
        "[198.51.100.1]: [198.51.100.2]:25: ",
        "message repeated 99999999999 times: [ x ]",
        "last message repeated 4294967295 times",
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "\u{202e}\u{200f}\u{feff}",
        "\0\0\0",
        "\t\r\u{b}\u{c}\u{7f}",
        "%s%s%n%x",
        "\"},{\"type\":\"delivery.delivered\"},{\"",
        "'; DROP TABLE messages; --",
        "<script>alert(1)</script>",
        "=?utf-8?q?=00?= ..@..@..>><<((()))",
        "ünïcödé@exämple.test",
        "a=b, c=d, e=f; g=h; i=<j> k=<l>: m: n",
        "",
        " ",
        ">",
        "<",
        ",",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    texts.push(b"\xff\xfe\x80\xc3(\xf0\x9f".to_vec());
    texts.push(
        format!(
            "x>, relay=evil[203.0.113.66]:25, delay=0, delays=0/0/0/0, dsn=5.1.1, status=bounced (no) postfix/smtp[1]: {honest_id}: to=<{honest_address}>, relay=evil[203.0.113.66]:25, delay=0, delays=0/0/0/0, dsn=5.1.1, status=bounced (no)"
        )
        .into_bytes(),
    );
    texts.push(format!("250 2.0.0 Ok: queued as {honest_id}").into_bytes());
    texts.push(format!("{honest_id}: removed").into_bytes());
    texts.push(honest_address.as_bytes().to_vec());
    texts.push(vec![b'a'; 64 << 10]);
    texts.push(b"a=<b>, ".repeat(3000));
    texts
}

/// A statement with its places filled.
pub(crate) fn fill(template: &str, text: &[u8], number: &str, queue_id: &str) -> Vec<u8> {
    let mut filled = Vec::with_capacity(template.len() + text.len());
    let mut rest = template;
    while let Some(at) = rest
        .find("{H}")
        .into_iter()
        .chain(rest.find("{N}"))
        .chain(rest.find("{Q}"))
        .min()
    {
        filled.extend_from_slice(&rest.as_bytes()[..at]);
        match &rest[at..at + 3] {
            "{H}" => filled.extend_from_slice(text),
            "{N}" => filled.extend_from_slice(number.as_bytes()),
            _ => filled.extend_from_slice(queue_id.as_bytes()),
        }
        rest = &rest[at + 3..];
    }
    filled.extend_from_slice(rest.as_bytes());
    filled
}
