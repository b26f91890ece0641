//! Sessions of imap, pop3 and managesieve, and what is done in mailboxes.

use tidings_event::{EventType, Key};

use super::{Step, listener};
use crate::correlate::emit::Emit;
use crate::correlate::sessions::Ending;
use crate::dovecot::{MailAction, MailEvent, MailboxAction, SessionEnd};

impl Step<'_, '_> {
    pub(super) fn session_end(&mut self, emit: &mut Emit<'_, '_>, end: &SessionEnd<'_>) {
        let session = self.line.base_session();
        let ended = self.end(emit, session, self.line.user);
        let (span, kind) = (ended.span, ended.kind);
        if ended.ending == Ending::Told {
            emit.event(EventType::SOURCE_LINE, span).finish();
            return;
        }
        if ended.ending == Ending::Both {
            let mut event = emit.event(kind.start(), span);
            event
                .text(Key::LISTENER_ID, listener(self.line.service))
                .text_if(Key::ACCOUNT_NAME, self.line.user)
                .text_if(Key::SESSION, session);
            event.finish();
        }
        let mut event = emit.event(kind.end(), span);
        event
            .text_if(Key::ACCOUNT_NAME, self.line.user)
            .text_if(Key::SESSION, session);
        if let Some(elapsed_ms) = ended.known_ms {
            event.duration_ms(Key::ELAPSED, elapsed_ms);
        }
        for (key, count) in [
            (Key::BYTES_IN, end.bytes_in),
            (Key::BYTES_OUT, end.bytes_out),
        ] {
            if let Some(count) = count {
                event.uint(key, count);
            }
        }
        event
            .text_if(Key::REASON, end.reason)
            .text_if(Key::COMMANDS, end.counters)
            .finish();
    }

    pub(super) fn mail(&mut self, emit: &mut Emit<'_, '_>, mail: &MailEvent<'_>) {
        let is_pop3 = self.line.service == b"pop3";
        let kind = match mail.action {
            MailAction::Save if self.is_delivery() => EventType::MESSAGE_INGEST_STORED,
            MailAction::Save | MailAction::Append => EventType::IMAP_APPEND,
            MailAction::Copy => EventType::IMAP_COPY,
            MailAction::Delete if is_pop3 => EventType::POP3_DELETE,
            MailAction::Delete | MailAction::FlagChange | MailAction::Other => {
                EventType::IMAP_STORE
            }
            MailAction::Undelete => EventType::IMAP_UNDELETE,
            MailAction::Expunge | MailAction::AutoExpunge => EventType::IMAP_EXPUNGE,
        };
        let span = self.span(emit);
        let leg = self.leg(emit, mail.message_id);
        let mut event = emit.event(kind, span);
        if let Some(leg) = leg.filter(|_| kind == EventType::MESSAGE_INGEST_STORED) {
            event.uint(Key::QUEUE_ID, leg);
        }
        event
            .text_if(Key::ACCOUNT_NAME, self.line.user)
            .text_if(Key::SESSION, self.line.session);
        event
            .text_if(Key::MAILBOX_NAME, mail.mailbox)
            .text_if(Key::SOURCE, mail.copied_from);
        if let Some(uid) = mail.uid {
            event.uint(Key::UID, uid);
        }
        event.text_if(Key::MESSAGE_ID, mail.message_id);
        if let Some(size) = mail.size {
            event.uint(Key::SIZE, size);
        }
        event
            .text_if(Key::DETAILS, mail.flags)
            .text_if(Key::FROM, mail.from);
        event.text_if(Key::SUBJECT, mail.subject).finish();
    }

    pub(super) fn mailbox(
        &mut self,
        emit: &mut Emit<'_, '_>,
        action: MailboxAction,
        mailbox: &[u8],
        renamed_to: &[u8],
    ) {
        let kind = match action {
            MailboxAction::Created => EventType::IMAP_CREATE_MAILBOX,
            MailboxAction::Deleted => EventType::IMAP_DELETE_MAILBOX,
            MailboxAction::Renamed => EventType::IMAP_RENAME_MAILBOX,
            MailboxAction::Subscribed => EventType::IMAP_SUBSCRIBE,
            MailboxAction::Unsubscribed => EventType::IMAP_UNSUBSCRIBE,
        };
        let span = self.span(emit);
        let mut event = emit.event(kind, span);
        event
            .text_if(Key::ACCOUNT_NAME, self.line.user)
            .text_if(Key::SESSION, self.line.session);
        event
            .text(Key::MAILBOX_NAME, mailbox)
            .text_if(Key::DETAILS, renamed_to)
            .finish();
    }
}
