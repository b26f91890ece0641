//! Events as entries of the systemd journal, by its native protocol.
//!
//! Each event is one datagram to journald's socket. One that is too large for a datagram goes into a
//! memory file, sealed against every change, whose descriptor is sent instead
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>). journald takes entries of up to 768 MiB; ours end at
//! the 16 MiB of a record. What journald does with them, and whether its rate limit drops some, it does
//! not tell the sender.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr,
};
use tidings_event::EventType;
use tidings_wire::journal::write_entry;

use crate::batch::Batch;
use crate::settings;
use crate::sink::{Batching, Failure, Outcome, Sink};

/// How long journald may take to make room before the driver looks after other things.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends events to journald.
#[derive(Debug)]
pub struct JournalSink {
    path: PathBuf,
    identifier: String,
    socket: UnixDatagram,
    entry: Vec<u8>,
}

impl JournalSink {
    /// A sink to the socket of the settings, which is tried with an empty datagram, as journald ignores
    /// it. `identifier` is the program's name: what `journalctl -t` looks for.
    ///
    /// # Errors
    /// When there is no socket, or nobody reads it.
    pub fn connect(settings: &settings::Journal, identifier: &str) -> io::Result<JournalSink> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        let sink = JournalSink {
            path: settings.socket.clone(),
            identifier: identifier.to_owned(),
            socket,
            entry: Vec::new(),
        };
        sink.send(&[])?;
        Ok(sink)
    }

    /// Sends an entry as a datagram, or as a memory file if it is too large for one.
    fn send(&self, entry: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send_to(entry, &self.path) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_too_large(&error) => return self.send_file(entry),
                Err(error) => return Err(error),
            }
        }
    }

    fn send_file(&self, entry: &[u8]) -> io::Result<()> {
        let file = sealed(entry)?;
        let files: [BorrowedFd<'_>; 1] = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fits = control.push(SendAncillaryMessage::ScmRights(&files));
        debug_assert!(fits, "the space was made for one descriptor");
        let address = SocketAddrUnix::new(&self.path)?;
        loop {
            let sent = sendmsg_addr(
                &self.socket,
                &address,
                &[IoSlice::new(&[])],
                &mut control,
                SendFlags::NOSIGNAL,
            );
            match sent {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Sink for JournalSink {
    fn deliver(&mut self, batch: &Batch<'_>) -> Outcome {
        for (delivered, item) in batch.events().enumerate() {
            let mut entry = std::mem::take(&mut self.entry);
            entry.clear();
            write_entry(
                &mut entry,
                &item.event,
                item.span_start.as_ref(),
                &self.identifier,
            );
            let sent = self.send(&entry);
            self.entry = entry;
            if let Err(error) = sent {
                return Outcome::RetryAfter {
                    delivered,
                    after: None,
                    failure: Failure::new(
                        EventType::TELEMETRY_JOURNAL_ERROR,
                        format!("cannot send to {}", self.path.display()),
                        error,
                    ),
                };
            }
        }
        Outcome::Delivered
    }

    fn batching(&self) -> Batching {
        Batching {
            events: 512,
            ..Batching::default()
        }
    }
}

/// Whether an entry does not fit into a datagram, or not into the socket's buffer.
fn is_too_large(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
        || code == Some(rustix::io::Errno::NOBUFS.raw_os_error())
}

/// A memory file with these bytes that nobody can change any more, as journald asks for.
fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = memfd_create(
        "tidings-journal",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&file, rest) {
            Ok(count) => rest = &rest[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
