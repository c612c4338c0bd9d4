//! A delivery whose hour has come: what is not needed any more is dropped, and its text and addresses are fixed.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use prost::Message;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use uuid::Uuid;
use vigia_platform::{CallKey, Error, Lease, micros, new_id};
use vigia_proto::compliance::{Delivery, DeliveryChannel, DeliveryFixed, DeliveryState, DeliveryTarget, Notice};

use super::{
    Desk, SPACE,
    board::Raised,
    decide::institution_of,
    texts::{self, Part},
};
use crate::entities::{delivery, notice};

/// Deliveries that one transaction fixes.
const DELIVERIES_MAX: u64 = 200;

impl Desk {
    /// Fixes the deliveries whose hour has come and is closed. Gives how many.
    pub(crate) async fn fix(&self, lease: Option<&Lease>) -> Result<usize, Error> {
        let t = self.kit.closed_at();
        let is_due = |query: sea_orm::Select<delivery::Entity>| {
            query
                .filter(delivery::Column::State.eq(i32::from(DeliveryState::Open)))
                .filter(delivery::Column::SendAt.lte(micros(t)))
        };
        let due = is_due(delivery::Entity::find())
            .limit(1)
            .all(self.kit.db.read(&self.caller()))
            .await?;
        if due.is_empty() {
            return Ok(0);
        }
        let desk = self.clone();
        let standing = tokio::task::spawn_blocking(move || desk.standing(t));
        let standing = standing.await.map_err(|cause| Error::internal(&cause))?;
        let mut batch = self.kit.db.batch().await?;
        if let Some(lease) = lease
            && !lease.holds(batch.tx()).await?
        {
            return Ok(0);
        }
        let rows = is_due(delivery::Entity::find())
            .order_by_asc(delivery::Column::SendAt)
            .limit(DELIVERIES_MAX);
        let rows = rows.all(batch.tx()).await?;
        let caller = self.caller();
        for row in &rows {
            let of_it = notice::Entity::find()
                .filter(notice::Column::Delivery.eq(&row.name))
                .order_by_asc(notice::Column::Key);
            let notices = of_it.all(batch.tx()).await?;
            let notices: Vec<Notice> = notices
                .iter()
                .map(|row| Notice::decode(row.definition.as_slice()))
                .collect::<Result<_, _>>()?;
            let (needed, dropped): (Vec<_>, Vec<_>) = notices.into_iter().partition(|notice| standing.contains_key(&notice.alert));
            let dropped: Vec<String> = dropped.into_iter().map(|notice| notice.key).collect();
            let (fixed, body) = self.fixed(Delivery::decode(row.definition.as_slice())?, &needed, &standing, t)?;
            for keys in dropped.chunks(500) {
                // Their keys are free again: what comes back may be told.
                let of_keys = notice::Entity::delete_many().filter(notice::Column::Key.is_in(keys));
                of_keys.exec(batch.tx()).await?;
            }
            let changed = delivery::Model {
                state: fixed.state,
                // At once.
                next_attempt_at: if fixed.state() == DeliveryState::Sending { 0 } else { i64::MAX },
                definition: fixed.encode_to_vec(),
                body,
                ..row.clone()
            };
            changed.into_active_model().reset_all().update(batch.tx()).await?;
            let event = DeliveryFixed {
                delivery: Some(fixed),
                dropped,
            };
            let institution = institution_of(&row.recipient);
            batch.record(&caller, "vigia.compliance.v1.DeliveryFixed", row.name.clone(), institution, &event)?;
        }
        batch.answer(CallKey::of(&caller, &new_id(), &DeliveryFixed::default())?, Vec::new());
        batch.commit().await?;
        Ok(rows.len())
    }

    /// All that stands and is not silenced, by its name, with what is said of it.
    fn standing(&self, t: Timestamp) -> HashMap<String, (String, Raised)> {
        let mut standing = HashMap::new();
        for plan in self.memory.plans() {
            let asked = self.memory.ask(&plan, t, |view| {
                let board = self.board(view)?;
                let raised = board.raised.iter().filter(|raised| !self.is_silenced(raised));
                standing.extend(raised.map(|raised| (raised.name.clone(), (plan.clone(), raised.clone()))));
                Ok(())
            });
            asked.unwrap_or_default();
        }
        standing
    }

    /// A delivery with its addresses, and the text that is sent.
    fn fixed(
        &self,
        delivery: Delivery,
        needed: &[Notice],
        standing: &HashMap<String, (String, Raised)>,
        t: Timestamp,
    ) -> Result<(Delivery, String), Error> {
        let is_mail = delivery.channel() == DeliveryChannel::Email;
        let target = |office: &str| DeliveryTarget {
            office: office.to_owned(),
            message_id: self.message_id(&delivery.name, office, is_mail),
            state: DeliveryState::Sending.into(),
            ..DeliveryTarget::default()
        };
        let targets: Vec<DeliveryTarget> = if is_mail {
            let contact = self.memory.contact(&delivery.recipient);
            contact.addresses().map(|(office, _)| target(office)).collect()
        } else {
            let hook = self.post.hook(&delivery.recipient);
            hook.iter().map(|hook| target(&hook.name)).collect()
        };
        let state = match (needed.is_empty(), targets.is_empty()) {
            (true, _) => DeliveryState::Dropped,
            // Nobody to write to: shown among the dead letters until there is.
            (false, true) => DeliveryState::Dead,
            (false, false) => DeliveryState::Sending,
        };
        let body = match state {
            DeliveryState::Dropped => String::new(),
            _ if is_mail => self.mail_body(&delivery.recipient, needed, standing, t)?,
            _ => hook_body(&delivery.name, t, needed),
        };
        let fixed = Delivery {
            state: state.into(),
            targets,
            notice_count: i32::try_from(needed.len()).unwrap_or(i32::MAX),
            ..delivery
        };
        Ok((fixed, body))
    }

    /// The same at each attempt, and after each restart.
    pub(super) fn message_id(&self, delivery: &str, office: &str, is_mail: bool) -> String {
        let id = Uuid::new_v5(&SPACE, [delivery, office].join("\n").as_bytes());
        match &self.post.mail {
            Some(mail) if is_mail => format!("<{id}@{}>", mail.domain()),
            _ => format!("msg_{}", id.simple()),
        }
    }

    /// Subject and text of an e-mail, divided by a line break.
    fn mail_body(
        &self,
        recipient: &str,
        needed: &[Notice],
        standing: &HashMap<String, (String, Raised)>,
        t: Timestamp,
    ) -> Result<String, Error> {
        let mut by_plan: BTreeMap<&str, Vec<&Raised>> = BTreeMap::new();
        for (plan, raised) in needed.iter().filter_map(|notice| standing.get(&notice.alert)) {
            by_plan.entry(plan).or_default().push(raised);
        }
        let (mut parts, mut institution) = (Vec::new(), String::new());
        for (plan, mut raised) in by_plan {
            raised.sort_by(|a, b| {
                let key = |raised: &Raised| (raised.alert.rule, raised.alert.due_at, raised.subject.clone());
                key(a).cmp(&key(b))
            });
            self.memory.ask(plan, t, |view| {
                institution = view.name_of(recipient);
                parts.push(Part::of(view, &raised));
                Ok(())
            })?;
        }
        let (subject, text) = texts::message(&institution, &parts, self.post.link.as_deref());
        Ok(format!("{subject}\n{text}"))
    }
}

/// What a webhook is called with: names to look up, nothing else.
fn hook_body(delivery: &str, t: Timestamp, needed: &[Notice]) -> String {
    let alerts = needed.iter().map(|notice| {
        json!({
            "name": notice.alert,
            "rule": notice.rule().as_str_name().trim_start_matches("ALERT_RULE_"),
            "subject": notice.subject,
            "threshold": notice.threshold,
            "due_time": notice.due_time.as_ref().and_then(vigia_platform::instant).map(|due_at| due_at.to_string()),
        })
    });
    let body = json!({
        "type": "vigia.alerts",
        "timestamp": t.to_string(),
        "data": {"delivery": delivery, "alerts": alerts.collect::<Vec<_>>()},
    });
    body.to_string()
}
