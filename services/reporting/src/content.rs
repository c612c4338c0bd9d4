//! What a report may state: a pure check of its content against the plan.
//!
//! Refused is only what can't be stored or can't be added up. What is incomplete is accepted with a finding: nobody
//! becomes late by a form.

use std::collections::{BTreeMap, BTreeSet};

use vigia_platform::Faults;
use vigia_proto::{
    plans::PlanDefinition,
    reporting::{Finding, IndicatorValue, Ratio, Report, Spending, indicator_value::Value},
    types::Decimal,
};
use vigia_rules::{self as rules, Aggregation, Direction, Exact, Period};

/// Characters of a narrative at most.
pub(crate) const NARRATIVE_MAX: usize = 20_000;
const NIL_REASON_MAX: usize = 2_000;
const LETTER_NUMBER_MAX: usize = 100;
const CLASSIFIER_MAX: usize = 100;
const VALUES_MAX: usize = 200;
const MILESTONES_MAX: usize = 100;
const SPENDING_MAX: usize = 200;
const EVIDENCE_MAX: usize = 100;

/// What an action asks for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    indicators: BTreeMap<&'a str, &'a rules::Indicator>,
    milestones: BTreeSet<&'a str>,
    /// Dimensions by which an indicator must be broken down.
    breakdown: BTreeMap<&'a str, &'a [String]>,
}

impl<'a> Asked<'a> {
    /// By the action as the plan in force has it, and the plan's definition for what the rules do not need; `name` is
    /// the action's resource name. Nothing is asked for where there is no action.
    pub(crate) fn of(action: Option<&'a rules::Action>, definition: &'a PlanDefinition, name: &str) -> Self {
        let below = format!("{name}/indicators/");
        let described = definition.indicators.iter().filter(|indicator| indicator.name.starts_with(&below));
        Self {
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
            breakdown: described
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
    at_most(&mut faults, "report.evidence", report.evidence.len(), EVIDENCE_MAX);
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
        spending.push(Spending {
            classifier: spent.classifier.clone(),
            accrued,
        });
    }
    let mut seen = BTreeSet::new();
    for (i, name) in report.evidence.iter().enumerate().take(EVIDENCE_MAX) {
        let path = format!("report.evidence[{i}]");
        let digest = name.strip_prefix("evidence/").unwrap_or_default();
        if digest.len() != 64 || !digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            faults.add(
                path.as_str(),
                "debe ser «evidence/» y un SHA-256 en hexadecimal",
                "must be \"evidence/\" and a SHA-256 in hex",
            );
        }
        if !seen.insert(name) {
            faults.add(path, "está dos veces", "is there twice");
        }
    }
    let content = Report {
        narrative: report.narrative.clone(),
        values,
        milestones: report.milestones.clone(),
        spending,
        nil_reason: report.nil_reason.clone(),
        letter_number: report.letter_number.clone(),
        evidence: report.evidence.clone(),
        ..Report::default()
    };
    (content, faults)
}

/// What is incomplete or odd, but accepted. `before` holds the last value that the line gave for each indicator.
pub(crate) fn findings(report: &Report, asked: &Asked<'_>, before: &BTreeMap<String, (Period, rules::Value)>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if report.values.is_empty() && report.milestones.is_empty() && report.nil_reason.is_empty() {
        findings.push(finding(
            "NOTHING_REPORTED",
            "report".to_owned(),
            "No trae valores ni hitos, ni dice que no hay novedad.".to_owned(),
            "It has neither values nor milestones, nor says that there is nothing to report.".to_owned(),
        ));
    }
    for (i, value) in report.values.iter().enumerate() {
        let field = format!("report.values[{i}]");
        let now = parsed(value).and_then(|(_, value)| exact(&value));
        if let Some((period, before)) = before.get(&value.indicator).filter(|_| asked.is_cumulative(&value.indicator))
            && let (Some(now), Some(before)) = (now, exact(before))
            && now < before
        {
            findings.push(finding(
                "CUMULATIVE_FALLS",
                field.clone(),
                format!("El valor acumulado de {} baja de {before} ({period}) a {now}.", value.indicator),
                format!(
                    "The cumulative value of {} falls from {before} ({period}) to {now}.",
                    value.indicator
                ),
            ));
        }
        if let Some(dimensions) = asked
            .breakdown
            .get(value.indicator.as_str())
            .filter(|dimensions| !dimensions.is_empty())
        {
            let dimensions = dimensions.join(", ");
            findings.push(finding(
                "BREAKDOWN_MISSING",
                field,
                format!("{} debe desagregarse por {dimensions}; solo hay un total.", value.indicator),
                format!("{} must be broken down by {dimensions}; there is only a total.", value.indicator),
            ));
        }
    }
    findings
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

fn finding(kind: &str, field: String, text_es: String, text_en: String) -> Finding {
    Finding {
        kind: kind.to_owned(),
        field,
        text_es,
        text_en,
    }
}

fn exact(value: &rules::Value) -> Option<Exact> {
    match value {
        rules::Value::Number(number) => Some(Exact::from(*number)),
        rules::Value::Ratio { num, den } => Exact::from(*num).divided_by(&Exact::from(*den)),
    }
}

fn at_most(faults: &mut Faults, path: &str, count: usize, most: usize) {
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
            (num.is_some() && den.is_some()).then_some(Value::Ratio(Ratio { num, den }))
        }
    }
}

fn decimal(faults: &mut Faults, path: &str, given: Option<&Decimal>, not_negative: bool) -> Option<Decimal> {
    let value = faults.decimal(path, given)?;
    if not_negative && value.starts_with('-') {
        faults.add(path, "no puede ser menor que 0", "can't be below 0");
        return None;
    }
    Some(Decimal { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn action() -> rules::Action {
        let day = |text: &str| text.parse().expect("a day");
        let mut action = rules::Action::new("a", "c", day("2026-01-01"), day("2026-12-31"));
        action.indicators = vec![
            rules::Indicator::new("I1", Aggregation::Cumulative),
            rules::Indicator {
                direction: Direction::AtMost,
                ..rules::Indicator::new("I2", Aggregation::Latest)
            },
        ];
        action.milestones = vec![rules::Milestone {
            id: "M1".into(),
            due: day("2026-06-30"),
        }];
        action
    }

    fn number(indicator: &str, number: &str) -> IndicatorValue {
        IndicatorValue {
            indicator: indicator.to_owned(),
            value: Some(Value::Number(Decimal { value: number.to_owned() })),
        }
    }

    fn ratio(indicator: &str, num: &str, den: &str) -> IndicatorValue {
        let decimal = |text: &str| Some(Decimal { value: text.to_owned() });
        IndicatorValue {
            indicator: indicator.to_owned(),
            value: Some(Value::Ratio(Ratio {
                num: decimal(num),
                den: decimal(den),
            })),
        }
    }

    fn paths(report: &Report, is_mixed: bool) -> Vec<String> {
        let (action, definition) = (action(), PlanDefinition::default());
        let (_, faults) = check(report, &Asked::of(Some(&action), &definition, "plans/p/actions/a"), |_| is_mixed);
        faults.list().iter().map(|fault| fault.path.clone()).collect()
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let report = Report {
            values: vec![
                number("I1", "1"),
                number("I1", "2"),
                number("X", "1"),
                number("I2", "-1"),
                ratio("I2", "-1", "-2"),
                number("I1", "1e3"),
                IndicatorValue {
                    indicator: "I1".to_owned(),
                    value: None,
                },
            ],
            milestones: vec!["M1".to_owned(), "M1".to_owned(), "M9".to_owned()],
            spending: vec![Spending {
                classifier: String::new(),
                accrued: Some(Decimal { value: "-5".to_owned() }),
            }],
            nil_reason: "x".to_owned(),
            evidence: vec!["evidence/abc".to_owned()],
            narrative: "a\u{7}".to_owned(),
            ..Report::default()
        };
        let expect = [
            "report.narrative",
            "report.nil_reason",
            "report.values[1].indicator",
            "report.values[2].indicator",
            "report.values[3].number",
            "report.values[4].indicator",
            "report.values[4].ratio.num",
            "report.values[4].ratio.den",
            "report.values[5].indicator",
            "report.values[5].number",
            "report.values[6].indicator",
            "report.values[6]",
            "report.milestones[1]",
            "report.milestones[2]",
            "report.spending[0].classifier",
            "report.spending[0].accrued",
            "report.evidence[0]",
        ];
        assert_eq!(paths(&report, false), expect);
    }

    #[test]
    fn limits_hold_at_the_limit_and_one_past_it() {
        let narrative = |length: usize| {
            paths(
                &Report {
                    narrative: "ñ".repeat(length),
                    ..Report::default()
                },
                false,
            )
        };
        assert_eq!(narrative(NARRATIVE_MAX), Vec::<String>::new());
        assert_eq!(narrative(NARRATIVE_MAX + 1), ["report.narrative"]);
        assert_eq!(
            paths(
                &Report {
                    values: vec![number("I1", "1")],
                    ..Report::default()
                },
                true
            ),
            ["report.values[0]"]
        );
    }

    #[test]
    fn what_is_odd_is_a_finding() {
        let (action, definition) = (action(), PlanDefinition::default());
        let asked = Asked::of(Some(&action), &definition, "plans/p/actions/a");
        let kinds = |report: &Report, before: &str| {
            let period = "2026-Q1".parse().expect("a period");
            let before = BTreeMap::from([("I1".to_owned(), (period, rules::Value::Number(before.parse().expect("a decimal"))))]);
            findings(report, &asked, &before)
                .into_iter()
                .map(|finding| finding.kind)
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(&Report::default(), "3"), ["NOTHING_REPORTED"]);
        let two = Report {
            values: vec![number("I1", "2")],
            ..Report::default()
        };
        assert_eq!(kinds(&two, "3"), ["CUMULATIVE_FALLS"]);
        assert_eq!(kinds(&two, "2"), Vec::<String>::new());
        assert_eq!(
            kinds(
                &Report {
                    nil_reason: "sin novedad".to_owned(),
                    ..Report::default()
                },
                "3"
            ),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_accepted_is_canonical() {
        let (action, definition) = (action(), PlanDefinition::default());
        let given = Report {
            values: vec![number("I1", "007.50")],
            version: 9,
            etag: "x".to_owned(),
            ..Report::default()
        };
        let (content, faults) = check(&given, &Asked::of(Some(&action), &definition, "plans/p/actions/a"), |_| false);
        assert!(faults.list().is_empty());
        assert_eq!(
            content,
            Report {
                values: vec![number("I1", "7.5")],
                ..Report::default()
            }
        );
    }

    proptest! {
        #[test]
        fn any_content_is_judged_without_a_panic(
            texts in proptest::collection::vec(".{0,40}", 6),
            codes in proptest::collection::vec("(I1|I2|M1|.{0,3})", 0..8),
            numbers in proptest::collection::vec("-?[0-9]{0,18}(\\.[0-9]{0,8})?|.{0,8}", 8),
        ) {
            let (action, definition) = (action(), PlanDefinition::default());
            let asked = Asked::of(Some(&action), &definition, "plans/p/actions/a");
            let values: Vec<_> = codes.iter().zip(&numbers).enumerate().map(|(i, (code, text))| match i % 3 {
                0 => number(code, text),
                1 => ratio(code, text, &numbers[0]),
                _ => IndicatorValue { indicator: code.clone(), value: None },
            }).collect();
            let report = Report {
                narrative: texts[0].clone(),
                values,
                milestones: codes.clone(),
                spending: vec![Spending { classifier: texts[1].clone(), accrued: Some(Decimal { value: numbers[7].clone() }) }],
                nil_reason: texts[2].clone(),
                letter_number: texts[3].clone(),
                evidence: vec![texts[4].clone(), format!("evidence/{}", texts[5])],
                ..Report::default()
            };
            let (content, faults) = check(&report, &asked, |_| false);
            findings(&content, &asked, &BTreeMap::new());
            // What passes once passes again, unchanged: content that is stored can be submitted as it stands.
            if faults.list().is_empty() {
                let (again, faults) = check(&content, &asked, |_| false);
                prop_assert_eq!(again, content);
                prop_assert!(faults.list().is_empty());
            }
        }
    }
}
