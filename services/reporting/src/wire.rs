//! Obligations as the contract shows them.

use vigia_platform::timestamp;
use vigia_proto::reporting as proto;
use vigia_rules::{Obligation, ObligationState, Timeliness};

/// An obligation of a plan.
pub(crate) fn obligation(plan: &str, owed: &Obligation) -> proto::Obligation {
    proto::Obligation {
        name: name(plan, owed),
        action: format!("plans/{plan}/actions/{}", owed.action),
        institution: format!("institutions/{}", owed.institution),
        period: owed.period.to_string(),
        open_time: Some(timestamp(owed.opens_at)),
        due_time: Some(timestamp(owed.due_at)),
        state: state(owed.state).into(),
        timeliness: timeliness(owed.timeliness).into(),
        answer_due_time: owed.answer_due_at.map(timestamp),
        version: i32::try_from(owed.next_version.saturating_sub(1)).unwrap_or(i32::MAX),
        receive_time: owed.received_at.map(timestamp),
    }
}

/// Its resource name.
pub(crate) fn name(plan: &str, owed: &Obligation) -> String {
    format!("plans/{plan}/assignments/{}/obligations/{}", owed.assignment, owed.period)
}

/// What a filter may ask of it. States are named without their prefix: `OVERDUE`.
pub(crate) fn field_of(owed: &Obligation, plan: &str, field: &str) -> Option<String> {
    let short = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    Some(match field {
        "institution" => format!("institutions/{}", owed.institution),
        "action" => format!("plans/{plan}/actions/{}", owed.action),
        "period" => owed.period.to_string(),
        "state" => short(state(owed.state).as_str_name(), "OBLIGATION_STATE_"),
        "timeliness" => short(timeliness(owed.timeliness).as_str_name(), "TIMELINESS_"),
        _ => return None,
    })
}

fn state(state: ObligationState) -> proto::ObligationState {
    match state {
        ObligationState::NotOpen => proto::ObligationState::NotOpen,
        ObligationState::Open => proto::ObligationState::Open,
        ObligationState::Overdue => proto::ObligationState::Overdue,
        ObligationState::Submitted => proto::ObligationState::Submitted,
        ObligationState::Returned => proto::ObligationState::Returned,
        ObligationState::ReturnedOverdue => proto::ObligationState::ReturnedOverdue,
        ObligationState::Validated => proto::ObligationState::Validated,
        ObligationState::Waived => proto::ObligationState::Waived,
    }
}

fn timeliness(timeliness: Timeliness) -> proto::Timeliness {
    match timeliness {
        Timeliness::Pending => proto::Timeliness::Pending,
        Timeliness::Missing => proto::Timeliness::Missing,
        Timeliness::Late => proto::Timeliness::Late,
        Timeliness::OnTime => proto::Timeliness::OnTime,
        Timeliness::NotApplicable => proto::Timeliness::NotApplicable,
    }
}
