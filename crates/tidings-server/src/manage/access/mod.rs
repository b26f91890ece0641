//! Who may use the server: accounts with passwords, keys of programs, sessions of pages, and the
//! tokens of OAuth and of streams.
//!
//! Everything that is shown ends as a [`Known`]: an [`Identity`] with its rights, and the [`Credential`]
//! by which the rights can be looked up again. Rights are looked up at every request, so that what was
//! disabled or changed is so at once; with another password everything that was given for the old one
//! ends.
//!
//! Each sign-in, and each refusal, is an event. What was shown is never in it.

mod first;
mod limits;
mod oauth;
mod password;
mod people;
mod prepare;
mod remembered;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod token;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings::emit;
use tidings_event::Id;

use self::limits::{Attempt, Limits};
use self::oauth::Codes;
use self::password::Passwords;
use self::people::{Account, Directory, KeyRefused, People};
use self::remembered::Remembered;
use self::session::{Holder, Kind, SessionError, Sessions};
use self::stream::Streams;
use self::token::Hash;
use super::{Identity, Registry};

pub(crate) use first::{Mended, New, list, make, reset};
pub(crate) use oauth::{Asked, Authorization, OauthError, Pkce};
pub(crate) use session::{ACCESS_SECONDS, Grant, PAGE_SECONDS};
pub(crate) use stream::Stream;

/// How a key of a program begins.
const KEY_PREFIX: &str = "tidk_";

const SECOND_NS: i64 = 1_000_000_000;

/// Everything about who may use the server.
#[derive(Debug)]
pub(crate) struct Access {
    registry: Arc<Registry>,
    dir: PathBuf,
    directory: Directory,
    passwords: Passwords,
    limits: Mutex<Limits>,
    sessions: Sessions,
    streams: Mutex<Streams>,
    codes: Mutex<Codes>,
    remembered: Mutex<Remembered>,
    /// The file with the first password may be there.
    has_first_password: AtomicBool,
}

/// By what somebody is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Credential {
    /// The socket, or the token of the settings; nothing that could change.
    Local,
    /// An account, with the stamp of its password.
    Account(Id, [u8; 8]),
    /// A key.
    Key(Hash),
}

/// Somebody who has shown who they are.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) identity: Identity,
    pub(crate) credential: Credential,
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// What was shown is wrong, has expired, or is disabled.
    Wrong(&'static str),
    /// Too many attempts; after so many seconds another one is taken.
    TooMany(u32),
    /// The server cannot tell now.
    Unavailable(String),
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Denied::Wrong(why) => f.write_str(why),
            Denied::TooMany(seconds) => {
                write!(f, "too many attempts to sign in; try again in {seconds} s")
            }
            Denied::Unavailable(why) => write!(f, "who you are cannot be looked up now: {why}"),
        }
    }
}

impl From<SessionError> for Denied {
    fn from(error: SessionError) -> Denied {
        match error {
            SessionError::Unknown => Denied::Wrong("the token is not known, or has expired"),
            SessionError::NoRandom(error) => Denied::Unavailable(error.to_string()),
            SessionError::Kept(error) => Denied::Unavailable(error.to_string()),
        }
    }
}

/// One answer for a wrong name and a wrong password: which of them it was is nobody's business.
const WRONG: &str = "the name or the password is wrong";

const WRONG_TOKEN: &str = "the token or key is not known, was disabled, or has expired";

impl Access {
    /// What a data directory has of it, whose lock this process holds.
    pub(crate) fn open(dir: &Path, registry: Arc<Registry>) -> Result<Access, String> {
        let sessions = Sessions::open(dir).map_err(|error| error.to_string())?;
        Ok(Access {
            registry,
            dir: dir.to_owned(),
            directory: Directory::default(),
            passwords: Passwords::new(),
            limits: Mutex::default(),
            sessions,
            streams: Mutex::default(),
            codes: Mutex::default(),
            remembered: Mutex::new(Remembered::new().map_err(|error| error.to_string())?),
            has_first_password: AtomicBool::new(first::is_there(dir)),
        })
    }

    /// Where accounts and keys are kept.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    fn people(&self) -> Result<Arc<People>, Denied> {
        let people = self.directory.people(&self.registry);
        people.map_err(|error| Denied::Unavailable(error.to_string()))
    }

    /// Signs somebody in by name and password. `address` is the client's; `method` is how, for events.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        name: &str,
        password: &str,
        address: Option<IpAddr>,
        method: &'static str,
        now_ns: i64,
    ) -> Result<Known, Denied> {
        let name = name.trim().to_lowercase();
        let attempt = self.attempt(&name, address, method, now_ns)?;
        let account = self.people()?.named(&name).cloned();
        let kept = account.as_ref().and_then(|account| account.secret.clone());
        let verified = self.passwords.verify(kept, password.to_owned()).await;
        let is_right = verified.map_err(|_| {
            told_too_many(&name, address, method);
            Denied::TooMany(1)
        })?;
        let account = match account {
            Some(account) if is_right && account.is_enabled => account,
            other => {
                let reason = match other {
                    None => "there is no such account",
                    Some(_) if !is_right => "the password is wrong",
                    Some(_) => "the account is disabled",
                };
                told_failed(&name, address, method, reason);
                return Err(Denied::Wrong(WRONG));
            }
        };
        lock(&self.limits).succeeded(attempt, now_ns);
        self.sessions.used(account.id, now_ns);
        first::remove(&self.dir, &self.has_first_password);
        told_success(&name, address, method);
        Ok(known(&account))
    }

    /// Counts an attempt, or refuses it.
    fn attempt(
        &self,
        name: &str,
        address: Option<IpAddr>,
        method: &'static str,
        now_ns: i64,
    ) -> Result<Attempt, Denied> {
        let attempt = lock(&self.limits).begin(name, address, now_ns);
        attempt.map_err(|wait_ns| {
            told_too_many(name, address, method);
            let seconds = wait_ns.saturating_add(SECOND_NS - 1) / SECOND_NS;
            Denied::TooMany(u32::try_from(seconds).unwrap_or(u32::MAX).max(1))
        })
    }

    /// As [`sign_in`](Self::sign_in), for clients that show their password with every request: one that
    /// was right a moment ago is known again at once.
    pub(crate) async fn by_password(
        self: &Arc<Self>,
        name: &str,
        password: &str,
        address: Option<IpAddr>,
        now_ns: i64,
    ) -> Result<Known, Denied> {
        let remembered = lock(&self.remembered).find(name, password, now_ns);
        if let Some((id, stamp)) = remembered {
            let known = self.resolve(&Credential::Account(id, stamp), now_ns);
            if !matches!(known, Err(Denied::Wrong(_))) {
                return known;
            }
        }
        let known = self
            .sign_in(name, password, address, "basic", now_ns)
            .await?;
        if let Credential::Account(id, stamp) = known.credential {
            lock(&self.remembered).remember(name, password, (id, stamp), now_ns);
        }
        Ok(known)
    }

    /// Somebody with a key, or an access token.
    pub(crate) fn by_bearer(
        &self,
        shown: &[u8],
        address: Option<IpAddr>,
        now_ns: i64,
    ) -> Result<Known, Denied> {
        if shown.starts_with(KEY_PREFIX.as_bytes()) {
            let known = self.resolve(&Credential::Key(Hash::of(shown)), now_ns);
            if matches!(known, Err(Denied::Wrong(_))) {
                told_failed("", address, "key", WRONG_TOKEN);
            }
            return known;
        }
        self.by_session(Kind::Access, shown, address, "token", now_ns)
    }

    /// The page whose cookie this is.
    pub(crate) fn by_page(
        &self,
        shown: &[u8],
        address: Option<IpAddr>,
        now_ns: i64,
    ) -> Result<Known, Denied> {
        self.by_session(Kind::Page, shown, address, "session", now_ns)
    }

    fn by_session(
        &self,
        kind: Kind,
        shown: &[u8],
        address: Option<IpAddr>,
        method: &'static str,
        now_ns: i64,
    ) -> Result<Known, Denied> {
        let holder = self.sessions.holder(kind, shown, now_ns);
        let known = match holder {
            Some(Holder { account, stamp }) => {
                self.resolve(&Credential::Account(account, stamp), now_ns)
            }
            None => Err(Denied::Wrong(WRONG_TOKEN)),
        };
        if matches!(known, Err(Denied::Wrong(_))) {
            told_failed("", address, method, WRONG_TOKEN);
        }
        known
    }

    /// What a credential is good for now.
    pub(crate) fn resolve(&self, credential: &Credential, now_ns: i64) -> Result<Known, Denied> {
        let people = self.people()?;
        match credential {
            Credential::Local => Err(Denied::Wrong(WRONG_TOKEN)),
            Credential::Account(id, stamp) => {
                let account = people.account(*id);
                let account =
                    account.filter(|account| account.is_enabled && account.stamp() == *stamp);
                account
                    .map(|account| known(account))
                    .ok_or(Denied::Wrong(WRONG_TOKEN))
            }
            Credential::Key(hash) => {
                let found = people.by_key(hash, now_ns);
                let (key, identity) = found.map_err(|why| {
                    Denied::Wrong(match why {
                        KeyRefused::Unknown => "the key is not known",
                        KeyRefused::Disabled => "the key is disabled",
                        KeyRefused::Expired => "the key has expired",
                        KeyRefused::AccountDisabled => "the key's account may not sign in",
                    })
                })?;
                self.sessions.used(key.id, now_ns);
                Ok(Known {
                    identity,
                    credential: credential.clone(),
                })
            }
        }
    }

    /// Signs a page in; gives its cookie. Writes to the disk.
    pub(crate) fn begin_page(&self, known: &Known, now_ns: i64) -> Result<String, Denied> {
        Ok(self.sessions.begin_page(holder(known)?, now_ns)?)
    }

    /// Ends the session of a cookie, or what a token of OAuth belongs to. Writes to the disk.
    pub(crate) fn end(&self, shown: &[u8]) -> Result<(), Denied> {
        let ended = self.sessions.end(shown);
        ended
            .map(|_| ())
            .map_err(|error| Denied::from(SessionError::from(error)))
    }

    /// A token for one stream.
    pub(crate) fn stream_token(
        &self,
        stream: Stream,
        known: &Known,
        now_ns: i64,
    ) -> Result<String, Denied> {
        let token = lock(&self.streams).token(stream, known.clone(), now_ns);
        token.map_err(|error| Denied::Unavailable(error.to_string()))
    }

    /// Who opens a stream with a token, with the rights of now.
    pub(crate) fn by_stream_token(
        &self,
        stream: Stream,
        shown: &[u8],
        client: Option<IpAddr>,
        now_ns: i64,
    ) -> Result<Known, Denied> {
        let known = lock(&self.streams).redeem(stream, shown, client, now_ns);
        let known = known.ok_or(Denied::Wrong(WRONG_TOKEN))?;
        match known.credential {
            Credential::Local => Ok(known),
            credential => self.resolve(&credential, now_ns),
        }
    }

    /// When a key was last used, or an account last signed in.
    pub(crate) fn last_use(&self, id: Id) -> Option<i64> {
        self.sessions.last_use(id)
    }

    /// What is done about once a minute: keeps what is known of uses, forgets what has expired.
    pub(crate) fn tidy(&self, now_ns: i64) -> Result<(), String> {
        let displaced = lock(&self.limits).take_displaced();
        if displaced > 0 {
            let details = "more clients fail to sign in than can be told apart";
            emit!(Auth::Warning, details = details, count = displaced);
        }
        let people = self.people().map_err(|error| error.to_string())?;
        let tidied = self.sessions.tidy(now_ns, |id| people.has(id));
        tidied.map_err(|error| error.to_string())
    }
}

fn known(account: &Account) -> Known {
    Known {
        identity: account.identity(),
        credential: Credential::Account(account.id, account.stamp()),
    }
}

/// Only who has an account can have a session.
fn holder(known: &Known) -> Result<Holder, Denied> {
    match known.credential {
        Credential::Account(account, stamp) => Ok(Holder { account, stamp }),
        Credential::Local | Credential::Key(_) => Err(Denied::Wrong(
            "only an account can sign in; a key is shown with every request",
        )),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What somebody typed as a name, of bearable length.
fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

fn told_success(name: &str, address: Option<IpAddr>, method: &'static str) {
    let name = shortened(name);
    match address {
        Some(ip) => emit!(
            Auth::Success,
            account_name = name,
            remote_ip = ip,
            auth_method = method
        ),
        None => emit!(Auth::Success, account_name = name, auth_method = method),
    }
}

fn told_failed(name: &str, address: Option<IpAddr>, method: &'static str, reason: &'static str) {
    let name = shortened(name);
    match address {
        Some(ip) => emit!(
            Auth::Failed,
            account_name = name,
            remote_ip = ip,
            auth_method = method,
            reason = reason
        ),
        None => emit!(
            Auth::Failed,
            account_name = name,
            auth_method = method,
            reason = reason
        ),
    }
}

fn told_too_many(name: &str, address: Option<IpAddr>, method: &'static str) {
    let name = shortened(name);
    match address {
        Some(ip) => emit!(
            Auth::TooManyAttempts,
            account_name = name,
            remote_ip = ip,
            auth_method = method
        ),
        None => emit!(
            Auth::TooManyAttempts,
            account_name = name,
            auth_method = method
        ),
    }
}
