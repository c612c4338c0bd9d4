//! For tests: a plan with one lead, to which a test adds what it is about.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use crate::calendar::{Calendar, calendar_in};
use crate::facts::{Assignment, Cover, Decision, Entry, Extension, Facts, Position, Report, Source, Value};
use crate::names::AssignmentId;
use crate::obligation::{Obligation, Refused, extend, obligation, review, submit, waive};
use crate::period::Period;
use crate::plan::{Action, Aggregation, Component, Indicator, Plan, Point, Policy, Role};

/// The facts of a plan over 2026 and 2027 in Guayaquil: quarterly, due 10 days after, with an action
/// `A1` over 2026 whose indicator `I1` sums up to 400, led by assignment `a` of institution `msp`.
pub(crate) struct World {
    pub(crate) facts: Facts,
    pub(crate) plan: Plan,
    entries: u64,
}

pub(crate) fn day(text: &str) -> Date {
    text.parse().expect("a day")
}

pub(crate) fn point(on: &str, value: &str) -> Point {
    Point {
        on: day(on),
        value: value.parse().expect("a decimal"),
    }
}

pub(crate) fn calendar() -> Calendar {
    calendar_in("America/Guayaquil")
}

/// A local time in Guayaquil.
pub(crate) fn at(local: &str) -> Timestamp {
    calendar().instant(local.replace(' ', "T").parse::<DateTime>().expect("a local time"))
}

pub(crate) fn period(text: &str) -> Period {
    text.parse().expect("a period")
}

pub(crate) fn indicator() -> Indicator {
    Indicator {
        targets: vec![point("2026-12-31", "400")],
        ..Indicator::new("I1", Aggregation::Sum)
    }
}

pub(crate) fn plan() -> Plan {
    let action = Action {
        indicators: vec![indicator()],
        ..Action::new("A1", "C", day("2026-01-01"), day("2026-12-31"))
    };
    Plan {
        id: "demo".into(),
        start: day("2026-01-01"),
        end: day("2027-12-31"),
        calendar: calendar(),
        policy: Policy::default(),
        components: vec![Component {
            id: "C".into(),
            parent: None,
        }],
        actions: vec![action],
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(plan())
    }

    pub(crate) fn with(plan: Plan) -> Self {
        let mut world = Self {
            facts: Facts::new(),
            plan: plan.clone(),
            entries: 0,
        };
        world.version("2025-12-01 09:00", "2025-12-01", plan);
        world.lead("a");
        world
    }

    pub(crate) fn entry(&mut self, local: &str, source: Source) -> Entry {
        self.entries += 1;
        Entry {
            recorded_at: at(local),
            position: Position {
                source,
                number: self.entries,
            },
        }
    }

    /// A version of the plan, approved then.
    pub(crate) fn version(&mut self, approved: &str, effective_on: &str, plan: Plan) {
        let entry = self.entry(approved, Source::Plans);
        let effective_on = day(effective_on);
        let acts_from = entry.recorded_at.max(calendar().start_of(effective_on));
        self.facts.plan_version(acts_from, effective_on, entry, plan);
    }

    /// Another lead of A1, accepted before the plan begins.
    pub(crate) fn lead(&mut self, id: &str) {
        let entry = self.entry("2025-12-02 09:00", Source::Assignments);
        self.facts.assignment_proposed(entry, assignment(id, "2026-01-01"));
        let entry = self.entry("2025-12-03 09:00", Source::Assignments);
        self.facts.assignment_accepted(entry, &id.into());
    }

    pub(crate) fn submit(&mut self, now: &str, id: &str, of: &str, value: &str) -> Result<Obligation, Refused> {
        let id = AssignmentId::from(id);
        let owed = submit(&self.facts, &id, period(of), at(now))?;
        let entry = self.entry(now, Source::Reporting);
        let values = match value {
            "" => Vec::new(),
            value => vec![("I1".into(), Value::Number(value.parse().expect("a decimal")))],
        };
        let report = Report {
            assignment: id.clone(),
            period: period(of),
            version: owed.next_version - 1,
            received_at: at(now),
            values,
            milestones: Vec::new(),
            nil: value.is_empty(),
        };
        self.facts.report_submitted(entry, report);
        assert_eq!(Some(&owed.state), self.owed(now, id.as_str(), of).as_ref().map(|owed| &owed.state));
        Ok(owed)
    }

    pub(crate) fn review(&mut self, now: &str, id: &str, of: &str, decision: Decision) -> Result<Obligation, Refused> {
        let version = self.owed(now, id, of).and_then(|owed| owed.version).unwrap_or(0);
        let owed = review(&self.facts, &id.into(), period(of), version, decision, at(now))?;
        let entry = self.entry(now, Source::Reporting);
        self.facts.report_reviewed(entry, &id.into(), period(of), version, decision);
        assert_eq!(Some(&owed.state), self.owed(now, id, of).as_ref().map(|owed| &owed.state));
        Ok(owed)
    }

    pub(crate) fn waive(&mut self, now: &str, id: &str, of: &str) -> Result<Obligation, Refused> {
        let owed = waive(&self.facts, &id.into(), period(of), at(now))?;
        let entry = self.entry(now, Source::Reporting);
        self.facts.obligation_waived(entry, &id.into(), period(of));
        assert_eq!(Some(&owed.state), self.owed(now, id, of).as_ref().map(|owed| &owed.state));
        Ok(owed)
    }

    pub(crate) fn extend(&mut self, now: &str, cover: Cover, of: &str, until: &str, emergency: bool) -> Result<(), Refused> {
        let extension = Extension {
            period: period(of),
            cover,
            until: day(until),
            emergency,
        };
        let moved = extend(&self.facts, &extension, at(now))?;
        let entry = self.entry(now, Source::Reporting);
        self.facts.extension_granted(entry, extension);
        for owed in moved {
            assert_eq!(
                self.owed(now, owed.assignment.as_str(), of).map(|now| now.due_at),
                Some(owed.due_at)
            );
        }
        Ok(())
    }

    pub(crate) fn end(&mut self, now: &str, id: &str, last_day: &str) {
        let entry = self.entry(now, Source::Assignments);
        self.facts.assignment_ended(entry, &id.into(), day(last_day));
    }

    pub(crate) fn hand_over(&mut self, now: &str, from: &str, to: &str, effective: &str) {
        let entry = self.entry(now, Source::Assignments);
        self.facts.assignment_handed_over(entry, &from.into(), assignment(to, effective));
    }

    pub(crate) fn owed(&self, t: &str, id: &str, of: &str) -> Option<Obligation> {
        obligation(&self.facts, &id.into(), period(of), at(t))
    }
}

pub(crate) fn assignment(id: &str, from: &str) -> Assignment {
    Assignment {
        id: id.into(),
        action: "A1".into(),
        institution: "msp".into(),
        role: Role::Lead,
        territory: None,
        from: day(from),
        last_day: None,
    }
}
