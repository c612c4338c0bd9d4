//! What a report may state: a pure check of its content against the plan.
//!
//! Refused is only what can't be stored or can't be added up. What is incomplete is accepted with a finding: nobody
//! becomes late by a form.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use vigia_platform::{Faults, facts::Described};
use vigia_proto::{
    plans::{EvidenceMetadata, ReportingCalendar},
    reporting::{IndicatorValue, MilestoneDone, Observation, ObservationAnswer, Ratio, Report, Spending, indicator_value::Value},
    types::Decimal,
};
use vigia_rules::{self as rules, Aggregation, Direction, Exact, Period};

use crate::{breakdown, links};

/// Characters of a narrative at most.
pub(crate) const NARRATIVE_MAX: usize = 20_000;
const NIL_REASON_MAX: usize = 2_000;
const LETTER_NUMBER_MAX: usize = 100;
const CLASSIFIER_MAX: usize = 100;
const VALUES_MAX: usize = 200;
const MILESTONES_MAX: usize = 100;
const SPENDING_MAX: usize = 200;
const NOTE_MAX: usize = 1_000;
const ANSWER_MAX: usize = 4_000;

/// What an action asks for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    indicators: BTreeMap<&'a str, &'a rules::Indicator>,
    milestones: BTreeSet<&'a str>,
    /// Dimensions by which an indicator must be broken down.
    breakdown: BTreeMap<&'a str, &'a [String]>,
    /// The budget of the period's year, by code of the classifier.
    pub(crate) budget: BTreeMap<&'a str, Exact>,
    /// Whether the plan refuses evidence whose metadata could identify a person.
    pub(crate) refuses_traces: bool,
    /// The day in the plan's time zone: nothing was done after it. None where no plan is in force.
    pub(crate) today: Option<Date>,
    /// What was observed on the report that was returned.
    pub(crate) observations: &'a [Observation],
}

impl<'a> Asked<'a> {
    /// By the action as the plan in force has it, and its description and the plan's calendar for what the rules do not
    /// need. Nothing is asked for where there is no action. Day and observations are set by who knows them.
    pub(crate) fn of(
        action: Option<&'a rules::Action>,
        described: Option<Described<'a>>,
        reporting: Option<&ReportingCalendar>,
        period: Period,
    ) -> Self {
        let mut budget = BTreeMap::new();
        let lines = described.iter().flat_map(|described| &described.action.budget_lines);
        for line in lines.filter(|line| line.year == i32::from(period.last_day().year())) {
            let foreseen = line
                .current
                .as_ref()
                .or(line.initial.as_ref())
                .and_then(|foreseen| foreseen.value.parse().ok());
            if let Some(foreseen) = foreseen.map(|foreseen: rules::Decimal| Exact::from(foreseen)) {
                let sum = budget.entry(line.classifier.as_str()).or_insert_with(Exact::zero);
                *sum = &*sum + &foreseen;
            }
        }
        let breakdown = described.iter().flat_map(|described| &described.indicators);
        Self {
            budget,
            refuses_traces: reporting.is_none_or(|reporting| reporting.evidence_metadata() != EvidenceMetadata::Accept),
            today: None,
            observations: &[],
            indicators: action
                .iter()
                .flat_map(|action| &action.indicators)
                .map(|indicator| (indicator.id.as_str(), indicator))
                .collect(),
            milestones: action
                .iter()
                .flat_map(|action| &action.milestones)
                .map(|milestone| milestone.id.as_str())
                .collect(),
            breakdown: breakdown
                .map(|indicator| (indicator.code.as_str(), indicator.breakdown.as_slice()))
                .collect(),
        }
    }

    /// Whether a reported value gives the total so far.
    pub(crate) fn is_cumulative(&self, code: &str) -> bool {
        self.indicators
            .get(code)
            .is_some_and(|indicator| indicator.aggregation == Aggregation::Cumulative)
    }

    /// Whether an indicator or a milestone has this code.
    pub(crate) fn has(&self, code: &str) -> bool {
        self.indicators.contains_key(code) || self.milestones.contains(code)
    }

    /// The dimensions by which an indicator must be broken down.
    pub(crate) fn dimensions(&self, code: &str) -> &'a [String] {
        self.breakdown.get(code).copied().unwrap_or_default()
    }
}

/// The content with its decimals in canonical form and without what only the service sets, and all that is wrong with
/// it. `is_mixed` says whether a value is a ratio where other reports give numbers, or a number where they give ratios.
pub(crate) fn check(report: &Report, asked: &Asked<'_>, is_mixed: impl Fn(&IndicatorValue) -> bool) -> (Report, Faults) {
    let mut faults = Faults::new();
    faults.text("report.narrative", &report.narrative, 0..=NARRATIVE_MAX);
    faults.text("report.nil_reason", &report.nil_reason, 0..=NIL_REASON_MAX);
    faults.text("report.letter_number", &report.letter_number, 0..=LETTER_NUMBER_MAX);
    at_most(&mut faults, "report.values", report.values.len(), VALUES_MAX);
    at_most(&mut faults, "report.milestones", report.milestones.len(), MILESTONES_MAX);
    at_most(&mut faults, "report.spending", report.spending.len(), SPENDING_MAX);
    let is_nil = !report.nil_reason.is_empty();
    if is_nil && (!report.values.is_empty() || !report.milestones.is_empty()) {
        faults.add(
            "report.nil_reason",
            "sobra donde hay valores o hitos",
            "does not go with values or milestones",
        );
    }
    let mut seen = BTreeSet::new();
    let mut values = Vec::new();
    for (i, given) in report.values.iter().enumerate().take(VALUES_MAX) {
        let path = format!("report.values[{i}]");
        if !seen.insert(given.indicator.as_str()) {
            faults.add(
                format!("{path}.indicator"),
                "el indicador está dos veces",
                "the indicator is there twice",
            );
        }
        let indicator = asked.indicators.get(given.indicator.as_str()).copied();
        if indicator.is_none() {
            faults.add(
                format!("{path}.indicator"),
                "la acción no tiene ese indicador",
                "the action has no such indicator",
            );
        }
        if let Some(value) = value(&mut faults, &path, given, indicator) {
            let value = IndicatorValue {
                indicator: given.indicator.clone(),
                breakdowns: breakdown::check(&mut faults, &path, &given.breakdowns, &value),
                value: Some(value),
            };
            if indicator.is_some() && is_mixed(&value) {
                faults.add(
                    path,
                    "los valores de un indicador son todos números o todos razones",
                    "an indicator's values are all numbers or all ratios",
                );
            }
            values.push(value);
        }
    }
    let mut seen = BTreeSet::new();
    for (i, code) in report.milestones.iter().enumerate().take(MILESTONES_MAX) {
        let path = format!("report.milestones[{i}]");
        if !asked.milestones.contains(code.as_str()) {
            faults.add(path.as_str(), "la acción no tiene ese hito", "the action has no such milestone");
        }
        if !seen.insert(code) {
            faults.add(path, "el hito está dos veces", "the milestone is there twice");
        }
    }
    let mut spending = Vec::new();
    for (i, spent) in report.spending.iter().enumerate().take(SPENDING_MAX) {
        let path = format!("report.spending[{i}]");
        faults.text(&format!("{path}.classifier"), &spent.classifier, 1..=CLASSIFIER_MAX);
        let accrued = decimal(&mut faults, &format!("{path}.accrued"), spent.accrued.as_ref(), true);
        faults.text(&format!("{path}.note"), &spent.note, 0..=NOTE_MAX);
        spending.push(Spending {
            classifier: spent.classifier.clone(),
            accrued,
            note: spent.note.clone(),
        });
    }
    links::check(&mut faults, report, asked);
    let milestones_done = milestones_done(&mut faults, report, asked);
    let answers = answers(&mut faults, report, asked);
    let content = Report {
        narrative: report.narrative.clone(),
        values,
        milestones: report.milestones.clone(),
        spending,
        nil_reason: report.nil_reason.clone(),
        letter_number: report.letter_number.clone(),
        evidence: report.evidence.clone(),
        evidence_links: report.evidence_links.clone(),
        milestones_done,
        answers,
        ..Report::default()
    };
    (content, faults)
}

/// When milestones were done: none in the future, and none that is not listed as done.
fn milestones_done(faults: &mut Faults, report: &Report, asked: &Asked<'_>) -> Vec<MilestoneDone> {
    at_most(faults, "report.milestones_done", report.milestones_done.len(), MILESTONES_MAX);
    let mut seen = BTreeSet::new();
    for (i, done) in report.milestones_done.iter().enumerate().take(MILESTONES_MAX) {
        let path = format!("report.milestones_done[{i}]");
        if !report.milestones.contains(&done.milestone) {
            faults.add(
                format!("{path}.milestone"),
                "no está entre los hitos cumplidos del reporte",
                "is not among the report's milestones that are done",
            );
        } else if !seen.insert(&done.milestone) {
            faults.add(
                format!("{path}.milestone"),
                "el hito está dos veces",
                "the milestone is there twice",
            );
        }
        let path = format!("{path}.done_on");
        if let Some((day, today)) = faults.date(&path, &done.done_on).zip(asked.today)
            && day > today
        {
            faults.add(
                path,
                format!("es posterior a hoy, {today}"),
                format!("is later than today, {today}"),
            );
        }
    }
    report.milestones_done.clone()
}

/// Answers to what was observed, each once. What is not answered is a finding, no fault.
fn answers(faults: &mut Faults, report: &Report, asked: &Asked<'_>) -> Vec<ObservationAnswer> {
    at_most(faults, "report.answers", report.answers.len(), asked.observations.len());
    let mut seen = BTreeSet::new();
    for (i, answer) in report.answers.iter().enumerate().take(asked.observations.len()) {
        let path = format!("report.answers[{i}]");
        let known = asked.observations.iter().any(|observation| observation.id == answer.observation);
        if !known || !seen.insert(&answer.observation) {
            faults.add(
                format!("{path}.observation"),
                "no es una observación por responder",
                "is no observation that waits for an answer",
            );
        }
        faults.text(&format!("{path}.text"), &answer.text, 1..=ANSWER_MAX);
    }
    report.answers.clone()
}

/// A reported value for the rules; none where it is not one.
pub(crate) fn parsed(value: &IndicatorValue) -> Option<(rules::IndicatorId, rules::Value)> {
    let parsed = match value.value.as_ref()? {
        Value::Number(number) => rules::Value::Number(number.value.parse().ok()?),
        Value::Ratio(ratio) => rules::Value::Ratio {
            num: ratio.num.as_ref()?.value.parse().ok()?,
            den: ratio.den.as_ref()?.value.parse().ok()?,
        },
    };
    Some((value.indicator.as_str().into(), parsed))
}

pub(crate) fn at_most(faults: &mut Faults, path: &str, count: usize, most: usize) {
    if count > most {
        faults.add(
            path,
            format!("tiene {count} elementos y admite {most}"),
            format!("has {count} elements and takes {most}"),
        );
    }
}

fn value(faults: &mut Faults, path: &str, given: &IndicatorValue, indicator: Option<&rules::Indicator>) -> Option<Value> {
    // A floor or a ceiling of something below zero has no achievement: it could not be added up.
    let bounded = indicator.is_some_and(|indicator| matches!(indicator.direction, Direction::AtLeast | Direction::AtMost));
    match &given.value {
        None => {
            faults.add(
                path,
                "falta el valor: un número o una razón",
                "the value is missing: a number or a ratio",
            );
            None
        }
        Some(Value::Number(number)) => decimal(faults, &format!("{path}.number"), Some(number), bounded).map(Value::Number),
        Some(Value::Ratio(ratio)) => {
            let num = decimal(faults, &format!("{path}.ratio.num"), ratio.num.as_ref(), bounded);
            let den = decimal(faults, &format!("{path}.ratio.den"), ratio.den.as_ref(), true);
            if den.as_ref().is_some_and(|den| den.value == "0") {
                faults.add(format!("{path}.ratio.den"), "debe ser mayor que 0", "must be above 0");
            }
            (num.is_some() && den.is_some()).then_some(Value::Ratio(Ratio { num, den }))
        }
    }
}

pub(crate) fn decimal(faults: &mut Faults, path: &str, given: Option<&Decimal>, not_negative: bool) -> Option<Decimal> {
    let value = faults.decimal(path, given)?;
    if not_negative && value.starts_with('-') {
        faults.add(path, "no puede ser menor que 0", "can't be below 0");
        return None;
    }
    Some(Decimal { value })
}

#[cfg(test)]
mod tests;
