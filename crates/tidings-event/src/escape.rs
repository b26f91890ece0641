//! Which characters are dangerous in output that people read, and the one loop that escapes them.

/// Whether a character can disturb what is around it on a screen: C1 controls (some terminals obey
/// them), the line and paragraph separators, and the controls of bidirectional text, which can show
/// a line in another order than it is stored. C0 controls and DEL are ASCII and are up to the form.
pub(crate) fn is_hazard(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}' | '\u{200f}'
        | '\u{2028}' | '\u{2029}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

/// The bytes at which [`push_escaped`] has to look closer: those ASCII characters that a form
/// escapes, and the lead bytes of every [hazard](is_hazard).
pub(crate) const fn stops(ascii: &[u8]) -> [bool; 256] {
    let mut stops = [false; 256];
    let mut at = 0;
    while at < 0x20 {
        stops[at] = true;
        at += 1;
    }
    stops[0x7f] = true;
    stops[0xc2] = true;
    stops[0xd8] = true;
    stops[0xe2] = true;
    let mut at = 0;
    while at < ascii.len() {
        stops[ascii[at] as usize] = true;
        at += 1;
    }
    stops
}

/// Appends `text`, with `escape` called for every C0 control, DEL, hazard, and ASCII character that
/// `stops` was made with.
pub(crate) fn push_escaped(
    out: &mut Vec<u8>,
    text: &str,
    stops: &[bool; 256],
    escape: impl Fn(&mut Vec<u8>, char),
) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = skim(bytes);
    while let Some(step) = bytes[at..]
        .iter()
        .position(|byte| stops[usize::from(*byte)])
    {
        at += step;
        let c = text[at..]
            .chars()
            .next()
            .expect("a stop is the first byte of a character");
        let end = at + c.len_utf8();
        if c.is_ascii() || is_hazard(c) {
            out.extend_from_slice(&bytes[copied..at]);
            escape(out, c);
            copied = end;
        }
        at = end;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// The length of the longest run of whole words of eight bytes at the start that holds nothing that
/// any form escapes: most texts hold nothing at all, and this skims over them.
pub(crate) fn skim(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    /// The high bit of each byte that is zero, possibly with those of bytes above a zero one.
    const fn zeros(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & HIGHS
    }
    let (words, _) = bytes.as_chunks::<8>();
    let is_plain = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let special =
            zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c)) | zeros(word ^ (ONES * 0x7f));
        (word | control | special) & HIGHS == 0
    };
    8 * words.iter().take_while(|word| is_plain(word)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_hazard_has_a_stop() {
        let stops = stops(&[]);
        for c in (0..=0x10_ffffu32)
            .filter_map(char::from_u32)
            .filter(|c| is_hazard(*c))
        {
            let lead = c.encode_utf8(&mut [0; 4]).as_bytes()[0];
            assert!(stops[usize::from(lead)], "{c:?}");
        }
    }

    #[test]
    fn only_what_is_dangerous_is_escaped() {
        static STOPS: [bool; 256] = stops(b"\"");
        let mut out = Vec::new();
        push_escaped(
            &mut out,
            "é\"\u{a0}\u{2026}\u{202e}x\u{7f}\u{633}\u{61c}",
            &STOPS,
            |out, c| {
                out.extend_from_slice(format!("<{:x}>", u32::from(c)).as_bytes());
            },
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "é<22>\u{a0}\u{2026}<202e>x<7f>\u{633}<61c>"
        );
    }

    proptest! {
        /// Skimming over plain text leaves nothing out, wherever it stands.
        #[test]
        fn what_is_skimmed_is_plain(bytes in proptest::collection::vec(any::<u8>(), 0..40), at in 0usize..40, special in any::<u8>()) {
            static STOPS: [bool; 256] = stops(b"\"\\");
            let mut plain: Vec<u8> = bytes.iter().map(|byte| byte % 0x5c).map(|byte| byte.max(0x23)).collect();
            prop_assert_eq!(skim(&plain), plain.len() / 8 * 8);
            if let Some(byte) = plain.get_mut(at) {
                *byte = special;
                let skimmed = skim(&plain);
                prop_assert!(!plain[..skimmed].iter().any(|byte| STOPS[usize::from(*byte)] || !byte.is_ascii()));
            }
        }
    }
}
