//! Where an indicator goes at its present pace: a robust slope through what was reported.
//!
//! The slope is the median of the slopes between all pairs of reported values (Theil and Sen): one report in five may be
//! wild without bending it. The line goes through the median of what is left. All of it is exact; only the day on which
//! the target is reached is rounded, up to a whole day.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::exact::Exact;
use crate::plan::{Direction, Point};

/// Fewer periods with a value than this say too little about a pace: two make any line, and of three one odd value
/// decides.
pub const FORECAST_REPORTS_MIN: usize = 4;
/// A day further off than this is none.
pub const FORECAST_DAYS_MAX: i64 = 36_525;

/// Where an indicator goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Change for each day.
    pub slope_per_day: Exact,
    /// Value on the day of the target.
    pub value_then: Exact,
    /// By how much it will miss the target; 0 where it will reach it.
    pub misses_by: Exact,
    /// The first day on which the line reaches the target, not before the last value's; none where it never does.
    pub reaches_on: Option<Date>,
}

/// The forecast for a target from the values of the periods with a report, by day; none with too few.
#[must_use]
pub fn forecast(values: &[(Date, Exact)], direction: Direction, target: Point) -> Option<Forecast> {
    let first = values.first()?.0;
    if values.len() < FORECAST_REPORTS_MIN {
        return None;
    }
    let day_of = |date: Date| date.since(first).map_or(0, |span| i64::from(span.get_days()));
    let days: Vec<_> = values.iter().map(|(date, _)| day_of(*date)).collect();
    let mut slopes = Vec::new();
    for (i, (_, from)) in values.iter().enumerate() {
        for (j, (_, to)) in values.iter().enumerate().skip(i + 1) {
            // Two values of one day have no slope.
            slopes.extend((to - from).divided_by(&Exact::from_int(days[j] - days[i])));
        }
    }
    let slope_per_day = median(slopes)?;
    let left = values.iter().zip(&days);
    let left = left
        .map(|((_, value), day)| value - &(&slope_per_day * &Exact::from_int(*day)))
        .collect();
    let start = median(left)?;
    let on_line = |day: i64| &start + &(&slope_per_day * &Exact::from_int(day));
    let goal = Exact::from(target.value);
    let is_up = matches!(direction, Direction::Increase | Direction::AtLeast);
    let reaches = |value: &Exact| if is_up { *value >= goal } else { *value <= goal };
    let value_then = on_line(day_of(target.on));
    let misses_by = match (reaches(&value_then), is_up) {
        (true, _) => Exact::zero(),
        (false, true) => &goal - &value_then,
        (false, false) => &value_then - &goal,
    };
    let last = days.last().copied()?;
    let reaches_in = if reaches(&on_line(last)) {
        Some(last)
    } else {
        let way = (&goal - &start).divided_by(&slope_per_day);
        let whole = way.and_then(|way| {
            let down = way.floor()?;
            Some(if Exact::from_int(down) == way { down } else { down + 1 })
        });
        whole.filter(|day| *day > last && *day <= FORECAST_DAYS_MAX)
    };
    Some(Forecast {
        slope_per_day,
        value_then,
        misses_by,
        reaches_on: reaches_in.and_then(|day| first.checked_add(day.days()).ok()),
    })
}

/// The middle one; of two middle ones their mean.
fn median(mut values: Vec<Exact>) -> Option<Exact> {
    values.sort_unstable();
    let half = values.len() / 2;
    let upper = values.get(half)?;
    if values.len() % 2 == 1 {
        return Some(upper.clone());
    }
    (&values[half - 1] + upper).divided_by(&Exact::from_int(2))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::exact::Decimal;

    fn values(given: &[(i8, i64)]) -> Vec<(Date, Exact)> {
        given
            .iter()
            .map(|(day, value)| (date(2026, 1, *day), Exact::from_int(*value)))
            .collect()
    }

    fn target(value: i32) -> Point {
        Point {
            on: date(2026, 1, 31),
            value: Decimal::from_int(value),
        }
    }

    #[test]
    fn a_straight_line_goes_on() {
        let given = values(&[(1, 10), (6, 20), (11, 30), (16, 40)]);
        let got = forecast(&given, Direction::Increase, target(100)).expect("enough");
        assert_eq!(got.slope_per_day, Exact::from_int(2));
        assert_eq!((got.value_then, got.misses_by), (Exact::from_int(70), Exact::from_int(30)));
        assert_eq!(got.reaches_on, Some(date(2026, 2, 15)));
    }

    #[test]
    fn one_wild_value_does_not_bend_it() {
        let given = values(&[(1, 10), (6, 20), (11, 9000), (16, 40), (21, 50)]);
        let got = forecast(&given, Direction::Increase, target(70)).expect("enough");
        assert_eq!(got.slope_per_day, Exact::from_int(2));
        assert_eq!((got.misses_by, got.reaches_on), (Exact::zero(), Some(date(2026, 1, 31))));
    }

    #[test]
    fn what_goes_the_wrong_way_never_arrives() {
        let given = values(&[(1, 40), (6, 30), (11, 20), (16, 10)]);
        let up = forecast(&given, Direction::Increase, target(50)).expect("enough");
        assert_eq!((up.reaches_on, up.misses_by), (None, Exact::from_int(70)));
        let down = forecast(&given, Direction::Decrease, target(5)).expect("enough");
        assert_eq!(down.reaches_on, Some(date(2026, 1, 19)));
        let there = forecast(&given, Direction::AtMost, target(15)).expect("enough");
        assert_eq!((there.reaches_on, there.misses_by), (Some(date(2026, 1, 16)), Exact::zero()));
        let flat = values(&[(1, 5), (6, 5), (11, 5), (16, 5)]);
        assert_eq!(forecast(&flat, Direction::Increase, target(6)).and_then(|got| got.reaches_on), None);
    }

    #[test]
    fn few_reports_say_nothing() {
        let given = values(&[(1, 10), (6, 20), (11, 30)]);
        assert_eq!(forecast(&given, Direction::Increase, target(100)), None);
        assert_eq!(forecast(&[], Direction::Increase, target(100)), None);
        // A day on which two values stand gives no slope, and no division by nothing.
        let same = values(&[(1, 10), (1, 20), (1, 30), (1, 40)]);
        assert_eq!(forecast(&same, Direction::Increase, target(100)), None);
    }
}
