//! Following another service's journal: entry by entry, from the first one on, into state that lives in memory.

use std::{sync::Arc, time::Duration};

use http::uri::PathAndQuery;
use jiff::Timestamp;
use tokio::sync::watch;
use tonic::{Request, Status, client::Grpc};
use tonic_prost::ProstCodec;
use vigia_proto::{
    error::Reason,
    journal::{Entry, SubscribeRequest, SubscribeResponse},
};

use crate::{
    Area,
    clock::{instant, machine_now},
    error::Error,
    journal::Origin,
    peer::Peer,
};

/// How long to wait before a broken stream is taken up again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How far a journal is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The last entry taken in.
    pub position: i64,
    /// The time of that entry.
    pub time: Timestamp,
    /// No entry with a time up to this one will come any more.
    pub closed_at: Timestamp,
    /// Whether the source's clock was set.
    pub simulated: bool,
    /// When it was last heard of, by the machine's clock.
    pub heard_at: Timestamp,
}

/// Nothing was heard yet.
const UNHEARD: Followed = Followed {
    position: 0,
    time: Timestamp::MIN,
    closed_at: Timestamp::MIN,
    simulated: false,
    heard_at: Timestamp::MIN,
};

/// Where to begin to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last entry that is known; 0 where none is.
    pub position: i64,
    /// Its time.
    pub time: Timestamp,
}

impl Cursor {
    /// From the first entry on.
    pub const START: Self = Self {
        position: 0,
        time: Timestamp::MIN,
    };
}

/// A journal that is followed. Clones share it.
#[derive(Clone, Debug)]
pub struct Follow {
    area: Area,
    state: watch::Receiver<Followed>,
    _task: Arc<Stop>,
}

#[derive(Debug)]
struct Stop(tokio::task::AbortHandle);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Follow {
    /// Begins to follow after what `begin` names, once it does: `take` gets every entry from there on, in order.
    pub fn start(
        area: Area,
        peer: Peer,
        begin: impl Future<Output = Cursor> + Send + 'static,
        mut take: impl FnMut(&Entry) -> Result<(), Error> + Send + 'static,
    ) -> Self {
        let (sender, state) = watch::channel(UNHEARD);
        let task = tokio::spawn(async move {
            let Cursor { position, time } = begin.await;
            sender.send_modify(|followed| (followed.position, followed.time) = (position, time));
            loop {
                if let Err(status) = follow(area, &peer, &sender, &mut take).await {
                    tracing::debug!(%area, %status, "journal stream broke");
                    if status.code() == tonic::Code::OutOfRange || status.code() == tonic::Code::DataLoss {
                        // A journal that is shorter than what was seen, or that can't be read: going on would be a lie.
                        tracing::error!(%area, %status, "stopped following");
                        return;
                    }
                }
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        });
        Self {
            area,
            state,
            _task: Arc::new(Stop(task.abort_handle())),
        }
    }

    /// Whose journal it is.
    pub fn area(&self) -> Area {
        self.area
    }

    /// How far it is followed.
    pub fn now(&self) -> Followed {
        *self.state.borrow()
    }

    /// Waits until entry `position` is taken in, or all that there is; says whether it is.
    pub async fn wait_caught_up(&self, position: i64) -> bool {
        let mut state = self.state.clone();
        let caught_up = |followed: &Followed| followed.position >= position || followed.closed_at > Timestamp::MIN;
        let found = state.wait_for(caught_up).await;
        found.is_ok_and(|followed| followed.position >= position)
    }

    /// Tells when it was followed further, or closed at a later instant.
    pub fn further(&self) -> watch::Receiver<Followed> {
        self.state.clone()
    }

    /// Waits until entry `position` is taken in.
    pub async fn wait_position(&self, position: i64, patience: Duration) -> Result<(), Error> {
        self.wait(patience, |followed| followed.position >= position).await
    }

    /// Waits until the journal is closed at `t`.
    pub async fn wait_closed(&self, t: Timestamp, patience: Duration) -> Result<(), Error> {
        self.wait(patience, |followed| followed.closed_at >= t).await
    }

    async fn wait(&self, patience: Duration, mut until: impl FnMut(&Followed) -> bool) -> Result<(), Error> {
        let mut state = self.state.clone();
        match tokio::time::timeout(patience, state.wait_for(|followed| until(followed))).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(not_that_far(self.area)),
        }
    }
}

pub(crate) fn not_that_far(area: Area) -> Error {
    Error::refused(
        Reason::NotClosedYet,
        format!("La bitácora de {area} aún no llega hasta ahí: intente de nuevo."),
        format!("The journal of {area} has not come that far yet: try again."),
    )
}

async fn follow(
    area: Area,
    peer: &Peer,
    sender: &watch::Sender<Followed>,
    take: &mut (impl FnMut(&Entry) -> Result<(), Error> + Send),
) -> Result<(), Status> {
    let position = sender.borrow().position;
    let mut batches = subscribe(area, peer, position).await?;
    while let Some(batch) = batches.message().await? {
        take_in(&batch, sender, take)?;
    }
    Ok(())
}

async fn subscribe(area: Area, peer: &Peer, after_position: i64) -> Result<tonic::Streaming<SubscribeResponse>, Status> {
    let name = area.name();
    let service = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
    let path =
        PathAndQuery::try_from(format!("/vigia.{name}.v1.{service}JournalService/Subscribe")).map_err(|_| Status::internal("path"))?;
    let mut client = Grpc::new(peer.clone());
    client.ready().await?;
    let request = Request::new(SubscribeRequest { after_position });
    let codec = ProstCodec::<SubscribeRequest, SubscribeResponse>::default();
    Ok(client.server_streaming(request, path, codec).await?.into_inner())
}

/// An entry of another service's journal, with the journal that it stands in; none where it is shorter. Waits until the
/// service answers.
pub async fn entry_of(area: Area, peer: &Peer, position: i64) -> Option<(Entry, Origin)> {
    loop {
        match first_after(area, peer, position - 1).await {
            Ok(found) => return found,
            Err(status) if status.code() == tonic::Code::OutOfRange => return None,
            Err(status) => tracing::debug!(%area, %status, "an entry could not be read"),
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn first_after(area: Area, peer: &Peer, after: i64) -> Result<Option<(Entry, Origin)>, Status> {
    let mut batches = subscribe(area, peer, after).await?;
    let Some(batch) = batches.message().await? else {
        return Err(Status::unavailable("the stream ended"));
    };
    let (origin, epoch) = (batch.origin, batch.epoch);
    // The first batch is empty only where there is no entry after that one.
    let entry = batch.entries.into_iter().next();
    Ok(entry.map(|entry| (entry, Origin { origin, epoch })))
}

fn take_in(
    batch: &SubscribeResponse,
    sender: &watch::Sender<Followed>,
    take: &mut impl FnMut(&Entry) -> Result<(), Error>,
) -> Result<(), Status> {
    let mut followed = *sender.borrow();
    // Before the entries: who waits for one of them asks next when this journal was last heard of.
    followed.heard_at = machine_now();
    for entry in &batch.entries {
        if entry.position != followed.position + 1 {
            return Err(Status::data_loss(format!("entry {} follows {}", entry.position, followed.position)));
        }
        take(entry).map_err(|error| Status::data_loss(format!("entry {}: {:?}", entry.position, error.reason())))?;
        followed.position = entry.position;
        followed.time = entry.time.as_ref().and_then(instant).unwrap_or(followed.time);
        sender.send_replace(followed);
    }
    followed.simulated = batch.origin.ends_with("/simulated");
    if let Some(closed_at) = batch.closed_at.as_ref().and_then(instant) {
        followed.closed_at = followed.closed_at.max(closed_at);
    }
    sender.send_replace(followed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a busy machine a change was refused as GRANTS_STALE right after the start: the caller had waited for an entry
    /// of identity's journal, the others of its batch were still being taken in, and only then was it heard of.
    #[test]
    fn a_journal_is_heard_of_before_its_first_entry_is_seen() {
        let sender = watch::channel(UNHEARD).0;
        let entry = |position| Entry {
            position,
            ..Entry::default()
        };
        let batch = SubscribeResponse {
            entries: vec![entry(1), entry(2)],
            ..SubscribeResponse::default()
        };
        let mut seen = Vec::new();
        let mut take = |_: &Entry| {
            let followed = *sender.borrow();
            seen.push((followed.position, followed.heard_at > Timestamp::MIN));
            Ok(())
        };
        take_in(&batch, &sender, &mut take).unwrap_or_else(|status| panic!("{status}"));
        assert_eq!(seen, [(0, false), (1, true)]);
        assert_eq!(sender.borrow().position, 2);
    }
}
