//! One request to the server, and what its answer asks for.

use std::time::Duration;

use ureq::Agent;

use super::{ForwardError, ForwardSettings};

/// What the server's answer means for the records that were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// They are durable there.
    Taken {
        /// Those that it had already.
        duplicates: u64,
    },
    /// Not now: the server is away or overloaded, or refuses us for a reason that an operator has
    /// to mend.
    Later {
        /// When to come again, if it says so.
        after: Option<Duration>,
        /// For people.
        why: String,
    },
    /// Not like this: too much at once, or something in it that cannot be read.
    Smaller {
        /// For people.
        why: String,
    },
}

/// The way to the server.
pub(super) struct Post {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

impl Post {
    pub(super) fn new(settings: &ForwardSettings) -> Result<Post, ForwardError> {
        let url = checked_url(&settings.url)?;
        let config = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        Ok(Post {
            agent: config.into(),
            url,
            authorization: settings.token.as_ref().map(|t| format!("Bearer {t}")),
        })
    }

    /// Sends records; at most as long as the settings allow.
    pub(super) fn send(&self, records: &[u8]) -> Answer {
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/vnd.tidings.records");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let mut response = match request.send(records) {
            Ok(response) => response,
            Err(why) => {
                return Answer::Later {
                    after: None,
                    why: why.to_string(),
                };
            }
        };
        let status = response.status().as_u16();
        let after = response.headers().get("retry-after");
        let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = response.body_mut().with_config().limit(64 << 10);
        let body = body.read_to_string();
        match (status, body) {
            (200, Ok(body)) => Answer::Taken {
                duplicates: number_in(&body, "duplicates").unwrap_or(0),
            },
            (400 | 413 | 422, body) => Answer::Smaller {
                why: said(status, body.ok()),
            },
            (_, body) => Answer::Later {
                after: after.map(Duration::from_secs),
                why: said(status, body.ok()),
            },
        }
    }
}

/// The status and the beginning of what the server said.
fn said(status: u16, body: Option<String>) -> String {
    let body: String = body.unwrap_or_default().chars().take(200).collect();
    format!("the server answered {status}: {}", body.escape_debug())
}

/// The number of a member of a flat JSON object.
fn number_in(json: &str, name: &str) -> Option<u64> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    let digits = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = digits.find(|c: char| !c.is_ascii_digit());
    digits[..end.unwrap_or(digits.len())].parse().ok()
}

/// The URL, with the path that is meant when it names none.
fn checked_url(url: &str) -> Result<String, ForwardError> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .filter(|rest| !rest.is_empty() && !rest.starts_with('/'))
        .ok_or_else(|| ForwardError::Url(url.to_owned()))?;
    Ok(match rest.split_once('/') {
        None => format!("{url}/ingest"),
        Some((_, "")) => format!("{url}ingest"),
        Some(_) => url.to_owned(),
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_means_ingest() {
        for (given, meant) in [
            ("http://host:8080", "http://host:8080/ingest"),
            ("https://host/", "https://host/ingest"),
            ("https://host/a/b", "https://host/a/b"),
        ] {
            assert_eq!(checked_url(given).unwrap(), meant);
        }
        for wrong in ["host:8080", "ftp://host", "http://", "https:///ingest"] {
            let error = checked_url(wrong).unwrap_err().to_string();
            assert!(
                error.contains(wrong) && error.contains("https://"),
                "{error}"
            );
        }
    }

    #[test]
    fn numbers_are_found_in_the_answer() {
        let json = "{\"accepted\": 7,\"duplicates\":12}";
        assert_eq!(number_in(json, "accepted"), Some(7));
        assert_eq!(number_in(json, "duplicates"), Some(12));
        assert_eq!(number_in(json, "other"), None);
        assert_eq!(number_in("{\"accepted\":\"x\"}", "accepted"), None);
    }
}
