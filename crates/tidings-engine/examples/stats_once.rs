//! Sums up everything in a directory and prints what it took: `stats_once DIR [ROUNDS]`.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark asks the system for the time"
)]

use std::path::Path;
use std::time::Instant;

use tidings_engine::{Engine, EngineOptions, StatsQuery};

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().expect("a directory");
    let rounds: u32 = args
        .next()
        .map_or(5, |rounds| rounds.parse().expect("a number of rounds"));
    let engine = Engine::open(Path::new(&dir), EngineOptions::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let query = StatsQuery {
        top: 10,
        now_ns: 1_795_500_000_000_000_000,
        ..StatsQuery::default()
    };
    for round in 0..rounds {
        let start = Instant::now();
        let stats = engine
            .stats(&query)
            .unwrap_or_else(|error| panic!("{error}"));
        let took_ms = start.elapsed().as_secs_f64() * 1e3;
        if round == 0 {
            println!(
                "{}",
                serde_json::to_string_pretty(&stats).expect("the contract is JSON")
            );
        }
        let rows = stats.recipients + stats.refused;
        println!(
            "{rows} recipients and refusals in {took_ms:.1} ms, {:.0} ns each",
            took_ms * 1e6 / rows.max(1) as f64
        );
    }
}
