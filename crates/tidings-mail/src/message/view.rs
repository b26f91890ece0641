//! Draws up the message that an open entry amounts to: one verdict per recipient, over all legs.

use rustc_hash::FxHashMap;

use super::evidence::{Handed, is_same_recipient};
use super::facts::session_base;
use super::fold::{Entry, Link};
use super::leg::{Leg, Outcome};
use super::lives::is_opened;
use super::{Join, JoinBy, Kind, Message, Recipient, Relation, Text, Verdict};
use crate::diagnose::{Action, Class, Direction, Enhanced, Fate, Reply, Scope, Stage, diagnose};
use crate::provider::Providers;

/// The message, unless there is none: an address probe, or a transaction that came to nothing.
pub(super) fn message_of<'e, S: Text>(
    entry: &'e Entry<S>,
    providers: &'e Providers,
) -> Option<Message<&'e str>> {
    let legs = in_order(entry);
    let first = *legs.first()?;
    if legs.iter().any(|leg| leg.probe) {
        return None;
    }
    let recipients = recipients_of(entry, &legs, providers);
    let came_to_nothing = legs
        .iter()
        .all(|leg| !leg.queued && leg.message_id.is_none() && !leg.removed);
    if recipients.is_empty() && came_to_nothing {
        return None;
    }
    let find = |get: fn(&Leg<S>) -> Option<&str>| legs.iter().find_map(|leg| get(leg));
    Some(Message {
        id: first.id,
        kind: if entry.refused {
            Kind::Refused
        } else {
            Kind::Accepted
        },
        time_ns: legs
            .iter()
            .filter(|leg| !is_refused_before(entry, leg.id))
            .map(|leg| leg.first_ns)
            .min()
            .unwrap_or(first.first_ns),
        last_ns: legs
            .iter()
            .map(|leg| leg.last_ns)
            .max()
            .unwrap_or(first.last_ns),
        message_id: find(|leg| leg.message_id.as_deref()),
        queue_ids: legs
            .iter()
            .filter(|leg| !leg.is_lmtp && !leg.name.is_empty())
            .map(|leg| &*leg.name)
            .collect(),
        legs: ids_of(entry, &legs),
        from: find(|leg| leg.from.as_deref()),
        size: legs.iter().find_map(|leg| leg.size),
        hosts: hosts_of(&legs),
        client_name: find(|leg| leg.client_name.as_deref()),
        client_ip: find(|leg| leg.client_ip.as_deref()),
        account: find(|leg| leg.account.as_deref()),
        recipients,
        joins: entry
            .links
            .iter()
            .map(|link| Join {
                by: link.by,
                from: link.from,
                to: link.to,
            })
            .collect(),
        relations: relations_of(entry, &legs),
    })
}

/// The ids of the legs in order, each with those that pieces of it had.
fn ids_of<S>(entry: &Entry<S>, legs: &[&Leg<S>]) -> Vec<u64> {
    let mut ids = Vec::with_capacity(legs.len() + entry.pieces.len());
    for leg in legs {
        ids.push(leg.id);
        let pieces = entry.pieces.iter().filter(|(of, _)| *of == leg.id);
        ids.extend(pieces.map(|(_, piece)| *piece));
    }
    ids
}

/// The legs in the order in which the message went through them. Times alone do not tell: clocks
/// differ, and may show whole seconds only.
fn in_order<S>(entry: &Entry<S>) -> Vec<&Leg<S>> {
    let mut legs: Vec<(usize, &Leg<S>)> = entry.legs.iter().map(|leg| (0, leg)).collect();
    // As many rounds as the longest way has legs; more would be a circle.
    for _ in 1..legs.len() {
        let mut changed = false;
        for link in &entry.links {
            let depth_of = |id: u64| {
                legs.iter()
                    .find(|(_, leg)| leg.id == id)
                    .map(|(depth, _)| *depth)
            };
            let Some(depth) = depth_of(link.from) else {
                continue;
            };
            let next = legs.iter_mut().find(|(_, leg)| leg.id == link.to);
            if let Some((known, _)) =
                next.filter(|(known, _)| *known <= depth && depth < entry.legs.len())
            {
                *known = depth + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    legs.sort_by_key(|(depth, leg)| (*depth, leg.first_ns, leg.id));
    legs.into_iter().map(|(_, leg)| leg).collect()
}

/// Nothing more is to come: every leg is over and every recipient final.
pub(super) fn is_final<S: Text>(entry: &Entry<S>) -> bool {
    entry.legs.iter().all(|leg| {
        let over =
            leg.removed || leg.aborted || leg.is_lmtp || (!leg.queued && leg.whole.is_some());
        let is_requeued = is_requeued(entry, leg);
        over && leg.outcomes.iter().all(|outcome| {
            is_requeued || came_to_nothing(leg, outcome) || verdict_in(leg, outcome).is_final()
        })
    })
}

fn hosts_of<'e, S: Text>(legs: &[&'e Leg<S>]) -> Vec<&'e str> {
    let mut hosts: Vec<&str> = Vec::new();
    for leg in legs.iter().filter(|leg| !leg.host.is_empty()) {
        if !hosts.contains(&&*leg.host) {
            hosts.push(&*leg.host);
        }
    }
    hosts
}

fn relations_of<'e, S: Text>(entry: &Entry<S>, legs: &[&'e Leg<S>]) -> Vec<Relation<&'e str>> {
    let joined = |name: &str| entry.legs.iter().any(|leg| &*leg.name == name);
    let mut relations = Vec::new();
    for leg in legs {
        if let Some(parent) = leg.parent.as_deref().filter(|parent| !joined(parent)) {
            relations.push(Relation {
                is_parent: true,
                queue_id: parent,
            });
        }
        for notice in leg.notices.iter().filter(|notice| !joined(notice)) {
            relations.push(Relation {
                is_parent: false,
                queue_id: notice,
            });
        }
    }
    relations
}

fn recipients_of<'e, S: Text>(
    entry: &'e Entry<S>,
    legs: &[&'e Leg<S>],
    providers: &'e Providers,
) -> Vec<Recipient<&'e str>> {
    let mut recipients = Vec::new();
    for leg in legs {
        let refines = leg.is_lmtp && entry.links.iter().any(|link| link.to == leg.id);
        if refines {
            continue;
        }
        let is_told = |outcome: &&Outcome<S>| {
            let is_told_later = is_requeued(entry, leg) && !is_settled(outcome);
            let is_told_elsewhere = is_told_later
                || is_told_before(entry, leg, outcome)
                || is_refused_again(entry, leg, outcome);
            !is_told_elsewhere && !came_to_nothing(leg, outcome)
        };
        for outcome in leg.outcomes.iter().filter(is_told) {
            recipients.extend(recipient_of(entry, leg, outcome, providers));
        }
        recipients.extend(rest_of(entry, leg));
    }
    add_earlier_attempts(entry, &mut recipients);
    note_origins(entry, &mut recipients);
    recipients
}

/// Whether a rule acted on a message that its client then gave up: there is nothing on hold.
fn came_to_nothing<S>(leg: &Leg<S>, outcome: &Outcome<S>) -> bool {
    let was_sent = leg.queued || leg.message_id.is_some() || leg.removed;
    outcome.verdict == Some(Verdict::Held) && leg.aborted && !was_sent
}

/// Whether a server refused a recipient that the server before it, whose leg is here, tried: that one
/// tells what became of it.
fn is_told_before<S: Text>(entry: &Entry<S>, leg: &Leg<S>, outcome: &Outcome<S>) -> bool {
    let tried = |known: &Outcome<S>| known.to.eq_ignore_ascii_case(&outcome.to);
    let mut before = entry.links.iter().filter(|link| link.to == leg.id);
    is_refusal(outcome)
        && !outcome.to.is_empty()
        && before.any(|link| {
            let from = entry.legs.iter().find(|from| from.id == link.from);
            from.is_some_and(|from| from.outcomes.iter().any(tried))
        })
}

/// Whether this id is of a recipient that was refused before the message had a queue id.
fn is_refused_before<S>(entry: &Entry<S>, id: u64) -> bool {
    let is_this = |link: &Link<S>| link.to == id && link.by == JoinBy::Session;
    entry.links.iter().any(is_this)
}

/// Whether a recipient that was refused before the message had a queue id was named again after that:
/// then that tells what became of it.
fn is_refused_again<S: Text>(entry: &Entry<S>, leg: &Leg<S>, outcome: &Outcome<S>) -> bool {
    let is = |address: &str| address.eq_ignore_ascii_case(&outcome.to);
    let names = |known: &Outcome<S>| is(&known.to) || known.original.as_deref().is_some_and(is);
    is_refused_before(entry, leg.id)
        && entry
            .legs
            .iter()
            .filter(|other| other.id != leg.id)
            .any(|other| {
                let is_later = |known: &Outcome<S>| !outcome.is_after(known);
                let is_before = is_refused_before(entry, other.id);
                let mut named = other.outcomes.iter().filter(|known| names(known));
                named.any(|known| !is_before || is_later(known))
            })
}

/// Whether the command of a client was refused.
fn is_refusal<S>(outcome: &Outcome<S>) -> bool {
    outcome.verdict == Some(Verdict::Rejected) && outcome.relay.is_none()
}

fn is_settled<S>(outcome: &Outcome<S>) -> bool {
    outcome.verdict.is_some_and(Verdict::is_final)
}

/// Whether an operator had the message taken up anew: what was not final is told there.
fn is_requeued<S>(entry: &Entry<S>, leg: &Leg<S>) -> bool {
    let mut links = entry.links.iter();
    links.any(|link| link.from == leg.id && link.by == JoinBy::Requeue)
}

/// What was tried before an operator had the message taken up anew counts.
fn add_earlier_attempts<S: Text>(entry: &Entry<S>, recipients: &mut [Recipient<&str>]) {
    for leg in entry.legs.iter().filter(|leg| is_requeued(entry, leg)) {
        let is_put_off = |outcome: &&Outcome<S>| outcome.verdict == Some(Verdict::Deferred);
        let waited = leg.outcomes.iter().filter(is_put_off);
        let earlier: FxHashMap<&str, u32> = waited
            .map(|outcome| (&*outcome.to, outcome.attempts))
            .collect();
        for shown in recipients.iter_mut().filter(|shown| shown.leg != leg.id) {
            shown.attempts += earlier.get(shown.address).copied().unwrap_or(0);
        }
    }
}

/// The recipient of one outcome; `None` where a later leg tells what became of it.
fn recipient_of<'e, S: Text>(
    entry: &'e Entry<S>,
    leg: &'e Leg<S>,
    outcome: &'e Outcome<S>,
    providers: &'e Providers,
) -> Option<Recipient<&'e str>> {
    match next_of(entry, leg, outcome) {
        None if is_taken_up(entry, leg, outcome) => None,
        None => Some(recipient_here(leg, outcome, providers)),
        Some((link, next)) if next.is_lmtp => {
            match filed_in(link, next, outcome).map(|inner| (inner, verdict_in(next, inner))) {
                Some((inner, Verdict::Delivered)) if inner.says_where() => {
                    let mut shown = recipient(leg, outcome, Verdict::Delivered, providers);
                    shown.reply = &*inner.reply;
                    Some(shown)
                }
                Some((inner, verdict)) if verdict != Verdict::Delivered => {
                    let mut shown = recipient(leg, outcome, verdict, providers);
                    shown.reply = &*inner.reply;
                    shown.time_ns = inner.time_ns;
                    shown.leg = next.id;
                    // The codes of the handing over say nothing of what came after it.
                    shown.code = (inner.code != 0).then_some(inner.code);
                    shown.dsn = inner.dsn.as_deref();
                    diagnose_into(&mut shown, inner, inner.relay.is_none());
                    Some(shown)
                }
                _ => Some(recipient(leg, outcome, Verdict::Delivered, providers)),
            }
        }
        Some((_, next)) if !next.outcomes.is_empty() => None,
        // The next leg has it and names nobody: what became of the message became of this recipient.
        Some((_, next)) => {
            let mut shown = match (next.whole.as_deref(), next.expired, next.removed) {
                (Some(whole), ..) => {
                    let verdict = whole.verdict.unwrap_or(Verdict::Unknown);
                    for_recipient(outcome, recipient(leg, whole, verdict, providers))
                }
                (None, true, _) => {
                    for_recipient(outcome, nameless(next, Verdict::Expired, next.last_ns))
                }
                (None, false, true) => recipient(leg, outcome, Verdict::Unknown, providers),
                (None, false, false) => recipient(leg, outcome, Verdict::InQueue, providers),
            };
            shown.leg = next.id;
            Some(shown)
        }
    }
}

/// The recipient of an outcome after which no other leg comes.
fn recipient_here<'e, S: Text>(
    leg: &'e Leg<S>,
    outcome: &'e Outcome<S>,
    providers: &'e Providers,
) -> Recipient<&'e str> {
    let verdict = verdict_in(leg, outcome);
    match leg.whole.as_deref() {
        // An operator ended the waiting: why it waited is no reason any more.
        Some(whole) if verdict == Verdict::Discarded && !is_settled(outcome) => {
            for_recipient(outcome, recipient(leg, whole, verdict, providers))
        }
        _ => recipient(leg, outcome, verdict, providers),
    }
}

/// What became of a message as a whole, as that of the recipient of an outcome.
fn for_recipient<'e, S: Text>(
    outcome: &'e Outcome<S>,
    whole: Recipient<&'e str>,
) -> Recipient<&'e str> {
    Recipient {
        address: &*outcome.to,
        original_address: original_of(outcome),
        attempts: outcome.attempts,
        ..whole
    }
}

/// A recipient of a leg whom no line names.
fn nameless<'e, S>(leg: &Leg<S>, verdict: Verdict, time_ns: i64) -> Recipient<&'e str> {
    Recipient {
        verdict: Some(verdict),
        time_ns,
        leg: leg.id,
        ..Recipient::default()
    }
}

/// What a mailbox server told of the recipient of an outcome that handed the message to it.
fn filed_in<'e, S: Text>(
    link: &Link<S>,
    next: &'e Leg<S>,
    outcome: &Outcome<S>,
) -> Option<&'e Outcome<S>> {
    if link.by == JoinBy::MessageId {
        let same = next
            .outcomes
            .iter()
            .find(|inner| is_same_recipient(outcome, inner));
        return same.or(next.outcomes.first());
    }
    let number = outcome
        .remote
        .as_deref()
        .map_or(1, |remote| session_base(remote).1);
    next.outcomes.iter().find(|inner| inner.number == number)
}

/// The leg to which an outcome handed the message.
fn next_of<'e, S: Text>(
    entry: &'e Entry<S>,
    leg: &Leg<S>,
    outcome: &Outcome<S>,
) -> Option<(&'e Link<S>, &'e Leg<S>)> {
    named_next_of(entry, leg, outcome).or_else(|| agent_of(entry, leg, outcome))
}

/// The run of a delivery agent to which an outcome gave the message.
fn agent_of<'e, S: Text>(
    entry: &'e Entry<S>,
    leg: &Leg<S>,
    outcome: &Outcome<S>,
) -> Option<(&'e Link<S>, &'e Leg<S>)> {
    Handed::of(outcome)?;
    let runs: Vec<_> = sent_on(entry, leg).filter(|(_, run)| run.is_lmtp).collect();
    let is_for = |(_, run): &&(&Link<S>, &Leg<S>)| {
        run.outcomes
            .iter()
            .any(|filed| is_same_recipient(outcome, filed))
    };
    match runs.as_slice() {
        [only] if leg.outcomes.len() == 1 => Some(*only),
        runs => runs.iter().find(is_for).copied(),
    }
}

/// The leg whose name the reply told, if that proved true.
fn named_next_of<'e, S: Text>(
    entry: &'e Entry<S>,
    leg: &Leg<S>,
    outcome: &Outcome<S>,
) -> Option<(&'e Link<S>, &'e Leg<S>)> {
    let name = outcome.child.as_deref().or(outcome.remote.as_deref())?;
    let name = if outcome.child.is_some() {
        name
    } else {
        session_base(name).0
    };
    let link = entry
        .links
        .iter()
        .find(|link| link.from == leg.id && *link.name == *name)?;
    let next = entry.legs.iter().find(|next| next.id == link.to)?;
    Some((link, next))
}

/// Whether a leg got the message for recipients whom the leg before it names.
fn is_named_before<S: Text>(entry: &Entry<S>, leg: &Leg<S>) -> bool {
    entry
        .links
        .iter()
        .filter(|link| link.to == leg.id)
        .any(|link| {
            let from = entry.legs.iter().find(|from| from.id == link.from);
            from.is_some_and(|from| {
                let mut next = from
                    .outcomes
                    .iter()
                    .filter_map(|outcome| named_next_of(entry, from, outcome));
                next.any(|(_, next)| next.id == leg.id)
            })
        })
}

/// Whether a program to which the outcome handed the message put it back into the queue for the
/// same recipient, as a content filter does: that leg tells what became of it.
fn is_taken_up<S: Text>(entry: &Entry<S>, leg: &Leg<S>, outcome: &Outcome<S>) -> bool {
    let is_same = |later: &Outcome<S>| {
        let original = later.original.as_deref();
        [Some(&*later.to), original]
            .into_iter()
            .flatten()
            .any(|address| address.eq_ignore_ascii_case(&outcome.to))
    };
    Handed::of(outcome).is_some()
        && sent_on(entry, leg).any(|(_, next)| !next.is_lmtp && next.outcomes.iter().any(is_same))
}

/// The legs that a program made of what this leg handed to it.
fn sent_on<'e, S>(
    entry: &'e Entry<S>,
    leg: &Leg<S>,
) -> impl Iterator<Item = (&'e Link<S>, &'e Leg<S>)> {
    let from = leg.id;
    let links = entry
        .links
        .iter()
        .filter(move |link| link.by == JoinBy::MessageId && link.from == from);
    links.filter_map(|link| Some((link, entry.legs.iter().find(|next| next.id == link.to)?)))
}

/// The verdict of an outcome, given how its leg ended.
fn verdict_in<S>(leg: &Leg<S>, outcome: &Outcome<S>) -> Verdict {
    let verdict = outcome.verdict.unwrap_or(Verdict::Unknown);
    if verdict.is_final() {
        return verdict;
    }
    if let Some(whole) = whole_verdict(leg).filter(|whole| whole.is_final()) {
        return whole;
    }
    let is_held = |whole: &Outcome<S>| {
        whole.verdict == Some(Verdict::Held) && whole.is_after(outcome) && !leg.removed
    };
    if leg.whole.as_deref().is_some_and(is_held) {
        return Verdict::Held;
    }
    match (leg.expired, leg.removed) {
        // What was held and never released leaves the queue by an operator's hand.
        (false, true) if !leg.queued && verdict == Verdict::Held => Verdict::Discarded,
        (true, _) => Verdict::Expired,
        // It left the queue, and the line that says how is missing.
        (false, true) => Verdict::Unknown,
        (false, false) => verdict,
    }
}

fn whole_verdict<S>(leg: &Leg<S>) -> Option<Verdict> {
    leg.whole.as_ref().and_then(|whole| whole.verdict)
}

/// A recipient without a name, for what a leg has besides its outcomes.
fn rest_of<'e, S: Text>(entry: &Entry<S>, leg: &'e Leg<S>) -> Option<Recipient<&'e str>> {
    if is_requeued(entry, leg) {
        return None;
    }
    if leg.outcomes.is_empty() {
        // The recipients of the leg before it were told with its end.
        if is_named_before(entry, leg) {
            return None;
        }
        if let Some(whole) = &leg.whole {
            let verdict = whole.verdict.unwrap_or(Verdict::Unknown);
            let mut shown = nameless(leg, verdict, whole.time_ns);
            shown.reply = &*whole.reply;
            shown.code = (whole.code != 0).then_some(whole.code);
            shown.dsn = whole.dsn.as_deref();
            if verdict == Verdict::Rejected {
                diagnose_into(&mut shown, whole, true);
            }
            let given_up = verdict == Verdict::Unknown && leg.message_id.is_none();
            return (!given_up && !came_to_nothing(leg, whole)).then_some(shown);
        }
        let verdict = match (leg.expired, leg.removed, leg.queued) {
            (true, ..) => Verdict::Expired,
            (false, true, _) => Verdict::Unknown,
            (false, false, true) => Verdict::InQueue,
            (false, false, false) => return None,
        };
        return Some(nameless(leg, verdict, leg.last_ns));
    }
    if leg.total <= leg.outcomes.len() as u64 {
        return None;
    }
    // Where the beginning is missing, an earlier log may tell of a delivery.
    match leg.expired && is_opened(leg) {
        true => Some(nameless(leg, Verdict::Expired, leg.last_ns)),
        false if leg.removed || !leg.queued => None,
        false => Some(nameless(leg, Verdict::InQueue, leg.last_ns)),
    }
}

/// Where a single recipient led to a further leg, that leg's recipients show it as their origin.
fn note_origins<'e, S: Text>(entry: &'e Entry<S>, recipients: &mut [Recipient<&'e str>]) {
    for link in &entry.links {
        let Some(from) = entry.legs.iter().find(|leg| leg.id == link.from) else {
            continue;
        };
        let mut led: Vec<&Outcome<S>> = Vec::new();
        for outcome in &from.outcomes {
            let by_program = link.by == JoinBy::MessageId && Handed::of(outcome).is_some();
            let leads = by_program
                || next_of(entry, from, outcome).is_some_and(|(_, next)| next.id == link.to);
            if leads && !led.iter().any(|known| *known.to == *outcome.to) {
                led.push(outcome);
            }
        }
        for shown in recipients
            .iter_mut()
            .filter(|shown| shown.leg == link.to && link.by != JoinBy::LmtpReply)
            // Refused is the address that the client named.
            .filter(|shown| shown.verdict != Some(Verdict::Rejected) || shown.relay.is_some())
        {
            if let Some(same) = led.iter().find(|outcome| *outcome.to == *shown.address) {
                shown.original_address = shown.original_address.take().or(same.original.as_deref());
            } else if let [only] = led.as_slice() {
                let origin = only.original.as_deref().unwrap_or(&only.to);
                if shown.original_address.is_none() && origin != shown.address {
                    shown.original_address = Some(origin);
                }
            }
        }
    }
}

fn original_of<S: Text>(outcome: &Outcome<S>) -> Option<&str> {
    let original = outcome.original.as_deref();
    original.filter(|original| *original != &*outcome.to)
}

fn recipient<'e, S: Text>(
    leg: &Leg<S>,
    outcome: &'e Outcome<S>,
    verdict: Verdict,
    providers: &'e Providers,
) -> Recipient<&'e str> {
    let mut shown = Recipient::<&str> {
        address: &*outcome.to,
        original_address: original_of(outcome),
        verdict: Some(verdict),
        time_ns: outcome.time_ns,
        reply: &*outcome.reply,
        code: (outcome.code != 0).then_some(outcome.code),
        dsn: outcome.dsn.as_deref(),
        relay: outcome.relay.as_deref(),
        delay_ms: outcome.delay_ms.filter(|_| outcome.relay.is_some()),
        delays: outcome.delays.as_deref(),
        leg: leg.id,
        attempts: outcome.attempts,
        ..Recipient::default()
    };
    let refused = outcome.relay.is_none();
    if let Some(host) = outcome.relay_host.as_deref().filter(|_| !refused) {
        shown.provider = providers.by_host(host).map(|provider| provider.key());
    }
    diagnose_into(&mut shown, outcome, refused);
    shown
}

/// Adds what the reply means, except where all went well.
fn diagnose_into<S: Text>(shown: &mut Recipient<&str>, outcome: &Outcome<S>, refused: bool) {
    if matches!(
        shown.verdict,
        Some(Verdict::Delivered | Verdict::InQueue) | None
    ) {
        return;
    }
    let is_told_by_code = shown.code.is_some() || outcome.dsn.is_some();
    if shown.verdict == Some(Verdict::Discarded) && refused && !is_told_by_code {
        // A rule's or a script's own words; they mean what the verdict says.
        shown.class = Some(Class::Discarded.as_str());
        shown.scope = Some(Scope::Unknown.as_str());
        shown.action = Some(Action::None.as_str());
        return;
    }
    // What a script refuses, it refuses for good.
    let by_script = shown.verdict == Some(Verdict::Rejected) && !is_told_by_code;
    let text = shown.reply;
    let dsn = outcome
        .dsn
        .as_deref()
        .and_then(|dsn| Enhanced::parse(dsn.as_bytes()));
    let reply = if refused {
        Reply {
            text: text.as_bytes(),
            code: shown.code.or(by_script.then_some(550)),
            enhanced: dsn,
            stage: outcome
                .stage
                .as_deref()
                .and_then(|stage| Stage::from_text(stage.as_bytes())),
            direction: Direction::Inbound,
            ..Reply::default()
        }
    } else {
        let parsed = Reply::parse(text.as_bytes());
        Reply {
            enhanced: parsed.enhanced.or(dsn),
            provider: shown.provider,
            fate: match shown.verdict {
                Some(Verdict::Deferred) => Fate::Waiting,
                Some(Verdict::Expired) => Fate::GivenUp,
                Some(Verdict::Bounced | Verdict::Rejected) => Fate::Refused,
                _ => Fate::Open,
            },
            ..parsed
        }
    };
    let found = diagnose(&reply);
    shown.class = Some(found.class.as_str());
    shown.scope = Some(found.scope.as_str());
    shown.action = Some(found.action.as_str());
}
