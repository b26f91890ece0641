//! Filters: the language in which people and programs say which events (or messages) they mean.
//!
//! ```text
//! from:alice@example.org to:*@gmail.com -type:smtp.quit since:2h "mailbox full" (tls OR dane)
//! ```
//!
//! A text is parsed into a [`Filter`], which prints as the canonical text of the same meaning. A
//! filter is compiled into a [`Matcher`], which tests whatever is a [`Subject`]: an event's record, a
//! row of the message list. A matcher gives a [`Plan`]: what an index can use to leave out what
//! cannot match. Words are what [`token`](crate::token) says, in all three.
//!
//! ```
//! use tidings_event::filter::{FieldSet, Filter, Matcher};
//! use tidings_event::{EventRef, EventType, Header, Key, RecordWriter};
//!
//! let filter = Filter::parse("type:delivery.* to:*@gmail.com code>=500", &FieldSet::EVENTS)?;
//! let matcher = Matcher::compile(&filter, 0);
//!
//! let mut record = Vec::new();
//! RecordWriter::begin(&mut record, &Header::new(EventType::DELIVERY_FAILED, 0))
//!     .str(Key::TO, "bob@gmail.com")
//!     .uint(Key::CODE, 550)
//!     .finish();
//! let (event, _) = EventRef::read(&record).expect("a record was written");
//! assert!(matcher.matches(&event));
//! assert!(matcher.plan().admits(Some(event.kind()), 0, &mut |token| token == "gmail.com"));
//! # Ok::<(), tidings_event::filter::FilterError>(())
//! ```
//!
//! The language is described for its users in `docs/reference/filter.md`.

mod ast;
mod display;
mod error;
mod field;
mod glob;
mod matcher;
mod operand;
mod parse;
mod plan;
mod subject;
mod texts;
mod types;
mod word;

pub use ast::Filter;
pub use error::FilterError;
pub use field::{ExtraField, FieldKind, FieldSet};
pub use matcher::Matcher;
pub use parse::{MAX_FILTER_BYTES, MAX_FILTER_DEPTH};
pub use plan::{Needs, Plan};
pub use subject::Subject;
pub use types::TypeSet;

#[cfg(test)]
mod tests;
