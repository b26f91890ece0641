//! Makes an object of any JSON, and changes it by any JSON: what is accepted is whole, is accepted again as
//! it is, and keeps its secrets where `****` is written back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tidings_admin::{OBJECTS, complete, create, patch, show};

fuzz_target!(|input: (u8, &str, &str)| {
    let (number, given, change) = input;
    let object = OBJECTS[usize::from(number) % OBJECTS.len()];
    let map = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Some(map),
        _ => None,
    };
    let resolve = |name: &str| (name.len() < 4).then(|| format!("b{}", name.len()));
    let Some(given) = map(given) else { return };
    let made = match create(object, &given, &resolve) {
        Ok(made) => made,
        Err(error) => {
            assert!(serde_json::to_value(&error).is_ok());
            return;
        }
    };
    assert_eq!(complete(object.form, &made), made, "{} is whole", object.name);
    let nothing = patch(object, &made, &Map::new(), &resolve).expect("nothing is changed");
    assert_eq!(nothing, made);
    let shown = show(object, "b", &made, None);
    if let Ok(back) = patch(object, &made, &shown, &resolve) {
        assert_eq!(back, made, "what was read is written back");
    }
    let Some(change) = map(change) else { return };
    if let Ok(changed) = patch(object, &made, &change, &resolve) {
        assert_eq!(complete(object.form, &changed), changed);
    }
});
