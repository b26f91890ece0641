//! Counts the sign-ins of a part of the `events` table.

use std::net::IpAddr;
use std::ops::ControlFlow;

use tidings_event::{Key, Records, Value};
use tidings_store::{ColumnId, Part, Rows, TokenExpr};

use super::StatsQuery;
use super::summary::{SignIn, Summary, client_name, times_of};
use crate::error::Error;
use crate::rows::{MORE, SEQUENCE, TIME, TYPE, column_of};

/// Counts the sign-ins of a part; those with a sequence from `memory_from` on were counted in
/// memory.
pub(super) fn add_part(
    part: &Part,
    query: &StatsQuery,
    memory_from: Option<u64>,
    summary: &mut Summary,
) -> Result<(), Error> {
    let types = SignIn::TYPES
        .iter()
        .map(|kind| TokenExpr::token(kind.name()))
        .collect();
    let candidates = part.candidates(&TokenExpr::Or(types))?;
    if candidates.is_empty() {
        return Ok(());
    }
    let (since_ns, until_ns) = query.bounds();
    let rows = candidates.and(&part.within(since_ns..=until_ns)?);
    let columns = Columns::new();
    part.scan(&columns.all(), &rows, &mut |rows| {
        for row in 0..rows.len() {
            let sequence = rows
                .int(SEQUENCE, row)
                .and_then(|sequence| u64::try_from(sequence).ok());
            let in_memory = sequence
                .zip(memory_from)
                .is_some_and(|(sequence, from)| sequence >= from);
            if !in_memory {
                columns.add_row(rows, row, query, summary);
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// The columns that tell of a sign-in.
struct Columns {
    account: ColumnId,
    ip: ColumnId,
    host: ColumnId,
    repeated: ColumnId,
}

impl Columns {
    fn new() -> Columns {
        let column = |key| column_of(key).expect("these keys have columns: a test reads them");
        Columns {
            account: column(Key::ACCOUNT_NAME),
            ip: column(Key::REMOTE_IP),
            host: column(Key::HOSTNAME),
            repeated: column(Key::REPEATED),
        }
    }

    fn all(&self) -> [ColumnId; 8] {
        [
            TIME,
            TYPE,
            SEQUENCE,
            MORE,
            self.account,
            self.ip,
            self.host,
            self.repeated,
        ]
    }

    fn add_row(&self, rows: &Rows, row: usize, query: &StatsQuery, summary: &mut Summary) {
        let Some(outcome) = rows.text(TYPE, row).and_then(SignIn::of) else {
            return;
        };
        let Some(time_ns) = rows
            .time(TIME, row)
            .filter(|time_ns| query.covers(*time_ns))
        else {
            return;
        };
        let more = More::read(rows.bytes(MORE, row).unwrap_or_default());
        let repeated = rows
            .int(self.repeated, row)
            .and_then(|repeated| u64::try_from(repeated).ok());
        let more_ip = more.ip.map(|ip| ip.to_string());
        let client = client_name(
            rows.text(self.ip, row).or(more_ip.as_deref()),
            rows.text(self.host, row).or(more.host),
        );
        let account = rows
            .text(self.account, row)
            .or(more.account)
            .unwrap_or_default();
        let count = times_of(repeated.or(more.repeated), more.count);
        summary.add_sign_in(time_ns, outcome, account, client, count);
    }
}

/// What an event says in values that have no column, or do not fit theirs.
#[derive(Debug, Default)]
struct More<'r> {
    account: Option<&'r str>,
    ip: Option<IpAddr>,
    host: Option<&'r str>,
    repeated: Option<u64>,
    count: Option<u64>,
}

impl<'r> More<'r> {
    fn read(records: &'r [u8]) -> More<'r> {
        let mut more = More::default();
        for record in Records::new(records).map_while(Result::ok) {
            for (key, value) in record.pairs() {
                more.put(key, &value);
            }
        }
        more
    }

    fn put(&mut self, key: Key, value: &Value<'r>) {
        match key {
            Key::ACCOUNT_NAME => self.account = self.account.or(value.as_str()),
            Key::HOSTNAME => self.host = self.host.or(value.as_str()),
            Key::REMOTE_IP => self.ip = self.ip.or(value.as_ip()),
            Key::REPEATED => self.repeated = self.repeated.or(value.as_u64()),
            Key::COUNT => self.count = self.count.or(value.as_u64()),
            _ => {}
        }
    }
}
