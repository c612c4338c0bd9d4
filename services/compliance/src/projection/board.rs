//! All scorecards of a plan as of an instant, rolled up from columns; equal to those of `vigia_rules::Verdicts`.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use vigia_rules::history::Version;
use vigia_rules::{ActionId, ActionState, ComponentId, Decimal, Discipline, Exact, InstitutionId, Period, Reading, Rule, Scope, Scorecard};

use super::Projection;
use super::question::{NotAsked, Question};
use super::table::{NONE, Table};
use super::tally::{Tallies, Tally, on_threads};
use super::verdict::Case;

/// The verdict on an action, without its findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The action.
    pub action: ActionId,
    /// The state.
    pub state: ActionState,
    /// The rule that fitted first.
    pub rule: Rule,
    /// The period judged.
    pub period: Option<Period>,
    /// Unreported counts as zero.
    pub strict: Option<Reading>,
    /// Only what is reported.
    pub observed: Option<Reading>,
    /// Only what is validated.
    pub validated: Option<Reading>,
    pub(super) weight: Decimal,
    /// The institutions in whose index it counts, by number; and whether a report of theirs is missing.
    pub(super) holders: Vec<(u32, bool)>,
}

/// All scorecards of a plan as of an instant. Nothing is computed before it is asked for, and nothing twice.
#[derive(Debug)]
pub struct Board<'p> {
    question: Question<'p>,
    judged: OnceCell<Vec<Judged>>,
    tallies: OnceCell<Tallies>,
    /// The components that a table's action hangs on, itself first.
    above: OnceCell<Vec<Vec<ComponentId>>>,
}

/// The three readings of a scope. Readings are none where there is nothing that has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Unreported counts as zero.
    pub strict: Option<Reading>,
    /// Only what is reported.
    pub observed: Option<Reading>,
    /// The share of the weight that `observed` rests on.
    pub coverage_observed: Option<Reading>,
    /// Only what is validated.
    pub validated: Option<Reading>,
    /// The share of the weight that `validated` rests on.
    pub coverage_validated: Option<Reading>,
}

/// Readings by weight: in millionths times trillionths, exact for as many actions as a plan may have.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: i128,
    weight: i128,
}

const TRILLIONTHS: i128 = 1_000_000_000_000;

impl Mean {
    fn add(&mut self, weight: Decimal, reading: Reading) {
        self.sum += weight.millionths() * i128::from(reading.trillionths());
        self.weight += weight.millionths();
    }

    /// Rounded half up, or none where nothing carries weight.
    fn reading(self) -> Option<Reading> {
        if self.weight == 0 {
            return None;
        }
        let doubled = self.sum.checked_mul(2).and_then(|sum| sum.checked_add(self.weight));
        if let (Some(doubled), true) = (doubled, self.weight > 0 && self.sum >= 0) {
            let units = doubled / (2 * self.weight);
            return Some(u64::try_from(units).map_or(Reading::ONE, Reading::from_trillionths));
        }
        let share = Exact::from_millionths(self.sum).divided_by(&Exact::from_millionths(self.weight))?;
        share.divided_by(&Exact::from_int(1_000_000_000_000)).as_ref().map(Reading::of)
    }
}

/// What actions make together.
#[derive(Default)]
struct Sum {
    strict: Mean,
    observed: Mean,
    validated: Mean,
    weight: i128,
    states: BTreeMap<ActionState, usize>,
}

impl Sum {
    fn add(&mut self, judged: &Judged, strict: Option<Reading>) {
        *self.states.entry(judged.state).or_insert(0) += 1;
        if !judged.state.is_counted() {
            return;
        }
        self.weight += judged.weight.millionths();
        let parts = [
            (&mut self.strict, strict),
            (&mut self.observed, judged.observed),
            (&mut self.validated, judged.validated),
        ];
        for (mean, reading) in parts {
            if let Some(reading) = reading {
                mean.add(judged.weight, reading);
            }
        }
    }

    fn index(&self) -> Index {
        let coverage = |mean: Mean| {
            let covered = Mean {
                sum: mean.weight * TRILLIONTHS,
                weight: self.weight,
            };
            covered.reading()
        };
        Index {
            strict: self.strict.reading(),
            observed: self.observed.reading(),
            coverage_observed: coverage(self.observed),
            validated: self.validated.reading(),
            coverage_validated: coverage(self.validated),
        }
    }
}

impl Projection {
    /// All scorecards as of t; none as long as the plan is a draft. Fails where the columns can't answer alone, which
    /// is where a due hour lies within a period's last day: then ask the rules.
    pub fn board(&self, t: Timestamp) -> Option<Board<'_>> {
        match Question::at(self, t) {
            Ok(question) => Some(Board {
                question,
                judged: OnceCell::new(),
                tallies: OnceCell::new(),
                above: OnceCell::new(),
            }),
            Err(NotAsked::Draft | NotAsked::NotPlain) => None,
        }
    }
}

impl Board<'_> {
    /// The verdicts on all actions, in the plan's order.
    pub fn actions(&self) -> &[Judged] {
        self.judged.get_or_init(|| {
            let question = &self.question;
            let projection = question.projection;
            let actions = &question.plan.plan().actions;
            let next = AtomicUsize::new(0);
            let parts = on_threads(question.parts(), |_| {
                let mut judged = Vec::new();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(action) = actions.get(i) else { return judged };
                    if let Some(&table) = projection.table_of.get(&action.id) {
                        judged.push((i, Case::new(question, &projection.tables[table], action).judge()));
                    }
                }
            });
            let mut judged: Vec<_> = parts.into_iter().flatten().collect();
            judged.sort_by_key(|(i, _)| *i);
            judged.into_iter().map(|(_, judged)| judged).collect()
        })
    }

    /// The index of every scope of one kind at once.
    pub fn institutions(&self) -> Vec<(InstitutionId, Index)> {
        let mut sums: Vec<Sum> = Vec::new();
        sums.resize_with(self.question.projection.institutions.all.len(), Sum::default);
        for judged in self.actions() {
            for &(institution, is_silent) in &judged.holders {
                let strict = if is_silent { Some(Reading::ZERO) } else { judged.strict };
                sums[institution as usize].add(judged, strict);
            }
        }
        let names = self.question.projection.institutions.all.iter().cloned();
        names.zip(sums.iter().map(Sum::index)).collect()
    }

    /// The index of every component of the plan as of then, and of the plan.
    pub fn components(&self) -> (Index, Vec<(ComponentId, Index)>) {
        let mut whole = Sum::default();
        let components = &self.question.plan.plan().components;
        let mut sums: BTreeMap<&ComponentId, Sum> = components.iter().map(|component| (&component.id, Sum::default())).collect();
        for judged in self.actions() {
            whole.add(judged, judged.strict);
            for component in self.above_action(&judged.action) {
                if let Some(sum) = sums.get_mut(component) {
                    sum.add(judged, judged.strict);
                }
            }
        }
        let named = components
            .iter()
            .map(|component| (component.id.clone(), sums[&component.id].index()));
        (whole.index(), named.collect())
    }

    /// The scorecard of a scope. A scope that nothing lies in has zeros and no readings.
    pub fn scorecard(&self, scope: &Scope) -> Scorecard {
        let mut sum = Sum::default();
        let institution = match scope {
            Scope::Institution(id) => self.question.projection.institutions.number_of.get(id).copied().unwrap_or(NONE),
            _ => NONE,
        };
        for judged in self.actions() {
            match scope {
                Scope::Plan => sum.add(judged, judged.strict),
                Scope::Component(component) if self.above_action(&judged.action).contains(component) => sum.add(judged, judged.strict),
                Scope::Institution(_) => {
                    if let Ok(at) = judged.holders.binary_search_by_key(&institution, |(holder, _)| *holder) {
                        sum.add(judged, if judged.holders[at].1 { Some(Reading::ZERO) } else { judged.strict });
                    }
                }
                Scope::Component(_) | Scope::Territory(_) => {}
            }
        }
        let Index {
            strict,
            observed,
            coverage_observed,
            validated,
            coverage_validated,
        } = sum.index();
        Scorecard {
            strict,
            observed,
            coverage_observed,
            validated,
            coverage_validated,
            discipline: self.discipline(scope),
            actions: sum.states,
        }
    }

    fn tallies(&self) -> &Tallies {
        self.tallies.get_or_init(|| Tallies::of(&self.question))
    }

    fn discipline(&self, scope: &Scope) -> Discipline {
        let projection = self.question.projection;
        let tallies = self.tallies();
        let add = |parts: &[Tally], holds: &dyn Fn(usize) -> bool| {
            let held = parts.iter().enumerate().filter(|(i, _)| holds(*i));
            held.map(|(_, tally)| *tally).fold(Tally::default(), std::ops::Add::add)
        };
        let tally = match scope {
            Scope::Plan => add(&tallies.actions, &|_| true),
            Scope::Component(id) => add(&tallies.actions, &|i| self.above(i).contains(id)),
            Scope::Institution(id) => add(&tallies.institutions, &|i| projection.institutions.all[i] == *id),
            Scope::Territory(code) => add(&tallies.territories, &|i| projection.territories.all[i].lies_in(code)),
        };
        let count = |n: i64| usize::try_from(n).unwrap_or(0);
        let mut discipline = Discipline {
            owed: count(tally.owed),
            received: count(tally.received),
            on_time: count(tally.on_time),
            validated: count(tally.validated),
            validated_on_time: count(tally.validated_on_time),
            nil: count(tally.nil),
            waived_after_due: count(tally.waived_after_due),
            extended_after_due: count(tally.extended_after_due),
            ..Discipline::default()
        };
        self.beside(scope, &mut discipline);
        discipline
    }

    /// What stands beside the counts: assignments and delays.
    fn beside(&self, scope: &Scope, discipline: &mut Discipline) {
        let projection = self.question.projection;
        let (mut late, mut reviews) = (Delays::default(), Delays::default());
        let institution = match scope {
            Scope::Institution(id) => projection.institutions.number_of.get(id).copied(),
            _ => None,
        };
        let territories: Vec<bool> = match scope {
            Scope::Territory(code) => projection.territories.all.iter().map(|other| other.lies_in(code)).collect(),
            _ => Vec::new(),
        };
        for (i, table) in projection.tables.iter().enumerate() {
            if matches!(scope, Scope::Component(id) if !self.above(i).contains(id)) {
                continue;
            }
            let holds = |row: usize| {
                let row = &table.rows[row];
                match scope {
                    Scope::Plan | Scope::Component(_) => true,
                    Scope::Institution(_) => Some(row.institution) == institution,
                    Scope::Territory(_) => territories.get(row.territory as usize).is_some_and(|held| *held),
                }
            };
            let rows: Vec<_> = (0..table.rows.len()).filter(|row| holds(*row)).collect();
            for &row in &rows {
                let Some(standing) = self.question.standing(&table.rows[row]) else {
                    continue;
                };
                discipline.proposed += 1;
                discipline.accepted += usize::from(standing.is_accepted);
                discipline.contested += usize::from(standing.is_contested);
                discipline.unanswered += usize::from(standing.is_unanswered());
            }
            self.delays(table, &rows, &mut late, &mut reviews);
        }
        discipline.median_delay_late_days = late.lower_median();
        discipline.median_delay_review_days = reviews.lower_median();
    }

    fn delays(&self, table: &Table, rows: &[usize], late: &mut Delays, reviews: &mut Delays) {
        let question = &self.question;
        let all_odd = question.odd(table);
        for &row in rows {
            let first = all_odd.partition_point(|place| place.row < row);
            let odd = &all_odd[first..][..all_odd[first..].partition_point(|place| place.row == row)];
            for place in odd.iter().filter(|place| place.state.is_owed()) {
                place.state.late_days.into_iter().for_each(|days| late.add(days));
                place.state.review_days.into_iter().for_each(|days| reviews.add(days));
            }
            let is_odd = |period: usize| odd.iter().any(|place| place.period == period);
            for period in question.due_runs.iter().cloned().flatten() {
                let at = table.at(row, period);
                if table.sent[at] > question.sent_max() || (!odd.is_empty() && is_odd(period)) {
                    continue;
                }
                if table.sent[at] & 1 == 1 {
                    late.add(table.late_days[at].into());
                }
                if table.judged[at] <= question.seen {
                    reviews.add(table.review_days[at].into());
                }
            }
        }
    }

    /// The components that a table's action hangs on, by the last version that has it.
    fn above(&self, table: usize) -> &[ComponentId] {
        &self.above.get_or_init(|| all_above(&self.question))[table]
    }

    fn above_action(&self, action: &ActionId) -> &[ComponentId] {
        match self.question.projection.table_of.get(action) {
            Some(&table) => self.above(table),
            None => &[],
        }
    }
}

/// Of each table's action the components above it, by the last version that has it.
fn all_above(question: &Question<'_>) -> Vec<Vec<ComponentId>> {
    let plan = &question.plan;
    let mut parents_of: HashMap<*const Version, HashMap<&ComponentId, Option<&ComponentId>>> = HashMap::new();
    let tables = question.projection.tables.iter();
    let above = tables.map(|table| {
        let Some((version, action)) = plan.last_with(&table.action) else {
            return Vec::new();
        };
        let parents = parents_of.entry(std::ptr::from_ref(version)).or_insert_with(|| {
            let components = version.plan.components.iter();
            components.map(|component| (&component.id, component.parent.as_ref())).collect()
        });
        let mut above: Vec<ComponentId> = Vec::new();
        let mut next = Some(&action.component);
        while let Some(id) = next.filter(|id| !above.contains(*id)) {
            above.push(id.clone());
            next = parents.get(id).copied().flatten();
        }
        above
    });
    above.collect()
}

/// How many delays of so many whole days: a median without sorting.
#[derive(Default)]
struct Delays {
    short: Vec<usize>,
    other: BTreeMap<i64, usize>,
    count: usize,
}

/// Delays up to so many days are counted in a list.
const SHORT_DAYS: usize = 1024;

impl Delays {
    fn add(&mut self, days: i64) {
        self.count += 1;
        match usize::try_from(days) {
            Ok(short) if short < SHORT_DAYS => {
                if self.short.len() <= short {
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
        let short = self
            .short
            .iter()
            .enumerate()
            .map(|(days, count)| (i64::try_from(days).unwrap_or(i64::MAX), *count));
        let below = self.other.range(..0).map(|(days, count)| (*days, *count));
        let above = self.other.range(0..).map(|(days, count)| (*days, *count));
        below.chain(short).chain(above).find_map(|(days, count)| {
            seen += count;
            (seen > middle).then_some(days)
        })
    }
}

impl Question<'_> {
    /// The discipline of every component of the plan as of then, from that of the actions.
    pub(super) fn components(&self, actions: &[Tally]) -> impl Iterator<Item = (ComponentId, Tally)> {
        let components = self.plan.plan().components.iter();
        let mut sums: BTreeMap<ComponentId, Tally> = components.map(|component| (component.id.clone(), Tally::default())).collect();
        for (above, tally) in all_above(self).iter().zip(actions) {
            for component in above {
                if let Some(sum) = sums.get_mut(component) {
                    *sum += *tally;
                }
            }
        }
        sums.into_iter()
    }
}
