//! Logs are followed: at once, through every kind of rotation, over restarts, each line once.

use std::fs;
use std::time::Duration;

use super::support::{Place, append, gzip, mail};

#[test]
fn a_line_is_findable_at_once() {
    let place = Place::new();
    append(&place.log(), "");
    let server = place.serve(&place.following(""));
    append(&place.log(), &mail(0..1));
    place.wait_for(1);
    let mut times = Vec::new();
    for number in 1..8 {
        std::thread::sleep(Duration::from_millis(150));
        append(&place.log(), &mail(number..number + 1));
        times.push(place.wait_for(number + 1));
    }
    times.sort();
    // Asking takes part of it: each time a process is started.
    assert!(
        times[times.len() / 2] < Duration::from_millis(250),
        "{times:?}"
    );
    assert_eq!(server.stop(), 0);
}

#[test]
fn rotation_by_rename_and_gzip_loses_and_repeats_nothing() {
    let place = Place::new();
    append(&place.log(), &mail(0..100));
    let server = place.serve(&place.following(""));
    place.wait_for(100);
    // As logrotate does it: the old file is still written until the daemon reopens its log.
    let (one, two) = (place.path("log/mail.log.1"), place.path("log/mail.log.2"));
    fs::rename(place.log(), &one).unwrap();
    append(&one, &mail(100..120));
    append(&place.log(), &mail(120..150));
    place.wait_for(150);
    fs::rename(&one, &two).unwrap();
    gzip(&two);
    fs::rename(place.log(), &one).unwrap();
    append(&place.log(), &mail(150..160));
    place.wait_for(160);
    assert_eq!(server.stop(), 0);
}

#[test]
fn rotation_by_copytruncate_loses_and_repeats_nothing() {
    let place = Place::new();
    append(&place.log(), &mail(0..50));
    let server = place.serve(&place.following(""));
    place.wait_for(50);
    fs::copy(place.log(), place.path("log/mail.log.1")).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(place.log())
        .unwrap()
        .set_len(0)
        .unwrap();
    append(&place.log(), &mail(50..70));
    place.wait_for(70);
    assert_eq!(server.stop(), 0);
}

#[test]
fn what_was_written_while_it_was_down_is_read_then() {
    let place = Place::new();
    append(&place.log(), &mail(0..30));
    let server = place.serve(&place.following(""));
    place.wait_for(30);
    assert_eq!(server.stop(), 0);
    append(&place.log(), &mail(30..40));
    fs::rename(place.log(), place.path("log/mail.log.1")).unwrap();
    gzip(&place.path("log/mail.log.1"));
    append(&place.log(), &mail(40..50));
    let server = place.serve(&place.following(""));
    place.wait_for(50);
    assert_eq!(server.stop(), 0);
    assert_eq!(place.delivered().len(), 50, "and without a server");
}

#[test]
fn a_start_at_the_end_stays_there_over_a_restart() {
    let place = Place::new();
    append(
        &place.log(),
        "2026-11-22T13:00:00Z mx postfix/qmgr[1]: 4000000FFFF: removed\n",
    );
    let settings = place.following("").replace("\"beginning\"", "\"end\"");
    let server = place.serve(&settings);
    server.wait_for("following ");
    std::thread::sleep(Duration::from_millis(500));
    server.kill();
    append(&place.log(), &mail(0..3));
    let server = place.serve(&settings);
    place.wait_for(3);
    let all = place.ask(&["events", "--json", "--limit", "0"]);
    assert!(
        !all.contains("4000000FFFF"),
        "what was there before is not read: {all}"
    );
    assert_eq!(server.stop(), 0);
}

#[test]
fn an_imported_log_goes_on_behind_what_was_imported() {
    for start in ["beginning", "end"] {
        let place = Place::new();
        append(&place.log(), &mail(0..20));
        place.ask(&["import", place.log().to_str().unwrap()]);
        append(&place.log(), &mail(20..30));
        let settings = place.following("").replace("beginning", start);
        let server = place.serve(&settings);
        place.wait_for(30);
        append(&place.log(), &mail(30..33));
        place.wait_for(33);
        // What is followed is not imported, whatever its name and packing.
        fs::copy(place.log(), place.path("log/mail.log.1")).unwrap();
        gzip(&place.path("log/mail.log.1"));
        for name in ["log/mail.log", "log/mail.log.1.gz"] {
            let done = place.ask(&["import", place.path(name).to_str().unwrap(), "--json"]);
            assert!(done.contains("\"lines\":0"), "{start}, {name}: {done}");
        }
        place.wait_for(33);
        assert_eq!(server.stop(), 0);
        let done = place.ask(&["import", place.log().to_str().unwrap(), "--json"]);
        assert!(done.contains("\"lines\":0"), "{start}, stopped: {done}");
        assert_eq!(place.delivered().len(), 33);
    }
}

/// An import that was asked for while the server had not yet opened its log read what the server
/// then read, too.
#[test]
fn what_is_imported_and_followed_at_once_is_there_once() {
    for start in ["beginning", "end", "beginning", "end"] {
        let place = Place::new();
        append(&place.log(), &mail(0..100));
        let settings = place.following("").replace("beginning", start);
        let server = place.serve(&settings);
        place.ask(&["import", place.log().to_str().unwrap()]);
        place.wait_for(100);
        append(&place.log(), &mail(100..103));
        place.ask(&["import", place.log().to_str().unwrap()]);
        place.wait_for(103);
        assert_eq!(server.stop(), 0);
        assert_eq!(place.delivered().len(), 103, "{start}");
    }
}

#[test]
fn after_a_kill_each_line_is_there_once() {
    let place = Place::new();
    append(&place.log(), &mail(0..200));
    let mut written = 200;
    for _ in 0..4 {
        let server = place.serve(&place.following(""));
        append(&place.log(), &mail(written..written + 150));
        written += 150;
        std::thread::sleep(Duration::from_millis(60));
        server.kill();
    }
    let server = place.serve(&place.following(""));
    place.wait_for(written);
    assert_eq!(server.stop(), 0);
    assert_eq!(place.delivered().len(), written);
}

#[test]
fn files_that_appear_later_are_followed_from_their_beginning() {
    let place = Place::new();
    let settings = place
        .following("")
        .replace("mail.log", "*.log")
        .replace("\"beginning\"", "\"end\"");
    let server = place.serve(&settings);
    server.wait_for("there is no log to follow yet");
    append(&place.path("log/new.log"), &mail(0..5));
    append(&place.path("log/new.log.1"), &mail(5..9));
    place.wait_for(5);
    assert!(server.wait_for("following ").contains("/log/new.log"));
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_missing_log_is_waited_for_and_told() {
    let place = Place::new();
    let server = place.serve(&place.following(""));
    server.wait_for("mail.log: waiting for it: there is no such file");
    append(&place.log(), &mail(0..2));
    place.wait_for(2);
    server.wait_for("the file can be read again");
    assert_eq!(server.stop(), 0);
}

#[test]
fn its_own_output_is_not_followed() {
    let place = Place::new();
    let out = place.path("log/out.log");
    let file = fs::File::create(&out).unwrap();
    let settings = place.following("[[source]]\npaths = \"/DIR/out.log\"\nstart = \"beginning\"\n");
    let settings = settings.replace("/DIR", place.path("log").to_str().unwrap());
    let server = super::support::Server::start(&place, &settings, |command| {
        command.stderr(file);
    });
    append(&place.log(), &mail(0..20));
    place.wait_for(20);
    std::thread::sleep(Duration::from_millis(300));
    let said = fs::read_to_string(&out).unwrap();
    assert!(
        said.contains("out.log is not followed: the server's own output goes into it"),
        "{said}"
    );
    assert_eq!(
        said.lines()
            .filter(|line| line.contains("(delivery.delivered)"))
            .count(),
        20
    );
    assert_eq!(place.delivered().len(), 20);
    assert_eq!(server.stop(), 0);
}
