//! The server's own life: start, stop, limits, the index.

use tidings_event::{EventType, Key};

use super::Step;
use crate::correlate::emit::Emit;
use crate::dovecot::Says;

impl Step<'_, '_> {
    /// What the server does for itself.
    pub(super) fn server(&mut self, emit: &mut Emit<'_, '_>) {
        match &self.line.says {
            Says::Indexed { mailbox, messages } => {
                let span = self.span(emit);
                let mut event = emit.event(EventType::MESSAGE_INGEST_SEARCH_INDEX, span);
                event
                    .text_if(Key::ACCOUNT_NAME, self.line.user)
                    .text(Key::MAILBOX_NAME, mailbox);
                event.uint(Key::TOTAL, *messages).finish();
            }
            Says::Limit {
                service,
                limit,
                value,
            } => {
                let mut event = emit.event(EventType::LIMIT_CONCURRENT_CONNECTION, None);
                event
                    .text(Key::SOURCE, service)
                    .text(Key::REASON, limit)
                    .uint(Key::LIMIT, *value)
                    .finish();
            }
            Says::ChildFailed {
                service,
                pid,
                reason,
            } => {
                let mut event = emit.event(EventType::SERVER_ERROR, None);
                event.text(Key::SOURCE, service).text(Key::REASON, reason);
                if let Some(pid) = pid {
                    event.uint(Key::ID, u64::from(*pid));
                }
                event.finish();
            }
            Says::Started { version, protocols } => {
                let mut event = emit.event(EventType::SERVER_STARTUP, None);
                event
                    .text_if(Key::VERSION, version)
                    .text_if(Key::DETAILS, protocols)
                    .finish();
            }
            Says::Stopped { text, .. } => emit
                .event(EventType::SERVER_SHUTDOWN, None)
                .text(Key::MESSAGE, text)
                .finish(),
            Says::Reloaded { text } => emit
                .event(EventType::SERVER_RELOAD, None)
                .text(Key::MESSAGE, text)
                .finish(),
            _ => {}
        }
    }
}
