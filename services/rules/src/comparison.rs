//! Why an index is no longer what it was: each journal entry, and each span in which only dates came, with what it added.
//!
//! The instants between are walked in order. What changes at the instant of an entry is laid to it; what changes between
//! entries, to time: something fell due, a trajectory asked for more, a revision began to act. Where one step moves
//! several actions they are moved one after the other, in the plan's order, and each gets what its move added. So the
//! parts add up exactly, in units of the last digit shown.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::action::ActionState;
use crate::exact::Reading;
use crate::facts::{Decision, Facts};
use crate::names::ActionId;
use crate::record::{Event, Recorded};
use crate::scorecard::{Index, Part, Slice, Verdicts};

/// One part of a difference: one action moved by one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The entries' instant, or the end of the span in which dates came.
    pub at: Timestamp,
    /// The entries; none where only time passed.
    pub causes: Vec<Recorded>,
    /// The action.
    pub action: ActionId,
    /// Its state before; none where the slice did not hold it.
    pub before: Option<ActionState>,
    /// Its state after; none where the slice no longer holds it.
    pub after: Option<ActionState>,
    /// What the move added.
    pub added: Difference,
}

/// A difference between two indices, in units of 10⁻¹²; a reading that is not there counts as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Of the strict readings.
    pub strict: i64,
    /// Of the observed readings.
    pub observed: i64,
    /// Of the validated readings.
    pub validated: i64,
}

impl Difference {
    /// From one index to another.
    #[must_use]
    pub fn between(before: &Index, after: &Index) -> Self {
        let units = |reading: Option<Reading>| {
            // A reading is at most 10¹², which fits.
            i64::try_from(reading.unwrap_or(Reading::ZERO).trillionths()).unwrap_or(i64::MAX)
        };
        let of = |reading: fn(&Index) -> Option<Reading>| units(reading(after)) - units(reading(before));
        Self {
            strict: of(|index| index.strict),
            observed: of(|index| index.observed),
            validated: of(|index| index.validated),
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            strict: self.strict + other.strict,
            observed: self.observed + other.observed,
            validated: self.validated + other.validated,
        }
    }

    /// Whether nothing moved.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// A slice as of an instant.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Its parts.
    pub parts: Vec<Part>,
    /// Until when all stays as it is if nothing is recorded; sooner does no harm.
    pub next_change: Timestamp,
}

/// What moved a slice's index after one instant and until another.
///
/// `recorded` is all that was recorded in between ([`Facts::recorded`]), `due` the calendar due instants of the periods.
/// `judge` says what the slice was as of an instant, none where the plan was a draft; or only those of its parts that are
/// about some actions, none where there was no such slice.
#[must_use]
pub fn moves(
    facts: &Facts,
    recorded: &[Recorded],
    due: impl Iterator<Item = Timestamp>,
    judge: impl Fn(Timestamp, Option<&BTreeSet<ActionId>>) -> Option<Judgement>,
    (from, to): (Timestamp, Timestamp),
) -> Vec<Move> {
    let mut walk = Walk::begin(&judge, from);
    let mut entries = recorded
        .chunk_by(|one, other| one.entry.recorded_at == other.entry.recorded_at)
        .peekable();
    // Time is cut where something was to come, so that it is told when it came.
    let acts = facts.plan_versions().map(|(acts_from, _)| acts_from);
    let cuts: BTreeSet<_> = due.chain(acts).filter(|&at| from < at && at <= to).collect();
    for cut in cuts {
        while let Some(causes) = entries.next_if(|causes| causes[0].entry.recorded_at < cut) {
            walk.record(causes);
        }
        walk.pass_to(just_before(cut));
        if entries.peek().is_none_or(|causes| causes[0].entry.recorded_at > cut) {
            walk.pass_to(cut);
        }
    }
    entries.for_each(|causes| walk.record(causes));
    walk.pass_to(to);
    walk.moves
}

/// The judgement of a slice by the rules themselves, for [`moves`]; `slice` says what it was as of the instant.
#[must_use]
pub fn judgement(facts: &Facts, slice: Option<&Slice>, t: Timestamp, wanted: Option<&BTreeSet<ActionId>>) -> Option<Judgement> {
    let all = Verdicts::of_actions(facts, t, |action| wanted.is_none_or(|wanted| wanted.contains(action)))?;
    let next_change = all.next_change();
    match slice {
        Some(slice) => Some(Judgement {
            parts: all.parts(slice),
            next_change,
        }),
        None if wanted.is_some() => None,
        None => Some(Judgement {
            parts: Vec::new(),
            next_change,
        }),
    }
}

fn just_before(t: Timestamp) -> Timestamp {
    t.checked_sub(SignedDuration::from_micros(1)).unwrap_or(t)
}

struct Walk<'j, J> {
    judge: &'j J,
    now: Timestamp,
    /// Nothing changes before it but by an entry.
    next_change: Timestamp,
    parts: Vec<Part>,
    moves: Vec<Move>,
}

impl<'j, J: Fn(Timestamp, Option<&BTreeSet<ActionId>>) -> Option<Judgement>> Walk<'j, J> {
    fn begin(judge: &'j J, from: Timestamp) -> Self {
        let mut walk = Self {
            judge,
            now: from,
            next_change: from,
            parts: Vec::new(),
            moves: Vec::new(),
        };
        walk.parts = walk.judge(from);
        walk
    }

    /// All parts as of t.
    fn judge(&mut self, t: Timestamp) -> Vec<Part> {
        // A draft has no calendar: it is looked at again at every entry.
        let Judgement { parts, next_change } = (self.judge)(t, None).unwrap_or(Judgement {
            parts: Vec::new(),
            next_change: t,
        });
        self.next_change = next_change;
        parts
    }

    /// Only time passes.
    fn pass_to(&mut self, t: Timestamp) {
        if t > self.now && self.next_change <= t {
            let parts = self.judge(t);
            self.replace(t, &[], parts);
        }
        self.now = self.now.max(t);
    }

    /// Entries are recorded, all at one instant.
    fn record(&mut self, causes: &[Recorded]) {
        let t = causes[0].entry.recorded_at;
        self.pass_to(just_before(t));
        // What sets a date, or may bear on any action, asks for all.
        let sets_date = |one: &Recorded| {
            matches!(
                one.event,
                Event::Reviewed {
                    decision: Decision::Returned { .. },
                    ..
                }
            )
        };
        let touched: Option<BTreeSet<_>> = causes.iter().map(|one| one.action.clone().filter(|_| !sets_date(one))).collect();
        let touched = touched.filter(|_| self.next_change > t);
        let judged = touched
            .as_ref()
            .and_then(|touched| Some((touched, (self.judge)(t, Some(touched))?)));
        let parts = match judged {
            Some((touched, judged)) => {
                let mut parts = self.parts.clone();
                parts.retain(|part| !touched.contains(&part.action));
                parts.extend(judged.parts);
                parts
            }
            None => self.judge(t),
        };
        self.replace(t, causes, parts);
        self.now = t;
    }

    /// Takes the new parts one by one, and notes what each of them adds.
    fn replace(&mut self, at: Timestamp, causes: &[Recorded], new: Vec<Part>) {
        let place = |parts: &[Part], action: &ActionId| parts.iter().position(|part| part.action == *action);
        let gone: Vec<_> = self.parts.iter().map(|part| part.action.clone()).collect();
        let gone = gone.into_iter().filter(|action| place(&new, action).is_none());
        let changes: Vec<_> = new
            .iter()
            .map(|part| (part.action.clone(), Some(part.clone())))
            .chain(gone.map(|action| (action, None)))
            .collect();
        let mut index = Index::of(&self.parts);
        for (action, part) in changes {
            let old = place(&self.parts, &action);
            let before = old.map(|old| self.parts[old].clone());
            if before == part {
                continue;
            }
            match (old, part.clone()) {
                (Some(old), Some(part)) => self.parts[old] = part,
                (Some(old), None) => drop(self.parts.remove(old)),
                (None, Some(part)) => self.parts.push(part),
                (None, None) => {}
            }
            let moved = Index::of(&self.parts);
            let added = Difference::between(&index, &moved);
            index = moved;
            let (before, after) = (before.map(|part| part.state), part.map(|part| part.state));
            if !added.is_nothing() || before != after {
                self.moves.push(Move {
                    at,
                    causes: causes.to_vec(),
                    action,
                    before,
                    after,
                    added,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, at};

    #[test]
    fn a_report_and_a_due_day_each_get_what_they_moved() {
        let mut world = World::new();
        // 50 of the 98.63 expected at the end of March; a second report makes it 80.
        world.submit("2026-04-05 09:00", "a", "2026-Q1", "50").expect("accepted");
        world.submit("2026-04-12 09:00", "a", "2026-Q1", "80").expect("accepted");
        let (from, to) = (at("2026-04-01 00:00"), at("2026-07-12 00:00"));
        let judge = |t: Timestamp, wanted: Option<&BTreeSet<ActionId>>| {
            let whole = Slice::Scope(crate::Scope::Plan);
            judgement(&world.facts, Some(&whole), t, wanted)
        };
        let due = Verdicts::as_of(&world.facts, to).into_iter();
        let due: Vec<_> = due
            .flat_map(|all| all.periods().map(|(_, due_at)| due_at).collect::<Vec<_>>())
            .collect();
        let moves = moves(&world.facts, &world.facts.recorded(from, to), due.into_iter(), judge, (from, to));
        let told: Vec<_> = moves
            .iter()
            .map(|one| (one.at, one.causes.len(), one.before, one.after, one.added.strict))
            .collect();
        let state = Some;
        assert_eq!(
            told,
            [
                // The report is judged from the due instant on: time moves it.
                (
                    at("2026-04-11 00:00"),
                    0,
                    state(ActionState::NotYetDue),
                    state(ActionState::OffTrack),
                    506_944_444_444
                ),
                (
                    at("2026-04-12 09:00"),
                    1,
                    state(ActionState::OffTrack),
                    state(ActionState::AtRisk),
                    304_166_666_667
                ),
                // The second quarter is due, and nothing came.
                (
                    at("2026-07-11 00:00"),
                    0,
                    state(ActionState::AtRisk),
                    state(ActionState::Unreported),
                    -811_111_111_111
                ),
            ]
        );
    }
}
