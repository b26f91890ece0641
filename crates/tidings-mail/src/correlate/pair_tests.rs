//! Each start of a session has one end, whatever the log holds.

use tidings_event::{EventRef, Id, Key, Records};

use super::tests::feed_at;
use super::{Correlator, Drafts, Limits};

/// Feeds lines, each with its second, and gives starts (`<`) and ends (`>`) with the numbers of
/// their spans, in the order in which these appear: `<0 >0`.
fn told(state: &mut Correlator, lines: &[(u64, &str)]) -> String {
    let (mut spans, mut told) = (Vec::<Id>::new(), Vec::new());
    for (line, (second, text)) in lines.iter().enumerate() {
        let mut out = Drafts::default();
        feed_at(state, line as u64, *second, text, &mut out);
        let records = out.to_records();
        for event in Records::new(&records).map(Result::unwrap) {
            told.extend(mark(&event, &mut spans));
        }
    }
    told.join(" ")
}

fn mark(event: &EventRef<'_>, spans: &mut Vec<Id>) -> Option<String> {
    let name = event.kind().name();
    let side = match name {
        _ if name.ends_with(".connection-start") => "<",
        _ if name.ends_with(".connection-end") => ">",
        _ => return None,
    };
    let span = event.span().unwrap();
    let number = spans.iter().position(|known| *known == span);
    let number = number.unwrap_or_else(|| {
        spans.push(span);
        spans.len() - 1
    });
    Some(format!("{side}{number}"))
}

fn fresh() -> Correlator {
    Correlator::new(Limits::default())
}

/// As [`told`], of a new correlator; with how many sessions are active then.
fn all(lines: &[(u64, &str)]) -> (String, usize) {
    let mut state = fresh();
    (told(&mut state, lines), state.active_sessions())
}

fn none_open(told: &str) -> (String, usize) {
    (told.to_owned(), 0)
}

const CONNECT: &str = "Nov 22 12:58:44 mx postfix/smtpd[252]: connect from x[192.0.2.1]";
const DISCONNECT: &str = "Nov 22 12:58:44 mx postfix/smtpd[252]: disconnect from x[192.0.2.1]";
const OTHER: &str = "Nov 22 12:58:44 mx postfix/smtpd[252]: connect from y[192.0.2.2]";
const LOGIN: &str = "Nov 22 12:58:57 mx dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.25, TLS";
const LOGOUT: &str = "Nov 22 12:58:58 mx dovecot: imap(a): Disconnected: Logged out bytes=1/2";

#[test]
fn a_session_whose_end_is_not_logged_ends_when_its_process_serves_another() {
    let (events, active) = all(&[(0, CONNECT), (60, OTHER)]);
    assert_eq!((&*events, active), ("<0 <1 >0", 1));
    let (events, active) = all(&[(0, CONNECT), (60, CONNECT)]);
    assert_eq!((&*events, active), ("<0 <1 >0", 1));
    let mut state = fresh();
    let mut out = Drafts::default();
    feed_at(&mut state, 0, 0, CONNECT, &mut out);
    feed_at(&mut state, 1, 60, OTHER, &mut out);
    let records = out.to_records();
    let reason = Records::new(&records)
        .map(Result::unwrap)
        .find_map(|event| event.str(Key::REASON).map(str::to_owned));
    assert_eq!(reason.as_deref(), Some("its end is not in the log"));
}

#[test]
fn a_session_that_has_to_make_room_ends() {
    let limits = Limits {
        sessions: 2,
        ..Limits::default()
    };
    let mut state = Correlator::new(limits);
    let lines: Vec<String> = (0..5)
        .map(|pid| CONNECT.replace("[252]", &format!("[{pid}]")))
        .collect();
    let lines: Vec<_> = (0..).zip(lines.iter().map(String::as_str)).collect();
    assert_eq!(told(&mut state, &lines), "<0 <1 <2 <3 >0 <4 >1");
    assert_eq!(state.active_sessions(), 3, "the next line ends one more");
}

#[test]
fn sessions_of_a_process_in_the_wrong_order_leave_nothing_open() {
    let of = |second, text| (second, text);
    let (first, second) = (
        [of(0, CONNECT), of(1, DISCONNECT)],
        [of(2, CONNECT), of(3, DISCONNECT)],
    );
    let lines = [first[0], first[1], second[1], second[0]];
    assert_eq!(all(&lines), none_open("<0 >0 <1 >1"));
    let twice = [first[0], first[1], first[1], first[0]];
    assert_eq!(all(&twice), none_open("<0 >0"));
}

/// What is closed goes first: sessions that last long are not lost for many that were short.
#[test]
fn closed_sessions_make_room_for_open_ones() {
    let limits = Limits {
        sessions: 10,
        ..Limits::default()
    };
    let mut state = Correlator::new(limits);
    let mut lines = vec![CONNECT.to_owned()];
    for pid in 1000..1100 {
        let pid = format!("[{pid}]");
        lines.push(CONNECT.replace("[252]", &pid));
        lines.push(DISCONNECT.replace("[252]", &pid));
    }
    lines.push(DISCONNECT.to_owned());
    let lines: Vec<_> = (0u64..)
        .map(|at| at * 20)
        .zip(lines.iter().map(String::as_str))
        .collect();
    let told = told(&mut state, &lines);
    assert!(
        told.starts_with("<0 <1 >1") && told.ends_with(" >0"),
        "{told}"
    );
    assert_eq!(state.active_sessions(), 0);
}

/// The log of another day of the host: its processes are others.
#[test]
fn sessions_open_at_the_end_of_a_file_end_with_the_next_one() {
    let mut state = fresh();
    assert_eq!(told(&mut state, &[(0, CONNECT)]), "<0");
    state.begin_file(false);
    assert_eq!(told(&mut state, &[(7200, DISCONNECT)]), "<0 >0 >1");
    assert_eq!(state.active_sessions(), 0);
}

/// Reading a log at once, or in two runs with the rest added later, gives the same.
#[test]
fn what_a_line_means_does_not_depend_on_where_the_log_is_cut() {
    const LMTP: &str =
        "Nov 22 13:20:56 mx dovecot: lmtp(7): Disconnect from local: Logged out (state=READY)";
    const PASS: &str = "Nov 22 12:58:44 mx postfix/postscreen[1]: PASS OLD [192.0.2.1]:99";
    const GONE: &str = "Nov 22 12:58:44 mx postfix/postscreen[1]: DISCONNECT [192.0.2.1]:99";
    const NOISE: &str = "Nov 22 12:58:44 mx postfix/anvil[9]: statistics: max cache size 1 at x";
    const END: &str =
        "Nov 22 12:58:58 mx dovecot: imap(a)<7><abc>: Disconnected: Logged out in=1 out=2";
    for after in [0, 1, 2, 3, 29, 30, 31, 32, 33, 60, 4000] {
        for lines in [
            [
                (0, CONNECT),
                (0, DISCONNECT),
                (after, NOISE),
                (after, DISCONNECT),
            ],
            [(0, LMTP), (0, LMTP), (after, NOISE), (after, LMTP)],
            [(0, LOGIN), (0, LOGOUT), (after, NOISE), (after, LOGOUT)],
            [(0, PASS), (0, GONE), (after, NOISE), (after, GONE)],
            [(0, END), (0, END), (after, NOISE), (after, END)],
        ] {
            let mut whole = fresh();
            let expected = told(&mut whole, &lines);
            for cut in 0..=lines.len() {
                let mut state = fresh();
                let mut out = Drafts::default();
                for (line, (second, text)) in lines.iter().enumerate() {
                    if line == cut {
                        state.forget_closed(i64::MAX);
                        let mut saved = Vec::new();
                        state.save(&mut saved);
                        state = Correlator::restore(Limits::default(), &saved).unwrap();
                        state.begin_file(true);
                    }
                    feed_at(&mut state, line as u64, *second, text, &mut out);
                }
                let records = out.to_records();
                let mut spans = Vec::new();
                let events = Records::new(&records).map(Result::unwrap);
                let marks: Vec<_> = events
                    .filter_map(|event| mark(&event, &mut spans))
                    .collect();
                assert_eq!(marks.join(" "), expected, "{lines:?} cut at {cut}");
            }
        }
    }
}

#[test]
fn sessions_without_a_process_id_are_known_by_their_client() {
    let (connect, disconnect) = (
        CONNECT.replace("[252]", ""),
        DISCONNECT.replace("[252]", ""),
    );
    let (connect, disconnect) = (&*connect, &*disconnect);
    assert_eq!(all(&[(0, connect), (9, disconnect)]), none_open("<0 >0"));
    let two = [
        (0, connect),
        (9, connect),
        (20, disconnect),
        (30, disconnect),
    ];
    assert_eq!(all(&two), none_open("<0 <1 >0 >1 <2 >2"));
    let lmtp = "Nov 22 13:20:56 mx dovecot: lmtp: Connect from local";
    let gone = "Nov 22 13:20:56 mx dovecot: lmtp: Disconnect from local: Logged out (state=READY)";
    assert_eq!(all(&[(0, lmtp), (9, gone)]), none_open("<0 >0"));
}

#[test]
fn a_hand_over_that_comes_before_its_connection_leaves_nothing_open() {
    const FROM: &str =
        "Nov 22 12:58:44 mx postfix/postscreen[1]: CONNECT from [192.0.2.1]:99 to [192.0.2.25]:25";
    const PASS: &str = "Nov 22 12:58:44 mx postfix/postscreen[1]: PASS OLD [192.0.2.1]:99";
    assert_eq!(all(&[(1, PASS), (0, FROM)]), none_open("<0 >0"));
    let bare = |line: &str| line.replace("[192.0.2.1]:99", "192.0.2.1");
    let gone = "Nov 22 12:58:44 mx postfix/postscreen[1]: DISCONNECT 192.0.2.1";
    let lines = [(0, &*bare(FROM)), (5, gone)];
    assert_eq!(all(&lines), none_open("<0 >0"));
}

#[test]
fn a_session_without_an_id_ends_by_its_account() {
    assert_eq!(all(&[(0, LOGIN), (90, LOGOUT)]), none_open("<0 >0"));
    let two = [(0, LOGIN), (1, LOGIN), (90, LOGOUT), (99, LOGOUT)];
    assert_eq!(all(&two), none_open("<0 <1 >0 >1"));
    let of_b = LOGIN.replace("user=<a>", "user=<b>");
    assert_eq!(
        all(&[(0, &of_b), (90, LOGOUT)]),
        ("<0 <1 >1".to_owned(), 1),
        "another's"
    );
    let pop3 = LOGIN.replace("imap-login", "pop3-login");
    assert_eq!(all(&[(0, &pop3), (90, LOGOUT)]).1, 1, "of another service");
    let old = "Oct  3 15:19:26 mx dovecot: IMAP(a): Disconnected: Logged out";
    assert_eq!(all(&[(0, LOGIN), (90, old)]), none_open("<0 >0"));
    let login = "Oct  3 15:19:03 mx imap-login: Login: a [192.0.2.10]";
    assert_eq!(all(&[(0, login), (90, old)]), none_open("<0 >0"));
}

/// Dovecot 2.1 and 2.2 name the session where the client signs in, and not at its end.
#[test]
fn an_end_without_an_id_ends_a_session_with_one() {
    let login = format!("{LOGIN}, session=<abc>").replace(", TLS", ", mpid=7, TLS");
    let other = login.replace("<abc>", "<abd>").replace("mpid=7", "mpid=8");
    assert_eq!(all(&[(0, &login), (90, LOGOUT)]), none_open("<0 >0"));
    assert_eq!(
        all(&[(0, &login), (1, &login), (90, LOGOUT)]),
        none_open("<0 >0")
    );
    let of_8 = LOGOUT.replace("imap(a)", "imap(a)[8]");
    let lines = [(0, &*login), (5, &*other), (90, &*of_8), (91, LOGOUT)];
    assert_eq!(all(&lines), none_open("<0 <1 >1 >0"), "the process tells");
    let of_9 = LOGOUT.replace("imap(a)", "imap(a)[9]");
    let lines = [(0, &*login), (90, &*of_9)];
    assert_eq!(all(&lines), ("<0 <1 >1".to_owned(), 1), "of neither");
}

#[test]
fn what_cannot_be_tied_keeps_the_pair_by_itself() {
    assert_eq!(all(&[(0, LOGOUT)]), none_open("<0 >0"));
    assert_eq!(all(&[(0, LOGOUT), (9, LOGOUT)]), none_open("<0 >0 <1 >1"));
    let nobody = LOGIN.replace("user=<a>", "user=<>");
    assert_eq!(all(&[(0, &nobody), (9, LOGOUT)]), none_open("<0 >0 <1 >1"));
    // The lines of a short session in the wrong order.
    assert_eq!(all(&[(1, LOGOUT), (0, LOGIN)]), none_open("<0 >0"));
    assert_eq!(all(&[(1, LOGOUT), (0, LOGIN), (1, LOGIN)]).1, 1);
    // The next session of a process whose end was not told.
    let login = LOGIN.replace(", TLS", ", mpid=7, TLS");
    let next = login.replace("user=<a>", "user=<b>");
    assert_eq!(
        all(&[(0, &login), (1, &login), (90, LOGOUT)]),
        none_open("<0 >0")
    );
    assert_eq!(all(&[(0, &login), (90, &next)]), ("<0 <1 >0".to_owned(), 1));
    let proxied =
        "Jul  8 10:01:07 mx dovecot: imap-login: proxy(a): started proxying to 192.0.2.30:143";
    let gone = "Jul  8 10:01:08 mx dovecot: imap-login: proxy(a): disconnecting 192.0.2.30";
    assert_eq!(all(&[(0, proxied), (9, gone)]), none_open("<0 >0"));
    assert_eq!(all(&[(0, gone)]), none_open("<0 >0"));
}

#[test]
fn an_account_has_so_many_sessions_at_most() {
    let lines: Vec<_> = (0..1003).map(|at| (at, LOGIN)).collect();
    let mut state = fresh();
    let events = told(&mut state, &lines);
    assert_eq!(events.matches('>').count(), 3);
    assert!(
        events.ends_with("<1002 >2"),
        "{}",
        &events[events.len() - 40..]
    );
    assert_eq!(state.active_sessions(), 1000);
}
