//! What is wrong is said in one clear sentence, with the right exit code.

use std::fs;
use std::net::TcpListener;

use super::support::{Place, append, mail, run, stderr};

/// Runs the program and expects one sentence on its standard error, with these parts, and this code.
fn refused(args: &[&str], code: i32, parts: &[&str]) {
    let output = run(args);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
    assert!(said.starts_with("tidings: "), "{said}");
    for part in parts {
        assert!(said.contains(part), "{args:?}: {part:?} is not in: {said}");
    }
    assert!(output.stdout.is_empty());
}

fn serve_refused(place: &Place, settings: &str, code: i32, parts: &[&str]) {
    let config = place.path("tidings.toml");
    fs::write(&config, settings).unwrap();
    refused(
        &[
            "serve",
            "--data",
            &place.data(),
            "--config",
            config.to_str().unwrap(),
        ],
        code,
        parts,
    );
}

#[test]
fn wrong_settings() {
    let place = Place::new();
    refused(
        &[
            "serve",
            "--data",
            &place.data(),
            "--config",
            "/nonexistent.toml",
        ],
        2,
        &["cannot read the settings file /nonexistent.toml: no such file or directory"],
    );
    serve_refused(
        &place,
        "[http]\n\nlisten_on = \"x\"\n",
        2,
        &["tidings.toml, line 3: ", "http.listen_on", "allowed are"],
    );
    serve_refused(
        &place,
        "[http]\nlisten = 80\n",
        2,
        &["line 2: http.listen = 80: it must be addresses"],
    );
    serve_refused(
        &place,
        "[http]\nlisten = \"0.0.0.0:80\"\n",
        2,
        &["0.0.0.0:80", "needs TLS"],
    );
    serve_refused(
        &place,
        "[[source]]\npaths = [\"mail.log\"]\n",
        2,
        &["source.paths = [\"mail.log\"]: it must be absolute paths"],
    );
    serve_refused(&place, "[[source]\n", 2, &["line 1: this is not TOML"]);
    assert!(!place.path("data").exists(), "nothing was made");
}

#[test]
fn wrong_data_directories() {
    let place = Place::new();
    fs::write(place.path("file"), "").unwrap();
    let file = place.path("file");
    for verb in [&["serve"][..], &["messages"], &["import", "/etc/passwd"]] {
        let mut args = verb.to_vec();
        args.extend(["--data", file.to_str().unwrap()]);
        refused(&args, 3, &[file.to_str().unwrap(), "directory"]);
    }
    let home = place.path("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("letter.txt"), "").unwrap();
    refused(
        &["serve", "--data", home.to_str().unwrap()],
        3,
        &["letter.txt", "empty directory"],
    );
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "nothing was added");
    let deep = place.path(&"d".repeat(100));
    refused(
        &["serve", "--data", deep.to_str().unwrap()],
        3,
        &["at most 107 bytes"],
    );
    refused(
        &["messages", "--data", place.path("none").to_str().unwrap()],
        3,
        &["there is no data directory"],
    );
}

#[test]
fn a_second_server_on_the_same_directory() {
    let place = Place::new();
    let server = place.serve(&place.following(""));
    serve_refused(
        &place,
        "[http]\nlisten = []\n",
        3,
        &[&place.data(), "process"],
    );
    append(&place.log(), &mail(0..1));
    place.wait_for(1);
    assert_eq!(server.stop(), 0);
}

#[test]
fn an_address_that_is_taken() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let settings = format!("[http]\nlisten = \"{address}\"\n");
    serve_refused(
        &place,
        &settings,
        5,
        &[
            "cannot listen on",
            &address,
            "http.listen",
            "address already in use",
        ],
    );
    assert!(!place.path("data/tidings.sock").exists());
}

#[test]
fn wrong_questions_and_files_beside_a_server() {
    let place = Place::new();
    let server = place.serve(&place.following(""));
    let data = place.data();
    refused(
        &["import", "/nonexistent.log", "--data", &data],
        4,
        &["/nonexistent.log", "no such file or directory"],
    );
    refused(
        &["import", "/etc", "--data", &data],
        4,
        &["/etc", "a directory"],
    );
    let questions = run(&["messages", "nosuchfield:x", "--data", &data]);
    assert_eq!(questions.status.code(), Some(2), "{}", stderr(&questions));
    let nothing = run(&["messages", "--data", &data]);
    assert_eq!(nothing.status.code(), Some(1));
    assert_eq!(server.stop(), 0);
    let questions = run(&["messages", "nosuchfield:x", "--data", &data]);
    assert_eq!(questions.status.code(), Some(2), "{}", stderr(&questions));
}

#[test]
fn damaged_packed_files_are_told_and_what_came_before_is_kept() {
    let place = Place::new();
    let server = place.serve(&place.following(""));
    let log = place.path("log/old.log");
    append(&log, &mail(0..400));
    super::support::gzip(&log);
    let packed = place.path("log/old.log.gz");
    let bytes = fs::read(&packed).unwrap();
    fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
    let output = run(&[
        "import",
        packed.to_str().unwrap(),
        "--data",
        &place.data(),
        "--json",
    ]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    assert!(
        said.contains("it ends in the middle of the packed data"),
        "{said}"
    );
    let kept = place.delivered().len();
    assert!(kept > 10 && kept < 400, "{kept}");
    assert_eq!(server.stop(), 0);
}

/// Who may use the socket is not who may read a log: the server reads it, as the user it runs as.
#[test]
fn files_are_read_for_root_and_the_server_s_own_user_only() {
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    let place = Place::new();
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can ask as another user");
        return;
    }
    place.open_to_all();
    let server = place.serve(&place.following(""));
    let log = place.path("log/other.log");
    append(&log, &mail(0..1));
    let data = place.data();
    let args = ["import", log.to_str().unwrap(), "--data", &data];
    let ask_as = |gid: u32| {
        let mut command = place.tidings(&args);
        command.uid(NOBODY).gid(gid).output().unwrap()
    };
    let group = fs::metadata(place.path("data/tidings.sock")).unwrap();
    let member = ask_as(std::os::unix::fs::MetadataExt::gid(&group));
    let said = stderr(&member);
    assert_eq!(member.status.code(), Some(5), "{said}");
    assert!(
        said.contains("the server reads files only for root and for its own user (id 0)"),
        "{said}"
    );
    let stranger = ask_as(NOBODY);
    let said = stderr(&stranger);
    assert_eq!(stranger.status.code(), Some(5), "{said}");
    assert!(
        said.contains("run this as root or as a member of its group"),
        "{said}"
    );
    assert!(place.delivered().is_empty());
    // A path from where one stands is made whole before the server gets it.
    let mut command = super::support::tidings(&["import", "other.log", "--data", &data]);
    let done = command.current_dir(place.path("log")).output().unwrap();
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(place.delivered().len(), 1);
    assert_eq!(server.stop(), 0);
}

/// The server runs as a user who may not read what root, who asks, may.
#[test]
fn a_file_that_the_server_may_not_read_is_told_with_its_user() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    let place = Place::new();
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can start the server as another user");
        return;
    }
    place.open_to_all();
    fs::create_dir(place.path("data")).unwrap();
    std::os::unix::fs::chown(place.path("data"), Some(NOBODY), Some(NOBODY)).unwrap();
    let server = super::support::Server::start(&place, &place.following(""), |command| {
        command.uid(NOBODY).gid(NOBODY);
    });
    let log = place.path("log/secret.log");
    append(&log, &mail(0..1));
    fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).unwrap();
    refused(
        &["import", log.to_str().unwrap(), "--data", &place.data()],
        4,
        &[
            "secret.log: permission denied",
            "(the server reads it, as the user with id 65534)",
        ],
    );
    assert_eq!(server.stop(), 0);
}
