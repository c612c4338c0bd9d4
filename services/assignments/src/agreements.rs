//! Agreements between an institution and its counterpart: recorded once, read by both sides.

use prost::Message;
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Response, Status};
use vigia_platform::{Caller, Error, Faults, Filter, Page, Scope, name, new_id};
use vigia_proto::assignments::{
    Agreement, AgreementCreated, CreateAgreementRequest, CreateAgreementResponse, ListAgreementsRequest, ListAgreementsResponse,
};

use crate::{assignments::Assignments, entities::agreement, fields, rows};

/// What lists can be filtered by.
const FILTER_FIELDS: [&str; 3] = ["action", "institution", "counterpart"];

/// Branches that an institution's counterpart comes from.
const COUNTERPART_BRANCHES: [&str; 2] = ["civil_society", "academia"];

/// What is wrong with an agreement by itself.
fn check(request: &CreateAgreementRequest, asked: &Agreement) -> Faults {
    let mut faults = Faults::new();
    fields::plan(&mut faults, "parent", &request.parent);
    if !request.agreement_id.is_empty() {
        faults.id("agreement_id", &request.agreement_id);
    }
    faults.text("agreement.institution_duties", &asked.institution_duties, 1..=2000);
    faults.text("agreement.counterpart_duties", &asked.counterpart_duties, 1..=2000);
    for (path, contact) in [
        ("agreement.institution_contact", &asked.institution_contact),
        ("agreement.counterpart_contact", &asked.counterpart_contact),
    ] {
        contact.iter().for_each(|contact| fields::contact(&mut faults, path, contact));
    }
    fields::instrument(&mut faults, "agreement.instrument", &asked.instrument);
    fields::days(&mut faults, "agreement", &asked.from, &asked.last_day);
    faults
}

fn seen(caller: &Caller, row: &agreement::Model) -> bool {
    caller.sees(&row.institution) || caller.sees(&row.counterpart)
}

impl Assignments {
    pub(crate) async fn new_agreement(
        &self,
        caller: &Caller,
        request: CreateAgreementRequest,
    ) -> Result<Response<CreateAgreementResponse>, Status> {
        let asked = request.agreement.clone().unwrap_or_default();
        let mut faults = check(&request, &asked);
        self.check_plan(&mut faults, &request.parent, "agreement.action", &asked.action)
            .await?;
        let mut change = self.kit.db.change(caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        rows::check_institution(&change, &mut faults, "agreement.institution", &asked.institution).await?;
        let counterpart = rows::institution(change.tx(), &asked.counterpart).await?;
        faults.require(
            counterpart.is_some_and(|counterpart| COUNTERPART_BRANCHES.contains(&counterpart.branch.as_str())),
            "agreement.counterpart",
            "debe ser una organización de la sociedad civil o la academia que exista",
            "must be an organisation of civil society or academia that exists",
        );
        faults.done()?;
        let id = if request.agreement_id.is_empty() {
            new_id()
        } else {
            request.agreement_id.clone()
        };
        let agreement = Agreement {
            name: format!("{}/agreements/{id}", request.parent),
            ..asked
        };
        let stored = agreement::Entity::find_by_id(&agreement.name).one(change.tx()).await;
        if stored.map_err(Error::from)?.is_some() {
            return Err(Error::already_exists(agreement.name).into());
        }
        let row = agreement::Model {
            name: agreement.name.clone(),
            plan: request.parent,
            institution: agreement.institution.clone(),
            counterpart: agreement.counterpart.clone(),
            definition: agreement.encode_to_vec(),
        };
        agreement::Entity::insert(row.into_active_model())
            .exec_without_returning(change.tx())
            .await
            .map_err(Error::from)?;
        let event = AgreementCreated {
            agreement: Some(agreement.clone()),
        };
        change
            .record(
                "vigia.assignments.v1.AgreementCreated",
                &agreement.name,
                &agreement.institution,
                &event,
            )
            .await?;
        change
            .commit(CreateAgreementResponse {
                agreement: Some(agreement),
            })
            .await
    }

    pub(crate) async fn agreement(&self, caller: &Caller, name: &str) -> Result<Agreement, Error> {
        let row = agreement::Entity::find_by_id(name).one(self.kit.db.read(caller)).await?;
        let row = row.filter(|row| seen(caller, row)).ok_or_else(|| Error::not_found(name))?;
        Ok(Agreement::decode(row.definition.as_slice())?)
    }

    pub(crate) async fn agreements(&self, caller: &Caller, request: &ListAgreementsRequest) -> Result<ListAgreementsResponse, Error> {
        let mut faults = Faults::new();
        faults.require(
            name::split("plans/{}", &request.parent).is_some(),
            "parent",
            "debe ser un plan, o plans/-",
            "must be a plan, or plans/-",
        );
        faults.done()?;
        let filter = Filter::parse(&request.filter, &FILTER_FIELDS)?;
        let page = Page::parse(caller, request.page_size, &request.page_token, &[&request.parent, &request.filter])?;
        let mut condition = Condition::all();
        if let Scope::Institutions(institutions) = caller.scope() {
            condition = condition.add(
                Condition::any()
                    .add(agreement::Column::Institution.is_in(institutions))
                    .add(agreement::Column::Counterpart.is_in(institutions)),
            );
        }
        if request.parent != "plans/-" {
            condition = condition.add(agreement::Column::Plan.eq(&request.parent));
        }
        let db = self.kit.db.read(caller);
        let fetch = |after: Option<String>, limit: u64| {
            let mut query = agreement::Entity::find().filter(condition.clone());
            if let Some(after) = after {
                query = query.filter(agreement::Column::Name.gt(after));
            }
            async move {
                let rows = query.order_by_asc(agreement::Column::Name).limit(limit).all(db).await?;
                rows.iter()
                    .map(|row| Ok(Agreement::decode(row.definition.as_slice())?))
                    .collect::<Result<Vec<_>, Error>>()
            }
        };
        let keep = |agreement: &Agreement| {
            filter.matches(|field| match field {
                "action" => Some(agreement.action.clone()),
                "institution" => Some(agreement.institution.clone()),
                "counterpart" => Some(agreement.counterpart.clone()),
                _ => None,
            })
        };
        let (agreements, next_page_token) = rows::page(&page, |agreement: &Agreement| agreement.name.as_str(), keep, fetch).await?;
        Ok(ListAgreementsResponse {
            agreements,
            next_page_token,
        })
    }
}
