//! What runs: sources, and the readers of the spool. Both are ours.

use super::mold::{
    COUNT, COUNT_OR_NULL, MANY, SHORT_TEXT, SHORT_TEXT_OR_NULL, TIME_OR_NULL, field, shown,
    text_or_null, whole, word,
};
use crate::describe::{
    Default, Fields, Form, Format, Kind, List, Member, NumberFormat, Object, Takes, Words,
};

pub(super) static SOURCE: Object = Object {
    name: "Source",
    about: "Logs that are followed.",
    kind: Kind::Many,
    form: &Form {
        name: "Source",
        fields: Fields::Single(&[
            field(
                "paths",
                "Paths",
                Takes::Set {
                    of: Member::String(Format::String),
                    min: 1,
                    max: MANY,
                },
                Default::Required,
                "Paths of log files; `*` stands for anything.",
            ),
            field(
                "enable",
                "Enabled",
                Takes::Boolean,
                Default::Flag(true),
                "Whether they are followed.",
            ),
            field(
                "start",
                "Start",
                word(&START),
                Default::Text("end"),
                "Where a log that was never read before is begun.",
            ),
            field(
                "timezone",
                "Time zone",
                SHORT_TEXT,
                Default::Text("local"),
                "Zone of times without one: `local`, `UTC`, `Europe/Berlin`, `+02:00`.",
            ),
            field(
                "year",
                "Year",
                whole(NumberFormat::Integer, 1_970, 9_999, true),
                Default::Null,
                "Year of the first line, where its time has none and nothing else tells.",
            ),
            shown("files", "Files", COUNT, "How many files are followed now."),
            shown(
                "lines",
                "Lines",
                COUNT,
                "Lines read since the server started.",
            ),
            shown(
                "unrecognised",
                "Not understood",
                COUNT,
                "Lines of mail programs that were not understood.",
            ),
            shown(
                "lagBytes",
                "Behind",
                COUNT,
                "Bytes that are written and not read.",
            ),
            shown(
                "problem",
                "Problem",
                text_or_null(Format::Text, 4_096),
                "What is wrong, if anything.",
            ),
        ]),
    },
    list: List {
        title: "Sources",
        subtitle: "Logs that are followed",
        singular: "source",
        plural: "sources",
        label: Some("paths"),
        columns: &["paths", "files", "lines", "lagBytes"],
        filters: &[],
    },
    is_enterprise: false,
};

static START: Words = Words {
    name: "SourceStart",
    words: &[("end", "At its end"), ("beginning", "At its beginning")],
};

pub(super) static READER: Object = Object {
    name: "Reader",
    about: "A reader of the spool: the history, an output, a live stream.",
    kind: Kind::Record,
    form: &Form {
        name: "Reader",
        fields: Fields::Single(&[
            shown("name", "Name", SHORT_TEXT, "Its name."),
            shown("class", "Class", word(&CLASS), "What happens when it lags."),
            shown(
                "cursor",
                "Cursor",
                COUNT,
                "The sequence of the next event that it will read.",
            ),
            shown(
                "lagEvents",
                "Behind, events",
                COUNT,
                "Events that it has yet to read.",
            ),
            shown(
                "lagMs",
                "Behind, time",
                COUNT_OR_NULL,
                "Age of the oldest event that it has yet to read, in milliseconds.",
            ),
            shown(
                "delivered",
                "Delivered",
                COUNT_OR_NULL,
                "Events delivered since the server started.",
            ),
            shown(
                "dropped",
                "Dropped",
                COUNT_OR_NULL,
                "Events skipped or refused since the server started.",
            ),
            shown("since", "Since", TIME_OR_NULL, "When it was started."),
            shown(
                "problem",
                "Problem",
                SHORT_TEXT_OR_NULL,
                "What is wrong, if anything.",
            ),
        ]),
    },
    list: List {
        title: "Readers",
        subtitle: "Who reads the spool, and how far behind they are",
        singular: "reader",
        plural: "readers",
        label: Some("name"),
        columns: &["name", "class", "cursor", "lagEvents", "dropped"],
        filters: &[],
    },
    is_enterprise: false,
};

static CLASS: Words = Words {
    name: "ReaderClass",
    words: &[
        ("pinning", "Keeps what it needs"),
        ("durable", "Waits in the spool"),
        ("lossy", "Skips to the end"),
    ],
};
