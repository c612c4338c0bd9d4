//! Plans: what was promised, by whom, by when, measured by what; and the revisions that alone change a plan in force.
//!
//! The rules are pure: [`check`] says what is wrong with a plan, [`file`] and [`file_write`] read and write plan files,
//! [`file_changes`] reads what a revision changes, [`diff`] compares. How a change is applied stands in
//! `vigia_platform::plan_changes`, because reporting and compliance compose plans too.

mod annotations;
pub mod check;
pub mod diff;
mod entities;
pub mod file;
pub mod file_changes;
pub mod file_write;
mod kept;
mod normal;
mod plans;
mod reader;
mod revisions;
#[cfg(test)]
mod service_tests;
mod store;
#[cfg(test)]
mod tests;
mod yaml;

use tonic::service::Routes;
use vigia_platform::{Guarded, Kit, StartError};
use vigia_proto::plans::{plan_service_server::PlanServiceServer, revision_service_server::RevisionServiceServer};

/// Builds the service over its kit.
#[expect(clippy::unused_async, reason = "every service is built in the same way")]
pub async fn build(kit: Kit) -> Result<Guarded, StartError> {
    // A file of 4 MiB comes with its frame, and so does its export.
    let size = file::FILE_BYTES_MAX + 64 * 1024;
    let plans = PlanServiceServer::new(plans::Plans::new(kit.clone())).max_decoding_message_size(size);
    let revisions = RevisionServiceServer::new(revisions::Revisions { kit: kit.clone() }).max_decoding_message_size(size);
    Ok(kit.guard(Routes::new(plans).add_service(revisions)))
}
