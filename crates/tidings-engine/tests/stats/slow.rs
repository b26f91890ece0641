//! A summary worked out the slow way: from whole messages and events, as the searches give them.

use std::collections::BTreeMap;

use tidings_engine::contract::{CountObject, HourObject, RecipientObject, StatsObject};
use tidings_engine::{Engine, EventQuery, FoundEvent, MessageQuery, message_object};
use tidings_event::time::{parse_rfc3339, rfc3339};
use tidings_event::{EventRef, Key};
use tidings_mail::message::Message;

const HOUR_NS: i64 = 3_600_000_000_000;

type Counts = BTreeMap<String, (u64, u64)>;

fn add(counts: &mut Counts, name: &str, count: u64, bytes: u64) {
    let sum = counts.entry(name.to_owned()).or_default();
    *sum = (sum.0 + count, sum.1 + bytes);
}

fn messages(engine: &Engine, since_ns: Option<i64>, until_ns: Option<i64>) -> Vec<Message> {
    let query = MessageQuery {
        filter: "kind:accepted OR kind:refused".into(),
        since_ns,
        until_ns,
        limit: usize::MAX,
        ..MessageQuery::default()
    };
    engine.messages(&query).unwrap()
}

fn sign_ins(engine: &Engine, since_ns: Option<i64>, until_ns: Option<i64>) -> Vec<FoundEvent> {
    let filter = "type:auth.success OR type:auth.failed OR type:auth.too-many-attempts";
    let query = EventQuery {
        filter: filter.into(),
        since_ns,
        until_ns,
        limit: usize::MAX,
        ..EventQuery::default()
    };
    engine.events(&query).unwrap()
}

/// When messages began, in order.
pub(crate) fn times(engine: &Engine) -> Vec<i64> {
    let mut times: Vec<i64> = messages(engine, None, None)
        .iter()
        .map(|message| message.time_ns)
        .collect();
    times.sort_unstable();
    times
}

/// Checks every figure of a summary.
pub(crate) fn check(
    engine: &Engine,
    stats: &StatsObject,
    since_ns: Option<i64>,
    until_ns: Option<i64>,
) {
    let messages = messages(engine, since_ns, until_ns);
    let events = sign_ins(engine, since_ns, until_ns);
    check_volumes(stats, &messages);
    check_lists(stats, &messages);
    check_reasons(stats, &messages);
    check_hours(stats, &messages);
    check_delays(stats, &messages);
    check_sign_ins(stats, &events);
    let times = messages.iter().map(|message| message.time_ns);
    let times: Vec<i64> = times
        .chain(events.iter().map(|found| found.event().time_ns()))
        .collect();
    let shown = |text: &str| parse_rfc3339(text).ok();
    assert_eq!(
        shown(&stats.since),
        since_ns.or(times.iter().min().copied()),
        "since"
    );
    if since_ns.is_none() || until_ns.is_some() {
        assert_eq!(
            shown(&stats.until),
            until_ns.or(times.iter().max().copied()),
            "until"
        );
    }
    assert!(!stats.approximate);
}

fn is_accepted(message: &Message) -> bool {
    message_object(message).kind == "accepted"
}

fn check_volumes(stats: &StatsObject, messages: &[Message]) {
    let accepted: Vec<&Message> = messages
        .iter()
        .filter(|message| is_accepted(message))
        .collect();
    assert_eq!(stats.messages, accepted.len() as u64, "messages");
    assert_eq!(
        stats.bytes,
        accepted
            .iter()
            .filter_map(|message| message.size)
            .sum::<u64>(),
        "bytes"
    );
    let recipients = accepted
        .iter()
        .map(|message| message.recipients.len() as u64)
        .sum::<u64>();
    assert_eq!(stats.recipients, recipients, "recipients");
    assert_eq!(
        stats.refused,
        messages.iter().map(refusals).sum::<u64>(),
        "refused"
    );
    let mut verdicts = Counts::new();
    for message in accepted {
        for recipient in message_object(message).recipients {
            add(&mut verdicts, &recipient.verdict, 1, 0);
        }
    }
    assert_eq!(
        stats.refused_recipients,
        verdicts.get("rejected").map_or(0, |sum| sum.0)
    );
    same("verdicts", &stats.verdicts, &verdicts, false);
}

/// How many commands a message that never was stands for.
fn refusals(message: &Message) -> u64 {
    let each = message
        .recipients
        .iter()
        .map(|recipient| u64::from(recipient.attempts));
    if is_accepted(message) {
        0
    } else {
        each.max().unwrap_or(1).max(1)
    }
}

/// How often a recipient counts where it failed: a refused command as often as the log says.
fn weight_of(message: &Message, recipient: &RecipientObject) -> u64 {
    if is_accepted(message) {
        1
    } else {
        u64::from(recipient.attempts)
    }
}

/// An address with its domain in lower case, and the domain.
fn folded(address: &str) -> (String, String) {
    match address.rsplit_once('@') {
        _ if address == "<>" => ("<>".into(), "<>".into()),
        Some((local, domain)) => (
            format!("{local}@{}", domain.to_ascii_lowercase()),
            domain.to_ascii_lowercase(),
        ),
        None => (address.to_owned(), String::new()),
    }
}

fn check_lists(stats: &StatsObject, messages: &[Message]) {
    let [
        mut senders,
        mut sender_domains,
        mut recipients,
        mut recipient_domains,
    ] = [(); 4].map(|()| Counts::new());
    let [mut providers, mut clients] = [(); 2].map(|()| Counts::new());
    for message in messages {
        let shown = message_object(message);
        let bytes = shown.size.unwrap_or(0);
        if is_accepted(message) {
            let (sender, domain) = folded(shown.from.as_deref().unwrap_or(""));
            add(&mut senders, &sender, 1, bytes);
            add(&mut sender_domains, &domain, 1, bytes);
        }
        for recipient in &shown.recipients {
            if recipient.verdict == "rejected" {
                let client = shown.client_ip.clone().or(shown.client_name.clone());
                // What a mailbox's script refuses has no client.
                if let Some(client) = client {
                    add(&mut clients, &client, weight_of(message, recipient), 0);
                }
            }
            if !is_accepted(message) {
                continue;
            }
            let (address, domain) = folded(&recipient.address);
            add(&mut recipients, &address, 1, bytes);
            add(&mut recipient_domains, &domain, 1, bytes);
            recipient
                .provider
                .iter()
                .for_each(|provider| add(&mut providers, provider, 1, 0));
        }
    }
    same("senders", &stats.senders, &senders, true);
    same(
        "sender domains",
        &stats.sender_domains,
        &sender_domains,
        true,
    );
    same("recipients", &stats.recipient_addresses, &recipients, true);
    same(
        "recipient domains",
        &stats.recipient_domains,
        &recipient_domains,
        true,
    );
    same("providers", &stats.providers, &providers, false);
    same("refusal clients", &stats.refusal_clients, &clients, false);
}

/// Counts by class, as the words of a reason are a matter of its own tests; and no two reasons differ
/// only by what is masked.
fn check_reasons(stats: &StatsObject, messages: &[Message]) {
    let [mut deferrals, mut bounces, mut refusals] = [(); 3].map(|()| Counts::new());
    let each = messages.iter().flat_map(|message| {
        let recipients = message_object(message).recipients;
        recipients
            .into_iter()
            .map(move |recipient| (message, recipient))
    });
    for (message, recipient) in each {
        let list = match recipient.verdict.as_str() {
            "deferred" => &mut deferrals,
            "bounced" | "expired" => &mut bounces,
            "rejected" => &mut refusals,
            _ => continue,
        };
        let class = recipient.class.as_deref().unwrap_or("");
        add(list, class, weight_of(message, &recipient), 0);
    }
    for (name, reasons, expected) in [
        ("deferrals", &stats.deferral_reasons, deferrals),
        ("bounces", &stats.bounce_reasons, bounces),
        ("refusals", &stats.refusal_reasons, refusals),
    ] {
        let mut classes = Counts::new();
        for reason in reasons {
            let (class, text) = reason.name.split_once(": ").unwrap_or((&reason.name, ""));
            add(&mut classes, class, reason.count, 0);
            assert!(
                !text.contains(['@', '<', '[']) && !text.contains(|c: char| c.is_ascii_digit()),
                "{name}: {text}"
            );
        }
        assert_eq!(classes, expected, "{name}");
        assert!(
            reasons
                .windows(2)
                .all(|pair| pair[0].count >= pair[1].count),
            "{name} in order"
        );
    }
}

fn check_hours(stats: &StatsObject, messages: &[Message]) {
    let step_ns = i64::try_from(stats.hours_step_s).unwrap() * 1_000_000_000;
    assert!(step_ns == HOUR_NS || step_ns == 24 * HOUR_NS);
    let mut steps: BTreeMap<i64, HourObject> = BTreeMap::new();
    for message in messages {
        let start_ns = message.time_ns.div_euclid(step_ns) * step_ns;
        let step = steps.entry(start_ns).or_insert_with(|| HourObject {
            time: rfc3339(start_ns),
            ..HourObject::default()
        });
        if !is_accepted(message) {
            step.refused += refusals(message);
            continue;
        }
        step.messages += 1;
        for recipient in message_object(message).recipients {
            match recipient.verdict.as_str() {
                "delivered" => step.delivered += 1,
                "deferred" => step.deferred += 1,
                "bounced" | "expired" => step.bounced += 1,
                _ => {}
            }
        }
    }
    let shown: Vec<i64> = stats
        .hours
        .iter()
        .map(|hour| parse_rfc3339(&hour.time).unwrap())
        .collect();
    assert!(
        shown.windows(2).all(|pair| pair[1] - pair[0] == step_ns),
        "hours without gaps"
    );
    let nothing = |start_ns: i64| HourObject {
        time: rfc3339(start_ns),
        ..HourObject::default()
    };
    for (start_ns, hour) in shown.iter().zip(&stats.hours) {
        assert_eq!(
            *hour,
            steps.remove(start_ns).unwrap_or_else(|| nothing(*start_ns))
        );
    }
    assert!(steps.is_empty(), "hours that are not shown: {steps:?}");
}

fn check_delays(stats: &StatsObject, messages: &[Message]) {
    let accepted = messages.iter().filter(|message| is_accepted(message));
    let delivered = accepted.flat_map(|message| message_object(message).recipients);
    let delivered = delivered.filter(|recipient| recipient.verdict == "delivered");
    let mut delays: Vec<u64> = delivered
        .filter_map(|recipient| recipient.delay_ms)
        .collect();
    delays.sort_unstable();
    let at_most = |percent: usize| match delays.len() {
        0 => 0,
        count => delays[(count * percent).div_ceil(100) - 1],
    };
    let found = &stats.delays_ms;
    let expected = (at_most(50), at_most(90), at_most(99), at_most(100));
    assert_eq!(
        (found.median, found.p90, found.p99, found.max),
        expected,
        "delays"
    );
}

fn check_sign_ins(stats: &StatsObject, events: &[FoundEvent]) {
    let (mut accounts, mut clients) = (Counts::new(), Counts::new());
    let (mut succeeded, mut failed) = (0, 0);
    for found in events {
        let event = found.event();
        let count = number(&event, Key::REPEATED) * number(&event, Key::COUNT);
        if event.kind().name() == "auth.success" {
            succeeded += count;
            continue;
        }
        failed += count;
        let client = event
            .get(Key::REMOTE_IP)
            .and_then(|value| value.as_ip())
            .map(|ip| ip.to_string());
        let client = client
            .or(event.str(Key::HOSTNAME).map(str::to_owned))
            .unwrap_or_default();
        add(
            &mut accounts,
            event.str(Key::ACCOUNT_NAME).unwrap_or(""),
            count,
            0,
        );
        add(&mut clients, &client, count, 0);
    }
    assert_eq!(
        (stats.sign_ins, stats.sign_in_failures),
        (succeeded, failed),
        "sign-ins"
    );
    same(
        "accounts",
        &stats.sign_in_failures_by_account,
        &accounts,
        false,
    );
    same(
        "clients",
        &stats.sign_in_failures_by_client,
        &clients,
        false,
    );
}

fn number(event: &EventRef<'_>, key: Key) -> u64 {
    event.get(key).and_then(|value| value.as_u64()).unwrap_or(1)
}

fn same(what: &str, found: &[CountObject], expected: &Counts, with_bytes: bool) {
    let mut expected: Vec<CountObject> = expected
        .iter()
        .map(|(name, (count, bytes))| CountObject {
            name: name.clone(),
            count: *count,
            bytes: with_bytes.then_some(*bytes),
        })
        .collect();
    // Equally frequent names are in their order; verdicts are in theirs.
    expected.sort_by_key(|item| std::cmp::Reverse(item.count));
    let mut found = found.to_vec();
    assert!(
        found.windows(2).all(|pair| pair[0].count >= pair[1].count),
        "{what} in order"
    );
    if what == "verdicts" {
        found.sort_by(|a, b| b.count.cmp(&a.count).then(a.name.cmp(&b.name)));
    }
    assert_eq!(found, expected, "{what}");
}
