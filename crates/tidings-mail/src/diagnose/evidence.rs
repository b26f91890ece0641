//! How a diagnosis knows what it says: the kind of evidence, how far to trust it, and whether the
//! refusal is for now or for good.

/// How far a diagnosis can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// A rule of thumb (a bare `550` after RCPT TO), to be shown as "probably".
    Guess,
    /// Usually right: a common wording, or a specific enhanced status code.
    Likely,
    /// The server said so in words that mean nothing else.
    Sure,
}

impl Confidence {
    /// Every degree, weakest first.
    pub const ALL: [Self; 3] = [Self::Guess, Self::Likely, Self::Sure];

    /// The stable text: `guess`, `likely`, `sure`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::Likely => "likely",
            Self::Sure => "sure",
        }
    }

    /// The degree with this stable text, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

/// Which part of the reply decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// Words of the text.
    Wording,
    /// The enhanced status code (`5.2.2`).
    Enhanced,
    /// The three-digit reply code (`552`), with the stage of the dialogue if known.
    Code,
    /// Only the stage of the dialogue.
    Stage,
    /// Nothing.
    Nothing,
}

impl Evidence {
    /// The stable text: `wording`, `enhanced`, `code`, `stage`, `nothing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wording => "wording",
            Self::Enhanced => "enhanced",
            Self::Code => "code",
            Self::Stage => "stage",
            Self::Nothing => "nothing",
        }
    }
}

/// What our queue made of a message after the reply, where that is known: it decides what can still
/// be done. A reply that was for now is final once the queue gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fate {
    /// Not known: the reply itself tells.
    #[default]
    Open,
    /// The message is still queued and tried again by itself.
    Waiting,
    /// The message was refused or returned for good.
    Refused,
    /// Every attempt failed for now, until its time in the queue ran out.
    GivenUp,
}

impl Fate {
    /// Whether nothing is tried again.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Refused | Self::GivenUp)
    }

    /// For now or for good, given what the reply says of that.
    pub(super) const fn permanence(self, said: Permanence) -> Permanence {
        match self {
            Self::Open => said,
            Self::Waiting => Permanence::Temporary,
            Self::Refused | Self::GivenUp => Permanence::Permanent,
        }
    }
}

/// Whether it is over, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permanence {
    /// Success (2xx, 3xx).
    Done,
    /// For now (4xx): the queue tries again.
    Temporary,
    /// For good (5xx): the message bounces.
    Permanent,
    /// The text has no code; an MTA treats most such failures as temporary.
    Unknown,
}

impl Permanence {
    /// The stable text: `done`, `temporary`, `permanent`, `unknown`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Temporary => "temporary",
            Self::Permanent => "permanent",
            Self::Unknown => "unknown",
        }
    }
}

/// Who said it to whom; decides whose "the IP address", "the domain" and "the server" are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// The server we deliver to answered us, or our client failed on the way to it.
    #[default]
    Outbound,
    /// Our server answered a client (`reject:` lines, Exim's `rejected RCPT`).
    Inbound,
    /// A part of our own system answered another one: LMTP to the mail store, a content filter on
    /// the loopback address.
    Local,
}
