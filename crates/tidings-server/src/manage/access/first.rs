//! The first account, and accounts that are mended by who has the machine.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};
use tidings_admin::Role;
use tidings_event::time::rfc3339_seconds;

use super::people::People;
use super::prepare::check_name;
use super::token::{NoRandom, random};
use super::{Access, password};
use crate::manage::{Registry, Stored, Write};

/// The file with the password of the first account.
const FILE: &str = "first-password";

/// The name of the first account.
const FIRST: &str = "admin";

/// Letters and digits that nobody takes for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// An account to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct New<'a> {
    pub(crate) name: &'a str,
    pub(crate) role: Role,
    /// The domains whose mail a domain viewer may see; nobody else has any.
    pub(crate) domains: &'a [String],
}

/// An account that was made, or has another password.
#[derive(Debug)]
pub(crate) struct Mended {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// Whether the file with the first password is there.
pub(super) fn is_there(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Removes the file with the first password, once somebody has signed in.
pub(super) fn remove(dir: &Path, is_there: &AtomicBool) {
    if is_there.swap(false, Ordering::Relaxed) {
        // If it cannot be removed it is tried again at the next start; its mode keeps others out.
        let _ = fs::remove_file(dir.join(FILE));
    }
}

impl Access {
    /// Makes the account `admin` where there is none at all.
    pub(crate) fn make_first(&self, now_ns: i64) -> Result<Option<Mended>, String> {
        let people = self.people().map_err(|error| error.to_string())?;
        if !people.is_empty() {
            return Ok(None);
        }
        let first = New {
            name: FIRST,
            role: Role::Admin,
            domains: &[],
        };
        make(&self.registry, first, "the first start", now_ns).map(Some)
    }

    /// Keeps the password of the first account in a file that only this user can read, until somebody
    /// signs in; gives its path.
    pub(crate) fn keep_first(&self, first: &Mended) -> std::io::Result<std::path::PathBuf> {
        let path = self.dir.join(FILE);
        // Never into a file that somebody else has made.
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(format!("{}\n", first.password).as_bytes())?;
        file.sync_all()?;
        self.has_first_password.store(true, Ordering::Relaxed);
        Ok(path)
    }
}

/// Makes an account with a random password. Takes long.
pub(crate) fn make(
    registry: &Registry,
    new: New<'_>,
    by: &str,
    now_ns: i64,
) -> Result<Mended, String> {
    let name = new.name.trim().to_lowercase();
    check_name(&name)?;
    let domains = domains(new)?;
    if people(registry)?.named(&name).is_some() {
        return Err(format!("there is an account {name} already"));
    }
    let password = new_password().map_err(|error| error.to_string())?;
    let secret = password::hash(&password).map_err(|error| error.to_string())?;
    let value = json!({
        "name": name,
        "description": null,
        "enable": true,
        "role": new.role.name(),
        "domains": domains,
        "secret": secret,
        "createdAt": rfc3339_seconds(now_ns / 1_000_000_000),
    });
    let put = Write::Put {
        object: "Account",
        id: registry.new_id(now_ns),
        value: value.as_object().cloned().unwrap_or_default(),
    };
    let put = registry.commit(&[put], by, now_ns);
    put.map_err(|error| error.to_string())?;
    Ok(Mended { name, password })
}

/// The domains of a new account: `{"example.org":true}`.
fn domains(new: New<'_>) -> Result<Map<String, Value>, String> {
    if new.domains.is_empty() == (new.role == Role::DomainViewer) {
        let why = "a domain-viewer has domains, at least one, and no other role has any";
        return Err(why.to_owned());
    }
    let mut domains = Map::new();
    for domain in new.domains {
        let domain = domain.trim().trim_end_matches('.').to_lowercase();
        let is_plain = |c: char| c.is_alphanumeric() || c == '-';
        let is_label = |label: &str| !label.is_empty() && label.chars().all(is_plain);
        if domain.len() > 255 || !domain.split('.').all(is_label) {
            let shown: String = domain.chars().take(100).collect();
            return Err(format!("{shown:?} is no domain; write it as example.org"));
        }
        domains.insert(domain, true.into());
    }
    Ok(domains)
}

/// Gives an account a random password, and lets it sign in again. Takes long.
pub(crate) fn reset(
    registry: &Registry,
    name: &str,
    by: &str,
    now_ns: i64,
) -> Result<Mended, String> {
    let account = people(registry)?.named(name.trim()).cloned();
    let account = account.ok_or_else(|| {
        let shown: String = name.chars().take(100).collect();
        format!("there is no account {shown}; `tidings account list` tells which there are")
    })?;
    let password = new_password().map_err(|error| error.to_string())?;
    let secret = password::hash(&password).map_err(|error| error.to_string())?;
    let stored = registry.get("Account", account.id);
    let stored = stored.map_err(|error| error.to_string())?;
    let mut value: Map<String, Value> = stored.unwrap_or_default();
    value.insert("secret".to_owned(), secret.into());
    value.insert("enable".to_owned(), true.into());
    let put = Write::Put {
        object: "Account",
        id: account.id,
        value,
    };
    let put = registry.commit(&[put], by, now_ns);
    put.map_err(|error| error.to_string())?;
    Ok(Mended {
        name: account.name.clone(),
        password,
    })
}

/// The accounts, as `tidings account list` shows them: id and object, without what is kept of the
/// password.
pub(crate) fn list(registry: &Registry) -> Result<Vec<Stored>, String> {
    let all = registry
        .list("Account")
        .map_err(|error| error.to_string())?;
    let without_secret = all.into_iter().map(|mut stored| {
        stored.value.remove("secret");
        stored
    });
    Ok(without_secret.collect())
}

fn people(registry: &Registry) -> Result<People, String> {
    People::now(registry).map_err(|error| error.to_string())
}

/// Four groups of six: 120 random bits.
fn new_password() -> Result<String, NoRandom> {
    let bytes: [u8; 24] = random()?;
    let mut password = String::new();
    for (at, byte) in bytes.into_iter().enumerate() {
        if at > 0 && at % 6 == 0 {
            password.push('-');
        }
        password.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    Ok(password)
}
