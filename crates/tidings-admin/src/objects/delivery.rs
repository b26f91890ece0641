//! Parts that several outputs share: secrets, and how an output shows who it is.

use super::mold::{SHORT_TEXT, field, text};
use crate::describe::{Default, Field, Fields, Form, Format, Takes, Variant};

/// How an output shows who it is.
pub(super) const HTTP_AUTH: Takes = Takes::Object { form: &AUTH };

/// Headers of every request.
pub(super) const HTTP_HEADERS: Takes = Takes::Map { max: 64 };

/// A secret, or none.
pub(super) const SECRET_OR_NONE: Takes = Takes::Object {
    form: &SECRET_KEY_OPTIONAL,
};

/// A secret.
const SECRET: Takes = Takes::Object { form: &SECRET_KEY };

static AUTH: Form = Form {
    name: "HttpAuth",
    fields: Fields::Multiple {
        variants: &[
            Variant {
                name: "Unauthenticated",
                label: "Anonymous",
                fields: &[],
                is_refused: false,
            },
            Variant {
                name: "Basic",
                label: "Name and password",
                fields: &[&[
                    field(
                        "username",
                        "User name",
                        SHORT_TEXT,
                        Default::Required,
                        "The name.",
                    ),
                    field(
                        "secret",
                        "Password",
                        SECRET,
                        Default::Required,
                        "The password.",
                    ),
                ]],
                is_refused: false,
            },
            Variant {
                name: "Bearer",
                label: "Token",
                fields: &[&[field(
                    "bearerToken",
                    "Token",
                    SECRET,
                    Default::Required,
                    "The token.",
                )]],
                is_refused: false,
            },
        ],
        default: None,
    },
};

static SECRET_KEY: Form = Form {
    name: "SecretKey",
    fields: Fields::Multiple {
        variants: &[VALUE, VARIABLE, FILE],
        default: None,
    },
};

static SECRET_KEY_OPTIONAL: Form = Form {
    name: "SecretKeyOptional",
    fields: Fields::Multiple {
        variants: &[
            Variant {
                name: "None",
                label: "None",
                fields: &[],
                is_refused: false,
            },
            VALUE,
            VARIABLE,
            FILE,
        ],
        default: Some("None"),
    },
};

const VALUE: Variant = Variant {
    name: "Value",
    label: "The secret itself",
    fields: &[&[SECRET_VALUE]],
    is_refused: false,
};

const SECRET_VALUE: Field = field(
    "secret",
    "Secret",
    text(Format::Secret, 4_096),
    Default::Required,
    "The secret. It reads as `****`; `****` written back leaves it as it is.",
);

const VARIABLE: Variant = Variant {
    name: "EnvironmentVariable",
    label: "Environment variable",
    fields: &[&[field(
        "variableName",
        "Variable",
        SHORT_TEXT,
        Default::Required,
        "The environment variable that holds it, which must be set and not empty.",
    )]],
    is_refused: false,
};

const FILE: Variant = Variant {
    name: "File",
    label: "File",
    fields: &[&[field(
        "filePath",
        "File",
        text(Format::String, 4_096),
        Default::Required,
        "The file that holds it; white space at its end is left out.",
    )]],
    is_refused: false,
};
