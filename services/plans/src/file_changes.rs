//! Reads a file of changes: the keys of a plan file that change, with components, actions and indicators by their
//! codes. What is named is all that changes.

use prost_types::FieldMask;
use vigia_platform::{Faults, name::id_of_code, plan_changes::action_of};
use vigia_proto::plans::{Change, Plan, PlanDefinition, change::Resource};

use crate::{
    annotations,
    file::{self, Codes, document, read_action, read_component, read_indicator, read_plan},
    reader::Reader,
    yaml::{Kind, Node},
};

/// A file of changes, read against the plan that it changes.
pub struct ChangeFile {
    /// The changes.
    pub changes: Vec<Change>,
    reader: Reader,
}

impl std::fmt::Debug for ChangeFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangeFile").field("changes", &self.changes).finish_non_exhaustive()
    }
}

impl ChangeFile {
    /// The faults of the plan as it would become, with the lines of this file where they stand in it: `changed` is that
    /// plan, `faults` what its check found.
    pub fn located(&self, changed: &PlanDefinition, faults: &Faults) -> Faults {
        let mut named = Faults::new();
        for fault in faults.list() {
            let path = by_codes(changed, &fault.path).filter(|path| self.reader.line(path).is_some());
            named.add(path.unwrap_or_else(|| fault.path.clone()), fault.es.as_str(), fault.en.as_str());
        }
        self.reader.faults(&named)
    }
}

/// Reads a file of changes of this plan, or lists what can't be read in it, each with its line.
pub fn read(file: &[u8], base: &PlanDefinition) -> Result<ChangeFile, Faults> {
    let root = document(file)?;
    let mut reader = Reader::default();
    let plan = base.plan.clone().unwrap_or_default();
    let mut table = reader.open(&root, "");
    let mut changes = Vec::new();
    // `reporting`, `compliance_policy` and `alert_policy` may stand by themselves: they are keys of the plan.
    let mut of_plan: Vec<(String, Node)> = table.take("plan").map(Node::entries).unwrap_or_default().to_vec();
    for key in ["reporting", "compliance_policy", "alert_policy"] {
        if let Some(node) = table.take(key) {
            of_plan.push((key.to_owned(), node.clone()));
        }
    }
    if !of_plan.is_empty() {
        changes.push(plan_change(&mut reader, &plan, of_plan));
    }
    let (components, actions) = (table.take("components"), table.take("actions"));
    let mut codes = Codes::default();
    for component in &base.components {
        codes.put(&component.code, component.name.clone());
    }
    for (code, _) in components.map(Node::entries).unwrap_or_default() {
        codes.put(code, format!("{}/components/{}", plan.name, id_of_code(code)));
    }
    for (code, node) in named(&mut reader, "components", components) {
        let path = format!("components.{code}");
        let mut component = read_component(&mut reader, &with_code(code, node), &path, &plan.name, &codes);
        let stored = base.components.iter().find(|stored| stored.code == *code);
        let mask = stored.map(|stored| {
            component.name.clone_from(&stored.name);
            component.annotations_json = annotated(&stored.annotations_json, &component.annotations_json, node, &annotations::COMPONENT);
            mask(
                node,
                (&stored.annotations_json, &component.annotations_json),
                &annotations::COMPONENT,
                |_| None,
            )
        });
        changes.push(Change {
            resource: Some(Resource::Component(component)),
            update_mask: mask,
        });
    }
    for (code, node) in named(&mut reader, "actions", actions) {
        action_changes(&mut reader, base, &codes, code, node, &mut changes);
    }
    for (key, node) in table.rest() {
        reader.fault(
            &key,
            node.line,
            "no es una parte de un plan: plan, components, actions",
            "is no part of a plan: plan, components, actions",
        );
    }
    let faults = reader.faults(&Faults::new());
    if faults.list().is_empty() {
        Ok(ChangeFile { changes, reader })
    } else {
        Err(faults)
    }
}

fn plan_change(reader: &mut Reader, stored: &Plan, mut entries: Vec<(String, Node)>) -> Change {
    let id = stored.name.strip_prefix("plans/").unwrap_or_default();
    entries.retain(|(key, node)| {
        let is_id = key == "id";
        if is_id && !matches!(&node.kind, Kind::Scalar(text, _) if text == id) {
            reader.fault("plan.id", node.line, "el id de un plan no cambia", "a plan's id does not change");
        }
        !is_id
    });
    let node = Node::map(entries);
    let mut plan = read_plan(reader, &node);
    plan.name.clone_from(&stored.name);
    plan.annotations_json = annotated(&stored.annotations_json, &plan.annotations_json, &node, &annotations::PLAN);
    // The nested values change key by key.
    let nested = |key: &str| match key {
        "period" => Some(("", ["start", "end"].as_slice())),
        "reporting" => Some((
            "reporting.",
            [
                "frequency",
                "due_days_after_period",
                "count",
                "holidays",
                "hour",
                "review_days",
                "head_submits",
                "evidence_metadata",
            ]
            .as_slice(),
        )),
        "compliance_policy" => Some((
            "compliance_policy.",
            [
                "rules",
                "on_track_from",
                "at_risk_from",
                "reported_from",
                "stale_after",
                "interpolation",
                "reporting_roles",
                "milestones_weight",
            ]
            .as_slice(),
        )),
        "alert_policy" => Some(("alert_policy.", file::ALERT_POLICY.as_slice())),
        _ => None,
    };
    let mask = mask(
        &node,
        (&stored.annotations_json, &plan.annotations_json),
        &annotations::PLAN,
        nested,
    );
    Change {
        resource: Some(Resource::Plan(plan)),
        update_mask: Some(mask),
    }
}

fn action_changes(reader: &mut Reader, base: &PlanDefinition, codes: &Codes, code: &str, node: &Node, changes: &mut Vec<Change>) {
    let plan = base.plan.as_ref().map(|plan| plan.name.as_str()).unwrap_or_default();
    let path = format!("actions.{code}");
    let stored = base.actions.iter().find(|stored| stored.code == code);
    // Indicators stand by their codes here, in a mapping: they are read apart.
    let (measured, own): (Vec<_>, Vec<_>) = node
        .entries()
        .iter()
        .cloned()
        .partition(|(key, _)| matches!(key.as_str(), "indicators" | "indicator"));
    let own = Node {
        line: node.line,
        kind: Kind::Map(own),
    };
    let with = with_code(code, &own);
    let (mut action, _) = read_action(reader, &with, &path, plan, codes);
    if let Some(stored) = stored {
        action.name.clone_from(&stored.name);
    }
    let name = action.name.clone();
    if stored.is_none() || !own.entries().is_empty() {
        let mask = stored.map(|stored| {
            action.annotations_json = annotated(&stored.annotations_json, &action.annotations_json, &own, &annotations::ACTION);
            mask(
                &own,
                (&stored.annotations_json, &action.annotations_json),
                &annotations::ACTION,
                |_| None,
            )
        });
        changes.push(Change {
            resource: Some(Resource::Action(action)),
            update_mask: mask,
        });
    }
    for (key, node) in &measured {
        let only = [("I".to_owned(), node.clone())];
        let by_code: Vec<(&str, &Node)> = match key.as_str() {
            "indicator" => only.iter().map(|(code, node)| (code.as_str(), node)).collect(),
            _ => named(reader, &format!("{path}.indicators"), Some(node)),
        };
        for (code, node) in by_code {
            let path = format!("{path}.indicators.{code}");
            let mut indicator = read_indicator(reader, &with_code(code, node), &path, &name);
            let stored = base
                .indicators
                .iter()
                .find(|stored| stored.code == code && action_of(&stored.name) == name);
            let mask = stored.map(|stored| {
                indicator.name.clone_from(&stored.name);
                indicator.annotations_json =
                    annotated(&stored.annotations_json, &indicator.annotations_json, node, &annotations::INDICATOR);
                mask(
                    node,
                    (&stored.annotations_json, &indicator.annotations_json),
                    &annotations::INDICATOR,
                    |_| None,
                )
            });
            changes.push(Change {
                resource: Some(Resource::Indicator(indicator)),
                update_mask: mask,
            });
        }
    }
}

/// The entries of a mapping by codes; a fault where it is something else.
fn named<'a>(reader: &mut Reader, path: &str, node: Option<&'a Node>) -> Vec<(&'a str, &'a Node)> {
    let Some(node) = node else { return Vec::new() };
    if !matches!(node.kind, Kind::Map(_)) {
        reader.fault(path, node.line, "debe tener los códigos como claves", "must have the codes as keys");
    }
    let mut named = Vec::new();
    for (code, node) in node.entries() {
        if matches!(node.kind, Kind::Map(_)) {
            named.push((code.as_str(), node));
        } else {
            reader.fault(
                &format!("{path}.{code}"),
                node.line,
                "debe tener claves y valores",
                "must have keys and values",
            );
        }
    }
    named
}

/// The node with the code that it stands under, unless it gives another one.
fn with_code(code: &str, node: &Node) -> Node {
    let mut entries = node.entries().to_vec();
    if node.get("code").is_none() {
        entries.insert(
            0,
            (
                "code".to_owned(),
                Node {
                    line: node.line,
                    ..Node::text(code)
                },
            ),
        );
    }
    Node {
        line: node.line,
        kind: Kind::Map(entries),
    }
}

/// Values whose keys change one by one, and so do their annotations; those of lists go with what they belonged to.
const BY_KEY: [&str; 5] = ["period", "reporting", "compliance_policy", "alert_policy", annotations::FILE];

/// The annotations as they become: those that the file names replace what stood there, and what belonged to a value
/// that is replaced goes with it.
fn annotated(stored: &str, given: &str, node: &Node, keys: &annotations::Keys) -> String {
    let (stored, given) = (annotations::read(stored), annotations::read(given));
    let replaced = |key: &str| keys.nested.contains(&key) && !BY_KEY.contains(&key) && node.get(key).is_some();
    let mut entries: Vec<(String, Node)> = stored.entries().iter().filter(|(key, _)| !replaced(key)).cloned().collect();
    for (key, value) in given.entries() {
        match entries.iter_mut().find(|(stored, _)| stored == key) {
            Some((_, stored)) if BY_KEY.contains(&key.as_str()) => *stored = overlaid(stored, value),
            Some((_, stored)) => *stored = value.clone(),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    annotations::write(entries)
}

fn overlaid(stored: &Node, given: &Node) -> Node {
    let kept = stored.entries().iter().filter(|(key, _)| given.get(key).is_none());
    Node::map(kept.chain(given.entries()).cloned().collect())
}

/// The fields that a node's keys stand for; the annotations where they differ.
fn mask(
    node: &Node,
    (stored, given): (&str, &str),
    keys: &annotations::Keys,
    nested: impl Fn(&str) -> Option<(&'static str, &'static [&'static str])>,
) -> FieldMask {
    let mut paths: Vec<String> = Vec::new();
    for (key, value) in node.entries() {
        let key = key.as_str();
        if let Some((prefix, fields)) = nested(key) {
            let inner = value
                .entries()
                .iter()
                .map(|(inner, _)| inner.as_str())
                .filter(|inner| fields.contains(inner));
            paths.extend(inner.map(|inner| format!("{prefix}{inner}")));
        } else if keys.known.contains(&key) && key != "id" && key != annotations::FILE {
            let field = match key {
                "territory" => "territories",
                "source" => "provenance.source",
                "verified" => "provenance.verified",
                "illustrative" => "provenance.illustrative",
                "note" => "provenance.note",
                field => field,
            };
            paths.push(field.to_owned());
        }
    }
    if stored != given {
        paths.push("annotations_json".to_owned());
    }
    paths.sort();
    paths.dedup();
    FieldMask { paths }
}

/// A path of the check in the words of this file: `actions[3].indicators[0].unit` is `actions.C1.indicators.I1.unit`.
fn by_codes(definition: &PlanDefinition, path: &str) -> Option<String> {
    let (kind, rest) = path.split_once('[')?;
    let (place, rest) = rest.split_once(']')?;
    let place: usize = place.parse().ok()?;
    match kind {
        "components" => Some(format!("components.{}{rest}", definition.components.get(place)?.code)),
        "actions" => {
            let action = definition.actions.get(place)?;
            let path = format!("actions.{}", action.code);
            let Some(inner) = rest.strip_prefix(".indicators[") else {
                return Some(format!("{path}{rest}"));
            };
            let (place, rest) = inner.split_once(']')?;
            let mut measured = definition
                .indicators
                .iter()
                .filter(|indicator| action_of(&indicator.name) == action.name);
            let indicator = measured.nth(place.parse().ok()?)?;
            Some(format!("{path}.indicators.{}{rest}", indicator.code))
        }
        _ => None,
    }
}
