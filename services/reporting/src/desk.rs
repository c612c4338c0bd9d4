//! What both services stand on: the facts, who may see which obligation, and changes that see all that was decided
//! before them.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use prost::Message;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tokio::sync::watch;
use vigia_platform::{Area, Caller, Change, Error, Follow, Kit, Peer, StartError, clock::just_before, facts::SharedFacts};
use vigia_proto::error::Reason;
use vigia_rules::{self as rules, Obligation, Refused};

use crate::{
    entities::journal_entry,
    lines::{Lines, Plan},
    names::ObligationName,
    refusal::refused,
};

/// How long a call waits until the journals have been followed up to this service's start.
const START_PATIENCE: Duration = Duration::from_secs(5);
/// How often a change makes way for one before it that touches the same.
const TURNS_MAX: usize = 50;
/// How long it waits for that one to be committed before it looks again.
const TURN: Duration = Duration::from_millis(100);

/// Facts, database and clock. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) kit: Kit,
    facts: SharedFacts,
    lines: Arc<RwLock<Lines>>,
    follows: [Follow; 2],
    started_at: Timestamp,
    /// The last entry of our own journal that the facts hold.
    taken_in: watch::Sender<i64>,
}

/// What a change depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Touches<'a> {
    /// One obligation.
    Obligation(&'a ObligationName),
    /// Extensions and waivers of a plan.
    Plan(&'a str),
}

impl Touches<'_> {
    fn is_touched_by(&self, entry: &journal_entry::Model) -> bool {
        let plan = match self {
            Self::Obligation(name) if entry.resource == name.to_string() => return true,
            Self::Obligation(name) => name.plan.as_str(),
            Self::Plan(plan) => plan,
        };
        let of_plan = entry
            .resource
            .strip_prefix("plans/")
            .and_then(|rest| rest.strip_prefix(plan))
            .is_some_and(|rest| rest.starts_with('/'));
        of_plan
            && matches!(
                entry.event_type.as_str(),
                "vigia.reporting.v1.ExtensionGranted" | "vigia.reporting.v1.ObligationWaived"
            )
    }
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
        let (taken_in, broken) = (watch::Sender::new(0), Arc::new(AtomicBool::new(false)));
        let (own, ours, is_broken) = (facts.clone(), taken_in.clone(), broken.clone());
        kit.db
            .follow_own(move |entry| {
                // After an entry that can't be read nothing more is taken in: then every change below is refused.
                if is_broken.load(Ordering::Relaxed) || own.take(Area::Reporting, entry).is_err() {
                    is_broken.store(true, Ordering::Relaxed);
                } else {
                    ours.send_replace(entry.position);
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
            taken_in,
        })
    }

    /// Waits until the journals have been followed up to this service's start: before, everything would read as not
    /// there.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        for follow in &self.follows {
            follow.wait_closed(self.started_at, START_PATIENCE).await?;
        }
        Ok(())
    }

    /// Asks something of one plan; none where nothing was ever assigned in it.
    pub(crate) fn with_plan<T>(&self, id: &str, question: impl FnOnce(&Plan<'_>) -> T) -> Option<T> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        self.facts
            .with_plan(id, |plan| lines.of(id, plan).map(|plan| question(&plan)))
            .flatten()
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

    /// Begins a change that is decided by the facts, and gives with it the entries that wait for the same commit.
    ///
    /// The facts hold every committed entry, but not those that earlier changes of the same group have written and that
    /// wait for its commit. If one of these touches what is to be decided, this change makes way: dropped, it gives the
    /// database up, the group is committed, its entries become facts, and the change begins anew. Whoever touches other
    /// obligations, nearly everybody, shares the commit.
    pub(crate) async fn change(
        &self,
        caller: &Caller,
        request_id: &str,
        request: &impl Message,
        touches: Touches<'_>,
    ) -> Result<(Change, Vec<journal_entry::Model>), Error> {
        for _ in 0..TURNS_MAX {
            let change = self.kit.db.change(caller, request_id, request).await?;
            let mut taken_in = self.taken_in.subscribe();
            let known = *taken_in.borrow_and_update();
            let waiting = journal_entry::Entity::find()
                .filter(journal_entry::Column::Position.gt(known))
                .order_by_asc(journal_entry::Column::Position)
                .all(change.tx())
                .await?;
            let Some(before_us) = waiting
                .iter()
                .rev()
                .find(|entry| touches.is_touched_by(entry))
                .map(|entry| entry.position)
            else {
                return Ok((change, waiting));
            };
            drop(change);
            // A group that fails is never taken in: then the next look finds its entries gone.
            let _ = tokio::time::timeout(TURN, taken_in.wait_for(|position| *position >= before_us)).await;
        }
        Err(Error::refused(
            Reason::Unavailable,
            "Otros cambios de lo mismo no terminan: intente de nuevo.",
            "Other changes of the same do not come to an end: try again.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_makes_way_only_for_what_it_depends_on() {
        let name = ObligationName::read("plans/p/assignments/a1/obligations/2026-Q1").expect("a name");
        let check = |resource: &str, event_type: &str, obligation: bool, plan: bool| {
            let entry = journal_entry::Model {
                position: 1,
                time: 0,
                caller: String::new(),
                resource: resource.to_owned(),
                event_type: format!("vigia.reporting.v1.{event_type}"),
                event: Vec::new(),
            };
            assert_eq!(Touches::Obligation(&name).is_touched_by(&entry), obligation, "{resource}");
            assert_eq!(Touches::Plan("p").is_touched_by(&entry), plan, "{resource}");
        };
        check("plans/p/assignments/a1/obligations/2026-Q1", "ReportSubmitted", true, false);
        check("plans/p/assignments/a1/obligations/2026-Q2", "ReportSubmitted", false, false);
        check("plans/p/assignments/a2/obligations/2026-Q1", "ReportReviewed", false, false);
        check("plans/p/assignments/a2/obligations/2026-Q1", "ObligationWaived", true, true);
        check("plans/p/extensions/x", "ExtensionGranted", true, true);
        check("plans/p2/extensions/x", "ExtensionGranted", false, false);
    }
}
