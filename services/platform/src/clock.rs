//! Domain time: receipts, journals and rules live by it. It is the machine's, or one that is set in a directory
//! marked as scratch. Tokens, timeouts and telemetry never use it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use prost_types::Timestamp as Wire;
use tokio::sync::watch;

/// Where domain time comes from. Clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    set: Mutex<Option<Set>>,
    turned: watch::Sender<u64>,
    simulated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Set {
    at: Timestamp,
    /// Since when it runs on at real pace; none while it stands still.
    runs_since: Option<Timestamp>,
}

impl Clock {
    /// The machine's clock.
    pub fn real() -> Self {
        Self::with(None)
    }

    /// A clock that stands at `at` until it is set again. For scratch directories only.
    pub fn simulated(at: Timestamp) -> Self {
        Self::with(Some(Set { at, runs_since: None }))
    }

    fn with(set: Option<Set>) -> Self {
        let simulated = set.is_some();
        Self(Arc::new(Inner {
            set: Mutex::new(set),
            turned: watch::Sender::new(0),
            simulated,
        }))
    }

    /// Now, in whole microseconds.
    pub fn now(&self) -> Timestamp {
        let set = *self.0.set.lock().unwrap_or_else(PoisonError::into_inner);
        whole_micros(match set {
            None => machine_now(),
            Some(Set { at, runs_since: None }) => at,
            Some(Set {
                at,
                runs_since: Some(since),
            }) => at.checked_add(machine_now().duration_since(since)).unwrap_or(at),
        })
    }

    /// Whether this clock can be set: then everything recorded by it is simulated.
    pub fn is_simulated(&self) -> bool {
        self.0.simulated
    }

    /// Sets a simulated clock, which then stands still; never back. Does nothing to a real one. The journals say at once
    /// up to when they are closed now.
    pub fn set(&self, at: Timestamp) {
        self.set_quietly(at);
        self.tell();
    }

    /// The same, but the journals say it at their next heartbeat only: for whoever sets the clock often and asks seldom.
    pub fn set_quietly(&self, at: Timestamp) {
        if self.is_simulated() && at > self.now() {
            self.put(Set { at, runs_since: None });
        }
    }

    /// Lets a simulated clock go on at real pace from where it stands.
    pub fn run(&self) {
        if self.is_simulated() {
            self.put(Set {
                at: self.now(),
                runs_since: Some(machine_now()),
            });
            self.tell();
        }
    }

    fn put(&self, set: Set) {
        *self.0.set.lock().unwrap_or_else(PoisonError::into_inner) = Some(set);
    }

    fn tell(&self) {
        self.0.turned.send_modify(|turns| *turns = turns.wrapping_add(1));
    }

    /// Tells when the clock was set.
    pub fn turned(&self) -> watch::Receiver<u64> {
        self.0.turned.subscribe()
    }
}

/// The machine's time: for tokens, leases, timeouts and telemetry.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
pub fn machine_now() -> Timestamp {
    Timestamp::now()
}

pub(crate) fn whole_micros(t: Timestamp) -> Timestamp {
    from_micros(micros(t))
}

/// An instant as microseconds since 1970.
pub fn micros(t: Timestamp) -> i64 {
    t.as_microsecond()
}

/// The instant of so many microseconds since 1970; the ends of time where there is none.
pub fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The instant just before, in whole microseconds.
pub fn just_before(t: Timestamp) -> Timestamp {
    t.checked_sub(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MIN)
}

/// An instant on the wire.
pub fn timestamp(t: Timestamp) -> Wire {
    let micros = micros(t);
    Wire {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or(0),
    }
}

/// An instant from the wire; none where it is outside of what can be kept.
pub fn instant(wire: &Wire) -> Option<Timestamp> {
    Timestamp::new(wire.seconds, wire.nanos).ok().map(whole_micros)
}
