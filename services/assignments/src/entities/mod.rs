//! Assignments' tables: one row for each resource, `definition` is its message of the contract.
pub(crate) mod agreement;
pub(crate) mod assignment;
pub(crate) mod institution;
pub(crate) mod succession;
pub(crate) mod territory;
