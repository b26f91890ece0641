//! What a request is asked with in its address, checked: what is wrong is named with what is allowed.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use tidings_event::time::parse_rfc3339;

use super::answer::{Refusal, refuse};

/// The parameters of an address, in their order, as axum takes them apart.
pub(super) type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// The parameters of a request, all of them known, none twice.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes the parameters of a request that knows these.
    ///
    /// # Errors
    /// A refusal for one that is not known, or is there twice.
    pub(super) fn of(pairs: Pairs, known: &[&str]) -> Result<Parameters, Refusal> {
        let Query(pairs) =
            pairs.map_err(|_| wrong("the address holds parameters that are no text"))?;
        for (at, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&&**name) {
                let known = known.join(", ");
                return Err(wrong(&format!(
                    "there is no parameter `{name}`; allowed are {known}"
                )));
            }
            if pairs[..at].iter().any(|(other, _)| other == name) {
                return Err(wrong(&format!("`{name}` is there twice; allowed is once")));
            }
        }
        Ok(Parameters(pairs))
    }

    /// A text, if it is given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A whole number, if it is given.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.read(name, "a whole number from 0 up", |text| text.parse().ok())
    }

    /// `true` or `false`; `false` if it is not given.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        let flag = self.read(name, "true or false", |text| text.parse().ok())?;
        Ok(flag.unwrap_or(false))
    }

    /// A moment, in nanoseconds since the unix epoch, if it is given.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let time_ns = parse_rfc3339(text);
        time_ns
            .map(Some)
            .map_err(|error| wrong(&format!("{name}: {error}")))
    }

    fn read<T>(
        &self,
        name: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let value = parse(text);
        value.map(Some).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            wrong(&format!(
                "{name}: {shown:?} is not allowed; allowed is {allowed}"
            ))
        })
    }
}

fn wrong(why: &str) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, why)
}
