//! `Metric`: samples of metrics.
//!
//! Those of the schedule are asked for; `isFine` asks for those of every minute of the last 48 hours. Counts
//! and sums are those since the sample before, of histograms too (the reference counts histograms since its
//! start, so that a consumer has to know when that was).

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tidings_admin::arguments::{Get, Query};
use tidings_admin::{Compare, Filter, MethodError, MethodErrorType};
use tidings_engine::{Sample, SampleQuery, SampleValue};
use tidings_event::time::rfc3339_seconds;
use tidings_event::{Id, MetricInfo};

use super::filter::{only_equal, time_of};
use super::history::{asked, ids};
use super::respond::{QueryAnswer, raw};
use super::small::selected;
use super::{COUNTED_MAX, OBJECTS_MAX, RESULTS_MAX, Session};

impl Session<'_> {
    pub(super) fn query_samples(&mut self, query: &Query) -> Result<Box<RawValue>, MethodError> {
        let mut wanted = SampleQuery::default();
        if let Some(filter) = &query.filter {
            narrow(filter, &mut wanted)?;
        }
        // The reference sorts by whatever is named, as there is one order only.
        let sort = query.sort.as_ref().and_then(|sort| sort.first());
        wanted.is_ascending = sort.is_some_and(|sort| sort.is_ascending);
        let asked_for = query
            .limit
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let count = asked_for.unwrap_or(RESULTS_MAX).min(RESULTS_MAX);
        let counts = query.calculate_total.unwrap_or(false);
        let (start, total) = self.start(query, &wanted, counts)?;
        let samples = self.manager.engine.samples();
        let mut found = match start {
            Start::Behind(id, offset) => {
                wanted.behind = Some(id);
                wanted.limit = offset.saturating_add(count);
                let mut found = vec![id];
                found.extend(samples.ids(&wanted).map_err(asked)?);
                found.drain(..offset.min(found.len()));
                found
            }
            Start::At(position) => {
                wanted.limit = position.saturating_add(count).saturating_add(1);
                let mut found = samples.ids(&wanted).map_err(asked)?;
                found.drain(..position.min(found.len()));
                found
            }
        };
        let is_cut = found.len() > count;
        found.truncate(count);
        raw(&QueryAnswer {
            account_id: self.who.account.to_string(),
            query_state: self.history_state()?,
            can_calculate_changes: false,
            position: match start {
                Start::At(position) => position,
                Start::Behind(..) => 0,
            },
            ids: found.iter().map(Id::to_string).collect(),
            total: total.map(|total| total.min(COUNTED_MAX)),
            is_total_cut: total.is_some_and(|total| total > COUNTED_MAX),
            limit: (is_cut || asked_for.is_some_and(|asked| asked > RESULTS_MAX)).then_some(count),
        })
    }

    /// Where the results begin, and how many there are if that is asked for.
    fn start(
        &self,
        query: &Query,
        wanted: &SampleQuery,
        counts: bool,
    ) -> Result<(Start, Option<usize>), MethodError> {
        let samples = self.manager.engine.samples();
        let position = query.position.unwrap_or(0);
        let offset = query.anchor_offset.unwrap_or(0);
        let all = SampleQuery {
            limit: COUNTED_MAX + 1,
            ..wanted.clone()
        };
        let total = match counts || (position < 0 && query.anchor.is_none()) {
            true => usize::try_from(samples.count(&all).map_err(asked)?).ok(),
            false => None,
        };
        let shown = total.filter(|_| counts);
        let Some(anchor) = &query.anchor else {
            let position = match usize::try_from(position) {
                Ok(position) => position,
                Err(_) => {
                    let back = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
                    total.unwrap_or(0).saturating_sub(back)
                }
            };
            if position > COUNTED_MAX {
                let why = format!("position may be up to {COUNTED_MAX}; go on by `anchor`");
                return Err(MethodError::arguments(why));
            }
            return Ok((Start::At(position), shown));
        };
        let id = Id::parse(anchor).unwrap_or_default();
        let is_there = samples
            .get(&[id])
            .map_err(asked)?
            .iter()
            .any(Option::is_some);
        if !is_there {
            let why = "the anchor is not among the results";
            return Err(MethodError::new(MethodErrorType::AnchorNotFound, why));
        }
        if let Ok(offset) = usize::try_from(offset) {
            return Ok((Start::Behind(id, offset), shown));
        }
        let before = samples.ids(&all).map_err(asked)?;
        let at = before.iter().position(|known| *known == id).unwrap_or(0);
        let back = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
        Ok((Start::At(at.saturating_sub(back)), shown))
    }

    pub(super) fn get_samples(&mut self, get: &Get) -> Result<Box<RawValue>, MethodError> {
        let properties = get.properties.as_deref();
        let samples = self.manager.engine.samples();
        let (mut list, mut not_found) = (Vec::new(), Vec::new());
        match ids(get)? {
            None => {
                // As the reference has it: the oldest.
                let oldest = SampleQuery {
                    limit: OBJECTS_MAX,
                    is_ascending: true,
                    ..SampleQuery::default()
                };
                for sample in samples.query(&oldest).map_err(asked)? {
                    list.push(shown(&sample, properties)?);
                }
            }
            Some(ids) => {
                let numbers: Vec<Id> = ids
                    .iter()
                    .map(|id| Id::parse(id).unwrap_or_default())
                    .collect();
                for (id, sample) in ids.iter().zip(samples.get(&numbers).map_err(asked)?) {
                    match sample {
                        Some(sample) => list.push(shown(&sample, properties)?),
                        None => not_found.push(id.clone()),
                    }
                }
            }
        }
        self.records(list, not_found)
    }
}

/// Where results begin.
#[derive(Clone, Copy)]
enum Start {
    /// At this position.
    At(usize),
    /// So many behind the one with this id.
    Behind(Id, usize),
}

/// What a filter lets through: a period, and names of metrics. Both are joined by `AND` only.
fn narrow(filter: &Filter, wanted: &mut SampleQuery) -> Result<(), MethodError> {
    match filter {
        Filter::All(parts) => parts.iter().try_for_each(|part| narrow(part, wanted)),
        Filter::Property {
            name,
            compare,
            value,
        } => condition(name, *compare, value, wanted),
        Filter::Any(_) | Filter::None(_) => {
            let why = "Metric can be filtered by several names at once (`metric` takes a list), not by OR and NOT";
            Err(MethodError::filter(why))
        }
    }
}

fn condition(
    name: &str,
    compare: Compare,
    value: &Value,
    wanted: &mut SampleQuery,
) -> Result<(), MethodError> {
    match name {
        "metric" => {
            only_equal(name, compare)?;
            let names = names(value)?;
            let names = match wanted.metrics.take() {
                None => names,
                Some(known) => known
                    .into_iter()
                    .filter(|known| names.contains(known))
                    .collect(),
            };
            wanted.metrics = Some(names);
        }
        "timestamp" => {
            let (time_ns, _) = time_of(value)?;
            let later =
                |bound: Option<i64>, time: i64| Some(bound.map_or(time, |old| old.max(time)));
            let earlier =
                |bound: Option<i64>, time: i64| Some(bound.map_or(time, |old| old.min(time)));
            match compare {
                Compare::Greater => {
                    wanted.from_ns = later(wanted.from_ns, time_ns.saturating_add(1))
                }
                Compare::GreaterOrEqual => wanted.from_ns = later(wanted.from_ns, time_ns),
                Compare::Less => {
                    wanted.until_ns = earlier(wanted.until_ns, time_ns.saturating_sub(1))
                }
                Compare::LessOrEqual => wanted.until_ns = earlier(wanted.until_ns, time_ns),
                Compare::Equal => {
                    let second = time_ns - time_ns.rem_euclid(1_000_000_000);
                    wanted.from_ns = later(wanted.from_ns, second);
                    wanted.until_ns = earlier(wanted.until_ns, second.saturating_add(999_999_999));
                }
            }
        }
        "isFine" => {
            only_equal(name, compare)?;
            let is_fine = value.as_bool();
            wanted.fine =
                is_fine.ok_or_else(|| MethodError::filter("isFine must be true or false"))?;
        }
        name => {
            let name: String = name.chars().take(100).collect();
            let why =
                format!("Metric can be filtered by metric, timestamp and isFine, not by {name:?}");
            return Err(MethodError::filter(why));
        }
    }
    Ok(())
}

/// One name, or a list of names.
fn names(value: &Value) -> Result<Vec<String>, MethodError> {
    let wrong =
        || MethodError::filter("metric must be a metric of the catalogue, or a list of them");
    let values = match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let name = |value: &Value| {
        let name = value
            .as_str()
            .filter(|name| MetricInfo::from_name(name).is_some());
        name.map(str::to_owned).ok_or_else(wrong)
    };
    values.iter().map(name).collect()
}

fn shown(sample: &Sample, properties: Option<&[String]>) -> Result<Box<RawValue>, MethodError> {
    let (kind, count, sum) = match &sample.value {
        SampleValue::Counter { count } => ("Counter", Value::from(*count), None),
        SampleValue::Gauge { value } => ("Gauge", Value::from(*value), None),
        SampleValue::Histogram { count, sum, .. } => ("Histogram", Value::from(*count), Some(*sum)),
    };
    let mut record = Map::new();
    record.insert("count".to_owned(), count);
    if let Some(sum) = sum {
        record.insert("sum".to_owned(), sum.into());
    }
    record.insert("metric".to_owned(), sample.metric().into());
    let seconds = sample.time_ns.div_euclid(1_000_000_000);
    record.insert("timestamp".to_owned(), json!(rfc3339_seconds(seconds)));
    record.insert("@type".to_owned(), kind.into());
    raw(&selected(
        Value::Object(record),
        &sample.id.to_string(),
        properties,
    ))
}
