//! Passwords: argon2id (RFC 9106), on threads that may block, two at a time.
//!
//! **Queue**: [`WAITING`] checks may wait for their turn; who comes when they do is told to come again,
//! which is counted as a refusal and told as an event by whoever asked.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::token::{NoRandom, random};

/// Checks at a time: each takes 19 MiB and some tens of milliseconds of a processor.
const RUNNING: usize = 2;

/// Checks that may wait.
const WAITING: usize = 32;

/// Characters of a password at least.
pub(crate) const CHARS_MIN: usize = 12;

/// Bytes of a password at most.
pub(crate) const BYTES_MAX: usize = 1_024;

/// What a password is checked against where there is no account, so that it takes as long: of a
/// password that nobody knows, with the cost of those that are made now.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm90IGEgc2FsdCBvZiBhbnk$\
                       c9cPvFbhRrWcXVZ0DuIuLFv0jvaTzRRIQFEyuFmzLuU";

/// The turns in which passwords are checked.
#[derive(Debug)]
pub(super) struct Passwords {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// So many passwords are being checked that another cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Passwords {
    pub(super) fn new() -> Passwords {
        Passwords {
            running: Arc::new(Semaphore::new(RUNNING)),
            waiting: Arc::new(Semaphore::new(RUNNING + WAITING)),
        }
    }

    /// Whether a password is the one that was kept as this text; where nothing was kept, it is not, and
    /// to find that takes as long.
    pub(super) async fn verify(
        &self,
        kept: Option<String>,
        password: String,
    ) -> Result<bool, Busy> {
        let _place = self.waiting.try_acquire().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.running).acquire_owned().await;
        let checking = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let is_it = matches(kept.as_deref().unwrap_or(NOBODYS), &password);
            is_it && kept.is_some()
        });
        // It only panics where this program is broken; nobody is let in by that.
        Ok(checking.await.unwrap_or(false))
    }
}

/// Whether a password is the one that was kept as this text; takes long.
fn matches(kept: &str, password: &str) -> bool {
    let Ok(kept) = PasswordHash::new(kept) else {
        return false;
    };
    // By the cost that stands in the text, so that old ones go on working when the cost is raised.
    password.len() <= BYTES_MAX
        && Argon2::default()
            .verify_password(password.as_bytes(), &kept)
            .is_ok()
}

/// What is kept of a password; takes long.
pub(super) fn hash(password: &str) -> Result<String, NoRandom> {
    let salt: [u8; 16] = random()?;
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| NoRandom)?;
    Ok(hash.to_string())
}

/// What is wrong with a new password.
pub(crate) fn check(password: &str) -> Result<(), String> {
    if password.chars().count() < CHARS_MIN {
        return Err(format!(
            "the password is too short: it must have at least {CHARS_MIN} characters"
        ));
    }
    if password.len() > BYTES_MAX {
        return Err(format!(
            "the password is too long: it may have {BYTES_MAX} bytes at most"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let kept = hash("correct horse battery").unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        assert!(matches(&kept, "correct horse battery"));
        assert!(!matches(&kept, "correct horse batterz"));
        assert!(!matches(&kept, ""));
        assert!(!matches("no hash", "correct horse battery"));
        assert_ne!(hash("correct horse battery").unwrap(), kept);
    }

    /// Otherwise the time of an answer tells which names exist.
    #[test]
    fn nobodys_password_costs_what_others_cost() {
        let nobodys = PasswordHash::new(NOBODYS).unwrap();
        let kept = hash("correct horse battery").unwrap();
        let others = PasswordHash::new(&kept).unwrap();
        assert_eq!(nobodys.algorithm, others.algorithm);
        assert_eq!(nobodys.params, others.params);
        assert_eq!(
            nobodys.hash.map(|hash| hash.len()),
            others.hash.map(|hash| hash.len())
        );
    }

    #[test]
    fn who_cannot_wait_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let passwords = Passwords::new();
            let permits = u32::try_from(RUNNING + WAITING).unwrap();
            let all = passwords.waiting.try_acquire_many(permits).unwrap();
            assert_eq!(passwords.verify(None, "x".to_owned()).await, Err(Busy));
            drop(all);
            assert_eq!(passwords.verify(None, "x".to_owned()).await, Ok(false));
            let kept = hash("correct horse battery").unwrap();
            let shown = "correct horse battery".to_owned();
            assert_eq!(passwords.verify(Some(kept), shown).await, Ok(true));
        });
    }

    #[test]
    fn new_passwords_have_bounds() {
        assert!(check("twelve chars").is_ok());
        assert!(check("ääääääääääää").is_ok());
        assert!(check("eleven char").unwrap_err().contains("at least 12"));
        assert!(check(&"x".repeat(1_025)).unwrap_err().contains("1024"));
    }
}
