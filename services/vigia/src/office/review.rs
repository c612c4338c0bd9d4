//! `vigia review`: a reviewer's decision on a report.

use anyhow::{Result, bail};
use vigia_platform::new_id;
use vigia_proto::reporting::{
    Decision, GetObligationRequest, ReviewReportRequest, obligation_service_client::ObligationServiceClient,
    report_service_client::ReportServiceClient,
};

use super::desk::{self, settle};
use crate::{access::Access, institution::fault::told as in_words, lang::say, refused::told};

/// What is asked for.
#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("decision").required(true))]
pub struct Args {
    /// plans/vcm/assignments/a1/obligations/2024-S1; con «/reports/1», esa versión / with "/reports/1", that version.
    pub obligation: String,
    /// Lo valida / validate it.
    #[arg(long, group = "decision")]
    pub validate: bool,
    /// Lo devuelve con esta observación / return it with this observation.
    #[arg(long = "return", value_name = "TEXT", requires = "answer_by", group = "decision")]
    pub send_back: Option<String>,
    /// Día hasta el que se responde / day by which to answer: 2024-08-15.
    #[arg(long, value_name = "DAY", requires = "send_back")]
    pub answer_by: Option<String>,
    /// Lo rechaza por este motivo, como si no hubiera llegado / reject it for this reason, as if it had never come.
    #[arg(long, value_name = "TEXT", group = "decision")]
    pub reject: Option<String>,
    #[command(flatten)]
    pub access: Access,
}

/// Runs the command.
pub async fn run(args: &Args, json: bool) -> Result<()> {
    let (decision, observation, word) = match (&args.send_back, &args.reject) {
        (Some(text), _) => (Decision::Returned, text.as_str(), say("devuelto", "returned")),
        (None, Some(text)) => (Decision::Rejected, text.as_str(), say("rechazado", "rejected")),
        (None, None) => (Decision::Validated, "", say("validado", "validated")),
    };
    let principal = desk::open(&args.access).await?;
    let name = if args.obligation.contains("/reports/") {
        args.obligation.clone()
    } else {
        let request = GetObligationRequest {
            name: args.obligation.clone(),
        };
        let mut service = ObligationServiceClient::new(principal.clone());
        let answer = service.get_obligation(request).await.map_err(told)?.into_inner();
        let version = answer.obligation.map_or(0, |owed| owed.version);
        if version == 0 {
            bail!(in_words(
                format!("{}: no ha llegado ningún reporte", args.obligation),
                format!("{}: no report has come", args.obligation),
            ));
        }
        format!("{}/reports/{version}", args.obligation)
    };
    let request = ReviewReportRequest {
        name: name.clone(),
        decision: decision.into(),
        answer_by: args.answer_by.clone().unwrap_or_default(),
        observation: observation.to_owned(),
        request_id: new_id(),
        ..ReviewReportRequest::default()
    };
    let mut service = ReportServiceClient::new(principal.clone());
    let answer = service.review_report(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    desk::tell(
        json,
        "vigia.reporting.v1.ReviewReportResponse",
        &answer,
        &format!("{name} · {word}"),
    )
}
