//! Brings chosen rows of several inputs together into the columns of an output row group.

use super::input::{Input, UNMAPPED};
use crate::encode::presence::Presence;
use crate::intern::Interner;
use crate::part::choose::Choice;
use crate::part::chunk::{ChunkEncoder, GroupColumn, GroupValues};
use crate::part::layout::{Chunk, PartColumn};
use crate::rows::{Data, NULL_CODE};
use crate::sidecar::collect::{Collector, TokenTable};
use crate::{Result, Tokenizer};

/// Distinct texts of a column are kept from one row group to the next up to this.
const MAX_TEXT_BYTES: usize = 2 << 20;

/// Rows taken from an input: which one, the first row in its memory, how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    pub(crate) input: u16,
    pub(crate) row: u32,
    pub(crate) rows: u32,
}

/// One column of the output.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) column: PartColumn,
    /// Whether pages keep their ranges.
    pub(crate) prunes: bool,
    pub(crate) indexed: bool,
    /// By input: which of its columns this is.
    pub(crate) sources: Vec<Option<usize>>,
    presence: Presence,
    words: Vec<u64>,
    codes: Vec<u32>,
    texts: Interner,
    tokens: TokenTable,
    choice: Choice,
}

impl Output {
    pub(crate) fn new(
        column: PartColumn,
        prunes: bool,
        indexed: bool,
        sources: Vec<Option<usize>>,
    ) -> Self {
        Self {
            column,
            prunes,
            indexed,
            sources,
            presence: Presence::default(),
            words: Vec::new(),
            codes: Vec::new(),
            texts: Interner::default(),
            tokens: TokenTable::default(),
            choice: Choice::default(),
        }
    }

    /// Takes rows over, in the order of the picks.
    pub(crate) fn gather(&mut self, picks: &[Pick], inputs: &mut [Input]) {
        for pick in picks {
            let input = usize::from(pick.input);
            let rows = pick.row as usize..(pick.row + pick.rows) as usize;
            let source = self.sources[input].zip(inputs[input].loaded());
            let Some((at, loaded)) = source else {
                self.presence.push_run(false, rows.len());
                continue;
            };
            match &loaded.columns[at] {
                Data::Absent => self.presence.push_run(false, rows.len()),
                Data::Words { words, presence } => {
                    for row in rows {
                        let present = presence.get(row);
                        self.presence.push(present);
                        if present {
                            self.words.push(words[row]);
                        }
                    }
                }
                Data::Texts { codes, values } => {
                    let mapped = &mut loaded.mapped[at];
                    for &code in &codes[rows] {
                        self.presence.push(code != NULL_CODE);
                        if code == NULL_CODE {
                            continue;
                        }
                        let slot = &mut mapped[code as usize];
                        if *slot == UNMAPPED {
                            *slot = self.texts.code(values.get(code).unwrap_or(&[]));
                        }
                        self.codes.push(*slot);
                    }
                }
            }
        }
    }

    /// Encodes what was gathered, as the chunk of a row group that starts at `first_row`, and
    /// makes ready for the next.
    pub(crate) fn flush(
        &mut self,
        number: u16,
        first_row: u32,
        tokens: Tokenizer,
        encoder: &mut ChunkEncoder,
        collector: &mut Collector,
        out: &mut Vec<u8>,
    ) -> Result<Chunk> {
        let is_text = self.column.kind.is_text();
        let values = if is_text {
            GroupValues::Texts {
                codes: &self.codes,
                values: self.texts.values(),
            }
        } else {
            GroupValues::Words(&self.words)
        };
        let group = GroupColumn {
            kind: self.column.kind,
            required: self.column.required,
            prunes: self.prunes,
            presence: &self.presence,
            values,
        };
        let chunk = encoder.encode(number, &group, &mut self.choice, out)?;
        if self.indexed && is_text {
            self.tokens.extend(self.texts.values(), tokens);
            collector.texts(first_row, &self.presence, &self.codes, &self.tokens);
        } else if self.indexed {
            collector.words(first_row, &self.presence, self.column.kind, &self.words);
        }
        self.presence.clear();
        self.words.clear();
        self.codes.clear();
        Ok(chunk)
    }

    /// Forgets the texts when they take too much memory: then the inputs' codes mean nothing any
    /// more.
    pub(crate) fn relieve(&mut self, inputs: &mut [Input]) {
        if self.texts.values().bytes.len() < MAX_TEXT_BYTES {
            return;
        }
        self.texts.clear();
        self.tokens.clear();
        for (input, source) in inputs.iter_mut().zip(&self.sources) {
            if let Some((loaded, &at)) = input.loaded().zip(source.as_ref()) {
                loaded.unmap(at);
            }
        }
    }
}
