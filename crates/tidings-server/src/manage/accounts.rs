//! `tidings account`: accounts are listed, made and mended by who has the machine, or may manage them.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use tidings_admin::Role;
use tidings_cli::{AccountObject, AccountsAsked, Failure};
use tidings_event::time::rfc3339_seconds;

use super::access::{self, Mended, New};
use super::{Access, Registry, Stored};
use crate::clock;

/// In a data directory whose lock this process holds.
pub(crate) fn offline(dir: &Path, asked: &AccountsAsked) -> Result<Vec<AccountObject>, Failure> {
    let registry = Registry::open(dir).map_err(|error| Failure::data(error.to_string()))?;
    let access = Access::open(dir, Arc::new(registry)).map_err(Failure::data)?;
    answer(&access, asked, "tidings account")
}

/// Does what is asked; `by` is who asks. Takes long: it hashes passwords.
pub(crate) fn answer(
    access: &Access,
    asked: &AccountsAsked,
    by: &str,
) -> Result<Vec<AccountObject>, Failure> {
    let registry = access.registry();
    let now_ns = clock::now_ns();
    let mended = match asked {
        AccountsAsked::List => None,
        AccountsAsked::Create {
            name,
            role,
            domains,
        } => {
            let role = Role::from_name(role).ok_or_else(|| {
                Failure::usage(
                    "there is no such role; there are admin, operator, viewer and domain-viewer",
                )
            })?;
            let new = New {
                name,
                role,
                domains,
            };
            Some(access::make(registry, new, by, now_ns).map_err(Failure::usage)?)
        }
        AccountsAsked::Reset { name } => {
            Some(access::reset(registry, name, by, now_ns).map_err(Failure::usage)?)
        }
    };
    let all = access::list(registry).map_err(Failure::data)?;
    let all = all
        .into_iter()
        .map(|stored| object(access, &stored, mended.as_ref()));
    Ok(match &mended {
        None => all.collect(),
        Some(mended) => all.filter(|one| one.name == mended.name).collect(),
    })
}

fn object(access: &Access, stored: &Stored, mended: Option<&Mended>) -> AccountObject {
    let Stored { id, value } = stored;
    let text = |name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let domains = value.get("domains").and_then(Value::as_object);
    let last = access.last_use(*id);
    AccountObject {
        id: id.to_string(),
        name: text("name"),
        role: text("role"),
        enable: value.get("enable").and_then(Value::as_bool).unwrap_or(true),
        domains: domains.into_iter().flat_map(Map::keys).cloned().collect(),
        last_sign_in: last.map(|last_ns| rfc3339_seconds(last_ns.div_euclid(1_000_000_000))),
        password: mended.map(|mended| mended.password.clone()),
    }
}
