//! What can be done.

use super::mold::{SHORT, TIME_OR_NULL, field, text};
use crate::describe::{Default, Fields, Form, Format, Kind, List, Object, Takes, Variant};

pub(super) static ACTION: Object = Object {
    name: "Action",
    about: "Something to do: create one, and it is done. Nothing is kept.",
    kind: Kind::Action,
    form: &Form {
        name: "Action",
        fields: Fields::Multiple {
            variants: &[
                Variant {
                    name: "ReloadSettings",
                    label: "Read the settings file again",
                    fields: &[],
                    is_refused: false,
                },
                Variant {
                    name: "Verify",
                    label: "Check every file of the history (ours)",
                    fields: &[],
                    is_refused: false,
                },
                Variant {
                    name: "Merge",
                    label: "Merge the parts of the history now (ours)",
                    fields: &[],
                    is_refused: false,
                },
                Variant {
                    name: "ForgetAddress",
                    label: "Remove an address from the history (ours)",
                    fields: &[&[field(
                        "address",
                        "Address",
                        text(Format::EmailAddress, SHORT),
                        Default::Required,
                        "The address.",
                    )]],
                    is_refused: true,
                },
                Variant {
                    name: "ReplayReader",
                    label: "Let a reader read again (ours)",
                    fields: &[&[
                        field(
                            "reader",
                            "Reader",
                            Takes::ObjectId {
                                object: "Reader",
                                is_nullable: false,
                            },
                            Default::Required,
                            "The reader.",
                        ),
                        field(
                            "since",
                            "Since",
                            TIME_OR_NULL,
                            Default::Null,
                            "From when on; everything that the spool holds where nothing is said.",
                        ),
                    ]],
                    is_refused: false,
                },
            ],
            default: None,
        },
    },
    list: List {
        title: "Actions",
        subtitle: "What can be done",
        singular: "action",
        plural: "actions",
        label: None,
        columns: &["@type"],
        filters: &[],
    },
    is_enterprise: false,
};
