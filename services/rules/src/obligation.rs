//! The obligation of an assignment for a period: whether it exists, until when, how it stands,
//! and which calls move it (VERDICTS, "Obligation of an assignment for a period").

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::assignment;
use crate::exact::Decimal;
use crate::facts::{Assignment, CourseEvent, Cover, Decision, Entry, Extension, Facts, Position, Report, Value};
use crate::history::{InForce, Terms};
use crate::names::{ActionId, AssignmentId, IndicatorId, InstitutionId, TerritoryCode};
use crate::period::Period;
use crate::plan::{Direction, Role};

/// An obligation as of an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// Who owes.
    pub assignment: AssignmentId,
    /// For what.
    pub action: ActionId,
    /// Who answers for the assignment.
    pub institution: InstitutionId,
    /// As what.
    pub role: Role,
    /// Where.
    pub territory: Option<TerritoryCode>,
    /// For when.
    pub period: Period,
    /// How it stands.
    pub state: ObligationState,
    /// Whether what was sent came in time.
    pub timeliness: Timeliness,
    /// The earliest of the period's last day, the action's end, the plan's end.
    pub reference_day: Date,
    /// The end of the reference day: from then on it can be sent.
    pub opens_at: Timestamp,
    /// The due instant by the calendar alone.
    pub calendar_due_at: Timestamp,
    /// D: the due instant with the extensions recorded by t.
    pub due_at: Timestamp,
    /// The extensions that moved it.
    pub extended_by: Vec<Position>,
    /// The version of the last submission that stands; none if nothing is sent, or it was rejected.
    pub version: Option<u32>,
    /// The number that the next submission has, from 1.
    pub next_version: u32,
    /// When that submission was received.
    pub received_at: Option<Timestamp>,
    /// Whether that submission says that there is nothing to report.
    pub nil: bool,
    /// Returned: when the answer is due.
    pub answer_due_at: Option<Timestamp>,
    /// Submitted, where the plan sets review days: when its review is due.
    pub review_due_at: Option<Timestamp>,
    /// What was recorded for it by t: submissions, reviews, a waiver, in order.
    pub facts: Vec<Position>,
    /// The plan version by which it is owed: for an ended period the last that began to act before.
    pub plan_version: Position,
    /// Where the assignment was made.
    pub assigned: Position,
}

impl Obligation {
    /// Whether it counts as received.
    #[must_use]
    pub fn is_received(&self) -> bool {
        self.state.is_received()
    }
}

/// How an obligation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObligationState {
    /// Nothing sent, and its reference day has not ended.
    NotOpen,
    /// Nothing sent, and not yet due.
    Open,
    /// Nothing sent, and due.
    Overdue,
    /// Sent, and waiting for review.
    Submitted,
    /// Sent back, and the answer is not yet due.
    Returned,
    /// Sent back, and not answered in time.
    ReturnedOverdue,
    /// Validated.
    Validated,
    /// Waived.
    Waived,
}

impl ObligationState {
    /// Whether it counts as received.
    #[must_use]
    pub const fn is_received(self) -> bool {
        matches!(self, Self::Submitted | Self::Validated | Self::Returned)
    }
}

/// Whether what was sent came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timeliness {
    /// Nothing is missing yet.
    Pending,
    /// Nothing is here, and it is due.
    Missing,
    /// Received at or after D, or an answer at or after its own due instant.
    Late,
    /// In time.
    OnTime,
    /// Waived.
    NotApplicable,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `NOTHING_OWED`.
    #[error("nobody owes this")]
    NothingOwed,
    /// `PERIOD_NOT_ENDED`.
    #[error("the period can be reported from {opens_at} on")]
    PeriodNotEnded {
        /// The end of the reference day.
        opens_at: Timestamp,
    },
    /// `ALREADY_VALIDATED`.
    #[error("the report is validated")]
    AlreadyValidated,
    /// `WAIVED`.
    #[error("the obligation is waived")]
    Waived,
    /// `NOTHING_TO_REVIEW`.
    #[error("nothing was sent")]
    NothingToReview,
    /// `ANSWER_PENDING`.
    #[error("the report was returned and waits for its answer")]
    AnswerPending,
    /// `ALREADY_RECEIVED`.
    #[error("the report was received")]
    AlreadyReceived,
    /// `REPORT_REPLACED`.
    #[error("the report was replaced by version {version}")]
    ReportReplaced {
        /// The version that stands.
        version: u32,
    },
    /// `ANSWER_BY_PAST`.
    #[error("the day to answer by ended at {ended_at}")]
    AnswerByPast {
        /// The end of that day.
        ended_at: Timestamp,
    },
    /// `EXTENSION_MOVES_NOTHING`.
    #[error("the extension moves no due instant")]
    ExtensionMovesNothing,
}

/// Why a submission's values are refused (VERDICTS, "Plan file" and "Obligation").
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueRefused {
    /// A value of at_least or at_most below 0, or a ratio with a part below 0.
    #[error("the value of {indicator} must not be below 0")]
    Negative {
        /// The indicator.
        indicator: IndicatorId,
    },
    /// A ratio where numbers stand, or a number where ratios do.
    #[error("the values of {indicator} are all numbers or all ratios")]
    Mixed {
        /// The indicator.
        indicator: IndicatorId,
    },
}

/// An obligation as of t, if it exists then.
#[must_use]
pub fn obligation(facts: &Facts, assignment: &AssignmentId, period: Period, t: Timestamp) -> Option<Obligation> {
    let plan = InForce::at(facts, t)?;
    let terms = plan.terms(period)?;
    let owed = Owed::of(&plan, &terms, facts.find(assignment)?)?;
    Some(owed.to_obligation(&terms, t))
}

/// All obligations that exist as of t, by assignment in the order of their making, then by period.
pub fn obligations(facts: &Facts, t: Timestamp) -> impl Iterator<Item = Obligation> {
    of_desks(facts, facts.in_order.iter().copied(), t)
}

/// The obligations of these assignments as of t, in the order given, then by period. What holds for a period is asked
/// once for all of them.
pub fn obligations_of(
    facts: &Facts,
    assignments: impl IntoIterator<Item = AssignmentId>,
    t: Timestamp,
) -> impl Iterator<Item = Obligation> {
    of_desks(facts, assignments.into_iter().filter_map(move |id| facts.find(&id)), t)
}

fn of_desks(facts: &Facts, desks: impl Iterator<Item = usize>, t: Timestamp) -> impl Iterator<Item = Obligation> {
    let plan = InForce::at(facts, t);
    let periods = plan.as_ref().map(InForce::periods).unwrap_or_default();
    desks.flat_map(move |desk| {
        let owed = periods.iter().filter_map(|terms| {
            let plan = plan.as_ref()?;
            Owed::of(plan, terms, desk).map(|owed| owed.to_obligation(terms, t))
        });
        owed.collect::<Vec<_>>()
    })
}

/// What an obligation would be after a submission received now, or why it is refused. An
/// [`Obligation::next_version`] later it is recorded by [`Facts::report_submitted`].
pub fn submit(facts: &Facts, assignment: &AssignmentId, period: Period, now: Timestamp) -> Result<Obligation, Refused> {
    let (plan, terms) = at(facts, period, now)?;
    let mut owed = owed_by(&plan, &terms, assignment)?;
    if now < owed.opens_at {
        return Err(Refused::PeriodNotEnded { opens_at: owed.opens_at });
    }
    match owed.course.status {
        Status::Waived => return Err(Refused::Waived),
        Status::Validated => return Err(Refused::AlreadyValidated),
        Status::Nothing | Status::Submitted { .. } | Status::Returned { .. } => {}
    }
    let report = Report {
        assignment: assignment.clone(),
        period,
        version: owed.course.versions + 1,
        received_at: now,
        values: Vec::new(),
        milestones: Vec::new(),
        nil: false,
    };
    owed.course.submit(&report);
    Ok(owed.to_obligation(&terms, now))
}

/// What an obligation would be after a review of the version, or why it is refused.
pub fn review(
    facts: &Facts,
    assignment: &AssignmentId,
    period: Period,
    version: u32,
    decision: Decision,
    now: Timestamp,
) -> Result<Obligation, Refused> {
    let (plan, terms) = at(facts, period, now)?;
    let mut owed = owed_by(&plan, &terms, assignment)?;
    if owed.course.status == Status::Waived {
        return Err(Refused::Waived);
    }
    let sent = owed.course.report.ok_or(Refused::NothingToReview)?;
    if sent.version != version {
        return Err(Refused::ReportReplaced { version: sent.version });
    }
    match (owed.course.status, decision) {
        (Status::Returned { .. }, Decision::Validated) => return Err(Refused::AnswerPending),
        (Status::Validated, Decision::Validated) => return Err(Refused::AlreadyValidated),
        (_, Decision::Returned { answer_by }) => {
            let ended_at = terms.calendar.due_end_of(answer_by);
            if ended_at <= now {
                return Err(Refused::AnswerByPast { ended_at });
            }
        }
        _ => {}
    }
    owed.course.review(now, version, decision);
    Ok(owed.to_obligation(&terms, now))
}

/// What an obligation would be after a waiver, or why it is refused.
pub fn waive(facts: &Facts, assignment: &AssignmentId, period: Period, now: Timestamp) -> Result<Obligation, Refused> {
    let (plan, terms) = at(facts, period, now)?;
    let mut owed = owed_by(&plan, &terms, assignment)?;
    match owed.state(now) {
        ObligationState::Waived => return Err(Refused::Waived),
        state if state.is_received() => return Err(Refused::AlreadyReceived),
        _ => {}
    }
    owed.course.waive(now);
    Ok(owed.to_obligation(&terms, now))
}

/// The obligations as an extension granted now would leave those that it moves, or why it is
/// refused.
pub fn extend(facts: &Facts, extension: &Extension, now: Timestamp) -> Result<Vec<Obligation>, Refused> {
    let (plan, terms) = at(facts, extension.period, now).map_err(|_| Refused::ExtensionMovesNothing)?;
    let until = terms.calendar.due_end_of(extension.until);
    let desks = facts.in_order.iter();
    let moved: Vec<_> = desks
        .filter_map(|&desk| Owed::of(&plan, &terms, desk))
        .filter(|owed| owed.course.status != Status::Waived)
        .filter(|owed| covers(facts, &extension.cover, owed.desk, owed.assignment))
        .filter_map(|mut owed| {
            owed.due
                .extend(now, until, extension.emergency)
                .then(|| owed.to_obligation(&terms, now))
        })
        .collect();
    if moved.is_empty() {
        Err(Refused::ExtensionMovesNothing)
    } else {
        Ok(moved)
    }
}

/// Everything for which a submission's values are refused: below 0 where a floor or a ceiling is
/// set, or numbers and ratios mixed over the reports of an indicator that stand as of now. Values
/// of indicators that the plan does not have are not judged.
#[must_use]
pub fn check_values(
    facts: &Facts,
    assignment: &AssignmentId,
    period: Period,
    values: &[(IndicatorId, Value)],
    now: Timestamp,
) -> Vec<ValueRefused> {
    let mut faults = Vec::new();
    let Some(plan) = InForce::at(facts, now) else { return faults };
    let Some(made) = facts.assignment(assignment) else { return faults };
    let Some((_, action)) = plan.last_with(&made.action) else {
        return faults;
    };
    let desks = facts.by_action.get(&made.action).map(Vec::as_slice).unwrap_or_default();
    for (id, value) in values {
        let Some(indicator) = action.indicators.iter().find(|indicator| &indicator.id == id) else {
            continue;
        };
        let bounded = matches!(indicator.direction, Direction::AtLeast | Direction::AtMost);
        let is_negative = match value {
            Value::Number(number) => bounded && *number < Decimal::ZERO,
            Value::Ratio { num, den } => *den < Decimal::ZERO || (bounded && *num < Decimal::ZERO),
        };
        if is_negative {
            faults.push(ValueRefused::Negative { indicator: id.clone() });
        }
        let is_ratio = |value: &Value| matches!(value, Value::Ratio { .. });
        let twice = values.iter().any(|(other, v)| other == id && is_ratio(v) != is_ratio(value));
        let mut others = desks.iter().flat_map(|&desk| {
            let courses = facts.assignments[desk].courses.all();
            courses.filter(move |(other, _)| **other != period || facts.find(assignment) != Some(desk))
        });
        let mixed = twice
            || others.any(|(_, events)| {
                let standing = Course::of(events, now).report;
                let stated = standing.and_then(|report| stated(report, id));
                stated.is_some_and(|stated| is_ratio(stated) != is_ratio(value))
            });
        if mixed {
            faults.push(ValueRefused::Mixed { indicator: id.clone() });
        }
    }
    faults
}

/// What the line of an assignment stated last for each indicator, for periods before this one: by the reports that stand
/// as of t.
#[must_use]
pub fn stated_before(facts: &Facts, assignment: &AssignmentId, period: Period, t: Timestamp) -> BTreeMap<IndicatorId, (Period, Value)> {
    let mut last = BTreeMap::new();
    let mut desk = facts.find(assignment);
    // No more steps back than there are assignments, so that a wrong journal can't turn in a circle.
    for _ in 0..facts.assignments.len() {
        let Some(at) = desk else { break };
        for (earlier, events) in facts.assignments[at].courses.before(period) {
            for (indicator, value) in Course::of(events, t).report.into_iter().flat_map(|report| &report.values) {
                let known = last.get(indicator).is_some_and(|(other, _)| other >= earlier);
                if !known {
                    last.insert(indicator.clone(), (*earlier, *value));
                }
            }
        }
        desk = facts.assignments[at].made.as_ref().and_then(|made| made.handed_from);
    }
    last
}

/// What a report states for an indicator.
#[must_use]
pub fn stated<'r>(report: &'r Report, indicator: &IndicatorId) -> Option<&'r Value> {
    report.values.iter().find(|(id, _)| id == indicator).map(|(_, value)| value)
}

fn at(facts: &Facts, period: Period, now: Timestamp) -> Result<(InForce<'_>, Terms<'_>), Refused> {
    let plan = InForce::at(facts, now).ok_or(Refused::NothingOwed)?;
    let terms = plan.terms(period).ok_or(Refused::NothingOwed)?;
    Ok((plan, terms))
}

fn owed_by<'f>(plan: &InForce<'f>, terms: &Terms<'f>, assignment: &AssignmentId) -> Result<Owed<'f>, Refused> {
    let desk = plan.facts.find(assignment).ok_or(Refused::NothingOwed)?;
    Owed::of(plan, terms, desk).ok_or(Refused::NothingOwed)
}

/// An obligation that exists, with all that was recorded for it by t.
#[derive(Clone, Debug)]
pub struct Owed<'f> {
    /// The place of the assignment.
    pub desk: usize,
    /// Who owes.
    pub assignment: &'f Assignment,
    /// The earliest of the period's last day, the action's end, the plan's end.
    pub reference_day: Date,
    /// The end of that day.
    pub opens_at: Timestamp,
    /// D.
    pub due: Due,
    /// What was sent and decided.
    pub course: Course<'f>,
    /// The plan version by which it is owed.
    pub plan_version: Position,
    /// Where the assignment was made.
    pub assigned: Position,
    /// The ends of the days to answer by, as due days, are asked of the calendar once.
    answer_ends: Vec<Timestamp>,
    return_ends_at: Option<Timestamp>,
}

impl<'f> Owed<'f> {
    /// The obligation of an assignment for a period, if it exists as of the plan's instant.
    #[must_use]
    pub fn of(plan: &InForce<'f>, terms: &Terms<'f>, desk: usize) -> Option<Self> {
        let version = terms.owed_by?;
        let facts = plan.facts;
        // What an ended period owes stands by what was recorded before its end.
        let known = |recorded_at| recorded_at <= plan.t && recorded_at < terms.ends_at;
        let standing = assignment::standing(&facts.assignments[desk], known)?;
        let assignment = standing.assignment;
        let action = version.action(&assignment.action)?;
        let reference_day = terms.last_day.min(action.end).min(version.plan.end);
        let exists = version.plan.policy.reporting_roles.contains(&assignment.role)
            && reference_day >= terms.first_day
            && reference_day >= action.start
            && standing.is_in_force_on(reference_day)
            && !action.is_suspended_on(reference_day)
            && !action.is_withdrawn_on(reference_day);
        if !exists {
            return None;
        }
        let opens_at = if reference_day == terms.last_day {
            terms.ends_at
        } else {
            terms.calendar.end_of(reference_day)
        };
        if standing.accepted_at? >= opens_at {
            return None;
        }
        let mut due = Due::new(terms.due_at);
        for (entry, extension) in facts.extensions.get(&terms.period).into_iter().flatten() {
            if entry.recorded_at > plan.t {
                break;
            }
            if covers(facts, &extension.cover, desk, assignment) {
                let until = terms.calendar.due_end_of(extension.until);
                if due.extend(entry.recorded_at, until, extension.emergency) {
                    due.extended_by.push(entry.position);
                }
            }
        }
        let events = facts.assignments[desk].courses.get(terms.period);
        let course = Course::of(events.map(Vec::as_slice).unwrap_or_default(), plan.t);
        let mut owed = Self {
            desk,
            assignment,
            reference_day,
            opens_at,
            due,
            course,
            plan_version: version.entry.position,
            assigned: standing.made,
            answer_ends: Vec::new(),
            return_ends_at: None,
        };
        owed.set_answer_ends(terms);
        Some(owed)
    }

    fn set_answer_ends(&mut self, terms: &Terms<'_>) {
        let end_of = |day| terms.calendar.due_end_of(day);
        self.answer_ends = self.course.answers.iter().map(|answer| end_of(answer.answer_by)).collect();
        self.return_ends_at = match self.course.status {
            Status::Returned { answer_by } => Some(end_of(answer_by)),
            _ => None,
        };
    }

    /// When the answer to a returned report is due: never before D.
    #[must_use]
    pub fn answer_due_at(&self) -> Option<Timestamp> {
        self.return_ends_at.map(|ends_at| ends_at.max(self.due.at))
    }

    /// How it stands as of t.
    #[must_use]
    pub fn state(&self, t: Timestamp) -> ObligationState {
        match self.course.status {
            Status::Waived => ObligationState::Waived,
            Status::Validated => ObligationState::Validated,
            Status::Submitted { .. } => ObligationState::Submitted,
            Status::Returned { .. } if self.answer_due_at().is_some_and(|due_at| t < due_at) => ObligationState::Returned,
            Status::Returned { .. } => ObligationState::ReturnedOverdue,
            Status::Nothing if t < self.opens_at => ObligationState::NotOpen,
            Status::Nothing if t < self.due.at => ObligationState::Open,
            Status::Nothing => ObligationState::Overdue,
        }
    }

    /// Whether what was sent came in time, by its state.
    #[must_use]
    pub fn timeliness(&self, state: ObligationState) -> Timeliness {
        match state {
            ObligationState::Waived => Timeliness::NotApplicable,
            ObligationState::NotOpen | ObligationState::Open => Timeliness::Pending,
            ObligationState::Overdue | ObligationState::ReturnedOverdue => Timeliness::Missing,
            ObligationState::Submitted | ObligationState::Validated | ObligationState::Returned => {
                let is_late = self.delay().is_some_and(|delay| !delay.is_negative());
                if is_late { Timeliness::Late } else { Timeliness::OnTime }
            }
        }
    }

    /// Receipt after D, or answer after its own due instant, whichever is greater; below 0 in time.
    #[must_use]
    pub fn delay(&self) -> Option<SignedDuration> {
        let report = self.course.first_received_at.map(|at| at.duration_since(self.due.at));
        let answers = self.course.answers.iter().zip(&self.answer_ends);
        let answers = answers.map(|(answer, &ends_at)| answer.received_at.duration_since(ends_at.max(self.due.at)));
        report.into_iter().chain(answers).max()
    }

    pub(crate) fn to_obligation(&self, terms: &Terms<'_>, t: Timestamp) -> Obligation {
        // A call that has just moved the course asks for its days anew.
        let mut owed = self.clone();
        owed.set_answer_ends(terms);
        let state = owed.state(t);
        let Self {
            assignment, course, due, ..
        } = self;
        let received_at = course.report.map(|report| report.received_at);
        Obligation {
            assignment: assignment.id.clone(),
            action: assignment.action.clone(),
            institution: assignment.institution.clone(),
            role: assignment.role,
            territory: assignment.territory.clone(),
            period: terms.period,
            state,
            timeliness: owed.timeliness(state),
            reference_day: self.reference_day,
            opens_at: self.opens_at,
            calendar_due_at: terms.due_at,
            due_at: due.at,
            extended_by: due.extended_by.clone(),
            version: course.report.map(|report| report.version),
            next_version: course.versions + 1,
            received_at,
            nil: course.report.is_some_and(|report| report.nil),
            answer_due_at: owed.answer_due_at(),
            review_due_at: received_at
                .filter(|_| state == ObligationState::Submitted)
                .and_then(|at| terms.calendar.review_due_at(at)),
            facts: course.facts.clone(),
            plan_version: self.plan_version,
            assigned: self.assigned,
        }
    }
}

/// A due instant and what moved it.
#[derive(Clone, Debug)]
pub struct Due {
    /// The due instant.
    pub at: Timestamp,
    /// The extensions that moved it.
    pub extended_by: Vec<Position>,
    /// Whether an emergency moved it after it had passed.
    pub moved_after_passing: bool,
}

impl Due {
    fn new(at: Timestamp) -> Self {
        Self {
            at,
            extended_by: Vec::new(),
            moved_after_passing: false,
        }
    }

    /// Moves it if `until` is later, and the extension was recorded before it or is an emergency.
    fn extend(&mut self, recorded_at: Timestamp, until: Timestamp, emergency: bool) -> bool {
        let in_time = recorded_at < self.at;
        let moves = until > self.at && (in_time || emergency);
        if moves {
            self.moved_after_passing |= !in_time;
            self.at = until;
        }
        moves
    }
}

/// Whether an extension covers an assignment.
#[must_use]
pub fn covers(facts: &Facts, cover: &Cover, desk: usize, assignment: &Assignment) -> bool {
    match cover {
        Cover::All => true,
        Cover::Institution(institution) => *institution == assignment.institution,
        Cover::Territory(code) => assignment.territory.as_ref().is_some_and(|territory| territory.lies_in(code)),
        Cover::Assignment(id) => facts.find(id).is_some_and(|other| facts.line_of(other) == facts.line_of(desk)),
    }
}

/// What was sent and decided, folded in the order of recording.
#[derive(Clone, Debug)]
pub struct Course<'f> {
    /// Where it has come.
    pub status: Status,
    /// The submission that stands.
    pub report: Option<&'f Report>,
    /// The receipt of the last submission that was not an answer.
    first_received_at: Option<Timestamp>,
    /// The answers since.
    answers: Vec<Answer>,
    /// The first review since the last opening, and the receipt that it judged.
    pub first_review: Option<(Timestamp, Timestamp)>,
    /// The first waiver.
    pub waived_at: Option<Timestamp>,
    /// The highest version number given.
    versions: u32,
    /// Where it stands.
    pub facts: Vec<Position>,
}

/// Where a course has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing sent, or rejected.
    Nothing,
    /// Sent; as the answer to a report that was returned, or not.
    Submitted {
        /// The day to answer by, for an answer.
        answer_by: Option<Date>,
    },
    /// Sent back.
    Returned {
        /// The day to answer by.
        answer_by: Date,
    },
    /// Validated.
    Validated,
    /// Waived.
    Waived,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    received_at: Timestamp,
    answer_by: Date,
}

impl<'f> Course<'f> {
    fn of(events: &'f [(Entry, CourseEvent)], t: Timestamp) -> Self {
        let mut course = Self {
            status: Status::Nothing,
            report: None,
            first_received_at: None,
            answers: Vec::new(),
            first_review: None,
            waived_at: None,
            versions: 0,
            facts: Vec::new(),
        };
        for (entry, event) in events {
            if entry.recorded_at > t {
                break;
            }
            course.facts.push(entry.position);
            match event {
                CourseEvent::Submitted(report) => course.submit(report),
                CourseEvent::Reviewed { version, decision } => {
                    course.review(entry.recorded_at, *version, *decision);
                }
                CourseEvent::Waived => course.waive(entry.recorded_at),
            }
        }
        course
    }

    fn submit(&mut self, report: &'f Report) {
        let received_at = report.received_at;
        self.versions = self.versions.max(report.version);
        match self.status {
            Status::Nothing | Status::Submitted { answer_by: None } => {
                self.first_received_at = Some(received_at);
                self.status = Status::Submitted { answer_by: None };
            }
            Status::Returned { answer_by } => {
                self.answers.push(Answer { received_at, answer_by });
                self.status = Status::Submitted {
                    answer_by: Some(answer_by),
                };
            }
            // A replaced answer is timed again as an answer.
            Status::Submitted {
                answer_by: Some(answer_by),
            } => {
                self.answers.pop();
                self.answers.push(Answer { received_at, answer_by });
            }
            Status::Validated | Status::Waived => return,
        }
        self.report = Some(report);
    }

    fn review(&mut self, recorded_at: Timestamp, version: u32, decision: Decision) {
        let Some(report) = self.report.filter(|report| report.version == version) else {
            return;
        };
        if self.status == Status::Waived {
            return;
        }
        self.first_review.get_or_insert((recorded_at, report.received_at));
        match decision {
            Decision::Validated => {
                if matches!(self.status, Status::Submitted { .. }) {
                    self.status = Status::Validated;
                }
            }
            Decision::Returned { answer_by } => self.status = Status::Returned { answer_by },
            // After a rejection everything begins anew.
            Decision::Rejected => {
                self.status = Status::Nothing;
                self.report = None;
                self.first_received_at = None;
                self.answers.clear();
                self.first_review = None;
            }
        }
    }

    fn waive(&mut self, recorded_at: Timestamp) {
        self.status = Status::Waived;
        self.report = None;
        self.waived_at.get_or_insert(recorded_at);
    }
}

#[cfg(test)]
mod tests;
