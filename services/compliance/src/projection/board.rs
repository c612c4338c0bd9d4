//! All scorecards of a plan as of an instant, rolled up from columns; equal to those of `vigia_rules::Verdicts`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use vigia_rules::history::Version;
use vigia_rules::{
    ActionId, ActionState, AssignmentId, ComponentId, Decimal, Discipline, Exact, Index, InstitutionId, Part, Period, Reading, Rule, Scope,
    Scorecard, Slice,
};

use super::beside::{AllBeside, Beside, By};
use super::question::{NotAsked, Question};
use super::tally::{Tallies, Tally, on_threads};
use super::verdict::Case;
use super::{Instants, Projection};

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
    /// The rows in whose index it counts: those that lead it, accepted or not yet answered.
    pub(super) leading: Vec<u32>,
}

/// All scorecards of a plan as of an instant. Nothing is computed before it is asked for, and nothing twice.
#[derive(Debug)]
pub struct Board<'p> {
    question: Question<'p>,
    computed: Arc<Computed>,
}

/// What was computed for a board, to be given to the next one as of the same state of the same facts.
#[derive(Debug, Default)]
pub struct Computed {
    judged: OnceLock<Vec<Judged>>,
    tallies: OnceLock<Tallies>,
    beside: OnceLock<AllBeside>,
    /// The components that a table's action hangs on, itself first.
    above: OnceLock<Vec<Vec<ComponentId>>>,
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
    pub fn board<'p>(&'p self, journal: &'p Instants, t: Timestamp) -> Option<Board<'p>> {
        match Question::at(self, journal, t) {
            Ok(question) => Some(Board {
                question,
                computed: Arc::default(),
            }),
            Err(NotAsked::Draft | NotAsked::NotPlain) => None,
        }
    }
}

impl Board<'_> {
    /// Goes on from what was computed as of another instant between which and this nothing has changed.
    #[must_use]
    pub fn from(self, computed: Arc<Computed>) -> Self {
        Self { computed, ..self }
    }

    /// What was computed so far, and is from now on.
    #[must_use]
    pub fn computed(&self) -> Arc<Computed> {
        self.computed.clone()
    }

    /// Until when all stays as it is if nothing is recorded: the rules' own answer, or sooner.
    #[must_use]
    pub fn next_change(&self) -> Timestamp {
        self.question.next_change()
    }

    /// The plan's periods as of then, in order, with their calendar due instants.
    pub fn periods(&self) -> impl Iterator<Item = (Period, Timestamp)> {
        self.question.terms.iter().map(|terms| (terms.period, terms.due_at))
    }

    /// The verdicts on all actions, in the plan's order.
    pub fn actions(&self) -> &[Judged] {
        self.computed.judged.get_or_init(|| self.judge(|_| true))
    }

    fn judge(&self, wanted: impl Fn(&ActionId) -> bool + Sync) -> Vec<Judged> {
        let question = &self.question;
        let projection = question.projection;
        let actions = &question.plan.plan().actions;
        let next = AtomicUsize::new(0);
        let parts = on_threads(question.parts(), |_| {
            let mut judged = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(action) = actions.get(i) else { return judged };
                if let Some(&table) = projection.table_of.get(&action.id).filter(|_| wanted(&action.id)) {
                    judged.push((i, Case::new(question, &projection.tables[table], action).judge()));
                }
            }
        });
        let mut judged: Vec<_> = parts.into_iter().flatten().collect();
        judged.sort_by_key(|(i, _)| *i);
        judged.into_iter().map(|(_, judged)| judged).collect()
    }

    /// The index of every institution at once.
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
        self.slice(&Slice::Scope(scope.clone()))
    }

    /// The scorecard of a slice.
    pub fn slice(&self, slice: &Slice) -> Scorecard {
        let (index, actions) = self.sum(slice);
        Scorecard {
            strict: index.strict,
            observed: index.observed,
            coverage_observed: index.coverage_observed,
            validated: index.validated,
            coverage_validated: index.coverage_validated,
            discipline: self.discipline(slice),
            actions,
        }
    }

    /// The index of a slice.
    pub fn index(&self, slice: &Slice) -> Index {
        self.sum(slice).0
    }

    fn sum(&self, slice: &Slice) -> (Index, BTreeMap<ActionState, usize>) {
        let mut sum = Sum::default();
        // Territories and roles have no index, so that nothing needs to be judged for them.
        if !matches!(slice, Slice::Scope(Scope::Territory(_)) | Slice::Role(_)) {
            for judged in self.actions().iter().filter(|judged| self.holds(slice, judged)) {
                sum.add(judged, self.strict_in(slice, judged));
            }
        }
        (sum.index(), sum.states)
    }

    /// What a slice's index is made of, as [`vigia_rules::Verdicts::parts`] has it; of some actions only, where the
    /// others can't have changed.
    pub fn parts(&self, slice: &Slice, wanted: Option<&BTreeSet<ActionId>>) -> Vec<Part> {
        let some = wanted.map(|wanted| self.judge(|action| wanted.contains(action)));
        let judged = some.as_deref().unwrap_or_else(|| self.actions()).iter();
        let held = judged.filter(|judged| self.holds(slice, judged));
        held.map(|judged| Part {
            action: judged.action.clone(),
            state: judged.state,
            weight: judged.weight,
            strict: self.strict_in(slice, judged),
            observed: judged.observed,
            validated: judged.validated,
        })
        .collect()
    }

    /// Whether an action belongs to a slice's index.
    fn holds(&self, slice: &Slice, judged: &Judged) -> bool {
        let lies_in = |component: &ComponentId| self.above_action(&judged.action).contains(component);
        match slice {
            Slice::Scope(Scope::Plan) => true,
            Slice::Scope(Scope::Component(component)) => lies_in(component),
            Slice::Scope(Scope::Institution(id)) => self.is_silent(id, judged).is_some(),
            Slice::InstitutionIn(id, component) => self.is_silent(id, judged).is_some() && lies_in(component),
            Slice::Actions(actions) => actions.contains(&judged.action),
            Slice::Assignments(assignments) => self.question.projection.table_of.get(&judged.action).is_some_and(|table| {
                let mut leading = judged.leading.iter();
                leading.any(|row| self.is_among(assignments, *table, *row as usize))
            }),
            Slice::Scope(Scope::Territory(_)) | Slice::Role(_) => false,
        }
    }

    /// The strict reading with which an action counts in a slice's index: silence does not pay.
    fn strict_in(&self, slice: &Slice, judged: &Judged) -> Option<Reading> {
        match slice {
            Slice::Scope(Scope::Institution(id)) | Slice::InstitutionIn(id, _) if self.is_silent(id, judged) == Some(true) => {
                Some(Reading::ZERO)
            }
            _ => judged.strict,
        }
    }

    /// Of an institution in whose index an action counts: whether a report of its own is missing.
    fn is_silent(&self, id: &InstitutionId, judged: &Judged) -> Option<bool> {
        let institution = *self.question.projection.institutions.number_of.get(id)?;
        let at = judged.holders.binary_search_by_key(&institution, |(holder, _)| *holder).ok()?;
        Some(judged.holders[at].1)
    }

    fn is_among(&self, assignments: &BTreeSet<AssignmentId>, table: usize, row: usize) -> bool {
        let projection = self.question.projection;
        let desk = projection.tables[table].rows[row].desk as usize;
        let made = projection.facts.assignments[desk].made.as_ref();
        made.is_some_and(|made| assignments.contains(&made.assignment.id))
    }

    fn tallies(&self) -> &Tallies {
        self.computed.tallies.get_or_init(|| Tallies::of(&self.question))
    }

    fn beside(&self, by: By) -> &[Beside] {
        self.computed.beside.get_or_init(|| AllBeside::of(&self.question)).by(by)
    }

    fn discipline(&self, slice: &Slice) -> Discipline {
        let projection = self.question.projection;
        let lies_in = |table: usize, component: &ComponentId| self.above(table).contains(component);
        let actions = |holds: &dyn Fn(usize) -> bool| self.of_groups(&self.tallies().actions, By::Action, holds);
        match slice {
            Slice::Scope(Scope::Plan) => actions(&|_| true),
            Slice::Scope(Scope::Component(id)) => actions(&|table| lies_in(table, id)),
            Slice::Actions(held) => actions(&|table| held.contains(&projection.tables[table].action)),
            Slice::Scope(Scope::Institution(id)) => {
                let number = projection.institutions.number_of.get(id).map(|number| *number as usize);
                self.of_groups(&self.tallies().institutions, By::Institution, &|i| Some(i) == number)
            }
            Slice::Scope(Scope::Territory(code)) => self.of_groups(&self.tallies().territories, By::Territory, &|i| {
                projection.territories.all[i].lies_in(code)
            }),
            Slice::Role(role) => self.of_groups(&self.tallies().roles, By::Role, &|i| i == *role as usize),
            Slice::InstitutionIn(id, component) => {
                let number = projection.institutions.number_of.get(id).copied();
                let holds = |table: usize, row: usize| Some(projection.tables[table].rows[row].institution) == number;
                self.of_rows(&|table| lies_in(table, component), &holds)
            }
            Slice::Assignments(held) => self.of_rows(&|_| true, &|table, row| self.is_among(held, table, row)),
        }
    }

    /// The discipline of some of the groups that a slice is made of.
    fn of_groups(&self, tallies: &[Tally], by: By, holds: &dyn Fn(usize) -> bool) -> Discipline {
        let (mut tally, mut beside) = (Tally::default(), Beside::default());
        for (i, part) in tallies.iter().enumerate().filter(|(i, _)| holds(*i)) {
            tally += *part;
            beside += &self.beside(by)[i];
        }
        counted(tally, &beside)
    }

    /// The discipline of assignments that are no group of their own.
    fn of_rows(&self, holds_table: &dyn Fn(usize) -> bool, holds: &dyn Fn(usize, usize) -> bool) -> Discipline {
        let (mut tally, mut beside) = (Tally::default(), Beside::default());
        for (number, table) in self.question.projection.tables.iter().enumerate() {
            if !holds_table(number) {
                continue;
            }
            for row in (0..table.rows.len()).filter(|row| holds(number, *row)) {
                tally += self.question.tally_row(table, row);
                self.question.add_beside(table, row, &mut beside);
            }
        }
        counted(tally, &beside)
    }

    /// The components that a table's action hangs on, by the last version that has it.
    fn above(&self, table: usize) -> &[ComponentId] {
        &self.computed.above.get_or_init(|| all_above(&self.question))[table]
    }

    fn above_action(&self, action: &ActionId) -> &[ComponentId] {
        match self.question.projection.table_of.get(action) {
            Some(&table) => self.above(table),
            None => &[],
        }
    }
}

fn counted(tally: Tally, beside: &Beside) -> Discipline {
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
    beside.note(&mut discipline);
    discipline
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
