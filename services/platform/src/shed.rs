//! How many calls a service has shed, and when: by quarters of an hour of domain time, never of whom.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::clock::{from_micros, micros};

/// What is counted together: long enough that a day has few of them, short enough to tell the rush before midnight from
/// the morning.
pub const STRETCH: SignedDuration = SignedDuration::from_mins(15);
/// Stretches that are kept at most, the newest ones: two days. A service that does nothing with them forgets.
const STRETCHES_MAX: usize = 192;

/// The counts of a service. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Shed(Arc<Mutex<BTreeMap<Timestamp, u64>>>);

impl Shed {
    /// Counts a call that was shed at `t`.
    pub(crate) fn count(&self, t: Timestamp) {
        let stretch = i64::try_from(STRETCH.as_micros()).unwrap_or(i64::MAX);
        let start = from_micros(micros(t).div_euclid(stretch) * stretch);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(start).or_default() += 1;
        if counts.len() > STRETCHES_MAX {
            counts.pop_first();
        }
    }

    /// The beginnings of those stretches that have ended by `t` and in which calls were shed, and how many.
    pub fn ended(&self, t: Timestamp) -> Vec<(Timestamp, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = counts.iter().filter(|(start, _)| t.duration_since(**start) >= STRETCH);
        ended.map(|(start, count)| (*start, *count)).collect()
    }

    /// Forgets the stretch that begins at `start`: it is on record, or need not be.
    pub fn forget(&self, start: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_quarters_of_an_hour_and_the_oldest_are_forgotten() {
        let shed = Shed::default();
        let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let just_before = |t: Timestamp| t - SignedDuration::from_micros(1);
        for t in [at(30), just_before(at(45)), at(45)] {
            shed.count(t);
        }
        assert_eq!(shed.ended(just_before(at(45))), []);
        assert_eq!(shed.ended(at(45)), [(at(30), 2)]);
        assert_eq!(shed.ended(at(60)), [(at(30), 2), (at(45), 1)]);
        shed.forget(at(30));
        assert_eq!(shed.ended(at(60)), [(at(45), 1)]);
        for n in 0..i64::try_from(STRETCHES_MAX).expect("few") {
            shed.count(at(60 + n * 15));
        }
        let kept = shed.ended(at(1_000_000));
        assert_eq!((kept.len(), kept[0]), (STRETCHES_MAX, (at(60), 1)));
    }
}
