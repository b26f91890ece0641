//! Opening and reading.

use std::fs::OpenOptions;
use std::io::Write;

use tempfile::tempdir;
use tidings_engine::input::{
    Block, ChainBuilder, Encoding, InputError, Limits, LineEnd, open, open_with,
};

use crate::support::{Packing, drain, gzip, log, read_all, write};

#[test]
fn every_packing_gives_the_same_bytes_and_the_same_chain() {
    let dir = tempdir().unwrap();
    let text = log("A", 40_000);
    let mut chain = ChainBuilder::new();
    chain.update(&text);
    for packing in Packing::ALL {
        // The name says nothing.
        let path = write(&dir, "mail.log.gz", &packing.of(&text));
        let mut file = open(&path).unwrap();
        let (bytes, error) = drain(&mut file);
        assert!(error.is_none(), "{packing:?}: {error:?}");
        assert!(bytes == text, "{packing:?}");
        assert_eq!(file.chain(), chain.chain(), "{packing:?}");
        assert_eq!(file.lines(), 40_000);
    }
}

#[test]
fn several_members_are_one_file() {
    let dir = tempdir().unwrap();
    let (one, two) = (log("A", 3_000), log("B", 5_000));
    let both = [one.as_slice(), &two].concat();
    for packing in Packing::ALL {
        let packed = [packing.of(&one), packing.of(b""), packing.of(&two)].concat();
        assert!(
            read_all(&write(&dir, "log", &packed)) == both,
            "{packing:?}"
        );
    }
}

#[test]
fn zstd_steps_over_skippable_frames() {
    let dir = tempdir().unwrap();
    let text = log("A", 100);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let packed = [skippable.as_slice(), &Packing::Zstd.of(&text), &skippable].concat();
    assert_eq!(read_all(&write(&dir, "log", &packed)), text);
}

#[test]
fn zeros_behind_the_packed_data_are_padding_and_anything_else_is_damage() {
    let dir = tempdir().unwrap();
    let text = log("A", 100);
    for packing in &Packing::ALL[1..] {
        let mut packed = packing.of(&text);
        packed.extend([0; 512]);
        assert_eq!(read_all(&write(&dir, "log", &packed)), text, "{packing:?}");
        packed.extend(b"garbage that is no log");
        let (bytes, error) = drain(&mut open(&write(&dir, "log", &packed)).unwrap());
        assert_eq!(bytes, text, "{packing:?}");
        assert!(
            matches!(error, Some(InputError::Damaged { lines: 100, .. })),
            "{packing:?}: {error:?}"
        );
    }
}

#[test]
fn hints_for_dates() {
    let dir = tempdir().unwrap();
    let file = open(&write(&dir, "a", &gzip(b"x\n", 1_700_000_000))).unwrap();
    assert_eq!(
        file.facts().unwrap().gzip_time_ns,
        Some(1_700_000_000_000_000_000)
    );
    let file = open(&write(&dir, "b", &gzip(b"x\n", 0))).unwrap();
    assert_eq!(file.facts().unwrap().gzip_time_ns, None);
    let file = open(&write(&dir, "c", b"x\n")).unwrap();
    let facts = file.facts().unwrap();
    assert_eq!((facts.gzip_time_ns, facts.bytes), (None, 2));
    assert!(facts.modified_ns > 1_700_000_000_000_000_000);
}

#[test]
fn what_is_no_log_file_is_refused_in_one_sentence() {
    let dir = tempdir().unwrap();
    let sentence = |path: &std::path::Path| {
        let text = open(path).unwrap_err().to_string();
        text.replace(&dir.path().display().to_string(), "DIR")
    };
    let allowed = "allowed are regular files: plain text, or packed with gzip, zstd, xz or bzip2";
    assert_eq!(
        sentence(dir.path()),
        format!("cannot read DIR: it is a directory; {allowed}")
    );
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert_eq!(
        sentence(&socket),
        format!("cannot read DIR/socket: it is a socket; {allowed}")
    );
    let device = std::path::Path::new("/dev/null");
    assert_eq!(
        sentence(device),
        format!("cannot read /dev/null: it is a device; {allowed}")
    );
    let zip = write(&dir, "zip", b"PK\x03\x04 and so on");
    assert_eq!(
        sentence(&zip),
        format!("cannot read DIR/zip: it is a zip archive; {allowed}")
    );
    let missing = dir.path().join("missing");
    assert_eq!(
        sentence(&missing),
        "cannot open DIR/missing: no such file or directory"
    );
}

#[test]
fn a_pipe_is_refused_without_waiting_for_its_writer() {
    let dir = tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    assert!(
        open(&pipe)
            .unwrap_err()
            .to_string()
            .contains("it is a pipe")
    );
}

/// Everything that could be unpacked is delivered, then the error names place and lines.
#[test]
fn packed_data_that_ends_early_gives_what_there_is() {
    let dir = tempdir().unwrap();
    let text = log("A", 30_000);
    for packing in &Packing::ALL[1..] {
        let packed = packing.of(&text);
        let mut least = 0;
        for eighth in 1..8 {
            let cut = packed.len() * eighth / 8;
            let (bytes, error) = drain(&mut open(&write(&dir, "log", &packed[..cut])).unwrap());
            let newlines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            let fragment = u64::from(bytes.last().is_some_and(|byte| *byte != b'\n'));
            let Some(InputError::Damaged {
                packed_offset,
                lines,
                why,
                ..
            }) = error
            else {
                panic!("{packing:?} {eighth}: {error:?}");
            };
            assert_eq!(packed_offset, cut as u64);
            assert_eq!(lines, newlines + fragment);
            assert_eq!(why, "it ends in the middle of the packed data");
            assert!(text.starts_with(&bytes), "{packing:?} {eighth}");
            assert!(bytes.len() >= least);
            least = bytes.len();
        }
        // bzip2 and zstd unpack whole blocks only.
        assert!(least > text.len() / 2, "{packing:?}: {least}");
    }
}

#[test]
fn damage_is_told_after_what_came_before() {
    let dir = tempdir().unwrap();
    let text = log("A", 60_000);
    for packing in &Packing::ALL[1..] {
        let mut packed = packing.of(&text);
        let middle = packed.len() * 3 / 4;
        packed[middle..middle + 8].fill(0xff);
        let (bytes, error) = drain(&mut open(&write(&dir, "log", &packed)).unwrap());
        let shared = bytes
            .iter()
            .zip(&text)
            .take_while(|(one, other)| one == other)
            .count();
        assert!(
            shared > text.len() / 3,
            "{packing:?}: {shared} of {}",
            text.len()
        );
        let error = error.unwrap();
        let start = format!("{} is damaged at byte ", dir.path().join("log").display());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(matches!(error, InputError::Damaged { .. }));
    }
}

/// A block that is whole is given although the one behind it, in the same read, is damaged.
#[test]
fn a_damaged_zstd_block_takes_no_other_block_along() {
    let dir = tempdir().unwrap();
    let text = log("A", 6_000);
    let packed = Packing::Zstd.of(&text);
    let mut block_starts = vec![];
    // RFC 8878: a block header of 3 bytes says last, kind and size; the frame header of this
    // encoder is 4 bytes of magic, 1 of descriptor and 1 of window.
    let mut at = 6;
    loop {
        block_starts.push(at);
        let header = u32::from_le_bytes([packed[at], packed[at + 1], packed[at + 2], 0]);
        at += 3 + (header >> 3) as usize;
        if header & 1 == 1 {
            break;
        }
    }
    assert!(block_starts.len() > 2, "the sample has several blocks");
    let mut damaged = packed;
    let third = block_starts[2];
    // Block kind 3 is reserved.
    damaged[third] |= 0b110;
    let (bytes, error) = drain(&mut open(&write(&dir, "log", &damaged)).unwrap());
    assert_eq!(bytes.len(), 2 * 128 * 1024);
    assert!(matches!(error, Some(InputError::Damaged { .. })));
}

#[test]
fn unpacking_stays_within_its_memory() {
    let dir = tempdir().unwrap();
    let text = log("A", 60_000);
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&text).unwrap();
    let zstd = encoder.finish().unwrap();
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 9);
    encoder.write_all(&text).unwrap();
    let xz = encoder.finish().unwrap();
    for (encoding, packed) in [(Encoding::Zstd, zstd), (Encoding::Xz, xz)] {
        let path = write(&dir, "log", &packed);
        assert_eq!(read_all(&path), text, "the default allows it");
        let limits = Limits {
            unpack_memory_bytes: 8 << 20,
            ..Limits::default()
        };
        let (bytes, error) = drain(&mut open_with(&path, limits).unwrap());
        assert!(bytes.is_empty());
        let expected = format!(
            "unpacking {} ({encoding}) needs more memory than the 8 MiB allowed; 0 lines before \
             were read",
            path.display()
        );
        assert_eq!(error.unwrap().to_string(), expected);
    }
}

#[test]
fn long_lines_come_whole_to_the_limit_and_in_counted_pieces_beyond() {
    let dir = tempdir().unwrap();
    let limits = Limits {
        block_bytes: 100_000,
        ..Limits::default()
    };
    let line = |byte: u8, length: usize| [vec![byte; length], vec![b'\n']].concat();
    let text = [
        line(b'a', 10),
        line(b'b', 99_999),
        line(b'c', 250_000),
        line(b'd', 5),
    ]
    .concat();
    let path = write(&dir, "log", &text);
    let mut file = open_with(&path, limits).unwrap();
    let mut block = Block::new();
    let mut pieces = Vec::new();
    while file.next_block(&mut block).unwrap() {
        crate::support::assert_consistent(&block);
        for line in block.lines() {
            pieces.push((
                line.bytes[0],
                line.bytes.len(),
                line.number,
                line.continues,
                line.end,
            ));
        }
    }
    let expected = [
        (b'a', 10, 1, false, LineEnd::Newline),
        (b'b', 99_999, 2, false, LineEnd::Newline),
        (b'c', 100_000, 3, false, LineEnd::Cut),
        (b'c', 100_000, 3, true, LineEnd::Cut),
        (b'c', 50_000, 3, true, LineEnd::Newline),
        (b'd', 5, 4, false, LineEnd::Newline),
    ];
    assert_eq!(pieces, expected);
    assert_eq!(file.cuts(), 2);
}

#[test]
fn a_last_line_without_newline_is_delivered_or_held() {
    let dir = tempdir().unwrap();
    let path = write(&dir, "log", b"one\ntwo\r\nthr");
    let mut file = open(&path).unwrap();
    assert_eq!(drain(&mut file).0, b"one\ntwo\r\nthr");
    assert!(file.chain().ends_mid_line());

    let mut file = open(&path).unwrap();
    file.hold_partial_line(true);
    assert_eq!(drain(&mut file).0, b"one\ntwo\r\n");
    assert_eq!((file.chain().length(), file.lines()), (9, 2));
    let mut log = OpenOptions::new().append(true).open(&path).unwrap();
    log.write_all(b"ee\nfour\nfi").unwrap();
    assert_eq!(drain(&mut file).0, b"three\nfour\n");
    let mut block = Block::new();
    assert!(file.take_partial_line(&mut block));
    assert_eq!(block.bytes(), b"fi");
    assert!(!file.take_partial_line(&mut block));
}

#[test]
fn skipping_ends_at_the_beginning_of_a_line() {
    let dir = tempdir().unwrap();
    let text = log("A", 30_000);
    let path = write(&dir, "log", &text);
    for offset in [
        0usize,
        1,
        50,
        70_000,
        1 << 20,
        (1 << 20) + 7,
        text.len() - 1,
    ] {
        let mut file = open(&path).unwrap();
        assert!(file.skip_to_line_at(offset as u64).unwrap());
        let start = text[..offset]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        assert_eq!(file.offset(), start as u64, "{offset}");
        assert!(drain(&mut file).0 == text[start..], "{offset}");
    }
    assert!(
        !open(&path)
            .unwrap()
            .skip_to_line_at(text.len() as u64)
            .unwrap()
    );
}

#[test]
fn an_empty_file_has_no_lines() {
    let dir = tempdir().unwrap();
    for packing in Packing::ALL {
        assert_eq!(read_all(&write(&dir, "log", &packing.of(b""))), b"");
    }
}
