//! The address of a server: `https://mail.example.org:8443/prefix`, taken apart.

use std::fmt;

use crate::failure::Failure;

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// TLS is spoken.
    pub(super) is_tls: bool,
    /// Name or address, an IPv6 address without its brackets.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
    /// What stands before every path, without a slash at its end; empty mostly.
    pub(super) prefix: String,
}

impl Url {
    /// Reads `http://host`, `https://host:8443`, `http://[::1]:8080/prefix`.
    ///
    /// # Errors
    /// If the text is none of these; the message says what is allowed.
    pub(super) fn parse(text: &str) -> Result<Url, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!(
                "--server: {text:?} is no address of a server: {why}; write http:// or https://, \
                 a host, and a port if need be, as https://mail.example.org:8443"
            ))
        };
        let (is_tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some((scheme, _)) => return Err(wrong(&format!("it begins with {scheme:?}"))),
            None => return Err(wrong("it does not say how to reach it")),
        };
        if rest.contains(['?', '#', '\\'])
            || rest.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(wrong("it holds a character that has no place there"));
        }
        let (authority, prefix) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(wrong(
                "it holds a user or password, which TIDINGS_TOKEN is for",
            ));
        }
        let (host, port) = split_port(authority).ok_or_else(|| wrong("its port is no number"))?;
        if host.is_empty() || !prefix.is_ascii() {
            return Err(wrong("its host or path is missing or not ASCII"));
        }
        Ok(Url {
            is_tls,
            host: host.to_owned(),
            port: port.unwrap_or(if is_tls { 443 } else { 80 }),
            prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }

    /// The `Host` header.
    pub(super) fn authority(&self) -> String {
        let default = if self.is_tls { 443 } else { 80 };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == default {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

/// `host:port`, `[::1]:port`, either without port. `None` if the port is no number.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return match port.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => port.is_empty().then_some((host, None)),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((authority, None)),
    }
}

/// Appends `text` to a query, everything but unreserved characters (RFC 3986, 2.3) as `%XX`.
pub(super) fn push_encoded(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, host, port, prefix, back) in [
            (
                "http://localhost:8080",
                "localhost",
                8080,
                "",
                "http://localhost:8080",
            ),
            (
                "https://mail.example.org",
                "mail.example.org",
                443,
                "",
                "https://mail.example.org",
            ),
            (
                "https://a.org:443/t/",
                "a.org",
                443,
                "/t",
                "https://a.org/t",
            ),
            ("http://[::1]:81", "::1", 81, "", "http://[::1]:81"),
            (
                "http://[2001:db8::7]",
                "2001:db8::7",
                80,
                "",
                "http://[2001:db8::7]",
            ),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.prefix.as_str()),
                (host, port, prefix)
            );
            assert_eq!(url.to_string(), back);
        }
    }

    #[test]
    fn wrong_addresses_say_what_is_allowed() {
        for text in [
            "localhost:8080",
            "ftp://a",
            "http://",
            "http://a:port",
            "http://a:99999",
            "http://[::1",
            "http://[::1]x",
            "http://user:pw@a",
            "http://a b",
            "http://a/\r\nX: y",
            "http://a?x",
        ] {
            let error = Url::parse(text).unwrap_err().sentence();
            assert!(
                error.contains("write http:// or https://"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn queries_cannot_break_out() {
        let mut out = String::new();
        push_encoded(&mut out, "to:*@a.org & \"x\" é\r\n+");
        assert_eq!(out, "to%3A%2A%40a.org%20%26%20%22x%22%20%C3%A9%0D%0A%2B");
    }
}
