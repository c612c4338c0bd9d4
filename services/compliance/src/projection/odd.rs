//! Places that are not plain: the rules judge them, and what they found is kept until time or an entry changes it.

use std::sync::Arc;

use jiff::Timestamp;
use vigia_rules::facts::{CourseEvent, Facts};
use vigia_rules::history::{InForce, Terms};
use vigia_rules::obligation::{Owed, covers};
use vigia_rules::{ObligationState, Report, Timeliness};

use super::instants::Instants;
use super::table::{NONE, Odd, Row, Table};
use super::tally::{Correction, Tally, plain_place};

/// How an obligation that is not plain stands as of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "answers to as many questions")]
pub(super) struct OddState {
    pub(super) state: ObligationState,
    pub(super) timeliness: Timeliness,
    pub(super) nil: bool,
    /// D has come.
    pub(super) is_due: bool,
    /// Not waived, and received or due.
    pub(super) is_asked: bool,
    /// Not received, and not due by an extension only.
    pub(super) waits_under_extension: bool,
    pub(super) waived_after_due: bool,
    pub(super) extended_after_due: bool,
    pub(super) late_days: Option<i32>,
    pub(super) review_days: Option<i32>,
    /// Which of its events is the report that stands; none where nothing stands, or where the columns hold it.
    pub(super) report: Option<u16>,
    pub(super) in_columns: bool,
}

/// Whole days, rounded down, from hours. All of time has fewer days than 32 bits count.
pub(super) fn late_days(delay: jiff::SignedDuration) -> i32 {
    i32::try_from(delay.as_hours().div_euclid(24)).unwrap_or(i32::MAX)
}

/// Whole days, rounded down.
pub(super) fn review_days(delay: jiff::SignedDuration) -> i32 {
    i32::try_from(delay.as_secs().div_euclid(24 * 60 * 60)).unwrap_or(i32::MAX)
}

/// When the plain report of a place was received.
pub(super) fn received_at(table: &Table, at: usize, position: u32, journal: &Instants) -> Timestamp {
    journal.at(position) - jiff::SignedDuration::from_micros(table.lag(at).into())
}

impl OddState {
    /// As of the plan's instant; none where nobody owes it. `column` is its place in the columns, if it has one.
    pub(super) fn at(
        plan: &InForce<'_>,
        terms: &Terms<'_>,
        t: Timestamp,
        (table, row, column): (&Table, usize, Option<usize>),
        odd: &Odd,
        journal: &Instants,
    ) -> Option<Self> {
        let owed = Owed::of(plan, terms, table.rows[row].desk as usize)?;
        let at = column.map(|column| table.at(row, column));
        Some(match at {
            Some(at) if !odd.irregular => Self::of_columns(&owed, t, table, at, journal),
            _ => Self::of_facts(&owed, t, plan.facts),
        })
    }

    fn of_facts(owed: &Owed<'_>, t: Timestamp, facts: &Facts) -> Self {
        let state = owed.state(t);
        let timeliness = owed.timeliness(state);
        let report = owed.course.report.and_then(|standing| {
            let events = facts.assignments[owed.desk].courses.get(standing.period)?;
            let is_it =
                |event: &CourseEvent| matches!(event, CourseEvent::Submitted(report) if std::ptr::eq(Arc::as_ptr(report), standing));
            u16::try_from(events.iter().position(|(_, event)| is_it(event))?).ok()
        });
        let nil = owed.course.report.is_some_and(|report| report.nil);
        let delay = owed.delay();
        let mut found = Self::new(owed, t, state, timeliness);
        found.nil = nil && state.is_received();
        found.late_days = delay.filter(|_| timeliness == Timeliness::Late).map(late_days);
        found.review_days = owed
            .course
            .first_review
            .map(|(reviewed, received)| review_days(reviewed.duration_since(received)));
        found.report = report;
        found
    }

    /// The course lies in the columns; only its due instant was moved.
    fn of_columns(owed: &Owed<'_>, t: Timestamp, table: &Table, at: usize, journal: &Instants) -> Self {
        let sent = table.sent(at).filter(|sent| journal.at(sent.position) <= t);
        let Some(sent) = sent else {
            let state = owed.state(t);
            return Self::new(owed, t, state, owed.timeliness(state));
        };
        let judged_at = Some(table.judged[at])
            .filter(|judged| *judged != NONE)
            .map(|judged| journal.at(judged));
        let judged_at = judged_at.filter(|judged_at| *judged_at <= t);
        let received_at = received_at(table, at, sent.position, journal);
        let delay = received_at.duration_since(owed.due.at);
        let (state, timeliness) = (
            if judged_at.is_some() {
                ObligationState::Validated
            } else {
                ObligationState::Submitted
            },
            if delay.is_negative() {
                Timeliness::OnTime
            } else {
                Timeliness::Late
            },
        );
        let mut found = Self::new(owed, t, state, timeliness);
        found.nil = sent.nil;
        found.late_days = (!delay.is_negative()).then(|| late_days(delay));
        found.review_days = judged_at.map(|judged_at| review_days(judged_at.duration_since(received_at)));
        found.in_columns = true;
        found
    }

    fn new(owed: &Owed<'_>, t: Timestamp, state: ObligationState, timeliness: Timeliness) -> Self {
        let is_due = owed.due.at <= t;
        Self {
            state,
            timeliness,
            nil: false,
            is_due,
            is_asked: state != ObligationState::Waived && (state.is_received() || is_due),
            waits_under_extension: matches!(state, ObligationState::NotOpen | ObligationState::Open) && !owed.due.extended_by.is_empty(),
            waived_after_due: state == ObligationState::Waived && owed.course.waived_at.is_some_and(|at| at >= owed.due.at),
            extended_after_due: owed.due.moved_after_passing,
            late_days: None,
            review_days: None,
            report: None,
            in_columns: false,
        }
    }

    /// Whether discipline counts it: not waived, and due.
    pub(super) fn is_owed(&self) -> bool {
        self.is_due && self.state != ObligationState::Waived
    }

    /// Whether it counts as received, or validated.
    pub(super) fn counts(&self, validated: bool) -> bool {
        if validated {
            self.state == ObligationState::Validated
        } else {
            self.state.is_received()
        }
    }
}

/// The report that stands, where it lies among the facts.
pub(super) fn report<'f>(facts: &'f Facts, row: &Row, odd: &Odd, state: &OddState) -> Option<&'f Report> {
    let events = facts.assignments[row.desk as usize].courses.get(odd.period)?;
    match &events.get(usize::from(state.report?))?.1 {
        CourseEvent::Submitted(report) => Some(report),
        _ => None,
    }
}

/// Settles the odd places of a row: from when on, and until when, the rules must be asked. Those that are plain again
/// fall away.
pub(super) fn settle(plan: &InForce<'_>, terms: &[Terms<'_>], table: &mut Table, row: usize, journal: &Instants) {
    let facts = plan.facts;
    let desk = table.rows[row].desk as usize;
    let Some(made) = &facts.assignments[desk].made else { return };
    let mut odds = std::mem::take(&mut table.rows[row].odds);
    for odd in &mut odds {
        let covering = facts.extensions.get(&odd.period).into_iter().flatten();
        let covering = covering.filter(|(_, extension)| covers(facts, &extension.cover, desk, &made.assignment));
        let extended = covering.map(|(entry, _)| entry.recorded_at);
        let events = facts.assignments[desk].courses.get(odd.period).into_iter().flatten();
        let mut recorded: Vec<_> = events.map(|(entry, _)| entry.recorded_at).chain(extended).collect();
        odd.first = recorded.iter().copied().min().unwrap_or(Timestamp::MAX);
        odd.quiet = Timestamp::MAX;
        odd.rest = None;
        odd.correction = Correction::default();
        let column = terms.iter().position(|terms| terms.period == odd.period);
        odd.column = column.and_then(|column| u16::try_from(column).ok());
        let owed = column.and_then(|column| Some((column, Owed::of(plan, &terms[column], desk)?)));
        if let Some((column, owed)) = owed {
            let terms = &terms[column];
            let at = table.at(row, column);
            let positions = [table.sent(at).map_or(NONE, |sent| sent.position), table.judged[at]];
            recorded.extend(
                positions
                    .into_iter()
                    .filter(|position| *position != NONE)
                    .map(|position| journal.at(position)),
            );
            let by_time = [Some(terms.ends_at), Some(owed.opens_at), Some(owed.due.at), owed.answer_due_at()];
            let quiet = recorded.into_iter().chain(by_time.into_iter().flatten()).max();
            odd.quiet = quiet.unwrap_or(Timestamp::MAX);
            odd.rest = OddState::at(plan, terms, odd.quiet, (table, row, Some(column)), odd, journal);
            let rest = odd.rest.as_ref().map(Tally::of).unwrap_or_default();
            odd.correction = Correction::between(plain_place(table, row, column, journal.len()), rest);
        }
    }
    // Nothing among the facts and no extension: plain again.
    odds.retain(|odd| odd.first != Timestamp::MAX);
    odds.shrink_to_fit();
    let row = &mut table.rows[row];
    row.rests_from = odds.iter().map(|odd| odd.quiet).max().unwrap_or(Timestamp::MIN);
    row.correction = Correction::default();
    odds.iter().for_each(|odd| row.correction += odd.correction);
    row.odds = odds;
}
