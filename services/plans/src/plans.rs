//! PlanService: drafts are written here; plans in force are read.

use std::sync::Arc;

use prost::Message;
use prost_types::FieldMask;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Request, Response, Status};
use vigia_platform::{
    Caller, Error, Faults, Filter, Kit, Page, check_etag, name,
    plan_changes::{action_of, apply, unknown_fields},
};
use vigia_proto::plans::*;

use crate::{
    check::check,
    entities::plan,
    file, file_write,
    kept::Kept,
    normal::{normalise, normalise_plan},
    store::{self, Part, Stored, draft_only, id_or_made, save_part, save_plan, whole},
};

#[derive(Debug)]
pub(crate) struct Plans {
    kit: Kit,
    kept: Kept,
}

/// The plan that a resource belongs to, by its name.
fn plan_of(name: &str) -> String {
    name.split('/').take(2).collect::<Vec<_>>().join("/")
}

/// The faults with the paths of the request: those of the part itself under its field, others as they are.
fn of_request<P: Part>(definition: &PlanDefinition, part: &str, found: &Faults) -> Faults {
    let place = P::list(definition).iter().position(|other| other.name() == part).unwrap_or(0);
    let prefix = if P::FIELD == "indicator" {
        let action = definition
            .actions
            .iter()
            .position(|action| action.name == action_of(part))
            .unwrap_or(0);
        let measured = definition
            .indicators
            .iter()
            .filter(|other| action_of(&other.name) == action_of(part));
        let place = measured
            .map(|other| other.name.as_str())
            .position(|other| other == part)
            .unwrap_or(0);
        format!("actions[{action}].indicators[{place}]")
    } else {
        format!("{}[{place}]", P::KIND)
    };
    let mut faults = Faults::new();
    for fault in found.list() {
        let path = fault
            .path
            .strip_prefix(&prefix)
            .map_or_else(|| fault.path.clone(), |rest| format!("{}{rest}", P::FIELD));
        faults.add(path, fault.es.as_str(), fault.en.as_str());
    }
    faults
}

/// Refuses paths of a mask that are no fields.
fn check_mask(change: &Change) -> Result<(), Error> {
    let mut faults = Faults::new();
    for path in unknown_fields(change) {
        faults.add(
            "update_mask",
            format!("«{path}» no es un campo que cambie"),
            format!("\"{path}\" is no field that changes"),
        );
    }
    faults.done()
}

impl Plans {
    pub(crate) fn new(kit: Kit) -> Self {
        Self {
            kit,
            kept: Kept::default(),
        }
    }

    async fn now(&self, caller: &Caller, plan: &str) -> Result<Arc<PlanDefinition>, Error> {
        self.kept.now(&self.kit.db, caller, plan, self.kit.clock.now()).await
    }

    async fn create<P: Part, R: Message + Default>(
        &self,
        caller: &Caller,
        request: &impl Message,
        (parent, id, part, request_id): (&str, &str, Option<P>, &str),
        answer: fn(P) -> R,
    ) -> Result<Response<R>, Status> {
        let mut change = self.kit.db.change(caller, request_id, request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let plan = plan_of(parent);
        let stored = Stored::load(change.tx(), &plan).await?;
        stored.draft_only()?;
        let mut definition = stored.composed(|_| true);
        let is_parent = parent == plan || definition.actions.iter().any(|action| action.name == parent);
        if !is_parent || (P::FIELD == "indicator") == (parent == plan) {
            return Err(Error::not_found(parent).into());
        }
        let mut faults = Faults::new();
        let mut part = part.unwrap_or_default();
        let id = id_or_made(&mut faults, &format!("{}_id", P::FIELD), id, part.code());
        faults.done()?;
        let name = format!("{parent}/{}/{id}", P::KIND);
        if P::list(&definition).iter().any(|other| other.name() == name) {
            return Err(Error::already_exists(name).into());
        }
        part.put_name(name.clone());
        apply(&mut definition, &whole(part.resource()));
        let part = self.save::<P>(&mut change, &stored, definition, &name, true).await?;
        change.commit(answer(part)).await
    }

    async fn update<P: Part, R: Message + Default>(
        &self,
        caller: &Caller,
        request: &impl Message,
        (part, mask, request_id): (Option<P>, Option<FieldMask>, &str),
        answer: fn(P) -> R,
    ) -> Result<Response<R>, Status> {
        let mut change = self.kit.db.change(caller, request_id, request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let mut part = part.unwrap_or_default();
        let name = part.name().to_owned();
        let stored = Stored::load(change.tx(), &plan_of(&name)).await?;
        let now = change.now();
        let mut current = find::<P>(&stored.now(now), &name)?;
        stored.draft_only()?;
        check_etag(part.etag(), current.etag(), &name)?;
        let mut definition = stored.composed(|_| true);
        let merge = Change {
            resource: Some(part.resource()),
            update_mask: mask,
        };
        check_mask(&merge)?;
        apply(&mut definition, &merge);
        let part = self.save::<P>(&mut change, &stored, definition, &name, false).await?;
        change.commit(answer(part)).await
    }

    /// Checks the draft as it becomes and writes the part that changed.
    async fn save<P: Part>(
        &self,
        change: &mut vigia_platform::Change,
        stored: &Stored,
        mut definition: PlanDefinition,
        name: &str,
        is_new: bool,
    ) -> Result<P, Error> {
        of_request::<P>(&definition, name, &check(&definition)).done()?;
        normalise(&mut definition);
        let mut part = find::<P>(&definition, name)?;
        save_part(change, &stored.row.name, &part, is_new).await?;
        let draft = definition.plan.unwrap_or_default();
        save_plan(change, Some(&stored.row), &draft, false).await?;
        part.clone().record(change).await?;
        *part.etag() = vigia_platform::etag(&part);
        Ok(part)
    }

    async fn get<P: Part>(&self, caller: &Caller, name: &str) -> Result<P, Error> {
        name::split(P::PATTERN, name).ok_or_else(|| Error::not_found(name))?;
        find(&*self.now(caller, &plan_of(name)).await?, name)
    }

    async fn list<P: Part>(
        &self,
        caller: &Caller,
        (parent, size, token, filter): (&str, i32, &str, &str),
        fields: &[&str],
        field: fn(&P, &str) -> Option<String>,
    ) -> Result<(Vec<P>, String), Error> {
        let page = Page::parse(caller, size, token, &[parent, filter])?;
        let filter = Filter::parse(filter, fields)?;
        let plan = plan_of(parent);
        let definition = self.now(caller, &plan).await?;
        let anything = format!("{plan}/actions/-");
        let wanted = |name: &str| P::FIELD != "indicator" || parent == anything || action_of(name) == parent;
        let known = if P::FIELD == "indicator" {
            parent == anything || definition.actions.iter().any(|action| action.name == parent)
        } else {
            parent == plan
        };
        if !known {
            return Err(Error::not_found(parent));
        }
        let list = P::list(&definition);
        // A page goes on behind the last one's last name; parts of a plan are never removed from its order.
        let from = match &page.after {
            Some(after) => list
                .iter()
                .position(|part| part.name() == after)
                .map_or(list.len(), |place| place + 1),
            None => 0,
        };
        let mut passing = list[from..]
            .iter()
            .filter(|part| wanted(part.name()) && filter.matches(|name| field(part, name)));
        let some: Vec<P> = passing
            .by_ref()
            .take(usize::try_from(page.size).unwrap_or(usize::MAX))
            .cloned()
            .collect();
        let last = passing.next().and(some.last()).map(Part::name);
        let next = page.next(last);
        Ok((some, next))
    }
}

fn find<P: Part>(definition: &PlanDefinition, name: &str) -> Result<P, Error> {
    P::list(definition)
        .iter()
        .find(|part| part.name() == name)
        .cloned()
        .ok_or_else(|| Error::not_found(name))
}

fn component_field(component: &Component, field: &str) -> Option<String> {
    match field {
        "parent" => Some(component.parent.clone()),
        "level" => Some(component.level.clone()),
        _ => None,
    }
}

fn action_field(action: &Action, field: &str) -> Option<String> {
    match field {
        "component" => Some(action.component.clone()),
        "code" => Some(action.code.clone()),
        "lead" => Some(action.lead.clone()),
        "kind" => Some(action.kind().as_str_name().to_owned()),
        _ => None,
    }
}

fn indicator_field(indicator: &Indicator, field: &str) -> Option<String> {
    match field {
        "code" => Some(indicator.code.clone()),
        "unit" => Some(indicator.unit.clone()),
        _ => None,
    }
}

/// The plan as its readers see it right after a change.
fn shown(row: plan::Model, plan: Plan, now: jiff::Timestamp) -> Plan {
    Stored::of_draft(row, plan).now(now).plan.unwrap_or_default()
}

#[tonic::async_trait]
impl plan_service_server::PlanService for Plans {
    async fn create_plan(&self, request: Request<CreatePlanRequest>) -> Result<Response<CreatePlanResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let mut faults = Faults::new();
        let id = id_or_made(&mut faults, "plan_id", &request.plan_id, "");
        faults.done()?;
        let name = format!("plans/{id}");
        if plan::Entity::find_by_id(name.as_str())
            .one(change.tx())
            .await
            .map_err(Error::from)?
            .is_some()
        {
            return Err(Error::already_exists(name).into());
        }
        let mut empty = PlanDefinition {
            plan: Some(Plan {
                name: name.clone(),
                ..Plan::default()
            }),
            ..PlanDefinition::default()
        };
        apply(&mut empty, &whole(change::Resource::Plan(request.plan.unwrap_or_default())));
        let plan = checked(empty)?;
        let row = save_plan(&change, None, &plan, false).await?;
        change
            .record("vigia.plans.v1.PlanSaved", &name, "", &PlanSaved { plan: Some(plan.clone()) })
            .await?;
        let now = change.now();
        change
            .commit(CreatePlanResponse {
                plan: Some(shown(row, plan, now)),
            })
            .await
    }

    async fn get_plan(&self, request: Request<GetPlanRequest>) -> Result<Response<GetPlanResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let definition = self.now(&caller, &request.name).await?;
        Ok(Response::new(GetPlanResponse {
            plan: definition.plan.clone(),
        }))
    }

    async fn list_plans(&self, request: Request<ListPlansRequest>) -> Result<Response<ListPlansResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[&request.filter])?;
        let filter = Filter::parse(&request.filter, &["state"])?;
        let db = self.kit.db.read(&caller);
        let passing = [(true, PlanState::InForce), (false, PlanState::Draft)].into_iter();
        let passing = passing
            .filter(|(_, state)| filter.matches(|_| Some(state.as_str_name().to_owned())))
            .map(|(in_force, _)| in_force);
        let rows = plan::Entity::find()
            .filter(plan::Column::InForce.is_in(passing))
            .filter(plan::Column::Name.gt(page.after.clone().unwrap_or_default()))
            .order_by_asc(plan::Column::Name)
            .limit(page.size + 1)
            .all(db)
            .await
            .map_err(Error::from)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let next_page_token = page.next((rows.len() > size).then(|| rows[size - 1].name.as_str()));
        let (now, mut plans) = (self.kit.clock.now(), Vec::new());
        for row in rows.into_iter().take(size) {
            plans.extend(Stored::load_head(db, row).await?.now(now).plan);
        }
        Ok(Response::new(ListPlansResponse { plans, next_page_token }))
    }

    async fn update_plan(&self, request: Request<UpdatePlanRequest>) -> Result<Response<UpdatePlanResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let given = request.plan.unwrap_or_default();
        let name = given.name.clone();
        let stored = Stored::load(change.tx(), &name).await?;
        stored.draft_only()?;
        let now = change.now();
        check_etag(&given.etag, &stored.now(now).plan.unwrap_or_default().etag, &name)?;
        let merge = Change {
            resource: Some(change::Resource::Plan(given)),
            update_mask: request.update_mask,
        };
        check_mask(&merge)?;
        let mut definition = stored.composed(|_| true);
        apply(&mut definition, &merge);
        let plan = checked(definition)?;
        let row = save_plan(&change, Some(&stored.row), &plan, false).await?;
        change
            .record("vigia.plans.v1.PlanSaved", &name, "", &PlanSaved { plan: Some(plan.clone()) })
            .await?;
        change
            .commit(UpdatePlanResponse {
                plan: Some(shown(row, plan, now)),
            })
            .await
    }

    async fn create_component(&self, request: Request<CreateComponentRequest>) -> Result<Response<CreateComponentResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let given = (
            request.parent.as_str(),
            request.component_id.as_str(),
            request.component.clone(),
            request.request_id.as_str(),
        );
        self.create(&caller, &request, given, |component| CreateComponentResponse {
            component: Some(component),
        })
        .await
    }

    async fn get_component(&self, request: Request<GetComponentRequest>) -> Result<Response<GetComponentResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        Ok(Response::new(GetComponentResponse {
            component: Some(self.get(&caller, &request.name).await?),
        }))
    }

    async fn list_components(&self, request: Request<ListComponentsRequest>) -> Result<Response<ListComponentsResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let asked = (
            request.parent.as_str(),
            request.page_size,
            request.page_token.as_str(),
            request.filter.as_str(),
        );
        let (components, next_page_token) = self.list(&caller, asked, &["parent", "level"], component_field).await?;
        Ok(Response::new(ListComponentsResponse {
            components,
            next_page_token,
        }))
    }

    async fn update_component(&self, request: Request<UpdateComponentRequest>) -> Result<Response<UpdateComponentResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let given = (request.component.clone(), request.update_mask.clone(), request.request_id.as_str());
        self.update(&caller, &request, given, |component| UpdateComponentResponse {
            component: Some(component),
        })
        .await
    }

    async fn create_action(&self, request: Request<CreateActionRequest>) -> Result<Response<CreateActionResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let given = (
            request.parent.as_str(),
            request.action_id.as_str(),
            request.action.clone(),
            request.request_id.as_str(),
        );
        self.create(&caller, &request, given, |action| CreateActionResponse { action: Some(action) })
            .await
    }

    async fn get_action(&self, request: Request<GetActionRequest>) -> Result<Response<GetActionResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        Ok(Response::new(GetActionResponse {
            action: Some(self.get(&caller, &request.name).await?),
        }))
    }

    async fn list_actions(&self, request: Request<ListActionsRequest>) -> Result<Response<ListActionsResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let asked = (
            request.parent.as_str(),
            request.page_size,
            request.page_token.as_str(),
            request.filter.as_str(),
        );
        let (actions, next_page_token) = self
            .list(&caller, asked, &["component", "code", "lead", "kind"], action_field)
            .await?;
        Ok(Response::new(ListActionsResponse { actions, next_page_token }))
    }

    async fn update_action(&self, request: Request<UpdateActionRequest>) -> Result<Response<UpdateActionResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let given = (request.action.clone(), request.update_mask.clone(), request.request_id.as_str());
        self.update(&caller, &request, given, |action| UpdateActionResponse { action: Some(action) })
            .await
    }

    async fn create_indicator(&self, request: Request<CreateIndicatorRequest>) -> Result<Response<CreateIndicatorResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let given = (
            request.parent.as_str(),
            request.indicator_id.as_str(),
            request.indicator.clone(),
            request.request_id.as_str(),
        );
        self.create(&caller, &request, given, |indicator| CreateIndicatorResponse {
            indicator: Some(indicator),
        })
        .await
    }

    async fn get_indicator(&self, request: Request<GetIndicatorRequest>) -> Result<Response<GetIndicatorResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        Ok(Response::new(GetIndicatorResponse {
            indicator: Some(self.get(&caller, &request.name).await?),
        }))
    }

    async fn list_indicators(&self, request: Request<ListIndicatorsRequest>) -> Result<Response<ListIndicatorsResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let asked = (
            request.parent.as_str(),
            request.page_size,
            request.page_token.as_str(),
            request.filter.as_str(),
        );
        let (indicators, next_page_token) = self.list(&caller, asked, &["code", "unit"], indicator_field).await?;
        Ok(Response::new(ListIndicatorsResponse {
            indicators,
            next_page_token,
        }))
    }

    async fn update_indicator(&self, request: Request<UpdateIndicatorRequest>) -> Result<Response<UpdateIndicatorResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let given = (request.indicator.clone(), request.update_mask.clone(), request.request_id.as_str());
        self.update(&caller, &request, given, |indicator| UpdateIndicatorResponse {
            indicator: Some(indicator),
        })
        .await
    }

    async fn import_plan(&self, request: Request<ImportPlanRequest>) -> Result<Response<ImportPlanResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let file = match file::read(&request.file) {
            Ok(file) => file,
            Err(faults) => return Err(refused(faults).into()),
        };
        let definition = file.definition;
        let plan = definition.plan.clone().unwrap_or_default();
        let count = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
        let mut answer = ImportPlanResponse {
            plan: Some(plan.clone()),
            components: count(definition.components.len()),
            actions: count(definition.actions.len()),
            indicators: count(definition.indicators.len()),
            warnings: file.warnings,
        };
        if request.validate_only {
            if let Some(row) = plan::Entity::find_by_id(plan.name.as_str())
                .one(self.kit.db.read(&caller))
                .await
                .map_err(Error::from)?
            {
                draft_only(&row)?;
            }
            return Ok(Response::new(answer));
        }
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let stored = plan::Entity::find_by_id(plan.name.as_str())
            .one(change.tx())
            .await
            .map_err(Error::from)?;
        if let Some(row) = &stored {
            draft_only(row)?;
        }
        let row = save_plan(&change, stored.as_ref(), &plan, false).await?;
        store::replace_parts(&change, &plan.name, &definition).await?;
        let event = PlanImported {
            definition: Some(definition),
        };
        change.record("vigia.plans.v1.PlanImported", &plan.name, "", &event).await?;
        answer.plan = Some(shown(row, plan, change.now()));
        change.commit(answer).await
    }

    async fn export_plan(&self, request: Request<ExportPlanRequest>) -> Result<Response<ExportPlanResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let definition = self.now(&caller, &request.name).await?;
        Ok(Response::new(ExportPlanResponse {
            file: file_write::write(&definition).into_bytes(),
        }))
    }
}

/// Checks a draft as it becomes, and gives the plan's own fields in their one form.
fn checked(mut definition: PlanDefinition) -> Result<Plan, Error> {
    if let Some(plan) = &mut definition.plan {
        normalise_plan(plan);
    }
    check(&definition).done()?;
    Ok(definition.plan.unwrap_or_default())
}

/// The refusal that a file's faults make.
pub(crate) fn refused(faults: Faults) -> Error {
    faults
        .done()
        .err()
        .unwrap_or_else(|| Error::internal(&"a file was refused without a fault"))
}
