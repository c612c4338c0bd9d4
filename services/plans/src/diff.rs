//! What differs between two plans, field by field.

use std::collections::BTreeMap;

use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Map, Value};
use vigia_proto::{
    POOL,
    plans::{FieldDifference, PlanDefinition},
};

/// Fields that the service makes: they say nothing of what was promised.
const OUTPUT_ONLY: [&str; 6] = ["name", "state", "revision", "etag", "create_time", "update_time"];
/// Fields whose own fields are compared one by one.
const NESTED: [&str; 3] = ["reporting", "compliance_policy", "alert_policy"];

/// The fields that differ, in the order of the later plan; what is no more comes last.
pub fn diff(before: &PlanDefinition, after: &PlanDefinition) -> Vec<FieldDifference> {
    let (before, after) = (resources(before), resources(after));
    let by_name: BTreeMap<&str, &Map<String, Value>> = before.iter().map(|(name, fields)| (name.as_str(), fields)).collect();
    let nothing = Map::new();
    let mut differences = Vec::new();
    for (name, fields) in &after {
        compare(
            &mut differences,
            name,
            by_name.get(name.as_str()).copied().unwrap_or(&nothing),
            fields,
        );
    }
    for (name, fields) in &before {
        if !after.iter().any(|(other, _)| other == name) {
            compare(&mut differences, name, fields, &nothing);
        }
    }
    differences
}

fn resources(definition: &PlanDefinition) -> Vec<(String, Map<String, Value>)> {
    let mut resources = Vec::new();
    if let Some(plan) = &definition.plan {
        resources.push((plan.name.clone(), fields("Plan", plan)));
    }
    resources.extend(
        definition
            .components
            .iter()
            .map(|component| (component.name.clone(), fields("Component", component))),
    );
    resources.extend(
        definition
            .actions
            .iter()
            .map(|action| (action.name.clone(), fields("Action", action))),
    );
    resources.extend(
        definition
            .indicators
            .iter()
            .map(|indicator| (indicator.name.clone(), fields("Indicator", indicator))),
    );
    resources
}

/// A resource's fields as JSON, by path.
fn fields(message: &str, resource: &impl Message) -> Map<String, Value> {
    let descriptor = POOL.get_message_by_name(&format!("vigia.plans.v1.{message}"));
    let dynamic = descriptor.and_then(|descriptor| DynamicMessage::decode(descriptor, resource.encode_to_vec().as_slice()).ok());
    let options = SerializeOptions::new().use_proto_field_name(true);
    let json = dynamic.and_then(|dynamic| dynamic.serialize_with_options(serde_json::value::Serializer, &options).ok());
    let Some(Value::Object(fields)) = json else { return Map::new() };
    let mut flat = Map::new();
    for (field, value) in fields {
        match value {
            Value::Object(inner) if NESTED.contains(&field.as_str()) => {
                flat.extend(inner.into_iter().map(|(inner, value)| (format!("{field}.{inner}"), value)));
            }
            value if !OUTPUT_ONLY.contains(&field.as_str()) => {
                flat.insert(field, value);
            }
            _ => {}
        }
    }
    flat
}

fn compare(differences: &mut Vec<FieldDifference>, resource: &str, before: &Map<String, Value>, after: &Map<String, Value>) {
    let gone = before.keys().filter(|field| !after.contains_key(*field));
    for field in after.keys().chain(gone) {
        let json = |fields: &Map<String, Value>| fields.get(field).map(Value::to_string).unwrap_or_default();
        let (before_json, after_json) = (json(before), json(after));
        if before_json != after_json {
            differences.push(FieldDifference {
                resource: resource.to_owned(),
                field: field.clone(),
                before_json,
                after_json,
            });
        }
    }
}
