//! The scorecards of now, kept as long as they stay as they are: until an entry comes in, or something falls due. Most
//! callers ask for what somebody else has just asked for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use vigia_platform::Error;
use vigia_proto::compliance::Scorecard;

use crate::{
    cards::Cards,
    memory::{Changes, Memory},
    projection::Computed,
    scopes::Named,
    view::View,
};

/// Scorecards of one plan that are kept; a name that nothing lies in has one too.
const CARDS_MAX: usize = 20_000;

/// What was computed last of each plan. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Currents(Arc<Mutex<HashMap<String, Current>>>);

#[derive(Clone, Debug)]
struct Current {
    /// Of which state of the plan.
    changes: Changes,
    /// As of which instants it holds: from this one on,
    from: Timestamp,
    /// and before this one.
    until: Timestamp,
    computed: Arc<Computed>,
    cards: HashMap<String, Arc<Scorecard>>,
}

impl Current {
    fn holds(&self, changes: Changes, t: Timestamp) -> bool {
        self.changes == changes && self.from <= t && t < self.until
    }
}

impl Memory {
    /// The scorecard of a scope as of t.
    pub(crate) fn scorecard(&self, named: &Named, t: Timestamp) -> Result<Arc<Scorecard>, Error> {
        if let Some(card) = self.kept(named, t) {
            return Ok(card);
        }
        self.ask_cards(&named.plan, t, |view, cards, changes| {
            let card = Arc::new(named.scorecard(view, cards)?);
            self.keep(named, t, changes, &card);
            Ok(card)
        })
    }

    /// Asks all scorecards of a plan as of t; what is computed for them is kept for the next question, if it is of now.
    pub(crate) fn ask_cards<T>(
        &self,
        plan: &str,
        t: Timestamp,
        question: impl FnOnce(&View<'_>, &Cards<'_>, Changes) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let not_found = || Error::not_found(format!("plans/{plan}"));
        let snapshot = self.snapshot(plan).ok_or_else(not_found)?;
        let view = View::of(plan, &snapshot, t).ok_or_else(not_found)?;
        let changes = snapshot.changes();
        let Some(board) = view.board() else {
            return view.ask_cards(|cards| question(&view, cards, changes));
        };
        let known = self
            .currents
            .get(plan, |current| current.holds(changes, t).then(|| current.computed.clone()));
        if let Some(computed) = known {
            return question(&view, &Cards::Columns(board.from(computed)), changes);
        }
        // Entries that lie after t, and are known already, end what holds as of t sooner than anything else.
        if snapshot.newest <= t {
            let current = Current {
                changes,
                from: t,
                until: board.next_change(),
                computed: board.computed(),
                cards: HashMap::new(),
            };
            self.currents.lock().insert(plan.to_owned(), current);
        }
        question(&view, &Cards::Columns(board), changes)
    }

    fn kept(&self, named: &Named, t: Timestamp) -> Option<Arc<Scorecard>> {
        let changes = self.changes(&named.plan)?;
        self.currents.get(&named.plan, |current| {
            let holds = current.holds(changes, t);
            holds.then(|| current.cards.get(&named.name).cloned()).flatten()
        })
    }

    fn keep(&self, named: &Named, t: Timestamp, changes: Changes, card: &Arc<Scorecard>) {
        let mut currents = self.currents.lock();
        if let Some(current) = currents.get_mut(&named.plan)
            && current.holds(changes, t)
            && current.cards.len() < CARDS_MAX
        {
            current.cards.insert(named.name.clone(), card.clone());
        }
    }
}

impl Currents {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Current>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get<T>(&self, plan: &str, found: impl FnOnce(&Current) -> Option<T>) -> Option<T> {
        self.lock().get(plan).and_then(found)
    }
}
