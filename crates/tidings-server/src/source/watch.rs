//! Wakes the reader of a file when the file or its directory changes.
//!
//! The kernel's inotify tells of changes at once; a wait ends after a while in any case, because it
//! does not tell of changes that other machines make (NFS), and may have no room for another watch.
//! What changed is not looked at: to poll the file costs less than to be wrong about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::stop::Stop;

/// How long to wait where changes are told.
const TOLD: Duration = Duration::from_secs(1);

/// How long to wait where they are not.
const UNTOLD: Duration = Duration::from_millis(100);

/// Watches one followed file.
#[derive(Debug)]
pub(super) struct FileWatch {
    notify: Notify,
    stop: Stop,
}

impl FileWatch {
    /// Watches the file at `path`, which need not exist; gives up waiting when `stop` is set.
    pub(super) fn new(path: &Path, stop: Stop) -> FileWatch {
        FileWatch {
            notify: Notify::new(path),
            stop,
        }
    }

    /// Waits until the file or its directory has changed since the last wait, the stop signal is
    /// set, or a while has passed.
    pub(super) fn wait(&mut self) {
        let (news, is_told) = self.notify.renew();
        // What was written before the watch was set is seen only by another look at the file.
        if news {
            return;
        }
        let at_most = if is_told { TOLD } else { UNTOLD };
        self.stop.wait_or(self.notify.fd(), at_most);
        self.notify.drain();
    }
}

#[cfg(target_os = "linux")]
use linux::Notify;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init, remove_watch};

    use super::{Path, PathBuf};

    /// Files watched at a time: the followed one, and one that was renamed and may still be written.
    const FILES: usize = 2;

    #[derive(Debug)]
    pub(super) struct Notify {
        inotify: Option<OwnedFd>,
        dir: PathBuf,
        path: PathBuf,
        dir_watch: Option<i32>,
        /// The newest last.
        file_watches: Vec<i32>,
    }

    impl Notify {
        pub(super) fn new(path: &Path) -> Notify {
            let dir = match path.parent() {
                Some(dir) if dir != Path::new("") => dir,
                _ => Path::new("."),
            };
            Notify {
                inotify: init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok(),
                dir: dir.to_owned(),
                path: path.to_owned(),
                dir_watch: None,
                file_watches: Vec::new(),
            }
        }

        /// Sets what watches are missing: a file that is replaced is another one. Gives whether one
        /// is new, and whether changes of the directory are told.
        pub(super) fn renew(&mut self) -> (bool, bool) {
            let Some(inotify) = &self.inotify else {
                return (false, false);
            };
            // Not what is written: a directory of logs has many writers.
            let moves = WatchFlags::CREATE
                | WatchFlags::MOVED_TO
                | WatchFlags::MOVED_FROM
                | WatchFlags::DELETE;
            let dir_watch = add_watch(inotify, &self.dir, moves | WatchFlags::ONLYDIR).ok();
            let mut news = dir_watch.is_some() && dir_watch != self.dir_watch;
            self.dir_watch = dir_watch;
            let writes = WatchFlags::MODIFY | WatchFlags::ATTRIB;
            if let Ok(watch) = add_watch(inotify, &self.path, writes)
                && !self.file_watches.contains(&watch)
            {
                news = true;
                self.file_watches.push(watch);
                if self.file_watches.len() > FILES {
                    // Fails if the file is gone, and with it the watch.
                    let _ = remove_watch(inotify, self.file_watches.remove(0));
                }
            }
            (news, self.dir_watch.is_some())
        }

        pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
            self.inotify.as_ref().map(AsFd::as_fd)
        }

        /// Takes what was told so far.
        pub(super) fn drain(&mut self) {
            let Some(inotify) = &self.inotify else { return };
            let mut told = [0; 4096];
            while rustix::io::read(inotify, &mut told).is_ok_and(|bytes| bytes > 0) {}
        }
    }
}

#[cfg(not(target_os = "linux"))]
use elsewhere::Notify;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::os::fd::BorrowedFd;

    use super::Path;

    /// Nothing tells of changes.
    #[derive(Debug)]
    pub(super) struct Notify;

    impl Notify {
        pub(super) fn new(_path: &Path) -> Notify {
            Notify
        }

        pub(super) fn renew(&mut self) -> (bool, bool) {
            (false, false)
        }

        pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
            None
        }

        pub(super) fn drain(&mut self) {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::clock::Watch;

    /// How long a wait takes after this was done beside it.
    fn waited(watch: &mut FileWatch, change: impl FnOnce() + Send) -> Duration {
        std::thread::scope(|scope| {
            let begun = Watch::start();
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                change();
            });
            watch.wait();
            begun.elapsed()
        })
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn appended_created_and_renamed_files_wake_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mail.log");
        let stop = Stop::new().unwrap();
        let mut watch = FileWatch::new(&path, stop.clone());
        let early = Duration::from_millis(500);
        // The first wait only sets the watches.
        watch.wait();
        assert!(waited(&mut watch, || fs::write(&path, "a\n").unwrap()) < early);
        // The new file is watched from now on, which is news.
        watch.wait();
        let append = || {
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, b"b\n").unwrap();
        };
        assert!(waited(&mut watch, append) < early);
        assert!(
            waited(&mut watch, || fs::rename(
                &path,
                dir.path().join("mail.log.1")
            )
            .unwrap())
                < early
        );
        // Still written by a daemon that has not reopened it.
        let old = || fs::write(dir.path().join("mail.log.1"), "a\nb\nc\n").unwrap();
        assert!(waited(&mut watch, old) < early);
        let quiet = waited(&mut watch, || {
            fs::write(dir.path().join("mail.log.1"), "").unwrap()
        });
        assert!(quiet < early, "a truncated one wakes, too");
        while waited(&mut watch, || ()) < early {}
        assert!(waited(&mut watch, || stop.set()) < early);
    }

    #[test]
    fn a_directory_that_does_not_exist_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("later/mail.log");
        let mut watch = FileWatch::new(&path, Stop::new().unwrap());
        let begun = Watch::start();
        watch.wait();
        assert!(
            begun.elapsed() < Duration::from_millis(900),
            "without a watch it looks often"
        );
        fs::create_dir(dir.path().join("later")).unwrap();
        watch.wait();
        assert!(watch.notify.renew().1 || cfg!(not(target_os = "linux")));
    }
}
