//! What strangers send: any JSON as an object, as a patch, as a request. The same as the fuzz targets `jmap`
//! and `object` look for, for a moment, at every test run.

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::{Map, Value, json};
use tidings_admin::arguments::{Get, Query, Set};
use tidings_admin::describe::Object;
use tidings_admin::{Answer, OBJECTS, Request, complete, create, patch, show};

/// JSON that has words of ours in it.
fn json_of(words: Vec<String>) -> impl Strategy<Value = Value> {
    let word = proptest::sample::select(words);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..5_i64).prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "[ -~é]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(word.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn words() -> Vec<String> {
    let fields = OBJECTS
        .iter()
        .flat_map(|object| object.form.all_fields())
        .map(|field| field.name);
    let variants = OBJECTS
        .iter()
        .flat_map(|object| object.form.variants())
        .map(|variant| variant.name);
    let ours = [
        "@type",
        "id",
        "singleton",
        "****",
        "#a",
        "a/b",
        "~1",
        "httpHeaders/X-A",
        "http://h/",
        "/var/log/x",
        "operator",
        "conditions",
        "AND",
        "NOT",
        "timestampIsLessThan",
        "2026-11-22T00:00:00Z",
        "auth.failed",
        "secret",
        "Value",
        "Basic",
        "ids",
        "properties",
        "filter",
        "create",
        "update",
        "destroy",
        "limit",
    ];
    let all = fields.chain(variants).chain(ours);
    all.map(str::to_owned).collect()
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([("name".to_owned(), other)]),
    }
}

fn check_object(object: &'static Object, given: Value, change: Value) {
    let resolve = |name: &str| (name.len() < 4).then(|| "b".to_owned());
    let Ok(made) = create(object, &map(given), &resolve) else {
        return;
    };
    assert_eq!(complete(object.form, &made), made, "{}", object.name);
    assert_eq!(patch(object, &made, &Map::new(), &resolve).unwrap(), made);
    let shown = show(object, "b", &made, None);
    if let Ok(back) = patch(object, &made, &shown, &resolve) {
        assert_eq!(back, made, "{}: what was read is written back", object.name);
    }
    if let Ok(changed) = patch(object, &made, &map(change), &resolve) {
        assert_eq!(complete(object.form, &changed), changed, "{}", object.name);
    }
}

proptest! {
    #[test]
    fn whatever_is_accepted_as_an_object_is_whole(
        number in 0..OBJECTS.len(),
        given in json_of(words()),
        change in json_of(words()),
    ) {
        check_object(OBJECTS[number], given, change);
    }

    #[test]
    fn no_request_and_no_argument_panics(body in json_of(words()), bytes in vec(any::<u8>(), 0..64)) {
        let _ = Request::read(&bytes, 4);
        let request = json!({ "using": [], "methodCalls": [["x:Log/query", map(body.clone()), "0"]] });
        let request = Request::read(request.to_string().as_bytes(), 4).unwrap();
        let answers = [Answer::of("x:Trace/query", &body, "q")];
        if let Ok(arguments) = request.calls[0].resolved(&answers) {
            let _ = (Get::read(arguments.clone()), Set::read(arguments.clone()));
            if let Ok(query) = Query::read(arguments) && let Some(filter) = query.filter {
                let _ = filter.holds(&mut |name, _, _| name.len() % 2 == 0);
            }
        }
    }
}
