//! ComplianceService: asks the rules, as of an instant that all journals are closed at.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tonic::{Request, Response, Status};
use vigia_platform::{
    Caller, Error, Faults, Filter, Kit, Page,
    facts::{PlanFacts, SharedFacts},
    instant, name, timestamp,
};
use vigia_proto::compliance::{
    Basis, GetScorecardRequest, GetScorecardResponse, GetVerdictRequest, GetVerdictResponse, ListScorecardsRequest, ListScorecardsResponse,
    ListVerdictsRequest, ListVerdictsResponse, Verdict, compliance_service_server::ComplianceService,
};
use vigia_rules::{self as rules, Scope, Verdicts};

use crate::answers;

#[derive(Debug)]
pub(crate) struct Compliance {
    kit: Kit,
    facts: SharedFacts,
}

impl Compliance {
    pub(crate) fn new(kit: Kit, facts: SharedFacts) -> Self {
        Self { kit, facts }
    }

    /// The instant that an answer is as of, and on what it stands.
    async fn basis(&self, asked: Option<&prost_types::Timestamp>) -> Result<(Timestamp, Basis), Error> {
        let asked = match asked {
            None => None,
            Some(wire) => {
                let mut faults = Faults::new();
                let t = instant(wire);
                faults.require(t.is_some(), "as_of", "no es un instante", "is not an instant");
                faults.done()?;
                t
            }
        };
        let t = self.kit.as_of(asked).await?;
        let followed = self.kit.followed();
        let basis = Basis {
            as_of: Some(timestamp(t)),
            positions: followed
                .iter()
                .map(|follow| format!("{}:{}", follow.area(), follow.now().position))
                .collect(),
            rules: i32::try_from(rules::plan::RULES).unwrap_or(0),
            simulated: followed.iter().any(|follow| follow.now().simulated),
        };
        Ok((t, basis))
    }

    /// Asks something of the facts of one plan.
    fn ask<T>(&self, plan: &str, question: impl FnOnce(&PlanFacts) -> Result<T, Error>) -> Result<T, Error> {
        self.facts
            .with_plan(plan, question)
            .unwrap_or_else(|| Err(Error::not_found(format!("plans/{plan}"))))
    }
}

fn plan_of<'a>(parent: &'a str, path: &str) -> Result<&'a str, Error> {
    name::split("plans/{}", parent)
        .map(|parts| parts[0])
        .ok_or_else(|| wrong_name(path, "plans/{plan}"))
}

fn wrong_name(path: &str, pattern: &str) -> Error {
    let mut faults = Faults::new();
    faults.add(
        path,
        format!("debe ser de la forma {pattern}"),
        format!("must be of the form {pattern}"),
    );
    faults.done().err().unwrap_or_else(|| Error::not_found(path))
}

fn draft(plan: &str) -> Error {
    Error::not_found(format!("plans/{plan}"))
}

#[tonic::async_trait]
impl ComplianceService for Compliance {
    async fn get_verdict(&self, request: Request<GetVerdictRequest>) -> Result<Response<GetVerdictResponse>, Status> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let (t, basis) = self.basis(request.as_of.as_ref()).await?;
        let asked = request.name.as_str();
        let verdict = if let Some(parts) = name::split("plans/{}/actions/{}", asked) {
            let (plan, action) = (parts[0], rules::ActionId::from(parts[1]));
            self.ask(plan, |facts| {
                let verdict = rules::action(&facts.facts, &action, t).ok_or_else(|| Error::not_found(asked))?;
                Ok(answers::action(plan, facts.leads(&action), &verdict))
            })?
        } else if let Some(parts) = name::split("plans/{}/assignments/{}/obligations/{}", asked) {
            let (plan, assignment) = (parts[0], rules::AssignmentId::from(parts[1]));
            let period = parts[2].parse().map_err(|_| Error::not_found(asked))?;
            self.ask(plan, |facts| {
                let found = rules::obligation(&facts.facts, &assignment, period, t).ok_or_else(|| Error::not_found(asked))?;
                Ok(answers::obligation(plan, &found))
            })?
        } else {
            return Err(wrong_name(
                "name",
                "plans/{plan}/actions/{a} | plans/{plan}/assignments/{id}/obligations/{period}",
            )
            .into());
        };
        Ok(Response::new(GetVerdictResponse {
            verdict: Some(verdict),
            basis: Some(basis),
        }))
    }

    async fn list_verdicts(&self, request: Request<ListVerdictsRequest>) -> Result<Response<ListVerdictsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let filter = Filter::parse(&request.filter, &["state", "timeliness", "institution", "action", "period"])?;
        let kind = if request.obligations { "obligations" } else { "actions" };
        let asked = request
            .as_of
            .as_ref()
            .map(|wire| format!("{}.{:09}", wire.seconds, wire.nanos))
            .unwrap_or_default();
        let page = Page::parse(
            &caller,
            request.page_size,
            &request.page_token,
            &[&request.parent, kind, &request.filter, &asked],
        )?;
        // Further pages are as of the first one's instant, so that they agree.
        let (fixed, skip) = match page.after.as_deref().map(|after| after.split_once(' ')) {
            None => (None, 0),
            Some(cursor) => {
                let parsed = cursor.and_then(|(t, skip)| Some((t.parse::<Timestamp>().ok()?, skip.parse::<usize>().ok()?)));
                let (t, skip) = parsed.ok_or_else(|| wrong_name("page_token", "next_page_token"))?;
                (Some(timestamp(t)), skip)
            }
        };
        let (t, basis) = self.basis(fixed.as_ref().or(request.as_of.as_ref())).await?;
        let mut verdicts = self.ask(plan, |facts| {
            if request.obligations {
                return Ok(rules::obligations(&facts.facts, t)
                    .map(|found| answers::obligation(plan, &found))
                    .collect::<Vec<_>>());
            }
            let all = Verdicts::as_of(&facts.facts, t).ok_or_else(|| draft(plan))?;
            Ok(all
                .actions()
                .map(|verdict| answers::action(plan, facts.leads(&verdict.action), verdict))
                .collect())
        })?;
        verdicts.retain(|verdict| filter.matches(|field| field_of(verdict, request.obligations, field)));
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let end = skip.saturating_add(size).min(verdicts.len());
        let next_page_token = page.next((end < verdicts.len()).then(|| format!("{t} {end}")).as_deref());
        let verdicts = verdicts.into_iter().skip(skip).take(size).collect();
        Ok(Response::new(ListVerdictsResponse {
            verdicts,
            next_page_token,
            basis: Some(basis),
        }))
    }

    async fn get_scorecard(&self, request: Request<GetScorecardRequest>) -> Result<Response<GetScorecardResponse>, Status> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let (t, basis) = self.basis(request.as_of.as_ref()).await?;
        let asked = request.name.as_str();
        let of_plan = |path| plan_of(&request.plan, path);
        let (plan, scope) = if let Some(parts) = name::split("plans/{}", asked) {
            (parts[0], Scope::Plan)
        } else if let Some(parts) = name::split("plans/{}/components/{}", asked) {
            (parts[0], Scope::Component(parts[1].into()))
        } else if let Some(parts) = name::split("institutions/{}", asked) {
            (of_plan("plan")?, Scope::Institution(parts[0].into()))
        } else if let Some(parts) = name::split("territories/{}", asked) {
            (of_plan("plan")?, Scope::Territory(parts[0].into()))
        } else {
            return Err(wrong_name(
                "name",
                "plans/{plan} | plans/{plan}/components/{c} | institutions/{i} | territories/{dpa}",
            )
            .into());
        };
        let scorecard = self.ask(plan, |facts| {
            let known =
                !matches!(scope, Scope::Component(_)) || facts.definition.components.iter().any(|component| component.name == asked);
            let all = Verdicts::as_of(&facts.facts, t)
                .filter(|_| known)
                .ok_or_else(|| Error::not_found(asked))?;
            let title = match scope {
                Scope::Plan => facts.definition.plan.as_ref().map(|plan| plan.title_es.clone()).unwrap_or_default(),
                _ => answers::component_title(&facts.definition, asked),
            };
            Ok(answers::scorecard(asked.to_owned(), title, &all.scorecard(&scope)))
        })?;
        Ok(Response::new(GetScorecardResponse {
            scorecard: Some(scorecard),
            basis: Some(basis),
        }))
    }

    async fn list_scorecards(&self, request: Request<ListScorecardsRequest>) -> Result<Response<ListScorecardsResponse>, Status> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let (t, basis) = self.basis(request.as_of.as_ref()).await?;
        let plan = plan_of(&request.parent, "parent")?;
        let scorecards = self.ask(plan, |facts| {
            let all = Verdicts::as_of(&facts.facts, t).ok_or_else(|| draft(plan))?;
            let title = facts.definition.plan.as_ref().map(|plan| plan.title_es.clone()).unwrap_or_default();
            let mut cards = vec![answers::scorecard(request.parent.clone(), title, &all.scorecard(&Scope::Plan))];
            for component in &facts.definition.components {
                let id = component.name.rsplit('/').next().unwrap_or_default();
                cards.push(answers::scorecard(
                    component.name.clone(),
                    component.title_es.clone(),
                    &all.scorecard(&Scope::Component(id.into())),
                ));
            }
            let assignments = facts.assignments();
            let institutions: BTreeSet<_> = assignments.iter().map(|assignment| assignment.institution.clone()).collect();
            for institution in institutions {
                let name = format!("institutions/{institution}");
                cards.push(answers::scorecard(
                    name,
                    String::new(),
                    &all.scorecard(&Scope::Institution(institution)),
                ));
            }
            let territories: BTreeSet<_> = assignments.iter().filter_map(|assignment| assignment.territory.clone()).collect();
            for territory in territories {
                let name = format!("territories/{territory}");
                cards.push(answers::scorecard(
                    name,
                    String::new(),
                    &all.scorecard(&Scope::Territory(territory)),
                ));
            }
            Ok(cards)
        })?;
        Ok(Response::new(ListScorecardsResponse {
            scorecards,
            basis: Some(basis),
        }))
    }
}

/// What a filter may ask of a verdict.
fn field_of(verdict: &Verdict, obligations: bool, field: &str) -> Option<String> {
    Some(match field {
        "state" if obligations => verdict.obligation_state.clone(),
        "state" => answers::state_name(verdict),
        "timeliness" => verdict.timeliness.clone(),
        "institution" => verdict.institutions.first()?.clone(),
        "action" => verdict.action.clone(),
        "period" => verdict.period.clone(),
        _ => return None,
    })
}
