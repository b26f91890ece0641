//! Where the history is and which configuration applies: the options that every verb takes.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::Failure;

/// Name of the server's socket in the data directory.
pub const SOCKET_NAME: &str = "tidings.sock";

/// Where the history of the machine's own service is.
pub(crate) const SYSTEM_DATA: &str = "/var/lib/tidings";

/// The options that every verb takes, as far as they reach beyond the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Globals {
    /// The data directory.
    pub data: PathBuf,
    /// The configuration file, where one was named.
    pub config: Option<PathBuf>,
    /// The server to ask instead of the data directory.
    pub server: Option<String>,
    /// The token that the server at a URL is to be shown, from `TIDINGS_TOKEN`.
    pub token: Option<String>,
}

impl Globals {
    /// The socket of the server that runs on the data directory, if one does.
    pub fn socket(&self) -> PathBuf {
        self.data.join(SOCKET_NAME)
    }
}

/// The data directory where neither `--data` nor `TIDINGS_DATA` names one: `/var/lib/tidings` for
/// root, else `tidings` in the XDG data folder.
///
/// # Errors
/// If there is neither an absolute `XDG_DATA_HOME` nor a `HOME`.
pub(crate) fn default_data(
    is_root: bool,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, Failure> {
    if is_root {
        return Ok(PathBuf::from(SYSTEM_DATA));
    }
    let folder = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    folder("XDG_DATA_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".local/share")))
        .map(|folder| folder.join("tidings"))
        .ok_or_else(|| {
            Failure::usage(
                "no data directory: HOME is not set, so name one with --data DIR or TIDINGS_DATA",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_depends_on_who_asks() {
        let with = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            }
        };
        let home = with(&[("HOME", "/home/a")]);
        let xdg = with(&[("HOME", "/home/a"), ("XDG_DATA_HOME", "/d")]);
        let relative = with(&[("HOME", "/home/a"), ("XDG_DATA_HOME", "d")]);
        let path = |is_root, variable: &dyn Fn(&str) -> Option<OsString>| {
            default_data(is_root, variable)
                .unwrap()
                .display()
                .to_string()
        };
        assert_eq!(path(true, &xdg), "/var/lib/tidings");
        assert_eq!(path(false, &home), "/home/a/.local/share/tidings");
        assert_eq!(path(false, &xdg), "/d/tidings");
        assert_eq!(path(false, &relative), "/home/a/.local/share/tidings");
        assert!(default_data(false, &with(&[])).is_err());
    }
}
