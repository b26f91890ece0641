//! Who asks, and what they may do.

use std::sync::Arc;

use tidings_admin::{MethodError, MethodErrorType, Permissions, Role};
use tidings_engine::Scope;
use tidings_event::{Id, stable_hash};

/// Who asks: an account, perhaps by one of its keys; or whoever may open the socket.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Its name, for people and for the history of changes.
    pub(crate) name: String,
    /// The account's id.
    pub(crate) account: Id,
    /// What it may do.
    pub(crate) permissions: Arc<Permissions>,
    /// The domains whose mail it may see; nothing for all.
    pub(crate) domains: Option<Arc<[String]>>,
}

/// The account of whoever is not signed in by name: the socket, and the token of the settings.
pub(crate) const LOCAL_ACCOUNT: Id = Id(1);

impl Identity {
    /// Somebody without an account of their own, who may do what this role may.
    pub(crate) fn local(name: &str, role: Role) -> Identity {
        Identity {
            name: name.to_owned(),
            account: LOCAL_ACCOUNT,
            permissions: Arc::new(role.permissions()),
            domains: None,
        }
    }

    /// What it may see of mail; nothing for everything.
    pub(crate) fn scope(&self) -> Option<Arc<Scope>> {
        let domains = self.domains.as_ref()?;
        Some(Arc::new(Scope::new(domains.iter())))
    }

    /// A text that changes with what it may do and see.
    pub(crate) fn state(&self) -> String {
        let permissions = self.permissions.names().join(" ");
        let domains = self.domains.as_deref().map(|domains| domains.join(" "));
        let parts = [&self.name, &permissions, &domains.unwrap_or_default()];
        Id(stable_hash(&parts.map(|part| part.as_bytes()))).to_string()
    }

    /// Refuses who has not this permission.
    pub(crate) fn needs(&self, permission: &str) -> Result<(), MethodError> {
        if self.permissions.has(permission) {
            return Ok(());
        }
        let why = format!("{} has not the permission {permission}", self.name);
        Err(MethodError::new(MethodErrorType::Forbidden, why))
    }
}
