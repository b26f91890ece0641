//! What becomes of accounts and keys between what a client sends and what is kept: passwords are
//! hashed, keys are made, and nobody gives rights that they have not.

use serde_json::{Map, Value};
use tidings_admin::describe::Object;
use tidings_admin::{Permissions, Role, SetError, SetErrorType};
use tidings_event::Id;
use tidings_event::time::rfc3339_seconds;

use super::people::Account;
use super::token::{Hash, secret};
use super::{Access, KEY_PREFIX, password};
use crate::manage::Identity;
use crate::manage::identity::LOCAL_ACCOUNT;

impl Access {
    /// Makes of a checked object what is kept; gives what the answer to its creation shows besides its
    /// id. `current` is what is kept now, where it is changed. May take long: it hashes passwords.
    pub(crate) fn prepare(
        &self,
        object: &Object,
        id: Option<Id>,
        value: &mut Map<String, Value>,
        current: Option<&Map<String, Value>>,
        who: &Identity,
        now_ns: i64,
    ) -> Result<Map<String, Value>, SetError> {
        match object.name {
            "Account" => self.prepare_account(id, value, current, who, now_ns)?,
            "ApiKey" => return self.prepare_key(value, current, who, now_ns),
            _ => {}
        }
        Ok(Map::new())
    }

    fn prepare_account(
        &self,
        id: Option<Id>,
        value: &mut Map<String, Value>,
        current: Option<&Map<String, Value>>,
        who: &Identity,
        now_ns: i64,
    ) -> Result<(), SetError> {
        let text = |value: &Map<String, Value>, name: &str| {
            value.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        if current.is_none() {
            let name = text(value, "name")
                .unwrap_or_default()
                .trim()
                .to_lowercase();
            check_name(&name).map_err(|why| invalid("name", why))?;
            value.insert("name".to_owned(), name.into());
            value.insert(
                "createdAt".to_owned(),
                rfc3339_seconds(now_ns / 1_000_000_000).into(),
            );
        }
        let wanted = Account::of(id.unwrap_or_default(), value);
        let has_domains = wanted
            .domains
            .as_ref()
            .is_some_and(|domains| !domains.is_empty());
        if has_domains != (wanted.role == Role::DomainViewer) {
            let why = "a domain-viewer has domains, at least one, and no other role has any";
            return Err(invalid("domains", why.to_owned()));
        }
        refuse_more(who, &wanted)?;
        if let Some(current) = current {
            // Who takes an account over has its rights.
            refuse_more(who, &Account::of(id.unwrap_or_default(), current))?;
        }
        if let Some(id) = id {
            self.refuse_last_admin(id, Some(value))?;
        }
        let old = current.and_then(|current| text(current, "secret"));
        match text(value, "secret") {
            Some(new) if Some(&new) != old.as_ref() => {
                password::check(&new).map_err(|why| invalid("secret", why))?;
                let kept = password::hash(&new).map_err(|error| unavailable(&error))?;
                value.insert("secret".to_owned(), kept.into());
            }
            _ => {}
        }
        Ok(())
    }

    fn prepare_key(
        &self,
        value: &mut Map<String, Value>,
        current: Option<&Map<String, Value>>,
        who: &Identity,
        now_ns: i64,
    ) -> Result<Map<String, Value>, SetError> {
        let mut shown = Map::new();
        let owner = match value.get("accountId").and_then(Value::as_str) {
            Some(id) => Id::parse(id).unwrap_or_default(),
            None if who.account == LOCAL_ACCOUNT => {
                let why = format!("{} is no account; name the one whose key it is", who.name);
                return Err(invalid("accountId", why));
            }
            None => {
                value.insert("accountId".to_owned(), who.account.to_string().into());
                who.account
            }
        };
        let names = value.get("permissions").and_then(Value::as_object);
        let names = names.into_iter().flat_map(Map::keys).map(String::as_str);
        Permissions::of(names).map_err(|name| {
            let name: String = name.chars().take(100).collect();
            let why = format!("there is no permission {name:?}; docs/management.md names them all");
            invalid("permissions", why)
        })?;
        let people = self.people().map_err(|error| unavailable(&error))?;
        let account = people
            .account(owner)
            .ok_or_else(|| invalid("accountId", "there is no such account".to_owned()))?;
        if owner != who.account {
            refuse_more(who, account)?;
        }
        if current.is_none() {
            let key = secret(KEY_PREFIX).map_err(|error| unavailable(&error))?;
            value.insert("secret".to_owned(), Hash::of(key.as_bytes()).text().into());
            value.insert(
                "createdAt".to_owned(),
                rfc3339_seconds(now_ns / 1_000_000_000).into(),
            );
            shown.insert("secret".to_owned(), key.into());
        }
        Ok(shown)
    }

    /// Refuses to take the last account away that can manage accounts: `becomes` is what is to be kept
    /// of this one, nothing where it is to be removed.
    pub(crate) fn refuse_last_admin(
        &self,
        id: Id,
        becomes: Option<&Map<String, Value>>,
    ) -> Result<(), SetError> {
        let people = self.people().map_err(|error| unavailable(&error))?;
        let is_admin = people
            .account(id)
            .is_some_and(|account| account.is_full_admin());
        let stays = becomes.is_some_and(|value| Account::of(id, value).is_full_admin());
        if !is_admin || stays || people.has_admin_without(id) {
            return Ok(());
        }
        let why = "it is the last account that can manage accounts; make another admin first";
        Err(SetError::new(SetErrorType::Forbidden, why.to_owned()))
    }
}

/// Refuses to give an account more rights than who gives them has.
fn refuse_more(who: &Identity, account: &Account) -> Result<(), SetError> {
    let rights = account.role.permissions();
    let has_all = who.permissions.and(&rights) == rights;
    let sees_all = match (&who.domains, &account.domains) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(wanted)) => wanted.iter().all(|domain| own.contains(domain)),
    };
    if has_all && sees_all {
        return Ok(());
    }
    let why = format!("{} cannot give or change rights beyond its own", who.name);
    Err(SetError::new(SetErrorType::Forbidden, why))
}

/// What is wrong with the name of a new account.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_alphanumeric() || "@.-_+".contains(c);
    if !name.is_empty() && name.len() <= 100 && name.chars().all(is_plain) {
        return Ok(());
    }
    Err("a name has letters, digits and @ . - _ +, 100 bytes at most".to_owned())
}

fn invalid(property: &str, why: String) -> SetError {
    SetError {
        properties: vec![property.to_owned()],
        ..SetError::new(SetErrorType::ValidationFailed, why)
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> SetError {
    SetError::new(
        SetErrorType::Forbidden,
        format!("the server cannot do it now: {error}"),
    )
}
