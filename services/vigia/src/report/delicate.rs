//! Small counts can hurt: who knows a target of ten in one canton reads from an index of 0.3 that three people came. A
//! report leaves the house, so what it shows must not lead back to so few.

use vigia_proto::plans::{Action, Indicator};

/// A target below this many is one from which people could be told apart.
const FEW: f64 = 100.0;
/// Of so many actions at least a reading must be made, where one of them counts few.
const TOGETHER_MIN: usize = 3;

/// Whether an action counts few people or things in a small place: it acts in cantons, and one of its indicators counts
/// up to a target below [`FEW`].
pub fn counts_few(action: &Action, indicators: &[&Indicator]) -> bool {
    // A province's code has two digits, a canton's four.
    let is_local = action.territories.iter().any(|code| code.len() > 2);
    is_local
        && indicators
            .iter()
            .any(|indicator| indicator.unit == "count" && most(indicator) < FEW)
}

/// The greatest of an indicator's targets. Only looked at, never reckoned with.
fn most(indicator: &Indicator) -> f64 {
    let values = indicator
        .targets
        .iter()
        .filter_map(|target| target.value.as_ref()?.value.parse::<f64>().ok());
    values.fold(0.0, f64::max)
}

/// Whether a reading over these actions, each with whether it counts few, would show one that does.
pub fn shows_few(counts_few: &[bool]) -> bool {
    counts_few.len() < TOGETHER_MIN && counts_few.contains(&true)
}

#[cfg(test)]
mod tests {
    use vigia_proto::{plans::Target, types::Decimal};

    use super::*;

    #[test]
    fn few_are_told_by_place_and_target() {
        let check = |territories: &[&str], unit: &str, targets: &[&str], expect: bool| {
            let action = Action {
                territories: territories.iter().map(|code| (*code).to_owned()).collect(),
                ..Action::default()
            };
            let target = |value: &&str| Target {
                value: Some(Decimal {
                    value: (*value).to_owned(),
                }),
                ..Target::default()
            };
            let indicator = Indicator {
                unit: unit.to_owned(),
                targets: targets.iter().map(target).collect(),
                ..Indicator::default()
            };
            assert_eq!(counts_few(&action, &[&indicator]), expect, "{territories:?} {unit} {targets:?}");
        };
        check(&["1701"], "count", &["10", "99"], true);
        check(&["cantonal"], "count", &["10"], true);
        check(&["1701"], "count", &["10", "100"], false);
        check(&["1701"], "percent", &["10"], false);
        check(&["17"], "count", &["10"], false);
        check(&[], "count", &["10"], false);
        // One that counts nothing shows nobody, nor do three together.
        assert!(shows_few(&[true]) && shows_few(&[true, false]));
        assert!(!shows_few(&[true, false, false]) && !shows_few(&[false]) && !shows_few(&[]));
    }
}
