//! What somebody may see who may see the mail of some domains only: one predicate for every search.
//!
//! * A **message** is seen if its envelope sender or a recipient is of those domains. By its sender,
//!   everything is seen of it; by a recipient, the sender and the own recipients: the others, their
//!   number, and whatever names them is withheld.
//! * An **event** is seen if it names an address of those domains, and no other; or if one of those
//!   domains sent what it tells of.
//! * A **span** is seen as a whole if all addresses in it are of those domains, or if it is an attempt
//!   to deliver what they sent; else those of its events that are seen.
//!
//! Filters are held against what is seen, and nothing else, so that nobody can guess the rest by asking.
//! A domain means itself: who may see `example.org` does not see `mail.example.org`.

use tidings_event::filter::FieldSet;
use tidings_event::token::terms_of;
use tidings_event::{EventRef, EventType, Key, Value};
use tidings_mail::message::{Message, Recipient};
use tidings_store::TokenExpr;

use super::Compiled;
use super::events::FoundEvent;
use super::spans::{FoundSpan, SpanFilter};

/// Domains whose mail may be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// In lower case.
    domains: Vec<String>,
}

impl Scope {
    /// Of these domains; without any, nothing is seen.
    pub fn new<D: AsRef<str>>(domains: impl IntoIterator<Item = D>) -> Scope {
        let lower = |domain: D| domain.as_ref().trim().to_lowercase();
        let mut domains: Vec<String> = domains.into_iter().map(lower).collect();
        domains.retain(|domain| !domain.is_empty());
        domains.sort_unstable();
        domains.dedup();
        Scope { domains }
    }

    /// Whether an address is of these domains.
    pub fn has(&self, address: &str) -> bool {
        let address = address.trim_matches(['<', '>']);
        address
            .rsplit_once('@')
            .is_some_and(|(_, domain)| self.has_domain(domain))
    }

    fn has_domain(&self, domain: &str) -> bool {
        let domain = domain.trim_end_matches('.').to_lowercase();
        self.domains.binary_search(&domain).is_ok()
    }

    /// Whether an event is seen.
    pub fn event(&self, event: &EventRef<'_>) -> bool {
        let named = self.named(event);
        named.own && (!named.foreign || self.is_sent(event))
    }

    /// Whether what an event tells of was sent by these domains.
    fn is_sent(&self, event: &EventRef<'_>) -> bool {
        event.str(Key::FROM).is_some_and(|from| self.has(from))
    }

    /// What is seen of a span.
    pub fn span(&self, mut span: FoundSpan) -> Option<FoundSpan> {
        let all = span.events.iter().map(|found| self.named(&found.event()));
        let all = all.fold(Named::default(), Named::and);
        let is_own_attempt =
            span.events.iter().map(FoundEvent::event).any(|event| {
                event.kind() == EventType::DELIVERY_ATTEMPT_START && self.is_sent(&event)
            });
        if is_own_attempt || (all.own && !all.foreign && span.omitted == 0) {
            return Some(span);
        }
        span.events.retain(|found| self.event(&found.event()));
        span.omitted = 0;
        (!span.events.is_empty()).then_some(span)
    }

    /// What is seen of a message.
    pub fn message(&self, message: &Message) -> Option<Message> {
        if self.is_sender_of(message) {
            return Some(message.clone());
        }
        let own: Vec<Recipient> = message
            .recipients
            .iter()
            .filter_map(|recipient| self.recipient(recipient))
            .collect();
        let last_ns = own.iter().map(|recipient| recipient.time_ns).max()?;
        let of_scope = |text: &Option<String>| text.clone().filter(|text| self.has(text));
        Some(Message {
            // What was heard of it later is about others.
            last_ns: last_ns.max(message.time_ns),
            // There may be one queue id for each recipient.
            queue_ids: message.queue_ids.first().cloned().into_iter().collect(),
            legs: message.legs.first().copied().into_iter().collect(),
            joins: Vec::new(),
            relations: Vec::new(),
            account: of_scope(&message.account),
            recipients: own,
            ..message.clone()
        })
    }

    /// Whether everything is seen of a message.
    pub(super) fn is_sender_of(&self, message: &Message) -> bool {
        message.from.as_deref().is_some_and(|from| self.has(from))
    }

    /// What is seen of a recipient.
    fn recipient(&self, recipient: &Recipient) -> Option<Recipient> {
        let original = recipient.original_address.clone();
        let original = original.filter(|address| self.has(address));
        let mut seen = recipient.clone();
        if self.has(&recipient.address) {
            seen.original_address = original;
        } else {
            // An alias of their own leads elsewhere: where is not theirs to know.
            seen.address = original?;
            seen.original_address = None;
            seen.relay = None;
            seen.provider = None;
            seen.reply = String::new();
        }
        if self.text(&seen.reply, &[]).foreign {
            seen.reply = String::new();
        }
        Some(seen)
    }

    /// Whether an event of a message that is seen by a recipient is told with it.
    pub(super) fn tells(&self, message: &Message, found: &FoundEvent) -> bool {
        let sender: Vec<&str> = message.from.as_deref().into_iter().collect();
        let event = found.event();
        let line = found.line.as_deref().unwrap_or_default();
        let mut named = self.text(&String::from_utf8_lossy(line), &sender);
        each_text(&event, &mut |text| {
            named = named.and(self.text(text, &sender))
        });
        // The number of recipients is not theirs to know.
        named.own && !named.foreign && event.get(Key::TOTAL).is_none()
    }

    /// What has to be asked of the index.
    pub(super) fn tokens(&self, fields: &FieldSet) -> TokenExpr {
        let of = |domain: &String| {
            let compiled = Compiled::new(&quoted(domain), fields, None, None, 0);
            // A domain that is no word cannot be looked up, and so excludes nothing.
            compiled.map_or(TokenExpr::All, |compiled| compiled.tokens)
        };
        TokenExpr::Or(self.domains.iter().map(of).collect())
    }

    /// A filter of spans that lets through no more than what may be seen.
    pub(super) fn narrow(&self, filter: SpanFilter) -> SpanFilter {
        let domains = self
            .domains
            .iter()
            .map(|domain| SpanFilter::Event(quoted(domain)));
        SpanFilter::All(vec![filter, SpanFilter::Any(domains.collect())])
    }

    /// Which addresses an event names.
    fn named(&self, event: &EventRef<'_>) -> Named {
        let mut named = Named::default();
        each_text(event, &mut |text| named = named.and(self.text(text, &[])));
        named
    }

    /// Which addresses a text names, besides those that are known.
    fn text(&self, text: &str, known: &[&str]) -> Named {
        let mut named = Named::default();
        if !text.contains('@') {
            return named;
        }
        terms_of(text, &mut |term: &str| {
            let Some((_, domain)) = term.rsplit_once('@') else {
                return;
            };
            let is_known = |known: &&str| known.trim_matches(['<', '>']).eq_ignore_ascii_case(term);
            if self.has_domain(domain) {
                named.own = true;
            } else if !known.iter().any(is_known) {
                named.foreign = true;
            }
        });
        named
    }
}

/// Whose addresses are named.
#[derive(Clone, Copy, Default)]
struct Named {
    own: bool,
    foreign: bool,
}

impl Named {
    fn and(self, other: Named) -> Named {
        Named {
            own: self.own || other.own,
            foreign: self.foreign || other.foreign,
        }
    }
}

/// Every text of an event.
fn each_text(event: &EventRef<'_>, each: &mut dyn FnMut(&str)) {
    for (_, value) in event.pairs() {
        texts_of(&value, each);
    }
}

fn texts_of(value: &Value<'_>, each: &mut dyn FnMut(&str)) {
    match value {
        Value::Str(text) => each(text),
        Value::Bytes(bytes) => each(&String::from_utf8_lossy(bytes)),
        Value::Array(array) => array.for_each(|value| texts_of(&value, each)),
        Value::Event(nested) => {
            for (_, value) in nested.pairs() {
                texts_of(&value, each);
            }
        }
        _ => {}
    }
}

fn quoted(domain: &str) -> String {
    format!("\"{}\"", domain.replace(['"', '\\'], ""))
}
