//! How long what is kept, and when what is done.

use super::mold::{DURATION_OR_NULL, field, number, size_or_null, whole};
use crate::describe::{
    Default, Field, Fields, Form, Kind, List, NumberFormat, Object, Takes, Variant,
};

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

pub(super) static DATA_RETENTION: Object = Object {
    name: "DataRetention",
    about: "How long events and metrics are kept, and when samples are taken.",
    kind: Kind::Singleton,
    form: &Form {
        name: "DataRetention",
        fields: Fields::Single(&[
            field(
                "holdTracesFor",
                "Keep events for",
                DURATION_OR_NULL,
                Default::Number(30 * DAY),
                "How long events and messages of followed logs are kept; for ever where nothing is said.",
            ),
            field(
                "holdImportedFor",
                "Keep imported events for",
                DURATION_OR_NULL,
                Default::Null,
                "How long imported events are kept; for ever where nothing is said. (Ours.)",
            ),
            field(
                "holdBytes",
                "Keep at most",
                size_or_null(1 << 20),
                Default::Null,
                "Most bytes of history; the oldest days of followed logs go first. (Ours.)",
            ),
            field(
                "holdMetricsFor",
                "Keep metrics for",
                DURATION_OR_NULL,
                Default::Number(90 * DAY),
                "How long scheduled samples are kept; for ever where nothing is said.",
            ),
            field(
                "metricsCollectionInterval",
                "Take samples",
                Takes::Object { form: &CRON },
                Default::Part("Hourly", &[("minute", Default::Number(0))]),
                "When metrics are sampled, in local time. Beside it there is a sample every minute, kept for 48 \
                 hours.",
            ),
            field(
                "dataCleanupSchedule",
                "Clean up",
                Takes::Object { form: &CRON },
                Default::Part(
                    "Daily",
                    &[("hour", Default::Number(2)), ("minute", Default::Number(0))],
                ),
                "When the reference removes what is too old. Here it is never shown from the moment on, and \
                 removed soon.",
            ),
            mail(
                "expungeTrashAfter",
                "Empty the trash after",
                DURATION_OR_NULL,
                Default::Number(30 * DAY),
            ),
            mail(
                "expungeSubmissionsAfter",
                "Forget submissions after",
                DURATION_OR_NULL,
                Default::Number(3 * DAY),
            ),
            mail(
                "expungeShareNotifyAfter",
                "Forget notices of shares after",
                DURATION_OR_NULL,
                Default::Number(30 * DAY),
            ),
            mail(
                "expungeSchedulingInboxAfter",
                "Empty the scheduling inbox after",
                DURATION_OR_NULL,
                Default::Number(30 * DAY),
            ),
            mail(
                "expungeSchedule",
                "Expunge",
                Takes::Object { form: &CRON },
                Default::Part("Daily", &[]),
            ),
            mail(
                "blobCleanupSchedule",
                "Clean up blobs",
                Takes::Object { form: &CRON },
                Default::Part("Daily", &[("hour", Default::Number(4))]),
            ),
            mail(
                "maxChangesHistory",
                "Changes kept",
                whole(NumberFormat::UnsignedInteger, 1, i64::MAX, true),
                Default::Number(10_000),
            ),
            mail(
                "archiveDeletedItemsFor",
                "Archive deleted items for",
                DURATION_OR_NULL,
                Default::Null,
            ),
            mail(
                "archiveDeletedAccountsFor",
                "Archive deleted accounts for",
                DURATION_OR_NULL,
                Default::Null,
            ),
            mail(
                "holdMtaReportsFor",
                "Keep reports for",
                DURATION_OR_NULL,
                Default::Number(30 * DAY),
            ),
        ]),
    },
    list: List {
        title: "Retention",
        subtitle: "How long what is kept",
        singular: "retention",
        plural: "retention",
        label: None,
        columns: &["holdTracesFor", "holdMetricsFor"],
        filters: &[],
    },
    is_enterprise: false,
};

/// A field of the reference that is about a mail store: it is kept, and does nothing here.
const fn mail(name: &'static str, label: &'static str, takes: Takes, default: Default) -> Field {
    let about = "Of mail stores only; kept for the reference's tools.";
    field(name, label, takes, default, about)
}

static CRON: Form = Form {
    name: "Cron",
    fields: Fields::Multiple {
        variants: &[
            Variant {
                name: "Daily",
                label: "Every day",
                fields: &[HOUR, MINUTE],
                is_refused: false,
            },
            Variant {
                name: "Weekly",
                label: "Every week",
                fields: &[DAY_OF_WEEK, HOUR, MINUTE],
                is_refused: false,
            },
            Variant {
                name: "Hourly",
                label: "Every hour",
                fields: &[MINUTE],
                is_refused: false,
            },
        ],
        default: None,
    },
};

const DAY_OF_WEEK: &[Field] = &[field(
    "day",
    "Day",
    number(0, 6),
    Default::Number(0),
    "Day of the week; 0 is Sunday.",
)];

const HOUR: &[Field] = &[field(
    "hour",
    "Hour",
    number(0, 23),
    Default::Number(0),
    "Hour of the day.",
)];

const MINUTE: &[Field] = &[field(
    "minute",
    "Minute",
    number(0, 59),
    Default::Number(0),
    "Minute of the hour.",
)];
