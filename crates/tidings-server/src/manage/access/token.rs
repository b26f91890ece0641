//! Random secrets for programs, and what is kept of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// How the text of a kept hash begins.
const PREFIX: &str = "$sha256$";

/// What is kept of a random secret: it has 256 bits, so a plain hash cannot be searched through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Hash(pub(super) [u8; 32]);

impl Hash {
    /// Of a secret that somebody shows.
    pub(crate) fn of(secret: &[u8]) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, secret).as_ref());
        Hash(hash)
    }

    /// As it is kept in an object.
    pub(super) fn text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// Reads [`text`](Self::text).
    pub(super) fn parse(text: &str) -> Option<Hash> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        bytes.try_into().ok().map(Hash)
    }

    /// Base64 for addresses, as PKCE writes the hash of a verifier (RFC 7636, 4.2).
    pub(super) fn base64(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// The system gave no random bytes; nothing can be made then that has to be secret.
#[derive(Debug)]
pub(crate) struct NoRandom;

impl std::fmt::Display for NoRandom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the system gives no random bytes")
    }
}

impl std::error::Error for NoRandom {}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// A secret of 256 random bits: `tidk_` and 43 characters, say. What it begins with tells people and
/// scanners for lost secrets what it is.
pub(super) fn secret(prefix: &str) -> Result<String, NoRandom> {
    Ok(format!(
        "{prefix}{}",
        URL_SAFE_NO_PAD.encode(random::<32>()?)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_as_they_are_written() {
        let hash = Hash::of(b"abc");
        assert_eq!(hash.base64(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert_eq!(Hash::parse(&hash.text()), Some(hash));
        for text in ["", "$sha256$", "$sha256$AAAA", &hash.base64(), "$sha256$!"] {
            assert_eq!(Hash::parse(text), None, "{text}");
        }
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (secret("tidk_").unwrap(), secret("tidk_").unwrap());
        assert!(one.len() == 48 && one.starts_with("tidk_") && one != other);
    }
}
