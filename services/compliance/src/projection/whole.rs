//! Facts whole again: what lies in columns laid out for the rules, for whoever asks why, and not only how.

use std::sync::Arc;

use jiff::Timestamp;
use vigia_rules::facts::CourseEvent;
use vigia_rules::{ActionId, AssignmentId, Decision, Entry, Event, Facts, IndicatorId, Period, Recorded, Report};

use super::entries::entry_at;
use super::table::{NONE, Sent, Shape, Table};
use super::{Instants, Projection, odd};

/// What a submission brought that no verdict depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// When it was recorded, and where it stands.
    pub entry: Entry,
    /// Which version of the report.
    pub version: u32,
    /// Whether it states values or milestones.
    pub claims: bool,
    /// The indicators that it states a value for, each with the dimensions that the value is broken down by.
    pub broken_down: Vec<(IndicatorId, Vec<String>)>,
}

impl Content {
    fn of(entry: Entry, report: &Report, given: &Shape) -> Self {
        let dimensions = |id: &IndicatorId| {
            let found = given.iter().find(|(other, _)| other == id);
            found.map(|(_, dimensions)| dimensions.clone()).unwrap_or_default()
        };
        let mut broken_down: Vec<_> = report.values.iter().map(|(id, _)| (id.clone(), dimensions(id))).collect();
        let states = |id: &IndicatorId| report.values.iter().any(|(stated, _)| stated == id);
        broken_down.extend(given.iter().filter(|(id, _)| !states(id)).cloned());
        broken_down.sort();
        Self {
            entry,
            version: report.version,
            claims: !report.values.is_empty() || !report.milestones.is_empty(),
            broken_down,
        }
    }

    fn of_place(table: &Table, at: usize, sent: Sent, journal: &Instants) -> Self {
        let given = |id: &IndicatorId| {
            let found = table.shape(at).iter().find(|(other, _)| other == id);
            found.map(|(_, given)| given.clone()).unwrap_or_default()
        };
        let broken_down: Vec<_> = table.values(at).into_iter().map(|(id, _)| (given(&id), id)).collect();
        Self {
            entry: entry_at(journal, sent.position),
            version: 1,
            claims: !broken_down.is_empty(),
            broken_down: broken_down.into_iter().map(|(given, id)| (id, given)).collect(),
        }
    }
}

impl Projection {
    /// The facts with the courses of some assignments whole; those of the others are missing.
    #[must_use]
    pub fn facts_of(&self, journal: &Instants, wanted: impl Fn(&AssignmentId) -> bool) -> Facts {
        let mut facts = self.facts.clone();
        for table in &self.tables {
            for row in 0..table.rows.len() {
                self.lay_out(journal, table, row, &wanted, &mut facts);
            }
        }
        facts
    }

    /// The facts with all courses of an action whole.
    #[must_use]
    pub fn facts_on(&self, journal: &Instants, action: &ActionId) -> Facts {
        let mut facts = self.facts.clone();
        if let Some(&table) = self.table_of.get(action) {
            let table = &self.tables[table];
            for row in 0..table.rows.len() {
                self.lay_out(journal, table, row, &|_| true, &mut facts);
            }
        }
        facts
    }

    /// The facts with the courses of one assignment whole.
    #[must_use]
    pub fn facts_of_one(&self, journal: &Instants, assignment: &AssignmentId) -> Facts {
        let mut facts = self.facts.clone();
        if let Some(seat) = self.seat_of(assignment) {
            self.lay_out(journal, &self.tables[seat.table()], seat.row(), &|_| true, &mut facts);
        }
        facts
    }

    /// Lays the plain courses of a row among facts.
    fn lay_out(&self, journal: &Instants, table: &Table, row: usize, wanted: &impl Fn(&AssignmentId) -> bool, facts: &mut Facts) {
        let desk = table.rows[row].desk as usize;
        let made = self.facts.assignments[desk].made.as_ref();
        let Some(id) = made.map(|made| &made.assignment.id).filter(|id| wanted(id)) else {
            return;
        };
        for (column, of) in self.columns.iter().enumerate() {
            let at = table.at(row, column);
            let Some(sent) = table.sent(at) else { continue };
            let received_at = odd::received_at(table, at, sent.position, journal);
            let report = table.report(at, sent, received_at, (id.clone(), of.period));
            let mut course = vec![(entry_at(journal, sent.position), CourseEvent::Submitted(Arc::new(report)))];
            if table.judged[at] != NONE {
                let judged = CourseEvent::Reviewed {
                    version: 1,
                    decision: Decision::Validated,
                };
                course.push((entry_at(journal, table.judged[at]), judged));
            }
            *facts.desk_mut(desk).courses.of(of.period) = course;
        }
    }

    /// All that was recorded after one instant and not after another, as [`Facts::recorded`] has it.
    #[must_use]
    pub fn recorded(&self, journal: &Instants, after: Timestamp, until: Timestamp) -> Vec<Recorded> {
        let mut recorded = self.facts.recorded(after, until);
        let (first, last) = (journal.up_to(after), journal.up_to(until));
        let lies = |position: u32| first < position && position <= last;
        for table in &self.tables {
            for (number, row) in table.rows.iter().enumerate() {
                let Some(made) = &self.facts.assignments[row.desk as usize].made else {
                    continue;
                };
                for (column, of) in self.columns.iter().enumerate() {
                    let at = table.at(number, column);
                    let Some(sent) = table.sent(at) else { continue };
                    let (assignment, period) = (&made.assignment.id, of.period);
                    let mut note = |position: u32, event: Event| {
                        recorded.push(Recorded {
                            entry: entry_at(journal, position),
                            action: Some(table.action.clone()),
                            event,
                        });
                    };
                    if lies(sent.position) {
                        let assignment = assignment.clone();
                        note(sent.position, Event::Submitted { assignment, period });
                    }
                    if table.judged[at] != NONE && lies(table.judged[at]) {
                        let event = Event::Reviewed {
                            assignment: assignment.clone(),
                            period,
                            decision: Decision::Validated,
                        };
                        note(table.judged[at], event);
                    }
                }
            }
        }
        recorded.sort_by_key(|one| (one.entry.recorded_at, one.entry.position));
        recorded
    }

    /// What came with the submissions for an obligation, in order.
    #[must_use]
    pub fn contents(&self, journal: &Instants, assignment: &AssignmentId, period: Period) -> Vec<Content> {
        let Some(desk) = self.facts.find(assignment) else {
            return Vec::new();
        };
        if let (Some(seat), Some(column)) = (self.seat_of(assignment), self.column(period)) {
            let table = &self.tables[seat.table()];
            let at = table.at(seat.row(), column);
            if let Some(sent) = table.sent(at) {
                return vec![Content::of_place(table, at, sent, journal)];
            }
        }
        self.contents_aside(desk, period).collect()
    }

    /// What came with the submissions of a course that lies among the facts, in order.
    fn contents_aside(&self, desk: usize, period: Period) -> impl Iterator<Item = Content> {
        let events = self.facts.assignments[desk].courses.get(period).into_iter().flatten();
        let submitted = events.filter_map(|(entry, event)| match event {
            CourseEvent::Submitted(report) => Some((entry, report)),
            _ => None,
        });
        let numbered = submitted.enumerate();
        numbered.map(move |(number, (entry, report))| Content::of(*entry, report, &self.given(desk, period, number)))
    }

    /// How a submission of a course that lies among the facts breaks its values down, by its number from 0.
    pub(super) fn given(&self, desk: usize, period: Period, number: usize) -> Shape {
        let all = self.givens.get(&(desk, period));
        all.and_then(|all| all.get(number)).cloned().unwrap_or_default()
    }

    /// What came with all submissions: whose, for when, and each version in order.
    pub fn all_contents<'p>(&'p self, journal: &'p Instants) -> impl Iterator<Item = (&'p AssignmentId, Period, Vec<Content>)> {
        let rows = self
            .tables
            .iter()
            .flat_map(|table| table.rows.iter().enumerate().map(move |row| (table, row)));
        rows.flat_map(move |(table, (number, row))| {
            let desk = row.desk as usize;
            let made = self.facts.assignments[desk].made.as_ref();
            let plain = self.columns.iter().enumerate().filter_map(move |(column, of)| {
                let at = table.at(number, column);
                Some((of.period, vec![Content::of_place(table, at, table.sent(at)?, journal)]))
            });
            let aside = row
                .odds
                .iter()
                .map(move |odd| (odd.period, self.contents_aside(desk, odd.period).collect()));
            let all = plain
                .chain(aside)
                .filter(|(_, contents): &(Period, Vec<Content>)| !contents.is_empty());
            all.filter_map(move |(period, contents)| Some((&made?.assignment.id, period, contents)))
        })
    }

    /// What came with the submissions on an action by t, in order.
    #[must_use]
    pub fn contents_on(&self, journal: &Instants, action: &ActionId, t: Timestamp) -> Vec<Content> {
        let Some(&table) = self.table_of.get(action) else {
            return Vec::new();
        };
        let table = &self.tables[table];
        let places = table.sent.iter().enumerate();
        let plain = places.filter_map(|(at, _)| Some(Content::of_place(table, at, table.sent(at)?, journal)));
        let mut contents: Vec<_> = plain.collect();
        for row in &table.rows {
            let desk = row.desk as usize;
            contents.extend(row.odds.iter().flat_map(|odd| self.contents_aside(desk, odd.period)));
        }
        contents.retain(|content| content.entry.recorded_at <= t);
        contents.sort_by_key(|content| content.entry.position);
        contents
    }
}
