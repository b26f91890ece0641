//! Counts the settled messages of a part, one row group at a time, by dictionary codes.

use std::ops::ControlFlow;

use rustc_hash::FxHashMap;
use tidings_mail::message::{Kind, Verdict};
use tidings_store::{ColumnId, NULL_CODE, Part, RowSet, Rows};

use super::StatsQuery;
use super::reason::reason_name;
use super::summary::{Failure, Summary, client_name};
use super::top::{Sum, Top};
use crate::error::Error;
use crate::message_rows::{
    CLASS, CLIENT_IP, CLIENT_NAME, DELAY, FROM, KIND, NUMBER, PROVIDER, REPLY, SIZE, TIME, TO, VERDICT, kind_word,
};

/// What is read of every row.
const COLUMNS: [ColumnId; 9] = [TIME, NUMBER, KIND, FROM, SIZE, TO, VERDICT, PROVIDER, DELAY];

/// What is read of rows that say why something failed.
const FAILURE_COLUMNS: [ColumnId; 5] = [VERDICT, CLASS, REPLY, CLIENT_NAME, CLIENT_IP];

/// Counts the messages of a part.
pub(super) fn add_part(part: &Part, query: &StatsQuery, summary: &mut Summary) -> Result<(), Error> {
    let (since_ns, until_ns) = query.bounds();
    let rows = part.within(since_ns..=until_ns)?;
    let mut counters = Counters::default();
    let mut failures = Vec::new();
    part.scan(&COLUMNS, &rows, &mut |rows| {
        add_group(rows, query, &mut counters, summary, &mut failures);
        ControlFlow::Continue(())
    })?;
    if !failures.is_empty() {
        part.scan(&FAILURE_COLUMNS, &RowSet::from_sorted_rows(failures), &mut |rows| {
            add_failures(rows, summary);
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}

/// Counts by code of the columns whose names are listed; kept from group to group for their memory.
#[derive(Debug, Default)]
struct Counters {
    senders: ByCode,
    recipients: ByCode,
    providers: ByCode,
}

/// Sums by the code of a text column.
#[derive(Debug, Default)]
struct ByCode {
    /// One for each code, and a last one for rows without a text.
    sums: Vec<Sum>,
}

impl ByCode {
    fn clear(&mut self, rows: &Rows, column: ColumnId) {
        self.sums.clear();
        self.sums.resize(rows.code_count(column) + 1, Sum::default());
    }

    #[inline]
    fn add(&mut self, code: u32, bytes: u64) {
        let last = self.sums.len() - 1;
        self.sums[(code as usize).min(last)].add(1, bytes);
    }

    /// Hands out the texts that occurred; `""` for rows without one.
    fn each(&self, rows: &Rows, column: ColumnId, mut each: impl FnMut(&str, Sum)) {
        for (code, sum) in self.sums.iter().enumerate().filter(|(_, sum)| sum.count > 0) {
            // A part has fewer than 2^32 rows, hence codes.
            each(rows.value_text(column, code as u32).unwrap_or_default(), *sum);
        }
    }
}

/// The code of a row, [`NULL_CODE`] where it has no text.
#[inline]
fn code(codes: Option<&[u32]>, row: usize) -> u32 {
    codes.map_or(NULL_CODE, |codes| codes[row])
}

/// The number of a row; 0 where it has none.
#[inline]
fn word(words: Option<&[u64]>, row: usize) -> u64 {
    words.map_or(0, |words| words[row])
}

/// What each code of a column means, and a last one for rows without a text.
fn meanings<T: Copy>(rows: &Rows, column: ColumnId, mean: impl Fn(&str) -> T, none: T) -> Vec<T> {
    let codes = 0..rows.code_count(column) as u32;
    let known = codes.map(|code| rows.value_text(column, code).map_or(none, &mean));
    known.chain([none]).collect()
}

#[inline]
fn meaning<T: Copy>(meanings: &[T], code: u32) -> T {
    meanings[(code as usize).min(meanings.len() - 1)]
}

fn verdict_of(text: &str) -> Verdict {
    Verdict::parse(text).unwrap_or(Verdict::Unknown)
}

/// Counts the rows of a group; adds the numbers of those that say why something failed.
fn add_group(
    rows: &Rows,
    query: &StatsQuery,
    counters: &mut Counters,
    summary: &mut Summary,
    failures: &mut Vec<u32>,
) {
    counters.senders.clear(rows, FROM);
    counters.recipients.clear(rows, TO);
    counters.providers.clear(rows, PROVIDER);
    let is_refused = meanings(rows, KIND, |kind| kind == kind_word(Kind::Refused), false);
    let verdicts = meanings(rows, VERDICT, verdict_of, Verdict::Unknown);
    let [times, numbers, sizes] = [TIME, NUMBER, SIZE].map(|column| rows.words(column));
    let [kinds, from, to, verdict, provider] =
        [KIND, FROM, TO, VERDICT, PROVIDER].map(|column| rows.codes(column));
    for row in 0..rows.len() {
        let time_ns = word(times, row) as i64;
        if !query.covers(time_ns) {
            continue;
        }
        summary.note_time(time_ns);
        let (is_refused, bytes) = (meaning(&is_refused, code(kinds, row)), word(sizes, row));
        // A message's first row has no number, and 0 stands for none.
        let is_first = word(numbers, row) == 0;
        if is_first && is_refused {
            summary.refused += 1;
            summary.hours.at(time_ns).refused += 1;
        } else if is_first {
            summary.messages.add(1, bytes);
            summary.hours.at(time_ns).messages += 1;
            counters.senders.add(code(from, row), bytes);
        }
        let to = code(to, row);
        if to == NULL_CODE {
            continue;
        }
        let verdict = meaning(&verdicts, code(verdict, row));
        if Failure::of(verdict).is_some() {
            failures.push(rows.number(row));
        }
        if is_refused {
            continue;
        }
        summary.count_verdict(time_ns, verdict, 1);
        counters.recipients.add(to, bytes);
        counters.providers.add(code(provider, row), 0);
        if verdict == Verdict::Delivered {
            rows.int(DELAY, row).and_then(|delay| u64::try_from(delay).ok()).into_iter().for_each(|delay_ms| summary.delays.add(delay_ms));
        }
    }
    counters.senders.each(rows, FROM, |from, sum| summary.add_sender(from, sum));
    counters.recipients.each(rows, TO, |to, sum| summary.add_recipient_name(to, sum));
    // Rows without a provider are in the last sum, and in no list.
    counters.providers.sums.pop();
    counters.providers.each(rows, PROVIDER, |provider, sum| summary.providers.add(provider, sum));
}

/// Counts why rows failed, and whom they refused.
fn add_failures(rows: &Rows, summary: &mut Summary) {
    let failure = meanings(rows, VERDICT, |verdict| Failure::of(verdict_of(verdict)), None);
    let [verdicts, classes, replies, names, ips] =
        [VERDICT, CLASS, REPLY, CLIENT_NAME, CLIENT_IP].map(|column| rows.codes(column));
    let mut reasons: FxHashMap<(Failure, u32, u32), u64> = FxHashMap::default();
    let mut clients: FxHashMap<(u32, u32), u64> = FxHashMap::default();
    for row in 0..rows.len() {
        let Some(failure) = meaning(&failure, code(verdicts, row)) else { continue };
        *reasons.entry((failure, code(classes, row), code(replies, row))).or_default() += 1;
        if failure == Failure::Refused {
            *clients.entry((code(ips, row), code(names, row))).or_default() += 1;
        }
    }
    let text = |column, code| (code != NULL_CODE).then(|| rows.value_text(column, code)).flatten();
    for ((failure, class, reply), count) in reasons {
        let name = reason_name(text(CLASS, class), text(REPLY, reply).unwrap_or_default());
        summary.add_reason(failure, &name, count);
    }
    for ((ip, name), count) in clients {
        let client = client_name(text(CLIENT_IP, ip), text(CLIENT_NAME, name));
        add(&mut summary.refusal_clients, client, count);
    }
}

fn add(list: &mut Top, name: &str, count: u64) {
    list.add(name, Sum { count, bytes: 0 });
}
