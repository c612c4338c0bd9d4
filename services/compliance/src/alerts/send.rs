//! Sending: at least once, with the same text and the same id at each attempt.

use futures::StreamExt;
use jiff::Timestamp;
use prost::Message;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use vigia_platform::{Change, Error, Lease, clock::machine_now, instant, micros, new_id, timestamp};
use vigia_proto::compliance::{Delivery, DeliveryAttempted, DeliveryChannel, DeliveryState, DeliveryTarget};

use super::{Desk, board::Hours, decide::institution_of, mail::Letter, post::Outcome, retry};
use crate::entities::delivery;

/// Deliveries that are tried at the same time: one server that does not answer must not hold up the others.
const AT_ONCE: usize = 8;
/// Deliveries of one pass: it ends within the lease's term, however slow the other sides are.
pub(super) const OF_A_PASS: u64 = 16;

impl Desk {
    /// Tries what is due by the machine's clock. Gives how many were tried.
    pub(crate) async fn send(&self, lease: Option<&Lease>, now: Timestamp) -> Result<usize, Error> {
        let due = delivery::Entity::find()
            .filter(delivery::Column::State.eq(i32::from(DeliveryState::Sending)))
            .filter(delivery::Column::NextAttemptAt.lte(micros(now)))
            .order_by_asc(delivery::Column::NextAttemptAt)
            .order_by_asc(delivery::Column::Name)
            .limit(OF_A_PASS);
        let due = due.all(self.kit.db.read(&self.caller())).await?;
        let tried = futures::stream::iter(due.into_iter().map(|row| self.attempt(row, lease, now)));
        let tried: Vec<Result<(), Error>> = tried.buffer_unordered(AT_ONCE).collect().await;
        let count = tried.len();
        tried.into_iter().collect::<Result<(), Error>>()?;
        Ok(count)
    }

    async fn attempt(&self, row: delivery::Model, lease: Option<&Lease>, now: Timestamp) -> Result<(), Error> {
        let before = Delivery::decode(row.definition.as_slice())?;
        let is_mail = before.channel() == DeliveryChannel::Email;
        if let Some(quiet_until) = self.quiet_until().filter(|_| is_mail) {
            let pause = quiet_until.duration_since(self.kit.clock.now());
            let later = delivery::Model {
                next_attempt_at: micros(now.checked_add(pause).unwrap_or(now)),
                ..row.clone()
            };
            return self.write(lease, &row, later, None).await;
        }
        let mut delivery = before;
        let first = delivery.first_attempt_time.as_ref().and_then(instant).unwrap_or(now);
        delivery.first_attempt_time = Some(timestamp(first));
        let (mut attempts, mut targets) = (0, std::mem::take(&mut delivery.targets));
        let waiting = |target: &&mut DeliveryTarget| target.state() == DeliveryState::Sending;
        // Side by side: one that does not answer costs the others no time.
        let tried = targets.iter_mut().filter(waiting).map(async |target| {
            let outcome = if is_mail {
                self.mail(&delivery, target, &row.body).await
            } else {
                self.call(&delivery, target, &row.body).await
            };
            (target, outcome)
        });
        for (target, outcome) in futures::future::join_all(tried).await {
            target.attempts += 1;
            attempts = attempts.max(u32::try_from(target.attempts).unwrap_or(0));
            let (state, error) = match outcome {
                Outcome::Sent => (DeliveryState::Sent, String::new()),
                Outcome::Failed(error) => (DeliveryState::Sending, error),
                Outcome::Refused(error) => (DeliveryState::Dead, error),
            };
            target.set_state(state);
            target.last_error = error;
        }
        let waits = |targets: &[DeliveryTarget]| targets.iter().any(|target| target.state() == DeliveryState::Sending);
        let next = waits(&targets)
            .then(|| retry::next_attempt(first, attempts, now, random()))
            .flatten();
        if next.is_none() {
            // Tried for too long.
            let waiting = targets.iter_mut().filter(|target| target.state() == DeliveryState::Sending);
            waiting.for_each(|target| target.set_state(DeliveryState::Dead));
        }
        let is_dead = targets.iter().any(|target| target.state() == DeliveryState::Dead);
        let state = match (next.is_some(), is_dead) {
            (true, _) => DeliveryState::Sending,
            (false, true) => DeliveryState::Dead,
            (false, false) => DeliveryState::Sent,
        };
        let after = Delivery {
            state: state.into(),
            next_attempt_time: next.map(timestamp),
            targets,
            ..delivery
        };
        tracing::info!(delivery = row.name, state = state.as_str_name(), attempts, "tried to send");
        let changed = delivery::Model {
            state: state.into(),
            next_attempt_at: next.map_or(i64::MAX, micros),
            definition: after.encode_to_vec(),
            ..row.clone()
        };
        self.write(lease, &row, changed, Some(DeliveryAttempted { delivery: Some(after) }))
            .await
    }

    /// Notes what an attempt came to, unless somebody else has taken the work over or the delivery is not as it was.
    async fn write(
        &self,
        lease: Option<&Lease>,
        before: &delivery::Model,
        after: delivery::Model,
        event: Option<DeliveryAttempted>,
    ) -> Result<(), Error> {
        let caller = self.caller();
        let asked = event.clone().unwrap_or_default();
        let mut change: Change = self.kit.db.change_after_all(&caller, &new_id(), &asked).await?;
        if let Some(lease) = lease
            && !lease.holds(change.tx()).await?
        {
            return Ok(());
        }
        let stored = delivery::Entity::find_by_id(&before.name).one(change.tx()).await?;
        if stored.as_ref() != Some(before) {
            return Ok(());
        }
        let institution = institution_of(&before.recipient);
        let name = before.name.clone();
        after.into_active_model().reset_all().update(change.tx()).await?;
        if let Some(event) = event {
            change
                .record("vigia.compliance.v1.DeliveryAttempted", &name, &institution, &event)
                .await?;
        }
        let committed = change.commit(DeliveryAttempted::default()).await;
        committed.map(|_| ()).map_err(|status| Error::internal(&status))
    }

    /// Until when nobody is written to, by any plan; none where they may be.
    fn quiet_until(&self) -> Option<Timestamp> {
        let (t, now) = (self.kit.closed_at(), self.kit.clock.now());
        let hours = self
            .memory
            .plans()
            .into_iter()
            .filter_map(|plan| self.memory.ask(&plan, t, |view| Ok(Hours::of(view))).ok());
        hours.filter_map(|hours| hours.quiet_until(now)).max()
    }

    async fn mail(&self, delivery: &Delivery, target: &DeliveryTarget, body: &str) -> Outcome {
        let Some(mail) = &self.post.mail else {
            return Outcome::Failed("el correo no está configurado".to_owned());
        };
        // The address of now: who moved house gets it there.
        let contact = self.memory.contact(&delivery.recipient);
        let Some((_, to)) = contact.addresses().find(|(office, _)| *office == target.office) else {
            return Outcome::Refused("el punto focal ya no tiene dirección".to_owned());
        };
        let (subject, text) = body.split_once('\n').unwrap_or((body, ""));
        let date = delivery.send_time.as_ref().and_then(instant).unwrap_or(Timestamp::UNIX_EPOCH);
        let letter = Letter {
            to,
            message_id: &target.message_id,
            subject,
            text,
            date,
        };
        mail.send(&letter).await
    }

    async fn call(&self, delivery: &Delivery, target: &DeliveryTarget, body: &str) -> Outcome {
        match self.post.hook(&delivery.recipient) {
            Some(hook) => hook.send(&target.message_id, body, machine_now()).await,
            None => Outcome::Refused("el webhook ya no está configurado".to_owned()),
        }
    }
}

/// For jitter only: where the system has no randomness, there is none.
fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
