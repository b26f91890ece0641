//! What happens around a server in a round: a log that grows and is rotated, and events that come by
//! HTTP. The same script is played to a server that is left alone and to one that is killed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::random::Random;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The mail server writes, not always whole lines.
    Append(Vec<u8>),
    /// `logrotate` renames the log; the mail server makes a new one with its next line.
    Rename,
    /// `logrotate` copies the log and truncates it.
    CopyTruncate,
    /// Another program hands over events, with this name.
    Ingest(String),
}

/// The steps of a round.
pub(crate) fn script(log: &[u8], random: &mut Random) -> Vec<Step> {
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut steps, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        let end = (at + random.within(1..24)).min(lines.len());
        append(lines[at..end].concat(), random, &mut steps);
        at = end;
        if random.one_in(3) {
            steps.push(Step::Ingest(format!("ingested-{}", steps.len())));
        }
        // Not before every file has some lines of its own, and not behind the last one.
        if at < lines.len() && random.one_in(7) {
            let is_rename = random.one_in(2);
            steps.push(if is_rename {
                Step::Rename
            } else {
                Step::CopyTruncate
            });
        }
    }
    steps
}

/// Writes lines at once, or in two pieces with a cut anywhere.
fn append(text: Vec<u8>, random: &mut Random, steps: &mut Vec<Step>) {
    if !random.one_in(3) {
        return steps.push(Step::Append(text));
    }
    let (one, two) = text.split_at(random.within(1..text.len()));
    steps.extend([Step::Append(one.to_vec()), Step::Append(two.to_vec())]);
}

/// The folder in which the log is.
pub(crate) struct LogFolder {
    dir: PathBuf,
}

impl LogFolder {
    pub(crate) fn new(dir: &Path) -> LogFolder {
        fs::create_dir(dir).unwrap();
        LogFolder {
            dir: dir.to_owned(),
        }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("mail.log")
    }

    pub(crate) fn append(&self, bytes: &[u8]) {
        let mut options = fs::OpenOptions::new();
        let mut file = options.append(true).create(true).open(self.log()).unwrap();
        file.write_all(bytes).unwrap();
    }

    pub(crate) fn rename(&self) {
        self.make_room();
        fs::rename(self.log(), self.rotated(1, "")).unwrap();
    }

    pub(crate) fn copy_truncate(&self) {
        self.make_room();
        fs::copy(self.log(), self.rotated(1, "")).unwrap();
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).open(self.log()).unwrap();
        file.set_len(0).unwrap();
    }

    /// Moves `.1` to `.2` and packs it, as `delaycompress` does, and older ones up.
    fn make_room(&self) {
        for number in (2..60).rev() {
            if self.rotated(number, ".gz").exists() {
                fs::rename(self.rotated(number, ".gz"), self.rotated(number + 1, ".gz")).unwrap();
            }
        }
        if self.rotated(1, "").exists() {
            let plain = self.rotated(2, "");
            fs::rename(self.rotated(1, ""), &plain).unwrap();
            let packed = fs::File::create(self.rotated(2, ".gz")).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
            encoder.write_all(&fs::read(&plain).unwrap()).unwrap();
            let modified = fs::metadata(&plain).unwrap().modified().unwrap();
            encoder.finish().unwrap().set_modified(modified).unwrap();
            fs::remove_file(plain).unwrap();
        }
    }

    fn rotated(&self, number: usize, packing: &str) -> PathBuf {
        self.dir.join(format!("mail.log.{number}{packing}"))
    }
}
