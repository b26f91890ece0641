//! Secrets, which are never printed, and where they come from.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::SettingsError;

/// A file with a secret is not longer.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// A password or token. Neither `Debug` nor any error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be sent and to be kept nowhere.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretKey {
    /// It stands in the settings.
    Value(Secret),
    /// The environment variable of this name holds it.
    EnvironmentVariable(String),
    /// This file holds it; white space at its end is left out.
    File(PathBuf),
}

impl SecretKey {
    /// The secret itself, read now. `object` and `field` say where it is needed.
    ///
    /// # Errors
    /// When the variable or file is not there, cannot be read, or is empty.
    pub fn resolve(&self, object: &str, field: &str) -> Result<Secret, SettingsError> {
        let fail = |value: String, why: &str| SettingsError::new(object, field, value, why);
        match self {
            Self::Value(secret) if secret.0.is_empty() => {
                Err(fail(String::new(), "a secret that is not empty"))
            }
            Self::Value(secret) => Ok(secret.clone()),
            Self::EnvironmentVariable(name) => match std::env::var(name) {
                Ok(text) if !text.is_empty() => Ok(Secret(text)),
                _ => Err(fail(
                    format!("${name}"),
                    "an environment variable that is set, not empty, and UTF-8",
                )),
            },
            Self::File(path) => {
                let shown = path.display().to_string();
                let text = read_regular(path, MAX_FILE_BYTES)
                    .map_err(|error| fail(shown.clone(), &format!("a readable file: {error}")))?;
                let text = text.trim_end();
                if text.is_empty() {
                    return Err(fail(shown, "a file that is not empty"));
                }
                Ok(Secret(text.to_owned()))
            }
        }
    }
}

/// Reads a small text file that holds a secret, and nothing but a regular file: opening a FIFO
/// would wait for somebody to write to it, and a device need not end.
///
/// # Errors
/// When it is not there, is no regular file, is longer than `bytes_max`, or is not UTF-8.
pub fn read_regular(path: &Path, bytes_max: u64) -> io::Result<String> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new()
        .read(true)
        // No effect on regular files; everything else is refused below instead of waited for.
        .custom_flags(nonblocking)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() {
            "a directory"
        } else if kind.is_fifo() {
            "a FIFO"
        } else if kind.is_char_device() || kind.is_block_device() {
            "a device"
        } else {
            "something else"
        };
        return Err(io::Error::other(format!("it is {what}, no regular file")));
    }
    let mut text = String::new();
    file.take(bytes_max.saturating_add(1))
        .read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        let why = format!("it is longer than the {} KiB allowed", bytes_max >> 10);
        return Err(io::Error::other(why));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_read_and_nothing_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let long = directory.path().join("long");
        std::fs::write(&long, "x".repeat(70_000)).unwrap();
        for (path, why) in [
            (
                fifo.as_path(),
                "a readable file: it is a FIFO, no regular file",
            ),
            (
                directory.path(),
                "a readable file: it is a directory, no regular",
            ),
            (
                Path::new("/dev/zero"),
                "a readable file: it is a device, no regular",
            ),
            (
                &long,
                "a readable file: it is longer than the 64 KiB allowed",
            ),
        ] {
            let error = SecretKey::File(path.into()).resolve("Tracer", "httpAuth.secret");
            let error = error.unwrap_err().to_string();
            let expected = format!("httpAuth.secret is {path:?}: it must be {why}");
            assert!(error.contains(&expected), "{error}");
        }
    }
}
