//! Reporting: what each assignment owes, the reports that institutions send for it, and what reviewers decide.
//!
//! Obligations are never rows. They follow, by `vigia_rules`, from the facts of plans, assignments and this service's own
//! journal, which are kept in memory and rebuilt at every start. Rows are only drafts, submitted reports and what is known
//! of evidence; its bytes lie beside the database or in an object store.

mod batch;
mod breakdown;
mod calendar;
mod content;
mod desk;
mod entities;
mod evidence;
mod evidence_service;
mod evidence_upload;
mod findings;
mod granted;
mod kinds;
mod lines;
mod links;
mod names;
mod obligation_service;
mod outage;
mod record;
mod refusal;
mod report_service;
mod requests;
mod submission;
mod texts;
mod timeline;
mod wire;
mod writer;

use tonic::service::Routes;
use vigia_platform::{Guarded, Kit, Peer, StartError};
use vigia_proto::reporting::{
    evidence_service_server::EvidenceServiceServer, obligation_service_server::ObligationServiceServer,
    report_service_server::ReportServiceServer,
};

pub use evidence::{EvidenceOptions, Inspected, Unaccepted, inspect};
pub use findings::names_person;

/// Builds the service over its kit, the services that it follows, and the place where evidence lies.
pub async fn build(kit: Kit, plans: Peer, assignments: Peer, evidence: EvidenceOptions) -> Result<Guarded, StartError> {
    let store = evidence::Store::open(&evidence)?;
    let desk = desk::Desk::open(kit.clone(), plans, assignments).await?;
    let reports = ReportServiceServer::new(report_service::Reports::new(desk.clone()));
    let routes = Routes::new(ObligationServiceServer::new(
        obligation_service::Obligations::new(desk.clone()).await?,
    ))
    .add_service(reports.max_decoding_message_size(batch::SUBMIT_BYTES_MAX))
    .add_service(EvidenceServiceServer::new(evidence_service::EvidenceDesk::new(desk, store)));
    Ok(kit.guard(routes))
}
