//! Reporting through its API, with a token, as an institution, a reviewer and a coordinator call it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod batch;
mod calendar;
mod evidence;
mod life;
mod outage;
mod record;
mod world;
mod writer;
