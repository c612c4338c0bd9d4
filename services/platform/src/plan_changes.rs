//! How a change of a plan is applied: plans composes plans with it, and so do reporting and compliance, which follow
//! its journal. One function, so that they can't differ.

use std::collections::HashMap;

use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use vigia_proto::{
    POOL,
    plans::{Change, PlanDefinition, change::Resource},
};

/// What no change touches: names never change, the others are made by the service.
const OUTPUT_ONLY: [&str; 6] = ["name", "state", "revision", "etag", "create_time", "update_time"];

/// Applies a change: the fields that its mask names, or all of them where it names none or `*`. A resource that is not
/// there is added, at the end of its kind. Paths that are no fields are passed over: see [`unknown_fields`].
pub fn apply(definition: &mut PlanDefinition, change: &Change) {
    let paths = paths(change);
    match &change.resource {
        Some(Resource::Plan(plan)) => match &mut definition.plan {
            Some(stored) => merge("Plan", stored, plan, &paths),
            None => definition.plan = Some(plan.clone()),
        },
        Some(Resource::Component(component)) => match definition.components.iter_mut().find(|stored| stored.name == component.name) {
            Some(stored) => merge("Component", stored, component, &paths),
            None => definition.components.push(component.clone()),
        },
        Some(Resource::Action(action)) => match definition.actions.iter_mut().find(|stored| stored.name == action.name) {
            Some(stored) => merge("Action", stored, action, &paths),
            None => definition.actions.push(action.clone()),
        },
        Some(Resource::Indicator(indicator)) => {
            if let Some(stored) = definition.indicators.iter_mut().find(|stored| stored.name == indicator.name) {
                merge("Indicator", stored, indicator, &paths)
            } else {
                definition.indicators.push(indicator.clone());
                sort_indicators(definition);
            }
        }
        None => {}
    }
}

/// Puts indicators in the order of their actions, and otherwise leaves them as they stand.
pub fn sort_indicators(definition: &mut PlanDefinition) {
    let places: HashMap<&str, usize> = definition
        .actions
        .iter()
        .enumerate()
        .map(|(place, action)| (action.name.as_str(), place))
        .collect();
    let place = |name: &str| places.get(action_of(name)).copied().unwrap_or(usize::MAX);
    definition.indicators.sort_by_cached_key(|indicator| place(&indicator.name));
}

/// The action that an indicator's name says it belongs to.
pub fn action_of(indicator: &str) -> &str {
    indicator.split_once("/indicators/").map_or("", |(action, _)| action)
}

/// The paths of a change's mask that are no fields which can change; empty where all is well.
pub fn unknown_fields(change: &Change) -> Vec<String> {
    let message = match change.resource {
        Some(Resource::Plan(_)) => "Plan",
        Some(Resource::Component(_)) => "Component",
        Some(Resource::Action(_)) => "Action",
        Some(Resource::Indicator(_)) => "Indicator",
        None => return Vec::new(),
    };
    let Some(descriptor) = descriptor(message) else { return Vec::new() };
    paths(change)
        .into_iter()
        .filter(|path| !is_changeable(&descriptor, path))
        .map(str::to_owned)
        .collect()
}

/// Merges the fields that the paths name from one plan into another; see [`apply`].
pub fn merge_fields<T: Message + Default>(message: &str, stored: &mut T, given: &T, paths: &[String]) {
    let paths: Vec<&str> = if paths.iter().any(|path| path == "*") {
        Vec::new()
    } else {
        paths.iter().map(String::as_str).collect()
    };
    merge(message, stored, given, &paths);
}

/// The mask's paths; none where the whole changes.
fn paths(change: &Change) -> Vec<&str> {
    let paths = change.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.iter().any(|path| path == "*") {
        Vec::new()
    } else {
        paths.iter().map(String::as_str).collect()
    }
}

fn descriptor(message: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(&format!("vigia.plans.v1.{message}"))
}

fn is_changeable(descriptor: &MessageDescriptor, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let Some(field) = descriptor.get_field_by_name(first) else {
        return false;
    };
    match rest {
        None => !OUTPUT_ONLY.contains(&first),
        Some(rest) => {
            let nested = field.kind();
            !field.is_list() && nested.as_message().is_some_and(|nested| is_changeable(nested, rest))
        }
    }
}

fn merge<T: Message + Default>(message: &str, stored: &mut T, given: &T, paths: &[&str]) {
    let Some(descriptor) = descriptor(message) else { return };
    // Both are messages of this very type, so neither conversion can fail; if one did, nothing would change.
    let dynamic = |value: &T| DynamicMessage::decode(descriptor.clone(), value.encode_to_vec().as_slice());
    let (Ok(mut merged), Ok(given)) = (dynamic(stored), dynamic(given)) else {
        return;
    };
    if paths.is_empty() {
        for field in descriptor.fields() {
            merge_path(&mut merged, &given, field.name());
        }
    }
    for path in paths.iter().filter(|path| is_changeable(&descriptor, path)) {
        merge_path(&mut merged, &given, path);
    }
    if let Ok(merged) = T::decode(merged.encode_to_vec().as_slice()) {
        *stored = merged;
    }
}

fn merge_path(stored: &mut DynamicMessage, given: &DynamicMessage, path: &str) {
    match path.split_once('.') {
        None if OUTPUT_ONLY.contains(&path) => {}
        None if given.has_field_by_name(path) => {
            if let Some(value) = given.get_field_by_name(path) {
                stored.set_field_by_name(path, value.into_owned());
            }
        }
        None => stored.clear_field_by_name(path),
        Some((first, rest)) => {
            let given = given.get_field_by_name(first);
            let (Some(Value::Message(given)), Some(Value::Message(nested))) = (given.as_deref(), stored.get_field_by_name_mut(first))
            else {
                return;
            };
            merge_path(nested, given, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FieldMask;
    use vigia_proto::{
        plans::{Action, CompliancePolicy, Indicator, Plan, Target},
        types::Decimal,
    };

    use super::*;

    fn definition() -> PlanDefinition {
        let action = |id: &str| Action {
            name: format!("plans/p/actions/{id}"),
            end: "2021-12-31".into(),
            ..Action::default()
        };
        let indicator = |id: &str| Indicator {
            name: format!("plans/p/actions/{id}"),
            ..Indicator::default()
        };
        let policy = CompliancePolicy {
            rules: 1,
            stale_after: 2,
            ..CompliancePolicy::default()
        };
        let plan = Plan {
            name: "plans/p".into(),
            title_es: "Plan".into(),
            revision: 1,
            compliance_policy: Some(policy),
            ..Plan::default()
        };
        PlanDefinition {
            plan: Some(plan),
            actions: vec![action("a"), action("b")],
            indicators: vec![indicator("a/indicators/i"), indicator("b/indicators/i")],
            ..PlanDefinition::default()
        }
    }

    fn change(resource: Resource, paths: &[&str]) -> Change {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Change {
            resource: Some(resource),
            update_mask: Some(FieldMask { paths }),
        }
    }

    #[test]
    fn only_the_fields_that_the_mask_names_change() {
        let mut plan = definition();
        let given = Action {
            name: "plans/p/actions/a".into(),
            end: "2022-08-31".into(),
            text_es: "no".into(),
            ..Action::default()
        };
        apply(&mut plan, &change(Resource::Action(given), &["end"]));
        assert_eq!((plan.actions[0].end.as_str(), plan.actions[0].text_es.as_str()), ("2022-08-31", ""));
        assert_eq!(plan.actions[1], definition().actions[1]);
    }

    #[test]
    fn a_nested_field_changes_alone_and_zero_is_a_value() {
        let mut plan = definition();
        let given = Plan {
            compliance_policy: Some(CompliancePolicy::default()),
            ..Plan::default()
        };
        apply(&mut plan, &change(Resource::Plan(given), &["compliance_policy.stale_after"]));
        let plan = plan.plan.unwrap_or_default();
        let policy = plan.compliance_policy.unwrap_or_default();
        assert_eq!((policy.rules, policy.stale_after, plan.title_es.as_str()), (1, 0, "Plan"));
    }

    #[test]
    fn the_whole_is_replaced_without_a_mask_but_for_what_the_service_makes() {
        for paths in [&[][..], &["*"][..]] {
            let mut plan = definition();
            let given = Plan {
                name: "plans/other".into(),
                title_es: "Otro".into(),
                revision: 9,
                ..Plan::default()
            };
            apply(&mut plan, &change(Resource::Plan(given), paths));
            let plan = plan.plan.unwrap_or_default();
            assert_eq!((plan.name.as_str(), plan.title_es.as_str(), plan.revision), ("plans/p", "Otro", 1));
            assert_eq!(plan.compliance_policy, None);
        }
    }

    #[test]
    fn what_is_not_there_is_added_and_lists_are_replaced_whole() {
        let mut plan = definition();
        let name = "plans/p/actions/a/indicators/j";
        let target = |on: &str| Target {
            on: on.into(),
            value: Some(Decimal { value: "1".into() }),
        };
        let added = Indicator {
            name: name.into(),
            targets: vec![target("2020-12-31"), target("2021-12-31")],
            ..Indicator::default()
        };
        apply(&mut plan, &change(Resource::Indicator(added.clone()), &["targets"]));
        let names: Vec<&str> = plan.indicators.iter().map(|indicator| indicator.name.as_str()).collect();
        assert_eq!(names, ["plans/p/actions/a/indicators/i", name, "plans/p/actions/b/indicators/i"]);
        let fewer = Indicator {
            targets: vec![target("2021-12-31")],
            ..added
        };
        apply(&mut plan, &change(Resource::Indicator(fewer.clone()), &["targets"]));
        assert_eq!(plan.indicators[1], fewer);
    }

    #[test]
    fn unknown_paths_are_named_and_passed_over() {
        let given = change(
            Resource::Action(Action::default()),
            &["end", "ende", "name", "targets", "provenance.note", "milestones.due"],
        );
        assert_eq!(unknown_fields(&given), ["ende", "name", "targets", "milestones.due"]);
        let mut plan = definition();
        apply(&mut plan, &change(Resource::Plan(Plan::default()), &["x.y", "name"]));
        assert_eq!(plan, definition());
    }
}
