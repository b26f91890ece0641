//! Management: objects that are kept, who may see and change them, and the API over them.

pub(crate) mod access;
pub(crate) mod accounts;
mod identity;
mod registry;

pub(crate) use access::Access;
pub(crate) use identity::Identity;
pub(crate) use registry::{Change, ChangeKind, Changes, Registry, RegistryError, Stored, Write};
