//! What stands beside the counts of discipline: how assignments stand, and the median delays.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use vigia_rules::Discipline;

use super::Projection;
use super::question::Question;
use super::table::{NONE, Table};
use super::tally::{ROLES, on_threads};

/// Of some assignments.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    proposed: usize,
    accepted: usize,
    contested: usize,
    unanswered: usize,
    late: Delays,
    reviews: Delays,
}

impl AddAssign<&Self> for Beside {
    fn add_assign(&mut self, other: &Self) {
        self.proposed += other.proposed;
        self.accepted += other.accepted;
        self.contested += other.contested;
        self.unanswered += other.unanswered;
        self.late += &other.late;
        self.reviews += &other.reviews;
    }
}

impl Beside {
    fn clear(&mut self) {
        (self.proposed, self.accepted, self.contested, self.unanswered) = (0, 0, 0, 0);
        self.late.clear();
        self.reviews.clear();
    }

    /// Notes it.
    pub(super) fn note(&self, discipline: &mut Discipline) {
        discipline.proposed = self.proposed;
        discipline.accepted = self.accepted;
        discipline.contested = self.contested;
        discipline.unanswered = self.unanswered;
        discipline.median_delay_late_days = self.late.lower_median();
        discipline.median_delay_review_days = self.reviews.lower_median();
    }
}

/// By what assignments are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Action,
    Institution,
    Territory,
    Role,
}

/// What stands beside, for every action, institution, territory and role, by its number.
#[derive(Debug, Default)]
pub(super) struct AllBeside {
    actions: Vec<Beside>,
    institutions: Vec<Beside>,
    territories: Vec<Beside>,
    roles: Vec<Beside>,
}

impl AllBeside {
    fn sized(projection: &Projection) -> Self {
        let empty = |count| vec![Beside::default(); count];
        Self {
            actions: empty(projection.tables.len()),
            institutions: empty(projection.institutions.all.len()),
            territories: empty(projection.territories.all.len()),
            roles: empty(ROLES),
        }
    }

    /// All in one pass: each assignment is looked at once, and then counts four times.
    pub(super) fn of(question: &Question<'_>) -> Self {
        let projection = question.projection;
        let parts = on_threads(question.parts(), |part| {
            let mut all = Self::sized(projection);
            let mut own = Beside::default();
            for number in part {
                let table = &projection.tables[number];
                for (place, row) in table.rows.iter().enumerate() {
                    own.clear();
                    question.add_beside(table, place, &mut own);
                    all.actions[number] += &own;
                    all.institutions[row.institution as usize] += &own;
                    if row.territory != NONE {
                        all.territories[row.territory as usize] += &own;
                    }
                    all.roles[row.role as usize] += &own;
                }
            }
            all
        });
        parts.into_iter().reduce(Self::plus).unwrap_or_default()
    }

    fn plus(mut self, other: Self) -> Self {
        let add = |ours: &mut [Beside], theirs: &[Beside]| ours.iter_mut().zip(theirs).for_each(|(one, other)| *one += other);
        add(&mut self.actions, &other.actions);
        add(&mut self.institutions, &other.institutions);
        add(&mut self.territories, &other.territories);
        add(&mut self.roles, &other.roles);
        self
    }

    pub(super) fn by(&self, by: By) -> &[Beside] {
        match by {
            By::Action => &self.actions,
            By::Institution => &self.institutions,
            By::Territory => &self.territories,
            By::Role => &self.roles,
        }
    }
}

impl Question<'_> {
    /// Adds one assignment.
    pub(super) fn add_beside(&self, table: &Table, row: usize, beside: &mut Beside) {
        let of = &table.rows[row];
        let Some(standing) = self.standing(of) else { return };
        beside.proposed += 1;
        beside.accepted += usize::from(standing.is_accepted);
        beside.contested += usize::from(standing.is_contested);
        beside.unanswered += usize::from(standing.is_unanswered());
        let sent_max = self.sent_max();
        let is_late = |word: u32| word <= sent_max && word & 1 == 1;
        let is_reviewed = |position: u32| position <= self.seen;
        for run in &self.due_runs {
            let places = table.at(row, run.start)..table.at(row, run.end);
            beside
                .late
                .add_where(is_late, &table.sent[places.clone()], &table.late_days[places.clone()]);
            beside
                .reviews
                .add_where(is_reviewed, &table.judged[places.clone()], &table.review_days[places]);
        }
        for place in of.odds.iter().filter_map(|odd| self.odd_place(table, row, odd)) {
            // It was counted as if it were plain.
            if place.period < self.ended && self.is_due(place.period) {
                let at = table.at(row, place.period);
                if is_late(table.sent[at]) {
                    beside.late.remove(table.late_days[at]);
                }
                if is_reviewed(table.judged[at]) {
                    beside.reviews.remove(table.review_days[at]);
                }
            }
            if place.state.is_owed() {
                place.state.late_days.into_iter().for_each(|days| beside.late.add(days));
                place.state.review_days.into_iter().for_each(|days| beside.reviews.add(days));
            }
        }
    }
}

/// Plain delays are shorter: they fit into a byte.
const SHORT_DAYS: usize = 256;

/// How many delays of so many whole days: a median without sorting.
#[derive(Clone, Debug, Default)]
struct Delays {
    /// Of fewer days than [`SHORT_DAYS`]; none as long as there are none.
    short: Option<Box<[u32; SHORT_DAYS]>>,
    /// All short ones are of fewer days than this.
    end: usize,
    other: BTreeMap<i32, u32>,
    count: usize,
}

impl AddAssign<&Self> for Delays {
    fn add_assign(&mut self, other: &Self) {
        if let (Some(theirs), 1..) = (&other.short, other.end) {
            let ours = self.short.get_or_insert_with(|| Box::new([0; SHORT_DAYS]));
            ours[..other.end]
                .iter_mut()
                .zip(&theirs[..other.end])
                .for_each(|(one, other)| *one += other);
            self.end = self.end.max(other.end);
        }
        for (days, count) in &other.other {
            *self.other.entry(*days).or_insert(0) += count;
        }
        self.count += other.count;
    }
}

impl Delays {
    /// Back to none, without giving up the room.
    fn clear(&mut self) {
        if let Some(short) = &mut self.short {
            short[..self.end].fill(0);
        }
        self.end = 0;
        self.other.clear();
        self.count = 0;
    }

    /// Adds the days beside the words that count.
    fn add_where(&mut self, counts: impl Fn(u32) -> bool, words: &[u32], days: &[u8]) {
        let short = self.short.get_or_insert_with(|| Box::new([0; SHORT_DAYS]));
        for (&word, &days) in words.iter().zip(days) {
            if counts(word) {
                let days = usize::from(days);
                short[days] += 1;
                self.end = self.end.max(days + 1);
                self.count += 1;
            }
        }
    }

    /// Takes back what [`Self::add_where`] has added.
    fn remove(&mut self, days: u8) {
        if let Some(short) = &mut self.short {
            short[usize::from(days)] -= 1;
            self.count -= 1;
        }
    }

    fn add(&mut self, days: i32) {
        self.count += 1;
        match usize::try_from(days) {
            Ok(short) if short < SHORT_DAYS => {
                self.short.get_or_insert_with(|| Box::new([0; SHORT_DAYS]))[short] += 1;
                self.end = self.end.max(short + 1);
            }
            _ => *self.other.entry(days).or_insert(0) += 1,
        }
    }

    fn lower_median(&self) -> Option<i64> {
        let middle = self.count.checked_sub(1)? / 2;
        let mut seen = 0;
        let short = self.short.iter().flat_map(|short| short.iter()).enumerate();
        let short = short.map(|(days, count)| (i64::try_from(days).unwrap_or(i64::MAX), *count));
        let below = self.other.range(..0).map(|(days, count)| (i64::from(*days), *count));
        let above = self.other.range(0..).map(|(days, count)| (i64::from(*days), *count));
        below.chain(short).chain(above).find_map(|(days, count)| {
            seen += count as usize;
            (seen > middle).then_some(days)
        })
    }
}
