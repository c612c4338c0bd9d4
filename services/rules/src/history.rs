//! Which plan acts when (VERDICTS, "Revisions", and the calendar's part of "Periods").

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::calendar::Calendar;
use crate::facts::{Entry, Facts};
use crate::names::{ActionId, ComponentId};
use crate::period::Period;
use crate::plan::{Action, Plan};

/// One version of the whole plan, from an instant on.
#[derive(Clone, Debug)]
pub struct Version {
    /// From when on it acts.
    pub acts_from: Timestamp,
    /// The day from which its calendar counts.
    pub effective_on: Date,
    /// When it was recorded, and where that stands.
    pub entry: Entry,
    /// The whole plan.
    pub plan: Arc<Plan>,
    actions: HashMap<ActionId, usize>,
    parents: HashMap<ComponentId, Option<ComponentId>>,
}

impl Version {
    pub(crate) fn new(acts_from: Timestamp, effective_on: Date, entry: Entry, plan: Arc<Plan>) -> Self {
        let actions = plan.actions.iter().enumerate();
        let actions = actions.map(|(i, action)| (action.id.clone(), i)).collect();
        let components = plan.components.iter();
        let parents = components.map(|part| (part.id.clone(), part.parent.clone())).collect();
        Self {
            acts_from,
            effective_on,
            entry,
            plan,
            actions,
            parents,
        }
    }

    /// An action, if this version has it.
    #[must_use]
    pub fn action(&self, id: &ActionId) -> Option<&Action> {
        self.actions.get(id).map(|&i| &self.plan.actions[i])
    }

    /// Whether a component is another or stands below it.
    #[must_use]
    pub fn stands_under(&self, component: &ComponentId, above: &ComponentId) -> bool {
        let mut at = Some(component);
        for _ in 0..=self.parents.len() {
            match at {
                None => return false,
                Some(id) if id == above => return true,
                Some(id) => at = self.parents.get(id).and_then(Option::as_ref),
            }
        }
        false
    }

    /// Whether it acts, and is on record, as of t.
    fn is_known(&self, t: Timestamp) -> bool {
        self.acts_from <= t && self.entry.recorded_at <= t
    }

    /// Whether it began to act, and was on record, before an instant.
    fn was_known_before(&self, instant: Timestamp) -> bool {
        self.acts_from < instant && self.entry.recorded_at < instant
    }
}

/// The plan as of an instant, and what stood when its periods ended.
#[derive(Debug)]
pub struct InForce<'f> {
    /// The facts asked.
    pub facts: &'f Facts,
    /// The instant.
    pub t: Timestamp,
    /// The day of t.
    pub today: Date,
    /// Those that act, the last of them now; never empty.
    versions: Vec<&'f Version>,
}

/// A period of the plan, and what holds for it.
#[derive(Debug)]
pub struct Terms<'f> {
    /// The period.
    pub period: Period,
    /// Its first day.
    pub first_day: Date,
    /// Its last day.
    pub last_day: Date,
    /// The end of its last day, at midnight.
    pub ends_at: Timestamp,
    /// The calendar due instant.
    pub due_at: Timestamp,
    /// What its due days are counted by.
    pub calendar: Cow<'f, Calendar>,
    /// The version by which it is owed; none where the plan was a draft until the period's end.
    pub owed_by: Option<&'f Version>,
}

impl<'f> InForce<'f> {
    /// None as long as no version acts: the plan is a draft.
    #[must_use]
    pub fn at(facts: &'f Facts, t: Timestamp) -> Option<Self> {
        let versions: Vec<_> = facts.versions.iter().filter(|version| version.is_known(t)).collect();
        let today = versions.last()?.plan.calendar.day_of(t);
        Some(Self { facts, t, today, versions })
    }

    /// The version that acts.
    #[must_use]
    pub fn now(&self) -> &'f Version {
        self.versions[self.versions.len() - 1]
    }

    /// The plan that acts.
    #[must_use]
    pub fn plan(&self) -> &'f Plan {
        &self.now().plan
    }

    /// The last version that has an action: what was removed keeps its place in the tree.
    #[must_use]
    pub fn last_with(&self, action: &ActionId) -> Option<(&'f Version, &'f Action)> {
        let mut versions = self.versions.iter().rev();
        versions.find_map(|version| version.action(action).map(|action| (*version, action)))
    }

    /// The end that the plan first set for an action.
    #[must_use]
    pub fn first_end(&self, action: &ActionId) -> Option<Date> {
        self.versions
            .iter()
            .find_map(|version| version.action(action))
            .map(|action| action.end)
    }

    /// What holds for a period, if the plan has it.
    ///
    /// The calendar is the first version's, with every change of a revision whose effective day is
    /// not after the period's first day. A revision that began to act after the period's end does
    /// not reach back to it, whatever its effective day: what the period owes, and until when,
    /// stands. Only extensions move it then.
    #[must_use]
    pub fn terms(&self, period: Period) -> Option<Terms<'f>> {
        let (first_day, last_day) = (period.first_day(), period.last_day());
        let first = self.versions[0];
        let mut calendar = Cow::Borrowed(&first.plan.calendar);
        let mut ends_at = calendar.end_of(last_day);
        let mut owed_by = first.was_known_before(ends_at).then_some(first);
        let mut before = first;
        for &version in &self.versions[1..] {
            if version.was_known_before(ends_at) {
                owed_by = Some(version);
                let (old, new) = (&before.plan.calendar, &version.plan.calendar);
                if version.effective_on <= first_day && old != new {
                    calendar.to_mut().take_changes(old, new);
                    ends_at = calendar.end_of(last_day);
                }
            }
            before = version;
        }
        let plan = &owed_by.unwrap_or(first).plan;
        let has = calendar.frequency == period.frequency() && period.touches(plan.start, plan.end);
        has.then(|| Terms {
            period,
            first_day,
            last_day,
            ends_at,
            due_at: calendar.due_at(period),
            calendar,
            owed_by,
        })
    }

    /// All periods of the plan as of t, in order.
    #[must_use]
    pub fn periods(&self) -> Vec<Terms<'f>> {
        let mut periods = BTreeSet::new();
        let mut spans = Vec::new();
        for version in &self.versions {
            let span = (version.plan.calendar.frequency, version.plan.start, version.plan.end);
            if !spans.contains(&span) {
                spans.push(span);
                periods.extend(span.0.periods(span.1, span.2));
            }
        }
        periods.into_iter().filter_map(|period| self.terms(period)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::Frequency;
    use crate::world::{World, at, day, period};

    fn due(world: &World, of: &str, t: &str) -> Option<Timestamp> {
        InForce::at(&world.facts, at(t)).and_then(|plan| plan.terms(period(of)).map(|terms| terms.due_at))
    }

    #[test]
    fn a_calendar_acts_on_periods_that_begin_on_or_after_its_effective_day() {
        let check = |approved: &str, effective: &str, of: &str, t: &str, expect: &str| {
            let mut world = World::new();
            let mut plan = world.plan.clone();
            plan.calendar.due_days = 20;
            world.version(approved, effective, plan);
            assert_eq!(due(&world, of, t), Some(at(expect)), "{approved} {effective} {of} {t}");
        };
        let (short, long) = ("2026-07-11 00:00", "2026-07-21 00:00");
        check("2026-02-01 09:00", "2026-04-01", "2026-Q2", "2026-05-01 00:00", long);
        check("2026-02-01 09:00", "2026-04-02", "2026-Q2", "2026-05-01 00:00", short);
        // Not yet in force: as of then the old one stands.
        check("2026-02-01 09:00", "2026-04-01", "2026-Q2", "2026-03-31 23:59", short);
        check("2026-05-01 09:00", "2026-04-01", "2026-Q2", "2026-05-01 09:00", long);
        // What has ended is not reached any more.
        check("2026-06-30 23:59", "2026-04-01", "2026-Q2", "2026-08-01 00:00", long);
        check("2026-07-01 00:00", "2026-04-01", "2026-Q2", "2026-08-01 00:00", short);
    }

    #[test]
    fn each_field_of_a_calendar_follows_its_own_revision() {
        let mut world = World::new();
        let mut plan = world.plan.clone();
        plan.calendar.due_days = 20;
        world.version("2026-02-01 09:00", "2026-07-01", plan.clone());
        // Each later one holds the changes of the earlier ones too, and brings only its own.
        plan.calendar.due_hour = Some(jiff::civil::time(17, 0, 0, 0));
        world.version("2026-07-02 09:00", "2026-07-01", plan.clone());
        plan.policy.stale_after = 5;
        world.version("2026-08-01 09:00", "2026-01-01", plan);
        assert_eq!(due(&world, "2026-Q2", "2026-09-01 00:00"), Some(at("2026-07-11 00:00")));
        assert_eq!(due(&world, "2026-Q3", "2026-09-01 00:00"), Some(at("2026-10-20 17:00")));
        assert_eq!(due(&world, "2026-Q3", "2026-07-01 00:00"), Some(at("2026-10-21 00:00")));
    }

    #[test]
    fn another_frequency_begins_with_the_first_of_its_periods() {
        let mut world = World::new();
        let mut plan = world.plan.clone();
        plan.calendar.frequency = Frequency::Monthly;
        plan.end = day("2026-12-31");
        world.version("2026-02-01 09:00", "2026-10-01", plan);
        let periods = |t: &str| {
            let plan = InForce::at(&world.facts, at(t)).expect("a plan");
            let periods: Vec<_> = plan.periods().iter().map(|terms| terms.period.to_string()).collect();
            periods.join(" ")
        };
        assert_eq!(
            periods("2026-09-30 23:59"),
            "2026-Q1 2026-Q2 2026-Q3 2026-Q4 2027-Q1 2027-Q2 2027-Q3 2027-Q4"
        );
        assert_eq!(periods("2026-10-01 00:00"), "2026-Q1 2026-Q2 2026-Q3 2026-10 2026-11 2026-12");
    }

    #[test]
    fn a_component_stands_under_those_above_it() {
        let mut world = World::new();
        let component = |id: &str, parent: &str| crate::plan::Component {
            id: id.into(),
            parent: Some(parent.into()),
        };
        world
            .plan
            .components
            .extend([component("C1", "C"), component("C1a", "C1"), component("loop", "loop")]);
        let version = Version::new(
            at("2026-01-01 00:00"),
            day("2026-01-01"),
            world.facts.versions[0].entry,
            Arc::new(world.plan),
        );
        let check = |id: &str, above: &str, expect: bool| {
            assert_eq!(version.stands_under(&id.into(), &above.into()), expect, "{id} {above}");
        };
        check("C1a", "C", true);
        check("C1a", "C1a", true);
        check("C", "C1", false);
        check("loop", "C", false);
    }
}
