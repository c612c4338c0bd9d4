//! AssignmentService: who answers for which action.

use jiff::Timestamp;
use prost::Message;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Code, Request, Response, Status};
use vigia_platform::{Caller, Change, Error, Faults, Filter, Kit, Page, Peer, Scope, check_etag, name, new_id};
use vigia_proto::{
    assignments::{
        AcceptAssignmentRequest, AcceptAssignmentResponse, Assignment, AssignmentAccepted, AssignmentContested, AssignmentEnded,
        AssignmentHandedOver, AssignmentProposed, AssignmentResolved, AssignmentRole, ContestAssignmentRequest, ContestAssignmentResponse,
        CreateAgreementRequest, CreateAgreementResponse, EndAssignmentRequest, EndAssignmentResponse, GetAgreementRequest,
        GetAgreementResponse, GetAssignmentRequest, GetAssignmentResponse, HandOverAssignmentRequest, HandOverAssignmentResponse,
        ImportAssignmentsRequest, ImportAssignmentsResponse, ListAgreementsRequest, ListAgreementsResponse, ListAssignmentsRequest,
        ListAssignmentsResponse, ProposeAssignmentRequest, ProposeAssignmentResponse, Resolution, ResolveAssignmentRequest,
        ResolveAssignmentResponse, assignment_service_server,
    },
    error::Reason,
    plans::{GetActionRequest, GetPlanRequest, plan_service_client::PlanServiceClient},
};

use crate::{
    entities::assignment,
    fields, rows,
    state::{self, HandOver, Refused},
    territories,
};

/// What lists can be filtered by.
const FILTER_FIELDS: [&str; 5] = ["action", "institution", "role", "state", "territory"];

#[derive(Debug)]
pub(crate) struct Assignments {
    pub(crate) kit: Kit,
    pub(crate) plans: PlanServiceClient<Peer>,
}

/// What is wrong with a proposal by itself.
fn check_proposal(request: &ProposeAssignmentRequest, asked: &Assignment) -> Faults {
    let mut faults = Faults::new();
    fields::plan(&mut faults, "parent", &request.parent);
    if !request.assignment_id.is_empty() {
        faults.id("assignment_id", &request.assignment_id);
    }
    faults.require(
        asked.role() != AssignmentRole::Unspecified,
        "assignment.role",
        "falta el rol, o no se conoce",
        "the role is missing, or not known",
    );
    if !asked.territory.is_empty() {
        fields::territory_code(&mut faults, "assignment.territory", &asked.territory);
    }
    fields::days(&mut faults, "assignment", &asked.from, &asked.last_day);
    fields::instrument(&mut faults, "assignment.instrument", &asked.instrument);
    faults
}

/// Whether a service answered that it has it. What it did not answer is no answer.
pub(crate) fn exists<T>(answer: Result<T, Status>) -> Result<bool, Error> {
    match answer {
        Ok(_) => Ok(true),
        Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => Ok(false),
        Err(status) => {
            tracing::warn!(%status, "plans does not answer");
            Err(Error::refused(
                Reason::Unavailable,
                "El servicio de planes no responde: intente de nuevo en un momento.",
                "The plans service does not answer: try again in a moment.",
            ))
        }
    }
}

/// The name of a new assignment: by the id asked for, which must be free, or by one made up.
pub(crate) async fn new_name(change: &Change, plan: &str, id: &str) -> Result<String, Error> {
    if id.is_empty() {
        return Ok(format!("{plan}/assignments/{}", new_id()));
    }
    let name = format!("{plan}/assignments/{id}");
    if rows::assignment_exists(change.tx(), &name).await? {
        Err(Error::already_exists(name))
    } else {
        Ok(name)
    }
}

/// Records what happened to an assignment.
pub(crate) async fn record(change: &mut Change, event_type: &str, assignment: &Assignment, event: &impl Message) -> Result<(), Error> {
    let event_type = format!("vigia.assignments.v1.{event_type}");
    change.record(&event_type, &assignment.name, &assignment.institution, event).await?;
    Ok(())
}

/// Hands one over: saves both, and records the one event.
pub(crate) async fn hand_over(change: &mut Change, old: Assignment, to: HandOver<'_>) -> Result<(Assignment, Assignment), Error> {
    let name = old.name.clone();
    let (old, new) = state::hand_over(old, to).map_err(|refused| refused.of(&name))?;
    let predecessor = rows::save_assignment(change, old, false).await?;
    let successor = rows::save_assignment(change, new, true).await?;
    let event = AssignmentHandedOver {
        predecessor: Some(predecessor.clone()),
        successor: Some(successor.clone()),
        effective_on: successor.from.clone(),
    };
    change
        .record(
            "vigia.assignments.v1.AssignmentHandedOver",
            &predecessor.name,
            &successor.institution,
            &event,
        )
        .await?;
    Ok((predecessor, successor))
}

/// Takes a step of an assignment that the caller sees: saves what the law makes of it.
async fn step(
    change: &Change,
    seen: Assignment,
    etag: &str,
    law: impl FnOnce(Assignment, Timestamp) -> Result<Assignment, Refused>,
) -> Result<Assignment, Error> {
    check_etag(etag, &seen.etag, &seen.name)?;
    let name = seen.name.clone();
    let after = law(seen, change.now()).map_err(|refused| refused.of(&name))?;
    rows::save_assignment(change, after, false).await
}

impl Assignments {
    /// Notes a plan or an action that does not exist, as plans says now.
    pub(crate) async fn check_plan(&self, faults: &mut Faults, plan: &str, path: &str, action: &str) -> Result<(), Error> {
        let of_plan = name::split("plans/{}/actions/{}", action).is_some() && action.starts_with(&format!("{plan}/"));
        faults.require(
            of_plan,
            path,
            "debe ser una acción del plan: plans/…/actions/…",
            "must be an action of the plan: plans/…/actions/…",
        );
        let mut plans = (self.plans.clone(), self.plans.clone());
        let plan_exists = async {
            match name::split("plans/{}", plan) {
                Some(_) => exists(plans.0.get_plan(GetPlanRequest { name: plan.to_owned() }).await),
                None => Ok(true),
            }
        };
        let action_exists = async {
            if of_plan {
                exists(plans.1.get_action(GetActionRequest { name: action.to_owned() }).await)
            } else {
                Ok(true)
            }
        };
        let (plan_exists, action_exists) = tokio::try_join!(plan_exists, action_exists)?;
        faults.require(plan_exists, "parent", "no existe ese plan", "there is no such plan");
        faults.require(action_exists, path, "no existe esa acción", "there is no such action");
        Ok(())
    }
}

#[tonic::async_trait]
impl assignment_service_server::AssignmentService for Assignments {
    async fn propose_assignment(&self, request: Request<ProposeAssignmentRequest>) -> Result<Response<ProposeAssignmentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let asked = request.assignment.clone().unwrap_or_default();
        let mut faults = check_proposal(&request, &asked);
        // Asked before the change begins: nobody waits for another service while holding the database.
        self.check_plan(&mut faults, &request.parent, "assignment.action", &asked.action)
            .await?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        rows::check_institution(&change, &mut faults, "assignment.institution", &asked.institution).await?;
        let unknown = territories::unknown(&change, asked.territory.get(..2)).await?;
        faults.require(
            unknown.is_empty(),
            "assignment.territory",
            "no existe esa provincia",
            "there is no such province",
        );
        faults.done()?;
        let name = new_name(&change, &request.parent, &request.assignment_id).await?;
        let assignment = rows::save_assignment(&change, state::propose(&name, asked), true).await?;
        let event = AssignmentProposed {
            assignment: Some(assignment.clone()),
        };
        record(&mut change, "AssignmentProposed", &assignment, &event).await?;
        change
            .commit(ProposeAssignmentResponse {
                assignment: Some(assignment),
            })
            .await
    }

    async fn accept_assignment(&self, request: Request<AcceptAssignmentRequest>) -> Result<Response<AcceptAssignmentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        // Before the replay, here and below: who no longer sees it is not told again what the answer was.
        let seen = rows::assignment(change.tx(), &caller, &request.name).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let assignment = step(&change, seen, &request.etag, state::accept).await?;
        let event = AssignmentAccepted {
            assignment: Some(assignment.clone()),
        };
        record(&mut change, "AssignmentAccepted", &assignment, &event).await?;
        change
            .commit(AcceptAssignmentResponse {
                assignment: Some(assignment),
            })
            .await
    }

    async fn contest_assignment(&self, request: Request<ContestAssignmentRequest>) -> Result<Response<ContestAssignmentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::new();
        faults.text("reason", &request.reason, 1..=2000);
        faults.done()?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        let seen = rows::assignment(change.tx(), &caller, &request.name).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let assignment = step(&change, seen, &request.etag, |seen, _| state::contest(seen, &request.reason)).await?;
        let event = AssignmentContested {
            assignment: Some(assignment.clone()),
        };
        record(&mut change, "AssignmentContested", &assignment, &event).await?;
        change
            .commit(ContestAssignmentResponse {
                assignment: Some(assignment),
            })
            .await
    }

    async fn resolve_assignment(&self, request: Request<ResolveAssignmentRequest>) -> Result<Response<ResolveAssignmentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let resolution = request.resolution();
        let mut faults = Faults::new();
        faults.text("reason", &request.reason, 1..=2000);
        faults.require(
            resolution != Resolution::Unspecified,
            "resolution",
            "falta la decisión",
            "the resolution is missing",
        );
        faults.done()?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        let seen = rows::assignment(change.tx(), &caller, &request.name).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let assignment = step(&change, seen, &request.etag, |seen, now| state::resolve(seen, resolution, now)).await?;
        let event = AssignmentResolved {
            assignment: Some(assignment.clone()),
            resolution: resolution.into(),
            reason: request.reason.clone(),
        };
        record(&mut change, "AssignmentResolved", &assignment, &event).await?;
        change
            .commit(ResolveAssignmentResponse {
                assignment: Some(assignment),
            })
            .await
    }

    async fn end_assignment(&self, request: Request<EndAssignmentRequest>) -> Result<Response<EndAssignmentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::new();
        let last_day = faults.date("last_day", &request.last_day);
        faults.done()?;
        let last_day = last_day.ok_or_else(|| Error::internal(&"a date without a fault is there"))?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        let seen = rows::assignment(change.tx(), &caller, &request.name).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let assignment = step(&change, seen, &request.etag, |seen, _| state::end(seen, last_day)).await?;
        let event = AssignmentEnded {
            assignment: Some(assignment.clone()),
        };
        record(&mut change, "AssignmentEnded", &assignment, &event).await?;
        change
            .commit(EndAssignmentResponse {
                assignment: Some(assignment),
            })
            .await
    }

    async fn hand_over_assignment(
        &self,
        request: Request<HandOverAssignmentRequest>,
    ) -> Result<Response<HandOverAssignmentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::new();
        let effective_on = faults.date("effective_on", &request.effective_on);
        if !request.assignment_id.is_empty() {
            faults.id("assignment_id", &request.assignment_id);
        }
        fields::instrument(&mut faults, "instrument", &request.instrument);
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        let old = rows::assignment(change.tx(), &caller, &request.name).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        rows::check_institution(&change, &mut faults, "institution", &request.institution).await?;
        faults.done()?;
        let effective_on = effective_on.ok_or_else(|| Error::internal(&"a date without a fault is there"))?;
        let name = new_name(&change, rows::plan_of(&old.name), &request.assignment_id).await?;
        let to = HandOver {
            name: &name,
            institution: &request.institution,
            effective_on,
            instrument: &request.instrument,
            now: change.now(),
        };
        let (predecessor, assignment) = hand_over(&mut change, old, to).await?;
        change
            .commit(HandOverAssignmentResponse {
                assignment: Some(assignment),
                predecessor: Some(predecessor),
            })
            .await
    }

    async fn get_assignment(&self, request: Request<GetAssignmentRequest>) -> Result<Response<GetAssignmentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let assignment = rows::assignment(self.kit.db.read(&caller), &caller, &request.get_ref().name).await?;
        Ok(Response::new(GetAssignmentResponse {
            assignment: Some(assignment),
        }))
    }

    async fn list_assignments(&self, request: Request<ListAssignmentsRequest>) -> Result<Response<ListAssignmentsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::new();
        faults.require(
            name::split("plans/{}", &request.parent).is_some(),
            "parent",
            "debe ser un plan, o plans/-",
            "must be a plan, or plans/-",
        );
        faults.done()?;
        let filter = Filter::parse(&request.filter, &FILTER_FIELDS)?;
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[&request.parent, &request.filter])?;
        let db = self.kit.db.read(&caller);
        let condition = listed(&caller, &request.parent, &filter);
        let fetch = |after: Option<String>, limit: u64| {
            let mut query = assignment::Entity::find().filter(condition.clone());
            if let Some(after) = after {
                query = query.filter(assignment::Column::Name.gt(after));
            }
            async move {
                let rows = query.order_by_asc(assignment::Column::Name).limit(limit).all(db).await?;
                rows.iter()
                    .map(|row| Ok(Assignment::decode(row.definition.as_slice())?))
                    .collect::<Result<Vec<_>, Error>>()
            }
        };
        let keep = |assignment: &Assignment| filter.matches(|field| field_of(assignment, field, &request.filter));
        let (assignments, next_page_token) = rows::page(&page, |assignment: &Assignment| assignment.name.as_str(), keep, fetch).await?;
        Ok(Response::new(ListAssignmentsResponse {
            assignments,
            next_page_token,
        }))
    }

    async fn import_assignments(&self, request: Request<ImportAssignmentsRequest>) -> Result<Response<ImportAssignmentsResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.import(&caller, request.into_inner()).await
    }

    async fn create_agreement(&self, request: Request<CreateAgreementRequest>) -> Result<Response<CreateAgreementResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.new_agreement(&caller, request.into_inner()).await
    }

    async fn get_agreement(&self, request: Request<GetAgreementRequest>) -> Result<Response<GetAgreementResponse>, Status> {
        let caller = Caller::of(&request)?;
        let agreement = Some(self.agreement(&caller, &request.get_ref().name).await?);
        Ok(Response::new(GetAgreementResponse { agreement }))
    }

    async fn list_agreements(&self, request: Request<ListAgreementsRequest>) -> Result<Response<ListAgreementsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.agreements(&caller, request.get_ref()).await?))
    }
}

/// What a list is taken from: what the caller may see, first of all.
fn listed(caller: &Caller, parent: &str, filter: &Filter) -> Condition {
    let mut condition = Condition::all();
    if let Scope::Institutions(institutions) = caller.scope() {
        condition = condition.add(assignment::Column::Institution.is_in(institutions));
    }
    if parent != "plans/-" {
        condition = condition.add(assignment::Column::Plan.eq(parent));
    }
    let columns = [
        ("action", assignment::Column::Action),
        ("institution", assignment::Column::Institution),
        ("territory", assignment::Column::Territory),
    ];
    for (field, column) in columns {
        if let Some(value) = filter.equal(field) {
            condition = condition.add(column.eq(value));
        }
    }
    condition
}

/// A field as filters name it. Role and state go by their full names, or without the prefix where the filter says so.
fn field_of(assignment: &Assignment, field: &str, filter: &str) -> Option<String> {
    let named = |name: &str, prefix: &str| {
        let full = filter.contains(prefix);
        if full {
            name.to_owned()
        } else {
            name.strip_prefix(prefix).unwrap_or(name).to_owned()
        }
    };
    Some(match field {
        "action" => assignment.action.clone(),
        "institution" => assignment.institution.clone(),
        "territory" => assignment.territory.clone(),
        "role" => named(assignment.role().as_str_name(), "ASSIGNMENT_ROLE_"),
        "state" => named(assignment.state().as_str_name(), "ASSIGNMENT_STATE_"),
        _ => return None,
    })
}
