//! The fast projection: a plan's obligations in columns, kept up to date entry by entry, from which every scorecard of
//! the plan as of any instant is a scan.
//!
//! ```text
//! Projection ── facts       plan versions, assignments, extensions, and the courses that are not plain
//!            ── columns     the periods, with their ends and calendar due instants
//!            ── tables      one for each action: rows × periods                    (table.rs)
//! Instants                  position ↔ instant of a followed journal               (instants.rs)
//!
//! taking entries in         (entries.rs), what there is a place for (layout.rs)
//! asking for facts          of some assignments, whole, for the rules              (whole.rs)
//! to a store and back                                                              (stored.rs)
//!
//! Question   what holds for an instant: the plan then, which periods are due       (question.rs)
//!   ├─ tally     discipline: plain places counted, odd ones put right              (tally.rs, odd.rs)
//!   ├─ beside    what stands beside the counts: assignments, median delays         (beside.rs)
//!   ├─ verdict   state and readings of an action                    (verdict.rs, values.rs, fraction.rs)
//!   └─ board     rolled up to every slice                                          (board.rs)
//! ```
//!
//! **Invariant:** every answer equals that of `vigia_rules` on the same facts; `tests.rs` holds it so on random
//! histories. What the columns can't answer is put to the rules themselves.
//!
//! What makes a place answerable from columns: what an *ended* period owes, and its calendar due instant, stand by what
//! was recorded before its end and never change again; so existence is a bit and lateness a flag. Periods that have not
//! ended owe nothing yet.
//!
//! A copy shares everything with its original until one of them changes, table by table: a question is put to a copy,
//! and entries go on coming in.

mod beside;
mod board;
mod entries;
mod fraction;
mod instants;
mod layout;
mod odd;
mod question;
mod stored;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod values;
mod verdict;
mod whole;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use jiff::Timestamp;
use vigia_rules::history::InForce;
use vigia_rules::{ActionId, AssignmentId, Facts, InstitutionId, Period, Role, TerritoryCode};

pub use board::{Board, Computed, Judged};
pub use instants::{ENTRIES_MAX, Instants, JournalRefused};
pub use stored::{StoredCourse, StoredEvent, StoredSlot, StoredTable};
pub use table::Shape;
pub use tally::{Node, Tallies, Tally};
pub use whole::Content;

use table::{NONE, Table};

/// One plan, projected.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    facts: Facts,
    columns: Arc<Vec<Column>>,
    tables: Vec<Arc<Table>>,
    table_of: Arc<HashMap<ActionId, usize>>,
    /// Table and row, by the assignment's place among the facts.
    seats: Arc<Vec<Option<Seat>>>,
    institutions: Arc<Names<InstitutionId>>,
    territories: Arc<Names<TerritoryCode>>,
    /// How the submissions of courses that lie among the facts break their values down, by the assignment's place there;
    /// only where some do.
    givens: Arc<HashMap<(usize, Period), Vec<Shape>>>,
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
    table: u32,
    row: u32,
}

impl Seat {
    fn new(table: usize, row: usize) -> Self {
        // As many assignments as that fit in no memory.
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            table: number(table),
            row: number(row),
        }
    }

    fn table(self) -> usize {
        self.table as usize
    }

    fn row(self) -> usize {
        self.row as usize
    }
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

    /// Plan versions, assignments and extensions as the rules know them. Courses are among them only where they are not
    /// plain: whoever asks the rules about reports takes [`Projection::facts_of`].
    #[must_use]
    pub fn frame(&self) -> &Facts {
        &self.facts
    }

    /// Whether nothing waits to be settled: questions may be asked.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Settles what was recorded since: which obligations exist, and how those that are not plain stand. Every question
    /// expects it.
    pub fn settle(&mut self, journal: &Instants) {
        if self.facts.versions.is_empty() || self.dirty.is_empty() {
            return;
        }
        let dirty = std::mem::take(&mut self.dirty);
        for &seat in &dirty {
            if self.tables[seat.table()].rows[seat.row()].stale {
                self.settle_existence(journal, seat);
            }
        }
        for &seat in &dirty {
            let odds = self.tables[seat.table()].rows[seat.row()].odds.iter();
            let irregular: Vec<_> = odds.filter(|odd| odd.irregular).map(|odd| odd.period).collect();
            for period in irregular {
                self.absorb(seat, period);
            }
        }
        if let Some(plan) = InForce::at(&self.facts, Timestamp::MAX) {
            let terms = plan.periods();
            for &seat in &dirty {
                let table = Arc::make_mut(&mut self.tables[seat.table()]);
                odd::settle(&plan, &terms, table, seat.row(), journal);
                table.rows[seat.row()].dirty = false;
            }
        }
    }

    /// The institutions that have held an assignment by t, and the territories, each with the actions concerned.
    pub fn held_by(&self, t: Timestamp) -> impl Iterator<Item = (&ActionId, &InstitutionId, Option<&TerritoryCode>)> {
        self.tables.iter().flat_map(move |table| {
            let made = table.rows.iter().filter(move |row| row.standing.made_at <= t);
            made.map(|row| {
                let territory = self.territories.all.get(row.territory as usize);
                (&table.action, &self.institutions.all[row.institution as usize], territory)
            })
        })
    }

    /// Bytes held in the columns, without the facts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tables.iter().map(|table| table.bytes()).sum()
    }

    /// Places for obligations, those that do not exist too.
    #[must_use]
    pub fn places(&self) -> usize {
        self.tables.iter().map(|table| table.sent.len()).sum()
    }

    fn table_mut(&mut self, seat: Seat) -> &mut Table {
        Arc::make_mut(&mut self.tables[seat.table()])
    }

    fn seat_of(&self, assignment: &AssignmentId) -> Option<Seat> {
        self.seats.get(self.facts.find(assignment)?).copied().flatten()
    }

    /// The place of a period among the columns.
    fn column(&self, period: Period) -> Option<usize> {
        self.columns.binary_search_by_key(&period, |column| column.period).ok()
    }
}
