//! What stands beside the counts of discipline: how assignments stand, and the median delays.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use vigia_rules::Discipline;

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

impl By {
    pub(super) const ALL: [Self; 4] = [Self::Action, Self::Institution, Self::Territory, Self::Role];
}

impl Question<'_> {
    /// What stands beside, for every action, institution, territory or role at once, by its number.
    pub(super) fn all_beside(&self, by: By) -> Vec<Beside> {
        let projection = self.projection;
        let count = match by {
            By::Action => projection.tables.len(),
            By::Institution => projection.institutions.all.len(),
            By::Territory => projection.territories.all.len(),
            By::Role => ROLES,
        };
        let empty = || vec![Beside::default(); count];
        let parts = on_threads(self.parts(), |part| {
            let mut all = empty();
            for number in part {
                let table = &projection.tables[number];
                for (place, row) in table.rows.iter().enumerate() {
                    let group = match by {
                        By::Action => number,
                        By::Institution => row.institution as usize,
                        By::Territory if row.territory == NONE => continue,
                        By::Territory => row.territory as usize,
                        By::Role => row.role as usize,
                    };
                    self.add_beside(table, place, &mut all[group]);
                }
            }
            all
        });
        let sum = parts.into_iter().reduce(|mut sum, part| {
            sum.iter_mut().zip(&part).for_each(|(one, other)| *one += other);
            sum
        });
        sum.unwrap_or_else(empty)
    }

    /// Adds one assignment.
    pub(super) fn add_beside(&self, table: &Table, row: usize, beside: &mut Beside) {
        let of = &table.rows[row];
        let Some(standing) = self.standing(of) else { return };
        beside.proposed += 1;
        beside.accepted += usize::from(standing.is_accepted);
        beside.contested += usize::from(standing.is_contested);
        beside.unanswered += usize::from(standing.is_unanswered());
        let odd: Vec<_> = of.odds.iter().filter_map(|odd| self.odd_place(table, row, odd)).collect();
        for place in odd.iter().filter(|place| place.state.is_owed()) {
            place.state.late_days.into_iter().for_each(|days| beside.late.add(days));
            place.state.review_days.into_iter().for_each(|days| beside.reviews.add(days));
        }
        let sent_max = self.sent_max();
        for period in self.due_runs.iter().cloned().flatten() {
            let at = table.at(row, period);
            if table.sent[at] > sent_max || odd.iter().any(|place| place.period == period) {
                continue;
            }
            if table.sent[at] & 1 == 1 {
                beside.late.add(table.late_days[at].into());
            }
            if table.judged[at] <= self.seen {
                beside.reviews.add(table.review_days[at].into());
            }
        }
    }
}

/// How many delays of so many whole days: a median without sorting.
#[derive(Clone, Debug, Default)]
struct Delays {
    /// Of fewer days than [`SHORT_DAYS`]; empty as long as there are none.
    short: Vec<u32>,
    other: BTreeMap<i32, u32>,
    count: usize,
}

/// Plain delays are shorter: they fit into a byte.
const SHORT_DAYS: usize = 256;

impl AddAssign<&Self> for Delays {
    fn add_assign(&mut self, other: &Self) {
        if self.short.is_empty() {
            self.short.clone_from(&other.short);
        } else {
            self.short.iter_mut().zip(&other.short).for_each(|(one, other)| *one += other);
        }
        for (days, count) in &other.other {
            *self.other.entry(*days).or_insert(0) += count;
        }
        self.count += other.count;
    }
}

impl Delays {
    fn add(&mut self, days: i32) {
        self.count += 1;
        match usize::try_from(days) {
            Ok(short) if short < SHORT_DAYS => {
                if self.short.is_empty() {
                    self.short.resize(SHORT_DAYS, 0);
                }
                self.short[short] += 1;
            }
            _ => *self.other.entry(days).or_insert(0) += 1,
        }
    }

    fn lower_median(&self) -> Option<i64> {
        let middle = self.count.checked_sub(1)? / 2;
        let mut seen = 0;
        let short = self.short.iter().enumerate();
        let short = short.map(|(days, count)| (i64::try_from(days).unwrap_or(i64::MAX), *count));
        let below = self.other.range(..0).map(|(days, count)| (i64::from(*days), *count));
        let above = self.other.range(0..).map(|(days, count)| (i64::from(*days), *count));
        below.chain(short).chain(above).find_map(|(days, count)| {
            seen += count as usize;
            (seen > middle).then_some(days)
        })
    }
}
