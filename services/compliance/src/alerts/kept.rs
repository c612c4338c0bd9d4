//! Boards that were computed last, kept as long as they stay as they are: until an entry comes in, or a date changes
//! something. So the pages of a list, and those who ask for what somebody else has just asked for, cost a look.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use vigia_platform::Error;

use super::{
    Desk,
    board::{self, Board},
};
use crate::{memory::Positions, view::View};

/// Boards that are kept: of the plans of a State, and of some instants of the past that are being paged through.
const BOARDS_MAX: usize = 16;
/// Alerts of all boards that are kept, each of about 1 KB; a board with more is computed for each question.
const ALERTS_MAX: usize = 200_000;

/// The boards, the last one that was asked for first. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Boards(Arc<Mutex<VecDeque<Kept>>>);

#[derive(Debug)]
struct Kept {
    plan: String,
    /// By when what will come is looked for; none for what stands.
    ahead: Option<Timestamp>,
    /// Of which entries.
    positions: Positions,
    /// As of which instants it holds: from this one on,
    from: Timestamp,
    /// and before this one.
    until: Timestamp,
    board: Arc<Board>,
}

impl Kept {
    fn holds(&self, view: &View<'_>, ahead: Option<Timestamp>) -> bool {
        let is_it = self.plan == view.plan && self.ahead == ahead && self.from <= view.t && view.t < self.until;
        is_it && self.positions == view.positions()
    }
}

impl Desk {
    /// What stands in a plan as of a view's instant.
    pub(crate) fn board(&self, view: &View<'_>) -> Result<Arc<Board>, Error> {
        self.kept(view, None, || board::board(view))
    }

    /// What the clocks will say until an instant, by time.
    pub(crate) fn upcoming(&self, view: &View<'_>, until: Timestamp) -> Result<Arc<Board>, Error> {
        self.kept(view, Some(until), || Ok(board::upcoming(view, until)))
    }

    fn kept(&self, view: &View<'_>, ahead: Option<Timestamp>, compute: impl FnOnce() -> Result<Board, Error>) -> Result<Arc<Board>, Error> {
        if let Some(known) = self.boards.get(view, ahead) {
            return Ok(known);
        }
        let board = Arc::new(compute()?);
        self.boards.keep(Kept {
            plan: view.plan.to_owned(),
            ahead,
            positions: view.positions(),
            from: view.t,
            until: board.next_change,
            board: board.clone(),
        });
        Ok(board)
    }
}

impl Boards {
    fn get(&self, view: &View<'_>, ahead: Option<Timestamp>) -> Option<Arc<Board>> {
        let mut boards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = boards.iter().position(|kept| kept.holds(view, ahead))?;
        let found = boards.remove(place)?;
        let board = found.board.clone();
        boards.push_front(found);
        Some(board)
    }

    fn keep(&self, new: Kept) {
        let mut boards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        boards.push_front(new);
        let mut alerts = 0;
        let fits = boards.iter().take(BOARDS_MAX).take_while(|kept| {
            alerts += kept.board.raised.len();
            alerts <= ALERTS_MAX
        });
        let fits = fits.count();
        boards.truncate(fits);
    }
}
