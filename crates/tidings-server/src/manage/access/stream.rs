//! Tokens with which a page opens one stream: a browser's `EventSource` can send no header.
//!
//! A token is used within a minute. After that it goes on being good for the same client, so that a
//! stream that breaks off can be opened again with the same address.
//!
//! **Bounded**: [`TOKENS_MAX`]; the oldest is forgotten for a new one.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::Known;
use super::token::{Hash, NoRandom, secret};

/// How long a token waits for its first use.
const FIRST_USE_NS: i64 = 60 * SECOND_NS;

/// How long it is good for the client that used it.
const KEEP_NS: i64 = 12 * 60 * 60 * SECOND_NS;

const TOKENS_MAX: usize = 2_000;

const SECOND_NS: i64 = 1_000_000_000;

/// What can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Tracing,
    Metrics,
}

impl Stream {
    /// The permission that it needs.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Stream::Tracing => "liveTracing",
            Stream::Metrics => "liveMetrics",
        }
    }
}

#[derive(Clone, Debug)]
struct Token {
    stream: Stream,
    known: Known,
    made_ns: i64,
    /// Who used it.
    client: Option<Option<IpAddr>>,
}

/// The tokens that are good.
#[derive(Debug, Default)]
pub(super) struct Streams {
    tokens: HashMap<Hash, Token>,
    /// The oldest first.
    order: VecDeque<Hash>,
}

impl Streams {
    /// A token for one stream, with the rights of whoever asks.
    pub(super) fn token(
        &mut self,
        stream: Stream,
        known: Known,
        now_ns: i64,
    ) -> Result<String, NoRandom> {
        self.forget(now_ns);
        if self.order.len() >= TOKENS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.tokens.remove(&oldest);
        }
        let shown = secret("tidl_")?;
        let hash = Hash::of(shown.as_bytes());
        let token = Token {
            stream,
            known,
            made_ns: now_ns,
            client: None,
        };
        self.tokens.insert(hash, token);
        self.order.push_back(hash);
        Ok(shown)
    }

    /// Who asked for a token, if it opens a stream for this client.
    pub(super) fn redeem(
        &mut self,
        stream: Stream,
        shown: &[u8],
        client: Option<IpAddr>,
        now_ns: i64,
    ) -> Option<Known> {
        self.forget(now_ns);
        let token = self.tokens.get_mut(&Hash::of(shown))?;
        if token.stream != stream {
            return None;
        }
        match token.client {
            None if now_ns.saturating_sub(token.made_ns) >= FIRST_USE_NS => return None,
            None => token.client = Some(client),
            Some(first) if first == client => {}
            Some(_) => return None,
        }
        Some(token.known.clone())
    }

    fn forget(&mut self, now_ns: i64) {
        while let Some(oldest) = self.order.front() {
            let made_ns = self
                .tokens
                .get(oldest)
                .map_or(i64::MIN, |token| token.made_ns);
            if now_ns.saturating_sub(made_ns) < KEEP_NS {
                return;
            }
            self.tokens.remove(oldest);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manage::Identity;
    use crate::manage::access::Credential;

    fn known() -> Known {
        Known {
            identity: Identity::local("test", tidings_admin::Role::Admin),
            credential: Credential::Local,
        }
    }

    #[test]
    fn a_token_is_for_one_stream_one_client_and_used_in_time() {
        let mut streams = Streams::default();
        let token = |streams: &mut Streams| streams.token(Stream::Tracing, known(), 0).unwrap();
        let one: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
        let other: Option<IpAddr> = Some("192.0.2.2".parse().unwrap());
        let shown = token(&mut streams);
        let shown = shown.as_bytes();
        assert!(streams.redeem(Stream::Metrics, shown, one, 0).is_none());
        assert!(streams.redeem(Stream::Tracing, b"tidl_x", one, 0).is_none());
        assert!(
            streams
                .redeem(Stream::Tracing, shown, one, FIRST_USE_NS - 1)
                .is_some()
        );
        assert!(
            streams
                .redeem(Stream::Tracing, shown, other, FIRST_USE_NS - 1)
                .is_none()
        );
        // The stream broke off an hour later.
        assert!(
            streams
                .redeem(Stream::Tracing, shown, one, 60 * FIRST_USE_NS)
                .is_some()
        );
        assert!(
            streams
                .redeem(Stream::Tracing, shown, one, KEEP_NS)
                .is_none()
        );

        let late = token(&mut streams);
        assert!(
            streams
                .redeem(Stream::Tracing, late.as_bytes(), one, FIRST_USE_NS)
                .is_none()
        );
    }

    #[test]
    fn there_are_not_more_than_so_many() {
        let mut streams = Streams::default();
        let first = streams.token(Stream::Metrics, known(), 0).unwrap();
        for _ in 0..TOKENS_MAX {
            streams.token(Stream::Metrics, known(), 1).unwrap();
        }
        assert_eq!(
            (streams.tokens.len(), streams.order.len()),
            (TOKENS_MAX, TOKENS_MAX)
        );
        assert!(
            streams
                .redeem(Stream::Metrics, first.as_bytes(), None, 2)
                .is_none()
        );
    }
}
