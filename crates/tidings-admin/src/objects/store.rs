//! Where the history is.

use super::delivery::SECRET_OR_NONE;
use super::mold::{DURATION_OR_NULL, SHORT_TEXT, SHORT_TEXT_OR_NULL, field, number, whole, word};
use crate::describe::{
    Default, Field, Fields, Form, Kind, List, NumberFormat, Object, Takes, Variant, Words,
};

pub(super) static TRACING_STORE: Object = Object {
    name: "TracingStore",
    about: "Where events are kept to be searched.",
    kind: Kind::Singleton,
    form: &Form {
        name: "TracingStore",
        fields: STORES,
    },
    list: List {
        title: "Store of events",
        subtitle: "Where events are kept to be searched",
        singular: "store",
        plural: "stores",
        label: None,
        columns: &["@type"],
        filters: &[],
    },
    is_enterprise: false,
};

pub(super) static METRICS_STORE: Object = Object {
    name: "MetricsStore",
    about: "Where samples of metrics are kept.",
    kind: Kind::Singleton,
    form: &Form {
        name: "MetricsStore",
        fields: STORES,
    },
    list: List {
        title: "Store of metrics",
        subtitle: "Where samples of metrics are kept",
        singular: "store",
        plural: "stores",
        label: None,
        columns: &["@type"],
        filters: &[],
    },
    is_enterprise: false,
};

const STORES: Fields = Fields::Multiple {
    variants: &[
        Variant {
            name: "Disabled",
            label: "Disabled",
            fields: &[],
            is_refused: false,
        },
        Variant {
            name: "Default",
            label: "The data directory",
            fields: &[],
            is_refused: false,
        },
        Variant {
            name: "FoundationDb",
            label: "FoundationDB",
            fields: &[FOUNDATION_DB],
            is_refused: true,
        },
        Variant {
            name: "PostgreSql",
            label: "PostgreSQL",
            fields: &[HOST, POSTGRES_PORT, CREDENTIALS, POSTGRES, POOL, REPLICAS],
            is_refused: true,
        },
        Variant {
            name: "MySql",
            label: "MySQL",
            fields: &[HOST, MYSQL_PORT, CREDENTIALS, POOL, MYSQL, REPLICAS],
            is_refused: true,
        },
    ],
    default: Some("Default"),
};

const FOUNDATION_DB: &[Field] = &[
    field(
        "clusterFile",
        "Cluster file",
        SHORT_TEXT_OR_NULL,
        Default::Null,
        "The cluster file.",
    ),
    field(
        "datacenterId",
        "Data centre",
        SHORT_TEXT_OR_NULL,
        Default::Null,
        "Id of the data centre.",
    ),
    field(
        "machineId",
        "Machine",
        SHORT_TEXT_OR_NULL,
        Default::Null,
        "Id of the machine.",
    ),
    field(
        "transactionRetryDelay",
        "Retry delay",
        DURATION_OR_NULL,
        Default::Null,
        "Longest wait before a transaction is tried again.",
    ),
    field(
        "transactionTimeout",
        "Time-out",
        DURATION_OR_NULL,
        Default::Null,
        "Longest time of a transaction.",
    ),
    field(
        "transactionRetryLimit",
        "Retries",
        whole(NumberFormat::UnsignedInteger, 1, 1_000, true),
        Default::Null,
        "How often a transaction is tried again.",
    ),
];

const HOST: &[Field] = &[field(
    "host",
    "Host",
    SHORT_TEXT,
    Default::Required,
    "The database's host.",
)];

const POSTGRES_PORT: &[Field] = &[port(5_432)];

const MYSQL_PORT: &[Field] = &[port(3_306)];

const fn port(usual: i64) -> Field {
    field(
        "port",
        "Port",
        number(1, 65_535),
        Default::Number(usual),
        "The database's port.",
    )
}

const CREDENTIALS: &[Field] = &[
    field(
        "database",
        "Database",
        SHORT_TEXT,
        Default::Text("stalwart"),
        "The database's name.",
    ),
    field(
        "authUsername",
        "User name",
        SHORT_TEXT_OR_NULL,
        Default::Text("stalwart"),
        "The user.",
    ),
    field(
        "authSecret",
        "Password",
        SECRET_OR_NONE,
        Default::Part("None", &[]),
        "The password.",
    ),
];

const POSTGRES: &[Field] = &[
    field(
        "options",
        "Options",
        SHORT_TEXT_OR_NULL,
        Default::Null,
        "Options of the connection.",
    ),
    field(
        "poolRecyclingMethod",
        "Recycling",
        word(&RECYCLING),
        Default::Text("fast"),
        "How a connection is made ready for its next use.",
    ),
];

const MYSQL: &[Field] = &[
    field(
        "poolMinConnections",
        "Least connections",
        whole(NumberFormat::UnsignedInteger, 1, 8_192, true),
        Default::Number(5),
        "Connections that are kept open.",
    ),
    field(
        "maxAllowedPacket",
        "Largest packet",
        whole(NumberFormat::Size, 1_024, 1 << 30, true),
        Default::Null,
        "Most bytes of a packet.",
    ),
];

const POOL: &[Field] = &[
    field(
        "useTls",
        "TLS",
        Takes::Boolean,
        Default::Flag(false),
        "Whether to use TLS.",
    ),
    field(
        "allowInvalidCerts",
        "Allow invalid certificates",
        Takes::Boolean,
        Default::Flag(false),
        "Whether the certificate is left unchecked.",
    ),
    field(
        "timeout",
        "Time-out",
        DURATION_OR_NULL,
        Default::Number(15_000),
        "Longest wait for a connection.",
    ),
    field(
        "poolMaxConnections",
        "Most connections",
        whole(NumberFormat::UnsignedInteger, 1, 8_192, true),
        Default::Number(10),
        "Most connections.",
    ),
];

const REPLICAS: &[Field] = &[field(
    "readReplicas",
    "Read replicas",
    Takes::ObjectList {
        form: &REPLICA,
        max: 64,
    },
    Default::Empty,
    "Databases that are read instead.",
)];

static REPLICA: Form = Form {
    name: "StoreReplica",
    fields: Fields::Single(&[
        field(
            "host",
            "Host",
            SHORT_TEXT,
            Default::Required,
            "The database's host.",
        ),
        field(
            "port",
            "Port",
            whole(NumberFormat::UnsignedInteger, 1, 65_535, true),
            Default::Null,
            "The database's port; the usual one where nothing is said.",
        ),
        field(
            "database",
            "Database",
            SHORT_TEXT,
            Default::Text("stalwart"),
            "The database's name.",
        ),
        field(
            "authUsername",
            "User name",
            SHORT_TEXT_OR_NULL,
            Default::Null,
            "The user.",
        ),
        field(
            "authSecret",
            "Password",
            SECRET_OR_NONE,
            Default::Part("None", &[]),
            "The password.",
        ),
        field(
            "options",
            "Options",
            SHORT_TEXT_OR_NULL,
            Default::Null,
            "Options of the connection.",
        ),
    ]),
};

static RECYCLING: Words = Words {
    name: "PostgreSqlRecyclingMethod",
    words: &[
        ("fast", "Fast"),
        ("verified", "Verified"),
        ("clean", "Clean"),
    ],
};
