//! Recipients refused before their message had a queue id, in the history.

#[path = "crash/world.rs"]
mod world;

use std::path::Path;

use tidings_engine::contract::StoryObject;
use tidings_engine::{Engine, MessageQuery, StoryQuery};
use tidings_mail::message::{Kind, Verdict};
use tidings_spool::fault::MemoryBackend;

use world::{NOW_NS, import, open};

const SESSION: &str = "\
2026-11-22T12:00:00+00:00 mx postfix/smtpd[1]: connect from cli.example[198.51.100.60]
2026-11-22T12:00:01+00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from cli.example[198.51.100.60]: 550 5.1.1 <no@lab.example>: Recipient address rejected: User unknown in local recipient table; from=<w@cli.example> to=<no@lab.example> proto=ESMTP helo=<cli.example>
2026-11-22T12:00:01+00:00 mx postfix/smtpd[1]: 4jXhz73Wwrz1kfHl: client=cli.example[198.51.100.60]
2026-11-22T12:00:01+00:00 mx postfix/cleanup[2]: 4jXhz73Wwrz1kfHl: message-id=<w@cli.example>
2026-11-22T12:00:01+00:00 mx postfix/qmgr[3]: 4jXhz73Wwrz1kfHl: from=<w@cli.example>, size=215, nrcpt=1 (queue active)
2026-11-22T12:00:01+00:00 mx postfix/local[4]: 4jXhz73Wwrz1kfHl: to=<alice@lab.example>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)
2026-11-22T12:00:01+00:00 mx postfix/qmgr[3]: 4jXhz73Wwrz1kfHl: removed
2026-11-22T12:00:02+00:00 mx postfix/smtpd[1]: disconnect from cli.example[198.51.100.60] ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/6
2026-11-22T14:00:02+00:00 mx postfix/smtpd[1]: connect from cli.example[198.51.100.60]
";

const LATE: &str = "\
2026-11-22T15:00:01+00:00 mx postfix/local[4]: 4jXhz73Wwrz1kfHl: to=<late@lab.example>, relay=local, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)
";

fn add(engine: &Engine, folder: &Path, name: &str, log: &str) {
    std::fs::write(folder.join(name), log).unwrap();
    import(engine, &[folder.join(name)]).unwrap();
}

/// The verdicts of the only message that this filter finds.
fn verdicts(engine: &Engine, filter: &str) -> Vec<(String, Option<Verdict>)> {
    let query = MessageQuery {
        filter: filter.to_owned(),
        limit: 10,
        now_ns: NOW_NS,
        ..MessageQuery::default()
    };
    let [message] = &engine.messages(&query).unwrap()[..] else {
        panic!("one message by {filter}")
    };
    assert_eq!(message.kind, Kind::Accepted);
    let recipients = message.recipients.iter();
    let mut verdicts: Vec<_> = recipients
        .map(|to| (to.address.clone(), to.verdict))
        .collect();
    verdicts.sort_unstable();
    verdicts
}

fn story(engine: &Engine, key: &str) -> StoryObject {
    let query = StoryQuery {
        key: key.to_owned(),
        raw: true,
        limit: 10,
    };
    let mut stories = engine.stories(&query).unwrap();
    assert_eq!(stories.len(), 1, "{key}");
    stories.remove(0)
}

fn refusals(story: &StoryObject) -> usize {
    let raw = story.timeline.iter().filter_map(|step| step.raw.as_deref());
    raw.filter(|line| line.contains("NOQUEUE: reject")).count()
}

/// A message is taken out of the history, folded again of its events, and found as before.
#[test]
fn what_was_refused_stays_of_the_message_when_a_late_line_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&MemoryBackend::new()).unwrap();
    add(&engine, folder.path(), "mail.log", SESSION);
    let told = |address: &str, verdict| (address.to_owned(), Some(verdict));
    let mut expected = vec![
        told("alice@lab.example", Verdict::Delivered),
        told("no@lab.example", Verdict::Rejected),
    ];
    let filters = [
        "to:no@lab.example",
        "to:alice@lab.example",
        "remoteIp:198.51.100.60",
        "status:rejected",
    ];
    for filter in filters {
        assert_eq!(verdicts(&engine, filter), expected, "{filter}");
    }
    add(&engine, folder.path(), "mail.late.log", LATE);
    expected.insert(1, told("late@lab.example", Verdict::Delivered));
    for filter in filters {
        assert_eq!(verdicts(&engine, filter), expected, "{filter}");
    }
    let by_name = story(&engine, "4jXhz73Wwrz1kfHl");
    assert_eq!(refusals(&by_name), 1);
    assert_eq!(by_name.message.joins[0].by, "session");
    let refused = by_name.message.joins[0].to.clone();
    assert_eq!(refusals(&story(&engine, &refused)), 1);
    assert_eq!(refusals(&story(&engine, "no@lab.example")), 1);
}
