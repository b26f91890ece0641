//! Searches without a server: they keep nobody from writing, and need no right to write.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::support::{Place, append, mail, stderr, tidings};

const NOBODY: u32 = 65_534;

/// Every file of a directory with its bytes.
fn contents(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, found);
        } else if path.is_file() {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

/// A data directory with messages in parts, and messages and a torn end in the spool.
fn killed_server() -> Place {
    let place = Place::new();
    let old = place.path("old.log");
    append(&old, &mail(0..3));
    place.ask(&["import", old.to_str().unwrap()]);
    let server = place.serve(&place.following(""));
    append(&place.log(), &mail(3..5));
    place.wait_for(5);
    server.kill();
    let mut spool = BTreeMap::new();
    contents(&place.path("data/spool"), &mut spool);
    let (last, _) = spool
        .iter()
        .rfind(|(path, _)| path.file_name().is_some_and(|name| name != "meta"))
        .unwrap();
    append(last, "torn");
    place
}

/// A search held the lock until its last line was printed: with `| less` for hours.
#[test]
fn a_search_takes_no_lock_and_changes_nothing() {
    let place = killed_server();
    let lock = OpenOptions::new()
        .write(true)
        .open(place.path("data/lock"))
        .unwrap();
    lock.lock().unwrap();
    let mut before = BTreeMap::new();
    contents(&place.path("data"), &mut before);
    assert_eq!(place.delivered().len(), 5);
    let listed = place.ask(&["messages", "to:user00004@example.test", "--json"]);
    assert!(listed.contains("\"verdict\":\"delivered\""), "{listed}");
    assert!(
        place
            .ask(&["story", "user00001@example.test"])
            .contains("Ok: queued as X1")
    );
    assert!(place.ask(&["stats", "--json"]).contains("\"messages\":5"));
    let mut after = BTreeMap::new();
    contents(&place.path("data"), &mut after);
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
    assert!(before == after, "a file was changed");
}

#[test]
fn a_slow_reader_keeps_nobody_from_importing() {
    let place = Place::new();
    let (first, second) = (place.path("1.log"), place.path("2.log"));
    // More than a pipe holds.
    append(&first, &mail(0..2_000));
    append(&second, &mail(2_000..2_010));
    place.ask(&["import", first.to_str().unwrap()]);
    let mut slow = tidings(&["--data", &place.data(), "events", "--raw", "--limit", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = slow.stdout.take().unwrap();
    let mut begin = [0; 100];
    out.read_exact(&mut begin).unwrap();
    let done = place.ask(&["import", second.to_str().unwrap(), "--json"]);
    assert!(done.contains("\"lines\":50"), "{done}");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(slow.wait().unwrap().success());
    assert!(rest.contains("user00000@example.test"));
}

/// Where the directory cannot be written it could not be searched, and not be checked.
#[test]
fn a_directory_that_may_only_be_read_is_searched() {
    let place = killed_server();
    place.open_to_all();
    // What is left of a server that was killed; a copy of the directory has none.
    fs::remove_file(place.path("data/tidings.sock")).unwrap();
    let mut files = BTreeMap::new();
    contents(&place.path("data"), &mut files);
    for path in files.keys() {
        fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
    }
    for directory in ["data", "data/spool", "data/events", "data/messages"] {
        fs::set_permissions(place.path(directory), Permissions::from_mode(0o555)).unwrap();
    }
    let data = place.data();
    let ask = |args: &[&str]| {
        let mut command = place.tidings(&[&["--data", &data], args].concat());
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    };
    for (args, word) in [
        (
            &["messages", "to:user00004@example.test"][..],
            "user00004@example.test",
        ),
        (&["events", "--json"], "user00001@example.test"),
        (&["stats", "--json"], "\"messages\":5"),
        (&["verify"], "checked"),
    ] {
        let output = ask(args);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains(word), "{args:?}: {told}{}", stderr(&output));
    }
    let refused = ask(&["import", "/etc/hostname", "--force"]);
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
}
