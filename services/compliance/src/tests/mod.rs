//! What compliance answers, from journal entries as the other services write them.

mod alerts;
mod as_of;
mod explained;
mod journal;
