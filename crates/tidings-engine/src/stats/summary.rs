//! Everything that is counted for a summary, and how a message or an event counts.

use tidings_event::{EventRef, EventType, Key};
use tidings_mail::message::{Kind, Message, Recipient, Verdict};

use super::delays::Delays;
use super::hours::Hours;
use super::reason::reason_name;
use super::top::{Sum, Top};
use crate::contract::{CountObject, StatsObject};

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) messages: Sum,
    pub(super) recipients: u64,
    pub(super) refused: u64,
    pub(super) refused_recipients: u64,
    /// Recipients of accepted messages, in the order of [`Verdict::ALL`].
    pub(super) verdicts: [u64; Verdict::ALL.len()],
    pub(super) senders: Top,
    pub(super) sender_domains: Top,
    pub(super) recipient_addresses: Top,
    pub(super) recipient_domains: Top,
    pub(super) providers: Top,
    pub(super) deferral_reasons: Top,
    pub(super) bounce_reasons: Top,
    pub(super) refusal_reasons: Top,
    pub(super) refusal_clients: Top,
    pub(super) sign_ins: u64,
    pub(super) sign_in_failures: u64,
    pub(super) failures_by_account: Top,
    pub(super) failures_by_client: Top,
    pub(super) hours: Hours,
    pub(super) delays: Delays,
    times: Option<(i64, i64)>,
}

impl Summary {
    /// Counts a message.
    pub(super) fn add_message(&mut self, message: &Message) {
        self.note_time(message.time_ns);
        let is_accepted = message.kind == Kind::Accepted;
        let bytes = message.size.unwrap_or(0);
        self.count_message(message.time_ns, !is_accepted, bytes);
        if is_accepted {
            self.add_sender(
                message.from.as_deref().unwrap_or_default(),
                Sum { count: 1, bytes },
            );
        }
        for recipient in &message.recipients {
            let verdict = recipient.verdict.unwrap_or(Verdict::Unknown);
            if is_accepted {
                self.add_recipient(message, recipient, verdict);
            }
            if let Some(failure) = Failure::of(verdict) {
                let name = reason_name(recipient.class, &recipient.reply);
                let count = failures_in(!is_accepted, recipient.attempts.into());
                // That it was refused once was counted with the message.
                self.count_refused(message.time_ns, count - 1);
                self.add_reason(failure, &name, count);
                if failure == Failure::Refused {
                    let client =
                        client_name(message.client_ip.as_deref(), message.client_name.as_deref());
                    self.refusal_clients.add(client, Sum { count, bytes: 0 });
                }
            }
        }
    }

    fn add_recipient(&mut self, message: &Message, recipient: &Recipient, verdict: Verdict) {
        self.count_verdict(message.time_ns, verdict);
        let sum = Sum {
            count: 1,
            bytes: message.size.unwrap_or(0),
        };
        self.add_recipient_name(&recipient.address, sum);
        if let Some(provider) = recipient.provider.as_deref() {
            self.providers.add(provider, Sum { count: 1, bytes: 0 });
        }
        if let (Verdict::Delivered, Some(delay_ms)) = (verdict, recipient.delay_ms) {
            self.delays.add(delay_ms);
        }
    }

    /// Counts a sign-in, if the event is one.
    pub(super) fn add_event(&mut self, event: &EventRef<'_>) {
        let Some(outcome) = SignIn::of(event.kind().name()) else {
            return;
        };
        let number = |key| event.get(key).and_then(|value| value.as_u64());
        let ip = event
            .get(Key::REMOTE_IP)
            .and_then(|value| value.as_ip())
            .map(|ip| ip.to_string());
        let client = client_name(ip.as_deref(), event.str(Key::HOSTNAME));
        let count = times_of(number(Key::REPEATED), number(Key::COUNT));
        let account = event.str(Key::ACCOUNT_NAME).unwrap_or_default();
        self.add_sign_in(event.time_ns(), outcome, account, client, count);
    }

    /// Counts sign-ins of an account.
    pub(super) fn add_sign_in(
        &mut self,
        time_ns: i64,
        outcome: SignIn,
        account: &str,
        client: &str,
        count: u64,
    ) {
        self.note_time(time_ns);
        match outcome {
            SignIn::Succeeded => self.sign_ins = self.sign_ins.saturating_add(count),
            SignIn::Failed => {
                self.sign_in_failures = self.sign_in_failures.saturating_add(count);
                let sum = Sum { count, bytes: 0 };
                self.failures_by_account.add(account, sum);
                self.failures_by_client.add(client, sum);
            }
        }
    }

    /// Counts an accepted message, or a refused command.
    #[inline]
    pub(super) fn count_message(&mut self, time_ns: i64, is_refused: bool, bytes: u64) {
        if is_refused {
            self.count_refused(time_ns, 1);
        } else {
            self.messages.add(1, bytes);
            self.hours.at(time_ns).messages += 1;
        }
    }

    /// Counts commands that were refused before there was a message.
    pub(super) fn count_refused(&mut self, time_ns: i64, count: u64) {
        if count > 0 {
            self.refused += count;
            self.hours.at(time_ns).refused += count;
        }
    }

    /// Counts a recipient of an accepted message.
    #[inline]
    pub(super) fn count_verdict(&mut self, time_ns: i64, verdict: Verdict) {
        self.recipients += 1;
        // The order of `Verdict::ALL` is that of the enum: a test holds them together.
        self.verdicts[verdict as usize] += 1;
        match verdict {
            Verdict::Delivered => self.hours.at(time_ns).delivered += 1,
            Verdict::Deferred => self.hours.at(time_ns).deferred += 1,
            Verdict::Bounced | Verdict::Expired => self.hours.at(time_ns).bounced += 1,
            Verdict::Rejected => self.refused_recipients += 1,
            _ => {}
        }
    }

    /// Counts messages of a sender.
    pub(super) fn add_sender(&mut self, address: &str, sum: Sum) {
        add_address(&mut self.senders, &mut self.sender_domains, address, sum);
    }

    /// Counts recipients of an address.
    pub(super) fn add_recipient_name(&mut self, address: &str, sum: Sum) {
        add_address(
            &mut self.recipient_addresses,
            &mut self.recipient_domains,
            address,
            sum,
        );
    }

    /// Counts recipients by why it failed.
    pub(super) fn add_reason(&mut self, failure: Failure, name: &str, count: u64) {
        let list = match failure {
            Failure::Deferred => &mut self.deferral_reasons,
            Failure::Bounced => &mut self.bounce_reasons,
            Failure::Refused => &mut self.refusal_reasons,
        };
        list.add(name, Sum { count, bytes: 0 });
    }

    /// Notes when something happened that counts.
    #[inline]
    pub(super) fn note_time(&mut self, time_ns: i64) {
        let (first_ns, last_ns) = self.times.unwrap_or((time_ns, time_ns));
        self.times = Some((first_ns.min(time_ns), last_ns.max(time_ns)));
    }

    /// Adds what another one has counted, of other messages and events.
    pub(super) fn absorb(&mut self, other: Summary) {
        self.messages
            .add(other.messages.count, other.messages.bytes);
        self.recipients += other.recipients;
        self.refused += other.refused;
        self.refused_recipients += other.refused_recipients;
        for (mine, theirs) in self.verdicts.iter_mut().zip(other.verdicts) {
            *mine += theirs;
        }
        for (mine, theirs) in self.lists_mut().into_iter().zip(other.lists()) {
            mine.absorb(theirs);
        }
        self.sign_ins += other.sign_ins;
        self.sign_in_failures += other.sign_in_failures;
        self.hours.absorb(other.hours);
        self.delays.absorb(&other.delays);
        let (first_ns, last_ns) = other.times.unzip();
        for time_ns in first_ns.into_iter().chain(last_ns) {
            self.note_time(time_ns);
        }
    }

    /// When the first and the last thing happened that counts.
    pub(super) fn times(&self) -> Option<(i64, i64)> {
        self.times
    }

    /// The summary as the contract has it, with the hours of `period`; the caller fills in its
    /// ends.
    pub(super) fn into_object(self, top: usize, period: Option<(i64, i64)>) -> StatsObject {
        let approximate =
            self.delays.is_approximate() || self.lists().iter().any(|list| list.is_approximate());
        let verdicts = Verdict::ALL
            .iter()
            .zip(self.verdicts)
            .filter(|(_, count)| *count > 0);
        let mut verdicts: Vec<CountObject> = verdicts
            .map(|(verdict, count)| CountObject {
                name: verdict.as_str().to_owned(),
                count,
                bytes: None,
            })
            .collect();
        verdicts.sort_by_key(|verdict| std::cmp::Reverse(verdict.count));
        let (hours, hours_step_s) = match period {
            Some((since_ns, until_ns)) => self.hours.objects(since_ns, until_ns),
            None => (Vec::new(), 3600),
        };
        StatsObject {
            messages: self.messages.count,
            bytes: self.messages.bytes,
            recipients: self.recipients,
            refused: self.refused,
            refused_recipients: self.refused_recipients,
            verdicts,
            senders: self.senders.objects(top, true),
            sender_domains: self.sender_domains.objects(top, true),
            recipient_addresses: self.recipient_addresses.objects(top, true),
            recipient_domains: self.recipient_domains.objects(top, true),
            providers: self.providers.objects(top, false),
            deferral_reasons: self.deferral_reasons.objects(top, false),
            bounce_reasons: self.bounce_reasons.objects(top, false),
            refusal_reasons: self.refusal_reasons.objects(top, false),
            refusal_clients: self.refusal_clients.objects(top, false),
            sign_in_failures_by_account: self.failures_by_account.objects(top, false),
            sign_in_failures_by_client: self.failures_by_client.objects(top, false),
            sign_ins: self.sign_ins,
            sign_in_failures: self.sign_in_failures,
            hours,
            hours_step_s,
            delays_ms: self.delays.object(),
            approximate,
            ..StatsObject::default()
        }
    }

    fn lists(&self) -> [&Top; 11] {
        [
            &self.senders,
            &self.sender_domains,
            &self.recipient_addresses,
            &self.recipient_domains,
            &self.providers,
            &self.deferral_reasons,
            &self.bounce_reasons,
            &self.refusal_reasons,
            &self.refusal_clients,
            &self.failures_by_account,
            &self.failures_by_client,
        ]
    }

    fn lists_mut(&mut self) -> [&mut Top; 11] {
        [
            &mut self.senders,
            &mut self.sender_domains,
            &mut self.recipient_addresses,
            &mut self.recipient_domains,
            &mut self.providers,
            &mut self.deferral_reasons,
            &mut self.bounce_reasons,
            &mut self.refusal_reasons,
            &mut self.refusal_clients,
            &mut self.failures_by_account,
            &mut self.failures_by_client,
        ]
    }
}

/// A verdict of which the reason is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Failure {
    Deferred,
    Bounced,
    Refused,
}

impl Failure {
    /// The list in which the reason counts.
    pub(super) fn of(verdict: Verdict) -> Option<Failure> {
        match verdict {
            Verdict::Deferred => Some(Failure::Deferred),
            Verdict::Bounced | Verdict::Expired => Some(Failure::Bounced),
            Verdict::Rejected => Some(Failure::Refused),
            _ => None,
        }
    }
}

/// How a sign-in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignIn {
    Succeeded,
    Failed,
}

impl SignIn {
    /// The event types that tell of sign-ins.
    pub(super) const TYPES: [EventType; 3] = [
        EventType::AUTH_SUCCESS,
        EventType::AUTH_FAILED,
        EventType::AUTH_TOO_MANY_ATTEMPTS,
    ];

    /// What the name of an event type says.
    pub(super) fn of(kind: &str) -> Option<SignIn> {
        let kind = SignIn::TYPES
            .into_iter()
            .find(|known| known.name() == kind)?;
        Some(if kind == EventType::AUTH_SUCCESS {
            SignIn::Succeeded
        } else {
            SignIn::Failed
        })
    }
}

/// How often it happened: the line stands for `repeated` like it, each of which tells of `count`
/// attempts.
pub(super) fn times_of(repeated: Option<u64>, count: Option<u64>) -> u64 {
    repeated
        .unwrap_or(1)
        .max(1)
        .saturating_mul(count.unwrap_or(1).max(1))
}

/// How many failures a recipient's row stands for: a recipient of a message fails once, however often
/// it was tried, and a command was refused as often as the log says.
pub(super) fn failures_in(is_refused: bool, attempts: u64) -> u64 {
    if is_refused { attempts.max(1) } else { 1 }
}

/// A client's address; its name where the log does not tell the address; else nothing.
pub(super) fn client_name<'n>(ip: Option<&'n str>, name: Option<&'n str>) -> &'n str {
    ip.or(name).unwrap_or_default()
}

/// Counts an address and its domain. Domains are the same in any letter case, local parts are not.
/// The null sender is a domain of its own, and what has no domain is in the one without a name.
fn add_address(addresses: &mut Top, domains: &mut Top, address: &str, sum: Sum) {
    let at = address.rfind('@').map_or(address.len(), |at| at + 1);
    let domain = if address == "<>" {
        address
    } else {
        &address[at..]
    };
    if domain.bytes().any(|b| b.is_ascii_uppercase()) {
        let domain = domain.to_ascii_lowercase();
        addresses.add(&format!("{}{domain}", &address[..at]), sum);
        domains.add(&domain, sum);
    } else {
        addresses.add(address, sum);
        domains.add(domain, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_stand_in_the_order_of_the_enum() {
        for (at, verdict) in Verdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict as usize, at);
        }
    }

    #[test]
    fn addresses_of_one_domain_count_together() {
        let (mut addresses, mut domains) = (Top::default(), Top::default());
        let once = Sum { count: 1, bytes: 5 };
        for address in [
            "Bob@Example.ORG",
            "Bob@example.org",
            "bob@example.org",
            "root",
            "",
            "<>",
            "\"a@b\"@x.test",
        ] {
            add_address(&mut addresses, &mut domains, address, once);
        }
        let names = |top: &Top| {
            top.most(9)
                .into_iter()
                .map(|(name, sum)| (name.to_owned(), sum.count))
                .collect::<Vec<_>>()
        };
        let of = |names: &[(&str, u64)]| {
            names
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&addresses),
            of(&[
                ("Bob@example.org", 2),
                ("", 1),
                ("\"a@b\"@x.test", 1),
                ("<>", 1),
                ("bob@example.org", 1),
                ("root", 1)
            ])
        );
        assert_eq!(
            names(&domains),
            of(&[("example.org", 3), ("", 2), ("<>", 1), ("x.test", 1)])
        );
    }

    #[test]
    fn repetitions_and_attempts_multiply() {
        assert_eq!(times_of(None, None), 1);
        assert_eq!(times_of(Some(3), Some(4)), 12);
        assert_eq!(times_of(Some(0), None), 1);
        assert_eq!(times_of(Some(u64::MAX), Some(2)), u64::MAX);
    }
}
