//! The tables of reporting, and the journal as this service reads its own.
#![expect(unreachable_pub, reason = "sea-orm's derives ask for public types")]

pub(crate) mod evidence;
pub(crate) mod journal_entry;
pub(crate) mod report;
pub(crate) mod report_draft;
