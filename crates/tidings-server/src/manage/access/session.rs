//! What is given to somebody who signed in: the session of a page, and the tokens of OAuth.
//!
//! All are random secrets; kept are their hashes, in `DIR/access.redb`, so that a restart signs nobody
//! out. Access tokens, which live for an hour, are in memory only: a client that loses one refreshes.
//! Those of one sign-in are a *family*, and end together.
//!
//! **Bounded**: [`PER_ACCOUNT`] of an account and [`SESSIONS_MAX`] in all; the one that would end first
//! is ended for a new one.

mod kept;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tidings_event::Id;

use super::token::{Hash, NoRandom, random, secret};
use kept::Kept;
pub(super) use kept::KeptError;

/// How long a page stays signed in.
pub(crate) const PAGE_SECONDS: i64 = 7 * 24 * 60 * 60;

/// How long an access token is good.
pub(crate) const ACCESS_SECONDS: i64 = 60 * 60;

/// How long a refresh token is good; each use gives a new one.
const REFRESH_SECONDS: i64 = 30 * 24 * 60 * 60;

/// How long a refresh token that was used is good still: two windows of a client may use it at once.
const GRACE_NS: i64 = 30 * SECOND_NS;

/// Tokens of an account.
const PER_ACCOUNT: usize = 200;

/// Tokens of all accounts.
const SESSIONS_MAX: usize = 10_000;

const SECOND_NS: i64 = 1_000_000_000;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// The cookie of a page.
    Page,
    /// To ask with.
    Access,
    /// To get another access token.
    Refresh,
}

/// A token that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    kind: Kind,
    /// The same for all of one sign-in.
    family: u64,
    account: u64,
    /// The stamp of the account's password when it signed in.
    stamp: [u8; 8],
    /// The OAuth client it was given to.
    client: String,
    expires_ns: i64,
    /// When a refresh token was used.
    used_ns: Option<i64>,
}

/// Whom a token was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) account: Id,
    pub(super) stamp: [u8; 8],
}

/// What an OAuth client gets.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) family: u64,
}

/// Why nothing was given.
#[derive(Debug)]
pub(super) enum SessionError {
    /// What was shown is not known, or not any more.
    Unknown,
    NoRandom(NoRandom),
    Kept(KeptError),
}

impl From<NoRandom> for SessionError {
    fn from(error: NoRandom) -> SessionError {
        SessionError::NoRandom(error)
    }
}

impl From<KeptError> for SessionError {
    fn from(error: KeptError) -> SessionError {
        SessionError::Kept(error)
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sessions {
    all: Mutex<All>,
    kept: Kept,
}

#[derive(Debug, Default)]
struct All {
    sessions: HashMap<Hash, Session>,
    /// When keys and accounts were last used, and whether that is kept already.
    uses: HashMap<u64, (i64, bool)>,
}

impl Sessions {
    /// Those of a data directory, whose lock this process holds.
    pub(super) fn open(dir: &Path) -> Result<Sessions, KeptError> {
        let kept = Kept::open(dir)?;
        let all = All {
            sessions: kept.sessions()?.into_iter().collect(),
            uses: kept
                .uses()?
                .into_iter()
                .map(|(id, time_ns)| (id, (time_ns, true)))
                .collect(),
        };
        Ok(Sessions {
            all: Mutex::new(all),
            kept,
        })
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs a page in; gives its cookie.
    pub(super) fn begin_page(&self, holder: Holder, now_ns: i64) -> Result<String, SessionError> {
        let shown = secret("tids_")?;
        let session = new(Kind::Page, family()?, holder, "", now_ns, PAGE_SECONDS);
        self.add(vec![(Hash::of(shown.as_bytes()), session)])?;
        Ok(shown)
    }

    /// Signs an OAuth client in.
    pub(super) fn begin_grant(
        &self,
        holder: Holder,
        client: &str,
        now_ns: i64,
    ) -> Result<Grant, SessionError> {
        self.grant(family()?, holder, client, now_ns)
    }

    fn grant(
        &self,
        family: u64,
        holder: Holder,
        client: &str,
        now_ns: i64,
    ) -> Result<Grant, SessionError> {
        let (access, refresh) = (secret("tida_")?, secret("tidr_")?);
        let made = |kind, seconds| new(kind, family, holder, client, now_ns, seconds);
        self.add(vec![
            (
                Hash::of(access.as_bytes()),
                made(Kind::Access, ACCESS_SECONDS),
            ),
            (
                Hash::of(refresh.as_bytes()),
                made(Kind::Refresh, REFRESH_SECONDS),
            ),
        ])?;
        Ok(Grant {
            access,
            refresh,
            family,
        })
    }

    /// Whom a token was given to, if it is good now.
    pub(super) fn holder(&self, kind: Kind, shown: &[u8], now_ns: i64) -> Option<Holder> {
        let all = self.all();
        let session = all.sessions.get(&Hash::of(shown))?;
        (session.kind == kind && session.expires_ns > now_ns).then(|| session.holder())
    }

    /// Takes a refresh token, and gives others for it. One that was used before is a stolen one, or the
    /// thief has used it: all of its family end.
    pub(super) fn refresh(
        &self,
        shown: &[u8],
        client: &str,
        now_ns: i64,
    ) -> Result<(Grant, Holder), SessionError> {
        let hash = Hash::of(shown);
        let mut session = self
            .all()
            .sessions
            .get(&hash)
            .cloned()
            .ok_or(SessionError::Unknown)?;
        if session.kind != Kind::Refresh || session.expires_ns <= now_ns || session.client != client
        {
            return Err(SessionError::Unknown);
        }
        match session.used_ns {
            Some(used_ns) if now_ns.saturating_sub(used_ns) > GRACE_NS => {
                self.end_family(session.family)?;
                return Err(SessionError::Unknown);
            }
            Some(_) => {}
            None => {
                session.used_ns = Some(now_ns);
                self.add(vec![(hash, session.clone())])?;
            }
        }
        let grant = self.grant(session.family, session.holder(), client, now_ns)?;
        Ok((grant, session.holder()))
    }

    /// Ends what a token belongs to, whatever kind it is; gives whether there was one.
    pub(super) fn end(&self, shown: &[u8]) -> Result<Option<Holder>, KeptError> {
        let found = self.all().sessions.get(&Hash::of(shown)).cloned();
        let Some(session) = found else {
            return Ok(None);
        };
        self.end_family(session.family)?;
        Ok(Some(session.holder()))
    }

    pub(super) fn end_family(&self, family: u64) -> Result<(), KeptError> {
        self.end_those(|session| session.family == family)
    }

    fn end_those(&self, these: impl Fn(&Session) -> bool) -> Result<(), KeptError> {
        let mut ended = Vec::new();
        self.all().sessions.retain(|hash, session| {
            let is_one = these(session);
            if is_one {
                ended.push((*hash, None));
            }
            !is_one
        });
        self.kept.write(&ended)
    }

    /// A key or an account was used.
    pub(super) fn used(&self, id: Id, now_ns: i64) {
        self.all().uses.insert(id.0, (now_ns, false));
    }

    /// When a key or an account was last used.
    pub(super) fn last_use(&self, id: Id) -> Option<i64> {
        self.all().uses.get(&id.0).map(|(time_ns, _)| *time_ns)
    }

    /// Keeps what is known of uses, forgets those of what is gone, and what has expired.
    pub(super) fn tidy(&self, now_ns: i64, is_there: impl Fn(Id) -> bool) -> Result<(), KeptError> {
        self.end_those(|session| session.expires_ns <= now_ns)?;
        let mut changed = Vec::new();
        self.all().uses.retain(|id, (time_ns, is_kept)| {
            let stays = is_there(Id(*id));
            if !stays {
                changed.push((*id, None));
            } else if !*is_kept {
                changed.push((*id, Some(*time_ns)));
                *is_kept = true;
            }
            stays
        });
        self.kept.write_uses(&changed)
    }

    /// Adds tokens of one account, and makes room for them.
    fn add(&self, new: Vec<(Hash, Session)>) -> Result<(), KeptError> {
        let mut writes = Vec::new();
        {
            let mut all = self.all();
            for (hash, session) in new {
                if let Some(ended) = all.room_for(hash, session.account) {
                    all.sessions.remove(&ended);
                    writes.push((ended, None));
                }
                if session.kind != Kind::Access {
                    writes.push((hash, Some(session.clone())));
                }
                all.sessions.insert(hash, session);
            }
        }
        self.kept.write(&writes)
    }
}

impl All {
    /// Which token has to end for another one.
    fn room_for(&self, hash: Hash, account: u64) -> Option<Hash> {
        if self.sessions.contains_key(&hash) {
            return None;
        }
        let own = || {
            self.sessions
                .iter()
                .filter(|(_, session)| session.account == account)
        };
        let first = |(_, session): &(&Hash, &Session)| session.expires_ns;
        if own().count() >= PER_ACCOUNT {
            return own().min_by_key(first).map(|(hash, _)| *hash);
        }
        if self.sessions.len() >= SESSIONS_MAX {
            return self
                .sessions
                .iter()
                .min_by_key(first)
                .map(|(hash, _)| *hash);
        }
        None
    }
}

impl Session {
    fn holder(&self) -> Holder {
        Holder {
            account: Id(self.account),
            stamp: self.stamp,
        }
    }
}

fn new(
    kind: Kind,
    family: u64,
    holder: Holder,
    client: &str,
    now_ns: i64,
    seconds: i64,
) -> Session {
    Session {
        kind,
        family,
        account: holder.account.0,
        stamp: holder.stamp,
        client: client.to_owned(),
        expires_ns: now_ns.saturating_add(seconds * SECOND_NS),
        used_ns: None,
    }
}

fn family() -> Result<u64, NoRandom> {
    random().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000 * SECOND_NS;

    fn holder(account: u64) -> Holder {
        Holder {
            account: Id(account),
            stamp: [7; 8],
        }
    }

    #[test]
    fn who_signed_in_stays_so_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (page, grant) = {
            let sessions = Sessions::open(dir.path()).unwrap();
            sessions.used(Id(5), NOW);
            sessions.used(Id(6), NOW);
            sessions.tidy(NOW, |id| id != Id(6)).unwrap();
            let page = sessions.begin_page(holder(1), NOW).unwrap();
            (page, sessions.begin_grant(holder(2), "web", NOW).unwrap())
        };
        let sessions = Sessions::open(dir.path()).unwrap();
        assert_eq!(
            (sessions.last_use(Id(5)), sessions.last_use(Id(6))),
            (Some(NOW), None)
        );
        let page = page.as_bytes();
        assert_eq!(sessions.holder(Kind::Page, page, NOW), Some(holder(1)));
        assert_eq!(sessions.holder(Kind::Access, page, NOW), None);
        assert_eq!(
            sessions.holder(Kind::Access, grant.access.as_bytes(), NOW),
            None
        );
        let (again, whose) = sessions
            .refresh(grant.refresh.as_bytes(), "web", NOW)
            .unwrap();
        assert_eq!(whose, holder(2));
        let access = again.access.as_bytes();
        assert_eq!(sessions.holder(Kind::Access, access, NOW), Some(holder(2)));
        let hour = NOW + ACCESS_SECONDS * SECOND_NS;
        assert_eq!(sessions.holder(Kind::Access, access, hour), None);
        let week = NOW + PAGE_SECONDS * SECOND_NS;
        assert_eq!(sessions.holder(Kind::Page, page, week - 1), Some(holder(1)));
        assert_eq!(sessions.holder(Kind::Page, page, week), None);

        sessions.end(page).unwrap();
        assert_eq!(sessions.holder(Kind::Page, page, NOW), None);
        drop(sessions);
        let sessions = Sessions::open(dir.path()).unwrap();
        assert_eq!(sessions.holder(Kind::Page, page, NOW), None);
    }

    #[test]
    fn a_refresh_token_that_was_used_ends_its_family() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path()).unwrap();
        let first = sessions.begin_grant(holder(1), "web", NOW).unwrap();
        let other = sessions.begin_grant(holder(1), "web", NOW).unwrap();
        let is_refused = |token: &str, client: &str, now_ns| {
            matches!(
                sessions.refresh(token.as_bytes(), client, now_ns),
                Err(SessionError::Unknown)
            )
        };
        assert!(is_refused(&first.refresh, "another", NOW));
        assert!(is_refused(&first.access, "web", NOW));
        let (second, _) = sessions
            .refresh(first.refresh.as_bytes(), "web", NOW)
            .unwrap();
        // Two windows at once.
        let soon = NOW + GRACE_NS;
        let (third, _) = sessions
            .refresh(first.refresh.as_bytes(), "web", soon)
            .unwrap();
        assert!(is_refused(&first.refresh, "web", soon + 1));
        for ended in [&second, &third] {
            assert!(is_refused(&ended.refresh, "web", soon + 2));
            let holder = sessions.holder(Kind::Access, ended.access.as_bytes(), soon + 2);
            assert_eq!(holder, None);
        }
        assert!(
            sessions
                .holder(Kind::Access, other.access.as_bytes(), soon)
                .is_some()
        );
    }

    #[test]
    fn an_account_has_so_many_and_others_keep_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path()).unwrap();
        let others = sessions.begin_page(holder(2), NOW).unwrap();
        let first = sessions.begin_page(holder(1), NOW + 1).unwrap();
        for n in 0..PER_ACCOUNT as i64 {
            sessions.begin_page(holder(1), NOW + 2 + n).unwrap();
        }
        assert_eq!(sessions.all().sessions.len(), PER_ACCOUNT + 1);
        assert!(sessions.holder(Kind::Page, first.as_bytes(), NOW).is_none());
        assert!(
            sessions
                .holder(Kind::Page, others.as_bytes(), NOW)
                .is_some()
        );
        sessions.tidy(i64::MAX, |_| true).unwrap();
        assert!(sessions.all().sessions.is_empty());
    }
}
