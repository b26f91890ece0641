//! Management: objects that are kept, who may see and change them, and the API over them.

mod registry;

pub(crate) use registry::{Change, ChangeKind, Changes, Registry, RegistryError, Stored, Write};
