//! Stories in words: told once, true, and with advice.

#[path = "crash/world.rs"]
mod world;

use tempfile::TempDir;
use tidings_engine::StoryQuery;
use tidings_spool::fault::MemoryBackend;

use world::{import, open};

/// What a story tells: a sentence and advice per recipient, and its steps. Lines begin with their
/// time of day and host.
fn told(log: &str, key: &str) -> (Vec<(String, String)>, Vec<String>) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("mail.log");
    let lines = log.lines().map(str::trim).filter(|line| !line.is_empty());
    let text: String = lines
        .map(|line| format!("2026-11-20T{}\n", line.replacen(' ', "+00:00 ", 1)))
        .collect();
    std::fs::write(&path, text).unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    import(&engine, &[path]).unwrap();
    let query = StoryQuery {
        key: key.to_owned(),
        raw: false,
        limit: 10,
    };
    let story = engine.stories(&query).unwrap().remove(0);
    let summaries = story.summaries.into_iter();
    (
        summaries.map(|told| (told.text, told.advice)).collect(),
        story.timeline.into_iter().map(|step| step.text).collect(),
    )
}

/// `NOQUEUE: hold:` was told twice: where it happened, and where its message got a queue id.
#[test]
fn a_rule_that_acted_before_there_was_a_queue_id_is_told_once() {
    let log = "
        10:00:00.1 h postfix/smtpd[1]: connect from x.example[192.0.2.5]
        10:00:00.2 h postfix/smtpd[1]: NOQUEUE: hold: RCPT from x.example[192.0.2.5]: <x.example[192.0.2.5]>: Client host triggers HOLD action; from=<w@x> to=<a@b.example> proto=ESMTP helo=<x>
        10:00:00.3 h postfix/smtpd[1]: 4jXB000001z1YS: client=x.example[192.0.2.5]
        10:00:00.4 h postfix/cleanup[2]: 4jXB000001z1YS: message-id=<m@x>
        10:00:00.5 h postfix/smtpd[1]: disconnect from x.example[192.0.2.5]";
    let (summaries, steps) = told(log, "4jXB000001z1YS");
    let held = steps.iter().filter(|step| step.contains("hold"));
    assert_eq!(held.count(), 1, "{steps:#?}");
    assert!(steps[1].contains("hold"), "where it happened: {steps:#?}");
    assert!(
        summaries[0].0.starts_with("Held in the queue"),
        "{summaries:?}"
    );
}

/// What the log does not say had no advice.
#[test]
fn what_is_not_known_has_advice() {
    let cases = [
        (
            "10:00:00 h postfix/qmgr[1]: 4jXB000001z1YS: removed",
            "Import the logs before",
        ),
        (
            "10:00:00 h postfix/qmgr[1]: 4jXB000001z1YS: from=<a@b>, size=1, nrcpt=1 (queue active)",
            "Import newer lines",
        ),
        (
            "10:00:00 h dovecot: lda(bob)<1><4jXB000001z1YS>: sieve: msgid=<m@x>: marked message to be discarded if not explicitly delivered (discard action)",
            "find the rule or script",
        ),
    ];
    for (log, advice) in cases {
        let key = if log.contains("<m@x>") {
            "<m@x>"
        } else {
            "4jXB000001z1YS"
        };
        let (summaries, _) = told(log, key);
        assert!(summaries[0].1.contains(advice), "{log}: {summaries:?}");
    }
}

/// A message that a script of the mailbox sent on was told as delivered to the mailbox.
#[test]
fn what_a_script_sent_on_is_not_told_as_delivered() {
    let log = "
        10:00:00 h postfix/smtpd[1]: 4jXB000001z1YS: client=x.example[192.0.2.5]
        10:00:00 h postfix/cleanup[2]: 4jXB000001z1YS: message-id=<m@x>
        10:00:00 h postfix/qmgr[3]: 4jXB000001z1YS: from=<a@x>, size=1, nrcpt=1 (queue active)
        10:00:01 h dovecot: lmtp(bob@h)<5><sess>: sieve: msgid=<m@x>: redirect action: forwarded to <c@d>
        10:00:01 h postfix/lmtp[4]: 4jXB000001z1YS: to=<bob@h>, relay=h[private/dovecot-lmtp], delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 <bob@h> sess Saved)
        10:00:01 h postfix/qmgr[3]: 4jXB000001z1YS: removed";
    let (summaries, _) = told(log, "4jXB000001z1YS");
    assert_eq!(
        summaries[0].0,
        "Not kept for bob@h: a script of the mailbox sent it on: redirect action: forwarded to <c@d>."
    );
}

/// The advice for a message that had expired was to wait for the next attempt.
#[test]
fn what_is_over_has_advice_that_fits() {
    let queued = "
        10:00:00 h postfix/qmgr[1]: 4jXB000001z1YS: from=<a@b>, size=1, nrcpt=1 (queue active)
        10:00:03 h postfix/smtp[2]: 4jXB000001z1YS: to=<c@d>, relay=none, delay=3, delays=0/0/3/0, dsn=4.4.1, status=deferred (connect to d[10.9.0.59]:25: No route to host)";
    let told_after = |end: &str| {
        let log = format!(
            "{queued}\n10:00:09 h postfix/{end}\n10:00:09 h postfix/qmgr[1]: 4jXB000001z1YS: removed"
        );
        told(&log, "4jXB000001z1YS").0.remove(0)
    };
    let (text, advice) =
        told_after("qmgr[1]: 4jXB000001z1YS: from=<a@b>, status=expired, returned to sender");
    assert!(text.contains("its time in the queue ran out"), "{text}");
    assert!(advice.contains("not tried again"), "{advice}");
    let (text, advice) =
        told_after("qmgr[1]: 4jXB000001z1YS: from=<a@b>, status=force-expired, returned to sender");
    assert!(text.contains("an operator ended its time"), "{text}");
    assert!(advice.contains("send it again"), "{advice}");
    let (text, advice) = told_after("postsuper[1]: 4jXB000001z1YS: removed");
    assert_eq!(
        text,
        "Not delivered to c@d; an operator deleted it from the queue."
    );
    assert!(advice.contains("send it again"), "{advice}");
}

/// A refusal for now read as one for good, without its code.
#[test]
fn a_refusal_for_now_is_told_as_such() {
    let refused = |said: &str| {
        let log = format!(
            "10:00:00 h postfix/smtpd[1]: NOQUEUE: reject: RCPT from x.example[192.0.2.5]: {said}; from=<w@x> to=<a@b.example> proto=ESMTP helo=<x>"
        );
        told(&log, "a@b.example").0.remove(0).0
    };
    let text = refused("451 4.7.1 Service unavailable - try again later");
    assert!(
        text.contains("for now") && text.contains("451 4.7.1 Service"),
        "{text}"
    );
    let text = refused("550 5.7.1 go away");
    assert!(
        !text.contains("for now") && text.contains("550 5.7.1 go away"),
        "{text}"
    );
}

/// A mailbox's script that refuses a message is no server that might be asked.
#[test]
fn a_script_that_refuses_is_told_as_the_owners() {
    let log = "10:00:00 h dovecot: lmtp(bob@h)<5><sess>: sieve: msgid=<m@x>: reject action: rejected message from <a@x> (reject)";
    let (summaries, _) = told(log, "<m@x>");
    let (text, advice) = &summaries[0];
    assert!(text.contains("by a script of the mailbox"), "{text}");
    assert!(advice.contains("mailbox's owner"), "{advice}");
}

#[test]
fn what_has_no_sender_is_not_told_as_returned() {
    let log = "\
        21:12:32 mx postfix/pickup[447]: 3D2CDA784AC: uid=0 from=<>\n\
        21:12:32 mx postfix/cleanup[461]: 3D2CDA784AC: message-id=<o@cli.test>\n\
        21:12:32 mx postfix/qmgr[448]: 3D2CDA784AC: from=<>, size=261, nrcpt=1 (queue active)\n\
        21:12:32 mx postfix/smtp[584]: 3D2CDA784AC: to=<u@a.test>, relay=s.test[10.9.0.50]:25, \
        delay=0.03, delays=0.03/0/0/0.01, dsn=5.1.1, status=bounced (host s.test[10.9.0.50] said: 550 5.1.1 \
        <u@a.test>: no such user here (in reply to RCPT TO command))\n\
        21:12:32 mx postfix/bounce[463]: 3D2CDA784AC: postmaster non-delivery notification: 41426A784AD\n\
        21:12:32 mx postfix/qmgr[448]: 3D2CDA784AC: removed\n";
    let (told, _) = told(log, "3D2CDA784AC");
    assert!(
        told[0].0.contains("names no sender to return it to"),
        "{told:?}"
    );
}
