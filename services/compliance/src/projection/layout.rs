//! What there is a place for: a table for each action, a row for each assignment, a column for each period of the plan as
//! all its versions have it; and which obligations exist.

use std::sync::Arc;

use jiff::Timestamp;
use vigia_rules::assignment::standing;
use vigia_rules::history::{InForce, Terms};
use vigia_rules::obligation::covers;
use vigia_rules::{ActionId, AssignmentId, Entry, Extension, Period};

use super::entries::days;
use super::table::{Duty, NONE, Odd, Row, RowStanding, Sent, Table};
use super::tally::Correction;
use super::{Column, Instants, Projection, Seat, odd, role_bit};

impl Projection {
    /// The odd place of a row for a period, made if need be; the row is to be settled.
    pub(super) fn odd(&mut self, seat: Seat, period: Period) -> &mut Odd {
        self.soil(seat);
        let row = &mut self.table_mut(seat).rows[seat.row()];
        let at = row.find_odd(period).unwrap_or_else(|at| {
            let new = Odd {
                period,
                column: None,
                irregular: false,
                first: Timestamp::MIN,
                quiet: Timestamp::MAX,
                correction: Correction::default(),
                rest: None,
            };
            row.odds.insert(at, new);
            at
        });
        &mut row.odds[at]
    }

    /// Other obligations of a row may exist from now on.
    pub(super) fn spoil(&mut self, seat: Seat) {
        self.soil(seat);
        self.table_mut(seat).rows[seat.row()].stale = true;
    }

    /// A row is to be settled.
    pub(super) fn soil(&mut self, seat: Seat) {
        if !self.tables[seat.table()].rows[seat.row()].dirty {
            self.table_mut(seat).rows[seat.row()].dirty = true;
            self.dirty.push(seat);
        }
    }

    /// Gives an assignment that was made a row in the table of its action.
    pub(super) fn seat(&mut self, id: &AssignmentId) {
        let Some(desk) = self.facts.find(id) else { return };
        if self.seats.len() < self.facts.assignments.len() {
            Arc::make_mut(&mut self.seats).resize(self.facts.assignments.len(), None);
        }
        let Some(made) = &self.facts.assignments[desk].made else { return };
        if self.seats[desk].is_some() {
            return;
        }
        let assignment = made.assignment.clone();
        let made_at = made.entry.recorded_at;
        let table = self.table(&assignment.action);
        let row = Row {
            desk: u32::try_from(desk).unwrap_or(NONE),
            institution: Arc::make_mut(&mut self.institutions).number(&assignment.institution),
            territory: (assignment.territory.as_ref()).map_or(NONE, |code| Arc::make_mut(&mut self.territories).number(code)),
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
            odds: Vec::new(),
            rests_from: Timestamp::MIN,
            correction: Correction::default(),
            dirty: false,
            stale: false,
        };
        let row = Arc::make_mut(&mut self.tables[table]).push(row);
        let seat = Seat::new(table, row);
        Arc::make_mut(&mut self.seats)[desk] = Some(seat);
        self.spoil(seat);
        let sent: Vec<_> = self.facts.assignments[desk].courses.all().map(|(period, _)| *period).collect();
        for period in sent {
            self.odd(seat, period).irregular = true;
        }
        self.mark_extended(desk);
    }

    /// Marks what an assignment owes under extensions.
    pub(super) fn mark_extended(&mut self, desk: usize) {
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
        self.tables.push(Arc::new(Table::new(action.clone(), self.columns.len())));
        let table = self.tables.len() - 1;
        Arc::make_mut(&mut self.table_of).insert(action.clone(), table);
        self.plan_table(table);
        table
    }

    /// What the plan asks of an action, period by period.
    fn plan_table(&mut self, table: usize) {
        let Some(plan) = InForce::at(&self.facts, Timestamp::MAX) else {
            return;
        };
        let table = Arc::make_mut(&mut self.tables[table]);
        for (terms, duty) in plan.periods().iter().zip(&mut table.duties) {
            *duty = duty_of(terms, &table.action);
        }
    }

    /// The plan has another version: its actions get tables, and the periods, what ended periods owe and until when follow anew.
    pub(super) fn replan(&mut self, journal: &Instants) {
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
        self.recolumn(journal, columns);
        for (table, duties) in self.tables.iter_mut().zip(duties) {
            if table.duties != duties {
                Arc::make_mut(table).duties = duties;
            }
        }
        for action in &actions {
            self.table(action);
        }
        for table in 0..self.tables.len() {
            for row in 0..self.tables[table].rows.len() {
                self.spoil(Seat::new(table, row));
            }
        }
    }

    fn recolumn(&mut self, journal: &Instants, columns: Vec<Column>) {
        let old = self.columns.clone();
        let from: Vec<_> = columns
            .iter()
            .map(|column| old.iter().position(|old| old.period == column.period))
            .collect();
        if from.len() != old.len() || from.iter().enumerate().any(|(i, old)| *old != Some(i)) {
            // What lies in a period that the plan does not have any more must not be lost with its column.
            for column in (0..old.len()).filter(|column| !from.contains(&Some(*column))) {
                for table in 0..self.tables.len() {
                    for row in 0..self.tables[table].rows.len() {
                        let at = self.tables[table].at(row, column);
                        if self.tables[table].sent(at).is_some() {
                            self.make_irregular(journal, Seat::new(table, row), column);
                        }
                    }
                }
            }
            for table in &mut self.tables {
                *table = Arc::new(table.widened(&from));
            }
        }
        self.columns = Arc::new(columns);
        for (column, old_column) in from.into_iter().enumerate() {
            if old_column.is_some_and(|at| old[at].due_at != self.columns[column].due_at) {
                self.time_anew(journal, column);
            }
        }
    }

    /// A calendar due instant has changed: what came is in time or late by the new one.
    fn time_anew(&mut self, journal: &Instants, column: usize) {
        for table in 0..self.tables.len() {
            for row in 0..self.tables[table].rows.len() {
                let this = &self.tables[table];
                let at = this.at(row, column);
                let Some(sent) = this.sent(at) else { continue };
                let delay = odd::received_at(this, at, sent.position, journal).duration_since(self.columns[column].due_at);
                let (late, seat) = (!delay.is_negative(), Seat::new(table, row));
                if let Some(days) = days(delay) {
                    let this = self.table_mut(seat);
                    this.set_sent(at, Some(Sent { late, ..sent }));
                    this.late_days[at] = days;
                } else {
                    self.make_irregular(journal, seat, column);
                }
            }
        }
    }

    /// Which obligations of a row exist once their periods have ended, and how the assignment stands.
    pub(super) fn settle_existence(&mut self, journal: &Instants, seat: Seat) {
        let (at_table, at_row) = (seat.table(), seat.row());
        let table = Arc::make_mut(&mut self.tables[at_table]);
        let desk = table.rows[at_row].desk as usize;
        let events = &self.facts.assignments[desk].events;
        let Some(now) = standing(&self.facts.assignments[desk], |_| true) else {
            return;
        };
        table.rows[at_row].stale = false;
        let made_at = table.rows[at_row].standing.made_at;
        let changed_at = events.last().map_or(made_at, |(entry, _)| entry.recorded_at.max(made_at));
        table.rows[at_row].standing = RowStanding::of(&now, made_at, changed_at);
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
            table.set_exists(at_row, column, exists);
            if !exists && table.sent(table.at(at_row, column)).is_some() {
                gone.push(column);
            }
        }
        for column in gone {
            self.make_irregular(journal, seat, column);
        }
    }
}

/// What the plan version by which a period is owed asks of all assignments of an action.
pub(super) fn duty_of(terms: &Terms<'_>, action: &ActionId) -> Option<Duty> {
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
