//! Objects that are kept in the registry, and the settings file's, which cannot be changed here.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tidings_admin::arguments::{Changes, Get, Query, QueryChanges, Set};
use tidings_admin::describe::{Kind, Object};
use tidings_admin::{
    MethodError, MethodErrorType, SINGLETON, SetError, SetErrorType, TYPE, Verb, create, patch,
};
use tidings_event::Id;

use super::catalogue;
use super::respond::{AddedItem, ChangesAnswer, QueryChangesAnswer, SetAnswer, raw};
use super::small::{Item, refers, selection};
use super::{OBJECTS_MAX, Session, too_large, unavailable};
use crate::manage::Write;

/// Most kept objects of one kind.
const KEPT_MAX: usize = 10_000;

type Answered = Result<Box<RawValue>, MethodError>;

impl Session<'_> {
    pub(super) fn get(
        &mut self,
        object: &'static Object,
        arguments: Map<String, Value>,
    ) -> Answered {
        self.needs(object, Verb::Get)?;
        let get = Get::read(arguments)?;
        match object.name {
            "Log" => self.get_logs(&get),
            "Trace" => self.get_traces(&get),
            "Message" => self.get_messages(&get),
            "Metric" => self.get_samples(&get),
            _ => {
                let items = self.items(object)?;
                self.get_items(object, &items, &self.state(object)?, &get)
            }
        }
    }

    pub(super) fn query(
        &mut self,
        object: &'static Object,
        arguments: Map<String, Value>,
    ) -> Answered {
        self.needs(object, Verb::Query)?;
        let query = Query::read(arguments)?;
        match object.name {
            "Log" => self.query_logs(&query),
            "Trace" => self.query_traces(&query),
            "Message" => self.query_messages(&query),
            "Metric" => self.query_samples(&query),
            _ => {
                let items = self.items(object)?;
                let can = object.kind == Kind::Many;
                self.query_items(object, &items, &self.state(object)?, can, &query)
            }
        }
    }

    /// All objects of a kind of which there are few.
    fn items(&self, object: &'static Object) -> Result<Vec<Item>, MethodError> {
        if let Some(items) = catalogue::items(object) {
            return Ok(items);
        }
        match object.kind {
            Kind::Many => self
                .manager
                .kept(object)
                .map_err(|error| unavailable(&error)),
            Kind::Singleton => {
                let value = self
                    .manager
                    .singleton(object)
                    .map_err(|error| unavailable(&error))?;
                Ok(vec![Item {
                    id: SINGLETON.to_owned(),
                    order: 0,
                    value,
                }])
            }
            Kind::Record => Ok(self.manager.running(object)),
            Kind::Action => Ok(Vec::new()),
        }
    }

    /// The state of a kind: of the settings file's objects, and of the registry's.
    fn state(&self, object: &Object) -> Result<String, MethodError> {
        self.manager
            .state(object)
            .map_err(|error| unavailable(&error))
    }

    pub(super) fn changes(
        &mut self,
        object: &'static Object,
        arguments: Map<String, Value>,
    ) -> Answered {
        self.needs(object, Verb::Get)?;
        let asked = Changes::read(arguments)?;
        let max = asked
            .max_changes
            .map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let changes = self.changes_since(object, &asked.since_state, max)?;
        let texts = |ids: Vec<Id>| -> Vec<String> {
            ids.into_iter()
                .map(|id| tidings_admin::id_text(object, id))
                .collect()
        };
        raw(&ChangesAnswer {
            account_id: self.who.account.to_string(),
            old_state: asked.since_state,
            new_state: self.manager.state_text(changes.state),
            has_more_changes: changes.has_more,
            created: texts(changes.created),
            updated: texts(changes.updated),
            destroyed: texts(changes.destroyed),
        })
    }

    fn changes_since(
        &self,
        object: &'static Object,
        since: &str,
        max: usize,
    ) -> Result<crate::manage::Changes, MethodError> {
        let unknown = || {
            let since: String = since.chars().take(100).collect();
            let why = format!("what changed since the state {since:?} is not known");
            MethodError::new(MethodErrorType::CannotCalculateChanges, why)
        };
        if !matches!(object.kind, Kind::Many | Kind::Singleton) {
            return Err(unknown());
        }
        let state = self.manager.state_number(since).ok_or_else(unknown)?;
        let changes = self.manager.registry.changes(object.name, state, max);
        changes
            .map_err(|error| unavailable(&error))?
            .ok_or_else(unknown)
    }

    /// Results that went and came since a state: those that changed are among both (RFC 8620, 5.6).
    pub(super) fn query_changes(
        &mut self,
        object: &'static Object,
        arguments: Map<String, Value>,
    ) -> Answered {
        self.needs(object, Verb::Query)?;
        let asked = QueryChanges::read(arguments)?;
        let changes = self.changes_since(object, &asked.since_query_state, usize::MAX)?;
        let touched = |id: &str| {
            let is = |ids: &[Id]| ids.iter().any(|known| known.to_string() == id);
            is(&changes.created) || is(&changes.updated)
        };
        let gone = changes.updated.iter().chain(&changes.destroyed);
        let removed: Vec<String> = gone.map(Id::to_string).collect();
        let items = self.items(object)?;
        let selected = selection(object, &items, &asked.query)?;
        let added: Vec<AddedItem> = selected
            .iter()
            .enumerate()
            .filter(|(_, item)| touched(&item.id))
            .map(|(index, item)| AddedItem {
                id: item.id.clone(),
                index,
            })
            .collect();
        let max = asked
            .max_changes
            .map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        if removed.len() + added.len() > max {
            let why = "more results changed than maxChanges; ask for them anew";
            return Err(MethodError::new(
                MethodErrorType::CannotCalculateChanges,
                why,
            ));
        }
        raw(&QueryChangesAnswer {
            account_id: self.who.account.to_string(),
            old_query_state: asked.since_query_state,
            new_query_state: self.manager.state_text(changes.state),
            total: asked
                .query
                .calculate_total
                .unwrap_or(false)
                .then_some(selected.len()),
            removed,
            added,
        })
    }

    pub(super) fn set(
        &mut self,
        object: &'static Object,
        arguments: Map<String, Value>,
    ) -> Answered {
        let set = Set::read(arguments)?;
        if set.count() > OBJECTS_MAX {
            return Err(too_large(&format!(
                "at most {OBJECTS_MAX} objects can be written at a time"
            )));
        }
        self.may_set(object, &set)?;
        let old_state = self.state(object)?;
        if let Some(expected) = set
            .if_in_state
            .as_deref()
            .filter(|expected| *expected != old_state)
        {
            let expected: String = expected.chars().take(100).collect();
            let why = format!("the state is {old_state:?}, not {expected:?}");
            return Err(MethodError::new(MethodErrorType::StateMismatch, why));
        }
        let mut answer = SetAnswer {
            account_id: self.who.account.to_string(),
            old_state,
            ..SetAnswer::default()
        };
        let destroyed = set.destroy.unwrap_or_default();
        for (name, given) in set.create.unwrap_or_default() {
            match self.create(object, &given) {
                Ok(made) => {
                    if let Some(id) = made.get("id").and_then(Value::as_str) {
                        self.created.insert(name.clone(), id.to_owned());
                    }
                    answer.created.insert(name, Value::Object(made));
                }
                Err(error) => answer.not_created.add(&name, error),
            }
        }
        for (id, given) in set.update.unwrap_or_default() {
            let id = self.referred(&id);
            let result = match destroyed.contains(&id) {
                true => Err(SetError::new(
                    SetErrorType::WillDestroy,
                    "it is to be destroyed by the same call",
                )),
                false => self.update(object, &id, &given),
            };
            match result {
                Ok(()) => {
                    answer.updated.insert(id, Value::Null);
                }
                Err(error) => answer.not_updated.add(&id, error),
            }
        }
        for id in destroyed {
            let id = self.referred(&id);
            match self.destroy(object, &id) {
                Ok(()) => answer.destroyed.push(id),
                Err(error) => answer.not_destroyed.add(&id, error),
            }
        }
        answer.new_state = self.state(object)?;
        raw(&answer)
    }

    /// Refuses a call of which a part is not allowed; what is allowed at all is what one may do at least
    /// one kind of.
    fn may_set(&self, object: &Object, set: &Set) -> Result<(), MethodError> {
        let asked = [
            (
                Verb::Create,
                set.create.as_ref().is_some_and(|all| !all.is_empty()),
            ),
            (
                Verb::Update,
                set.update.as_ref().is_some_and(|all| !all.is_empty()),
            ),
            (
                Verb::Destroy,
                set.destroy.as_ref().is_some_and(|all| !all.is_empty()),
            ),
        ];
        let may = |verb: Verb| self.needs(object, verb).is_ok();
        if !asked.iter().any(|(verb, _)| may(*verb)) {
            return self.needs(object, Verb::Update);
        }
        for (verb, is_asked) in asked {
            // To create the one that is there already is to change it.
            let verb = match (object.kind, verb) {
                (Kind::Singleton, Verb::Create | Verb::Destroy) => Verb::Update,
                (_, verb) => verb,
            };
            if is_asked {
                self.needs(object, verb)?;
            }
        }
        Ok(())
    }

    /// An id, or that of the object that was created under the name behind `#`.
    fn referred(&self, id: &str) -> String {
        let created = id.strip_prefix('#').and_then(|name| self.created.get(name));
        created.cloned().unwrap_or_else(|| id.to_owned())
    }

    fn create(
        &mut self,
        object: &'static Object,
        given: &Value,
    ) -> Result<Map<String, Value>, SetError> {
        let given = given.as_object().ok_or_else(|| {
            SetError::new(
                SetErrorType::InvalidPatch,
                "an object must be a JSON object",
            )
        })?;
        let created = self.created.clone();
        let resolve = |name: &str| created.get(name).cloned();
        match object.kind {
            Kind::Record => return Err(made_by_server(object)),
            Kind::Singleton => {
                self.update(object, SINGLETON, &Value::Object(given.clone()))?;
                let id = Value::from(SINGLETON);
                return Ok(Map::from_iter([("id".to_owned(), id)]));
            }
            Kind::Action => {
                let action = create(object, given, &resolve)?;
                let name = action.get(TYPE).and_then(Value::as_str).unwrap_or_default();
                let permission = format!("action{name}");
                self.who.needs(&permission).map_err(|error| SetError {
                    description: error.description,
                    ..SetError::bare(SetErrorType::Forbidden)
                })?;
                let mut done = self.manager.act(&action)?;
                let id = self.manager.registry.new_id(self.now_ns).to_string();
                done.insert("id".to_owned(), id.into());
                return Ok(done);
            }
            Kind::Many => {}
        }
        let mut value = create(object, given, &resolve)?;
        let kept = self.manager.kept(object).map_err(|error| broken(&error))?;
        if kept.len() >= KEPT_MAX {
            let why = format!("there are {KEPT_MAX} {} already", object.list.plural);
            return Err(SetError::new(SetErrorType::OverQuota, why));
        }
        let id = self.manager.registry.new_id(self.now_ns);
        let mut shown =
            self.manager
                .prepare(object, None, &mut value, None, self.who, self.now_ns)?;
        self.check(object, id, &value, &kept)?;
        self.write(Write::Put {
            object: object.name,
            id,
            value,
        })?;
        shown.insert("id".to_owned(), id.to_string().into());
        Ok(shown)
    }

    fn update(&mut self, object: &'static Object, id: &str, given: &Value) -> Result<(), SetError> {
        let given = given.as_object().ok_or_else(|| {
            SetError::new(SetErrorType::InvalidPatch, "a patch must be a JSON object")
        })?;
        let created = self.created.clone();
        let resolve = |name: &str| created.get(name).cloned();
        if object.kind == Kind::Singleton {
            if id != SINGLETON {
                return Err(not_found(object, id));
            }
            self.manager.refuse_pinned(object, SINGLETON)?;
            let current = self
                .manager
                .singleton(object)
                .map_err(|error| broken(&error))?;
            let value = patch(object, &current, given, &resolve)?;
            if value == current {
                return Ok(());
            }
            let id = Id::parse(SINGLETON).unwrap_or_default();
            self.check(object, id, &value, &[])?;
            return self.write(Write::Put {
                object: object.name,
                id,
                value,
            });
        }
        let (number, current) = self.found(object, id)?;
        let mut value = patch(object, &current, given, &resolve)?;
        if value == current {
            return Ok(());
        }
        let kept = self.manager.kept(object).map_err(|error| broken(&error))?;
        self.manager.prepare(
            object,
            Some(number),
            &mut value,
            Some(&current),
            self.who,
            self.now_ns,
        )?;
        self.check(object, number, &value, &kept)?;
        self.write(Write::Put {
            object: object.name,
            id: number,
            value,
        })
    }

    fn destroy(&mut self, object: &'static Object, id: &str) -> Result<(), SetError> {
        if object.kind == Kind::Singleton {
            let why = format!("{} is always there", object.name);
            return Err(SetError::new(SetErrorType::Singleton, why));
        }
        let (number, _) = self.found(object, id)?;
        self.refuse_linked(object, id)?;
        self.manager.refuse_last_admin(object, number, None)?;
        self.write(Write::Remove {
            object: object.name,
            id: number,
        })
    }

    /// An object that can be written.
    fn found(
        &self,
        object: &'static Object,
        id: &str,
    ) -> Result<(Id, Map<String, Value>), SetError> {
        if object.kind == Kind::Record {
            return Err(made_by_server(object));
        }
        self.manager.refuse_pinned(object, id)?;
        let number = Id::parse(id).ok_or_else(|| not_found(object, id))?;
        let found = self
            .manager
            .registry
            .get(object.name, number)
            .map_err(|error| broken(&error))?;
        let found = found.ok_or_else(|| not_found(object, id))?;
        Ok((number, tidings_admin::complete(object.form, &found)))
    }

    /// Refuses to destroy what others refer to.
    fn refuse_linked(&self, object: &'static Object, id: &str) -> Result<(), SetError> {
        let mut linked = Vec::new();
        for other in tidings_admin::OBJECTS
            .iter()
            .filter(|other| other.kind == Kind::Many)
        {
            for item in self.manager.kept(other).map_err(|error| broken(&error))? {
                if refers(other, &item.value, object, id) {
                    linked.push(tidings_admin::ObjectRef {
                        object: other.name.to_owned(),
                        id: item.id,
                    });
                }
            }
        }
        if linked.is_empty() {
            return Ok(());
        }
        Err(SetError {
            linked_objects: linked,
            ..SetError::new(SetErrorType::ObjectIsLinked, "other objects refer to it")
        })
    }

    /// What an object must be beyond its properties: one of its kind, and able to work.
    fn check(
        &self,
        object: &'static Object,
        id: Id,
        value: &Map<String, Value>,
        kept: &[Item],
    ) -> Result<(), SetError> {
        if let Some(unique) = unique(object) {
            let text = id.to_string();
            let same =
                |item: &&Item| item.id != text && item.value.get(unique) == value.get(unique);
            if let Some(other) = kept.iter().find(same) {
                return Err(SetError {
                    properties: vec![unique.to_owned()],
                    object_id: Some(Box::new(tidings_admin::ObjectRef {
                        object: object.name.to_owned(),
                        id: other.id.clone(),
                    })),
                    ..SetError::new(
                        SetErrorType::PrimaryKeyViolation,
                        format!("there is one with this {unique} already"),
                    )
                });
            }
        }
        self.refuse_dangling(object, value)?;
        self.manager.check(object, id, value)
    }

    /// Refuses ids of objects that are not there.
    fn refuse_dangling(&self, object: &Object, value: &Map<String, Value>) -> Result<(), SetError> {
        for field in object.form.all_fields() {
            let tidings_admin::describe::Takes::ObjectId { object: to, .. } = field.takes else {
                continue;
            };
            let (Some(Value::String(id)), Some(to)) = (value.get(field.name), Object::named(to))
            else {
                continue;
            };
            let all = self
                .items(to)
                .map_err(|error| broken(&error.description.unwrap_or_default()))?;
            if !all.iter().any(|item| item.id == *id) {
                return Err(SetError {
                    properties: vec![field.name.to_owned()],
                    object_id: Some(Box::new(tidings_admin::ObjectRef {
                        object: to.name.to_owned(),
                        id: id.clone(),
                    })),
                    ..SetError::new(
                        SetErrorType::InvalidForeignKey,
                        format!("there is no {} {id:?}", to.name),
                    )
                });
            }
        }
        Ok(())
    }

    fn write(&self, write: Write) -> Result<(), SetError> {
        self.manager
            .write(&[write], &self.who.name, self.now_ns)
            .map_err(|error| broken(&error))
    }
}

/// The property by which there is one of each.
fn unique(object: &Object) -> Option<&'static str> {
    match object.name {
        "EventTracingLevel" => Some("event"),
        "Account" => Some("name"),
        _ => None,
    }
}

fn made_by_server(object: &Object) -> SetError {
    let why = format!(
        "{} are made by the server, and cannot be written",
        object.list.plural
    );
    SetError::new(SetErrorType::Forbidden, why)
}

fn not_found(object: &Object, id: &str) -> SetError {
    let id: String = id.chars().take(64).collect();
    SetError::new(
        SetErrorType::NotFound,
        format!("there is no {} {id:?}", object.list.singular),
    )
}

/// Something here is broken; of one object only that can be said by `forbidden`.
fn broken(error: &dyn std::fmt::Display) -> SetError {
    SetError::new(
        SetErrorType::Forbidden,
        format!("the server cannot do it now: {error}"),
    )
}
