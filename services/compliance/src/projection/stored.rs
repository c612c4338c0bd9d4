//! What of a projection is stored: what the journal of reporting brought, and nothing that follows from it. Plans and
//! assignments are read from their journals at every start; existence, lateness and delays are worked out anew. So a
//! stored projection is the same facts in another order.

use vigia_platform::facts::Submission;
use vigia_rules::facts::CourseEvent;
use vigia_rules::{AssignmentId, Decision, Extension, IndicatorId, Period, Report};

use super::entries::{days, entry_at};
use super::table::{MISSING, NONE, Sent, Shape, plain_value};
use super::{Instants, Projection, Seat, odd};

/// The plain reports on one action, place by place as a table has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredTable {
    /// Its rows.
    pub assignments: Vec<AssignmentId>,
    /// Its columns.
    pub periods: Vec<Period>,
    /// By place, the position of the submission; 0 where there is none.
    pub sent: Vec<u32>,
    /// By place, the position of the validation; 0 where there is none.
    pub judged: Vec<u32>,
    /// By place, microseconds from the receipt to the entry.
    pub lag: Vec<u32>,
    /// By place, whether there is nothing to report (1).
    pub flags: Vec<u8>,
    /// The values stated.
    pub slots: Vec<StoredSlot>,
    /// By place, the number of its shape, from 1; empty where nothing is broken down.
    pub shape: Vec<u16>,
    /// The indicators whose values are broken down, each with the dimensions.
    pub shapes: Vec<Shape>,
}

/// The values stated for an indicator, by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSlot {
    /// Which.
    pub indicator: IndicatorId,
    /// In millionths; the least number where nothing is stated.
    pub num: Vec<i64>,
    /// The wholes, where values are ratios.
    pub den: Option<Vec<i64>>,
}

/// What was sent and decided for an obligation that is not plain, in order, each by its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCourse {
    /// Whose.
    pub assignment: AssignmentId,
    /// For when.
    pub period: Period,
    /// What.
    pub events: Vec<(u32, StoredEvent)>,
}

/// One of a course's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredEvent {
    /// A report came.
    Submitted(Submission),
    /// A version was judged.
    Reviewed(u32, Decision),
    /// It is not owed any more.
    Waived,
}

impl Projection {
    /// The plain reports, action by action.
    pub fn stored_tables(&self) -> impl Iterator<Item = StoredTable> {
        self.tables.iter().map(|table| {
            let made = table.rows.iter().map(|row| self.facts.assignments[row.desk as usize].made.as_ref());
            let places = 0..table.sent.len();
            let sent = |at: usize| table.sent(at);
            let (shape, shapes) = table.all_shapes();
            StoredTable {
                assignments: made.flatten().map(|made| made.assignment.id.clone()).collect(),
                periods: self.columns.iter().map(|column| column.period).collect(),
                sent: places.clone().map(|at| sent(at).map_or(0, |sent| sent.position)).collect(),
                judged: table
                    .judged
                    .iter()
                    .map(|judged| if *judged == NONE { 0 } else { *judged })
                    .collect(),
                lag: places.clone().map(|at| table.lag(at)).collect(),
                flags: places.map(|at| sent(at).map_or(0, |sent| sent.nil.into())).collect(),
                slots: table
                    .slots
                    .iter()
                    .map(|slot| StoredSlot {
                        indicator: slot.indicator.clone(),
                        num: slot.num.clone(),
                        den: slot.den.clone(),
                    })
                    .collect(),
                shape,
                shapes,
            }
        })
    }

    /// What is not plain, and what nobody is known to owe.
    pub fn stored_courses(&self) -> impl Iterator<Item = StoredCourse> {
        self.facts.names().flat_map(move |(id, desk)| {
            let courses = self.facts.assignments[desk].courses.all();
            courses.map(move |(period, events)| {
                let mut number = 0;
                let events = events.iter().map(|(entry, event)| {
                    let event = match event {
                        CourseEvent::Submitted(report) => {
                            number += 1;
                            StoredEvent::Submitted(Submission {
                                broken_down: self.given(desk, *period, number - 1),
                                ..Report::clone(report).into()
                            })
                        }
                        CourseEvent::Reviewed { version, decision } => StoredEvent::Reviewed(*version, *decision),
                        CourseEvent::Waived => StoredEvent::Waived,
                    };
                    // All positions of the journal are numbered by 32 bits.
                    (u32::try_from(entry.position.number).unwrap_or(NONE), event)
                });
                StoredCourse {
                    assignment: id.clone(),
                    period: *period,
                    events: events.collect(),
                }
            })
        })
    }

    /// All extensions, in no order; each by its position.
    pub fn stored_extensions(&self) -> impl Iterator<Item = (u32, &Extension)> {
        let extensions = self.facts.extensions.values().flatten();
        extensions.map(|(entry, extension)| (u32::try_from(entry.position.number).unwrap_or(NONE), extension))
    }

    /// Whether a stored table fits: all whose reports it holds are known, it has a place for each period of each, and the
    /// journal goes as far.
    #[must_use]
    pub fn fits(&self, journal: &Instants, stored: &StoredTable) -> bool {
        let places = stored.assignments.len() * stored.periods.len();
        let is_whole = |n: usize| n == places;
        let slots = stored
            .slots
            .iter()
            .all(|slot| is_whole(slot.num.len()) && slot.den.as_ref().is_none_or(|den| is_whole(den.len())));
        let shapes = stored.shape.is_empty() || is_whole(stored.shape.len());
        let numbered = stored.shape.iter().all(|number| usize::from(*number) <= stored.shapes.len());
        let columns = [stored.sent.len(), stored.judged.len(), stored.lag.len(), stored.flags.len()];
        let known = stored.assignments.iter().all(|id| self.seat_of(id).is_some());
        let mut positions = stored.sent.iter().chain(&stored.judged);
        columns.into_iter().all(is_whole) && slots && shapes && numbered && known && positions.all(|position| *position <= journal.len())
    }

    /// Takes the reports of a stored table in, as their entries would have brought them. It [fits](Self::fits).
    pub fn restore_table(&mut self, journal: &Instants, stored: &StoredTable) {
        let width = stored.periods.len();
        let columns: Vec<_> = stored.periods.iter().map(|period| self.column(*period)).collect();
        for (row, id) in stored.assignments.iter().enumerate() {
            let Some(seat) = self.seat_of(id) else { continue };
            if self.tables[seat.table()].rows[seat.row()].stale {
                self.settle_existence(journal, seat);
            }
            for (i, column) in columns.iter().enumerate() {
                let from = row * width + i;
                if stored.sent[from] == 0 {
                    continue;
                }
                if !column.is_some_and(|column| self.restore_place(journal, seat, column, stored, from)) {
                    self.restore_entries(journal, id, stored.periods[i], stored, from);
                }
            }
        }
    }

    /// Puts a place as it was; false where it is no plain one any more.
    fn restore_place(&mut self, journal: &Instants, seat: Seat, column: usize, stored: &StoredTable, from: usize) -> bool {
        let due_at = self.columns[column].due_at;
        let period = self.columns[column].period;
        let table = &self.tables[seat.table()];
        let row = &table.rows[seat.row()];
        let at = table.at(seat.row(), column);
        let is_irregular = row.find_odd(period).is_ok_and(|odd| row.odds[odd].irregular);
        if !table.exists(seat.row(), column) || table.sent(at).is_some() || is_irregular {
            return false;
        }
        let position = stored.sent[from];
        let lag = jiff::SignedDuration::from_micros(stored.lag[from].into());
        let received_at = journal.at(position) - lag;
        let delay = received_at.duration_since(due_at);
        let judged = Some(stored.judged[from]).filter(|judged| *judged > 0);
        let review = judged.map(|judged| u8::try_from(odd::review_days(journal.at(judged).duration_since(received_at))));
        let (Some(late_days), Ok(review_days)) = (days(delay), review.transpose()) else {
            return false;
        };
        let table = self.table_mut(seat);
        let shape = Some(&stored.shape).filter(|shape| !shape.is_empty()).map_or(0, |shape| shape[from]);
        let shape = usize::from(shape).checked_sub(1).map(|number| stored.shapes[number].as_slice());
        if !table.set_shape(at, shape.unwrap_or_default()) {
            return false;
        }
        let sent = Sent {
            position,
            late: !delay.is_negative(),
            nil: stored.flags[from] & 1 != 0,
        };
        table.set_sent(at, Some(sent));
        table.set_lag(at, stored.lag[from]);
        table.late_days[at] = late_days;
        for slot in stored.slots.iter().filter(|slot| slot.num[from] != MISSING) {
            let den = slot.den.as_ref().map(|den| den[from]);
            table.put_value(at, &slot.indicator, slot.num[from], den);
        }
        if let (Some(judged), Some(days)) = (judged, review_days) {
            table.judged[at] = judged;
            table.review_days[at] = days;
        }
        self.touch_odd(seat, period);
        true
    }

    /// Tells entry by entry what a place held.
    fn restore_entries(&mut self, journal: &Instants, id: &AssignmentId, period: Period, stored: &StoredTable, from: usize) {
        let entry = entry_at(journal, stored.sent[from]);
        let stated = stored.slots.iter().filter(|slot| slot.num[from] != MISSING);
        let values = stated.map(|slot| {
            let den = slot.den.as_ref().map(|den| den[from]);
            (slot.indicator.clone(), plain_value(slot.num[from], den))
        });
        let mut values: Vec<_> = values.collect();
        values.sort_by(|(one, _), (other, _)| one.cmp(other));
        let shape = stored.shape.get(from).map_or(0, |number| usize::from(*number));
        let submission = Submission {
            report: Report {
                assignment: id.clone(),
                period,
                version: 1,
                received_at: entry.recorded_at - jiff::SignedDuration::from_micros(stored.lag[from].into()),
                values,
                milestones: Vec::new(),
                nil: stored.flags[from] & 1 != 0,
            },
            evidence: Vec::new(),
            spent: Vec::new(),
            broken_down: shape.checked_sub(1).map(|number| stored.shapes[number].clone()).unwrap_or_default(),
        };
        self.report_submitted(journal, entry, submission);
        let judged = stored.judged[from];
        if judged > 0 {
            self.report_reviewed(journal, entry_at(journal, judged), id, period, 1, Decision::Validated);
        }
    }

    /// Takes a stored course in. Its positions lie in the journal.
    pub fn restore_course(&mut self, journal: &Instants, stored: StoredCourse) {
        for (position, event) in stored.events {
            let entry = entry_at(journal, position);
            match event {
                StoredEvent::Submitted(submission) => self.report_submitted(journal, entry, submission),
                StoredEvent::Reviewed(version, decision) => {
                    self.report_reviewed(journal, entry, &stored.assignment, stored.period, version, decision);
                }
                StoredEvent::Waived => self.obligation_waived(journal, entry, &stored.assignment, stored.period),
            }
        }
    }

    /// Takes a stored extension in. Its position lies in the journal.
    pub fn restore_extension(&mut self, journal: &Instants, position: u32, extension: Extension) {
        self.extension_granted(entry_at(journal, position), extension);
    }
}
