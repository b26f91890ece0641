//! What the servers did, by the ground truth of `corpus/own`, against what we say they did.
//!
//! Every message that Postfix accepted must be found by Message-ID, queue id and recipient, with
//! the verdict that the driver of the servers expected; refused attempts by recipient and client.
//! The test prints a table (`cargo test --test truth -- --nocapture`) with every disagreement.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tidings_engine::Interpreter;
use tidings_event::Drafts;
use tidings_mail::correlate::{Correlator, Limits, NoLookup};
use tidings_mail::envelope::{ClockSettings, Zone};
use tidings_mail::message::{Folder, FolderLimits, JoinBy, Kind, Message, Recipient, Verdict};
use tidings_mail::provider::Providers;

/// Our Postfix in the truth file.
const OURS: &str = "192.0.2.25:";

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/own")
}

/// What whole files, one after the other, amount to.
struct Folded {
    messages: Vec<Message>,
    /// The files' text, to tell what no log says from what we missed.
    text: Vec<u8>,
}

impl Folded {
    fn mentions(&self, text: &str) -> bool {
        memchr::memmem::find(&self.text, text.as_bytes()).is_some()
    }
}

fn fold(files: &[&str]) -> Folded {
    let lines: Vec<Vec<Vec<u8>>> = files
        .iter()
        .map(|file| {
            let bytes = std::fs::read(corpus().join(file)).unwrap();
            bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect()
        })
        .collect();
    Folded {
        messages: fold_lines(&lines),
        text: lines.concat().join(&b'\n'),
    }
}

fn fold_lines(streams: &[Vec<Vec<u8>>]) -> Vec<Message> {
    let mut correlator = Correlator::new(Limits::default());
    let mut folder = Folder::new(
        FolderLimits::default(),
        Arc::new(Providers::builtin().clone()),
    );
    for (stream, lines) in streams.iter().enumerate() {
        let clock = ClockSettings {
            zone: Zone::Utc,
            year: Some(2026),
            reference_ns: 1_795_400_000_000_000_000,
        };
        let mut interpreter = Interpreter::new(stream as u32, stream as u64, clock);
        let mut drafts = Drafts::default();
        for (number, line) in lines.iter().enumerate() {
            drafts.clear();
            interpreter.line(line, number as u64, &mut correlator, &NoLookup, &mut drafts);
            for event in drafts.iter() {
                folder.apply(event.header(), &event.pairs().collect::<Vec<_>>(), &mut ());
            }
        }
    }
    folder.settle_all();
    let mut messages = Vec::new();
    folder.take_settled(|message| messages.push(message.into_owned()));
    messages
}

fn truth() -> Vec<Value> {
    let text = std::fs::read_to_string(corpus().join("truth.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The verdicts that a label of the truth file allows. The labels are the driver's expectations by
/// scenario, looser than a log; `corpus/own/README.md` describes them.
fn allowed(label: &str, released: Option<Verdict>) -> Option<Vec<Verdict>> {
    use Verdict::{Bounced, Deferred, Delivered, Discarded, Expired, Filtered, Held, Rejected};
    Some(match label {
        // Queue lifetimes are cut so that some end before the log does and some do not.
        "deferred" => vec![Deferred, Expired],
        "deferred-then-delivered" => vec![Delivered],
        "deferred-then-expired" => vec![Expired],
        "bounced-or-deferred" => vec![Bounced, Deferred, Expired],
        "deferred or delivered in the clear" => vec![Deferred, Delivered, Expired],
        "milter-quarantine-or-delivered" => vec![Held, Delivered],
        // amavis refuses what Postfix hands it: a bounce for Postfix, a refusal through the proxy.
        "blocked" => vec![Bounced, Rejected, Filtered],
        "rejected-by-sieve" => vec![Rejected],
        "delivered:lmtp or 450/421 rate-limited" => vec![Delivered, Rejected],
        label if label.starts_with("held") => vec![released.unwrap_or(Held)],
        label if label.starts_with("delivered") => vec![Delivered],
        label if label.starts_with("discarded") => vec![Discarded],
        label if label.starts_with("bounced") => vec![Bounced],
        label if label.starts_with("deferred:") => vec![Deferred, Expired],
        label if label.starts_with("rejected") || label.starts_with("milter-reject") => {
            vec![Rejected]
        }
        label if label.starts_with("expanded") => vec![Delivered],
        _ => return None,
    })
}

/// The recipients of a message that came of an address given at the door.
fn recipients<'m>(message: &'m Message, to: &str) -> Vec<&'m Recipient> {
    let is = |address: &str| address.eq_ignore_ascii_case(to);
    message
        .recipients
        .iter()
        .filter(|r| is(&r.address) || r.original_address.as_deref().is_some_and(is))
        .collect()
}

#[derive(Default)]
struct Score {
    messages: u32,
    message_ids: u32,
    by_message_id: u32,
    by_queue_id: u32,
    recipients: u32,
    found: u32,
    agree: u32,
    refused: u32,
    refused_found: u32,
    labels: BTreeMap<String, (u32, u32)>,
    problems: Vec<String>,
    /// What the truth file has and the log does not.
    unlogged: Vec<String>,
}

fn score(folded: &Folded) -> Score {
    let rows = truth();
    let released = |queue_id: &str| {
        let row = rows
            .iter()
            .find(|row| row["ev"] == "admin" && row["queue_id"] == queue_id)?;
        match row["name"].as_str()? {
            "postsuper -H" => Some(Verdict::Delivered),
            "postsuper -d" => Some(Verdict::Discarded),
            _ => None,
        }
    };
    let mut score = Score::default();
    for row in rows.iter().filter(|row| row["ev"] == "smtp") {
        if !row["server"].as_str().unwrap().starts_with(OURS) {
            continue;
        }
        if row["accepted"] == true {
            score_accepted(&mut score, row, folded, &released);
        } else {
            score_refused(&mut score, row, &folded.messages);
        }
    }
    score
}

fn score_accepted(
    score: &mut Score,
    row: &Value,
    folded: &Folded,
    released: &dyn Fn(&str) -> Option<Verdict>,
) {
    let messages = &folded.messages;
    let name = row["name"].as_str().unwrap();
    let (message_id, queue_id) = (
        row["message_id"].as_str(),
        row["queue_id"].as_str().unwrap(),
    );
    score.messages += 1;
    // A message that a rule discards is gone before cleanup logs its Message-ID.
    match message_id.filter(|id| folded.mentions(id)) {
        Some(id) => {
            score.message_ids += 1;
            let found = messages
                .iter()
                .any(|message| message.message_id.as_deref() == Some(id));
            score.by_message_id += u32::from(found);
        }
        None => score
            .unlogged
            .push(format!("{name} {queue_id}: its Message-ID is in no line")),
    }
    let Some(message) = messages
        .iter()
        .find(|message| message.queue_ids.iter().any(|id| id == queue_id))
    else {
        score
            .problems
            .push(format!("{name}: no message has queue id {queue_id}"));
        return;
    };
    score.by_queue_id += 1;
    for rcpt in row["rcpts"].as_array().unwrap() {
        let to = rcpt["to"].as_str().unwrap();
        let label = rcpt["expect"].as_str().unwrap_or("");
        let Some(mut allowed) = allowed(label, released(queue_id)) else {
            continue;
        };
        if rcpt["rcpt_code"] != 250 {
            allowed = vec![Verdict::Rejected];
        }
        // Postfix counts recipients above its limit, and does not log them.
        if !folded.mentions(to) {
            score
                .unlogged
                .push(format!("{name} {queue_id}: {to} ({label}) is in no line"));
            continue;
        }
        score.recipients += 1;
        let found = recipients(message, to);
        score.found += u32::from(!found.is_empty());
        let agree = !found.is_empty()
            && found
                .iter()
                .all(|r| r.verdict.is_some_and(|v| allowed.contains(&v)));
        score.agree += u32::from(agree);
        let entry = score.labels.entry(label.to_owned()).or_default();
        entry.0 += 1;
        entry.1 += u32::from(agree);
        if !agree {
            let got: Vec<_> = found
                .iter()
                .map(|r| format!("{} {:?}: {}", r.address, r.verdict, r.reply))
                .collect();
            score.problems.push(format!(
                "{name} {queue_id} {to} expect {label:?} got {got:?}"
            ));
        }
    }
}

fn score_refused(score: &mut Score, row: &Value, messages: &[Message]) {
    let client = row["client"].as_str().unwrap();
    for rcpt in row["rcpts"].as_array().unwrap() {
        let to = rcpt["to"].as_str().unwrap();
        // Accepted at RCPT and refused afterwards, or refused at RCPT: in both cases a row with
        // the recipient, or with the client where refused before there was one.
        if rcpt["rcpt_code"].is_null() {
            continue;
        }
        score.refused += 1;
        let found = messages.iter().any(|message| {
            let by_client = message.client_ip.as_deref() == Some(client);
            let rejected = |r: &&Recipient| r.verdict == Some(Verdict::Rejected);
            let by_address = recipients(message, to).iter().any(rejected);
            let nameless = message
                .recipients
                .iter()
                .any(|r| r.address.is_empty() && rejected(&r));
            by_client && (by_address || nameless)
        });
        score.refused_found += u32::from(found);
        if !found {
            score.problems.push(format!(
                "{} {client} {to}: {} {} not found",
                row["name"], rcpt["rcpt_code"], rcpt["rcpt_reply"]
            ));
        }
    }
}

fn print(title: &str, score: &Score) {
    println!("--- {title}");
    println!("accepted messages        {:>5}", score.messages);
    println!("  with a logged Message-ID {:>3}", score.message_ids);
    println!("  found by Message-ID    {:>5}", score.by_message_id);
    println!("  found by queue id      {:>5}", score.by_queue_id);
    println!("recipients with a label  {:>5}", score.recipients);
    println!("  found                  {:>5}", score.found);
    println!("  verdict agrees         {:>5}", score.agree);
    println!("refused recipients       {:>5}", score.refused);
    println!("  found                  {:>5}", score.refused_found);
    for (label, (count, agree)) in &score.labels {
        println!("  {label:<60} {agree:>3}/{count:<3}");
    }
    for unlogged in &score.unlogged {
        println!("  (not logged) {unlogged}");
    }
    for problem in &score.problems {
        println!("  ! {problem}");
    }
}

fn assert_perfect(title: &str, folded: &Folded) {
    let score = score(folded);
    print(title, &score);
    assert!(
        score.messages > 100 && score.recipients > 150,
        "the truth file was read"
    );
    assert!(score.unlogged.len() <= 10, "explained by name above");
    assert_eq!(score.by_message_id, score.message_ids);
    assert_eq!(score.by_queue_id, score.messages);
    assert_eq!(score.found, score.recipients);
    assert_eq!(score.agree, score.recipients);
    assert_eq!(score.refused_found, score.refused);
}

#[test]
fn verdicts_agree_with_the_truth_in_every_rendering() {
    for rendering in [
        "mail.rfc3164.log",
        "mail.rfc3339.log",
        "mail.rfc5424.log",
        "mail.pri-forward.log",
    ] {
        let folded = fold(&[rendering, "postfix-b.maillog_file.log", "dovecot-file.log"]);
        assert!(
            folded
                .messages
                .iter()
                .any(|message| message.kind == Kind::Refused)
        );
        assert_perfect(rendering, &folded);
    }
}

#[test]
fn folded_repetitions_change_no_verdict() {
    let files = [
        "central-folded.log",
        "postfix-b.maillog_file.log",
        "dovecot-file.log",
    ];
    assert_perfect("central-folded.log", &fold(&files));
}

/// How many joins there are of each kind, and between which queue ids those by Message-ID.
fn joins(messages: &[Message]) -> (BTreeMap<&'static str, u32>, Vec<String>) {
    let (mut counts, mut by_message_id) = (BTreeMap::new(), Vec::new());
    for message in messages {
        for join in &message.joins {
            *counts.entry(join.by.as_str()).or_default() += 1;
            if join.by == JoinBy::MessageId {
                by_message_id.push(format!("{:?} {:?}", message.queue_ids, message.joins));
            }
        }
    }
    (counts, by_message_id)
}

/// Where the reply of a delivery line names a queue id of the log, both are one message; where it
/// names a session of Dovecot's, they are joined. Joins by Message-ID are few, and told here.
#[test]
fn legs_of_the_recorded_logs_are_joined() {
    for rendering in ["mail.rfc3164.log", "mail.rfc3339.log", "central-folded.log"] {
        let folded = fold(&[rendering, "postfix-b.maillog_file.log", "dovecot-file.log"]);
        let (counts, by_message_id) = joins(&folded.messages);
        println!("{rendering}: {counts:?} {by_message_id:#?}");
        let mut of = BTreeMap::new();
        for (number, message) in folded.messages.iter().enumerate() {
            of.extend(message.queue_ids.iter().map(|id| (id.as_str(), number)));
        }
        let (mut queue_ids, mut sessions) = (0, BTreeSet::new());
        let text = String::from_utf8_lossy(&folded.text);
        for line in text
            .lines()
            .filter(|line| line.contains(" postfix") && line.contains("status=sent"))
        {
            let (head, reply) = line.split_once(": to=<").unwrap();
            let id = head.rsplit(' ').next().unwrap();
            let named = reply
                .rsplit_once("queued as ")
                .map(|(_, id)| id.trim_end_matches(')'));
            if let Some(named) = named.and_then(|named| of.get(named)) {
                queue_ids += 1;
                assert_eq!(of[id], *named, "{line}");
            }
            let session = reply
                .strip_suffix(" Saved)")
                .and_then(|reply| reply.rsplit(' ').next());
            let base = session.map(|session| session.split(':').next().unwrap());
            let is_logged = |base: &&str| {
                let heads = [format!("<{base}>: "), format!("<{base}:")];
                text.lines()
                    .any(|line| heads.iter().any(|head| line.contains(head)))
            };
            sessions.extend(base.filter(is_logged));
        }
        assert!(queue_ids > 5);
        assert_eq!(counts["lmtp-reply"], sessions.len() as u32);
        assert_eq!(counts["message-id"], 2, "a script of Sieve redirects twice");
        assert!(
            by_message_id
                .iter()
                .all(|ids| ids.contains("4jXV7t3fk7") || ids.contains("4jXVD52XNY"))
        );
        assert!(counts["content-filter"] + counts["next-hop-reply"] >= 7);
    }
}

/// A pseudo-random sequence that is the same on every machine.
struct Shuffle(u64);

impl Shuffle {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The lines of the rendering with full times, each moved by up to `within_ns`, in the new order.
fn shuffled(seed: u64, within_ns: u64, twice: bool) -> Folded {
    let bytes = std::fs::read(corpus().join("mail.rfc3339.log")).unwrap();
    let mut random = Shuffle(seed);
    let mut lines: Vec<(i64, Vec<u8>)> = Vec::new();
    for line in bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let stamp = std::str::from_utf8(line.split(|byte| *byte == b' ').next().unwrap()).unwrap();
        let time_ns = tidings_event::time::parse_rfc3339(stamp).unwrap();
        for _ in 0..if twice { 2 } else { 1 } {
            lines.push((time_ns + random.below(within_ns) as i64, line.to_vec()));
        }
    }
    lines.sort();
    let lines: Vec<Vec<u8>> = lines.into_iter().map(|(_, line)| line).collect();
    let rest = ["postfix-b.maillog_file.log", "dovecot-file.log"].map(|file| {
        let bytes = std::fs::read(corpus().join(file)).unwrap();
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    });
    let text = lines.join(&b'\n');
    let [branch, dovecot] = rest;
    Folded {
        messages: fold_lines(&[lines, branch, dovecot]),
        text,
    }
}

#[test]
fn lines_out_of_order_within_two_seconds_change_no_verdict() {
    for seed in 0..20 {
        assert_perfect(
            &format!("shuffled {seed}"),
            &shuffled(seed, 2_000_000_000, false),
        );
    }
}

#[test]
fn duplicated_lines_change_no_verdict() {
    for seed in 0..5 {
        assert_perfect(&format!("twice {seed}"), &shuffled(seed, 1_000, true));
        assert_perfect(
            &format!("twice and shuffled {seed}"),
            &shuffled(seed, 2_000_000_000, true),
        );
    }
}

/// A log that begins or ends anywhere in a message's life never gives a verdict that the whole
/// log contradicts: what is not known yet is in queue, deferred or unknown.
#[test]
fn a_log_cut_at_both_ends_gives_no_wrong_verdict() {
    let bytes = std::fs::read(corpus().join("mail.rfc3339.log")).unwrap();
    let lines: Vec<Vec<u8>> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    let whole = fold_lines(std::slice::from_ref(&lines));
    let verdict_of = |queue_id: &str, address: &str| {
        let message = whole
            .iter()
            .find(|message| message.queue_ids.iter().any(|id| id == queue_id))?;
        message
            .recipients
            .iter()
            .find(|r| r.address == address)?
            .verdict
    };
    let mut random = Shuffle(7);
    let mut compared = 0;
    for _ in 0..20 {
        let from = random.below(lines.len() as u64 / 2) as usize;
        let to = from + lines.len() / 3;
        for message in fold_lines(&[lines[from..to].to_vec()]) {
            let Some(queue_id) = message.queue_ids.first() else {
                continue;
            };
            for recipient in message.recipients.iter().filter(|r| !r.address.is_empty()) {
                let Some(known) = verdict_of(queue_id, &recipient.address) else {
                    continue;
                };
                let shown = recipient.verdict.unwrap();
                compared += 1;
                let open = !shown.is_final() || shown == Verdict::Unknown;
                // Without the line of the next leg, the hand-over is what is known.
                let handed_over = shown == Verdict::Delivered;
                assert!(
                    shown == known || open || handed_over,
                    "{queue_id} {}: {shown}, not {known}",
                    recipient.address
                );
            }
        }
    }
    assert!(compared > 500);
}
