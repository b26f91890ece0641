//! A message's way through the queue: pickup, cleanup's id, the queue manager, bounces, postsuper.

use super::scan;
use super::statement::{Line, Notice, Operator, Says};

/// pickup: `uid=0 from=<a>`, after a requeue with ` orig_id=…`; behind `uid=`.
pub(super) fn pickup(text: &[u8]) -> Option<Says<'_>> {
    let (uid, rest) = scan::word(text);
    let text = rest.strip_prefix(b"from=<")?;
    let (from, orig_id) = match scan::cut_last(text, b"> orig_id=") {
        // The id has no blank, so this is none in the sender's text.
        Some((from, id)) if !id.is_empty() && id.iter().all(u8::is_ascii_alphanumeric) => {
            (from, id)
        }
        _ => (text.strip_suffix(b">")?, &b""[..]),
    };
    Some(Says::Pickup {
        uid,
        from: Some(from),
        orig_id,
    })
}

/// qmgr: `from=<a>, size=393, nrcpt=4 (queue active)`, before 2000 without `nrcpt=`, and
/// MailScanner: `Requeue: OLD.A7B3C to NEW`. It took a message that a rule held out of the queue,
/// and put it back under another id.
pub(super) fn moved(text: &[u8]) -> Option<Line<'_>> {
    let (old, new) = scan::cut(text.strip_prefix(b"Requeue: ")?, b" to ")?;
    let old = old.split(|byte| *byte == b'.').next()?;
    let is_id = |id: &[u8]| id.len() >= 6 && id.iter().all(u8::is_ascii_alphanumeric);
    (is_id(old) && is_id(new)).then_some(Line {
        queue_id: Some(new),
        says: Says::Pickup {
            uid: b"",
            from: None,
            orig_id: old,
        },
    })
}

/// `from=<a>, status=expired, returned to sender`; behind `from=<`.
///
/// The queue manager's words end the line, but a sender in internal form may imitate them: the
/// first `>, size=` or `>, status=` whose remainder is complete counts.
pub(super) fn from(text: &[u8]) -> Option<Says<'_>> {
    let mut start = 0;
    if text.first() == Some(&b'"')
        && let Some((address, _)) = scan::strict_address(text)
    {
        start = address.len();
    }
    while let Some(end) = scan::find(text, b">, s", start) {
        let (from, rest) = (&text[..end], &text[end + 3..]);
        if let Some(says) = active(from, rest).or_else(|| expired(from, rest)) {
            return Some(says);
        }
        start = end + 1;
    }
    None
}

fn active<'a>(from: &'a [u8], text: &'a [u8]) -> Option<Says<'a>> {
    let (size, rest) = scan::number(text.strip_prefix(b"size=")?)?;
    let (recipients, rest) = match rest.strip_prefix(b", nrcpt=") {
        Some(rest) => scan::number(rest)?,
        None => (0, rest),
    };
    (rest == b" (queue active)").then_some(Says::QueueActive {
        from,
        size,
        recipients,
    })
}

fn expired<'a>(from: &'a [u8], text: &'a [u8]) -> Option<Says<'a>> {
    let forced = match text.strip_prefix(b"status=")? {
        b"expired, returned to sender" => false,
        b"force-expired, returned to sender" => true,
        _ => return None,
    };
    Some(Says::Expired { from, forced })
}

/// bounce: `sender non-delivery notification: NEWQID`
pub(super) fn notification(text: &[u8]) -> Option<Says<'_>> {
    let (kind, child) = scan::cut(text, b" notification: ")?;
    let kind = match kind {
        b"sender non-delivery" => Notice::NonDelivery,
        b"sender delay" => Notice::Delay,
        b"sender delivery status" => Notice::Success,
        b"postmaster delay" => Notice::Delay,
        b"postmaster non-delivery" => Notice::Postmaster,
        _ => return None,
    };
    let id = !child.is_empty() && child.iter().all(u8::is_ascii_alphanumeric);
    id.then_some(Says::Notification { kind, child })
}

/// `removed`, and since 3.10 cleanup's `removed (canceled)`; in development versions of 2.1
/// `deleted`.
pub(super) fn removed<'a>(service: &[u8], text: &'a [u8]) -> Option<Says<'a>> {
    match text {
        b"removed" if service == b"postsuper" => Some(Says::Operator {
            what: Operator::Remove,
        }),
        b"removed" | b"deleted" => Some(Says::Removed),
        _ => {
            let reason = text.strip_prefix(b"removed (")?.strip_suffix(b")")?;
            Some(Says::Dropped { reason })
        }
    }
}

/// postsuper: what became of one message.
pub(super) fn operator(text: &[u8]) -> Option<Says<'_>> {
    let what = match text {
        b"placed on hold" => Operator::Hold,
        b"released from hold" => Operator::Release,
        b"requeued" => Operator::Requeue,
        b"expired" => Operator::Expire,
        _ => return None,
    };
    Some(Says::Operator { what })
}
