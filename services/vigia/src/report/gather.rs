//! What a report is made of: a dozen calls of the public API, all as of the instant of the first.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use vigia_platform::instant;
use vigia_proto::{
    assignments::{
        Agreement, ContactPoint, Institution, ListAgreementsRequest, ListInstitutionsRequest, ListSuccessionsRequest, Succession,
        assignment_service_client::AssignmentServiceClient, institution_service_client::InstitutionServiceClient,
    },
    compliance::{
        Basis, CompareScorecardsRequest, CompareScorecardsResponse, FollowUp, GetTrajectoryRequest, IndexPoint, ListAssessmentsRequest,
        ListScorecardsRequest, ListVerdictsRequest, ScopeKind, Scorecard, SideBySide, Verdict,
        assessment_service_client::AssessmentServiceClient, compliance_service_client::ComplianceServiceClient,
    },
    plans::{
        Action, Component, GetPlanRequest, Indicator, ListActionsRequest, ListComponentsRequest, ListIndicatorsRequest, Plan,
        plan_service_client::PlanServiceClient,
    },
};

use crate::{
    cast::Principal,
    commands::{self, as_of_wire, plan_name},
    output,
    refused::told,
    voices,
};

/// Rows of a page: the most that a server gives.
const PAGE: i32 = 1_000;

/// All that a report is made of.
#[derive(Clone, Debug)]
pub struct Materials {
    /// The plan, as it stands now.
    pub plan: Plan,
    /// Where its days end.
    pub zone: TimeZone,
    /// As of which instant.
    pub as_of: Timestamp,
    /// On what the answers stand.
    pub basis: Basis,
    /// The plan's tree, as it stands now.
    pub components: Vec<Component>,
    /// By name, as they stand now.
    pub actions: BTreeMap<String, Action>,
    /// Of all actions.
    pub indicators: Vec<Indicator>,
    /// Of the plan, its components and institutions.
    pub scorecards: Vec<Scorecard>,
    /// The plan's index over time.
    pub trajectory: Vec<IndexPoint>,
    /// On every action.
    pub verdicts: Vec<Verdict>,
    /// On every obligation that is missing.
    pub missing: Vec<Verdict>,
    /// By name.
    pub institutions: BTreeMap<String, Institution>,
    /// Who took over from whom.
    pub successions: Vec<Succession>,
    /// Where institutions are reached, by what they have agreed on.
    pub agreements: Vec<Agreement>,
    /// What changed since an earlier instant.
    pub comparison: Option<CompareScorecardsResponse>,
    /// What others than the governing body conclude, the newest of each, and how far it differs.
    pub assessments: Vec<SideBySide>,
    /// What was tried with those who are late; none where the caller may not see it.
    pub follow_ups: Option<Vec<FollowUp>>,
}

/// Reads a list to its end.
async fn all<T>(mut page: impl AsyncFnMut(String) -> Result<(Vec<T>, String), tonic::Status>) -> Result<Vec<T>> {
    let (mut list, mut token) = (Vec::new(), String::new());
    loop {
        let (items, next) = page(token).await.map_err(told)?;
        list.extend(items);
        if next.is_empty() {
            return Ok(list);
        }
        token = next;
    }
}

impl Materials {
    /// Asks for all of it. `as_of` and `compare` are times as people write them.
    pub async fn gather(principal: &Principal, plan: &str, as_of: Option<&str>, compare: Option<&str>) -> Result<Self> {
        let plans = PlanServiceClient::new(principal.clone());
        let institutions = InstitutionServiceClient::new(principal.clone());
        let parent = plan_name(plan);
        let request = GetPlanRequest { name: parent.clone() };
        let plan = plans
            .clone()
            .get_plan(request)
            .await
            .map_err(told)?
            .into_inner()
            .plan
            .unwrap_or_default();
        let zone = TimeZone::get(&plan.time_zone)?;
        let as_of = as_of_wire(as_of, &zone)?;
        let from = as_of_wire(compare, &zone)?;
        // Whatever the first answer is as of, all others are.
        let (scorecards, basis) = scorecards(principal, &parent, as_of).await?;
        let as_of = basis.as_of;
        let (components, actions, indicators, all_institutions, successions, agreements) = tokio::try_join!(
            all(async |page_token| {
                let request = ListComponentsRequest {
                    parent: parent.clone(),
                    page_size: PAGE,
                    page_token,
                    filter: String::new(),
                };
                let answer = plans.clone().list_components(request).await?.into_inner();
                Ok((answer.components, answer.next_page_token))
            }),
            all(async |page_token| {
                let request = ListActionsRequest {
                    parent: parent.clone(),
                    page_size: PAGE,
                    page_token,
                    filter: String::new(),
                };
                let answer = plans.clone().list_actions(request).await?.into_inner();
                Ok((answer.actions, answer.next_page_token))
            }),
            all(async |page_token| {
                let parent = format!("{parent}/actions/-");
                let request = ListIndicatorsRequest {
                    parent,
                    page_size: PAGE,
                    page_token,
                    filter: String::new(),
                };
                let answer = plans.clone().list_indicators(request).await?.into_inner();
                Ok((answer.indicators, answer.next_page_token))
            }),
            all(async |page_token| {
                let request = ListInstitutionsRequest {
                    page_size: PAGE,
                    page_token,
                    filter: String::new(),
                };
                let answer = institutions.clone().list_institutions(request).await?.into_inner();
                Ok((answer.institutions, answer.next_page_token))
            }),
            all(async |page_token| {
                let request = ListSuccessionsRequest {
                    page_size: PAGE,
                    page_token,
                };
                let answer = institutions.clone().list_successions(request).await?.into_inner();
                Ok((answer.successions, answer.next_page_token))
            }),
            all(async |page_token| {
                let request = ListAgreementsRequest {
                    parent: parent.clone(),
                    page_size: PAGE,
                    page_token,
                    filter: String::new(),
                };
                let mut client = AssignmentServiceClient::new(principal.clone());
                let answer = client.list_agreements(request).await?.into_inner();
                Ok((answer.agreements, answer.next_page_token))
            }),
        )?;
        let (trajectory, verdicts, missing, comparison, assessments, follow_ups) = tokio::try_join!(
            trajectory(principal, &parent, as_of),
            verdicts(principal, &parent, false, "", as_of),
            verdicts(principal, &parent, true, MISSING, as_of),
            comparison(principal, &parent, from, as_of),
            assessments(principal, &parent, as_of),
            follow_ups(principal, &parent, as_of),
        )?;
        Ok(Self {
            zone,
            as_of: as_of.as_ref().and_then(instant).context("as_of")?,
            plan,
            basis,
            components,
            actions: actions.into_iter().map(|action| (action.name.clone(), action)).collect(),
            indicators,
            scorecards,
            trajectory,
            verdicts,
            missing,
            institutions: all_institutions.into_iter().map(|one| (one.name.clone(), one)).collect(),
            successions,
            agreements,
            comparison,
            assessments,
            follow_ups,
        })
    }

    /// The plan's own scorecard.
    pub fn board(&self) -> Option<&Scorecard> {
        self.scorecards.iter().find(|card| card.name == self.plan.name)
    }

    /// The same as data, for programs.
    pub fn value(&self) -> Result<Value> {
        let cards: Result<Vec<_>> = self
            .scorecards
            .iter()
            .map(|card| output::value("vigia.compliance.v1.Scorecard", card))
            .collect();
        let points: Result<Vec<_>> = self
            .trajectory
            .iter()
            .map(|point| output::value("vigia.compliance.v1.IndexPoint", point))
            .collect();
        let verdict = |verdict: &Verdict| output::value("vigia.compliance.v1.Verdict", verdict);
        let actions: Result<Vec<_>> = self.verdicts.iter().map(verdict).collect();
        let missing: Result<Vec<_>> = self.missing.iter().map(verdict).collect();
        let assessments = self.assessments.iter();
        let assessments: Result<Vec<_>> = assessments
            .map(|one| output::value("vigia.compliance.v1.SideBySide", one))
            .collect();
        let comparison = self.comparison.as_ref();
        let comparison = comparison.map(|answer| output::value("vigia.compliance.v1.CompareScorecardsResponse", answer));
        Ok(json!({
            "plan": output::value("vigia.plans.v1.Plan", &self.plan)?,
            "basis": output::value("vigia.compliance.v1.Basis", &self.basis)?,
            "scorecards": cards?,
            "trajectory": points?,
            "actions": actions?,
            "late": missing?,
            "comparison": comparison.transpose()?,
            "assessments": assessments?,
        }))
    }
}

/// The filter that lets only obligations pass that were due and are not there.
pub const MISSING: &str = "timeliness = \"MISSING\"";

async fn scorecards(principal: &Principal, parent: &str, as_of: Option<prost_types::Timestamp>) -> Result<(Vec<Scorecard>, Basis)> {
    let mut basis = Basis::default();
    let cards = all(async |page_token| {
        let request = ListScorecardsRequest {
            parent: parent.to_owned(),
            as_of,
            kinds: [ScopeKind::Plan, ScopeKind::Component, ScopeKind::Institution]
                .map(Into::into)
                .into(),
            page_size: PAGE,
            page_token,
        };
        let answer = ComplianceServiceClient::new(principal.clone())
            .list_scorecards(request)
            .await?
            .into_inner();
        basis = answer.basis.unwrap_or_default();
        Ok((answer.scorecards, answer.next_page_token))
    });
    let cards = cards.await?;
    Ok((cards, basis))
}

async fn trajectory(principal: &Principal, name: &str, as_of: Option<prost_types::Timestamp>) -> Result<Vec<IndexPoint>> {
    let request = GetTrajectoryRequest {
        name: name.to_owned(),
        plan: String::new(),
        as_of,
    };
    let answer = ComplianceServiceClient::new(principal.clone()).get_trajectory(request).await;
    Ok(answer.map_err(told)?.into_inner().index)
}

/// Verdicts on actions, or on obligations, that pass a filter.
pub async fn verdicts(
    principal: &Principal,
    parent: &str,
    obligations: bool,
    filter: &str,
    as_of: Option<prost_types::Timestamp>,
) -> Result<Vec<Verdict>> {
    all(async |page_token| {
        let request = ListVerdictsRequest {
            parent: parent.to_owned(),
            obligations,
            as_of,
            page_size: PAGE,
            page_token,
            filter: filter.to_owned(),
        };
        let answer = ComplianceServiceClient::new(principal.clone())
            .list_verdicts(request)
            .await?
            .into_inner();
        Ok((answer.verdicts, answer.next_page_token))
    })
    .await
}

async fn comparison(
    principal: &Principal,
    name: &str,
    from: Option<prost_types::Timestamp>,
    to: Option<prost_types::Timestamp>,
) -> Result<Option<CompareScorecardsResponse>> {
    if from.is_none() {
        return Ok(None);
    }
    let request = CompareScorecardsRequest {
        name: name.to_owned(),
        plan: String::new(),
        from,
        to,
    };
    let answer = ComplianceServiceClient::new(principal.clone()).compare_scorecards(request).await;
    Ok(Some(answer.map_err(told)?.into_inner()))
}

/// The newest judgement of each assessor on each action, in the order of actions and assessors.
async fn assessments(principal: &Principal, parent: &str, as_of: Option<prost_types::Timestamp>) -> Result<Vec<SideBySide>> {
    let listed = all(async |page_token| {
        let request = ListAssessmentsRequest {
            parent: parent.to_owned(),
            as_of,
            page_size: PAGE,
            page_token,
            filter: String::new(),
        };
        let answer = AssessmentServiceClient::new(principal.clone())
            .list_assessments(request)
            .await?
            .into_inner();
        Ok((answer.assessments, answer.next_page_token))
    });
    let mut newest = BTreeMap::new();
    for one in listed.await? {
        let of = one
            .assessment
            .as_ref()
            .map(|assessed| (assessed.action.clone(), assessed.assessor.clone()));
        newest.insert(of.unwrap_or_default(), one);
    }
    Ok(newest.into_values().collect())
}

/// What was tried; none where the caller may not see it.
async fn follow_ups(principal: &Principal, parent: &str, as_of: Option<prost_types::Timestamp>) -> Result<Option<Vec<FollowUp>>> {
    match voices::follow_ups::follow_ups(principal, parent, as_of, "").await {
        Err(status) if status.code() == tonic::Code::PermissionDenied => Ok(None),
        answer => Ok(Some(answer.map_err(told)?)),
    }
}

/// What one institution is late with on one action: one call, one row.
#[derive(Clone, Debug)]
pub struct Late<'m> {
    /// Since when: the oldest due instant, of a returned report its answer's.
    pub since: Option<Timestamp>,
    /// Who owed it, as resource name.
    pub institution: &'m str,
    /// Its title, as it was then.
    pub title: &'m str,
    /// Who answers for it now, where it has passed on.
    pub successor: Option<&'m Institution>,
    /// The action, as resource name.
    pub action: &'m str,
    /// What was to be done.
    pub text: &'m str,
    /// The verdicts, by due instant.
    pub owed: Vec<&'m Verdict>,
}

/// Who is late with what, those first who have been for the longest time.
pub fn late(materials: &Materials) -> Vec<Late<'_>> {
    let mut rows: BTreeMap<(&str, &str), Vec<&Verdict>> = BTreeMap::new();
    for verdict in &materials.missing {
        let who = verdict.institutions.first().map(String::as_str).unwrap_or_default();
        rows.entry((who, verdict.action.as_str())).or_default().push(verdict);
    }
    let mut late: Vec<_> = rows
        .into_iter()
        .map(|((institution, action), mut owed)| {
            owed.sort_by_key(|verdict| (commands::due(verdict), verdict.name.as_str()));
            Late {
                since: owed.first().and_then(|verdict| commands::due(verdict)),
                institution,
                title: owed
                    .first()
                    .and_then(|verdict| verdict.institution_titles_es.first())
                    .map_or(institution, String::as_str),
                successor: materials.holder(institution),
                action,
                text: owed.first().map(|verdict| verdict.title_es.as_str()).unwrap_or_default(),
                owed,
            }
        })
        .collect();
    late.sort_by_key(|late| (late.since, late.institution, late.action));
    late
}

impl Materials {
    /// Who holds an institution's duties as of the report's instant, by what was recorded by then; none where it still
    /// does itself. Only what passes on whole is followed: after a split the assignments themselves say who.
    pub fn holder(&self, institution: &str) -> Option<&Institution> {
        let today = self.zone.to_datetime(self.as_of).date();
        let mut holder = institution;
        // As often as there are successions at most: whoever took over from each other in a ring ends too.
        for _ in &self.successions {
            let next = self.successions.iter().find(|succession| {
                let recorded_at = succession.record_time.as_ref().and_then(instant);
                let whole = ["rename", "absorption", "merger", "rename_by_absorption"].contains(&succession.kind.as_str());
                let begun = succession.effective_on.parse::<Date>().is_ok_and(|day| day <= today);
                let known = recorded_at.is_none_or(|at| at <= self.as_of);
                succession.predecessor == holder && succession.successor != holder && whole && begun && known
            });
            let Some(next) = next else { break };
            holder = &next.successor;
        }
        self.institutions.get(holder).filter(|found| found.name != institution)
    }

    /// Where whoever answers now is reached about an action: an office, never a person. Its focal point that has an address,
    /// otherwise the one of an agreement, on that action if there is one.
    pub fn contact(&self, late: &Late<'_>) -> Option<&ContactPoint> {
        let who = late.successor.map_or(late.institution, |successor| &successor.name);
        let focal_points = self
            .institutions
            .get(who)
            .map(|institution| institution.focal_points.as_slice())
            .unwrap_or_default();
        let reached = focal_points.iter().find(|point| !point.email.is_empty()).or(focal_points.first());
        let of = |agreement: &&Agreement| agreement.institution == who && agreement.institution_contact.is_some();
        let mut agreements = self.agreements.iter().filter(of);
        let on_it = agreements.clone().find(|agreement| agreement.action == late.action);
        reached.or_else(|| on_it.or_else(|| agreements.next())?.institution_contact.as_ref())
    }
}
