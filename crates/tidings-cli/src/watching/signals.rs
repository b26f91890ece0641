//! Signals, as something to be asked: a view ends in order, with the terminal as it was.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::flag;

use crate::failure::Failure;

/// The signals that came. Registered once, for the rest of the process.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
    suspend: Arc<AtomicBool>,
}

impl Signals {
    /// Catches what ends a program. A second one ends it at once, should the first not be noticed.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn catch() -> Result<Signals, Failure> {
        Signals::register()
            .map_err(|error| Failure::usage("cannot catch signals here").because(error))
    }

    fn register() -> io::Result<Signals> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Signals {
            stop,
            suspend: Arc::default(),
        })
    }

    /// Catches SIGTSTP too: a full screen has to be left before the process may stop.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn catch_suspend(&self) -> io::Result<()> {
        flag::register(SIGTSTP, Arc::clone(&self.suspend)).map(|_| ())
    }

    /// Whether to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether the process was asked to stop for a while, since this was asked last.
    pub(crate) fn take_suspend(&self) -> bool {
        self.suspend.swap(false, Ordering::Relaxed)
    }
}

/// Stops the process until it is told to go on, as SIGTSTP does where nobody catches it.
pub(crate) fn suspend() -> io::Result<()> {
    signal_hook::low_level::emulate_default_handler(SIGTSTP)
}
