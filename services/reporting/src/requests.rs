//! What changes a draft, and what a review decides: requests read into values.

use vigia_platform::{Error, Faults};
use vigia_proto::{
    error::Reason,
    reporting::{Decision, Report, ReviewReportRequest},
};
use vigia_rules as rules;

/// Characters of an observation at most.
const OBSERVATION_MAX: usize = 4_000;

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
    let least = usize::from(request.decision() != Decision::Validated);
    let most = if least == 0 { 0 } else { OBSERVATION_MAX };
    faults.text("observation", &request.observation, least..=most);
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

#[cfg(test)]
mod tests {
    use super::*;

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
