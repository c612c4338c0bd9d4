//! Reporting: what each assignment owes, the reports that institutions send for it, and what reviewers decide.
//!
//! Obligations are never rows. They follow, by `vigia_rules`, from the facts of plans, assignments and this service's own
//! journal, which are kept in memory and rebuilt at every start. Rows are only drafts and submitted reports.

mod content;
mod desk;
mod entities;
mod kinds;
mod lines;
mod names;
mod obligation_service;
mod refusal;
mod report_service;
mod requests;
mod submission;
mod timeline;
mod wire;
mod writer;

use tonic::service::Routes;
use vigia_platform::{Guarded, Kit, Peer, StartError};
use vigia_proto::reporting::{obligation_service_server::ObligationServiceServer, report_service_server::ReportServiceServer};

/// Builds the service over its kit and the services that it follows.
pub async fn build(kit: Kit, plans: Peer, assignments: Peer) -> Result<Guarded, StartError> {
    let desk = desk::Desk::open(kit.clone(), plans, assignments).await?;
    let routes = Routes::new(ObligationServiceServer::new(obligation_service::Obligations::new(desk.clone())))
        .add_service(ReportServiceServer::new(report_service::Reports::new(desk)));
    Ok(kit.guard(routes))
}
