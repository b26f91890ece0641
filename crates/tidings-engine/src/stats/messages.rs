//! Counts the settled messages of a part, one row group at a time, by dictionary codes.

use std::ops::ControlFlow;

use rustc_hash::FxHashMap;
use tidings_mail::message::{Kind, Verdict};
use tidings_store::{ColumnId, NULL_CODE, Part, RowSet, Rows};

use super::StatsQuery;
use super::reason::reason_name;
use super::summary::{Failure, Summary, client_name, failures_in};
use super::top::Sum;
use crate::error::Error;
use crate::message_rows::{
    ATTEMPTS, CLASS, CLIENT_IP, CLIENT_NAME, DELAY, FROM, ID, KIND, NUMBER, PROVIDER, REPLY, SIZE,
    TIME, TO, VERDICT, kind_word,
};
use crate::reopen::Reopened;

/// What is read of every row.
const COLUMNS: [ColumnId; 10] = [
    TIME, ID, NUMBER, KIND, FROM, SIZE, TO, VERDICT, PROVIDER, DELAY,
];

/// What is read of rows that say why something failed.
const FAILURE_COLUMNS: [ColumnId; 8] = [
    TIME,
    KIND,
    VERDICT,
    CLASS,
    REPLY,
    CLIENT_NAME,
    CLIENT_IP,
    ATTEMPTS,
];

/// Counts the messages of a part, but those that were opened again since they were settled.
pub(super) fn add_part(
    part: &Part,
    query: &StatsQuery,
    reopened: &Reopened,
    summary: &mut Summary,
) -> Result<(), Error> {
    let (since_ns, until_ns) = query.bounds();
    let rows = part.within(since_ns..=until_ns)?;
    let mut counters = Counters::default();
    let mut failures = Vec::new();
    part.scan(&COLUMNS, &rows, &mut |rows| {
        counters.clear(rows);
        let group = Group::new(rows, reopened);
        for row in (0..rows.len()).filter(|row| query.covers(group.time_ns(*row))) {
            if group.add_row(row, &mut counters, summary) {
                failures.push(rows.number(row));
            }
        }
        counters.add_to(rows, summary);
        ControlFlow::Continue(())
    })?;
    if !failures.is_empty() {
        part.scan(
            &FAILURE_COLUMNS,
            &RowSet::from_sorted_rows(failures),
            &mut |rows| {
                add_failures(rows, summary);
                ControlFlow::Continue(())
            },
        )?;
    }
    Ok(())
}

/// The rows of a row group, with what their codes mean.
struct Group<'r> {
    rows: &'r Rows,
    times: Option<&'r [u64]>,
    numbers: Option<&'r [u64]>,
    sizes: Option<&'r [u64]>,
    kinds: Codes<'r>,
    from: Codes<'r>,
    to: Codes<'r>,
    verdicts: Codes<'r>,
    providers: Codes<'r>,
    is_refused: Meanings<bool>,
    verdict_of: Meanings<Verdict>,
    /// Rows to pass over, as their message is open again; mostly there are none.
    reopened: Vec<bool>,
}

impl<'r> Group<'r> {
    fn new(rows: &'r Rows, reopened: &Reopened) -> Group<'r> {
        let ids = rows.words(ID).unwrap_or_default();
        let is_reopened = |id: &u64| reopened.contains_any(&[*id]);
        Group {
            rows,
            times: rows.words(TIME),
            numbers: rows.words(NUMBER),
            sizes: rows.words(SIZE),
            kinds: Codes(rows.codes(KIND)),
            from: Codes(rows.codes(FROM)),
            to: Codes(rows.codes(TO)),
            verdicts: Codes(rows.codes(VERDICT)),
            providers: Codes(rows.codes(PROVIDER)),
            is_refused: Meanings::new(rows, KIND, |kind| kind == kind_word(Kind::Refused), false),
            verdict_of: Meanings::new(rows, VERDICT, verdict_of, Verdict::Unknown),
            reopened: if reopened.contains_any(ids) {
                ids.iter().map(is_reopened).collect()
            } else {
                Vec::new()
            },
        }
    }

    #[inline]
    fn time_ns(&self, row: usize) -> i64 {
        word(self.times, row) as i64
    }

    /// Counts a row; whether it says why something failed.
    #[inline]
    fn add_row(&self, row: usize, counters: &mut Counters, summary: &mut Summary) -> bool {
        if self.reopened.get(row) == Some(&true) {
            return false;
        }
        let (time_ns, bytes) = (self.time_ns(row), word(self.sizes, row));
        let is_refused = self.is_refused.of(self.kinds.at(row));
        summary.note_time(time_ns);
        // A message's first row has no number, which reads as 0; no other row has this number.
        if word(self.numbers, row) == 0 {
            summary.count_message(time_ns, is_refused, bytes);
            if !is_refused {
                counters.senders.add(self.from.at(row), bytes);
            }
        }
        let to = self.to.at(row);
        if to == NULL_CODE {
            return false;
        }
        let verdict = self.verdict_of.of(self.verdicts.at(row));
        if !is_refused {
            summary.count_verdict(time_ns, verdict);
            counters.recipients.add(to, bytes);
            counters.providers.add(self.providers.at(row), 0);
            let delay = (verdict == Verdict::Delivered)
                .then(|| self.rows.int(DELAY, row))
                .flatten();
            if let Some(delay_ms) = delay.and_then(|delay| u64::try_from(delay).ok()) {
                summary.delays.add(delay_ms);
            }
        }
        Failure::of(verdict).is_some()
    }
}

/// Counts by code of the columns whose names are listed; kept from group to group for their memory.
#[derive(Debug, Default)]
struct Counters {
    senders: ByCode,
    recipients: ByCode,
    providers: ByCode,
}

impl Counters {
    fn clear(&mut self, rows: &Rows) {
        self.senders.clear(rows, FROM);
        self.recipients.clear(rows, TO);
        self.providers.clear(rows, PROVIDER);
    }

    /// Hands over what was counted of a group.
    fn add_to(&mut self, rows: &Rows, summary: &mut Summary) {
        self.senders
            .each(rows, FROM, |from, sum| summary.add_sender(from, sum));
        self.recipients
            .each(rows, TO, |to, sum| summary.add_recipient_name(to, sum));
        // Rows without a provider are in the last sum, and in no list.
        self.providers.sums.pop();
        self.providers.each(rows, PROVIDER, |provider, sum| {
            summary.providers.add(provider, sum)
        });
    }
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
        self.sums
            .resize(rows.code_count(column) + 1, Sum::default());
    }

    #[inline]
    fn add(&mut self, code: u32, bytes: u64) {
        let last = self.sums.len() - 1;
        self.sums[(code as usize).min(last)].add(1, bytes);
    }

    /// Hands out the texts that occurred; `""` for rows without one.
    fn each(&self, rows: &Rows, column: ColumnId, mut each: impl FnMut(&str, Sum)) {
        for (code, sum) in self
            .sums
            .iter()
            .enumerate()
            .filter(|(_, sum)| sum.count > 0)
        {
            // A part has fewer than 2^32 rows, hence codes.
            each(
                rows.value_text(column, code as u32).unwrap_or_default(),
                *sum,
            );
        }
    }
}

/// A text column as codes; `None` where the part lacks it.
#[derive(Clone, Copy, Debug)]
struct Codes<'r>(Option<&'r [u32]>);

impl Codes<'_> {
    /// The code of a row, [`NULL_CODE`] where it has no text.
    #[inline]
    fn at(self, row: usize) -> u32 {
        self.0.map_or(NULL_CODE, |codes| codes[row])
    }
}

/// What each code of a column means, and a last one for rows without a text.
#[derive(Debug)]
struct Meanings<T>(Vec<T>);

impl<T: Copy> Meanings<T> {
    fn new(rows: &Rows, column: ColumnId, mean: impl Fn(&str) -> T, none: T) -> Meanings<T> {
        // A part has fewer than 2^32 rows, hence codes.
        let codes = 0..rows.code_count(column) as u32;
        let known = codes.map(|code| rows.value_text(column, code).map_or(none, &mean));
        Meanings(known.chain([none]).collect())
    }

    #[inline]
    fn of(&self, code: u32) -> T {
        self.0[(code as usize).min(self.0.len() - 1)]
    }
}

/// The number of a row; 0 where it has none.
#[inline]
fn word(words: Option<&[u64]>, row: usize) -> u64 {
    words.map_or(0, |words| words[row])
}

fn verdict_of(text: &str) -> Verdict {
    Verdict::parse(text).unwrap_or(Verdict::Unknown)
}

/// Counts why rows failed, and whom they refused.
fn add_failures(rows: &Rows, summary: &mut Summary) {
    let failure_of = Meanings::new(
        rows,
        VERDICT,
        |verdict| Failure::of(verdict_of(verdict)),
        None,
    );
    let is_refused = Meanings::new(rows, KIND, |kind| kind == kind_word(Kind::Refused), false);
    let (times, kinds) = (rows.words(TIME), Codes(rows.codes(KIND)));
    let [verdicts, classes, replies, names, ips] =
        [VERDICT, CLASS, REPLY, CLIENT_NAME, CLIENT_IP].map(|column| Codes(rows.codes(column)));
    let mut reasons: FxHashMap<(Failure, u32, u32), u64> = FxHashMap::default();
    let mut clients: FxHashMap<(u32, u32), u64> = FxHashMap::default();
    for row in 0..rows.len() {
        let Some(failure) = failure_of.of(verdicts.at(row)) else {
            continue;
        };
        let attempts = rows
            .int(ATTEMPTS, row)
            .and_then(|attempts| u64::try_from(attempts).ok());
        let count = failures_in(is_refused.of(kinds.at(row)), attempts.unwrap_or(1));
        // That it was refused once was counted with its row.
        summary.count_refused(word(times, row) as i64, count - 1);
        *reasons
            .entry((failure, classes.at(row), replies.at(row)))
            .or_default() += count;
        // What a mailbox's script refused came from no client that the log names.
        let has_client = ips.at(row) != NULL_CODE || names.at(row) != NULL_CODE;
        if failure == Failure::Refused && has_client {
            *clients.entry((ips.at(row), names.at(row))).or_default() += count;
        }
    }
    let text = |column, code| {
        (code != NULL_CODE)
            .then(|| rows.value_text(column, code))
            .flatten()
    };
    for ((failure, class, reply), count) in reasons {
        let name = reason_name(text(CLASS, class), text(REPLY, reply).unwrap_or_default());
        summary.add_reason(failure, &name, count);
    }
    for ((ip, name), count) in clients {
        let client = client_name(text(CLIENT_IP, ip), text(CLIENT_NAME, name));
        summary.refusal_clients.add(client, Sum { count, bytes: 0 });
    }
}
