//! Networks of machines, and addresses of web pages, as settings name them.

use std::net::IpAddr;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or one address.
    pub(crate) fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => most,
        };
        (bits <= most).then_some(Network { address, bits })
    }

    /// Whether an address is one of them.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let (own, other) = (u32::from(own), u32::from(other));
                (own ^ other)
                    .checked_shr(32 - u32::from(self.bits))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let (own, other) = (u128::from(own), u128::from(other));
                (own ^ other)
                    .checked_shr(128 - u32::from(self.bits))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

/// Whether a text is an origin as browsers send it: scheme and host in lower case, and the port where it
/// is not the usual one.
pub(super) fn is_origin(text: &str) -> bool {
    host_of(text).is_some_and(|host| {
        let is_plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte)
        };
        text.ends_with(host) && host.bytes().all(is_plain)
    })
}

/// Whether a text is an address that a browser can be sent to, with nothing in it that is no part of
/// what servers see (RFC 6749, 3.1.2).
pub(super) fn is_redirect(text: &str) -> bool {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    let has_user = host_of(text).is_some_and(|host| host.contains('@'));
    host_of(text).is_some()
        && is_visible
        && !has_user
        && !text.contains(['#', '"', '\'', '<', '>', ';', ','])
}

fn host_of(text: &str) -> Option<&str> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_the_addresses_that_begin_alike() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("fd00::/8", "fdff::1", true),
            ("::/0", "2001:db8::1", true),
            ("::1", "::1", true),
        ];
        for (network, address, is_in) in cases {
            let network = Network::parse(network).unwrap();
            assert_eq!(
                network.has(address.parse().unwrap()),
                is_in,
                "{network:?} {address}"
            );
        }
        for wrong in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "a/8",
            "10.0.0/8",
        ] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn origins_have_no_path() {
        for origin in ["https://a.test", "http://127.0.0.1:8080", "http://[::1]:1"] {
            assert!(is_origin(origin), "{origin}");
        }
        for wrong in [
            "*",
            "null",
            "https://",
            "https://a.test/",
            "https://A.test",
            "a.test",
            "ftp://a.test",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
        assert!(is_redirect("https://a.test/oauth/callback?x=1"));
        for wrong in [
            "https://a.test/#x",
            "javascript:alert(1)",
            "https://u@a.test/",
            "https://a.test/ b",
            "/cb",
        ] {
            assert!(!is_redirect(wrong), "{wrong}");
        }
    }
}
