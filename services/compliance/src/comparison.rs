//! CompareScorecards: what changed in a scope between two instants, and why.

use std::collections::BTreeSet;

use jiff::Timestamp;
use vigia_platform::{Error, Faults, timestamp};
use vigia_proto::compliance::{CompareScorecardsResponse, IndexChange, Scorecard};
use vigia_rules::{ActionId, Decision, Difference, Event, Finding, Move, Recorded, Slice, facts::Cover, moves};

use crate::{
    answers,
    explain::position,
    scopes::Named,
    view::View,
    words::{self, Both},
};

/// Journal entries between two instants that are compared at most: each is judged, which takes a millisecond or less.
const ENTRIES_MAX: usize = 20_000;
/// Parts of a difference that are named one by one at most; the smallest beyond are summed.
const CHANGES_MAX: usize = 1000;

/// What moved a scope's index since an instant at which its scorecard was `before`, until the view's.
pub(crate) fn compare(view: &View<'_>, named: &Named, before: Scorecard, from: Timestamp) -> Result<CompareScorecardsResponse, Error> {
    let recorded = view.recorded_since(from);
    check_distance(recorded.len())?;
    let judge = |t: Timestamp, wanted: Option<&BTreeSet<ActionId>>| {
        let view = view.at(t)?;
        let slice = named.slice(&view).ok();
        let judged = view.ask_cards(|cards| Ok(cards.judgement(slice.as_ref().unwrap_or(&NOTHING), wanted)));
        judged.ok().filter(|_| slice.is_some() || wanted.is_none())
    };
    let due = view.ask_cards(|cards| Ok(cards.periods()))?;
    let due = due.into_iter().map(|(_, due_at)| due_at);
    let moved = moves(view.frame(), &recorded, due, judge, (from, view.t));
    let index = |t: Timestamp| {
        let view = view.at(t)?;
        let slice = named.slice(&view).ok()?;
        view.ask_cards(|cards| Ok(cards.index(&slice))).ok()
    };
    let difference = Difference::between(&index(from).unwrap_or_default(), &index(view.t).unwrap_or_default());
    let after = view.ask_cards(|cards| named.scorecard(view, cards))?;
    Ok(CompareScorecardsResponse {
        before: Some(before),
        after: Some(after),
        strict: signed(difference.strict),
        observed: signed(difference.observed),
        validated: signed(difference.validated),
        changes: changes(view, moved),
        basis_before: None,
        basis_after: None,
    })
}

/// What has no parts: a scope as of an instant at which the plan did not have it.
const NOTHING: Slice = Slice::Actions(BTreeSet::new());

/// Refuses what lies too far apart.
pub(crate) fn check_distance(entries: usize) -> Result<(), Error> {
    let mut faults = Faults::new();
    if entries > ENTRIES_MAX {
        faults.add(
            "from",
            format!("hay {entries} asientos entre ambos instantes; se comparan hasta {ENTRIES_MAX}: acérquelos"),
            format!("there are {entries} entries between the instants; at most {ENTRIES_MAX} are compared: bring them closer"),
        );
    }
    faults.done()
}

/// A difference of readings as a decimal with its sign.
fn signed(trillionths: i64) -> String {
    let magnitude = trillionths.unsigned_abs();
    let sign = if trillionths < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:012}", magnitude / 1_000_000_000_000, magnitude % 1_000_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn changes(view: &View<'_>, mut moved: Vec<Move>) -> Vec<IndexChange> {
    let weight = |one: &Move| one.added.strict.abs() + one.added.observed.abs() + one.added.validated.abs();
    let mut rest = Vec::new();
    if moved.len() > CHANGES_MAX {
        moved.sort_by_key(|one| std::cmp::Reverse(weight(one)));
        rest = moved.split_off(CHANGES_MAX - 1);
        moved.sort_by_key(|one| one.at);
    }
    let mut changes: Vec<_> = moved.iter().map(|one| change(view, one)).collect();
    if !rest.is_empty() {
        let sum = rest.iter().fold(Difference::default(), |sum, one| sum.plus(one.added));
        changes.push(IndexChange {
            strict: signed(sum.strict),
            observed: signed(sum.observed),
            validated: signed(sum.validated),
            text_es: format!("La suma de {} cambios menores.", rest.len()),
            text_en: format!("The sum of {} smaller changes.", rest.len()),
            ..IndexChange::default()
        });
    }
    changes
}

fn change(view: &View<'_>, one: &Move) -> IndexChange {
    let mut positions: Vec<_> = one.causes.iter().map(|cause| position(cause.entry.position)).collect();
    let said = match one.causes.as_slice() {
        [] => {
            let (said, rests_on) = passed(view, one);
            positions = rests_on;
            said
        }
        causes => {
            let said: Vec<_> = causes.iter().map(|cause| recorded(view, cause)).collect();
            let joined = |text: fn(&Both) -> &str| said.iter().map(text).collect::<Vec<_>>().join(" ");
            Both::new(joined(|both| &both.es), joined(|both| &both.en))
        }
    };
    let state = |state: Option<vigia_rules::ActionState>| state.map_or(0, |state| answers::state(state).into());
    IndexChange {
        time: Some(timestamp(one.at)),
        positions,
        action: format!("plans/{}/actions/{}", view.plan, one.action),
        title_es: view.action_title(&one.action),
        state_before: state(one.before),
        state_after: state(one.after),
        strict: signed(one.added.strict),
        observed: signed(one.added.observed),
        validated: signed(one.added.validated),
        text_es: said.es,
        text_en: said.en,
    }
}

/// Only dates came: what was judged from then on, and the reports that it rests on.
fn passed(view: &View<'_>, one: &Move) -> (Both, Vec<String>) {
    let day = words::at(&view.zone, one.at);
    let mut text = if view.frame().plan_versions().any(|(acts_from, _)| acts_from == one.at) {
        Both::new(
            format!("Empezó a regir una revisión del plan {}.", day.es),
            format!("A revision of the plan began to act {}.", day.en),
        )
    } else {
        Both::new(format!("Llegó la fecha, {}.", day.es), format!("The date came, {}.", day.en))
    };
    let mut positions = Vec::new();
    let verdict = vigia_rules::action(&view.facts_on(&one.action), &one.action, one.at);
    let Some((verdict, period)) = verdict.and_then(|verdict| verdict.period.map(|period| (verdict, period))) else {
        return (text, positions);
    };
    let of = words::of_period(period);
    let mut said = |es: String, en: String| {
        text.es += &format!(" {es}.");
        text.en += &format!(" {en}.");
    };
    for found in &verdict.findings {
        match found {
            Finding::Received { assignment, facts, .. } => {
                let who = view.who(assignment);
                said(
                    format!("Cuenta el reporte {} de {who}", of.es),
                    format!("The report of {who} {} counts", of.en),
                );
                positions.extend(facts.iter().copied().map(position));
            }
            Finding::Missing { assignment, .. } | Finding::AnswerOverdue { assignment, .. } => {
                let who = view.who(assignment);
                said(
                    format!("Falta el reporte {} de {who}", of.es),
                    format!("The report of {who} {} is missing", of.en),
                );
            }
            _ => {}
        }
    }
    (text, positions)
}

/// An entry in words.
fn recorded(view: &View<'_>, cause: &Recorded) -> Both {
    let report = |assignment: &vigia_rules::AssignmentId, period: vigia_rules::Period, es: &str, en: &str| {
        let (who, of) = (view.who(assignment), words::of_period(period));
        Both::new(
            format!("{es} el reporte {} de {who}.", of.es),
            format!("The report of {who} {} {en}.", of.en),
        )
    };
    match &cause.event {
        Event::PlanVersion { acts_from } => {
            let from = words::at(&view.zone, *acts_from);
            Both::new(
                format!("Se aprobó una revisión del plan, que rige desde {}.", from.es),
                format!(
                    "A revision of the plan was approved, which acts from {}.",
                    from.en.trim_start_matches("on ")
                ),
            )
        }
        Event::Assignment { assignment } => {
            let who = view.who(assignment);
            Both::new(
                format!("Cambió la responsabilidad de {who}."),
                format!("The duty of {who} changed."),
            )
        }
        Event::Submitted { assignment, period } => report(assignment, *period, "Se recibió", "was received"),
        Event::Reviewed {
            assignment,
            period,
            decision,
        } => {
            let (es, en) = match decision {
                Decision::Validated => ("Se validó", "was validated"),
                Decision::Returned { .. } => ("Se devolvió", "was returned"),
                Decision::Rejected => ("Se rechazó", "was rejected"),
            };
            report(assignment, *period, es, en)
        }
        Event::Waived { assignment, period } => report(assignment, *period, "Se dispensó", "was waived"),
        Event::Extended { cover, period } => {
            let of = words::of_period(*period);
            let whom = match cover {
                Cover::Assignment(assignment) => Both::same(view.who(assignment)),
                Cover::Institution(institution) => Both::same(view.institution(institution)),
                Cover::Territory(code) => Both::same(view.territory(code)),
                Cover::All => Both::new("todas las instituciones", "all institutions"),
            };
            Both::new(
                format!("Se prorrogó el reporte {} de {}.", of.es, whom.es),
                format!("The report of {} {} was extended.", whom.en, of.en),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_a_sign_and_all_their_digits() {
        let check = |trillionths: i64, expect: &str| assert_eq!(signed(trillionths), expect);
        check(0, "0");
        check(304_166_666_667, "0.304166666667");
        check(-500_000_000_000, "-0.5");
        check(1_000_000_000_000, "1");
    }
}
