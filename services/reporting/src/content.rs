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

    fn period() -> Period {
        "2026-Q2".parse().expect("a period")
    }

    fn number(indicator: &str, number: &str) -> IndicatorValue {
        IndicatorValue {
            indicator: indicator.to_owned(),
            value: Some(Value::Number(Decimal { value: number.to_owned() })),
            ..IndicatorValue::default()
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
            ..IndicatorValue::default()
        }
    }

    fn paths(report: &Report, is_mixed: bool) -> Vec<String> {
        let action = action();
        let (_, faults) = check(report, &Asked::of(Some(&action), None, None, period()), |_| is_mixed);
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
                    ..IndicatorValue::default()
                },
            ],
            milestones: vec!["M1".to_owned(), "M1".to_owned(), "M9".to_owned()],
            spending: vec![Spending {
                classifier: String::new(),
                accrued: Some(Decimal { value: "-5".to_owned() }),
                note: String::new(),
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
    fn what_was_done_was_done_by_today() {
        let action = action();
        let mut asked = Asked::of(Some(&action), None, None, period());
        asked.today = Some("2026-07-10".parse().expect("a day"));
        let check = |milestones: &[&str], done: &[(&str, &str)], expect: &[&str]| {
            let done = done.iter().map(|(milestone, done_on)| MilestoneDone {
                milestone: (*milestone).to_owned(),
                done_on: (*done_on).to_owned(),
            });
            let report = Report {
                milestones: milestones.iter().map(|code| (*code).to_owned()).collect(),
                milestones_done: done.collect(),
                ..Report::default()
            };
            let (_, faults) = check(&report, &asked, |_| false);
            assert_eq!(faults.list().iter().map(|fault| fault.path.as_str()).collect::<Vec<_>>(), expect);
        };
        check(&["M1"], &[("M1", "2026-07-10")], &[]);
        check(&["M1"], &[("M1", "2026-07-11")], &["report.milestones_done[0].done_on"]);
        check(&["M1"], &[("M1", "10/07/2026")], &["report.milestones_done[0].done_on"]);
        check(&[], &[("M1", "2026-07-01")], &["report.milestones_done[0].milestone"]);
        let twice = [("M1", "2026-07-01"), ("M1", "2026-07-02")];
        check(&["M1"], &twice, &["report.milestones_done[1].milestone"]);
    }

    #[test]
    fn an_answer_names_what_was_observed() {
        let action = action();
        let mut asked = Asked::of(Some(&action), None, None, period());
        let observations = [Observation {
            id: "1.1".to_owned(),
            ..Observation::default()
        }];
        asked.observations = &observations;
        let check = |answers: &[(&str, &str)], expect: &[&str]| {
            let answers = answers.iter().map(|(observation, text)| ObservationAnswer {
                observation: (*observation).to_owned(),
                text: (*text).to_owned(),
            });
            let report = Report {
                answers: answers.collect(),
                ..Report::default()
            };
            let (_, faults) = check(&report, &asked, |_| false);
            assert_eq!(faults.list().iter().map(|fault| fault.path.as_str()).collect::<Vec<_>>(), expect);
        };
        check(&[], &[]);
        check(&[("1.1", "Se desagregó.")], &[]);
        check(&[("1.1", "")], &["report.answers[0].text"]);
        check(&[("1.2", "Se desagregó.")], &["report.answers[0].observation"]);
        check(&[("1.1", "a"), ("1.1", "b")], &["report.answers"]);
    }

    #[test]
    fn a_ratio_of_nothing_is_impossible() {
        let report = |den: &str| Report {
            values: vec![ratio("I1", "0", den)],
            ..Report::default()
        };
        assert_eq!(paths(&report("0.5"), false), Vec::<String>::new());
        assert_eq!(paths(&report("0"), false), ["report.values[0].ratio.den"]);
        assert_eq!(paths(&report("0.000"), false), ["report.values[0].ratio.den"]);
    }

    #[test]
    fn what_is_accepted_is_canonical() {
        let action = action();
        let given = Report {
            values: vec![number("I1", "007.50")],
            version: 9,
            etag: "x".to_owned(),
            ..Report::default()
        };
        let (content, faults) = check(&given, &Asked::of(Some(&action), None, None, period()), |_| false);
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
            let action = action();
            let asked = Asked::of(Some(&action), None, None, period());
            let values: Vec<_> = codes.iter().zip(&numbers).enumerate().map(|(i, (code, text))| match i % 3 {
                0 => number(code, text),
                1 => ratio(code, text, &numbers[0]),
                _ => IndicatorValue { indicator: code.clone(), ..IndicatorValue::default() },
            }).collect();
            let report = Report {
                narrative: texts[0].clone(),
                values,
                milestones: codes.clone(),
                spending: vec![Spending { classifier: texts[1].clone(), accrued: Some(Decimal { value: numbers[7].clone() }), note: texts[0].clone() }],
                nil_reason: texts[2].clone(),
                letter_number: texts[3].clone(),
                evidence: vec![texts[4].clone(), format!("evidence/{}", texts[5])],
                ..Report::default()
            };
            let (content, faults) = check(&report, &asked, |_| false);
            crate::findings::findings(&content, &asked, &crate::findings::Known::default());
            // What passes once passes again, unchanged: content that is stored can be submitted as it stands.
            if faults.list().is_empty() {
                let (again, faults) = check(&content, &asked, |_| false);
                prop_assert_eq!(again, content);
                prop_assert!(faults.list().is_empty());
            }
        }
    }
}
