//! The socket in the data directory, through which the other verbs find a running server.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tidings_cli::{Failure, SOCKET_NAME};

/// Owner and group may ask.
const MODE: u32 = 0o660;

/// The socket's file; removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever finds a socket that nobody answers at goes to the directory itself.
        let _ = fs::remove_file(&self.0);
    }
}

/// Listens at `tidings.sock` in the directory, which this process must have locked: a socket that is
/// there already is nobody's.
///
/// The socket is made in a directory that only this user can enter, and moved to its place when its
/// rights are set, so that it can never be opened by others, and is always there or not there.
pub(super) fn listen(dir: &Path) -> Result<(UnixListener, SocketFile), Failure> {
    let path = dir.join(SOCKET_NAME);
    let cannot = |error: io::Error| {
        Failure::data(format!("cannot make the socket {}", path.display())).because(match error.kind() {
            // What the system says of it ("path must be shorter than SUN_LEN") helps nobody.
            io::ErrorKind::InvalidInput => io::Error::other(
                "the path is too long for a socket, which has at most 107 bytes; choose a data directory with a \
                 shorter path, or a link to it",
            ),
            _ => error,
        })
    };
    // No longer than the final path, so that its length is not what fails.
    let making = dir.join(".sock");
    let made = making.join("s");
    // What a server that was killed while it started has left.
    let _ = fs::remove_file(&made);
    let _ = fs::remove_dir(&making);
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&making)
        .map_err(cannot)?;
    let listener = bind(&made, &path);
    let _ = fs::remove_dir(&making);
    let listener = listener.map_err(cannot)?;
    Ok((listener, SocketFile(path)))
}

fn bind(made: &Path, path: &Path) -> io::Result<UnixListener> {
    check_length(path)?;
    let listener = UnixListener::bind(made)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(made, fs::Permissions::from_mode(MODE))?;
    let moved = fs::rename(made, path);
    if moved.is_err() {
        let _ = fs::remove_file(made);
    }
    moved.map(|()| listener)
}

/// The final path is longer than the one that is bound: clients could not open it.
fn check_length(path: &Path) -> io::Result<()> {
    std::os::unix::net::SocketAddr::from_pathname(path).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_socket_replaces_a_stale_one_and_goes_with_its_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET_NAME);
        drop(UnixListener::bind(&path).unwrap());
        assert!(
            UnixStream::connect(&path).is_err(),
            "nobody answers at a stale socket"
        );
        let (listener, file) = listen(dir.path()).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o660
        );
        let names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [SOCKET_NAME]);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn a_path_that_is_too_long_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("x".repeat(100));
        fs::create_dir(&deep).unwrap();
        let sentence = listen(&deep).map(|_| ()).unwrap_err().sentence();
        assert!(sentence.contains("at most 107 bytes"), "{sentence}");
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }
}
