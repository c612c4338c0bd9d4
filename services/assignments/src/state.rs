//! The law of an assignment: how it is proposed, answered, decided, ended and handed over. No I/O, no clock.

use jiff::{Timestamp, civil::Date};
use vigia_platform::{Error, Faults, timestamp};
use vigia_proto::assignments::{Assignment, AssignmentState, Resolution};

/// Why the law refuses a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it is {}", .0.as_str_name())]
    State(AssignmentState),
    #[error("it would end before its first day")]
    EndsBeforeItBegins,
    #[error("it would be handed over before its first day")]
    HandedOverBeforeItBegins,
    #[error("it would be handed over after its last day")]
    HandedOverAfterItEnded,
    #[error("the institution holds it already")]
    SameInstitution,
}

impl Refused {
    /// As the caller is told, about the assignment of this name.
    pub(crate) fn of(self, name: &str) -> Error {
        let (path, es, en) = match self {
            Self::State(state) => {
                let state = state.as_str_name();
                return Error::state_conflict(name, state.strip_prefix("ASSIGNMENT_STATE_").unwrap_or(state));
            }
            Self::EndsBeforeItBegins => (
                "last_day",
                "no puede ser anterior al primer día de la asignación",
                "can't be before the assignment's first day",
            ),
            Self::HandedOverBeforeItBegins => (
                "effective_on",
                "no puede ser anterior al primer día de la asignación",
                "can't be before the assignment's first day",
            ),
            Self::HandedOverAfterItEnded => (
                "effective_on",
                "no puede ser posterior al último día de la asignación",
                "can't be after the assignment's last day",
            ),
            Self::SameInstitution => ("institution", "ya es de esa institución", "is that institution's already"),
        };
        let mut faults = Faults::new();
        faults.add(path, es, en);
        faults.done().err().unwrap_or_else(|| Error::internal(&self))
    }
}

/// A new one of this name, as it was asked for: what only the service says is set here.
pub(crate) fn propose(name: &str, asked: Assignment) -> Assignment {
    Assignment {
        name: name.to_owned(),
        state: AssignmentState::Proposed.into(),
        contest_reason: String::new(),
        predecessor: String::new(),
        successor: String::new(),
        accept_time: None,
        etag: String::new(),
        ..asked
    }
}

/// The institution says yes.
pub(crate) fn accept(assignment: Assignment, now: Timestamp) -> Result<Assignment, Refused> {
    only(&assignment, &[AssignmentState::Proposed])?;
    Ok(Assignment {
        state: AssignmentState::Accepted.into(),
        accept_time: Some(timestamp(now)),
        ..assignment
    })
}

/// The institution says no.
pub(crate) fn contest(assignment: Assignment, reason: &str) -> Result<Assignment, Refused> {
    only(&assignment, &[AssignmentState::Proposed])?;
    Ok(Assignment {
        state: AssignmentState::Contested.into(),
        contest_reason: reason.to_owned(),
        ..assignment
    })
}

/// A contest is decided. Its reason stays on the assignment: it was said.
pub(crate) fn resolve(assignment: Assignment, resolution: Resolution, now: Timestamp) -> Result<Assignment, Refused> {
    only(&assignment, &[AssignmentState::Contested])?;
    Ok(if resolution == Resolution::Confirmed {
        Assignment {
            state: AssignmentState::Accepted.into(),
            accept_time: Some(timestamp(now)),
            ..assignment
        }
    } else {
        Assignment {
            state: AssignmentState::Withdrawn.into(),
            ..assignment
        }
    })
}

/// It gets a last day, which may lie ahead.
pub(crate) fn end(assignment: Assignment, last_day: Date) -> Result<Assignment, Refused> {
    only(
        &assignment,
        &[AssignmentState::Proposed, AssignmentState::Accepted, AssignmentState::Contested],
    )?;
    if last_day.to_string() < assignment.from {
        return Err(Refused::EndsBeforeItBegins);
    }
    Ok(Assignment {
        state: AssignmentState::Ended.into(),
        last_day: last_day.to_string(),
        ..assignment
    })
}

/// To whom one is passed on, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandOver<'a> {
    /// Name of the new assignment.
    pub(crate) name: &'a str,
    /// The institution that takes over.
    pub(crate) institution: &'a str,
    /// First day of the new one.
    pub(crate) effective_on: Date,
    /// By which instrument; empty for that of the old one.
    pub(crate) instrument: &'a str,
    pub(crate) now: Timestamp,
}

/// One is passed on: what becomes of it, and the new one, which is accepted by the hand-over whatever the old one's
/// state. The new one keeps action, role, territory and last day.
pub(crate) fn hand_over(old: Assignment, to: HandOver<'_>) -> Result<(Assignment, Assignment), Refused> {
    passes_on(&old, to.effective_on)?;
    if old.institution == to.institution {
        return Err(Refused::SameInstitution);
    }
    if to.effective_on.to_string() < old.from {
        return Err(Refused::HandedOverBeforeItBegins);
    }
    // No day is before the first one that jiff knows; dates here lie in the years 1900 to 2199.
    let last_day = to.effective_on.yesterday().unwrap_or(to.effective_on);
    let new = Assignment {
        name: to.name.to_owned(),
        institution: to.institution.to_owned(),
        from: to.effective_on.to_string(),
        instrument: if to.instrument.is_empty() {
            old.instrument.clone()
        } else {
            to.instrument.to_owned()
        },
        state: AssignmentState::Accepted.into(),
        contest_reason: String::new(),
        predecessor: old.name.clone(),
        successor: String::new(),
        accept_time: Some(timestamp(to.now)),
        etag: String::new(),
        ..old.clone()
    };
    let old = Assignment {
        // Where it passes on from its first day, this is the day before that: it was never in force.
        last_day: last_day.to_string(),
        state: AssignmentState::HandedOver.into(),
        successor: to.name.to_owned(),
        ..old
    };
    Ok((old, new))
}

/// Whether a succession on this day takes it along: it is open, or ends only on or after that day.
pub(crate) fn passes_on(assignment: &Assignment, effective_on: Date) -> Result<(), Refused> {
    let state = assignment.state();
    // One that was accepted and is to end on a day to come is owed until then, by whoever is there.
    let open = match state {
        AssignmentState::Proposed | AssignmentState::Accepted | AssignmentState::Contested => true,
        AssignmentState::Ended => assignment.accept_time.is_some(),
        AssignmentState::Unspecified | AssignmentState::Withdrawn | AssignmentState::HandedOver => false,
    };
    if !open {
        return Err(Refused::State(state));
    }
    // Dates are stored as `YYYY-MM-DD`: their order as text is that of the days.
    if !assignment.last_day.is_empty() && assignment.last_day < effective_on.to_string() {
        return Err(if state == AssignmentState::Ended {
            Refused::State(state)
        } else {
            Refused::HandedOverAfterItEnded
        });
    }
    Ok(())
}

/// The day on which a succession of `effective_on` passes it on: what has not yet begun passes on when it begins.
pub(crate) fn passes_on_at(assignment: &Assignment, effective_on: Date) -> Date {
    assignment.from.parse::<Date>().map_or(effective_on, |from| from.max(effective_on))
}

/// The id that a succession gives: the old one with the successor's behind it, or none where that is too long.
pub(crate) fn id_after(old: &str, successor: &str) -> Option<String> {
    let id = format!("{old}-{successor}");
    (id.len() <= 63).then_some(id)
}

fn only(assignment: &Assignment, allowed: &[AssignmentState]) -> Result<(), Refused> {
    let state = assignment.state();
    if allowed.contains(&state) {
        Ok(())
    } else {
        Err(Refused::State(state))
    }
}

#[cfg(test)]
mod tests;
