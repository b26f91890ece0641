//! What is seen by somebody who may see the mail of some domains: nothing of anybody else's, whatever
//! they ask, and nothing that depends on it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop, proptest};
use proptest::test_runner::Config;
use tempfile::TempDir;
use tidings_engine::{
    Engine, EngineOptions, EventQuery, FoundSpan, ImportOptions, MessageQuery, Scope, SpanFilter,
    SpanQuery, message_object,
};
use tidings_event::json::write_registry;
use tidings_event::token::terms_of;

const NOW_NS: i64 = 1_795_400_000_000_000_000;

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus/own")
        .join(name)
}

/// A history with these logs.
fn with(logs: &[PathBuf]) -> (TempDir, Engine) {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(dir.path(), EngineOptions::default()).unwrap();
    let options = ImportOptions {
        year: Some(2026),
        timezone: Some("UTC".to_owned()),
        force: true,
        now_ns: NOW_NS,
    };
    let report = engine.import(logs, &options, &mut |_| {}).unwrap();
    assert!(report.refused.is_empty(), "{report:?}");
    (dir, engine)
}

/// The first lines of a log of other servers, which has nothing to do with `domain`.
fn others(dir: &TempDir, domain: &str) -> PathBuf {
    let packed = std::fs::File::open(corpus("postfix-volume.log.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .unwrap();
    let lines: Vec<&str> = text.lines().take(8_000).collect();
    assert!(lines.iter().all(|line| !line.contains(domain)));
    let path = dir.path().join("others.log");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

/// Everything that a search answers, as text.
fn answers(engine: &Engine, scope: &Arc<Scope>, filter: &str, limit: usize) -> Vec<String> {
    let mut told = Vec::new();
    let query = MessageQuery {
        filter: filter.to_owned(),
        scope: Some(Arc::clone(scope)),
        limit,
        now_ns: NOW_NS,
        ..MessageQuery::default()
    };
    let messages = engine.messages(&query);
    for message in messages.into_iter().flatten() {
        told.push(serde_json::to_string(&message_object(&message)).unwrap());
    }
    let query = EventQuery {
        filter: filter.to_owned(),
        scope: Some(Arc::clone(scope)),
        limit,
        now_ns: NOW_NS,
        ..EventQuery::default()
    };
    let events = engine.events(&query);
    told.push(format!("{}", events.as_ref().map_or(0, Vec::len)));
    for found in events.into_iter().flatten() {
        told.push(text_of(&found.event()));
    }
    if limit <= 100 {
        let query = SpanQuery {
            filter: SpanFilter::Event(filter.to_owned()),
            scope: Some(Arc::clone(scope)),
            limit,
            now_ns: NOW_NS,
            ..SpanQuery::default()
        };
        let spans = engine.spans(&query);
        for span in spans.into_iter().flatten() {
            told.push(span_text(&span));
        }
    }
    told
}

fn text_of(event: &tidings_event::EventRef<'_>) -> String {
    let mut json = Vec::new();
    write_registry(&mut json, event);
    String::from_utf8(json).unwrap()
}

fn span_text(span: &FoundSpan) -> String {
    let events: Vec<String> = span
        .events
        .iter()
        .map(|found| text_of(&found.event()))
        .collect();
    format!("{} {} {}", span.id, span.omitted, events.join("\n"))
}

/// Addresses in a text that are of other domains.
fn foreign(text: &str, domain: &str) -> Vec<String> {
    let mut foreign = Vec::new();
    terms_of(text, &mut |term: &str| {
        if let Some((local, of)) = term.rsplit_once('@')
            && !local.is_empty()
            && of != domain
        {
            foreign.push(term.to_owned());
        }
    });
    foreign
}

fn filter() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "",
        "to:*",
        "from:*",
        "from:sender.test",
        "to:accept.test",
        "bob",
        "*e*",
        "status:deferred",
        "status:delivered",
        "status:rejected",
        "type:delivery.*",
        "level>=warn",
        "size>500",
        "queue",
        "-from:sender.test",
        "-to:accept.test",
        "accept.test",
        "sender.test",
        "NOT bob",
        "*@accept.test",
        "account:*",
        "accountName:*",
        "ip:198.51.100.0/24",
        "code:250",
        "total>1",
        "example.test",
    ]);
    (word.clone(), word, any::<bool>()).prop_map(|(one, other, is_or)| match (one, other) {
        ("", other) | (other, "") => other.to_owned(),
        (one, other) if is_or => format!("{one} OR {other}"),
        (one, other) => format!("({one}) ({other})"),
    })
}

/// The mail of others changes no answer: not what is found, not how much, in no order.
#[test]
fn others_mail_is_as_if_it_were_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let domain = "example.test";
    let own = corpus("mail.rfc3339.log");
    let (_a, alone) = with(std::slice::from_ref(&own));
    let (_b, among) = with(&[own, others(&dir, domain)]);
    let scope = Arc::new(Scope::new([domain]));
    let config = Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    };
    proptest!(config, |(filter in filter(), limit in prop::sample::select(vec![3_usize, 50, 100_000]))| {
        let (one, other) = (answers(&alone, &scope, &filter, limit), answers(&among, &scope, &filter, limit));
        assert_eq!(one, other, "{filter}");
    });
    assert!(answers(&alone, &scope, "", 100_000).len() > 500);
}

/// No address of others is in any answer, but the sender of a message to one's own, and what is of
/// mail that one's own sent.
#[test]
fn answers_name_nobody_else() {
    let domain = "example.test";
    let (_dir, engine) = with(&[corpus("mail.rfc3339.log")]);
    let scope = Arc::new(Scope::new([domain]));
    let query = MessageQuery {
        scope: Some(Arc::clone(&scope)),
        limit: usize::MAX,
        now_ns: NOW_NS,
        ..MessageQuery::default()
    };
    let messages = engine.messages(&query).unwrap();
    let (mut by_sender, mut by_recipient) = (0, 0);
    for message in &messages {
        if message.from.as_deref().is_some_and(|from| scope.has(from)) {
            by_sender += 1;
            continue;
        }
        by_recipient += 1;
        let sender = message.from.clone().unwrap_or_default().to_lowercase();
        let mut seen = message.clone();
        // Message-IDs look like addresses.
        seen.message_id = None;
        let story = engine.story_of(&seen, Some(&scope)).unwrap();
        let text = serde_json::to_string(&story).unwrap().replace("\\n", " ");
        let foreign: Vec<String> = foreign(&text, domain)
            .into_iter()
            .filter(|address| *address != sender && !is_message_id(message, address))
            .collect();
        assert!(foreign.is_empty(), "{foreign:?} in {text}");
        assert!(seen.recipients.iter().all(|to| scope.has(&to.address)));
        let alone = engine
            .message(tidings_event::Id(message.id), Some(&scope))
            .unwrap();
        assert_eq!(alone.as_ref(), Some(message));
    }
    assert!(
        by_sender > 3 && by_recipient > 50,
        "{by_sender} {by_recipient}"
    );
    let query = EventQuery {
        scope: Some(Arc::clone(&scope)),
        limit: usize::MAX,
        now_ns: NOW_NS,
        ..EventQuery::default()
    };
    let mut events = 0;
    for found in engine.events(&query).unwrap() {
        let event = found.event();
        let from = event.str(tidings_event::Key::FROM);
        let text = text_of(&event);
        assert!(text.contains(domain), "{text}");
        if !from.is_some_and(|from| scope.has(from)) {
            assert_eq!(foreign(&text, domain), Vec::<String>::new(), "{text}");
        }
        events += 1;
    }
    assert!(events > 200);
}

/// Message-IDs are told with their message.
fn is_message_id(message: &tidings_mail::message::Message, address: &str) -> bool {
    let id = message
        .message_id
        .clone()
        .unwrap_or_default()
        .to_lowercase();
    id.trim_matches(['<', '>']) == address
}

/// Everybody sees everything of what they sent, and no more than the whole.
#[test]
fn senders_see_the_whole_message() {
    let (_dir, engine) = with(&[corpus("mail.rfc3339.log")]);
    let whole = |scope: Option<&str>| {
        let query = MessageQuery {
            scope: scope.map(|domain| Arc::new(Scope::new([domain]))),
            limit: usize::MAX,
            now_ns: NOW_NS,
            ..MessageQuery::default()
        };
        engine.messages(&query).unwrap()
    };
    let all = whole(None);
    for domain in [
        "example.test",
        "sender.test",
        "accept.test",
        "busy.test",
        "nowhere.test",
    ] {
        let scope = Scope::new([domain]);
        let expected: Vec<_> = all
            .iter()
            .filter_map(|message| scope.message(message))
            .collect();
        assert_eq!(whole(Some(domain)), expected, "{domain}");
        let sent = all
            .iter()
            .filter(|one| one.from.as_deref().is_some_and(|from| scope.has(from)));
        for message in sent {
            assert!(expected.contains(message));
        }
    }
    assert!(whole(Some("nowhere.test")).is_empty());
    assert!(whole(Some("")).is_empty());
}
