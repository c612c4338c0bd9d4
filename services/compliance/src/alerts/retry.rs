//! When an attempt that failed is made again: over machine time, with growing pauses and jitter, for three days.

use std::time::Duration;

use jiff::Timestamp;

/// The pause after the first attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_hours(4);
/// After so long since the first attempt it is given up: a server that is down over a weekend must not cost a letter.
const GIVE_UP_AFTER: Duration = Duration::from_hours(72);
/// Pauses are this much shorter or longer at random, so that what failed together does not come back together: a fifth.
const JITTER_PERMILLE: u64 = 200;

/// When to try again after so many attempts, the first of which was made then; none where it is given up. `random` is any
/// number.
pub(crate) fn next_attempt(first: Timestamp, attempts: u32, now: Timestamp, random: u64) -> Option<Timestamp> {
    if now.duration_since(first).unsigned_abs() >= GIVE_UP_AFTER {
        return None;
    }
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    let pause = doubled.min(PAUSE_MAX);
    let permille = 1000 - JITTER_PERMILLE + random % (2 * JITTER_PERMILLE + 1);
    let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX) / 1000 * permille;
    now.checked_add(Duration::from_micros(micros)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    #[test]
    fn pauses_grow_and_end() {
        let pause = |attempts, random| {
            let next = next_attempt(second(0), attempts, second(1000), random).expect("tried again");
            next.as_second() - 1000
        };
        assert_eq!(
            [pause(1, 200), pause(2, 200), pause(3, 200)],
            [30, 60, 120],
            "in the middle of the jitter"
        );
        assert_eq!((pause(1, 0), pause(1, 400)), (24, 36));
        assert_eq!((pause(20, 200), pause(u32::MAX, 200)), (4 * 3600, 4 * 3600));
        let days = |days: i64| second(days * 24 * 3600);
        assert!(next_attempt(days(0), 30, second(3 * 24 * 3600 - 1), 0).is_some());
        assert_eq!(next_attempt(days(0), 30, days(3), 0), None);
    }

    proptest! {
        /// A server that is down for a day gets it within the four hours after, whatever the jitter.
        #[test]
        fn a_day_without_answer_costs_no_message(random in prop::collection::vec(any::<u64>(), 100)) {
            let (mut now, mut attempts) = (second(0), 0_u32);
            for random in random {
                attempts += 1;
                now = next_attempt(second(0), attempts, now, random).expect("within three days");
                if now >= second(24 * 3600) {
                    break;
                }
            }
            prop_assert!(now >= second(24 * 3600) && now < second(29 * 3600), "{now} after {attempts}");
            prop_assert!(attempts < 25);
        }
    }
}
