//! The store of compliance's own: what the journal of reporting brought, laid out as it lies in memory, so that a start
//! need not read millions of entries again. It is a cache and nothing else. It names the journal and the entry up to which
//! it goes, by that entry's hash; on any doubt it is passed over, and the journal is read from the beginning.

mod file;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use vigia_platform::{
    Area, Follow, Peer,
    follow::{Cursor, entry_of},
    journal::Origin,
};
use vigia_proto::journal::Entry;

use crate::memory::{Memory, Stored};

pub(crate) use file::Begin;
pub use file::StoreError;

/// How often it is looked whether enough has come in to be worth storing.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Entries that come in before the first is stored, and after each: fewer are read from the journal in a moment.
const ENTRIES_MIN: u32 = 20_000;
/// Or a part of all, so that a large store is not written anew all the time.
const ENTRIES_SHARE: u32 = 32;

/// Where it lies.
const FILE_NAME: &str = "compliance.store";

/// The store of one service.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    path: PathBuf,
    reporting: Peer,
}

/// Stops storing when the service goes away.
#[derive(Debug)]
pub(crate) struct Keeper(tokio::task::AbortHandle);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Store {
    pub(crate) fn new(directory: PathBuf, reporting: Peer) -> Self {
        Self {
            path: directory.join(FILE_NAME),
            reporting,
        }
    }

    /// Fills an empty memory from the store, if it is beyond doubt, and says after which entry to go on.
    pub(crate) async fn restore(self, memory: Memory, others: [Follow; 2]) -> Cursor {
        match self.restored(memory, others).await {
            Ok(Some(cursor)) => cursor,
            Ok(None) => Cursor::START,
            Err(doubt) => {
                tracing::warn!(%doubt, "the store is passed over: the journal is read from the beginning");
                // What is in doubt once is not looked at again.
                if let Err(cause) = std::fs::remove_file(&self.path) {
                    tracing::warn!(%cause, "the store could not be removed");
                }
                Cursor::START
            }
        }
    }

    async fn restored(&self, memory: Memory, others: [Follow; 2]) -> Result<Option<Cursor>, StoreError> {
        let path = self.path.clone();
        let Some(begin) = blocking(move || file::begin(&path)).await? else {
            return Ok(None);
        };
        let position = i64::try_from(begin.position).map_err(|_| StoreError::OtherJournal)?;
        let found = entry_of(Area::Reporting, &self.reporting, position).await;
        if !is_of(&begin, found.as_ref()) {
            return Err(StoreError::OtherJournal);
        }
        // Who owes what must be known before what they sent finds its place.
        for (follow, position) in others.iter().zip([begin.plans, begin.assignments]) {
            let is_there = i64::try_from(position).is_ok_and(|position| position >= 0);
            if !is_there || !follow.wait_caught_up(position.cast_signed()).await {
                return Err(StoreError::OtherJournal);
            }
        }
        let path = self.path.clone();
        let time = blocking(move || file::restore(&path, &memory)).await?;
        tracing::info!(position, "the store was read");
        Ok(Some(Cursor { position, time }))
    }

    /// Writes the store whenever enough has come in.
    pub(crate) fn keep(self, memory: Memory, reporting: Follow) -> Keeper {
        let task = tokio::spawn(async move {
            let mut written = None;
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                // What was restored is in the store already.
                let position = u32::try_from(reporting.now().position).unwrap_or(0);
                let last = *written.get_or_insert(if self.path.exists() { position } else { 0 });
                let is_worth = position.saturating_sub(last) >= ENTRIES_MIN.max(position / ENTRIES_SHARE);
                if !is_worth {
                    continue;
                }
                match self.write(&memory).await {
                    Ok(()) => written = Some(position),
                    Err(failure) => tracing::warn!(%failure, "the store could not be written"),
                }
            }
        });
        Keeper(task.abort_handle())
    }

    async fn write(&self, memory: &Memory) -> Result<(), StoreError> {
        let stored = memory.stored();
        let position = i64::from(stored.position());
        // Whose journal it is, is asked now: that the entry is the one that was taken in shows its hash.
        let Some((entry, origin)) = entry_of(Area::Reporting, &self.reporting, position).await else {
            return Err(StoreError::OtherJournal);
        };
        if entry.leaf_hash != stored.leaf_hash {
            return Err(StoreError::OtherJournal);
        }
        let path = self.path.clone();
        blocking(move || file::write(&path, &begin_of(&stored, origin), &stored)).await
    }
}

/// Writes what a memory has of a journal of reporting.
pub fn write(path: &Path, memory: &Memory, origin: Origin) -> Result<(), StoreError> {
    let stored = memory.stored();
    file::write(path, &begin_of(&stored, origin), &stored)
}

/// Fills a memory that has nothing of reporting yet, and says up to which entry. Nothing is changed unless all of it is
/// whole and fits to what the memory knows of plans and assignments; of which journal it is, is not asked.
pub fn restore(path: &Path, memory: &Memory) -> Result<u64, StoreError> {
    let begin = file::begin(path)?.ok_or(StoreError::Damaged)?;
    file::restore(path, memory)?;
    Ok(begin.position)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Damaged))
}

/// How a store begins.
fn begin_of(stored: &Stored, origin: Origin) -> Begin {
    Begin {
        origin: origin.origin,
        epoch: origin.epoch,
        position: stored.position().into(),
        leaf_hash: stored.leaf_hash.clone(),
        plans: stored.others[0].into(),
        assignments: stored.others[1].into(),
    }
}

/// Whether a store goes up to this entry of this journal.
fn is_of(begin: &Begin, found: Option<&(Entry, Origin)>) -> bool {
    found.is_some_and(|(entry, origin)| {
        begin.leaf_hash.len() == 32
            && entry.leaf_hash == begin.leaf_hash
            && entry.position.cast_unsigned() == begin.position
            && (&origin.origin, origin.epoch) == (&begin.origin, begin.epoch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_of_one_journal_up_to_one_entry() {
        let begin = Begin {
            origin: "vigia/reporting/x".into(),
            epoch: 1,
            position: 7,
            leaf_hash: vec![1; 32],
            plans: 1,
            assignments: 1,
        };
        let entry = |position, hash: u8, origin: &str, epoch| {
            let entry = Entry {
                position,
                leaf_hash: vec![hash; 32],
                ..Entry::default()
            };
            let origin = origin.to_owned();
            (entry, Origin { origin, epoch })
        };
        let check = |found: Option<(Entry, Origin)>, expect: bool| assert_eq!(is_of(&begin, found.as_ref()), expect, "{found:?}");
        check(Some(entry(7, 1, "vigia/reporting/x", 1)), true);
        check(Some(entry(7, 2, "vigia/reporting/x", 1)), false);
        check(Some(entry(8, 1, "vigia/reporting/x", 1)), false);
        check(Some(entry(7, 1, "vigia/reporting/y", 1)), false);
        check(Some(entry(7, 1, "vigia/reporting/x", 2)), false);
        check(None, false);
    }
}
