//! Lines of Postfix, made to order.

use tidings_event::time::rfc3339;

/// 2026-11-22T10:00:00Z.
pub(crate) const TEN_NS: i64 = 1_795_341_600_000_000_000;

pub(crate) const SECOND_NS: i64 = 1_000_000_000;

/// A line of host `mx` at so many seconds after ten o'clock.
pub(crate) fn line(second: i64, program: &str, text: &str) -> String {
    format!(
        "{} mx postfix/{program}: {text}\n",
        rfc3339(TEN_NS + second * SECOND_NS)
    )
}

/// The long queue id of message `number`.
pub(crate) fn queue_id(number: u32) -> String {
    format!("4jXB{number:06}z1YS")
}

/// A message is received.
pub(crate) fn received(second: i64, number: u32) -> String {
    let id = queue_id(number);
    [
        line(second, "smtpd[100]", "connect from out.example[198.51.100.7]"),
        line(second, "smtpd[100]", &format!("{id}: client=out.example[198.51.100.7]")),
        line(second, "cleanup[101]", &format!("{id}: message-id=<m{number}@out.example>")),
        line(second, "qmgr[10]", &format!("{id}: from=<ann@out.example>, size=812, nrcpt=1 (queue active)")),
        line(second, "smtpd[100]", "disconnect from out.example[198.51.100.7] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"),
    ]
    .concat()
}

/// An attempt to deliver it ends.
pub(crate) fn attempted(second: i64, number: u32, status: &str, reply: &str) -> String {
    let dsn = match status {
        "sent" => "2.0.0",
        "deferred" => "4.2.0",
        _ => "5.1.1",
    };
    let text = format!(
        "{}: to=<user{number}@in.example>, relay=mx.in.example[203.0.113.5]:25, delay=1.2, delays=0.1/0/0.1/1, \
         dsn={dsn}, status={status} ({reply})",
        queue_id(number)
    );
    line(second, "smtp[102]", &text)
}

/// It leaves the queue.
pub(crate) fn removed(second: i64, number: u32) -> String {
    line(
        second,
        "qmgr[10]",
        &format!("{}: removed", queue_id(number)),
    )
}

/// A whole life within a second.
pub(crate) fn delivered(second: i64, number: u32) -> String {
    [
        received(second, number),
        attempted(second, number, "sent", "250 2.0.0 Ok: taken"),
        removed(second, number),
    ]
    .concat()
}
