//! Objects that are created and changed: what is given, checked property by property.
//!
//! An object is a JSON object with all its properties in the order of its description, and `@type`
//! where there are variants. A *patch* has names of properties, or paths into them, with new values
//! (`docs/management.md`, "Writing"). To create an object is to patch its defaults.

mod check;
mod collect;
mod path;

use serde_json::{Map, Value};

use crate::describe::{Default, Field, Fields, Form, Object, Takes, Update};
use crate::error::{SetError, SetErrorType, ValidationError};
use path::Path;

/// What a secret reads as, and what leaves it as it is when it is written.
pub const HIDDEN: &str = "****";

/// The member that says which variant an object is.
pub const TYPE: &str = "@type";

/// Finds the id that `#name` stands for: that of an object created before, in its text form.
pub type Resolve<'r> = &'r dyn Fn(&str) -> Option<String>;

/// Makes an object of what is given.
///
/// # Errors
/// Names the first property that cannot be, or all that are missing.
pub fn create(
    object: &Object,
    given: &Map<String, Value>,
    resolve: Resolve<'_>,
) -> Result<Map<String, Value>, SetError> {
    let writing = Writing {
        is_creation: true,
        resolve,
    };
    let start = match initial(object.form, given) {
        Some(start) => start,
        None => return Err(no_type(&Path::root())),
    };
    writing.finish(object.form, start, given)
}

/// Changes an object. The result may be equal to what it was.
///
/// # Errors
/// Names the first property that cannot be, or all that are missing.
pub fn patch(
    object: &Object,
    current: &Map<String, Value>,
    patch: &Map<String, Value>,
    resolve: Resolve<'_>,
) -> Result<Map<String, Value>, SetError> {
    let writing = Writing {
        is_creation: false,
        resolve,
    };
    writing.finish(object.form, complete(object.form, current), patch)
}

/// The values of a form of which nothing is said; what has to be said is missing.
///
/// `None` where the variant is not named, or there is none of that name.
#[must_use]
pub fn defaults(form: &'static Form, variant: Option<&str>) -> Option<Map<String, Value>> {
    let mut made = Map::new();
    for field in form.fields_of(variant)? {
        if let Some(value) = default_value(field) {
            made.insert(field.name.to_owned(), value);
        }
    }
    if let Fields::Multiple { default, .. } = form.fields {
        made.insert(TYPE.to_owned(), variant.or(default)?.into());
    }
    Some(made)
}

/// The value of a field of which nothing is said; `None` where it has to be said.
pub(crate) fn default_value(field: &Field) -> Option<Value> {
    Some(match field.default {
        Default::Required => return None,
        Default::Null => Value::Null,
        Default::Flag(flag) => flag.into(),
        Default::Number(number) => number.into(),
        Default::Text(text) => text.into(),
        Default::Empty => Value::Object(Map::new()),
        Default::Part(variant, values) => {
            let Takes::Object { form } = field.takes else {
                return None;
            };
            let mut part = defaults(form, Some(variant))?;
            for (name, value) in values {
                if let Default::Number(number) = value {
                    part.insert((*name).to_owned(), (*number).into());
                }
            }
            Value::Object(part)
        }
    })
}

/// What a new object begins with.
fn initial(form: &'static Form, given: &Map<String, Value>) -> Option<Map<String, Value>> {
    let variant = match given.get(TYPE) {
        None => None,
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) => return None,
    };
    match form.fields {
        Fields::Single(_) => defaults(form, None),
        Fields::Multiple { .. } => defaults(form, variant),
    }
}

/// A stored object with every property that its description has today, and no other.
#[must_use]
pub fn complete(form: &'static Form, stored: &Map<String, Value>) -> Map<String, Value> {
    let variant = stored.get(TYPE).and_then(Value::as_str);
    let Some(mut made) = defaults(form, variant) else {
        return stored.clone();
    };
    let names = form.fields_of(variant).unwrap_or_default();
    let mut complete = Map::new();
    for field in names {
        let value = stored.get(field.name).cloned();
        if let Some(value) = value.or_else(|| made.shift_remove(field.name)) {
            complete.insert(field.name.to_owned(), value);
        }
    }
    if let Some(variant) = made.shift_remove(TYPE) {
        complete.insert(TYPE.to_owned(), variant);
    }
    complete
}

/// What is the same for all properties of a write.
struct Writing<'r> {
    is_creation: bool,
    resolve: Resolve<'r>,
}

impl Writing<'_> {
    /// Applies a patch to a whole object, and sees what is missing.
    fn finish(
        &self,
        form: &'static Form,
        start: Map<String, Value>,
        patch: &Map<String, Value>,
    ) -> Result<Map<String, Value>, SetError> {
        let root = Path::root();
        let current = start.clone();
        let start = self.in_variant(form, start, patch.get(TYPE), &root)?;
        let written = self.apply(form, start, &current, patch, &root)?;
        let mut missing = Vec::new();
        find_missing(form, &written, &root, &mut missing);
        if !missing.is_empty() {
            return Err(SetError {
                validation_errors: missing,
                ..SetError::bare(SetErrorType::ValidationFailed)
            });
        }
        Ok(written)
    }

    /// An object in the variant that a patch names: itself, or the defaults of another.
    fn in_variant(
        &self,
        form: &'static Form,
        start: Map<String, Value>,
        named: Option<&Value>,
        path: &Path,
    ) -> Result<Map<String, Value>, SetError> {
        let Some(named) = named else {
            return Ok(start);
        };
        if matches!(form.fields, Fields::Single(_)) {
            return Err(SetError::patch(path.then(TYPE), "Invalid property"));
        }
        let name = named.as_str().ok_or_else(|| no_type(path))?;
        if start.get(TYPE).and_then(Value::as_str) == Some(name) {
            check::supported(form, name, path)?;
            return Ok(start);
        }
        let made = defaults(form, Some(name)).ok_or_else(|| no_type(path))?;
        check::supported(form, name, path)?;
        Ok(made)
    }

    /// Applies the members of a patch, one after the other. `current` is the object as it is stored,
    /// where hidden secrets come from.
    fn apply(
        &self,
        form: &'static Form,
        start: Map<String, Value>,
        current: &Map<String, Value>,
        patch: &Map<String, Value>,
        path: &Path,
    ) -> Result<Map<String, Value>, SetError> {
        let mut written = start;
        for (key, value) in patch {
            if key == TYPE {
                continue;
            }
            let steps = path::steps(key);
            let Some((first, rest)) = steps.split_first() else {
                return Err(SetError::patch(path.then(key), "Invalid property"));
            };
            self.member(form, &mut written, current, (first, rest), value, path)?;
        }
        Ok(written)
    }

    /// Writes a property, or what a path in it leads to.
    fn member(
        &self,
        form: &'static Form,
        written: &mut Map<String, Value>,
        current: &Map<String, Value>,
        (name, rest): (&str, &[String]),
        value: &Value,
        path: &Path,
    ) -> Result<(), SetError> {
        let at = path.then(name);
        let variant = written.get(TYPE).and_then(Value::as_str);
        let fields = form.fields_of(variant).unwrap_or_default();
        let Some(field) = fields.into_iter().find(|field| field.name == name) else {
            return Err(self.no_such(form, written, &at));
        };
        if field.update == Update::ServerSet {
            return Err(SetError::patch(at, "Cannot modify server set property"));
        }
        let old = current.get(name);
        let new = if rest.is_empty() {
            self.value(field, value, old, &at)?
        } else {
            let base = written.get(name).cloned().unwrap_or(Value::Null);
            self.within(&field.takes, base, old, rest, value, &at)?
        };
        if field.update == Update::Immutable && !self.is_creation && old != Some(&new) {
            return Err(SetError::patch(at, "Cannot modify read-only property"));
        }
        place(form, written, field.name, new);
        Ok(())
    }

    fn no_such(&self, form: &'static Form, written: &Map<String, Value>, at: &Path) -> SetError {
        let variant = written.get(TYPE).and_then(Value::as_str);
        let names: Vec<&str> = form
            .fields_of(variant)
            .unwrap_or_default()
            .iter()
            .filter(|field| field.update != Update::ServerSet)
            .map(|field| field.name)
            .collect();
        let allowed = if names.is_empty() {
            "there are none here".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        SetError::patch(at.clone(), format!("Invalid property: {allowed}"))
    }

    /// Checks a whole value.
    fn value(
        &self,
        field: &Field,
        value: &Value,
        old: Option<&Value>,
        at: &Path,
    ) -> Result<Value, SetError> {
        if value.is_null() {
            return if field.takes.is_nullable() {
                Ok(Value::Null)
            } else {
                Err(SetError::patch(
                    at.clone(),
                    "Invalid value for object property: it cannot be null",
                ))
            };
        }
        match &field.takes {
            Takes::Object { form } => self.part(form, value, old, at),
            Takes::ObjectList { form, max } => self.list(form, *max, value, old, at),
            Takes::Set { of, min, max } => collect::set(*of, (*min, *max), value, at),
            Takes::Map { max } => collect::map(*max, value, at),
            Takes::ObjectId { .. } => self.reference(value, at),
            plain => check::plain(plain, value, old, at),
        }
    }

    /// Checks a part that is given as a whole.
    fn part(
        &self,
        form: &'static Form,
        value: &Value,
        old: Option<&Value>,
        at: &Path,
    ) -> Result<Value, SetError> {
        let given = value
            .as_object()
            .ok_or_else(|| check::wrong(at, "an object"))?;
        let variant = match form.fields {
            Fields::Single(_) => None,
            Fields::Multiple { .. } => {
                let name = given.get(TYPE).and_then(Value::as_str);
                Some(name.ok_or_else(|| no_type(at))?)
            }
        };
        let start = defaults(form, variant).ok_or_else(|| no_type(at))?;
        if let Some(name) = variant {
            check::supported(form, name, at)?;
        }
        let nothing = Map::new();
        let current = old.and_then(Value::as_object).unwrap_or(&nothing);
        let written = self.apply(form, start, current, given, at)?;
        Ok(Value::Object(written))
    }

    /// Checks an id, or finds what a reference to a new object stands for.
    fn reference(&self, value: &Value, at: &Path) -> Result<Value, SetError> {
        let text = value.as_str().ok_or_else(|| check::wrong(at, "an id"))?;
        if let Some(name) = text.strip_prefix('#') {
            return (self.resolve)(name)
                .map(Value::from)
                .ok_or_else(|| SetError {
                    properties: vec![at.to_string()],
                    ..SetError::new(
                        SetErrorType::InvalidForeignKey,
                        format!("nothing was created as {name:?} in this request"),
                    )
                });
        }
        match tidings_event::Id::parse(text) {
            Some(_) => Ok(text.into()),
            None => Err(check::wrong(at, "an id")),
        }
    }
}

/// Puts a value at its place in the order of the description.
fn place(form: &'static Form, written: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some(slot) = written.get_mut(name) {
        *slot = value;
        return;
    }
    written.insert(name.to_owned(), value);
    *written = complete(form, written);
}

fn find_missing(
    form: &'static Form,
    written: &Map<String, Value>,
    path: &Path,
    missing: &mut Vec<ValidationError>,
) {
    let variant = written.get(TYPE).and_then(Value::as_str);
    for field in form.fields_of(variant).unwrap_or_default() {
        let at = path.then(field.name);
        match (written.get(field.name), &field.takes) {
            (None, _) if field.default == Default::Required => {
                missing.push(ValidationError::Required {
                    property: at.to_string(),
                })
            }
            (Some(Value::Object(part)), Takes::Object { form }) => {
                find_missing(form, part, &at, missing)
            }
            (Some(Value::Object(entries)), Takes::ObjectList { form, .. }) => {
                for (index, entry) in entries {
                    if let Value::Object(entry) = entry {
                        find_missing(form, entry, &at.then(index), missing);
                    }
                }
            }
            _ => {}
        }
    }
}

fn no_type(path: &Path) -> SetError {
    let mut error = SetError::new(
        SetErrorType::InvalidPatch,
        "Missing or invalid '@type' property in object",
    );
    error.properties = vec![path.then(TYPE).to_string()];
    error
}
