//! What searches answer with: the objects that `--json` prints one a line, and that a running
//! server sends over its socket. Scripts rely on them: fields are added, never renamed.
//!
//! Times are RFC 3339 with fractions, in UTC; ids are text.

use serde::{Deserialize, Serialize};

/// A message as `tidings messages --json` prints it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageObject {
    /// Id; `tidings story ID` takes it.
    pub id: String,
    /// `accepted`, or `refused` for a command refused before there was a message.
    pub kind: String,
    /// When it was first heard of.
    pub time: String,
    /// When it was last heard of.
    pub last_time: String,
    /// Message-ID as logged.
    pub message_id: Option<String>,
    /// Queue ids of its legs, in order.
    pub queue_ids: Vec<String>,
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
    /// The verdict that needs attention first among the recipients'.
    pub verdict: String,
    /// What became of it for each recipient.
    pub recipients: Vec<RecipientObject>,
    /// How its legs were found to be one message.
    pub joins: Vec<JoinObject>,
    /// Queue ids of notifications about it, and of the message it is a notification about.
    pub related: Vec<RelatedObject>,
}

/// A recipient of a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecipientObject {
    /// Address to which it was sent in the end; empty where the log does not name it.
    pub address: String,
    /// Address before aliases and rewriting, where it is another one.
    pub original_address: Option<String>,
    /// `delivered`, `deferred`, `bounced`, `expired`, `rejected`, `discarded`, `held`,
    /// `filtered`, `in queue`, `unknown`.
    pub verdict: String,
    /// When the verdict was reached.
    pub time: String,
    /// The reply or reason, as logged.
    pub reply: Option<String>,
    /// SMTP reply code.
    pub code: Option<u16>,
    /// Enhanced status code.
    pub dsn: Option<String>,
    /// What the reply means: `mailbox-full`, …
    pub class: Option<String>,
    /// Whom or what it is about: `recipient`, …
    pub scope: Option<String>,
    /// What to do: `fix-address`, …
    pub action: Option<String>,
    /// Whose server gave the reply: `google`, …
    pub provider: Option<String>,
    /// The relay as logged.
    pub relay: Option<String>,
    /// From arrival to the verdict, in milliseconds.
    pub delay_ms: Option<u64>,
    /// How often delivery was tried; of a refused command, how often the log says that it was refused.
    pub attempts: u32,
}

/// How two legs of a message were joined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JoinObject {
    /// `content-filter`, `next-hop-reply`, `lmtp-reply`, `forward`, `message-id`, `requeue`, `session`.
    pub by: String,
    /// Id of the earlier leg.
    pub from: String,
    /// Id of the later leg.
    pub to: String,
}

/// Another message that this one has to do with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RelatedObject {
    /// `parent`: this is a notification about that one; `child`: that one is about this.
    pub relation: String,
    /// Its queue id.
    pub queue_id: String,
}

/// A message with everything that happened to it, as `tidings story --json` prints it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StoryObject {
    /// The message.
    pub message: MessageObject,
    /// One or two plain sentences per recipient, in the order of `message.recipients`: what
    /// became of it, why, and what to do.
    pub summaries: Vec<SummaryObject>,
    /// What happened, in order of time.
    pub timeline: Vec<StepObject>,
}

/// What became of a message for one recipient, in plain language.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SummaryObject {
    /// The recipient.
    pub address: String,
    /// The verdict.
    pub verdict: String,
    /// What happened, in a sentence.
    pub text: String,
    /// What the reply means and what to do about it; empty where nothing is to be done.
    pub advice: String,
}

/// One step of a story: an event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepObject {
    /// When.
    pub time: String,
    /// Event type.
    pub event: String,
    /// What it means, in words, with the values that matter.
    pub text: String,
    /// Host that logged it.
    pub host: String,
    /// Program that logged it.
    pub program: String,
    /// Queue id, or session id, of the leg it belongs to.
    pub leg: String,
    /// Id of that leg, by which `message.joins` names it; absent for what was said in a session
    /// before and after the message, and for a refused command.
    pub leg_id: Option<String>,
    /// Recipient it is about; empty for the message as a whole.
    pub recipient: String,
    /// Span it belongs to.
    pub span_id: Option<String>,
    /// The line it came from, where lines were asked for; not repeated for further events of the
    /// same line.
    pub raw: Option<String>,
}

/// A summary of a period, as `tidings stats --json` prints it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatsObject {
    /// Start of the period; where none was asked for, when the first thing happened that is
    /// counted here. Empty where there is none.
    pub since: String,
    /// End of the period; where none was asked for, now, or without a start, when the last thing
    /// happened that is counted here.
    pub until: String,
    /// Messages accepted.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Recipients of accepted messages.
    pub recipients: u64,
    /// Commands refused at the door.
    pub refused: u64,
    /// Recipients of accepted messages that were refused; not in `refused`. Refusals in all are the
    /// two together.
    pub refused_recipients: u64,
    /// Recipients of accepted messages by verdict, most first.
    pub verdicts: Vec<CountObject>,
    /// Messages by sender, most first; `<>` is the null sender, and the name is empty where the log
    /// does not tell. Domains are in lower case here and below.
    pub senders: Vec<CountObject>,
    /// Messages by sender domain, most first; empty for addresses without one.
    pub sender_domains: Vec<CountObject>,
    /// Recipients by address, most first, with the bytes addressed to them.
    pub recipient_addresses: Vec<CountObject>,
    /// Recipients by domain, most first, with the bytes addressed to them.
    pub recipient_domains: Vec<CountObject>,
    /// Recipients by provider of the relay, most first.
    pub providers: Vec<CountObject>,
    /// Recipients that are deferred now, by reason, most first. A reason is the class and, behind
    /// `: `, the reply in lower case without codes, numbers and ids, and with `*` for addresses and
    /// hosts.
    pub deferral_reasons: Vec<CountObject>,
    /// Recipients that bounced or expired, by reason, most first.
    pub bounce_reasons: Vec<CountObject>,
    /// Refusals of commands and of recipients, by reason, most first.
    pub refusal_reasons: Vec<CountObject>,
    /// Refusals of commands and of recipients by address of the client, most first; by its name
    /// where the log does not tell the address.
    pub refusal_clients: Vec<CountObject>,
    /// Failed sign-ins by account, most first.
    pub sign_in_failures_by_account: Vec<CountObject>,
    /// Failed sign-ins by address of the client, most first.
    pub sign_in_failures_by_client: Vec<CountObject>,
    /// Sign-ins that succeeded.
    pub sign_ins: u64,
    /// Sign-ins that failed.
    pub sign_in_failures: u64,
    /// What happened by hour (UTC), in order, empty hours included. Of a period of more than 62
    /// days only the time from the first to the last message is here, and by day if that is more
    /// than 62 days too: see `hours_step_s`.
    pub hours: Vec<HourObject>,
    /// Length of each of `hours` in seconds: 3,600 or 86,400.
    pub hours_step_s: u64,
    /// Delay from arrival to delivery, in milliseconds, at these parts of the deliveries.
    pub delays_ms: DelayObject,
    /// A list had so many names that rare ones were forgotten while counting, or there were so
    /// many long delays that they were rounded by up to a thousandth.
    pub approximate: bool,
}

/// How often something occurred.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CountObject {
    /// What.
    pub name: String,
    /// How often.
    pub count: u64,
    /// Bytes, where that makes sense.
    pub bytes: Option<u64>,
}

/// What happened to the messages that began in an hour, or in a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HourObject {
    /// Start of the hour or day.
    pub time: String,
    /// Messages accepted.
    pub messages: u64,
    /// Recipients delivered.
    pub delivered: u64,
    /// Recipients deferred.
    pub deferred: u64,
    /// Recipients bounced or expired.
    pub bounced: u64,
    /// Commands refused.
    pub refused: u64,
}

/// How long deliveries took, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DelayObject {
    /// Half took at most this.
    pub median: u64,
    /// Nine of ten took at most this.
    pub p90: u64,
    /// 99 of 100 took at most this.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// A line as `tidings parse --json` prints it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParsedLineObject {
    /// The line, lossily as text.
    pub line: String,
    /// Whether its statement is known.
    pub recognised: bool,
    /// Program that wrote it: `postfix/smtpd`.
    pub program: String,
    /// Name of the statement: `client`, `delivery`, …
    pub statement: String,
    /// Its events, in the webhook form with our additional fields.
    pub events: Vec<serde_json::Value>,
}

/// How an import went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportObject {
    /// Files read, whole or in part.
    pub files: u64,
    /// Files whose every line was known already.
    pub files_known: u64,
    /// Files of which only a part can be read; `warnings` says why.
    pub files_damaged: u64,
    /// Files of which nothing was imported.
    pub refused: Vec<RefusedObject>,
    /// Lines added.
    pub lines: u64,
    /// Of them recognised.
    pub recognised: u64,
    /// Events added.
    pub events: u64,
    /// Messages settled.
    pub messages: u64,
    /// Messages still open.
    pub open: u64,
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// Time it took, in milliseconds.
    pub elapsed_ms: u64,
    /// First and last time of the lines added.
    pub first_time: Option<String>,
    /// Last time of the lines added.
    pub last_time: Option<String>,
    /// What went wrong without stopping the import, a sentence each.
    pub warnings: Vec<String>,
}

/// A file that was not imported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RefusedObject {
    /// The file.
    pub file: String,
    /// Why not, a sentence that names it.
    pub why: String,
    /// Whether it is imported nevertheless if that is forced; otherwise it cannot be read.
    pub force: bool,
}
