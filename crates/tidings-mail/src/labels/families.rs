//! The metrics with labels that events of mail feed, by the conventions of Prometheus.

use tidings_event::{FamilyInfo, LabelInfo, MetricKind};

/// A metric with labels that events of mail feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// `mail_deliveries`: attempts that ended, per recipient.
    Deliveries,
    /// `mail_rejections`: commands and messages refused to clients.
    Rejections,
    /// `mail_sign_ins`: sign-ins tried.
    SignIns,
    /// `mail_message_size_bytes`: messages queued.
    MessageSizes,
    /// `mail_delivery_delay_seconds`: what the time before a delivery was spent on.
    DeliveryDelays,
    /// `tidings_source_lines`: lines of logs read.
    SourceLines,
}

impl Family {
    /// All of them; a family's place is its number.
    pub const ALL: [Family; 6] = [
        Family::Deliveries,
        Family::Rejections,
        Family::SignIns,
        Family::MessageSizes,
        Family::DeliveryDelays,
        Family::SourceLines,
    ];

    /// Name, description, unit and labels.
    pub fn info(self) -> &'static FamilyInfo {
        match self {
            Family::Deliveries => &DELIVERIES,
            Family::Rejections => &REJECTIONS,
            Family::SignIns => &SIGN_INS,
            Family::MessageSizes => &MESSAGE_SIZES,
            Family::DeliveryDelays => &DELIVERY_DELAYS,
            Family::SourceLines => &SOURCE_LINES,
        }
    }
}

/// Messages in the queue, by `state`: `in-queue`, `deferred`, `held`. No event tells it: who knows the
/// open messages sets it.
pub static QUEUE_MESSAGES: FamilyInfo = FamilyInfo {
    name: "mail_queue_messages",
    description: "Messages in the queue now, by state",
    unit: "messages",
    kind: MetricKind::Gauge,
    divisor: 1,
    bounds: &[],
    labels: &[label("state", 8)],
};

const fn label(name: &'static str, max_values: u16) -> LabelInfo {
    LabelInfo { name, max_values }
}

const fn counter(
    name: &'static str,
    description: &'static str,
    labels: &'static [LabelInfo],
) -> FamilyInfo {
    FamilyInfo {
        name,
        description,
        unit: "count",
        kind: MetricKind::Counter,
        divisor: 1,
        bounds: &[],
        labels,
    }
}

// Classes are those of the diagnosis, of which there are 34; 250 providers are built in, and an
// administrator may name more; programs are named by whoever writes to a log.

static DELIVERIES: FamilyInfo = counter(
    "mail_deliveries",
    "Delivery attempts that ended, per recipient, by the provider of the next server, the outcome and the class of the reply",
    &[
        label("provider", 300),
        label("outcome", 8),
        label("class", 40),
    ],
);

static REJECTIONS: FamilyInfo = counter(
    "mail_rejections",
    "Commands and messages refused to clients, by reason and by the first digit of the reply",
    &[label("reason", 40), label("reply", 3)],
);

static SIGN_INS: FamilyInfo = counter(
    "mail_sign_ins",
    "Sign-ins tried, by protocol and result",
    &[label("protocol", 8), label("result", 4)],
);

static MESSAGE_SIZES: FamilyInfo = FamilyInfo {
    name: "mail_message_size_bytes",
    description: "Size of messages queued, by origin",
    unit: "bytes",
    kind: MetricKind::Histogram,
    divisor: 1,
    bounds: &[
        1_000,
        10_000,
        50_000,
        100_000,
        500_000,
        1_000_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
    ],
    labels: &[label("origin", 5)],
};

static DELIVERY_DELAYS: FamilyInfo = FamilyInfo {
    name: "mail_delivery_delay_seconds",
    description: "Time before a delivery, by phase: before the queue manager, in the queue, connecting, sending",
    unit: "seconds",
    kind: MetricKind::Histogram,
    divisor: 1000,
    bounds: &[
        10,
        50,
        100,
        500,
        1_000,
        5_000,
        10_000,
        60_000,
        300_000,
        1_800_000,
        3_600_000,
        14_400_000,
        86_400_000,
        432_000_000,
    ],
    labels: &[label("phase", 4)],
};

static SOURCE_LINES: FamilyInfo = counter(
    "tidings_source_lines",
    "Lines of logs read, by program and by what became of them: events, aside (understood, nothing to tell), unrecognised",
    &[label("program", 100), label("recognition", 3)],
);
