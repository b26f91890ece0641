//! Whole numbers and IP addresses as text, appended without an allocation.

use std::io::Write;
use std::net::IpAddr;

/// Appends `number` in decimal.
pub fn push_u64(out: &mut Vec<u8>, number: u64) {
    let mut text = [0u8; 20];
    out.extend_from_slice(write_u64(&mut text, number));
}

/// Appends `number` in decimal, with `-` in front if it is negative.
pub fn push_i64(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push_u64(out, number.unsigned_abs());
}

/// Appends `number` with zeros in front, at least `width` digits.
pub(crate) fn push_padded(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut text = [0u8; 20];
    let digits = write_u64(&mut text, number);
    out.extend(std::iter::repeat_n(
        b'0',
        width.saturating_sub(digits.len()),
    ));
    out.extend_from_slice(digits);
}

/// Appends an IP address in its canonical text. (IPv4 by hand: `Display` takes several times longer.)
pub fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            let mut text = [0u8; 15];
            let mut end = 0;
            for (at, octet) in ip.octets().into_iter().enumerate() {
                if at > 0 {
                    text[end] = b'.';
                    end += 1;
                }
                for (unit, least) in [(100, 100), (10, 10), (1, 0)] {
                    if octet >= least {
                        text[end] = b'0' + octet / unit % 10;
                        end += 1;
                    }
                }
            }
            out.extend_from_slice(&text[..end]);
        }
        IpAddr::V6(ip) => write!(out, "{ip}").expect("writing to memory does not fail"),
    }
}

/// Writes `number` to the end of `text` and gives the part that was written.
pub(crate) fn write_u64(text: &mut [u8; 20], mut number: u64) -> &[u8] {
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &text[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_rust_displays_them() {
        for text in [
            "0.0.0.0",
            "203.0.113.9",
            "255.255.255.255",
            "2001:db8::1",
            "::ffff:1.2.3.4",
        ] {
            let mut out = Vec::new();
            push_ip(&mut out, text.parse().unwrap());
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn numbers_are_written_as_rust_displays_them() {
        for number in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_u64(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
        for number in [0, -1, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            push_i64(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
        let mut out = Vec::new();
        push_padded(&mut out, 7, 3);
        push_padded(&mut out, 12_345, 3);
        assert_eq!(out, b"00712345");
    }
}
