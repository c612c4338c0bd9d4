//! Identity's tables.
pub(crate) mod principal;
