//! Verdicts rolled up (VERDICTS, "Scorecard as of t"): the index in three readings, and reporting
//! discipline.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::action::{ActionState, ActionVerdict, judge};
use crate::exact::{Decimal, Reading, weighted_mean};
use crate::facts::{Assignment, Facts};
use crate::history::{InForce, Terms};
use crate::indicator::{Case, Row, rows};
use crate::names::{ActionId, AssignmentId, ComponentId, InstitutionId, TerritoryCode};
use crate::obligation::{Obligation, ObligationState, Timeliness};
use crate::period::Period;
use crate::plan::{Plan, Role};

/// What a scorecard is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole plan.
    Plan,
    /// A component with all below it.
    Component(ComponentId),
    /// The actions that an institution leads; the discipline of its own assignments.
    Institution(InstitutionId),
    /// Discipline only, by the code's beginning.
    Territory(TerritoryCode),
}

/// A scope, or a cut across scopes by what the rules have no name for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Slice {
    /// A scope.
    Scope(Scope),
    /// An institution's part of a component: what lies in both.
    InstitutionIn(InstitutionId, ComponentId),
    /// Discipline only: of all assignments with this role.
    Role(Role),
    /// These actions, chosen by their kind, a commitment, a source of money.
    Actions(BTreeSet<ActionId>),
    /// The actions that one of these assignments leads, and the discipline of these assignments: by their binding force.
    Assignments(BTreeSet<AssignmentId>),
}

/// Verdicts rolled up. Readings are none where there is nothing that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scorecard {
    /// Unreported counts as zero.
    pub strict: Option<Reading>,
    /// Only what is reported.
    pub observed: Option<Reading>,
    /// The share of the weight that `observed` rests on.
    pub coverage_observed: Option<Reading>,
    /// Only what is validated.
    pub validated: Option<Reading>,
    /// The share of the weight that `validated` rests on.
    pub coverage_validated: Option<Reading>,
    /// How its institutions report.
    pub discipline: Discipline,
    /// How many of its actions are in each state, those that do not count too.
    pub actions: BTreeMap<ActionState, usize>,
}

/// Reporting discipline: counts of obligations not waived with D ≤ t, and what stands beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discipline {
    /// Obligations not waived and due.
    pub owed: usize,
    /// Of those, how many count as received.
    pub received: usize,
    /// Received in time.
    pub on_time: usize,
    /// Validated.
    pub validated: usize,
    /// Validated, and received in time.
    pub validated_on_time: usize,
    /// Received, and saying that there is nothing to report.
    pub nil: usize,
    /// Obligations waived at or after D.
    pub waived_after_due: usize,
    /// Obligations that an emergency extension moved after they were due.
    pub extended_after_due: usize,
    /// Assignments made, those by a hand-over too.
    pub proposed: usize,
    /// Of those, accepted.
    pub accepted: usize,
    /// Contested and not resolved.
    pub contested: usize,
    /// Neither accepted nor contested nor taken back.
    pub unanswered: usize,
    /// Lower median delay of what came late, in whole days rounded down.
    pub median_delay_late_days: Option<i64>,
    /// Lower median time from a receipt to the first review since the obligation's last opening,
    /// in whole days rounded down.
    pub median_delay_review_days: Option<i64>,
}

/// What one action adds to a slice's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The action.
    pub action: ActionId,
    /// Its state; only [`ActionState::is_counted`] ones count.
    pub state: ActionState,
    /// Its weight.
    pub weight: Decimal,
    /// Its strict reading, as the slice sees it.
    pub strict: Option<Reading>,
    /// Its observed reading.
    pub observed: Option<Reading>,
    /// Its validated reading.
    pub validated: Option<Reading>,
}

/// An index in three readings, with the share of the weight that two of them rest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Unreported counts as zero.
    pub strict: Option<Reading>,
    /// Only what is reported.
    pub observed: Option<Reading>,
    /// The share of the weight that `observed` rests on.
    pub coverage_observed: Option<Reading>,
    /// Only what is validated.
    pub validated: Option<Reading>,
    /// The share of the weight that `validated` rests on.
    pub coverage_validated: Option<Reading>,
}

impl Index {
    /// The index over the parts that count.
    #[must_use]
    pub fn of<'p>(parts: impl IntoIterator<Item = &'p Part>) -> Self {
        let counted: Vec<_> = parts.into_iter().filter(|part| part.state.is_counted()).collect();
        let mean = |reading: &dyn Fn(&Part) -> Option<Reading>| {
            weighted_mean(counted.iter().filter_map(|part| Some((part.weight, reading(part)?))))
        };
        let share = |has: &dyn Fn(&Part) -> bool| mean(&|part| Some(if has(part) { Reading::ONE } else { Reading::ZERO }));
        Self {
            strict: mean(&|part| part.strict),
            observed: mean(&|part| part.observed),
            coverage_observed: share(&|part| part.observed.is_some()),
            validated: mean(&|part| part.validated),
            coverage_validated: share(&|part| part.validated.is_some()),
        }
    }
}

/// All verdicts of a plan as of an instant, computed once; scorecards are read from them.
#[derive(Debug)]
pub struct Verdicts<'f> {
    plan: InForce<'f>,
    periods: Vec<Terms<'f>>,
    /// The assignments of one action lie side by side.
    rows: Vec<Row<'f>>,
    judged: Vec<Judged>,
    place_of: BTreeMap<ActionId, usize>,
}

#[derive(Debug)]
struct Judged {
    verdict: ActionVerdict,
    weight: Decimal,
    /// The place of the period judged.
    q: Option<usize>,
    rows: Range<usize>,
}

impl<'f> Verdicts<'f> {
    /// All verdicts as of t; none as long as the plan is a draft.
    #[must_use]
    pub fn as_of(facts: &'f Facts, t: Timestamp) -> Option<Self> {
        Self::of_actions(facts, t, |_| true)
    }

    /// The same for some actions only: where the others can't have changed.
    #[must_use]
    pub fn of_actions(facts: &'f Facts, t: Timestamp, wanted: impl Fn(&ActionId) -> bool) -> Option<Self> {
        let plan = InForce::at(facts, t)?;
        let periods = plan.periods();
        let mut all_rows = Vec::new();
        let mut ranges = BTreeMap::new();
        for action in facts.by_action.keys().filter(|action| wanted(action)) {
            let first = all_rows.len();
            all_rows.extend(rows(&plan, &periods, action));
            ranges.insert(action, first..all_rows.len());
        }
        let actions = plan.plan().actions.iter().filter(|action| wanted(&action.id));
        let judged: Vec<_> = actions
            .map(|action| {
                let rows = ranges.get(&action.id).cloned().unwrap_or_default();
                let case = Case::new(&plan, &periods, action, &all_rows[rows.clone()]);
                let (verdict, q) = judge(&case);
                Judged {
                    verdict,
                    weight: action.weight,
                    q,
                    rows,
                }
            })
            .collect();
        let places = judged.iter().enumerate();
        let place_of = places.map(|(i, judged)| (judged.verdict.action.clone(), i)).collect();
        Some(Self {
            plan,
            periods,
            rows: all_rows,
            judged,
            place_of,
        })
    }

    /// The instant asked about.
    #[must_use]
    pub fn t(&self) -> Timestamp {
        self.plan.t
    }

    /// The number of the rules that judged.
    #[must_use]
    pub fn rules(&self) -> u32 {
        self.plan.plan().policy.rules
    }

    /// The plan that acts.
    pub(crate) fn plan(&self) -> &'f Plan {
        self.plan.plan()
    }

    /// Each action with all that a verdict on it looks at, in the plan's order.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Case<'_, 'f>> {
        let of_plan = |judged: &Judged| self.plan.now().action(&judged.verdict.action);
        let judged = self.judged.iter().filter_map(move |judged| Some((of_plan(judged)?, judged)));
        judged.map(|(action, judged)| Case::new(&self.plan, &self.periods, action, &self.rows[judged.rows.clone()]))
    }

    /// The institution that leads an action on a day, or led it on its last: the first to be assigned.
    pub(crate) fn lead_on(&self, action: &ActionId, day: Date) -> Option<InstitutionId> {
        let judged = &self.judged[*self.place_of.get(action)?];
        let day = self.plan.now().action(action).map_or(day, |action| action.end.min(day));
        let mut leads = self.rows[judged.rows.clone()].iter().filter(|row| {
            let standing = &row.standing;
            row.is_lead() && standing.accepted_at.is_some() && standing.is_in_force_on(day)
        });
        leads.next().map(|row| row.standing.assignment.institution.clone())
    }

    /// The verdicts on all actions, in the plan's order.
    pub fn actions(&self) -> impl Iterator<Item = &ActionVerdict> {
        self.judged.iter().map(|judged| &judged.verdict)
    }

    /// The verdict on an action, if the plan has it.
    #[must_use]
    pub fn action(&self, action: &ActionId) -> Option<&ActionVerdict> {
        self.place_of.get(action).map(|&place| &self.judged[place].verdict)
    }

    /// All obligations that exist, by action, assignment and period.
    pub fn obligations(&self) -> impl Iterator<Item = Obligation> {
        self.rows.iter().flat_map(|row| {
            row.cells
                .iter()
                .zip(&self.periods)
                .filter_map(|(cell, terms)| cell.as_ref().map(|cell| cell.owed.to_obligation(terms, self.plan.t)))
        })
    }

    /// The next instant after t at which something may change though nothing is recorded: a day or
    /// a reference day ends, something falls due, a version of the plan begins to act.
    #[must_use]
    pub fn next_change(&self) -> Timestamp {
        let t = self.plan.t;
        let midnight = self.plan.plan().calendar.end_of(self.plan.today);
        let acts = self.plan.facts.versions.iter().filter(|version| version.entry.recorded_at <= t);
        let acts = acts.map(|version| version.acts_from);
        let periods = self.periods.iter().flat_map(|terms| [terms.ends_at, terms.due_at]);
        let cells = self.rows.iter().flat_map(|row| row.cells.iter().flatten());
        let owed = cells.flat_map(|cell| {
            let owed = &cell.owed;
            [Some(owed.opens_at), Some(owed.due.at), owed.answer_due_at()].into_iter().flatten()
        });
        let later = acts.chain(periods).chain(owed).filter(|&at| at > t);
        later.fold(midnight, Timestamp::min)
    }

    /// The plan's periods as of t, in order, with their calendar due instants.
    pub fn periods(&self) -> impl Iterator<Item = (Period, Timestamp)> {
        self.periods.iter().map(|terms| (terms.period, terms.due_at))
    }

    /// The scorecard of a scope. A scope that nothing lies in has zeros and no readings.
    #[must_use]
    pub fn scorecard(&self, scope: &Scope) -> Scorecard {
        self.slice(&Slice::Scope(scope.clone()))
    }

    /// The scorecard of a slice.
    #[must_use]
    pub fn slice(&self, slice: &Slice) -> Scorecard {
        let mut actions = BTreeMap::new();
        for judged in self.judged.iter().filter(|judged| self.holds_action(slice, judged)) {
            *actions.entry(judged.verdict.state).or_insert(0) += 1;
        }
        let index = Index::of(&self.parts(slice));
        Scorecard {
            strict: index.strict,
            observed: index.observed,
            coverage_observed: index.coverage_observed,
            validated: index.validated,
            coverage_validated: index.coverage_validated,
            discipline: self.discipline(slice),
            actions,
        }
    }

    /// What a slice's index is made of: its actions in the plan's order, with what each adds.
    #[must_use]
    pub fn parts(&self, slice: &Slice) -> Vec<Part> {
        let held = self.judged.iter().filter(|judged| self.holds_action(slice, judged));
        held.map(|judged| {
            let verdict = &judged.verdict;
            Part {
                action: verdict.action.clone(),
                state: verdict.state,
                weight: judged.weight,
                strict: self.strict_in(slice, judged),
                observed: verdict.observed,
                validated: verdict.validated,
            }
        })
        .collect()
    }

    /// Whether an action's verdict belongs to a slice's index.
    fn holds_action(&self, slice: &Slice, judged: &Judged) -> bool {
        let version = self.plan.now();
        let Some(action) = version.action(&judged.verdict.action) else {
            return false;
        };
        // Silence does not pay; what is contested does not count.
        let is_led_by = |whose: &dyn Fn(&Assignment) -> bool| {
            let day = self.plan.today.min(action.end);
            self.rows[judged.rows.clone()].iter().any(|row| {
                let standing = &row.standing;
                row.is_lead()
                    && whose(standing.assignment)
                    && standing.is_in_force_on(day)
                    && (standing.accepted_at.is_some() || standing.is_unanswered())
            })
        };
        match slice {
            Slice::Scope(Scope::Plan) => true,
            Slice::Scope(Scope::Component(component)) => version.stands_under(&action.component, component),
            Slice::Scope(Scope::Institution(institution)) => is_led_by(&|led| led.institution == *institution),
            Slice::InstitutionIn(institution, component) => {
                version.stands_under(&action.component, component) && is_led_by(&|led| led.institution == *institution)
            }
            Slice::Actions(actions) => actions.contains(&action.id),
            Slice::Assignments(assignments) => is_led_by(&|led| assignments.contains(&led.id)),
            Slice::Scope(Scope::Territory(_)) | Slice::Role(_) => false,
        }
    }

    /// For an institution, 0 where a lead obligation of its own that is asked for at the period
    /// judged is not received.
    fn strict_in(&self, slice: &Slice, judged: &Judged) -> Option<Reading> {
        let (Slice::Scope(Scope::Institution(institution)) | Slice::InstitutionIn(institution, _)) = slice else {
            return judged.verdict.strict;
        };
        let is_silent = judged.q.is_some_and(|q| {
            self.rows[judged.rows.clone()].iter().any(|row| {
                row.is_lead()
                    && row.standing.assignment.institution == *institution
                    && row.cells[q].as_ref().is_some_and(|cell| cell.is_asked && !cell.state.is_received())
            })
        });
        if is_silent { Some(Reading::ZERO) } else { judged.verdict.strict }
    }

    fn holds_assignment(&self, slice: &Slice, assignment: &Assignment) -> bool {
        let lies_in = |component: &ComponentId| {
            let found = self.plan.last_with(&assignment.action);
            found.is_some_and(|(version, action)| version.stands_under(&action.component, component))
        };
        match slice {
            Slice::Scope(Scope::Plan) => true,
            Slice::Scope(Scope::Component(component)) => lies_in(component),
            Slice::Scope(Scope::Institution(institution)) => assignment.institution == *institution,
            Slice::InstitutionIn(institution, component) => assignment.institution == *institution && lies_in(component),
            Slice::Scope(Scope::Territory(code)) => assignment.territory.as_ref().is_some_and(|territory| territory.lies_in(code)),
            Slice::Role(role) => assignment.role == *role,
            Slice::Actions(actions) => actions.contains(&assignment.action),
            Slice::Assignments(assignments) => assignments.contains(&assignment.id),
        }
    }

    fn discipline(&self, slice: &Slice) -> Discipline {
        let t = self.plan.t;
        let mut discipline = Discipline::default();
        let (mut late, mut reviews) = (Vec::new(), Vec::new());
        let rows = self.rows.iter().filter(|row| self.holds_assignment(slice, row.standing.assignment));
        for row in rows {
            discipline.proposed += 1;
            discipline.accepted += usize::from(row.standing.accepted_at.is_some());
            discipline.contested += usize::from(row.standing.is_contested);
            discipline.unanswered += usize::from(row.standing.is_unanswered());
            for cell in row.cells.iter().flatten() {
                let owed = &cell.owed;
                discipline.extended_after_due += usize::from(owed.due.moved_after_passing);
                if cell.state == ObligationState::Waived {
                    let is_after = owed.course.waived_at.is_some_and(|at| at >= owed.due.at);
                    discipline.waived_after_due += usize::from(is_after);
                    continue;
                }
                if owed.due.at > t {
                    continue;
                }
                let received = cell.state.is_received();
                let on_time = cell.timeliness == Timeliness::OnTime;
                let validated = cell.state == ObligationState::Validated;
                let nil = received && owed.course.report.is_some_and(|report| report.nil);
                discipline.owed += 1;
                discipline.received += usize::from(received);
                discipline.on_time += usize::from(on_time);
                discipline.validated += usize::from(validated);
                discipline.validated_on_time += usize::from(validated && on_time);
                discipline.nil += usize::from(nil);
                if cell.timeliness == Timeliness::Late {
                    late.extend(owed.delay().map(|delay| delay.as_hours().div_euclid(24)));
                }
                if let Some((reviewed_at, received_at)) = owed.course.first_review {
                    let delay = reviewed_at.duration_since(received_at);
                    reviews.push(delay.as_secs().div_euclid(24 * 60 * 60));
                }
            }
        }
        discipline.median_delay_late_days = lower_median(late);
        discipline.median_delay_review_days = lower_median(reviews);
        discipline
    }
}

fn lower_median(mut days: Vec<i64>) -> Option<i64> {
    days.sort_unstable();
    let middle = days.len().checked_sub(1)? / 2;
    Some(days[middle])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Decision;
    use crate::world::{World, assignment, at};

    #[test]
    fn the_lower_median_of_whole_days() {
        let check = |days: &[i64], expect: Option<i64>| assert_eq!(lower_median(days.to_vec()), expect, "{days:?}");
        check(&[], None);
        check(&[3], Some(3));
        check(&[9, 1], Some(1));
        check(&[9, 1, 4], Some(4));
        check(&[9, 1, 4, 6], Some(4));
    }

    #[test]
    fn discipline_counts_what_was_due_and_what_stands_beside_it() {
        let mut world = World::new();
        world.lead("b");
        // Late by 2 days and an hour; reviewed after 3 days.
        world.submit("2026-04-13 01:00", "a", "2026-Q1", "5").expect("accepted");
        world
            .review("2026-04-16 01:00", "a", "2026-Q1", Decision::Validated)
            .expect("accepted");
        // Late by 9 days; rejected, so that no review since counts, and sent again after 20 days.
        world.submit("2026-04-20 00:00", "b", "2026-Q1", "5").expect("accepted");
        world
            .review("2026-04-21 00:00", "b", "2026-Q1", Decision::Rejected)
            .expect("accepted");
        world.submit("2026-05-01 00:00", "b", "2026-Q1", "").expect("accepted");
        world.waive("2026-07-11 00:00", "b", "2026-Q2").expect("accepted");
        world
            .extend(
                "2026-07-12 00:00",
                crate::Cover::Assignment("a".into()),
                "2026-Q2",
                "2026-07-31",
                true,
            )
            .expect("accepted");
        let entry = world.entry("2026-07-12 09:00", crate::Source::Assignments);
        for id in ["c", "d", "e"] {
            world.facts.assignment_proposed(entry, assignment(id, "2026-01-01"));
        }
        world.facts.assignment_contested(entry, &"c".into());
        world.facts.assignment_contested(entry, &"d".into());
        world.facts.assignment_resolved(entry, &"d".into(), crate::Resolution::Withdrawn);
        let verdicts = Verdicts::as_of(&world.facts, at("2026-07-20 00:00")).expect("a plan");
        let expect = Discipline {
            owed: 2,
            received: 2,
            on_time: 0,
            validated: 1,
            validated_on_time: 0,
            nil: 1,
            waived_after_due: 1,
            extended_after_due: 1,
            proposed: 5,
            accepted: 2,
            contested: 1,
            unanswered: 1,
            median_delay_late_days: Some(2),
            median_delay_review_days: Some(3),
        };
        assert_eq!(verdicts.scorecard(&Scope::Plan).discipline, expect);
        assert_eq!(verdicts.scorecard(&Scope::Institution("msp".into())).discipline, expect);
        assert_eq!(verdicts.scorecard(&Scope::Component("C".into())).discipline, expect);
        assert_eq!(verdicts.scorecard(&Scope::Territory("17".into())).discipline, Discipline::default());
        assert_eq!(verdicts.next_change(), at("2026-07-21 00:00"));
    }
}
