//! The state and the readings of an action from columns: as `vigia_rules::action` has it, rule by rule, without the
//! findings.

use jiff::civil::Date;
use vigia_rules::plan::remaining_targets;
use vigia_rules::{
    Action, ActionState, Decimal, Direction, Indicator, Interpolation, Milestone, ObligationState, Reading, Role, Rule, Window, measurable,
};

use super::board::Judged;
use super::fraction::Fraction;
use super::odd;
use super::question::{OddPlace, Question};
use super::table::{RowStanding, Slot, Table};
use super::values::Series;

/// An action with all that a verdict on it looks at.
pub(super) struct Case<'q, 'p> {
    pub(super) question: &'q Question<'p>,
    pub(super) table: &'p Table,
    pub(super) odd: Vec<OddPlace<'p>>,
    action: &'p Action,
    /// The measurable ones.
    indicators: Vec<&'p Indicator>,
    slots: Vec<Option<&'p Slot>>,
    standings: Vec<Option<RowStanding>>,
    leads: Vec<usize>,
    /// Whether another row is of the same line.
    shared: Vec<bool>,
    has_odd: Vec<bool>,
}

/// How an obligation stands, as far as verdicts ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    is_received: bool,
    is_validated: bool,
    /// Not waived, and received or due.
    pub(super) is_asked: bool,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    asked: i64,
    received: i64,
    validated: i64,
}

enum Strict {
    None,
    Zero,
    One,
    Share(Option<Fraction>),
}

impl<'q, 'p> Case<'q, 'p> {
    pub(super) fn new(question: &'q Question<'p>, table: &'p Table, action: &'p Action) -> Self {
        let indicators = action.indicators.iter();
        let indicators: Vec<_> = indicators.filter(|indicator| measurable(action, indicator).is_ok()).collect();
        let standings: Vec<_> = table.rows.iter().map(|row| question.standing(row)).collect();
        let is_lead = |row: &usize| table.rows[*row].role == Role::Lead && standings[*row].is_some();
        let leads = (0..table.rows.len()).filter(is_lead).collect();
        let mut lines: Vec<_> = table.rows.iter().map(|row| row.line).collect();
        lines.sort_unstable();
        let is_shared = |row: &super::table::Row| {
            let first = lines.partition_point(|line| *line < row.line);
            lines.get(first + 1) == Some(&row.line)
        };
        let odd = question.odd(table);
        let mut has_odd = vec![false; table.rows.len()];
        odd.iter().for_each(|place| has_odd[place.row] = true);
        Self {
            question,
            table,
            odd,
            has_odd,
            action,
            slots: indicators.iter().map(|indicator| table.slot(&indicator.id)).collect(),
            indicators,
            leads,
            shared: table.rows.iter().map(is_shared).collect(),
            standings,
        }
    }

    /// The verdict.
    pub(super) fn judge(&self) -> Judged {
        let today = self.question.plan.today;
        let early = if self.action.is_withdrawn_on(today) {
            Some((ActionState::Withdrawn, Rule::OutOfForce))
        } else if self.action.is_suspended_on(today) {
            Some((ActionState::Suspended, Rule::OutOfForce))
        } else if today < self.action.start {
            Some((ActionState::Scheduled, Rule::NotBegun))
        } else if self.indicators.is_empty() && self.action.milestones.is_empty() {
            Some((ActionState::Unmeasured, Rule::NothingToMeasure))
        } else {
            None
        };
        let q = if early.is_some() { None } else { self.period_judged() };
        let series = q.map_or_else(Vec::new, |q| self.all_series(q));
        let (state, rule, strict) = match early {
            Some((state, rule)) => (state, rule, Strict::None),
            None => self.outcome(q, &series),
        };
        let has_readings = rule != Rule::NothingAsked && rule >= Rule::AllReached && state != ActionState::NotYetDue;
        let looked_at = q.filter(|_| has_readings);
        let observed = match strict {
            Strict::One => Some(Reading::ONE),
            _ => looked_at.and_then(|q| self.reading(q, &series, false)),
        };
        Judged {
            action: self.action.id.clone(),
            state,
            rule,
            period: q.map(|q| self.question.terms[q].period),
            strict: match strict {
                Strict::None => None,
                Strict::Zero => Some(Reading::ZERO),
                Strict::One => Some(Reading::ONE),
                Strict::Share(share) => share.as_ref().map(Fraction::reading),
            },
            observed,
            validated: looked_at.and_then(|q| self.reading(q, &series, true)),
            weight: self.action.weight,
            holders: self.holders(q),
            leading: self.leading().map(|row| u32::try_from(row).unwrap_or(u32::MAX)).collect(),
        }
    }

    /// Rules 4 to 9.
    fn outcome(&self, q: Option<usize>, series: &[Series]) -> (ActionState, Rule, Strict) {
        let is_over = self.is_over();
        if let Some(q) = q.filter(|&q| self.is_achieved(q, series, is_over)) {
            let state = if self.is_achieved_late(q, series) {
                ActionState::AchievedLate
            } else {
                ActionState::Achieved
            };
            return (state, Rule::AllReached, Strict::One);
        }
        if !self.is_led() {
            return (ActionState::Unassigned, Rule::NobodyLeads, Strict::Zero);
        }
        let Some(q) = q else {
            let (state, strict) = match (is_over, self.lead_owed_and_waived()) {
                (true, (0, _)) => (ActionState::Unreported, Strict::Zero),
                (true, (owed, waived)) if owed == waived => (ActionState::Excused, Strict::None),
                _ => (ActionState::NotYetDue, Strict::None),
            };
            return (state, Rule::NothingAsked, strict);
        };
        if !self.is_reported(q, false) {
            return (ActionState::Unreported, Rule::NotReported, Strict::Zero);
        }
        let achieved = self.achievement(q, series, false, true);
        if is_over {
            return (ActionState::NotAchieved, Rule::Over, Strict::Share(achieved));
        }
        let Some(achieved) = achieved else {
            return (ActionState::NotYetDue, Rule::ByAchievement, Strict::None);
        };
        let policy = &self.question.plan.plan().policy;
        let percent = achieved.times(&Fraction::whole(100));
        let state = if percent >= policy.on_track_from.into() {
            ActionState::OnTrack
        } else if percent >= policy.at_risk_from.into() {
            ActionState::AtRisk
        } else {
            ActionState::OffTrack
        };
        (state, Rule::ByAchievement, Strict::Share(Some(achieved)))
    }

    /// What the indicators add up over all periods up to q.
    fn all_series(&self, q: usize) -> Vec<Series> {
        self.indicators.iter().map(|indicator| self.series(indicator, q + 1)).collect()
    }

    pub(super) fn odd_at(&self, row: usize, period: usize) -> Option<&OddPlace<'p>> {
        if !self.has_odd[row] {
            return None;
        }
        let found = self.odd.binary_search_by_key(&(row, period), |place| (place.row, place.period));
        found.ok().map(|found| &self.odd[found])
    }

    /// An obligation, if it exists.
    pub(super) fn place(&self, row: usize, period: usize) -> Option<Place> {
        if let Some(place) = self.odd_at(row, period) {
            return Some(Place {
                is_received: place.state.counts(false),
                is_validated: place.state.counts(true),
                is_asked: place.state.is_asked,
            });
        }
        if period >= self.question.ended || !self.table.exists(row, period) {
            return None;
        }
        let at = self.table.at(row, period);
        let is_received = self.table.sent[at] <= self.question.sent_max();
        Some(Place {
            is_received,
            is_validated: self.table.judged[at] <= self.question.seen,
            is_asked: is_received || self.question.is_due(period),
        })
    }

    /// The lead obligations of a period.
    fn counts(&self, period: usize) -> Counts {
        let mut counts = Counts::default();
        for place in self
            .leads
            .iter()
            .filter_map(|&row| self.place(row, period))
            .filter(|place| place.is_asked)
        {
            counts.asked += 1;
            counts.received += i64::from(place.is_received);
            counts.validated += i64::from(place.is_validated);
        }
        counts
    }

    /// The last period whose calendar due instant has come, with something asked for.
    fn period_judged(&self) -> Option<usize> {
        let is_asked = |&row: &usize, period| self.place(row, period).is_some_and(|place| place.is_asked);
        (0..self.question.ended)
            .rev()
            .find(|&period| self.question.is_due(period) && self.leads.iter().any(|row| is_asked(row, period)))
    }

    /// Whether enough of what is asked for at p is received (validated).
    fn is_reported(&self, p: usize, validated: bool) -> bool {
        let counts = self.counts(p);
        let counted = if validated { counts.validated } else { counts.received };
        let required = i128::from(counts.asked) * self.question.plan.plan().policy.reported_from.millionths();
        counts.asked > 0 && i128::from(counted) * Decimal::from_int(100).millionths() >= required
    }

    /// The oldest period that a reading at p looks at.
    pub(super) fn oldest(&self, p: usize) -> usize {
        let back = usize::try_from(self.question.plan.plan().policy.stale_after).unwrap_or(usize::MAX);
        p.saturating_sub(back)
    }

    fn reading(&self, q: usize, series: &[Series], validated: bool) -> Option<Reading> {
        let last = (self.oldest(q)..=q).rev().find(|&p| self.is_reported(p, validated))?;
        self.achievement(last, series, validated, false).as_ref().map(Fraction::reading)
    }

    fn is_led(&self) -> bool {
        let day = self.question.plan.today.min(self.action.end);
        let standings = self.leads.iter().filter_map(|&row| self.standings[row]);
        standings
            .into_iter()
            .any(|standing| standing.is_accepted && standing.is_in_force_on(day))
    }

    /// Every period up to its end is due by the calendar, and no lead waits under an extension.
    fn is_over(&self) -> bool {
        let end = self.action.end.min(self.question.plan.plan().end);
        let mut due = self.question.terms.iter().filter(|terms| terms.first_day <= end);
        due.all(|terms| terms.due_at <= self.question.t) && !self.is_awaited(usize::MAX)
    }

    fn is_awaited(&self, periods: usize) -> bool {
        let mut odd = self.odd.iter().filter(|place| place.period < periods);
        odd.any(|place| self.table.rows[place.row].role == Role::Lead && place.state.waits_under_extension)
    }

    fn lead_owed_and_waived(&self) -> (usize, usize) {
        let words = |row: &usize| (0..self.question.ended).filter(|&period| self.table.exists(*row, period)).count();
        let owed: usize = self.leads.iter().map(words).sum();
        let leads = self.odd.iter().filter(|place| self.table.rows[place.row].role == Role::Lead);
        let (mut later, mut waived) = (0, 0);
        for place in leads {
            later += usize::from(place.period >= self.question.ended);
            waived += usize::from(place.state.state == ObligationState::Waived);
        }
        (owed + later, waived)
    }

    fn is_achieved(&self, q: usize, series: &[Series], is_over: bool) -> bool {
        let mut asked = self
            .leads
            .iter()
            .filter_map(|&row| self.place(row, q))
            .filter(|place| place.is_asked);
        asked.all(|place| place.is_received)
            && !self.is_awaited(q + 1)
            && self.is_all_reached(q, series)
            && self.indicators.iter().all(|indicator| {
                let bounded = matches!(indicator.direction, Direction::AtLeast | Direction::AtMost);
                let last = remaining_targets(self.action, indicator).last().map(|target| target.on);
                let is_time = || is_over || last.is_some_and(|last| self.day(q) >= last);
                !bounded || (is_time() && self.is_fresh(indicator, q))
            })
    }

    fn is_all_reached(&self, p: usize, series: &[Series]) -> bool {
        let mut indicators = self.indicators.iter().zip(series);
        let mut milestones = self.action.milestones.iter();
        indicators.all(|(indicator, series)| self.is_reached(indicator, series, p))
            && milestones.all(|milestone| self.is_done(milestone, p, false))
    }

    fn is_reached(&self, indicator: &Indicator, series: &Series, p: usize) -> bool {
        let targets = remaining_targets(self.action, indicator);
        let reaches = |at: usize, target: Decimal| {
            let value = self.value(indicator, series, at, false);
            value.is_some_and(|value| is_better_or_equal(indicator, &value, &target.into()))
        };
        match indicator.window {
            Window::Plan => targets.last().is_some_and(|target| reaches(p, target.value)),
            Window::Year => targets.iter().all(|target| {
                let holder = self.question.terms[..=p].iter().position(|terms| terms.period.holds(target.on));
                holder.is_some_and(|at| reaches(at, target.value))
            }),
        }
    }

    fn is_achieved_late(&self, q: usize, series: &[Series]) -> bool {
        let run = (0..=q).rev().take_while(|&p| self.is_all_reached(p, series)).last();
        let first_end: Option<Date> = self.question.plan.first_end(&self.action.id);
        run.zip(first_end)
            .is_some_and(|(run, end)| self.question.terms[run].first_day > end)
    }

    /// The day on which a period is judged.
    pub(super) fn day(&self, p: usize) -> Date {
        self.question.terms[p].last_day.min(self.action.end)
    }

    /// Whether a report up to p lists a milestone as done. Reports that list any are never plain.
    fn is_done(&self, milestone: &Milestone, p: usize, validated: bool) -> bool {
        let facts = &self.question.projection.facts;
        let mut counted = self.odd.iter().filter(|place| place.period <= p && place.state.counts(validated));
        counted.any(|place| {
            let report = odd::report(facts, &self.table.rows[place.row], place.odd, &place.state);
            report.is_some_and(|report| report.milestones.contains(&milestone.id))
        })
    }

    fn achievement(&self, p: usize, all_series: &[Series], validated: bool, missing_is_zero: bool) -> Option<Fraction> {
        let policy = &self.question.plan.plan().policy;
        let (mut sum, mut weight) = (Fraction::ZERO, Fraction::ZERO);
        let mut add = |part_weight: Decimal, part: &Fraction| {
            let part_weight = Fraction::from(part_weight);
            sum = sum.plus(&part_weight.times(part));
            weight = weight.plus(&part_weight);
        };
        for (indicator, series) in self.indicators.iter().zip(all_series) {
            let value = self.value(indicator, series, p, validated);
            match value.zip(expected(self.action, indicator, policy.interpolation, self.day(p))) {
                Some((value, expected)) => add(indicator.weight, &achievement(indicator, &expected, &value)),
                None if missing_is_zero => add(indicator.weight, &Fraction::ZERO),
                None => {}
            }
        }
        let day = self.day(p);
        let (mut due, mut done) = (0, 0);
        for milestone in self.action.milestones.iter().filter(|milestone| milestone.due <= day) {
            due += 1;
            done += i128::from(self.is_done(milestone, p, validated));
        }
        if let Some(share) = Fraction::quotient(done, due) {
            add(policy.milestones_weight, &share);
        }
        sum.over(&weight)
    }

    /// The column of an indicator's values.
    pub(super) fn slot_of(&self, indicator: &Indicator) -> Option<&'p Slot> {
        let place = self.indicators.iter().position(|known| std::ptr::eq(*known, indicator))?;
        self.slots[place]
    }

    /// The rows whose values count for an indicator.
    pub(super) fn sources(&self, indicator: &Indicator) -> impl Iterator<Item = usize> {
        let roles = indicator.reported_by.iter().fold(0_u8, |bits, role| bits | super::role_bit(*role));
        let counts = move |row: &usize| super::role_bit(self.table.rows[*row].role) & roles != 0 && self.standings[*row].is_some();
        (0..self.table.rows.len()).filter(counts)
    }

    pub(super) fn is_shared(&self, row: usize) -> bool {
        self.shared[row]
    }

    /// The lines of which some row is in force on a day, in order.
    pub(super) fn lines_in_force_on(&self, day: Date) -> Vec<u32> {
        let rows = self.table.rows.iter().zip(&self.standings);
        let in_force = rows.filter(|(_, standing)| standing.is_some_and(|standing| standing.is_in_force_on(day)));
        let mut lines: Vec<_> = in_force.map(|(row, _)| row.line).collect();
        lines.sort_unstable();
        lines
    }

    /// The lead assignments in force, accepted or not yet answered: silence does not pay, what is contested does not count.
    fn leading(&self) -> impl Iterator<Item = usize> {
        let day = self.question.plan.today.min(self.action.end);
        let holds = move |row: &usize| {
            let standing = self.standings[*row];
            standing.is_some_and(|standing| standing.is_in_force_on(day) && (standing.is_accepted || standing.is_unanswered()))
        };
        self.leads.iter().copied().filter(holds)
    }

    /// The institutions in whose index the action counts, by number, and whether a lead report of theirs is missing at q.
    fn holders(&self, q: Option<usize>) -> Vec<(u32, bool)> {
        let institution = |row: usize| self.table.rows[row].institution;
        let is_missing = |row: usize| {
            let place = q.and_then(|q| self.place(row, q));
            place.is_some_and(|place| place.is_asked && !place.is_received)
        };
        let silent = self.leads.iter().copied().filter(|row| is_missing(*row));
        let mut silent: Vec<_> = silent.map(institution).collect();
        let mut holders: Vec<_> = self.leading().map(institution).collect();
        holders.sort_unstable();
        holders.dedup();
        silent.sort_unstable();
        let is_silent = |institution: u32| silent.binary_search(&institution).is_ok();
        holders
            .into_iter()
            .map(|institution| (institution, is_silent(institution)))
            .collect()
    }
}

fn is_better_or_equal(indicator: &Indicator, value: &Fraction, mark: &Fraction) -> bool {
    match indicator.direction {
        Direction::Increase | Direction::AtLeast => value >= mark,
        Direction::Decrease | Direction::AtMost => value <= mark,
    }
}

/// From 0 to 1: how much of the expected a value achieves; as `vigia_rules::indicator::achievement`.
fn achievement(indicator: &Indicator, expected: &Fraction, value: &Fraction) -> Fraction {
    if is_better_or_equal(indicator, value, expected) {
        return Fraction::ONE;
    }
    let share = match indicator.direction {
        Direction::AtLeast => value.over(expected),
        Direction::AtMost => expected.over(value),
        Direction::Increase | Direction::Decrease => {
            let baseline = match (indicator.window, indicator.baseline) {
                (Window::Plan, Some(baseline)) => baseline.value.into(),
                _ => Fraction::ZERO,
            };
            let asks_nothing = is_better_or_equal(indicator, &baseline, expected);
            let way = expected.minus(&baseline);
            (!asks_nothing).then(|| value.minus(&baseline).over(&way)).flatten()
        }
    };
    share.unwrap_or(Fraction::ZERO).clamp(Fraction::ZERO, Fraction::ONE)
}

/// What is expected on a day of the action; as `vigia_rules::indicator::expected`.
fn expected(action: &Action, indicator: &Indicator, interpolation: Interpolation, day: Date) -> Option<Fraction> {
    let targets = remaining_targets(action, indicator);
    let last = targets.last()?;
    if matches!(indicator.direction, Direction::AtLeast | Direction::AtMost) {
        let target = targets.iter().find(|target| target.on >= day).unwrap_or(last);
        return Some(target.value.into());
    }
    let eve = action.start.yesterday().unwrap_or(action.start);
    let (start, year) = match (indicator.window, indicator.baseline) {
        (Window::Plan, Some(baseline)) => ((baseline.on.max(eve), baseline.value), None),
        (Window::Plan, None) => ((eve, Decimal::ZERO), None),
        (Window::Year, _) => {
            let new_year = day.first_of_year();
            let before = new_year.yesterday().unwrap_or(new_year);
            ((before.max(eve), Decimal::ZERO), Some(day.year()))
        }
    };
    let later = targets.iter().map(|target| (target.on, target.value));
    let later = later.filter(|(on, _)| *on > start.0 && year.is_none_or(|year| on.year() == year));
    // Targets lie by date: the last point reached, and the next.
    let (mut from, mut to) = (start, None);
    for point in later {
        if point.0 <= day {
            from = point;
        } else {
            to = to.or(Some(point));
        }
    }
    let from_value = Fraction::from(from.1);
    match to {
        Some(to) if interpolation == Interpolation::Linear && from.0 <= day => {
            let days = |a: Date, b: Date| i128::from(b.since(a).map_or(0, |span| span.get_days()));
            let way = Fraction::from(to.1).minus(&from_value);
            let part = Fraction::quotient(days(from.0, day), days(from.0, to.0)).unwrap_or(Fraction::ZERO);
            Some(from_value.plus(&way.times(&part)))
        }
        _ => Some(from_value),
    }
}
