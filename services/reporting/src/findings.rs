//! What is incomplete or odd in a report, but accepted: nobody becomes late by a form.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vigia_platform::{Faults, facts::EVIDENCE_FOLLOWS_WITHIN};
use vigia_proto::reporting::{Finding, Report};
use vigia_rules::{self as rules, Exact, IndicatorId, Period};

use crate::{
    content::{Asked, parsed},
    links,
};

/// What is known beside the report.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The last value that the line gave for each indicator before.
    pub(crate) before: BTreeMap<IndicatorId, (Period, rules::Value)>,
    /// What the line has spent in the year before, by code of the classifier.
    pub(crate) spent: BTreeMap<String, Exact>,
    /// Evidence whose bytes are here, as resource names, and what in it could identify a person.
    pub(crate) stored: BTreeMap<String, Vec<String>>,
}

/// Evidence that could identify a person, where the plan refuses that.
pub(crate) fn check_traces(faults: &mut Faults, report: &Report, asked: &Asked<'_>, known: &Known) {
    if !asked.refuses_traces {
        return;
    }
    for (i, link) in links::links(report).enumerate() {
        for trace in known.stored.get(&link.evidence).into_iter().flatten() {
            let (es, en) = names_person(trace);
            faults.add(
                links::path(report, i),
                format!("en los metadatos {es}, y este plan no lo acepta"),
                format!("in the metadata {en}, which this plan does not take"),
            );
        }
    }
}

/// What is incomplete or odd.
pub(crate) fn findings(report: &Report, asked: &Asked<'_>, known: &Known) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_empty = report.values.is_empty() && report.milestones.is_empty();
    if is_empty && report.nil_reason.is_empty() {
        findings.push(finding(
            "NOTHING_REPORTED",
            "report",
            "No trae valores ni hitos, ni dice que no hay novedad.",
            "It has neither values nor milestones, nor says that there is nothing to report.",
        ));
    }
    of_values(report, asked, known, &mut findings);
    if !is_empty && links::links(report).next().is_none() {
        findings.push(finding(
            "EVIDENCE_MISSING",
            "report.evidence_links",
            "No nombra ningún medio de verificación.",
            "It names no evidence.",
        ));
    }
    findings.extend(of_evidence(report, &known.stored, None));
    over_budget(report, asked, known, &mut findings);
    for observation in asked.observations {
        if !report.answers.iter().any(|answer| answer.observation == observation.id) {
            findings.push(finding(
                "OBSERVATION_UNANSWERED",
                "report.answers",
                format!("La observación {} queda sin respuesta.", observation.id),
                format!("The observation {} is not answered.", observation.id),
            ));
        }
    }
    findings
}

fn of_values(report: &Report, asked: &Asked<'_>, known: &Known, findings: &mut Vec<Finding>) {
    for (i, value) in report.values.iter().enumerate() {
        let field = format!("report.values[{i}]");
        let code = &value.indicator;
        let now = parsed(value).and_then(|(_, value)| exact(&value));
        let before = known.before.get(&IndicatorId::from(code.as_str()));
        if let (Some(now), Some((period, before))) = (now, before.and_then(|(period, value)| Some((period, exact(value)?)))) {
            if asked.is_cumulative(code) && now < before {
                findings.push(finding(
                    "CUMULATIVE_FALLS",
                    &field,
                    format!("El valor acumulado de {code} baja de {before} ({period}) a {now}."),
                    format!("The cumulative value of {code} falls from {before} ({period}) to {now}."),
                ));
            }
            if before.is_positive() && now >= &before * &Exact::from_int(10) {
                findings.push(finding(
                    "TENFOLD",
                    &field,
                    format!("El valor de {code} es diez veces el anterior o más: {now} después de {before} ({period})."),
                    format!("The value of {code} is ten times the last one or more: {now} after {before} ({period})."),
                ));
            }
        }
        let missing = asked.dimensions(code).iter();
        let missing: Vec<&str> = missing
            .filter(|dimension| !value.breakdowns.iter().any(|breakdown| breakdown.dimension == **dimension))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            let dimensions = missing.join(", ");
            findings.push(finding(
                "BREAKDOWN_MISSING",
                &field,
                format!("{code} debe desagregarse también por {dimensions}."),
                format!("{code} must be broken down by {dimensions} too."),
            ));
        }
    }
}

/// What evidence lacks: bytes that have not come, and what in those that have could identify a person. `late_at` is the
/// instant it is asked at and when the report was received; without it the report is received now.
pub(crate) fn of_evidence(
    report: &Report,
    stored: &BTreeMap<String, Vec<String>>,
    late_at: Option<(Timestamp, Timestamp)>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, link) in links::links(report).enumerate() {
        let field = links::path(report, i);
        match stored.get(&link.evidence) {
            Some(traces) => findings.extend(traces.iter().map(|found| trace(&field, found))),
            None if late_at.is_some_and(|(now, received_at)| now.duration_since(received_at) >= EVIDENCE_FOLLOWS_WITHIN) => {
                findings.push(finding(
                    "EVIDENCE_NEVER_CAME",
                    &field,
                    "El archivo no llegó en las 24 horas siguientes al reporte.",
                    "The file did not come within 24 hours of the report.",
                ));
            }
            None => findings.push(finding(
                "EVIDENCE_PENDING",
                &field,
                "El archivo aún no llega: cárguelo dentro de las 24 horas siguientes al reporte.",
                "The file is not here yet: upload it within 24 hours of the report.",
            )),
        }
    }
    findings
}

/// Spending above what is foreseen for the year, without a word on why.
fn over_budget(report: &Report, asked: &Asked<'_>, known: &Known, findings: &mut Vec<Finding>) {
    let mut spent = known.spent.clone();
    for (i, line) in report.spending.iter().enumerate() {
        let accrued = line
            .accrued
            .as_ref()
            .and_then(|accrued| accrued.value.parse::<rules::Decimal>().ok());
        let sum = spent.entry(line.classifier.clone()).or_insert_with(Exact::zero);
        *sum = &*sum + &accrued.map_or_else(Exact::zero, Exact::from);
        let over = asked.budget.get(line.classifier.as_str()).filter(|budget| *sum > **budget);
        if let (Some(budget), true) = (over, line.note.is_empty()) {
            findings.push(finding(
                "OVER_BUDGET",
                &format!("report.spending[{i}]"),
                format!(
                    "Lo devengado en el año en {}, {sum}, pasa del presupuesto de {budget} sin una nota que lo explique.",
                    line.classifier
                ),
                format!(
                    "What was spent in the year on {}, {sum}, is above the budget of {budget} without a note on why.",
                    line.classifier
                ),
            ));
        }
    }
}

/// That something in evidence could identify a person.
pub(crate) fn trace(field: &str, trace: &str) -> Finding {
    let (es, en) = names_person(trace);
    finding(
        "EVIDENCE_NAMES_PERSON",
        field,
        format!("En los metadatos {es}."),
        format!("In the metadata {en}."),
    )
}

/// What a trace means, in Spanish and English.
pub fn names_person(trace: &str) -> (&'static str, &'static str) {
    match trace {
        "exif.gps" | "xmp.gps" | "iptc.place" => (
            "está el lugar donde se tomó la imagen",
            "stands the place where the picture was taken",
        ),
        "exif.owner" | "xmp.owner" => ("está de quién es la cámara", "stands whose camera it was"),
        "ooxml.last_modified_by" => (
            "está quién guardó el documento por última vez",
            "stands who saved the document last",
        ),
        "ooxml.manager" => ("está el responsable del documento", "stands the document's manager"),
        "ooxml.people" => (
            "están los nombres de quienes comentaron o cambiaron el documento",
            "stand the names of who commented on the document or changed it",
        ),
        "pdf.encrypted" => (
            "no se puede mirar: el documento está cifrado",
            "nothing can be looked into: the document is encrypted",
        ),
        "png.profile" | "unreadable" => (
            "hay partes que no se pueden leer hasta el final",
            "are parts that can't be read to their end",
        ),
        _ => ("está el autor", "stands the author"),
    }
}

fn finding(kind: &str, field: &str, text_es: impl Into<String>, text_en: impl Into<String>) -> Finding {
    Finding {
        kind: kind.to_owned(),
        field: field.to_owned(),
        text_es: text_es.into(),
        text_en: text_en.into(),
    }
}

fn exact(value: &rules::Value) -> Option<Exact> {
    match value {
        rules::Value::Number(number) => Some(Exact::from(*number)),
        rules::Value::Ratio { num, den } => Exact::from(*num).divided_by(&Exact::from(*den)),
    }
}

#[cfg(test)]
mod tests {
    use vigia_platform::facts::Described;
    use vigia_proto::{
        plans,
        reporting::{Breakdown, IndicatorValue, Observation, ObservationAnswer, Spending, indicator_value::Value},
        types::Decimal,
    };
    use vigia_rules::Aggregation;

    use super::*;

    const EVIDENCE: &str = "evidence/aa";

    fn decimal(text: &str) -> Decimal {
        Decimal { value: text.to_owned() }
    }

    fn reported(value: &str) -> Report {
        Report {
            values: vec![IndicatorValue {
                indicator: "I1".to_owned(),
                value: Some(Value::Number(decimal(value))),
                ..IndicatorValue::default()
            }],
            evidence: vec![EVIDENCE.to_owned()],
            ..Report::default()
        }
    }

    /// The kinds of what is found in a report, for an action with a cumulative indicator that is to be broken down by
    /// province, a budget of 100, and an observation.
    fn kinds(report: &Report, before: &str) -> Vec<String> {
        let day = |text: &str| text.parse().expect("a day");
        let mut action = rules::Action::new("a", "c", day("2026-01-01"), day("2026-12-31"));
        action.indicators = vec![rules::Indicator::new("I1", Aggregation::Cumulative)];
        let described = plans::Action {
            budget_lines: vec![plans::BudgetLine {
                year: 2026,
                classifier: "530101".to_owned(),
                initial: Some(decimal("80")),
                current: Some(decimal("100")),
                ..plans::BudgetLine::default()
            }],
            ..plans::Action::default()
        };
        let indicator = plans::Indicator {
            code: "I1".to_owned(),
            breakdown: vec!["province".to_owned()],
            ..plans::Indicator::default()
        };
        let described = Described {
            action: &described,
            indicators: vec![&indicator],
        };
        let period = |text: &str| text.parse::<Period>().expect("a period");
        let mut asked = Asked::of(Some(&action), Some(described), None, period("2026-Q2"));
        let observations = [Observation {
            id: "1.1".to_owned(),
            ..Observation::default()
        }];
        asked.observations = &observations;
        let value = rules::Value::Number(before.parse().expect("a decimal"));
        let known = Known {
            before: BTreeMap::from([("I1".into(), (period("2026-Q1"), value))]),
            spent: BTreeMap::from([("530101".to_owned(), Exact::from_int(60))]),
            stored: BTreeMap::from([(EVIDENCE.to_owned(), Vec::new())]),
        };
        findings(report, &asked, &known).into_iter().map(|finding| finding.kind).collect()
    }

    fn whole(value: &str) -> Report {
        let mut report = reported(value);
        report.values[0].breakdowns = vec![Breakdown {
            dimension: "province".to_owned(),
            ..Breakdown::default()
        }];
        report.answers = vec![ObservationAnswer {
            observation: "1.1".to_owned(),
            text: "Corregido.".to_owned(),
        }];
        report
    }

    #[test]
    fn what_is_odd_is_a_finding() {
        assert_eq!(kinds(&whole("3"), "3"), Vec::<String>::new());
        assert_eq!(kinds(&whole("2"), "3"), ["CUMULATIVE_FALLS"]);
        assert_eq!(kinds(&whole("29.999999"), "3"), Vec::<String>::new());
        assert_eq!(kinds(&whole("30"), "3"), ["TENFOLD"]);
        assert_eq!(kinds(&whole("30"), "0"), Vec::<String>::new());
        assert_eq!(kinds(&reported("3"), "3"), ["BREAKDOWN_MISSING", "OBSERVATION_UNANSWERED"]);
        let mut bare = whole("3");
        bare.evidence.clear();
        assert_eq!(kinds(&bare, "3"), ["EVIDENCE_MISSING"]);
        let mut pending = whole("3");
        pending.evidence.push("evidence/bb".to_owned());
        assert_eq!(kinds(&pending, "3"), ["EVIDENCE_PENDING"]);
        let empty = Report {
            answers: whole("3").answers,
            ..Report::default()
        };
        assert_eq!(kinds(&empty, "3"), ["NOTHING_REPORTED"]);
        let nil = Report {
            nil_reason: "sin novedad".to_owned(),
            ..empty
        };
        assert_eq!(kinds(&nil, "3"), Vec::<String>::new());
    }

    #[test]
    fn spending_above_the_budget_wants_a_note() {
        let spent = |accrued: &[&str], note: &str| Report {
            spending: accrued
                .iter()
                .map(|accrued| Spending {
                    classifier: "530101".to_owned(),
                    accrued: Some(decimal(accrued)),
                    note: note.to_owned(),
                })
                .collect(),
            ..whole("3")
        };
        assert_eq!(kinds(&spent(&["40"], ""), "3"), Vec::<String>::new());
        assert_eq!(kinds(&spent(&["40.01"], ""), "3"), ["OVER_BUDGET"]);
        assert_eq!(kinds(&spent(&["40.01"], "Reforma presupuestaria 12"), "3"), Vec::<String>::new());
        assert_eq!(kinds(&spent(&["20", "20.01"], ""), "3"), ["OVER_BUDGET"]);
    }

    #[test]
    fn evidence_may_follow_for_a_day() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let received_at = at("2026-07-10T12:00:00Z");
        let kinds = |stored: &[(&str, &[&str])], now: &str| {
            let stored = stored
                .iter()
                .map(|(name, traces)| ((*name).to_owned(), traces.iter().map(|trace| (*trace).to_owned()).collect()));
            of_evidence(&reported("1"), &stored.collect(), Some((at(now), received_at)))
                .into_iter()
                .map(|finding| finding.kind)
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(&[], "2026-07-11T11:59:59Z"), ["EVIDENCE_PENDING"]);
        assert_eq!(kinds(&[], "2026-07-11T12:00:00Z"), ["EVIDENCE_NEVER_CAME"]);
        assert_eq!(kinds(&[(EVIDENCE, &[])], "2026-07-12T12:00:00Z"), Vec::<String>::new());
        assert_eq!(
            kinds(&[(EVIDENCE, &["exif.gps"])], "2026-07-12T12:00:00Z"),
            ["EVIDENCE_NAMES_PERSON"]
        );
    }
}
