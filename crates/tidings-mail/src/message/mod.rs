//! Messages: what became of each mail, folded from its events.
//!
//! A [`Message`] is the row a list shows: who sent it, to whom, and a verdict per recipient. It
//! follows from events alone, so a late line always corrects it and all messages can be made
//! again from the history. [`Folder`] keeps the messages that may still change; a message is
//! *settled*, handed out once and forgotten, when all its recipients are final and nothing was
//! heard of it for a while.

mod codec;
mod depth;
mod evidence;
mod facts;
mod fold;
mod index;
mod joins;
mod leg;
mod lives;
mod seams;
mod sessions;
mod settled;
mod view;
mod weight;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Deref;

pub use depth::QueueDepth;
pub(crate) use facts::may_refuse;
pub use fold::{Folder, FolderLimits, Name, refused_id};
pub use leg::Leg;
pub use settled::{Reopen, Since};

/// A text of its own, or borrowed.
trait Text: Deref<Target = str> {}
impl<S: Deref<Target = str>> Text for S {}

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
pub struct Recipient<S = String> {
    /// Address to which it was sent in the end; empty where the log does not name it.
    pub address: S,
    /// Address before aliases and rewriting, where it is another one.
    pub original_address: Option<S>,
    /// Verdict.
    pub verdict: Option<Verdict>,
    /// When the verdict was reached, in nanoseconds since the unix epoch.
    pub time_ns: i64,
    /// The reply or reason, as logged.
    pub reply: S,
    /// SMTP reply code.
    pub code: Option<u16>,
    /// Enhanced status code.
    pub dsn: Option<S>,
    /// What the reply means: `mailbox-full`, …
    pub class: Option<&'static str>,
    /// Whom or what it is about: `recipient`, …
    pub scope: Option<&'static str>,
    /// What to do: `fix-address`, …
    pub action: Option<&'static str>,
    /// Whose server gave the reply: `google`, …
    pub provider: Option<S>,
    /// The relay as logged: `mx.example[192.0.2.1]:25`.
    pub relay: Option<S>,
    /// How long it took, in milliseconds, from arrival to the verdict.
    pub delay_ms: Option<u64>,
    /// Delays by phase as logged: before the queue manager, in it, connection, transmission.
    pub delays: Option<S>,
    /// The leg that reached the verdict.
    pub leg: u64,
    /// How often delivery was tried; of a refused command, how often the log says that it was refused.
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
    /// It was given to a program of its own machine, which told of mail with the same Message-ID, or
    /// from where such mail came.
    MessageId,
    /// An operator had the server take it up anew, under a new queue id.
    Requeue,
    /// A recipient was refused before the message had a queue id (`to`), in the same session, and
    /// the same transaction as far as anything tells, as the leg of the message (`from`).
    Session,
}

impl JoinBy {
    /// All ways of joining.
    pub const ALL: [JoinBy; 7] = [
        JoinBy::ContentFilter,
        JoinBy::NextHopReply,
        JoinBy::LmtpReply,
        JoinBy::Forward,
        JoinBy::MessageId,
        JoinBy::Requeue,
        JoinBy::Session,
    ];

    /// The word for it: `next-hop-reply`.
    pub fn as_str(self) -> &'static str {
        match self {
            JoinBy::ContentFilter => "content-filter",
            JoinBy::NextHopReply => "next-hop-reply",
            JoinBy::LmtpReply => "lmtp-reply",
            JoinBy::Forward => "forward",
            JoinBy::MessageId => "message-id",
            JoinBy::Requeue => "requeue",
            JoinBy::Session => "session",
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
pub struct Relation<S = String> {
    /// This message is a notification about the other (`parent`), or the other one about this.
    pub is_parent: bool,
    /// Queue id of the other message at the same host.
    pub queue_id: S,
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

/// A message with its verdict per recipient; its texts are its own, or borrowed.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Message<S = String> {
    /// Id of its first leg; `get` by the id of any leg answers this message.
    pub id: u64,
    /// Accepted, or refused at the door.
    pub kind: Kind,
    /// When it was first heard of, in nanoseconds since the unix epoch.
    pub time_ns: i64,
    /// When it was last heard of.
    pub last_ns: i64,
    /// Message-ID as logged.
    pub message_id: Option<S>,
    /// Queue ids of its legs, in order.
    pub queue_ids: Vec<S>,
    /// Ids of its legs, in order.
    pub legs: Vec<u64>,
    /// Envelope sender; `<>` for the null sender.
    pub from: Option<S>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Hosts that handled it, in order.
    pub hosts: Vec<S>,
    /// Name of the client that brought it.
    pub client_name: Option<S>,
    /// Address of the client that brought it.
    pub client_ip: Option<S>,
    /// Account that signed in to send it.
    pub account: Option<S>,
    /// Its recipients, in the order of their first mention.
    pub recipients: Vec<Recipient<S>>,
    /// How its legs were joined.
    pub joins: Vec<Join>,
    /// Messages that came of it, and the one it came of.
    pub relations: Vec<Relation<S>>,
}

impl Message<&str> {
    /// The same with texts of its own.
    pub fn into_owned(self) -> Message {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let all = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        Message {
            id: self.id,
            kind: self.kind,
            time_ns: self.time_ns,
            last_ns: self.last_ns,
            message_id: owned(self.message_id),
            queue_ids: all(self.queue_ids),
            legs: self.legs,
            from: owned(self.from),
            size: self.size,
            hosts: all(self.hosts),
            client_name: owned(self.client_name),
            client_ip: owned(self.client_ip),
            account: owned(self.account),
            recipients: self
                .recipients
                .into_iter()
                .map(Recipient::into_owned)
                .collect(),
            joins: self.joins,
            relations: self
                .relations
                .into_iter()
                .map(|relation| Relation {
                    is_parent: relation.is_parent,
                    queue_id: relation.queue_id.to_owned(),
                })
                .collect(),
        }
    }
}

impl Recipient<&str> {
    fn into_owned(self) -> Recipient {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Recipient {
            address: self.address.to_owned(),
            original_address: owned(self.original_address),
            verdict: self.verdict,
            time_ns: self.time_ns,
            reply: self.reply.to_owned(),
            code: self.code,
            dsn: owned(self.dsn),
            class: self.class,
            scope: self.scope,
            action: self.action,
            provider: owned(self.provider),
            relay: owned(self.relay),
            delay_ms: self.delay_ms,
            delays: owned(self.delays),
            leg: self.leg,
            attempts: self.attempts,
        }
    }
}

impl<S> Message<S> {
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
