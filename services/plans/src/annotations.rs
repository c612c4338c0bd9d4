//! What a plan file says beyond what we know: kept as JSON beside the resource, and written where it stood.

use vigia_platform::Faults;

use crate::yaml::{Kind, Node};

/// The keys of a plan file that mean something, of one kind of resource.
#[derive(Debug)]
pub(crate) struct Keys {
    /// All that mean something.
    pub(crate) known: &'static [&'static str],
    /// Those whose value is a mapping or a list of mappings, which can hold further keys.
    pub(crate) nested: &'static [&'static str],
}

pub(crate) const PLAN: Keys = Keys {
    known: &[
        "id",
        "title_es",
        "title_en",
        "acronym",
        "period",
        "time_zone",
        "governing_institution",
        "levels",
        "reporting",
        "compliance_policy",
        "alert_policy",
        "legal_basis",
        "source",
        "verified",
        "illustrative",
        "note",
        FILE,
    ],
    nested: &[
        "period",
        "levels",
        "reporting",
        "compliance_policy",
        "alert_policy",
        "legal_basis",
        FILE,
    ],
};
pub(crate) const COMPONENT: Keys = Keys {
    known: &[
        "id",
        "code",
        "level",
        "parent",
        "title_es",
        "title_en",
        "source",
        "verified",
        "illustrative",
        "note",
    ],
    nested: &[],
};
pub(crate) const ACTION: Keys = Keys {
    known: &[
        "id",
        "code",
        "component",
        "text_es",
        "gloss_en",
        "kind",
        "weight",
        "start",
        "end",
        "territory",
        "lead",
        "co_responsible",
        "supporting",
        "counterpart",
        "milestones",
        "suspended",
        "withdrawn_on",
        "budget_lines",
        "commitments",
        "legal_basis",
        "twin",
        "indicator",
        "indicators",
        "source",
        "verified",
        "illustrative",
        "note",
    ],
    nested: &["suspended", "budget_lines"],
};
pub(crate) const MILESTONE: Keys = Keys {
    known: &["code", "due", "text_es"],
    nested: &[],
};
pub(crate) const INDICATOR: Keys = Keys {
    known: &[
        "id",
        "code",
        "name_es",
        "unit",
        "weight",
        "direction",
        "aggregation",
        "across",
        "window",
        "reported_by",
        "baseline",
        "targets",
        "breakdown",
        "means_of_verification_es",
        "source",
        "verified",
        "illustrative",
        "note",
    ],
    nested: &["baseline", "targets"],
};
/// Under this key a plan's annotations hold what stands beside `plan`, `components` and `actions`.
pub(crate) const FILE: &str = "file";

/// Annotations of a resource at most, in bytes.
const BYTES_MAX: usize = 64 * 1024;

/// The annotations as a mapping; empty where there are none.
pub(crate) fn read(json: &str) -> Node {
    let node = if json.is_empty() { None } else { Node::parse(json).ok() };
    node.unwrap_or_else(|| Node::map(Vec::new()))
}

/// The mapping as annotations; empty where it is empty.
pub(crate) fn write(entries: Vec<(String, Node)>) -> String {
    if entries.is_empty() {
        String::new()
    } else {
        Node::map(entries).to_json()
    }
}

/// Annotations must be a JSON object, and must not say what has a field of its own.
pub(crate) fn check(faults: &mut Faults, path: &str, json: &str, keys: &Keys) {
    let path = format!("{path}.annotations_json");
    if json.is_empty() {
        return;
    }
    if json.len() > BYTES_MAX {
        faults.add(path, "pasa de 64 KiB", "is longer than 64 KiB");
        return;
    }
    let is_json = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json).is_ok();
    let node = Node::parse(json).ok().filter(|_| is_json);
    let Some(Node {
        kind: Kind::Map(entries), ..
    }) = node
    else {
        faults.add(path, "debe ser un objeto JSON", "must be a JSON object");
        return;
    };
    for (key, value) in entries {
        let is_nested = keys.nested.contains(&key.as_str());
        if is_nested && !matches!(value.kind, Kind::Map(_)) || !is_nested && keys.known.contains(&key.as_str()) {
            faults.add(
                path.as_str(),
                format!("«{key}» tiene su propio campo"),
                format!("\"{key}\" has a field of its own"),
            );
        }
    }
}

/// Annotations in the one form that a file gives: free keys first, then those of nested values in their order. `places`
/// says what a list's entries are called, in order: what belongs to an entry that is no more is dropped.
pub(crate) fn normal(json: &str, keys: &Keys, places: impl Fn(&str) -> Option<Vec<String>>) -> String {
    let Kind::Map(entries) = read(json).kind else {
        return String::new();
    };
    let (mut nested, mut normal): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| keys.nested.contains(&key.as_str()));
    for wanted in keys.nested {
        let Some(found) = nested.iter().position(|(key, _)| key == wanted) else {
            continue;
        };
        let (key, value) = nested.swap_remove(found);
        let entries = match places(&key) {
            None => value.entries().to_vec(),
            Some(places) => {
                let kept = |place: String| {
                    value
                        .get(&place)
                        .filter(|kept| !kept.entries().is_empty())
                        .cloned()
                        .map(|kept| (place, kept))
                };
                places.into_iter().filter_map(kept).collect()
            }
        };
        if !entries.is_empty() {
            normal.push((key, Node::map(entries)));
        }
    }
    write(normal)
}

/// How the entries of a list without names of their own are called.
pub(crate) fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|place| place.to_string()).collect()
}
