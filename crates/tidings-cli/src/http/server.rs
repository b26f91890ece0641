//! A running server as what it is, not as a history: its streams and its management API.

use std::io::Read;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::connect::Target;
use super::request::{Answer, Request, broken};
use super::url::Url;
use super::watch::{Wanted, Watch, Watched};
use crate::failure::Failure;

/// Longest answer of the management API, in bytes; the server's own limit, and some room.
const ANSWER_BYTES_MAX: u64 = 80 << 20;

/// A running server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(super) target: Target,
    pub(super) token: Option<String>,
}

impl Server {
    /// The server whose socket this is.
    pub(crate) fn at_socket(path: PathBuf) -> Server {
        Server {
            target: Target::Socket(path),
            token: None,
        }
    }

    /// The server at this address.
    ///
    /// # Errors
    /// [`Usage`](crate::FailureKind::Usage) if it is no address.
    pub(crate) fn at_url(url: &str, token: Option<String>) -> Result<Server, Failure> {
        Ok(Server {
            target: Target::Url(Url::parse(url)?),
            token,
        })
    }

    /// Where it is, in few words: an address or a path.
    pub(crate) fn place(&self) -> String {
        match &self.target {
            Target::Socket(path) => path.display().to_string(),
            Target::Url(url) => url.to_string(),
        }
    }

    /// Opens the stream at `path` and hands over what comes, from a thread of its own, until the
    /// watch is dropped or `deliver` gives `false`.
    pub(crate) fn watch(
        &self,
        path: &'static str,
        parameters: Vec<(&'static str, String)>,
        deliver: impl FnMut(Watched) -> bool + Send + 'static,
    ) -> Watch {
        let wanted = Wanted {
            server: self.clone(),
            path,
            parameters,
        };
        Watch::start(wanted, deliver)
    }

    /// Calls methods of the management API (`[["x:Source/get", {…}, "0"], …]`) and gives their
    /// answers in the same form.
    ///
    /// # Errors
    /// If the server cannot be asked, refuses, or does not answer in this form.
    pub(crate) fn call(&self, calls: &Value) -> Result<Vec<Value>, Failure> {
        let body = json!({
            "using": ["urn:ietf:params:jmap:core", "urn:stalwart:jmap"],
            "methodCalls": calls,
        });
        let request = Request::post("/jmap", body.to_string());
        let answer = request.send(&self.target, self.token.as_deref())?;
        let mut text = self.whole(answer)?;
        match text.get_mut("methodResponses").map(Value::take) {
            Some(Value::Array(answers)) => Ok(answers),
            _ => Err(self.strange()),
        }
    }

    fn whole(&self, answer: Answer) -> Result<Value, Failure> {
        let mut text = Vec::new();
        answer
            .take(ANSWER_BYTES_MAX + 1)
            .read_to_end(&mut text)
            .map_err(|error| broken(&self.target, error))?;
        if text.len() as u64 > ANSWER_BYTES_MAX {
            return Err(self.strange());
        }
        serde_json::from_slice(&text).map_err(|_| self.strange())
    }

    fn strange(&self) -> Failure {
        let name = self.target.name();
        Failure::server(format!(
            "{name} sent something that is no answer of the management API"
        ))
    }
}
