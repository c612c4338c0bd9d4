//! Reporting discipline in one pass: every plain place counted, the odd ones put right.

use std::ops::{Add, AddAssign, Sub};

use jiff::Timestamp;
use vigia_rules::{ActionId, ComponentId, InstitutionId, ObligationState, TerritoryCode, Timeliness};

use super::Projection;
use super::instants::Instants;
use super::odd::OddState;
use super::question::{NotAsked, Question};
use super::table::{FLAGS, NONE, Table};

/// Counts of obligations (VERDICTS, "Scorecard as of t"). Below 0 only on the way to an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Not waived, and due.
    pub owed: i64,
    /// Of those, received.
    pub received: i64,
    /// Received in time.
    pub on_time: i64,
    /// Validated.
    pub validated: i64,
    /// Validated, and received in time.
    pub validated_on_time: i64,
    /// Received, and saying that there is nothing to report.
    pub nil: i64,
    /// Waived at or after D.
    pub waived_after_due: i64,
    /// Moved by an emergency after they were due.
    pub extended_after_due: i64,
}

macro_rules! by_field {
    ($op:tt $one:expr, $other:expr) => {
        Tally {
            owed: $one.owed $op $other.owed,
            received: $one.received $op $other.received,
            on_time: $one.on_time $op $other.on_time,
            validated: $one.validated $op $other.validated,
            validated_on_time: $one.validated_on_time $op $other.validated_on_time,
            nil: $one.nil $op $other.nil,
            waived_after_due: $one.waived_after_due $op $other.waived_after_due,
            extended_after_due: $one.extended_after_due $op $other.extended_after_due,
        }
    };
}

impl Add for Tally {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        by_field!(+ self, other)
    }
}

impl Sub for Tally {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        by_field!(-self, other)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// A difference of the tallies of some obligations of one assignment, which has fewer of them than 16 bits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Correction([i16; 8]);

impl AddAssign for Correction {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(one, other)| *one += other);
    }
}

impl Correction {
    pub(super) fn between(counted: Tally, counts: Tally) -> Self {
        let Tally {
            owed,
            received,
            on_time,
            validated,
            validated_on_time,
            nil,
            waived_after_due,
            extended_after_due,
        } = counts - counted;
        let all = [
            owed,
            received,
            on_time,
            validated,
            validated_on_time,
            nil,
            waived_after_due,
            extended_after_due,
        ];
        Self(all.map(|one| i16::try_from(one).unwrap_or(0)))
    }
}

impl AddAssign<Correction> for Tally {
    fn add_assign(&mut self, Correction(parts): Correction) {
        let [
            owed,
            received,
            on_time,
            validated,
            validated_on_time,
            nil,
            waived_after_due,
            extended_after_due,
        ] = parts.map(i64::from);
        *self += Self {
            owed,
            received,
            on_time,
            validated,
            validated_on_time,
            nil,
            waived_after_due,
            extended_after_due,
        };
    }
}

impl Tally {
    /// What one obligation counts.
    pub(super) fn of(state: &OddState) -> Self {
        let mut tally = Self {
            extended_after_due: i64::from(state.extended_after_due),
            waived_after_due: i64::from(state.waived_after_due),
            ..Self::default()
        };
        if state.is_owed() {
            let received = state.state.is_received();
            let on_time = state.timeliness == Timeliness::OnTime;
            let validated = state.state == ObligationState::Validated;
            tally.owed = 1;
            tally.received = i64::from(received);
            tally.on_time = i64::from(on_time);
            tally.validated = i64::from(validated);
            tally.validated_on_time = i64::from(validated && on_time);
            tally.nil = i64::from(state.nil);
        }
        tally
    }
}

/// The plain counts of places that lie side by side: received, on time, validated, validated on time, nil.
///
/// A plain loop over two slices without a branch, so that the compiler makes vectors of it. Words are compared as signed
/// numbers, since the oldest processors that we run on know no other; none of them uses the sign.
fn count(sent: &[u32], judged: &[u32], sent_max: u32, judged_max: u32) -> [u32; 5] {
    let (mut received, mut on_time, mut validated, mut validated_on_time, mut nil) = (0, 0, 0, 0, 0);
    let (sent_max, judged_max) = (sent_max.cast_signed(), judged_max.cast_signed());
    for (&sent, &judged) in sent.iter().zip(judged) {
        let is_received = u32::from(sent.cast_signed() <= sent_max);
        let is_validated = u32::from(judged.cast_signed() <= judged_max);
        let is_on_time = is_received & !sent;
        received += is_received;
        on_time += is_on_time;
        validated += is_validated;
        validated_on_time += is_validated & is_on_time;
        nil += is_received & (sent >> 1);
    }
    [received, on_time, validated, validated_on_time, nil]
}

/// What the columns count for a place that is due, as of a position.
pub(super) fn plain_place(table: &Table, row: usize, column: usize, seen: u32) -> Tally {
    if !table.exists(row, column) {
        return Tally::default();
    }
    let at = table.at(row, column);
    let [received, on_time, validated, validated_on_time, nil] =
        count(&table.sent[at..=at], &table.judged[at..=at], sent_max(seen), seen).map(i64::from);
    Tally {
        owed: 1,
        received,
        on_time,
        validated,
        validated_on_time,
        nil,
        ..Tally::default()
    }
}

/// The greatest word of `sent` that exists as of a position: flags are its low bits.
pub(super) const fn sent_max(seen: u32) -> u32 {
    (seen << FLAGS) | ((1 << FLAGS) - 1)
}

impl Question<'_> {
    /// The discipline of a row, as if all of it were plain.
    fn plain_row(&self, table: &Table, row: usize) -> Tally {
        let mut tally = Tally::default();
        for run in &self.due_runs {
            let places = table.at(row, run.start)..table.at(row, run.end);
            let counts = count(&table.sent[places.clone()], &table.judged[places], self.sent_max(), self.seen);
            let [received, on_time, validated, validated_on_time, nil] = counts.map(i64::from);
            tally.received += received;
            tally.on_time += on_time;
            tally.validated += validated;
            tally.validated_on_time += validated_on_time;
            tally.nil += nil;
        }
        let words = &table.exists[row * table.words()..][..table.words()];
        tally.owed = words
            .iter()
            .zip(&self.due_words)
            .map(|(exists, due)| i64::from((exists & due).count_ones()))
            .sum();
        tally
    }

    /// What a place was counted as among the plain ones.
    fn plain_place(&self, table: &Table, row: usize, period: usize) -> Tally {
        if period >= self.ended || !self.is_due(period) {
            return Tally::default();
        }
        plain_place(table, row, period, self.seen)
    }

    /// The discipline of a row.
    pub(super) fn tally_row(&self, table: &Table, row: usize) -> Tally {
        let mut tally = self.plain_row(table, row);
        let of = &table.rows[row];
        // Most rows have come to rest: their odd places need not be looked at.
        if of.rests_from <= self.t {
            tally += of.correction;
            return tally;
        }
        for odd in &of.odds {
            if odd.quiet <= self.t {
                tally += odd.correction;
            } else if let Some(place) = self.odd_place(table, row, odd) {
                tally += Tally::of(&place.state) - self.plain_place(table, row, place.period);
            }
        }
        tally
    }

    /// The tables in as many parts of about the same size as there are processors.
    pub(super) fn parts(&self) -> Vec<std::ops::Range<usize>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let tables = &self.projection.tables;
        let all: usize = tables.iter().map(|table| table.sent.len()).sum();
        // Below this a thread costs more than it spares.
        const PLACES_PER_THREAD: usize = 50_000;
        let threads = threads.min(all / PLACES_PER_THREAD).max(1);
        let mut parts = Vec::with_capacity(threads);
        let (mut start, mut places) = (0, 0);
        for (i, table) in tables.iter().enumerate() {
            places += table.sent.len();
            if places * threads >= all * (parts.len() + 1) && parts.len() + 1 < threads {
                parts.push(start..i + 1);
                start = i + 1;
            }
        }
        parts.push(start..tables.len());
        parts
    }
}

/// Does something for each part of the tables, on a thread of its own each.
pub(super) fn on_threads<T: Send>(parts: Vec<std::ops::Range<usize>>, work: impl Fn(std::ops::Range<usize>) -> T + Sync) -> Vec<T> {
    let mut parts = parts.into_iter();
    let last = parts.next_back();
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let mine = last.map(work);
        let others = others.into_iter().map(|other| match other.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        others.chain(mine).collect()
    })
}

/// A node of one of the levels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// The whole plan.
    Plan,
    /// A component with all below it.
    Component(ComponentId),
    /// An action.
    Action(ActionId),
    /// An institution.
    Institution(InstitutionId),
    /// A territory with all in it.
    Territory(TerritoryCode),
}

/// The discipline of every node of every level as of an instant.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    pub(super) actions: Vec<Tally>,
    pub(super) institutions: Vec<Tally>,
    pub(super) territories: Vec<Tally>,
    /// By role, as its number.
    pub(super) roles: [Tally; ROLES],
}

/// How many roles there are.
pub(super) const ROLES: usize = 4;

impl Tallies {
    fn sized(projection: &Projection) -> Self {
        Self {
            actions: vec![Tally::default(); projection.tables.len()],
            institutions: vec![Tally::default(); projection.institutions.all.len()],
            territories: vec![Tally::default(); projection.territories.all.len()],
            roles: [Tally::default(); ROLES],
        }
    }

    pub(super) fn of(question: &Question<'_>) -> Self {
        let projection = question.projection;
        let parts = on_threads(question.parts(), |part| {
            let mut tallies = Self::sized(projection);
            for i in part {
                let table = &projection.tables[i];
                for (number, row) in table.rows.iter().enumerate() {
                    let tally = question.tally_row(table, number);
                    tallies.actions[i] += tally;
                    tallies.institutions[row.institution as usize] += tally;
                    if row.territory != NONE {
                        tallies.territories[row.territory as usize] += tally;
                    }
                    tallies.roles[row.role as usize] += tally;
                }
            }
            tallies
        });
        parts.into_iter().reduce(Self::plus).unwrap_or_default()
    }

    fn plus(mut self, other: Self) -> Self {
        let add = |ours: &mut [Tally], theirs: &[Tally]| {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                *ours += *theirs;
            }
        };
        add(&mut self.actions, &other.actions);
        add(&mut self.institutions, &other.institutions);
        add(&mut self.territories, &other.territories);
        add(&mut self.roles, &other.roles);
        self
    }
}

impl Projection {
    /// The discipline of every node of every level as of t: plan, components, actions, institutions, provinces and their
    /// cantons. None where the plan is a draft, or the columns can't answer alone (a due hour within a period's last day).
    #[must_use]
    pub fn discipline(&self, journal: &Instants, t: Timestamp) -> Option<Vec<(Node, Tally)>> {
        let question = match Question::at(self, journal, t) {
            Ok(question) => question,
            Err(NotAsked::Draft | NotAsked::NotPlain) => return None,
        };
        let tallies = Tallies::of(&question);
        let mut nodes = vec![(Node::Plan, tallies.actions.iter().copied().fold(Tally::default(), Add::add))];
        nodes.extend(
            question
                .components(&tallies.actions)
                .map(|(id, tally)| (Node::Component(id), tally)),
        );
        let actions = self.tables.iter().zip(&tallies.actions);
        nodes.extend(actions.map(|(table, tally)| (Node::Action(table.action.clone()), *tally)));
        let institutions = self.institutions.all.iter().zip(&tallies.institutions);
        nodes.extend(institutions.map(|(id, tally)| (Node::Institution(id.clone()), *tally)));
        nodes.extend(
            self.by_territory(&tallies.territories)
                .map(|(code, tally)| (Node::Territory(code), tally)),
        );
        Some(nodes)
    }

    /// The territories of all assignments, each with all that lies in it.
    fn by_territory<'a>(&'a self, own: &'a [Tally]) -> impl Iterator<Item = (TerritoryCode, Tally)> + 'a {
        let mut all = own.to_vec();
        for (code, own) in self.territories.all.iter().zip(own) {
            let text = code.as_str();
            let parts = text.char_indices().skip(1).map(|(end, _)| &text[..end]);
            for above in parts.filter_map(|part| self.territories.number_of.get(part)) {
                all[*above as usize] += *own;
            }
        }
        self.territories.all.iter().cloned().zip(all)
    }
}
