//! The same journal service for every area, each under its own name.

use tonic::{Request, Response, Status, service::Routes};
use vigia_proto::journal::{ListEntriesRequest, ListEntriesResponse, SubscribeRequest};

use crate::{
    Area,
    caller::Caller,
    journal::{self, Subscription},
    kit::Kit,
};

macro_rules! journal_services {
    ($($area:ident, $variant:ident, $server:ident, $service:ident, $wrapper:ident, $routed:ident;)*) => {
        $(
            #[derive(Debug)]
            struct $wrapper(Kit);

            #[tonic::async_trait]
            impl vigia_proto::$area::$server::$service for $wrapper {
                type SubscribeStream = Subscription;

                async fn list_entries(&self, request: Request<ListEntriesRequest>) -> Result<Response<ListEntriesResponse>, Status> {
                    let caller = Caller::of(&request)?;
                    Ok(Response::new(journal::list_entries(&self.0.db, &caller, request.into_inner()).await?))
                }

                async fn subscribe(&self, request: Request<SubscribeRequest>) -> Result<Response<Subscription>, Status> {
                    Caller::of(&request)?;
                    Ok(Response::new(journal::subscribe(&self.0.db, request.get_ref()).await?))
                }
            }
        )*

        /// Adds the journal service of the kit's area.
        pub(crate) fn add(routes: Routes, kit: Kit) -> Routes {
            match kit.db.area() {
                $(Area::$variant => routes.add_service(vigia_proto::$area::$server::$routed::new($wrapper(kit))),)*
            }
        }
    };
}

journal_services! {
    identity, Identity, identity_journal_service_server, IdentityJournalService, IdentityJournal, IdentityJournalServiceServer;
    plans, Plans, plans_journal_service_server, PlansJournalService, PlansJournal, PlansJournalServiceServer;
    assignments, Assignments, assignments_journal_service_server, AssignmentsJournalService, AssignmentsJournal, AssignmentsJournalServiceServer;
    reporting, Reporting, reporting_journal_service_server, ReportingJournalService, ReportingJournal, ReportingJournalServiceServer;
    compliance, Compliance, compliance_journal_service_server, ComplianceJournalService, ComplianceJournal, ComplianceJournalServiceServer;
}
