//! The one form in which a plan is kept: defaults written out, numbers canonical, targets by date and in order.

use vigia_platform::{decimal, plan_changes::sort_indicators};
use vigia_proto::{
    plans::{
        Action, Change, CompliancePolicy, Component, DayCount, Indicator, Interpolation, Plan, PlanDefinition, Target, change::Resource,
    },
    types::Decimal,
};

use crate::{
    annotations::{self, numbered},
    check::day_of,
};

/// The policy of a plan that says nothing.
pub(crate) fn default_policy() -> CompliancePolicy {
    let number = |value: &str| Some(Decimal { value: value.to_owned() });
    CompliancePolicy {
        rules: 1,
        on_track_from: number("85"),
        at_risk_from: number("70"),
        reported_from: number("50"),
        stale_after: 2,
        interpolation: Interpolation::Linear.into(),
        reporting_roles: vec!["lead".to_owned(), "co_responsible".to_owned()],
        milestones_weight: number("1"),
    }
}

/// Puts a whole plan in its one form. Doing it again changes nothing.
pub(crate) fn normalise(definition: &mut PlanDefinition) {
    if let Some(plan) = &mut definition.plan {
        normalise_plan(plan);
    }
    definition.components.iter_mut().for_each(normalise_component);
    definition.actions.iter_mut().for_each(normalise_action);
    definition.indicators.iter_mut().for_each(normalise_indicator);
    sort_indicators(definition);
}

pub(crate) fn normalise_plan(plan: &mut Plan) {
    plan.etag.clear();
    let policy = plan.compliance_policy.get_or_insert_with(default_policy);
    fill_policy(policy);
    let reporting = plan.reporting.get_or_insert_default();
    if reporting.count() == DayCount::Unspecified {
        reporting.set_count(DayCount::Calendar);
    }
    let (levels, legal_basis) = (plan.levels.len(), plan.legal_basis.len());
    plan.annotations_json = annotations::normal(&plan.annotations_json, &annotations::PLAN, |key| match key {
        "levels" => Some(numbered(levels)),
        "legal_basis" => Some(numbered(legal_basis)),
        _ => None,
    });
}

fn fill_policy(policy: &mut CompliancePolicy) {
    let default = default_policy();
    if policy.rules == 0 {
        policy.rules = default.rules;
    }
    for (value, default) in [
        (&mut policy.on_track_from, default.on_track_from),
        (&mut policy.at_risk_from, default.at_risk_from),
        (&mut policy.reported_from, default.reported_from),
        (&mut policy.milestones_weight, default.milestones_weight),
    ] {
        if value.is_none() {
            *value = default;
        }
        canonical(value);
    }
    if policy.interpolation() == Interpolation::Unspecified {
        policy.set_interpolation(Interpolation::Linear);
    }
    if policy.reporting_roles.is_empty() {
        policy.reporting_roles = default.reporting_roles;
    }
}

/// Puts what a change gives in its one form; what it does not give stays absent.
pub(crate) fn normalise_change(change: &mut Change) {
    let paths = change.update_mask.as_ref().map(|mask| mask.paths.clone()).unwrap_or_default();
    let whole = paths.is_empty() || paths.iter().any(|path| path == "*");
    match &mut change.resource {
        Some(Resource::Plan(plan)) if whole => normalise_plan(plan),
        Some(Resource::Plan(plan)) => {
            plan.etag.clear();
            if let Some(policy) = &mut plan.compliance_policy {
                if paths.iter().any(|path| path == "compliance_policy") {
                    fill_policy(policy);
                }
                canonical(&mut policy.on_track_from);
                canonical(&mut policy.at_risk_from);
                canonical(&mut policy.reported_from);
                canonical(&mut policy.milestones_weight);
            }
        }
        Some(Resource::Component(component)) => normalise_component(component),
        Some(Resource::Action(action)) => normalise_action(action),
        Some(Resource::Indicator(indicator)) => normalise_indicator(indicator),
        None => {}
    }
}

fn normalise_component(component: &mut Component) {
    component.etag.clear();
    component.annotations_json = annotations::normal(&component.annotations_json, &annotations::COMPONENT, |_| None);
}

fn normalise_action(action: &mut Action) {
    action.etag.clear();
    canonical(&mut action.weight);
    for line in &mut action.budget_lines {
        canonical(&mut line.initial);
        canonical(&mut line.current);
        canonical(&mut line.accrued);
    }
    for milestone in &mut action.milestones {
        milestone.annotations_json = annotations::normal(&milestone.annotations_json, &annotations::MILESTONE, |_| None);
    }
    let (suspended, budget_lines) = (action.suspended.len(), action.budget_lines.len());
    action.annotations_json = annotations::normal(&action.annotations_json, &annotations::ACTION, |key| match key {
        "suspended" => Some(numbered(suspended)),
        "budget_lines" => Some(numbered(budget_lines)),
        _ => None,
    });
}

fn normalise_indicator(indicator: &mut Indicator) {
    indicator.etag.clear();
    canonical(&mut indicator.weight);
    if let Some(baseline) = &mut indicator.baseline {
        normalise_target(baseline);
    }
    indicator.targets.iter_mut().for_each(normalise_target);
    // Dates of one form: their texts sort as their days do.
    indicator.targets.sort_by(|a, b| a.on.cmp(&b.on));
    let targets: Vec<String> = indicator.targets.iter().map(|target| target.on.clone()).collect();
    let baseline = indicator.baseline.is_some();
    indicator.annotations_json = annotations::normal(&indicator.annotations_json, &annotations::INDICATOR, |key| match key {
        "targets" => Some(targets.clone()),
        "baseline" if !baseline => Some(Vec::new()),
        _ => None,
    });
}

fn normalise_target(target: &mut Target) {
    target.on = day_of(&target.on);
    canonical(&mut target.value);
}

/// A number in canonical form; one that has none is left for the check to find.
fn canonical(value: &mut Option<Decimal>) {
    if let Some(number) = value
        && let Some(text) = decimal::canonical(&number.value)
    {
        number.value = text;
    }
}
