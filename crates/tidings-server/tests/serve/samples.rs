//! The history of metrics of a real server: what it counted is there after it was stopped, whatever
//! became of the file.

use std::path::Path;

use tidings_engine::{Engine, EngineOptions, SampleQuery, SampleValue};

use super::support::{Place, append, mail};

/// The sum of a counter over all samples of a table.
fn sum(place: &Place, metric: &str, fine: bool) -> u64 {
    let engine = Engine::open(Path::new(&place.data()), EngineOptions::default()).unwrap();
    let query = SampleQuery {
        metrics: Some(vec![metric.into()]),
        fine,
        ..SampleQuery::default()
    };
    let samples = engine.samples().query(&query).unwrap();
    let counts = samples.iter().map(|sample| match sample.value {
        SampleValue::Counter { count } => count,
        _ => panic!("{sample:?}"),
    });
    counts.sum()
}

#[test]
fn what_was_counted_is_there_over_restarts() {
    let place = Place::new();
    for (number, messages) in [(0, 0..5), (1, 5..12), (2, 12..12)] {
        append(&place.log(), &mail(messages.clone()));
        let server = place.serve(&place.following(""));
        server.wait_for("listening");
        place.wait_for(messages.end);
        assert_eq!(server.stop(), 0);
        for fine in [true, false] {
            let sum = sum(&place, "delivery.delivered", fine);
            assert_eq!(sum, messages.end as u64, "run {number}, fine {fine}");
        }
    }
    assert!(place.ask(&["verify"]).contains("all is well"));
}

#[test]
fn excluded_metrics_have_no_history() {
    let place = Place::new();
    append(&place.log(), &mail(0..3));
    let server = place.serve(&place.following("[metrics]\nmetrics = \"delivery.*\"\n"));
    place.wait_for(3);
    assert_eq!(server.stop(), 0);
    assert_eq!(sum(&place, "delivery.delivered", true), 0);
    assert!(place.path("data/samples.redb").exists());
}

#[test]
fn a_damaged_file_is_told_and_the_server_runs() {
    let place = Place::new();
    append(&place.log(), &mail(0..3));
    let server = place.serve(&place.following(""));
    place.wait_for(3);
    server.stop();
    let file = place.path("data/samples.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..200].fill(7);
    std::fs::write(&file, &bytes).unwrap();
    append(&place.log(), &mail(3..6));
    let server = place.serve(&place.following(""));
    let said = server.wait_for("the history of metrics is not written now: samples.redb: ");
    assert!(said.contains("`tidings repair`"), "{said}");
    place.wait_for(6);
    assert_eq!(server.stop(), 0);
    let data = place.data();
    let verified = super::support::run(&["--data", &data, "verify"]);
    assert_ne!(verified.status.code(), Some(0));
    let told = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(told.contains("samples.redb"), "{told}");
    super::support::run(&["--data", &data, "repair"]);
    assert!(place.ask(&["verify"]).contains("all is well"));
    assert_eq!(
        std::fs::read(place.path("data/quarantine/samples.redb")).unwrap(),
        bytes
    );
    // What a server counts after that begins anew.
    append(&place.log(), &mail(6..8));
    let server = place.serve(&place.following(""));
    place.wait_for(8);
    assert_eq!(server.stop(), 0);
    assert_eq!(sum(&place, "delivery.delivered", false), 2);
}
