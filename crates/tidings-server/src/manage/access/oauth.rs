//! The authorization-code flow of OAuth 2 with PKCE (RFC 6749, 7636, 9700), for clients that keep no
//! secret, such as a web page of another server.
//!
//! A code is random, good once, for a minute, and for the client, address and challenge it was made for.
//!
//! **Bounded**: [`CODES_MAX`] codes; the oldest is forgotten for a new one, which then has to be asked
//! for again.

use std::collections::{HashMap, VecDeque};

use subtle::ConstantTimeEq;

use super::session::{Grant, Holder, SessionError};
use super::token::{Hash, NoRandom, secret};
use super::{Access, Credential, Denied, Known, lock};

const CODE_NS: i64 = 60 * 1_000_000_000;

const CODES_MAX: usize = 1_000;

/// Bytes of names that clients give themselves, and of what they ask with.
const TEXT_BYTES_MAX: usize = 512;

/// The proof that whoever brings the code is whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pkce {
    /// SHA-256 of the verifier, in base64 for addresses.
    S256(String),
    /// The verifier itself; for pages that are not served securely, whose browsers have no hash.
    Plain(String),
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) client: String,
    pub(crate) redirect_uri: String,
    pub(crate) pkce: Pkce,
}

/// Why a token is not given (RFC 6749, 5.2).
#[derive(Debug)]
pub(crate) enum OauthError {
    /// The code or the refresh token is wrong, was used, or has expired.
    InvalidGrant(&'static str),
    Denied(Denied),
}

impl From<SessionError> for OauthError {
    fn from(error: SessionError) -> OauthError {
        match error {
            SessionError::Unknown => {
                OauthError::InvalidGrant("the token is not known, was used, or has expired")
            }
            other => OauthError::Denied(other.into()),
        }
    }
}

/// Codes that were given.
#[derive(Debug, Default)]
pub(super) struct Codes {
    codes: HashMap<Hash, Code>,
    /// The oldest first.
    order: VecDeque<Hash>,
}

#[derive(Clone, Debug)]
struct Code {
    authorization: Authorization,
    holder: Holder,
    made_ns: i64,
    /// It was brought; what was given for it is this family, as soon as there is one.
    used: Option<Option<u64>>,
}

/// What came of a code.
#[derive(Debug, PartialEq, Eq)]
enum Brought {
    Good(Holder),
    Wrong(&'static str),
    /// It was brought before: whoever has what was given for it may have stolen the code.
    Again(Option<u64>),
}

impl Pkce {
    /// What a client asks with; `None` for what is no challenge (RFC 7636, 4.2).
    pub(crate) fn parse(method: &str, challenge: &str) -> Option<Pkce> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_good = (43..=128).contains(&challenge.len()) && challenge.bytes().all(is_plain);
        match method {
            _ if !is_good => None,
            "S256" => Some(Pkce::S256(challenge.to_owned())),
            "plain" => Some(Pkce::Plain(challenge.to_owned())),
            _ => None,
        }
    }

    fn fits(&self, verifier: &str) -> bool {
        let (shown, kept) = match self {
            Pkce::S256(challenge) => (Hash::of(verifier.as_bytes()).base64(), challenge),
            Pkce::Plain(challenge) => (verifier.to_owned(), challenge),
        };
        shown.as_bytes().ct_eq(kept.as_bytes()).into()
    }
}

impl Authorization {
    /// Whether what a client says of itself has a bearable length.
    pub(crate) fn is_bounded(&self) -> bool {
        self.client.len() <= TEXT_BYTES_MAX && self.redirect_uri.len() <= 4 * TEXT_BYTES_MAX
    }
}

impl Codes {
    fn give(
        &mut self,
        authorization: Authorization,
        holder: Holder,
        now_ns: i64,
    ) -> Result<String, NoRandom> {
        let shown = secret("tidc_")?;
        let hash = Hash::of(shown.as_bytes());
        if self.order.len() >= CODES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.codes.remove(&oldest);
        }
        let code = Code {
            authorization,
            holder,
            made_ns: now_ns,
            used: None,
        };
        self.codes.insert(hash, code);
        self.order.push_back(hash);
        Ok(shown)
    }

    fn bring(&mut self, code: Hash, asked: &Asked<'_>, now_ns: i64) -> Brought {
        let Some(code) = self.codes.get_mut(&code) else {
            return Brought::Wrong("the code is not known, or has expired");
        };
        if let Some(family) = code.used {
            return Brought::Again(family);
        }
        // Good once, also where it is brought with something wrong.
        code.used = Some(None);
        let was = &code.authorization;
        if now_ns.saturating_sub(code.made_ns) >= CODE_NS {
            return Brought::Wrong("the code is not known, or has expired");
        }
        if was.client != asked.client || was.redirect_uri != asked.redirect_uri {
            return Brought::Wrong("the code was given to another client_id or redirect_uri");
        }
        if !was.pkce.fits(asked.verifier) {
            return Brought::Wrong("the code_verifier does not fit the code_challenge");
        }
        Brought::Good(code.holder)
    }
}

/// What a client brings with its code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) client: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) verifier: &'a str,
}

impl Access {
    /// A code for a client, by somebody who has signed in.
    pub(crate) fn authorize(
        &self,
        authorization: Authorization,
        known: &Known,
        now_ns: i64,
    ) -> Result<String, Denied> {
        let holder = super::holder(known)?;
        let code = lock(&self.codes).give(authorization, holder, now_ns);
        code.map_err(|error| Denied::Unavailable(error.to_string()))
    }

    /// Tokens for a code. Writes to the disk.
    pub(crate) fn exchange(
        &self,
        code: &str,
        asked: Asked<'_>,
        now_ns: i64,
    ) -> Result<Grant, OauthError> {
        let hash = Hash::of(code.as_bytes());
        let brought = lock(&self.codes).bring(hash, &asked, now_ns);
        let holder = match brought {
            Brought::Good(holder) => holder,
            Brought::Wrong(why) => return Err(OauthError::InvalidGrant(why)),
            Brought::Again(family) => {
                if let Some(family) = family {
                    self.sessions
                        .end_family(family)
                        .map_err(SessionError::from)?;
                }
                return Err(OauthError::InvalidGrant("the code was used before"));
            }
        };
        self.still_good(holder, now_ns)?;
        let grant = self.sessions.begin_grant(holder, asked.client, now_ns)?;
        if let Some(code) = lock(&self.codes).codes.get_mut(&hash) {
            code.used = Some(Some(grant.family));
        }
        Ok(grant)
    }

    /// Other tokens for a refresh token. Writes to the disk.
    pub(crate) fn refresh(
        &self,
        token: &str,
        client: &str,
        now_ns: i64,
    ) -> Result<Grant, OauthError> {
        let (grant, holder) = self.sessions.refresh(token.as_bytes(), client, now_ns)?;
        if let Err(error) = self.still_good(holder, now_ns) {
            let _ = self.sessions.end_family(grant.family);
            return Err(error);
        }
        Ok(grant)
    }

    fn still_good(&self, holder: Holder, now_ns: i64) -> Result<(), OauthError> {
        let credential = Credential::Account(holder.account, holder.stamp);
        match self.resolve(&credential, now_ns) {
            Ok(_) => Ok(()),
            Err(Denied::Wrong(_)) => Err(OauthError::InvalidGrant(
                "the account was disabled, or has another password",
            )),
            Err(denied) => Err(OauthError::Denied(denied)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_event::Id;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn authorization(pkce: Pkce) -> Authorization {
        Authorization {
            client: "web".to_owned(),
            redirect_uri: "https://a.test/cb".to_owned(),
            pkce,
        }
    }

    fn holder() -> Holder {
        Holder {
            account: Id(1),
            stamp: [0; 8],
        }
    }

    /// The example of RFC 7636, appendix B.
    #[test]
    fn challenges_are_those_of_the_standard() {
        let pkce = Pkce::parse("S256", CHALLENGE).unwrap();
        assert!(pkce.fits(VERIFIER) && !pkce.fits(CHALLENGE) && !pkce.fits(""));
        let plain = Pkce::parse("plain", VERIFIER).unwrap();
        assert!(plain.fits(VERIFIER) && !plain.fits(CHALLENGE));
        let long = "a".repeat(129);
        for (method, challenge) in [
            ("S256", "short"),
            ("none", CHALLENGE),
            ("S256", &long),
            ("plain", ""),
        ] {
            assert_eq!(Pkce::parse(method, challenge), None, "{method}");
        }
    }

    #[test]
    fn a_code_is_good_once_for_what_it_was_made_for() {
        let asked = Asked {
            client: "web",
            redirect_uri: "https://a.test/cb",
            verifier: VERIFIER,
        };
        let wrongs = [
            Asked {
                client: "other",
                ..asked
            },
            Asked {
                redirect_uri: "https://a.test/cb/",
                ..asked
            },
            Asked {
                verifier: CHALLENGE,
                ..asked
            },
        ];
        let pkce = Pkce::parse("S256", CHALLENGE).unwrap();
        let mut codes = Codes::default();
        let give = |codes: &mut Codes| {
            let code = codes
                .give(authorization(pkce.clone()), holder(), 0)
                .unwrap();
            Hash::of(code.as_bytes())
        };
        for wrong in wrongs {
            let code = give(&mut codes);
            assert!(matches!(codes.bring(code, &wrong, 1), Brought::Wrong(_)));
            // And it is spent by that.
            assert_eq!(codes.bring(code, &asked, 1), Brought::Again(None));
        }
        let code = give(&mut codes);
        assert_eq!(
            codes.bring(code, &asked, CODE_NS - 1),
            Brought::Good(holder())
        );
        assert_eq!(codes.bring(code, &asked, CODE_NS - 1), Brought::Again(None));
        let late = give(&mut codes);
        assert!(matches!(
            codes.bring(late, &asked, CODE_NS),
            Brought::Wrong(_)
        ));
        let unknown = Hash::of(b"x");
        assert!(matches!(codes.bring(unknown, &asked, 0), Brought::Wrong(_)));
    }

    #[test]
    fn there_are_not_more_than_so_many() {
        let mut codes = Codes::default();
        for _ in 0..=CODES_MAX {
            let pkce = Pkce::Plain(VERIFIER.to_owned());
            codes.give(authorization(pkce), holder(), 0).unwrap();
        }
        assert_eq!(
            (codes.codes.len(), codes.order.len()),
            (CODES_MAX, CODES_MAX)
        );
    }
}
