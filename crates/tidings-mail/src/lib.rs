//! What mail logs mean.

pub mod diagnose;
pub mod provider;
