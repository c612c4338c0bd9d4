//! Reads a plan file. Every fault is found at once, each with its line; what the file says beyond what we know is kept.

use std::collections::HashMap;

use vigia_platform::{Faults, name::id_of_code};
use vigia_proto::{
    plans::{
        Across, Action, ActionKind, Aggregation, AlertPolicy, BudgetLine, CompliancePolicy, Component, DayCount, DayRange, Direction,
        EvidenceMetadata, Frequency, Indicator, Interpolation, LegalBasis, Level, Milestone, Plan, PlanDefinition, ReportingCalendar,
        Target, Window,
    },
    types::{Decimal, Provenance},
};

use crate::{
    annotations::{self, FILE},
    check::{check, day_of},
    normal::{default_policy, normalise, normalise_plan},
    reader::{Reader, Table},
    yaml::{Kind, Node},
};

/// A plan file at most, in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(crate) const FREQUENCIES: [(&str, Frequency); 4] = [
    ("monthly", Frequency::Monthly),
    ("quarterly", Frequency::Quarterly),
    ("semiannual", Frequency::Semiannual),
    ("annual", Frequency::Annual),
];
pub(crate) const METADATA: [(&str, EvidenceMetadata); 2] = [("refuse", EvidenceMetadata::Refuse), ("accept", EvidenceMetadata::Accept)];
pub(crate) const COUNTS: [(&str, DayCount); 2] = [("calendar", DayCount::Calendar), ("working", DayCount::Working)];
pub(crate) const INTERPOLATIONS: [(&str, Interpolation); 2] = [("linear", Interpolation::Linear), ("step", Interpolation::Step)];
pub(crate) const KINDS: [(&str, ActionKind); 2] = [
    ("instrument", ActionKind::Instrument),
    ("implementation", ActionKind::Implementation),
];
pub(crate) const DIRECTIONS: [(&str, Direction); 4] = [
    ("increase", Direction::Increase),
    ("decrease", Direction::Decrease),
    ("at_least", Direction::AtLeast),
    ("at_most", Direction::AtMost),
];
pub(crate) const AGGREGATIONS: [(&str, Aggregation); 4] = [
    ("latest", Aggregation::Latest),
    ("cumulative", Aggregation::Cumulative),
    ("sum", Aggregation::Sum),
    ("max", Aggregation::Max),
];
pub(crate) const ACROSS: [(&str, Across); 2] = [("sum", Across::Sum), ("mean", Across::Mean)];
pub(crate) const WINDOWS: [(&str, Window); 2] = [("plan", Window::Plan), ("year", Window::Year)];

/// What a plan file says.
#[derive(Clone, Debug)]
pub struct PlanFile {
    /// The plan, in the one form in which plans are kept.
    pub definition: PlanDefinition,
    /// What is odd but accepted, each a sentence with its line.
    pub warnings: Vec<String>,
}

/// Reads a plan file, or lists all of its faults, each with its line.
pub fn read(file: &[u8]) -> Result<PlanFile, Faults> {
    let root = document(file)?;
    let mut reader = Reader::default();
    let mut definition = read_definition(&mut reader, &root);
    if let Some(plan) = &mut definition.plan {
        normalise_plan(plan);
    }
    let faults = reader.faults(&check(&definition));
    if !faults.list().is_empty() {
        return Err(faults);
    }
    normalise(&mut definition);
    let mut warnings = reader.warnings();
    warnings.extend(odd(&definition));
    Ok(PlanFile { definition, warnings })
}

/// What is odd in a plan that can be kept: each a sentence.
fn odd(definition: &PlanDefinition) -> Vec<String> {
    let mut warnings = Vec::new();
    let end = definition.plan.as_ref().map(|plan| plan.end.as_str()).unwrap_or_default();
    for action in &definition.actions {
        for milestone in &action.milestones {
            let of = format!("acción {}, hito {}", action.code, milestone.code);
            if milestone.text_es.is_empty() {
                warnings.push(format!("{of}: no dice en qué consiste (text_es)"));
            }
            // Days in the form of ISO 8601 come in the order of their letters.
            if !end.is_empty() && milestone.due.as_str() > end {
                warnings.push(format!("{of}: vence el {}, después del fin del plan", milestone.due));
            }
        }
    }
    for indicator in &definition.indicators {
        if let Some((baseline, last)) = without_way(indicator) {
            warnings.push(format!(
                "{}: la última meta ({last}) no está más allá de la línea base ({baseline}) en la dirección declarada: no cuenta en ningún \
                 índice",
                indicator.name
            ));
        }
    }
    warnings
}

/// The baseline and the last target of an indicator that is to rise or fall, where between them it would do neither
/// (VERDICTS, "Expected value").
fn without_way(indicator: &Indicator) -> Option<(String, String)> {
    let value = |target: &Target| target.value.clone().map(|value| value.value);
    let (baseline, last) = (value(indicator.baseline.as_ref()?)?, value(indicator.targets.last()?)?);
    let numbers: (vigia_rules::Decimal, vigia_rules::Decimal) = (baseline.parse().ok()?, last.parse().ok()?);
    let moves = match indicator.direction() {
        Direction::Increase => numbers.0 < numbers.1,
        Direction::Decrease => numbers.1 < numbers.0,
        _ => true,
    };
    (!moves).then_some((baseline, last))
}

/// The file as YAML.
pub(crate) fn document(file: &[u8]) -> Result<Node, Faults> {
    let mut faults = Faults::new();
    if file.len() > FILE_BYTES_MAX {
        faults.add("file", "pasa de 4 MiB", "is larger than 4 MiB");
        return Err(faults);
    }
    let text = match std::str::from_utf8(file) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(cause) => {
            let line = file.iter().take(cause.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
            faults.add("file", format!("línea {line}: no es UTF-8"), format!("line {line}: not UTF-8"));
            return Err(faults);
        }
    };
    Node::parse(text).map_err(|broken| {
        for broken in broken {
            faults.add(
                "file",
                format!("línea {}: {}", broken.line, broken.es),
                format!("line {}: {}", broken.line, broken.en),
            );
        }
        faults
    })
}

fn read_definition(reader: &mut Reader, root: &Node) -> PlanDefinition {
    let mut file = reader.open(root, "");
    let (plan_node, components, actions) = (
        file.take("plan"),
        reader.items(&mut file, "components"),
        reader.items(&mut file, "actions"),
    );
    let empty = Node::map(Vec::new());
    if plan_node.is_none() {
        reader.fault("plan", root.line, "falta «plan»", "\"plan\" is missing");
    }
    let mut plan = read_plan(reader, plan_node.unwrap_or(&empty));
    let beside = file.rest();
    if !beside.is_empty() {
        let Kind::Map(mut entries) = annotations::read(&plan.annotations_json).kind else {
            return PlanDefinition::default();
        };
        entries.push((FILE.to_owned(), Node::map(beside)));
        plan.annotations_json = annotations::write(entries);
    }
    let mut codes = Codes::default();
    for node in &components {
        codes.add(&format!("{}/components", plan.name), node);
    }
    let mut definition = PlanDefinition::default();
    for (place, node) in components.into_iter().enumerate() {
        definition
            .components
            .push(read_component(reader, node, &format!("components[{place}]"), &plan.name, &codes));
    }
    for (place, node) in actions.into_iter().enumerate() {
        let path = format!("actions[{place}]");
        let (action, indicators) = read_action(reader, node, &path, &plan.name, &codes);
        for (place, node) in indicators.into_iter().enumerate() {
            definition
                .indicators
                .push(read_indicator(reader, node, &format!("{path}.indicators[{place}]"), &action.name));
        }
        definition.actions.push(action);
    }
    definition.plan = Some(plan);
    definition
}

/// The names of components by their codes, as files refer to them.
#[derive(Default)]
pub(crate) struct Codes(HashMap<String, String>);

impl Codes {
    fn add(&mut self, collection: &str, node: &Node) {
        let text = |key: &str| match node.get(key).map(|node| &node.kind) {
            Some(Kind::Scalar(text, _)) => Some(text.as_str()),
            _ => None,
        };
        if let Some(code) = text("code") {
            let id = text("id").map_or_else(|| id_of_code(code), str::to_owned);
            self.put(code, format!("{collection}/{id}"));
        }
    }

    pub(crate) fn put(&mut self, code: &str, name: String) {
        self.0.entry(code.to_owned()).or_insert(name);
    }

    /// The name; of a code that is not there what its name would be, which the check then misses.
    fn name(&self, plan: &str, code: String) -> String {
        if code.is_empty() {
            return code;
        }
        self.0.get(&code).cloned().unwrap_or_else(|| format!("{plan}/components/{code}"))
    }
}

/// The name that a resource has: by its `id`, or made from its code.
fn name_of(reader: &mut Reader, table: &mut Table<'_>, collection: &str, code: &str) -> String {
    let id = reader.text(table, "id");
    if id.is_empty() {
        format!("{collection}/{}", id_of_code(code))
    } else {
        format!("{collection}/{id}")
    }
}

fn provenance(reader: &mut Reader, table: &mut Table<'_>) -> Option<Provenance> {
    let given = ["source", "verified", "illustrative", "note"].iter().any(|key| table.has(key));
    let provenance = Provenance {
        source: reader.text(table, "source"),
        verified: reader.flag(table, "verified"),
        illustrative: reader.flag(table, "illustrative"),
        note: reader.text(table, "note"),
    };
    given.then_some(provenance)
}

/// Keys of a nested value that we don't know, to be kept under its key.
fn keep(extra: &mut Vec<(String, Node)>, key: &str, rest: Vec<(String, Node)>) {
    if !rest.is_empty() {
        extra.push((key.to_owned(), Node::map(rest)));
    }
}

/// Reads a list of mappings; their marks are kept by the place that `name` gives.
fn list<T>(
    reader: &mut Reader,
    table: &mut Table<'_>,
    key: &str,
    extra: &mut Vec<(String, Node)>,
    mut read: impl FnMut(&mut Reader, &mut Table<'_>) -> T,
    name: impl Fn(usize, &T) -> String,
) -> Vec<T> {
    let path = table.at(key);
    let (mut list, mut rest) = (Vec::new(), Vec::new());
    for (place, node) in reader.items(table, key).into_iter().enumerate() {
        let mut item = reader.open(node, &format!("{path}[{place}]"));
        let value = read(reader, &mut item);
        let unknown = item.rest();
        reader.only_marks(&format!("{path}[{place}]"), &unknown);
        keep(&mut rest, &name(place, &value), unknown);
        list.push(value);
    }
    keep(extra, key, rest);
    list
}

pub(crate) fn read_plan(reader: &mut Reader, node: &Node) -> Plan {
    let mut table = reader.open(node, "plan");
    let mut extra = Vec::new();
    let id = reader.text(&mut table, "id");
    let mut plan = Plan {
        name: format!("plans/{id}"),
        title_es: reader.text(&mut table, "title_es"),
        title_en: reader.text(&mut table, "title_en"),
        acronym: reader.text(&mut table, "acronym"),
        time_zone: reader.text(&mut table, "time_zone"),
        ..Plan::default()
    };
    let governing = reader.text(&mut table, "governing_institution");
    if !governing.is_empty() {
        plan.governing_institution = format!("institutions/{governing}");
    }
    if let Some(period) = table.take("period") {
        // The period's days are fields of the plan itself.
        let mut period = reader.open(period, "plan");
        (plan.start, plan.end) = (reader.text(&mut period, "start"), reader.text(&mut period, "end"));
        let rest = period.rest();
        reader.only_marks("plan.period", &rest);
        keep(&mut extra, "period", rest);
    }
    plan.levels = list(
        reader,
        &mut table,
        "levels",
        &mut extra,
        |reader, table| Level {
            key: reader.text(table, "key"),
            name_es: reader.text(table, "name_es"),
            name_en: reader.text(table, "name_en"),
        },
        |place, _| place.to_string(),
    );
    if let Some(node) = table.take("reporting") {
        let (calendar, rest) = read_calendar(reader, node);
        plan.reporting = Some(calendar);
        keep(&mut extra, "reporting", rest);
    }
    if let Some(node) = table.take("compliance_policy") {
        let (policy, rest) = read_policy(reader, node);
        plan.compliance_policy = Some(policy);
        keep(&mut extra, "compliance_policy", rest);
    }
    if let Some(node) = table.take("alert_policy") {
        let (policy, rest) = read_alert_policy(reader, node);
        plan.alert_policy = Some(policy);
        keep(&mut extra, "alert_policy", rest);
    }
    plan.legal_basis = list(
        reader,
        &mut table,
        "legal_basis",
        &mut extra,
        |reader, table| LegalBasis {
            instrument: reader.text(table, "instrument"),
            reference: reader.text(table, "reference"),
            date: reader.text(table, "date"),
            provenance: provenance(reader, table),
        },
        |place, _| place.to_string(),
    );
    plan.provenance = provenance(reader, &mut table);
    plan.annotations_json = reader.annotations(table, extra, &annotations::PLAN);
    plan
}

pub(crate) fn read_calendar(reader: &mut Reader, node: &Node) -> (ReportingCalendar, Vec<(String, Node)>) {
    let mut table = reader.open(node, "plan.reporting");
    let calendar = ReportingCalendar {
        frequency: reader.word(&mut table, "frequency", &FREQUENCIES).unwrap_or_default().into(),
        due_days_after_period: reader.whole(&mut table, "due_days_after_period").unwrap_or_default(),
        count: reader.word(&mut table, "count", &COUNTS).unwrap_or(DayCount::Calendar).into(),
        holidays: reader.texts(&mut table, "holidays"),
        hour: reader.text(&mut table, "hour"),
        review_days: reader.whole(&mut table, "review_days").unwrap_or_default(),
        head_submits: reader.flag(&mut table, "head_submits"),
        evidence_metadata: reader.word(&mut table, "evidence_metadata", &METADATA).unwrap_or_default().into(),
    };
    let rest = table.rest();
    reader.only_marks("plan.reporting", &rest);
    (calendar, rest)
}

pub(crate) fn read_policy(reader: &mut Reader, node: &Node) -> (CompliancePolicy, Vec<(String, Node)>) {
    let mut table = reader.open(node, "plan.compliance_policy");
    let default = default_policy();
    let roles = if table.has("reporting_roles") {
        reader.texts(&mut table, "reporting_roles")
    } else {
        default.reporting_roles
    };
    let policy = CompliancePolicy {
        rules: reader.whole(&mut table, "rules").unwrap_or(default.rules),
        on_track_from: reader.number(&mut table, "on_track_from").or(default.on_track_from),
        at_risk_from: reader.number(&mut table, "at_risk_from").or(default.at_risk_from),
        reported_from: reader.number(&mut table, "reported_from").or(default.reported_from),
        stale_after: reader.whole(&mut table, "stale_after").unwrap_or(default.stale_after),
        interpolation: reader
            .word(&mut table, "interpolation", &INTERPOLATIONS)
            .unwrap_or(Interpolation::Linear)
            .into(),
        reporting_roles: roles,
        milestones_weight: reader.number(&mut table, "milestones_weight").or(default.milestones_weight),
    };
    let rest = table.rest();
    reader.only_marks("plan.compliance_policy", &rest);
    (policy, rest)
}

/// The keys of an alert policy, all of them fields of the same name.
pub(crate) const ALERT_POLICY: [&str; 14] = [
    "due_soon_days",
    "overdue_days",
    "parent_from_days",
    "governing_from_days",
    "unanswered_days",
    "silent_periods",
    "returned_times",
    "empty_reports",
    "index_fall_percent",
    "spending_behind_percent",
    "money_late_days",
    "digest_hour",
    "quiet_from",
    "quiet_to",
];

pub(crate) fn read_alert_policy(reader: &mut Reader, node: &Node) -> (AlertPolicy, Vec<(String, Node)>) {
    let mut table = reader.open(node, "plan.alert_policy");
    let mut days = |reader: &mut Reader, key| reader.wholes(&mut table, key);
    let (due_soon_days, overdue_days) = (days(reader, "due_soon_days"), days(reader, "overdue_days"));
    let mut whole = |reader: &mut Reader, key| reader.whole(&mut table, key).unwrap_or_default();
    let policy = AlertPolicy {
        due_soon_days,
        overdue_days,
        parent_from_days: whole(reader, "parent_from_days"),
        governing_from_days: whole(reader, "governing_from_days"),
        unanswered_days: whole(reader, "unanswered_days"),
        silent_periods: whole(reader, "silent_periods"),
        returned_times: whole(reader, "returned_times"),
        empty_reports: whole(reader, "empty_reports"),
        index_fall_percent: whole(reader, "index_fall_percent"),
        spending_behind_percent: whole(reader, "spending_behind_percent"),
        money_late_days: whole(reader, "money_late_days"),
        digest_hour: reader.text(&mut table, "digest_hour"),
        quiet_from: reader.text(&mut table, "quiet_from"),
        quiet_to: reader.text(&mut table, "quiet_to"),
    };
    let rest = table.rest();
    reader.only_marks("plan.alert_policy", &rest);
    (policy, rest)
}

pub(crate) fn read_component(reader: &mut Reader, node: &Node, path: &str, plan: &str, codes: &Codes) -> Component {
    let mut table = reader.open(node, path);
    let code = reader.text(&mut table, "code");
    let name = name_of(reader, &mut table, &format!("{plan}/components"), &code);
    let parent = reader.text(&mut table, "parent");
    Component {
        name,
        code,
        level: reader.text(&mut table, "level"),
        parent: codes.name(plan, parent),
        title_es: reader.text(&mut table, "title_es"),
        title_en: reader.text(&mut table, "title_en"),
        provenance: provenance(reader, &mut table),
        annotations_json: reader.annotations(table, Vec::new(), &annotations::COMPONENT),
        etag: String::new(),
    }
}

/// Reads an action, and gives the nodes of its indicators beside it.
pub(crate) fn read_action<'a>(reader: &mut Reader, node: &'a Node, path: &str, plan: &str, codes: &Codes) -> (Action, Vec<&'a Node>) {
    let mut table = reader.open(node, path);
    let mut extra = Vec::new();
    let code = reader.text(&mut table, "code");
    let name = name_of(reader, &mut table, &format!("{plan}/actions"), &code);
    let component = reader.text(&mut table, "component");
    let territories = match reader.texts(&mut table, "territory") {
        national if national == ["national"] => Vec::new(),
        territories => territories,
    };
    let mut action = Action {
        name,
        code,
        component: codes.name(plan, component),
        text_es: reader.text(&mut table, "text_es"),
        gloss_en: reader.text(&mut table, "gloss_en"),
        kind: reader.word(&mut table, "kind", &KINDS).unwrap_or_default().into(),
        weight: reader.number(&mut table, "weight"),
        start: reader.text(&mut table, "start"),
        end: reader.text(&mut table, "end"),
        territories,
        lead: reader.text(&mut table, "lead"),
        co_responsible: reader.texts(&mut table, "co_responsible"),
        supporting: reader.texts(&mut table, "supporting"),
        counterpart: reader.texts(&mut table, "counterpart"),
        withdrawn_on: reader.text(&mut table, "withdrawn_on"),
        commitments: reader.texts(&mut table, "commitments"),
        legal_basis: reader.text(&mut table, "legal_basis"),
        twin: reader.text(&mut table, "twin"),
        provenance: provenance(reader, &mut table),
        ..Action::default()
    };
    let milestones = reader.items(&mut table, "milestones");
    action.milestones = milestones
        .into_iter()
        .enumerate()
        .map(|(place, node)| read_milestone(reader, node, &format!("{path}.milestones[{place}]")))
        .collect();
    action.suspended = list(
        reader,
        &mut table,
        "suspended",
        &mut extra,
        |reader, table| DayRange {
            from: reader.text(table, "from"),
            to: reader.text(table, "to"),
        },
        |place, _| place.to_string(),
    );
    action.budget_lines = list(
        reader,
        &mut table,
        "budget_lines",
        &mut extra,
        |reader, table| BudgetLine {
            year: reader.whole(table, "year").unwrap_or_default(),
            classifier: reader.text(table, "classifier"),
            source: reader.text(table, "source"),
            initial: reader.number(table, "initial"),
            current: reader.number(table, "current"),
            accrued: reader.number(table, "accrued"),
        },
        |place, _| place.to_string(),
    );
    let mut indicators = reader.items(&mut table, "indicators");
    if let Some(only) = table.take("indicator") {
        if !indicators.is_empty() {
            reader.fault(
                &format!("{path}.indicator"),
                only.line,
                "está «indicators» también",
                "there is \"indicators\" too",
            );
        }
        indicators.push(only);
    }
    action.annotations_json = reader.annotations(table, extra, &annotations::ACTION);
    (action, indicators)
}

fn read_milestone(reader: &mut Reader, node: &Node, path: &str) -> Milestone {
    let mut table = reader.open(node, path);
    Milestone {
        code: reader.text(&mut table, "code"),
        due: reader.text(&mut table, "due"),
        text_es: reader.text(&mut table, "text_es"),
        annotations_json: reader.annotations(table, Vec::new(), &annotations::MILESTONE),
    }
}

pub(crate) fn read_indicator(reader: &mut Reader, node: &Node, path: &str, action: &str) -> Indicator {
    let mut table = reader.open(node, path);
    let mut extra = Vec::new();
    let mut code = reader.text(&mut table, "code");
    if code.is_empty() {
        // An only indicator needs no code of its own; where there are several, the check finds the codes repeated.
        "I".clone_into(&mut code);
    }
    let name = name_of(reader, &mut table, &format!("{action}/indicators"), &code);
    let mut indicator = Indicator {
        name,
        code,
        name_es: reader.text(&mut table, "name_es"),
        unit: reader.text(&mut table, "unit"),
        weight: reader.number(&mut table, "weight"),
        direction: reader.word(&mut table, "direction", &DIRECTIONS).unwrap_or_default().into(),
        aggregation: reader.word(&mut table, "aggregation", &AGGREGATIONS).unwrap_or_default().into(),
        across: reader.word(&mut table, "across", &ACROSS).unwrap_or_default().into(),
        window: reader.word(&mut table, "window", &WINDOWS).unwrap_or_default().into(),
        reported_by: reader.texts(&mut table, "reported_by"),
        breakdown: reader.texts(&mut table, "breakdown"),
        means_of_verification_es: reader.text(&mut table, "means_of_verification_es"),
        provenance: provenance(reader, &mut table),
        ..Indicator::default()
    };
    if let Some(baseline) = table.take("baseline") {
        let mut baseline = reader.open(baseline, &table.at("baseline"));
        indicator.baseline = Some(read_target(reader, &mut baseline));
        let rest = baseline.rest();
        reader.only_marks(&format!("{path}.baseline"), &rest);
        keep(&mut extra, "baseline", rest);
    }
    indicator.targets = list(reader, &mut table, "targets", &mut extra, read_target, |_, target| {
        day_of(&target.on)
    });
    indicator.annotations_json = reader.annotations(table, extra, &annotations::INDICATOR);
    indicator
}

/// A target's day stands under `year` or `date`.
fn read_target(reader: &mut Reader, table: &mut Table<'_>) -> Target {
    let year = reader.text_at(table, "year", "on");
    let date = reader.text_at(table, "date", "on");
    if !year.is_empty() && !date.is_empty() {
        reader.fault(
            &table.at("on"),
            table.line,
            "tiene «year» y «date»",
            "has both \"year\" and \"date\"",
        );
    }
    let value: Option<Decimal> = reader.number(table, "value");
    Target {
        on: if year.is_empty() { date } else { year },
        value,
    }
}
