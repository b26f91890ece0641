//! The history behind a running server.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidings_engine::contract::{ImportObject, MessageObject, StatsObject, StoryObject};
use tidings_event::time::rfc3339;

use super::connect::Target;
use super::lines::{Lines, is_error, object};
use super::request::{Answer, Request, broken};
use super::url::Url;
use crate::failure::{Failure, FailureKind};
use crate::store::{
    AccountObject, AccountsAsked, EventsQuery, ImportOptions, ImportProgress, MessagesQuery,
    RepairObject, StatsQuery, Store, StoryOptions, VerifyObject,
};

/// A history that is asked by HTTP. Dropping an answer halfway closes its connection, which tells
/// the server to stop.
pub(crate) struct HttpStore {
    target: Target,
    token: Option<String>,
}

impl HttpStore {
    /// The server whose socket this is.
    pub(crate) fn at_socket(path: PathBuf) -> HttpStore {
        HttpStore {
            target: Target::Socket(path),
            token: None,
        }
    }

    /// The server at this address.
    ///
    /// # Errors
    /// [`Usage`](FailureKind::Usage) if it is no address.
    pub(crate) fn at_url(url: &str, token: Option<String>) -> Result<HttpStore, Failure> {
        Ok(HttpStore {
            target: Target::Url(Url::parse(url)?),
            token,
        })
    }

    fn send(&self, request: Request) -> Result<Lines<Answer>, Failure> {
        let answer = request.send(&self.target, self.token.as_deref())?;
        Ok(Lines::new(answer))
    }

    /// Hands over the objects of an answer until `each` has enough.
    fn each<T: DeserializeOwned>(
        &self,
        request: Request,
        each: &mut dyn FnMut(T) -> bool,
    ) -> Result<(), Failure> {
        let mut lines = self.send(request)?;
        while let Some(line) = self.next(&mut lines)? {
            let found = object(line).map_err(|error| broken(&self.target, error))?;
            if !each(found) {
                break;
            }
        }
        Ok(())
    }

    /// The next line of an answer; a line that reports a failure is that failure.
    fn next<'a>(&self, lines: &'a mut Lines<Answer>) -> Result<Option<&'a [u8]>, Failure> {
        let line = lines.next().map_err(|error| broken(&self.target, error))?;
        match line {
            Some(line) if is_error(line) => {
                Err(Failure::from_json(line, FailureKind::Server)
                    .unwrap_or_else(|| self.incomplete()))
            }
            line => Ok(line),
        }
    }

    /// Waits for the `{"result": …}` at the end of an answer; other objects go to `report`.
    fn result<T: DeserializeOwned>(
        &self,
        request: Request,
        report: &mut dyn FnMut(&[u8]),
    ) -> Result<T, Failure> {
        let mut lines = self.send(request)?;
        while let Some(line) = self.next(&mut lines)? {
            if line.starts_with(b"{\"result\":") {
                let last: Last<T> = object(line).map_err(|error| broken(&self.target, error))?;
                return Ok(last.result);
            }
            report(line);
        }
        Err(self.incomplete())
    }

    fn incomplete(&self) -> Failure {
        broken(&self.target, io::ErrorKind::UnexpectedEof.into())
    }
}

/// The last line of an answer that takes long.
#[derive(Deserialize)]
struct Last<T> {
    result: T,
}

impl Store for HttpStore {
    fn messages(
        &mut self,
        query: &MessagesQuery,
        each: &mut dyn FnMut(MessageObject) -> bool,
    ) -> Result<(), Failure> {
        let request = Request::get("/api/tidings/messages")
            .with("filter", non_empty(&query.filter))
            .with("since", query.since_ns.map(rfc3339))
            .with("until", query.until_ns.map(rfc3339))
            .with("limit", query.limit.map(|limit| limit.to_string()));
        self.each(request, each)
    }

    fn events(
        &mut self,
        query: &EventsQuery,
        each: &mut dyn FnMut(Value) -> bool,
    ) -> Result<(), Failure> {
        let request = Request::get("/api/tidings/events")
            .with("filter", non_empty(&query.filter))
            .with("since", query.since_ns.map(rfc3339))
            .with("until", query.until_ns.map(rfc3339))
            .with("limit", query.limit.map(|limit| limit.to_string()))
            .with("raw", yes(query.raw));
        self.each(request, each)
    }

    fn stories(
        &mut self,
        key: &str,
        options: &StoryOptions,
        each: &mut dyn FnMut(StoryObject) -> bool,
    ) -> Result<(), Failure> {
        let request = Request::get("/api/tidings/story")
            .with("key", Some(key.to_owned()))
            .with("limit", options.limit.map(|limit| limit.to_string()))
            .with("told", options.told.map(|told| told.to_string()))
            .with("raw", yes(options.raw));
        self.each(request, each)
    }

    fn accounts(&mut self, asked: &AccountsAsked) -> Result<Vec<AccountObject>, Failure> {
        let body = serde_json::to_string(asked).map_err(|error| {
            Failure::usage("this cannot be asked").because(io::Error::other(error))
        })?;
        self.result(Request::post("/api/tidings/accounts", body), &mut |_| {})
    }

    fn stats(&mut self, query: &StatsQuery) -> Result<StatsObject, Failure> {
        let request = Request::get("/api/tidings/stats")
            .with("since", query.since_ns.map(rfc3339))
            .with("until", query.until_ns.map(rfc3339))
            .with("top", Some(query.top.to_string()));
        let mut found = None;
        self.each(request, &mut |stats| {
            found = Some(stats);
            false
        })?;
        found.ok_or_else(|| self.incomplete())
    }

    fn import(
        &mut self,
        files: &[PathBuf],
        options: &ImportOptions,
        progress: &mut dyn FnMut(&ImportProgress),
    ) -> Result<ImportObject, Failure> {
        let body = import_body(files, options)?;
        self.result(Request::post("/api/tidings/import", body), &mut |line| {
            if let Ok(report) = object(line) {
                progress(&report);
            }
        })
    }

    fn verify(&mut self) -> Result<VerifyObject, Failure> {
        let request = Request::post("/api/tidings/verify", "{}".to_owned());
        self.result(request, &mut |_| {})
    }

    fn repair(&mut self) -> Result<RepairObject, Failure> {
        let request = Request::post("/api/tidings/repair", "{}".to_owned());
        self.result(request, &mut |_| {})
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn yes(wanted: bool) -> Option<String> {
    wanted.then(|| "true".to_owned())
}

/// `{"files":[…],"year":…,"timezone":…,"force":…}`.
fn import_body(files: &[PathBuf], options: &ImportOptions) -> Result<String, Failure> {
    let mut names = Vec::with_capacity(files.len());
    for file in files {
        let name = file.to_str().ok_or_else(|| {
            Failure::file(format!(
                "cannot name {} to the server, as its name is no text; rename or link it",
                file.display()
            ))
        })?;
        names.push(Value::from(name));
    }
    let mut body = serde_json::Map::new();
    body.insert("files".to_owned(), Value::Array(names));
    body.insert("year".to_owned(), options.year.into());
    body.insert("timezone".to_owned(), options.timezone.clone().into());
    body.insert("force".to_owned(), options.force.into());
    Ok(Value::Object(body).to_string())
}

/// Whether a server answers at this socket: `false` where there is no socket or nobody behind it.
///
/// # Errors
/// The system's error where there is one, but it cannot be told or must not be used.
pub(crate) fn answers(socket: &Path) -> io::Result<bool> {
    match UnixStream::connect(socket) {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            // A path too long for a socket is "invalid input": no server can have made it.
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::InvalidInput => Ok(false),
            _ => Err(error),
        },
    }
}
