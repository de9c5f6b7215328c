//! Errors as callers see them: RFC 9457 problem details. What is inside the server goes to the log, never here.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use stella::api;

use crate::store;

/// A kind of error: its status and its title are the same each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(StatusCode, &'static str, &'static str);

/// The request is not of the form.
pub const INVALID: Kind = Kind(StatusCode::BAD_REQUEST, "invalid-request", "The request is not valid");
/// No such path.
pub const NO_ROUTE: Kind = Kind(StatusCode::NOT_FOUND, "no-such-path", "There is nothing at this path");
/// No such method on that path.
pub const NO_METHOD: Kind =
    Kind(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "This path does not take this method");
/// No such scan, or not any more.
pub const NO_SCAN: Kind = Kind(StatusCode::NOT_FOUND, "no-such-scan", "The scan is not known");
/// The body did not come in time.
pub const SLOW_BODY: Kind =
    Kind(StatusCode::REQUEST_TIMEOUT, "slow-body", "The request's body did not arrive in time");
/// What was sent contradicts the scan.
pub const CONFLICT: Kind =
    Kind(StatusCode::CONFLICT, "conflict", "What was sent does not belong to this scan");
/// Too many bytes.
pub const TOO_LARGE: Kind =
    Kind(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request's body is over the limit");
/// Another media type or content encoding.
pub const MEDIA_TYPE: Kind =
    Kind(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "The request's body is of another form");
/// An image, a fragment or a policy that means nothing.
pub const UNPROCESSABLE: Kind =
    Kind(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", "The request cannot be carried out");
/// Our fault.
pub const INTERNAL: Kind =
    Kind(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server could not carry out the request");
/// Too much at once.
pub const BUSY: Kind = Kind(StatusCode::SERVICE_UNAVAILABLE, "busy", "The server has too much to do");
/// Took too long.
pub const DEADLINE: Kind =
    Kind(StatusCode::SERVICE_UNAVAILABLE, "deadline", "The server could not answer in time");
/// Nothing to match against, and it will not come by waiting.
pub const NO_ADVISORIES: Kind =
    Kind(StatusCode::SERVICE_UNAVAILABLE, "no-advisories", "The server has no advisories");
/// Something it needs is not there yet.
pub const NOT_READY: Kind = Kind(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "The server is not ready");

/// Nothing can be kept until somebody makes room.
pub const FULL: Kind = Kind(StatusCode::INSUFFICIENT_STORAGE, "disk-full", "The server's disk is full");

/// The rest of the request is not waited for.
pub const STOPPING: Kind = Kind(StatusCode::SERVICE_UNAVAILABLE, "stopping", "The server is stopping");

/// Who asks does not show what is asked for.
pub const UNAUTHORIZED: Kind =
    Kind(StatusCode::UNAUTHORIZED, "unauthorized", "The request does not show the right token");

/// Nobody may ask, as no token is set.
pub const UPDATES_OFF: Kind =
    Kind(StatusCode::FORBIDDEN, "updates-off", "This server is not set up to be updated by a call");

/// One at a time.
pub const UPDATE_RUNNING: Kind = Kind(StatusCode::CONFLICT, "update-running", "An update runs already");

/// How long a caller that met a full server should wait.
const RETRY_AFTER_SECONDS: u16 = 1;

/// One error, on its way to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: String,
}

impl Problem {
    /// A problem of a kind; `detail` says what went wrong this time, and the way out.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// An error of the server's own: logged in full, told without particulars.
    pub fn internal(what: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(what, %error, "internal error");
        Self::new(INTERNAL, "The server's log has the particulars; try again, then ask its operator.")
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Full { .. } => {
                tracing::error!(%error, "store");
                Self::new(FULL, format!("{error}; nothing that was acknowledged is lost."))
            }
            error => Self::internal("store", &error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Kind(status, name, title) = self.kind;
        let body = api::Problem {
            kind: format!("urn:stella:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: Some(self.detail),
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.kind == UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.kind == BUSY {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}
