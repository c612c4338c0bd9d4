//! Compliance's tables: what was decided to be sent, which its journal is enough to make anew, and what people wrote.
pub(crate) mod delivery;
pub(crate) mod notice;
pub(crate) mod text;
