//! `vigia assessment`: grades that were published, and judgements beside the official verdict.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use comfy_table::Cell;
use vigia_proto::compliance::{
    ListAssessmentsRequest, ListDisagreementsRequest, SideBySide, assessment_service_client::AssessmentServiceClient,
};

use super::{PAGE, grades::Scale, published, zone_and_instant};
use crate::{
    access::Access,
    commands::{plan_name, tell_basis},
    lang::{lang, say},
    output,
    refused::told,
    yaml::Node,
};

pub async fn import(access: &Access, file: &PathBuf, json: bool) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let node = Node::parse(&text).with_context(|| file.display().to_string())?;
    let calls = published::calls(&node).with_context(|| file.display().to_string())?;
    let mut service = AssessmentServiceClient::new(access.principal().await?);
    let mut names = Vec::new();
    for call in calls {
        let answer = service.record_assessment(call).await.map_err(told)?.into_inner();
        names.push(answer.assessment.unwrap_or_default().name);
    }
    if json {
        return output::json(&names);
    }
    output::line(&format!(
        "{}: {}",
        say("evaluaciones registradas", "assessments recorded"),
        names.len()
    ));
    Ok(())
}

pub async fn list_assessments(access: &Access, plan: &str, disagreements: bool, as_of: Option<&str>, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let parent = plan_name(plan);
    let (zone, as_of) = zone_and_instant(&principal, &parent, as_of).await?;
    let (beside, basis) = if disagreements {
        let request = ListDisagreementsRequest {
            parent,
            as_of,
            page_size: PAGE,
            page_token: String::new(),
        };
        let answer = AssessmentServiceClient::new(principal)
            .list_disagreements(request)
            .await
            .map_err(told)?
            .into_inner();
        if json {
            return output::json(&output::value("vigia.compliance.v1.ListDisagreementsResponse", &answer)?);
        }
        (answer.disagreements, answer.basis)
    } else {
        let request = ListAssessmentsRequest {
            parent,
            as_of,
            page_size: PAGE,
            ..ListAssessmentsRequest::default()
        };
        let answer = AssessmentServiceClient::new(principal)
            .list_assessments(request)
            .await
            .map_err(told)?
            .into_inner();
        if json {
            return output::json(&output::value("vigia.compliance.v1.ListAssessmentsResponse", &answer)?);
        }
        (answer.assessments, answer.basis)
    };
    tell_assessments(&beside);
    tell_basis(&basis.unwrap_or_default(), &zone);
    Ok(())
}

/// Assessments as a table, each beside the official verdict.
pub fn tell_assessments(beside: &[SideBySide]) {
    let heading = [
        say("acción", "action"),
        say("evalúa", "assessor"),
        say("cumplimiento", "completion"),
        say("resultados", "results"),
        say("dictamen oficial", "official verdict"),
        say("observado", "observed"),
        say("difiere", "differs"),
    ];
    let rows = beside.iter().map(|one| {
        let assessed = one.assessment.clone().unwrap_or_default();
        let verdict = one.verdict.clone().unwrap_or_default();
        let own = if one.own_action {
            say(" (juez y parte)", " (its own action)")
        } else {
            ""
        };
        vec![
            Cell::new(assessed.action.rsplit('/').next().unwrap_or_default()),
            Cell::new(format!("{}{own}", assessed.assessor.trim_start_matches("institutions/"))),
            Cell::new(Scale::Completion.say(&assessed.completion, lang())),
            Cell::new(Scale::EarlyResults.say(&assessed.early_results, lang())),
            Cell::new(output::state_word(verdict.action_state().as_str_name())),
            Cell::new(output::percent(&verdict.observed)),
            Cell::new(
                one.difference
                    .map_or_else(|| "—".to_owned(), |difference| format!("{difference:+}")),
            ),
        ]
    });
    output::line(&output::table(&heading, rows.collect()));
}
