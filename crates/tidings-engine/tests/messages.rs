//! Searching messages: what is passed over early is what would not have passed.

#[path = "crash/world.rs"]
mod world;

use tidings_engine::{Engine, MessageQuery};
use tidings_mail::message::Message;
use tidings_spool::fault::MemoryBackend;

use world::{NOW_NS, corpus, import, open};

fn found(engine: &Engine, filter: &str, limit: usize) -> Vec<Message> {
    let query = MessageQuery {
        filter: filter.to_owned(),
        limit,
        now_ns: NOW_NS,
        ..MessageQuery::default()
    };
    engine.messages(&query).unwrap()
}

/// A word that no message has: with it all columns of a row are read before it is judged.
const ALL_COLUMNS: &str = "(kind:accepted OR kind:refused OR nosuchwordatall)";

#[test]
fn rows_passed_over_by_few_columns_are_those_that_do_not_pass() {
    let engine = open(&MemoryBackend::new()).unwrap();
    import(&engine, &[corpus("own/mail.rfc3339.log")]).unwrap();
    let everything = found(&engine, ALL_COLUMNS, usize::MAX);
    assert!(everything.len() > 100);
    let mut some = 0;
    for filter in [
        "to:bob@example.test",
        "from:ann@sender.test",
        "-from:ann@sender.test kind:accepted",
        "status:delivered",
        "status:deferred OR status:bounced",
        "kind:refused",
        "-status:delivered kind:accepted",
        "class:no-such-user",
        "size>1000",
        "size<1000 to:example.test",
        "code>=500",
        "remoteIp:198.51.100.7",
        "node:mx",
        "reason:unknown",
        "relay:dovecot",
        "messageId:sender.test -to:bob@example.test",
        "ip:198.51.100.7",
        "elapsed>1",
    ] {
        for limit in [1, 3, usize::MAX] {
            let whole = found(&engine, &format!("({filter}) {ALL_COLUMNS}"), limit);
            assert_eq!(found(&engine, filter, limit), whole, "{filter} {limit}");
            some += usize::from(!whole.is_empty() && whole.len() < everything.len());
        }
    }
    assert!(some > 30, "{some} searches found some messages, not all");
}
