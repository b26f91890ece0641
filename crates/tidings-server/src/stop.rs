//! The signal that ends a thread, and what wakes one that waits.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Tells threads to end; clones are the same signal.
#[derive(Clone, Debug)]
pub(crate) struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    is_set: AtomicBool,
    /// Readable for ever once the signal is set: its other end is shut.
    waker: UnixStream,
    other_end: UnixStream,
}

impl Stop {
    /// A signal that is not set. Fails only if the system gives no more file descriptors.
    pub(crate) fn new() -> std::io::Result<Stop> {
        let (waker, other_end) = UnixStream::pair()?;
        Ok(Stop(Arc::new(Inner {
            is_set: AtomicBool::new(false),
            waker,
            other_end,
        })))
    }

    /// Sets the signal, for good.
    pub(crate) fn set(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
        // Can only fail if it is shut already.
        let _ = self.0.other_end.shutdown(std::net::Shutdown::Both);
    }

    /// Whether it is set.
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::SeqCst)
    }

    /// Waits until it is set, but no longer than `at_most`.
    pub(crate) fn wait(&self, at_most: Duration) {
        self.wait_or(None, at_most);
    }

    /// Waits until it is set or `other` is readable, but no longer than `at_most`; may return early.
    pub(crate) fn wait_or(&self, other: Option<BorrowedFd<'_>>, at_most: Duration) {
        let waker = self.0.waker.as_fd();
        let mut fds = vec![PollFd::new(&waker, PollFlags::IN)];
        if let Some(other) = &other {
            fds.push(PollFd::new(other, PollFlags::IN));
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: at_most.subsec_nanos().into(),
        };
        // Fails when a signal interrupts it, or the system is out of memory; who waits in a loop must
        // not spin then.
        if poll(&mut fds, Some(&timeout)).is_err() {
            std::thread::sleep(Duration::from_millis(10).min(at_most));
        }
    }
}

/// Wakes a thread that waits for its stop signal, as often as there is news for it.
#[derive(Debug)]
pub(crate) struct Waker {
    reader: UnixStream,
    writer: UnixStream,
}

impl Waker {
    /// One that has no news. Fails only if the system gives no more file descriptors.
    pub(crate) fn new() -> std::io::Result<Waker> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Waker { reader, writer })
    }

    /// There is news.
    pub(crate) fn wake(&self) {
        // Where it is full of news already, the thread wakes in any case.
        let _ = (&self.writer).write(&[1]);
    }

    /// What to wait for besides the stop signal.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Forgets the news, which is looked at now.
    pub(crate) fn drain(&self) {
        let mut news = [0; 64];
        while (&self.reader).read(&mut news).is_ok_and(|bytes| bytes > 0) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Watch;

    #[test]
    fn who_waits_is_woken_at_once_and_never_waits_again() {
        let stop = Stop::new().unwrap();
        let watch = Watch::start();
        stop.wait(Duration::from_millis(30));
        assert!(watch.elapsed() >= Duration::from_millis(25));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| stop.wait(Duration::from_secs(60)));
            stop.clone().set();
            waiting.join().unwrap();
        });
        stop.wait(Duration::from_secs(60));
        assert!(watch.elapsed() < Duration::from_secs(10) && stop.is_set());
    }

    #[test]
    fn news_wakes_once() {
        let (stop, waker) = (Stop::new().unwrap(), Waker::new().unwrap());
        waker.wake();
        waker.wake();
        let watch = Watch::start();
        stop.wait_or(Some(waker.fd()), Duration::from_secs(60));
        assert!(watch.elapsed() < Duration::from_secs(10));
        waker.drain();
        stop.wait_or(Some(waker.fd()), Duration::from_millis(30));
        assert!(watch.elapsed() >= Duration::from_millis(25));
    }
}
