//! Who may use the management API: accounts and keys. Both are ours.

use super::mold::{
    SHORT_TEXT, SHORT_TEXT_OR_NULL, TIME_OR_NULL, field, filter, fixed, shown, text_or_null, texts,
    word, word_or_null,
};
use crate::describe::{
    Default, Fields, FilterKind, Form, Format, Kind, List, Member, Object, Takes, Words,
};

pub(super) static ACCOUNT: Object = Object {
    name: "Account",
    about: "Somebody who may sign in.",
    kind: Kind::Many,
    form: &Form {
        name: "Account",
        fields: Fields::Single(&[
            fixed(
                "name",
                "Name",
                SHORT_TEXT,
                Default::Required,
                "The name to sign in with, in lower case.",
            ),
            field(
                "description",
                "Description",
                SHORT_TEXT_OR_NULL,
                Default::Null,
                "Who it is.",
            ),
            field(
                "enable",
                "Enabled",
                Takes::Boolean,
                Default::Flag(true),
                "Whether it may sign in.",
            ),
            field(
                "role",
                "Role",
                word(&ROLE),
                Default::Text("viewer"),
                "What it may do.",
            ),
            field(
                "domains",
                "Domains",
                texts(Format::Domain),
                Default::Empty,
                "The domains whose mail a domain viewer may see; for the role `domain-viewer` only.",
            ),
            field(
                "secret",
                "Password",
                text_or_null(Format::Secret, 1_024),
                Default::Null,
                "The password, at least 12 characters. It reads as `****`; without one nobody can sign in.",
            ),
            shown("createdAt", "Created", TIME_OR_NULL, "When it was made."),
            shown(
                "lastSignIn",
                "Last sign-in",
                TIME_OR_NULL,
                "When it last signed in.",
            ),
        ]),
    },
    list: List {
        title: "Accounts",
        subtitle: "Who may sign in",
        singular: "account",
        plural: "accounts",
        label: Some("name"),
        columns: &["name", "role", "enable", "lastSignIn"],
        filters: &[filter("name", "Name", FilterKind::Text)],
    },
    is_enterprise: false,
};

/// What accounts may do.
static ROLE: Words = Words {
    name: "Role",
    words: &[
        ("admin", "Everything"),
        ("operator", "Everything but accounts"),
        ("viewer", "See everything but secrets, change nothing"),
        ("domain-viewer", "See the mail of some domains"),
    ],
};

pub(super) static API_KEY: Object = Object {
    name: "ApiKey",
    about: "A key by which a program uses the management API for an account.",
    kind: Kind::Many,
    form: &Form {
        name: "ApiKey",
        fields: Fields::Single(&[
            fixed(
                "accountId",
                "Account",
                Takes::ObjectId {
                    object: "Account",
                    is_nullable: true,
                },
                Default::Null,
                "Whose rights it has at most; who made it where nothing is said.",
            ),
            field(
                "description",
                "Description",
                SHORT_TEXT_OR_NULL,
                Default::Null,
                "What it is for.",
            ),
            field(
                "enable",
                "Enabled",
                Takes::Boolean,
                Default::Flag(true),
                "Whether it is accepted.",
            ),
            field(
                "role",
                "Role",
                word_or_null(&ROLE),
                Default::Null,
                "What it may do, within what its account may do; the same where nothing is said.",
            ),
            field(
                "permissions",
                "Permissions",
                Takes::Set {
                    of: Member::String(Format::String),
                    min: 0,
                    max: 512,
                },
                Default::Empty,
                "What it may do, permission by permission, within its role; all of them where nothing is said.",
            ),
            field(
                "domains",
                "Domains",
                texts(Format::Domain),
                Default::Empty,
                "The domains whose mail it may see; the account's where nothing is said.",
            ),
            field(
                "expiresAt",
                "Expires",
                TIME_OR_NULL,
                Default::Null,
                "From when on it is refused; never where nothing is said.",
            ),
            shown(
                "secret",
                "Key",
                text_or_null(Format::Secret, 128),
                "The key. It is shown once, in the answer to its creation.",
            ),
            shown("createdAt", "Created", TIME_OR_NULL, "When it was made."),
            shown(
                "lastUse",
                "Last use",
                TIME_OR_NULL,
                "When it was last used, give or take a minute.",
            ),
        ]),
    },
    list: List {
        title: "API keys",
        subtitle: "Keys of programs",
        singular: "API key",
        plural: "API keys",
        label: Some("description"),
        columns: &["description", "accountId", "enable", "expiresAt", "lastUse"],
        filters: &[],
    },
    is_enterprise: false,
};
