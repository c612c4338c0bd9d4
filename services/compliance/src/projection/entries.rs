//! Taking entries in, one by one, in the order of each journal.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use vigia_platform::facts::Submission;
use vigia_rules::facts::CourseEvent;
use vigia_rules::history::Version;
use vigia_rules::obligation::covers;
use vigia_rules::{Assignment, AssignmentId, Decision, Entry, Extension, Period, Plan, Position, Report, Resolution, Source};

use super::table::{NONE, Sent, Shape};
use super::{Instants, Projection, Seat, odd};

impl Projection {
    /// As [`vigia_rules::Facts::plan_version`].
    pub fn plan_version(&mut self, journal: &Instants, acts_from: Timestamp, effective_on: Date, entry: Entry, plan: impl Into<Arc<Plan>>) {
        self.facts.plan_version(acts_from, effective_on, entry, plan);
        self.replan(journal);
    }

    /// All versions of the plan, where they are kept elsewhere too.
    pub fn plan_versions(&mut self, journal: &Instants, versions: Arc<Vec<Version>>) {
        self.facts.versions = versions;
        self.replan(journal);
    }

    /// As [`vigia_rules::Facts::assignment_proposed`].
    pub fn assignment_proposed(&mut self, entry: Entry, assignment: Assignment) {
        let id = assignment.id.clone();
        let assignment = self.shared(assignment);
        self.facts.assignment_proposed(entry, assignment);
        self.seat(&id);
    }

    /// As [`vigia_rules::Facts::assignment_accepted`].
    pub fn assignment_accepted(&mut self, entry: Entry, id: &AssignmentId) {
        self.facts.assignment_accepted(entry, id);
        self.touch(id);
    }

    /// As [`vigia_rules::Facts::assignment_contested`].
    pub fn assignment_contested(&mut self, entry: Entry, id: &AssignmentId) {
        self.facts.assignment_contested(entry, id);
        self.touch(id);
    }

    /// As [`vigia_rules::Facts::assignment_resolved`].
    pub fn assignment_resolved(&mut self, entry: Entry, id: &AssignmentId, resolution: Resolution) {
        self.facts.assignment_resolved(entry, id, resolution);
        self.touch(id);
    }

    /// As [`vigia_rules::Facts::assignment_ended`].
    pub fn assignment_ended(&mut self, entry: Entry, id: &AssignmentId, last_day: Date) {
        self.facts.assignment_ended(entry, id, last_day);
        self.touch(id);
    }

    /// As [`vigia_rules::Facts::assignment_handed_over`].
    pub fn assignment_handed_over(&mut self, entry: Entry, from: &AssignmentId, to: Assignment) {
        let id = to.id.clone();
        let to = self.shared(to);
        self.facts.assignment_handed_over(entry, from, to);
        self.touch(from);
        self.seat(&id);
        // An extension that names one of a line covers the others: where it was read first, they are told of it now.
        if let Some(line) = self.facts.find(&id).map(|desk| self.facts.line_of(desk))
            && !self.facts.extensions.is_empty()
        {
            for desk in 0..self.seats.len() {
                if self.facts.line_of(desk) == line {
                    self.mark_extended(desk);
                }
            }
        }
    }

    /// As [`vigia_rules::Facts::report_submitted`]. The entry's time is in the journal already, as those of all before it.
    pub fn report_submitted(&mut self, journal: &Instants, entry: Entry, submission: Submission) {
        let period = submission.report.period;
        if let Some((seat, column)) = self.place(journal, &submission.report.assignment, period) {
            let table = &self.tables[seat.table()];
            let at = table.at(seat.row(), column);
            let is_plain = table.exists(seat.row(), column) && table.sent(at).is_none() && !self.is_irregular(seat, period);
            if is_plain && self.put(seat, column, entry, &submission) {
                self.touch_odd(seat, period);
                return;
            }
            self.make_irregular(journal, seat, column);
        }
        let id = submission.report.assignment.clone();
        self.lay_aside(entry, submission);
        self.mark(&id, period);
    }

    /// As [`vigia_rules::Facts::report_reviewed`].
    pub fn report_reviewed(
        &mut self,
        journal: &Instants,
        entry: Entry,
        assignment: &AssignmentId,
        period: Period,
        version: u32,
        decision: Decision,
    ) {
        if let Some((seat, column)) = self.place(journal, assignment, period) {
            let table = &self.tables[seat.table()];
            let at = table.at(seat.row(), column);
            let waits = table.sent(at).is_some() && table.judged[at] == NONE;
            if waits && version == 1 && decision == Decision::Validated {
                let received_at = table.sent(at).map(|sent| odd::received_at(table, at, sent.position, journal));
                if received_at.is_some_and(|received_at| self.judge(seat, column, entry, received_at)) {
                    self.touch_odd(seat, period);
                    return;
                }
            }
            self.make_irregular(journal, seat, column);
        }
        self.facts.report_reviewed(entry, assignment, period, version, decision);
        self.mark(assignment, period);
    }

    /// As [`vigia_rules::Facts::obligation_waived`].
    pub fn obligation_waived(&mut self, journal: &Instants, entry: Entry, assignment: &AssignmentId, period: Period) {
        if let Some((seat, column)) = self.place(journal, assignment, period) {
            self.make_irregular(journal, seat, column);
        }
        self.facts.obligation_waived(entry, assignment, period);
        self.mark(assignment, period);
    }

    /// As [`vigia_rules::Facts::extension_granted`].
    pub fn extension_granted(&mut self, entry: Entry, extension: Extension) {
        let (period, cover) = (extension.period, extension.cover.clone());
        self.facts.extension_granted(entry, extension);
        let covered = |desk: &usize| {
            let made = self.facts.assignments[*desk].made.as_ref();
            made.is_some_and(|made| covers(&self.facts, &cover, *desk, &made.assignment))
        };
        let covered: Vec<_> = (0..self.facts.assignments.len()).filter(covered).collect();
        for desk in covered {
            if let Some(seat) = self.seats.get(desk).copied().flatten() {
                self.odd(seat, period);
            }
        }
    }

    /// Where an obligation lies, if its assignment and its period are known. Settles whether it exists.
    fn place(&mut self, journal: &Instants, assignment: &AssignmentId, period: Period) -> Option<(Seat, usize)> {
        let seat = self.seat_of(assignment)?;
        let column = self.column(period)?;
        if self.tables[seat.table()].rows[seat.row()].stale {
            self.settle_existence(journal, seat);
        }
        Some((seat, column))
    }

    fn is_irregular(&self, seat: Seat, period: Period) -> bool {
        let row = &self.tables[seat.table()].rows[seat.row()];
        row.find_odd(period).is_ok_and(|at| row.odds[at].irregular)
    }

    /// Puts a plain report into the columns, if it fits.
    fn put(&mut self, seat: Seat, column: usize, entry: Entry, submission: &Submission) -> bool {
        let (report, due_at) = (&submission.report, self.columns[column].due_at);
        let table = &self.tables[seat.table()];
        let lag = entry.recorded_at.duration_since(report.received_at);
        let is_whole = lag.subsec_nanos() % 1000 == 0 && report.received_at.subsec_nanosecond() % 1000 == 0;
        let lag = u32::try_from(lag.as_micros()).ok().filter(|_| is_whole && !lag.is_negative());
        let delay = report.received_at.duration_since(due_at);
        let (Some(lag), Some(days), Ok(position), true) = (lag, days(delay), u32::try_from(entry.position.number), table.takes(submission))
        else {
            return false;
        };
        let table = self.table_mut(seat);
        let at = table.at(seat.row(), column);
        if !table.set_shape(at, &submission.broken_down) {
            return false;
        }
        let sent = Sent {
            position,
            late: !delay.is_negative(),
            nil: report.nil,
        };
        table.set_sent(at, Some(sent));
        table.set_lag(at, lag);
        table.late_days[at] = days;
        table.put_values(at, &report.values);
        true
    }

    /// Puts a validation into the columns, if it fits.
    fn judge(&mut self, seat: Seat, column: usize, entry: Entry, received_at: Timestamp) -> bool {
        let days = u8::try_from(odd::review_days(entry.recorded_at.duration_since(received_at)));
        let (Ok(days), Ok(position)) = (days, u32::try_from(entry.position.number)) else {
            return false;
        };
        let table = self.table_mut(seat);
        let at = table.at(seat.row(), column);
        table.judged[at] = position;
        table.review_days[at] = days;
        true
    }

    /// Lays a submission among the facts.
    fn lay_aside(&mut self, entry: Entry, submission: Submission) {
        let (id, period) = (submission.report.assignment.clone(), submission.report.period);
        let Submission {
            mut report,
            broken_down: given,
            ..
        } = submission;
        self.share_ids(&mut report);
        self.facts.report_submitted(entry, report);
        let Some(desk) = self.facts.find(&id) else { return };
        if given.is_empty() && !self.givens.contains_key(&(desk, period)) {
            return;
        }
        let events = self.facts.assignments[desk].courses.get(period).into_iter().flatten();
        let submitted = events.filter(|(_, event)| matches!(event, CourseEvent::Submitted(_))).count();
        let givens = Arc::make_mut(&mut self.givens).entry((desk, period)).or_default();
        givens.resize(submitted - 1, Shape::new());
        givens.push(given);
    }

    /// Ids that are known already are not kept once more, nor is room for values that will not come.
    fn share_ids(&self, report: &mut Report) {
        let Some(seat) = self.seat_of(&report.assignment) else { return };
        let table = &self.tables[seat.table()];
        if let Some(made) = &self.facts.assignments[table.rows[seat.row()].desk as usize].made {
            report.assignment = made.assignment.id.clone();
        }
        for (id, _) in &mut report.values {
            if let Some(slot) = table.slot(id) {
                *id = slot.indicator.clone();
            }
        }
        report.values.shrink_to_fit();
    }

    /// The same assignment with the ids that are known already.
    fn shared(&self, assignment: Assignment) -> Assignment {
        let institutions = &self.institutions.number_of;
        let territory = assignment.territory.as_ref().map(|code| {
            let known = self.territories.number_of.get_key_value(code);
            known.map_or(code, |(known, _)| known).clone()
        });
        let action = self.table_of.get_key_value(&assignment.action).map(|(known, _)| known.clone());
        let institution = institutions.get_key_value(&assignment.institution).map(|(known, _)| known.clone());
        Assignment {
            action: action.unwrap_or(assignment.action),
            institution: institution.unwrap_or(assignment.institution),
            territory,
            ..assignment
        }
    }

    /// Takes a course out of the columns and lays it among the facts.
    pub(super) fn make_irregular(&mut self, journal: &Instants, seat: Seat, column: usize) {
        let table = &self.tables[seat.table()];
        let (at, period) = (table.at(seat.row(), column), self.columns[column].period);
        let desk = table.rows[seat.row()].desk as usize;
        if let (Some(sent), Some(made)) = (table.sent(at), &self.facts.assignments[desk].made) {
            let assignment = made.assignment.id.clone();
            let entry = |number: u32| entry_at(journal, number);
            let received_at = odd::received_at(table, at, sent.position, journal);
            let submission = Submission {
                broken_down: table.shape(at).to_vec(),
                ..table.report(at, sent, received_at, (assignment.clone(), period)).into()
            };
            let judged = table.judged[at];
            self.table_mut(seat).clear(at);
            self.lay_aside(entry(sent.position), submission);
            if judged != NONE {
                self.facts
                    .report_reviewed(entry(judged), &assignment, period, 1, Decision::Validated);
            }
        }
        self.odd(seat, period).irregular = true;
    }

    /// Takes a course that is plain after all back into the columns: it came before its assignment, or before its plan.
    pub(super) fn absorb(&mut self, seat: Seat, period: Period) {
        let Some(column) = self.column(period) else { return };
        let table = &self.tables[seat.table()];
        if !table.exists(seat.row(), column) {
            return;
        }
        let desk = table.rows[seat.row()].desk as usize;
        let Some(events) = self.facts.assignments[desk].courses.get(period) else {
            return;
        };
        let (sent, report, judged) = match &events[..] {
            [(sent, CourseEvent::Submitted(report))] => (*sent, report.clone(), None),
            [
                (sent, CourseEvent::Submitted(report)),
                (
                    judged,
                    CourseEvent::Reviewed {
                        version: 1,
                        decision: Decision::Validated,
                    },
                ),
            ] => (*sent, report.clone(), Some(*judged)),
            _ => return,
        };
        let received_at = report.received_at;
        let submission = Submission {
            broken_down: self.given(desk, period, 0),
            ..Arc::unwrap_or_clone(report).into()
        };
        let fits = self.put(seat, column, sent, &submission) && judged.is_none_or(|judged| self.judge(seat, column, judged, received_at));
        if fits {
            self.facts.desk_mut(desk).courses.remove(period);
            if self.givens.contains_key(&(desk, period)) {
                Arc::make_mut(&mut self.givens).remove(&(desk, period));
            }
            self.odd(seat, period).irregular = false;
        } else {
            let table = self.table_mut(seat);
            let at = table.at(seat.row(), column);
            table.clear(at);
        }
    }

    /// Marks an obligation whose course lies among the facts.
    fn mark(&mut self, assignment: &AssignmentId, period: Period) {
        if let Some(seat) = self.seat_of(assignment) {
            self.odd(seat, period).irregular = true;
        }
    }

    /// The columns of an odd place have changed.
    pub(super) fn touch_odd(&mut self, seat: Seat, period: Period) {
        if self.tables[seat.table()].rows[seat.row()].find_odd(period).is_ok() {
            self.soil(seat);
        }
    }

    fn touch(&mut self, assignment: &AssignmentId) {
        if let Some(seat) = self.seat_of(assignment) {
            self.spoil(seat);
        }
    }
}

/// An entry of reporting by its position.
pub(super) fn entry_at(journal: &Instants, number: u32) -> Entry {
    Entry {
        recorded_at: journal.at(number),
        position: Position {
            source: Source::Reporting,
            number: number.into(),
        },
    }
}

/// Whole days of a delay, 0 in time; none where there are too many.
pub(super) fn days(delay: SignedDuration) -> Option<u8> {
    if delay.is_negative() {
        Some(0)
    } else {
        u8::try_from(odd::late_days(delay)).ok()
    }
}
