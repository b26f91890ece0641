//! Management: objects that are kept, who may see and change them, and the API over them.
//!
//! An object stands in the settings file, where it is changed, or in the [`Registry`], where the API
//! changes it. What the program goes by is made of both ([`Manager::effective`]); a change in the
//! registry is applied at once, each object on its own.

pub(crate) mod access;
pub(crate) mod accounts;
mod act;
mod convert;
mod database;
mod hide;
mod identity;
pub(crate) mod jmap;
mod pinned;
mod registry;
mod running;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::{Map, Value};
use tidings_admin::describe::Object;
use tidings_admin::{SINGLETON, SetError, SetErrorType, complete};
use tidings_engine::Engine;
use tidings_event::time::rfc3339_seconds;
use tidings_event::{Id, stable_hash};
use tidings_sink::settings::check_together;
use tokio::sync::Notify;

use crate::settings::Settings;
use convert::Problem;
use jmap::Item;
use pinned::Pinned;

pub(crate) use access::Access;
pub(crate) use hide::Hider;
pub(crate) use identity::Identity;
pub(crate) use registry::{ChangeKind, Changes, Registry, RegistryError, Stored, Write};
pub(crate) use running::Runs;

/// Everything that is managed.
pub(crate) struct Manager {
    pub(crate) engine: Arc<Engine>,
    pub(crate) registry: Arc<Registry>,
    /// Who may use the server.
    pub(crate) access: Arc<Access>,
    /// What the settings file says.
    file: RwLock<Arc<FileObjects>>,
    /// Accounts whose rights were changed; at most as many as there are.
    concerned: Mutex<BTreeSet<Id>>,
    /// Told when the registry's objects have changed.
    pub(crate) changed: Notify,
    /// Told when the settings file is to be read again.
    pub(crate) reload: act::Reload,
    /// What runs, as soon as it does.
    runs: RwLock<Option<Arc<Runs>>>,
    /// Hides where entries stand from those who may not see what stands between them.
    pub(crate) hider: Hider,
}

/// The settings file, and the objects that stand in it.
struct FileObjects {
    settings: Settings,
    pinned: Vec<Pinned>,
    /// Changes with the objects.
    version: u64,
}

/// What the program goes by.
pub(crate) struct Effective {
    pub(crate) settings: Settings,
    /// What of the registry cannot be gone by, and why.
    pub(crate) problems: Vec<String>,
}

impl Effective {
    fn tell(&mut self, what: &str, why: &dyn std::fmt::Display) {
        self.problems.push(format!("{what}: {why}"));
    }

    /// What was read; nothing, and a problem told, where it cannot be.
    fn told<T: Default>(&mut self, what: &str, read: Result<T, RegistryError>) -> T {
        read.unwrap_or_else(|error| {
            self.tell(what, &error);
            T::default()
        })
    }
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Manager")
    }
}

impl FileObjects {
    fn of(settings: Settings) -> FileObjects {
        let pinned = pinned::objects(&settings);
        let mut text = String::new();
        for one in &pinned {
            text.push_str(&one.place);
            text.push_str(&Value::Object(one.value.clone()).to_string());
        }
        let version = stable_hash(&[text.as_bytes()]);
        FileObjects {
            settings,
            pinned,
            version,
        }
    }
}

impl Manager {
    pub(crate) fn new(
        engine: Arc<Engine>,
        access: Arc<Access>,
        settings: Settings,
    ) -> Result<Manager, RegistryError> {
        let registry = Arc::clone(access.registry());
        Ok(Manager {
            hider: Hider::new(&registry.key("places")?),
            engine,
            registry,
            access,
            file: RwLock::new(Arc::new(FileObjects::of(settings))),
            concerned: Mutex::default(),
            changed: Notify::new(),
            reload: act::Reload::default(),
            runs: RwLock::default(),
        })
    }

    /// The settings file says this now.
    pub(crate) fn set_file(&self, settings: Settings) {
        let file = Arc::new(FileObjects::of(settings));
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = file;
    }

    fn file(&self) -> Arc<FileObjects> {
        Arc::clone(&self.file.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The sequence behind the last event of the spool, while it is open.
    fn head(&self) -> Option<u64> {
        self.runs()?.head()
    }

    /// What runs can be looked at from now on, or no longer.
    pub(crate) fn set_runs(&self, runs: Option<Arc<Runs>>) {
        *self.runs.write().unwrap_or_else(PoisonError::into_inner) = runs;
    }

    fn runs(&self) -> Option<Arc<Runs>> {
        self.runs
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the program goes by: the settings file, and beside it what the registry has. An object that
    /// cannot be gone by is told, and stops no other.
    pub(crate) fn effective(&self) -> Effective {
        let mut effective = Effective {
            settings: self.file().settings.clone(),
            problems: Vec::new(),
        };
        self.add_sources(&mut effective);
        self.add_tracers(&mut effective);
        self.add_levels(&mut effective);
        self.add_metrics(&mut effective);
        self.add_retention(&mut effective);
        self.add_stores(&mut effective);
        effective
    }

    fn add_sources(&self, effective: &mut Effective) {
        for Stored { id, value } in effective.told("Source", self.list("Source")) {
            match convert::source(&value) {
                Ok(source) => effective.settings.sources.push(source),
                Err(problem) => effective.tell(&format!("Source {id}"), &problem.why),
            }
        }
    }

    fn add_tracers(&self, effective: &mut Effective) {
        for Stored { id, value } in effective.told("Tracer", self.list("Tracer")) {
            if let Err(problem) = add_tracer(&mut effective.settings, id, &value) {
                effective.tell(&format!("Tracer {id}"), &problem.why);
            }
        }
    }

    fn add_levels(&self, effective: &mut Effective) {
        let stored = effective.told("EventTracingLevel", self.list("EventTracingLevel"));
        for (kind, level) in stored
            .iter()
            .filter_map(|one| convert::event_level(&one.value))
        {
            if effective.settings.levels.get(kind).is_none() {
                effective.settings.levels.set(kind, level);
            }
        }
    }

    fn add_metrics(&self, effective: &mut Effective) {
        if effective.settings.pins.metrics {
            return;
        }
        let Some(value) = effective.told("Metrics", self.stored_singleton("Metrics")) else {
            return;
        };
        match convert::metrics(&value, &effective.settings.metrics) {
            Ok((metrics, pushed)) => {
                effective.settings.metrics = metrics;
                effective.settings.pushed = pushed;
            }
            Err(problem) => effective.tell("Metrics", &problem.why),
        }
    }

    fn add_retention(&self, effective: &mut Effective) {
        if effective.settings.pins.retention {
            return;
        }
        let stored = self.stored_singleton("DataRetention");
        let Some(value) = effective.told("DataRetention", stored) else {
            return;
        };
        let settings = &mut effective.settings;
        settings.retention = convert::retention(&value);
        settings.samples = convert::sample_rules(&value);
        if let Some(schedule) = convert::schedule(&value).filter(|_| !settings.pins.metrics) {
            settings.metrics.collect = schedule;
        }
    }

    fn add_stores(&self, effective: &mut Effective) {
        let traces = effective.told("TracingStore", self.stored_singleton("TracingStore"));
        let metrics = effective.told("MetricsStore", self.stored_singleton("MetricsStore"));
        effective.settings.is_recording = traces.is_none_or(|store| convert::is_kept(&store));
        effective.settings.metrics.is_sampled =
            metrics.is_none_or(|store| convert::is_kept(&store));
    }

    /// The registry's objects of a kind, whole.
    fn list(&self, name: &'static str) -> Result<Vec<Stored>, RegistryError> {
        let mut list = self.registry.list(name)?;
        if let Some(object) = Object::named(name) {
            for stored in &mut list {
                stored.value = complete(object.form, &stored.value);
            }
        }
        Ok(list)
    }

    fn stored_singleton(
        &self,
        name: &'static str,
    ) -> Result<Option<Map<String, Value>>, RegistryError> {
        let id = Id::parse(SINGLETON).unwrap_or_default();
        let stored = self.registry.get(name, id)?;
        let object = Object::named(name);
        Ok(stored
            .map(|stored| object.map_or(stored.clone(), |object| complete(object.form, &stored))))
    }

    /// All objects of a kind: the file's and the registry's.
    fn kept(&self, object: &'static Object) -> Result<Vec<Item>, RegistryError> {
        let file = self.file();
        let pinned = file.pinned.iter().filter(|one| one.object == object.name);
        let mut items: Vec<Item> = pinned.cloned().map(Item::from).collect();
        let stored = self.list(object.name)?;
        if object.name == "Source" && items.is_empty() && stored.is_empty() {
            items.extend(pinned::usual_source(&file.settings).map(Item::from));
        }
        for Stored { id, value } in stored {
            items.push(Item {
                id: id.to_string(),
                order: id.0,
                value,
            });
        }
        if let "Account" | "ApiKey" = object.name {
            for item in &mut items {
                self.complete_use(object, item);
            }
        }
        if let Some(runs) = self.runs() {
            for item in &mut items {
                runs.complete(object, item);
            }
        }
        Ok(items)
    }

    /// Adds when a key was last used, or an account last signed in, which is kept beside them.
    fn complete_use(&self, object: &Object, item: &mut Item) {
        let name = match object.name {
            "Account" => "lastSignIn",
            _ => "lastUse",
        };
        let last_ns = Id::parse(&item.id).and_then(|id| self.access.last_use(id));
        if let Some(last_ns) = last_ns {
            let last = rfc3339_seconds(last_ns.div_euclid(1_000_000_000));
            item.value.insert(name.to_owned(), last.into());
        }
    }

    /// An object of which there is one.
    fn singleton(&self, object: &'static Object) -> Result<Map<String, Value>, RegistryError> {
        let settings = &self.file().settings;
        match object.name {
            "Metrics" if settings.pins.metrics => return Ok(pinned::metrics_object(settings)),
            "DataRetention" if settings.pins.retention => {
                return Ok(pinned::retention_object(settings));
            }
            _ => {}
        }
        let stored = self.stored_singleton(object.name)?;
        Ok(stored.unwrap_or_else(|| pinned::singleton_defaults(object)))
    }

    /// What the server makes.
    fn running(&self, object: &'static Object) -> Vec<Item> {
        self.runs()
            .map_or_else(Vec::new, |runs| runs.records(object))
    }

    /// Refuses to write what stands in the settings file.
    fn refuse_pinned(&self, object: &'static Object, id: &str) -> Result<(), SetError> {
        let file = self.file();
        let usual = pinned::usual_source(&file.settings).filter(|_| object.name == "Source");
        if usual.is_some_and(|usual| usual.id.to_string() == id) {
            return Err(SetError::new(
                SetErrorType::Forbidden,
                "these are the usual logs, which are followed where there is no source; create one, and \
                 they no longer are"
                    .to_owned(),
            ));
        }
        let place = match (object.name, id) {
            ("Metrics", SINGLETON) if file.settings.pins.metrics => Some("[metrics]"),
            ("DataRetention", SINGLETON) if file.settings.pins.retention => Some("[history]"),
            _ => file
                .pinned
                .iter()
                .find(|one| one.object == object.name && one.id.to_string() == id)
                .map(|one| one.place.as_str()),
        };
        match place {
            None => Ok(()),
            Some(place) => Err(SetError::new(
                SetErrorType::Forbidden,
                format!(
                    "it stands in the settings file as {place}; change it there, and reload the settings"
                ),
            )),
        }
    }

    /// Whether an object can be gone by, beside all others.
    fn check(
        &self,
        object: &'static Object,
        id: Id,
        value: &Map<String, Value>,
    ) -> Result<(), SetError> {
        let problem = match object.name {
            "Tracer" => {
                let mut settings = self.file().settings.clone();
                let others = self.list("Tracer").unwrap_or_default();
                for other in others.into_iter().filter(|other| other.id != id) {
                    let _ = add_tracer(&mut settings, other.id, &other.value);
                }
                add_tracer(&mut settings, id, value).err()
            }
            "Metrics" => convert::metrics(value, &self.file().settings.metrics).err(),
            "Source" => convert::source(value).err(),
            _ => None,
        };
        match problem {
            None => Ok(()),
            Some(Problem { property, why }) => Err(SetError {
                properties: vec![property],
                ..SetError::new(SetErrorType::ValidationFailed, why)
            }),
        }
    }

    /// Makes changes, and has them applied.
    fn write(&self, writes: &[Write], by: &str, now_ns: i64) -> Result<(), RegistryError> {
        let concerned: Vec<Id> = writes
            .iter()
            .filter_map(|write| self.concerned(write))
            .collect();
        self.registry.commit(writes, by, now_ns)?;
        for write in writes {
            act::tell(&self.registry, write, by);
        }
        for account in concerned {
            self.concern(account);
        }
        self.changed.notify_one();
        Ok(())
    }

    /// The account whose rights a change is about to change.
    fn concerned(&self, write: &Write) -> Option<Id> {
        let (Write::Put { object, id, .. } | Write::Remove { object, id }) = write;
        match *object {
            "Account" => Some(*id),
            "ApiKey" => {
                let key = self.registry.get(object, *id).ok()??;
                key.get("accountId")
                    .and_then(Value::as_str)
                    .and_then(Id::parse)
            }
            _ => None,
        }
    }

    /// What an account may do was changed: what it has open is to be closed.
    fn concern(&self, account: Id) {
        let mut concerned = self
            .concerned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        concerned.insert(account);
    }

    /// An account was changed past the management API, by `tidings account`.
    pub(crate) fn account_changed(&self, account: Id, is_new: bool, by: &str) {
        act::tell_account(account, is_new, by);
        self.concern(account);
        self.changed.notify_one();
    }

    /// Accounts whose rights were changed since this was asked last.
    pub(crate) fn take_concerned(&self) -> BTreeSet<Id> {
        let mut concerned = self
            .concerned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut concerned)
    }

    /// The state of a kind as clients see it: the settings file's version, and the registry's count.
    fn state(&self, object: &Object) -> Result<String, RegistryError> {
        Ok(self.state_text(self.registry.state(object.name)?))
    }

    fn state_text(&self, number: u64) -> String {
        format!("{}-{number}", Id(self.file().version))
    }

    /// The registry's count in a state, if the settings file was then what it is now.
    fn state_number(&self, state: &str) -> Option<u64> {
        let (version, number) = state.split_once('-')?;
        (Id::parse(version)? == Id(self.file().version)).then(|| number.parse().ok())?
    }
}

/// Adds a tracer to those there are.
fn add_tracer(settings: &mut Settings, id: Id, value: &Map<String, Value>) -> Result<(), Problem> {
    let tracer = convert::tracer(id, value)?;
    settings.tracers.push(tracer);
    check_together(&settings.tracers).map_err(|error| {
        settings.tracers.pop();
        Problem::from(error)
    })
}
