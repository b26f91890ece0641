//! Splits a log line into its envelope (time, host, program, pid) and its text.
//!
//! [`read`] takes any line that a mail host writes or a collector forwards: syslog files old and
//! new, the wire forms, journal exports, container logs, Dovecot's and other servers' own files.
//! [`Clock`] turns the time as written into a moment; [`Program`] takes the tag apart.
//! `docs/reference/envelopes.md` lists every shape.
//!
//! ```
//! use tidings_mail::envelope::{Family, Format, Program, read};
//!
//! let mut scratch = Vec::new();
//! let line = b"Nov 22 13:08:45 mx postfix/submission/smtpd[725]: connect from x[192.0.2.1]";
//! let envelope = read(line, Format::Unknown, &mut scratch);
//! assert_eq!(envelope.host, b"mx");
//! assert_eq!(envelope.pid, Some(725));
//! assert_eq!(envelope.body, b"connect from x[192.0.2.1]");
//! let program = Program::of(envelope.tag, envelope.body);
//! assert_eq!((program.family, program.listener), (Family::Postfix, &b"submission"[..]));
//! ```

mod clock;
mod dirt;
mod guess;
mod header;
mod json;
mod line;
mod month;
mod program;
mod rfc5424;
mod stamp;
mod wrapped;

pub use clock::{Clock, ClockSettings, LAG_SECONDS, LocalOffset, Resolved, Zone, ZoneRule};
pub use dirt::unescape_controls;
pub use line::{Format, read};
pub use program::{Family, Program};
pub use stamp::{Civil, Precision, Stamp};

/// A line taken apart. All slices lie within the line, or within the scratch buffer where the line
/// had to be unescaped (JSON, terminal colours).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Envelope<'a> {
    /// The time as written.
    pub stamp: Stamp,
    /// Host as written: short name, FQDN, address, a syslog-ng chain; empty where absent.
    pub host: &'a [u8],
    /// The whole tag without pid: `postfix/submission/smtpd`; empty where absent. In Dovecot's own
    /// files it is empty, and the service stands in the body.
    pub tag: &'a [u8],
    /// Process id.
    pub pid: Option<u32>,
    /// Facility times 8 plus severity, where written.
    pub priority: Option<u8>,
    /// The text, without the blank after the tag. Where [`repeated`](Self::repeated) is
    /// [`Repeat::This`], the text inside the brackets.
    pub body: &'a [u8],
    /// The line stands for several.
    pub repeated: Option<Repeat>,
    /// Written by Dovecot into its own file: the body begins with the service, and has a level
    /// word even where that is `Info`.
    pub own_file: bool,
    /// The shape the line had, as a hint for the next one.
    pub format: Format,
}

/// A line that a syslog daemon wrote for several equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// `last message repeated 3 times`: the line before it, of the same host, occurred that many
    /// times more.
    Previous(u32),
    /// `message repeated 3 times: [ text]`: this text, from this program and pid, occurred that
    /// many times (more, if its first occurrence was written on its own).
    This(u32),
}

impl<'a> Envelope<'a> {
    /// The program that wrote the line, by tag, and where that says nothing by text.
    pub fn program(&self) -> Program<'a> {
        let program = Program::of(self.tag, self.body);
        if self.own_file {
            Program {
                family: Family::Dovecot,
                ..program
            }
        } else {
            program
        }
    }
}
