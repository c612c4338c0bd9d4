//! What compliance itself has recorded: followed from its own journal into memory, so that whoever decides has seen all
//! that was decided before, in this process or another. Kept with its times: an answer as of an instant is the same for
//! ever.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use jiff::Timestamp;
use prost::Message;
use uuid::Uuid;
use vigia_platform::{Error, Kit, instant};
use vigia_proto::{
    compliance::{
        Acknowledgement, AlertAcknowledged, DeliveryAttempted, DeliveryFixed, DeliveryState, Mute, NoticesDecided, ObligationMuted,
    },
    journal::Entry,
};

use crate::voices::Voices;

/// What compliance has recorded. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<RwLock<Recorded>>);

/// The facts, by the resource that they are about, in the order of recording.
#[derive(Debug, Default)]
struct Recorded {
    /// By obligation; none from when it was unmuted.
    mutes: HashMap<String, Vec<(Timestamp, Option<Mute>)>>,
    /// By alert; the first counts.
    acknowledgements: HashMap<String, (Timestamp, Acknowledgement)>,
    /// The keys of all notices that were decided, as UUIDs: they are many.
    notices: HashSet<Uuid>,
    /// What each delivery that is under way tells, by its name: recipient, and the alerts with their notices' keys.
    deliveries: HashMap<String, (String, Vec<(Uuid, String)>)>,
    /// By alert: who has been told.
    told: HashMap<String, Vec<(Timestamp, String)>>,
    /// What people said.
    voices: Voices,
}

impl Record {
    /// Follows the kit's own journal from its first entry on.
    pub(crate) async fn follow(kit: &Kit) -> Result<Self, Error> {
        let record = Self::default();
        let own = record.clone();
        // What can't be read was written by a newer program: the tables of another version keep such an old one from
        // starting, so this is a fault of ours.
        let take = move |entry: &Entry| {
            if let Err(error) = own.take(entry) {
                tracing::error!(position = entry.position, reason = ?error.reason(), "an entry of our own can't be read");
            }
        };
        kit.db.follow_own(take).await?;
        Ok(record)
    }

    fn take(&self, entry: &Entry) -> Result<(), Error> {
        let time = entry.time.as_ref().and_then(instant).unwrap_or(Timestamp::MIN);
        let mut recorded = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match entry.event_type.as_str() {
            "vigia.compliance.v1.ObligationMuted" => {
                let mute = ObligationMuted::decode(entry.event.as_slice())?.mute.unwrap_or_default();
                let mutes = recorded.mutes.entry(mute.obligation.clone()).or_default();
                mutes.push((time, Some(mute)));
            }
            "vigia.compliance.v1.ObligationUnmuted" => {
                recorded.mutes.entry(entry.resource.clone()).or_default().push((time, None));
            }
            "vigia.compliance.v1.AlertAcknowledged" => {
                let event = AlertAcknowledged::decode(entry.event.as_slice())?;
                let said = event.acknowledgement.unwrap_or_default();
                recorded.acknowledgements.entry(said.alert.clone()).or_insert((time, said));
            }
            "vigia.compliance.v1.NoticesDecided" => recorded.decided(NoticesDecided::decode(entry.event.as_slice())?),
            "vigia.compliance.v1.DeliveryFixed" => recorded.fixed(DeliveryFixed::decode(entry.event.as_slice())?),
            "vigia.compliance.v1.DeliveryAttempted" => {
                let delivery = DeliveryAttempted::decode(entry.event.as_slice())?.delivery.unwrap_or_default();
                if delivery.state() == DeliveryState::Sent {
                    recorded.sent(time, &delivery.name);
                }
            }
            // That a backup was put back is nothing that compliance decided.
            "vigia.compliance.v1.DeliveryRequeued" | "vigia.journal.v1.JournalRestored" => {}
            unknown => {
                if !recorded.voices.take(time, entry)? {
                    return Err(Error::internal(&format!("an event that nobody knows: {unknown}")));
                }
            }
        }
        Ok(())
    }

    /// Asks something of what people said.
    pub(crate) fn voices<T>(&self, question: impl FnOnce(&Voices) -> T) -> T {
        question(&self.0.read().unwrap_or_else(PoisonError::into_inner).voices)
    }

    /// How an obligation was muted as of t; none where its alerts were sent.
    pub(crate) fn mute(&self, obligation: &str, t: Timestamp) -> Option<Mute> {
        let recorded = self.0.read().unwrap_or_else(PoisonError::into_inner);
        last_by(recorded.mutes.get(obligation)?, t)?.clone()
    }
}

impl Record {
    /// Who had taken an alert up by t; none where nobody had.
    pub(crate) fn acknowledgement(&self, alert: &str, t: Timestamp) -> Option<Acknowledgement> {
        let recorded = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (_, said) = recorded.acknowledgements.get(alert).filter(|(time, _)| *time <= t)?;
        Some(said.clone())
    }

    /// Who had been told of an alert by t, each once.
    pub(crate) fn told(&self, alert: &str, t: Timestamp) -> Vec<String> {
        let recorded = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let told = recorded.told.get(alert).map(Vec::as_slice).unwrap_or_default();
        told.iter()
            .filter(|(time, _)| *time <= t)
            .map(|(_, recipient)| recipient.clone())
            .collect()
    }

    /// Whether anything was ever decided or said about an alert.
    pub(crate) fn knows(&self, alert: &str) -> bool {
        let recorded = self.0.read().unwrap_or_else(PoisonError::into_inner);
        recorded.told.contains_key(alert) || recorded.acknowledgements.contains_key(alert)
    }

    /// Whether a notice was decided.
    pub(crate) fn is_decided(&self, key: &Uuid) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).notices.contains(key)
    }
}

impl Recorded {
    fn decided(&mut self, event: NoticesDecided) {
        let (_, notices) = self
            .deliveries
            .entry(event.delivery)
            .or_insert_with(|| (event.recipient, Vec::new()));
        for notice in event.notices {
            // Keys were made by us: one that is none decides nothing.
            let Ok(key) = Uuid::parse_str(&notice.key) else { continue };
            self.notices.insert(key);
            notices.push((key, notice.alert));
        }
    }

    /// What was not needed any more may be decided anew.
    fn fixed(&mut self, event: DeliveryFixed) {
        let delivery = event.delivery.unwrap_or_default();
        let dropped: HashSet<Uuid> = event.dropped.iter().filter_map(|key| Uuid::parse_str(key).ok()).collect();
        self.notices.retain(|key| !dropped.contains(key));
        if delivery.state() == DeliveryState::Dropped {
            self.deliveries.remove(&delivery.name);
        } else if let Some((_, notices)) = self.deliveries.get_mut(&delivery.name) {
            notices.retain(|(key, _)| !dropped.contains(key));
        }
    }

    fn sent(&mut self, time: Timestamp, delivery: &str) {
        let Some((recipient, notices)) = self.deliveries.remove(delivery) else {
            return;
        };
        for (_, alert) in notices {
            let told = self.told.entry(alert).or_default();
            if told.iter().all(|(_, other)| *other != recipient) {
                told.push((time, recipient.clone()));
            }
        }
    }
}

/// The last of what was recorded by t.
fn last_by<T>(all: &[(Timestamp, T)], t: Timestamp) -> Option<&T> {
    let by_then = all.partition_point(|(time, _)| *time <= t);
    by_then.checked_sub(1).map(|last| &all[last].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_what_was_recorded_by_then_counts() {
        let second = |second| Timestamp::from_second(second).expect("an instant");
        let all = [(second(2), "a"), (second(2), "b"), (second(4), "c")];
        let last = |t| last_by(&all, second(t)).copied();
        assert_eq!([last(1), last(2), last(3), last(4)], [None, Some("b"), Some("b"), Some("c")]);
    }
}
