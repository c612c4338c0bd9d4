//! Obligations in words: where they stand, by when they are due, in the plan's time.

use comfy_table::{Cell, Color};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use vigia_platform::instant;
use vigia_proto::reporting::{Obligation, ObligationState};

use crate::{lang::say, output};

/// What is due within so many days is shown in yellow.
const SOON_DAYS: i64 = 7;

/// The word for a state.
pub fn state(state: ObligationState) -> &'static str {
    match state {
        ObligationState::Unspecified => "?",
        ObligationState::NotOpen => say("no abierta", "not open"),
        ObligationState::Open => say("abierta", "open"),
        ObligationState::Overdue => say("vencida", "overdue"),
        ObligationState::Submitted => say("presentada", "submitted"),
        ObligationState::Returned => say("devuelta", "returned"),
        ObligationState::ReturnedOverdue => say("devuelta y vencida", "returned, overdue"),
        ObligationState::Validated => say("validada", "validated"),
        ObligationState::Waived => say("dispensada", "waived"),
    }
}

/// Whether a report, or an answer, is waited for: it can be sent now.
pub fn is_awaited(owed: &Obligation) -> bool {
    matches!(
        owed.state(),
        ObligationState::Open | ObligationState::Overdue | ObligationState::Returned | ObligationState::ReturnedOverdue
    )
}

/// The instant before which it must be received: of a returned one, its answer.
pub fn due(owed: &Obligation) -> Option<Timestamp> {
    let answer = owed
        .answer_due_time
        .as_ref()
        .filter(|_| matches!(owed.state(), ObligationState::Returned | ObligationState::ReturnedOverdue));
    instant(answer.or(owed.due_time.as_ref())?)
}

/// An instant in the plan's time: `2026-04-16 00:00`.
pub fn local(at: Option<Timestamp>, zone: &TimeZone) -> String {
    at.map_or_else(|| "—".to_owned(), |at| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string())
}

/// A cell with the state, red where it is overdue, yellow where it is due soon.
pub fn state_cell(owed: &Obligation, now: Timestamp) -> Cell {
    let cell = Cell::new(state(owed.state()));
    if !output::colours() {
        return cell;
    }
    let soon = due(owed).is_some_and(|due| due < now + SignedDuration::from_hours(24 * SOON_DAYS));
    match owed.state() {
        ObligationState::Overdue | ObligationState::ReturnedOverdue => cell.fg(Color::Red),
        ObligationState::Open | ObligationState::Returned if soon => cell.fg(Color::Yellow),
        ObligationState::Validated => cell.fg(Color::Green),
        _ => cell,
    }
}

/// How long there is left: `3 d`, `5 h`; with a minus sign for what is overdue.
pub fn left(owed: &Obligation, now: Timestamp) -> String {
    let Some(due) = due(owed).filter(|_| is_awaited(owed)) else {
        return String::new();
    };
    let hours = due.duration_since(now).as_hours();
    if hours.abs() < 48 {
        format!("{hours} h")
    } else {
        format!("{} d", hours / 24)
    }
}
