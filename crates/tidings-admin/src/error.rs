//! What the management API answers when it cannot do what it was asked for: of one object
//! ([`SetError`]), of one method call ([`MethodError`]), of the whole request ([`RequestError`]).
//!
//! Types and members are those of RFC 8620, 3.6 and 5.3, and of the reference's tools, which fail at
//! any other.

use serde::Serialize;
use serde_json::Value;

/// Why one object could not be created, changed or destroyed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetError {
    /// What is wrong.
    #[serde(rename = "type")]
    pub kind: SetErrorType,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Paths of the properties that are to blame.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<String>,
    /// The object that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Box<ObjectRef>>,
    /// Objects that refer to this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linked_objects: Vec<ObjectRef>,
    /// What is wrong with which property.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub validation_errors: Vec<ValidationError>,
}

/// The kinds of [`SetError`] that are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SetErrorType {
    /// Who asks may not, or nobody may.
    Forbidden,
    /// There is no such object.
    NotFound,
    /// The patch makes no sense for this object.
    InvalidPatch,
    /// Properties have values that cannot be.
    InvalidProperties,
    /// The object is to be destroyed by the same call.
    WillDestroy,
    /// There is one of it, and always will be.
    Singleton,
    /// Others refer to it.
    ObjectIsLinked,
    /// It refers to an object that is not there.
    InvalidForeignKey,
    /// Another has the same key.
    PrimaryKeyViolation,
    /// Values are missing or out of bounds.
    ValidationFailed,
    /// There are too many already.
    OverQuota,
    /// It is too large.
    TooLarge,
    /// Too much was asked for in too short a time.
    RateLimit,
}

/// An object by name and id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectRef {
    /// The object's name, without `x:`.
    pub object: String,
    /// Its id.
    pub id: String,
}

/// What is wrong with a property.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type")]
pub enum ValidationError {
    /// It is missing.
    Required {
        /// Its path.
        property: String,
    },
    /// It cannot be.
    Invalid {
        /// Its path.
        property: String,
        /// What stands there; never a secret.
        value: Value,
    },
    /// It is too long, or has too many members.
    MaxLength {
        /// Its path.
        property: String,
        /// How much it may be.
        required: i64,
    },
    /// It is too short, or has too few members.
    MinLength {
        /// Its path.
        property: String,
        /// How much it must be.
        required: i64,
    },
    /// It is too large.
    MaxValue {
        /// Its path.
        property: String,
        /// How much it may be.
        required: i64,
    },
    /// It is too small.
    MinValue {
        /// Its path.
        property: String,
        /// How much it must be.
        required: i64,
    },
}

/// Why a method call failed: the arguments of a response named `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MethodError {
    /// What is wrong.
    #[serde(rename = "type")]
    pub kind: MethodErrorType,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The kinds of [`MethodError`] that are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MethodErrorType {
    /// An argument is missing, of the wrong type, or cannot be.
    InvalidArguments,
    /// More was asked for than is given at a time.
    RequestTooLarge,
    /// `ifInState` is not the state.
    StateMismatch,
    /// The anchor is not among the results.
    AnchorNotFound,
    /// The filter cannot be understood.
    UnsupportedFilter,
    /// It cannot be sorted by that.
    UnsupportedSort,
    /// There is no such method.
    UnknownMethod,
    /// A result reference cannot be resolved.
    InvalidResultReference,
    /// Who asks may not.
    Forbidden,
    /// There is no such account.
    AccountNotFound,
    /// Changes since that state are not known any more.
    CannotCalculateChanges,
    /// Something is broken here.
    ServerUnavailable,
}

/// Why a request as a whole was refused: the members of a problem object (RFC 7807) with
/// `"type": "urn:ietf:params:jmap:error:…"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// The last part of the type.
    pub kind: RequestErrorType,
    /// For people.
    pub detail: String,
}

/// The kinds of [`RequestError`]; each is answered with status 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestErrorType {
    /// `using` names something that is not supported.
    UnknownCapability,
    /// The body is no JSON.
    NotJson,
    /// The JSON is no request.
    NotRequest,
    /// A limit was exceeded, which is named.
    Limit(&'static str),
}

impl SetError {
    /// An error of this kind, with a sentence.
    pub fn new(kind: SetErrorType, description: impl Into<String>) -> SetError {
        SetError {
            description: Some(description.into()),
            ..SetError::bare(kind)
        }
    }

    /// An error of this kind, without a sentence.
    #[must_use]
    pub fn bare(kind: SetErrorType) -> SetError {
        SetError {
            kind,
            description: None,
            properties: Vec::new(),
            object_id: None,
            linked_objects: Vec::new(),
            validation_errors: Vec::new(),
        }
    }

    /// `invalidPatch` of a property.
    pub fn patch(property: impl Into<String>, description: impl Into<String>) -> SetError {
        SetError {
            properties: vec![property.into()],
            ..SetError::new(SetErrorType::InvalidPatch, description)
        }
    }

    /// `validationFailed` for one reason, with a sentence.
    pub fn invalid(error: ValidationError, description: impl Into<String>) -> SetError {
        SetError {
            properties: vec![error.property().to_owned()],
            validation_errors: vec![error],
            ..SetError::new(SetErrorType::ValidationFailed, description)
        }
    }
}

impl ValidationError {
    /// The path of the property.
    #[must_use]
    pub fn property(&self) -> &str {
        match self {
            ValidationError::Required { property }
            | ValidationError::Invalid { property, .. }
            | ValidationError::MaxLength { property, .. }
            | ValidationError::MinLength { property, .. }
            | ValidationError::MaxValue { property, .. }
            | ValidationError::MinValue { property, .. } => property,
        }
    }
}

impl MethodError {
    /// An error of this kind, with a sentence.
    pub fn new(kind: MethodErrorType, description: impl Into<String>) -> MethodError {
        MethodError {
            kind,
            description: Some(description.into()),
        }
    }

    /// `invalidArguments`.
    pub fn arguments(description: impl Into<String>) -> MethodError {
        MethodError::new(MethodErrorType::InvalidArguments, description)
    }

    /// `unsupportedFilter`.
    pub fn filter(description: impl Into<String>) -> MethodError {
        MethodError::new(MethodErrorType::UnsupportedFilter, description)
    }
}

impl RequestError {
    /// An error of this kind, with a sentence.
    pub fn new(kind: RequestErrorType, detail: impl Into<String>) -> RequestError {
        RequestError {
            kind,
            detail: detail.into(),
        }
    }

    /// The problem object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let name = match self.kind {
            RequestErrorType::UnknownCapability => "unknownCapability",
            RequestErrorType::NotJson => "notJSON",
            RequestErrorType::NotRequest => "notRequest",
            RequestErrorType::Limit(_) => "limit",
        };
        let mut problem = serde_json::json!({
            "type": format!("urn:ietf:params:jmap:error:{name}"),
            "status": 400,
            "detail": self.detail,
        });
        if let RequestErrorType::Limit(limit) = self.kind {
            problem["limit"] = limit.into();
        }
        problem
    }
}
