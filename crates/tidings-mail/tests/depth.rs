//! How many messages are in the queue, after each kind of line that moves one.

#[path = "support/folding.rs"]
mod folding;

use folding::folded;
use tidings_mail::message::QueueDepth;

/// A message is taken in; then these lines.
fn depth(lines: &str) -> (u64, u64, u64) {
    let log = format!(
        "12:00:00.1 mx postfix/smtpd[1]: 8DB749C091B: client=out.example[198.51.100.7]
         12:00:00.2 mx postfix/cleanup[2]: 8DB749C091B: message-id=<m@x>
         12:00:00.3 mx postfix/qmgr[3]: 8DB749C091B: from=<ann@x>, size=800, nrcpt=1 (queue active)
         {lines}"
    );
    let QueueDepth {
        active,
        deferred,
        held,
    } = folded(&[&log]).queue_depth();
    (active, deferred, held)
}

const DEFERRED: &str = "12:00:01 mx postfix/smtp[4]: 8DB749C091B: to=<bob@y>, relay=m.y[192.0.2.9]:25, \
                        delay=1, delays=0/0/1/0, dsn=4.2.1, status=deferred (450 4.2.1 busy)\n";
const SENT: &str = "12:01:01 mx postfix/smtp[4]: 8DB749C091B: to=<bob@y>, relay=m.y[192.0.2.9]:25, \
                    delay=61, delays=0/0/1/0, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n";
const REMOVED: &str = "12:01:02 mx postfix/qmgr[3]: 8DB749C091B: removed\n";
const HELD: &str = "12:00:02 mx postfix/postsuper[5]: 8DB749C091B: placed on hold\n";
const RELEASED: &str = "12:00:03 mx postfix/postsuper[5]: 8DB749C091B: released from hold\n";

#[test]
fn a_message_is_counted_where_it_is() {
    assert_eq!(depth(""), (1, 0, 0));
    assert_eq!(depth(DEFERRED), (0, 1, 0));
    assert_eq!(
        depth(&[DEFERRED, SENT].concat()),
        (1, 0, 0),
        "until it is removed"
    );
    assert_eq!(depth(&[DEFERRED, SENT, REMOVED].concat()), (0, 0, 0));
    assert_eq!(depth(HELD), (0, 0, 1));
    assert_eq!(depth(&[HELD, RELEASED].concat()), (1, 0, 0));
    assert_eq!(depth(&[HELD, RELEASED, DEFERRED].concat()), (0, 1, 0));
}

#[test]
fn a_refused_attempt_is_in_no_queue() {
    let refused = "12:00:00.1 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from a[192.0.2.7]: 554 5.7.1 \
                   <b@y>: Relay access denied; from=<a@x> to=<b@y> proto=ESMTP helo=<a>";
    assert_eq!(folded(&[refused]).queue_depth(), QueueDepth::default());
}
