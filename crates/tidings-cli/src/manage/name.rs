//! Names of objects, variants and properties as people write them: in any case, with or without `x:`.

use tidings_admin::OBJECTS;
use tidings_admin::describe::{Field, Form, Object, Variant};

use crate::failure::Failure;

/// The object of this name.
pub(crate) fn object(name: &str) -> Result<&'static Object, Failure> {
    let bare = name.strip_prefix("x:").unwrap_or(name);
    let mut all = OBJECTS.iter().copied();
    let found = all.find(|object| object.name.eq_ignore_ascii_case(bare));
    found.ok_or_else(|| {
        let names: Vec<&str> = OBJECTS.iter().map(|object| object.name).collect();
        Failure::usage(format!(
            "there is no object {name:?}; there are {}",
            names.join(", ")
        ))
    })
}

/// `OBJECT` or `OBJECT/VARIANT`, as it is created.
pub(crate) fn target(text: &str) -> Result<(&'static Object, Option<&'static Variant>), Failure> {
    let (name, variant) = match text.split_once('/') {
        Some((name, variant)) => (name, Some(variant)),
        None => (text, None),
    };
    let object = object(name)?;
    let Some(wanted) = variant else {
        return Ok((object, None));
    };
    let mut variants = object.form.variants().iter();
    match variants.find(|variant| variant.name.eq_ignore_ascii_case(wanted)) {
        Some(variant) => Ok((object, Some(variant))),
        None => {
            let names: Vec<&str> = object.form.variants().iter().map(|one| one.name).collect();
            Err(Failure::usage(if names.is_empty() {
                format!("{} has no variants, so not {wanted:?} either", object.name)
            } else {
                format!(
                    "{} has no variant {wanted:?}; it has {}",
                    object.name,
                    names.join(", ")
                )
            }))
        }
    }
}

/// The property of this name, in any variant.
pub(crate) fn field(form: &'static Form, name: &str) -> Option<&'static Field> {
    let all = form.all_fields();
    let mut all = all.into_iter();
    all.find(|field| field.name.eq_ignore_ascii_case(name))
}

/// The property that names one of them, if one does.
pub(super) fn label(object: &'static Object) -> Option<&'static str> {
    let name = || field(object.form, "name").map(|field| field.name);
    object.list.label.or_else(name)
}

/// Says which properties there are.
pub(super) fn no_field(of: &str, form: &'static Form, name: &str) -> Failure {
    let names: Vec<&str> = form.all_fields().iter().map(|field| field.name).collect();
    Failure::usage(format!(
        "{of} has no property {name:?}; it has {}",
        names.join(", ")
    ))
}
