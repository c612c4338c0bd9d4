//! What holds for a question: the plan as of its instant, and which columns answer for it.

use std::ops::Range;

use jiff::Timestamp;
use vigia_rules::assignment::standing;
use vigia_rules::history::{InForce, Terms};
use vigia_rules::obligation::Owed;

use super::Projection;
use super::instants::Instants;
use super::odd::OddState;
use super::table::{Odd, Row, RowStanding, Table};
use super::tally::sent_max;

/// A question as of an instant.
#[derive(Debug)]
pub(super) struct Question<'p> {
    pub(super) projection: &'p Projection,
    pub(super) journal: &'p Instants,
    pub(super) t: Timestamp,
    pub(super) plan: InForce<'p>,
    pub(super) terms: Vec<Terms<'p>>,
    /// The last entry of reporting that exists as of t.
    pub(super) seen: u32,
    /// How many periods have ended: the columns answer for them, and for no other.
    pub(super) ended: usize,
    /// Those of them that are due by the calendar, as runs, and as bits.
    pub(super) due_runs: Vec<Range<usize>>,
    pub(super) due_words: Vec<u64>,
}

/// An odd place that matters as of the question's instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct OddPlace<'p> {
    pub(super) row: usize,
    /// Its period's place among the question's.
    pub(super) period: usize,
    pub(super) odd: &'p Odd,
    pub(super) state: OddState,
}

/// Why a question can't be put to columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAsked {
    /// The plan is a draft then.
    Draft,
    /// A period is due before it has ended, or the columns know another calendar: the rules must be asked.
    NotPlain,
}

impl<'p> Question<'p> {
    pub(super) fn at(projection: &'p Projection, journal: &'p Instants, t: Timestamp) -> Result<Self, NotAsked> {
        let plan = InForce::at(&projection.facts, t).ok_or(NotAsked::Draft)?;
        let terms = plan.periods();
        let ended = terms.iter().take_while(|terms| terms.ends_at <= t).count();
        let stands = terms[..ended]
            .iter()
            .zip(projection.columns.iter())
            .all(|(terms, column)| terms.period == column.period && terms.due_at == column.due_at && terms.ends_at == column.ends_at);
        let early = terms[ended..].iter().any(|terms| terms.ends_at <= t || terms.due_at <= t);
        if !stands || early || ended > projection.columns.len() {
            return Err(NotAsked::NotPlain);
        }
        let mut due_runs: Vec<Range<usize>> = Vec::new();
        let mut due_words = vec![0_u64; projection.columns.len().div_ceil(64)];
        for (i, terms) in terms[..ended].iter().enumerate() {
            if terms.due_at <= t {
                due_words[i / 64] |= 1 << (i % 64);
                match due_runs.last_mut() {
                    Some(run) if run.end == i => run.end += 1,
                    _ => due_runs.push(i..i + 1),
                }
            }
        }
        Ok(Self {
            projection,
            journal,
            t,
            seen: journal.up_to(t),
            plan,
            terms,
            ended,
            due_runs,
            due_words,
        })
    }

    pub(super) fn is_due(&self, period: usize) -> bool {
        self.terms[period].due_at <= self.t
    }

    /// The greatest word of `sent` that exists as of t.
    pub(super) fn sent_max(&self) -> u32 {
        sent_max(self.seen)
    }

    /// How an assignment stands as of t, if it was made by then.
    pub(super) fn standing(&self, row: &Row) -> Option<RowStanding> {
        if row.standing.changed_at <= self.t {
            return Some(row.standing);
        }
        if row.standing.made_at > self.t {
            return None;
        }
        let desk = &self.projection.facts.assignments[row.desk as usize];
        standing(desk, |at| at <= self.t).map(|standing| RowStanding::of(&standing, row.standing.made_at, row.standing.changed_at))
    }

    /// The odd places of a table for which the columns do not answer as of t, by row and period.
    pub(super) fn odd(&self, table: &'p Table) -> Vec<OddPlace<'p>> {
        let rows = table.rows.iter().enumerate();
        let places = rows.flat_map(|(row, of)| of.odds.iter().filter_map(move |odd| self.odd_place(table, row, odd)));
        places.collect()
    }

    /// An odd place, if it exists as of t and the columns do not answer for it then.
    pub(super) fn odd_place(&self, table: &Table, row: usize, odd: &'p Odd) -> Option<OddPlace<'p>> {
        if self.t < odd.first {
            return None;
        }
        let column = odd.column.map(usize::from);
        let ended = column.filter(|column| *column < self.ended);
        if let (Some(period), Some(state), true) = (ended, odd.rest, odd.quiet <= self.t) {
            return Some(OddPlace { row, period, odd, state });
        }
        let period = match ended {
            Some(period) => period,
            None => self.terms.iter().position(|terms| terms.period == odd.period)?,
        };
        let place = (table, row, column);
        let state = OddState::at(&self.plan, &self.terms[period], self.t, place, odd, self.journal)?;
        Some(OddPlace { row, period, odd, state })
    }

    /// The next instant after t at which something may change though nothing is recorded: not later than the one that
    /// the rules name.
    pub(super) fn next_change(&self) -> Timestamp {
        let plan = &self.plan;
        let midnight = plan.plan().calendar.end_of(plan.today);
        let acts = plan.facts.versions.iter().filter(|version| version.entry.recorded_at <= self.t);
        let acts = acts.map(|version| version.acts_from);
        let periods = self.terms.iter().flat_map(|terms| [terms.ends_at, terms.due_at]);
        // An action or the plan may end within a period; what it owes then opens at the end of that day.
        let open = self.terms.iter().filter(|terms| terms.ends_at > self.t);
        let opens = open.flat_map(|terms| {
            let actions = terms.owed_by.into_iter().flat_map(|version| &version.plan.actions);
            actions.filter_map(|action| Some(super::layout::duty_of(terms, &action.id)?.opens_at))
        });
        let tables = self.projection.tables.iter();
        let odd = tables.flat_map(|table| table.rows.iter().map(move |row| (row, &row.odds)));
        let odd = odd.flat_map(|(row, odds)| odds.iter().filter(|odd| odd.quiet > self.t).map(move |odd| (row, odd)));
        let moved = odd.flat_map(|(row, odd)| {
            let terms = self.terms.iter().find(|terms| terms.period == odd.period);
            let owed = terms.and_then(|terms| Owed::of(plan, terms, row.desk as usize));
            let instants = owed.map(|owed| [Some(owed.opens_at), Some(owed.due.at), owed.answer_due_at()]);
            instants.into_iter().flatten().flatten()
        });
        let later = acts.chain(periods).chain(opens).chain(moved).filter(|&at| at > self.t);
        later.fold(midnight, Timestamp::min)
    }
}
