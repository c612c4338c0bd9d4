//! The tables that every service has.
pub(crate) mod alive;
pub(crate) mod idempotency;
pub(crate) mod journal_entry;
pub(crate) mod journal_head;
pub(crate) mod journal_origin;
pub(crate) mod lease;
