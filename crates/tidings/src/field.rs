//! Values that an event can carry, and the list of them that `emit!` makes.

use std::borrow::Cow;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidings_event::{EventType, Id, Key};

use crate::catalogue::Event;
use crate::encode::Encoder;

/// A value that an event can carry.
///
/// Implemented for numbers, truth values, text, addresses, durations, times, bytes behind
/// [`Bytes`], options (`None` is carried as such), slices and pairs (as lists), errors behind
/// [`Cause`]. For a type of your own, write one value:
///
/// ```
/// use tidings::{Encoder, Field};
///
/// struct QueueId(u64);
///
/// impl Field for QueueId {
///     fn encode(&self, out: &mut Encoder<'_>) {
///         out.uint(self.0);
///     }
/// }
/// ```
///
/// `encode` runs in the emitting thread while the event is written. It may be called more than once
/// for an event, and must write the same each time. An event that it emits itself is not taken, and
/// counted as lost.
pub trait Field {
    /// Writes the value by exactly one call.
    fn encode(&self, out: &mut Encoder<'_>);

    /// The value in the unit in which meters count it: bytes for a size, milliseconds for a
    /// duration. `None` for what is neither number nor duration.
    fn number(&self) -> Option<u64> {
        None
    }
}

impl<F: Field + ?Sized> Field for &F {
    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        (**self).encode(out);
    }

    #[inline(always)]
    fn number(&self) -> Option<u64> {
        (**self).number()
    }
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Field for $type {
            #[inline(always)]
            fn encode(&self, out: &mut Encoder<'_>) {
                out.uint(*self as u64);
            }

            #[inline(always)]
            fn number(&self) -> Option<u64> {
                Some(*self as u64)
            }
        }
    )*};
}

macro_rules! signed {
    ($($type:ty),*) => {$(
        impl Field for $type {
            #[inline(always)]
            fn encode(&self, out: &mut Encoder<'_>) {
                out.int(*self as i64);
            }
        }
    )*};
}

macro_rules! text {
    ($($type:ty),*) => {$(
        impl Field for $type {
            #[inline(always)]
            fn encode(&self, out: &mut Encoder<'_>) {
                out.str(self);
            }
        }
    )*};
}

// `usize` and `isize` have at most 64 bits.
unsigned!(u8, u16, u32, u64, usize);
signed!(i8, i16, i32, i64, isize);
text!(str, String, Cow<'_, str>, Box<str>, Arc<str>);

macro_rules! by {
    ($($type:ty => $write:expr;)*) => {$(
        impl Field for $type {
            #[inline(always)]
            fn encode(&self, out: &mut Encoder<'_>) {
                let write: fn(&mut Encoder<'_>, &$type) = $write;
                write(out, self);
            }
        }
    )*};
}

by! {
    bool => |out, truth| out.bool(*truth);
    f64 => |out, number| out.float(*number);
    f32 => |out, number| out.float(f64::from(*number));
    IpAddr => |out, ip| out.ip(*ip);
    Ipv4Addr => |out, ip| out.ip(IpAddr::V4(*ip));
    Ipv6Addr => |out, ip| out.ip(IpAddr::V6(*ip));
    Id => |out, id| out.uint(id.0);
    SocketAddr => |out, address| out.str(&address.to_string());
    SystemTime => |out, time| {
        out.timestamp(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    };
}

impl Field for Duration {
    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        out.duration(*self);
    }

    #[inline(always)]
    fn number(&self) -> Option<u64> {
        u64::try_from(self.as_millis()).ok()
    }
}

impl<F: Field> Field for Option<F> {
    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Some(value) => value.encode(out),
            None => out.none(),
        }
    }

    #[inline(always)]
    fn number(&self) -> Option<u64> {
        self.as_ref()?.number()
    }
}

impl<F: Field> Field for [F] {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.list(|out| self.iter().for_each(|item| item.encode(out)));
    }
}

impl<F: Field, const N: usize> Field for [F; N] {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.as_slice().encode(out);
    }
}

impl<F: Field> Field for Vec<F> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.as_slice().encode(out);
    }
}

/// A list of two, such as a name and its value under `attribute`.
impl<A: Field, B: Field> Field for (A, B) {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.list(|out| {
            self.0.encode(out);
            self.1.encode(out);
        });
    }
}

/// Bytes that are not text.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Field for Bytes<'_> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.bytes_value(self.0);
    }
}

/// What shows itself by `Display`, as text. Formatting allocates; plain types do not need it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T>(pub T);

impl<T: std::fmt::Display> Field for Shown<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.str(&self.0.to_string());
    }
}

/// An error that knows which event it is.
///
/// ```
/// use tidings::{Cause, ErrorEvent, Encoder, catalogue, emit};
/// use tidings::catalogue::keys;
///
/// enum StoreError { Full { path: String, total: u64 } }
///
/// impl ErrorEvent for StoreError {
///     fn event(&self) -> catalogue::Event {
///         catalogue::Store::BlobMissingMarker
///     }
///     fn pairs(&self, out: &mut Encoder<'_>) {
///         let StoreError::Full { path, total } = self;
///         out.pair(keys::path, path).pair(keys::total, total);
///     }
/// }
///
/// let error = StoreError::Full { path: "blobs/7".into(), total: 12 };
/// tidings::report(&error); // as an event of its own
/// emit!(MessageIngest::Error, caused_by = Cause::of(&error)); // or within another
/// ```
pub trait ErrorEvent {
    /// The event that says what went wrong.
    fn event(&self) -> Event;

    /// Adds the event's pairs. May be called more than once for an event.
    fn pairs(&self, out: &mut Encoder<'_>);
}

/// An error as a value: an event within the event, for the key `causedBy`.
pub struct Cause<'e>(CauseOf<'e>);

enum CauseOf<'e> {
    Event(&'e dyn ErrorEvent),
    Error(&'e dyn Error),
}

impl<'e> Cause<'e> {
    /// An error that knows which event it is.
    pub fn of(error: &'e dyn ErrorEvent) -> Cause<'e> {
        Cause(CauseOf::Event(error))
    }

    /// Any error: its text under `details`, and its sources, each within the one that it caused
    /// (at most eight), as `program.event`.
    pub fn error(error: &'e dyn Error) -> Cause<'e> {
        Cause(CauseOf::Error(error))
    }
}

impl Field for Cause<'_> {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self.0 {
            CauseOf::Event(error) => out.event(error.event().kind(), |out| error.pairs(out)),
            CauseOf::Error(error) => write_error(out, error, 0),
        }
    }
}

/// How many sources of an error are told.
const SOURCES: usize = 8;

fn write_error(out: &mut Encoder<'_>, error: &dyn Error, depth: usize) {
    let text = error.to_string();
    out.event(EventType::PROGRAM_EVENT, |out| {
        out.pair(Key::DETAILS, text.as_str());
        if let Some(source) = error.source().filter(|_| depth < SOURCES) {
            out.pair(Key::CAUSED_BY, &Source(source, depth + 1));
        }
    });
}

struct Source<'e>(&'e dyn Error, usize);

impl Field for Source<'_> {
    fn encode(&self, out: &mut Encoder<'_>) {
        write_error(out, self.0, self.1);
    }
}

/// The pairs of an event about to be emitted; made by the macros.
pub trait Fields {
    /// Writes all pairs, in order.
    fn encode(&self, out: &mut Encoder<'_>);

    /// The [number](Field::number) under `key`.
    fn number(&self, key: Key) -> Option<u64>;
}

/// No pairs, or no further ones.
impl Fields for () {
    #[inline(always)]
    fn encode(&self, _: &mut Encoder<'_>) {}

    #[inline(always)]
    fn number(&self, _: Key) -> Option<u64> {
        None
    }
}

/// A pair and what comes after it.
pub struct With<'v, F: ?Sized, R> {
    /// The key.
    pub key: Key,
    /// Its value.
    pub value: &'v F,
    /// The further pairs.
    pub rest: R,
}

impl<F: Field + ?Sized, R: Fields> Fields for With<'_, F, R> {
    #[inline(always)]
    fn encode(&self, out: &mut Encoder<'_>) {
        out.pair(self.key, self.value);
        self.rest.encode(out);
    }

    #[inline(always)]
    fn number(&self, key: Key) -> Option<u64> {
        if self.key == key {
            self.value.number()
        } else {
            self.rest.number(key)
        }
    }
}

/// Pairs written by a function, for code that learns of them at run time.
pub struct Written<W>(pub W);

impl<W: Fn(&mut Encoder<'_>)> Fields for Written<W> {
    fn encode(&self, out: &mut Encoder<'_>) {
        (self.0)(out);
    }

    fn number(&self, _: Key) -> Option<u64> {
        None
    }
}
