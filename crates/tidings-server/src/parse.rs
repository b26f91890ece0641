//! What each line of a log means, without a history: `tidings parse`.

use std::fmt;
use std::io::{BufRead, Read};
use std::path::Path;

use tidings_cli::{Failure, ParseOptions};
use tidings_engine::contract::ParsedLineObject;
use tidings_engine::input::{Block, open};
use tidings_engine::{FoundEvent, Interpreter, event_object, zone};
use tidings_event::Drafts;
use tidings_mail::correlate::{Correlator, Limits, NoLookup};
use tidings_mail::envelope::{ClockSettings, Family, Format, Repeat, read};
use tidings_mail::{dovecot, postfix};

use crate::clock;
use crate::local::{failure, input_failure};

/// Longest line of the standard input that is read in one piece; a longer one is cut, as in files.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Reads the files in their order and hands over line by line what they mean, until `each` gives
/// `false`.
pub(crate) fn parse(
    options: &ParseOptions,
    each: &mut dyn FnMut(ParsedLineObject) -> bool,
) -> Result<(), Failure> {
    let mut correlator = Correlator::new(Limits::default());
    for (at, path) in options.files.iter().enumerate() {
        let stream = u32::try_from(at).unwrap_or(u32::MAX);
        let mut lines = Lines {
            correlator: &mut correlator,
            each,
            format: Format::Unknown,
        };
        let goes_on = match path.to_str() {
            Some("-") => lines.of_input(options, stream, &mut std::io::stdin().lock())?,
            _ => lines.of_file(options, stream, path)?,
        };
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// The lines of one stream.
struct Lines<'a> {
    correlator: &'a mut Correlator,
    each: &'a mut dyn FnMut(ParsedLineObject) -> bool,
    /// Shape of the line before.
    format: Format,
}

impl Lines<'_> {
    fn of_file(
        &mut self,
        options: &ParseOptions,
        stream: u32,
        path: &Path,
    ) -> Result<bool, Failure> {
        let mut file = open(path).map_err(input_failure)?;
        let facts = file.facts().map_err(input_failure)?;
        let written_ns = facts
            .gzip_time_ns
            .filter(|ns| *ns > 0)
            .unwrap_or(facts.modified_ns);
        let mut block = Block::new();
        let mut interpreter = None;
        while file.next_block(&mut block).map_err(input_failure)? {
            let interpreter = match &mut interpreter {
                Some(interpreter) => interpreter,
                none => {
                    let key = file.stream().unwrap_or_default();
                    none.insert(new_interpreter(
                        options,
                        stream,
                        key,
                        written_ns.min(clock::now_ns()),
                    )?)
                }
            };
            for line in block.lines() {
                if !self.line(line.bytes, line.number, interpreter) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn of_input(
        &mut self,
        options: &ParseOptions,
        stream: u32,
        input: &mut dyn BufRead,
    ) -> Result<bool, Failure> {
        let mut interpreter = new_interpreter(options, stream, 0, clock::now_ns())?;
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            read.map_err(|error| Failure::file("cannot read the standard input").because(error))?;
            if line.is_empty() {
                break;
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if !self.line(&line, number, &mut interpreter) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Interprets a line; gives whether more is wanted.
    fn line(&mut self, line: &[u8], number: u64, interpreter: &mut Interpreter) -> bool {
        let mut drafts = Drafts::default();
        let done = interpreter.line(line, number, self.correlator, &NoLookup, &mut drafts);
        let (program, statement) = self.statement(line);
        let events = drafts.iter().map(|event| {
            let mut record = Vec::new();
            event.record(&mut record).finish();
            let found = FoundEvent {
                record,
                sequence: None,
                line: None,
            };
            event_object(&found, false)
        });
        (self.each)(ParsedLineObject {
            line: String::from_utf8_lossy(line).into_owned(),
            recognised: done.recognised,
            program,
            statement: if done.recognised {
                statement
            } else {
                String::new()
            },
            events: events.collect(),
        })
    }

    /// The program that wrote a line, and the name of the statement that it is.
    fn statement(&mut self, line: &[u8]) -> (String, String) {
        let mut scratch = Vec::new();
        let envelope = read(
            line.strip_suffix(b"\r").unwrap_or(line),
            self.format,
            &mut scratch,
        );
        self.format = envelope.format;
        let program = envelope.program();
        let (written_by, statement) = match program.family {
            _ if matches!(envelope.repeated, Some(Repeat::Previous(_))) => {
                (envelope.tag, "repeated".to_owned())
            }
            Family::Postfix => (
                envelope.tag,
                name_of(&postfix::parse(program.service, envelope.body).says),
            ),
            Family::Dovecot => {
                let statement = dovecot::read(&envelope);
                (envelope.tag, name_of(&statement.says))
            }
            // Of those that are recognised, what journalctl writes between lines.
            _ => (envelope.tag, "note".to_owned()),
        };
        let written_by = if envelope.own_file {
            &b"dovecot"[..]
        } else {
            written_by
        };
        (String::from_utf8_lossy(written_by).into_owned(), statement)
    }
}

fn new_interpreter(
    options: &ParseOptions,
    stream: u32,
    stream_key: u64,
    reference_ns: i64,
) -> Result<Interpreter, Failure> {
    let zone = zone(options.timezone.as_deref().unwrap_or("local"))
        .map_err(|why| failure(tidings_engine::Error::Asked(why)))?;
    let settings = ClockSettings {
        zone,
        year: options.year,
        reference_ns,
    };
    Ok(Interpreter::new(stream, stream_key, settings))
}

/// The name of a statement: of its variant, `SessionLost`, as `session-lost`.
fn name_of(statement: &dyn fmt::Debug) -> String {
    let mut name = Name(String::new());
    // Breaks off behind the name.
    let _ = fmt::write(&mut name, format_args!("{statement:?}"));
    name.0
}

/// Takes in the first word that is written to it.
struct Name(String);

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if !c.is_ascii_alphanumeric() {
                return Err(fmt::Error);
            }
            if c.is_ascii_uppercase() && !self.0.is_empty() {
                self.0.push('-');
            }
            self.0.push(c.to_ascii_lowercase());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<ParsedLineObject> {
        let mut correlator = Correlator::new(Limits::default());
        let mut found = Vec::new();
        let mut each = |line| {
            found.push(line);
            true
        };
        let mut lines = Lines {
            correlator: &mut correlator,
            each: &mut each,
            format: Format::Unknown,
        };
        let options = ParseOptions {
            timezone: Some("UTC".into()),
            ..ParseOptions::default()
        };
        assert!(lines.of_input(&options, 0, &mut text.as_bytes()).unwrap());
        found
    }

    #[test]
    fn lines_are_told_with_program_statement_and_events() {
        let lines = parsed(
            "2026-11-22T13:08:45Z mx postfix/submission/smtpd[7]: connect from x.test[192.0.2.1]\n\
             2026-11-22T13:08:46Z mx postfix/smtpd[7]: lost connection after RCPT from x.test[192.0.2.1]\r\n\
             2026-11-22T13:08:46Z mx unknownd[7]: hello\n\
             2026-11-22T13:08:47Z mx postfix/smtpd[7]: connect from x.test[192.0.2.1]\n\
             2026-11-22T13:08:48Z mx last message repeated 2 times",
        );
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line.program.as_str(), line.statement.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("postfix/submission/smtpd", "connect"),
                ("postfix/smtpd", "session-lost"),
                ("unknownd", ""),
                ("postfix/smtpd", "connect"),
                ("", "repeated")
            ]
        );
        assert_eq!(
            lines.iter().map(|line| line.recognised).collect::<Vec<_>>(),
            [true, true, false, true, true]
        );
        assert_eq!(lines[0].events[0]["type"], "smtp.connection-start");
        assert!(lines.iter().all(|line| !line.events.is_empty()));
    }

    #[test]
    fn long_lines_are_cut_and_not_kept_whole() {
        let long = "x".repeat(3 << 20);
        let lines = parsed(&long);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.line.len() == 1 << 20));
    }
}
