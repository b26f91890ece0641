//! The words in which an object is described, once: what the management API takes and shows, its
//! schema, its checks and its reference page all follow from an [`Object`].
//!
//! The names of types, formats and updates are those of the schema (`docs/management.md`).

use tidings_event::{EventType, Key, MetricInfo};

/// A kind of object that the management API knows.
#[derive(Debug)]
pub struct Object {
    /// Its name, without `x:`: `Tracer`.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// How many there are, and who makes them.
    pub kind: Kind,
    /// Its fields.
    pub form: &'static Form,
    /// How a list of them looks.
    pub list: List,
    /// The reference offers it to paying users only; here everybody has it. Its tools like to know.
    pub is_enterprise: bool,
}

/// How many of an object there are, and who makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any number, created and changed by who may.
    Many,
    /// One, with the id `singleton`, which is always there.
    Singleton,
    /// Any number, made by the server: they can be looked at only.
    Record,
    /// Nothing is kept: to create one does something.
    Action,
}

/// The fields of an object, or of a part of one.
#[derive(Debug)]
pub struct Form {
    /// Its name in the schema, without `x:`: `Tracer`, `HttpAuth`.
    pub name: &'static str,
    /// The fields.
    pub fields: Fields,
}

/// The fields of a [`Form`].
#[derive(Debug)]
pub enum Fields {
    /// These, always.
    Single(&'static [Field]),
    /// The member `@type` says which.
    Multiple {
        /// What it may say.
        variants: &'static [Variant],
        /// Which it is where nothing is said; nothing where it has to be said.
        default: Option<&'static str>,
    },
}

/// One of several shapes of an object.
#[derive(Debug)]
pub struct Variant {
    /// What `@type` says.
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
    /// The fields, in parts that variants share.
    pub fields: &'static [&'static [Field]],
    /// It is in the schema for the reference's tools; to write it is refused.
    pub is_refused: bool,
}

/// A property.
#[derive(Debug)]
pub struct Field {
    /// Its name in camelCase.
    pub name: &'static str,
    /// What people read beside it.
    pub label: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What may stand there.
    pub takes: Takes,
    /// Who may write it.
    pub update: Update,
    /// What it is where nothing is said.
    pub default: Default,
}

/// Who may write a field, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Whoever may write the object.
    Mutable,
    /// As `Mutable`, at its creation only.
    Immutable,
    /// The server.
    ServerSet,
}

/// The value of a field of which nothing is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Default {
    /// It must be said.
    Required,
    /// `null`.
    Null,
    /// A flag.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A text, or a word.
    Text(&'static str),
    /// No members.
    Empty,
    /// A part in this variant, with these values instead of the variant's defaults.
    Part(&'static str, &'static [(&'static str, Default)]),
}

/// What may stand in a field.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String(Text),
    /// A number.
    Number(Number),
    /// A time, RFC 3339 in UTC.
    UtcDateTime {
        /// `null` may stand there.
        is_nullable: bool,
    },
    /// A word of a list.
    Enum {
        /// The list.
        of: Enum,
        /// `null` may stand there.
        is_nullable: bool,
    },
    /// The id of an object.
    ObjectId {
        /// The object's name.
        object: &'static str,
        /// `null` may stand there.
        is_nullable: bool,
    },
    /// A part with fields of its own.
    Object {
        /// Its fields.
        form: &'static Form,
    },
    /// Parts in order: `{"0": …, "1": …}`.
    ObjectList {
        /// The fields of each.
        form: &'static Form,
        /// Most of them.
        max: usize,
    },
    /// A set: `{"member": true}`.
    Set {
        /// What a member is.
        of: Member,
        /// Least members.
        min: usize,
        /// Most members.
        max: usize,
    },
    /// Texts by name: `{"name": "text"}`.
    Map {
        /// Most of them.
        max: usize,
    },
}

/// Text.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// What it means.
    pub format: Format,
    /// Most characters.
    pub max: usize,
    /// `null` may stand there.
    pub is_nullable: bool,
}

/// What a text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Anything, in one line.
    String,
    /// Anything, in several lines.
    Text,
    /// A URL that begins with `http://` or `https://`.
    Uri,
    /// An address of mail.
    EmailAddress,
    /// Shown as `****`.
    Secret,
    /// An address on the network.
    IpAddress,
    /// A domain name.
    Domain,
}

/// A number.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// What it means.
    pub format: NumberFormat,
    /// Least.
    pub min: i64,
    /// Most.
    pub max: i64,
    /// `null` may stand there.
    pub is_nullable: bool,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFormat {
    /// Itself.
    UnsignedInteger,
    /// Itself, perhaps below zero.
    Integer,
    /// With a fraction.
    Float,
    /// Bytes.
    Size,
    /// Milliseconds.
    Duration,
}

/// A list of words.
#[derive(Clone, Copy, Debug)]
pub enum Enum {
    /// These, under a name.
    Of(&'static Words),
    /// The event types of the catalogue.
    EventType,
    /// The metrics of the catalogue.
    MetricType,
    /// The keys of the catalogue.
    Key,
}

/// A list of words that stands in no catalogue.
#[derive(Debug)]
pub struct Words {
    /// Its name in the schema.
    pub name: &'static str,
    /// Each word with what people read.
    pub words: &'static [(&'static str, &'static str)],
}

/// What a member of a set is.
#[derive(Clone, Copy, Debug)]
pub enum Member {
    /// Text.
    String(Format),
    /// A word.
    Enum(Enum),
    /// An event type, or several by wildcard: `delivery.*`.
    EventPattern,
}

/// How a list of objects looks.
#[derive(Debug)]
pub struct List {
    /// Its heading.
    pub title: &'static str,
    /// A sentence below.
    pub subtitle: &'static str,
    /// One of them, in a sentence: `tracer`.
    pub singular: &'static str,
    /// Several, in a sentence: `tracers`.
    pub plural: &'static str,
    /// The field that names one of them.
    pub label: Option<&'static str>,
    /// Fields that are shown.
    pub columns: &'static [&'static str],
    /// What it can be filtered by.
    pub filters: &'static [Filterable],
}

/// A property that a query can filter by.
#[derive(Debug)]
pub struct Filterable {
    /// Its name.
    pub name: &'static str,
    /// What people read beside it.
    pub label: &'static str,
    /// What is compared.
    pub kind: FilterKind,
}

/// What a filter compares.
#[derive(Clone, Copy, Debug)]
pub enum FilterKind {
    /// Text.
    Text,
    /// A word.
    Enum(Enum),
    /// A time; also with the suffixes of comparisons.
    Date,
    /// A number; also with the suffixes of comparisons.
    Integer,
}

impl Object {
    /// The object with this name, whatever its case.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Object> {
        let objects = crate::OBJECTS.iter().copied();
        objects.into_iter().find(|object| object.name == name)
    }

    /// `sysTracer`, with which the names of its permissions begin.
    #[must_use]
    pub fn permission_prefix(&self) -> String {
        format!("sys{}", self.name)
    }
}

impl Form {
    /// The fields for a value with this `@type`; nothing where there is no such variant.
    #[must_use]
    pub fn fields_of(&self, variant: Option<&str>) -> Option<Vec<&'static Field>> {
        match &self.fields {
            Fields::Single(fields) => Some(fields.iter().collect()),
            Fields::Multiple { variants, default } => {
                let name = variant.or(*default)?;
                let found = variants.iter().find(|variant| variant.name == name)?;
                Some(found.all().collect())
            }
        }
    }

    /// The variants; none where there is one shape only.
    #[must_use]
    pub fn variants(&self) -> &'static [Variant] {
        match self.fields {
            Fields::Single(_) => &[],
            Fields::Multiple { variants, .. } => variants,
        }
    }

    /// Every field of every variant, each name once.
    #[must_use]
    pub fn all_fields(&self) -> Vec<&'static Field> {
        match &self.fields {
            Fields::Single(fields) => fields.iter().collect(),
            Fields::Multiple { variants, .. } => {
                let mut all: Vec<&'static Field> = Vec::new();
                for field in variants.iter().flat_map(Variant::all) {
                    if !all.iter().any(|known| known.name == field.name) {
                        all.push(field);
                    }
                }
                all
            }
        }
    }
}

impl Variant {
    /// Its fields.
    pub fn all(&'static self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().flat_map(|part| part.iter())
    }
}

impl Takes {
    /// Whether `null` may stand there.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        match self {
            Takes::String(text) => text.is_nullable,
            Takes::Number(number) => number.is_nullable,
            Takes::UtcDateTime { is_nullable }
            | Takes::Enum { is_nullable, .. }
            | Takes::ObjectId { is_nullable, .. } => *is_nullable,
            _ => false,
        }
    }
}

impl Enum {
    /// Its name in the schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Enum::Of(words) => words.name,
            Enum::EventType => "EventType",
            Enum::MetricType => "MetricType",
            Enum::Key => "Key",
        }
    }

    /// Whether this is one of its words.
    #[must_use]
    pub fn has(self, word: &str) -> bool {
        match self {
            Enum::Of(words) => words.words.iter().any(|(known, _)| *known == word),
            Enum::EventType => EventType::from_name(word).is_some(),
            Enum::MetricType => MetricInfo::from_name(word).is_some(),
            Enum::Key => Key::from_name(word).is_some(),
        }
    }

    /// What may stand there, in a few words.
    #[must_use]
    pub fn allowed(self) -> String {
        match self {
            Enum::Of(words) => {
                let words: Vec<&str> = words.words.iter().map(|(word, _)| *word).collect();
                format!("one of {}", words.join(", "))
            }
            Enum::EventType => "an event type, such as delivery.delivered".to_owned(),
            Enum::MetricType => "a metric, such as delivery.delivered".to_owned(),
            Enum::Key => "a key, such as remoteIp".to_owned(),
        }
    }
}
