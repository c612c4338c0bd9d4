//! Since when something stands as it does: the last instant at which its state changed.
//!
//! A state changes only when something is recorded or a date comes. These instants are looked at from the last one back,
//! and the first one before which the state was another is it.

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
    let state = action(facts, id, t)?.state;
    let recorded = facts.recorded(Timestamp::MIN, t);
    let concerns = |one: &&Recorded| one.action.as_ref().is_none_or(|action| action == id);
    let mut instants: BTreeSet<_> = recorded.iter().filter(concerns).map(|one| one.entry.recorded_at).collect();
    instants.extend(dates(facts, id, t));
    instants.into_iter().rev().find(|&at| {
        let before = action(facts, id, just_before(at)).map(|verdict| verdict.state);
        before != Some(state)
    })
}

/// Since when an obligation is in the state in which it is as of t; none if it does not exist then.
#[must_use]
pub fn obligation_since(facts: &Facts, assignment: &AssignmentId, period: Period, t: Timestamp) -> Option<Timestamp> {
    let found = obligation(facts, assignment, period, t)?;
    let recorded = facts.recorded(Timestamp::MIN, t);
    let concerns = |one: &&Recorded| match &one.event {
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
    let mut instants: BTreeSet<_> = recorded.iter().filter(concerns).map(|one| one.entry.recorded_at).collect();
    instants.extend(
        [
            Some(found.opens_at),
            Some(found.calendar_due_at),
            Some(found.due_at),
            found.answer_due_at,
        ]
        .into_iter()
        .flatten(),
    );
    instants.extend(facts.plan_versions().map(|(acts_from, _)| acts_from));
    instants.into_iter().filter(|&at| at <= t).rev().find(|&at| {
        let before = obligation(facts, assignment, period, just_before(at));
        before.map(|before| before.state) != Some(found.state)
    })
}

fn just_before(t: Timestamp) -> Timestamp {
    t.checked_sub(SignedDuration::from_micros(1)).unwrap_or(t)
}

/// Every instant up to t at which a date of the action, of its assignments or of their obligations came, by any version
/// of the plan.
fn dates(facts: &Facts, id: &ActionId, t: Timestamp) -> BTreeSet<Timestamp> {
    let mut dates = BTreeSet::new();
    for acts_from in facts.plan_versions().map(|(acts_from, _)| acts_from).chain([t]) {
        dates.insert(acts_from);
        // What a version set stands until the next one acts.
        let until = facts
            .plan_versions()
            .map(|(other, _)| other)
            .filter(|&other| other > acts_from)
            .min();
        let as_of = until.map_or(t, just_before).min(t);
        let Some(plan) = InForce::at(facts, as_of) else { continue };
        let Some(action) = plan.now().action(id) else { continue };
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
    }
    dates.retain(|&at| at <= t);
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
