//! Turns what the rules found into what the contract answers.

use std::collections::BTreeSet;

use vigia_platform::timestamp;
use vigia_proto::compliance::{self as wire, Discipline, StateCount, Verdict};
use vigia_rules::{ActionId, ActionState, ActionVerdict, InstitutionId, Obligation, ObligationState, Reading, Role, Scorecard, Timeliness};

use crate::{cards::InShort, explain::Named, view::View};

/// A reading with all of its decimals; empty where there is none.
pub(crate) fn reading(reading: Option<Reading>) -> String {
    reading.map(|reading| reading.to_string()).unwrap_or_default()
}

/// An action's state as the contract names it.
pub(crate) fn state(state: ActionState) -> wire::ActionState {
    match state {
        ActionState::Withdrawn => wire::ActionState::Withdrawn,
        ActionState::Suspended => wire::ActionState::Suspended,
        ActionState::Scheduled => wire::ActionState::Scheduled,
        ActionState::Unmeasured => wire::ActionState::Unmeasured,
        ActionState::Achieved => wire::ActionState::Achieved,
        ActionState::AchievedLate => wire::ActionState::AchievedLate,
        ActionState::Unassigned => wire::ActionState::Unassigned,
        ActionState::NotYetDue => wire::ActionState::NotYetDue,
        ActionState::Excused => wire::ActionState::Excused,
        ActionState::Unreported => wire::ActionState::Unreported,
        ActionState::NotAchieved => wire::ActionState::NotAchieved,
        ActionState::OnTrack => wire::ActionState::OnTrack,
        ActionState::AtRisk => wire::ActionState::AtRisk,
        ActionState::OffTrack => wire::ActionState::OffTrack,
    }
}

/// An obligation's state as the contract names it.
pub(crate) fn obligation_state(state: ObligationState) -> &'static str {
    match state {
        ObligationState::NotOpen => "NOT_OPEN",
        ObligationState::Open => "OPEN",
        ObligationState::Overdue => "OVERDUE",
        ObligationState::Submitted => "SUBMITTED",
        ObligationState::Returned => "RETURNED",
        ObligationState::ReturnedOverdue => "RETURNED_OVERDUE",
        ObligationState::Validated => "VALIDATED",
        ObligationState::Waived => "WAIVED",
    }
}

/// An obligation's timeliness as the contract names it.
pub(crate) fn timeliness(timeliness: Timeliness) -> &'static str {
    match timeliness {
        Timeliness::Pending => "PENDING",
        Timeliness::OnTime => "ON_TIME",
        Timeliness::Late => "LATE",
        Timeliness::Missing => "MISSING",
        Timeliness::NotApplicable => "NOT_APPLICABLE",
    }
}

/// The name of an action's state without its prefix: for filters.
pub(crate) fn state_name(verdict: &Verdict) -> String {
    let name = verdict.action_state().as_str_name();
    name.strip_prefix("ACTION_STATE_").unwrap_or(name).to_owned()
}

/// An action's verdict with its reasons.
pub(crate) fn action(view: &View<'_>, verdict: &ActionVerdict) -> Verdict {
    let named = Named {
        view,
        action: &verdict.action,
    };
    let remedies = verdict.remedies.iter().map(|remedy| named.remedy(remedy)).collect();
    with_remedies(
        Verdict {
            explanation: named.action_reasons(verdict),
            ..action_in_short(view, &verdict.into())
        },
        remedies,
    )
}

/// An action's verdict without its reasons.
pub(crate) fn action_in_short(view: &View<'_>, verdict: &InShort) -> Verdict {
    let name = format!("plans/{}/actions/{}", view.plan, verdict.action);
    let leads = leads(view, &verdict.action);
    Verdict {
        action: name.clone(),
        name,
        action_state: state(verdict.state).into(),
        period: verdict.period.map(|period| period.to_string()).unwrap_or_default(),
        strict: reading(verdict.strict),
        observed: reading(verdict.observed),
        validated: reading(verdict.validated),
        institution_titles_es: leads.iter().map(|lead| view.institution(lead)).collect(),
        institutions: leads.iter().map(|lead| format!("institutions/{lead}")).collect(),
        title_es: view.action_title(&verdict.action),
        ..Verdict::default()
    }
}

/// An obligation's verdict with its reasons.
pub(crate) fn obligation(view: &View<'_>, found: &Obligation) -> Verdict {
    let named = Named {
        view,
        action: &found.action,
    };
    with_remedies(
        Verdict {
            explanation: named.obligation_reasons(found),
            ..obligation_in_short(view, found)
        },
        named.obligation_remedy(found).into_iter().collect(),
    )
}

/// An obligation's verdict without its reasons.
pub(crate) fn obligation_in_short(view: &View<'_>, found: &Obligation) -> Verdict {
    let plan = view.plan;
    Verdict {
        name: format!("plans/{plan}/assignments/{}/obligations/{}", found.assignment, found.period),
        obligation_state: obligation_state(found.state).to_owned(),
        timeliness: timeliness(found.timeliness).to_owned(),
        period: found.period.to_string(),
        due_time: Some(timestamp(found.due_at)),
        answer_due_time: found.answer_due_at.map(timestamp),
        institutions: vec![format!("institutions/{}", found.institution)],
        institution_titles_es: vec![view.institution(&found.institution)],
        action: format!("plans/{plan}/actions/{}", found.action),
        title_es: view.action_title(&found.action),
        ..Verdict::default()
    }
}

/// What would make it comply, each step and all of them as a sentence.
fn with_remedies(verdict: Verdict, remedies: Vec<wire::Remedy>) -> Verdict {
    let all = |text: fn(&wire::Remedy) -> &str| remedies.iter().map(text).collect::<Vec<_>>().join("; ");
    Verdict {
        remedy_es: all(|remedy| &remedy.text_es),
        remedy_en: all(|remedy| &remedy.text_en),
        remedies,
        ..verdict
    }
}

/// The institutions that lead an action on the day of t, or its last; where none does, those that once did. Who has contested
/// does not, as in the indices: silence does not pay, what is contested does not count.
fn leads(view: &View<'_>, action: &ActionId) -> Vec<InstitutionId> {
    let today = view.zone.to_datetime(view.t).date();
    let end = view.action(action).and_then(|action| action.end.parse().ok());
    let day = end.map_or(today, |end: jiff::civil::Date| end.min(today));
    let standings: Vec<_> = view
        .frame()
        .standings_on(action, view.t)
        .filter(|standing| standing.assignment.role == Role::Lead && !standing.is_withdrawn && !standing.is_contested)
        .collect();
    let of = |in_force: bool| -> BTreeSet<_> {
        let held = standings.iter().filter(|standing| !in_force || standing.is_in_force_on(day));
        held.map(|standing| standing.assignment.institution.clone()).collect()
    };
    let now = of(true);
    if now.is_empty() { of(false) } else { now }.into_iter().collect()
}

/// Counts on the wire: there are never so many that they do not fit.
fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A scorecard.
pub(crate) fn scorecard(name: String, title_es: String, card: &Scorecard) -> wire::Scorecard {
    let discipline = &card.discipline;
    wire::Scorecard {
        name,
        title_es,
        strict: reading(card.strict),
        observed: reading(card.observed),
        validated: reading(card.validated),
        coverage_observed: reading(card.coverage_observed),
        coverage_validated: reading(card.coverage_validated),
        discipline: Some(Discipline {
            owed: count(discipline.owed),
            received: count(discipline.received),
            on_time: count(discipline.on_time),
            validated: count(discipline.validated),
            validated_on_time: count(discipline.validated_on_time),
            nil: count(discipline.nil),
            waived_after_due: count(discipline.waived_after_due),
            extended_after_due: count(discipline.extended_after_due),
            assignments_proposed: count(discipline.proposed),
            assignments_accepted: count(discipline.accepted),
            assignments_contested: count(discipline.contested),
            assignments_unanswered: count(discipline.unanswered),
            median_delay_days: discipline.median_delay_late_days,
            median_review_days: discipline.median_delay_review_days,
        }),
        states: card
            .actions
            .iter()
            .map(|(of, actions)| StateCount {
                state: state(*of).into(),
                actions: i32::try_from(*actions).unwrap_or(i32::MAX),
            })
            .collect(),
    }
}
