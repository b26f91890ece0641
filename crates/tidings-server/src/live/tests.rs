//! The hub on a spool in memory, against a model that shows every event to every client.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_body::Body as _;
use proptest::prelude::*;
use tidings_event::filter::{FieldSet, Filter};
use tidings_event::{EventRef, EventSet, EventType, Header, Id, Key, Level, RecordWriter};
use tidings_spool::fault::MemoryBackend;
use tidings_spool::{Batch, Frame, Identity, Spool, SpoolConfig, SystemClock};

use super::mailbox::Mailbox;
use super::matching::{Client, Clients};
use super::wish::Follower;
use super::{Follow, Hub, LiveOptions, Needle, Refused, Scope, Since, Stream, Wish};
use crate::clock::Watch;

const OPTIONS: LiveOptions = LiveOptions {
    streams_max: 100,
    buffer_bytes: 64 << 10,
};

/// A record with an address, a number, and these texts.
pub(super) fn event(kind: EventType, span: u64, texts: &[(&str, &str)]) -> Vec<u8> {
    let mut record = Vec::new();
    let header = Header {
        span: (span > 0).then_some(Id(span)),
        ..Header::new(kind, 1_770_000_000_000_000_000)
    };
    let mut writer = RecordWriter::begin(&mut record, &header);
    writer.ip(Key::REMOTE_IP, "192.0.2.7".parse().unwrap());
    writer.uint(Key::LOCAL_PORT, 25);
    for (key, text) in texts {
        writer.str(Key::from_name(key).unwrap(), text);
    }
    writer.finish();
    drop(writer);
    record
}

pub(super) fn read(record: &[u8]) -> EventRef<'_> {
    EventRef::read(record).unwrap().0
}

fn spool(segment_bytes: Option<u64>) -> Arc<Spool> {
    let mut config = SpoolConfig::default();
    if let Some(bytes) = segment_bytes {
        (config.segment_bytes, config.max_bytes) = (bytes, 4 * bytes);
        config.tail_bytes = 4 << 10;
    }
    let identity = Identity {
        epoch: 0x5eed,
        origin: 7,
    };
    let backend = Arc::new(MemoryBackend::new());
    let opened = Spool::open(backend, Arc::new(SystemClock::new()), config, identity);
    Arc::new(opened.unwrap().spool)
}

fn append(spool: &Spool, records: &[Vec<u8>]) {
    let batch = Batch::events(records.len() as u32, records.concat());
    spool.append(batch).unwrap().wait().unwrap();
}

/// Numbered events, one batch each ten.
fn append_numbers(spool: &Spool, numbers: std::ops::Range<u64>) {
    let records: Vec<_> = numbers
        .map(|number| {
            event(
                EventType::AUTH_FAILED,
                0,
                &[("accountName", &format!("n{number}."))],
            )
        })
        .collect();
    records
        .chunks(10)
        .for_each(|records| append(spool, records));
}

fn follow(hub: &Hub, wish: Wish, since: Since) -> Stream {
    hub.follow(Follow {
        wish,
        since,
        throttle: Duration::ZERO,
        scope: Scope::All,
        who: Some("eve".into()),
    })
    .unwrap()
}

/// What the stream gives within a moment: all of it, as text; and whether it is over.
fn drain(stream: &mut Stream, until: impl Fn(&str) -> bool) -> (String, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut text = String::new();
    let is_over = runtime.block_on(async {
        loop {
            let next = poll_fn(|context| Pin::new(&mut *stream).poll_frame(context));
            match tokio::time::timeout(Duration::from_secs(10), next).await {
                Ok(Some(frame)) => {
                    text += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
                }
                Ok(None) => return true,
                Err(_) => panic!("nothing more came: {text}"),
            }
            if until(&text) {
                return false;
            }
        }
    });
    (text, is_over)
}

/// The numbers of the events in frames, in order.
fn numbers(text: &str) -> Vec<u64> {
    text.split("\"value\":\"n")
        .skip(1)
        .map(|rest| rest.split_once('.').unwrap().0.parse().unwrap())
        .collect()
}

/// Reads until the event with this number came.
fn until(stream: &mut Stream, last: u64) -> String {
    drain(stream, |text| text.contains(&format!("\"n{last}.\""))).0
}

fn last_id(text: &str) -> String {
    let (_, id) = text.trim_end().rsplit_once("id: ").unwrap();
    id.to_owned()
}

#[test]
fn whoever_comes_back_gets_every_event_once() {
    let spool = spool(None);
    append_numbers(&spool, 0..500);
    // Room for all: a reader that gets no time to run must not be told of a gap.
    let roomy = LiveOptions {
        buffer_bytes: 64 << 20,
        ..OPTIONS
    };
    let hub = Hub::start(Arc::clone(&spool), roomy).unwrap();
    let feeding = {
        let spool = Arc::clone(&spool);
        std::thread::spawn(move || append_numbers(&spool, 500..20_000))
    };
    let mut seen = Vec::new();
    let mut since = Since::Id(super::id::StreamId { epoch: 0x5eed }.of(0).to_string());
    // Comes and goes while events are committed, sometimes behind the hub and sometimes beside it.
    for round in 1.. {
        let mut stream = follow(&hub, Wish::everything(), since);
        let (text, _) = drain(&mut stream, |text| {
            numbers(text).len() >= round * 37 || text.contains("\"n19999.\"")
        });
        assert!(!text.contains("event: gap"), "{text}");
        seen.extend(numbers(&text));
        since = Since::Id(last_id(&text));
        if seen.last() == Some(&19_999) {
            break;
        }
    }
    feeding.join().unwrap();
    assert!(seen.iter().copied().eq(0..20_000), "{} events", seen.len());
    assert_eq!(hub.numbers().missed, 0);
}

#[test]
fn who_joins_while_events_come_misses_none() {
    let spool = spool(None);
    let hub = Arc::new(Hub::start(Arc::clone(&spool), OPTIONS).unwrap());
    let feeding = {
        let spool = Arc::clone(&spool);
        std::thread::spawn(move || append_numbers(&spool, 0..3_000))
    };
    for _ in 0..50 {
        let from = spool.head();
        let mut stream = follow(&hub, Wish::everything(), Since::Now);
        if from > 2_900 {
            break;
        }
        let (text, _) = drain(&mut stream, |text| numbers(text).len() >= 10);
        let first: u64 = {
            let (_, id) = text.split_once("id: 0000000000005eed-").unwrap();
            id.split_once('\n').unwrap().0.parse().unwrap()
        };
        let seen = numbers(&text);
        // Sequences begin with 1, the numbers with 0: behind sequence n comes number n.
        assert!(
            (first..).zip(&seen).all(|(number, seen)| number == *seen),
            "{text}"
        );
    }
    feeding.join().unwrap();
}

#[test]
fn what_the_spool_has_no_longer_is_a_gap() {
    let spool = spool(Some(16 << 10));
    append_numbers(&spool, 0..8_000);
    spool.maintain().unwrap();
    let oldest = spool.stats().oldest;
    assert!(oldest > 1, "something was removed");
    let hub = Hub::start(Arc::clone(&spool), OPTIONS).unwrap();
    let id = super::id::StreamId { epoch: 0x5eed }.of(10).to_string();
    let mut stream = follow(&hub, Wish::everything(), Since::Id(id));
    let text = until(&mut stream, 7_999);
    let count = oldest - 11;
    let gap = format!(
        "event: gap\ndata: {{\"count\":{count},\"reason\":\"removed\",\"from\":\"0000000000005eed-11\",\
         \"to\":\"0000000000005eed-{}\"}}\n",
        oldest - 1
    );
    assert!(text.contains(&gap), "{gap}: {}", &text[..600]);
    assert!(numbers(&text).into_iter().eq(oldest - 1..8_000));
    let mut stream = follow(&hub, Wish::everything(), Since::Time(0));
    let text = until(&mut stream, 7_999);
    assert!(text.contains("{\"count\":null,\"reason\":\"removed\"}"));
    assert!(numbers(&text).into_iter().eq(oldest - 1..8_000));
}

#[test]
fn who_resumes_slowly_misses_nothing() {
    let spool = spool(None);
    append_numbers(&spool, 0..5_000);
    let hub = Hub::start(
        Arc::clone(&spool),
        LiveOptions {
            buffer_bytes: 16 << 10,
            ..OPTIONS
        },
    )
    .unwrap();
    let id = super::id::StreamId { epoch: 0x5eed }.of(0).to_string();
    let mut slow = follow(&hub, Wish::everything(), Since::Id(id.clone()));
    // Others are not held up.
    let needle = Needle {
        key: None,
        text: "n4999.".to_owned(),
    };
    let mut quick = follow(&hub, Wish::everything().needle(needle), Since::Id(id));
    assert_eq!(numbers(&until(&mut quick, 4_999)), [4_999]);
    let text = until(&mut slow, 4_999);
    assert!(numbers(&text).into_iter().eq(0..5_000));
}

#[test]
fn a_client_that_does_not_read_takes_no_more_than_its_buffer() {
    let spool = spool(None);
    let hub = Hub::start(Arc::clone(&spool), OPTIONS).unwrap();
    let mut slow = follow(&hub, Wish::everything(), Since::Now);
    let mut other = follow(&hub, Wish::everything(), Since::Now);
    let mut seen = Vec::new();
    for round in 0..50 {
        append_numbers(&spool, round * 100..round * 100 + 100);
        seen.extend(numbers(&until(&mut other, round * 100 + 99)));
    }
    assert!(
        seen.into_iter().eq(0..5_000),
        "nobody waits for the slow one"
    );
    let (text, _) = drain(&mut slow, |text| text.contains("event: gap"));
    assert!(text.len() < OPTIONS.buffer_bytes + 1_000, "{}", text.len());
    let seen = numbers(&text);
    let (shown, missed) = (seen.len() as u64, 5_000 - seen.len() as u64);
    assert!(seen.into_iter().eq(0..shown));
    let gap = format!(
        "data: {{\"count\":{missed},\"reason\":\"slow-client\",\"from\":\"0000000000005eed-{}\",\
         \"to\":\"0000000000005eed-5000\"}}\nid: 0000000000005eed-5000\n\n",
        shown + 1
    );
    assert!(text.ends_with(&gap), "{gap}: {}", &text[text.len() - 300..]);
    assert_eq!(hub.numbers().missed, missed);
    append_numbers(&spool, 5_000..5_001);
    assert_eq!(numbers(&until(&mut slow, 5_000)), [5_000]);
}

#[test]
fn streams_end_at_once_when_they_are_cut_or_the_server_stops() {
    let spool = spool(None);
    let hub = Hub::start(Arc::clone(&spool), OPTIONS).unwrap();
    let mut stream = follow(&hub, Wish::everything(), Since::Now);
    assert_eq!((hub.cut("alice"), hub.cut("eve")), (0, 1));
    assert!(drain(&mut stream, |_| false).1);
    let mut stream = follow(&hub, Wish::everything(), Since::Now);
    let watch = Watch::start();
    hub.end();
    assert!(drain(&mut stream, |_| false).1);
    assert!(watch.elapsed() < Duration::from_millis(500));
    let refused = hub.seat(None).unwrap_err();
    assert_eq!(refused, Refused::Stopping);
    hub.stop();
}

#[test]
fn bundles_wait_for_their_time_unless_the_buffer_fills() {
    let spool = spool(None);
    let hub = Hub::start(Arc::clone(&spool), OPTIONS).unwrap();
    let follow = Follow {
        wish: Wish::everything(),
        since: Since::Now,
        throttle: Duration::from_millis(400),
        scope: Scope::All,
        who: None,
    };
    let mut stream = hub.follow(follow).unwrap();
    append_numbers(&spool, 0..1);
    until(&mut stream, 0);
    let watch = Watch::start();
    append_numbers(&spool, 1..21);
    let text = until(&mut stream, 20);
    assert!(watch.elapsed() >= Duration::from_millis(300));
    assert_eq!(text.matches("event: trace").count(), 1, "{text}");
    let watch = Watch::start();
    append_numbers(&spool, 21..200);
    drain(&mut stream, |text| text.contains("event: trace"));
    assert!(
        watch.elapsed() < Duration::from_millis(300),
        "it was half full"
    );
}

/// What is asked for in the property test.
fn wish() -> impl Strategy<Value = Wish> {
    let text = proptest::sample::select(vec![
        "a",
        "ali",
        "alice@x.test",
        "b",
        "bob",
        "x.test",
        "192.0.2",
        "true",
        "smtp",
        "nobody",
    ]);
    let key = proptest::option::of(proptest::sample::select(vec![
        Key::ACCOUNT_NAME,
        Key::FROM,
        Key::REMOTE_IP,
        Key::LISTENER_ID,
        Key::LOCAL_PORT,
    ]));
    let needle = (key, text).prop_map(|(key, text)| Needle {
        key,
        text: text.to_owned(),
    });
    let query = proptest::sample::select(vec![
        "",
        "alice",
        "accountName:alice OR from:bob",
        "-alice",
        "type:auth.*",
        "x.test bob",
        "(alice OR type:smtp.quit) -bob",
        "remoteIp:192.0.2.0/24",
        "al*",
        "\"bob\" OR level:info",
        "type:auth.failed -type:auth.failed",
        "accountName:(alice, bob)",
    ]);
    let events = proptest::option::of(proptest::sample::select(vec!["auth.*", "smtp.*", "*"]));
    let level = proptest::sample::select(vec![Level::Trace, Level::Debug, Level::Info]);
    (
        proptest::collection::vec(needle, 0..3),
        query,
        events,
        level,
    )
        .prop_map(|(needles, query, events, level)| {
            let filter = Filter::parse(query, &FieldSet::EVENTS).unwrap();
            let wish = needles.into_iter().fold(Wish::everything(), Wish::needle);
            let wish = wish.level(level).query(&filter, 0);
            match events {
                Some(pattern) => wish.events(EventSet::of([pattern]).unwrap()),
                None => wish,
            }
        })
}

/// A session's or a lone event.
fn record() -> impl Strategy<Value = (Vec<u8>, u64)> {
    let kinds = vec![
        EventType::SMTP_CONNECTION_START,
        EventType::SMTP_CONNECTION_END,
        EventType::AUTH_FAILED,
        EventType::AUTH_SUCCESS,
        EventType::SMTP_QUIT,
        EventType::from_id(60_000),
    ];
    let texts = vec![
        "alice",
        "alice@x.test",
        "bob",
        "Bob@mail.x.test",
        "smtp",
        "true",
    ];
    let keys = vec!["accountName", "from", "listenerId"];
    let pair = (
        proptest::sample::select(keys),
        proptest::sample::select(texts),
    );
    let pairs = proptest::collection::vec(pair, 0..3);
    (proptest::sample::select(kinds), 0_u64..4, pairs)
        .prop_map(|(kind, span, pairs)| (event(kind, span, &pairs), span))
}

/// The batch as the live part of the engine makes it: with the starts that lie before it.
fn batch(records: &[(Vec<u8>, u64)], open: &mut std::collections::BTreeMap<u64, Vec<u8>>) -> Batch {
    let context: Vec<u8> = open.values().flatten().copied().collect();
    for (record, span) in records {
        let info = read(record).kind().info();
        if info.is_span_start() && *span > 0 {
            open.insert(*span, record.clone());
        } else if info.is_span_end() {
            open.remove(span);
        }
    }
    let bytes: Vec<u8> = records
        .iter()
        .flat_map(|(record, _)| record.clone())
        .collect();
    Batch::events(records.len() as u32, bytes).with_context(context)
}

/// The sequences that a client of this wish gets, by showing it every event.
fn model(wish: &Wish, frames: &[Arc<Frame>]) -> Vec<u64> {
    let mut follower = Follower::new(wish.clone(), Scope::All);
    let mut got = Vec::new();
    for frame in frames {
        let mut starts = super::matching::Starts::of(frame, |_| ());
        let events = tidings_event::Records::new(frame.records()).map(Result::unwrap);
        for (sequence, event) in frame.sequences().zip(events) {
            let start = starts.meet(&event, ());
            if follower.takes(&event, start.as_ref()) {
                got.push(sequence);
            }
        }
    }
    got
}

fn frames(batches: Vec<Vec<(Vec<u8>, u64)>>) -> Vec<Arc<Frame>> {
    let spool = spool(None);
    let mut open = std::collections::BTreeMap::new();
    for records in &batches {
        spool
            .append(batch(records, &mut open))
            .unwrap()
            .wait()
            .unwrap();
    }
    let mut reader = spool.reader(1).unwrap();
    let mut frames = Vec::new();
    while let Some(tidings_spool::Delivery::Frame(frame)) = reader.next(Duration::ZERO).unwrap() {
        frames.push(frame);
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_index_shows_each_client_what_it_would_take_of_everything(
        wishes in proptest::collection::vec(wish(), 1..12),
        batches in proptest::collection::vec(proptest::collection::vec(record(), 1..12), 1..4),
    ) {
        let frames = frames(batches);
        let mut clients = Clients::default();
        let mailboxes: Vec<_> = wishes
            .iter()
            .map(|wish| {
                let mailbox = Arc::new(Mailbox::new(1 << 20, None, 1));
                clients.add(Client {
                    mailbox: Arc::clone(&mailbox),
                    follower: Follower::new(wish.clone(), Scope::All),
                    from: 1,
                });
                mailbox
            })
            .collect();
        for frame in &frames {
            clients.show(frame);
        }
        for (wish, mailbox) in wishes.iter().zip(&mailboxes) {
            prop_assert_eq!(mailbox.sequences(), model(wish, &frames), "{:?}", wish);
        }
    }
}

#[test]
fn a_mailbox_wakes_its_client_once() {
    let mailbox = Mailbox::new(1_000, None, 1);
    let mut context = Context::from_waker(Waker::noop());
    let event = bytes::Bytes::from_static(&[b' '; 200]);
    use super::mailbox::{Found, Then};
    let put = |sequence| mailbox.put(sequence, &event);
    assert_eq!(mailbox.poll(&mut context), Found::Nothing);
    assert_eq!(
        [put(1), put(2), put(3), put(4)],
        [Then::Wake, Then::Wake, Then::Nothing, Then::Missed]
    );
    assert_eq!(mailbox.poll(&mut context), Found::Much);
    let taken = mailbox.take(super::id::StreamId { epoch: 1 });
    assert_eq!(taken.events, 3);
    assert_eq!(mailbox.next(0), 5);
    mailbox.close();
    assert!(Poll::Ready(mailbox.poll(&mut context)) == Poll::Ready(Found::Closed));
}
