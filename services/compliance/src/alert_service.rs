//! AlertService: what needs someone now, whom Vigía told, and what is done about it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prost::Message;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Error, Faults, Filter, Page, Scope, facts::obligation_name, micros, name, timestamp};
use vigia_proto::compliance::{
    AcknowledgeAlertRequest, AcknowledgeAlertResponse, Acknowledgement, Alert, AlertAcknowledged, Basis, Delivery, DeliveryRequeued,
    DeliveryState, GetAlertRequest, GetAlertResponse, ListAlertsRequest, ListAlertsResponse, ListDeliveriesRequest, ListDeliveriesResponse,
    Mute, MuteObligationRequest, MuteObligationResponse, Notice, ObligationMuted, ObligationUnmuted, PreviewAlertsRequest,
    PreviewAlertsResponse, RedeliverDeliveryRequest, RedeliverDeliveryResponse, UnmuteObligationRequest, UnmuteObligationResponse,
    alert_service_server::AlertService,
};

use crate::{
    alerts::{
        Desk,
        board::{self, Board, Raised},
    },
    compliance_service::{Cursor, asked, basis_of, plan_of},
    entities::{delivery, notice},
    record::Record,
    view::View,
};

/// Characters of a reason or a note at most.
const REASON_CHARS_MAX: usize = 1000;
/// What a filter of alerts may ask for.
const ALERT_FIELDS: [&str; 8] = [
    "rule",
    "owner",
    "recipient",
    "action",
    "subject",
    "threshold",
    "muted",
    "acknowledged",
];
/// What a filter of deliveries may ask for.
const DELIVERY_FIELDS: [&str; 3] = ["state", "channel", "recipient"];
/// Notices that a list shows of a delivery.
const NOTICES_SHOWN_MAX: u64 = 100;
/// Days that a preview looks ahead where nothing else is said, and at most.
const PREVIEW_DAYS: i32 = 30;
const PREVIEW_DAYS_MAX: i32 = 366;

#[derive(Debug)]
pub(crate) struct Alerts {
    desk: Desk,
}

impl Alerts {
    pub(crate) fn new(desk: Desk) -> Self {
        Self { desk }
    }

    async fn basis(&self, wire: Option<&prost_types::Timestamp>) -> Result<(Timestamp, Basis), Error> {
        basis_of(&self.desk.kit, &self.desk.memory, "as_of", wire).await
    }

    /// What stands in a plan as of t and passes, from a place on: at most `size`, and whether there is more. With what was
    /// done about it by another instant.
    async fn page(
        &self,
        plan: &str,
        (t, by): (Timestamp, Timestamp),
        (skip, size): (usize, usize),
        found: impl FnOnce(&Desk, &View<'_>) -> Result<Arc<Board>, Error> + Send + 'static,
        filter: Filter,
        caller: Caller,
    ) -> Result<(Vec<Alert>, bool), Error> {
        let (desk, plan) = (self.desk.clone(), plan.to_owned());
        // Every obligation is looked at: not on the threads that answer calls.
        let page = tokio::task::spawn_blocking(move || {
            desk.memory.ask(&plan, t, |view| {
                let board = found(&desk, view)?;
                let passes =
                    |raised: &&Raised| is_for(&caller, raised) && filter.matches(|field| field_of(raised, (&desk.record, by), field));
                let mut meant = board.raised.iter().filter(passes).skip(skip);
                let page = meant
                    .by_ref()
                    .take(size)
                    .map(|raised| board::wire(view, (&desk.record, by), raised));
                let page: Vec<Alert> = page.collect();
                Ok((page, meant.next().is_some()))
            })
        });
        page.await.map_err(|cause| Error::internal(&cause))?
    }

    /// An alert that stands. What the caller may not see reads as not there; what stood once is told apart.
    async fn standing(&self, caller: &Caller, alert: &str, t: Timestamp, by: Timestamp) -> Result<Alert, Error> {
        let (desk, caller, alert) = (self.desk.clone(), caller.clone(), alert.to_owned());
        let found = tokio::task::spawn_blocking(move || standing(&desk, &caller, &alert, t, by));
        found.await.map_err(|cause| Error::internal(&cause))?
    }

    /// The institution that owes an obligation, as resource name. What the caller may not see reads as not there.
    async fn owner_of(&self, caller: &Caller, obligation: &str) -> Result<String, Error> {
        let not_found = || Error::not_found(obligation);
        let plan = name::split("plans/{}/assignments/{}/obligations/{}", obligation).ok_or_else(not_found)?[0];
        let (assignment, period) = obligation_name(obligation)?;
        let t = self.desk.kit.as_of(None).await?;
        let owner = self.desk.memory.ask(plan, t, |view| {
            let found = vigia_rules::obligation(&view.facts_of_assignment(&assignment), &assignment, period, t).ok_or_else(not_found)?;
            Ok(format!("institutions/{}", found.institution))
        });
        let owner = owner.map_err(|_| not_found())?;
        if caller.sees(&owner) { Ok(owner) } else { Err(not_found()) }
    }

    /// A delivery with the first of its notices.
    async fn shown(&self, caller: &Caller, row: &delivery::Model) -> Result<Delivery, Error> {
        let of_it = notice::Entity::find().filter(notice::Column::Delivery.eq(&row.name));
        let notices = of_it.order_by_asc(notice::Column::Key).limit(NOTICES_SHOWN_MAX + 1);
        let notices = notices.all(self.desk.kit.db.read(caller)).await?;
        let delivery = Delivery::decode(row.definition.as_slice())?;
        let decode = |row: &notice::Model| Notice::decode(row.definition.as_slice());
        let notices: Vec<Notice> = notices.iter().take(100).map(decode).collect::<Result<_, _>>()?;
        let counted = i32::try_from(notices.len()).unwrap_or(i32::MAX);
        Ok(Delivery {
            notice_count: delivery.notice_count.max(counted),
            notices,
            ..delivery
        })
    }
}

fn standing(desk: &Desk, caller: &Caller, alert: &str, t: Timestamp, by: Timestamp) -> Result<Alert, Error> {
    let not_found = || Error::not_found(alert);
    let plan = name::split("plans/{}/alerts/{}", alert).ok_or_else(not_found)?[0];
    let asked = desk.memory.ask(plan, t, |view| {
        let board = desk.board(view)?;
        let found = board.raised.iter().find(|raised| raised.name == alert);
        if let Some(raised) = found.filter(|raised| is_for(caller, raised)) {
            return Ok(Ok(board::wire(view, (&desk.record, by), raised)));
        }
        // A name alone does not say whose it was: who sees all is told, and whose report it was about.
        let sees_all = *caller.scope() == Scope::Everywhere;
        let of = || board::once_said_of(view, alert);
        Ok(Err(
            sees_all && desk.record.knows(alert) || of().is_some_and(|owner| caller.sees(&owner))
        ))
    });
    match asked.map_err(|_| not_found())? {
        Ok(found) => Ok(found),
        Err(true) => Err(Error::state_conflict(alert, "RESOLVED")),
        Err(false) => Err(not_found()),
    }
}

/// By when what people did is shown: by the instant that is asked for; without one all of it, so that whoever has just
/// done something finds it.
fn done_by(asked: Option<&prost_types::Timestamp>, t: Timestamp) -> Timestamp {
    if asked.is_some() { t } else { Timestamp::MAX }
}

/// Whether an alert is addressed to the caller, or its business.
fn is_for(caller: &Caller, raised: &Raised) -> bool {
    raised.recipients.iter().any(|recipient| caller.sees(recipient)) || *caller.scope() == Scope::Everywhere
}

fn check_reason(reason: &str) -> Result<(), Error> {
    let mut faults = Faults::new();
    faults.text("reason", reason, 1..=REASON_CHARS_MAX);
    faults.done()
}

fn is_or_not(holds: bool) -> String {
    if holds { "true" } else { "false" }.to_owned()
}

/// What a filter may ask of an alert.
fn field_of(raised: &Raised, (record, by): (&Record, Timestamp), field: &str) -> Option<String> {
    Some(match field {
        "rule" => board::rule_of(raised.alert.rule)
            .as_str_name()
            .trim_start_matches("ALERT_RULE_")
            .to_owned(),
        "owner" => raised.owner.clone(),
        "recipient" => raised.recipients.join(" "),
        "action" => raised.action.clone(),
        "subject" => raised.subject.clone(),
        "threshold" => raised.alert.threshold.to_string(),
        "muted" => is_or_not(record.mute(&raised.subject, by).is_some()),
        "acknowledged" => is_or_not(record.acknowledgement(&raised.name, by).is_some()),
        _ => return None,
    })
}

/// What a filter may ask of a delivery.
fn delivery_field(delivery: &Delivery, field: &str) -> Option<String> {
    Some(match field {
        "state" => delivery.state().as_str_name().trim_start_matches("DELIVERY_STATE_").to_owned(),
        "channel" => delivery.channel().as_str_name().trim_start_matches("DELIVERY_CHANNEL_").to_owned(),
        "recipient" => delivery.recipient.clone(),
        _ => return None,
    })
}

#[tonic::async_trait]
impl AlertService for Alerts {
    async fn list_alerts(&self, request: Request<ListAlertsRequest>) -> Result<Response<ListAlertsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let filter = Filter::parse(&request.filter, &ALERT_FIELDS)?;
        let asked = asked(request.as_of.as_ref());
        let arguments = [request.parent.as_str(), &request.filter, &asked];
        let page = Page::parse(&caller, request.page_size, &request.page_token, &arguments)?;
        let (fixed, skip) = Cursor::of(&page)?;
        let by = |t| done_by(request.as_of.as_ref(), t);
        let (t, basis) = self.basis(fixed.as_ref().map(Cursor::wire).or(request.as_of).as_ref()).await?;
        Cursor::check(fixed.as_ref(), &basis)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let (alerts, more) = self.page(plan, (t, by(t)), (skip, size), Desk::board, filter, caller).await?;
        let next = more.then(|| Cursor::next(t, &basis, skip + size));
        Ok(Response::new(ListAlertsResponse {
            alerts,
            next_page_token: page.next(next.as_deref()),
            basis: Some(basis),
        }))
    }

    async fn get_alert(&self, request: Request<GetAlertRequest>) -> Result<Response<GetAlertResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let (t, basis) = self.basis(request.as_of.as_ref()).await?;
        let by = done_by(request.as_of.as_ref(), t);
        let alert = self.standing(&caller, &request.name, t, by).await?;
        Ok(Response::new(GetAlertResponse {
            alert: Some(alert),
            basis: Some(basis),
        }))
    }

    async fn preview_alerts(&self, request: Request<PreviewAlertsRequest>) -> Result<Response<PreviewAlertsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let days = if request.days == 0 { PREVIEW_DAYS } else { request.days };
        let mut faults = Faults::new();
        faults.require(
            (1..=PREVIEW_DAYS_MAX).contains(&days),
            "days",
            "debe estar entre 1 y 366",
            "must lie between 1 and 366",
        );
        faults.done()?;
        let arguments = [request.parent.as_str(), &days.to_string()];
        let page = Page::parse(&caller, request.page_size, &request.page_token, &arguments)?;
        let (fixed, skip) = Cursor::of(&page)?;
        let (t, basis) = self.basis(fixed.as_ref().map(Cursor::wire).as_ref()).await?;
        Cursor::check(fixed.as_ref(), &basis)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let until = t.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(t);
        let found = move |desk: &Desk, view: &View<'_>| desk.upcoming(view, until);
        let all = Filter::parse("", &[])?;
        let (alerts, more) = self.page(plan, (t, Timestamp::MAX), (skip, size), found, all, caller).await?;
        let next = more.then(|| Cursor::next(t, &basis, skip + size));
        Ok(Response::new(PreviewAlertsResponse {
            alerts,
            next_page_token: page.next(next.as_deref()),
            basis: Some(basis),
        }))
    }

    async fn acknowledge_alert(&self, request: Request<AcknowledgeAlertRequest>) -> Result<Response<AcknowledgeAlertResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::new();
        faults.text("note", &request.note, 0..=REASON_CHARS_MAX);
        faults.done()?;
        let (t, _) = self.basis(None).await?;
        let standing = self.standing(&caller, &request.name, t, t).await;
        let mut change = self.desk.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        // The first answer stands, whatever has become of the alert since.
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let owner = standing?.owner;
        if self.desk.record.acknowledgement(&request.name, change.now()).is_some() {
            return Err(Error::state_conflict(request.name, "ACKNOWLEDGED").into());
        }
        let acknowledgement = Acknowledgement {
            alert: request.name,
            acknowledged_by: caller.principal().to_owned(),
            acknowledge_time: Some(timestamp(change.now())),
            note: request.note,
        };
        let event = AlertAcknowledged {
            acknowledgement: Some(acknowledgement.clone()),
        };
        let event_type = "vigia.compliance.v1.AlertAcknowledged";
        change.record(event_type, &acknowledgement.alert, &owner, &event).await?;
        change
            .commit(AcknowledgeAlertResponse {
                acknowledgement: Some(acknowledgement),
            })
            .await
    }

    async fn mute_obligation(&self, request: Request<MuteObligationRequest>) -> Result<Response<MuteObligationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        check_reason(&request.reason)?;
        let owner = self.owner_of(&caller, &request.obligation).await?;
        let mut change = self.desk.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        if self.desk.record.mute(&request.obligation, change.now()).is_some() {
            return Err(Error::state_conflict(request.obligation, "MUTED").into());
        }
        let mute = Mute {
            obligation: request.obligation,
            reason: request.reason,
            mute_time: Some(timestamp(change.now())),
            muted_by: caller.principal().to_owned(),
        };
        let event = ObligationMuted { mute: Some(mute.clone()) };
        change
            .record("vigia.compliance.v1.ObligationMuted", &mute.obligation, &owner, &event)
            .await?;
        change.commit(MuteObligationResponse { mute: Some(mute) }).await
    }

    async fn unmute_obligation(&self, request: Request<UnmuteObligationRequest>) -> Result<Response<UnmuteObligationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        check_reason(&request.reason)?;
        let owner = self.owner_of(&caller, &request.obligation).await?;
        let mut change = self.desk.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        if self.desk.record.mute(&request.obligation, change.now()).is_none() {
            return Err(Error::state_conflict(request.obligation, "NOT_MUTED").into());
        }
        let event = ObligationUnmuted {
            obligation: request.obligation.clone(),
            reason: request.reason,
        };
        change
            .record("vigia.compliance.v1.ObligationUnmuted", &request.obligation, &owner, &event)
            .await?;
        change.commit(UnmuteObligationResponse {}).await
    }

    async fn list_deliveries(&self, request: Request<ListDeliveriesRequest>) -> Result<Response<ListDeliveriesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let filter = Filter::parse(&request.filter, &DELIVERY_FIELDS)?;
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[&request.filter])?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let db = self.desk.kit.db.read(&caller);
        let mut after = page.after.as_deref().and_then(place_of);
        let mut found: Vec<delivery::Model> = Vec::new();
        // What the filter leaves out never makes a page short.
        while found.len() <= size {
            let mut query = delivery::Entity::find();
            if let Scope::Institutions(institutions) = caller.scope() {
                query = query.filter(delivery::Column::Recipient.is_in(institutions));
            }
            if let Some((decided_at, name)) = &after {
                let same = Condition::all()
                    .add(delivery::Column::DecidedAt.eq(*decided_at))
                    .add(delivery::Column::Name.lt(name.as_str()));
                query = query.filter(Condition::any().add(delivery::Column::DecidedAt.lt(*decided_at)).add(same));
            }
            let ordered = query
                .order_by_desc(delivery::Column::DecidedAt)
                .order_by_desc(delivery::Column::Name);
            let rows = ordered.limit(page.size + 1).all(db).await.map_err(Error::from)?;
            let is_end = rows.len() <= size;
            after = rows.last().map(|row| (row.decided_at, row.name.clone()));
            for row in rows {
                let delivery = Delivery::decode(row.definition.as_slice()).map_err(Error::from)?;
                if filter.matches(|field| delivery_field(&delivery, field)) {
                    found.push(row);
                }
            }
            if is_end {
                break;
            }
        }
        let more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| more).map(|row| format!("{} {}", row.decided_at, row.name));
        let mut deliveries = Vec::new();
        for row in &found {
            deliveries.push(self.shown(&caller, row).await?);
        }
        Ok(Response::new(ListDeliveriesResponse {
            deliveries,
            next_page_token: page.next(next.as_deref()),
            email_configured: self.desk.post.mail.is_some(),
            webhooks: self.desk.post.hooks.iter().map(|hook| format!("webhooks/{}", hook.name)).collect(),
        }))
    }

    async fn redeliver_delivery(&self, request: Request<RedeliverDeliveryRequest>) -> Result<Response<RedeliverDeliveryResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        check_reason(&request.reason)?;
        let mut change = self.desk.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let row = delivery::Entity::find_by_id(&request.name)
            .one(change.tx())
            .await
            .map_err(Error::from)?;
        let row = row
            .filter(|row| caller.sees(&row.recipient))
            .ok_or_else(|| Error::not_found(&request.name))?;
        let delivery = Delivery::decode(row.definition.as_slice()).map_err(Error::from)?;
        if delivery.state() != DeliveryState::Dead {
            let state = delivery.state().as_str_name().trim_start_matches("DELIVERY_STATE_");
            return Err(Error::state_conflict(request.name, state).into());
        }
        let requeued = requeued(delivery);
        let changed = delivery::Model {
            state: requeued.state,
            send_at: micros(change.now()),
            next_attempt_at: if requeued.state() == DeliveryState::Sending { 0 } else { i64::MAX },
            definition: requeued.encode_to_vec(),
            ..row
        };
        let recipient = changed.recipient.clone();
        let updated = changed.into_active_model().reset_all().update(change.tx()).await;
        updated.map_err(Error::from)?;
        let event = DeliveryRequeued {
            delivery: Some(requeued.clone()),
            reason: request.reason,
        };
        let institution = if recipient.starts_with("institutions/") {
            recipient
        } else {
            String::new()
        };
        change
            .record("vigia.compliance.v1.DeliveryRequeued", &requeued.name, &institution, &event)
            .await?;
        change.commit(RedeliverDeliveryResponse { delivery: Some(requeued) }).await
    }
}

/// A dead letter that is tried again from the beginning: those who have it are left in peace. One that nobody could be
/// found for is fixed anew.
fn requeued(delivery: Delivery) -> Delivery {
    let state = if delivery.targets.is_empty() {
        DeliveryState::Open
    } else {
        DeliveryState::Sending
    };
    let mut targets = delivery.targets;
    for target in targets.iter_mut().filter(|target| target.state() == DeliveryState::Dead) {
        target.set_state(DeliveryState::Sending);
        target.attempts = 0;
    }
    Delivery {
        state: state.into(),
        targets,
        first_attempt_time: None,
        next_attempt_time: None,
        ..delivery
    }
}

/// Where a page of deliveries goes on.
fn place_of(after: &str) -> Option<(i64, String)> {
    let (decided_at, name) = after.split_once(' ')?;
    Some((decided_at.parse().ok()?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use vigia_proto::compliance::DeliveryTarget;

    use super::*;

    #[test]
    fn a_dead_letter_is_tried_again_where_it_did_not_arrive() {
        let target = |state: DeliveryState, attempts| DeliveryTarget {
            state: state.into(),
            attempts,
            message_id: "<a@b>".into(),
            ..DeliveryTarget::default()
        };
        let dead = Delivery {
            state: DeliveryState::Dead.into(),
            targets: vec![target(DeliveryState::Sent, 1), target(DeliveryState::Dead, 9)],
            first_attempt_time: Some(timestamp(Timestamp::UNIX_EPOCH)),
            ..Delivery::default()
        };
        let again = requeued(dead.clone());
        assert_eq!((again.state(), again.first_attempt_time), (DeliveryState::Sending, None));
        assert_eq!(again.targets, [target(DeliveryState::Sent, 1), target(DeliveryState::Sending, 0)]);
        // Nobody was found: addresses are looked for anew.
        let nobody = Delivery {
            targets: Vec::new(),
            ..dead
        };
        assert_eq!(requeued(nobody).state(), DeliveryState::Open);
    }
}
