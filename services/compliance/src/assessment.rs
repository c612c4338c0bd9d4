//! How an assessor's judgement compares with the official verdict. Pure: grades and verdicts come in, a difference comes
//! out. Grades are compared, never averaged or folded into one.

use vigia_proto::compliance::Completion;
use vigia_rules::{ActionState, Reading};

use crate::cards::InShort;

/// The grade that says that nobody knows, on both scales; the lowest grade follows it.
const UNKNOWN: i32 = 1;

/// Whether grades say something: one grade, two neighbouring ones with the lower first (one or the other), or that it is
/// unknown. `best` is the highest of the scale.
pub(crate) fn are_grades(grades: &[i32], best: i32) -> bool {
    let known = UNKNOWN + 1..=best;
    match *grades {
        [UNKNOWN] => true,
        [one] => known.contains(&one),
        [low, high] => known.contains(&low) && known.contains(&high) && high == low + 1,
        _ => false,
    }
}

/// The official verdict on the scale of completion, only so that both can be compared. `at_risk_from` is the plan's.
pub(crate) fn official(verdict: &InShort, at_risk_from: Reading) -> Completion {
    match (verdict.state, verdict.observed) {
        (ActionState::Achieved | ActionState::AchievedLate, _) => Completion::Complete,
        (_, None) => Completion::Unknown,
        (_, Some(Reading::ZERO)) => Completion::NotStarted,
        (_, Some(observed)) if observed < at_risk_from => Completion::Limited,
        (_, Some(_)) => Completion::Substantial,
    }
}

/// By how many grades an assessor's completion lies above the official one, at least; none where one of both is unknown.
pub(crate) fn difference(assessed: &[i32], official: Completion) -> Option<i32> {
    let (low, high) = (*assessed.first()?, *assessed.last()?);
    let official = i32::from(official);
    if low <= UNKNOWN || official <= UNKNOWN {
        None
    } else if official < low {
        Some(low - official)
    } else {
        Some((high - official).min(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_or_the_other_and_unknown_are_values() {
        let check = |grades: &[i32], expect: bool| assert_eq!(are_grades(grades, 5), expect, "{grades:?}");
        for one in 1..=5 {
            check(&[one], true);
        }
        check(&[2, 3], true);
        check(&[4, 5], true);
        for wrong in [
            &[][..],
            &[0],
            &[6],
            &[-1],
            &[3, 2],
            &[2, 4],
            &[3, 3],
            &[1, 2],
            &[5, 6],
            &[2, 3, 4],
            &[i32::MAX],
            &[i32::MAX, i32::MIN],
        ] {
            check(wrong, false);
        }
    }

    #[test]
    fn differences_are_counted_to_the_nearest_grade() {
        use Completion::{Complete, Limited, NotStarted, Substantial, Unknown};
        let check = |assessed: &[Completion], official: Completion, expect: Option<i32>| {
            let assessed: Vec<i32> = assessed.iter().map(|grade| (*grade).into()).collect();
            assert_eq!(difference(&assessed, official), expect, "{assessed:?} {official:?}");
        };
        check(&[Limited], Complete, Some(-2));
        check(&[Complete], NotStarted, Some(3));
        check(&[Substantial, Complete], Complete, Some(0));
        check(&[Substantial, Complete], Substantial, Some(0));
        check(&[Substantial, Complete], Limited, Some(1));
        check(&[NotStarted, Limited], Complete, Some(-2));
        check(&[Unknown], Complete, None);
        check(&[Limited], Unknown, None);
        check(&[], Limited, None);
    }

    proptest! {
        #[test]
        fn one_or_the_other_never_differs_more_than_either(low in 2..5_i32, official in 2..6_i32) {
            let official = Completion::try_from(official).expect("a grade");
            let alone = |grade| difference(&[grade], official).expect("known").abs();
            let pair = difference(&[low, low + 1], official).expect("known").abs();
            prop_assert_eq!(pair, alone(low).min(alone(low + 1)));
        }
    }
}
