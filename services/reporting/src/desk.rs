//! What both services stand on: the facts, who may see which obligation, and changes that see all that was decided
//! before them.

use std::{
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use prost::Message;
use vigia_platform::{Area, Caller, Change, Error, Follow, Kit, Peer, StartError, clock::just_before, facts::SharedFacts};
use vigia_rules::{self as rules, Obligation, Refused};

use crate::{
    kinds::Kinds,
    lines::{Lines, Plan},
    names::ObligationName,
    record::Record,
    refusal::refused,
};

/// How long a call waits until the journals have been followed up to this service's start.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// Facts, database and clock. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) kit: Kit,
    facts: SharedFacts,
    lines: Arc<RwLock<Lines>>,
    follows: [Follow; 2],
    started_at: Timestamp,
    kinds: Arc<RwLock<Kinds>>,
    record: Arc<RwLock<Record>>,
    /// Whether an entry of our own journal could not be read.
    broken: Arc<AtomicBool>,
}

impl Desk {
    /// Follows the journals of plans and assignments, and our own.
    pub(crate) async fn open(kit: Kit, plans: Peer, assignments: Peer) -> Result<Self, StartError> {
        let (facts, lines) = (SharedFacts::default(), Arc::<RwLock<Lines>>::default());
        let follows = [(Area::Plans, plans), (Area::Assignments, assignments)].map(|(area, peer)| {
            let (facts, lines) = (facts.clone(), lines.clone());
            kit.follow(area, peer, move |entry| {
                lines.write().unwrap_or_else(PoisonError::into_inner).take(entry)?;
                facts.take(area, entry)
            })
        });
        let (kinds, broken) = (Arc::<RwLock<Kinds>>::default(), Arc::new(AtomicBool::new(false)));
        let record = Arc::<RwLock<Record>>::default();
        let (own, own_kinds, own_record, is_broken) = (facts.clone(), kinds.clone(), record.clone(), broken.clone());
        kit.db
            .follow_own(move |entry| {
                let mut kinds = own_kinds.write().unwrap_or_else(PoisonError::into_inner);
                let mut record = own_record.write().unwrap_or_else(PoisonError::into_inner);
                let taken = kinds.take(entry).and_then(|()| record.take(entry));
                if taken.and_then(|()| own.take(Area::Reporting, entry)).is_err() {
                    is_broken.store(true, Ordering::Relaxed);
                }
            })
            .await?;
        if broken.load(Ordering::Relaxed) {
            return Err(StartError::Other("the journal of reporting can't be read".to_owned()));
        }
        let started_at = just_before(kit.clock.now());
        Ok(Self {
            kit,
            facts,
            lines,
            follows,
            started_at,
            kinds,
            record,
            broken,
        })
    }

    /// Waits until the journals have been followed up to this service's start: before, everything would read as not
    /// there.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        if self.broken.load(Ordering::Relaxed) {
            // To go on without what it says would be a lie.
            return Err(Error::internal(&"an entry of the journal of reporting can't be read"));
        }
        for follow in &self.follows {
            follow.wait_closed(self.started_at, START_PATIENCE).await?;
        }
        Ok(())
    }

    /// Asks something of one plan; none where there is none of that id.
    pub(crate) fn with_plan<T>(&self, id: &str, question: impl FnOnce(&Plan<'_>) -> T) -> Option<T> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        self.facts.with_plan(id, |plan| question(&lines.of(id, plan)))
    }

    /// The ids of all plans, in order.
    pub(crate) fn plans(&self) -> Vec<String> {
        self.facts.plans()
    }

    /// Asks something of the plan of an obligation, if the caller may see it.
    pub(crate) fn ask<T>(
        &self,
        caller: &Caller,
        name: &ObligationName,
        question: impl FnOnce(&Plan<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let answer = self.with_plan(&name.plan, |plan| {
            let seen = plan
                .answerable(name.assignment.as_str())
                .any(|institution| caller.sees(institution));
            seen.then(|| question(plan))
        });
        answer.flatten().unwrap_or_else(|| Err(Error::not_found(name.to_string())))
    }

    /// An obligation that the caller may see; `NOTHING_OWED` where there is none.
    pub(crate) fn owed(&self, caller: &Caller, name: &ObligationName, t: Timestamp) -> Result<Obligation, Error> {
        self.ask(caller, name, |plan| {
            rules::obligation(plan.facts, &name.assignment, name.period, t).ok_or_else(|| refused(Refused::NothingOwed, name))
        })
    }

    /// Which kinds of values were ever given.
    pub(crate) fn kinds(&self) -> RwLockReadGuard<'_, Kinds> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What our own journal says beside the facts.
    pub(crate) fn record(&self) -> RwLockReadGuard<'_, Record> {
        self.record.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a change that is decided by the facts: they hold all that was decided before it.
    pub(crate) async fn change(&self, caller: &Caller, request_id: &str, request: &impl Message) -> Result<Change, Error> {
        self.kit.db.change_after_all(caller, request_id, request).await
    }
}
