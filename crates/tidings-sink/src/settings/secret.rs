//! Secrets, which are never printed, and where they come from.

use std::fmt;
use std::path::PathBuf;

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
                let text = read_small(path)
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

fn read_small(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
