//! Reporting behind its permission layer, over journals of plans and assignments that hold one plan and its assignments;
//! on SQLite or PostgreSQL, one replica or two, with a clock that is set.

use jiff::{Timestamp, tz::TimeZone};
use prost::Message;
use tonic::{Request, Response, Status, service::Routes};
use tonic_types::StatusExt;
use vigia_platform::{
    Area, Caller, Clock, Db, Durability, Guarded, Kit, Peer, Route, Store, TokenSource, db::ScratchDatabases, instant, new_id, timestamp,
    token::Key,
};
use vigia_proto::{
    assignments::{Assignment, AssignmentAccepted, AssignmentProposed, AssignmentRole},
    identity::{
        Account, Client, ClientCreated, GetJwksRequest, GetJwksResponse, IssueTokenRequest, IssueTokenResponse, RevokeTokenRequest,
        RevokeTokenResponse, Role, RoleGrant, RoleGranted,
        token_service_server::{TokenService, TokenServiceServer},
    },
    journal::{Entry, SubscribeRequest},
    plans::{Action, Frequency, Indicator, Plan, PlanDefinition, ReportingCalendar, Revision, RevisionApproved},
    reporting::{
        GetObligationRequest, IndicatorValue, Obligation, Report, SubmitReportRequest, SubmitReportResponse, indicator_value::Value,
        obligation_service_client::ObligationServiceClient, report_service_client::ReportServiceClient,
        reporting_journal_service_client::ReportingJournalServiceClient,
    },
    types::Decimal,
};

/// Assignments `a0` to `a7`, each of the institution `msp` and in a territory of its own.
pub(crate) const ASSIGNMENTS: usize = 8;

/// Gives tokens to whoever asks; who may do what is decided by the grants.
struct Tokens(Key);

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn issue_token(&self, _: Request<IssueTokenRequest>) -> Result<Response<IssueTokenResponse>, Status> {
        let (access_token, ends_at) = self.0.access_token("clients/reporting").unwrap();
        Ok(Response::new(IssueTokenResponse {
            access_token,
            expire_time: Some(timestamp(ends_at)),
        }))
    }

    async fn revoke_token(&self, _: Request<RevokeTokenRequest>) -> Result<Response<RevokeTokenResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// Where the databases of a test are; gone when it ends.
pub(crate) enum Place {
    Directory(tempfile::TempDir),
    Server(ScratchDatabases, String),
}

impl Place {
    /// A directory; and a database of its own where the environment names a server, as `tests/run` does.
    pub(crate) async fn all() -> Vec<Self> {
        let mut all = vec![Self::Directory(tempfile::tempdir().unwrap())];
        all.extend(Self::server().await);
        all
    }

    pub(crate) async fn server() -> Option<Self> {
        let server = std::env::var("TEST_DATABASE").ok()?;
        let databases = ScratchDatabases::on(&server);
        let url = databases.make().await.unwrap();
        Some(Self::Server(databases, url))
    }

    fn store(&self) -> Store {
        match self {
            Self::Directory(directory) => Store::from(directory.path()),
            Self::Server(_, url) => Store::Postgres(url.clone()),
        }
    }

    pub(crate) async fn end(self) {
        if let Self::Server(databases, _) = self {
            databases.drop_all().await.unwrap();
        }
    }
}

pub(crate) struct World {
    pub(crate) clock: Clock,
    zone: TimeZone,
    key: Key,
    plans: Route,
    plans_kit: Option<Kit>,
    assignments: Route,
}

/// One replica of reporting.
pub(crate) struct Replica {
    /// A handle of its database, such as a test needs to be in its way.
    pub(crate) db: Db,
    service: Guarded,
    _evidence: tempfile::TempDir,
}

impl World {
    /// Quarters of 2026 that are due after 15 days; accepted when the year begins, where the clock stands.
    pub(crate) async fn start(place: &Place, zone: &str) -> Self {
        let time_zone = TimeZone::get(zone).unwrap();
        let clock = Clock::simulated(at(&time_zone, "2026-01-01T09:00:00"));
        let key = Key::generate("vigia-1").unwrap();
        let mut world = Self {
            clock,
            zone: time_zone,
            plans: Route::over(tonic::transport::Channel::from_static("http://127.0.0.1:1").connect_lazy()),
            plans_kit: None,
            assignments: Route::over(tonic::transport::Channel::from_static("http://127.0.0.1:1").connect_lazy()),
            key,
        };
        let plans = world.kit(Area::Plans, place).await;
        let approved = RevisionApproved {
            revision: Some(Revision {
                name: "plans/p/revisions/1".into(),
                effective_on: "2026-01-01".into(),
                acts_from: Some(timestamp(world.clock.now())),
                ..Revision::default()
            }),
            definition: Some(plan(zone)),
        };
        record(
            &plans,
            &[(
                "vigia.plans.v1.RevisionApproved",
                "plans/p/revisions/1".into(),
                approved.encode_to_vec(),
            )],
        )
        .await;
        let assignments = world.kit(Area::Assignments, place).await;
        for id in 0..ASSIGNMENTS {
            let assignment = Assignment {
                name: format!("plans/p/assignments/a{id}"),
                action: "plans/p/actions/a1".into(),
                institution: "institutions/msp".into(),
                role: AssignmentRole::Lead.into(),
                from: "2026-01-01".into(),
                ..Assignment::default()
            };
            let proposed = AssignmentProposed {
                assignment: Some(assignment.clone()),
            };
            let accepted = AssignmentAccepted {
                assignment: Some(assignment.clone()),
            };
            let events = [
                (
                    "vigia.assignments.v1.AssignmentProposed",
                    assignment.name.clone(),
                    proposed.encode_to_vec(),
                ),
                ("vigia.assignments.v1.AssignmentAccepted", assignment.name, accepted.encode_to_vec()),
            ];
            record(&assignments, &events).await;
        }
        let tokens = TokenServiceServer::new(Tokens(world.key.clone()));
        world.plans = Route::Local(plans.guard(Routes::new(tokens)));
        world.plans_kit = Some(plans);
        world.assignments = Route::Local(assignments.guard(Routes::default()));
        world
    }

    /// A replica of reporting over the same database.
    pub(crate) async fn replica(&self, place: &Place) -> Replica {
        let kit = self.kit(Area::Reporting, place).await;
        let db = kit.db.clone();
        let tokens = TokenSource::new("clients/reporting", self.key.clone(), self.plans.clone());
        let peer = |route: &Route| Peer::new(route.clone(), tokens.clone());
        let directory = tempfile::tempdir().unwrap();
        let evidence = vigia_reporting::EvidenceOptions::in_directory(directory.path().join("evidence"));
        let service = vigia_reporting::build(kit, peer(&self.plans), peer(&self.assignments), evidence)
            .await
            .unwrap();
        let replica = Replica {
            db,
            service,
            _evidence: directory,
        };
        // It has heard of plan and assignments: from now on a call waits for nothing but the writer.
        replica.obligation(self, &obligation(0, "2026-Q1")).await;
        replica
    }

    async fn kit(&self, area: Area, place: &Place) -> Kit {
        let db = Db::open(area, place.store(), Durability::Scratch, self.clock.clone())
            .await
            .unwrap();
        let kit = Kit::new(db, self.clock.clone());
        assert!(kit.verifier.set_keys(&format!("{{\"keys\":[{}]}}", self.key.jwk())));
        for (id, role, scope) in [
            ("reporting", Role::Service, ""),
            ("msp", Role::Reporter, "institutions/msp"),
            ("reviewer", Role::Reviewer, ""),
        ] {
            let principal = format!("clients/{id}");
            let created = ClientCreated {
                client: Some(Client {
                    name: principal.clone(),
                    ..Client::default()
                }),
            };
            let granted = RoleGranted {
                principal,
                grant: Some(RoleGrant {
                    role: role.into(),
                    scope: scope.into(),
                }),
            };
            for (event_type, event) in [("ClientCreated", created.encode_to_vec()), ("RoleGranted", granted.encode_to_vec())] {
                let entry = Entry {
                    event_type: format!("vigia.identity.v1.{event_type}"),
                    event,
                    ..Entry::default()
                };
                kit.grants.apply(&entry, &kit.verifier).unwrap();
            }
        }
        kit
    }

    /// Something happens to the plan: the second entry of its journal.
    pub(crate) async fn plan_is_touched(&self) {
        let event = ("vigia.plans.v1.PlanSaved", "plans/p".to_owned(), Vec::new());
        record(self.plans_kit.as_ref().unwrap(), &[event]).await;
    }

    /// A local time of the plan's zone.
    pub(crate) fn at(&self, local: &str) -> Timestamp {
        at(&self.zone, local)
    }

    pub(crate) fn ask<T>(&self, who: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let token = self.key.access_token(&format!("clients/{who}")).unwrap().0;
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    }
}

impl Replica {
    pub(crate) fn reports(&self) -> ReportServiceClient<Route> {
        ReportServiceClient::new(Route::Local(self.service.clone()))
    }

    pub(crate) async fn submit(&self, world: &World, request: SubmitReportRequest) -> Result<SubmitReportResponse, Status> {
        let answer = self.reports().submit_report(world.ask("msp", request)).await;
        answer.map(Response::into_inner)
    }

    /// Up to which instant the journal is closed, as a follower is told first.
    pub(crate) async fn closed_at(&self, world: &World) -> Timestamp {
        let request = world.ask("reporting", SubscribeRequest::default());
        let mut journal = ReportingJournalServiceClient::new(Route::Local(self.service.clone()));
        let mut batches = journal.subscribe(request).await.unwrap().into_inner();
        loop {
            let batch = batches.message().await.unwrap().unwrap();
            if let Some(closed_at) = batch.closed_at.as_ref().and_then(instant) {
                return closed_at;
            }
        }
    }

    pub(crate) async fn obligation(&self, world: &World, name: &str) -> Obligation {
        let request = world.ask("msp", GetObligationRequest { name: name.into() });
        let answer = ObligationServiceClient::new(Route::Local(self.service.clone()))
            .get_obligation(request)
            .await;
        answer.unwrap().into_inner().obligation.unwrap()
    }
}

fn at(zone: &TimeZone, local: &str) -> Timestamp {
    zone.to_timestamp(local.parse().unwrap()).unwrap()
}

async fn record(kit: &Kit, events: &[(&str, String, Vec<u8>)]) {
    let caller = Caller::vigia(&kit.clock, "test");
    let mut change = kit.db.change(&caller, &new_id(), &Account::default()).await.unwrap();
    for (event_type, resource, event) in events {
        change.record(event_type, resource, "", &Raw(event.clone())).await.unwrap();
    }
    change.commit(Account::default()).await.unwrap();
}

/// A message that is encoded already.
#[derive(Debug, Default)]
struct Raw(Vec<u8>);

impl Message for Raw {
    fn encode_raw(&self, buffer: &mut impl prost::bytes::BufMut) {
        buffer.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: prost::encoding::WireType,
        _: &mut impl prost::bytes::Buf,
        _: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

fn plan(zone: &str) -> PlanDefinition {
    PlanDefinition {
        plan: Some(Plan {
            name: "plans/p".into(),
            start: "2026-01-01".into(),
            end: "2026-12-31".into(),
            time_zone: zone.into(),
            reporting: Some(ReportingCalendar {
                frequency: Frequency::Quarterly.into(),
                due_days_after_period: 15,
                ..ReportingCalendar::default()
            }),
            ..Plan::default()
        }),
        actions: vec![Action {
            name: "plans/p/actions/a1".into(),
            start: "2026-01-01".into(),
            end: "2026-12-31".into(),
            ..Action::default()
        }],
        indicators: vec![Indicator {
            name: "plans/p/actions/a1/indicators/i1".into(),
            code: "I1".into(),
            unit: "count".into(),
            ..Indicator::default()
        }],
        ..PlanDefinition::default()
    }
}

pub(crate) fn obligation(assignment: usize, period: &str) -> String {
    format!("plans/p/assignments/a{assignment}/obligations/{period}")
}

pub(crate) fn submission(assignment: usize, period: &str, number: &str) -> SubmitReportRequest {
    let value = IndicatorValue {
        indicator: "I1".into(),
        value: Some(Value::Number(Decimal { value: number.into() })),
        ..IndicatorValue::default()
    };
    SubmitReportRequest {
        parent: obligation(assignment, period),
        report: Some(Report {
            values: vec![value],
            ..Report::default()
        }),
        request_id: new_id(),
        ..SubmitReportRequest::default()
    }
}

pub(crate) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}
