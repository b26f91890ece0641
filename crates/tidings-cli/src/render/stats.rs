//! The summary of a period: volumes, verdicts, lists of the most frequent, traffic over time, delays.

use tidings_engine::contract::{CountObject, StatsObject};
use tidings_event::time::parse_rfc3339;

use super::histogram::histogram;
use crate::term::{
    Screen, Style, bytes, clean, count, duration, fit, pad, pad_left, percent, plural,
    verdict_style, width, wrap,
};

/// Cells of the longest bar.
const BAR_CELLS: usize = 24;

/// What is said where the engine could not count everything exactly.
const APPROXIMATE: &str = "Some figures are rounded: a list had too many different names, or there were too many long \
                           delays, to count each exactly; ask for a shorter period for exact ones.";

/// The summary as lines.
pub(crate) fn stats_lines(screen: &Screen, stats: &StatsObject) -> Vec<String> {
    let mut lines = vec![period(screen, stats), String::new()];
    volumes(stats, &mut lines);
    let mut report = Report {
        screen,
        lines: &mut lines,
    };
    report.verdicts(&stats.verdicts);
    report.delays(stats);
    let of_recipients = stats.recipients;
    report.list("Why mail is deferred", &stats.deferral_reasons, None);
    report.list("Why mail bounced or expired", &stats.bounce_reasons, None);
    let refusals = Some(refusals(stats));
    report.list("Why mail was refused", &stats.refusal_reasons, refusals);
    report.list("Refused most often", &stats.refusal_clients, refusals);
    report.list("Senders", &stats.senders, Some(stats.messages));
    report.list(
        "Sender domains",
        &stats.sender_domains,
        Some(stats.messages),
    );
    report.list(
        "Recipients",
        &stats.recipient_addresses,
        Some(of_recipients),
    );
    report.list(
        "Recipient domains",
        &stats.recipient_domains,
        Some(of_recipients),
    );
    report.list(
        "Recipients by provider",
        &stats.providers,
        Some(of_recipients),
    );
    report.sign_ins(stats);
    report.section("Traffic", histogram(screen, stats));
    if stats.approximate {
        report.lines.extend(wrap(APPROXIMATE, screen.prose_width()));
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// `Mail from 2026-11-21 00:00 to 2026-11-22 15:00 (1 d 15 h), times in Europe/Berlin`.
fn period(screen: &Screen, stats: &StatsObject) -> String {
    let zone = screen.zone.name(screen.now_ns);
    let (Ok(since), Ok(until)) = (parse_rfc3339(&stats.since), parse_rfc3339(&stats.until)) else {
        return screen.paint(Style::Bold, "The whole history");
    };
    let title = format!(
        "Mail from {} to {}",
        screen.zone.minutes(since),
        screen.zone.minutes(until)
    );
    let took = duration(until.abs_diff(since) / 1_000_000);
    format!(
        "{} ({took}), times in {zone}",
        screen.paint(Style::Bold, &title)
    )
}

fn volumes(stats: &StatsObject, lines: &mut Vec<String>) {
    let messages = plural(stats.messages, "message", "messages");
    let recipients = plural(stats.recipients, "recipient", "recipients");
    let size = bytes(stats.bytes);
    lines.push(format!("  {messages} with {size} for {recipients}"));
    let kinds = [
        (stats.refused, "refused before there was a message"),
        (
            stats.refused_recipients,
            "refused as recipients of accepted messages",
        ),
    ];
    for (number, what) in kinds.into_iter().filter(|(number, _)| *number > 0) {
        lines.push(format!("  {} {what}", count(number)));
    }
    lines.push(String::new());
}

/// Refusals of all kinds, of which the lists of refusals tell.
fn refusals(stats: &StatsObject) -> u64 {
    stats.refused.saturating_add(stats.refused_recipients)
}

struct Report<'a> {
    screen: &'a Screen,
    lines: &'a mut Vec<String>,
}

impl Report<'_> {
    /// A heading with lines beneath; nothing, if there are none.
    fn section(&mut self, title: &str, body: Vec<String>) {
        if body.is_empty() {
            return;
        }
        self.lines.push(self.screen.paint(Style::Bold, title));
        self.lines.extend(body);
        self.lines.push(String::new());
    }

    fn verdicts(&mut self, verdicts: &[CountObject]) {
        let whole = verdicts.iter().map(|verdict| verdict.count).sum();
        let names = verdicts
            .iter()
            .map(|verdict| width(&clean(&verdict.name)))
            .max();
        let names = names.unwrap_or(0);
        let counts = count_width(verdicts);
        let body = verdicts
            .iter()
            .map(|verdict| {
                let style = verdict_style(&verdict.name);
                let bar = self.screen.symbols.bar(verdict.count, whole, BAR_CELLS);
                let line = format!(
                    "  {}  {}  {}  {}",
                    self.screen.paint(style, &pad(&clean(&verdict.name), names)),
                    pad_left(&count(verdict.count), counts),
                    pad_left(&percent(verdict.count, whole), 7),
                    self.screen.paint(style, &bar)
                );
                line.trim_end().to_owned()
            })
            .collect();
        self.section("What became of it, by recipient", body);
    }

    /// The most frequent, with their share of `whole` where the list is of a known whole.
    fn list(&mut self, title: &str, items: &[CountObject], whole: Option<u64>) {
        let body = list_lines(self.screen, items, whole);
        self.section(title, body);
    }

    fn sign_ins(&mut self, stats: &StatsObject) {
        if stats.sign_ins + stats.sign_in_failures == 0 {
            return;
        }
        let failed = plural(stats.sign_in_failures, "failed sign-in", "failed sign-ins");
        let body = vec![format!(
            "  {failed}, {} that succeeded",
            count(stats.sign_ins)
        )];
        self.section("Sign-ins", body);
        let whole = Some(stats.sign_in_failures);
        self.list(
            "Failed sign-ins by account",
            &stats.sign_in_failures_by_account,
            whole,
        );
        self.list(
            "Failed sign-ins by client",
            &stats.sign_in_failures_by_client,
            whole,
        );
    }

    fn delays(&mut self, stats: &StatsObject) {
        let delays = &stats.delays_ms;
        if delays.max == 0 {
            return;
        }
        let body = [
            ("half took at most", delays.median),
            ("9 of 10", delays.p90),
            ("99 of 100", delays.p99),
            ("the longest", delays.max),
        ]
        .map(|(what, ms)| format!("  {}  {}", pad(what, 17), duration(ms)));
        self.section("How long deliveries took", body.to_vec());
    }
}

fn count_width(items: &[CountObject]) -> usize {
    items
        .iter()
        .map(|item| count(item.count).len())
        .max()
        .unwrap_or(0)
}

/// A line for each item: count, share, bytes, bar, name.
fn list_lines(screen: &Screen, items: &[CountObject], whole: Option<u64>) -> Vec<String> {
    let counts = count_width(items);
    let longest = items.iter().map(|item| item.count).max().unwrap_or(0);
    let has_bytes = items.iter().any(|item| item.bytes.is_some());
    items
        .iter()
        .map(|item| {
            let mut line = format!("  {}", pad_left(&count(item.count), counts));
            if let Some(whole) = whole {
                line.push_str(&format!("  {}", pad_left(&percent(item.count, whole), 7)));
            }
            if has_bytes {
                let size = item.bytes.map(bytes).unwrap_or_default();
                line.push_str(&format!("  {}", pad_left(&size, 7)));
            }
            let bar = screen.symbols.bar(item.count, longest, BAR_CELLS / 2);
            let bar = pad(&bar, BAR_CELLS / 2);
            let used = width(&line) + 2 + BAR_CELLS / 2 + 2;
            let name = match item.name.as_str() {
                "" => screen.symbols.dash,
                name => name,
            };
            let name = match screen.width {
                Some(columns) => {
                    let room = columns.saturating_sub(used).max(16);
                    fit(&clean(name), room, screen.symbols.ellipsis)
                }
                None => clean(name).into_owned(),
            };
            format!("{line}  {}  {name}", screen.paint(Style::Cyan, &bar))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plain_screen;

    fn listed(name: &str, count: u64) -> CountObject {
        CountObject {
            name: name.to_owned(),
            count,
            bytes: None,
        }
    }

    /// The shares of refusals were of the commands only, and added up to more than all of them.
    #[test]
    fn refusals_are_shares_of_all_of_them() {
        let stats = StatsObject {
            refused: 1,
            refused_recipients: 3,
            refusal_reasons: vec![listed("policy", 3), listed("relay-denied", 1)],
            ..StatsObject::default()
        };
        let lines = stats_lines(&plain_screen(), &stats).join("\n");
        assert!(lines.contains("  3   75.0 %"), "{lines}");
        assert!(lines.contains("  1   25.0 %"), "{lines}");
        assert!(!lines.contains("Some figures"), "{lines}");
    }

    #[test]
    fn figures_that_are_not_exact_are_said_to_be() {
        let stats = StatsObject {
            approximate: true,
            ..StatsObject::default()
        };
        let lines = stats_lines(&plain_screen(), &stats).join("\n");
        assert!(lines.ends_with("exact ones."), "{lines}");
    }
}
