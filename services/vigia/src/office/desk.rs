//! A connection for commands that change something: what they have changed, the next command finds everywhere.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use vigia_proto::{
    assignments::{ListTerritoriesRequest, institution_service_client::InstitutionServiceClient},
    compliance::{GetScorecardRequest, compliance_service_client::ComplianceServiceClient},
    plans::{ListPlansRequest, plan_service_client::PlanServiceClient},
    reporting::{ListObligationsRequest, obligation_service_client::ObligationServiceClient},
};

use crate::{access::Access, cast::Principal, output};

/// How long a command waits for the other services to have seen what it changed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects.
pub async fn open(access: &Access) -> Result<Principal> {
    access.principal().await
}

/// Waits until every service has seen what the caller has changed. The services follow each other's journals, which takes
/// a moment: without this, `vigia grant … && vigia institution import …` could come too early. Every call waits for the
/// positions that this caller has seen before anything else, so also one that is then refused does.
pub async fn settle(principal: &Principal) {
    let mut plans = PlanServiceClient::new(principal.clone());
    let mut institutions = InstitutionServiceClient::new(principal.clone());
    let mut obligations = ObligationServiceClient::new(principal.clone());
    let mut compliance = ComplianceServiceClient::new(principal.clone());
    let list_plans = ListPlansRequest {
        page_size: 1,
        ..ListPlansRequest::default()
    };
    let list_territories = ListTerritoriesRequest {
        page_size: 1,
        ..ListTerritoriesRequest::default()
    };
    let list_obligations = ListObligationsRequest {
        parent: "plans/-".into(),
        page_size: 1,
        ..ListObligationsRequest::default()
    };
    let all = async {
        let _ = tokio::join!(
            plans.list_plans(list_plans),
            institutions.list_territories(list_territories),
            obligations.list_obligations(list_obligations),
            compliance.get_scorecard(GetScorecardRequest::default()),
        );
    };
    // The change stands in any case; a service that is away sees it once it is back.
    let _ = tokio::time::timeout(PATIENCE, all).await;
}

/// The bytes of a file, and its path where it can't be read.
pub fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| file.display().to_string())
}

/// A resource name from an id or the name itself.
pub fn named(collection: &str, id: &str) -> String {
    let id = id.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id);
    format!("{collection}/{id}")
}

/// A line for people, or the answer for programs.
pub fn tell(json: bool, name: &str, answer: &impl prost::Message, text: &str) -> Result<()> {
    if json {
        return output::json(&output::value(name, answer)?);
    }
    output::line(text);
    Ok(())
}
