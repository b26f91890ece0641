//! `describe`, `get`, `query`, `create`, `update`, `delete`, `apply`, `snapshot`: the management API.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde_json::{Value, json};
use tidings_admin::describe::{Kind, Object};
use tidings_admin::{SINGLETON, TYPE};

use crate::args::{
    ApplyArgs, CreateArgs, DeleteArgs, DescribeArgs, GetArgs, InputArgs, QueryArgs, SnapshotArgs,
    UpdateArgs,
};
use crate::choose;
use crate::failure::{Failure, Stop};
use crate::manage::{
    Api, Asked, Broken, Carrying, Done, Map, Table, assigned, check_kind, condition, field,
    list_lines, object, object_lines, put, read_plan, record_lines, refused, target, words,
};
use crate::session::{Outcome, Printer, Session};
use crate::term::{Style, clean, plural};

/// Objects that are shown, unless something else is said.
const LIMIT: usize = 50;

/// Longest object that is read from a file.
const VALUE_BYTES_MAX: u64 = 8 << 20;

pub(super) fn describe(args: &DescribeArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let lines = match &args.object {
        None => list_lines(&session.screen),
        Some(name) => object_lines(&session.screen, object(name)?),
    };
    session.lines(&lines)?;
    Ok(Outcome::Done)
}

pub(super) fn get(args: &GetArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let object = object(&args.object)?;
    check_kind(object, false)?;
    let properties = properties(object, args.fields.fields.as_deref());
    let id = id(object, args.id.as_deref())?;
    let api = api(session)?;
    let found = api.get(object, std::slice::from_ref(&id), properties.as_deref())?;
    let Some(found) = found.first() else {
        session.note(&format!(
            "there is no {} {}",
            object.list.singular,
            clean(&id)
        ))?;
        return Ok(Outcome::Nothing);
    };
    if args.output.json {
        session.json(found)?;
    } else {
        let lines = record_lines(&session.screen, found);
        session.lines(&lines)?;
    }
    Ok(Outcome::Done)
}

pub(super) fn query(args: &QueryArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let object = object(&args.object)?;
    check_kind(object, true)?;
    let limit = match args.limit {
        Some(0) => None,
        Some(limit) => Some(usize::try_from(limit).unwrap_or(usize::MAX)),
        None if args.output.json => None,
        None => Some(LIMIT),
    };
    let mut properties = properties(object, args.fields.fields.as_deref());
    let mut table = Table::of(object, properties.as_deref());
    if properties.is_none() && !args.output.json {
        properties = Some(table.columns().to_vec());
    }
    let asked = Asked {
        filter: filter(object, args)?,
        sort: args.sort.as_deref().map(|sort| order(object, sort)),
        // One more tells whether there are more.
        limit: limit.map(|limit| limit.saturating_add(1)),
        properties,
    };
    let api = api(session)?;
    let mut found = 0_usize;
    let mut printer = Printer::new();
    let result = api.find(object, &asked, &mut |one| {
        found += 1;
        if limit.is_some_and(|limit| found > limit) {
            return false;
        }
        if args.output.json {
            return printer.goes_on(session.json(&one));
        }
        table.push(&one);
        true
    });
    printer.finish(result)?;
    if !table.is_empty() {
        let lines = table.lines(&session.screen);
        session.lines(&lines)?;
    }
    if let (Some(limit), false) = (limit, args.output.json)
        && found > limit
    {
        let shown = table.len();
        session.hint(&format!("these are the first {shown}; --limit 0 shows all"))?;
    }
    if found == 0 {
        session.note(&format!("there are no such {}", object.list.plural))?;
        return Ok(Outcome::Nothing);
    }
    Ok(Outcome::Done)
}

pub(super) fn create(args: &CreateArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let (object, variant) = target(&args.target)?;
    if matches!(object.kind, Kind::Record | Kind::Singleton) {
        return Err(Failure::usage(format!(
            "{} cannot be created: {}",
            object.name,
            match object.kind {
                Kind::Singleton => "there is one, which is always there; update it",
                _ => "the server makes them",
            }
        ))
        .into());
    }
    let mut value = whole(&args.input)?;
    if let Some(variant) = variant {
        value.insert(TYPE.to_owned(), variant.name.into());
    }
    for text in &args.input.fields {
        let (path, given) = assigned(object, text)?;
        put(&mut value, &path, given);
    }
    let answer = api(session)?.set(object, &json!({ "create": { "n0": value } }))?;
    refuse(object, &answer, "notCreated", "created")?;
    let made = answer.get("created").map(|created| &created["n0"]);
    let Some(Value::Object(made)) = made else {
        return Err(unanswered(object).into());
    };
    if args.output.json {
        session.json(made)?;
    } else {
        let lines = record_lines(&session.screen, made);
        session.lines(&lines)?;
    }
    Ok(Outcome::Done)
}

pub(super) fn update(args: &UpdateArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let object = object(&args.object)?;
    check_kind(object, false)?;
    let id = id(object, args.id.as_deref())?;
    let mut patch = whole(&args.input)?;
    for text in &args.input.fields {
        let (path, given) = assigned(object, text)?;
        patch.insert(pointer(&path), given);
    }
    if patch.is_empty() {
        return Err(Failure::usage(
            "nothing is to be changed; say what with --field NAME=VALUE, --value or --file",
        )
        .into());
    }
    let answer = api(session)?.set(object, &json!({ "update": { id.as_str(): patch } }))?;
    refuse(object, &answer, "notUpdated", "updated")?;
    let updated = answer.get("updated").and_then(Value::as_object);
    let Some(shown) = updated.and_then(|updated| updated.get(&id)) else {
        return Err(unanswered(object).into());
    };
    if args.output.json {
        session.json(&json!({ "id": id, "updated": shown }))?;
    } else {
        session.note(&format!("updated {} {}", object.name, clean(&id)))?;
    }
    Ok(Outcome::Done)
}

pub(super) fn delete(args: &DeleteArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let object = object(&args.object)?;
    check_kind(object, true)?;
    let api = api(session)?;
    let mut failed = Vec::new();
    for ids in args.ids.chunks(200) {
        let answer = api.set(object, &json!({ "destroy": ids }))?;
        let gone = answer.get("destroyed").and_then(Value::as_array);
        for id in gone.into_iter().flatten().filter_map(Value::as_str) {
            if args.output.json {
                session.json(&json!({ "id": id, "destroyed": true }))?;
            } else {
                session.note(&format!("deleted {} {}", object.name, clean(id)))?;
            }
        }
        failed.extend(refused(&answer, "notDestroyed"));
    }
    match failed.first() {
        None => Ok(Outcome::Done),
        Some((id, error)) => Err(Failure::usage(format!(
            "cannot delete {} {}: {}{}",
            object.name,
            clean(id),
            clean(&words(error)),
            match failed.len() {
                1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            }
        ))
        .into()),
    }
}

pub(super) fn apply(args: &ApplyArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let name = args.file.display().to_string();
    let plan = read_plan(&name, BufReader::new(open(&args.file)?))?;
    let api = api(session)?;
    let mut changes = 0_u64;
    let mut tell = |done: &Done| {
        changes += u64::from(matches!(done.outcome, "created" | "updated" | "destroyed"));
        if args.output.json {
            return session.json(done);
        }
        let line = told(session, done, args.dry_run);
        session.line(&line)
    };
    let carrying = Carrying::new(&api, args.dry_run, args.continue_on_error, &mut tell);
    let failures = match carrying.run(&plan) {
        Ok(failures) => failures,
        Err(Broken::Failure(failure)) => return Err(failure.into()),
        Err(Broken::Output(error)) => return Err(error.into()),
        Err(Broken::Refused) => 1,
    };
    if failures > 0 {
        let count = plural(failures as u64, "object was", "objects were");
        return Err(Failure::usage(format!("{count} refused")).into());
    }
    let count = plural(changes, "change", "changes");
    session.note(&match args.dry_run {
        true => format!("{count} would be made"),
        false => format!("{count} made"),
    })?;
    Ok(Outcome::Done)
}

pub(super) fn snapshot(args: &SnapshotArgs, session: &mut Session<'_>) -> Result<Outcome, Stop> {
    let objects = args.objects.iter().map(|name| object(name));
    let objects = objects.collect::<Result<Vec<_>, _>>()?;
    let api = api(session)?;
    for step in crate::manage::snapshot(&api, &objects)? {
        session.json(&step)?;
    }
    Ok(Outcome::Done)
}

fn api(session: &Session<'_>) -> Result<Api, Failure> {
    choose::server(&session.globals).map(Api::of)
}

/// `created Tracer b: name, path`.
fn told(session: &Session<'_>, done: &Done, is_dry: bool) -> String {
    let style = match done.outcome {
        "created" => Style::Green,
        "updated" => Style::Yellow,
        "destroyed" | "failed" => Style::Red,
        _ => Style::Dim,
    };
    let outcome = match (is_dry, done.outcome) {
        (true, "created") => "would create",
        (true, "updated") => "would update",
        (true, "destroyed") => "would destroy",
        (_, outcome) => outcome,
    };
    let outcome = session.screen.paint(style, outcome);
    let mut line = format!("{outcome} {} {}", done.object, clean(&done.id));
    if !done.properties.is_empty() {
        line.push_str(&format!(" ({})", clean(&done.properties.join(", "))));
    }
    if let Some(reason) = &done.reason {
        line.push_str(&format!(": {}", clean(reason)));
    }
    line
}

/// The id that is meant.
fn id(object: &Object, given: Option<&str>) -> Result<String, Failure> {
    match (object.kind, given) {
        (Kind::Singleton, None | Some(SINGLETON)) => Ok(SINGLETON.to_owned()),
        (Kind::Singleton, Some(_)) => Err(Failure::usage(format!(
            "there is one {} only, so it takes no id",
            object.name
        ))),
        (_, Some(id)) => Ok(id.to_owned()),
        (_, None) => Err(Failure::usage(format!(
            "say the id of one {0}; `tidings query {0}` lists them",
            object.name
        ))),
    }
}

/// Names of properties as the object has them; what it does not have is for the server to refuse.
fn properties(object: &Object, names: Option<&[String]>) -> Option<Vec<String>> {
    let known = |name: &String| match (field(object.form, name.trim()), name.trim()) {
        (Some(field), _) => field.name.to_owned(),
        (None, name) if name.eq_ignore_ascii_case("id") => "id".to_owned(),
        (None, name) => name.to_owned(),
    };
    names.map(|names| names.iter().map(known).collect())
}

fn filter(object: &Object, args: &QueryArgs) -> Result<Option<Value>, Failure> {
    if let Some(text) = &args.filter {
        let filter = serde_json::from_str(text);
        return filter
            .map(Some)
            .map_err(|error| Failure::usage("--filter is no JSON").because(error));
    }
    let mut filter = Map::new();
    for text in &args.conditions {
        let (name, value) = condition(object, text)?;
        if filter.insert(name.clone(), value).is_some() {
            return Err(Failure::usage(format!(
                "--where says {name} twice, and both must hold; use --filter with AND or OR"
            )));
        }
    }
    Ok((!filter.is_empty()).then_some(Value::Object(filter)))
}

/// `name` or `name:desc` as a comparator.
fn order(object: &Object, text: &str) -> Value {
    let (name, is_ascending) = match text.rsplit_once(':') {
        Some((name, "desc")) => (name, false),
        Some((name, "asc")) => (name, true),
        _ => (text, true),
    };
    let name = field(object.form, name).map_or(name, |field| field.name);
    json!([{ "property": name, "isAscending": is_ascending }])
}

/// The path of a property in a patch (RFC 8620, 5.3): members that have a `/` or `~` are escaped.
fn pointer(path: &[String]) -> String {
    let escaped = path
        .iter()
        .map(|segment| segment.replace('~', "~0").replace('/', "~1"));
    escaped.collect::<Vec<_>>().join("/")
}

/// What `--value` or `--file` says.
fn whole(input: &InputArgs) -> Result<Map, Failure> {
    let (name, text) = match (&input.value, &input.file) {
        (Some(value), _) => ("--value".to_owned(), value.clone()),
        (None, Some(path)) => {
            let mut text = String::new();
            open(path)?
                .take(VALUE_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(|error| cannot_read(path, error))?;
            (path.display().to_string(), text)
        }
        (None, None) => return Ok(Map::new()),
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(value)) => Ok(value),
        Ok(_) => Err(Failure::usage(format!("{name} is no JSON object"))),
        Err(error) => Err(Failure::usage(format!("{name} is no JSON")).because(error)),
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let file = File::open(path).map_err(|error| cannot_read(path, error))?;
    Ok(Box::new(file))
}

fn cannot_read(path: &Path, error: std::io::Error) -> Failure {
    Failure::file(format!("cannot read {}", path.display())).because(error)
}

/// Says why the one object that was to be written was not.
fn refuse(object: &Object, answer: &Map, member: &str, what: &str) -> Result<(), Failure> {
    match refused(answer, member).first() {
        None => Ok(()),
        Some((_, error)) => Err(Failure::usage(format!(
            "the {} is not {what}: {}",
            object.list.singular,
            clean(&words(error))
        ))),
    }
}

fn unanswered(object: &Object) -> Failure {
    Failure::server(format!(
        "the server does not say what became of the {}",
        object.list.singular
    ))
}
