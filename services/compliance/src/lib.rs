//! Compliance: who complies, who does not, and why, as of any instant. It follows the journals of plans, assignments and
//! reporting, keeps their facts in memory, and answers from the pure functions of `vigia_rules`. It stores nothing that
//! it derives: the facts are rebuilt from the journals at every start. Its own journal has only what people do about it.

mod alert_service;
mod alerts;
mod answers;
mod assessment;
mod assessment_service;
mod comment_service;
mod comparison;
mod compliance_service;
mod desk;
mod entities;
mod explain;
mod follow_up_service;
mod memory;
pub mod projection;
mod record;
mod remedies;
mod scopes;
#[cfg(test)]
mod tests;
mod text_service;
mod texts;
mod trajectories;
mod voices;
mod watch;
mod words;

use tonic::service::Routes;
use vigia_platform::{Area, Guarded, Kit, Peer, StartError};
use vigia_proto::compliance::{
    alert_service_server::AlertServiceServer, assessment_service_server::AssessmentServiceServer,
    comment_service_server::CommentServiceServer, compliance_service_server::ComplianceServiceServer,
    follow_up_service_server::FollowUpServiceServer, text_service_server::TextServiceServer,
};

pub use alerts::{AlertOptions, Webhook};

/// Builds the service over its kit and the services that it follows; `alerts` says how people are told.
pub async fn build(kit: Kit, plans: Peer, assignments: Peer, reporting: Peer, alerts: AlertOptions) -> Result<Guarded, StartError> {
    let memory = memory::Memory::default();
    for (area, peer) in [(Area::Plans, plans), (Area::Assignments, assignments), (Area::Reporting, reporting)] {
        let memory = memory.clone();
        kit.follow(area, peer, move |entry| memory.take(area, entry));
    }
    let record = record::Record::follow(&kit).await?;
    let compliance = ComplianceServiceServer::new(compliance_service::Compliance::new(kit.clone(), memory.clone()));
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
