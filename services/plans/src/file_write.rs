//! Writes a plan file: the inverse of reading one. What it writes reads as the same plan and is written the same again.

use std::collections::HashMap;

use vigia_platform::{name::id_of_code, plan_changes::action_of};
use vigia_proto::{
    plans::{
        Action, AlertPolicy, BudgetLine, CompliancePolicy, Component, DayRange, Indicator, LegalBasis, Level, Milestone, Plan,
        PlanDefinition, ReportingCalendar, Target,
    },
    types::{Decimal, Provenance},
};

use crate::{
    annotations::{self, FILE},
    file::{ACROSS, AGGREGATIONS, COUNTS, DIRECTIONS, FREQUENCIES, INTERPOLATIONS, KINDS, METADATA, WINDOWS},
    yaml::Node,
};

/// The plan as a plan file.
pub fn write(definition: &PlanDefinition) -> String {
    let empty = Plan::default();
    let plan = definition.plan.as_ref().unwrap_or(&empty);
    let codes: HashMap<&str, &str> = definition
        .components
        .iter()
        .map(|component| (component.name.as_str(), component.code.as_str()))
        .collect();
    let mut indicators: HashMap<&str, Vec<Node>> = HashMap::new();
    for indicator in &definition.indicators {
        indicators
            .entry(action_of(&indicator.name))
            .or_default()
            .push(write_indicator(indicator));
    }
    let components = definition
        .components
        .iter()
        .map(|component| write_component(component, &codes))
        .collect();
    let actions = definition.actions.iter().map(|action| {
        let indicators = indicators.remove(action.name.as_str()).unwrap_or_default();
        write_action(action, indicators, &codes)
    });
    let actions = actions.collect();
    let mut file = Entries::default();
    file.put("plan", write_plan(plan));
    file.list("components", components);
    file.list("actions", actions);
    let beside = annotations::read(&plan.annotations_json);
    file.0
        .extend(beside.get(FILE).map(Node::entries).unwrap_or_default().iter().cloned());
    file.map().to_yaml()
}

/// A mapping that is being written; what says nothing is left out.
#[derive(Default)]
struct Entries(Vec<(String, Node)>);

impl Entries {
    fn put(&mut self, key: &str, value: Node) {
        self.0.push((key.to_owned(), value));
    }

    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.put(key, Node::text(text));
        }
    }

    fn texts(&mut self, key: &str, texts: &[String]) {
        self.list(key, texts.iter().map(Node::text).collect());
    }

    fn list(&mut self, key: &str, items: Vec<Node>) {
        if !items.is_empty() {
            self.put(key, Node::list(items));
        }
    }

    fn number(&mut self, key: &str, number: Option<&Decimal>) {
        if let Some(number) = number {
            self.put(key, Node::plain(&number.value));
        }
    }

    fn word<T: Copy + Into<i32>>(&mut self, key: &str, value: i32, words: &[(&str, T)]) {
        if let Some((word, _)) = words.iter().find(|(_, known)| (*known).into() == value) {
            self.put(key, Node::text(*word));
        }
    }

    fn provenance(&mut self, provenance: Option<&Provenance>) {
        let Some(provenance) = provenance else { return };
        self.text("source", &provenance.source);
        self.put("verified", Node::plain(provenance.verified));
        if provenance.illustrative {
            self.put("illustrative", Node::plain(true));
        }
        self.text("note", &provenance.note);
    }

    /// The free annotations: those that do not belong into a nested value.
    fn annotations(&mut self, json: &str, keys: &annotations::Keys) {
        let annotations = annotations::read(json);
        self.0.extend(
            annotations
                .entries()
                .iter()
                .filter(|(key, _)| !keys.nested.contains(&key.as_str()))
                .cloned(),
        );
    }

    /// The annotations that belong into this value.
    fn extra(mut self, extra: Option<&Node>) -> Node {
        self.0.extend(extra.map(Node::entries).unwrap_or_default().iter().cloned());
        self.map()
    }

    fn map(self) -> Node {
        Node::map(self.0)
    }
}

/// Writes a list of mappings, each with the annotations of its place.
fn list<T>(extra: &Node, key: &str, items: &[T], name: impl Fn(usize, &T) -> String, write: impl Fn(&T) -> Entries) -> Vec<Node> {
    let extra = extra.get(key);
    items
        .iter()
        .enumerate()
        .map(|(place, item)| write(item).extra(extra.and_then(|extra| extra.get(&name(place, item)))))
        .collect()
}

/// The id, where it can't be made from the code.
fn id(entries: &mut Entries, name: &str, code: &str) {
    let id = name.rsplit('/').next().unwrap_or(name);
    if id != id_of_code(code) {
        entries.text("id", id);
    }
}

fn place<T>(place: usize, _: &T) -> String {
    place.to_string()
}

fn write_plan(plan: &Plan) -> Node {
    let extra = annotations::read(&plan.annotations_json);
    let mut entries = Entries::default();
    entries.text("id", plan.name.strip_prefix("plans/").unwrap_or(&plan.name));
    entries.text("title_es", &plan.title_es);
    entries.text("title_en", &plan.title_en);
    entries.text("acronym", &plan.acronym);
    let legal_basis = list(&extra, "legal_basis", &plan.legal_basis, place, |basis: &LegalBasis| {
        let mut entries = Entries::default();
        entries.text("instrument", &basis.instrument);
        entries.text("reference", &basis.reference);
        entries.text("date", &basis.date);
        entries.provenance(basis.provenance.as_ref());
        entries
    });
    entries.list("legal_basis", legal_basis);
    let mut period = Entries::default();
    period.text("start", &plan.start);
    period.text("end", &plan.end);
    entries.put("period", period.extra(extra.get("period")));
    entries.text(
        "governing_institution",
        plan.governing_institution.strip_prefix("institutions/").unwrap_or_default(),
    );
    entries.text("time_zone", &plan.time_zone);
    let levels = list(&extra, "levels", &plan.levels, place, |level: &Level| {
        let mut entries = Entries::default();
        entries.text("key", &level.key);
        entries.text("name_es", &level.name_es);
        entries.text("name_en", &level.name_en);
        entries
    });
    entries.list("levels", levels);
    if let Some(calendar) = &plan.reporting {
        entries.put("reporting", write_calendar(calendar).extra(extra.get("reporting")));
    }
    if let Some(policy) = &plan.compliance_policy {
        entries.put("compliance_policy", write_policy(policy).extra(extra.get("compliance_policy")));
    }
    if let Some(policy) = &plan.alert_policy {
        entries.put("alert_policy", write_alert_policy(policy).extra(extra.get("alert_policy")));
    }
    entries.provenance(plan.provenance.as_ref());
    entries.annotations(&plan.annotations_json, &annotations::PLAN);
    entries.map()
}

fn write_calendar(calendar: &ReportingCalendar) -> Entries {
    let mut entries = Entries::default();
    entries.word("frequency", calendar.frequency, &FREQUENCIES);
    entries.put("due_days_after_period", Node::plain(calendar.due_days_after_period));
    entries.word("count", calendar.count, &COUNTS);
    entries.texts("holidays", &calendar.holidays);
    entries.text("hour", &calendar.hour);
    if calendar.review_days != 0 {
        entries.put("review_days", Node::plain(calendar.review_days));
    }
    if calendar.head_submits {
        entries.put("head_submits", Node::plain(true));
    }
    entries.word("evidence_metadata", calendar.evidence_metadata, &METADATA);
    entries
}

fn write_policy(policy: &CompliancePolicy) -> Entries {
    let mut entries = Entries::default();
    entries.put("rules", Node::plain(policy.rules));
    entries.number("on_track_from", policy.on_track_from.as_ref());
    entries.number("at_risk_from", policy.at_risk_from.as_ref());
    entries.number("reported_from", policy.reported_from.as_ref());
    entries.put("stale_after", Node::plain(policy.stale_after));
    entries.word("interpolation", policy.interpolation, &INTERPOLATIONS);
    entries.texts("reporting_roles", &policy.reporting_roles);
    entries.number("milestones_weight", policy.milestones_weight.as_ref());
    entries
}

/// What is not said has its default, and is not written.
fn write_alert_policy(policy: &AlertPolicy) -> Entries {
    let mut entries = Entries::default();
    for (key, days) in [("due_soon_days", &policy.due_soon_days), ("overdue_days", &policy.overdue_days)] {
        entries.list(key, days.iter().map(Node::plain).collect());
    }
    for (key, number) in [
        ("parent_from_days", policy.parent_from_days),
        ("governing_from_days", policy.governing_from_days),
        ("unanswered_days", policy.unanswered_days),
        ("silent_periods", policy.silent_periods),
        ("returned_times", policy.returned_times),
        ("empty_reports", policy.empty_reports),
        ("index_fall_percent", policy.index_fall_percent),
        ("spending_behind_percent", policy.spending_behind_percent),
        ("money_late_days", policy.money_late_days),
    ] {
        if number != 0 {
            entries.put(key, Node::plain(number));
        }
    }
    entries.text("digest_hour", &policy.digest_hour);
    entries.text("quiet_from", &policy.quiet_from);
    entries.text("quiet_to", &policy.quiet_to);
    entries
}

fn write_component(component: &Component, codes: &HashMap<&str, &str>) -> Node {
    let mut entries = Entries::default();
    entries.text("code", &component.code);
    id(&mut entries, &component.name, &component.code);
    entries.text("level", &component.level);
    entries.text("parent", codes.get(component.parent.as_str()).copied().unwrap_or_default());
    entries.text("title_es", &component.title_es);
    entries.text("title_en", &component.title_en);
    entries.provenance(component.provenance.as_ref());
    entries.annotations(&component.annotations_json, &annotations::COMPONENT);
    entries.map()
}

fn write_action(action: &Action, indicators: Vec<Node>, codes: &HashMap<&str, &str>) -> Node {
    let extra = annotations::read(&action.annotations_json);
    let mut entries = Entries::default();
    entries.text("code", &action.code);
    id(&mut entries, &action.name, &action.code);
    entries.text("component", codes.get(action.component.as_str()).copied().unwrap_or_default());
    entries.text("text_es", &action.text_es);
    entries.text("gloss_en", &action.gloss_en);
    entries.word("kind", action.kind, &KINDS);
    entries.number("weight", action.weight.as_ref());
    entries.text("lead", &action.lead);
    entries.texts("co_responsible", &action.co_responsible);
    entries.texts("supporting", &action.supporting);
    entries.texts("counterpart", &action.counterpart);
    match action.territories.as_slice() {
        [] => entries.text("territory", "national"),
        [cantonal] if cantonal == "cantonal" => entries.text("territory", cantonal),
        codes => entries.texts("territory", codes),
    }
    entries.text("start", &action.start);
    entries.text("end", &action.end);
    let suspended = list(&extra, "suspended", &action.suspended, place, |span: &DayRange| {
        let mut entries = Entries::default();
        entries.text("from", &span.from);
        entries.text("to", &span.to);
        entries
    });
    entries.list("suspended", suspended);
    entries.text("withdrawn_on", &action.withdrawn_on);
    entries.list("indicators", indicators);
    entries.list("milestones", action.milestones.iter().map(write_milestone).collect());
    let budget_lines = list(&extra, "budget_lines", &action.budget_lines, place, |line: &BudgetLine| {
        let mut entries = Entries::default();
        entries.put("year", Node::plain(line.year));
        entries.text("classifier", &line.classifier);
        entries.text("source", &line.source);
        entries.number("initial", line.initial.as_ref());
        entries.number("current", line.current.as_ref());
        entries.number("accrued", line.accrued.as_ref());
        entries
    });
    entries.list("budget_lines", budget_lines);
    entries.texts("commitments", &action.commitments);
    entries.text("legal_basis", &action.legal_basis);
    entries.text("twin", &action.twin);
    entries.provenance(action.provenance.as_ref());
    entries.annotations(&action.annotations_json, &annotations::ACTION);
    entries.map()
}

fn write_milestone(milestone: &Milestone) -> Node {
    let mut entries = Entries::default();
    entries.text("code", &milestone.code);
    entries.text("due", &milestone.due);
    entries.text("text_es", &milestone.text_es);
    entries.annotations(&milestone.annotations_json, &annotations::MILESTONE);
    entries.map()
}

fn write_indicator(indicator: &Indicator) -> Node {
    let extra = annotations::read(&indicator.annotations_json);
    let mut entries = Entries::default();
    entries.text("code", &indicator.code);
    id(&mut entries, &indicator.name, &indicator.code);
    entries.text("name_es", &indicator.name_es);
    entries.text("unit", &indicator.unit);
    entries.number("weight", indicator.weight.as_ref());
    entries.word("direction", indicator.direction, &DIRECTIONS);
    entries.word("aggregation", indicator.aggregation, &AGGREGATIONS);
    entries.word("across", indicator.across, &ACROSS);
    entries.word("window", indicator.window, &WINDOWS);
    entries.texts("reported_by", &indicator.reported_by);
    if let Some(baseline) = &indicator.baseline {
        entries.put("baseline", write_target(baseline).extra(extra.get("baseline")));
    }
    let targets = list(
        &extra,
        "targets",
        &indicator.targets,
        |_, target: &Target| target.on.clone(),
        write_target,
    );
    entries.list("targets", targets);
    entries.texts("breakdown", &indicator.breakdown);
    entries.text("means_of_verification_es", &indicator.means_of_verification_es);
    entries.provenance(indicator.provenance.as_ref());
    entries.annotations(&indicator.annotations_json, &annotations::INDICATOR);
    entries.map()
}

fn write_target(target: &Target) -> Entries {
    let mut entries = Entries::default();
    match target.on.strip_suffix("-12-31") {
        Some(year) => entries.put("year", Node::plain(year)),
        None => entries.text("date", &target.on),
    }
    entries.number("value", target.value.as_ref());
    entries
}
