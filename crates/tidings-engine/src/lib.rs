//! Mail, spool and history together: import, message folding, story search, verify and repair.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod contract;
mod engine;
mod error;
mod history;
mod import;
pub mod input;
mod interpret;
mod live;
mod memory;
mod message_rows;
mod meters;
mod reopen;
mod rows;
mod samples;
mod schedule;
mod search;
mod stamp;
mod stats;
mod template;
mod upkeep;
mod zone;

pub use engine::{Engine, EngineOptions};
pub use error::Error;
pub use import::{ImportOptions, ImportProgress};
pub use interpret::{Interpreted, Interpreter, Recognition};
pub use live::{IngestError, IngestReport, Live, LiveOptions, LiveSource};
pub use meters::MailMeters;
pub use samples::{Sample, SampleQuery, SampleRules, SampleSeries, SampleValue, Samples};
pub use schedule::Schedule;
pub use search::{
    EventQuery, FoundEvent, FoundSpan, MESSAGE_FIELDS, MessageQuery, Place, Scope, SpanFilter,
    SpanQuery, StoryQuery, event_object, message_object,
};
pub use stats::StatsQuery;
pub use upkeep::{CheckReport, RetentionRules, repair, verify};
pub use zone::zone;

/// The tokeniser of the index, the same that filters use.
fn tokenise(text: &str, each: &mut dyn FnMut(&str)) {
    let mut each = each;
    tidings_event::token::tokens_of(text, &mut each);
}
