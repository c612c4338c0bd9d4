//! The calendar by itself: every period that the plan has and its due instant, whoever owes something for it.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::facts::Facts;
use crate::history::InForce;
use crate::period::Period;

/// A period as the calendar that is in force for it has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodDue {
    /// The period.
    pub period: Period,
    /// Its first day.
    pub first_day: Date,
    /// Its last day.
    pub last_day: Date,
    /// The due instant by the calendar alone.
    pub due_at: Timestamp,
    /// The last day on which a report is in time.
    pub due_day: Date,
}

/// All periods of the plan as of t, in order; none as long as it is a draft.
#[must_use]
pub fn periods(facts: &Facts, t: Timestamp) -> Vec<PeriodDue> {
    let Some(plan) = InForce::at(facts, t) else { return Vec::new() };
    let terms = plan.periods();
    terms
        .iter()
        .map(|terms| PeriodDue {
            period: terms.period,
            first_day: terms.first_day,
            last_day: terms.last_day,
            due_at: terms.due_at,
            due_day: terms.calendar.day_of(just_before(terms.due_at)),
        })
        .collect()
}

/// The last day on which something due at an instant is in time, by the plan's time zone as of t.
#[must_use]
pub fn due_day(facts: &Facts, due_at: Timestamp, t: Timestamp) -> Option<Date> {
    InForce::at(facts, t).map(|plan| plan.plan().calendar.day_of(just_before(due_at)))
}

fn just_before(t: Timestamp) -> Timestamp {
    t.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Count;
    use crate::world::{World, at, day};

    #[test]
    fn a_plan_shows_all_its_periods_with_their_due_days() {
        let mut world = World::new();
        let shown = periods(&world.facts, at("2026-02-01 00:00"));
        assert!(!shown.is_empty());
        assert!(
            shown
                .windows(2)
                .all(|two| two[0].period < two[1].period && two[0].due_at < two[1].due_at)
        );
        let mut plan = world.plan.clone();
        plan.calendar.count = Count::Working;
        plan.calendar.due_days = 1;
        plan.calendar.due_hour = Some("17:00".parse().expect("an hour"));
        // 1 July 2026 is a Wednesday, here a holiday: the first working day after the quarter is the 2nd.
        plan.calendar.holidays = [day("2026-07-01")].into();
        world.version("2026-02-01 09:00", "2026-04-01", plan);
        let second = |t: &str| {
            let all = periods(&world.facts, at(t));
            let found = all.into_iter().find(|due| due.period.to_string() == "2026-Q2");
            found.map(|due| (due.due_at, due.due_day))
        };
        assert_eq!(second("2026-04-01 00:00"), Some((at("2026-07-02 17:00"), day("2026-07-02"))));
        assert!(second("2026-01-31 00:00").is_none_or(|(due_at, _)| due_at != at("2026-07-02 17:00")));
    }
}
