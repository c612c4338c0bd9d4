//! What compliance itself has recorded: followed from its own journal into memory, so that whoever decides has seen all
//! that was decided before, in this process or another. Kept with its times: an answer as of an instant is the same for
//! ever.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use jiff::Timestamp;
use prost::Message;
use vigia_platform::{Error, Kit, instant};
use vigia_proto::{
    compliance::{Mute, ObligationMuted},
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
