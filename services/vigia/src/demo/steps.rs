//! The story's steps that take more than one call, or lead to further steps.

use vigia_proto::compliance::assessment_service_client::AssessmentServiceClient;

use super::*;
use crate::voices::published;

impl Stage {
    pub(super) async fn adopt(&mut self, plan: usize) -> Result<(), Status> {
        let file = self.works.get(plan).map(|work| work.file.clone()).unwrap_or_default();
        let request = ImportPlanRequest {
            file: file.into(),
            validate_only: false,
            request_id: self.cast.request_id(),
        };
        PlanServiceClient::new(self.of("coordinator")?).import_plan(request).await?;
        self.revise(plan, 0, self.today(), "Aprobación del plan (el día es ilustrativo)", Vec::new())
            .await
    }

    /// A revision takes two persons.
    pub(super) async fn revise(&mut self, plan: usize, base: i32, effective: Date, basis: &str, file: Vec<u8>) -> Result<(), Status> {
        let revision = Revision {
            base,
            legal_instrument: basis.to_owned(),
            effective_on: effective.to_string(),
            ..Revision::default()
        };
        let request = ProposeRevisionRequest {
            parent: self.parent(plan),
            revision: Some(revision),
            file,
            validate_only: false,
            request_id: self.cast.request_id(),
        };
        let mut proposer = RevisionServiceClient::new(self.of(&person("coordinator"))?);
        let name = proposer
            .propose_revision(request)
            .await?
            .into_inner()
            .revision
            .unwrap_or_default()
            .name;
        let request = ApproveRevisionRequest {
            name,
            etag: String::new(),
            request_id: self.cast.request_id(),
        };
        RevisionServiceClient::new(self.of(&person("approver"))?)
            .approve_revision(request)
            .await
            .map(drop)
    }

    pub(super) async fn propose(&mut self, plan: usize, action: &str, role_name: &'static str, institution: &str) -> Result<(), Status> {
        let Some(work) = self.works.get(plan) else { return Ok(()) };
        let Some(deed) = work.deeds.get(action) else { return Ok(()) };
        let (parent, plan_id) = (self.parent(plan), work.id.clone());
        let short = match role_name {
            "lead" => "l",
            "co_responsible" => "c",
            _ => "s",
        };
        let id = id_of_code(&format!("{action}-{short}-{institution}"));
        let assignment = Assignment {
            action: format!("{parent}/actions/{action}"),
            institution: format!("institutions/{institution}"),
            role: role(role_name).map_err(|cause| Status::internal(cause.to_string()))?.into(),
            from: deed.start.to_string(),
            ..Assignment::default()
        };
        let request_id = self.cast.request_id();
        let request = ProposeAssignmentRequest {
            parent: parent.clone(),
            assignment_id: id.clone(),
            assignment: Some(assignment),
            request_id,
        };
        AssignmentServiceClient::new(self.of("coordinator")?)
            .propose_assignment(request)
            .await?;
        let name = format!("{parent}/assignments/{id}");
        let institution = institution.to_owned();
        if (plan_id.as_str(), action) == CONTESTED && role_name == "lead" {
            self.later(
                6,
                11,
                Step::Contest {
                    name: name.clone(),
                    institution,
                },
            )?;
            return self.later(20, 11, Step::Resolve { name });
        }
        // One in fourteen never answers.
        match story::chance(&format!("answer {name}"), 14) {
            0 => Ok(()),
            days => self.later(i32::try_from(days).unwrap_or(1), 11, Step::Accept { name, institution }),
        }
    }

    pub(super) async fn succeed(&mut self, index: usize) -> Result<(), Status> {
        let Some(real) = self.successions.get(index).cloned() else {
            return Ok(());
        };
        let provenance = Provenance {
            source: real.source,
            verified: real.verified,
            ..Provenance::default()
        };
        let succession = Succession {
            predecessor: format!("institutions/{}", real.predecessor),
            successor: format!("institutions/{}", real.successor),
            effective_on: real.on.to_string(),
            kind: real.kind,
            instrument: real.instrument,
            provenance: Some(provenance),
            ..Succession::default()
        };
        let request = SucceedInstitutionRequest {
            succession: Some(succession),
            assignments: Vec::new(),
            request_id: self.cast.request_id(),
        };
        InstitutionServiceClient::new(self.of("coordinator")?)
            .succeed_institution(request)
            .await
            .map(drop)
    }

    /// The auditor writes down the grades that the independent reviewer has published.
    pub(super) async fn assess(&mut self, plan: usize) -> Result<(), Status> {
        let Some(work) = self.works.get(plan) else { return Ok(()) };
        let calls = published::calls(&work.node).map_err(|cause| Status::internal(cause.to_string()))?;
        let mut service = AssessmentServiceClient::new(self.of("auditor")?);
        for call in calls {
            service.record_assessment(call).await?;
        }
        Ok(())
    }

    /// The day after a period: who owes what, and how each will keep it.
    pub(super) async fn ask(&mut self, plan: usize, period: &str, end: Date) -> Result<(), Status> {
        let mut client = ObligationServiceClient::new(self.of("coordinator")?);
        let mut page_token = String::new();
        loop {
            let request = ListObligationsRequest {
                parent: self.parent(plan),
                page_size: 1000,
                page_token,
                filter: format!("period = \"{period}\""),
            };
            let answer = client.list_obligations(request).await?.into_inner();
            for Obligation {
                name, action, institution, ..
            } in answer.obligations
            {
                let institution = institution.strip_prefix("institutions/").unwrap_or(&institution).to_owned();
                let action = action.rsplit('/').next().unwrap_or_default().to_owned();
                if let Manner::Sends(days) = story::manner(&institution, &name) {
                    let step = Step::Submit {
                        plan,
                        obligation: name,
                        action,
                        institution,
                        end,
                    };
                    self.plan(story::after(end, days), 15, step)
                        .map_err(|cause| Status::internal(cause.to_string()))?;
                }
            }
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) async fn submit(&mut self, plan: usize, obligation: &str, action: &str, institution: &str, end: Date) -> Result<(), Status> {
        let Some(deed) = self.works.get(plan).and_then(|work| work.deeds.get(action)) else {
            return Ok(());
        };
        let last_day = story::after(end, -1);
        let values = deed.indicators.iter().filter_map(|gauge| {
            let value = gauge.value(&format!("{action} {}", gauge.code), last_day.year(), i64::from(last_day.month()))?;
            Some(IndicatorValue {
                indicator: gauge.code.clone(),
                value: Some(Value::Number(Decimal { value })),
                ..IndicatorValue::default()
            })
        });
        let values: Vec<_> = values.collect();
        // The milestones that the sources call done are listed from the plan's last half-year on.
        let milestones = if last_day >= date(2022, 6, 30) {
            deed.done.clone()
        } else {
            Vec::new()
        };
        let nothing = values.is_empty() && milestones.is_empty();
        let report = Report {
            narrative: "Reporte simulado de la demostración.".into(),
            nil_reason: if nothing {
                "Sin novedad en el período (simulado)".into()
            } else {
                String::new()
            },
            values,
            milestones,
            ..Report::default()
        };
        let request = SubmitReportRequest {
            parent: obligation.to_owned(),
            report: Some(report),
            request_id: self.cast.request_id(),
            ..SubmitReportRequest::default()
        };
        let answer = ReportServiceClient::new(self.of(institution)?)
            .submit_report(request)
            .await?
            .into_inner();
        let version = answer.report.map_or(1, |report| report.version);
        let (obligation, action, institution) = (obligation.to_owned(), action.to_owned(), institution.to_owned());
        if version == 1 && story::judgement(&obligation) != Judgement::Leaves {
            let days = 9 + i32::try_from(story::chance(&format!("reviewed {obligation}"), 18)).unwrap_or(0);
            self.later(
                days,
                10,
                Step::Review {
                    plan,
                    obligation,
                    action,
                    institution,
                    end,
                },
            )?;
        } else if version > 1 {
            self.later(
                6,
                10,
                Step::Review {
                    plan,
                    obligation,
                    action,
                    institution,
                    end,
                },
            )?;
        }
        Ok(())
    }

    pub(super) async fn review(&mut self, plan: usize, obligation: &str, action: &str, institution: &str, end: Date) -> Result<(), Status> {
        let request = vigia_proto::reporting::GetObligationRequest {
            name: obligation.to_owned(),
        };
        let newest = ObligationServiceClient::new(self.of("reviewer")?)
            .get_obligation(request)
            .await?
            .into_inner()
            .obligation
            .unwrap_or_default()
            .version;
        let judgement = if newest > 1 {
            Judgement::Validates
        } else {
            story::judgement(obligation)
        };
        let returned = matches!(judgement, Judgement::Returns(_));
        let request = ReviewReportRequest {
            name: format!("{obligation}/reports/{newest}"),
            decision: if returned { Decision::Returned } else { Decision::Validated }.into(),
            answer_by: if returned {
                story::after(self.today(), 15).to_string()
            } else {
                String::new()
            },
            observation: if returned {
                "Falta el medio de verificación (simulado)".into()
            } else {
                String::new()
            },
            request_id: self.cast.request_id(),
            ..ReviewReportRequest::default()
        };
        ReportServiceClient::new(self.of("reviewer")?).review_report(request).await?;
        if let Judgement::Returns(Some(days)) = judgement {
            let (obligation, action, institution) = (obligation.to_owned(), action.to_owned(), institution.to_owned());
            self.later(
                days,
                15,
                Step::Submit {
                    plan,
                    obligation,
                    action,
                    institution,
                    end,
                },
            )?;
        }
        Ok(())
    }
}
