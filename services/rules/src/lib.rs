//! The law of Vigía: periods, due instants, obligations, verdicts, scorecards, as VERDICTS.md
//! gives them (rules 1).
//!
//! Everything is a pure function of the [`Facts`] of one plan and an instant t; what was recorded
//! after t does not exist. There is one file for each heading of VERDICTS.md: start with
//! [`mod@obligation`], then [`mod@indicator`], [`mod@action`] and [`mod@scorecard`].
//!
//! **Invariant:** no I/O, no clock, no database, no tonic; no text in a human language except
//! errors meant for developers. Verdicts carry values ([`finding`]), callers say them.

pub mod action;
pub mod alert;
pub mod assignment;
pub mod calendar;
pub mod comparison;
pub mod exact;
pub mod facts;
pub mod finding;
pub mod forecast;
pub mod history;
pub mod indicator;
pub mod names;
pub mod obligation;
pub mod period;
pub mod plan;
pub mod preview;
pub mod record;
pub mod remedy;
pub mod scorecard;
pub mod since;
#[cfg(test)]
mod world;

pub use action::{ActionState, ActionVerdict, Rule, action};
pub use assignment::Standing;
pub use calendar::{Calendar, Count};
pub use comparison::{Difference, Judgement, Move, judgement, moves};
pub use exact::{Decimal, Exact, Reading};
pub use facts::{Assignment, Cover, Decision, Entry, Extension, Facts, Position, Report, Resolution, Source, Value};
pub use finding::Finding;
pub use forecast::{FORECAST_REPORTS_MIN, Forecast, forecast};
pub use indicator::{TrajectoryPoint, trajectory};
pub use names::{ActionId, AssignmentId, ComponentId, IndicatorId, InstitutionId, MilestoneId, PlanId, TerritoryCode};
pub use obligation::{
    Obligation, ObligationState, Refused, Timeliness, extend, obligation, obligations, obligations_of, review, submit, waive,
};
pub use period::{Frequency, Period};
pub use plan::{
    Across, Action, Aggregation, Component, Direction, Fault, Indicator, Interpolation, Milestone, Plan, Point, Policy, Problem, Role,
    Suspension, Window, check, measurable,
};
pub use record::{Event, Recorded};
pub use remedy::Remedy;
pub use scorecard::{Discipline, Index, Part, Scope, Scorecard, Slice, Verdicts};
pub use since::{action_since, obligation_since};
