//! The hub: shows what is committed to the clients, and takes new ones.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings::meters::own::LiveNumbers;
use tidings_spool::{Delivery, Gap as SpoolGap, GapReason, Kind, Reader, Spool, SpoolError};

use super::frame::{Gap, Why};
use super::id::StreamId;
use super::mailbox::Mailbox;
use super::matching::{Client, Clients};
use super::registry::{Place, Registry};
use super::resume::{Resumer, Resuming, begin};
use super::stream::Stream;
use super::wish::Follower;
use super::{Follow, LiveOptions, Refused, Since};
use crate::stop::Stop;

/// How long the hub waits for events before it looks whether it is to end.
const WAIT: Duration = Duration::from_millis(250);

/// How long it waits when the medium cannot be read.
const RETRY: Duration = Duration::from_millis(500);

/// The live streams of a server.
#[derive(Debug)]
pub(crate) struct Hub {
    inner: Arc<Inner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the hub, its threads and its streams share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) spool: Arc<Spool>,
    pub(super) id: StreamId,
    pub(super) numbers: Numbers,
    /// The sequence before which everything was shown.
    pub(super) published: AtomicU64,
    pub(super) stop: Stop,
    pub(super) resumer: Resumer,
    core: Mutex<Core>,
    /// Clients that begin at the end; the hub takes them in before the next frame.
    joining: Mutex<Vec<Client>>,
    registry: Arc<Registry>,
    buffer_bytes: usize,
}

/// What was sent.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) sent: AtomicU64,
    pub(super) missed: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Core {
    clients: Clients,
    /// The sequence before which everything was shown.
    pub(super) next: u64,
}

impl Hub {
    /// Starts it at the end of the spool.
    ///
    /// # Errors
    /// If the system gives no thread, or the spool no reader.
    pub(crate) fn start(spool: Arc<Spool>, options: LiveOptions) -> std::io::Result<Hub> {
        let next = spool.head();
        let reader = spool.reader(next).map_err(std::io::Error::other)?;
        let epoch = spool.identity().epoch;
        let inner = Arc::new(Inner {
            spool,
            id: StreamId { epoch },
            numbers: Numbers::default(),
            published: AtomicU64::new(next),
            stop: Stop::new()?,
            resumer: Resumer::default(),
            core: Mutex::new(Core {
                clients: Clients::default(),
                next,
            }),
            joining: Mutex::default(),
            registry: Arc::new(Registry::new(options.streams_max)),
            buffer_bytes: options.buffer_bytes,
        });
        let hub = Hub {
            inner: Arc::clone(&inner),
            threads: Mutex::default(),
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let ending = Ending(Arc::clone(&inner));
        hub.keep(thread("live").spawn(move || run(reader, &ending.0))?);
        let ending = Ending(inner);
        hub.keep(thread("live-resume").spawn(move || Resumer::run(&ending.0))?);
        Ok(hub)
    }

    /// Opens a stream of events.
    ///
    /// # Errors
    /// If there is no room, or the server stops.
    pub(crate) fn follow(&self, follow: Follow) -> Result<Stream, Refused> {
        let inner = &self.inner;
        let follower = Follower::new(follow.wish, follow.scope);
        let place = match follow.since {
            Since::Now => inner.join_at_end(follower, follow.who, false)?,
            Since::Id(text) => match inner.id.sequence(&text) {
                Some(last) if last < inner.spool.head() => {
                    inner.resume(follower, follow.who, last + 1, None)?
                }
                _ => inner.join_at_end(follower, follow.who, true)?,
            },
            Since::Time(time_ns) => inner.resume(follower, follow.who, 0, Some(time_ns))?,
        };
        Ok(Stream::new(place, Arc::clone(inner), follow.throttle))
    }

    /// Takes a place among the streams for one that is not of events.
    ///
    /// # Errors
    /// As [`follow`](Hub::follow).
    pub(crate) fn seat(&self, who: Option<Arc<str>>) -> Result<Seat, Refused> {
        let mailbox = Mailbox::new(0, who, 0);
        self.inner.registry.enter(mailbox, None).map(Seat)
    }

    /// Ends all streams of an account; gives how many there were. For who revokes one.
    pub(crate) fn cut(&self, who: &str) -> usize {
        self.inner.registry.cut(who)
    }

    /// Ordinal of the least important level that a stream asks for by name: the server's own events
    /// are kept from there up.
    pub(crate) fn asked(&self) -> Arc<AtomicU8> {
        self.inner.registry.asked()
    }

    /// What happened so far.
    pub(crate) fn numbers(&self) -> LiveNumbers {
        let numbers = &self.inner.numbers;
        LiveNumbers {
            streams: self.inner.registry.len(),
            sent: numbers.sent.load(Ordering::Relaxed),
            missed: numbers.missed.load(Ordering::Relaxed),
        }
    }

    /// Ends all streams at once; new ones are refused.
    pub(crate) fn end(&self) {
        self.inner.end();
    }

    /// Ends all streams, and waits for the threads.
    pub(crate) fn stop(&self) {
        self.end();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }

    fn keep(&self, thread: JoinHandle<()>) {
        lock(&self.threads).push(thread);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A place among the streams for one that is not of events.
#[derive(Debug)]
pub(crate) struct Seat(Place);

impl Seat {
    /// Waits until the stream has to end.
    pub(crate) async fn over(&self) {
        self.0.mailbox().closed().await;
    }
}

impl Inner {
    fn join_at_end(
        &self,
        follower: Follower,
        who: Option<Arc<str>>,
        is_foreign: bool,
    ) -> Result<Place, Refused> {
        // Under the lock: the hub takes clients in after it has read a frame and before it shows it.
        // So what is committed from `head` on is shown to this one.
        let mut joining = lock(&self.joining);
        let from = self.spool.head();
        let mailbox =
            Mailbox::new(self.buffer_bytes, who, from).asking_for(follower.wish().asked_level());
        let place = self.registry.enter(mailbox, from.checked_sub(1))?;
        let mailbox = place.shared_mailbox();
        if is_foreign {
            let gap = Gap {
                why: Why::ForeignId,
                count: None,
                from_to: None,
            };
            let _ = mailbox.put_gap(from, gap);
        }
        joining.push(Client {
            mailbox,
            follower,
            from,
        });
        Ok(place)
    }

    fn resume(
        &self,
        follower: Follower,
        who: Option<Arc<str>>,
        next: u64,
        since_ns: Option<i64>,
    ) -> Result<Place, Refused> {
        let mailbox =
            Mailbox::new(self.buffer_bytes, who, next).asking_for(follower.wish().asked_level());
        mailbox.set_next(next, true);
        let place = self.registry.enter(mailbox, next.checked_sub(1))?;
        self.resumer.add(Resuming {
            client: Client {
                mailbox: place.shared_mailbox(),
                follower,
                from: next,
            },
            at: begin(next),
            since_ns,
            is_placed: since_ns.is_none(),
        });
        Ok(place)
    }

    /// Hands over a client that has seen everything before `client.from`, if that is where the hub
    /// is; gives it back otherwise.
    pub(super) fn hand_over(&self, client: Client) -> Option<Client> {
        let mut core = lock(&self.core);
        if client.from < core.next {
            return Some(client);
        }
        client.mailbox.set_next(client.from, false);
        core.clients.add(client);
        None
    }

    fn end(&self) {
        self.stop.set();
        self.registry.end();
        self.resumer.wake();
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    /// Takes in those who wait, and lets go of those who left.
    fn admit(&self, core: &mut Core) {
        let joining = std::mem::take(&mut *lock(&self.joining));
        core.clients.sweep();
        for client in joining {
            if !client.mailbox.is_gone() {
                core.clients.add(client);
            }
        }
    }

    pub(super) fn count_missed(&self, events: u64) {
        self.numbers.missed.fetch_add(events, Ordering::Relaxed);
    }

    fn pass(&self, core: &mut Core, next: u64) {
        core.next = core.next.max(next);
        self.published.store(core.next, Ordering::Release);
    }
}

/// Ends all streams when a thread of the hub does, for whatever reason: nobody must wait in vain.
struct Ending(Arc<Inner>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn run(mut reader: Reader, hub: &Inner) {
    while !hub.stop.is_set() {
        match reader.next(WAIT) {
            Ok(Some(Delivery::Frame(frame))) => {
                let mut core = hub.core();
                hub.admit(&mut core);
                if frame.kind() == Kind::Events {
                    core.clients.show(&frame);
                    hub.count_missed(core.clients.take_missed());
                }
                hub.pass(&mut core, frame.sequences().end);
                core.clients.wake();
            }
            Ok(Some(Delivery::Gap(gap))) => {
                let mut core = hub.core();
                hub.admit(&mut core);
                core.clients.put_gap(&gap_of(&gap), gap.sequences.end);
                hub.pass(&mut core, gap.sequences.end);
            }
            Ok(None) => {
                let mut core = hub.core();
                hub.admit(&mut core);
            }
            // At its end for good.
            Err(SpoolError::Closed | SpoolError::Poisoned { .. }) => return,
            // The next attempt may succeed; nothing is passed over.
            Err(_) => hub.stop.wait(RETRY),
        }
    }
}

/// What a client is told of a gap in the spool.
pub(super) fn gap_of(gap: &SpoolGap) -> Gap {
    let sequences = &gap.sequences;
    let is_known = !sequences.is_empty();
    Gap {
        why: match gap.reason {
            GapReason::Removed => Why::Removed,
            _ => Why::Lost,
        },
        count: Some(sequences.end.saturating_sub(sequences.start)),
        from_to: is_known.then(|| (sequences.start, sequences.end - 1)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
