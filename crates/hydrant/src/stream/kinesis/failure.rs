//! What an answer of Kinesis that is no success means for the caller.

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

use crate::aws::with_causes;
use crate::stream::Error;

/// A call that has failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Too much is asked of the shard or the account at present.
    Throttled(String),
    /// The iterator is too old.
    Expired,
    /// The request will never be right: a position of another stream.
    Invalid(String),
    /// The stream or the shard is not there.
    NotFound(String),
    /// The credentials or the rights do not do.
    Denied(String),
    /// An outage.
    Other(String),
}

impl Failure {
    /// `what` completes "cannot …".
    pub(super) fn of<E, R>(what: &str, error: &SdkError<E, R>) -> Failure
    where
        SdkError<E, R>: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let Some(code) = error.code() else {
            return Failure::Other(format!("cannot {what}: {}", with_causes(error)));
        };
        let text = format!("cannot {what}: {code}: {}", error.message().unwrap_or("no message"));
        match code {
            "ExpiredIteratorException" => Failure::Expired,
            "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "KMSThrottlingException"
            | "ThrottlingException" => Failure::Throttled(text),
            "InvalidArgumentException" | "ValidationException" => Failure::Invalid(text),
            "ResourceNotFoundException" => Failure::NotFound(text),
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException"
            | "InvalidClientTokenId"
            | "KMSAccessDeniedException"
            | "KMSDisabledException"
            | "KMSNotFoundException" => Failure::Denied(text),
            _ => Failure::Other(text),
        }
    }

    /// Where what we send is in order, so that waiting, or somebody, can mend what the server calls invalid.
    pub(super) fn mendable(self) -> Failure {
        match self {
            Failure::Invalid(text) => Failure::Other(text),
            other @ (Failure::Throttled(_)
            | Failure::Expired
            | Failure::NotFound(_)
            | Failure::Denied(_)
            | Failure::Other(_)) => other,
        }
    }

    /// At the first call: somebody sits before it who can mend what is wrong.
    pub(super) fn at_start(failure: Failure) -> Error {
        match failure {
            Failure::Invalid(text) | Failure::NotFound(text) | Failure::Denied(text) => Error::Fatal(text),
            other @ (Failure::Throttled(_) | Failure::Expired | Failure::Other(_)) => other.into(),
        }
    }
}

impl From<Failure> for Error {
    /// Later: rights and streams come back.
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Invalid(text) => Error::Fatal(text),
            Failure::Expired => Error::Retry("the iterator has expired".to_owned()),
            Failure::Throttled(text) | Failure::NotFound(text) | Failure::Denied(text) | Failure::Other(text) => {
                Error::Retry(text)
            }
        }
    }
}
