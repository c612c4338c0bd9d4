//! Reporting through its API, with a token, as an institution, a reviewer and a coordinator call it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod calendar;
mod evidence;
mod life;
mod world;
