//! Headers of every request: what the settings say, and how we sign in.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use tidings_event::base64;

use crate::settings::{HttpAuth, SettingsError};

/// The headers in their order, then `Authorization`; their values are marked as secret.
///
/// # Errors
/// When a name or value cannot be a header's, or a secret cannot be read. Values are not shown.
pub(super) fn headers(
    object: &str,
    headers: &[(String, String)],
    auth: &HttpAuth,
) -> Result<HeaderMap, SettingsError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            SettingsError::new(
                object,
                "httpHeaders",
                name,
                "names of letters, digits and hyphens",
            )
        })?;
        let field = format!("httpHeaders.{name}");
        map.append(header, secret(object, &field, value)?);
    }
    match auth {
        HttpAuth::Unauthenticated => {}
        HttpAuth::Basic {
            username,
            secret: key,
        } => {
            let password = key.resolve(object, "httpAuth.secret")?;
            let mut text = b"Basic ".to_vec();
            let pair = format!("{username}:{}", password.reveal());
            base64::push_encoded(&mut text, pair.as_bytes());
            let text = String::from_utf8(text).expect("base64 is ASCII");
            map.insert(AUTHORIZATION, secret(object, "httpAuth.secret", &text)?);
        }
        HttpAuth::Bearer { token } => {
            let field = "httpAuth.bearerToken";
            let token = token.resolve(object, field)?;
            let text = format!("Bearer {}", token.reveal());
            map.insert(AUTHORIZATION, secret(object, field, &text)?);
        }
    }
    Ok(map)
}

fn secret(object: &str, field: &str, text: &str) -> Result<HeaderValue, SettingsError> {
    let mut value = HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| SettingsError::new(object, field, "…", "text without control characters"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Secret, SecretKey};

    fn key(text: &str) -> SecretKey {
        SecretKey::Value(Secret::new(text))
    }

    #[test]
    fn secrets_are_sent_and_never_shown() {
        let basic = HttpAuth::Basic {
            username: "jo".to_owned(),
            secret: key("pässword"),
        };
        let extra = [("X-Scope".to_owned(), "hidden1".to_owned())];
        let map = headers("Tracer \"o\"", &extra, &basic).unwrap();
        assert_eq!(map[AUTHORIZATION], "Basic am86cMOkc3N3b3Jk");
        assert_eq!(map["x-scope"], "hidden1");
        let shown = format!("{map:?} {basic:?}");
        for hidden in ["hidden1", "am86", "pässword"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        let bearer = HttpAuth::Bearer {
            token: key("t0ken"),
        };
        let map = headers("Tracer \"o\"", &[], &bearer).unwrap();
        assert_eq!(map[AUTHORIZATION], "Bearer t0ken");
    }

    #[test]
    fn what_is_no_header_is_refused_without_its_value() {
        let bearer = HttpAuth::Bearer {
            token: key("two\nlines"),
        };
        let error = headers("Tracer \"o\"", &[], &bearer)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("httpAuth.bearerToken") && !error.contains("lines"),
            "{error}"
        );
        for (name, value) in [("", "x"), ("a b", "x"), ("a", "x\r\ny: z")] {
            let pair = [(name.to_owned(), value.to_owned())];
            let error = headers("o", &pair, &HttpAuth::Unauthenticated).unwrap_err();
            assert!(!error.to_string().contains("y: z"));
        }
    }
}
