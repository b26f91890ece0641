use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::*;
use crate::filter::ast::Pattern;
use crate::filter::glob::{Glob, GlobMatcher, Part};
use crate::filter::texts::TextTest;
use crate::json::encode;
use crate::samples::{any_text, record};
use crate::token::{Text, terms_of, tokens_of};
use crate::value::Pairs;

/// A delivery that failed, with a value of every kind.
fn failed() -> Vec<u8> {
    let mut nested = Vec::new();
    encode::key(&mut nested, Key::CAUSED_BY);
    encode::event(&mut nested, EventType::RESOURCE_ERROR, |out| {
        encode::key(out, Key::DETAILS);
        encode::value(out, &Value::Str("disk quota on /var/mail"));
        encode::key(out, Key::CODE);
        encode::value(out, &Value::UInt(28));
    });
    let change = |header: &mut crate::Header| {
        header.time_ns = NOW_NS - 3_600_000_000_000;
        header.level = Level::Warn;
        header.span = Some(Id(32));
    };
    record(EventType::DELIVERY_FAILED, change, |record| {
        record
            .str(Key::FROM, "Alice@Example.ORG")
            .texts(Key::TO, ["bob@gmail.com", "carol@mx.uni.example.net"])
            .str(
                Key::REASON,
                "452 4.2.2 <bob@gmail.com>: The mailbox is full, try again (quota=5)",
            )
            .str(Key::RELAY, "gmail-smtp-in.l.google.com[2001:DB8:0::1a]:25")
            .str(Key::MTA_QUEUE_ID, "4BC1000")
            .str(Key::VERSION, "1.2")
            .uint(Key::CODE, 452)
            .uint(Key::SIZE, 10_485_760)
            .value(Key::RANK, &Value::Int(-7))
            .value(Key::VALUE, &Value::Float(2.5))
            .uint(Key::QUEUE_ID, u64::MAX)
            .duration_ms(Key::ELAPSED, 2_500)
            .bool(Key::TLS, true)
            .value(Key::NEXT_RETRY, &Value::Timestamp(1_795_356_000))
            .value(Key::POLICY, &Value::None)
            .str(Key::SUBJECT, "")
            .ip(Key::REMOTE_IP, [203, 0, 113, 9].into())
            .ip(
                Key::LOCAL_IP,
                "2001:db8::25".parse::<Ipv6Addr>().unwrap().into(),
            )
            .value(Key::CONTENTS, &Value::Bytes(b"secret"))
            .pairs(Pairs::new(&nested));
    })
}

/// The filters of a list, with a broken bar between them.
fn each(list: &str) -> impl Iterator<Item = &str> {
    list.lines()
        .flat_map(|line| line.split('¦'))
        .map(str::trim)
        .filter(|filter| !filter.is_empty())
}

#[test]
fn words_and_phrases() {
    let event = failed();
    for yes in each(
        r#"
        mailbox ¦ MAILBOX ¦ bob@gmail.com ¦ bob ¦ gmail.com ¦ example.org ¦ uni.example.net
        example.net ¦ 4.2.2 ¦ "mailbox is full" ¦ "The mailbox" ¦ "full try" ¦ mailbox full
        "quota=5" ¦ google.com ¦ 203.0.113.9 ¦ 2001:db8::1a ¦ 2001:DB8::0:1A
        [2001:db8::1a]:25 ¦ 2001:db8::25 ¦ 4bc1000 ¦ resource.error ¦ "quota on /var/mail"
        "bob@gmail.com the mailbox" ¦ "gmail.com the" ¦ <bob@gmail.com>
    "#,
    ) {
        assert!(matches(yes, &event), "{yes}");
    }
    for no in each(
        r#"
        mail ¦ box ¦ gmail ¦ com ¦ "mailbox full" ¦ "is mailbox" ¦ example ¦ secret ¦ 452x
        28 ¦ 10485760 ¦ delivery.failed ¦ 203.0.113 ¦ "bob@gmail.com carol" ¦ alice@example
        2500
    "#,
    ) {
        assert!(!matches(no, &event), "{no}");
    }
}

#[test]
fn globs_of_words_and_of_texts() {
    let event = failed();
    for yes in each(
        r#"
        mail* ¦ *box ¦ m?ilbox ¦ *ailbo* ¦ *box\ is\ fu* ¦ *mailbox\ is* ¦ *@gmail.com
        *.example.net ¦ gmail* ¦ alice@* ¦ 203.0.113.* ¦ 2001:db8::* ¦ *\(quota=?\)*
        *[2001:DB8:0::1a]* ¦ *IS\ FULL,*
    "#,
    ) {
        assert!(matches(yes, &event), "{yes}");
    }
    for no in each(
        r#"
        mail? ¦ *x?ilbox ¦ ice@* ¦ *gmail.co ¦ is*full ¦ *box\ full*
    "#,
    ) {
        assert!(!matches(no, &event), "{no}");
    }
}

#[test]
fn fields_of_text() {
    let event = failed();
    for yes in each(
        r#"
        from:alice@example.org ¦ from:example.org ¦ from:alice ¦ from=ALICE@example.org
        from:"alice@example.org" ¦ to:carol@mx.uni.example.net ¦ to:example.net
        to:*@gmail.com ¦ to:(x,bob@gmail.com) ¦ to!=dave ¦ to=*@gmail.com ¦ reason:full
        reason:"mailbox is full" ¦ reason:mailb* ¦ reason:*is\ full* ¦ mta-queue-id:4bc1000
        mtaqueueid=4BC1000 ¦ MTAQUEUEID:4BC* ¦ version:1.2 ¦ subject:"" ¦ subject=""
        relay:google.com ¦ relay:2001:db8::1a ¦ from:* ¦ causedBy:resource.error
        causedBy:quota ¦ causedBy:28 ¦ caused-by:*quota* ¦ from:<Alice@example.org>
        local-ip:2001:db8::25
    "#,
    ) {
        assert!(matches(yes, &event), "{yes}");
    }
    for no in each(
        r#"
        from:bob ¦ from=example.org ¦ from=alice ¦ to=gmail.com ¦ to!=bob@gmail.com
        to:(x,y) ¦ reason=full ¦ reason:"mailbox full" ¦ version:1.20 ¦ subject:full
        policy:* ¦ helo:* ¦ causedBy:27 ¦ helo="" ¦ to=*@gmail ¦ contents:secret
        from:lice* ¦ mtaQueueId:4
    "#,
    ) {
        assert!(!matches(no, &event), "{no}");
    }
}

#[test]
fn fields_with_an_order() {
    let event = failed();
    for yes in each(
        r#"
        code:452 ¦ code=452 ¦ code!=453 ¦ code>451 ¦ code>=452 ¦ code<453 ¦ code<=452
        code:400..499 ¦ code:(250,400..499) ¦ code:452.0 ¦ code:4?? ¦ code:4* ¦ size>10mb
        size:10mib ¦ size:10MiB..11MiB ¦ size>=10485760b ¦ rank:-7 ¦ rank<0 ¦ rank:-10..-5
        rank:-* ¦ value:2.5 ¦ value>2 ¦ value<=2.5 ¦ value:2..3
        queueId:18446744073709551615 ¦ queueId!=18446744073709551614 ¦ elapsed>2s
        elapsed:2500ms ¦ elapsed=2.5s ¦ elapsed:2500 ¦ elapsed<1m ¦ elapsed:1s..3s
        nextRetry:2026-11-22T14:00 ¦ nextRetry:2026-11-22 ¦ nextRetry>+30m
        nextRetry:now..+1h ¦ tls:true ¦ tls=YES ¦ tls!=false ¦ elapsed:* ¦ code:*
    "#,
    ) {
        assert!(matches(yes, &event), "{yes}");
    }
    for no in each(
        r#"
        code:45 ¦ code:453 ¦ code!=452 ¦ code>452 ¦ code<452 ¦ code:500..599 ¦ code:45?0
        size<10mb ¦ size:10mb ¦ rank>0 ¦ value:2 ¦ value>2.5 ¦ elapsed>2.5s ¦ elapsed:2501
        nextRetry<2h ¦ nextRetry>2026-11-22 ¦ tls:false ¦ tls!=true ¦ pid:*
        queueId:18446744073709551614
    "#,
    ) {
        assert!(!matches(no, &event), "{no}");
    }
}

#[test]
fn addresses_and_networks() {
    let event = failed();
    for yes in each(
        r#"
        remoteIp:203.0.113.9 ¦ remoteIp:203.0.113.0/24 ¦ remoteIp:203.0.113.77/24
        remote-ip:0.0.0.0/0 ¦ remoteIp!=203.0.113.8 ¦ remoteIp:203.0.113.*
        remoteIp:::ffff:203.0.113.9 ¦ remoteIp:::ffff:203.0.113.0/120
        localIp:2001:db8::/32 ¦ localIp=2001:DB8:0:0::25 ¦ ip:203.0.113.9
        ip:203.0.113.0/24 ¦ ip:2001:db8::1a ¦ ip:2001:db8::/120
        ip:(10.0.0.0/8,203.0.0.0/16) ¦ localIp:::/0 ¦ ip:2001:db8::25
    "#,
    ) {
        assert!(matches(yes, &event), "{yes}");
    }
    for no in each(
        r#"
        remoteIp:203.0.113.8 ¦ remoteIp:203.0.112.0/24 ¦ localIp:203.0.113.9 ¦ remoteIp:::/0
        ip:203.0.113.8 ¦ ip:2001:db8::1b ¦ remoteIp:2001:db8::/32 ¦ ip!=203.0.113.9
    "#,
    ) {
        assert!(!matches(no, &event), "{no}");
    }
}

#[test]
fn type_level_time_and_span() {
    let event = failed();
    for yes in each(
        r#"
        type:delivery.failed ¦ type:delivery.* ¦ type:*.failed
        type:(smtp.quit,delivery.failed) ¦ type!=smtp.quit ¦ -type:smtp.* ¦ level:warn
        level>=warn ¦ level>info ¦ level<error ¦ level<=WARN ¦ level:(info,warn)
        level:info..error ¦ level!=info ¦ since:2h ¦ since:1h ¦ until:30m ¦ until:1h
        since:2026-11-22 ¦ until:2026-11-22 ¦ time:2026-11-22 ¦ time:2026-11-22T12:00
        time>2026-11-21 ¦ time<2026-11-22T12:01 ¦ time:2026-11-22T11:00..2026-11-22T12:00
        span:ba ¦ spanId:ba ¦ span-id:(a,ba) ¦ span!=b ¦ since:300y ¦ until:+1d ¦ since=2h
    "#,
    ) {
        assert!(matches(yes, &event), "{yes}");
    }
    for no in each(
        r#"
        type:smtp.quit ¦ type:smtp.* ¦ type!=delivery.failed ¦ level:info ¦ level>warn
        level<warn ¦ level:disable ¦ since:30m ¦ until:2h ¦ since:2026-11-23
        until:2026-11-21 ¦ time>2026-11-22 ¦ time<2026-11-22 ¦ time!=2026-11-22 ¦ span:b
        time:2026-11-22T12:01
    "#,
    ) {
        assert!(!matches(no, &event), "{no}");
    }
    let disabled = record(
        EventType::AUTH_FAILED,
        |header| header.level = Level::Disable,
        |_| (),
    );
    assert!(matches("level:disable level!=error", &disabled));
    assert!(
        !matches("level>=trace", &disabled),
        "switched off is no level above error"
    );
}

#[test]
fn logic() {
    let event = failed();
    for yes in each(
        r#"
        mailbox AND full ¦ nothing OR full ¦ nothing OR also OR full ¦ -nothing
        NOT nothing ¦ --full ¦ full (nothing OR bob) ¦ (full) ¦ nothing mailbox OR full
        full OR nothing mailbox ¦ -(nothing mailbox) ¦ NOT (nothing OR neither)
        full -nothing ¦ full AND NOT nothing ¦ "OR" OR full ¦ (a OR(full))
    "#,
    ) {
        assert!(matches(yes, &event), "{yes}");
    }
    for no in each(
        r#"
        -full ¦ NOT full ¦ full nothing ¦ full (nothing OR neither) ¦ full -(bob OR nothing)
        nothing (mailbox OR full)
    "#,
    ) {
        assert!(!matches(no, &event), "{no}");
    }
}

#[test]
fn messages_have_fields_of_their_own() {
    let message = Message {
        status: "deferred",
        retries: 3,
        to: "bob@gmail.com",
    };
    for (text, expected) in [
        ("status:deferred", true),
        ("status:DEFERRED to:gmail.com", true),
        ("status:(bounced,deferred)", true),
        ("status:de*", true),
        ("status!=delivered", true),
        ("status:delivered", false),
        ("retry-count>2", true),
        ("retrycount:1..3", true),
        ("retryCount>3", false),
        ("provider:*", false),
        ("bob", true),
        ("deferred", false),
        ("since:1s", true),
    ] {
        let filter =
            Filter::parse(text, &MESSAGES).unwrap_or_else(|error| panic!("{}", error.render(text)));
        assert_eq!(
            Matcher::compile(&filter, NOW_NS).matches(&message),
            expected,
            "{text}"
        );
    }
}

/// A shape, tried in the simplest way.
fn slow_glob(pattern: &[Part], text: &str) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    match first {
        Part::Literal(literal) => {
            let literal: String = literal.chars().flat_map(char::to_lowercase).collect();
            text.strip_prefix(&literal)
                .is_some_and(|text| slow_glob(rest, text))
        }
        Part::One => text
            .chars()
            .next()
            .is_some_and(|c| slow_glob(rest, &text[c.len_utf8()..])),
        Part::Any => text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .any(|at| slow_glob(rest, &text[at..])),
    }
}

pub(super) fn any_glob() -> impl Strategy<Value = Glob> {
    let part = prop_oneof![
        "[aAbB.@é :]{1,2}".prop_map(Part::Literal),
        Just(Part::One),
        Just(Part::Any)
    ];
    proptest::collection::vec(part, 1..6)
        .prop_map(Glob::new)
        .prop_filter("a wild card", |glob| {
            glob.parts
                .iter()
                .any(|part| !matches!(part, Part::Literal(_)))
        })
}

proptest! {
    #[test]
    fn globs_agree_with_the_simplest_way(glob in any_glob(), text in "[aAbBéÉ.@ :]{0,8}") {
        let lower: String = text.chars().flat_map(char::to_lowercase).collect();
        prop_assert_eq!(GlobMatcher::new(&glob).matches(&text), slow_glob(&glob.parts, &lower));
    }

    /// A phrase occurs where its terms are among the tokens of terms in a row.
    #[test]
    fn phrases_agree_with_the_simplest_way(text in any_text(), phrase in "[abc@. ]{1,6}|mailbox full|gmail.com") {
        let mut wanted = Vec::new();
        terms_of(&phrase, &mut |term| wanted.push(term.to_owned()));
        let mut places: Vec<Vec<String>> = Vec::new();
        terms_of(&text, &mut |term| {
            let mut tokens = Vec::new();
            tokens_of(term, &mut |token| tokens.push(token.to_owned()));
            places.push(tokens);
        });
        let occurs = !wanted.is_empty() && places.windows(wanted.len()).any(|window| {
            window.iter().zip(&wanted).all(|(tokens, wanted)| tokens.contains(wanted))
        });
        let test = TextTest::of_any(&Pattern::Text(phrase));
        prop_assert_eq!(test.matches(&Text::Plain(&text)), occurs);
    }
}
