//! The smallest change that would make an action comply: what, and by when.
//!
//! An action complies where it is on track or achieved. Where something that is asked for at the period judged is still
//! missing, the remedy is to send it (`by` is none: it is overdue); otherwise it is the next period's report, by its due
//! instant. Of all ways to the threshold the one with the fewest steps is named: first what adds most, and the last
//! indicator only as far as is needed. Who follows the remedies makes the action comply; tests do.

use jiff::Timestamp;

use crate::action::ActionState;
use crate::exact::{Decimal, Exact};
use crate::indicator::{Case, Cell, Counting, Row, achievement};
use crate::names::{AssignmentId, IndicatorId, MilestoneId};
use crate::obligation::{ObligationState, stated};
use crate::period::Period;
use crate::plan::{Across, Aggregation, Direction, Indicator, Window, remaining_targets};

/// One step of what would make an action comply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// An institution accepts to lead.
    AcceptLead {
        /// The assignment that waits for an answer, or is contested; none where nobody was asked.
        assignment: Option<AssignmentId>,
    },
    /// A report is sent.
    Submit {
        /// By whom.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// Before which instant; none where it is overdue.
        by: Option<Timestamp>,
    },
    /// A returned report is answered.
    Answer {
        /// By whom.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// Before which instant; none where it is overdue.
        by: Option<Timestamp>,
    },
    /// An indicator's value at the end of a period reaches what is required, by the reports named beside it: at least
    /// for increase and at_least, at most for the others.
    Reach {
        /// The indicator.
        indicator: IndicatorId,
        /// Which way is better.
        direction: Direction,
        /// At the end of it.
        period: Period,
        /// Where it is without them, if anywhere.
        from: Option<Exact>,
        /// The value required, with at most six digits after the point.
        value: Exact,
    },
    /// A milestone is done, and one of the reports named beside it says so.
    Finish {
        /// The milestone.
        milestone: MilestoneId,
        /// Listed in a report for it.
        period: Period,
    },
    /// Nothing that can still be reported makes it comply: only a revision of the plan that gives it more time.
    Revise,
}

/// What must hold at the period at which the action will be judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// Strict achievement from `on_track_from`.
    OnTrack,
    /// Every target and milestone: the action is over then.
    Achieve,
}

/// A way to comply at a period.
struct Way<'w, 'v, 'f> {
    case: &'w Case<'v, 'f>,
    p: usize,
    goal: Goal,
    /// The period lies ahead.
    is_ahead: bool,
    senders: Vec<(&'v Row<'f>, usize)>,
    /// Reach and finish.
    results: Vec<Remedy>,
}

impl Case<'_, '_> {
    /// What would make the action comply; empty where it does, or where nothing is judged.
    pub(crate) fn remedies(&self, state: ActionState, q: Option<usize>) -> Vec<Remedy> {
        match (state, q) {
            (ActionState::Unassigned, _) => self.until_led(q),
            (ActionState::Unreported, None) => vec![Remedy::Revise],
            (ActionState::Unreported | ActionState::NotAchieved | ActionState::AtRisk | ActionState::OffTrack, Some(q)) => {
                let now = self.now_at(q);
                now.or_else(|| self.next_after(q)).unwrap_or_else(|| vec![Remedy::Revise])
            }
            _ => Vec::new(),
        }
    }

    /// Somebody accepts; and what is missing of those who led before is sent.
    fn until_led(&self, q: Option<usize>) -> Vec<Remedy> {
        let day = self.plan.today.min(self.action.end);
        let mut asked = self.rows.iter().filter(|row| {
            let standing = &row.standing;
            row.is_lead() && standing.accepted_at.is_none() && !standing.is_withdrawn && standing.is_in_force_on(day)
        });
        let assignment = asked.next().map(|row| row.standing.assignment.id.clone());
        let mut remedies = vec![Remedy::AcceptLead { assignment }];
        match q {
            // Who accepts after the end owes nothing any more.
            None if self.is_over() && self.lead_cells(self.periods.len()).next().is_none() => return vec![Remedy::Revise],
            None => {}
            Some(q) => {
                let is_fine = self.is_reported(q, Counting::Received) && self.is_on_track(q);
                if self.is_over() || !is_fine {
                    remedies.extend(self.now_at(q).unwrap_or_default());
                }
            }
        }
        remedies
    }

    fn is_on_track(&self, q: usize) -> bool {
        let threshold = Exact::from(self.policy().on_track_from);
        let achieved = self.achievement(q, Counting::Received, true);
        achieved.is_none_or(|achieved| &achieved * &Exact::from_int(100) >= threshold)
    }

    /// By what is missing at the period judged.
    fn now_at(&self, q: usize) -> Option<Vec<Remedy>> {
        let mut open = self.column(q).filter(|(_, cell)| is_missing(cell));
        open.next()?;
        let goal = if self.is_over() { Goal::Achieve } else { Goal::OnTrack };
        let mut way = Way::new(self, q, goal, false);
        way.seek()?;
        way.told()
    }

    /// By the next period for which a lead will owe a report.
    fn next_after(&self, q: usize) -> Option<Vec<Remedy>> {
        let end = self.action.end.min(self.plan.plan().end);
        let last = self.periods.partition_point(|terms| terms.first_day <= end).checked_sub(1)?;
        let p = (q + 1..=last).find(|&p| self.column(p).any(|(row, cell)| row.is_lead() && is_sendable(cell)))?;
        let judged_at = self.periods[p].due_at;
        let waits = |row: &Row<'_>, at: usize| {
            let cell = row.cells[at].as_ref().filter(|_| row.is_lead());
            cell.is_some_and(|cell| cell.waits_under_extension() && cell.owed.due.at > judged_at)
        };
        let waiting = || {
            let places = self.rows.iter().flat_map(|row| (0..row.cells.len()).map(move |at| (row, at)));
            places.filter(|(row, at)| waits(row, *at)).count()
        };
        // As long as a lead waits under an extension the action is not over; if all of these report, it is.
        if p != last || waiting() > 0 {
            let mut way = Way::new(self, p, Goal::OnTrack, true);
            way.seek()?;
            let sent = way.senders.iter().filter(|(row, at)| waits(row, *at)).count();
            if p != last || sent < waiting() {
                return way.told();
            }
        }
        let mut way = Way::new(self, p, Goal::Achieve, true);
        way.seek()?;
        way.told()
    }
}

/// Due and not received.
fn is_missing(cell: &Cell<'_>) -> bool {
    matches!(cell.state, ObligationState::Overdue | ObligationState::ReturnedOverdue)
}

/// Not received, and nothing stands in the way of sending it, now or once it opens.
fn is_sendable(cell: &Cell<'_>) -> bool {
    is_missing(cell) || matches!(cell.state, ObligationState::NotOpen | ObligationState::Open)
}

/// Received, and can still be sent again, with what it lacks.
fn is_correctable(cell: &Cell<'_>) -> bool {
    matches!(cell.state, ObligationState::Submitted | ObligationState::Returned)
}

/// Less is better.
fn is_low(indicator: &Indicator) -> bool {
    matches!(indicator.direction, Direction::Decrease | Direction::AtMost)
}

/// A low total needs everybody.
fn needs_everybody(indicator: &Indicator) -> bool {
    let adds_up = match indicator.aggregation {
        Aggregation::Sum | Aggregation::Max => true,
        Aggregation::Latest | Aggregation::Cumulative => indicator.across == Across::Sum,
    };
    adds_up && is_low(indicator)
}

impl<'w, 'v, 'f> Way<'w, 'v, 'f> {
    fn new(case: &'w Case<'v, 'f>, p: usize, goal: Goal, is_ahead: bool) -> Self {
        Self {
            case,
            p,
            goal,
            is_ahead,
            senders: Vec::new(),
            results: Vec::new(),
        }
    }

    fn seek(&mut self) -> Option<()> {
        self.ask_leads();
        match self.goal {
            Goal::OnTrack => self.reach_threshold()?,
            Goal::Achieve => self.reach_targets()?,
        }
        if self.is_ahead {
            // What counts today must still count then: what was returned is answered in time.
            for row in self.case.rows {
                let returned = |at: &usize| row.cells[*at].as_ref().is_some_and(|cell| cell.state == ObligationState::Returned);
                for at in (0..=self.p).filter(returned) {
                    self.ask(row, at);
                }
            }
        }
        Some(())
    }

    /// As many leads as it takes for the period to be reported; all, where all must be received.
    fn ask_leads(&mut self) {
        let leads = || self.case.column(self.p).filter(|(row, _)| row.is_lead());
        let counts = |cell: &Cell<'_>| cell.is_asked || (self.is_ahead && is_sendable(cell));
        let asked = leads().filter(|(_, cell)| counts(cell)).count();
        let mut received = leads().filter(|(_, cell)| cell.state.is_received()).count();
        let whole = |count: usize| i128::try_from(count).unwrap_or(i128::MAX) * 100;
        let required = self.case.policy().reported_from.millionths();
        let millionth = Decimal::ONE.millionths();
        let mut chosen = Vec::new();
        for (row, cell) in leads() {
            let is_enough = received > 0 && whole(received) * millionth >= required * i128::try_from(asked).unwrap_or(i128::MAX);
            if self.goal == Goal::OnTrack && is_enough {
                break;
            }
            if is_missing(cell) || (self.is_ahead && is_sendable(cell)) {
                chosen.push((row, self.p));
                received += 1;
            }
        }
        self.senders = chosen;
    }

    fn ask(&mut self, row: &'v Row<'f>, p: usize) {
        let is_asked = |(other, at): &(&'v Row<'f>, usize)| *at == p && std::ptr::eq(*other, row);
        if !self.senders.iter().any(is_asked) {
            self.senders.push((row, p));
        }
    }

    /// Who must report so that an indicator can have another value at the period; none where nobody can.
    fn carriers(&self, indicator: &'v Indicator) -> Option<Vec<(&'v Row<'f>, usize)>> {
        let can_carry = |row: &Row<'f>| {
            let is_in_force = indicator.aggregation != Aggregation::Latest || self.case.is_line_in_force(row.line, self.p);
            let cell = row.cells[self.p].as_ref();
            is_in_force && cell.is_some_and(|cell| is_missing(cell) || (self.is_ahead && is_sendable(cell)))
        };
        let is_sender = |row: &Row<'f>| self.senders.iter().any(|(other, at)| *at == self.p && std::ptr::eq(*other, row));
        let mut able: Vec<_> = self.case.sources(indicator).filter(|row| can_carry(row)).collect();
        able.sort_by_key(|row| !is_sender(row));
        // One report can add what is lacking; nobody can take away what others have stated.
        able.truncate(if is_low(indicator) { able.len() } else { 1 });
        let mut carriers: Vec<_> = able.into_iter().map(|row| (row, self.p)).collect();
        carriers.first()?;
        if needs_everybody(indicator) {
            for (row, at) in self.lacking(indicator) {
                let cell = row.cells[at].as_ref()?;
                let can_give = is_missing(cell) || is_correctable(cell) || (self.is_ahead && is_sendable(cell));
                carriers.push(can_give.then_some((row, at))?);
            }
        }
        Some(carriers)
    }

    /// Who would not have given a value of a low total once the period is judged, and for when.
    fn lacking(&self, indicator: &'v Indicator) -> Vec<(&'v Row<'f>, usize)> {
        if !self.is_ahead {
            return self.case.silent(indicator, self.p, Counting::Received);
        }
        let first = match indicator.aggregation {
            Aggregation::Sum | Aggregation::Max => *self.case.span(indicator, self.p).start(),
            Aggregation::Latest | Aggregation::Cumulative => self.p,
        };
        let mut lacking = Vec::new();
        for row in self.case.sources(indicator) {
            for at in first..=self.p {
                let Some(cell) = &row.cells[at] else { continue };
                let report = cell.report(Counting::Received);
                let gave = report.is_some_and(|report| stated(report, &indicator.id).is_some());
                // What is waived is asked of nobody; a line that never gave a value is left without one all the same.
                let is_waived = cell.state == ObligationState::Waived;
                if !gave && (!is_waived || first == self.p) {
                    lacking.push((row, at));
                }
            }
        }
        lacking
    }

    /// The lowest value that those who can still report may bring an indicator to; none where nobody can.
    fn lowest(&self, indicator: &'v Indicator) -> Option<Exact> {
        let lines: Vec<_> = self.carriers(indicator)?.iter().map(|(row, _)| row.line).collect();
        Some(self.case.without_lines(indicator, self.p, &lines))
    }

    /// The best achievement that can still be reported; none where nobody can report.
    fn best(&self, indicator: &'v Indicator, expected: &Exact) -> Option<Exact> {
        let lowest = self.lowest(indicator)?;
        let best = if is_low(indicator) && !indicator.is_better_or_equal(&lowest, expected) {
            achievement(indicator, expected, &lowest)
        } else {
            Exact::one()
        };
        Some(best)
    }

    /// The fewest steps to the threshold.
    fn reach_threshold(&mut self) -> Option<()> {
        let case = self.case;
        let (mut sum, mut weight) = (Exact::zero(), Exact::zero());
        let mut steps: Vec<(Exact, Step<'v>)> = Vec::new();
        for &indicator in &case.indicators {
            let expected = case.expected(indicator, self.p)?;
            let part = Exact::from(indicator.weight);
            // Ahead a low total begins without a value: everybody must give one anew.
            let value = case.value(indicator, self.p, Counting::Received);
            let value = value.filter(|_| !(self.is_ahead && needs_everybody(indicator)));
            let achieved = value.map_or_else(Exact::zero, |value| achievement(indicator, &expected, &value));
            sum = &sum + &(&part * &achieved);
            weight = &weight + &part;
            let Some(best) = self.best(indicator, &expected) else { continue };
            let gain = &part * &(&best - &achieved);
            if gain.is_positive() {
                steps.push((
                    gain,
                    Step::Raise {
                        indicator,
                        expected,
                        achieved,
                    },
                ));
            }
        }
        let milestones: Vec<_> = case.milestones_due(self.p).collect();
        if !milestones.is_empty() {
            let part = Exact::from(case.policy().milestones_weight);
            weight = &weight + &part;
            let each = part.divided_by(&Exact::from_int(i64::try_from(milestones.len()).unwrap_or(i64::MAX)))?;
            for milestone in milestones {
                if case.is_done(milestone, self.p, Counting::Received) {
                    sum = &sum + &each;
                } else {
                    steps.push((each.clone(), Step::Finish(milestone.id.clone())));
                }
            }
        }
        let threshold = Exact::from(case.policy().on_track_from).divided_by(&Exact::from_int(100))?;
        let mut lacks = &(&threshold * &weight) - &sum;
        steps.sort_by(|(one, _), (other, _)| other.cmp(one));
        for (gain, step) in steps {
            if !lacks.is_positive() {
                break;
            }
            let wanted = if gain < lacks { gain } else { lacks.clone() };
            if self.take(&wanted, step) {
                lacks = &lacks - &wanted;
            }
        }
        (!lacks.is_positive()).then_some(())
    }

    /// Takes a step as far as it is wanted, if somebody can report it.
    fn take(&mut self, wanted: &Exact, step: Step<'v>) -> bool {
        match step {
            Step::Finish(milestone) => {
                let period = self.case.periods[self.p].period;
                let is_told = !self.senders.is_empty() || self.ask_anybody();
                if is_told {
                    self.results.push(Remedy::Finish { milestone, period });
                }
                is_told
            }
            Step::Raise {
                indicator,
                expected,
                achieved,
            } => {
                let share = wanted.divided_by(&indicator.weight.into()).map(|more| &achieved + &more);
                let value = share.map_or_else(|| expected.clone(), |share| value_of(indicator, &expected, &share));
                self.raise(indicator, &value)
            }
        }
    }

    /// Anybody who can report for the period may list a milestone as done.
    fn ask_anybody(&mut self) -> bool {
        let mut open = self.case.column(self.p);
        let found = open.find(|(_, cell)| is_missing(cell) || (self.is_ahead && is_sendable(cell)));
        if let Some((row, _)) = found {
            self.ask(row, self.p);
        }
        found.is_some()
    }

    fn raise(&mut self, indicator: &'v Indicator, value: &Exact) -> bool {
        let Some(carriers) = self.carriers(indicator) else { return false };
        for (row, at) in carriers {
            self.ask(row, at);
        }
        let up = matches!(indicator.direction, Direction::Increase | Direction::AtLeast);
        self.results.push(Remedy::Reach {
            indicator: indicator.id.clone(),
            direction: indicator.direction,
            period: self.case.periods[self.p].period,
            from: self.case.value(indicator, self.p, Counting::Received),
            value: value.to_millionths(up),
        });
        true
    }

    /// Every last target and every milestone, as an action that is over needs them.
    fn reach_targets(&mut self) -> Option<()> {
        let case = self.case;
        for &indicator in &case.indicators {
            let targets = remaining_targets(case.action, indicator);
            let (last, earlier) = targets.split_last()?;
            let is_bounded = matches!(indicator.direction, Direction::AtLeast | Direction::AtMost);
            let reaches = |at: usize, target: Decimal| {
                let value = case.value(indicator, at, Counting::Received);
                value.is_some_and(|value| indicator.is_better_or_equal(&value, &target.into()))
            };
            if indicator.window == Window::Year {
                let holder = |on| case.periods[..=self.p].iter().position(|terms| terms.period.holds(on));
                // What an earlier year lacks can't be made up for.
                if !earlier
                    .iter()
                    .all(|target| holder(target.on).is_some_and(|at| reaches(at, target.value)))
                {
                    return None;
                }
                let at = holder(last.on)?;
                if at != self.p && !reaches(at, last.value) {
                    return None;
                }
                if at != self.p {
                    continue;
                }
            }
            let anew = self.is_ahead && needs_everybody(indicator);
            let is_fine = !anew && reaches(self.p, last.value) && (!is_bounded || case.is_fresh(indicator, self.p));
            if is_fine {
                continue;
            }
            let target = last.value.into();
            let is_out_of_reach = is_low(indicator) && self.lowest(indicator)? > target;
            if is_out_of_reach || !self.raise(indicator, &target) {
                return None;
            }
        }
        let p = self.p;
        let undone = case.action.milestones.iter();
        let undone = undone.filter(|milestone| !case.is_done(milestone, p, Counting::Received));
        for milestone in undone {
            if !self.take(&Exact::zero(), Step::Finish(milestone.id.clone())) {
                return None;
            }
        }
        Some(())
    }

    /// The steps; none where nobody would send anything: a result needs a report that states it.
    fn told(self) -> Option<Vec<Remedy>> {
        let Self {
            case,
            mut senders,
            results,
            ..
        } = self;
        senders.sort_by_key(|(_, at)| *at);
        let is_sent = !senders.is_empty();
        let mut steps = Vec::with_capacity(senders.len() + results.len());
        for (row, at) in senders {
            let cell = row.cells[at].as_ref()?;
            let (assignment, period) = (row.standing.assignment.id.clone(), case.periods[at].period);
            let due_at = cell.owed.answer_due_at().unwrap_or(cell.owed.due.at);
            let by = Some(due_at).filter(|&by| by > case.plan.t);
            steps.push(match cell.state {
                ObligationState::Returned | ObligationState::ReturnedOverdue => Remedy::Answer { assignment, period, by },
                _ => Remedy::Submit { assignment, period, by },
            });
        }
        steps.extend(results);
        is_sent.then_some(steps)
    }
}

/// A step that adds to the achievement.
enum Step<'v> {
    Raise {
        indicator: &'v Indicator,
        expected: Exact,
        achieved: Exact,
    },
    Finish(MilestoneId),
}

/// The value that achieves a share of what is expected.
fn value_of(indicator: &Indicator, expected: &Exact, share: &Exact) -> Exact {
    match indicator.direction {
        Direction::AtLeast => expected * share,
        Direction::AtMost => expected.divided_by(share).unwrap_or_else(|| expected.clone()),
        Direction::Increase | Direction::Decrease => {
            let baseline = match (indicator.window, indicator.baseline) {
                (Window::Plan, Some(baseline)) => baseline.value.into(),
                _ => Exact::zero(),
            };
            if indicator.is_better_or_equal(&baseline, expected) {
                return expected.clone();
            }
            &baseline + &(&(expected - &baseline) * share)
        }
    }
}

#[cfg(test)]
mod tests;
