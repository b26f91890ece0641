//! Recognising files by their content.

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::test_runner::TestCaseError;
use tempfile::{TempDir, tempdir};
use tidings_engine::input::{ChainSet, Growth, InputFile, Match, open};

use crate::support::{Packing, drain, log, write};

/// Matches a file, reads what is unseen, remembers it.
fn import(set: &mut ChainSet, dir: &TempDir, bytes: &[u8], growth: Growth) -> (Match, Vec<u8>) {
    let mut file = open(&write(dir, "file", bytes)).unwrap();
    let held = set.match_file(&mut file).unwrap();
    let unseen = rest(&mut file);
    set.remember(held, &file, growth);
    (held, unseen)
}

fn rest(file: &mut InputFile) -> Vec<u8> {
    let (bytes, error) = drain(file);
    assert!(error.is_none(), "{error:?}");
    bytes
}

#[test]
fn a_nightly_rotation_and_an_import_of_everything_count_nothing_twice() {
    let dir = tempdir().unwrap();
    let mut set = ChainSet::new();
    let (monday, tuesday) = (log("M", 9_000), log("T", 7_000));
    let half = &monday[..300_000];
    let end = half.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let (held, unseen) = import(&mut set, &dir, &monday[..end], Growth::SameFile);
    assert_eq!((held, unseen.len()), (Match::New, end));
    let chain = set.iter().next().unwrap().0;
    for packing in Packing::ALL {
        let mut set = set.clone();
        let (held, unseen) = import(&mut set, &dir, &packing.of(&monday), Growth::Unknown);
        let lines = monday[..end].iter().filter(|byte| **byte == b'\n').count() as u64;
        let grown = Match::Grown {
            chain,
            from_offset: end as u64,
            from_line: lines + 1,
        };
        assert_eq!(held, grown, "{packing:?}");
        assert!(unseen == monday[end..]);
        let (held, unseen) = import(&mut set, &dir, &packing.of(&tuesday), Growth::Unknown);
        assert_eq!((held, unseen.len()), (Match::New, tuesday.len()));
        for all in [&monday, &tuesday, &[monday.as_slice(), &tuesday].concat()] {
            let (held, unseen) = import(&mut set, &dir, &packing.of(all), Growth::Unknown);
            assert!(matches!(held, Match::Same { .. }), "{held:?}");
            assert!(unseen.is_empty());
        }
    }
}

#[test]
fn files_with_the_same_first_64_kib_are_told_apart() {
    let dir = tempdir().unwrap();
    let common = log("C", 3_000);
    let (one, two) = (
        [&common[..], &log("1", 9_000)].concat(),
        [&common[..], &log("2", 9_500)].concat(),
    );
    for packing in Packing::ALL {
        let mut set = ChainSet::new();
        assert_eq!(
            import(&mut set, &dir, &packing.of(&one), Growth::Unknown).0,
            Match::New
        );
        let (held, unseen) = import(&mut set, &dir, &packing.of(&two), Growth::Unknown);
        let Match::Diverged { common: agreed, .. } = held else {
            panic!("{held:?}");
        };
        assert!((65_536..=common.len() as u64).contains(&agreed), "{agreed}");
        assert!(unseen == two, "the file is given whole");
        for file in [&one, &two] {
            let (held, _) = import(&mut set, &dir, &packing.of(file), Growth::Unknown);
            assert!(matches!(held, Match::Same { .. }), "{held:?}");
        }
    }
}

#[test]
fn a_diverged_file_can_be_read_from_where_it_parts() {
    let dir = tempdir().unwrap();
    let common = log("C", 3_000);
    let (one, two) = (
        [&common[..], &log("1", 90)].concat(),
        [&common[..], &log("2", 95)].concat(),
    );
    let mut set = ChainSet::new();
    import(&mut set, &dir, &one, Growth::Unknown);
    let mut file = open(&write(&dir, "two", &two)).unwrap();
    let Match::Diverged { common: agreed, .. } = set.match_file(&mut file).unwrap() else {
        panic!("not told apart");
    };
    assert!(file.skip_to_line_at(agreed).unwrap());
    let unseen = rest(&mut file);
    assert!(two.ends_with(&unseen) && unseen.len() > two.len() - common.len());
    assert!(unseen.len() < two.len() - 60_000);
    assert_eq!(
        file.chain().length(),
        two.len() as u64,
        "its chain is that of the whole file"
    );
}

#[test]
fn the_same_first_line_alone_means_nothing() {
    let dir = tempdir().unwrap();
    let mut set = ChainSet::new();
    let header = "# this file was begun by the logging daemon\n";
    for name in ["A", "B", "C"] {
        let bytes = [header.as_bytes(), &log(name, 50)].concat();
        let (held, unseen) = import(&mut set, &dir, &bytes, Growth::Unknown);
        assert_eq!((held, unseen.len()), (Match::New, bytes.len()));
    }
    assert_eq!(set.len(), 3);
}

#[test]
fn a_known_end_within_a_line_is_continued() {
    let dir = tempdir().unwrap();
    let text = log("A", 2_000);
    for known in [20, 100_000] {
        let mut set = ChainSet::new();
        import(&mut set, &dir, &text[..known], Growth::Unknown);
        let mut file = open(&write(&dir, "file", &text)).unwrap();
        let held = set.match_file(&mut file).unwrap();
        let newlines = text[..known].iter().filter(|byte| **byte == b'\n').count() as u64;
        assert!(
            matches!(held, Match::Grown { from_offset, from_line, .. }
                if (from_offset, from_line) == (known as u64, newlines + 1)),
            "{held:?}"
        );
        let mut block = tidings_engine::input::Block::new();
        assert!(file.next_block(&mut block).unwrap());
        let first = block.lines().next().unwrap();
        assert!(first.continues);
        assert_eq!(first.number, newlines + 1);
        assert!(text[known..].starts_with(first.bytes));
    }
}

/// Else the rest of a line, perhaps only its `\n`, would be taken for a file's beginning.
#[test]
fn what_continues_a_line_is_no_stream_of_its_own() {
    let dir = tempdir().unwrap();
    let mut set = ChainSet::new();
    import(&mut set, &dir, b"one\ntwo", Growth::Unknown);
    import(&mut set, &dir, b"one\ntwo\n", Growth::Unknown);
    assert_eq!(set.len(), 1);
    let (held, unseen) = import(&mut set, &dir, b"\nanother\n", Growth::Unknown);
    assert_eq!((held, unseen.len()), (Match::New, 9));
}

#[test]
fn a_packed_file_that_ends_early_is_completed_later() {
    let dir = tempdir().unwrap();
    let text = log("A", 30_000);
    for packing in &Packing::ALL[1..] {
        let mut set = ChainSet::new();
        let packed = packing.of(&text);
        let mut file = open(&write(&dir, "file", &packed[..packed.len() * 3 / 4])).unwrap();
        file.hold_partial_line(true);
        let held = set.match_file(&mut file).unwrap();
        let (first, error) = drain(&mut file);
        assert!(error.is_some() && first.ends_with(b"\n"));
        set.remember(held, &file, Growth::Unknown);
        let (_, second) = import(&mut set, &dir, &packed, Growth::Unknown);
        assert!([first, second].concat() == text, "{packing:?}");
        // The damaged copy again: nothing new, and the damage is told all the same.
        let mut file = open(&write(&dir, "file", &packed[..packed.len() / 2])).unwrap();
        assert!(matches!(
            set.match_file(&mut file),
            Ok(Match::PrefixOf { .. })
        ));
        let (unseen, error) = drain(&mut file);
        assert!(unseen.is_empty() && error.is_some());
    }
}

#[test]
fn a_set_is_stored_chain_by_chain() {
    let dir = tempdir().unwrap();
    let mut set = ChainSet::new();
    let files: Vec<Vec<u8>> = (1..6).map(|n| log(&format!("F{n}"), n * 700)).collect();
    for file in &files {
        import(&mut set, &dir, file, Growth::Unknown);
    }
    let stored: Vec<_> = set.iter().filter_map(|(id, _)| set.entry(id)).collect();
    let mut loaded = ChainSet::load(stored).unwrap();
    for file in &files {
        let (held, _) = import(&mut loaded, &dir, file, Growth::Unknown);
        assert!(matches!(held, Match::Same { .. }));
    }
    let (first, _) = loaded.iter().next().unwrap();
    loaded.remove(first);
    let news = files
        .iter()
        .filter(|file| import(&mut loaded, &dir, file, Growth::Unknown).0 == Match::New);
    assert_eq!(news.count(), 1);
    assert!(ChainSet::load([(b"short", b"")]).is_err());
}

/// One thing that happens to a host's logs, or an import of one of their many shapes.
#[derive(Clone, Debug)]
enum Op {
    /// So many lines are written to a log.
    Append { stream: usize, lines: usize },
    /// A log is imported as it is, under any name, packed in any way.
    Import {
        stream: usize,
        packing: Packing,
        growth: Growth,
    },
    /// A copy that was made earlier is imported, cut at a line end or anywhere.
    ImportCopy {
        stream: usize,
        packing: Packing,
        cut: prop::sample::Index,
        at_line: bool,
    },
    /// Logs one behind the other: those before the last one were imported before.
    ImportJoined {
        first: usize,
        second: usize,
        last: usize,
        packing: Packing,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let stream = 0usize..4;
    let packing = prop_oneof![
        4 => Just(Packing::Plain),
        2 => Just(Packing::Gzip),
        1 => Just(Packing::Zstd),
        1 => Just(Packing::Xz),
        1 => Just(Packing::Bzip2),
    ];
    let growth = prop_oneof![Just(Growth::SameFile), Just(Growth::Unknown)];
    let lines = prop_oneof![1usize..20, 1usize..20, 500usize..4_000];
    prop_oneof![
        4 => (stream.clone(), lines).prop_map(|(stream, lines)| Op::Append { stream, lines }),
        3 => (stream.clone(), packing.clone(), growth)
            .prop_map(|(stream, packing, growth)| Op::Import { stream, packing, growth }),
        2 => (stream.clone(), packing.clone(), any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(stream, packing, cut, at_line)| Op::ImportCopy { stream, packing, cut, at_line }),
        2 => (stream.clone(), stream.clone(), stream, packing)
            .prop_map(|(first, second, last, packing)| Op::ImportJoined { first, second, last, packing }),
    ]
}

/// What was written to each log, and how much of it was given out.
#[derive(Default)]
struct Model {
    written: [Vec<u8>; 4],
    lines: [usize; 4],
    seen: [usize; 4],
}

impl Model {
    fn append(&mut self, stream: usize, lines: usize) {
        let from = self.lines[stream];
        self.lines[stream] += lines;
        for n in from..self.lines[stream] {
            // From the first byte on no log is like another, as with full time stamps.
            let line = format!("{stream}-{n:06} mx postfix/qmgr[{n}]: {n:06X}: removed\n");
            self.written[stream].extend(line.into_bytes());
        }
    }

    /// The unseen part of a log's first `length` bytes, which then are seen.
    fn see(&mut self, stream: usize, length: usize) -> Vec<u8> {
        let seen = self.seen[stream];
        self.seen[stream] = seen.max(length);
        self.written[stream][seen.min(length)..length].to_vec()
    }

    fn run(&mut self, op: &Op, set: &mut ChainSet, dir: &TempDir) -> Result<(), TestCaseError> {
        let (bytes, expected, packing, growth) = match op {
            Op::Append { stream, lines } => {
                self.append(*stream, *lines);
                return Ok(());
            }
            Op::Import {
                stream,
                packing,
                growth,
            } => {
                let bytes = self.written[*stream].clone();
                let expected = self.see(*stream, bytes.len());
                (bytes, expected, *packing, *growth)
            }
            Op::ImportCopy {
                stream,
                packing,
                cut,
                at_line,
            } => {
                let whole = &self.written[*stream];
                let mut length = cut.index(whole.len() + 1);
                // Of an old copy that ends within the first line behind a place where an import
                // ended, that piece of a line is not recognised.
                if *at_line || length < self.seen[*stream] {
                    length = whole[..length]
                        .iter()
                        .rposition(|byte| *byte == b'\n')
                        .map_or(0, |at| at + 1);
                }
                let bytes = whole[..length].to_vec();
                let expected = self.see(*stream, length);
                (bytes, expected, *packing, Growth::SameFile)
            }
            Op::ImportJoined {
                first,
                second,
                last,
                packing,
            } => {
                let known = [*first, *second].into_iter().filter(|stream| {
                    stream != last && self.seen[*stream] == self.written[*stream].len()
                });
                let mut bytes = known
                    .map(|stream| self.written[stream].clone())
                    .collect::<Vec<_>>()
                    .concat();
                bytes.extend(&self.written[*last]);
                let expected = self.see(*last, self.written[*last].len());
                (bytes, expected, *packing, Growth::Unknown)
            }
        };
        let (held, unseen) = import(set, dir, &packing.of(&bytes), growth);
        prop_assert_eq!(unseen.len(), expected.len(), "{:?}", held);
        prop_assert!(unseen == expected, "{:?}", held);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 96 } else { 2_000 }))]

    /// Whatever happens to the logs and in whatever shape they are imported: exactly the unseen
    /// bytes are given, never one twice.
    #[test]
    fn only_unseen_bytes_are_given(ops in prop::collection::vec(op(), 1..30)) {
        let dir = tempdir().unwrap();
        let mut set = ChainSet::new();
        let mut model = Model::default();
        for op in &ops {
            model.run(op, &mut set, &dir)?;
            let stored: Vec<_> = set.iter().filter_map(|(id, _)| set.entry(id)).collect();
            set = ChainSet::load(stored).unwrap();
        }
    }
}
