//! The fast projection: a plan's obligations in columns, kept up to date entry by entry, from which every scorecard of
//! the plan as of any instant is a scan.
//!
//! ```text
//! Projection ── facts       plan versions, assignments, extensions, and the courses that are not plain
//!            ── journal     position ↔ instant of the reporting journal            (instants.rs)
//!            ── columns     the periods, with their ends and calendar due instants
//!            ── tables      one for each action: rows × periods                    (table.rs)
//!
//! Question   what holds for an instant: the plan then, which periods are due       (question.rs)
//!   ├─ tally     discipline: plain places counted, odd ones put right              (tally.rs, odd.rs)
//!   ├─ verdict   state and readings of an action                    (verdict.rs, values.rs, fraction.rs)
//!   └─ board     rolled up to plan, components, institutions, territories          (board.rs)
//! ```
//!
//! **Invariant:** every answer equals that of `vigia_rules` on the same facts; `tests.rs` holds it so on random
//! histories. What the columns can't answer is put to the rules themselves.
//!
//! What makes a place answerable from columns: what an *ended* period owes, and its calendar due instant, stand by what
//! was recorded before its end and never change again; so existence is a bit and lateness a flag. Periods that have not
//! ended owe nothing yet.

mod board;
mod fraction;
mod instants;
mod odd;
mod question;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod values;
mod verdict;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use vigia_rules::assignment::standing;
use vigia_rules::facts::{CourseEvent, Facts};
use vigia_rules::history::InForce;
use vigia_rules::obligation::covers;
use vigia_rules::{
    ActionId, Assignment, AssignmentId, Decision, Entry, Extension, InstitutionId, Period, Plan, Position, Report, Resolution, Role,
    Source, TerritoryCode,
};

pub use board::{Board, Index, Judged};
pub use instants::{ENTRIES_MAX, JournalRefused};
pub use tally::{Node, Tallies, Tally};

use instants::Instants;
use table::{Duty, NONE, Odd, Row, RowStanding, Sent, Table};

/// One plan, projected.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    facts: Facts,
    journal: Instants,
    columns: Vec<Column>,
    column_of: HashMap<Period, usize>,
    tables: Vec<Table>,
    table_of: HashMap<ActionId, usize>,
    /// Table and row, by the assignment's place among the facts.
    seats: Vec<Option<Seat>>,
    institutions: Names<InstitutionId>,
    territories: Names<TerritoryCode>,
    /// Rows on which something was recorded since they were last settled.
    dirty: Vec<Seat>,
}

/// A period, as it stands once it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    period: Period,
    ends_at: Timestamp,
    due_at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    table: usize,
    row: usize,
}

/// Ids by number, and back.
#[derive(Clone, Debug)]
struct Names<Id> {
    all: Vec<Id>,
    number_of: HashMap<Id, u32>,
}

impl<Id> Default for Names<Id> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            number_of: HashMap::new(),
        }
    }
}

impl<Id: Clone + Eq + Hash> Names<Id> {
    fn number(&mut self, id: &Id) -> u32 {
        if let Some(number) = self.number_of.get(id) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(NONE);
        self.all.push(id.clone());
        self.number_of.insert(id.clone(), number);
        number
    }
}

const fn role_bit(role: Role) -> u8 {
    1 << role as u8
}

impl Projection {
    /// Nothing recorded.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Facts::plan_version`].
    pub fn plan_version(&mut self, acts_from: Timestamp, effective_on: Date, entry: Entry, plan: impl Into<Arc<Plan>>) {
        self.facts.plan_version(acts_from, effective_on, entry, plan);
        self.replan();
    }

    /// As [`Facts::assignment_proposed`].
    pub fn assignment_proposed(&mut self, entry: Entry, assignment: Assignment) {
        let id = assignment.id.clone();
        self.facts.assignment_proposed(entry, assignment);
        self.seat(&id);
    }

    /// As [`Facts::assignment_accepted`].
    pub fn assignment_accepted(&mut self, entry: Entry, id: &AssignmentId) {
        self.facts.assignment_accepted(entry, id);
        self.touch(id);
    }

    /// As [`Facts::assignment_contested`].
    pub fn assignment_contested(&mut self, entry: Entry, id: &AssignmentId) {
        self.facts.assignment_contested(entry, id);
        self.touch(id);
    }

    /// As [`Facts::assignment_resolved`].
    pub fn assignment_resolved(&mut self, entry: Entry, id: &AssignmentId, resolution: Resolution) {
        self.facts.assignment_resolved(entry, id, resolution);
        self.touch(id);
    }

    /// As [`Facts::assignment_ended`].
    pub fn assignment_ended(&mut self, entry: Entry, id: &AssignmentId, last_day: Date) {
        self.facts.assignment_ended(entry, id, last_day);
        self.touch(id);
    }

    /// As [`Facts::assignment_handed_over`].
    pub fn assignment_handed_over(&mut self, entry: Entry, from: &AssignmentId, to: Assignment) {
        let id = to.id.clone();
        self.facts.assignment_handed_over(entry, from, to);
        self.touch(from);
        self.seat(&id);
        // An extension that names one of a line covers the others: where it was read first, they are told of it now.
        if let Some(line) = self.facts.find(&id).map(|desk| self.facts.line_of(desk)) {
            for desk in 0..self.seats.len() {
                if self.facts.line_of(desk) == line {
                    self.mark_extended(desk);
                }
            }
        }
    }

    /// As [`Facts::report_submitted`]. Entries of reporting come in the order of their positions; those that bear on no
    /// verdict may be left out.
    pub fn report_submitted(&mut self, entry: Entry, report: Report) -> Result<(), JournalRefused> {
        let position = self.journal.push(entry.position.number, entry.recorded_at)?;
        let place = self
            .place(&report.assignment, report.period)
            .filter(|_| entry.position.source == Source::Reporting);
        if let Some((seat, column)) = place {
            let table = &self.tables[seat.table];
            let at = table.at(seat.row, column);
            let is_plain = table.exists(seat.row, column) && table.sent(at).is_none() && !self.is_irregular(seat, report.period);
            if is_plain && self.put(seat, column, position, &report) {
                self.touch_odd(seat, report.period);
                return Ok(());
            }
            self.make_irregular(seat, column);
        }
        let (id, period) = (report.assignment.clone(), report.period);
        self.facts.report_submitted(entry, report);
        self.mark(&id, period);
        Ok(())
    }

    /// As [`Facts::report_reviewed`].
    pub fn report_reviewed(
        &mut self,
        entry: Entry,
        assignment: &AssignmentId,
        period: Period,
        version: u32,
        decision: Decision,
    ) -> Result<(), JournalRefused> {
        let position = self.journal.push(entry.position.number, entry.recorded_at)?;
        if let Some((seat, column)) = self.place(assignment, period) {
            let table = &self.tables[seat.table];
            let at = table.at(seat.row, column);
            let waits = table.sent(at).is_some() && table.judged[at] == NONE;
            if waits && version == 1 && decision == Decision::Validated && self.judge(seat, column, position) {
                self.touch_odd(seat, period);
                return Ok(());
            }
            self.make_irregular(seat, column);
        }
        self.facts.report_reviewed(entry, assignment, period, version, decision);
        self.mark(assignment, period);
        Ok(())
    }

    /// As [`Facts::obligation_waived`].
    pub fn obligation_waived(&mut self, entry: Entry, assignment: &AssignmentId, period: Period) -> Result<(), JournalRefused> {
        self.journal.push(entry.position.number, entry.recorded_at)?;
        if let Some((seat, column)) = self.place(assignment, period) {
            self.make_irregular(seat, column);
        }
        self.facts.obligation_waived(entry, assignment, period);
        self.mark(assignment, period);
        Ok(())
    }

    /// As [`Facts::extension_granted`].
    pub fn extension_granted(&mut self, entry: Entry, extension: Extension) -> Result<(), JournalRefused> {
        self.journal.push(entry.position.number, entry.recorded_at)?;
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
        Ok(())
    }

    /// Whether nothing waits to be settled: questions may be asked.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Settles what was recorded since: which obligations exist, and how those that are not plain stand. Every question
    /// expects it.
    pub fn settle(&mut self) {
        if self.facts.versions.is_empty() {
            return;
        }
        let dirty = std::mem::take(&mut self.dirty);
        for &seat in &dirty {
            self.settle_existence(seat);
        }
        for &seat in &dirty {
            let table = &self.tables[seat.table];
            let odds = table.odds[table.odds_of(seat.row)].iter();
            let irregular: Vec<_> = odds.filter(|odd| odd.irregular).map(|odd| odd.period).collect();
            for period in irregular {
                self.absorb(seat, period);
            }
        }
        if let Some(plan) = InForce::at(&self.facts, Timestamp::MAX) {
            let terms = plan.periods();
            for &Seat { table, row } in &dirty {
                let table = &mut self.tables[table];
                odd::settle(&plan, &terms, table, row, &self.journal);
                table.rows[row].dirty = false;
            }
        }
    }

    /// Bytes held in the columns and the table of instants, without the facts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.journal.bytes() + self.tables.iter().map(Table::bytes).sum::<usize>()
    }

    /// Places for obligations, those that do not exist too.
    #[must_use]
    pub fn places(&self) -> usize {
        self.tables.iter().map(|table| table.sent.len()).sum()
    }

    /// Where an obligation lies, if its assignment and its period are known. Settles whether it exists.
    fn place(&mut self, assignment: &AssignmentId, period: Period) -> Option<(Seat, usize)> {
        let seat = self.seats.get(self.facts.find(assignment)?).copied().flatten()?;
        let column = *self.column_of.get(&period)?;
        if self.tables[seat.table].rows[seat.row].dirty {
            self.settle_existence(seat);
        }
        Some((seat, column))
    }

    fn is_irregular(&self, seat: Seat, period: Period) -> bool {
        let table = &self.tables[seat.table];
        table.find_odd(seat.row, period).is_ok_and(|at| table.odds[at].irregular)
    }

    /// Puts a plain report into the columns, if it fits.
    fn put(&mut self, seat: Seat, column: usize, position: u32, report: &Report) -> bool {
        let table = &mut self.tables[seat.table];
        let lag = self.journal.at(position).duration_since(report.received_at);
        let is_whole = lag.subsec_nanos() % 1000 == 0 && report.received_at.subsec_nanosecond() % 1000 == 0;
        let lag = u32::try_from(lag.as_micros()).ok().filter(|_| is_whole && !lag.is_negative());
        let Some(lag) = lag.filter(|_| table.takes(report)) else {
            return false;
        };
        let at = table.at(seat.row, column);
        let sent = Sent {
            position,
            late: false,
            nil: report.nil,
        };
        let word = |late| Sent { late, ..sent };
        let delay = report.received_at.duration_since(self.columns[column].due_at);
        let Some(days) = days(delay) else { return false };
        table.set_sent(at, Some(word(!delay.is_negative())));
        table.lag[at] = lag;
        table.late_days[at] = days;
        table.put_values(at, &report.values);
        true
    }

    /// Puts a validation into the columns, if it fits.
    fn judge(&mut self, seat: Seat, column: usize, position: u32) -> bool {
        let table = &mut self.tables[seat.table];
        let at = table.at(seat.row, column);
        let Some(sent) = table.sent(at) else { return false };
        let received_at = odd::received_at(table, at, sent.position, &self.journal);
        let delay = self.journal.at(position).duration_since(received_at);
        let Ok(days) = u16::try_from(odd::review_days(delay)) else {
            return false;
        };
        table.judged[at] = position;
        table.review_days[at] = days;
        true
    }

    /// Takes a course out of the columns and lays it among the facts.
    fn make_irregular(&mut self, seat: Seat, column: usize) {
        let table = &mut self.tables[seat.table];
        let (at, period) = (table.at(seat.row, column), self.columns[column].period);
        let desk = table.rows[seat.row].desk as usize;
        if let (Some(sent), Some(made)) = (table.sent(at), &self.facts.assignments[desk].made) {
            let assignment = made.assignment.id.clone();
            let entry = |number: u32| Entry {
                recorded_at: self.journal.at(number),
                position: Position {
                    source: Source::Reporting,
                    number: number.into(),
                },
            };
            let report = Report {
                assignment: assignment.clone(),
                period,
                version: 1,
                received_at: odd::received_at(table, at, sent.position, &self.journal),
                values: table.values(at),
                milestones: Vec::new(),
                nil: sent.nil,
            };
            let judged = table.judged[at];
            table.clear(at);
            self.facts.report_submitted(entry(sent.position), report);
            if judged != NONE {
                self.facts
                    .report_reviewed(entry(judged), &assignment, period, 1, Decision::Validated);
            }
        }
        self.odd(seat, period).irregular = true;
    }

    /// Takes a course that is plain after all back into the columns: it came before its assignment, or before its plan.
    fn absorb(&mut self, seat: Seat, period: Period) {
        let Some(&column) = self.column_of.get(&period) else { return };
        let table = &self.tables[seat.table];
        if !table.exists(seat.row, column) {
            return;
        }
        let desk = table.rows[seat.row].desk as usize;
        let Some(events) = self.facts.assignments[desk].courses.get(&period) else {
            return;
        };
        let number = |entry: &Entry| u32::try_from(entry.position.number).unwrap_or(NONE);
        let (sent, report, judged) = match &events[..] {
            [(sent, CourseEvent::Submitted(report))] => (number(sent), report.clone(), None),
            [
                (sent, CourseEvent::Submitted(report)),
                (
                    judged,
                    CourseEvent::Reviewed {
                        version: 1,
                        decision: Decision::Validated,
                    },
                ),
            ] => (number(sent), report.clone(), Some(number(judged))),
            _ => return,
        };
        let fits = self.put(seat, column, sent, &report) && judged.is_none_or(|judged| self.judge(seat, column, judged));
        if fits {
            self.facts.assignments[desk].courses.remove(&period);
            self.odd(seat, period).irregular = false;
        } else {
            let at = self.tables[seat.table].at(seat.row, column);
            self.tables[seat.table].clear(at);
        }
    }

    /// The odd place of a row for a period, made if need be; the row is to be settled.
    fn odd(&mut self, seat: Seat, period: Period) -> &mut Odd {
        self.soil(seat);
        let table = &mut self.tables[seat.table];
        let at = table.find_odd(seat.row, period).unwrap_or_else(|at| {
            let new = Odd {
                row: u32::try_from(seat.row).unwrap_or(NONE),
                column: None,
                period,
                irregular: false,
                first: Timestamp::MIN,
                quiet: Timestamp::MAX,
                correction: Tally::default(),
                rest: None,
            };
            table.odds.insert(at, new);
            at
        });
        &mut table.odds[at]
    }

    /// Marks an obligation whose course lies among the facts.
    fn mark(&mut self, assignment: &AssignmentId, period: Period) {
        let seat = self.facts.find(assignment).and_then(|desk| self.seats.get(desk).copied().flatten());
        if let Some(seat) = seat {
            self.odd(seat, period).irregular = true;
        }
    }

    /// The columns of an odd place have changed.
    fn touch_odd(&mut self, seat: Seat, period: Period) {
        if self.tables[seat.table].find_odd(seat.row, period).is_ok() {
            self.soil(seat);
        }
    }

    fn touch(&mut self, assignment: &AssignmentId) {
        let seat = self.facts.find(assignment).and_then(|desk| self.seats.get(desk).copied().flatten());
        if let Some(seat) = seat {
            self.soil(seat);
        }
    }

    fn soil(&mut self, seat: Seat) {
        let row = &mut self.tables[seat.table].rows[seat.row];
        if !row.dirty {
            row.dirty = true;
            self.dirty.push(seat);
        }
    }

    /// Gives an assignment that was made a row in the table of its action.
    fn seat(&mut self, id: &AssignmentId) {
        let Some(desk) = self.facts.find(id) else { return };
        self.seats.resize(self.facts.assignments.len(), None);
        let Some(made) = &self.facts.assignments[desk].made else { return };
        if self.seats[desk].is_some() {
            return;
        }
        let assignment = made.assignment.clone();
        let made_at = made.entry.recorded_at;
        let table = self.table(&assignment.action);
        let row = Row {
            desk: u32::try_from(desk).unwrap_or(NONE),
            institution: self.institutions.number(&assignment.institution),
            territory: assignment.territory.as_ref().map_or(NONE, |code| self.territories.number(code)),
            role: assignment.role,
            line: u32::try_from(self.facts.line_of(desk)).unwrap_or(NONE),
            standing: RowStanding {
                made_at,
                changed_at: Timestamp::MAX,
                from: assignment.from,
                last_day: assignment.last_day,
                is_accepted: false,
                is_contested: false,
                is_withdrawn: false,
            },
            dirty: false,
        };
        let seat = Seat {
            table,
            row: self.tables[table].push(row),
        };
        self.seats[desk] = Some(seat);
        self.soil(seat);
        let sent: Vec<_> = self.facts.assignments[desk].courses.keys().copied().collect();
        for period in sent {
            self.odd(seat, period).irregular = true;
        }
        self.mark_extended(desk);
    }

    /// Marks what an assignment owes under extensions.
    fn mark_extended(&mut self, desk: usize) {
        let Some(seat) = self.seats[desk] else { return };
        let Some(made) = &self.facts.assignments[desk].made else { return };
        let assignment = made.assignment.clone();
        let covered = |extensions: &[(Entry, Extension)]| {
            let mut covers_it = extensions
                .iter()
                .map(|(_, extension)| covers(&self.facts, &extension.cover, desk, &assignment));
            covers_it.any(|covers_it| covers_it)
        };
        let extended = self.facts.extensions.iter().filter(|(_, extensions)| covered(extensions));
        let extended: Vec<_> = extended.map(|(period, _)| *period).collect();
        for period in extended {
            self.odd(seat, period);
        }
    }

    fn table(&mut self, action: &ActionId) -> usize {
        if let Some(&table) = self.table_of.get(action) {
            return table;
        }
        self.tables.push(Table::new(action.clone(), self.columns.len()));
        let table = self.tables.len() - 1;
        self.table_of.insert(action.clone(), table);
        self.plan_table(table);
        table
    }

    /// What the plan asks of an action, period by period.
    fn plan_table(&mut self, table: usize) {
        let Some(plan) = InForce::at(&self.facts, Timestamp::MAX) else {
            return;
        };
        let table = &mut self.tables[table];
        for (terms, duty) in plan.periods().iter().zip(&mut table.duties) {
            *duty = duty_of(terms, &table.action);
        }
    }

    /// The plan has another version: its actions get tables, and the periods, what ended periods owe and until when follow anew.
    fn replan(&mut self) {
        let Some(plan) = InForce::at(&self.facts, Timestamp::MAX) else {
            return;
        };
        let terms = plan.periods();
        let actions = self.facts.versions.iter().flat_map(|version| &version.plan.actions);
        let actions: Vec<_> = actions.map(|action| action.id.clone()).collect();
        let columns = terms.iter().map(|terms| Column {
            period: terms.period,
            ends_at: terms.ends_at,
            due_at: terms.due_at,
        });
        let columns: Vec<_> = columns.collect();
        let duties = |action: &ActionId| terms.iter().map(|terms| duty_of(terms, action)).collect::<Vec<_>>();
        let duties: Vec<_> = self.tables.iter().map(|table| duties(&table.action)).collect();
        self.recolumn(columns);
        for (table, duties) in self.tables.iter_mut().zip(duties) {
            table.duties = duties;
        }
        for action in &actions {
            self.table(action);
        }
        for table in 0..self.tables.len() {
            for row in 0..self.tables[table].rows.len() {
                self.soil(Seat { table, row });
            }
        }
    }

    fn recolumn(&mut self, columns: Vec<Column>) {
        let old = std::mem::take(&mut self.columns);
        let from: Vec<_> = columns
            .iter()
            .map(|column| old.iter().position(|old| old.period == column.period))
            .collect();
        self.columns = old;
        if from.len() != self.columns.len() || from.iter().enumerate().any(|(i, old)| *old != Some(i)) {
            // What lies in a period that the plan does not have any more must not be lost with its column.
            for column in (0..self.columns.len()).filter(|column| !from.contains(&Some(*column))) {
                for table in 0..self.tables.len() {
                    for row in 0..self.tables[table].rows.len() {
                        let at = self.tables[table].at(row, column);
                        if self.tables[table].sent(at).is_some() {
                            self.make_irregular(Seat { table, row }, column);
                        }
                    }
                }
            }
            for table in &mut self.tables {
                *table = table.widened(&from);
            }
        }
        let due_before: Vec<_> = from.iter().map(|old| old.map(|old| self.columns[old].due_at)).collect();
        self.columns = columns;
        let places = self.columns.iter().enumerate();
        self.column_of = places.map(|(i, column)| (column.period, i)).collect();
        for (column, due_before) in due_before.into_iter().enumerate() {
            if due_before.is_some_and(|due_at| due_at != self.columns[column].due_at) {
                self.time_anew(column);
            }
        }
    }

    /// A calendar due instant has changed: what came is in time or late by the new one.
    fn time_anew(&mut self, column: usize) {
        for table in 0..self.tables.len() {
            for row in 0..self.tables[table].rows.len() {
                let this = &mut self.tables[table];
                let at = this.at(row, column);
                let Some(sent) = this.sent(at) else { continue };
                let delay = odd::received_at(this, at, sent.position, &self.journal).duration_since(self.columns[column].due_at);
                let late = !delay.is_negative();
                if let Some(days) = days(delay) {
                    this.set_sent(at, Some(Sent { late, ..sent }));
                    this.late_days[at] = days;
                } else {
                    self.make_irregular(Seat { table, row }, column);
                }
            }
        }
    }

    /// Which obligations of a row exist once their periods have ended, and how the assignment stands.
    fn settle_existence(&mut self, seat: Seat) {
        let table = &mut self.tables[seat.table];
        let desk = table.rows[seat.row].desk as usize;
        let events = &self.facts.assignments[desk].events;
        let Some(now) = standing(&self.facts.assignments[desk], |_| true) else {
            return;
        };
        let made_at = table.rows[seat.row].standing.made_at;
        let changed_at = events.last().map_or(made_at, |(entry, _)| entry.recorded_at.max(made_at));
        table.rows[seat.row].standing = RowStanding::of(&now, made_at, changed_at);
        let role = role_bit(now.assignment.role);
        let mut gone = Vec::new();
        // Standings by how many of the events count; most rows have one for all periods.
        let mut by_events = (events.len(), Some(now));
        for (column, terms) in self.columns.iter().enumerate() {
            let duty = table.duties[column].filter(|duty| duty.roles & role != 0 && made_at < terms.ends_at);
            let exists = duty.is_some_and(|duty| {
                let known = events.partition_point(|(entry, _)| entry.recorded_at < terms.ends_at);
                if by_events.0 != known {
                    by_events = (known, standing(&self.facts.assignments[desk], |at| at < terms.ends_at));
                }
                by_events.1.as_ref().is_some_and(|standing| {
                    standing.is_in_force_on(duty.reference_day) && standing.accepted_at.is_some_and(|at| at < duty.opens_at)
                })
            });
            table.set_exists(seat.row, column, exists);
            if !exists && table.sent(table.at(seat.row, column)).is_some() {
                gone.push(column);
            }
        }
        for column in gone {
            self.make_irregular(seat, column);
        }
    }
}

/// What the plan version by which a period is owed asks of all assignments of an action.
fn duty_of(terms: &vigia_rules::history::Terms<'_>, action: &ActionId) -> Option<Duty> {
    let version = terms.owed_by?;
    let action = version.action(action)?;
    let reference_day = terms.last_day.min(action.end).min(version.plan.end);
    let asks = reference_day >= terms.first_day
        && reference_day >= action.start
        && !action.is_suspended_on(reference_day)
        && !action.is_withdrawn_on(reference_day);
    asks.then(|| Duty {
        reference_day,
        opens_at: if reference_day == terms.last_day {
            terms.ends_at
        } else {
            terms.calendar.end_of(reference_day)
        },
        roles: version
            .plan
            .policy
            .reporting_roles
            .iter()
            .fold(0, |bits, role| bits | role_bit(*role)),
    })
}

/// Whole days of a delay, 0 in time; none where there are too many.
fn days(delay: SignedDuration) -> Option<u16> {
    if delay.is_negative() {
        Some(0)
    } else {
        u16::try_from(odd::late_days(delay)).ok()
    }
}
