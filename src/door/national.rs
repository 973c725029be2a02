//! The national JSON door: hospital systems POST the national envelope to any path, and every answer is an envelope.
//!
//! It decides nothing, and speaks of nobody: no value of a message is ever logged; ids and codes are. What it takes beyond the
//! standard, and where it is narrower, is in `src/door/national/README.md`.

mod call;
mod care;
pub(in crate::door) mod codes;
mod envelope;
mod fault;
mod fees;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::door) mod fuzz;
mod input;
mod inputs;
mod json;
mod output;
mod person;
mod query;
mod settle;
mod sign;
mod signature;
mod statements;
mod stay;
mod transactions;

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::callers::Callers;
use super::field;
use super::outage::Outage;
use super::words;
use crate::app::{self, App};
use crate::limits;

/// The word of this door in records.
const DOOR: &str = "national";

/// What can be set of this door.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Those who may call.
    pub callers: Arc<Callers>,
    /// Must an operator have signed in (9001) for whatever else they ask?
    pub sign_in_needed: bool,
}

/// What a hospital is told of an outage, said without one: for who rehearses it.
pub fn rehearsed(outage: Outage) -> Response {
    let now = app::now();
    let told = fault::Fault::Plain(outage.word()).told();
    let status = told.status;
    let reference = envelope::reference(None, &now, 0);
    let refused = envelope::Answered::Refused(told);
    let answer = envelope::Answer::new(reference, (&now, &now), refused);
    let mut response = Response::new(Body::from(answer.body()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = limits::RETRY_WHEN_BUSY.as_secs().max(1);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What answers, to be served over HTTP.
pub fn router(app: &Arc<App>, settings: Settings) -> axum::Router {
    let door = call::Door::new(Arc::clone(app), settings);
    axum::Router::new().fallback(call::arrive).with_state(Arc::new(door))
}
