//! The outputs, and the one driver that runs them: log files, the console, the systemd journal, and
//! OpenTelemetry.

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]
