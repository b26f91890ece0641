//! The management API as a program elsewhere speaks it: by TCP, with the token of the settings.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::support::Server;

const TOKEN: &str = "0123456789abcdef0123";

/// Settings with which [`Api`] is let in.
pub(crate) fn settings() -> String {
    format!("[http]\nlisten = [\"127.0.0.1:0\"]\ntoken = \"{TOKEN}\"\n")
}

/// A server, as its API is seen from outside.
pub(crate) struct Api {
    address: String,
}

impl Api {
    pub(crate) fn of(server: &Server) -> Api {
        Api {
            address: server.address(),
        }
    }

    fn send(&self, method: &str, path: &str, more: &str, body: &str) -> TcpStream {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n{body}"
        );
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Gives status, head and body.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, String, Vec<u8>) {
        self.ask_with(method, path, "", body)
    }

    /// As [`ask`](Self::ask), with more lines in the head.
    pub(crate) fn ask_with(
        &self,
        method: &str,
        path: &str,
        more: &str,
        body: Option<&Value>,
    ) -> (u16, String, Vec<u8>) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let more = format!("Connection: close\r\n{more}");
        let mut stream = self.send(method, path, &more, &body);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let mut fours = answer.windows(4);
        let end = fours.position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, answer[end + 4..].to_vec())
    }

    /// A JMAP request, whole.
    pub(crate) fn request(&self, path: &str, body: &Value) -> Value {
        let (status, head, body) = self.ask("POST", path, Some(body));
        let text = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status, 200, "{head}\n{text}");
        serde_json::from_slice(&body).unwrap()
    }

    /// Method calls, as the reference's command line makes them; gives the answers.
    pub(crate) fn call(&self, calls: &Value) -> Value {
        let using = ["urn:ietf:params:jmap:core", "urn:stalwart:jmap"];
        let body = json!({ "using": using, "methodCalls": calls });
        self.request("/jmap", &body)["methodResponses"].clone()
    }

    /// One method call; gives what its answer holds.
    pub(crate) fn call_one(&self, method: &str, arguments: &Value) -> Value {
        self.call(&json!([[method, arguments, "c0"]]))[0][1].clone()
    }

    /// Makes an object; gives its id.
    pub(crate) fn create(&self, object: &str, value: &Value) -> String {
        let answer = self.call_one(
            &format!("x:{object}/set"),
            &json!({ "create": { "n": value } }),
        );
        let id = answer["created"]["n"]["id"].as_str();
        id.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Changes an object, which must be possible.
    pub(crate) fn update(&self, object: &str, id: &str, patch: &Value) {
        let answer = self.call_one(
            &format!("x:{object}/set"),
            &json!({ "update": { id: patch } }),
        );
        assert!(answer["updated"].get(id).is_some(), "{answer}");
    }

    /// An object.
    pub(crate) fn get(&self, object: &str, id: &str) -> Value {
        self.call_one(&format!("x:{object}/get"), &json!({ "ids": [id] }))["list"][0].clone()
    }

    /// What a stream begins with, up to its first data.
    pub(crate) fn first_frame(&self, path: &str) -> String {
        let mut stream = self.send("GET", path, "", "");
        let mut seen = Vec::new();
        let mut some = [0; 1024];
        while !String::from_utf8_lossy(&seen).contains("\ndata: ") {
            let count = stream.read(&mut some).unwrap();
            assert_ne!(count, 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&some[..count]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }
}
