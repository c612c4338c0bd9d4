//! What every service measures of itself: calls by method and code, how long they take, those that wait or are shed, and
//! how far journals are written and followed. Names follow OpenTelemetry's conventions for RPC where there is one.

use std::{sync::LazyLock, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};

use crate::{Area, db::Db, follow::Follow};

/// How long calls take, in seconds.
pub const CALL_SECONDS: &str = "rpc.server.call.duration";

static CALLS: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    opentelemetry::global::meter("vigia")
        .f64_histogram(CALL_SECONDS)
        .with_unit("s")
        .with_description("Duration of calls, until the answer begins.")
        .build()
});

static SHED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    opentelemetry::global::meter("vigia")
        .u64_counter("vigia.calls.shed")
        .with_description("Calls that were refused because too many waited.")
        .build()
});

/// Notes a call that was answered.
pub(crate) fn answered(method: &'static str, code: &str, took: Duration) {
    let attributes = [
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", method.trim_start_matches('/')),
        KeyValue::new("rpc.response.status_code", name_of(code)),
    ];
    CALLS.record(took.as_secs_f64(), &attributes);
}

/// The names of gRPC's codes, by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn name_of(code: &str) -> &'static str {
    let code = code.parse::<usize>().ok();
    code.and_then(|code| CODES.get(code)).copied().unwrap_or("UNKNOWN")
}

/// Notes a call that was shed.
pub(crate) fn shed() {
    SHED.add(1, &[]);
}

/// Shows how far a service's journal goes.
pub(crate) fn show_journal(db: &Db) {
    let (db, area) = (db.downgrade(), db.area());
    opentelemetry::global::meter("vigia")
        .i64_observable_gauge("vigia.journal.position")
        .with_description("The last entry of a service's journal.")
        .with_callback(move |gauge| {
            if let Some(position) = db.position() {
                gauge.observe(position, &[KeyValue::new("vigia.service", area.name())]);
            }
        })
        .build();
}

/// Shows how far a service follows another one's journal, and for how long it has not heard of it.
pub(crate) fn show_follow(follower: Area, follow: &Follow) {
    let attributes = [
        KeyValue::new("vigia.service", follower.name()),
        KeyValue::new("vigia.source", follow.area().name()),
    ];
    let meter = opentelemetry::global::meter("vigia");
    let (state, told) = (follow.further(), attributes.clone());
    meter
        .i64_observable_gauge("vigia.follow.position")
        .with_description("The last entry of another service's journal that was taken in.")
        .with_callback(move |gauge| gauge.observe(state.borrow().position, &told))
        .build();
    let state = follow.further();
    meter
        .f64_observable_gauge("vigia.follow.silence")
        .with_unit("s")
        .with_description("For how long another service's journal was not heard of; past 60 s changes are refused.")
        .with_callback(move |gauge| {
            let silence = crate::clock::machine_now().duration_since(state.borrow().heard_at);
            gauge.observe(silence.as_secs_f64(), &attributes);
        })
        .build();
}
