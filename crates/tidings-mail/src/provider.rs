//! Tells which mail provider runs a server, from the server's host name: the groups that
//! "deferrals by provider" counts in.
//!
//! A group has a key (`google`), a name for people (`Google`) and host name suffixes. The longest
//! suffix that fits a host name decides. The built-in groups stand in `data/providers.txt`; an
//! admin's text in the same format adds groups or changes them:
//!
//! ```text
//! # key   name            suffixes; two blanks or a tab between the columns
//! google  Google          *.google.com *.googlemail.com
//!                         *.psmtp.com
//! ses     Amazon SES      *.amazonses.com inbound-smtp.*.amazonaws.com
//! ```
//!
//! `example.com` and `*.example.com` both mean the host of that name and all below it. A `*` inside
//! stands for exactly one label. A line that begins with white space continues the one above.

use std::fmt;
use std::sync::LazyLock;

/// A group of mail servers run by one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    key: Box<str>,
    name: Box<str>,
}

impl Provider {
    /// The stable text for filters and columns: lower-case letters, digits and hyphens.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// All known provider groups and their host name suffixes.
#[derive(Debug, Clone)]
pub struct Providers {
    groups: Vec<Provider>,
    suffixes: Vec<Suffix>,
    /// An open-addressing hash table over the tails of `suffixes`: index + 1, or 0 for free; a
    /// power of two in length and at most half full.
    slots: Box<[u32]>,
}

/// A line of a providers text that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    line: usize,
    problem: String,
}

impl ProviderError {
    /// The number of the line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the providers: {}", self.line, self.problem)
    }
}

impl std::error::Error for ProviderError {}

/// A host name pattern: `tail`, or `head.*.tail`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suffix {
    tail: Box<str>,
    head: Option<Box<str>>,
    group: u32,
}

static BUILTIN: LazyLock<Providers> = LazyLock::new(|| {
    Providers::empty()
        .extended(include_str!("../data/providers.txt"))
        .expect("the text is checked by the test `the_built_in_groups_are_well_formed`")
});

impl Providers {
    /// The built-in groups.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// The built-in groups and those of `text`. A key that exists gets the new name and the further
    /// suffixes; a suffix that another group has moves to the one named in `text`.
    ///
    /// # Errors
    /// The first line that cannot be used, and why.
    pub fn with(text: &str) -> Result<Self, ProviderError> {
        BUILTIN.clone().extended(text)
    }

    /// The group of a server's host name, by the longest suffix that fits; upper and lower case are
    /// alike, a final dot does not matter. `None` for unknown hosts and for addresses.
    #[must_use]
    pub fn by_host<T: AsRef<[u8]> + ?Sized>(&self, host: &T) -> Option<&Provider> {
        let host = host.as_ref();
        let host = host.strip_suffix(b".").unwrap_or(host);
        let mut hash = HASH_SEED;
        let mut best: Option<(usize, u32)> = None;
        for (i, &byte) in host.iter().enumerate().rev() {
            hash = hash_step(hash, byte);
            let is_label_start = i == 0 || host[i - 1] == b'.';
            if is_label_start
                && let Some(found) = self.probe(hash, host, i)
                && best.is_none_or(|(length, _)| found.0 > length)
            {
                best = Some(found);
            }
        }
        best.map(|(_, group)| &self.groups[group as usize])
    }

    /// The group with this key.
    #[must_use]
    pub fn by_key(&self, key: &str) -> Option<&Provider> {
        self.groups.iter().find(|group| &*group.key == key)
    }

    /// All groups, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.groups.iter()
    }

    /// The longest pattern whose tail is the part of `host` from `at`: its length and group.
    fn probe(&self, hash: u64, host: &[u8], at: usize) -> Option<(usize, u32)> {
        let tail = &host[at..];
        let mut best: Option<(usize, u32)> = None;
        let mut slot = self.slot_of(hash);
        while let Some(index) = self.slots[slot].checked_sub(1) {
            let suffix = &self.suffixes[index as usize];
            if tail.eq_ignore_ascii_case(suffix.tail.as_bytes())
                && let Some(start) = suffix.start(host, at)
                && best.is_none_or(|(length, _)| host.len() - start > length)
            {
                best = Some((host.len() - start, suffix.group));
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        best
    }

    /// Where the search for a hash begins; the length of `slots` is a power of two. The high half
    /// of the product is where all bits of the hash have mixed.
    fn slot_of(&self, hash: u64) -> usize {
        (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (self.slots.len() - 1)
    }

    fn empty() -> Self {
        Self {
            groups: Vec::new(),
            suffixes: Vec::new(),
            slots: vec![0; 2].into_boxed_slice(),
        }
    }

    fn extended(mut self, text: &str) -> Result<Self, ProviderError> {
        let mut current = None;
        let mut added = Vec::new();
        for (i, line) in text.lines().enumerate() {
            self.line(line, &mut current, &mut added)
                .map_err(|problem| ProviderError {
                    line: i + 1,
                    problem,
                })?;
        }
        self.index();
        Ok(self)
    }

    /// Takes one line; `added` are the suffixes of this text, which may not stand in it twice.
    fn line(
        &mut self,
        line: &str,
        current: &mut Option<u32>,
        added: &mut Vec<String>,
    ) -> Result<(), String> {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            return Ok(());
        }
        let suffixes = if line.starts_with([' ', '\t']) {
            line
        } else {
            let (key, name, suffixes) = columns(line)?;
            *current = Some(self.group(key, name)?);
            suffixes
        };
        let group = current.ok_or("a continuation without a line above it")?;
        for pattern in suffixes.split_whitespace() {
            if added.iter().any(|known| known == pattern) {
                return Err(format!("{pattern:?} stands twice"));
            }
            added.push(pattern.to_owned());
            self.add(pattern, group)?;
        }
        Ok(())
    }

    fn group(&mut self, key: &str, name: &str) -> Result<u32, String> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !key.bytes().all(allowed) {
            return Err(format!(
                "the key {key:?} may hold lower-case letters, digits and hyphens only"
            ));
        }
        if let Some(at) = self.groups.iter().position(|group| &*group.key == key) {
            self.groups[at].name = name.into();
            return Ok(at as u32); // fewer than 2^32 groups: each took a line of text
        }
        self.groups.push(Provider {
            key: key.into(),
            name: name.into(),
        });
        Ok(self.groups.len() as u32 - 1)
    }

    fn add(&mut self, pattern: &str, group: u32) -> Result<(), String> {
        let suffix = Suffix::parse(pattern, group)?;
        let same = |old: &&mut Suffix| old.tail == suffix.tail && old.head == suffix.head;
        match self.suffixes.iter_mut().find(same) {
            Some(old) => old.group = group,
            None => self.suffixes.push(suffix),
        }
        Ok(())
    }

    fn index(&mut self) {
        let length = (2 * self.suffixes.len() + 2).next_power_of_two();
        self.slots = vec![0; length].into_boxed_slice();
        for (i, suffix) in self.suffixes.iter().enumerate() {
            let hash = suffix.tail.bytes().rev().fold(HASH_SEED, hash_step);
            let mut slot = self.slot_of(hash);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (length - 1);
            }
            self.slots[slot] = i as u32 + 1; // fewer than 2^32 suffixes: each took text
        }
    }
}

impl Suffix {
    fn parse(pattern: &str, group: u32) -> Result<Self, String> {
        let plain = pattern.strip_prefix("*.").unwrap_or(pattern);
        let (head, tail) = match plain.split_once(".*.") {
            Some((head, tail)) => (Some(head), tail),
            None => (None, plain),
        };
        let is_name = |name: &str| name.split('.').all(is_label);
        if !is_name(tail) || !head.is_none_or(is_name) {
            return Err(format!(
                "{pattern:?} is not a host name suffix such as *.example.com or mx.*.example.com"
            ));
        }
        if !tail.contains('.') {
            return Err(format!("{pattern:?} names a whole top-level domain"));
        }
        Ok(Self {
            tail: tail.to_ascii_lowercase().into(),
            head: head.map(|head| head.to_ascii_lowercase().into()),
            group,
        })
    }

    /// Where the pattern starts in `host`, whose part from `at` is the tail; `None` if the labels
    /// before it do not fit `head.*.`.
    fn start(&self, host: &[u8], at: usize) -> Option<usize> {
        let Some(head) = &self.head else {
            return Some(at);
        };
        let before = host[..at].strip_suffix(b".")?;
        let dot = memchr::memrchr(b'.', before)?;
        let start = dot.checked_sub(head.len())?;
        let fits = host[start..dot].eq_ignore_ascii_case(head.as_bytes())
            && (start == 0 || host[start - 1] == b'.');
        fits.then_some(start)
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !label.is_empty() && label.bytes().all(allowed)
}

/// Key, name and suffixes of a line: separated by two blanks or more, or tabs.
fn columns(line: &str) -> Result<(&str, &str, &str), String> {
    let problem = "a group is `key  Name  suffixes`, with two blanks or a tab between the columns";
    let (key, rest) = column(line).ok_or(problem)?;
    let (name, suffixes) = column(rest).ok_or(problem)?;
    Ok((key, name, suffixes))
}

fn column(text: &str) -> Option<(&str, &str)> {
    let end = match (text.find("  "), text.find('\t')) {
        (Some(a), Some(b)) => a.min(b),
        (a, b) => a.or(b)?,
    };
    Some((&text[..end], text[end..].trim_start()))
}

/// A hash of the bytes from the last to the first, so that one pass over a host name gives the hash
/// of each of its suffixes. A collision costs a comparison, nothing else.
const HASH_SEED: u64 = 0;

fn hash_step(hash: u64, byte: u8) -> u64 {
    hash.rotate_left(5) ^ u64::from(byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(host: &str) -> Option<&'static str> {
        Providers::builtin().by_host(host).map(Provider::key)
    }

    #[test]
    fn the_built_in_groups_are_well_formed() {
        let text = include_str!("../data/providers.txt");
        let providers = Providers::empty().extended(text).map_err(|e| e.to_string());
        let providers = providers.expect("providers.txt");
        assert!(
            providers.groups.len() >= 90,
            "{} groups",
            providers.groups.len()
        );
        for (i, group) in providers.groups.iter().enumerate() {
            let owned = providers.suffixes.iter().any(|s| s.group as usize == i);
            assert!(owned, "{} has no suffix", group.key);
        }
    }

    #[test]
    fn known_servers() {
        for (host, key) in [
            ("gmail-smtp-in.l.google.com", "google"),
            ("ALT1.ASPMX.L.GOOGLE.COM.", "google"),
            ("example-com.mail.protection.outlook.com", "microsoft"),
            ("mta7.am0.yahoodns.net", "yahoo"),
            ("mx01.mail.icloud.com", "apple"),
            ("mx00.emig.gmx.net", "united-internet"),
            ("mx-ha.web.de", "united-internet"),
            ("mxa-00123456.gslb.pphosted.com", "proofpoint"),
            ("inbound-smtp.eu-west-1.amazonaws.com", "amazon-ses"),
            ("route1.mx.cloudflare.net", "cloudflare"),
        ] {
            assert_eq!(key_of(host), Some(key), "{host}");
        }
        for host in [
            "mx.example.org",
            "notgoogle.com.example",
            "evilgoogle.com",
            "ec2-192-0-2-1.eu-west-1.compute.amazonaws.com",
            "xinbound-smtp.eu-west-1.amazonaws.com",
            "inbound-smtp.amazonaws.com",
            "192.0.2.1",
            "com",
            ".",
            "",
        ] {
            assert_eq!(key_of(host), None, "{host}");
        }
    }

    #[test]
    fn the_longest_suffix_decides() {
        let text = "big  Big One  example.com\nsmall  Small  *.mx.example.com";
        let providers = Providers::with(text).unwrap();
        let name = |host: &str| providers.by_host(host).map(Provider::name);
        assert_eq!(name("a.mx.example.com"), Some("Small"));
        assert_eq!(name("MX.example.com"), Some("Small"));
        assert_eq!(name("example.com"), Some("Big One"));
        assert_eq!(name("notmx.example.com"), Some("Big One"));
    }

    #[test]
    fn an_admin_extends_and_overrides() {
        let text =
            "google\tMy Google\tmx.example.net\nown\tOwn  aspmx.l.google.com\n  mx2.example.net";
        let providers = Providers::with(text).unwrap();
        let of = |host: &str| providers.by_host(host).map(|p| (p.key(), p.name()));
        assert_eq!(of("mx.example.net"), Some(("google", "My Google")));
        assert_eq!(of("aspmx.l.google.com"), Some(("own", "Own")));
        assert_eq!(of("mx2.example.net"), Some(("own", "Own")));
        assert_eq!(of("smtp.google.com"), Some(("google", "My Google")));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, line, part) in [
            ("# fine\nbad", 2, "two blanks"),
            ("  *.example.com", 1, "continuation"),
            ("Bad Key  Name  a.example", 1, "lower-case"),
            ("a  A  b..example", 1, "\"b..example\" is not"),
            ("a  A  com", 1, "top-level"),
            ("a  A  *", 1, "is not a host name"),
            ("a  A  b.example b.example", 1, "twice"),
        ] {
            let error = Providers::with(text).unwrap_err();
            assert_eq!(error.line(), line, "{text}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }

    /// The hash table and a plain search over all suffixes agree.
    #[test]
    fn the_index_finds_what_a_plain_search_finds() {
        let providers = Providers::builtin();
        for suffix in providers.suffixes.iter().filter(|s| s.head.is_none()) {
            let host = format!("mx7.{}", suffix.tail.to_ascii_uppercase());
            let longest = providers
                .suffixes
                .iter()
                .filter(|s| {
                    s.head.is_none()
                        && format!(".{host}")
                            .to_lowercase()
                            .ends_with(&format!(".{}", s.tail))
                })
                .max_by_key(|s| s.tail.len())
                .unwrap();
            let expected = &providers.groups[longest.group as usize];
            assert_eq!(providers.by_host(&host), Some(expected), "{host}");
        }
    }
}
