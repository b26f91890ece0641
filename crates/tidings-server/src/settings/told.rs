//! What the checks of outputs say, in the words of the settings file.
//!
//! They name the fields of the management API (`httpAuth.secret`), which are not what stands in the file
//! (`secret_file`).

use std::path::Path;

use tidings_cli::Failure;
use tidings_sink::settings::{HttpAuth, SecretKey, SettingsError};

use super::read::{Table, is_hidden};

/// The places that a secret can come from, as settings.
pub(super) const SECRETS: [&str; 3] = ["secret", "secret_file", "secret_env"];

/// The error as one of this table: with the line and the name of the setting as they are written.
pub(super) fn told(table: &Table, path: &Path, error: &SettingsError) -> Failure {
    let given = |name: &&&str| table.given(name).is_some();
    let secret = SECRETS.iter().find(given).unwrap_or(&"secret_file");
    let setting = setting_of(&error.field, secret);
    let key = setting.split('.').next().unwrap_or_default();
    let name = format!("{}.{setting}", table.name());
    let why = if error.value.is_empty() && table.given(key).is_none() {
        format!("{name} is not set: it must be {}", error.allowed)
    } else {
        sentence(&name, key, error)
    };
    table.wrong(path, key, &why)
}

/// The same where the file is not at hand: while an output is made, which reads secrets. `section` is
/// where its settings stand, `auth` tells where its secret comes from.
pub(crate) fn in_words_of_the_file(
    section: &str,
    error: &SettingsError,
    auth: &HttpAuth,
) -> String {
    let secret = match auth {
        HttpAuth::Basic { secret: key, .. } | HttpAuth::Bearer { token: key } => match key {
            SecretKey::Value(_) => "secret",
            SecretKey::File(_) => "secret_file",
            SecretKey::EnvironmentVariable(_) => "secret_env",
        },
        HttpAuth::Unauthenticated => "secret",
    };
    let setting = setting_of(&error.field, secret);
    let key = setting.split('.').next().unwrap_or_default();
    sentence(&format!("{section}.{setting}"), key, error)
}

fn sentence(name: &str, key: &str, error: &SettingsError) -> String {
    let SettingsError { value, allowed, .. } = error;
    if is_hidden(key, value) {
        format!("{name} = (not shown): it must be {allowed}")
    } else {
        format!("{name} = {value:?}: it must be {allowed}")
    }
}

/// The setting that a field of the management API is: `eventsPolicy` is `events_policy`. `secret` is the
/// one that a secret comes from.
fn setting_of(field: &str, secret: &str) -> String {
    match field.split_once('.') {
        Some(("httpAuth", "type")) => "http_auth".to_owned(),
        Some(("httpAuth", "secret" | "bearerToken")) => secret.to_owned(),
        Some(("httpAuth", other)) => snake(other),
        Some((field, name)) => format!("{}.{name}", snake(field)),
        None => snake(field),
    }
}

fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
