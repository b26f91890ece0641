//! The registry against a model in memory, with restarts in between.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::json;

use super::*;

const KINDS: [&str; 2] = ["Tracer", "WebHook"];

#[derive(Clone, Debug)]
enum Step {
    Put(usize, u64, u8),
    Remove(usize, u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_usize, 1..6_u64, any::<u8>()).prop_map(|(kind, id, value)| Step::Put(kind, id, value)),
        2 => (0..2_usize, 1..6_u64).prop_map(|(kind, id)| Step::Remove(kind, id)),
        1 => Just(Step::Reopen),
    ]
}

fn value(number: u8) -> Map<String, Value> {
    json!({ "number": number }).as_object().unwrap().clone()
}

/// The ids that were there at each state of a kind, with their values.
type Past = Vec<BTreeMap<u64, u8>>;

/// What changed between two states, as a client would find it by looking at both.
fn check_changes(registry: &Registry, kind: usize, past: &Past) {
    let now = past.last().unwrap();
    for (since, then) in past.iter().enumerate() {
        let changes = registry
            .changes(KINDS[kind], since as u64, usize::MAX)
            .unwrap()
            .unwrap();
        let set = |ids: &[Id]| ids.iter().map(|id| id.0).collect::<BTreeSet<u64>>();
        let (created, updated, destroyed) = (
            set(&changes.created),
            set(&changes.updated),
            set(&changes.destroyed),
        );
        let expected: BTreeSet<u64> = then
            .keys()
            .filter(|id| !now.contains_key(id))
            .copied()
            .collect();
        let gone_and_back: BTreeSet<u64> = destroyed.intersection(&created).copied().collect();
        assert_eq!(&destroyed - &gone_and_back, expected);
        let fresh: BTreeSet<u64> = now
            .keys()
            .filter(|id| !then.contains_key(id))
            .copied()
            .collect();
        assert_eq!(&created - &gone_and_back, fresh);
        for (id, value) in now {
            let differs = then.get(id).is_some_and(|old| old != value);
            assert!(
                !differs || updated.contains(id) || gone_and_back.contains(id),
                "{id}"
            );
        }
        assert_eq!(changes.state, past.len() as u64 - 1);
        assert!(!changes.has_more);
    }
}

proptest! {
    #[test]
    fn it_is_what_was_written(steps in proptest::collection::vec(step(), 1..25)) {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(dir.path()).unwrap();
        let mut past: [Past; 2] = [vec![BTreeMap::new()], vec![BTreeMap::new()]];
        let mut given = BTreeSet::new();
        for (time, step) in steps.into_iter().enumerate() {
            let fresh = registry.new_id(time as i64);
            assert!(given.insert(fresh), "an id was given twice");
            let write = match step {
                Step::Put(kind, id, number) => {
                    let mut now = past[kind].last().unwrap().clone();
                    now.insert(id, number);
                    past[kind].push(now);
                    Write::Put { object: KINDS[kind], id: Id(id), value: value(number) }
                }
                Step::Remove(kind, id) => {
                    let mut now = past[kind].last().unwrap().clone();
                    if now.remove(&id).is_some() {
                        past[kind].push(now);
                    }
                    Write::Remove { object: KINDS[kind], id: Id(id) }
                }
                Step::Reopen => {
                    registry.commit(&[], "nobody", 0).unwrap();
                    drop(registry);
                    registry = Registry::open(dir.path()).unwrap();
                    continue;
                }
            };
            registry.commit(&[write], "somebody", time as i64).unwrap();
        }
        for (kind, past) in past.iter().enumerate() {
            let now = past.last().unwrap();
            let list = registry.list(KINDS[kind]).unwrap();
            let expected: Vec<Stored> =
                now.iter().map(|(id, number)| Stored { id: Id(*id), value: value(*number) }).collect();
            assert_eq!(list, expected);
            assert_eq!(registry.state(KINDS[kind]).unwrap(), past.len() as u64 - 1);
            check_changes(&registry, kind, past);
        }
    }
}

#[test]
fn changes_come_in_steps_and_are_unknown_where_they_never_were() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    for id in 1..=5 {
        let write = Write::Put {
            object: "Tracer",
            id: Id(id),
            value: value(0),
        };
        registry.commit(&[write], "admin", 7).unwrap();
    }
    let first = registry.changes("Tracer", 0, 2).unwrap().unwrap();
    assert_eq!(
        (first.created, first.state, first.has_more),
        (vec![Id(1), Id(2)], 2, true)
    );
    let rest = registry.changes("Tracer", 2, 9).unwrap().unwrap();
    assert_eq!(
        (rest.created.len(), rest.state, rest.has_more),
        (3, 5, false)
    );
    assert_eq!(registry.changes("Tracer", 6, 9).unwrap(), None);
    assert_eq!(
        registry.changes("WebHook", 0, 9).unwrap(),
        Some(Changes::default())
    );
}

#[test]
fn who_changed_what_is_told_without_values() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let put = |secret: &str| Write::Put {
        object: "WebHook",
        id: Id(9),
        value: json!({ "url": "u", "secret": secret })
            .as_object()
            .unwrap()
            .clone(),
    };
    registry.commit(&[put("one")], "admin", 1).unwrap();
    registry.commit(&[put("two")], "eve", 2).unwrap();
    registry
        .commit(
            &[Write::Remove {
                object: "WebHook",
                id: Id(9),
            }],
            "admin",
            3,
        )
        .unwrap();
    let history = registry.history(None, 10).unwrap();
    let told: Vec<(ChangeKind, &str, i64)> = history
        .iter()
        .map(|(_, change)| (change.kind, change.by.as_str(), change.time_ns))
        .collect();
    assert_eq!(
        told,
        [
            (ChangeKind::Destroyed, "admin", 3),
            (ChangeKind::Updated, "eve", 2),
            (ChangeKind::Created, "admin", 1)
        ]
    );
    assert_eq!(history[1].1.properties, ["secret"]);
    assert!(registry.history(Some("Tracer"), 10).unwrap().is_empty());
    assert_eq!(registry.history(Some("WebHook"), 1).unwrap().len(), 1);
}

#[test]
fn what_is_no_registry_is_refused_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), "this is not a database").unwrap();
    let error = Registry::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("registry.redb cannot be used"), "{error}");
}

#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let _registry = Registry::open(dir.path()).unwrap();
    let mode = std::fs::metadata(dir.path().join(FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn keys_stay_and_differ() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let (one, other) = (registry.key("one").unwrap(), registry.key("other").unwrap());
    assert_eq!(one.len(), 32);
    assert_ne!(one, other);
    drop(registry);
    assert_eq!(Registry::open(dir.path()).unwrap().key("one").unwrap(), one);
}
