//! The mail_log plugin: what was done with messages and mailboxes.

use super::scan;
use super::statement::{MailAction, MailEvent, MailboxAction, Says};

/// Reads an event of a mailbox or of a message in it; `None` if the text is something else.
pub(super) fn read(text: &[u8]) -> Option<Says<'_>> {
    if let Some(rest) = scan::strip_any(text, &[b"Mailbox ", b"mailbox "]) {
        return mailbox(rest).or_else(|| in_mailbox(rest));
    }
    mail(text)
}

/// 2.4: `INBOX: save: uid=1, msgid=<…>`, `Work: Mailbox created`, behind `Mailbox `. A mailbox name
/// may hold anything, so the first place that reads well ends it.
fn in_mailbox(text: &[u8]) -> Option<Says<'_>> {
    scan::all(text, b": ").find_map(|at| {
        let (name, rest) = (&text[..at], &text[at + 2..]);
        if let Some(done) = rest.strip_prefix(b"Mailbox ") {
            return whole_mailbox(name, done).or_else(|| mailbox(done));
        }
        match mail(rest)? {
            Says::Mail(event) if event.mailbox.is_empty() => Some(Says::Mail(MailEvent {
                mailbox: name,
                ..event
            })),
            other => Some(other),
        }
    })
}

/// `created`, `deleted`, `subscribed`, `unsubscribed`: what was done with the mailbox itself.
fn whole_mailbox<'a>(mailbox: &'a [u8], done: &[u8]) -> Option<Says<'a>> {
    let action = match done {
        b"created" => MailboxAction::Created,
        b"deleted" => MailboxAction::Deleted,
        b"subscribed" => MailboxAction::Subscribed,
        b"unsubscribed" => MailboxAction::Unsubscribed,
        _ => return None,
    };
    Some(Says::Mailbox {
        action,
        mailbox,
        renamed_to: b"",
    })
}

fn mail(text: &[u8]) -> Option<Says<'_>> {
    let (action, other, fields) = action(text)?;
    let is_target = text.starts_with(b"copy ->") || text.starts_with(b"copied ->");
    let copied_from = if is_target { b"" } else { other };
    let event = MailEvent {
        action,
        copied_from,
        mailbox: b"",
        uid: None,
        message_id: b"",
        size: None,
        flags: b"",
        from: b"",
        subject: b"",
    };
    let event = fields_of(event, fields)?;
    if is_target {
        let (copied_from, mailbox) = (event.mailbox, other);
        return Some(Says::Mail(MailEvent {
            copied_from,
            mailbox,
            ..event
        }));
    }
    Some(Says::Mail(event))
}

fn mailbox(text: &[u8]) -> Option<Says<'_>> {
    const ACTIONS: &[(&[u8], MailboxAction)] = &[
        (b"created: ", MailboxAction::Created),
        (b"deleted: ", MailboxAction::Deleted),
        (b"renamed: ", MailboxAction::Renamed),
        (b"subscribed: ", MailboxAction::Subscribed),
        (b"unsubscribed: ", MailboxAction::Unsubscribed),
    ];
    let (words, action) = ACTIONS.iter().find(|(words, _)| text.starts_with(words))?;
    let name = &text[words.len()..];
    let (mailbox, renamed_to) = match action {
        MailboxAction::Renamed => scan::split_once(name, b" -> ").unwrap_or((name, b"")),
        _ => (name, &b""[..]),
    };
    Some(Says::Mailbox {
        action: *action,
        mailbox,
        renamed_to,
    })
}

/// `save: `, `copy from INBOX: `; 1.x has `copy -> Trash: `. Gives the action, the other mailbox,
/// and the fields.
fn action(text: &[u8]) -> Option<(MailAction, &[u8], &[u8])> {
    const ACTIONS: &[(&[u8], MailAction)] = &[
        (b"save: ", MailAction::Save),
        (b"expunge: ", MailAction::Expunge),
        (b"flag_change: ", MailAction::FlagChange),
        (b"delete: ", MailAction::Delete),
        (b"undelete: ", MailAction::Undelete),
        (b"append: ", MailAction::Append),
        (b"expunged: ", MailAction::Expunge),
        (b"deleted: ", MailAction::Delete),
        (b"undeleted: ", MailAction::Undelete),
        (b"autoexpunge: ", MailAction::AutoExpunge),
        (b"autoexpunged: ", MailAction::AutoExpunge),
        (b"saved: ", MailAction::Save),
        (b"read: ", MailAction::Other),
        (b"move: ", MailAction::Other),
    ];
    if let Some((words, action)) = ACTIONS.iter().find(|(words, _)| text.starts_with(words)) {
        return Some((*action, b"", &text[words.len()..]));
    }
    let rest = scan::strip_any(
        text,
        &[b"copy from ", b"move from ", b"copy -> ", b"copied -> "],
    )?;
    // A mailbox name may hold anything: the fields begin at the first key of the plugin.
    let at = scan::all(rest, b": ").find(|at| key_at(&rest[at + 2..]).is_some())?;
    Some((MailAction::Copy, &rest[..at], &rest[at + 2..]))
}

/// Keys of `mail_log_fields`, in the order the plugin writes them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Box,
    Uid,
    MessageId,
    Size,
    VSize,
    From,
    Subject,
    Flags,
    Error,
}

const KEYS: &[(&[u8], Key)] = &[
    (b"box=", Key::Box),
    (b"uid=", Key::Uid),
    (b"msgid=", Key::MessageId),
    (b"size=", Key::Size),
    (b"vsize=", Key::VSize),
    (b"from=", Key::From),
    (b"subject=", Key::Subject),
    (b"flags=", Key::Flags),
    (b"error=", Key::Error),
];

fn key_at(text: &[u8]) -> Option<(Key, &[u8])> {
    let (words, key) = KEYS.iter().find(|(words, _)| text.starts_with(words))?;
    Some((*key, &text[words.len()..]))
}

/// Reads `box=INBOX, uid=1, msgid=<…>, …` forward: each value ends at the first `, key` of a field
/// that has not come yet. The subject is last in the plugin's order, so nothing in it counts.
fn fields_of<'a>(mut event: MailEvent<'a>, text: &'a [u8]) -> Option<MailEvent<'a>> {
    let (mut key, mut rest) = key_at(text)?;
    let mut seen = 0_u16;
    loop {
        seen |= 1 << key as u16;
        let next = match key {
            Key::Subject => trailing(rest),
            // A Message-ID in brackets may hold what looks like fields.
            Key::MessageId if rest.first() == Some(&b'<') => {
                after_bracket(rest, seen).or_else(|| next_field(rest, seen))
            }
            _ => next_field(rest, seen),
        };
        let value = &rest[..next.map_or(rest.len(), |(at, _)| at)];
        take(&mut event, key, value);
        let Some((at, found)) = next else {
            return Some(event);
        };
        let (_, after) = key_at(&rest[at + 2..])?;
        (key, rest) = (found, after);
    }
}

fn next_field(text: &[u8], seen: u16) -> Option<(usize, Key)> {
    scan::all(text, b", ").find_map(|at| {
        let (key, _) = key_at(&text[at + 2..])?;
        (seen & (1 << key as u16) == 0).then_some((at, key))
    })
}

fn after_bracket(text: &[u8], seen: u16) -> Option<(usize, Key)> {
    scan::all(text, b">, ").find_map(|at| {
        let (key, _) = key_at(&text[at + 3..])?;
        (seen & (1 << key as u16) == 0).then_some((at + 1, key))
    })
}

/// `, flags=(…)` at the very end, the one field that may follow the subject.
fn trailing(text: &[u8]) -> Option<(usize, Key)> {
    let at = memchr::memmem::rfind(text, b", flags=(")?;
    let flags = &text[at + 9..];
    let is_flags = flags.strip_suffix(b")").is_some_and(|flags| {
        flags
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"\\$_- ".contains(byte))
    });
    is_flags.then_some((at, Key::Flags))
}

fn take<'a>(event: &mut MailEvent<'a>, key: Key, value: &'a [u8]) {
    match key {
        Key::Box => event.mailbox = value,
        Key::Uid => event.uid = scan::number(value),
        Key::MessageId => event.message_id = value,
        Key::Size => event.size = scan::number(value),
        Key::VSize => event.size = event.size.or(scan::number(value)),
        Key::From => event.from = value,
        Key::Subject => event.subject = value,
        Key::Flags => {
            let inner = value
                .strip_prefix(b"(")
                .and_then(|value| value.strip_suffix(b")"));
            event.flags = inner.unwrap_or(value);
        }
        Key::Error => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(text: &str) -> MailEvent<'_> {
        match read(text.as_bytes()) {
            Some(Says::Mail(event)) => event,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// 2.4 names the mailbox in front of each action; the lines were not recognised.
    #[test]
    fn mailboxes_in_front_of_the_action() {
        let event = mail("Mailbox INBOX: save: uid=1, msgid=<a@b>, size=495");
        assert_eq!(
            (event.action, event.mailbox, event.uid),
            (MailAction::Save, &b"INBOX"[..], Some(1))
        );
        assert_eq!((event.message_id, event.size), (&b"<a@b>"[..], Some(495)));
        for (action, text) in [
            (MailAction::Delete, "delete"),
            (MailAction::Undelete, "undelete"),
            (MailAction::Expunge, "expunge"),
            (MailAction::FlagChange, "flag_change"),
            (MailAction::AutoExpunge, "autoexpunge"),
        ] {
            let text = format!("Mailbox a: b: {text}: uid=7, msgid=<x>, flags=(\\Seen)");
            let event = mail(&text);
            assert_eq!((event.action, event.mailbox), (action, &b"a: b"[..]));
            assert_eq!(event.flags, b"\\Seen");
        }
        let event = mail("Mailbox Trash: copy from INBOX: uid=7, msgid=<x>");
        assert_eq!(
            (event.action, event.copied_from, event.mailbox),
            (MailAction::Copy, &b"INBOX"[..], &b"Trash"[..])
        );
        let created = Says::Mailbox {
            action: MailboxAction::Created,
            mailbox: b"Work",
            renamed_to: b"",
        };
        assert_eq!(read(b"Mailbox Work: Mailbox created"), Some(created));
        assert_eq!(read(b"Mailbox created: Work"), Some(created));
        for other in [
            "Mailbox INBOX: opened",
            "Mailbox INBOX: save failed",
            "Mailbox : ",
        ] {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_subject_cannot_forge_fields() {
        let event = mail(
            "save: box=INBOX, uid=7, msgid=<a@b>, size=751, from=x, y <x@y>, subject=hi, uid=8, msgid=<c@d>, size=1",
        );
        assert_eq!(
            (event.uid, event.message_id, event.size),
            (Some(7), &b"<a@b>"[..], Some(751))
        );
        assert_eq!(event.from, b"x, y <x@y>");
        assert_eq!(event.subject, b"hi, uid=8, msgid=<c@d>, size=1");
    }

    #[test]
    fn nothing_in_a_subject_is_a_field() {
        let event = mail("save: box=INBOX, uid=7, subject=hi, from=x, size=9");
        assert_eq!((event.from, event.size), (&b""[..], None));
        assert_eq!(event.subject, b"hi, from=x, size=9");
    }

    #[test]
    fn a_message_id_cannot_forge_fields_from_within_its_brackets() {
        let event = mail("save: box=a, uid=3, msgid=<a, size=1, from=b@c>, size=999, from=d");
        assert_eq!(event.message_id, b"<a, size=1, from=b@c>");
        assert_eq!((event.size, event.from), (Some(999), &b"d"[..]));
        let event = mail("save: box=a, uid=3, msgid=<a, size=1");
        assert_eq!((event.message_id, event.size), (&b"<a"[..], Some(1)));
    }

    #[test]
    fn a_mailbox_may_hold_anything() {
        let event = mail("copy from a: b, c: box=d, e, uid=7, msgid=, size=3");
        assert_eq!(
            (event.copied_from, event.mailbox),
            (&b"a: b, c"[..], &b"d, e"[..])
        );
        assert_eq!((event.uid, event.message_id), (Some(7), &b""[..]));
    }

    #[test]
    fn flags() {
        let event = mail("flag_change: box=INBOX, uid=7, subject=a, b, flags=(\\Seen $Junk)");
        assert_eq!(
            (event.subject, event.flags),
            (&b"a, b"[..], &b"\\Seen $Junk"[..])
        );
    }

    #[test]
    fn mailboxes() {
        let renamed = Says::Mailbox {
            action: MailboxAction::Renamed,
            mailbox: b"Work",
            renamed_to: b"Work 2",
        };
        assert_eq!(read(b"Mailbox renamed: Work -> Work 2"), Some(renamed));
        assert_eq!(read(b"Mailbox exploded"), None);
        assert_eq!(read(b"save failed"), None);
    }
}
