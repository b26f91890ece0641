//! What Sieve scripts do: Pigeonhole of all versions, and the plugins before it.

use super::delivery;
use super::scan;
use super::statement::{Level, Message, Says, Sieve, SieveAction};

/// Texts of actions and what they mean, by their beginning.
const ACTIONS: &[(&[u8], SieveAction)] = &[
    (b"stored mail into mailbox ", SieveAction::Stored),
    (b"left message in mailbox ", SieveAction::Stored),
    (b"forwarded to ", SieveAction::Forwarded),
    (
        b"discarded duplicate forward to ",
        SieveAction::ForwardDuplicate,
    ),
    (b"not forwarding message to ", SieveAction::ForwardDuplicate),
    (b"marked message to be discarded", SieveAction::Discarded),
    (b"Marked message to be discarded", SieveAction::Discarded),
    (b"discarded message", SieveAction::Discarded),
    (b"rejected message from ", SieveAction::Rejected),
    (b"rejected message", SieveAction::Rejected),
    (b"not sending reject message", SieveAction::Note),
    (b"discard reject", SieveAction::Note),
    (b"sent vacation response to ", SieveAction::VacationSent),
    (b"sent vacation reply to ", SieveAction::VacationSent),
    (
        b"discarded duplicate vacation ",
        SieveAction::VacationNotSent,
    ),
    (b"discarded vacation re", SieveAction::VacationNotSent),
    (b"discarding vacation re", SieveAction::VacationNotSent),
    (b"not sending vacation re", SieveAction::VacationNotSent),
    (b"vacation action aborted", SieveAction::VacationNotSent),
    (b"sent mail notification to ", SieveAction::Notified),
    (b"sent notification to ", SieveAction::Notified),
    (b"sent notification", SieveAction::Notified),
    (b"sent mail notification", SieveAction::Notified),
    (b"piped message to program ", SieveAction::Program),
    (b"executed program", SieveAction::Program),
    (b"executed ", SieveAction::Program),
    (b"discarded", SieveAction::Discarded),
    (b"actions executed", SieveAction::Note),
    (b"not sending notification", SieveAction::Note),
    (b"discarding mailto notification", SieveAction::Note),
    (b"failed to ", SieveAction::Failed),
    (b"Failed to ", SieveAction::Failed),
    (b"script execution failed", SieveAction::Failed),
    (b"Execution of script ", SieveAction::Failed),
    (b"Execution of Sieve filters ", SieveAction::Failed),
    (b"execution of script ", SieveAction::Failed),
    (b"Aborted script execution", SieveAction::Failed),
    (b"error: ", SieveAction::Failed),
];

/// Whether such a text is an action of a script.
pub(super) fn is_action(text: &[u8]) -> bool {
    let text = without_frame(text);
    known(text)
        .is_some_and(|action| action != SieveAction::Failed || text.starts_with(b"failed to "))
}

/// Reads the text behind `sieve: `.
pub(super) fn read(text: &[u8]) -> Sieve<'_> {
    // `msgid=<…>: ` stands before the action where the script acts on a delivery.
    let (message, rest) = delivery::message(text);
    action(message, rest)
}

/// A remark of a script at the level of an error is an error of the script: it does not compile, or
/// it ended early.
pub(super) fn at_level(says: Says<'_>, level: Level) -> Says<'_> {
    match says {
        Says::Sieve(sieve) if sieve.action == SieveAction::Note && level >= Level::Error => {
            Says::Sieve(Sieve {
                action: SieveAction::Failed,
                ..sieve
            })
        }
        says => says,
    }
}

/// Reads an action's text; what is not known is a [`SieveAction::Note`].
pub(super) fn action<'a>(message: Message<'a>, text: &'a [u8]) -> Sieve<'a> {
    let bare = without_frame(text);
    let action = known(bare).unwrap_or(SieveAction::Note);
    Sieve {
        action,
        message,
        target: target(action, bare),
        text,
    }
}

fn known(text: &[u8]) -> Option<SieveAction> {
    ACTIONS
        .iter()
        .find(|(words, _)| text.starts_with(words))
        .map(|(_, action)| *action)
}

/// The text behind `fileinto action: `, which Pigeonhole writes since 0.5.10, and behind
/// `main_script: line 3: ` and the like.
fn without_frame(text: &[u8]) -> &[u8] {
    const FRAMES: &[&[u8]] = &[
        b"fileinto action: ",
        b"keep action: ",
        b"redirect action: ",
        b"discard action: ",
        b"reject action: ",
        b"ereject action: ",
        b"vacation action: ",
        b"notify action: ",
        b"pipe action: ",
        b"filter action: ",
        b"execute action: ",
        b"store action: ",
        b"report action: ",
        b"enotify action: ",
        b"implicit keep action: ",
        b"addheader action: ",
        b"report: ",
    ];
    let text = behind_line(text).unwrap_or(text);
    scan::strip_any(text, FRAMES).unwrap_or(text)
}

/// The text behind `main_script: line 3: `; the name of the script is one word.
fn behind_line(text: &[u8]) -> Option<&[u8]> {
    const LONGEST: usize = 256;
    let start = &text[..text.len().min(LONGEST)];
    let end = start.iter().position(|byte| matches!(byte, b':' | b' '))?;
    let rest = text[end..].strip_prefix(b": line ")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest[digits..].strip_prefix(b": ")
}

/// What the action went to: `'Junk'`, `<a@b>`, a program in quotes.
fn target(action: SieveAction, text: &[u8]) -> &[u8] {
    match action {
        SieveAction::Stored => quoted(text).unwrap_or_else(|| last_word(text, b"mailbox ")),
        SieveAction::Program => quoted(text).unwrap_or(b""),
        SieveAction::Discarded | SieveAction::Note => b"",
        SieveAction::Failed => match memchr::memmem::find(text, b"mailbox ") {
            Some(at) => quoted(&text[at..]).unwrap_or(b""),
            None => bracketed(text).unwrap_or(b""),
        },
        _ => bracketed(text).unwrap_or(b""),
    }
}

/// What is between `'…'`, or between a backquote and an apostrophe. A mailbox name may hold
/// apostrophes: it ends at the last one before a colon, or at the text's last one.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr2(b'\'', b'`', text)?;
    let rest = &text[open + 1..];
    let close = memchr::memmem::find(rest, b"': ").or_else(|| memchr::memrchr(b'\'', rest))?;
    Some(&rest[..close])
}

/// What is between the first `<` and the `>` that ends the word.
fn bracketed(text: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'<', text)?;
    let rest = &text[open + 1..];
    let close = memchr::memchr_iter(b'>', rest)
        .find(|at| matches!(rest.get(at + 1), None | Some(b' ' | b':' | b',' | b'.')))?;
    Some(&rest[..close])
}

fn last_word<'a>(text: &'a [u8], words: &[u8]) -> &'a [u8] {
    scan::split_once(text, words).map_or(b"", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_of_all_ages() {
        let cases: &[(&str, SieveAction, &str)] = &[
            (
                "msgid=<a@b>: stored mail into mailbox 'Junk'",
                SieveAction::Stored,
                "Junk",
            ),
            (
                "msgid=<a@b>: fileinto action: stored mail into mailbox 'it's'",
                SieveAction::Stored,
                "it's",
            ),
            (
                "main_script: line 3: error: unknown command 'fooo'",
                SieveAction::Failed,
                "",
            ),
            (
                "msgid=<a@b>: stored mail into mailbox INBOX",
                SieveAction::Stored,
                "INBOX",
            ),
            (
                "msgid=<a@b>: redirect action: forwarded to <x@y>",
                SieveAction::Forwarded,
                "x@y",
            ),
            (
                "msgid=<a@b>: forwarded to <x@y>",
                SieveAction::Forwarded,
                "x@y",
            ),
            (
                "msgid=<a@b>: discard action: Marked message to be discarded if not explicitly delivered (discard action)",
                SieveAction::Discarded,
                "",
            ),
            (
                "msgid=<a@b>: reject action: rejected message from <x@y> (reject)",
                SieveAction::Rejected,
                "x@y",
            ),
            (
                "msgid=<a@b>: sent vacation response to <x@y>",
                SieveAction::VacationSent,
                "x@y",
            ),
            (
                "msgid=<a@b>: vacation action: discarded duplicate vacation response to <x@y>",
                SieveAction::VacationNotSent,
                "x@y",
            ),
            (
                "msgid=<a@b>: failed to store into mailbox 'a': Quota exceeded",
                SieveAction::Failed,
                "a",
            ),
            (
                "pipe action: piped message to program `learn'",
                SieveAction::Program,
                "learn",
            ),
            (
                "Failed to compile script `/x' (view user logfile `/y' for more information)",
                SieveAction::Failed,
                "",
            ),
            ("something else", SieveAction::Note, ""),
        ];
        for (text, action, target) in cases {
            let read = read(text.as_bytes());
            assert_eq!(read.action, *action, "{text}");
            assert_eq!(read.target, target.as_bytes(), "{text}");
            let has_id = text.starts_with("msgid");
            assert_eq!(
                read.message.id,
                if has_id { &b"<a@b>"[..] } else { b"" },
                "{text}"
            );
        }
    }
}
