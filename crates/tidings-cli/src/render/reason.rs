//! Why a recipient's verdict is what it is, in a few words.

use tidings_engine::contract::RecipientObject;

use crate::term::clean;

/// The reason in one line: what the reply means, then the reply without what every reply says
/// (`host mx.example.net[192.0.2.7] said: `, `(in reply to RCPT TO command)`). Empty where there is
/// nothing to explain. An address that was rewritten on the way is named.
pub(crate) fn reason(recipient: &RecipientObject) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(original) = was_addressed_to(recipient) {
        parts.push(format!("addressed to {}", clean(original)));
    }
    if recipient.verdict != "delivered" {
        let words = class_words(recipient);
        let reply = recipient
            .reply
            .as_deref()
            .map(|reply| essence(&clean(reply)));
        let reply = reply.unwrap_or_default();
        match (words.is_empty(), reply.is_empty()) {
            (false, false) => parts.push(format!("{words}: {reply}")),
            (false, true) => parts.push(words),
            (true, false) => parts.push(reply),
            (true, true) => {}
        }
    }
    parts.join("; ")
}

/// The address before aliases and rewriting, where another one is shown.
fn was_addressed_to(recipient: &RecipientObject) -> Option<&str> {
    let original = recipient.original_address.as_deref()?;
    let differs = !original.is_empty() && !original.eq_ignore_ascii_case(&recipient.address);
    (differs && !recipient.address.is_empty()).then_some(original)
}

/// `mailbox-full` as `mailbox full`.
fn class_words(recipient: &RecipientObject) -> String {
    match recipient.class.as_deref() {
        None | Some("" | "unknown" | "accepted") => String::new(),
        Some(class) => clean(class).replace('-', " "),
    }
}

/// A reply without the words around it that only say who said it, and when.
fn essence(reply: &str) -> String {
    let mut text = reply.trim();
    if let Some(at) = text.find(" said: ") {
        let before = &text[..at];
        if before.starts_with("host ") || before.ends_with(']') {
            text = &text[at + " said: ".len()..];
        }
    }
    if text.ends_with(')')
        && let Some(at) = text.rfind(" (in reply to ")
    {
        text = &text[..at];
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient(verdict: &str, class: &str, reply: &str) -> RecipientObject {
        RecipientObject {
            address: "bob@example.net".to_owned(),
            verdict: verdict.to_owned(),
            class: Some(class.to_owned()).filter(|class| !class.is_empty()),
            reply: Some(reply.to_owned()).filter(|reply| !reply.is_empty()),
            ..RecipientObject::default()
        }
    }

    #[test]
    fn noise_is_left_out() {
        let reply = "host mx.example.net[192.0.2.7] said: 452 4.2.2 The mailbox is over quota (in \
                     reply to RCPT TO command)";
        let full = recipient("deferred", "mailbox-full", reply);
        assert_eq!(
            reason(&full),
            "mailbox full: 452 4.2.2 The mailbox is over quota"
        );
        let quoted = recipient("bounced", "", "550 he said: no (really)");
        assert_eq!(reason(&quoted), "550 he said: no (really)");
        assert_eq!(reason(&recipient("held", "policy", "")), "policy");
        assert_eq!(reason(&recipient("in queue", "", "")), "");
        assert_eq!(
            reason(&recipient("delivered", "accepted", "250 2.0.0 OK")),
            ""
        );
    }

    #[test]
    fn rewritten_addresses_are_named() {
        let mut alias = recipient("delivered", "", "");
        alias.original_address = Some("sales@example.org".to_owned());
        assert_eq!(reason(&alias), "addressed to sales@example.org");
        alias.original_address = Some("BOB@example.net".to_owned());
        assert_eq!(reason(&alias), "");
    }

    #[test]
    fn replies_are_made_harmless() {
        let hostile = recipient("bounced", "spam\u{1b}[m", "550 \u{1b}[2J\nforged");
        assert_eq!(reason(&hostile), "spam\\x1b[m: 550 \\x1b[2J\\nforged");
    }
}
