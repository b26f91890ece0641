//! What kind of value a key holds, as far as the catalogue is sure of it.

use crate::key::Key;

/// The kind of value under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// Text, or a list of texts.
    Text,
    /// A whole number.
    Number,
    /// A duration in milliseconds.
    Duration,
    /// A time in whole seconds.
    Timestamp,
    /// An IP address.
    Ip,
    /// A truth value.
    Bool,
    /// Anything: the catalogue names several kinds or none.
    Any,
}

/// The kind of value that `key` holds, from the catalogue (`catalogue/keys.toml`, `type`).
pub(crate) fn kind_of(key: Key) -> KeyKind {
    match key {
        Key::REMOTE_IP | Key::LOCAL_IP => KeyKind::Ip,
        Key::ELAPSED => KeyKind::Duration,
        Key::STRICT | Key::TLS => KeyKind::Bool,
        #[rustfmt::skip]
        Key::DUE | Key::EXPIRES | Key::NEXT_DSN | Key::NEXT_RETRY | Key::RANGE_FROM
        | Key::RANGE_TO | Key::VALID_FROM | Key::VALID_TO => KeyKind::Timestamp,
        #[rustfmt::skip]
        Key::ACCOUNT_ID | Key::BYTES_IN | Key::BYTES_OUT | Key::CHANGE_ID | Key::CODE | Key::COUNT
        | Key::DKIM_FAIL | Key::DKIM_NONE | Key::DKIM_PASS | Key::DMARC_NONE | Key::DMARC_PASS
        | Key::DMARC_QUARANTINE | Key::DMARC_REJECT | Key::DOCUMENT_ID | Key::LIMIT | Key::LINES
        | Key::LOCAL_PORT | Key::MAILBOX_ID | Key::PID | Key::QUEUE_ID | Key::RANK
        | Key::RECIPIENT_NUMBER | Key::REMOTE_PORT | Key::REPEATED | Key::SEQUENCE | Key::SIZE
        | Key::SPAN_ID | Key::SPF_FAIL | Key::SPF_NONE | Key::SPF_PASS | Key::TOTAL
        | Key::TOTAL_FAILURES | Key::TOTAL_SUCCESSES | Key::UID | Key::UID_NEXT
        | Key::UID_VALIDITY => KeyKind::Number,
        #[rustfmt::skip]
        Key::CAUSED_BY | Key::DETAILS | Key::ID | Key::KEY | Key::REASON | Key::REPORT_ID
        | Key::RESULT | Key::SOURCE | Key::VALUE => KeyKind::Any,
        key if key.info().id == u16::MAX => KeyKind::Any,
        _ => KeyKind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table above and the catalogue are two hands of one fact.
    #[test]
    fn kinds_agree_with_the_catalogue() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../catalogue/keys.toml");
        let catalogue = std::fs::read_to_string(path).unwrap();
        let mut key = None;
        let mut seen = 0;
        for line in catalogue.lines() {
            let Some((field, value)) = line.split_once(" = ") else {
                continue;
            };
            let value = value.trim_matches('"');
            match field {
                "name" => key = Key::from_name(value),
                "type" => {
                    let kind = match value {
                        "string" | "string|list" => KeyKind::Text,
                        "uint" | "int" | "uint|list" => KeyKind::Number,
                        "duration" => KeyKind::Duration,
                        "timestamp" => KeyKind::Timestamp,
                        "ip" => KeyKind::Ip,
                        "bool" => KeyKind::Bool,
                        _ => KeyKind::Any,
                    };
                    let key = key.expect("every key of the catalogue is in the tables");
                    assert_eq!(kind_of(key), kind, "{key}: {value}");
                    seen += 1;
                }
                _ => {}
            }
        }
        assert_eq!(seen, Key::all().count());
    }
}
