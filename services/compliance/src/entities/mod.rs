//! Compliance's tables: what was decided to be sent. What its journal says is enough to make them anew.
pub(crate) mod delivery;
pub(crate) mod notice;
