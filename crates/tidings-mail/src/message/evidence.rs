//! Whether two legs are one message: what proves it, besides the word of the server in between.
//!
//! A reply such as `250 Ok: queued as 4jXB…` is the text of a stranger: any server to which mail
//! is sent can name the queue id of somebody else's message, and everybody who received that
//! message knows its id. So a reply only *claims* which leg comes next, and is believed when what
//! our own servers observed agrees with it:
//!
//! * **Time**: the next leg begins while the delivery attempt talks to the relay
//!   ([`in_attempt`]), give or take the difference of two clocks.
//! * **Message-ID**: two different ones refute the claim. Equal ones nearly prove it: they were
//!   fixed when the message came in, before anybody could know the id that the reply names.
//! * **Place**: the relay that was connected to against the client that connected
//!   ([`Place`]).
//! * **Recipient**: the one handed over is one of the next leg's. Aliases and rewriting may
//!   change it, so it is missed only where the Message-ID is.
//!
//! Equal Message-IDs count two, place and recipient one each; two are needed, and a place that
//! speaks against it takes one off.

use std::net::IpAddr;

use super::leg::{Leg, Outcome};
use super::{Text, Verdict};
use crate::correlate::{is_long_id, seconds_of_long_id};

const SECOND_NS: i64 = 1_000_000_000;

/// Times of one clock: they may be of whole seconds, and lines may be out of order.
const ONE_CLOCK_NS: i64 = 3 * SECOND_NS;

/// Times of two clocks that are set.
const SET_CLOCKS_NS: i64 = 10 * SECOND_NS;

/// Times of two clocks of which one may be wrong, where everything else agrees.
const WRONG_CLOCK_NS: i64 = 300 * SECOND_NS;

/// How long after a message was handed to a program the program may send it on: a mailing list
/// has a queue of its own. Also how long before, and after, what a log without beginnings shows.
const SENT_ON_WITHIN_NS: i64 = 600 * SECOND_NS;

/// Points that prove a claim.
const PROOF: i8 = 2;

/// Whether `outcome`, by which `from` handed its message over, led to `to`, the leg whose name
/// the reply told. More may become known: what is not proved now may be later.
pub(super) fn is_handed_over(from: &Leg, outcome: &Outcome, to: &Leg) -> bool {
    let same_message = same_message_id(from, to);
    if same_message == Some(false) || to.local || (same_message.is_none() && other_sender(from, to))
    {
        return false;
    }
    let place = Place::of(from, outcome, to);
    let points = 2 * i8::from(same_message == Some(true))
        + i8::from(has_recipient(to, outcome))
        + place as i8;
    let slack_ns = match (same_host(from, to), same_message, place) {
        (Some(true), ..) => ONE_CLOCK_NS,
        (_, Some(true), Place::Agrees) => WRONG_CLOCK_NS,
        _ => SET_CLOCKS_NS,
    };
    points >= PROOF && in_attempt(from, outcome, to, slack_ns)
}

/// Whether `to` can be what came out of the content filter or the queue of this server into which
/// `from` went: the server says so itself, so it needs no proof, only no contradiction.
pub(super) fn may_come_of(from: &Leg, to: &Leg) -> bool {
    same_message_id(from, to) != Some(false)
        && to.first_ns >= from.first_ns - SENT_ON_WITHIN_NS
        && (to.first_ns - from.last_ns).abs() <= SENT_ON_WITHIN_NS
}

/// Whether `to` is what a program of this machine made of the message that `outcome` gave it, and
/// nothing but the Message-ID says so. Gives how far apart the two are, in nanoseconds.
///
/// Mail that a program sends on comes from this machine: it is picked up, or its client is
/// loopback, or the inside address to which the message was handed. A script or a filter sends
/// before its process ends; a mailing list may take minutes, and sends to others than itself: a
/// copy for the same recipient that comes later is another delivery.
pub(super) fn is_sent_on(from: &Leg, outcome: &Outcome, to: &Leg) -> Option<i64> {
    if to.is_lmtp {
        return is_filed(from, outcome, to);
    }
    if same_message_id(from, to) != Some(true)
        || same_host(from, to) == Some(false)
        || !is_from_where(outcome, to)
        || to.first_ns < from.first_ns - ONE_CLOCK_NS
    {
        return None;
    }
    let apart_ns = (to.first_ns - outcome.time_ns).abs();
    if in_attempt(from, outcome, to, ONE_CLOCK_NS) {
        return Some(apart_ns);
    }
    let later = Handed::of(outcome) == Some(Handed::Command)
        && to.first_ns > outcome.time_ns
        && apart_ns <= SENT_ON_WITHIN_NS;
    let to_others = !to.outcomes.is_empty()
        && !to
            .outcomes
            .iter()
            .any(|later| may_be_same_mailbox(outcome, later));
    (later && to_others).then_some(apart_ns)
}

/// Whether `to` is the run of a delivery agent, or the session of a mailbox server whose id the reply
/// does not tell, to which `outcome` gave the message. Gives how far apart the two are, more where the
/// mailbox has another name than the recipient, as only an agent's may.
fn is_filed(from: &Leg, outcome: &Outcome, to: &Leg) -> Option<i64> {
    let at_once = in_attempt(from, outcome, to, ONE_CLOCK_NS);
    if same_message_id(from, to) != Some(true)
        || same_host(from, to) == Some(false)
        || outcome.remote.is_some()
        || !at_once
    {
        return None;
    }
    let apart_ns = (to.first_ns - outcome.time_ns).abs();
    if is_for_recipient(outcome, to) {
        return Some(apart_ns);
    }
    let is_only = from.outcomes.len() == 1 && to.outcomes.len() == 1;
    let is_other = to.outcomes.iter().any(|filed| is_neighbour(outcome, filed));
    let by_agent = Handed::of(outcome) == Some(Handed::Command);
    (by_agent && is_only && !is_other).then_some(apart_ns + SET_CLOCKS_NS)
}

/// Whether what a mailbox server told is for the recipient of `outcome`, by its name.
pub(super) fn is_for_recipient(outcome: &Outcome, to: &Leg) -> bool {
    has_recipient(to, outcome)
        || to
            .outcomes
            .iter()
            .any(|to| may_be_same_mailbox(outcome, to))
}

/// Whether two addresses are of one domain, and so of two people, or one alias.
fn is_neighbour(outcome: &Outcome, filed: &Outcome) -> bool {
    let domain = |address: &str| Some(address.rsplit_once('@')?.1.to_ascii_lowercase());
    let filed = domain(&filed.to);
    filed.is_some() && addresses(outcome).any(|address| domain(address) == filed)
}

/// Whether what a mailbox server told is about the recipient of `outcome`.
pub(super) fn is_same_recipient<S: Text>(outcome: &Outcome<S>, filed: &Outcome<S>) -> bool {
    let local = |address: &S| local_part(address).to_ascii_lowercase();
    let original = outcome.original.iter();
    std::iter::once(&outcome.to)
        .chain(original)
        .any(|address| local(address) == local(&filed.to))
}

/// To what on this machine an outcome handed the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// A command: a pipe, a script of a user, a mailing list.
    Command,
    /// A server that delivers to mailboxes by scripts, or filters.
    Server,
}

impl Handed {
    /// `None` if it went elsewhere, or the next leg is known by name.
    pub(super) fn of<S: Text>(outcome: &Outcome<S>) -> Option<Handed> {
        let relay = outcome.relay.as_deref()?;
        if outcome.verdict != Some(Verdict::Delivered) || outcome.child.is_some() {
            return None;
        }
        let reply = &*outcome.reply;
        // Before 2.3: `"|/usr/bin/procmail -t"`, or the name of the service.
        let is_command = reply.starts_with("delivered to command: ")
            || reply.starts_with("\"|")
            || (reply.starts_with("delivered via ") && reply.contains(" service"))
            || (reply == relay && !reply.is_empty());
        if is_command {
            return Some(Handed::Command);
        }
        // The session id of a mailbox server names its own leg, not the one that follows.
        let is_last_name = outcome.remote.is_none() || reply.ends_with(" Saved");
        if !is_last_name || !relay.contains('[') {
            return None;
        }
        let is_near = address_in(relay).is_none_or(is_inside);
        is_near.then_some(Handed::Server)
    }
}

/// Whether a leg came from a program of its own machine, or from inside.
pub(super) fn is_from_inside(leg: &Leg) -> bool {
    leg.local || leg.is_lmtp || client_ip(leg).is_some_and(is_inside)
}

fn is_from_where(outcome: &Outcome, to: &Leg) -> bool {
    let relay = outcome.relay.as_deref().and_then(address_in);
    let here = relay.is_none_or(|relay| relay.is_loopback());
    match client_ip(to) {
        None => to.local,
        Some(client) if client.is_loopback() => here,
        Some(client) => is_inside(client) && relay == Some(client),
    }
}

/// What the addresses on both ends of a connection say of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
enum Place {
    /// One end is on this machine and the other is not.
    Differs = -1,
    /// Neither.
    Open = 0,
    /// Both ends are on one machine, or inside, or the client is the host that sent.
    Agrees = 1,
}

impl Place {
    fn of(from: &Leg, outcome: &Outcome, to: &Leg) -> Place {
        let Some(relay) = outcome.relay.as_deref() else {
            return Place::Open;
        };
        let relay = address_in(relay);
        let relay_is_here = relay.is_none_or(|relay| relay.is_loopback());
        let elsewhere = same_host(from, to) == Some(false);
        let agrees_if = |condition| {
            if condition {
                Place::Agrees
            } else {
                Place::Open
            }
        };
        let Some(client) = client_ip(to) else {
            // A mailbox server, or a log that begins later: only the relay is known.
            return match relay {
                _ if relay_is_here && elsewhere => Place::Differs,
                _ if relay_is_here => Place::Agrees,
                relay => agrees_if(relay.is_some_and(is_inside)),
            };
        };
        if client.is_loopback() || relay_is_here {
            let both_here = client.is_loopback() && relay_is_here && !elsewhere;
            return if both_here {
                Place::Agrees
            } else {
                Place::Differs
            };
        }
        let both_inside = is_inside(client) && relay.is_some_and(is_inside);
        let name = to.client_name.as_deref().unwrap_or_default();
        let is_sender = elsewhere && !name.is_empty() && is_same_name(name, &from.host);
        agrees_if(relay == Some(client) || both_inside || is_sender)
    }
}

/// Whether the next leg begins while the attempt of `outcome` talks to its relay.
fn in_attempt(from: &Leg, outcome: &Outcome, to: &Leg, slack_ns: i64) -> bool {
    let start_ns = outcome.time_ns - talked_ns(outcome) - slack_ns;
    let end_ns = outcome.time_ns + slack_ns;
    let (earliest_ns, latest_ns) = arrival(to);
    let after_from = latest_ns >= from.first_ns - slack_ns;
    after_from && latest_ns >= start_ns && earliest_ns <= end_ns
}

/// When a leg arrived at its server, at the earliest and at the latest.
fn arrival(leg: &Leg) -> (i64, i64) {
    let is_seen = leg.is_lmtp || leg.local || leg.client_ip.is_some() || leg.client_name.is_some();
    if is_seen {
        return (leg.first_ns, leg.first_ns);
    }
    if is_long_id(leg.name.as_bytes())
        && let Some(second) = seconds_of_long_id(leg.name.as_bytes())
    {
        let start_ns = second.saturating_mul(SECOND_NS);
        return (start_ns, start_ns.saturating_add(SECOND_NS));
    }
    (leg.first_ns - SENT_ON_WITHIN_NS, leg.first_ns)
}

/// How long an attempt was connected to its relay at most, in nanoseconds: phases `c` and `d` of
/// `delays=a/b/c/d`, before 2.3 the whole delay.
fn talked_ns(outcome: &Outcome) -> i64 {
    let phases = outcome.delays.as_deref().and_then(|delays| {
        let mut phases = delays.split('/').skip(2).map(str::parse::<f64>);
        Some(phases.next()?.ok()? + phases.next()?.ok()?)
    });
    let whole = outcome.delay_ms.unwrap_or(0) as f64 / 1000.0;
    let seconds = phases.unwrap_or(whole);
    if (0.0..1e6).contains(&seconds) {
        (seconds * SECOND_NS as f64) as i64
    } else {
        0
    }
}

/// Whether both legs have the same Message-ID; `None` if one is not known, or the message came
/// without, so that the next server may have added one.
fn same_message_id(a: &Leg, b: &Leg) -> Option<bool> {
    Some(message_id(a)? == message_id(b)?)
}

/// The Message-ID of a leg without its angle brackets; `None` where there is none.
pub(super) fn message_id<S: Text>(leg: &Leg<S>) -> Option<&str> {
    let id = leg.message_id.as_deref()?.trim_matches(['<', '>']);
    (!id.is_empty() && id != "unspecified").then_some(id)
}

fn other_sender(a: &Leg, b: &Leg) -> bool {
    match (a.from.as_deref(), b.from.as_deref()) {
        (Some(a), Some(b)) => !a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

/// Whether the recipient handed over is one of the next leg's.
fn has_recipient(to: &Leg, outcome: &Outcome) -> bool {
    to.outcomes.iter().any(|next| {
        addresses(next).any(|next_to| {
            addresses(outcome).any(|address| {
                address.eq_ignore_ascii_case(next_to)
                    || (to.is_lmtp && !next_to.contains('@') && local_part(address) == next_to)
            })
        })
    })
}

/// Whether a later outcome is for a mailbox that may be the one of `outcome`.
fn may_be_same_mailbox(outcome: &Outcome, later: &Outcome) -> bool {
    addresses(outcome).any(|address| {
        addresses(later).any(|later| local_part(address).eq_ignore_ascii_case(local_part(later)))
    })
}

fn addresses(outcome: &Outcome) -> impl Iterator<Item = &str> {
    let original = outcome.original.as_deref();
    [Some(&*outcome.to), original]
        .into_iter()
        .flatten()
        .filter(|address| !address.is_empty())
}

fn local_part(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(local, _)| local)
}

/// Whether two legs were logged by one host; `None` if a host is not known.
fn same_host(a: &Leg, b: &Leg) -> Option<bool> {
    let known = !a.host.is_empty() && !b.host.is_empty();
    known.then(|| is_same_name(&a.host, &b.host))
}

/// Whether two names mean one host, given that logs have it with and without its domain.
fn is_same_name(a: &str, b: &str) -> bool {
    first_label(a).eq_ignore_ascii_case(first_label(b))
}

/// `mx` of `mx.example.org`; all of an address.
fn first_label(host: &str) -> &str {
    if host.parse::<IpAddr>().is_ok() {
        host
    } else {
        host.split('.').next().unwrap_or(host)
    }
}

fn client_ip(leg: &Leg) -> Option<IpAddr> {
    leg.client_ip.as_deref()?.parse().ok()
}

/// The address in `mx.example[192.0.2.1]:25`; `None` for a socket or a word.
fn address_in(relay: &str) -> Option<IpAddr> {
    let (_, rest) = relay.rsplit_once('[')?;
    let (address, _) = rest.split_once(']')?;
    address
        .strip_prefix("IPv6:")
        .unwrap_or(address)
        .parse()
        .ok()
}

/// Addresses that no stranger has: loopback, private and link-local ones.
fn is_inside(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
