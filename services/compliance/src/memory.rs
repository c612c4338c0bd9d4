//! All that compliance keeps of the journals, in memory: of each plan the projection that answers and, beside it, what
//! only names, explains or accompanies a verdict. All of it is kept with its time, so that an answer as of an instant is
//! the same for ever.
//!
//! A question is put to a [`Snapshot`], which shares with the memory what has not changed since. So no question, however
//! long it takes, holds up the entries that come in, nor they it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use jiff::Timestamp;
use prost::Message;
use vigia_platform::{
    Area, Error,
    facts::{self, Assigned, Fact, PlanFacts},
    instant,
};
use vigia_proto::{
    assignments::{ContactPoint, InstitutionSaved, TerritorySaved},
    journal::Entry,
    plans::PlanDefinition,
};
use vigia_rules::{AssignmentId, Extension};

use crate::{
    aside::{Aside, At, OwnReview, Told},
    current::Currents,
    projection::{Instants, Projection, StoredCourse, StoredTable},
    view::View,
};

/// What compliance remembers. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    state: Arc<RwLock<State>>,
    aside: Aside,
    pub(crate) currents: Currents,
}

#[derive(Debug, Default)]
struct State {
    plans: HashMap<String, Arc<PlanMemory>>,
    names: Arc<Names>,
    /// Of plans, assignments and reporting.
    journals: [Arc<Instants>; 3],
    /// The hash of the last entry of reporting.
    leaf_hash: Vec<u8>,
}

/// The journals that are followed, in the order in which positions name them.
const FOLLOWED: [Area; 3] = [Area::Plans, Area::Assignments, Area::Reporting];
const REPORTING: usize = 2;

/// Names of institutions and territories, by resource name, as they were from when on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    of: HashMap<String, Vec<(Timestamp, String)>>,
    /// How institutions are reached.
    contacts: HashMap<String, Vec<(Timestamp, Contact)>>,
    changes: u64,
}

/// How an institution is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contact {
    /// The body that it hangs on, as resource name; empty if unknown.
    pub(crate) parent: String,
    /// Its offices that are told.
    pub(crate) focal_points: Vec<ContactPoint>,
}

impl Contact {
    /// The offices that have an address, each with it.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        let reached = self.focal_points.iter().filter(|point| !point.email.is_empty());
        reached.map(|point| (point.office.as_str(), point.email.as_str()))
    }
}

impl Names {
    /// A name as it was as of t.
    pub(crate) fn at(&self, resource: &str, t: Timestamp) -> Option<&str> {
        let names = self.of.get(resource)?;
        let by_then = names.partition_point(|(from, _)| *from <= t);
        by_then.checked_sub(1).map(|last| names[last].1.as_str())
    }

    /// How an institution was reached as of t, and since when; none where nobody had heard of it.
    pub(crate) fn contact(&self, institution: &str, t: Timestamp) -> Option<(Timestamp, &Contact)> {
        let contacts = self.contacts.get(institution)?;
        let by_then = contacts.partition_point(|(from, _)| *from <= t);
        by_then.checked_sub(1).map(|last| (contacts[last].0, &contacts[last].1))
    }
}

/// One plan. Copies share what neither of them has changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlanMemory {
    /// Its versions, with their texts; nothing of who does what.
    texts: Arc<PlanFacts>,
    indicative: Arc<HashSet<AssignmentId>>,
    pub(crate) projection: Projection,
    /// How many entries it has taken in.
    changes: u64,
}

/// A plan, and what it takes to answer about it, as they are at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) plan: Arc<PlanMemory>,
    pub(crate) names: Arc<Names>,
    pub(crate) journal: Arc<Instants>,
    /// The journals of plans and assignments.
    others: [Arc<Instants>; 2],
    pub(crate) aside: Aside,
    /// The time of the last entry that was taken in of any journal.
    pub(crate) newest: Timestamp,
}

/// Tells states of a plan, and of the names that it is answered with, apart.
pub(crate) type Changes = (u64, u64);

/// The positions of the followed journals as of an instant.
pub(crate) type Positions = [u32; 3];

impl Snapshot {
    pub(crate) fn changes(&self) -> Changes {
        (self.plan.changes, self.names.changes)
    }

    /// The last entries recorded by t.
    pub(crate) fn positions(&self, t: Timestamp) -> Positions {
        let [plans, assignments] = &self.others;
        [plans, assignments, &self.journal].map(|journal| journal.up_to(t))
    }
}

impl PlanMemory {
    /// The plan with its texts as it was as of t; none as long as it was a draft.
    pub(crate) fn definition_at(&self, t: Timestamp) -> Option<&PlanDefinition> {
        self.texts.definition_at(t)
    }

    /// Whether an assignment is only indicative: it does not bind.
    pub(crate) fn is_indicative(&self, assignment: &AssignmentId) -> bool {
        self.indicative.contains(assignment)
    }

    fn take(&mut self, plan: &str, journal: &Instants, at: vigia_rules::Entry, fact: Fact) -> Result<(), Error> {
        self.changes += 1;
        let projection = &mut self.projection;
        let note = |indicative: &mut Arc<HashSet<AssignmentId>>, made: &Assigned| {
            if made.indicative {
                Arc::make_mut(indicative).insert(made.assignment.id.clone());
            }
        };
        match fact {
            Fact::Revised(_) => {
                let texts = Arc::make_mut(&mut self.texts);
                texts.take(plan, at, fact)?;
                projection.plan_versions(journal, texts.facts.versions.clone());
            }
            Fact::Proposed(made) => {
                note(&mut self.indicative, &made);
                projection.assignment_proposed(at, made.assignment);
            }
            Fact::Accepted(id) => projection.assignment_accepted(at, &id),
            Fact::Contested(id) => projection.assignment_contested(at, &id),
            Fact::Resolved(id, resolution) => projection.assignment_resolved(at, &id, resolution),
            Fact::Ended(id, last_day) => projection.assignment_ended(at, &id, last_day),
            Fact::HandedOver(from, to) => {
                note(&mut self.indicative, &to);
                projection.assignment_handed_over(at, &from, to.assignment);
            }
            Fact::Submitted(submission) => projection.report_submitted(journal, at, submission),
            Fact::Reviewed {
                assignment,
                period,
                version,
                decision,
                ..
            } => projection.report_reviewed(journal, at, &assignment, period, version, decision),
            Fact::Extended(extension) => projection.extension_granted(at, extension),
            Fact::Waived(id, period) => projection.obligation_waived(journal, at, &id, period),
        }
        Ok(())
    }
}

impl Memory {
    /// Takes in an entry of a followed journal. One that can't be read is refused: to go on without it would be a lie.
    pub fn take(&self, area: Area, entry: &Entry) -> Result<(), Error> {
        let Some(journal) = FOLLOWED.iter().position(|followed| *followed == area) else {
            return Ok(());
        };
        let read = facts::read(area, entry)?;
        let named = named(entry)?;
        let time = entry.time.as_ref().and_then(instant).unwrap_or(Timestamp::MIN);
        let position = u64::try_from(entry.position).map_err(|cause| Error::internal(&cause))?;
        let at = At::of(position, time)?;
        match &read {
            Some((_, _, Fact::Submitted(submission))) => self.aside.submitted(at, submission),
            Some((
                plan,
                _,
                Fact::Reviewed {
                    assignment,
                    period,
                    version,
                    own_institution: true,
                    ..
                },
            )) => {
                let review = OwnReview { at, version: *version };
                self.aside.own_review(plan, assignment, *period, review);
            }
            None if entry.event_type == "vigia.reporting.v1.EvidenceStored" => self.aside.stored(entry, at),
            _ => {}
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        Arc::make_mut(&mut state.journals[journal])
            .push(position, time)
            .map_err(|cause| Error::internal(&cause))?;
        if journal == REPORTING {
            state.leaf_hash.clone_from(&entry.leaf_hash);
        }
        if let Some((resource, name, contact)) = named {
            let names = Arc::make_mut(&mut state.names);
            names.of.entry(resource.clone()).or_default().push((time, name));
            if let Some(contact) = contact {
                names.contacts.entry(resource).or_default().push((time, contact));
            }
            names.changes += 1;
        }
        if let Some((plan, at, fact)) = read {
            let known = match state.plans.get_mut(plan) {
                Some(known) => known,
                None => state.plans.entry(plan.to_owned()).or_default(),
            };
            Arc::make_mut(known).take(plan, &state.journals[REPORTING], at, fact)?;
        }
        Ok(())
    }

    /// Positions of the journals as of an instant, such as `plans:12`: those of the last entries recorded by then.
    pub(crate) fn positions(&self, t: Timestamp) -> Vec<String> {
        let state = self.read();
        let positions = FOLLOWED.iter().zip(&state.journals);
        positions.map(|(area, journal)| format!("{area}:{}", journal.up_to(t))).collect()
    }

    /// The ids of all plans, in order.
    pub(crate) fn plans(&self) -> Vec<String> {
        let mut plans: Vec<_> = self.read().plans.keys().cloned().collect();
        plans.sort_unstable();
        plans
    }

    /// How an institution is reached now.
    pub(crate) fn contact(&self, institution: &str) -> Contact {
        let names = self.read().names.clone();
        let last = names.contacts.get(institution).and_then(|contacts| contacts.last());
        last.map(|(_, contact)| contact.clone()).unwrap_or_default()
    }

    /// Whether an institution or a territory of that name was ever recorded.
    pub(crate) fn knows(&self, resource: &str) -> bool {
        self.read().names.of.contains_key(resource)
    }

    /// A plan as it is now, with nothing left to be settled.
    pub(crate) fn snapshot(&self, plan: &str) -> Option<Snapshot> {
        let state = self.read();
        let known = state.plans.get(plan)?;
        if known.projection.is_settled() {
            return Some(state.snapshot(known, &self.aside));
        }
        drop(state);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let journal = state.journals[REPORTING].clone();
        Arc::make_mut(state.plans.get_mut(plan)?).projection.settle(&journal);
        state.plans.get(plan).map(|known| state.snapshot(known, &self.aside))
    }

    /// A plan's projection as it is now, and the journal whose positions it holds.
    #[must_use]
    pub fn projection(&self, plan: &str) -> Option<(Projection, Arc<Instants>)> {
        let Snapshot { plan, journal, .. } = self.snapshot(plan)?;
        Some((plan.projection.clone(), journal))
    }

    /// What tells the state of a plan from others.
    pub(crate) fn changes(&self, plan: &str) -> Option<Changes> {
        let state = self.read();
        state.plans.get(plan).map(|known| (known.changes, state.names.changes))
    }

    /// Asks something of a plan as it was as of t. A draft, and a plan that does not exist, are not found.
    pub(crate) fn ask<T>(&self, plan: &str, t: Timestamp, question: impl FnOnce(&View<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let snapshot = self.snapshot(plan);
        let view = snapshot.as_ref().and_then(|snapshot| View::of(plan, snapshot, t));
        question(&view.ok_or_else(|| Error::not_found(format!("plans/{plan}")))?)
    }

    /// What is to be stored, as it is now.
    pub(crate) fn stored(&self) -> Stored {
        let state = self.read();
        let journal = state.journals[REPORTING].clone();
        Stored {
            plans: state.plans.clone(),
            aside: self.aside.until(journal.len()),
            journal,
            others: [state.journals[0].len(), state.journals[1].len()],
            leaf_hash: state.leaf_hash.clone(),
        }
    }

    /// Begins to fill a memory that has nothing of reporting yet; nobody asks it meanwhile.
    pub(crate) fn restoring<'m>(&'m self, journal: &'m mut Instants) -> Restoring<'m> {
        Restoring {
            state: self.state.write().unwrap_or_else(PoisonError::into_inner),
            aside: &self.aside,
            journal,
            told: Told::default(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that the journal of reporting brought, at a moment.
#[derive(Debug)]
pub(crate) struct Stored {
    plans: HashMap<String, Arc<PlanMemory>>,
    pub(crate) aside: Told,
    pub(crate) journal: Arc<Instants>,
    /// How far the journals of plans and assignments were followed.
    pub(crate) others: [u32; 2],
    /// The hash of the last entry.
    pub(crate) leaf_hash: Vec<u8>,
}

impl Stored {
    /// The last entry.
    pub(crate) fn position(&self) -> u32 {
        self.journal.len()
    }

    pub(crate) fn plans(&self) -> impl Iterator<Item = (&str, &Projection)> {
        self.plans.iter().map(|(id, plan)| (id.as_str(), &plan.projection))
    }
}

/// A memory that is being filled from the store, and the journal that it is filled from.
pub(crate) struct Restoring<'m> {
    state: RwLockWriteGuard<'m, State>,
    aside: &'m Aside,
    pub(crate) journal: &'m mut Instants,
    pub(crate) told: Told,
}

impl Restoring<'_> {
    /// Whether a table fits to what is known of a plan.
    pub(crate) fn fits(&self, plan: &str, table: &StoredTable) -> bool {
        let known = self.state.plans.get(plan);
        known.is_some_and(|known| known.projection.fits(self.journal, table))
    }

    fn projection(&mut self, plan: &str) -> (&mut Projection, &Instants) {
        let known = self.state.plans.entry(plan.to_owned()).or_default();
        let known = Arc::make_mut(known);
        known.changes += 1;
        (&mut known.projection, self.journal)
    }

    pub(crate) fn table(&mut self, plan: &str, table: &StoredTable) {
        let (projection, journal) = self.projection(plan);
        projection.restore_table(journal, table);
    }

    pub(crate) fn course(&mut self, plan: &str, course: StoredCourse) {
        let (projection, journal) = self.projection(plan);
        projection.restore_course(journal, course);
    }

    pub(crate) fn extension(&mut self, plan: &str, position: u32, extension: Extension) {
        let (projection, journal) = self.projection(plan);
        projection.restore_extension(journal, position, extension);
    }

    /// All was taken in, up to the entry of this hash; returns its time, if there is one.
    pub(crate) fn done(mut self, leaf_hash: &[u8]) -> Option<Timestamp> {
        let time = (!self.journal.is_empty()).then(|| self.journal.at(self.journal.len()));
        self.state.journals[REPORTING] = Arc::new(std::mem::take(self.journal));
        leaf_hash.clone_into(&mut self.state.leaf_hash);
        self.aside.restore(std::mem::take(&mut self.told));
        time
    }
}

impl State {
    fn snapshot(&self, plan: &Arc<PlanMemory>, aside: &Aside) -> Snapshot {
        let last = |journal: &Arc<Instants>| (!journal.is_empty()).then(|| journal.at(journal.len()));
        Snapshot {
            plan: plan.clone(),
            names: self.names.clone(),
            journal: self.journals[REPORTING].clone(),
            others: [self.journals[0].clone(), self.journals[1].clone()],
            aside: aside.clone(),
            newest: self.journals.iter().filter_map(last).max().unwrap_or(Timestamp::MIN),
        }
    }
}

/// The name that an entry gives to an institution or a territory, and how the institution is reached.
fn named(entry: &Entry) -> Result<Option<(String, String, Option<Contact>)>, Error> {
    let event = entry.event.as_slice();
    Ok(match entry.event_type.as_str() {
        "vigia.assignments.v1.InstitutionSaved" => {
            let saved = InstitutionSaved::decode(event)?.institution.unwrap_or_default();
            let contact = Contact {
                parent: saved.parent,
                focal_points: saved.focal_points,
            };
            Some((saved.name, saved.name_es, Some(contact)))
        }
        "vigia.assignments.v1.TerritorySaved" => {
            let saved = TerritorySaved::decode(event)?.territory.unwrap_or_default();
            Some((saved.name, saved.display_name, None))
        }
        _ => None,
    })
}
