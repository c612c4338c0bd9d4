//! Alerts: what needs someone as of an instant, by what was recorded and by the plan's policy. Never stored: they follow.
//!
//! Three clocks run for each obligation, each with its own due instant: the institution's report, the reviewer's review,
//! the institution's answer to observations. A clock that runs has crossed some thresholds of the policy (so many days
//! before, the due day, so many days late), and the last one crossed is what is said: there is one alert for each clock
//! that runs. Beside the clocks stand states that need somebody: an assignment that nobody answered, an action without
//! a lead, an indicator without a value, and so on.
//!
//! An alert is named by its rule, what it is about, the threshold and the due instant: as long as these are the same it is
//! the same alert, and nobody is told twice. A due day that is moved makes another one.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use crate::calendar::Calendar;
use crate::exact::{Exact, Reading};
use crate::facts::{CourseEvent, Decision, DeskEvent, Facts, Position};
use crate::indicator::{Case, Counting};
use crate::names::{ActionId, AssignmentId, IndicatorId, InstitutionId};
use crate::obligation::{Obligation, ObligationState, Timeliness};
use crate::period::Period;
use crate::plan::Role;
use crate::scorecard::{Scope, Slice, Verdicts};

/// When somebody is told (`plan.alert_policy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPolicy {
    /// Days before the due day.
    pub due_soon_days: Vec<u16>,
    /// Late days.
    pub overdue_days: Vec<u16>,
    /// From which late day the body above is told.
    pub parent_from_days: u16,
    /// From which late day the governing institution is told.
    pub governing_from_days: u16,
    /// After how many days an assignment counts as unanswered.
    pub unanswered_days: u16,
    /// Periods without a value.
    pub silent_periods: u16,
    /// Returns of one report.
    pub returned_times: u16,
    /// Punctual but empty reports in a row.
    pub empty_reports: u16,
    /// Hundredths that the strict index has fallen.
    pub index_fall_percent: u16,
    /// Hundredths of the year's budget that spending lies behind the calendar.
    pub spending_behind_percent: u16,
    /// Days of the year's money of which none is spent.
    pub money_late_days: u16,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self {
            due_soon_days: vec![30, 7, 1],
            overdue_days: vec![1, 15, 30],
            parent_from_days: 15,
            governing_from_days: 30,
            unanswered_days: 15,
            silent_periods: 2,
            returned_times: 3,
            empty_reports: 2,
            index_fall_percent: 10,
            spending_behind_percent: 25,
            money_late_days: 90,
        }
    }
}

/// What the rules' facts do not hold and alerts look at: money and evidence, as of the same instant.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Money of an action in a year that has begun.
    pub money: Vec<Money>,
    /// Actions that create an instrument of which reports say that it is there, and that no evidence shows, each with
    /// when that was first said.
    pub unshown: Vec<(ActionId, Timestamp)>,
    /// Institutions of which no focal point has an address, each with since when.
    pub unreachable: Vec<(InstitutionId, Timestamp)>,
}

/// An action's money of one year.
#[derive(Clone, Debug)]
pub struct Money {
    /// Whose.
    pub action: ActionId,
    /// The year.
    pub year: i16,
    /// What the plan has for it.
    pub budget: Exact,
    /// What reports say was spent; none where no report says anything of it: unknown is never late.
    pub accrued: Option<Exact>,
}

/// Why somebody is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertRule {
    /// A report is due soon, today, or overdue.
    Report,
    /// A review is due soon, today, or overdue.
    Review,
    /// An answer to observations is due soon, today, or overdue.
    Answer,
    /// An assignment was neither accepted nor contested.
    Unanswered,
    /// An assignment is contested, and nobody has decided.
    Contested,
    /// Nobody has accepted to lead an action.
    Unassigned,
    /// The strict index of the plan or of an institution has fallen.
    FallingIndex,
    /// An action spends more slowly than the year goes.
    SpendingBehind,
    /// None of an action's money of the year is spent.
    MoneyLate,
    /// An indicator was without a value for some periods.
    SilentIndicator,
    /// One report was returned again and again.
    ReturnedAgain,
    /// Reports come in time and say nothing.
    EmptyReports,
    /// An instrument is said to be there, and nothing shows it.
    NoEvidence,
    /// Nobody can be told at an institution that owes reports.
    NoAddress,
}

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The plan as a whole.
    Plan,
    /// An institution within the plan.
    Institution(InstitutionId),
    /// An action.
    Action(ActionId),
    /// An indicator of an action.
    Indicator(ActionId, IndicatorId),
    /// An assignment.
    Assignment(AssignmentId),
    /// An obligation.
    Obligation(AssignmentId, Period),
}

/// What needs someone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Why.
    pub rule: AlertRule,
    /// About what.
    pub subject: Subject,
    /// The action that it belongs to, if it is one's.
    pub action: Option<ActionId>,
    /// For a clock the days after the due day (below 0 before it, 0 on it); elsewhere what the policy counts.
    pub threshold: i32,
    /// The instant from which the threshold is counted.
    pub due_at: Timestamp,
    /// Since when it is said: when the threshold was crossed.
    pub since: Timestamp,
    /// Who is needed; none for the plan's governing institution.
    pub owner: Option<InstitutionId>,
    /// Whether the body on which the owner hangs is told too.
    pub to_parent: bool,
    /// Whether the governing institution is told too.
    pub to_governing: bool,
    /// What was observed and required, where that are shares.
    pub observed: Option<(Reading, Reading)>,
    /// The facts, in order.
    pub facts: Vec<Position>,
}

/// What needs someone as of an instant, and until when that can't change by itself.
#[derive(Clone, Debug)]
pub struct Board {
    /// By rule and subject.
    pub alerts: Vec<Alert>,
    /// The next instant at which something may change though nothing is recorded.
    pub next_change: Timestamp,
}

/// All alerts of a plan as of t; none as long as it is a draft.
#[must_use]
pub fn board(facts: &Facts, policy: &AlertPolicy, beside: &Beside, t: Timestamp) -> Option<Board> {
    let verdicts = Verdicts::as_of(facts, t)?;
    let calendar = &verdicts.plan().calendar;
    let (mut alerts, mut next_change) = (Vec::new(), verdicts.next_change());
    for owed in verdicts.obligations() {
        if let Some(clock) = Clock::of(&owed) {
            let thresholds = clock.thresholds(policy, calendar);
            let (crossed, ahead): (Vec<_>, Vec<_>) = thresholds.partition(|(_, since)| *since <= t);
            let last = crossed.into_iter().max_by_key(|(threshold, since)| (*since, *threshold));
            alerts.extend(last.map(|(threshold, since)| clock.alert(&owed, policy, threshold, since)));
            next_change = ahead.into_iter().map(|(_, since)| since).fold(next_change, Timestamp::min);
        }
        alerts.extend(returned_again(facts, &owed, policy, t));
    }
    answers(facts, policy, calendar, t, t, &mut alerts);
    unassigned(facts, &verdicts, &mut alerts);
    falling(facts, &verdicts, policy, &mut alerts);
    for case in verdicts.cases() {
        silent(&case, policy, &mut alerts);
        empty(&case, policy, &mut alerts);
    }
    money(&verdicts, beside, policy, &mut alerts);
    no_evidence(&verdicts, beside, &mut alerts);
    no_address(facts, &verdicts, beside, &mut alerts);
    alerts.sort_by(|a, b| (a.rule, &a.subject, a.threshold).cmp(&(b.rule, &b.subject, b.threshold)));
    Some(Board { alerts, next_change })
}

/// What the clocks will say after t and not after `until` if nothing further is recorded, by time. What follows from
/// reports can't be foreseen.
#[must_use]
pub fn upcoming(facts: &Facts, policy: &AlertPolicy, t: Timestamp, until: Timestamp) -> Vec<Alert> {
    let Some(verdicts) = Verdicts::as_of(facts, t) else {
        return Vec::new();
    };
    let calendar = &verdicts.plan().calendar;
    let mut found = Vec::new();
    answers(facts, policy, calendar, t, until, &mut found);
    for owed in verdicts.obligations() {
        let Some(clock) = Clock::of(&owed) else { continue };
        let ahead = clock.thresholds(policy, calendar).filter(|(_, since)| *since <= until);
        found.extend(ahead.map(|(threshold, since)| clock.alert(&owed, policy, threshold, since)));
    }
    found.retain(|alert| t < alert.since);
    found.sort_by(|a, b| (a.since, a.rule, &a.subject).cmp(&(b.since, b.rule, &b.subject)));
    found
}

/// Every threshold that an obligation's report ever crossed by t, whether its clock still runs or not: what was once said
/// of it, and who owes it. Due instants are those as of t.
#[must_use]
pub fn once_said(facts: &Facts, policy: &AlertPolicy, t: Timestamp) -> Vec<(Subject, i32, Timestamp, InstitutionId)> {
    let Some(verdicts) = Verdicts::as_of(facts, t) else {
        return Vec::new();
    };
    let mut said = Vec::new();
    for owed in verdicts.obligations() {
        let clock = Clock {
            rule: AlertRule::Report,
            due_at: owed.due_at,
        };
        let crossed = clock.thresholds(policy, &verdicts.plan().calendar).filter(|(_, since)| *since <= t);
        let subject = Subject::Obligation(owed.assignment, owed.period);
        said.extend(crossed.map(|(threshold, _)| (subject.clone(), threshold, owed.due_at, owed.institution.clone())));
    }
    said
}

/// The clock of an obligation that runs.
#[derive(Clone, Copy, Debug)]
struct Clock {
    rule: AlertRule,
    due_at: Timestamp,
}

impl Clock {
    fn of(owed: &Obligation) -> Option<Self> {
        let (rule, due_at) = match owed.state {
            ObligationState::NotOpen | ObligationState::Open | ObligationState::Overdue => (AlertRule::Report, Some(owed.due_at)),
            ObligationState::Submitted => (AlertRule::Review, owed.review_due_at),
            ObligationState::Returned | ObligationState::ReturnedOverdue => (AlertRule::Answer, owed.answer_due_at),
            ObligationState::Validated | ObligationState::Waived => return None,
        };
        due_at.map(|due_at| Self { rule, due_at })
    }

    /// All thresholds, each with when it is crossed.
    fn thresholds(self, policy: &AlertPolicy, calendar: &Calendar) -> impl Iterator<Item = (i32, Timestamp)> {
        let before = policy.due_soon_days.iter().map(|days| -i32::from(*days));
        let after = policy.overdue_days.iter().map(|days| i32::from(*days));
        let all = before.chain([0]).chain(after);
        all.map(move |threshold| (threshold, crossed_at(calendar, self.due_at, threshold)))
    }

    fn alert(self, owed: &Obligation, policy: &AlertPolicy, threshold: i32, since: Timestamp) -> Alert {
        let is_owner = self.rule != AlertRule::Review;
        Alert {
            action: Some(owed.action.clone()),
            since,
            owner: is_owner.then(|| owed.institution.clone()),
            to_parent: is_owner && threshold >= i32::from(policy.parent_from_days),
            to_governing: is_owner && threshold >= i32::from(policy.governing_from_days),
            facts: owed.facts.clone(),
            ..alert(
                self.rule,
                Subject::Obligation(owed.assignment.clone(), owed.period),
                threshold,
                self.due_at,
            )
        }
    }
}

/// When a threshold is crossed: so many days before at the beginning of that day; the nth late day begins n - 1 days
/// after the due instant, at its hour.
fn crossed_at(calendar: &Calendar, due_at: Timestamp, threshold: i32) -> Timestamp {
    if threshold > 0 {
        let local = calendar.time_zone.to_datetime(due_at);
        let late = local.checked_add(Span::new().days(threshold - 1));
        // The first late day begins at the very due instant, also where clocks change.
        return late.map_or(Timestamp::MAX, |late| calendar.instant(late)).max(due_at);
    }
    let due_day = calendar.day_of(just_before(due_at));
    let day = due_day.checked_add(Span::new().days(threshold)).unwrap_or(Date::MIN);
    calendar.start_of(day)
}

fn just_before(t: Timestamp) -> Timestamp {
    t.checked_sub(Span::new().microseconds(1)).unwrap_or(t)
}

/// An alert that only names what it is about; the rest is for the rule to say.
fn alert(rule: AlertRule, subject: Subject, threshold: impl Into<i32>, due_at: Timestamp) -> Alert {
    Alert {
        rule,
        subject,
        action: None,
        threshold: threshold.into(),
        due_at,
        since: due_at,
        owner: None,
        to_parent: false,
        to_governing: false,
        observed: None,
        facts: Vec::new(),
    }
}

/// Assignments that wait as of t for an answer of the institution, by `horizon` if they wait until then, or for a decision
/// on a contest. Those that are over are passed.
fn answers(facts: &Facts, policy: &AlertPolicy, calendar: &Calendar, t: Timestamp, horizon: Timestamp, found: &mut Vec<Alert>) {
    let today = calendar.day_of(t);
    for standing in facts
        .standings(t)
        .filter(|standing| standing.last_day.is_none_or(|last| today <= last))
    {
        let assignment = standing.assignment;
        let Some(desk) = facts.find(&assignment.id).map(|desk| &facts.assignments[desk]) else {
            continue;
        };
        let subject = Subject::Assignment(assignment.id.clone());
        if standing.is_unanswered() {
            let Some(made_at) = desk.made.as_ref().map(|made| made.entry.recorded_at) else {
                continue;
            };
            // Silence is counted like late days: the day of the proposal is none.
            let since = crossed_at(calendar, made_at, i32::from(policy.unanswered_days) + 1);
            if since <= horizon {
                found.push(Alert {
                    action: Some(assignment.action.clone()),
                    since,
                    owner: Some(assignment.institution.clone()),
                    to_governing: true,
                    facts: vec![standing.made],
                    ..alert(AlertRule::Unanswered, subject, policy.unanswered_days, made_at)
                });
            }
        } else if standing.is_contested {
            let contests = desk.events.iter().filter(|(entry, _)| entry.recorded_at <= t);
            let last = contests.rev().find(|(_, event)| matches!(event, DeskEvent::Contested));
            if let Some((entry, _)) = last {
                found.push(Alert {
                    action: Some(assignment.action.clone()),
                    facts: vec![standing.made, entry.position],
                    ..alert(AlertRule::Contested, subject, 0, entry.recorded_at)
                });
            }
        }
    }
}

/// Actions that run and that nobody has accepted to lead: since they began, or since the last lead's last day.
fn unassigned(facts: &Facts, verdicts: &Verdicts<'_>, found: &mut Vec<Alert>) {
    let (t, plan) = (verdicts.t(), verdicts.plan());
    let today = plan.calendar.day_of(t);
    let leads: Vec<_> = facts
        .standings(t)
        .filter(|standing| standing.assignment.role == Role::Lead && standing.accepted_at.is_some())
        .collect();
    for action in &plan.actions {
        let rests = action.is_withdrawn_on(today) || action.is_suspended_on(today);
        if rests || today < action.start || today > action.end {
            continue;
        }
        let of_action = leads.iter().filter(|lead| lead.assignment.action == action.id);
        if of_action.clone().any(|lead| lead.is_in_force_on(today)) {
            continue;
        }
        let ended = of_action.filter_map(|lead| lead.last_day).filter(|last| *last < today).max();
        let from = plan
            .calendar
            .start_of(action.start)
            .max(ended.map_or(Timestamp::MIN, |last| plan.calendar.end_of(last)));
        found.push(Alert {
            action: Some(action.id.clone()),
            ..alert(AlertRule::Unassigned, Subject::Action(action.id.clone()), 0, from)
        });
    }
}

/// The strict index of the plan, and of each institution, against what it was just before the last due instant.
fn falling(facts: &Facts, verdicts: &Verdicts<'_>, policy: &AlertPolicy, found: &mut Vec<Alert>) {
    let Some(due_at) = verdicts
        .periods()
        .map(|(_, due_at)| due_at)
        .filter(|due_at| *due_at <= verdicts.t())
        .max()
    else {
        return;
    };
    let Some(before) = Verdicts::as_of(facts, just_before(due_at)) else {
        return;
    };
    let institutions: BTreeSet<_> = facts
        .standings(verdicts.t())
        .map(|standing| &standing.assignment.institution)
        .collect();
    let scopes = institutions
        .into_iter()
        .map(|id| (Subject::Institution(id.clone()), Scope::Institution(id.clone())));
    for (subject, scope) in [(Subject::Plan, Scope::Plan)].into_iter().chain(scopes) {
        let slice = Slice::Scope(scope);
        let strict = |verdicts: &Verdicts<'_>| crate::scorecard::Index::of(&verdicts.parts(&slice)).strict;
        let (Some(now), Some(then)) = (strict(verdicts), strict(&before)) else {
            continue;
        };
        let fall = then.trillionths().saturating_sub(now.trillionths());
        if fall < u64::from(policy.index_fall_percent) * (Reading::ONE.trillionths() / 100) {
            continue;
        }
        let owner = match &subject {
            Subject::Institution(id) => Some(id.clone()),
            _ => None,
        };
        found.push(Alert {
            to_governing: owner.is_some(),
            owner,
            observed: Some((now, then)),
            ..alert(AlertRule::FallingIndex, subject, policy.index_fall_percent, due_at)
        });
    }
}

/// Indicators without a value in any of the last periods that were due: those who were asked gave none.
fn silent(case: &Case<'_, '_>, policy: &AlertPolicy, found: &mut Vec<Alert>) {
    let periods = usize::from(policy.silent_periods);
    let (t, today) = (case.plan.t, case.plan.today);
    if case.action.is_withdrawn_on(today) || case.action.is_suspended_on(today) {
        return;
    }
    for indicator in case.indicators.iter().copied() {
        let mut asked = Vec::new();
        for p in (0..case.periods.len()).rev().filter(|&p| case.periods[p].due_at <= t) {
            let cells: Vec<_> = case
                .column(p)
                .filter(|(row, cell)| cell.is_asked && indicator.reported_by.contains(&row.standing.assignment.role))
                .collect();
            if !cells.is_empty() {
                asked.push((p, cells));
            }
            if asked.len() == periods {
                break;
            }
        }
        let states = |cell: &crate::indicator::Cell<'_>| {
            let report = cell.report(Counting::Received);
            report.is_some_and(|report| report.values.iter().any(|(id, _)| *id == indicator.id))
        };
        let is_silent = asked.len() == periods && asked.iter().all(|(_, cells)| !cells.iter().any(|(_, cell)| states(cell)));
        let Some((last, cells)) = asked.first().filter(|_| is_silent) else {
            continue;
        };
        // Whoever leads is asked first; where nobody does, whoever owed it.
        let owner = cells.iter().find(|(row, _)| row.is_lead()).or(cells.first());
        found.push(Alert {
            action: Some(case.action.id.clone()),
            owner: owner.map(|(row, _)| row.standing.assignment.institution.clone()),
            to_governing: true,
            ..alert(
                AlertRule::SilentIndicator,
                Subject::Indicator(case.action.id.clone(), indicator.id.clone()),
                policy.silent_periods,
                case.periods[*last].due_at,
            )
        });
    }
}

/// Assignments whose last reports all came in time and stated nothing, nor that there is nothing to state.
fn empty(case: &Case<'_, '_>, policy: &AlertPolicy, found: &mut Vec<Alert>) {
    let reports = usize::from(policy.empty_reports);
    for row in case.rows {
        let cells = row
            .cells
            .iter()
            .enumerate()
            .rev()
            .filter_map(|(p, cell)| cell.as_ref().map(|cell| (p, cell)));
        let last: Vec<_> = cells.filter(|(_, cell)| cell.is_asked).take(reports).collect();
        let is_empty = |cell: &crate::indicator::Cell<'_>| {
            let report = cell.report(Counting::Received);
            cell.timeliness == Timeliness::OnTime
                && report.is_some_and(|report| report.values.is_empty() && report.milestones.is_empty() && !report.nil)
        };
        let Some((p, newest)) = last
            .first()
            .filter(|_| last.len() == reports && last.iter().all(|(_, cell)| is_empty(cell)))
        else {
            continue;
        };
        let assignment = row.standing.assignment;
        let received_at = newest
            .owed
            .course
            .report
            .map_or(case.periods[*p].due_at, |report| report.received_at);
        found.push(Alert {
            action: Some(case.action.id.clone()),
            since: received_at,
            facts: last.iter().rev().flat_map(|(_, cell)| cell.owed.course.facts.clone()).collect(),
            ..alert(
                AlertRule::EmptyReports,
                Subject::Assignment(assignment.id.clone()),
                policy.empty_reports,
                case.periods[*p].due_at,
            )
        });
    }
}

/// A report that was returned so often since it was last validated, rejected or waived.
fn returned_again(facts: &Facts, owed: &Obligation, policy: &AlertPolicy, t: Timestamp) -> Option<Alert> {
    if matches!(owed.state, ObligationState::Validated | ObligationState::Waived) {
        return None;
    }
    let desk = facts.find(&owed.assignment)?;
    let mut returns = Vec::new();
    for (entry, event) in facts.assignments[desk].courses.get(owed.period)? {
        if entry.recorded_at > t {
            break;
        }
        match event {
            CourseEvent::Reviewed {
                decision: Decision::Returned { .. },
                ..
            } => returns.push(entry),
            CourseEvent::Reviewed { .. } | CourseEvent::Waived => returns.clear(),
            CourseEvent::Submitted(_) => {}
        }
    }
    let times = usize::from(policy.returned_times).max(1);
    let at = returns.get(times - 1)?;
    Some(Alert {
        action: Some(owed.action.clone()),
        owner: Some(owed.institution.clone()),
        to_governing: true,
        facts: returns.iter().map(|entry| entry.position).collect(),
        ..alert(
            AlertRule::ReturnedAgain,
            Subject::Obligation(owed.assignment.clone(), owed.period),
            policy.returned_times,
            at.recorded_at,
        )
    })
}

/// Money of the year, against how much of the year has passed.
fn money(verdicts: &Verdicts<'_>, beside: &Beside, policy: &AlertPolicy, found: &mut Vec<Alert>) {
    let plan = verdicts.plan();
    let today = plan.calendar.day_of(verdicts.t());
    for money in &beside.money {
        let Some(action) = plan.actions.iter().find(|action| action.id == money.action) else {
            continue;
        };
        let (first, last) = (jiff::civil::date(money.year, 1, 1), jiff::civil::date(money.year, 12, 31));
        let (first, last) = (first.max(action.start), last.min(action.end));
        let Some(accrued) = money.accrued.as_ref().filter(|_| first <= today && first <= last) else {
            continue;
        };
        let days = |from: Date, to: Date| from.until(to).map_or(0, |span| i64::from(span.get_days()));
        let (passed, all) = (days(first, today.min(last)) + 1, days(first, last) + 1);
        let owner = verdicts.lead_on(&money.action, today);
        let about = |rule, threshold: u16, due_at| Alert {
            action: Some(money.action.clone()),
            to_governing: owner.is_some(),
            owner: owner.clone(),
            ..alert(rule, Subject::Action(money.action.clone()), threshold, due_at)
        };
        let begins = plan.calendar.start_of(first);
        if !accrued.is_positive() && money.budget.is_positive() {
            if passed > i64::from(policy.money_late_days) {
                let late = first
                    .checked_add(Span::new().days(i64::from(policy.money_late_days)))
                    .unwrap_or(Date::MAX);
                found.push(Alert {
                    since: plan.calendar.start_of(late),
                    ..about(AlertRule::MoneyLate, policy.money_late_days, begins)
                });
            }
            continue;
        }
        let share = |part: &Exact, whole: &Exact| part.divided_by(whole);
        let (Some(spent), Some(expected)) = (
            share(accrued, &money.budget),
            share(&Exact::from_int(passed), &Exact::from_int(all)),
        ) else {
            continue;
        };
        let behind = Exact::from_int(i64::from(policy.spending_behind_percent)).divided_by(&Exact::from_int(100));
        if behind.is_some_and(|behind| &expected - &spent >= behind) {
            found.push(Alert {
                observed: Some((Reading::of(&spent), Reading::of(&expected))),
                ..about(AlertRule::SpendingBehind, policy.spending_behind_percent, begins)
            });
        }
    }
}

/// Instruments that reports say are there and that nothing shows.
fn no_evidence(verdicts: &Verdicts<'_>, beside: &Beside, found: &mut Vec<Alert>) {
    let today = verdicts.plan().calendar.day_of(verdicts.t());
    for (action, said_at) in &beside.unshown {
        let owner = verdicts.lead_on(action, today);
        found.push(Alert {
            action: Some(action.clone()),
            to_governing: owner.is_some(),
            owner,
            ..alert(AlertRule::NoEvidence, Subject::Action(action.clone()), 0, *said_at)
        });
    }
}

/// Institutions that have accepted to report, and where nobody can be told.
fn no_address(facts: &Facts, verdicts: &Verdicts<'_>, beside: &Beside, found: &mut Vec<Alert>) {
    let (t, plan) = (verdicts.t(), verdicts.plan());
    let today = plan.calendar.day_of(t);
    let owing: BTreeSet<_> = facts
        .standings(t)
        .filter(|standing| standing.accepted_at.is_some() && standing.is_in_force_on(today))
        .filter(|standing| plan.policy.reporting_roles.contains(&standing.assignment.role))
        .map(|standing| &standing.assignment.institution)
        .collect();
    for (institution, since) in beside.unreachable.iter().filter(|(institution, _)| owing.contains(institution)) {
        found.push(alert(AlertRule::NoAddress, Subject::Institution(institution.clone()), 0, *since));
    }
}

#[cfg(test)]
mod tests;
