//! What was recorded between two instants, in order: for whoever asks why something is no longer as it was.

use jiff::Timestamp;

use crate::facts::{CourseEvent, Cover, Decision, Desk, DeskEvent, Entry, Facts};
use crate::names::{ActionId, AssignmentId};
use crate::period::Period;

/// One thing that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When, and where it stands.
    pub entry: Entry,
    /// The action that it is about; none where it may be about any.
    pub action: Option<ActionId>,
    /// What it is.
    pub event: Event,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A version of the plan, which acts from an instant that may be later.
    PlanVersion {
        /// From when.
        acts_from: Timestamp,
    },
    /// An assignment was made, ended or answered.
    Assignment {
        /// Which.
        assignment: AssignmentId,
    },
    /// A report was submitted.
    Submitted {
        /// By whom.
        assignment: AssignmentId,
        /// For when.
        period: Period,
    },
    /// A report was reviewed.
    Reviewed {
        /// Whose.
        assignment: AssignmentId,
        /// For when.
        period: Period,
        /// What was decided.
        decision: Decision,
    },
    /// An obligation was waived.
    Waived {
        /// Whose.
        assignment: AssignmentId,
        /// For when.
        period: Period,
    },
    /// A due day was moved.
    Extended {
        /// For whom.
        cover: Cover,
        /// For when.
        period: Period,
    },
}

impl Facts {
    /// All that was recorded after one instant and not after another, in the order of recording; what shares an
    /// instant by journal and position.
    #[must_use]
    pub fn recorded(&self, after: Timestamp, until: Timestamp) -> Vec<Recorded> {
        let lies = |entry: &Entry| after < entry.recorded_at && entry.recorded_at <= until;
        let mut recorded = Vec::new();
        let mut note = |entry: &Entry, action: Option<&ActionId>, event: Event| {
            recorded.push(Recorded {
                entry: *entry,
                action: action.cloned(),
                event,
            });
        };
        for version in self.versions.iter().filter(|version| lies(&version.entry)) {
            let acts_from = version.acts_from;
            note(&version.entry, None, Event::PlanVersion { acts_from });
        }
        for (period, extensions) in self.extensions.iter() {
            for (entry, extension) in extensions.iter().filter(|(entry, _)| lies(entry)) {
                let (cover, period) = (extension.cover.clone(), *period);
                note(entry, None, Event::Extended { cover, period });
            }
        }
        for desk in self.assignments.iter() {
            let Some(made) = &desk.made else { continue };
            let (assignment, action) = (&made.assignment.id, Some(&made.assignment.action));
            let answered = desk.events.iter().map(|(entry, _)| entry);
            for entry in std::iter::once(&made.entry).chain(answered).filter(|entry| lies(entry)) {
                let assignment = assignment.clone();
                note(entry, action, Event::Assignment { assignment });
            }
            for (period, entry, event) in courses(desk).filter(|(_, entry, _)| lies(entry)) {
                let assignment = assignment.clone();
                let event = match event {
                    CourseEvent::Submitted(_) => Event::Submitted { assignment, period },
                    CourseEvent::Reviewed { decision, .. } => Event::Reviewed {
                        assignment,
                        period,
                        decision: *decision,
                    },
                    CourseEvent::Waived => Event::Waived { assignment, period },
                };
                note(entry, action, event);
            }
        }
        recorded.sort_by_key(|one| (one.entry.recorded_at, one.entry.position));
        recorded
    }

    /// The entry by which an assignment was accepted first, if it was by t.
    #[must_use]
    pub fn accepted_by(&self, assignment: &AssignmentId, t: Timestamp) -> Option<Entry> {
        let desk = &self.assignments[self.find(assignment)?];
        let made = desk.made.as_ref()?;
        let answers = desk.events.iter().filter(|(_, event)| {
            matches!(
                event,
                DeskEvent::Accepted | DeskEvent::Resolved(crate::facts::Resolution::Confirmed)
            )
        });
        let by_itself = made.handed_from.map(|_| made.entry);
        let first = by_itself.into_iter().chain(answers.map(|(entry, _)| *entry)).next();
        first.filter(|entry| entry.recorded_at <= t)
    }
}

fn courses(desk: &Desk) -> impl Iterator<Item = (Period, &Entry, &CourseEvent)> {
    let courses = desk.courses.all();
    courses.flat_map(|(period, events)| events.iter().map(|(entry, event)| (*period, entry, event)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, at};

    #[test]
    fn what_was_recorded_comes_in_order_and_only_from_the_span() {
        let mut world = World::new();
        world.submit("2026-04-05 09:00", "a", "2026-Q1", "5").expect("accepted");
        world
            .review("2026-04-06 09:00", "a", "2026-Q1", Decision::Validated)
            .expect("accepted");
        world
            .extend("2026-04-04 09:00", Cover::All, "2026-Q2", "2026-08-01", false)
            .expect("accepted");
        let told = |after: &str, until: &str| -> Vec<String> {
            let all = world.facts.recorded(at(after), at(until));
            all.iter()
                .map(|one| format!("{:?}", one.event).split(' ').next().unwrap_or_default().to_owned())
                .collect()
        };
        assert_eq!(
            told("2025-11-01 00:00", "2027-01-01 00:00"),
            ["PlanVersion", "Assignment", "Assignment", "Extended", "Submitted", "Reviewed"]
        );
        // The first instant is out, the last one in.
        assert_eq!(told("2026-04-04 09:00", "2026-04-05 09:00"), ["Submitted"]);
        assert_eq!(
            world
                .facts
                .accepted_by(&"a".into(), at("2026-01-01 00:00"))
                .map(|entry| entry.recorded_at),
            Some(at("2025-12-03 09:00"))
        );
        assert_eq!(world.facts.accepted_by(&"a".into(), at("2025-12-03 08:59")), None);
    }
}
