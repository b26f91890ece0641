//! The management contract of Tidings as plain data: objects, their schema, permissions, how they are
//! written and shown, and what a request of the JMAP API says.
//!
//! Every object is described once ([`OBJECTS`]); checks, JMAP shapes, the schema at `/api/schema`, help
//! and reference pages follow from that. Names and forms are those of the reference, so that its tools
//! work unchanged; `docs/management.md` tells where we go beyond.
//!
//! This crate knows no transport, no storage and no clock.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod arguments;
pub mod describe;
mod error;
mod filter;
mod objects;
mod page;
mod permission;
#[cfg(test)]
mod reference;
mod request;
mod schema;
mod show;
mod write;

pub use error::{
    MethodError, MethodErrorType, ObjectRef, RequestError, RequestErrorType, SetError,
    SetErrorType, ValidationError,
};
pub use filter::{Compare, Filter};
pub use objects::OBJECTS;
pub use page::Page;
pub use permission::{Permission, Permissions, Role, Verb, verbs};
pub use request::{Answer, CORE, Call, MANAGEMENT, Request};
pub use schema::schema;
pub use show::{SINGLETON, id_text, known, show};
pub use write::{HIDDEN, Resolve, TYPE, complete, create, defaults, patch};
