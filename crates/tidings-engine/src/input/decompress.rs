//! Unpacks gzip, zstd, xz and bzip2 as a stream, in bounded memory, delivering everything that
//! lies before a damage.
//!
//! Memory: gzip 64 KiB, bzip2 4 MiB at most, zstd and xz as the file's window or dictionary asks,
//! up to the limit (default 128 MiB, see [`Limits`](super::Limits)); xz -9 asks for 65 MiB, zstd
//! up to `--long=27` for 128 MiB.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};

use flate2::{Decompress, FlushDecompress};
use liblzma::stream::{Action, CONCATENATED, Stream};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

const INPUT_BYTES: usize = 128 * 1024;

/// The most bytes that [`Encoding::detect`] looks at.
pub(super) const MAGIC_BYTES: usize = 6;

/// The smallest piece that a zstd frame begins with (RFC 8878: magic and frame header descriptor).
const ZSTD_START_BYTES: usize = 5;

const ZSTD_BLOCK_HEADER_BYTES: usize = 3;

/// How a file is packed, as its first bytes tell; its name does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Not packed.
    Plain,
    /// gzip (RFC 1952), one member or several.
    Gzip,
    /// Zstandard (RFC 8878), one frame or several.
    Zstd,
    /// xz, one stream or several.
    Xz,
    /// bzip2, one stream or several.
    Bzip2,
}

impl Encoding {
    /// Tells the encoding from a file's first bytes, six where there are so many.
    ///
    /// Fails with the name of an archive or packer that is known and not read.
    pub fn detect(first: &[u8]) -> Result<Self, &'static str> {
        Ok(match first {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Self::Bzip2,
            [0x1f, 0x9d, ..] => return Err("packed with compress (.Z)"),
            [0x04, 0x22, 0x4d, 0x18, ..] => return Err("packed with lz4"),
            [b'L', b'Z', b'I', b'P', 0 | 1, ..] => return Err("packed with lzip"),
            [b'P', b'K', 3, 4, ..] => return Err("a zip archive"),
            [b'7', b'z', 0xbc, 0xaf, ..] => return Err("a 7z archive"),
            _ => Self::Plain,
        })
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        })
    }
}

/// Why no more bytes come.
#[derive(Debug)]
pub(super) enum Fault {
    Medium(io::Error),
    Damage(String),
    Memory,
    /// What was read before is no longer there (plain, followed files only).
    Overwritten,
}

/// A packed file, read as its content.
pub(super) struct Packed {
    file: File,
    encoding: Encoding,
    memory_bytes_max: u64,
    codec: Codec,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes taken from the file.
    taken: u64,
    file_ended: bool,
    in_member: bool,
    members: u64,
    /// Whether the member at hand has given a byte.
    member_gave: bool,
    fault: Option<Fault>,
}

impl Packed {
    /// Reads `file` from its beginning, where it stands.
    pub(super) fn new(file: File, encoding: Encoding, memory_bytes_max: u64) -> Self {
        Self {
            file,
            encoding,
            memory_bytes_max,
            codec: Codec::Ended,
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            taken: 0,
            file_ended: false,
            in_member: false,
            members: 0,
            member_gave: false,
            fault: None,
        }
    }

    /// Starts again at the beginning.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        (self.start, self.end, self.taken, self.members) = (0, 0, 0, 0);
        (self.file_ended, self.in_member, self.fault) = (false, false, None);
        Ok(())
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Bytes of the packed file that were unpacked.
    pub(super) fn packed_offset(&self) -> u64 {
        self.taken - (self.end - self.start) as u64
    }

    /// Unpacks into `output`, which is not empty; 0 bytes mean the end.
    ///
    /// What was unpacked before a fault is given first, the fault by the next call.
    pub(super) fn read(&mut self, output: &mut [u8]) -> Result<usize, Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        loop {
            if self.start == self.end && !self.file_ended {
                self.refill()?;
            }
            if !self.in_member && !self.begin_member()? {
                if self.start == self.end && self.file_ended {
                    return Ok(0);
                }
                continue;
            }
            let step = self.step(output);
            if step.produced > 0 {
                self.fault = step.fault;
                return Ok(step.produced);
            }
            if let Some(fault) = step.fault {
                return Err(fault);
            }
            if step.stuck && self.start == self.end && self.file_ended {
                return Err(Fault::Damage(
                    "it ends in the middle of the packed data".to_owned(),
                ));
            }
        }
    }

    fn refill(&mut self) -> Result<(), Fault> {
        let read = loop {
            match self.file.read(&mut self.input) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(Fault::Medium(why)),
                Ok(read) => break read,
            }
        };
        (self.start, self.end) = (0, read);
        self.taken += read as u64;
        self.file_ended = read == 0;
        Ok(())
    }

    /// Prepares for the next member; false if there is none in what was read.
    fn begin_member(&mut self) -> Result<bool, Fault> {
        if self.members > 0 {
            // Tapes and block devices pad with zeros, and gzip(1) steps over them.
            let rest = &self.input[self.start..self.end];
            self.start += rest.iter().take_while(|byte| **byte == 0).count();
        }
        if self.start == self.end {
            return Ok(false);
        }
        self.codec = Codec::new(self.encoding, self.memory_bytes_max)?;
        self.in_member = true;
        self.member_gave = false;
        Ok(true)
    }

    fn step(&mut self, output: &mut [u8]) -> Stepped {
        let input = &self.input[self.start..self.end];
        let step = self.codec.step(input, output, self.file_ended);
        self.start += step.consumed;
        self.member_gave |= step.produced > 0;
        let (member_ended, fault) = match step.outcome {
            Outcome::More => (false, None),
            Outcome::MemberEnd => (true, None),
            Outcome::Failed(why) => (false, Some(Fault::Damage(self.explain(why)))),
            Outcome::Memory => (false, Some(Fault::Memory)),
        };
        if member_ended {
            self.in_member = false;
            self.members += 1;
        }
        Stepped {
            produced: step.produced,
            stuck: !member_ended && step.consumed == 0,
            fault,
        }
    }

    /// What a decoder's complaint means: behind a whole member it mostly is no member at all.
    fn explain(&self, why: String) -> String {
        if self.members > 0 && !self.member_gave {
            return format!("what follows is no {} data ({why})", self.encoding);
        }
        why
    }
}

struct Stepped {
    produced: usize,
    /// Neither took nor gave anything.
    stuck: bool,
    fault: Option<Fault>,
}

/// One step of unpacking, which counts also where it failed.
struct Step {
    consumed: usize,
    produced: usize,
    outcome: Outcome,
}

enum Outcome {
    More,
    MemberEnd,
    Failed(String),
    Memory,
}

/// The state of one member, frame or stream.
enum Codec {
    Gzip(Box<Decompress>),
    Zstd(Box<Decoder<'static>>, usize),
    Xz(Box<Stream>),
    Bzip2(Box<bzip2::Decompress>),
    /// Between members.
    Ended,
}

impl Codec {
    fn new(encoding: Encoding, memory_bytes_max: u64) -> Result<Self, Fault> {
        Ok(match encoding {
            Encoding::Plain => Self::Ended,
            Encoding::Gzip => Self::Gzip(Box::new(Decompress::new_gzip(15))),
            Encoding::Zstd => {
                let mut decoder = Decoder::new().map_err(Fault::Medium)?;
                // Windows are powers of two; zstd itself allows 2^10 to 2^31.
                let window = memory_bytes_max.max(1).ilog2().clamp(10, 31);
                decoder
                    .set_parameter(DParameter::WindowLogMax(window))
                    .map_err(Fault::Medium)?;
                Self::Zstd(Box::new(decoder), ZSTD_START_BYTES)
            }
            Encoding::Xz => {
                // The library knows about padding between streams, so it joins them itself.
                let stream = Stream::new_stream_decoder(memory_bytes_max, CONCATENATED)
                    .map_err(|why| Fault::Medium(why.into()))?;
                Self::Xz(Box::new(stream))
            }
            Encoding::Bzip2 => Self::Bzip2(Box::new(bzip2::Decompress::new(false))),
        })
    }

    fn step(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Step {
        match self {
            Self::Gzip(inflate) => step_gzip(inflate, input, output),
            Self::Zstd(decoder, wanted) => step_zstd(decoder, wanted, input, output),
            Self::Xz(stream) => step_xz(stream, input, output, last),
            Self::Bzip2(stream) => step_bzip2(stream, input, output),
            Self::Ended => Step {
                consumed: 0,
                produced: 0,
                outcome: Outcome::MemberEnd,
            },
        }
    }
}

fn step_gzip(inflate: &mut Decompress, input: &[u8], output: &mut [u8]) -> Step {
    let before = (inflate.total_in(), inflate.total_out());
    let result = inflate.decompress(input, output, FlushDecompress::None);
    Step {
        consumed: (inflate.total_in() - before.0) as usize,
        produced: (inflate.total_out() - before.1) as usize,
        outcome: match result {
            Ok(flate2::Status::StreamEnd) => Outcome::MemberEnd,
            Ok(_) => Outcome::More,
            Err(why) => Outcome::Failed(why.message().unwrap_or("invalid deflate data").to_owned()),
        },
    }
}

/// The decoder is given just as much as it asks for, one block at a time: where a block is damaged
/// it says nothing about what it wrote in the same call, so nothing else may be in that call.
fn step_zstd(
    decoder: &mut Decoder<'_>,
    wanted: &mut usize,
    input: &[u8],
    output: &mut [u8],
) -> Step {
    let mut piece = InBuffer::around(&input[..input.len().min(*wanted)]);
    let mut out = OutBuffer::around(output);
    let result = decoder.run(&mut piece, &mut out);
    let outcome = match result {
        Ok(0) => Outcome::MemberEnd,
        Ok(hint) => {
            // It asks for a block and the next one's header, which may be damaged.
            *wanted = if hint > ZSTD_BLOCK_HEADER_BYTES {
                hint - ZSTD_BLOCK_HEADER_BYTES
            } else {
                hint
            };
            Outcome::More
        }
        Err(why) if why.to_string().contains("too much memory") => Outcome::Memory,
        Err(why) => Outcome::Failed(why.to_string()),
    };
    Step {
        consumed: piece.pos(),
        produced: out.pos(),
        outcome,
    }
}

fn step_xz(stream: &mut Stream, input: &[u8], output: &mut [u8], last: bool) -> Step {
    let before = (stream.total_in(), stream.total_out());
    let action = if last { Action::Finish } else { Action::Run };
    let result = stream.process(input, output, action);
    Step {
        consumed: (stream.total_in() - before.0) as usize,
        produced: (stream.total_out() - before.1) as usize,
        outcome: match result {
            Ok(liblzma::stream::Status::StreamEnd) => Outcome::MemberEnd,
            Ok(_) => Outcome::More,
            Err(liblzma::stream::Error::MemLimit) => Outcome::Memory,
            Err(why) => Outcome::Failed(why.to_string()),
        },
    }
}

fn step_bzip2(stream: &mut bzip2::Decompress, input: &[u8], output: &mut [u8]) -> Step {
    let before = (stream.total_in(), stream.total_out());
    let result = stream.decompress(input, output);
    Step {
        consumed: (stream.total_in() - before.0) as usize,
        produced: (stream.total_out() - before.1) as usize,
        outcome: match result {
            Ok(bzip2::Status::StreamEnd) => Outcome::MemberEnd,
            Ok(_) => Outcome::More,
            Err(why) => Outcome::Failed(why.to_string()),
        },
    }
}
