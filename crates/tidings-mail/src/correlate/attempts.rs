//! Failed sign-ins told so far, so that each counts once, however many programs tell of it.
//!
//! Dovecot's password databases tell of an attempt, then the program at which the client tried
//! does: smtpd in a line of its own, a login process when the connection ends. Where there are
//! several databases, each tells. What ties the lines together is host, client and account; a
//! session id only if the client tried at Dovecot. At most [`TOLD_MAX`] attempts are remembered.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use tidings_event::stable_hash;

use super::DISORDER_NS;
use crate::saved::{Load, Save, SavedError};

/// Attempts remembered; beyond, the oldest go first, and their second tellers count as attempts.
const TOLD_MAX: usize = 4096;

/// How long an answer to a wrong password is held back, at most: Dovecot does so for up to 17
/// seconds, and so may PAM.
const ANSWER_NS: i64 = 30_000_000_000;

/// How long a connection lasts in which a client may try to sign in.
const LOGIN_NS: i64 = 180_000_000_000;

/// How long the databases take to answer one after the other.
const NEXT_DATABASE_NS: i64 = 3_000_000_000;

/// Who tells of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teller<'a> {
    /// A password database of Dovecot, with its name and the session it names, if any.
    Database { name: &'a [u8], session: &'a [u8] },
    /// smtpd, which asked Dovecot.
    Smtpd,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    time_ns: i64,
    /// Hash of the account's name without its domain; 0 if not told.
    account: u64,
    /// Hash of Dovecot's session id; 0 if there is none.
    session: u64,
    /// Hashes of the databases that told of it; empty if only smtpd did.
    databases: Vec<u64>,
    /// The program at which the client tried told of it.
    by_program: bool,
}

/// Attempts remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {
    by_client: FxHashMap<(u16, IpAddr), VecDeque<Told>>,
    /// Clients in the order of their attempts.
    order: VecDeque<(u16, IpAddr)>,
}

impl Attempts {
    /// Notes that an attempt failed, and gives whether somebody told of it before.
    pub(super) fn tell(
        &mut self,
        host: u16,
        client: IpAddr,
        account: &[u8],
        time_ns: i64,
        teller: Teller<'_>,
    ) -> bool {
        let new = Told {
            time_ns,
            account: account_hash(account),
            session: 0,
            databases: Vec::new(),
            by_program: teller == Teller::Smtpd,
        };
        let told = self.by_client.entry((host, client)).or_default();
        let mut recent = told
            .iter_mut()
            .rev()
            .take_while(|known| time_ns - known.time_ns <= ANSWER_NS)
            .filter(|known| is_same(known.account, new.account));
        let new = match teller {
            Teller::Smtpd => {
                let other = |known: &&mut Told| !known.by_program && known.session == 0;
                if let Some(known) = recent.find(other) {
                    known.by_program = true;
                    return true;
                }
                new
            }
            Teller::Database { name, session } => {
                let (name, session) = (stable_hash(&[name]), session_hash(session));
                let other = |known: &&mut Told| known.is_other_database(name, session, time_ns);
                if let Some(known) = recent.find(other) {
                    known.databases.push(name);
                    return true;
                }
                Told {
                    session,
                    databases: vec![name],
                    ..new
                }
            }
        };
        told.push_back(new);
        self.order.push_back((host, client));
        self.forget_oldest();
        false
    }

    /// A login process tells of `attempts` that failed in a connection without session id. Gives
    /// how many of them were told of before.
    pub(super) fn told_of(
        &mut self,
        host: u16,
        client: IpAddr,
        account: &[u8],
        time_ns: i64,
        attempts: u32,
    ) -> u32 {
        let account = account_hash(account);
        let told = self.by_client.get_mut(&(host, client));
        let mut count = 0;
        for known in told.into_iter().flatten().rev() {
            if count == attempts || time_ns - known.time_ns > LOGIN_NS {
                break;
            }
            let is_open = !known.by_program && known.session == 0;
            if is_open && is_same(known.account, account) {
                known.by_program = true;
                count += 1;
            }
        }
        count
    }

    /// Forgets what no line after `now_ns` can mean.
    pub(super) fn forget_closed(&mut self, now_ns: i64) {
        let is_over = |told: &VecDeque<Told>| {
            told.back()
                .is_none_or(|last| now_ns.saturating_sub(last.time_ns) > LOGIN_NS)
        };
        self.by_client.retain(|_, told| !is_over(told));
        let by_client = &self.by_client;
        self.order.retain(|client| by_client.contains_key(client));
    }

    fn forget_oldest(&mut self) {
        while self.order.len() > TOLD_MAX {
            let Some(client) = self.order.pop_front() else {
                return;
            };
            if let Some(told) = self.by_client.get_mut(&client) {
                told.pop_front();
                if told.is_empty() {
                    self.by_client.remove(&client);
                }
            }
        }
    }

    pub(super) fn save(&self, save: &mut Save<'_>) {
        let mut next: FxHashMap<(u16, IpAddr), usize> = FxHashMap::default();
        save.number(self.order.len() as u64);
        for client in &self.order {
            let at = next.entry(*client).or_default();
            let told = self.by_client.get(client).and_then(|told| told.get(*at));
            *at += 1;
            save.number(u64::from(client.0));
            save.ip(Some(client.1));
            save.option(told, |save, told| told.save(save));
        }
    }

    pub(super) fn load(load: &mut Load<'_>) -> Result<Attempts, SavedError> {
        let mut attempts = Attempts::default();
        for _ in 0..load.number()? {
            let host = load.small()?;
            let ip = load.ip()?.ok_or(SavedError("a client has no address"))?;
            if let Some(told) = load.option(Told::load)? {
                let of_client = attempts.by_client.entry((host, ip)).or_default();
                of_client.push_back(told);
                attempts.order.push_back((host, ip));
            }
        }
        Ok(attempts)
    }
}

impl Told {
    /// Whether `database` tells of this attempt too: the next database of the same attempt, or
    /// Dovecot's line after smtpd's, where lines are out of order.
    fn is_other_database(&self, database: u64, session: u64, time_ns: i64) -> bool {
        let apart_ns = (time_ns - self.time_ns).abs();
        let after_smtpd = self.databases.is_empty() && session == 0 && apart_ns <= DISORDER_NS;
        let is_next = !self.databases.is_empty()
            && !self.databases.contains(&database)
            && self.session == session
            && !self.by_program
            && apart_ns <= NEXT_DATABASE_NS;
        after_smtpd || is_next
    }

    fn save(&self, save: &mut Save<'_>) {
        save.signed(self.time_ns);
        save.number(self.account);
        save.number(self.session);
        save.flag(self.by_program);
        save.number(self.databases.len() as u64);
        self.databases.iter().for_each(|name| save.number(*name));
    }

    fn load(load: &mut Load<'_>) -> Result<Told, SavedError> {
        Ok(Told {
            time_ns: load.signed()?,
            account: load.number()?,
            session: load.number()?,
            by_program: load.flag()?,
            databases: load.list(Load::number)?,
        })
    }
}

/// A name that is not told may be any.
fn is_same(a: u64, b: u64) -> bool {
    a == 0 || b == 0 || a == b
}

/// Dovecot may add a domain to a name and write it in lower case; smtpd shows what the client sent.
fn account_hash(account: &[u8]) -> u64 {
    let end = memchr::memrchr(b'@', account).unwrap_or(account.len());
    let name = account[..end].to_ascii_lowercase();
    if name.is_empty() || account == b"(unavailable)" {
        return 0;
    }
    stable_hash(&[&name]).max(1)
}

fn session_hash(session: &[u8]) -> u64 {
    if session.is_empty() {
        0
    } else {
        stable_hash(&[session]).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;
    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 9));

    fn database(name: &'static str, session: &'static str) -> Teller<'static> {
        Teller::Database {
            name: name.as_bytes(),
            session: session.as_bytes(),
        }
    }

    /// How many attempts remain of what is told: second, account, teller.
    fn count(told: &[(i64, &str, Teller<'_>)]) -> usize {
        let mut attempts = Attempts::default();
        let mut count = 0;
        for (second, account, teller) in told {
            let mut saved = Vec::new();
            attempts.save(&mut Save(&mut saved));
            attempts = Attempts::load(&mut Load(&saved)).unwrap();
            let (account, time_ns) = (account.as_bytes(), second * SECOND_NS);
            let again = attempts.tell(1, CLIENT, account, time_ns, *teller);
            count += usize::from(!again);
        }
        count
    }

    #[test]
    fn smtpd_tells_again_what_a_database_told() {
        let sql = database("sql", "");
        assert_eq!(
            count(&[(0, "Alice", sql), (2, "alice@x", Teller::Smtpd)]),
            1
        );
        assert_eq!(count(&[(0, "alice", sql), (9, "", Teller::Smtpd)]), 1);
        assert_eq!(count(&[(0, "alice", Teller::Smtpd), (1, "alice", sql)]), 1);
        assert_eq!(count(&[(0, "alice", sql), (2, "bob", Teller::Smtpd)]), 2);
        assert_eq!(count(&[(0, "alice", sql), (60, "alice", Teller::Smtpd)]), 2);
        let twice = [
            (0, "alice", sql),
            (0, "alice", sql),
            (2, "alice", Teller::Smtpd),
            (2, "alice", Teller::Smtpd),
            (2, "alice", Teller::Smtpd),
        ];
        assert_eq!(count(&twice), 3);
    }

    #[test]
    fn databases_that_are_asked_one_after_the_other_tell_of_one_attempt() {
        let (file, sql) = (database("passwd-file", "a"), database("sql", "a"));
        let other = database("sql", "b");
        assert_eq!(count(&[(0, "x", file), (0, "x", sql)]), 1);
        assert_eq!(
            count(&[(0, "x", file), (1, "x", sql), (2, "x", file), (3, "x", sql)]),
            2
        );
        assert_eq!(count(&[(0, "x", file), (0, "x", other)]), 2);
        assert_eq!(count(&[(0, "x", file), (9, "x", sql)]), 2);
        assert_eq!(count(&[(0, "x", file), (0, "x", file)]), 2);
        assert_eq!(count(&[(0, "x", file), (1, "x", Teller::Smtpd)]), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut attempts = Attempts::default();
        for number in 0..3 * TOLD_MAX as u32 {
            let client = IpAddr::V4(number.into());
            attempts.tell(1, client, b"x", 0, Teller::Smtpd);
            attempts.tell(1, CLIENT, b"x", 0, Teller::Smtpd);
        }
        assert_eq!(attempts.order.len(), TOLD_MAX);
        let told: usize = attempts.by_client.values().map(VecDeque::len).sum();
        assert_eq!(told, TOLD_MAX);
        attempts.forget_closed(1000 * SECOND_NS);
        assert!(attempts.order.is_empty() && attempts.by_client.is_empty());
    }
}
