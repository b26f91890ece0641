//! A program with the crate `tidings` ships its events to a running server.

use std::time::Duration;

use tidings::forward::{ForwardSettings, Forwarder};
use tidings::{Interest, Settings, emit, span};

use super::support::Place;

const LIMIT: Duration = Duration::from_secs(20);

/// Accounts of the events found, oldest first.
fn accounts(place: &Place) -> Vec<String> {
    let found = place.ask(&["events", "type:auth.failed", "--json", "--limit", "0"]);
    let mut found: Vec<String> = found
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| event["data"]["accountName"].as_str().unwrap().to_owned())
        .collect();
    found.sort();
    found
}

fn expected(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("user{number:05}"))
        .collect()
}

#[test]
fn events_of_a_program_arrive_once_over_a_restart_of_the_server() {
    let place = Place::new();
    let settings = "[http]\nlisten = \"127.0.0.1:0\"\n";
    let server = place.serve(settings);
    let address = server.address();
    let telemetry = tidings::start(Settings::default()).unwrap();
    let to = ForwardSettings {
        interest: Interest::all(),
        ..ForwardSettings::new(format!("http://{address}"))
    };
    let forwarder = Forwarder::start(&telemetry, to).unwrap();
    let session = span!(Smtp::ConnectionStart, listener_id = "submission");
    for name in expected(300) {
        emit!(in session, Auth::Failed, account_name = name);
    }
    telemetry.flush(LIMIT).unwrap();
    let begun = std::time::Instant::now();
    while accounts(&place).len() < 300 {
        assert!(begun.elapsed() < LIMIT, "{:?}", forwarder.stats());
        std::thread::sleep(Duration::from_millis(20));
    }

    // Away for a moment, then at the same address again.
    assert_eq!(server.stop(), 0);
    for name in expected(500).split_off(300) {
        emit!(in session, Auth::Failed, account_name = name);
    }
    drop(session);
    let server = place.serve(&settings.replace("127.0.0.1:0", &address));
    telemetry.shutdown(LIMIT).unwrap();
    let stats = forwarder.close(LIMIT);
    assert_eq!(accounts(&place), expected(500), "{stats:?}");
    let sessions = place.ask(&["events", "type:smtp.connection-start", "--json"]);
    assert_eq!(sessions.lines().count(), 1, "{sessions}");
    assert_eq!(server.stop(), 0);
}
