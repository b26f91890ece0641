//! `emit!`, `span!` and `end!`.

/// Emits an event of the catalogue.
///
/// ```
/// # let (ip, account) = (std::net::Ipv4Addr::LOCALHOST, "alice@example.org");
/// use tidings::emit;
///
/// emit!(Auth::Failed, remote_ip = ip, account_name = account);
/// emit!(Auth::Failed, remote_ip = ip, account_name = account.to_uppercase(), reason = None::<&str>);
/// ```
///
/// The event is a constant of [`catalogue`](crate::catalogue), the keys are those of
/// [`catalogue::keys`](crate::catalogue::keys), both checked by the compiler; a value is any
/// [`Field`](crate::Field). Values are computed only if somebody wants the event, or if a histogram is
/// fed from them.
///
/// The event belongs to the span that the thread is in ([`Span::enter`](crate::Span::enter)), or to
/// the one named:
///
/// ```
/// # use tidings::{emit, span};
/// let session = span!(Smtp::ConnectionStart, remote_port = 25u16);
/// emit!(in session, Smtp::Ehlo, domain = "mx.example.org");
/// ```
///
/// A name that the catalogue lacks does not compile, nor does the start of a span, which
/// [`span!`](crate::span) emits:
///
/// ```compile_fail
/// tidings::emit!(Auth::Failde);
/// ```
/// ```compile_fail
/// tidings::emit!(Auth::Failed, remote_op = 1u64);
/// ```
/// ```compile_fail
/// tidings::emit!(Smtp::ConnectionStart);
/// ```
#[macro_export]
macro_rules! emit {
    (in $span:expr, $family:ident :: $name:ident $(, $key:ident = $value:expr)* $(,)?) => {
        $crate::emit!(@ $crate::private::span_of(&$span), $family, $name $(, $key = $value)*)
    };
    ($family:ident :: $name:ident $(, $key:ident = $value:expr)* $(,)?) => {
        $crate::emit!(@ $crate::private::current(), $family, $name $(, $key = $value)*)
    };
    (@ $span:expr, $family:ident, $name:ident $(, $key:ident = $value:expr)*) => {{
        const EVENT: $crate::catalogue::Event = $crate::catalogue::$family::$name;
        let gate = $crate::private::gate(EVENT);
        if gate.is_open() {
            if gate.needs_fields() {
                $crate::private::emit(
                    EVENT,
                    gate,
                    $span,
                    &$crate::__fields!($($key = $value),*),
                );
            } else {
                $crate::private::count_only(EVENT);
            }
        }
    }};
}

/// Begins a span and gives its guard, a [`Span`](crate::Span): it ends when the guard is dropped.
///
/// ```
/// use tidings::{emit, span};
///
/// let session = span!(Imap::ConnectionStart, listener_id = "imaps", remote_port = 51_234u16);
/// let _entered = session.enter();
/// emit!(Imap::Noop); // belongs to the session
/// let attempt = span!(Delivery::AttemptStart, queue_id = 7u64); // within the session
/// let other = span!(in attempt, Delivery::AttemptStart, queue_id = 8u64); // within the attempt
/// ```
///
/// The event named is the start of a span; the catalogue knows its end. Anything else does not
/// compile.
///
/// ```compile_fail
/// let span = tidings::span!(Auth::Failed);
/// ```
#[macro_export]
macro_rules! span {
    (in $span:expr, $family:ident :: $name:ident $(, $key:ident = $value:expr)* $(,)?) => {
        $crate::Span::begin(
            $crate::catalogue::$family::$name,
            $crate::private::span_of(&$span),
            $crate::__fields!($($key = $value),*),
        )
    };
    ($family:ident :: $name:ident $(, $key:ident = $value:expr)* $(,)?) => {
        $crate::Span::begin(
            $crate::catalogue::$family::$name,
            $crate::private::current(),
            $crate::__fields!($($key = $value),*),
        )
    };
}

/// Ends a span with what is known only then; without that, dropping the guard does.
///
/// ```
/// let session = tidings::span!(Smtp::ConnectionStart);
/// tidings::end!(session, bytes_in = 1024u64, bytes_out = 512u64);
/// ```
#[macro_export]
macro_rules! end {
    ($span:expr $(, $key:ident = $value:expr)* $(,)?) => {
        $crate::Span::end_with($span, $crate::__fields!($($key = $value),*))
    };
}

/// The pairs of an event, as nested [`With`](crate::private::With)s.
#[doc(hidden)]
#[macro_export]
macro_rules! __fields {
    () => { () };
    ($key:ident = $value:expr $(, $keys:ident = $values:expr)*) => {
        $crate::private::With {
            key: $crate::catalogue::keys::$key,
            value: &$value,
            rest: $crate::__fields!($($keys = $values),*),
        }
    };
}
