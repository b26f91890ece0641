//! Accounts and keys as they are kept in the registry, read once and looked up often.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};
use tidings_admin::{Permissions, Role};
use tidings_event::Id;
use tidings_event::time::parse_rfc3339;

use super::token::Hash;
use crate::manage::{Identity, Registry, RegistryError};

/// Somebody who may sign in.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) is_enabled: bool,
    pub(super) role: Role,
    /// The domains whose mail it may see; nothing for all.
    pub(super) domains: Option<Arc<[String]>>,
    /// What is kept of the password.
    pub(super) secret: Option<String>,
}

/// A key of a program.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: Id,
    account: Option<Id>,
    is_enabled: bool,
    /// What it may do by itself; no more than its account may.
    permissions: Option<Permissions>,
    /// As in [`Account::domains`].
    domains: Option<Arc<[String]>>,
    expires_ns: Option<i64>,
}

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyRefused {
    Unknown,
    Disabled,
    Expired,
    /// Its account is not there, or may not sign in.
    AccountDisabled,
}

/// All of them at one state of the registry.
#[derive(Debug, Default)]
pub(super) struct People {
    states: (u64, u64),
    accounts: HashMap<Id, Arc<Account>>,
    by_name: HashMap<String, Id>,
    keys: HashMap<Hash, Key>,
}

/// Reads them again when they were changed.
#[derive(Debug, Default)]
pub(super) struct Directory(RwLock<Option<Arc<People>>>);

impl Directory {
    /// All of them, as they are now.
    pub(super) fn people(&self, registry: &Registry) -> Result<Arc<People>, RegistryError> {
        let states = (registry.state("Account")?, registry.state("ApiKey")?);
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(people) = known.filter(|people| people.states == states) {
            return Ok(people);
        }
        // What is changed meanwhile is read again the next time, by its state.
        let people = Arc::new(People::read(registry, states)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&people));
        Ok(people)
    }
}

impl People {
    fn read(registry: &Registry, states: (u64, u64)) -> Result<People, RegistryError> {
        let mut people = People {
            states,
            ..People::default()
        };
        for stored in registry.list("Account")? {
            let account = Account::of(stored.id, &stored.value);
            people.by_name.insert(account.name.clone(), account.id);
            people.accounts.insert(account.id, Arc::new(account));
        }
        for stored in registry.list("ApiKey")? {
            if let Some((hash, key)) = Key::of(stored.id, &stored.value) {
                people.keys.insert(hash, key);
            }
        }
        Ok(people)
    }

    /// As the registry has them now.
    pub(super) fn now(registry: &Registry) -> Result<People, RegistryError> {
        People::read(registry, (0, 0))
    }

    /// Whether this is the id of one of them.
    pub(super) fn has(&self, id: Id) -> bool {
        self.accounts.contains_key(&id) || self.keys.values().any(|key| key.id == id)
    }

    /// By the name to sign in with, in any case.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Account>> {
        self.accounts.get(self.by_name.get(&name.to_lowercase())?)
    }

    pub(super) fn account(&self, id: Id) -> Option<&Arc<Account>> {
        self.accounts.get(&id)
    }

    /// Whether nobody was ever made, or all were removed.
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Whether somebody who may manage accounts could sign in, were this account another one.
    pub(super) fn has_admin_without(&self, id: Id) -> bool {
        let mut others = self.accounts.values().filter(|account| account.id != id);
        others.any(|account| account.is_full_admin())
    }

    /// Who shows this key.
    pub(super) fn by_key(&self, shown: &Hash, now_ns: i64) -> Result<(&Key, Identity), KeyRefused> {
        let key = self.keys.get(shown).ok_or(KeyRefused::Unknown)?;
        if !key.is_enabled {
            return Err(KeyRefused::Disabled);
        }
        if key
            .expires_ns
            .is_some_and(|expires_ns| expires_ns <= now_ns)
        {
            return Err(KeyRefused::Expired);
        }
        let account = key.account.and_then(|id| self.account(id));
        let account = account.filter(|account| account.is_enabled);
        let account = account.ok_or(KeyRefused::AccountDisabled)?;
        Ok((key, key.identity(account)))
    }
}

impl Account {
    /// Reads what was checked when it was written; what is not understood gives no rights.
    pub(super) fn of(id: Id, value: &Map<String, Value>) -> Account {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let role = text("role").and_then(Role::from_name);
        let role = role.unwrap_or(Role::DomainViewer);
        let domains = lower(set(value.get("domains")));
        Account {
            id,
            name: text("name").unwrap_or_default().to_lowercase(),
            is_enabled: value.get("enable").and_then(Value::as_bool).unwrap_or(true),
            role,
            // A domain viewer without domains sees none, not all.
            domains: (role == Role::DomainViewer || !domains.is_empty()).then(|| domains.into()),
            secret: text("secret").map(str::to_owned),
        }
    }

    /// What it may do when it signs in.
    pub(super) fn identity(&self) -> Identity {
        Identity {
            name: self.name.clone(),
            account: self.id,
            permissions: Arc::new(self.role.permissions()),
            domains: self.domains.clone(),
        }
    }

    /// Whether it could sign in and manage accounts.
    pub(super) fn is_full_admin(&self) -> bool {
        self.is_enabled
            && self.role == Role::Admin
            && self.domains.is_none()
            && self.secret.is_some()
    }

    /// Changes with the password: what was given for the old one is worth nothing then.
    pub(super) fn stamp(&self) -> [u8; 8] {
        let hash = Hash::of(self.secret.as_deref().unwrap_or_default().as_bytes());
        let mut stamp = [0; 8];
        stamp.copy_from_slice(&hash.0[..8]);
        stamp
    }
}

impl Key {
    fn of(id: Id, value: &Map<String, Value>) -> Option<(Hash, Key)> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let hash = Hash::parse(text("secret")?)?;
        let role = text("role").map(|role| {
            let role = Role::from_name(role);
            role.map_or_else(Permissions::none, Role::permissions)
        });
        let names = set(value.get("permissions"));
        let named = (!names.is_empty()).then(|| {
            // A name that is none any more gives nothing.
            let known = names
                .iter()
                .filter_map(|name| Permissions::of([name.as_str()]).ok().map(|_| name.as_str()));
            Permissions::of(known).unwrap_or_else(|_| Permissions::none())
        });
        let permissions = match (role, named) {
            (Some(role), Some(named)) => Some(role.and(&named)),
            (role, named) => role.or(named),
        };
        let domains = lower(set(value.get("domains")));
        let is_domain_viewer = text("role") == Some(Role::DomainViewer.name());
        let expires_ns = text("expiresAt").map(|text| parse_rfc3339(text).unwrap_or(i64::MIN));
        let key = Key {
            id,
            account: text("accountId").and_then(Id::parse),
            is_enabled: value.get("enable").and_then(Value::as_bool).unwrap_or(true),
            permissions,
            // A key that is a domain viewer's takes its account's domains, so it needs none here; but
            // where its account sees everything, it would too.
            domains: (is_domain_viewer || !domains.is_empty()).then(|| domains.into()),
            expires_ns,
        };
        Some((hash, key))
    }

    /// What it may do: what both it and its account may.
    fn identity(&self, account: &Account) -> Identity {
        let own = account.role.permissions();
        let permissions = match &self.permissions {
            Some(permissions) => own.and(permissions),
            None => own,
        };
        Identity {
            name: account.name.clone(),
            account: account.id,
            permissions: Arc::new(permissions),
            domains: narrower(self.domains.as_ref(), account.domains.as_ref()),
        }
    }
}

/// The domains that both sides allow. A key with no domains of its own that is still bound to some
/// takes its account's.
fn narrower(key: Option<&Arc<[String]>>, account: Option<&Arc<[String]>>) -> Option<Arc<[String]>> {
    match (key, account) {
        (None, other) => other.cloned(),
        (Some(key), None) => Some(Arc::clone(key)),
        (Some(key), Some(account)) if key.is_empty() => Some(Arc::clone(account)),
        (Some(key), Some(account)) => {
            let both = key.iter().filter(|domain| account.contains(domain));
            Some(both.cloned().collect())
        }
    }
}

/// The members of a set: `{"a":true}`.
fn set(value: Option<&Value>) -> Vec<String> {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    let members = members.filter(|(_, is_in)| **is_in != Value::Bool(false));
    members.map(|(name, _)| name.clone()).collect()
}

fn lower(names: Vec<String>) -> Vec<String> {
    names.into_iter().map(|name| name.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn domains_are_those_that_both_allow() {
        let some = |names: &[&str]| -> Option<Arc<[String]>> {
            Some(names.iter().map(|name| (*name).to_owned()).collect())
        };
        let cases: [(Option<_>, Option<_>, Option<_>); 6] = [
            (None, None, None),
            (some(&["a"]), None, some(&["a"])),
            (None, some(&["a"]), some(&["a"])),
            (some(&["a", "b"]), some(&["b", "c"]), some(&["b"])),
            (some(&["a"]), some(&["b"]), some(&[])),
            (some(&[]), some(&["b"]), some(&["b"])),
        ];
        for (key, account, both) in cases {
            assert_eq!(narrower(key.as_ref(), account.as_ref()), both);
        }
    }

    #[test]
    fn what_is_not_understood_gives_no_rights() {
        let account = Account::of(Id(1), &map(json!({"name": "A", "role": "emperor"})));
        assert_eq!(
            (account.role, account.name.as_str()),
            (Role::DomainViewer, "a")
        );
        assert_eq!(account.domains.as_deref(), Some(&[] as &[String]));
        let secret = Hash::of(b"x").text();
        let admin = Account::of(Id(1), &map(json!({"name": "a", "role": "admin"})));
        for value in [
            json!({"secret": secret, "role": "emperor"}),
            json!({"secret": secret, "permissions": {"sysNothing": true}}),
        ] {
            let (_, key) = Key::of(Id(2), &map(value)).unwrap();
            assert_eq!(*key.identity(&admin).permissions, Permissions::none());
        }
        assert!(Key::of(Id(2), &map(json!({"secret": "x"}))).is_none());
        let expires = json!({"secret": secret, "expiresAt": "soon"});
        assert_eq!(
            Key::of(Id(2), &map(expires)).unwrap().1.expires_ns,
            Some(i64::MIN)
        );
    }

    #[test]
    fn a_key_may_no_more_than_its_account() {
        let secret = Hash::of(b"x").text();
        let key = |value| Key::of(Id(2), &map(value)).unwrap().1;
        let viewer = Account::of(Id(1), &map(json!({"name": "v", "role": "viewer"})));
        let admin = Account::of(Id(1), &map(json!({"name": "a", "role": "admin"})));
        let as_admin = key(json!({"secret": secret, "role": "admin"}));
        assert_eq!(
            *as_admin.identity(&viewer).permissions,
            Role::Viewer.permissions()
        );
        let one = key(
            json!({"secret": secret, "permissions": {"systracerget": true, "sysTracerGet": true}}),
        );
        assert_eq!(one.identity(&admin).permissions.names(), ["sysTracerGet"]);
        let scoped = key(json!({"secret": secret, "role": "domain-viewer"}));
        assert_eq!(
            scoped.identity(&admin).domains.as_deref(),
            Some(&[] as &[String])
        );
    }
}
