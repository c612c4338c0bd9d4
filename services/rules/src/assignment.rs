//! How an assignment stands by what was recorded (VERDICTS, "Obligation of an assignment").

use jiff::Timestamp;
use jiff::civil::Date;

use crate::facts::{Assignment, Desk, DeskEvent, Facts, Made, Position, Resolution};
use crate::names::ActionId;

/// How an assignment stands by the facts that a caller knows.
#[derive(Clone, Debug)]
pub struct Standing<'f> {
    /// The assignment as it was made.
    pub assignment: &'f Assignment,
    /// Where it was made.
    pub made: Position,
    /// When it was accepted, by a hand-over by itself, or by the confirmation of a contested one.
    pub accepted_at: Option<Timestamp>,
    /// Contested, and not resolved.
    pub is_contested: bool,
    /// Contested, and taken back.
    pub is_withdrawn: bool,
    /// The last day on which it is in force; none as long as it is open.
    pub last_day: Option<Date>,
}

impl Standing<'_> {
    /// Neither accepted nor contested nor taken back: silence.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.accepted_at.is_none() && !self.is_contested && !self.is_withdrawn
    }

    /// Whether its days hold this one.
    #[must_use]
    pub fn is_in_force_on(&self, day: Date) -> bool {
        self.assignment.from <= day && self.last_day.is_none_or(|last| day <= last)
    }
}

impl Facts {
    /// How each assignment stands that was made by t, in the order of their making.
    pub fn standings(&self, t: Timestamp) -> impl Iterator<Item = Standing<'_>> {
        let desks = self.in_order.iter().map(|&desk| &self.assignments[desk]);
        desks.filter_map(move |desk| standing(desk, |at| at <= t))
    }

    /// The same for the assignments of one action.
    pub fn standings_on(&self, action: &ActionId, t: Timestamp) -> impl Iterator<Item = Standing<'_>> {
        let desks = self
            .by_action
            .get(action)
            .into_iter()
            .flatten()
            .map(|&desk| &self.assignments[desk]);
        desks.filter_map(move |desk| standing(desk, |at| at <= t))
    }
}

/// How an assignment stands by the facts whose time of recording is `known`.
#[must_use]
pub fn standing(desk: &Desk, known: impl Fn(Timestamp) -> bool) -> Option<Standing<'_>> {
    let Made {
        entry,
        assignment,
        handed_from,
    } = desk.made.as_ref()?;
    if !known(entry.recorded_at) {
        return None;
    }
    let mut standing = Standing {
        assignment,
        made: entry.position,
        // A hand-over accepts by itself, when it is recorded: nobody owes what ended before that.
        accepted_at: handed_from.map(|_| entry.recorded_at),
        is_contested: false,
        is_withdrawn: false,
        last_day: assignment.last_day,
    };
    for (entry, event) in &desk.events {
        if !known(entry.recorded_at) {
            break;
        }
        match event {
            DeskEvent::Accepted | DeskEvent::Resolved(Resolution::Confirmed) => {
                standing.accepted_at.get_or_insert(entry.recorded_at);
                standing.is_contested = false;
                standing.is_withdrawn = false;
            }
            // Who has accepted cannot take it back by contesting: that would unmake what is owed.
            DeskEvent::Contested => standing.is_contested = standing.accepted_at.is_none(),
            DeskEvent::Resolved(Resolution::Withdrawn) => {
                standing.accepted_at = None;
                standing.is_contested = false;
                standing.is_withdrawn = true;
            }
            DeskEvent::Ended(last_day) => standing.last_day = Some(*last_day),
        }
    }
    Some(standing)
}
