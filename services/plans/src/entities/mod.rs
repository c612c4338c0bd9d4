//! The tables of plans.
pub(crate) mod plan;
pub(crate) mod plan_part;
pub(crate) mod revision;
