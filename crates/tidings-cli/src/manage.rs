//! The management API from the command line: objects by their description in [`tidings_admin`], asked for
//! and written through a running server.

mod api;
mod carry;
mod describe;
mod name;
mod plan;
mod snapshot;
mod table;
mod value;

pub(crate) use api::{Api, Asked, check_kind, refused, words};
pub(crate) use carry::{Broken, Carrying, Done};
pub(crate) use describe::{list_lines, object_lines};
pub(crate) use name::{field, object, target};
pub(crate) use plan::read_plan;
pub(crate) use snapshot::snapshot;
pub(crate) use table::{Table, record_lines};
pub(crate) use value::{assigned, condition, put};

/// An object, or a part of one.
pub(crate) type Map = serde_json::Map<String, serde_json::Value>;
