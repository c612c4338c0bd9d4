//! Plays a scenario's events through the public API.

use anyhow::{Context, Result, bail};
use tonic::{Request, Status};
use vigia_platform::name::id_of_code;
use vigia_proto::{
    assignments::{
        AcceptAssignmentRequest, Assignment, AssignmentRole, ContestAssignmentRequest, EndAssignmentRequest, HandOverAssignmentRequest,
        ProposeAssignmentRequest, Resolution, ResolveAssignmentRequest, SucceedInstitutionRequest, Succession,
        assignment_service_client::AssignmentServiceClient, institution_service_client::InstitutionServiceClient,
    },
    compliance::{Assessment, RecordAssessmentRequest, assessment_service_client::AssessmentServiceClient},
    plans::{ApproveRevisionRequest, ProposeRevisionRequest, Revision, revision_service_client::RevisionServiceClient},
    reporting::{
        Decision, Extension, GrantExtensionRequest, IndicatorValue, Ratio, Report, ReviewReportRequest, SubmitReportRequest,
        WaiveObligationRequest, extension::Covers, indicator_value::Value, obligation_service_client::ObligationServiceClient,
        report_service_client::ReportServiceClient,
    },
    types::{Decimal, Provenance},
};

use crate::{
    cast::{Principal, person},
    refused::Refused,
    scenario::{Event, Scenario, Verb},
    stage::Stage,
    voices::grades::Scale,
    yaml::{Kind, Node},
};

/// What stands where a scenario leaves a reason or a legal basis out.
pub const UNSAID: &str = "Escenario";

impl Stage {
    /// Plays one event at its instant. The inner result says whether the call was refused, and why.
    pub async fn play(&mut self, scenario: &Scenario, event: &Event) -> Result<std::result::Result<(), Refused>> {
        self.turn_clock_quietly(scenario.instant(event.at)?).await?;
        let result = self.call(event).await;
        Ok(match result {
            Ok(()) => Ok(()),
            Err(Failed::Refused(status)) => Err(Refused::of(&status)),
            Err(Failed::Broken(cause)) => return Err(cause),
        })
    }

    async fn call(&mut self, event: &Event) -> std::result::Result<(), Failed> {
        let [first, ..] = event.by.as_slice() else {
            return Err(anyhow::anyhow!("as").into());
        };
        let caller = match first.as_str() {
            "approver" => self.cast.of(&person("approver"))?,
            client => self.cast.of(client)?,
        };
        match event.verb {
            Verb::Propose | Verb::Accept | Verb::Contest | Verb::Resolve | Verb::HandOver | Verb::End => self.assign(caller, event).await,
            Verb::Succeed => self.succeed(caller, event).await,
            Verb::Submit => self.submit(caller, event).await,
            Verb::Validate | Verb::Return | Verb::Reject => self.review(caller, event).await,
            Verb::Extend => self.extend(caller, event).await,
            Verb::Waive => {
                let request = WaiveObligationRequest {
                    name: self.obligation(event),
                    reason: said(event, "reason"),
                    request_id: self.cast.request_id(),
                };
                ObligationServiceClient::new(caller).waive_obligation(request).await?;
                Ok(())
            }
            Verb::Revise => {
                let changes = event.node.get("changes").map(changes).unwrap_or_default();
                let basis = said(event, "legal_basis");
                Ok(self
                    .revise(&event.by, event.arg("effective"), &basis, event.arg("reason"), changes.into())
                    .await?)
            }
            Verb::Assess => self.assess(caller, event).await,
        }
    }

    fn assignment(&self, event: &Event) -> String {
        format!("{}/assignments/{}", self.plan, event.arg("assignment"))
    }

    fn obligation(&self, event: &Event) -> String {
        format!("{}/obligations/{}", self.assignment(event), event.arg("period"))
    }

    async fn assign(&mut self, caller: Principal, event: &Event) -> std::result::Result<(), Failed> {
        let mut service = AssignmentServiceClient::new(caller);
        let (name, etag, request_id) = (self.assignment(event), String::new(), self.cast.request_id());
        match event.verb {
            Verb::Accept => drop(
                service
                    .accept_assignment(AcceptAssignmentRequest { name, etag, request_id })
                    .await?,
            ),
            Verb::Contest => {
                let request = ContestAssignmentRequest {
                    name,
                    reason: said(event, "reason"),
                    etag,
                    request_id,
                };
                service.contest_assignment(request).await?;
            }
            Verb::Resolve => {
                let resolution = match event.arg("resolution") {
                    "confirmed" => Resolution::Confirmed,
                    "withdrawn" => Resolution::Withdrawn,
                    other => return Err(anyhow::anyhow!("resolution: {other}").into()),
                };
                let request = ResolveAssignmentRequest {
                    name,
                    resolution: resolution.into(),
                    reason: said(event, "reason"),
                    etag,
                    request_id,
                };
                service.resolve_assignment(request).await?;
            }
            Verb::End => {
                let request = EndAssignmentRequest {
                    name,
                    last_day: event.arg("last_day").to_owned(),
                    etag,
                    request_id,
                };
                service.end_assignment(request).await?;
            }
            Verb::HandOver => {
                let request = HandOverAssignmentRequest {
                    name,
                    assignment_id: event.arg("to").to_owned(),
                    institution: format!("institutions/{}", event.arg("institution")),
                    effective_on: event.arg("effective").to_owned(),
                    instrument: said(event, "instrument"),
                    request_id,
                };
                service.hand_over_assignment(request).await?;
            }
            _ => {
                let assignment = Assignment {
                    action: format!("{}/actions/{}", self.plan, id_of_code(event.arg("action"))),
                    institution: format!("institutions/{}", event.arg("institution")),
                    role: role(event.arg("role"))?.into(),
                    territory: event.arg("territory").to_owned(),
                    from: event.arg("from").to_owned(),
                    last_day: event.arg("last_day").to_owned(),
                    indicative: event.arg("indicative") == "true",
                    instrument: event.arg("instrument").to_owned(),
                    ..Assignment::default()
                };
                let request = ProposeAssignmentRequest {
                    parent: self.plan.clone(),
                    assignment_id: event.arg("assignment").to_owned(),
                    assignment: Some(assignment),
                    request_id,
                };
                service.propose_assignment(request).await?;
            }
        }
        Ok(())
    }

    async fn succeed(&mut self, caller: Principal, event: &Event) -> std::result::Result<(), Failed> {
        let kind = event.arg("kind");
        let succession = Succession {
            predecessor: format!("institutions/{}", event.arg("predecessor")),
            successor: format!("institutions/{}", event.arg("successor")),
            effective_on: event.arg("effective").to_owned(),
            kind: if kind.is_empty() { "rename" } else { kind }.to_owned(),
            instrument: said(event, "instrument"),
            ..Succession::default()
        };
        let assignments = event.node.get("assignments").map(Node::texts).unwrap_or_default();
        let request = SucceedInstitutionRequest {
            succession: Some(succession),
            assignments: assignments
                .into_iter()
                .map(|id| format!("{}/assignments/{id}", self.plan))
                .collect(),
            request_id: self.cast.request_id(),
        };
        InstitutionServiceClient::new(caller).succeed_institution(request).await?;
        Ok(())
    }

    async fn submit(&mut self, caller: Principal, event: &Event) -> std::result::Result<(), Failed> {
        let parent = self.obligation(event);
        let values: Result<_> = event
            .node
            .get("values")
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .map(|(code, node)| value(code, node))
            .collect();
        let milestones = event.node.get("milestones").map(Node::texts).unwrap_or_default();
        let report = Report {
            values: values?,
            milestones: milestones.into_iter().map(str::to_owned).collect(),
            nil_reason: event.arg("nil").to_owned(),
            narrative: event.arg("narrative").to_owned(),
            ..Report::default()
        };
        let request = SubmitReportRequest {
            parent: parent.clone(),
            report: Some(report),
            request_id: self.cast.request_id(),
            ..SubmitReportRequest::default()
        };
        let answer = ReportServiceClient::new(caller).submit_report(request).await?.into_inner();
        self.versions.insert(parent, answer.report.map_or(0, |report| report.version));
        Ok(())
    }

    async fn review(&mut self, caller: Principal, event: &Event) -> std::result::Result<(), Failed> {
        let obligation = self.obligation(event);
        // The newest version that was sent; the first one where none was, so that the refusal is the service's.
        let newest = self.versions.get(&obligation).copied().unwrap_or(1).to_string();
        let version = event.node.text_of("version").unwrap_or(&newest);
        let decision = match event.verb {
            Verb::Validate => Decision::Validated,
            Verb::Return => Decision::Returned,
            _ => Decision::Rejected,
        };
        let observation = if decision == Decision::Validated {
            event.arg("observation").to_owned()
        } else {
            said(event, "observation")
        };
        let request = ReviewReportRequest {
            name: format!("{obligation}/reports/{version}"),
            decision: decision.into(),
            answer_by: event.arg("answer_by").to_owned(),
            observation,
            request_id: self.cast.request_id(),
            ..ReviewReportRequest::default()
        };
        ReportServiceClient::new(caller).review_report(request).await?;
        Ok(())
    }

    async fn extend(&mut self, caller: Principal, event: &Event) -> std::result::Result<(), Failed> {
        let covers = match (
            event.arg("assignment"),
            event.arg("institution"),
            event.arg("territory"),
            event.arg("all"),
        ) {
            ("", "", "", "true") => Covers::All(true),
            (_, "", "", "") if !event.arg("assignment").is_empty() => Covers::Assignment(self.assignment(event)),
            ("", id, "", "") if !id.is_empty() => Covers::Institution(format!("institutions/{id}")),
            ("", "", code, "") if !code.is_empty() => Covers::Territory(code.to_owned()),
            _ => return Err(anyhow::anyhow!("extend: una de / one of: assignment, institution, territory, all").into()),
        };
        let extension = Extension {
            period: event.arg("period").to_owned(),
            covers: Some(covers),
            until: event.arg("until").to_owned(),
            emergency: event.arg("emergency") == "true",
            legal_basis: said(event, "legal_basis"),
            ..Extension::default()
        };
        let request = GrantExtensionRequest {
            parent: self.plan.clone(),
            extension: Some(extension),
            request_id: self.cast.request_id(),
        };
        ObligationServiceClient::new(caller).grant_extension(request).await?;
        Ok(())
    }

    /// An institution judges in its own name if it names nobody else; an auditor writes down what was published.
    async fn assess(&mut self, caller: Principal, event: &Event) -> std::result::Result<(), Failed> {
        let own = event.by.first().map(String::as_str).unwrap_or_default();
        let assessor = event.node.text_of("assessor").unwrap_or(own);
        let assessment = Assessment {
            action: format!("{}/actions/{}", self.plan, id_of_code(event.arg("action"))),
            assessor: format!("institutions/{assessor}"),
            completion: Scale::Completion.read(event.node.get("completion"))?,
            early_results: Scale::EarlyResults.read(event.node.get("early_results"))?,
            reasons: said(event, "reason"),
            provenance: Some(Provenance {
                source: event.arg("source").to_owned(),
                ..Provenance::default()
            }),
            assessed_on: event.arg("on").to_owned(),
            ..Assessment::default()
        };
        let request = RecordAssessmentRequest {
            parent: self.plan.clone(),
            assessment_id: String::new(),
            assessment: Some(assessment),
            request_id: self.cast.request_id(),
        };
        AssessmentServiceClient::new(caller).record_assessment(request).await?;
        Ok(())
    }

    /// Proposes a revision as the first person and approves it as the second.
    pub async fn revise(
        &mut self,
        by: &[String],
        effective: &str,
        basis: &str,
        reason: &str,
        file: Vec<u8>,
    ) -> std::result::Result<(), Status> {
        let someone = |at: usize| by.get(at).or(by.last()).map(|id| person(id)).unwrap_or_default();
        let unknown = |cause: anyhow::Error| Status::internal(cause.to_string());
        let (proposer, approver) = (
            self.cast.of(&someone(0)).map_err(unknown)?,
            self.cast.of(&someone(1)).map_err(unknown)?,
        );
        let revision = Revision {
            base: self.revisions,
            legal_instrument: basis.to_owned(),
            effective_on: effective.to_owned(),
            reason: reason.to_owned(),
            ..Revision::default()
        };
        let request = ProposeRevisionRequest {
            parent: self.plan.clone(),
            revision: Some(revision),
            file,
            validate_only: false,
            request_id: self.cast.request_id(),
        };
        let proposed = RevisionServiceClient::new(proposer)
            .propose_revision(Request::new(request))
            .await?
            .into_inner()
            .revision
            .unwrap_or_default();
        let request = ApproveRevisionRequest {
            name: proposed.name,
            etag: String::new(),
            request_id: self.cast.request_id(),
        };
        RevisionServiceClient::new(approver).approve_revision(request).await?;
        self.revisions += 1;
        Ok(())
    }
}

/// Why a call came to nothing.
enum Failed {
    /// The service refused it: a scenario may expect that.
    Refused(Status),
    /// It could not be made at all.
    Broken(anyhow::Error),
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<anyhow::Error> for Failed {
    fn from(cause: anyhow::Error) -> Self {
        Self::Broken(cause)
    }
}

/// Changes as a plan file has them: what a scenario may call the policy stands there as `compliance_policy`.
fn changes(node: &Node) -> String {
    let mut entries = node.entries().to_vec();
    for (key, _) in &mut entries {
        if key == "policy" {
            "compliance_policy".clone_into(key);
        }
    }
    Node {
        line: node.line,
        kind: Kind::Map(entries),
    }
    .to_yaml()
}

fn said(event: &Event, key: &str) -> String {
    let text = event.arg(key);
    if text.is_empty() { UNSAID } else { text }.to_owned()
}

/// A role by its name in plan files.
pub fn role(name: &str) -> Result<AssignmentRole> {
    let role = AssignmentRole::from_str_name(&format!("ASSIGNMENT_ROLE_{}", name.to_uppercase()));
    role.filter(|role| *role != AssignmentRole::Unspecified)
        .with_context(|| format!("role: {name}"))
}

/// A reported value: a number, or a ratio `{num, den}`, with its digits as they are written.
fn value(code: &str, node: &Node) -> Result<IndicatorValue> {
    let decimal = |text: &str| Some(Decimal { value: text.to_owned() });
    let value = match &node.kind {
        Kind::Scalar(text, _) => Value::Number(Decimal { value: text.clone() }),
        Kind::Map(_) => {
            let part = |key| node.text_of(key).with_context(|| format!("values.{code}.{key}"));
            Value::Ratio(Ratio {
                num: decimal(part("num")?),
                den: decimal(part("den")?),
            })
        }
        Kind::List(_) => bail!("values.{code}: un número o {{num, den}} / a number or {{num, den}}"),
    };
    Ok(IndicatorValue {
        indicator: code.to_owned(),
        value: Some(value),
        ..IndicatorValue::default()
    })
}
