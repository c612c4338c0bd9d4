//! Grades that an independent reviewer has published, from the `assessment` keys of a plan file. What the file does not
//! give stays unknown.

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};
use vigia_platform::name::id_of_code;
use vigia_proto::{
    compliance::{Assessment, RecordAssessmentRequest},
    types::Provenance,
};

use super::grades::Scale;
use crate::{lang::Lang, yaml::Node};

/// The calls that record what a plan file says of published grades, one for each action. Every fault is told at once.
/// Made again they are the same calls, so that importing twice records nothing twice.
pub fn calls(file: &Node) -> Result<Vec<RecordAssessmentRequest>> {
    let plan = file.get("plan").and_then(|plan| plan.text_of("id"));
    let Some(plan) = plan else { bail!("plan.id: falta / is missing") };
    let parent = format!("plans/{plan}");
    let (mut calls, mut faults) = (Vec::new(), Vec::new());
    for action in file.get("actions").map(Node::items).unwrap_or_default() {
        let Some(given) = action.get("assessment") else { continue };
        let mut fault = |what: &str| faults.push(format!("línea / line {}: {what}", given.line));
        let grades = |scale: Scale, key: &str| scale.read(given.get(key)).map_err(|cause| format!("{key}: {cause}"));
        let (completion, early_results) = match (
            grades(Scale::Completion, "completion"),
            grades(Scale::EarlyResults, "early_results"),
        ) {
            (Ok(completion), Ok(early_results)) => (completion, early_results),
            (completion, early_results) => {
                [completion.err(), early_results.err()]
                    .into_iter()
                    .flatten()
                    .for_each(|cause| fault(&cause));
                continue;
            }
        };
        let (Some(code), Some(assessor), Some(source)) = (action.text_of("code"), given.text_of("assessor"), action.text_of("source"))
        else {
            fault("code, assessment.assessor, source: falta / is missing");
            continue;
        };
        let verified = |key: &str, grades: &[i32]| grades == [1] || given.text_of(key) == Some("true");
        let assessment = Assessment {
            action: format!("{parent}/actions/{}", id_of_code(code)),
            assessor: format!("institutions/{assessor}"),
            reasons: reasons(given, &completion, &early_results),
            provenance: Some(Provenance {
                source: source.to_owned(),
                verified: verified("completion_verified", &completion) && verified("early_results_verified", &early_results),
                note: action.text_of("note").unwrap_or_default().to_owned(),
                ..Provenance::default()
            }),
            completion,
            early_results,
            ..Assessment::default()
        };
        let assessment_id = format!("{assessor}-{}", id_of_code(code));
        calls.push(RecordAssessmentRequest {
            request_id: request_id(&parent, &assessment_id),
            parent: parent.clone(),
            assessment_id,
            assessment: Some(assessment),
        });
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(calls)
}

/// What the published report gives and what it does not, in words.
fn reasons(given: &Node, completion: &[i32], early_results: &[i32]) -> String {
    let mut said = format!("Nota publicada. Cumplimiento: {}.", Scale::Completion.say(completion, Lang::Es));
    if early_results != [1] {
        return format!("{said} Resultados tempranos: {}.", Scale::EarlyResults.say(early_results, Lang::Es));
    }
    said += " Resultados tempranos: lo que se pudo leer del informe no da la nota de este compromiso.";
    let left = Scale::EarlyResults.read(given.get("early_results_candidates")).unwrap_or_default();
    if left.len() > 1 {
        said += &format!(
            " Por sus totales solo queda: {} (inferido).",
            Scale::EarlyResults.say(&left, Lang::Es)
        );
    }
    said
}

/// Always the same for the same thing.
fn request_id(parent: &str, id: &str) -> String {
    let digest = Sha256::digest(format!("{parent}/assessments/{id}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo_story::PLANS;

    #[test]
    fn the_ten_commitments_carry_what_was_published_and_no_more() {
        let file = Node::parse(PLANS[2].1).expect("YAML");
        let calls = calls(&file).expect("readable");
        let table: Vec<_> = calls
            .iter()
            .map(|call| {
                let assessment = call.assessment.clone().unwrap_or_default();
                let action = assessment.action.rsplit('/').next().unwrap_or_default().to_owned();
                let completion = Scale::Completion.write(&assessment.completion);
                format!("{action} {completion} {}", Scale::EarlyResults.write(&assessment.early_results))
            })
            .collect();
        assert_eq!(
            table,
            [
                "c1 substantial_or_complete unknown",
                "c2 substantial_or_complete unknown",
                "c3 substantial_or_complete unknown",
                "c4 substantial_or_complete none",
                "c5 limited unknown",
                "c6 limited unknown",
                "c7 substantial_or_complete outstanding",
                "c8 substantial_or_complete unknown",
                "c9 substantial_or_complete marginal",
                "c10 substantial_or_complete none",
            ]
        );
        let second = calls[1].assessment.clone().unwrap_or_default();
        assert!(
            second
                .reasons
                .ends_with("Por sus totales solo queda: excepcional o significativo (inferido)."),
            "{}",
            second.reasons
        );
        let from = second.provenance.unwrap_or_default();
        assert!(from.verified && from.source.starts_with("https://"), "{from:?}");
        // The same file makes the same calls.
        assert_eq!(self::calls(&file).expect("readable"), calls);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let file = "plan: {id: p}\nactions:\n- {code: A, source: s, assessment: {assessor: irm, completion: good}}\n- {code: B, assessment: {assessor: irm}}\n";
        let faults = calls(&Node::parse(file).expect("YAML")).expect_err("two faults").to_string();
        assert_eq!(faults.lines().count(), 2, "{faults}");
        assert!(faults.contains("3: completion: good: unknown, not_started"), "{faults}");
    }
}
