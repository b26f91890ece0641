//! All objects of the management API.
//!
//! Names, types and defaults of those that the reference has are the reference's (`docs/management.md`);
//! what it lacks is marked as ours in the text of the field.

mod access;
mod action;
mod alert;
mod catalogue;
mod delivery;
mod metrics;
mod mold;
mod records;
mod retention;
mod running;
mod store;
mod tracer;
mod webhook;

use crate::describe::Object;

/// Every object, in the order in which they are listed.
pub static OBJECTS: &[&Object] = &[
    &records::MESSAGE,
    &records::TRACE,
    &records::LOG,
    &records::METRIC,
    &tracer::TRACER,
    &webhook::WEB_HOOK,
    &webhook::WEB_HOOK_DELIVERY,
    &alert::ALERT,
    &alert::ALERT_STATE,
    &alert::SILENCE,
    &metrics::METRICS,
    &tracer::EVENT_TRACING_LEVEL,
    &running::SOURCE,
    &running::READER,
    &retention::DATA_RETENTION,
    &store::TRACING_STORE,
    &store::METRICS_STORE,
    &access::ACCOUNT,
    &access::API_KEY,
    &catalogue::EVENT_TYPE,
    &catalogue::KEY,
    &catalogue::METRIC_TYPE,
    &action::ACTION,
];
