//! Assignments: the institutions and who took over from whom, the territories, and who answers for which action.

mod agreements;
mod assignment_file;
mod assignments;
mod csv_files;
mod entities;
mod fields;
mod institutions;
mod rows;
mod state;
mod successions;
mod territories;

use tonic::service::Routes;
use vigia_platform::{Guarded, Kit, Peer, StartError};
use vigia_proto::{
    assignments::{assignment_service_server::AssignmentServiceServer, institution_service_server::InstitutionServiceServer},
    plans::plan_service_client::PlanServiceClient,
};

/// A request that carries a file is a little larger than the file.
const REQUEST_BYTES_MAX: usize = csv_files::FILE_BYTES_MAX + 64 * 1024;

/// Builds the service over its kit. `plans` is asked whether plan and action of a proposal exist.
#[expect(clippy::unused_async, reason = "every service is built by an async function")]
pub async fn build(kit: Kit, plans: Peer) -> Result<Guarded, StartError> {
    let institutions = institutions::Institutions { kit: kit.clone() };
    let assignments = assignments::Assignments {
        kit: kit.clone(),
        plans: PlanServiceClient::new(plans),
    };
    let institutions = InstitutionServiceServer::new(institutions).max_decoding_message_size(REQUEST_BYTES_MAX);
    let assignments = AssignmentServiceServer::new(assignments).max_decoding_message_size(REQUEST_BYTES_MAX);
    Ok(kit.guard(Routes::new(institutions).add_service(assignments)))
}
