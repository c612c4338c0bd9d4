//! Who answers for which assignment, and who passed it on to whom; and one plan as this service looks at it.
//!
//! The facts that reporting shares with compliance say what is owed. Who may act on it follows from the hand-overs: they
//! are kept here, from the same entries.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use prost::Message;
use vigia_platform::{Error, facts::PlanFacts, name::split};
use vigia_proto::{
    assignments::{Assignment, AssignmentHandedOver, AssignmentProposed},
    journal::Entry,
    plans::{PlanDefinition, ReportingCalendar},
    reporting::extension::Covers,
};
use vigia_rules::{self as rules, AssignmentId, Obligation, Period, history::InForce};

/// The assignments of all plans: by plan, then by id.
#[derive(Debug, Default)]
pub(crate) struct Lines(BTreeMap<String, BTreeMap<String, Seat>>);

/// An assignment, by its names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Action, as resource name.
    pub(crate) action: String,
    /// Institution, as resource name.
    pub(crate) institution: String,
    /// Territory, as code; empty for all.
    territory: String,
    /// Id of the assignment that was handed over to this one.
    predecessor: Option<String>,
    /// Id of the assignment that this one was handed over to.
    successor: Option<String>,
}

impl Lines {
    /// Takes in an entry of the journal of assignments.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        match entry.event_type.as_str() {
            "vigia.assignments.v1.AssignmentProposed" => self.make(
                AssignmentProposed::decode(entry.event.as_slice())?.assignment.unwrap_or_default(),
                None,
            ),
            "vigia.assignments.v1.AssignmentHandedOver" => {
                let handed = AssignmentHandedOver::decode(entry.event.as_slice())?;
                self.make(
                    handed.successor.unwrap_or_default(),
                    Some(&handed.predecessor.unwrap_or_default().name),
                )
            }
            _ => Ok(()),
        }
    }

    fn make(&mut self, made: Assignment, from: Option<&str>) -> Result<(), Error> {
        let parse = |name: &str| {
            let parts = split("plans/{}/assignments/{}", name).map(|parts| (parts[0].to_owned(), parts[1].to_owned()));
            parts.ok_or_else(|| Error::internal(&format!("{name} is not the name of an assignment")))
        };
        let (plan, id) = parse(&made.name)?;
        let seats = self.0.entry(plan).or_default();
        let predecessor = from.map(parse).transpose()?.map(|(_, predecessor)| predecessor);
        if let Some(seat) = predecessor.as_ref().and_then(|predecessor| seats.get_mut(predecessor)) {
            seat.successor = Some(id.clone());
        }
        let Assignment {
            action,
            institution,
            territory,
            ..
        } = made;
        seats.insert(
            id,
            Seat {
                action,
                institution,
                territory,
                predecessor,
                successor: None,
            },
        );
        Ok(())
    }

    /// A plan with its lines.
    pub(crate) fn of<'a>(&'a self, id: &str, plan: &'a PlanFacts) -> Plan<'a> {
        static NOBODY: BTreeMap<String, Seat> = BTreeMap::new();
        Plan {
            known: plan,
            facts: &plan.facts,
            seats: self.0.get(id).unwrap_or(&NOBODY),
        }
    }
}

/// One plan as this service looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) known: &'a PlanFacts,
    pub(crate) facts: &'a rules::Facts,
    seats: &'a BTreeMap<String, Seat>,
}

impl<'a> Plan<'a> {
    /// An assignment by its id.
    pub(crate) fn seat(&self, id: &str) -> Option<&'a Seat> {
        self.seats.get(id)
    }

    /// The ids of all assignments.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &'a str> {
        self.seats.keys().map(String::as_str)
    }

    /// The institutions that may act on what an assignment owes: its own, and those that it was passed on to. Who has
    /// passed it on still sends what it owed; who has it now answers for what is open.
    pub(crate) fn answerable(&self, id: &str) -> impl Iterator<Item = &'a str> {
        self.walk(id, |seat| seat.successor.as_deref())
            .map(|(_, seat)| seat.institution.as_str())
    }

    /// An assignment and those that it was taken over from, the nearest first.
    pub(crate) fn line_back(&self, id: &str) -> impl Iterator<Item = &'a str> {
        self.walk(id, |seat| seat.predecessor.as_deref()).map(|(id, _)| id)
    }

    /// Whether an extension covers what an assignment owes for the period that it is about.
    pub(crate) fn covers(&self, covers: &Covers, id: &str) -> bool {
        let Some(seat) = self.seats.get(id) else { return false };
        match covers {
            Covers::Assignment(name) => split("plans/{}/assignments/{}", name)
                .and_then(|parts| self.line_back(parts[1]).last())
                .is_some_and(|first| self.line_back(id).last() == Some(first)),
            Covers::Institution(name) => *name == seat.institution,
            Covers::Territory(code) => !seat.territory.is_empty() && seat.territory.starts_with(code.as_str()),
            Covers::All(all) => *all,
        }
    }

    /// The periods that any version of the plan has.
    pub(crate) fn periods(&self) -> BTreeSet<Period> {
        self.facts
            .plan_versions()
            .flat_map(|(_, plan)| plan.calendar.frequency.periods(plan.start, plan.end))
            .collect()
    }

    /// What assignments owe.
    pub(crate) fn owed<'i>(self, ids: impl IntoIterator<Item = &'i str>, t: Timestamp) -> impl Iterator<Item = Obligation> {
        rules::obligations_of(self.facts, ids.into_iter().map(AssignmentId::from), t)
    }

    /// The plan with its texts as it is in force at `t`; as it will be, as long as it is not.
    pub(crate) fn definition_at(&self, t: Timestamp) -> &'a PlanDefinition {
        self.known.definition_at(t).unwrap_or(&self.known.definition)
    }

    /// How reports are handed in at `t`.
    pub(crate) fn reporting_at(&self, t: Timestamp) -> Option<&'a ReportingCalendar> {
        self.definition_at(t).plan.as_ref()?.reporting.as_ref()
    }

    /// An action as the plan that is in force at `t` has it; `name` is a resource name.
    pub(crate) fn action_at(&self, name: &str, t: Timestamp) -> Option<&'a rules::Action> {
        let id = rules::ActionId::from(name.rsplit('/').next()?);
        InForce::at(self.facts, t)?.now().action(&id)
    }

    /// Steps from assignment to assignment. No more of them than there are, so that a journal that hands over in a
    /// circle can't keep it going.
    fn walk(&self, id: &str, next: impl Fn(&'a Seat) -> Option<&'a str>) -> impl Iterator<Item = (&'a str, &'a Seat)> {
        let seats = self.seats;
        let find = move |id: &str| seats.get_key_value(id).map(|(id, seat)| (id.as_str(), seat));
        std::iter::successors(find(id), move |(_, seat)| next(seat).and_then(find)).take(seats.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event_type: &str, event: &impl Message) -> Entry {
        Entry {
            event_type: format!("vigia.assignments.v1.{event_type}"),
            event: event.encode_to_vec(),
            ..Entry::default()
        }
    }

    fn assignment(id: &str, institution: &str) -> Assignment {
        Assignment {
            name: format!("plans/p/assignments/{id}"),
            institution: institution.to_owned(),
            ..Assignment::default()
        }
    }

    #[test]
    fn a_successor_acts_for_its_predecessor_and_not_the_other_way_round() {
        let mut lines = Lines::default();
        let proposed = AssignmentProposed {
            assignment: Some(assignment("a1", "institutions/old")),
        };
        lines.take(&entry("AssignmentProposed", &proposed)).expect("an entry");
        let handed = AssignmentHandedOver {
            predecessor: Some(assignment("a1", "institutions/old")),
            successor: Some(assignment("a2", "institutions/new")),
            ..AssignmentHandedOver::default()
        };
        lines.take(&entry("AssignmentHandedOver", &handed)).expect("an entry");
        let facts = PlanFacts::default();
        let plan = lines.of("p", &facts);
        assert_eq!(plan.answerable("a1").collect::<Vec<_>>(), ["institutions/old", "institutions/new"]);
        assert_eq!(plan.answerable("a2").collect::<Vec<_>>(), ["institutions/new"]);
        assert_eq!(plan.line_back("a2").collect::<Vec<_>>(), ["a2", "a1"]);
        assert!(plan.covers(&Covers::Assignment("plans/p/assignments/a2".to_owned()), "a1"));
        assert!(!plan.covers(&Covers::Institution("institutions/new".to_owned()), "a1"));
        assert_eq!(plan.answerable("a3").count(), 0);
    }
}
