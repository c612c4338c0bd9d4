//! Fair share: how many calls a service works on at once, and whose turn is next.
//!
//! Up to [`AT_ONCE`] calls run; past that they wait, those of each caller in a line of their own, and the lines have
//! their turns one after the other. Whoever sends a thousand calls waits behind their own, and the one call of a small
//! council is next after one of theirs. What would wait too long is refused with `RESOURCE_EXHAUSTED` and a time to come
//! back. Streams have their own limits: one that stays open for a day would take a place for a day.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;
use vigia_proto::error::Reason;

use crate::error::Error;

/// Calls that a service works on at once. Submissions share commits, so that many at once are dealt with faster than few.
const AT_ONCE: usize = 512;
/// Of these, calls of one caller.
const AT_ONCE_OF_ONE: usize = 128;
/// Calls that wait, of all callers.
const WAITING: usize = 4096;
/// Of these, calls of one caller.
const WAITING_OF_ONE: usize = 256;

/// The places of a service. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: usize,
    callers: HashMap<String, Line>,
    /// Callers who wait, in the order of their turns.
    turns: VecDeque<String>,
}

#[derive(Debug, Default)]
struct Line {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// A place among the calls at once; dropped, it is the next one's.
#[derive(Debug)]
pub(crate) struct Place {
    shares: Shares,
    caller: String,
}

impl State {
    /// Takes a place for a caller, if there is one for it.
    fn take(&mut self, caller: &str) -> bool {
        let line = self.callers.get(caller);
        let is_free = line.is_none_or(|line| line.running < AT_ONCE_OF_ONE && line.waiting.is_empty());
        if self.running >= AT_ONCE || !is_free {
            return false;
        }
        self.running += 1;
        self.callers.entry(caller.to_owned()).or_default().running += 1;
        true
    }

    fn forget_who_gave_up(&mut self, caller: &str) {
        if let Some(line) = self.callers.get_mut(caller) {
            let before = line.waiting.len();
            line.waiting.retain(|waiter| !waiter.is_closed());
            self.waiting -= before - line.waiting.len();
        }
    }

    /// Puts a call into its caller's line.
    fn wait(&mut self, caller: &str) -> Result<oneshot::Receiver<Place>, Error> {
        let line = self.callers.entry(caller.to_owned()).or_default();
        if self.waiting >= WAITING || line.waiting.len() >= WAITING_OF_ONE {
            return Err(overloaded());
        }
        let (give, turn) = oneshot::channel();
        line.waiting.push_back(give);
        self.waiting += 1;
        if !self.turns.iter().any(|turn| turn == caller) {
            self.turns.push_back(caller.to_owned());
        }
        Ok(turn)
    }
}

impl Shares {
    /// A place for a call of this caller, if one is free and none of its calls waits.
    pub(crate) fn try_enter(&self, caller: &str) -> Option<Place> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.take(caller).then(|| self.place(caller))
    }

    /// A place for a call of this caller, as soon as it is its turn.
    pub(crate) async fn enter(&self, caller: &str) -> Result<Place, Error> {
        let turn = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.forget_who_gave_up(caller);
            if state.take(caller) {
                return Ok(self.place(caller));
            }
            state.wait(caller)?
        };
        turn.await.map_err(|_| overloaded())
    }

    fn place(&self, caller: &str) -> Place {
        Place {
            shares: self.clone(),
            caller: caller.to_owned(),
        }
    }

    /// Gives a place back; answers with the one whose turn it is, and the place for it.
    fn leave(&self, caller: &str) -> Option<(oneshot::Sender<Place>, Place)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            running,
            waiting,
            callers,
            turns,
        } = &mut *state;
        *running -= 1;
        if let Some(line) = callers.get_mut(caller) {
            line.running -= 1;
            if line.running == 0 && line.waiting.is_empty() {
                callers.remove(caller);
            }
        }
        for _ in 0..turns.len() {
            let Some(next) = turns.pop_front() else { break };
            let Some(line) = callers.get_mut(&next) else { continue };
            if line.running >= AT_ONCE_OF_ONE {
                turns.push_back(next);
                continue;
            }
            while let Some(give) = line.waiting.pop_front() {
                *waiting -= 1;
                if give.is_closed() {
                    continue;
                }
                *running += 1;
                line.running += 1;
                let place = self.place(&next);
                if !line.waiting.is_empty() {
                    turns.push_back(next);
                }
                return Some((give, place));
            }
            if line.running == 0 {
                callers.remove(&next);
            }
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((give, place)) = self.shares.leave(&self.caller) {
            // One who gave up at this very moment drops the place, which is the next one's then.
            let _ = give.send(place);
        }
    }
}

fn overloaded() -> Error {
    crate::metrics::shed();
    Error::refused(
        Reason::Overloaded,
        "Demasiadas llamadas suyas a la vez: nada se cambió; espere un momento e intente de nuevo.",
        "Too many calls of yours at once: nothing was changed; wait a moment and try again.",
    )
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn each_caller_has_its_turn_however_many_calls_another_sends() {
        let shares = Shares::default();
        let mut noisy = Vec::new();
        for _ in 0..AT_ONCE_OF_ONE {
            noisy.push(shares.enter("noisy").await.expect("a place"));
        }
        let mut waiting: Vec<_> = (0..WAITING_OF_ONE).map(|_| Box::pin(shares.enter("noisy"))).collect();
        for call in &mut waiting {
            assert!(call.now_or_never().is_none(), "its own share is used up");
        }
        assert!(shares.enter("noisy").await.is_err(), "its line is full");
        // Others fill the rest.
        let mut others = Vec::new();
        for n in 0..AT_ONCE - AT_ONCE_OF_ONE {
            others.push(shares.enter(&format!("other {}", n % 90)).await.expect("a place"));
        }
        let mut small = Box::pin(shares.enter("small"));
        assert!((&mut small).now_or_never().is_none(), "all places are taken");
        // The noisy one was first in line, and is at its limit: the place of another goes to the small one.
        drop(others.pop());
        assert!((&mut small).now_or_never().expect("its turn").is_ok());
        // A place of its own is free again: the noisy one's turn.
        drop(noisy.pop());
        assert!((&mut waiting[0]).now_or_never().expect("its turn").is_ok());
    }

    #[tokio::test]
    async fn whoever_gives_up_takes_no_place() {
        let shares = Shares::default();
        let mut places = Vec::new();
        for _ in 0..AT_ONCE_OF_ONE {
            places.push(shares.enter("a").await.expect("a place"));
        }
        let mut given_up = Box::pin(shares.enter("a"));
        let mut patient = Box::pin(shares.enter("a"));
        assert!((&mut given_up).now_or_never().is_none());
        assert!((&mut patient).now_or_never().is_none());
        drop(given_up);
        drop(places.pop());
        drop((&mut patient).now_or_never().expect("its turn").expect("a place"));
        drop(places);
        let state = shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((state.running, state.waiting, state.callers.len(), state.turns.len()), (0, 0, 0, 0));
    }
}
