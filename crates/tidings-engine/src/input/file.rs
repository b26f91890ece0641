//! A log file that is read forward once, as blocks of whole lines, with its chain beside.

use std::path::{Path, PathBuf};

use memchr::{memchr_iter, memrchr};

use super::chain::{CHAIN_BLOCK_BYTES, Chain, ChainBuilder};
use super::decompress::{Encoding, Fault};
use super::error::InputError;
use super::lines::{Block, LineEnd};
use super::open::{FileFacts, FileId, Limits, modified_ns};
use super::source::Source;

const SCRATCH_BYTES: usize = 256 * 1024;

/// An open log file.
///
/// Its chain is computed as the blocks are delivered, so after each block [`chain`](Self::chain)
/// describes exactly what was delivered.
pub struct InputFile {
    path: PathBuf,
    id: FileId,
    gzip_time_ns: Option<i64>,
    source: Source,
    limits: Limits,
    /// Bytes that were read and not delivered, from `carry_start` on.
    carry: Vec<u8>,
    carry_start: usize,
    scratch: Box<[u8]>,
    stream: Stream,
    holding: bool,
    /// Why no more bytes come; reported once what came before is delivered.
    pending: Option<InputError>,
    ended: bool,
    cuts: u64,
}

/// Where a stream stands in its file.
#[derive(Clone)]
pub(super) struct Stream {
    /// Where in the unpacked file it begins: not at 0 behind a known stream in the same file.
    base: u64,
    lines_before: u64,
    builder: ChainBuilder,
    /// The bytes behind a known stream as a stream of their own.
    tail: Option<ChainBuilder>,
}

impl Stream {
    /// Position in the unpacked file.
    fn position(&self) -> u64 {
        self.base + self.builder.length()
    }

    fn take(&mut self, bytes: &[u8], newlines: u64) {
        self.builder.update_counted(bytes, newlines);
        if let Some(tail) = &mut self.tail {
            tail.update_counted(bytes, newlines);
        }
    }
}

impl InputFile {
    pub(super) fn new(
        path: &Path,
        id: FileId,
        gzip_time_ns: Option<i64>,
        source: Source,
        limits: Limits,
    ) -> Self {
        Self {
            path: path.to_owned(),
            id,
            gzip_time_ns,
            source,
            limits: Limits {
                block_bytes: limits.block_bytes.max(1 << 16),
                ..limits
            },
            carry: Vec::new(),
            carry_start: 0,
            scratch: Box::default(),
            stream: Stream {
                base: 0,
                lines_before: 0,
                builder: ChainBuilder::new(),
                tail: None,
            },
            holding: false,
            pending: None,
            ended: false,
            cuts: 0,
        }
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is packed.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.source.encoding()
    }

    /// Its place, size and times, as they are now.
    pub fn facts(&self) -> Result<FileFacts, InputError> {
        let metadata = self
            .source
            .file()
            .metadata()
            .map_err(|source| InputError::Open {
                path: self.path.clone(),
                source,
            })?;
        Ok(FileFacts {
            id: self.id,
            bytes: metadata.len(),
            modified_ns: modified_ns(&metadata),
            gzip_time_ns: self.gzip_time_ns,
        })
    }

    /// Its place in the file system.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Whether a last line without `\n` is kept back: the file may be just being written. A held
    /// line is in no block and not in the chain, so the next reading begins with it. Off at first.
    pub fn hold_partial_line(&mut self, hold: bool) {
        self.holding = hold;
    }

    /// The chain of what was delivered or skipped of the stream.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.stream.builder.chain()
    }

    /// The chain of what was delivered behind a known stream, as if it were a file of its own;
    /// `None` if no known stream stood before it or it began within a line.
    #[must_use]
    pub fn tail_chain(&self) -> Option<Chain> {
        self.stream.tail.as_ref().map(ChainBuilder::chain)
    }

    /// Position in the stream: bytes delivered or skipped.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.stream.builder.length()
    }

    /// Line ends delivered or skipped of the stream.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.stream.builder.lines()
    }

    /// As [`Chain::stream`], of what was delivered or skipped.
    #[must_use]
    pub fn stream(&self) -> Option<u64> {
        self.stream.builder.stream()
    }

    /// Where in the unpacked file the stream begins: 0, or behind the known streams that
    /// [`ChainSet::match_file`](super::ChainSet::match_file) found in front of it.
    #[must_use]
    pub fn stream_base(&self) -> u64 {
        self.stream.base
    }

    /// Bytes of the file on the disk that were used so far, for a progress bar.
    #[must_use]
    pub fn disk_offset(&self) -> u64 {
        self.source.disk_offset()
    }

    /// How many times a line was cut because it exceeded [`Limits::block_bytes`].
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Reads the next block of whole lines; false at the end.
    ///
    /// A plain file may be asked again after its end, and gives what was appended. After damage,
    /// everything before it was delivered, and the file has ended.
    pub fn next_block(&mut self, block: &mut Block) -> Result<bool, InputError> {
        if self.ended {
            return Ok(false);
        }
        let mut filled = self.begin(block);
        while filled < block.data.len() {
            match self.fetch(&mut block.data[filled..]) {
                0 => return self.deliver_end(block, filled),
                read => filled += read,
            }
        }
        match memrchr(b'\n', &block.data) {
            Some(at) => self.deliver(block, at + 1, filled, LineEnd::Newline),
            None => {
                self.cuts += 1;
                self.deliver(block, filled, filled, LineEnd::Cut);
            }
        }
        Ok(true)
    }

    /// Delivers the first `bytes` of what [`peek`](Self::peek) gave, which end with a line.
    pub(crate) fn next_bytes(&mut self, block: &mut Block, bytes: usize) {
        let filled = self.begin(block);
        self.deliver(block, bytes.min(filled), filled, LineEnd::Newline);
    }

    /// Delivers the held line without `\n`; false if there is none. For a file that will not grow.
    pub fn take_partial_line(&mut self, block: &mut Block) -> bool {
        let filled = self.begin(block);
        self.deliver(block, filled, filled, LineEnd::StreamEnd);
        filled > 0
    }

    /// Goes on to the beginning of the line that contains byte `offset` of the stream, without
    /// delivering; false if the stream ends before that byte. Nothing happens if it is past.
    pub fn skip_to_line_at(&mut self, offset: u64) -> Result<bool, InputError> {
        let mut block = Block::new();
        loop {
            let before = self.stream.clone();
            if self.offset() > offset || !self.next_block(&mut block)? {
                return Ok(false);
            }
            if self.offset() > offset {
                let within = (offset - block.offset()) as usize;
                let line = memrchr(b'\n', &block.bytes()[..within]).map_or(0, |at| at + 1);
                self.carry
                    .splice(..self.carry_start, block.bytes()[line..].iter().copied());
                self.carry_start = 0;
                self.stream = before;
                self.pass(&block.bytes()[..line]);
                return Ok(true);
            }
        }
    }

    // What the matcher and the follower need.

    /// Why no more bytes come, if something hinders.
    pub(super) fn take_pending(&mut self) -> Option<InputError> {
        self.pending.take()
    }

    /// Where the last whole line that the file has now ends; 0 if it is packed or has none.
    pub(super) fn last_line_end(&mut self) -> Result<u64, InputError> {
        let mut end = self.plain_length()?.unwrap_or(0);
        let mut bytes = vec![0; CHAIN_BLOCK_BYTES as usize];
        while end > 0 {
            let start = end.saturating_sub(CHAIN_BLOCK_BYTES);
            let piece = &mut bytes[..(end - start) as usize];
            let read = self
                .source
                .as_plain()
                .map_or(Ok(()), |plain| plain.read_at(piece, start));
            read.map_err(|why| self.fault(Fault::Medium(why)))?;
            if let Some(at) = memrchr(b'\n', piece) {
                return Ok(start + at as u64 + 1);
            }
            end = start;
        }
        Ok(0)
    }

    /// The chain of what is held, as the beginning of a stream.
    pub(super) fn held_chain(&self) -> Chain {
        let mut builder = ChainBuilder::new();
        builder.update(&self.carry[self.carry_start..]);
        builder.chain()
    }

    /// Whether the held partial line is what another file has at the same place, and more.
    pub(super) fn holds_more_than(&mut self, other: &mut Self) -> bool {
        let held = &self.carry[self.carry_start..];
        let has = other.peek(held.len());
        has.len() < held.len() && held.starts_with(has)
    }

    /// The next bytes of the stream without stepping over them: `count`, fewer at the end.
    pub(crate) fn peek(&mut self, count: usize) -> &[u8] {
        self.carry.drain(..self.carry_start);
        self.carry_start = 0;
        let mut filled = self.carry.len();
        let mut carry = std::mem::take(&mut self.carry);
        carry.resize(filled.max(count), 0);
        while filled < count {
            match self.fetch(&mut carry[filled..]) {
                0 => break,
                read => filled += read,
            }
        }
        carry.truncate(filled);
        self.carry = carry;
        &self.carry[..filled.min(count)]
    }

    /// Steps over bytes up to `offset` of the stream; false if it ends before.
    pub(super) fn advance_to(&mut self, offset: u64) -> Result<bool, InputError> {
        let held = (self.carry.len() - self.carry_start) as u64;
        let taken = held.min(offset.saturating_sub(self.offset())) as usize;
        let carry = std::mem::take(&mut self.carry);
        self.pass(&carry[self.carry_start..self.carry_start + taken]);
        self.carry = carry;
        self.carry_start += taken;
        let mut scratch = std::mem::take(&mut self.scratch);
        if scratch.is_empty() {
            scratch = vec![0; SCRATCH_BYTES].into_boxed_slice();
        }
        while self.offset() < offset {
            let wanted = (offset - self.offset()).min(SCRATCH_BYTES as u64) as usize;
            match self.fetch(&mut scratch[..wanted]) {
                0 => break,
                read => self.pass(&scratch[..read]),
            }
        }
        self.scratch = scratch;
        match self
            .pending
            .take_if(|error| matches!(error, InputError::Read { .. }))
        {
            Some(error) => Err(error),
            None => Ok(self.offset() >= offset),
        }
    }

    /// Goes on behind `chain` if the stream holds the chain's last blocks at their place: without
    /// reading what lies before them. Plain files only, from the beginning of the stream.
    pub(super) fn jump_behind(&mut self, chain: &Chain) -> Result<bool, InputError> {
        let base = self.stream.base;
        let from = base + chain.resume_offset();
        let Some(plain) = self.source.as_plain() else {
            return Ok(false);
        };
        // At most two blocks.
        let mut since = vec![0; (base + chain.length() - from) as usize];
        match plain.read_at(&mut since, from) {
            Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(why) => return Err(self.fault(Fault::Medium(why))),
            Ok(()) => {}
        }
        let Some(builder) = ChainBuilder::resume(chain, &since) else {
            return Ok(false);
        };
        plain.seek(base + chain.length(), &since);
        self.stream.builder = builder;
        self.forget_carry();
        Ok(true)
    }

    /// The stream and the place in it, to come back to.
    pub(super) fn bookmark(&self) -> Stream {
        self.stream.clone()
    }

    /// Comes back to a bookmark; reads the file again from its beginning if it was left behind.
    pub(super) fn restore(&mut self, to: Stream) -> Result<(), InputError> {
        if self.stream.position() != to.position() {
            self.source.rewind().map_err(|fault| self.fault(fault))?;
            self.forget_carry();
            (self.pending, self.ended) = (None, false);
            self.skip_unhashed(to.position())?;
        }
        self.stream = to;
        Ok(())
    }

    /// A new stream begins at the place reached.
    pub(super) fn begin_stream(&mut self) {
        self.stream = Stream {
            base: self.stream.position(),
            lines_before: self.stream.lines_before + self.lines(),
            builder: ChainBuilder::new(),
            tail: None,
        };
    }

    /// What comes is unseen: its chain is computed too, if it begins with a line.
    pub(super) fn begin_tail(&mut self) {
        let at_line = !self.stream.builder.is_mid_line();
        self.stream.tail = at_line.then(ChainBuilder::new);
    }

    /// The hash of the stream up to the place reached.
    pub(super) fn value(&self) -> u128 {
        self.stream.builder.value()
    }

    /// Bytes of the stream on the disk, if the file is plain.
    pub(super) fn plain_length(&self) -> Result<Option<u64>, InputError> {
        if self.encoding() != Encoding::Plain {
            return Ok(None);
        }
        Ok(Some(self.facts()?.bytes.saturating_sub(self.stream.base)))
    }

    /// From now on an [`InputError::Overwritten`] tells when what was read is no longer there.
    pub(super) fn watch(&mut self) {
        if let Some(plain) = self.source.as_plain() {
            plain.watch();
        }
    }

    /// Whether what was read last of a watched file is still there.
    pub(super) fn is_intact(&mut self) -> Result<bool, InputError> {
        let intact = self
            .source
            .as_plain()
            .map_or(Ok(true), |plain| plain.is_intact());
        intact.map_err(|why| self.fault(Fault::Medium(why)))
    }

    /// Steps over bytes of the unpacked file without looking at them.
    fn skip_unhashed(&mut self, count: u64) -> Result<(), InputError> {
        if let Some(plain) = self.source.as_plain() {
            return plain
                .skip_to(count)
                .map_err(|why| self.fault(Fault::Medium(why)));
        }
        let mut scratch = vec![0; SCRATCH_BYTES];
        let mut left = count;
        while left > 0 {
            let wanted = left.min(SCRATCH_BYTES as u64) as usize;
            match self.fetch(&mut scratch[..wanted]) {
                // It was there a moment ago: reported as what stopped it.
                0 => return self.pending.take().map_or(Ok(()), Err),
                read => left -= read as u64,
            }
        }
        Ok(())
    }

    fn forget_carry(&mut self) {
        self.carry.clear();
        self.carry_start = 0;
    }

    /// Steps over bytes of the stream.
    fn pass(&mut self, bytes: &[u8]) {
        self.stream
            .take(bytes, memchr_iter(b'\n', bytes).count() as u64);
    }

    /// Reads from the source; 0 at the end, or where `pending` says why there is no more.
    fn fetch(&mut self, output: &mut [u8]) -> usize {
        if self.pending.is_some() {
            return 0;
        }
        match self.source.read(output) {
            Ok(read) => read,
            Err(fault) => {
                self.pending = Some(self.fault(fault));
                0
            }
        }
    }

    fn fault(&self, fault: Fault) -> InputError {
        let path = self.path.clone();
        let encoding = self.encoding();
        let lines = self.stream.lines_before + self.lines();
        match fault {
            Fault::Medium(source) => InputError::Read {
                path,
                offset: self.source.disk_offset(),
                source,
            },
            Fault::Damage(why) => InputError::Damaged {
                path,
                encoding,
                packed_offset: self.source.disk_offset(),
                lines,
                why,
            },
            Fault::Memory => InputError::Memory {
                path,
                encoding,
                lines,
                allowed: self.limits.unpack_memory_bytes,
            },
            Fault::Overwritten => InputError::Overwritten { path },
        }
    }

    /// Prepares the block and moves the carry into it; gives the carry's length.
    fn begin(&mut self, block: &mut Block) -> usize {
        if block.data.len() != self.limits.block_bytes {
            block.data.resize(self.limits.block_bytes, 0);
        }
        let carry = &self.carry[self.carry_start..];
        let length = carry.len();
        block.data[..length].copy_from_slice(carry);
        self.forget_carry();
        length
    }

    /// Hands out the first `length` of the `filled` bytes and keeps the rest for the next block.
    fn deliver(&mut self, block: &mut Block, length: usize, filled: usize, end: LineEnd) {
        let builder = &self.stream.builder;
        block.length = length;
        block.offset = builder.length();
        block.first_line = builder.lines() + 1;
        block.starts_mid_line = builder.is_mid_line();
        block.last_end = end;
        let newlines = memchr_iter(b'\n', &block.data[..length]).count();
        self.stream.take(&block.data[..length], newlines as u64);
        self.carry.extend_from_slice(&block.data[length..filled]);
    }

    /// No more bytes come now: hands out whole lines, and the last one if it will never be whole.
    fn deliver_end(&mut self, block: &mut Block, filled: usize) -> Result<bool, InputError> {
        let final_end = match &self.pending {
            None => !self.holding,
            Some(InputError::Damaged { .. } | InputError::Memory { .. }) => !self.holding,
            Some(_) => false,
        };
        let whole = memrchr(b'\n', &block.data[..filled]).map_or(0, |at| at + 1);
        let (length, end) = if final_end && whole < filled {
            (filled, LineEnd::StreamEnd)
        } else {
            (whole, LineEnd::Newline)
        };
        self.deliver(block, length, filled, end);
        if length > 0 {
            return Ok(true);
        }
        match self.pending.take() {
            None => Ok(false),
            Some(error) => {
                // A medium may recover, and an overwritten file is read anew by who follows it.
                self.ended = !matches!(error, InputError::Read { .. });
                Err(self.with_lines(error))
            }
        }
    }

    /// Sets the number of lines to what was delivered in the end.
    fn with_lines(&self, mut error: InputError) -> InputError {
        if let InputError::Damaged { lines, .. } | InputError::Memory { lines, .. } = &mut error {
            let fragment = u64::from(self.stream.builder.is_mid_line());
            *lines = self.stream.lines_before + self.lines() + fragment;
        }
        error
    }
}

impl std::fmt::Debug for InputFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InputFile")
            .field("path", &self.path)
            .field("encoding", &self.encoding())
            .field("base", &self.stream.base)
            .field("offset", &self.offset())
            .finish_non_exhaustive()
    }
}
