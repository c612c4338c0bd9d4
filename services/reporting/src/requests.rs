//! What changes a draft, and what a review decides: requests read into values.

use vigia_platform::{Error, Faults};
use vigia_proto::{
    error::Reason,
    reporting::{Decision, Observation, Report, ReviewReportRequest},
};
use vigia_rules as rules;

use crate::{content::at_most, links::check_attachments};

/// Characters of an observation at most.
const OBSERVATION_MAX: usize = 4_000;
const OBSERVATIONS_MAX: usize = 100;
const ATTACHMENTS_MAX: usize = 20;

/// The stored draft with the fields that the mask names taken from the given one.
pub(crate) fn merge(mut stored: Report, given: &Report, paths: &[String]) -> Result<Report, Error> {
    let mut faults = Faults::new();
    faults.require(
        !paths.is_empty(),
        "update_mask",
        "debe nombrar los campos que cambian, o *",
        "must name the fields that change, or *",
    );
    for path in paths {
        let given = given.clone();
        match path.as_str() {
            "*" => stored = given,
            "narrative" => stored.narrative = given.narrative,
            "values" => stored.values = given.values,
            "milestones" => stored.milestones = given.milestones,
            "spending" => stored.spending = given.spending,
            "nil_reason" => stored.nil_reason = given.nil_reason,
            "letter_number" => stored.letter_number = given.letter_number,
            "evidence" => stored.evidence = given.evidence,
            "evidence_links" => stored.evidence_links = given.evidence_links,
            "milestones_done" => stored.milestones_done = given.milestones_done,
            "answers" => stored.answers = given.answers,
            _ => faults.add(
                "update_mask",
                format!("«{path}» no es un campo que cambie"),
                format!("\"{path}\" is not a field that can change"),
            ),
        }
    }
    faults.done().map(|()| stored)
}

/// The decision for the rules, or all that is wrong with it.
pub(crate) fn parse_decision(request: &ReviewReportRequest) -> Result<rules::Decision, Error> {
    let mut faults = Faults::new();
    let returned = request.decision() == Decision::Returned;
    let answer_by = if returned {
        faults.date("answer_by", &request.answer_by)
    } else {
        None
    };
    faults.require(
        returned || request.answer_by.is_empty(),
        "answer_by",
        "solo va con una devolución",
        "goes with a return only",
    );
    let validated = request.decision() == Decision::Validated;
    let least = usize::from(!validated && request.observations.is_empty());
    let most = if validated { 0 } else { OBSERVATION_MAX };
    faults.text("observation", &request.observation, least..=most);
    faults.require(
        returned || request.observations.is_empty(),
        "observations",
        "solo van con una devolución",
        "go with a return only",
    );
    check_attachments(&mut faults, &request.attachments, ATTACHMENTS_MAX);
    let decision = match (request.decision(), answer_by) {
        (Decision::Validated, _) => Some(rules::Decision::Validated),
        (Decision::Returned, answer_by) => answer_by.map(|answer_by| rules::Decision::Returned { answer_by }),
        (Decision::Rejected, _) => Some(rules::Decision::Rejected),
        (Decision::Unspecified, _) => None,
    };
    faults.require(
        decision.is_some() || returned,
        "decision",
        "falta la decisión",
        "the decision is missing",
    );
    faults.done()?;
    decision.ok_or_else(|| Error::refused(Reason::InvalidFields, "Falta la decisión.", "The decision is missing."))
}

/// The observations of a return with their ids, or all that is wrong with them. A field is one of the version judged.
pub(crate) fn numbered(given: &[Observation], version: u32, judged: Option<&Report>) -> Result<Vec<Observation>, Error> {
    let mut faults = Faults::new();
    at_most(&mut faults, "observations", given.len(), OBSERVATIONS_MAX);
    let mut observations = Vec::new();
    for (i, observation) in given.iter().enumerate().take(OBSERVATIONS_MAX) {
        let path = format!("observations[{i}]");
        faults.text(&format!("{path}.text"), &observation.text, 1..=OBSERVATION_MAX);
        let there = observation.field.is_empty() || judged.is_none_or(|judged| has_field(judged, &observation.field));
        faults.require(
            there,
            &format!("{path}.field"),
            "no es un campo de la versión, como «report.values[0]»",
            "is no field of the version, such as \"report.values[0]\"",
        );
        observations.push(Observation {
            id: format!("{version}.{}", i + 1),
            ..observation.clone()
        });
    }
    faults.done().map(|()| observations)
}

/// Whether a report has a field of this path: a name, and for a list the place in it. What stands within is not looked at.
fn has_field(report: &Report, path: &str) -> bool {
    let Some(path) = path.strip_prefix("report.") else {
        return path == "report";
    };
    let name_ends = path.find(['[', '.']).unwrap_or(path.len());
    let (name, rest) = path.split_at(name_ends);
    let count = match name {
        "narrative" | "nil_reason" | "letter_number" => return rest.is_empty(),
        "values" => report.values.len(),
        "milestones" => report.milestones.len(),
        "milestones_done" => report.milestones_done.len(),
        "spending" => report.spending.len(),
        "evidence" => report.evidence.len(),
        "evidence_links" => report.evidence_links.len(),
        "answers" => report.answers.len(),
        _ => return false,
    };
    let place = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    rest.is_empty() || place.is_some_and(|(place, _)| place.parse::<usize>().is_ok_and(|place| place < count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_is_tied_to_a_field_that_is_there() {
        let judged = Report {
            milestones: vec!["M1".to_owned()],
            ..Report::default()
        };
        let check = |field: &str, accepted: bool| {
            let given = [Observation {
                field: field.to_owned(),
                text: "Falta la firma.".to_owned(),
                ..Observation::default()
            }];
            let numbered = numbered(&given, 2, Some(&judged));
            assert_eq!(numbered.is_ok(), accepted, "{field}");
            assert!(numbered.is_err() || numbered.is_ok_and(|all| all[0].id == "2.1"));
        };
        check("", true);
        check("report", true);
        check("report.narrative", true);
        check("report.milestones[0]", true);
        check("report.milestones", true);
        check("report.milestones[1]", false);
        check("report.milestones[x", false);
        check("report.etag", false);
        check("milestones[0]", false);
        assert!(
            numbered(
                &vec![
                    Observation {
                        text: "x".to_owned(),
                        ..Observation::default()
                    };
                    OBSERVATIONS_MAX
                ],
                1,
                None
            )
            .is_ok()
        );
        assert!(
            numbered(
                &vec![
                    Observation {
                        text: "x".to_owned(),
                        ..Observation::default()
                    };
                    OBSERVATIONS_MAX + 1
                ],
                1,
                None
            )
            .is_err()
        );
    }

    #[test]
    fn a_decision_goes_with_what_belongs_to_it() {
        let check = |decision: Decision, answer_by: &str, observation: &str, accepted: bool| {
            let request = ReviewReportRequest {
                decision: decision.into(),
                answer_by: answer_by.to_owned(),
                observation: observation.to_owned(),
                ..ReviewReportRequest::default()
            };
            assert_eq!(parse_decision(&request).is_ok(), accepted, "{decision:?} {answer_by} {observation}");
        };
        check(Decision::Validated, "", "", true);
        check(Decision::Validated, "", "bien", false);
        check(Decision::Validated, "2026-08-01", "", false);
        check(Decision::Returned, "2026-08-01", "falta el desglose", true);
        check(Decision::Returned, "", "falta el desglose", false);
        check(Decision::Returned, "2026-08-01", "", false);
        check(Decision::Rejected, "", "no es de este período", true);
        check(Decision::Rejected, "", &"x".repeat(OBSERVATION_MAX + 1), false);
        check(Decision::Unspecified, "", "x", false);
    }

    #[test]
    fn a_mask_changes_what_it_names_and_nothing_else() {
        let stored = Report {
            narrative: "antes".to_owned(),
            letter_number: "MSP-1".to_owned(),
            ..Report::default()
        };
        let given = Report {
            narrative: "después".to_owned(),
            ..Report::default()
        };
        let merged = |paths: &[&str]| {
            merge(
                stored.clone(),
                &given,
                &paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>(),
            )
            .ok()
        };
        let letter = merged(&["narrative"]).map(|report| (report.narrative, report.letter_number));
        assert_eq!(letter, Some(("después".to_owned(), "MSP-1".to_owned())));
        assert_eq!(merged(&["*"]), Some(given.clone()));
        assert_eq!(merged(&["version"]), None);
        assert_eq!(merged(&[]), None);
    }
}
