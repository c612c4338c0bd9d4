//! Compliance's tables: what people wrote, beside the journal.
pub(crate) mod text;
