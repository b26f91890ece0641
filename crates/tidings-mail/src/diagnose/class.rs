//! The words a diagnosis is made of: what went wrong, who it is about, what to do, how sure we are.
//!
//! Every enum has `ALL`, a stable kebab-case text (`as_str`) and the way back (`from_name`); the
//! texts are what filters, columns and the web page use, so they never change once released.

/// What a reply means, in the terms an admin thinks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Class {
    /// The server took the message, or the step.
    Accepted,
    /// The message was taken and thrown away on purpose.
    Discarded,
    /// Refused the first time on purpose; accepted when tried again.
    Greylisted,
    /// Too much, too fast, or over a daily limit.
    RateLimit,
    /// The server cannot do it at the moment: busy, shutting down, out of resources.
    ServerBusy,
    /// The server is broken or wrongly configured.
    ServerFault,
    /// No connection, or it broke.
    Network,
    /// A look-up in the DNS failed without an answer to build on.
    Dns,
    /// Encryption could not be agreed on, or a certificate was not accepted.
    Tls,
    /// The recipient's mailbox has no space left.
    MailboxFull,
    /// The mailbox exists but is switched off, closed or locked.
    MailboxDisabled,
    /// There is no such recipient.
    NoSuchUser,
    /// The recipient has moved to another address.
    Moved,
    /// The recipient address is not written as an address must be.
    BadAddress,
    /// The recipient's domain does not exist or takes no mail.
    NoSuchDomain,
    /// The sending IP address or domain is on a block list or has a bad name.
    Reputation,
    /// The sending host's name is not acceptable: reverse DNS, HELO.
    HostIdentity,
    /// SPF, DKIM, DMARC or ARC did not pass.
    Authentication,
    /// The sender address is not accepted.
    SenderRejected,
    /// The server does not take mail for this recipient from this client.
    RelayDenied,
    /// Signing in to the server failed, or is required.
    SmtpAuth,
    /// A rule of the receiving side says no.
    Policy,
    /// The message was taken for spam.
    Spam,
    /// The message was taken for a virus or other malware.
    Virus,
    /// The content is not allowed: attachment types, words, links.
    Content,
    /// The message is not built as the standards ask.
    MessageFormat,
    /// The message is too large.
    Size,
    /// Too many recipients in one message or transaction.
    TooManyRecipients,
    /// The message needs an SMTP extension that the server does not offer.
    Unsupported,
    /// The message goes in circles.
    Loop,
    /// The SMTP dialogue itself went wrong.
    SyntaxOrProtocol,
    /// Given up after trying for too long, or removed from the queue by an admin.
    Expired,
    /// Our own configuration, tables or programs fail.
    LocalConfiguration,
    /// The text says nothing that we know.
    Unknown,
}

impl Class {
    /// Every class, in the order of the enum.
    pub const ALL: [Self; 34] = [
        Self::Accepted,
        Self::Discarded,
        Self::Greylisted,
        Self::RateLimit,
        Self::ServerBusy,
        Self::ServerFault,
        Self::Network,
        Self::Dns,
        Self::Tls,
        Self::MailboxFull,
        Self::MailboxDisabled,
        Self::NoSuchUser,
        Self::Moved,
        Self::BadAddress,
        Self::NoSuchDomain,
        Self::Reputation,
        Self::HostIdentity,
        Self::Authentication,
        Self::SenderRejected,
        Self::RelayDenied,
        Self::SmtpAuth,
        Self::Policy,
        Self::Spam,
        Self::Virus,
        Self::Content,
        Self::MessageFormat,
        Self::Size,
        Self::TooManyRecipients,
        Self::Unsupported,
        Self::Loop,
        Self::SyntaxOrProtocol,
        Self::Expired,
        Self::LocalConfiguration,
        Self::Unknown,
    ];

    /// The stable text: `mailbox-full`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Discarded => "discarded",
            Self::Greylisted => "greylisted",
            Self::RateLimit => "rate-limit",
            Self::ServerBusy => "server-busy",
            Self::ServerFault => "server-fault",
            Self::Network => "network",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::MailboxFull => "mailbox-full",
            Self::MailboxDisabled => "mailbox-disabled",
            Self::NoSuchUser => "no-such-user",
            Self::Moved => "moved",
            Self::BadAddress => "bad-address",
            Self::NoSuchDomain => "no-such-domain",
            Self::Reputation => "reputation",
            Self::HostIdentity => "host-identity",
            Self::Authentication => "authentication",
            Self::SenderRejected => "sender-rejected",
            Self::RelayDenied => "relay-denied",
            Self::SmtpAuth => "smtp-auth",
            Self::Policy => "policy",
            Self::Spam => "spam",
            Self::Virus => "virus",
            Self::Content => "content",
            Self::MessageFormat => "message-format",
            Self::Size => "size",
            Self::TooManyRecipients => "too-many-recipients",
            Self::Unsupported => "unsupported",
            Self::Loop => "loop",
            Self::SyntaxOrProtocol => "syntax-or-protocol",
            Self::Expired => "expired",
            Self::LocalConfiguration => "local-configuration",
            Self::Unknown => "unknown",
        }
    }

    /// One plain sentence for people: what this class means, whoever said it.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Accepted => "The server accepted it.",
            Self::Discarded => "The message was accepted and then thrown away on purpose.",
            Self::Greylisted => {
                "The server refuses first attempts on purpose and accepts the message when it is tried again."
            }
            Self::RateLimit => {
                "More mail or more connections arrived in a short time than the server allows."
            }
            Self::ServerBusy => "The server cannot take the message at the moment.",
            Self::ServerFault => "The server has a fault or is wrongly configured.",
            Self::Network => "The server could not be reached, or the connection broke.",
            Self::Dns => "The DNS gave no usable answer about the domain.",
            Self::Tls => "No encrypted connection of the required kind could be set up.",
            Self::MailboxFull => "The recipient's mailbox is full.",
            Self::MailboxDisabled => {
                "The mailbox is switched off, closed or locked, so it takes no mail."
            }
            Self::NoSuchUser => "There is no mailbox with this address.",
            Self::Moved => "The recipient has moved to another address.",
            Self::BadAddress => "The recipient address is not written correctly.",
            Self::NoSuchDomain => "The recipient's domain does not exist or does not accept mail.",
            Self::Reputation => {
                "The sending IP address or domain is on a block list or has a bad reputation."
            }
            Self::HostIdentity => {
                "The name of the sending host is not acceptable: its reverse DNS entry or its HELO name is missing or wrong."
            }
            Self::Authentication => {
                "The message failed the sender checks of the receiving side (SPF, DKIM, DMARC or ARC)."
            }
            Self::SenderRejected => "The sender address is not accepted.",
            Self::RelayDenied => {
                "The server does not take mail for this recipient from this client."
            }
            Self::SmtpAuth => "Signing in to the server failed or is required.",
            Self::Policy => "A rule of the receiving side does not allow this message.",
            Self::Spam => "The message was taken for spam.",
            Self::Virus => "The message was taken for a virus or other malware.",
            Self::Content => "The message contains something that is not allowed there.",
            Self::MessageFormat => "The message is not built as the mail standards require.",
            Self::Size => "The message is larger than allowed.",
            Self::TooManyRecipients => "The message has more recipients than allowed at once.",
            Self::Unsupported => {
                "The message needs a feature that the receiving server does not have."
            }
            Self::Loop => "The message goes in circles between servers or addresses.",
            Self::SyntaxOrProtocol => "The two servers did not understand each other.",
            Self::Expired => "The message was given up after waiting too long in the queue.",
            Self::LocalConfiguration => "Our own server has a configuration or system problem.",
            Self::Unknown => "The reply gives no reason that is known here.",
        }
    }

    /// The class with this stable text, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

/// Whom or what the refusal is about: where the cause lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scope {
    /// One recipient: other recipients of the message are not affected.
    Recipient,
    /// This message: another one might pass.
    Message,
    /// The sender address or the sender's account.
    Sender,
    /// The IP address our server sends from.
    OurIp,
    /// A domain we send for.
    OurDomain,
    /// Our server or its configuration.
    OurServer,
    /// The IP address of the client that our server refused.
    TheirIp,
    /// The domain of the client that our server refused.
    TheirDomain,
    /// The other server, or the way to it.
    TheirServer,
    /// It cannot be told.
    Unknown,
}

impl Scope {
    /// Every scope, in the order of the enum.
    pub const ALL: [Self; 10] = [
        Self::Recipient,
        Self::Message,
        Self::Sender,
        Self::OurIp,
        Self::OurDomain,
        Self::OurServer,
        Self::TheirIp,
        Self::TheirDomain,
        Self::TheirServer,
        Self::Unknown,
    ];

    /// The stable text: `our-ip`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Message => "message",
            Self::Sender => "sender",
            Self::OurIp => "our-ip",
            Self::OurDomain => "our-domain",
            Self::OurServer => "our-server",
            Self::TheirIp => "their-ip",
            Self::TheirDomain => "their-domain",
            Self::TheirServer => "their-server",
            Self::Unknown => "unknown",
        }
    }

    /// The scope with this stable text, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// What the admin should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Action {
    /// Nothing.
    None,
    /// Nothing now: the queue tries again by itself. Look again only if it lasts for hours.
    Retry,
    /// Send the message again later: the server gave up, but the cause passes.
    Resend,
    /// Correct the recipient address.
    FixAddress,
    /// Correct the sender address, or have the sender sign in as the right account.
    FixSender,
    /// Change the message: content, attachments, headers.
    FixMessage,
    /// Send a smaller message.
    ShrinkMessage,
    /// Correct something of our own: DNS records, TLS, credentials, configuration, disk space.
    FixUs,
    /// Stop the cause, then ask the block list or the provider for removal.
    Delist,
    /// Send less, or more slowly.
    SlowDown,
    /// Tell the recipient by another way; they must act on their mailbox.
    AskRecipient,
    /// Ask the people who run the other server.
    AskThem,
}

impl Action {
    /// Every action, in the order of the enum.
    pub const ALL: [Self; 12] = [
        Self::None,
        Self::Retry,
        Self::Resend,
        Self::FixAddress,
        Self::FixSender,
        Self::FixMessage,
        Self::ShrinkMessage,
        Self::FixUs,
        Self::Delist,
        Self::SlowDown,
        Self::AskRecipient,
        Self::AskThem,
    ];

    /// The stable text: `fix-address`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Retry => "retry",
            Self::Resend => "resend",
            Self::FixAddress => "fix-address",
            Self::FixSender => "fix-sender",
            Self::FixMessage => "fix-message",
            Self::ShrinkMessage => "shrink-message",
            Self::FixUs => "fix-us",
            Self::Delist => "delist",
            Self::SlowDown => "slow-down",
            Self::AskRecipient => "ask-recipient",
            Self::AskThem => "ask-them",
        }
    }

    /// The action with this stable text, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == name)
    }
}
