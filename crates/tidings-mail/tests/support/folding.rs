//! Logs to messages, the way the engine does it.

use std::sync::Arc;

use tidings_event::Drafts;
use tidings_event::time::parse_rfc3339;
use tidings_mail::correlate::{Correlator, Limits, LineAt, NoLookup};
use tidings_mail::envelope::{Format, Program, read};
use tidings_mail::message::{Folder, FolderLimits, Message};
use tidings_mail::provider::Providers;
use tidings_mail::{dovecot, postfix};

/// Folds logs, one after the other. A line begins with its time of day.
#[allow(
    dead_code,
    reason = "not all tests that share this module ask for messages"
)]
pub(crate) fn fold(logs: &[&str]) -> Vec<Message> {
    messages(&folded(logs))
}

/// The same with the folder itself.
#[allow(
    dead_code,
    reason = "not all tests that share this module ask for the folder"
)]
pub(crate) fn folded(logs: &[&str]) -> Folder {
    fold_and(logs, |_, _| {})
}

/// Folds a log, saving all state and reading it again after each line.
#[allow(dead_code, reason = "not all tests that share this module restart")]
pub(crate) fn fold_restarting(log: &str) -> Vec<Message> {
    let folder = fold_and(&[log], |state, folder| {
        let mut saved = Vec::new();
        state.save(&mut saved);
        *state = Correlator::restore(Limits::default(), &saved).unwrap();
        saved.clear();
        folder.save(&mut saved);
        let mut restored = new_folder();
        restored.restore(&saved).unwrap();
        // What is settled is somewhere else by then.
        if folder.settled_count() == 0 {
            *folder = restored;
        }
    });
    messages(&folder)
}

fn messages(folder: &Folder) -> Vec<Message> {
    let mut messages: Vec<Message> = folder.messages().collect();
    messages.sort_by_key(|message| (message.time_ns, message.id));
    messages
}

fn new_folder() -> Folder {
    Folder::new(
        FolderLimits::default(),
        Arc::new(Providers::builtin().clone()),
    )
}

fn fold_and(logs: &[&str], after_line: fn(&mut Correlator, &mut Folder)) -> Folder {
    let mut folder = new_folder();
    for (stream, log) in logs.iter().enumerate() {
        let mut state = Correlator::new(Limits::default());
        let lines = log.lines().map(str::trim).filter(|line| !line.is_empty());
        for (number, line) in lines.enumerate() {
            let line = format!("2026-11-22T{}", line.replacen(' ', "+00:00 ", 1));
            let mut drafts = Drafts::default();
            events(&mut state, stream as u32, number as u64, &line, &mut drafts);
            for event in drafts.iter() {
                folder.apply(event.header(), &event.pairs().collect::<Vec<_>>(), &mut ());
            }
            after_line(&mut state, &mut folder);
        }
    }
    folder
}

fn events(state: &mut Correlator, stream: u32, number: u64, line: &str, events: &mut Drafts) {
    let mut scratch = Vec::new();
    let envelope = read(line.as_bytes(), Format::Unknown, &mut scratch);
    let program = Program::of(envelope.tag, envelope.body);
    let at = LineAt {
        time_ns: parse_rfc3339(line.split(' ').next().unwrap()).unwrap(),
        host: envelope.host,
        tag: envelope.tag,
        listener: program.listener,
        service: program.service,
        pid: envelope.pid,
        stream,
        line: number,
        stream_key: u64::from(stream) + 1,
        repeated: 1,
    };
    if envelope.tag == b"dovecot" {
        state.dovecot(&at, &dovecot::read(&envelope), events);
    } else {
        let line = postfix::parse(program.service, envelope.body);
        state.postfix(&at, &line, &NoLookup, events);
    }
}
