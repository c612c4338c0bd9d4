//! What the commands of an institution ask a server: lists page after page, and refusals in the reader's language.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use futures::Stream;
use jiff::Timestamp;
use prost_types::FieldMask;
use tonic::{Code, Status};
use vigia_platform::{clock::machine_now, instant, new_id};
use vigia_proto::{
    assignments::{Assignment, ListAssignmentsRequest, assignment_service_client::AssignmentServiceClient},
    compliance::{GetScorecardRequest, compliance_service_client::ComplianceServiceClient},
    identity::{WhoAmIRequest, WhoAmIResponse, principal_service_client::PrincipalServiceClient},
    journal::{Entry, ListEntriesRequest},
    plans::{Action, GetPlanRequest, Indicator, ListActionsRequest, ListIndicatorsRequest, Plan, plan_service_client::PlanServiceClient},
    reporting::{
        CreateReportRequest, Evidence, GetEvidenceRequest, GetObligationTimelineRequest, GetReportRequest, ListObligationsRequest,
        Obligation, Report, SubmitReportBatchRequest, SubmitReportResult, SubmittedRow, TimelineEvent, UpdateReportRequest,
        UploadEvidenceRequest, evidence_service_client::EvidenceServiceClient, obligation_service_client::ObligationServiceClient,
        report_service_client::ReportServiceClient, reporting_journal_service_client::ReportingJournalServiceClient,
        submit_report_result::Result as Row,
    },
};

use super::fault::told;
use crate::{
    access::Access,
    cast::Principal,
    lang::say,
    refused::{self, Refused},
};

/// Rows of a page: the most that a server gives.
const PAGE: i32 = 1_000;
/// Assignments without an answer that are named; beside them stands how many there are.
const UNANSWERED_SHOWN: usize = 10;
/// How often a call is tried that met a server which is overloaded, starting or gone: with the waits below, half a minute.
pub const ATTEMPTS_MAX: u32 = 7;
/// Bytes of an answer to a batch at most.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The first wait between two attempts; each one after it is twice as long.
pub const WAIT_FIRST: Duration = Duration::from_millis(250);

/// A server, and who we are to it.
#[derive(Clone, Debug)]
pub struct Server {
    principal: Principal,
    /// Its address, as templates name it.
    pub address: String,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Batch {
    /// When its last byte was received, RFC 3339.
    pub received_at: String,
    /// By row, in their order.
    pub rows: Vec<Result<SubmittedRow, Refused>>,
}

/// Repeats a call while the server is overloaded, starting or unreachable. Calls that change something carry a
/// `request_id`, so that none of them happens twice.
async fn patiently<T>(mut call: impl AsyncFnMut() -> Result<T, Status>) -> Result<T, Status> {
    let mut wait = WAIT_FIRST;
    for _ in 1..ATTEMPTS_MAX {
        match call().await {
            Err(status) if matches!(status.code(), Code::Unavailable | Code::ResourceExhausted) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            other => return other,
        }
    }
    call().await
}

/// Reads a list to its end: `page` is asked with the token of each page.
async fn all<T>(mut page: impl AsyncFnMut(String) -> Result<(Vec<T>, String), Status>) -> Result<Vec<T>> {
    let mut list = Vec::new();
    let mut token = String::new();
    loop {
        let (items, next) = patiently(async || page(token.clone()).await).await.map_err(refused::told)?;
        list.extend(items);
        if next.is_empty() {
            return Ok(list);
        }
        token = next;
    }
}

impl Server {
    /// Connects with the client's key.
    pub async fn connect(access: &Access) -> Result<Self> {
        let (address, principal) = access.connect().await?;
        Ok(Self { principal, address })
    }

    /// Whether it is a scratch server: what it says says nothing about anybody's conduct.
    pub fn is_simulated(&self) -> bool {
        self.principal.heard().is_simulated
    }

    /// What time it is there, for counting days. A scratch server's clock was set, and only its answers tell: the newest
    /// instant that compliance can judge the plan as of.
    pub async fn now(&self, plan: &str) -> Timestamp {
        let heard = self.principal.heard();
        if heard.is_simulated {
            let request = GetScorecardRequest {
                name: plan.to_owned(),
                plan: plan.to_owned(),
                as_of: None,
            };
            let answer = ComplianceServiceClient::new(self.principal.clone()).get_scorecard(request).await;
            let basis = answer.ok().and_then(|answer| answer.into_inner().basis);
            if let Some(now) = basis.and_then(|basis| instant(basis.as_of.as_ref()?)) {
                return now;
            }
        }
        heard.at.unwrap_or_else(machine_now)
    }

    /// Who we are, and what we may do.
    pub async fn who(&self) -> Result<WhoAmIResponse> {
        let mut client = PrincipalServiceClient::new(self.principal.clone());
        let answer = patiently(async || client.who_am_i(WhoAmIRequest {}).await).await;
        Ok(answer.map_err(refused::told)?.into_inner())
    }

    /// A plan.
    pub async fn plan(&self, name: &str) -> Result<Plan> {
        let mut client = PlanServiceClient::new(self.principal.clone());
        let request = GetPlanRequest { name: name.to_owned() };
        let answer = patiently(async || client.get_plan(request.clone()).await).await;
        answer.map_err(refused::told)?.into_inner().plan.context("plan")
    }

    /// A plan's actions, by name.
    pub async fn actions(&self, plan: &str) -> Result<BTreeMap<String, Action>> {
        let client = PlanServiceClient::new(self.principal.clone());
        let actions = all(async |page_token| {
            let request = ListActionsRequest {
                parent: plan.to_owned(),
                page_size: PAGE,
                page_token,
                filter: String::new(),
            };
            let answer = client.clone().list_actions(request).await?.into_inner();
            Ok((answer.actions, answer.next_page_token))
        });
        Ok(actions.await?.into_iter().map(|action| (action.name.clone(), action)).collect())
    }

    /// The indicators of all actions of a plan, in the plan's order.
    pub async fn indicators(&self, plan: &str) -> Result<Vec<Indicator>> {
        let client = PlanServiceClient::new(self.principal.clone());
        all(async |page_token| {
            let request = ListIndicatorsRequest {
                parent: format!("{plan}/actions/-"),
                page_size: PAGE,
                page_token,
                filter: String::new(),
            };
            let answer = client.clone().list_indicators(request).await?.into_inner();
            Ok((answer.indicators, answer.next_page_token))
        })
        .await
    }

    /// The assignments that we may see, by name. `parent` is a plan or `plans/-`.
    pub async fn assignments(&self, parent: &str, filter: &str) -> Result<BTreeMap<String, Assignment>> {
        let client = AssignmentServiceClient::new(self.principal.clone());
        let assignments = all(async |page_token| {
            let request = ListAssignmentsRequest {
                parent: parent.to_owned(),
                page_size: PAGE,
                page_token,
                filter: filter.to_owned(),
            };
            let answer = client.clone().list_assignments(request).await?.into_inner();
            Ok((answer.assignments, answer.next_page_token))
        });
        let assignments = assignments.await?.into_iter();
        Ok(assignments.map(|assignment| (assignment.name.clone(), assignment)).collect())
    }

    /// Where nothing is owed, perhaps why: the assignments that were proposed and wait for an answer, each with the command
    /// that accepts it; empty where none does. `parent` is a plan or `plans/-`.
    pub async fn unanswered(&self, parent: &str) -> String {
        // Whoever may not read assignments is told what it asked for all the same.
        let waiting = self.assignments(parent, "state = \"PROPOSED\"").await.unwrap_or_default();
        if waiting.is_empty() {
            return String::new();
        }
        let count = waiting.len();
        let mut text = told(
            format!("\nAsignaciones propuestas que esperan respuesta: {count}. Hasta aceptarlas no se debe nada por ellas:"),
            format!("\nAssignments proposed that wait for an answer: {count}. Until they are accepted nothing is owed for them:"),
        );
        for name in waiting.keys().take(UNANSWERED_SHOWN) {
            text.push_str(&format!("\n  vigia assignment accept {name}"));
        }
        if let Some(more) = count.checked_sub(UNANSWERED_SHOWN).filter(|more| *more > 0) {
            text.push_str(&told(
                format!("\n  … y {more} más: vigia assignment list PLAN"),
                format!("\n  … and {more} more: vigia assignment list PLAN"),
            ));
        }
        text
    }

    /// The obligations that we may see, by due instant. `parent` is a plan, an assignment or `plans/-`.
    pub async fn obligations(&self, parent: &str, filter: &str) -> Result<Vec<Obligation>> {
        let client = ObligationServiceClient::new(self.principal.clone());
        all(async |page_token| {
            let request = ListObligationsRequest {
                parent: parent.to_owned(),
                page_size: PAGE,
                page_token,
                filter: filter.to_owned(),
            };
            let answer = client.clone().list_obligations(request).await?.into_inner();
            Ok((answer.obligations, answer.next_page_token))
        })
        .await
    }

    /// All that happened to an obligation.
    pub async fn timeline(&self, obligation: &str) -> Result<Vec<TimelineEvent>> {
        let mut client = ObligationServiceClient::new(self.principal.clone());
        let request = GetObligationTimelineRequest {
            name: obligation.to_owned(),
        };
        let answer = patiently(async || client.get_obligation_timeline(request.clone()).await).await;
        Ok(answer.map_err(refused::told)?.into_inner().events)
    }

    /// A version of a report.
    pub async fn report(&self, obligation: &str, version: i32) -> Result<Report> {
        let mut client = ReportServiceClient::new(self.principal.clone());
        let request = GetReportRequest {
            name: format!("{obligation}/reports/{version}"),
        };
        let answer = patiently(async || client.get_report(request.clone()).await).await;
        Ok(answer.map_err(refused::told)?.into_inner().report.unwrap_or_default())
    }

    /// The draft of an obligation's report; none where nobody has begun one.
    pub async fn draft(&self, obligation: &str) -> Result<Option<Report>> {
        let mut client = ReportServiceClient::new(self.principal.clone());
        let request = GetReportRequest {
            name: format!("{obligation}/reports/draft"),
        };
        match patiently(async || client.get_report(request.clone()).await).await {
            Ok(answer) => Ok(answer.into_inner().report),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(refused::told(status)),
        }
    }

    /// Keeps the evidence of a draft, which is begun where there is none. The inner result says whether the server took it.
    pub async fn keep_draft(&self, obligation: &str, draft: &Report, is_there: bool) -> Result<Result<Report, Refused>> {
        let mut client = ReportServiceClient::new(self.principal.clone());
        let request_id = new_id();
        let kept = if is_there {
            let request = UpdateReportRequest {
                report: Some(draft.clone()),
                update_mask: Some(FieldMask {
                    paths: vec!["evidence".to_owned(), "evidence_links".to_owned()],
                }),
                request_id,
            };
            let kept = patiently(async || client.update_report(request.clone()).await).await;
            kept.map(|answer| answer.into_inner().report)
        } else {
            let request = CreateReportRequest {
                parent: obligation.to_owned(),
                report: Some(draft.clone()),
                request_id,
            };
            let kept = patiently(async || client.create_report(request.clone()).await).await;
            kept.map(|answer| answer.into_inner().report)
        };
        match kept {
            Ok(report) => Ok(Ok(report.unwrap_or_default())),
            Err(status) if matches!(status.code(), Code::Unauthenticated | Code::Unavailable) => Err(refused::told(status)),
            Err(status) => Ok(Err(Refused::of(&status))),
        }
    }

    /// How far an upload of ours has come; none where nothing is there.
    pub async fn evidence(&self, request: GetEvidenceRequest) -> Result<Option<Evidence>> {
        let mut client = EvidenceServiceClient::new(self.principal.clone());
        match patiently(async || client.get_evidence(request.clone()).await).await {
            Ok(answer) => Ok(answer.into_inner().evidence),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(refused::told(status)),
        }
    }

    /// Sends evidence, once: whoever asks knows whether to ask again.
    pub async fn upload(&self, parts: impl Stream<Item = UploadEvidenceRequest> + Send + 'static) -> Result<Evidence, Status> {
        let mut client = EvidenceServiceClient::new(self.principal.clone());
        let answer = client.upload_evidence(parts).await?.into_inner();
        Ok(answer.evidence.unwrap_or_default())
    }

    /// Submits reports, each on its own, or only has them checked: what became of each, in their order.
    pub async fn submit(&self, request: SubmitReportBatchRequest) -> Result<Batch> {
        let client = ReportServiceClient::new(self.principal.clone());
        // Findings of many reports may take more than the 4 MiB that a client takes by default.
        let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
        let answer = patiently(async || client.submit_report_batch(request.clone()).await).await;
        let answer = answer.map_err(refused::told)?.into_inner();
        let received_at = answer.receive_time.as_ref().and_then(instant);
        let row = |row: SubmitReportResult| match row.result {
            Some(Row::Submitted(submitted)) => Ok(submitted),
            Some(Row::Refusal(refusal)) => Err(Refused::of_one(refusal)),
            None => Err(Refused::of_one(vigia_proto::error::Refusal::default())),
        };
        Ok(Batch {
            received_at: received_at.map_or_else(String::new, |at| at.to_string()),
            rows: answer.results.into_iter().map(row).collect(),
        })
    }

    /// The journal entries of an obligation, in order.
    pub async fn entries(&self, obligation: &str) -> Result<Vec<Entry>> {
        let mut client = ReportingJournalServiceClient::new(self.principal.clone());
        let mut entries = Vec::new();
        let mut after_position = 0;
        loop {
            let request = ListEntriesRequest {
                after_position,
                page_size: PAGE,
                resource: obligation.to_owned(),
            };
            let answer = patiently(async || client.list_entries(request.clone()).await).await;
            let answer = answer.map_err(refused::told)?.into_inner();
            entries.extend(answer.entries);
            if answer.next_after_position == 0 {
                return Ok(entries);
            }
            after_position = answer.next_after_position;
        }
    }

    /// The plan that is meant: the one that was named, or the only one in which we owe anything.
    pub async fn plan_or_only(&self, named: Option<&str>) -> Result<String> {
        if let Some(named) = named {
            return Ok(crate::commands::plan_name(named));
        }
        let owed = self.obligations("plans/-", "").await?;
        let mut plans: Vec<&str> = owed.iter().filter_map(|owed| owed.name.split("/assignments/").next()).collect();
        plans.sort_unstable();
        plans.dedup();
        match plans.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => {
                let none = say("no se debe ningún reporte en ningún plan", "no report is owed in any plan");
                anyhow::bail!(format!("{none}{}", self.unanswered("plans/-").await))
            }
            several => Err(crate::output::Usage::of(told(
                format!("se debe en varios planes; diga cuál con --plan: {}", several.join(", ")),
                format!("reports are owed in several plans; say which with --plan: {}", several.join(", ")),
            ))),
        }
    }
}
