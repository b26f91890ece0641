//! Clients that nobody here wrote: Python's `requests`.
//!
//! `TIDINGS_REQUESTS_PYTHON` is a Python that has it (`make test` sees to it); without it the test says that
//! it is skipped.

use std::process::Command;

use super::support::{Place, append, mail};

#[test]
fn python_s_requests_finds_its_way() {
    let Some(python) = std::env::var_os("TIDINGS_REQUESTS_PYTHON") else {
        eprintln!("skipped: TIDINGS_REQUESTS_PYTHON names no Python with requests");
        return;
    };
    let place = Place::new();
    append(&place.log(), &mail(0..6));
    let log = place.log();
    let settings = format!(
        "[http]\nlisten = [\"127.0.0.1:0\"]\noauth_redirects = [\"http://127.0.0.1:1/back\"]\n\
         [[source]]\npaths = {log:?}\nstart = \"beginning\"\n"
    );
    let server = place.serve(&settings);
    place.wait_for(6);
    let first = std::fs::read_to_string(place.path("data/first-password")).unwrap();
    let password = first.split_whitespace().last().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serve/clients/jmap.py");
    let base = format!("http://{}", server.address());
    let ran = Command::new(python)
        .arg(script)
        .args([&base, "admin", password])
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&ran.stdout));
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{}", server.said());
    assert_eq!(server.stop(), 0);
}
