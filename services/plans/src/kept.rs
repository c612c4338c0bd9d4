//! Plans as they stand now, composed once for each change of the journal and kept: a plan of ten thousand indicators is
//! read page by page, and each page would otherwise read, compose and hash all of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use vigia_platform::{Caller, Db, Error};
use vigia_proto::plans::PlanDefinition;

use crate::store::{Stored, acts_from};

/// Plans that are kept at most; a plan's file has 4 MiB at most.
const KEPT_MAX: usize = 16;

/// Plans by name.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<HashMap<String, Composed>>);

/// A plan as it stands as of a position of the journal, in the span of time in which no revision begins to act.
#[derive(Clone, Debug)]
struct Composed {
    position: i64,
    from: Timestamp,
    until: Timestamp,
    definition: Arc<PlanDefinition>,
}

impl Kept {
    /// The plan as it stands now, with state, times and etags.
    pub(crate) async fn now(&self, db: &Db, caller: &Caller, name: &str, now: Timestamp) -> Result<Arc<PlanDefinition>, Error> {
        // Asked of the database, before the plan is read: another replica may have written since, and what is read then
        // may be newer than this, never older.
        let position = db.position().await?;
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(kept) = kept.filter(|kept| kept.position == position && (kept.from..kept.until).contains(&now)) {
            return Ok(kept.definition);
        }
        let stored = Stored::load(db.read(caller), name).await?;
        let (acting, waiting): (Vec<_>, Vec<_>) = stored.approved.iter().map(acts_from).partition(|from| *from <= now);
        let composed = Composed {
            position,
            from: acting.into_iter().max().unwrap_or(Timestamp::MIN),
            until: waiting.into_iter().min().unwrap_or(Timestamp::MAX),
            definition: Arc::new(stored.now(now)),
        };
        let definition = composed.definition.clone();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT_MAX && !all.contains_key(name) {
            // What was composed before the last change is of no use any more; if nothing was, all begin anew.
            all.retain(|_, other| other.position == position);
            if all.len() >= KEPT_MAX {
                all.clear();
            }
        }
        all.insert(name.to_owned(), composed);
        Ok(definition)
    }
}
