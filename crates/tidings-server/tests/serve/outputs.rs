//! Outputs of a running server: what they get, over restarts and changed settings.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::support::{Place, append, mail};

/// The delivered recipients in all files of a tracer, in their order.
fn delivered(directory: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut to = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        for line in text.lines() {
            if line.contains("(delivery.delivered)") {
                let rest = line
                    .split_once("to = \"")
                    .expect("it names its recipient")
                    .1;
                to.push(rest.split('"').next().unwrap().to_owned());
            }
        }
    }
    to
}

fn wait_for(directory: &Path, count: usize) {
    let begun = Instant::now();
    while delivered(directory).len() < count {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{} of {count} in {}",
            delivered(directory).len(),
            directory.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn tracer(directory: &Path, more: &str) -> String {
    format!(
        "[[tracer]]\ntype = \"log\"\nname = \"{}\"\npath = \"{}\"\n{more}",
        directory.file_name().unwrap().to_str().unwrap(),
        directory.display()
    )
}

fn users(range: std::ops::Range<usize>) -> Vec<String> {
    range
        .map(|number| format!("user{number:05}@example.test"))
        .collect()
}

#[test]
fn log_files_hold_each_event_once_over_restarts_and_changes() {
    let place = Place::new();
    let (one, two) = (place.path("one"), place.path("two"));
    append(&place.log(), "");
    let server = place.serve(&place.following(&tracer(&one, "")));
    server.wait_for("following");
    append(&place.log(), &mail(0..5));
    wait_for(&one, 5);
    assert_eq!(server.stop(), 0);

    // A second one begins with what comes next; the first goes on where it stood.
    append(&place.log(), &mail(5..8));
    let both = place.following(&format!("{}{}", tracer(&one, ""), tracer(&two, "")));
    let server = place.serve(&both);
    wait_for(&one, 8);
    wait_for(&two, 3);

    // Changed while it runs: the first gets no deliveries any more.
    let less = tracer(&one, "events = [\"delivery.*\"]\n");
    let settings = place.following(&format!("{less}{}", tracer(&two, "")));
    std::fs::write(place.path("tidings.toml"), settings).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("settings read again");
    append(&place.log(), &mail(8..12));
    wait_for(&two, 7);
    assert_eq!(server.stop(), 0);
    assert_eq!(delivered(&one), users(0..8));
    assert_eq!(delivered(&two), users(5..12));
}

#[test]
fn a_tracer_whose_file_would_be_followed_is_refused() {
    let place = Place::new();
    append(&place.log(), &mail(0..1));
    let directory = place.log().parent().unwrap().to_owned();
    let settings = place.following(&tracer(
        &directory,
        "prefix = \"mail.log\"\nrotate = \"never\"\n",
    ));
    let server = place.serve(&settings);
    server.wait_for("is not followed: a tracer writes it");
    assert_eq!(server.stop(), 0);
}

#[test]
fn bad_settings_at_a_reload_change_nothing() {
    let place = Place::new();
    let logs = place.path("logs");
    append(&place.log(), "");
    let server = place.serve(&place.following(&tracer(&logs, "")));
    server.wait_for("following");
    let wrong = place.following(&tracer(&logs, "rotate = \"weekly\"\n"));
    std::fs::write(place.path("tidings.toml"), wrong).unwrap();
    server.signal(Signal::HUP);
    let said = server.wait_for("everything goes on as it was");
    assert!(
        said.contains("tracer.rotate = \"weekly\": it must be"),
        "{said}"
    );
    append(&place.log(), &mail(0..2));
    wait_for(&logs, 2);
    assert_eq!(server.stop(), 0);
}
