//! What the journal of reporting says beside the facts: the evidence and spending that submissions name, whose bytes are stored since
//! when, and reviews of the reviewer's own institution. No verdict depends on it; explanations tell it. All of it is
//! only ever added to and has its time, so that all questions share it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use jiff::Timestamp;
use vigia_platform::{Error, facts::Submission};
use vigia_proto::journal::Entry;
use vigia_rules::{AssignmentId, Decimal, Period};

/// It. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aside(Arc<RwLock<Told>>);

/// It, as it is stored too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// By the position of the submission.
    pub(crate) named: HashMap<u32, Named>,
    /// Evidence and an institution that has stored it, both as resource names; when first.
    pub(crate) stored: HashMap<(String, String), At>,
    /// By plan, assignment and period.
    pub(crate) own_reviews: HashMap<(String, AssignmentId, Period), Vec<OwnReview>>,
}

/// The evidence and the spending that a submission names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Whose report.
    pub(crate) assignment: AssignmentId,
    /// When it was received.
    pub(crate) received_at: Timestamp,
    /// As resource names.
    pub(crate) evidence: Vec<String>,
    /// What was spent, by lines of the budget.
    pub(crate) spent: Vec<Decimal>,
}

/// When something was recorded, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) recorded_at: Timestamp,
    pub(crate) position: u32,
}

/// A review of the reviewer's own institution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnReview {
    pub(crate) at: At,
    pub(crate) version: u32,
}

impl Aside {
    /// Institutions' evidence is here, to its last byte; the first time counts.
    pub(crate) fn stored(&self, entry: &Entry, at: At) {
        let key = (entry.resource.clone(), entry.institution.clone());
        self.write().stored.entry(key).or_insert(at);
    }

    /// A submission came.
    pub(crate) fn submitted(&self, at: At, submission: &Submission) {
        if submission.evidence.is_empty() && submission.spent.is_empty() {
            return;
        }
        let named = Named {
            assignment: submission.report.assignment.clone(),
            received_at: submission.report.received_at,
            evidence: submission.evidence.clone(),
            spent: submission.spent.clone(),
        };
        self.write().named.insert(at.position, named);
    }

    /// Somebody judged a version of a report of their own institution.
    pub(crate) fn own_review(&self, plan: &str, assignment: &AssignmentId, period: Period, review: OwnReview) {
        let key = (plan.to_owned(), assignment.clone(), period);
        self.write().own_reviews.entry(key).or_default().push(review);
    }

    /// What the submission at a position names.
    pub(crate) fn named(&self, position: u64) -> Option<Named> {
        let told = self.0.read().unwrap_or_else(PoisonError::into_inner);
        told.named.get(&u32::try_from(position).ok()?).cloned()
    }

    /// Whether an institution has stored evidence by t.
    pub(crate) fn is_stored(&self, evidence: &str, institution: &str, t: Timestamp) -> bool {
        let told = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let stored = told.stored.get(&(evidence.to_owned(), institution.to_owned()));
        stored.is_some_and(|at| at.recorded_at <= t)
    }

    /// The reviews of a version, by t, by somebody who acts for the institution that owes it.
    pub(crate) fn own_reviews(&self, plan: &str, assignment: &AssignmentId, period: Period, version: u32, t: Timestamp) -> Vec<OwnReview> {
        let told = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let all = told.own_reviews.get(&(plan.to_owned(), assignment.clone(), period));
        let of_version = all.into_iter().flatten();
        of_version
            .filter(|review| review.version == version && review.at.recorded_at <= t)
            .copied()
            .collect()
    }

    /// What was told up to a position.
    pub(crate) fn until(&self, position: u32) -> Told {
        let mut told = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        told.named.retain(|at, _| *at <= position);
        told.stored.retain(|_, at| at.position <= position);
        told.own_reviews.retain(|_, reviews| {
            reviews.retain(|review| review.at.position <= position);
            !reviews.is_empty()
        });
        told
    }

    /// Begins with what was stored.
    pub(crate) fn restore(&self, told: Told) {
        *self.write() = told;
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Told> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl At {
    /// Where an entry stands.
    pub(crate) fn of(position: u64, recorded_at: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            recorded_at,
            position: u32::try_from(position).map_err(|cause| Error::internal(&cause))?,
        })
    }
}
