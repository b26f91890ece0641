//! Where in an object something stands.

use std::fmt;

/// The way from an object to a value in it: `condition/match/0`.
#[derive(Clone, Debug, Default)]
pub(super) struct Path(String);

impl Path {
    /// The object itself.
    pub(super) fn root() -> Path {
        Path::default()
    }

    /// A member of what this leads to.
    pub(super) fn then(&self, name: &str) -> Path {
        let name = name.replace('~', "~0").replace('/', "~1");
        if self.0.is_empty() {
            return Path(name);
        }
        Path(format!("{}/{name}", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.0
    }
}

/// The steps of a patch's key: a JSON pointer (RFC 6901) without the slash at its beginning.
pub(super) fn steps(key: &str) -> Vec<String> {
    key.split('/')
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_paths_escape_alike() {
        assert_eq!(steps("httpHeaders/X~1A~01"), ["httpHeaders", "X/A~1"]);
        assert_eq!(steps("url"), ["url"]);
        let path = Path::root().then("httpHeaders").then("X/A~1");
        assert_eq!(path.to_string(), "httpHeaders/X~1A~01");
    }
}
