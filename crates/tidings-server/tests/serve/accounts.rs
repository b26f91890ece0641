//! Who may use the server, from the first start on.

use std::os::unix::fs::PermissionsExt;

use super::support::{Place, Server, run, stderr};

fn password_of(line: &str) -> String {
    let account: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    account["password"].as_str().unwrap().to_owned()
}

/// Asks by TCP with a name and a password; gives the status.
fn ask(server: &Server, name: &str, password: &str) -> u16 {
    use std::io::{Read, Write};
    let body = format!("{{\"name\":\"{name}\",\"password\":\"{password}\"}}");
    let length = body.len();
    let request = format!(
        "POST /api/sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_first_start_makes_an_admin_and_a_lost_password_is_mended_with_and_without_the_server() {
    let place = Place::new();
    let server = place.serve(&place.following(""));
    server.address();
    let file = place.path("data/first-password");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = std::fs::read_to_string(&file).unwrap();
    let first = first.trim();
    assert!(
        server
            .said()
            .contains("data/first-password until it is used")
    );
    assert!(!server.said().contains(first));
    assert_eq!(
        place.ask(&["account", "list"]),
        "admin  admin  has not signed in\n"
    );
    assert_eq!(ask(&server, "admin", "something else"), 401);
    assert!(file.exists());
    assert_eq!(ask(&server, "admin", first), 200);
    assert!(!file.exists());
    assert!(
        place
            .ask(&["account", "list"])
            .contains("last signed in 20")
    );

    let again = password_of(&place.ask(&["account", "reset", "admin", "--json"]));
    assert_eq!(ask(&server, "admin", first), 401);
    assert_eq!(ask(&server, "admin", &again), 200);
    assert_eq!(server.stop(), 0);

    // Without the server, and with a history that nobody can read.
    std::fs::write(place.path("data/manifest"), "broken").unwrap();
    let offline = password_of(&place.ask(&["account", "reset", "admin", "--json"]));
    let args = ["account", "create", "admin", "--data", &place.data()];
    let refused = run(&args);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("there is an account admin already"));
    std::fs::remove_file(place.path("data/manifest")).unwrap();
    let server = place.serve(&place.following(""));
    assert_eq!(ask(&server, "admin", &again), 401);
    assert_eq!(ask(&server, "admin", &offline), 200);
    assert_eq!(server.stop(), 0);
}
