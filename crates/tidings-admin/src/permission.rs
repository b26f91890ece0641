//! Permissions by name, and which role has which.
//!
//! Names are the reference's: `sysTracerUpdate`, `liveTracing`, `actionReloadSettings`.

use crate::OBJECTS;
use crate::describe::{Kind, Object};

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See the mail of some domains.
    DomainViewer,
    /// See everything but accounts, change nothing.
    Viewer,
    /// Everything but accounts.
    Operator,
    /// Everything.
    Admin,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// To look at some by id.
    Get,
    /// To look for some.
    Query,
    /// To make one.
    Create,
    /// To change one.
    Update,
    /// To remove one.
    Destroy,
}

/// A set of permissions, by their numbers in [`Permission::all`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions(Vec<bool>);

/// Something that may be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Its name.
    pub name: String,
    /// The least role that has it.
    pub least: Role,
}

/// Objects whose records are told apart by domain, so that a domain viewer may look for them.
const OF_MAIL: [&str; 3] = ["Message", "Trace", "Log"];

/// Objects that only those who manage accounts may see: they tell who else there is.
const OF_ACCOUNTS: [&str; 2] = ["Account", "ApiKey"];

/// What everybody may look up.
const OF_CATALOGUE: [&str; 3] = ["EventType", "Key", "MetricType"];

/// Permissions that belong to no object.
const OTHERS: [(&str, Role); 3] = [
    ("liveTracing", Role::Viewer),
    ("liveMetrics", Role::Viewer),
    ("import", Role::Operator),
];

impl Role {
    /// By its name: `domain-viewer`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Role> {
        [
            Role::DomainViewer,
            Role::Viewer,
            Role::Operator,
            Role::Admin,
        ]
        .into_iter()
        .find(|role| role.name() == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::DomainViewer => "domain-viewer",
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// What it may do.
    #[must_use]
    pub fn permissions(self) -> Permissions {
        let all = Permission::all();
        Permissions(all.iter().map(|one| self >= one.least).collect())
    }
}

impl Verb {
    /// How the name of a permission ends.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "Get",
            Verb::Query => "Query",
            Verb::Create => "Create",
            Verb::Update => "Update",
            Verb::Destroy => "Destroy",
        }
    }
}

impl Permission {
    /// Every permission, in a fixed order.
    #[must_use]
    pub fn all() -> Vec<Permission> {
        let mut all = Vec::new();
        for object in OBJECTS {
            for verb in verbs(object) {
                all.push(Permission {
                    name: name_of(object, *verb),
                    least: least(object, *verb),
                });
            }
            for variant in object.form.variants() {
                if object.kind == Kind::Action {
                    all.push(Permission {
                        name: format!("action{}", variant.name),
                        least: Role::Operator,
                    });
                }
            }
        }
        let others = OTHERS.iter().map(|(name, least)| Permission {
            name: (*name).to_owned(),
            least: *least,
        });
        all.extend(others);
        all
    }
}

impl Permissions {
    /// None.
    #[must_use]
    pub fn none() -> Permissions {
        Permissions(vec![false; Permission::all().len()])
    }

    /// Those with these names; a name that is no permission's is given back.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Permissions, String> {
        let mut these = Permissions::none();
        let all = Permission::all();
        for name in names {
            match all.iter().position(|one| one.name == name) {
                Some(at) => these.0[at] = true,
                None => return Err(name.to_owned()),
            }
        }
        Ok(these)
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(&self, other: &Permissions) -> Permissions {
        let both = self
            .0
            .iter()
            .zip(&other.0)
            .map(|(one, other)| *one && *other);
        Permissions(both.collect())
    }

    /// Whether a permission is among them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().iter().any(|known| known == name)
    }

    /// Whether this may be done to an object.
    #[must_use]
    pub fn allow(&self, object: &Object, verb: Verb) -> bool {
        self.has(&name_of(object, verb))
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let all = Permission::all().into_iter().zip(&self.0);
        all.filter(|(_, is_in)| **is_in)
            .map(|(one, _)| one.name)
            .collect()
    }
}

/// What can be done to an object.
#[must_use]
pub fn verbs(object: &Object) -> &'static [Verb] {
    match object.kind {
        Kind::Many | Kind::Record => &[
            Verb::Get,
            Verb::Query,
            Verb::Create,
            Verb::Update,
            Verb::Destroy,
        ],
        Kind::Singleton => &[Verb::Get, Verb::Update],
        Kind::Action => &[
            Verb::Get,
            Verb::Query,
            Verb::Create,
            Verb::Update,
            Verb::Destroy,
        ],
    }
}

fn name_of(object: &Object, verb: Verb) -> String {
    format!("{}{}", object.permission_prefix(), verb.name())
}

fn least(object: &Object, verb: Verb) -> Role {
    let is_look = matches!(verb, Verb::Get | Verb::Query);
    if OF_ACCOUNTS.contains(&object.name) {
        return Role::Admin;
    }
    if !is_look {
        return Role::Operator;
    }
    if OF_MAIL.contains(&object.name) || OF_CATALOGUE.contains(&object.name) {
        return Role::DomainViewer;
    }
    Role::Viewer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_references() {
        let admin = Role::Admin.permissions();
        for name in [
            "sysTracerGet",
            "sysWebHookDestroy",
            "sysEventTracingLevelUpdate",
            "sysTraceQuery",
            "sysMetricsUpdate",
            "sysDataRetentionGet",
            "sysActionCreate",
            "actionReloadSettings",
            "liveTracing",
            "liveMetrics",
        ] {
            assert!(admin.has(name), "{name}");
        }
        for name in ["sysMetricsQuery", "sysMetricsCreate", "sysTracerget", ""] {
            assert!(!admin.has(name), "{name}");
        }
    }

    #[test]
    fn a_role_has_all_that_a_lesser_one_has() {
        let roles = [
            Role::DomainViewer,
            Role::Viewer,
            Role::Operator,
            Role::Admin,
        ];
        for pair in roles.windows(2) {
            let (less, more) = (pair[0].permissions(), pair[1].permissions());
            assert_eq!(less.and(&more), less);
            assert_ne!(less, more);
            assert_eq!(Role::from_name(pair[0].name()), Some(pair[0]));
        }
        let viewer = Role::Viewer.permissions();
        assert!(viewer.names().iter().all(|name| !name.ends_with("Update")));
        assert!(!viewer.has("sysAccountGet"));
        assert!(!Role::DomainViewer.permissions().has("sysMetricGet"));
        assert!(!Role::DomainViewer.permissions().has("sysSourceGet"));
    }

    #[test]
    fn names_that_are_none_are_told() {
        assert_eq!(
            Permissions::of(["sysTracerGet", "no"]),
            Err("no".to_owned())
        );
        let one = Permissions::of(["sysTracerGet"]).unwrap();
        assert_eq!(one.names(), ["sysTracerGet"]);
        assert_eq!(one.and(&Permissions::none()), Permissions::none());
    }
}
