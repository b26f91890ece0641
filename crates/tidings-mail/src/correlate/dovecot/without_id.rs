//! Sessions whose lines name no session id: all before 2.1, and until 2.2 those after the sign-in.
//!
//! A sign-in is told by a login process, which serves many, and its end by the process that served
//! the mailbox. What ties them together is the account and the service, and the process where the
//! sign-in names it (`mpid=`, since 2.0) and the end has it in its head. An end takes the session of
//! its process, else the one of its account that began first: with several at a time it may be
//! another one's, yet as many end as have ended. Whatever cannot be tied keeps the pair by itself:
//!
//! * an end without a known start gets its start with it,
//! * a sign-in whose end no line can name (no account, no process) ends with its line,
//! * of one account's sessions of a service, the oldest is lost beyond a thousand.

use tidings_event::{Id, stable_hash};

use super::{Ended, Step, end, kind_of, listener};
use crate::correlate::emit::Emit;
use crate::correlate::sessions::{Session, SessionKey, new_session};
use crate::dovecot::Who;

/// A session that a line begins.
pub(super) struct Begun {
    pub(super) span: Id,
    /// Its start is to be told.
    pub(super) is_new: bool,
    /// No line can tell of its end: it is to be told with the start.
    pub(super) has_no_end: bool,
}

impl Step<'_, '_> {
    /// A session begins, in which this account signed in.
    pub(super) fn begin(&mut self, emit: &Emit<'_, '_>, who: &Who<'_>, account: &[u8]) -> Begun {
        let (kind, owner) = (kind_of(self.line.service), self.owner(account));
        let key = self.key_of(who.session);
        let key = key.unwrap_or_else(|| self.new_key(emit, who));
        if self.session_at(emit, key).is_started() {
            return self.begun(emit, key, false);
        }
        if let Some(span) = self.ended_before(emit, owner) {
            self.session_at(emit, key).closed = true;
            let begun = self.begun(emit, key, false);
            return Begun { span, ..begun };
        }
        let session = self.session_at(emit, key);
        session.implicit = false;
        session.kind = kind;
        session.served_by = who.mpid;
        if owner != 0 {
            self.state.sessions.set_owner(&key, owner);
        }
        let mut begun = self.begun(emit, key, true);
        if who.session.is_empty() && who.mpid.is_none() && owner == 0 {
            self.session_at(emit, key).closed = true;
            begun.has_no_end = true;
        }
        begun
    }

    fn begun(&mut self, emit: &Emit<'_, '_>, key: SessionKey, is_new: bool) -> Begun {
        Begun {
            span: self.session_at(emit, key).span,
            is_new,
            has_no_end: false,
        }
    }

    /// Ends a session of which the line names no id.
    pub(super) fn end_without_id(&mut self, emit: &Emit<'_, '_>, account: &[u8]) -> Ended {
        let (kind, owner, time_ns) = (
            kind_of(self.line.service),
            self.owner(account),
            emit.at().time_ns,
        );
        let (host, pid) = (self.host, self.line.pid);
        let process = pid.map(|pid| self.key_of_process(pid));
        if let Some(key) = process
            && let Some(session) = self.state.sessions.get_mut(&key, time_ns)
            && session.is_active()
        {
            session.last_ns = session.last_ns.max(time_ns);
            return end(session, kind, time_ns);
        }
        if owner != 0
            && let Some(session) = self.state.sessions.owned(host, owner, pid)
        {
            session.last_ns = session.last_ns.max(time_ns);
            return end(session, kind, time_ns);
        }
        // Remembered for a sign-in that comes late; one of an account is enough.
        let key = self.key_of_early_end(owner);
        let span = self.state.spans.fresh(emit.at());
        let session = new_session(span, time_ns, None, true);
        end(self.state.sessions.open(key, session), kind, time_ns)
    }

    /// The session that ended, as the log tells, just before this sign-in, which comes late.
    fn ended_before(&mut self, emit: &Emit<'_, '_>, owner: u64) -> Option<Id> {
        let time_ns = emit.at().time_ns;
        let key = self.key_of_early_end(owner);
        let session = self.state.sessions.get_mut(&key, time_ns)?;
        let is_its = |session: &&mut Session| session.ended_before_start(time_ns);
        let session = Some(session).filter(is_its).filter(|_| owner != 0)?;
        // It began once.
        session.implicit = false;
        Some(session.span)
    }

    /// What an account's sessions of a service have in common; 0 without an account.
    fn owner(&self, account: &[u8]) -> u64 {
        if account.is_empty() {
            return 0;
        }
        let service = listener(self.line.service).to_ascii_lowercase();
        stable_hash(&[b"dovecot owner", &service, account]).max(1)
    }

    /// A key for a sign-in without session id: of the process that serves it, else its own.
    fn new_key(&mut self, emit: &Emit<'_, '_>, who: &Who<'_>) -> SessionKey {
        let at = emit.at();
        let Some(pid) = who.mpid else {
            let (stream, line) = (at.stream_key.to_le_bytes(), at.line.to_le_bytes());
            return self.key_of_hash(stable_hash(&[b"dovecot sign-in", &stream, &line]));
        };
        let key = self.key_of_process(pid);
        let known = self.state.sessions.get_mut(&key, at.time_ns);
        // The process serves another one now, unless the line came twice.
        if known.is_some_and(|known| !known.is_same_start(at.time_ns, None)) {
            let span = self.state.spans.fresh(at);
            let session = new_session(span, at.time_ns, None, true);
            self.state.sessions.open(key, session);
        }
        key
    }

    fn key_of_process(&self, pid: u32) -> SessionKey {
        self.key_of_hash(stable_hash(&[b"dovecot process", &pid.to_le_bytes()]))
    }

    fn key_of_early_end(&self, owner: u64) -> SessionKey {
        self.key_of_hash(stable_hash(&[b"dovecot early end", &owner.to_le_bytes()]))
    }

    fn key_of_hash(&self, hash: u64) -> SessionKey {
        SessionKey::Hash {
            host: self.host,
            hash,
        }
    }
}
