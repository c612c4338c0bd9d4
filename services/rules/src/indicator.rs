//! Value, expectation and achievement of an indicator, and of an action at a period
//! (VERDICTS, "Value, expectation, achievement of an indicator").

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::civil::{Date, date};

use crate::assignment::{self, Standing};
use crate::exact::{Decimal, Exact};
use crate::facts::{Facts, Position, Report, Value};
use crate::history::{InForce, Terms};
use crate::names::{ActionId, IndicatorId};
use crate::obligation::{ObligationState, Owed, Timeliness, stated};
use crate::period::Period;
use crate::plan::{
    Across, Action, Aggregation, Direction, Indicator, Interpolation, Milestone, Point, Policy, Role, Window, measurable, remaining_targets,
};

/// Where an indicator should be and where it is, at the end of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrajectoryPoint {
    /// The indicator.
    pub indicator: IndicatorId,
    /// The period.
    pub period: Period,
    /// The period's last day, or the action's end if that is earlier.
    pub day: Date,
    /// What the plan expects on that day.
    pub expected: Exact,
    /// The value by all reports that count as received.
    pub observed: Option<Exact>,
    /// The value by validated reports.
    pub validated: Option<Exact>,
    /// Of those who were asked for a value at this period, how many gave one.
    pub answered: usize,
    /// How many were asked.
    pub asked: usize,
}

/// The trajectory of an action's measurable indicators over the periods from its start to its end,
/// by the plan and the reports as of t; by indicator, then by period.
#[must_use]
pub fn trajectory(facts: &Facts, action: &ActionId, t: Timestamp) -> Vec<TrajectoryPoint> {
    let Some(plan) = InForce::at(facts, t) else { return Vec::new() };
    let Some(action) = plan.now().action(action) else {
        return Vec::new();
    };
    let periods = plan.periods();
    let rows = rows(&plan, &periods, &action.id);
    let case = Case::new(&plan, &periods, action, &rows);
    let mut points = Vec::new();
    for indicator in &case.indicators {
        for (p, terms) in periods.iter().enumerate() {
            if terms.period.touches(action.start, action.end) {
                let expected = case.expected(indicator, p);
                let (answered, asked) = case.answered(indicator, p);
                points.extend(expected.map(|expected| TrajectoryPoint {
                    indicator: indicator.id.clone(),
                    period: terms.period,
                    day: case.day(p),
                    expected,
                    observed: case.value(indicator, p, Counting::Received),
                    validated: case.value(indicator, p, Counting::Validated),
                    answered,
                    asked,
                }));
            }
        }
    }
    points
}

/// What is expected on a day of the action; none without a target.
///
/// For at_least and at_most the first target on or after the day, or the last; for increase and
/// decrease the trajectory from the baseline through the targets.
#[must_use]
pub fn expected(action: &Action, indicator: &Indicator, interpolation: Interpolation, day: Date) -> Option<Exact> {
    let targets = remaining_targets(action, indicator);
    let last = targets.last()?;
    match indicator.direction {
        Direction::AtLeast | Direction::AtMost => {
            let target = targets.iter().find(|target| target.on >= day).unwrap_or(last);
            Some(target.value.into())
        }
        Direction::Increase | Direction::Decrease => {
            let path = path(action, indicator, &targets, day);
            Some(on_path(&path, interpolation, day))
        }
    }
}

/// From 0 to 1: how much of the expected a value achieves.
#[must_use]
pub fn achievement(indicator: &Indicator, expected: &Exact, value: &Exact) -> Exact {
    if indicator.is_better_or_equal(value, expected) {
        return Exact::one();
    }
    let share = match indicator.direction {
        Direction::AtLeast => value.divided_by(expected),
        Direction::AtMost => expected.divided_by(value),
        Direction::Increase | Direction::Decrease => {
            let baseline = match (indicator.window, indicator.baseline) {
                (Window::Plan, Some(baseline)) => baseline.value.into(),
                _ => Exact::zero(),
            };
            let asks_nothing = indicator.is_better_or_equal(&baseline, expected);
            let way = expected - &baseline;
            (!asks_nothing).then(|| (value - &baseline).divided_by(&way)).flatten()
        }
    };
    // A share is above 1 only where a plan asks for what an import refuses.
    share.unwrap_or_else(Exact::zero).clamp(Exact::zero(), Exact::one())
}

/// The points that a trajectory runs through, for the year of the day where the window is a year.
fn path(action: &Action, indicator: &Indicator, targets: &[Point], day: Date) -> Vec<Point> {
    let eve = action.start.yesterday().unwrap_or(action.start);
    let (start, year) = match indicator.window {
        Window::Plan => {
            let baseline = indicator.baseline.unwrap_or(Point {
                on: eve,
                value: Decimal::ZERO,
            });
            (
                Point {
                    on: baseline.on.max(eve),
                    ..baseline
                },
                None,
            )
        }
        Window::Year => {
            let new_year = date(day.year(), 1, 1);
            let before = new_year.yesterday().unwrap_or(new_year);
            (
                Point {
                    on: before.max(eve),
                    value: Decimal::ZERO,
                },
                Some(day.year()),
            )
        }
    };
    let later = targets
        .iter()
        .filter(|target| target.on > start.on && year.is_none_or(|year| target.on.year() == year));
    std::iter::once(start).chain(later.copied()).collect()
}

fn on_path(path: &[Point], interpolation: Interpolation, day: Date) -> Exact {
    let after = path.partition_point(|point| point.on <= day);
    let Some(from) = after.checked_sub(1).map(|reached| path[reached]) else {
        return path[0].value.into();
    };
    let from_value = Exact::from(from.value);
    match path.get(after) {
        Some(to) if interpolation == Interpolation::Linear => {
            let days = |a: Date, b: Date| Exact::from_int(i64::from(b.since(a).map_or(0, |span| span.get_days())));
            let way = &Exact::from(to.value) - &from_value;
            let part = days(from.on, day).divided_by(&days(from.on, to.on));
            &from_value + &(&way * &part.unwrap_or_else(Exact::zero))
        }
        _ => from_value,
    }
}

/// Which reports count in a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Those that count as received.
    Received,
    /// Those that are validated.
    Validated,
}

/// An obligation as of t, within a row.
#[derive(Debug)]
pub(crate) struct Cell<'f> {
    pub(crate) owed: Owed<'f>,
    pub(crate) state: ObligationState,
    pub(crate) timeliness: Timeliness,
    /// Not waived, and received or due.
    pub(crate) is_asked: bool,
}

impl<'f> Cell<'f> {
    pub(crate) fn counts(&self, counting: Counting) -> bool {
        match counting {
            Counting::Received => self.state.is_received(),
            Counting::Validated => self.state == ObligationState::Validated,
        }
    }

    /// The report, if it counts.
    pub(crate) fn report(&self, counting: Counting) -> Option<&'f Report> {
        self.owed.course.report.filter(|_| self.counts(counting))
    }

    /// Whether it is not received, and not due by an extension only.
    pub(crate) fn waits_under_extension(&self) -> bool {
        matches!(self.state, ObligationState::NotOpen | ObligationState::Open) && !self.owed.due.extended_by.is_empty()
    }
}

/// An assignment as of t with its obligations, one place for each period of the plan.
#[derive(Debug)]
pub(crate) struct Row<'f> {
    pub(crate) standing: Standing<'f>,
    pub(crate) line: usize,
    pub(crate) cells: Vec<Option<Cell<'f>>>,
}

impl Row<'_> {
    pub(crate) fn is_lead(&self) -> bool {
        self.standing.assignment.role == Role::Lead
    }
}

/// The assignments of an action, with their obligations.
pub(crate) fn rows<'f>(plan: &InForce<'f>, periods: &[Terms<'f>], action: &ActionId) -> Vec<Row<'f>> {
    let facts = plan.facts;
    let desks = facts.by_action.get(action).map(Vec::as_slice).unwrap_or_default();
    let row = |&desk: &usize| {
        let standing = assignment::standing(&facts.assignments[desk], |at| at <= plan.t)?;
        let cell = |terms: &Terms<'f>| {
            let owed = Owed::of(plan, terms, desk)?;
            let state = owed.state(plan.t);
            let is_asked = state != ObligationState::Waived && (state.is_received() || owed.due.at <= plan.t);
            Some(Cell {
                timeliness: owed.timeliness(state),
                owed,
                state,
                is_asked,
            })
        };
        let cells = periods.iter().map(cell).collect();
        Some(Row {
            standing,
            line: facts.line_of(desk),
            cells,
        })
    };
    desks.iter().filter_map(row).collect()
}

/// An action with all that a verdict on it looks at.
pub(crate) struct Case<'v, 'f> {
    pub(crate) plan: &'v InForce<'f>,
    pub(crate) periods: &'v [Terms<'f>],
    pub(crate) action: &'f Action,
    pub(crate) rows: &'v [Row<'f>],
    /// The measurable ones.
    pub(crate) indicators: Vec<&'f Indicator>,
}

/// What a line of assignments says of an indicator at a period.
struct LineValue<'v> {
    line: usize,
    latest: Option<(usize, &'v Value)>,
}

impl<'v, 'f> Case<'v, 'f> {
    pub(crate) fn new(plan: &'v InForce<'f>, periods: &'v [Terms<'f>], action: &'f Action, rows: &'v [Row<'f>]) -> Self {
        let indicators = action.indicators.iter();
        let indicators = indicators.filter(|indicator| measurable(action, indicator).is_ok()).collect();
        Self {
            plan,
            periods,
            action,
            rows,
            indicators,
        }
    }

    pub(crate) fn policy(&self) -> &'f Policy {
        &self.plan.plan().policy
    }

    /// The day on which a period is judged.
    pub(crate) fn day(&self, p: usize) -> Date {
        self.periods[p].last_day.min(self.action.end)
    }

    pub(crate) fn expected(&self, indicator: &Indicator, p: usize) -> Option<Exact> {
        expected(self.action, indicator, self.policy().interpolation, self.day(p))
    }

    /// The cells of a period, with their rows.
    pub(crate) fn column(&self, p: usize) -> impl Iterator<Item = (&'v Row<'f>, &'v Cell<'f>)> {
        self.rows
            .iter()
            .filter_map(move |row| row.cells[p].as_ref().map(|cell| (row, cell)))
    }

    /// The rows whose values count for an indicator.
    pub(crate) fn sources(&self, indicator: &'v Indicator) -> impl Iterator<Item = &'v Row<'f>> {
        let roles = &indicator.reported_by;
        self.rows.iter().filter(|row| roles.contains(&row.standing.assignment.role))
    }

    /// The periods whose values make the one at p.
    pub(crate) fn span(&self, indicator: &Indicator, p: usize) -> RangeInclusive<usize> {
        let year = self.periods[p].period.year();
        let first = match indicator.window {
            Window::Plan => 0,
            Window::Year => self.periods.partition_point(|terms| terms.period.year() < year),
        };
        first..=p
    }

    /// The value of an indicator at the end of a period.
    pub(crate) fn value(&self, indicator: &'v Indicator, p: usize, counting: Counting) -> Option<Exact> {
        match indicator.aggregation {
            Aggregation::Sum | Aggregation::Max => {
                let values: Vec<_> = self
                    .sources(indicator)
                    .flat_map(|row| &row.cells[self.span(indicator, p)])
                    .filter_map(|cell| stated(cell.as_ref()?.report(counting)?, &indicator.id))
                    .collect();
                let total = Total::of(values.iter().copied());
                if self.lacks_somebody(indicator, p, counting, total.has_ratio) {
                    return None;
                }
                if indicator.aggregation == Aggregation::Max {
                    return values.into_iter().filter_map(quotient).max();
                }
                let grows = indicator.direction == Direction::Increase && indicator.window == Window::Plan;
                match indicator.baseline {
                    Some(baseline) if grows && !total.has_ratio => Some(&total.sum()? + &baseline.value.into()),
                    _ => total.sum(),
                }
            }
            Aggregation::Latest | Aggregation::Cumulative => {
                let lines = self.lines(indicator, p, counting);
                let is_latest = indicator.aggregation == Aggregation::Latest;
                let in_force = lines.iter().filter(|line| !is_latest || self.is_line_in_force(line.line, p));
                let total = Total::of(in_force.filter_map(|line| line.latest.map(|(_, value)| value)));
                if self.lacks_somebody(indicator, p, counting, total.has_ratio) {
                    return None;
                }
                match indicator.across {
                    Across::Mean if !total.has_ratio => {
                        let count = i64::try_from(total.count).unwrap_or(i64::MAX);
                        total.sum()?.divided_by(&Exact::from_int(count))
                    }
                    Across::Mean | Across::Sum => total.sum(),
                }
            }
        }
    }

    /// Whether a low total is not known because somebody did not give a value.
    fn lacks_somebody(&self, indicator: &'v Indicator, p: usize, counting: Counting, has_ratio: bool) -> bool {
        !has_ratio && !self.silent(indicator, p, counting).is_empty()
    }

    /// "A low total needs everybody": who gave no value that counts, and for which period. Empty
    /// where it need not be everybody.
    pub(crate) fn silent(&self, indicator: &'v Indicator, p: usize, counting: Counting) -> Vec<(&'v Row<'f>, usize)> {
        let adds_up = match indicator.aggregation {
            Aggregation::Sum | Aggregation::Max => true,
            Aggregation::Latest | Aggregation::Cumulative => indicator.across == Across::Sum,
        };
        let is_low = matches!(indicator.direction, Direction::Decrease | Direction::AtMost);
        if !(is_low && adds_up) {
            return Vec::new();
        }
        let gave = |cell: &Cell<'f>| cell.report(counting).is_some_and(|report| stated(report, &indicator.id).is_some());
        let mut silent = Vec::new();
        match indicator.aggregation {
            Aggregation::Sum | Aggregation::Max => {
                for row in self.sources(indicator) {
                    for at in self.span(indicator, p) {
                        if row.cells[at].as_ref().is_some_and(|cell| cell.is_asked && !gave(cell)) {
                            silent.push((row, at));
                        }
                    }
                }
            }
            Aggregation::Latest | Aggregation::Cumulative => {
                let lines = self.lines(indicator, p, counting);
                for row in self.sources(indicator) {
                    let Some(cell) = &row.cells[p] else { continue };
                    let has_value = |line: &LineValue<'_>| line.line == row.line && line.latest.is_some();
                    if (cell.is_asked && !gave(cell)) || !lines.iter().any(has_value) {
                        silent.push((row, p));
                    }
                }
            }
        }
        silent
    }

    /// The latest value of each line, however old.
    fn lines(&self, indicator: &'v Indicator, p: usize, counting: Counting) -> Vec<LineValue<'v>> {
        let mut lines: Vec<LineValue<'v>> = Vec::new();
        for row in self.sources(indicator) {
            let latest = self.span(indicator, p).rev().find_map(|at| {
                let report = row.cells[at].as_ref()?.report(counting)?;
                stated(report, &indicator.id).map(|value| (at, value))
            });
            match lines.iter_mut().find(|line| line.line == row.line) {
                // Rows stand in the order of their making, so an heir's value wins a tie.
                Some(line) => {
                    if latest.map(|(at, _)| at) >= line.latest.map(|(at, _)| at) {
                        line.latest = latest;
                    }
                }
                None => lines.push(LineValue { line: row.line, latest }),
            }
        }
        lines
    }

    pub(crate) fn is_line_in_force(&self, line: usize, p: usize) -> bool {
        let day = self.day(p).min(self.plan.plan().end);
        self.rows.iter().any(|row| row.line == line && row.standing.is_in_force_on(day))
    }

    /// The milestones due on the day on which a period is judged.
    pub(crate) fn milestones_due(&self, p: usize) -> impl Iterator<Item = &'f Milestone> {
        let day = self.day(p);
        self.action.milestones.iter().filter(move |milestone| milestone.due <= day)
    }

    /// Whether a report up to p lists a milestone as done.
    pub(crate) fn is_done(&self, milestone: &Milestone, p: usize, counting: Counting) -> bool {
        let mut cells = self.rows.iter().flat_map(|row| row.cells[..=p].iter().flatten());
        cells.any(|cell| {
            cell.report(counting)
                .is_some_and(|report| report.milestones.contains(&milestone.id))
        })
    }

    /// The achievement of the action at the end of a period. An indicator without a value counts 0
    /// if `missing_is_zero`, and is left out otherwise.
    pub(crate) fn achievement(&self, p: usize, counting: Counting, missing_is_zero: bool) -> Option<Exact> {
        let (mut sum, mut weight) = (Exact::zero(), Exact::zero());
        let mut add = |part_weight: Decimal, part: &Exact| {
            let part_weight = Exact::from(part_weight);
            sum = &sum + &(&part_weight * part);
            weight = &weight + &part_weight;
        };
        for indicator in &self.indicators {
            let value = self.value(indicator, p, counting);
            match value.zip(self.expected(indicator, p)) {
                Some((value, expected)) => {
                    add(indicator.weight, &achievement(indicator, &expected, &value));
                }
                None if missing_is_zero => add(indicator.weight, &Exact::zero()),
                None => {}
            }
        }
        let (mut due, mut done) = (0, 0);
        for milestone in self.milestones_due(p) {
            due += 1;
            done += i64::from(self.is_done(milestone, p, counting));
        }
        if let Some(share) = Exact::from_int(done).divided_by(&Exact::from_int(due)) {
            add(self.policy().milestones_weight, &share);
        }
        sum.divided_by(&weight)
    }

    /// Whether a value that counts was reported for p or one of the periods before, as far back as
    /// `stale_after` says.
    pub(crate) fn is_fresh(&self, indicator: &'v Indicator, p: usize) -> bool {
        let back = usize::try_from(self.policy().stale_after).unwrap_or(usize::MAX);
        let recent = p.saturating_sub(back)..=p;
        self.sources(indicator)
            .flat_map(|row| &row.cells[recent.clone()])
            .flatten()
            .any(|cell| {
                let report = cell.report(Counting::Received);
                report.is_some_and(|report| stated(report, &indicator.id).is_some())
            })
    }

    /// The falls of a cumulative value up to p: who, when, from, to.
    pub(crate) fn falls(&self, indicator: &'v Indicator, p: usize) -> Vec<(&'v Row<'f>, usize, Exact, Exact)> {
        let mut falls = Vec::new();
        if indicator.aggregation != Aggregation::Cumulative {
            return falls;
        }
        // The last value seen of each line, by period so that heirs follow on.
        let mut seen: Vec<(usize, Exact)> = Vec::new();
        for at in self.span(indicator, p) {
            for row in self.sources(indicator) {
                let report = row.cells[at].as_ref().and_then(|cell| cell.report(Counting::Received));
                let value = report.and_then(|report| stated(report, &indicator.id));
                let Some(value) = value.and_then(quotient) else { continue };
                match seen.iter_mut().find(|(line, _)| *line == row.line) {
                    Some((_, last)) => {
                        if value < *last {
                            falls.push((row, at, last.clone(), value.clone()));
                        }
                        *last = value;
                    }
                    None => seen.push((row.line, value)),
                }
            }
        }
        falls
    }

    /// The value at p as it would be if these lines stated 0 and everybody else what they have stated: the lowest that
    /// the lines can bring it to. For ratios 0: a whole may be as large as it likes.
    pub(crate) fn without_lines(&self, indicator: &'v Indicator, p: usize, lines: &[usize]) -> Exact {
        let number = |value: &Value| match value {
            Value::Number(number) => Exact::from(*number),
            Value::Ratio { .. } => Exact::zero(),
        };
        let stated = || {
            let cells = self
                .sources(indicator)
                .flat_map(|row| &row.cells[self.span(indicator, p)])
                .flatten();
            cells.filter_map(|cell| stated(cell.report(Counting::Received)?, &indicator.id).map(number))
        };
        let add = |sum: Exact, value: Exact| &sum + &value;
        match indicator.aggregation {
            Aggregation::Sum => stated().fold(Exact::zero(), add),
            Aggregation::Max => stated().fold(Exact::zero(), Exact::max),
            Aggregation::Latest | Aggregation::Cumulative => {
                let all = self.lines(indicator, p, Counting::Received);
                let is_latest = indicator.aggregation == Aggregation::Latest;
                let in_force = all.iter().filter(|line| !is_latest || self.is_line_in_force(line.line, p));
                let (mut count, mut sum) = (0, Exact::zero());
                for line in in_force {
                    let is_new = lines.contains(&line.line);
                    count += i64::from(is_new || line.latest.is_some());
                    if let Some((_, value)) = line.latest.filter(|_| !is_new) {
                        sum = add(sum, number(value));
                    }
                }
                match indicator.across {
                    Across::Mean => sum.divided_by(&Exact::from_int(count)).unwrap_or_else(Exact::zero),
                    Across::Sum => sum,
                }
            }
        }
    }

    /// How many of those asked for a value at p gave one, and how many were asked.
    pub(crate) fn answered(&self, indicator: &'v Indicator, p: usize) -> (usize, usize) {
        let cells = self.sources(indicator).filter_map(|row| row.cells[p].as_ref());
        cells.filter(|cell| cell.is_asked).fold((0, 0), |(answered, asked), cell| {
            let gave = cell
                .report(Counting::Received)
                .is_some_and(|report| stated(report, &indicator.id).is_some());
            (answered + usize::from(gave), asked + 1)
        })
    }

    /// Where the reports stand that an indicator's value at p is made of.
    pub(crate) fn facts_of(&self, indicator: &'v Indicator, p: usize) -> Vec<Position> {
        let span = self.span(indicator, p);
        let cells = self.sources(indicator).flat_map(|row| &row.cells[span.clone()]).flatten();
        let gave = cells.filter(|cell| {
            cell.report(Counting::Received)
                .is_some_and(|report| stated(report, &indicator.id).is_some())
        });
        let mut facts: Vec<_> = gave.flat_map(|cell| cell.owed.course.facts.iter().copied()).collect();
        facts.sort_unstable();
        facts
    }

    /// What roles that do not count state for an indicator at p.
    pub(crate) fn beside(&self, indicator: &'v Indicator, p: usize) -> Vec<(&'v Row<'f>, Exact)> {
        let others = self
            .column(p)
            .filter(|(row, _)| !indicator.reported_by.contains(&row.standing.assignment.role));
        let stated = others.filter_map(|(row, cell)| {
            let value = stated(cell.report(Counting::Received)?, &indicator.id)?;
            quotient(value).map(|value| (row, value))
        });
        stated.collect()
    }
}

/// Values added up: their parts, where they are ratios.
#[derive(Default)]
struct Total {
    count: usize,
    has_ratio: bool,
    num: i128,
    den: i128,
}

impl Total {
    fn of<'v>(values: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut total = Self::default();
        for value in values {
            let (num, den) = match value {
                Value::Number(number) => (*number, Decimal::ONE),
                Value::Ratio { num, den } => {
                    total.has_ratio = true;
                    (*num, *den)
                }
            };
            total.count += 1;
            total.num += num.millionths();
            total.den += den.millionths();
        }
        total
    }

    /// The sum of numbers, or Σnum ÷ Σden; none without a value or a den above 0. Mixed kinds are
    /// refused at submission; if a journal holds them all the same, a number is one of one.
    fn sum(&self) -> Option<Exact> {
        match self {
            Self { count: 0, .. } => None,
            Self { has_ratio: false, .. } => Some(Exact::from_millionths(self.num)),
            Self { den, .. } if *den <= 0 => None,
            Self { num, den, .. } => Exact::from_millionths(*num).divided_by(&Exact::from_millionths(*den)),
        }
    }
}

/// A value alone: the number, or num ÷ den if den is above 0.
fn quotient(value: &Value) -> Option<Exact> {
    match value {
        Value::Number(number) => Some((*number).into()),
        Value::Ratio { num, den } if *den > Decimal::ZERO => Exact::from(*num).divided_by(&(*den).into()),
        Value::Ratio { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{day, indicator, point};

    #[test]
    fn the_expected_runs_from_the_baseline_through_the_targets() {
        use Interpolation::{Linear, Step};
        let check = |edit: fn(&mut Indicator), interpolation: Interpolation, on: &str, expect: &str| {
            let action = Action::new("A", "C", day("2026-04-01"), day("2027-12-31"));
            let mut indicator = Indicator {
                targets: vec![point("2026-12-31", "275"), point("2027-12-31", "640")],
                ..indicator()
            };
            edit(&mut indicator);
            let got = expected(&action, &indicator, interpolation, day(on)).map(|expected| expected.to_string());
            assert_eq!(got.as_deref(), Some(expect), "{on} {interpolation:?}");
        };
        // Without a baseline from 0 on the eve of the start, 275 days before the first target.
        check(|_| {}, Linear, "2026-03-31", "0");
        check(|_| {}, Linear, "2026-01-01", "0");
        check(|_| {}, Linear, "2026-04-01", "1");
        check(|_| {}, Linear, "2026-12-31", "275");
        check(|_| {}, Linear, "2027-01-01", "276");
        check(|_| {}, Linear, "2027-12-31", "640");
        check(|_| {}, Step, "2026-12-30", "0");
        check(|_| {}, Step, "2026-12-31", "275");
        check(|_| {}, Step, "2027-12-30", "275");
        // A baseline lies on its date, but not before the eve of the start.
        let early = |indicator: &mut Indicator| indicator.baseline = Some(point("2024-12-31", "0"));
        check(early, Linear, "2026-04-01", "1");
        let later = |indicator: &mut Indicator| indicator.baseline = Some(point("2026-12-31", "275"));
        check(later, Linear, "2026-06-30", "275");
        check(later, Linear, "2027-01-01", "276");
        let floor = |indicator: &mut Indicator| indicator.direction = Direction::AtLeast;
        check(floor, Linear, "2026-04-01", "275");
        check(floor, Linear, "2026-12-31", "275");
        check(floor, Step, "2027-01-01", "640");
        // A year begins at 0, on the eve of the start or on the last day of the year before.
        let yearly = |indicator: &mut Indicator| {
            indicator.window = Window::Year;
            indicator.baseline = Some(point("2025-12-31", "1000"));
            indicator.targets[1].value = "365".parse().expect("a decimal");
        };
        check(yearly, Linear, "2026-04-01", "1");
        check(yearly, Linear, "2026-12-31", "275");
        check(yearly, Linear, "2027-01-01", "1");
        check(yearly, Linear, "2027-12-31", "365");
        check(yearly, Step, "2027-12-30", "0");
        let gap = |indicator: &mut Indicator| {
            indicator.window = Window::Year;
            indicator.targets.remove(0);
        };
        check(gap, Linear, "2026-12-31", "0");
    }

    #[test]
    fn achievement_is_the_part_of_the_way_that_is_gone() {
        use Direction::{AtLeast, AtMost, Decrease, Increase};
        let check = |direction: Direction, baseline: Option<&str>, expected: &str, value: &str, expect: &str| {
            let indicator = Indicator {
                direction,
                baseline: baseline.map(|value| point("2025-12-31", value)),
                ..indicator()
            };
            let exact = |text: &str| Exact::from(text.parse::<Decimal>().expect("a decimal"));
            let got = achievement(&indicator, &exact(expected), &exact(value)).to_string();
            assert_eq!(got, expect, "{direction:?} {baseline:?} {expected} {value}");
        };
        check(Increase, None, "100", "100", "1");
        check(Increase, None, "100", "250", "1");
        check(Increase, None, "100", "25", "0.25");
        check(Increase, Some("20"), "100", "60", "0.5");
        check(Increase, Some("20"), "100", "10", "0");
        check(Increase, Some("20"), "20", "19", "0");
        check(Increase, Some("20"), "20", "20", "1");
        check(Increase, Some("20"), "10", "15", "1");
        check(Increase, Some("20"), "10", "9", "0");
        check(Decrease, Some("100"), "60", "80", "0.5");
        check(Decrease, Some("100"), "60", "120", "0");
        check(Decrease, Some("100"), "60", "60", "1");
        check(Decrease, Some("100"), "110", "120", "0");
        check(AtLeast, None, "0.8", "0.6", "0.75");
        check(AtLeast, None, "0.8", "0", "0");
        check(AtMost, None, "50", "55", "0.909090909091");
        check(AtMost, None, "0", "5", "0");
        check(AtMost, None, "0", "0", "1");
    }
}
