//! Turns what the rules found into what the contract answers.

use vigia_platform::timestamp;
use vigia_proto::{
    compliance::{self as wire, Discipline, Explanation, StateCount, Verdict},
    plans::PlanDefinition,
};
use vigia_rules::{ActionState, ActionVerdict, Obligation, ObligationState, Reading, Scorecard, Timeliness};

use crate::explain;

/// A reading with all of its decimals; empty where there is none.
fn reading(reading: Option<Reading>) -> String {
    reading.map(|reading| reading.to_string()).unwrap_or_default()
}

fn state(state: ActionState) -> wire::ActionState {
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
pub(crate) fn action(plan: &str, leads: Vec<String>, verdict: &ActionVerdict) -> Verdict {
    let (es, en) = explain::action_state(verdict.state);
    let rule = Explanation {
        rule: format!("ACTION_RULE_{}", verdict.rule.number()),
        text_es: es.to_owned(),
        text_en: en.to_owned(),
        observed: reading(verdict.strict),
        ..Explanation::default()
    };
    let remedies: Vec<_> = verdict.remedies.iter().map(explain::remedy).collect();
    let name = format!("plans/{plan}/actions/{}", verdict.action);
    Verdict {
        action: name.clone(),
        name,
        action_state: state(verdict.state).into(),
        period: verdict.period.map(|period| period.to_string()).unwrap_or_default(),
        strict: reading(verdict.strict),
        observed: reading(verdict.observed),
        validated: reading(verdict.validated),
        institutions: leads,
        explanation: std::iter::once(rule).chain(verdict.findings.iter().map(explain::finding)).collect(),
        remedy_es: remedies.iter().map(|(es, _)| es.as_str()).collect::<Vec<_>>().join("; "),
        remedy_en: remedies.iter().map(|(_, en)| en.as_str()).collect::<Vec<_>>().join("; "),
        ..Verdict::default()
    }
}

/// An obligation's verdict with its reasons.
pub(crate) fn obligation(plan: &str, found: &Obligation) -> Verdict {
    let (es, en) = explain::timeliness(found.timeliness);
    let positions = found
        .facts
        .iter()
        .chain(&found.extended_by)
        .copied()
        .map(explain::position)
        .collect();
    let state = obligation_state(found.state);
    let received = found.received_at.map(|at| at.to_string()).unwrap_or_default();
    let reason = Explanation {
        rule: format!("OBLIGATION_{state}"),
        text_es: format!(
            "El reporte de {} vence el {}; recibido: {}. Oportunidad: {es}.",
            found.period,
            found.due_at,
            if received.is_empty() { "no" } else { &received }
        ),
        text_en: format!(
            "The report for {} is due at {}; received: {}. Timeliness: {en}.",
            found.period,
            found.due_at,
            if received.is_empty() { "no" } else { &received }
        ),
        observed: received,
        required: found.due_at.to_string(),
        positions,
    };
    let (es, en) = match found.state {
        ObligationState::Open | ObligationState::Overdue => ("que presente el reporte", "send the report"),
        ObligationState::Returned | ObligationState::ReturnedOverdue => ("que responda las observaciones", "answer the observations"),
        _ => ("", ""),
    };
    Verdict {
        name: format!("plans/{plan}/assignments/{}/obligations/{}", found.assignment, found.period),
        obligation_state: state.to_owned(),
        timeliness: timeliness(found.timeliness).to_owned(),
        period: found.period.to_string(),
        due_time: Some(timestamp(found.due_at)),
        institutions: vec![format!("institutions/{}", found.institution)],
        action: format!("plans/{plan}/actions/{}", found.action),
        explanation: vec![reason],
        remedy_es: es.to_owned(),
        remedy_en: en.to_owned(),
        ..Verdict::default()
    }
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

/// The title of a component, as the plan gives it.
pub(crate) fn component_title(definition: &PlanDefinition, name: &str) -> String {
    definition
        .components
        .iter()
        .find(|component| component.name == name)
        .map(|component| component.title_es.clone())
        .unwrap_or_default()
}
