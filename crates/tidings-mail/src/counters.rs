//! The counters at the end of a session (since Postfix 3.0): `ehlo=1 mail=1 rcpt=1/2 data=1 quit=1`.

/// How many commands of this name, lower case, were accepted: of `rcpt=1/2`, one. 0 if there were
/// none, or nothing was counted.
pub(crate) fn taken(counters: &[u8], command: &[u8]) -> u64 {
    let mut words = counters.split(|byte| *byte == b' ');
    let count = words.find_map(|word| word.strip_prefix(command)?.strip_prefix(b"="));
    let count = count.and_then(|count| count.split(|byte| *byte == b'/').next());
    let count = count.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    count.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_counted() {
        let counters = b"ehlo=1 mail=1 rcpt=1/2 data=0/1 bdatx=3 quit=1 commands=4/6";
        let count = |command: &[u8]| taken(counters, command);
        assert_eq!([count(b"mail"), count(b"rcpt"), count(b"data")], [1, 1, 0]);
        assert_eq!([count(b"bdat"), taken(b"", b"mail")], [0, 0]);
        assert_eq!(taken(b"mail=99999999999999999999 mail", b"mail"), 0);
    }
}
