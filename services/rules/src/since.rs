//! Since when something stands as it does: the last instant at which its state changed.
//!
//! A state changes only when something is recorded, a version of the plan begins to act, or a date comes that was known
//! then. So the time up to t falls into stretches in which the same was known throughout; from the last one back, the
//! dates known in each are looked at, and the first instant before which the state was another is it. A date that was
//! moved afterwards still counts where it was known.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::action::action;
use crate::facts::Facts;
use crate::history::InForce;
use crate::indicator::rows;
use crate::names::{ActionId, AssignmentId};
use crate::obligation::obligation;
use crate::period::Period;
use crate::record::{Event, Recorded};

/// Since when an action is in the state in which it is as of t; none if the plan does not have it then.
#[must_use]
pub fn action_since(facts: &Facts, id: &ActionId, t: Timestamp) -> Option<Timestamp> {
    let concerns = |one: &Recorded| one.action.as_ref().is_none_or(|action| action == id);
    let state = |t| action(facts, id, t).map(|verdict| verdict.state);
    since(facts, t, concerns, state, |as_of| dates(facts, id, as_of))
}

/// Since when an obligation is in the state in which it is as of t; none if it does not exist then.
#[must_use]
pub fn obligation_since(facts: &Facts, assignment: &AssignmentId, period: Period, t: Timestamp) -> Option<Timestamp> {
    let concerns = |one: &Recorded| match &one.event {
        Event::PlanVersion { .. } => true,
        Event::Assignment { assignment: other } => other == assignment,
        Event::Submitted {
            assignment: other,
            period: of,
        }
        | Event::Reviewed {
            assignment: other,
            period: of,
            ..
        }
        | Event::Waived {
            assignment: other,
            period: of,
        } => other == assignment && *of == period,
        Event::Extended { period: of, .. } => *of == period,
    };
    let state = |t| obligation(facts, assignment, period, t).map(|owed| owed.state);
    since(facts, t, concerns, state, |as_of| {
        let owed = obligation(facts, assignment, period, as_of);
        let dates = |owed: crate::Obligation| {
            [
                Some(owed.opens_at),
                Some(owed.calendar_due_at),
                Some(owed.due_at),
                owed.answer_due_at,
            ]
        };
        owed.map(dates).into_iter().flatten().flatten().collect()
    })
}

/// The last instant up to t before which the state was another. `dates` gives those at which the state may change, by
/// what is known as of an instant.
fn since<S: PartialEq>(
    facts: &Facts,
    t: Timestamp,
    concerns: impl Fn(&Recorded) -> bool,
    state: impl Fn(Timestamp) -> Option<S>,
    dates: impl Fn(Timestamp) -> BTreeSet<Timestamp>,
) -> Option<Timestamp> {
    let now = state(t)?;
    let began = |&at: &Timestamp| state(just_before(at)).as_ref() != Some(&now);
    let recorded = facts.recorded(Timestamp::MIN, t);
    let mut learnt: BTreeSet<_> = recorded
        .iter()
        .filter(|one| concerns(one))
        .map(|one| one.entry.recorded_at)
        .collect();
    learnt.extend(facts.plan_versions().map(|(acts_from, _)| acts_from).filter(|&at| at <= t));
    let mut until = t;
    for from in learnt.into_iter().rev() {
        let known = dates(until);
        let mut dates = known.into_iter().filter(|&at| from < at && at <= until).rev();
        if let Some(at) = dates.by_ref().find(began).or_else(|| Some(from).filter(began)) {
            return Some(at);
        }
        until = just_before(from);
    }
    None
}

fn just_before(t: Timestamp) -> Timestamp {
    t.checked_sub(SignedDuration::from_micros(1)).unwrap_or(t)
}

/// Every date of the action, of its assignments and of their obligations, as known as of an instant.
fn dates(facts: &Facts, id: &ActionId, as_of: Timestamp) -> BTreeSet<Timestamp> {
    let mut dates = BTreeSet::new();
    let Some(plan) = InForce::at(facts, as_of) else { return dates };
    let Some(action) = plan.now().action(id) else { return dates };
    let calendar = &plan.plan().calendar;
    let after = |day: Date| calendar.end_of(day);
    let rests = action
        .suspended
        .iter()
        .flat_map(|rest| [Some(calendar.start_of(rest.from)), rest.to.map(after)]);
    dates.extend(rests.flatten());
    dates.insert(calendar.start_of(action.start));
    dates.extend(action.withdrawn_on.map(|day| calendar.start_of(day)));
    let periods = plan.periods();
    dates.extend(periods.iter().flat_map(|terms| [terms.ends_at, terms.due_at]));
    for row in rows(&plan, &periods, id) {
        dates.insert(calendar.start_of(row.standing.assignment.from));
        dates.extend(row.standing.last_day.map(after));
        for cell in row.cells.iter().flatten() {
            dates.extend(
                [Some(cell.owed.opens_at), Some(cell.owed.due.at), cell.owed.answer_due_at()]
                    .into_iter()
                    .flatten(),
            );
        }
    }
    dates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, at, period};

    #[test]
    fn a_state_began_with_a_report_or_with_a_date() {
        let mut world = World::new();
        world.submit("2026-04-20 09:00", "a", "2026-Q1", "95").expect("accepted");
        let since = |t: &str| action_since(&world.facts, &"A1".into(), at(t));
        assert_eq!(since("2026-04-10 12:00"), Some(at("2025-12-03 09:00").max(at("2026-01-01 00:00"))));
        assert_eq!(since("2026-04-15 12:00"), Some(at("2026-04-11 00:00")));
        assert_eq!(since("2026-05-15 12:00"), Some(at("2026-04-20 09:00")));
        let since = |t: &str| obligation_since(&world.facts, &"a".into(), period("2026-Q1"), at(t));
        assert_eq!(since("2026-04-05 12:00"), Some(at("2026-04-01 00:00")));
        assert_eq!(since("2026-04-15 12:00"), Some(at("2026-04-11 00:00")));
        assert_eq!(since("2026-05-15 12:00"), Some(at("2026-04-20 09:00")));
    }
}
