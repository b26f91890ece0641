//! Messages: what became of each mail, folded from its events.
//!
//! A [`Message`] is the row a list shows: who sent it, to whom, and a verdict per recipient. It
//! follows from events alone, so a late line always corrects it and all messages can be made
//! again from the history. [`Folder`] keeps the messages that may still change; a message is
//! *settled*, handed out once and forgotten, when all its recipients are final and nothing was
//! heard of it for a while.

mod codec;
mod evidence;
mod facts;
mod fold;
mod index;
mod joins;
mod leg;
mod view;

#[cfg(test)]
mod tests;

use std::fmt;

pub use fold::{Folder, FolderLimits, Reopen};
pub use leg::Leg;

/// What became of a message for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The next server, or the mailbox, took it.
    Delivered,
    /// The last attempt failed; it will be tried again.
    Deferred,
    /// It failed for good, and was returned.
    Bounced,
    /// It was tried until its time was up, and returned.
    Expired,
    /// It was refused while it was being received.
    Rejected,
    /// It was taken and thrown away, by rule or by an operator.
    Discarded,
    /// It waits in the queue until an operator releases it.
    Held,
    /// A content filter took it out of the way.
    Filtered,
    /// It was accepted, and no attempt has ended yet.
    InQueue,
    /// The log does not say.
    Unknown,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Verdict; 10] = [
        Verdict::Delivered,
        Verdict::Deferred,
        Verdict::Bounced,
        Verdict::Expired,
        Verdict::Rejected,
        Verdict::Discarded,
        Verdict::Held,
        Verdict::Filtered,
        Verdict::InQueue,
        Verdict::Unknown,
    ];

    /// The word for it: `delivered`, `in queue`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Delivered => "delivered",
            Verdict::Deferred => "deferred",
            Verdict::Bounced => "bounced",
            Verdict::Expired => "expired",
            Verdict::Rejected => "rejected",
            Verdict::Discarded => "discarded",
            Verdict::Held => "held",
            Verdict::Filtered => "filtered",
            Verdict::InQueue => "in queue",
            Verdict::Unknown => "unknown",
        }
    }

    /// Reads the word, also as `in-queue` or `inqueue`, in any letter case.
    pub fn parse(word: &str) -> Option<Verdict> {
        let plain = |text: &str| text.to_ascii_lowercase().replace([' ', '-', '_'], "");
        let word = plain(word);
        Verdict::ALL
            .into_iter()
            .find(|verdict| plain(verdict.as_str()) == word)
    }

    /// Nothing more is to come for the recipient.
    pub fn is_final(self) -> bool {
        !matches!(self, Verdict::Deferred | Verdict::Held | Verdict::InQueue)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One recipient of a message, with what became of it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Recipient {
    /// Address to which it was sent in the end; empty where the log does not name it.
    pub address: String,
    /// Address before aliases and rewriting, where it is another one.
    pub original_address: Option<String>,
    /// Verdict.
    pub verdict: Option<Verdict>,
    /// When the verdict was reached, in nanoseconds since the unix epoch.
    pub time_ns: i64,
    /// The reply or reason, as logged.
    pub reply: String,
    /// SMTP reply code.
    pub code: Option<u16>,
    /// Enhanced status code.
    pub dsn: Option<String>,
    /// What the reply means: `mailbox-full`, …
    pub class: Option<&'static str>,
    /// Whom or what it is about: `recipient`, …
    pub scope: Option<&'static str>,
    /// What to do: `fix-address`, …
    pub action: Option<&'static str>,
    /// Whose server gave the reply: `google`, …
    pub provider: Option<String>,
    /// The relay as logged: `mx.example[192.0.2.1]:25`.
    pub relay: Option<String>,
    /// How long it took, in milliseconds, from arrival to the verdict.
    pub delay_ms: Option<u64>,
    /// Delays by phase as logged: before the queue manager, in it, connection, transmission.
    pub delays: Option<String>,
    /// The leg that reached the verdict.
    pub leg: u64,
    /// How often delivery was tried.
    pub attempts: u32,
}

/// Why two legs are one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JoinBy {
    /// The content filter told the queue id it came from.
    ContentFilter,
    /// The next server told the id under which it queued the message, and what our servers saw
    /// of it proves that.
    NextHopReply,
    /// The mailbox server told its session id, and what its log says proves that.
    LmtpReply,
    /// The server itself forwarded it under a new queue id.
    Forward,
    /// It was given to a program of its own machine, from where mail with the same Message-ID came.
    MessageId,
}

impl JoinBy {
    /// All ways of joining.
    pub const ALL: [JoinBy; 5] = [
        JoinBy::ContentFilter,
        JoinBy::NextHopReply,
        JoinBy::LmtpReply,
        JoinBy::Forward,
        JoinBy::MessageId,
    ];

    /// The word for it: `next-hop-reply`.
    pub fn as_str(self) -> &'static str {
        match self {
            JoinBy::ContentFilter => "content-filter",
            JoinBy::NextHopReply => "next-hop-reply",
            JoinBy::LmtpReply => "lmtp-reply",
            JoinBy::Forward => "forward",
            JoinBy::MessageId => "message-id",
        }
    }
}

/// How two legs of a message were joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// Why.
    pub by: JoinBy,
    /// The earlier leg.
    pub from: u64,
    /// The later leg.
    pub to: u64,
}

/// How another message is related to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// This message is a notification about the other (`parent`), or the other one about this.
    pub is_parent: bool,
    /// Queue id of the other message at the same host.
    pub queue_id: String,
}

/// What a row of the message list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Kind {
    /// A message that a server accepted, or was accepting.
    #[default]
    Accepted,
    /// A command that was refused before there was a message.
    Refused,
}

/// A message with its verdict per recipient.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Message {
    /// Id of its first leg; `get` by the id of any leg answers this message.
    pub id: u64,
    /// Accepted, or refused at the door.
    pub kind: Kind,
    /// When it was first heard of, in nanoseconds since the unix epoch.
    pub time_ns: i64,
    /// When it was last heard of.
    pub last_ns: i64,
    /// Message-ID as logged.
    pub message_id: Option<String>,
    /// Queue ids of its legs, in order.
    pub queue_ids: Vec<String>,
    /// Ids of its legs, in order.
    pub legs: Vec<u64>,
    /// Envelope sender; `<>` for the null sender.
    pub from: Option<String>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Hosts that handled it, in order.
    pub hosts: Vec<String>,
    /// Name of the client that brought it.
    pub client_name: Option<String>,
    /// Address of the client that brought it.
    pub client_ip: Option<String>,
    /// Account that signed in to send it.
    pub account: Option<String>,
    /// Its recipients, in the order of their first mention.
    pub recipients: Vec<Recipient>,
    /// How its legs were joined.
    pub joins: Vec<Join>,
    /// Messages that came of it, and the one it came of.
    pub relations: Vec<Relation>,
}

impl Message {
    /// The verdict for the whole message: what needs attention first.
    pub fn verdict(&self) -> Verdict {
        const ATTENTION: [Verdict; 10] = [
            Verdict::Held,
            Verdict::Deferred,
            Verdict::InQueue,
            Verdict::Bounced,
            Verdict::Expired,
            Verdict::Rejected,
            Verdict::Filtered,
            Verdict::Discarded,
            Verdict::Unknown,
            Verdict::Delivered,
        ];
        let has = |verdict: &Verdict| self.recipients.iter().any(|r| r.verdict == Some(*verdict));
        ATTENTION.into_iter().find(has).unwrap_or(Verdict::Unknown)
    }
}
