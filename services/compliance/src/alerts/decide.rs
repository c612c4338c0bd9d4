//! Whom to tell, decided once: under the journal's head, as of the newest closed instant.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use prost::Message;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Value};
use uuid::Uuid;
use vigia_platform::{Batch, CallKey, Column, Error, Lease, micros, new_id, timestamp};
use vigia_proto::compliance::{Delivery, DeliveryChannel, DeliveryState, Notice, NoticesDecided};
use vigia_rules::alert::AlertRule;

use super::{
    Desk, SPACE,
    board::{self, Hours, Raised},
    notice_key,
};
use crate::entities::delivery;

/// A report that was received in time may be on its way through the service for so long, and is not said to be missing. A
/// call ends before.
const IN_THE_PIPE: SignedDuration = SignedDuration::from_secs(60);
/// Notices of one call of a webhook.
const WEBHOOK_NOTICES_MAX: usize = 100;
/// Notices of one journal entry.
const ENTRY_NOTICES_MAX: usize = 500;
/// How many days ahead a digest is looked for that is still open; the second always is.
const DIGESTS_AHEAD: usize = 3;

const DELIVERY_COLUMNS: [Column; 8] = [
    Column::Text("name"),
    Column::Text("recipient"),
    Column::Small("state"),
    Column::Integer("decided_at"),
    Column::Integer("send_at"),
    Column::Integer("next_attempt_at"),
    Column::Bytes("definition"),
    Column::Text("body"),
];
const NOTICE_COLUMNS: [Column; 3] = [Column::Text("key"), Column::Text("delivery"), Column::Bytes("definition")];

/// What a pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    /// Notices that were decided.
    pub(crate) notices: usize,
    /// The next instant at which something may change though nothing is recorded.
    pub(crate) next_change: Timestamp,
}

/// A notice that is not decided yet, and how its plan's people are written to.
struct Candidate {
    channel: DeliveryChannel,
    recipient: String,
    key: Uuid,
    notice: Notice,
    hours: Hours,
}

impl Desk {
    /// Decides what is not decided yet. Without a lease as if there were one process only.
    pub(crate) async fn decide(&self, lease: Option<&Lease>) -> Result<Decided, Error> {
        let t = self.kit.closed_at();
        let desk = self.clone();
        // Every obligation of every plan is looked at: not on the threads that answer calls.
        let found = tokio::task::spawn_blocking(move || desk.candidates(t));
        let (candidates, next_change) = found.await.map_err(|cause| Error::internal(&cause))?;
        let mut decided = Decided { notices: 0, next_change };
        if candidates.is_empty() {
            return Ok(decided);
        }
        let mut batch = self.kit.db.batch().await?;
        if let Some(lease) = lease
            && !lease.holds(batch.tx()).await?
        {
            return Ok(decided);
        }
        // Whoever holds the head has seen all that was decided before.
        let new: Vec<_> = candidates
            .into_iter()
            .filter(|candidate| !self.record.is_decided(&candidate.key))
            .collect();
        decided.notices = new.len();
        self.gather(&mut batch, new).await?;
        batch.commit().await?;
        Ok(decided)
    }

    /// All that stands and was not decided, as far as it is known without the head.
    fn candidates(&self, t: Timestamp) -> (Vec<Candidate>, Timestamp) {
        let (mut candidates, mut next_change) = (Vec::new(), Timestamp::MAX);
        for plan in self.memory.plans() {
            let asked = self.memory.ask(&plan, t, |view| {
                let board = self.board(view)?;
                next_change = next_change.min(board.next_change);
                let hours = Hours::of(view);
                for raised in &board.raised {
                    let ripe_at = if is_late(raised) {
                        raised.alert.since + IN_THE_PIPE
                    } else {
                        raised.alert.since
                    };
                    if ripe_at > t {
                        next_change = next_change.min(ripe_at);
                    } else if !self.is_silenced(raised) {
                        candidates.extend(self.notices(raised, &hours));
                    }
                }
                Ok(())
            });
            // A draft has no alerts.
            asked.unwrap_or_default();
        }
        (candidates, next_change)
    }

    /// Whether nobody is to be told: its obligation is muted, or somebody has taken it up, by all that is recorded.
    pub(crate) fn is_silenced(&self, raised: &Raised) -> bool {
        let by = Timestamp::MAX;
        self.record.mute(&raised.subject, by).is_some() || self.record.acknowledgement(&raised.name, by).is_some()
    }

    /// An alert's notices that were not decided: by e-mail for each recipient, and for each webhook that gets its alerts.
    fn notices(&self, raised: &Raised, hours: &Hours) -> Vec<Candidate> {
        let by_mail = raised.recipients.iter().filter(|_| self.post.mail.is_some());
        let by_mail = by_mail.map(|recipient| (DeliveryChannel::Email, recipient.clone()));
        let hooks = self.post.hooks.iter().filter(|hook| {
            let only = hook.institution.as_ref();
            only.is_none_or(|institution| raised.recipients.contains(institution))
        });
        let by_hook = hooks.map(|hook| (DeliveryChannel::Webhook, format!("webhooks/{}", hook.name)));
        let all = by_mail.chain(by_hook).map(|(channel, recipient)| {
            let key = notice_key(&recipient, &raised.name);
            Candidate {
                channel,
                key,
                notice: Notice {
                    alert: raised.name.clone(),
                    rule: board::rule_of(raised.alert.rule).into(),
                    subject: raised.subject.clone(),
                    threshold: raised.alert.threshold,
                    due_time: Some(timestamp(raised.alert.due_at)),
                    key: key.to_string(),
                },
                recipient,
                hours: hours.clone(),
            }
        });
        all.filter(|candidate| !self.record.is_decided(&candidate.key)).collect()
    }

    /// Puts new notices into deliveries: those that are open, and new ones.
    async fn gather(&self, batch: &mut Batch, new: Vec<Candidate>) -> Result<(), Error> {
        let now = batch.now();
        // By recipient, and by the hour of its plan's digest.
        let mut groups: BTreeMap<(i32, String, Timestamp), Vec<Candidate>> = BTreeMap::new();
        for candidate in new {
            let send_at = match candidate.channel {
                DeliveryChannel::Email => candidate.hours.next_digest(now).1,
                _ => now,
            };
            groups
                .entry((candidate.channel.into(), candidate.recipient.clone(), send_at))
                .or_default()
                .push(candidate);
        }
        let (mut delivery_rows, mut notice_rows) = (Vec::new(), Vec::new());
        // Digests that this very batch begins.
        let mut begun = std::collections::BTreeSet::new();
        for ((_, recipient, send_at), candidates) in groups {
            let (channel, hours) = (candidates[0].channel, candidates[0].hours.clone());
            let mut notices: Vec<Notice> = candidates.into_iter().map(|candidate| candidate.notice).collect();
            while !notices.is_empty() {
                let (name, send_at, part, is_new) = if channel == DeliveryChannel::Email {
                    let (name, send_at, is_there) = self.open_digest(batch, &recipient, &hours, now).await?;
                    let is_new = !is_there && begun.insert(name.clone());
                    (name, send_at, std::mem::take(&mut notices), is_new)
                } else {
                    let rest = notices.split_off(notices.len().min(WEBHOOK_NOTICES_MAX));
                    let part = std::mem::replace(&mut notices, rest);
                    let keys: Vec<&str> = part.iter().map(|notice| notice.key.as_str()).collect();
                    (name_of(&recipient, &keys.join("\n")), send_at, part, true)
                };
                if is_new {
                    delivery_rows.push(delivery_row(channel, &name, &recipient, now, send_at));
                }
                for notice in &part {
                    notice_rows.push(vec![
                        notice.key.as_str().into(),
                        name.as_str().into(),
                        notice.encode_to_vec().into(),
                    ]);
                }
                self.record_decided(batch, channel, &name, &recipient, send_at, part)?;
            }
        }
        batch.insert("delivery", &DELIVERY_COLUMNS, delivery_rows);
        batch.insert("notice", &NOTICE_COLUMNS, notice_rows);
        let call = CallKey::of(&self.caller(), &new_id(), &NoticesDecided::default())?;
        batch.answer(call, Vec::new());
        Ok(())
    }

    /// The digest of a recipient that is next and still open: its name, its hour, and whether it is there already.
    async fn open_digest(&self, batch: &Batch, recipient: &str, hours: &Hours, now: Timestamp) -> Result<(String, Timestamp, bool), Error> {
        let (mut day, mut send_at) = hours.next_digest(now);
        for _ in 0..DIGESTS_AHEAD {
            let name = name_of(recipient, &day.to_string());
            let row = delivery::Entity::find()
                .filter(delivery::Column::Name.eq(&name))
                .one(batch.tx())
                .await?;
            match row {
                None => return Ok((name, send_at, false)),
                Some(row) if row.state == i32::from(DeliveryState::Open) => return Ok((name, send_at, true)),
                Some(_) => (day, send_at) = hours.digest_after(day),
            }
        }
        Err(Error::internal(&"every digest of the next days is closed"))
    }

    fn record_decided(
        &self,
        batch: &mut Batch,
        channel: DeliveryChannel,
        name: &str,
        recipient: &str,
        send_at: Timestamp,
        notices: Vec<Notice>,
    ) -> Result<(), Error> {
        let caller = self.caller();
        let mut notices = notices.into_iter().peekable();
        while notices.peek().is_some() {
            let event = NoticesDecided {
                delivery: name.to_owned(),
                channel: channel.into(),
                recipient: recipient.to_owned(),
                notices: notices.by_ref().take(ENTRY_NOTICES_MAX).collect(),
                send_time: Some(timestamp(send_at)),
            };
            batch.record(
                &caller,
                "vigia.compliance.v1.NoticesDecided",
                name.to_owned(),
                institution_of(recipient),
                &event,
            )?;
        }
        Ok(())
    }
}

/// Whether it says that something is missing.
fn is_late(raised: &Raised) -> bool {
    matches!(raised.alert.rule, AlertRule::Report | AlertRule::Answer) && raised.alert.threshold > 0
}

/// A delivery's name, made from what it is.
fn name_of(recipient: &str, what: &str) -> String {
    format!("deliveries/{}", Uuid::new_v5(&SPACE, [recipient, what].join("\n").as_bytes()))
}

/// The institution that an entry about a delivery is about; empty for a webhook.
pub(super) fn institution_of(recipient: &str) -> String {
    if recipient.starts_with("institutions/") {
        recipient.to_owned()
    } else {
        String::new()
    }
}

fn delivery_row(channel: DeliveryChannel, name: &str, recipient: &str, now: Timestamp, send_at: Timestamp) -> Vec<Value> {
    let definition = Delivery {
        name: name.to_owned(),
        channel: channel.into(),
        recipient: recipient.to_owned(),
        state: DeliveryState::Open.into(),
        decide_time: Some(timestamp(now)),
        send_time: Some(timestamp(send_at)),
        ..Delivery::default()
    };
    vec![
        name.into(),
        recipient.into(),
        i32::from(DeliveryState::Open).into(),
        micros(now).into(),
        micros(send_at).into(),
        i64::MAX.into(),
        definition.encode_to_vec().into(),
        "".into(),
    ]
}
