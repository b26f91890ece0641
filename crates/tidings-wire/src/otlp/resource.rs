//! What all telemetry of one sender has in common: its resource and its scope.

use std::fmt;

use super::attributes::push_text;
use super::proto::{BYTES, bytes, tag};

/// A name and a text.
pub type Attribute = (String, String);

/// Who sends: attributes such as `service.name`, each name once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    attributes: Vec<Attribute>,
}

impl Resource {
    /// The resource of a service: `service.name`, `service.version`, and `telemetry.sdk.*`, which
    /// OpenTelemetry wants from whoever makes telemetry.
    pub fn new(service: &str, version: &str) -> Resource {
        let attributes = [
            ("service.name", service),
            ("service.version", version),
            ("telemetry.sdk.name", "tidings"),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ];
        Resource {
            attributes: attributes.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
        }
    }

    /// Sets an attribute; the later value of a name holds.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Resource {
        match self.attributes.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value.to_owned(),
            None => self.attributes.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Sets what the environment says: `attributes` is the value of `OTEL_RESOURCE_ATTRIBUTES`
    /// (`name=value,name=value`, each percent-encoded where it has to be), `service` that of
    /// `OTEL_SERVICE_NAME`, which comes before a `service.name` in the other
    /// (OpenTelemetry, "Resource SDK"). Empty values are as if they were not there.
    ///
    /// # Errors
    /// If `attributes` is not such a list; then none of them holds, as the specification says.
    pub fn with_environment(
        self,
        attributes: Option<&str>,
        service: Option<&str>,
    ) -> Result<Resource, BadAttributes> {
        let mut resource = self;
        for (name, value) in parse_attributes(attributes.unwrap_or_default())? {
            resource = resource.with(&name, &value);
        }
        if let Some(service) = service.filter(|name| !name.is_empty()) {
            resource = resource.with("service.name", service);
        }
        Ok(resource)
    }

    /// The attributes, in the order in which they were first set.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }
}

/// A value of `OTEL_RESOURCE_ATTRIBUTES` that is no list of names and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAttributes(String);

impl fmt::Display for BadAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "OTEL_RESOURCE_ATTRIBUTES has {:?}: write name=value,name=value, with what is not a \
             letter, a digit or one of -._~ percent-encoded",
            self.0
        )
    }
}

impl std::error::Error for BadAttributes {}

fn parse_attributes(text: &str) -> Result<Vec<Attribute>, BadAttributes> {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let attribute = |item: &str| {
        let (name, value) = item.split_once('=')?;
        let (name, value) = (decoded(name.trim())?, decoded(value.trim())?);
        (!name.is_empty()).then_some((name, value))
    };
    items
        .map(|item| attribute(item).ok_or_else(|| BadAttributes(item.to_owned())))
        .collect()
}

/// Undoes percent-encoding; `None` for a bad escape, or for what is not UTF-8 behind it.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(digits[0])? << 4 | digit(digits[1])?) as u8);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

/// A resource and the scope (the instrumentation that made the telemetry), ready to be put in front
/// of each request.
#[derive(Clone, Debug)]
pub struct Origin {
    pub(super) resource: Vec<u8>,
    pub(super) scope: Vec<u8>,
}

impl Origin {
    /// With this resource, from the instrumentation of this name and version.
    pub fn new(resource: &Resource, scope_name: &str, scope_version: &str) -> Origin {
        let mut fields = Vec::new();
        for (name, value) in resource.attributes() {
            push_text(&mut fields, tag(1, BYTES), name, value.as_bytes());
        }
        let mut encoded = Vec::new();
        bytes(&mut encoded, tag(1, BYTES), &fields);
        let mut fields = Vec::new();
        bytes(&mut fields, tag(1, BYTES), scope_name.as_bytes());
        bytes(&mut fields, tag(2, BYTES), scope_version.as_bytes());
        let mut scope = Vec::new();
        bytes(&mut scope, tag(1, BYTES), &fields);
        Origin {
            resource: encoded,
            scope,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(attributes: &str, service: Option<&str>) -> Result<Resource, BadAttributes> {
        Resource::new("tidings", "1").with_environment(Some(attributes), service)
    }

    fn get(resource: &Resource, name: &str) -> Option<String> {
        let mut found = resource
            .attributes()
            .iter()
            .filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.clone());
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    #[test]
    fn the_environment_is_heeded() {
        let resource = of("service.name=a, host.name=mx%2c1=x,deployment=,", None).unwrap();
        assert_eq!(get(&resource, "service.name").as_deref(), Some("a"));
        assert_eq!(get(&resource, "host.name").as_deref(), Some("mx,1=x"));
        assert_eq!(get(&resource, "deployment").as_deref(), Some(""));
        let resource = of("service.name=a", Some("b")).unwrap();
        assert_eq!(get(&resource, "service.name").as_deref(), Some("b"));
        let resource = of("", Some("")).unwrap();
        assert_eq!(get(&resource, "service.name").as_deref(), Some("tidings"));
    }

    #[test]
    fn what_is_no_list_is_refused_by_name() {
        for bad in ["a", "a=1,b", "=1", "a=%zz", "a=%f", "a=%ff"] {
            let error = of(bad, None).unwrap_err().to_string();
            assert!(error.contains(bad.rsplit(',').next().unwrap()), "{error}");
        }
    }
}
