//! Compliance: who complies, who does not, and why, as of any instant. It follows the journals of plans, assignments and
//! reporting and keeps what they say in memory, in columns. Scorecards are scans of the columns (`projection`); reasons
//! come from the pure functions of `vigia_rules`, whose every answer the columns equal. Its own journal has only what
//! people do about it.

mod alert_service;
mod alerts;
mod answers;
mod aside;
mod assessment;
mod assessment_service;
mod cards;
mod comment_service;
mod comparison;
mod compliance_service;
mod current;
mod desk;
mod entities;
mod explain;
mod follow_up_service;
mod memory;
pub mod projection;
mod record;
mod remedies;
mod scopes;
pub mod store;
#[cfg(test)]
mod tests;
mod text_service;
mod texts;
mod trajectories;
mod view;
mod voices;
mod watch;
mod words;

use std::path::Path;

pub use alerts::{AlertOptions, Webhook};
pub use memory::Memory;
use tonic::service::Routes;
use vigia_platform::{Area, Guarded, Kit, Peer, StartError};
use vigia_proto::compliance::{
    alert_service_server::AlertServiceServer,
    assessment_service_server::AssessmentServiceServer,
    comment_service_server::CommentServiceServer,
    compliance_service_server::{ComplianceService, ComplianceServiceServer},
    follow_up_service_server::FollowUpServiceServer,
    text_service_server::TextServiceServer,
};

/// Builds the service over its kit and the services that it follows. What it can start from sooner lies in the
/// directory; `alerts` says how people are told.
pub async fn build(
    kit: Kit,
    plans: Peer,
    assignments: Peer,
    reporting: Peer,
    directory: &Path,
    alerts: AlertOptions,
) -> Result<Guarded, StartError> {
    let memory = memory::Memory::default();
    let others = [(Area::Plans, plans), (Area::Assignments, assignments)].map(|(area, peer)| {
        let memory = memory.clone();
        kit.follow(area, peer, move |entry| memory.take(area, entry))
    });
    let store = store::Store::new(directory.to_owned(), reporting.clone());
    let (begin, taken) = (store.clone().restore(memory.clone(), others), memory.clone());
    let follow = kit.follow_after(Area::Reporting, reporting, begin, move |entry| taken.take(Area::Reporting, entry));
    let keeper = store.keep(memory.clone(), follow);
    let record = record::Record::follow(&kit).await?;
    let compliance = compliance_service::Compliance::new(kit.clone(), memory.clone(), Some(keeper));
    let compliance = ComplianceServiceServer::new(compliance);
    let alert_desk = alerts::Desk::open(kit.clone(), memory.clone(), record.clone(), &alerts)?;
    alert_desk.start();
    let alerts = AlertServiceServer::new(alert_service::Alerts::new(alert_desk));
    let desk = desk::Desk {
        kit: kit.clone(),
        memory,
        record,
    };
    let routes = Routes::new(compliance)
        .add_service(alerts)
        .add_service(AssessmentServiceServer::new(desk.clone()))
        .add_service(CommentServiceServer::new(desk.clone()))
        .add_service(FollowUpServiceServer::new(desk.clone()))
        .add_service(TextServiceServer::new(desk));
    Ok(kit.guard(routes))
}

/// The service over a memory that somebody else fills: to be measured.
#[must_use]
pub fn over(kit: Kit, memory: Memory) -> ComplianceServiceServer<impl ComplianceService> {
    ComplianceServiceServer::new(compliance_service::Compliance::new(kit, memory, None))
}
