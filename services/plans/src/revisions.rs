//! RevisionService: a plan in force changes by revisions, each with a legal instrument, an effective day and two persons.

use std::collections::BTreeSet;

use jiff::{Timestamp, tz::TimeZone};
use prost::Message;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Request, Response, Status};
use vigia_platform::{
    Caller, Error, Faults, Kit, Page, check_etag, name,
    plan_changes::{apply, unknown_fields},
    timestamp,
};
use vigia_proto::{error::Reason, plans::*};
use vigia_rules::{Calendar, Count, Frequency};

use crate::{
    check::check,
    diff::diff,
    entities::revision,
    file_changes::{self, ChangeFile},
    normal::normalise_change,
    plans::refused,
    store::{self, Stored, acts_from, find_revision, in_order, number, save_plan, save_revision, shown},
};

/// Changes of a revision at most.
const CHANGES_MAX: usize = 5_000;

#[derive(Debug)]
pub(crate) struct Revisions {
    pub(crate) kit: Kit,
}

fn person_only(caller: &Caller) -> Result<(), Error> {
    if caller.is_person() {
        return Ok(());
    }
    Err(Error::refused(
        Reason::PersonRequired,
        "Las revisiones las proponen y deciden personas, con su cuenta, nunca un sistema.",
        "Revisions are proposed and decided by persons, with their account, never by a system.",
    )
    .with("permission", caller.permission()))
}

/// The instant from which a revision acts: the later of its approval and the start of its effective day.
fn acting_from(revision: &Revision, approved_at: Timestamp, time_zone: &str) -> Timestamp {
    // Day and zone were checked when they were written. Only the calendar's zone matters here.
    let (Ok(day), Ok(time_zone)) = (revision.effective_on.parse(), TimeZone::get(time_zone)) else {
        return approved_at;
    };
    let calendar = Calendar {
        time_zone,
        frequency: Frequency::Annual,
        due_days: 0,
        count: Count::Calendar,
        holidays: BTreeSet::new(),
        due_hour: None,
        review_days: None,
    };
    calendar.start_of(day).max(approved_at)
}

/// Checks the plan as it would become: at the revision's own place in the order, and after each that acts later. Gives
/// the faults and the plan that shows them.
fn check_future(stored: &Stored, revision: &Revision, now: Timestamp) -> (Faults, PlanDefinition) {
    let before = stored.composed(|other| acts_from(other) <= now);
    let time_zone = before.plan.as_ref().map(|plan| plan.time_zone.clone()).unwrap_or_default();
    let mut proposed = revision.clone();
    proposed.acts_from = Some(timestamp(acting_from(revision, now, &time_zone)));
    let mut all = stored.approved.clone();
    all.push(proposed);
    in_order(&mut all);
    let place = all.iter().position(|other| other.name == revision.name).unwrap_or(0);
    let mut definition = stored.composed(|_| false);
    let mut faults = Faults::new();
    for (at, revision) in all.iter().enumerate() {
        revision.changes.iter().for_each(|change| apply(&mut definition, change));
        if at >= place {
            faults = check(&definition);
            if !faults.list().is_empty() {
                break;
            }
        }
    }
    (faults, definition)
}

fn check_base(base: i32, newest: i32) -> Result<(), Error> {
    if base == newest {
        return Ok(());
    }
    Err(Error::refused(
        Reason::RevisionBaseOutdated,
        format!("La revisión se basa en la {base} y la última aprobada es la {newest}: propóngala de nuevo sobre ella."),
        format!("The revision stands on {base} and the newest approved one is {newest}: propose it again on that."),
    )
    .with("base", base.to_string())
    .with("current", newest.to_string()))
}

/// What can be wrong with a revision itself.
fn check_revision(revision: &Revision, plan: &str, in_force: bool) -> Faults {
    let mut faults = Faults::new();
    faults.text("revision.legal_instrument", &revision.legal_instrument, 1..=500);
    faults.text("revision.reason", &revision.reason, 0..=5000);
    faults.date("revision.effective_on", &revision.effective_on);
    faults.require(
        revision.changes.is_empty() != in_force,
        "revision.changes",
        if in_force {
            "falta qué cambia"
        } else {
            "la primera revisión pone el borrador en vigencia tal como está: va sin cambios"
        },
        if in_force {
            "what changes is missing"
        } else {
            "the first revision puts the draft in force as it stands: it has no changes"
        },
    );
    faults.require(
        revision.changes.len() <= CHANGES_MAX,
        "revision.changes",
        "son demasiados",
        "too many",
    );
    for (place, change) in revision.changes.iter().enumerate() {
        let path = format!("revision.changes[{place}]");
        let (pattern, named) = match &change.resource {
            Some(change::Resource::Plan(plan)) => ("plans/{}", &plan.name),
            Some(change::Resource::Component(component)) => ("plans/{}/components/{}", &component.name),
            Some(change::Resource::Action(action)) => ("plans/{}/actions/{}", &action.name),
            Some(change::Resource::Indicator(indicator)) => ("plans/{}/actions/{}/indicators/{}", &indicator.name),
            None => {
                faults.add(path, "falta qué cambia", "what changes is missing");
                continue;
            }
        };
        let is_ours = name::split(pattern, named).is_some() && (named == plan || named.starts_with(&format!("{plan}/")));
        faults.require(
            is_ours,
            &format!("{path}.name"),
            "no es un nombre de este plan",
            "is no name of this plan",
        );
        for field in unknown_fields(change) {
            faults.add(
                format!("{path}.update_mask"),
                format!("«{field}» no es un campo que cambie"),
                format!("\"{field}\" is no field that changes"),
            );
        }
    }
    faults
}

/// The revision as it would be proposed, all checked; the number comes later.
fn parse(request: &ProposeRevisionRequest, stored: &Stored, caller: &Caller, now: Timestamp) -> Result<Revision, Error> {
    let given = request.revision.clone().unwrap_or_default();
    let newest = stored.newest();
    let base = if given.base == 0 { newest } else { given.base };
    check_base(base, newest)?;
    let mut changes = given.changes;
    let mut file: Option<ChangeFile> = None;
    if !request.file.is_empty() {
        if !changes.is_empty() {
            let mut faults = Faults::new();
            faults.add(
                "file",
                "hay cambios también en revision.changes",
                "there are changes in revision.changes too",
            );
            faults.done()?;
        }
        let read = file_changes::read(&request.file, &stored.composed(|_| true)).map_err(refused)?;
        changes.clone_from(&read.changes);
        file = Some(read);
    }
    changes.iter_mut().for_each(normalise_change);
    let mut revision = Revision {
        // Sorts behind all that are approved until it has its number.
        name: format!("{}/revisions/{}", request.parent, i32::MAX),
        base,
        changes,
        legal_instrument: given.legal_instrument,
        effective_on: given.effective_on,
        reason: given.reason,
        proposer: caller.principal().to_owned(),
        propose_time: Some(timestamp(now)),
        ..Revision::default()
    };
    revision.set_state(RevisionState::Proposed);
    check_revision(&revision, &request.parent, stored.row.in_force).done()?;
    let (faults, definition) = check_future(stored, &revision, now);
    match &file {
        Some(file) => file.located(&definition, &faults).done()?,
        None => faults.done()?,
    }
    Ok(revision)
}

#[tonic::async_trait]
impl revision_service_server::RevisionService for Revisions {
    async fn propose_revision(&self, request: Request<ProposeRevisionRequest>) -> Result<Response<ProposeRevisionResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        person_only(&caller)?;
        if request.validate_only {
            let stored = Stored::load(self.kit.db.read(&caller), &request.parent).await?;
            let revision = parse(&request, &stored, &caller, self.kit.clock.now())?;
            return Ok(Response::new(ProposeRevisionResponse {
                revision: Some(Revision {
                    name: String::new(),
                    ..revision
                }),
            }));
        }
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let stored = Stored::load(change.tx(), &request.parent).await?;
        let mut revision = parse(&request, &stored, &caller, change.now())?;
        let last: Option<i32> = revision::Entity::find()
            .filter(revision::Column::Plan.eq(&request.parent))
            .order_by_desc(revision::Column::Number)
            .select_only()
            .column(revision::Column::Number)
            .into_tuple()
            .one(change.tx())
            .await
            .map_err(Error::from)?;
        revision.name = format!("{}/revisions/{}", request.parent, last.unwrap_or(0) + 1);
        save_revision(&change, &request.parent, &revision, true).await?;
        let event = RevisionProposed {
            revision: Some(revision.clone()),
        };
        change.record("vigia.plans.v1.RevisionProposed", &revision.name, "", &event).await?;
        change
            .commit(ProposeRevisionResponse {
                revision: Some(shown(revision)),
            })
            .await
    }

    async fn approve_revision(&self, request: Request<ApproveRevisionRequest>) -> Result<Response<ApproveRevisionResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        person_only(&caller)?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let (plan, mut revision) = proposed(change.tx(), &request.name).await?;
        check_etag(&request.etag, &shown(revision.clone()).etag, &request.name)?;
        if revision.proposer == caller.principal() {
            return Err(Error::refused(
                Reason::SecondPersonRequired,
                "Quien propone no aprueba: hace falta otra persona.",
                "Whoever proposed can't approve: it takes another person.",
            )
            .with("resource", request.name)
            .into());
        }
        let stored = Stored::load(change.tx(), &plan).await?;
        check_base(revision.base, stored.newest())?;
        let now = change.now();
        // The plan may have changed since the proposal: a draft by its author, the order of revisions by their days.
        check_future(&stored, &revision, now).0.done()?;
        let current = stored.composed(|other| acts_from(other) <= now);
        let mut own = current.plan.clone().unwrap_or_default();
        revision.acts_from = Some(timestamp(acting_from(&revision, now, &own.time_zone)));
        revision.set_state(RevisionState::Approved);
        revision.decider = caller.principal().to_owned();
        revision.decide_time = Some(timestamp(now));
        save_revision(&change, &plan, &revision, false).await?;
        let mut definition = None;
        if !stored.row.in_force {
            save_plan(&change, Some(&stored.row), &own, true).await?;
            own.set_state(PlanState::InForce);
            own.revision = number(&revision);
            definition = Some(PlanDefinition {
                plan: Some(own),
                ..current
            });
        }
        let event = RevisionApproved {
            revision: Some(revision.clone()),
            definition,
        };
        change.record("vigia.plans.v1.RevisionApproved", &revision.name, "", &event).await?;
        change
            .commit(ApproveRevisionResponse {
                revision: Some(shown(revision)),
            })
            .await
    }

    async fn reject_revision(&self, request: Request<RejectRevisionRequest>) -> Result<Response<RejectRevisionResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let mut faults = Faults::new();
        faults.text("reason", &request.reason, 1..=2000);
        faults.done()?;
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let (plan, mut revision) = proposed(change.tx(), &request.name).await?;
        revision.set_state(RevisionState::Rejected);
        revision.decider = caller.principal().to_owned();
        revision.decide_time = Some(timestamp(change.now()));
        save_revision(&change, &plan, &revision, false).await?;
        let event = RevisionRejected {
            revision: Some(revision.clone()),
            reason: request.reason,
        };
        change.record("vigia.plans.v1.RevisionRejected", &revision.name, "", &event).await?;
        change
            .commit(RejectRevisionResponse {
                revision: Some(shown(revision)),
            })
            .await
    }

    async fn get_revision(&self, request: Request<GetRevisionRequest>) -> Result<Response<GetRevisionResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let revision = find_revision(self.kit.db.read(&caller), &request.name).await?;
        Ok(Response::new(GetRevisionResponse {
            revision: Some(shown(revision)),
        }))
    }

    async fn list_revisions(&self, request: Request<ListRevisionsRequest>) -> Result<Response<ListRevisionsResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[&request.parent])?;
        let after = page.after.as_deref().and_then(|after| after.parse::<i32>().ok()).unwrap_or(0);
        let db = self.kit.db.read(&caller);
        store::exists(db, &request.parent).await?;
        let rows = revision::Entity::find()
            .filter(revision::Column::Plan.eq(&request.parent))
            .filter(revision::Column::Number.gt(after))
            .order_by_asc(revision::Column::Number)
            .limit(page.size + 1)
            .all(db)
            .await
            .map_err(Error::from)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let next = (rows.len() > size).then(|| rows[size - 1].number.to_string());
        let mut revisions = Vec::new();
        for row in rows.iter().take(size) {
            revisions.push(shown(Revision::decode(row.definition.as_slice()).map_err(Error::from)?));
        }
        Ok(Response::new(ListRevisionsResponse {
            revisions,
            next_page_token: page.next(next.as_deref()),
        }))
    }

    async fn diff_revisions(&self, request: Request<DiffRevisionsRequest>) -> Result<Response<DiffRevisionsResponse>, Status> {
        let (caller, request) = (Caller::of(&request)?, request.into_inner());
        let stored = Stored::load(self.kit.db.read(&caller), &request.parent).await?;
        let as_of = |wanted: i32| -> Result<PlanDefinition, Error> {
            if !stored.approved.iter().any(|revision| number(revision) == wanted) {
                return Err(Error::not_found(format!("{}/revisions/{wanted}", request.parent)));
            }
            Ok(stored.composed(|revision| number(revision) <= wanted))
        };
        let differences = diff(&as_of(request.from)?, &as_of(request.to)?);
        Ok(Response::new(DiffRevisionsResponse { differences }))
    }
}

/// A revision that waits for its decision, and its plan.
async fn proposed(tx: &sea_orm::DatabaseTransaction, name: &str) -> Result<(String, Revision), Error> {
    let parts = name::split("plans/{}/revisions/{}", name).ok_or_else(|| Error::not_found(name))?;
    let revision = find_revision(tx, name).await?;
    if revision.state() != RevisionState::Proposed {
        let state = revision.state().as_str_name();
        return Err(Error::state_conflict(name, state.strip_prefix("REVISION_STATE_").unwrap_or(state)));
    }
    Ok((format!("plans/{}", parts[0]), revision))
}
