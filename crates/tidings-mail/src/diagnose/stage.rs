//! The stages of an SMTP dialogue, and the many spellings mail servers give them in their logs.

/// The step of the dialogue that a reply answers, or at which a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Setting up the TCP connection.
    Connect,
    /// The server's greeting.
    Banner,
    /// HELO, EHLO or LHLO.
    Helo,
    /// STARTTLS and the handshake.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    MailFrom,
    /// RCPT TO.
    RcptTo,
    /// DATA or BDAT, before the message.
    Data,
    /// The dot after the message, or the last BDAT.
    EndOfData,
    /// Another command: VRFY, ETRN, RSET, QUIT, NOOP, XCLIENT.
    Other,
}

/// Spellings in lower case, longest first where one begins another.
const SPELLINGS: [(&[u8], Stage); 37] = [
    // Postfix, "in reply to … command", "while …"
    (b"end of data", Stage::EndOfData),
    (b"end-of-data", Stage::EndOfData),
    (b"end-of-message", Stage::EndOfData),
    (b"message body", Stage::EndOfData),
    (b"sending data command", Stage::Data),
    (b"sending end of data", Stage::EndOfData),
    (b"sending message body", Stage::EndOfData),
    (b"sending mail from", Stage::MailFrom),
    (b"sending rcpt to", Stage::RcptTo),
    (b"receiving the initial", Stage::Banner),
    (b"receiving the smtp", Stage::Banner),
    (b"performing the ehlo", Stage::Helo),
    (b"performing the helo", Stage::Helo),
    (b"performing the lhlo", Stage::Helo),
    (b"performing the initial", Stage::Helo),
    (b"performing the authentication", Stage::Auth),
    // Postfix, the parts of a message that cleanup's rules look at
    (b"header", Stage::EndOfData),
    (b"mime-header", Stage::EndOfData),
    (b"mime-error", Stage::EndOfData),
    (b"nested-header", Stage::EndOfData),
    (b"body", Stage::EndOfData),
    (b"content", Stage::EndOfData),
    // Exim, "after …"
    (b"initial connection", Stage::Banner),
    (b"pipelined mail", Stage::MailFrom),
    (b"pipelined rcpt", Stage::RcptTo),
    (b"pipelined data", Stage::Data),
    (b"sending data block", Stage::EndOfData),
    // commands
    (b"mail", Stage::MailFrom),
    (b"rcpt", Stage::RcptTo),
    (b"data", Stage::Data),
    (b"bdat", Stage::EndOfData),
    (b"ehlo", Stage::Helo),
    (b"helo", Stage::Helo),
    (b"lhlo", Stage::Helo),
    (b"starttls", Stage::StartTls),
    (b"auth", Stage::Auth),
    (b"connect", Stage::Connect),
];

/// Other commands, which say nothing about the message.
const OTHERS: [&[u8]; 7] = [
    b"vrfy",
    b"etrn",
    b"rset",
    b"quit",
    b"noop",
    b"xclient",
    b"xforward",
];

impl Stage {
    /// The stage that a log names at the start of `text`, in any case: `RCPT TO command`,
    /// `end of DATA command`, `END-OF-MESSAGE`, `sending message body`, `MAIL FROM:<a@b>`, …
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let starts = |spelling: &[u8]| {
            text.get(..spelling.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(spelling))
        };
        if let Some((_, stage)) = SPELLINGS.iter().find(|(spelling, _)| starts(spelling)) {
            return Some(*stage);
        }
        OTHERS
            .iter()
            .any(|other| starts(other))
            .then_some(Self::Other)
    }

    /// The stable text: `connect`, `banner`, `helo`, `starttls`, `auth`, `mail-from`, `rcpt-to`,
    /// `data`, `end-of-data`, `other`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Banner => "banner",
            Self::Helo => "helo",
            Self::StartTls => "starttls",
            Self::Auth => "auth",
            Self::MailFrom => "mail-from",
            Self::RcptTo => "rcpt-to",
            Self::Data => "data",
            Self::EndOfData => "end-of-data",
            Self::Other => "other",
        }
    }

    /// The stage with this stable text, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Connect,
            Self::Banner,
            Self::Helo,
            Self::StartTls,
            Self::Auth,
            Self::MailFrom,
            Self::RcptTo,
            Self::Data,
            Self::EndOfData,
            Self::Other,
        ]
        .into_iter()
        .find(|s| s.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_spellings_of_postfix_and_exim() {
        let of = |text: &str| Stage::from_text(text.as_bytes());
        assert_eq!(of("RCPT TO command"), Some(Stage::RcptTo));
        assert_eq!(of("end of DATA command"), Some(Stage::EndOfData));
        assert_eq!(of("DATA command"), Some(Stage::Data));
        assert_eq!(of("END-OF-MESSAGE from x"), Some(Stage::EndOfData));
        assert_eq!(
            of("sending end of data -- message may be"),
            Some(Stage::EndOfData)
        );
        assert_eq!(
            of("receiving the initial server greeting"),
            Some(Stage::Banner)
        );
        assert_eq!(of("MAIL FROM:<a@b>"), Some(Stage::MailFrom));
        assert_eq!(of("VRFY"), Some(Stage::Other));
        assert_eq!(of("lunch"), None);
    }

    #[test]
    fn no_spelling_hides_behind_a_shorter_one() {
        for (i, (text, stage)) in SPELLINGS.iter().enumerate() {
            for (earlier, other) in &SPELLINGS[..i] {
                assert!(!text.starts_with(earlier) || stage == other, "{text:?}");
            }
        }
    }
}
