//! All scorecards of a plan as of an instant, and the verdicts on its actions in short: from the projection or, where its
//! columns can't answer, from the rules. Both give the same.

use std::collections::BTreeSet;

use jiff::Timestamp;
use vigia_rules::{ActionId, ActionState, ActionVerdict, Index, Judgement, Period, Reading, Scorecard, Slice, Verdicts};

use crate::projection::{Board, Judged};

/// Who answers.
pub(crate) enum Cards<'a> {
    Columns(Board<'a>),
    Rules(&'a Verdicts<'a>),
}

/// The verdict on an action without its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InShort {
    pub(crate) action: ActionId,
    pub(crate) state: ActionState,
    pub(crate) period: Option<Period>,
    pub(crate) strict: Option<Reading>,
    pub(crate) observed: Option<Reading>,
    pub(crate) validated: Option<Reading>,
}

impl From<&ActionVerdict> for InShort {
    fn from(verdict: &ActionVerdict) -> Self {
        Self {
            action: verdict.action.clone(),
            state: verdict.state,
            period: verdict.period,
            strict: verdict.strict,
            observed: verdict.observed,
            validated: verdict.validated,
        }
    }
}

impl From<&Judged> for InShort {
    fn from(judged: &Judged) -> Self {
        Self {
            action: judged.action.clone(),
            state: judged.state,
            period: judged.period,
            strict: judged.strict,
            observed: judged.observed,
            validated: judged.validated,
        }
    }
}

impl Cards<'_> {
    /// The scorecard of a slice.
    pub(crate) fn slice(&self, slice: &Slice) -> Scorecard {
        match self {
            Self::Columns(board) => board.slice(slice),
            Self::Rules(all) => all.slice(slice),
        }
    }

    /// The index of a slice alone.
    pub(crate) fn index(&self, slice: &Slice) -> Index {
        match self {
            Self::Columns(board) => board.index(slice),
            Self::Rules(all) => Index::of(&all.parts(slice)),
        }
    }

    /// The verdicts on all actions, in the plan's order.
    pub(crate) fn actions(&self) -> Vec<InShort> {
        match self {
            Self::Columns(board) => board.actions().iter().map(Into::into).collect(),
            Self::Rules(all) => all.actions().map(Into::into).collect(),
        }
    }

    /// The plan's periods, in order, with their calendar due instants.
    pub(crate) fn periods(&self) -> Vec<(Period, Timestamp)> {
        match self {
            Self::Columns(board) => board.periods().collect(),
            Self::Rules(all) => all.periods().collect(),
        }
    }

    /// Until when all stays as it is if nothing is recorded.
    pub(crate) fn next_change(&self) -> Timestamp {
        match self {
            Self::Columns(board) => board.next_change(),
            Self::Rules(all) => all.next_change(),
        }
    }

    /// What a slice is made of, for [`vigia_rules::moves`]; of some actions only, where the others can't have changed.
    pub(crate) fn judgement(&self, slice: &Slice, wanted: Option<&BTreeSet<ActionId>>) -> Judgement {
        let parts = match self {
            Self::Columns(board) => board.parts(slice, wanted),
            Self::Rules(all) => {
                let mut parts = all.parts(slice);
                parts.retain(|part| wanted.is_none_or(|wanted| wanted.contains(&part.action)));
                parts
            }
        };
        Judgement {
            parts,
            next_change: self.next_change(),
        }
    }
}
