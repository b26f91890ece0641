//! Tells systemd how the service is (`sd_notify(3)`), where it was started as one.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends a state such as `READY=1`; does nothing where nobody listens.
pub(crate) fn tell(state: &str) {
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET") {
        // Who started the service does not hear it then; the service is none the worse.
        let _ = send(&address, state);
    }
}

/// Sends to a path, or to an abstract name behind `@`.
fn send(address: &OsStr, state: &str) -> io::Result<()> {
    let address = match address.as_bytes().split_first() {
        #[cfg(target_os = "linux")]
        Some((b'@', name)) => {
            <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)?
        }
        _ => SocketAddr::from_pathname(address)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_reach_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1").unwrap();
        let mut got = [0; 16];
        let length = socket.recv(&mut got).unwrap();
        assert_eq!(&got[..length], b"READY=1");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn states_reach_an_abstract_name() {
        let name = format!("tidings-test-{}", std::process::id());
        let address =
            <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
        let mut got = [0; 16];
        let length = socket.recv(&mut got).unwrap();
        assert_eq!(&got[..length], b"STOPPING=1");
    }
}
