//! Reporting behind its permission layer, with people who call it, over real journals of plans and assignments: on SQLite or
//! PostgreSQL, one replica or two, with a clock that is set.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use prost::Message;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
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
    plans::{
        Action, Aggregation, BudgetLine, CompliancePolicy, DayCount, EvidenceMetadata, Frequency, Indicator, Milestone, Plan,
        PlanDefinition, ReportingCalendar, Revision, RevisionApproved, Target,
    },
    reporting::{
        GetObligationRequest, IndicatorValue, Obligation, Report, SubmitReportRequest, SubmitReportResponse, UploadEvidenceRequest,
        UploadEvidenceResponse, UploadStart, evidence_service_client::EvidenceServiceClient, indicator_value::Value,
        obligation_service_client::ObligationServiceClient, report_service_client::ReportServiceClient,
        reporting_journal_service_client::ReportingJournalServiceClient, upload_evidence_request::Part,
    },
    types::Decimal,
};
use vigia_reporting::EvidenceOptions;

const REPORTING: &str = "clients/reporting";

/// Gives tokens to whoever asks; who may do what is decided by the grants.
struct Tokens(Key);

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn issue_token(&self, _: Request<IssueTokenRequest>) -> Result<Response<IssueTokenResponse>, Status> {
        let (access_token, ends_at) = self.0.access_token(REPORTING).unwrap();
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
    Directory(TempDir),
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
    /// Evidence lies here, and the databases where a test names no other place.
    pub(crate) directory: TempDir,
    pub(crate) clock: Clock,
    zone: TimeZone,
    key: Key,
    evidence: EvidenceOptions,
    identity: Route,
    plans: Kit,
    assignments: Kit,
    /// The replica that most tests know only.
    pub(crate) replica: Replica,
}

/// One replica of reporting.
pub(crate) struct Replica {
    /// A handle of its database, such as a test needs to be in its way.
    pub(crate) db: Db,
    service: Guarded,
}

/// How a world differs from the plain one.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a difference of its own")]
pub(crate) struct Setting {
    pub(crate) head_submits: bool,
    pub(crate) accepts_traces: bool,
    /// Assignments of `msp` beside `a1`.
    pub(crate) more_assignments: usize,
    pub(crate) file_bytes_max: Option<u64>,
    pub(crate) quota_bytes: Option<u64>,
    /// Evidence goes to a directory that is written as an object store is.
    pub(crate) remote: bool,
    /// Another zone than Guayaquil's.
    pub(crate) zone: Option<&'static str>,
    /// Reports are due at the midnight after 15 calendar days.
    pub(crate) calendar_days: bool,
    /// The local time at which the world is met.
    pub(crate) now: Option<&'static str>,
}

impl World {
    /// A quarterly plan of 2026 with one action, whose obligations `a1` of `msp` and `b1` of `mies` are due 10 working
    /// days after each quarter at 17:00; it is 2 July 2026, noon. `msp` and `mies` are reporters, `msp-head` is a head.
    pub(crate) async fn start() -> Self {
        Self::with(Setting::default()).await
    }

    pub(crate) async fn with(setting: Setting) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::from(directory.path());
        Self::over(directory, store, setting).await
    }

    /// A world whose databases are at a place.
    pub(crate) async fn on(place: &Place, setting: Setting) -> Self {
        Self::over(tempfile::tempdir().unwrap(), place.store(), setting).await
    }

    async fn over(directory: TempDir, store: Store, setting: Setting) -> Self {
        let zone = TimeZone::get(setting.zone.unwrap_or("America/Guayaquil")).unwrap();
        let clock = Clock::simulated(local(&zone, "2026-01-02 09:00"));
        let key = Key::generate("vigia-1").unwrap();
        let kit = async |area| kit(area, store.clone(), &clock, &key).await;
        let (plans, assignments) = (kit(Area::Plans).await, kit(Area::Assignments).await);
        let approved = RevisionApproved {
            revision: Some(Revision {
                name: "plans/vcm/revisions/1".into(),
                effective_on: "2026-01-01".into(),
                acts_from: Some(timestamp(clock.now())),
                ..Revision::default()
            }),
            definition: Some(definition(&setting)),
        };
        let approved = (
            "vigia.plans.v1.RevisionApproved",
            "plans/vcm/revisions/1".to_owned(),
            approved.encode_to_vec(),
        );
        record(&plans, &[approved]).await;
        let more: Vec<_> = (2..2 + setting.more_assignments).map(|n| format!("a{n}")).collect();
        let ids = ["a1", "b1"].into_iter().chain(more.iter().map(String::as_str));
        for id in ids {
            let name = format!("plans/vcm/assignments/{id}");
            let assignment = Some(Assignment {
                name: name.clone(),
                action: "plans/vcm/actions/p1".into(),
                institution: if id == "b1" { "institutions/mies" } else { "institutions/msp" }.into(),
                role: AssignmentRole::Lead.into(),
                from: "2026-01-01".into(),
                ..Assignment::default()
            });
            let proposed = AssignmentProposed {
                assignment: assignment.clone(),
            };
            let accepted = AssignmentAccepted { assignment };
            let events = [
                ("vigia.assignments.v1.AssignmentProposed", name.clone(), proposed.encode_to_vec()),
                ("vigia.assignments.v1.AssignmentAccepted", name, accepted.encode_to_vec()),
            ];
            record(&assignments, &events).await;
        }
        clock.set(local(&zone, setting.now.unwrap_or("2026-07-02 12:00")));
        let tokens = TokenServiceServer::new(Tokens(key.clone()));
        let identity = Route::Local(kit(Area::Identity).await.guard(Routes::new(tokens)));
        let mut evidence = EvidenceOptions::in_directory(directory.path().join("evidence"));
        if setting.remote {
            let store = directory.path().join("bucket");
            std::fs::create_dir(&store).unwrap();
            evidence.url = Some(format!("file://{}", store.display()));
        }
        evidence.file_bytes_max = setting.file_bytes_max.unwrap_or(evidence.file_bytes_max);
        evidence.quota_bytes = setting.quota_bytes.unwrap_or(evidence.quota_bytes);
        let reporting = kit(Area::Reporting).await;
        let replica = Replica::build(reporting, &key, &identity, [&plans, &assignments], &evidence).await;
        let world = Self {
            directory,
            clock,
            zone,
            key,
            evidence,
            identity,
            plans,
            assignments,
            replica,
        };
        world.replica.has_heard(&world).await;
        world
    }

    /// A second replica of reporting over the same database, which is a server's.
    pub(crate) async fn second_replica(&self, place: &Place) -> Replica {
        let kit = kit(Area::Reporting, place.store(), &self.clock, &self.key).await;
        let replica = Replica::build(kit, &self.key, &self.identity, [&self.plans, &self.assignments], &self.evidence).await;
        replica.has_heard(self).await;
        replica
    }

    /// Reporting ends, and is there again at a later time: with as many replicas as are asked for, which begin at once.
    pub(crate) async fn restarted_with(self, place: &Place, time: &str, replicas: usize) -> (Self, Vec<Replica>) {
        let Self { replica, .. } = self;
        drop(replica);
        self.clock.set(local(&self.zone, time));
        let begin = async |_| {
            let kit = kit(Area::Reporting, place.store(), &self.clock, &self.key).await;
            Replica::build(kit, &self.key, &self.identity, [&self.plans, &self.assignments], &self.evidence).await
        };
        let mut replicas = futures::future::join_all((0..replicas).map(begin)).await;
        let replica = replicas.remove(0);
        let world = Self { replica, ..self };
        world.replica.has_heard(&world).await;
        (world, replicas)
    }

    /// Reporting ends, and is there again at a later time.
    pub(crate) async fn restarted(self, place: &Place, time: &str) -> Self {
        self.restarted_with(place, time, 1).await.0
    }

    /// Something happens to the plan: the second entry of its journal.
    pub(crate) async fn plan_is_touched(&self) {
        let event = ("vigia.plans.v1.PlanSaved", "plans/vcm".to_owned(), Vec::new());
        record(&self.plans, &[event]).await;
    }

    /// A local time of the plan's zone.
    pub(crate) fn at(&self, time: &str) -> Timestamp {
        local(&self.zone, time)
    }

    pub(crate) fn ask<T>(&self, who: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let token = self.key.access_token(&format!("clients/{who}")).unwrap().0;
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    }

    pub(crate) fn route(&self) -> Route {
        self.replica.route()
    }

    pub(crate) fn evidence(&self) -> EvidenceServiceClient<Route> {
        EvidenceServiceClient::new(self.route())
    }

    pub(crate) fn reports(&self) -> ReportServiceClient<Route> {
        self.replica.reports()
    }

    pub(crate) fn obligations(&self) -> ObligationServiceClient<Route> {
        ObligationServiceClient::new(self.route())
    }

    /// The service on a real socket, and its address.
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(vigia_platform::server::serve(
            listener,
            vec![self.replica.service.clone()],
            None,
            false,
            std::future::pending(),
        ));
        format!("http://{address}")
    }

    /// Uploads bytes from an offset on, in chunks.
    pub(crate) async fn upload_from(&self, who: &str, bytes: &[u8], offset: usize, until: usize) -> Result<UploadEvidenceResponse, Status> {
        let start = UploadStart {
            offset: i64::try_from(offset).unwrap(),
            ..start(bytes)
        };
        let chunks = bytes[offset..until].chunks(64 << 10).map(<[u8]>::to_vec).collect();
        self.send(who, start, chunks).await
    }

    pub(crate) async fn upload(&self, who: &str, bytes: &[u8]) -> Result<UploadEvidenceResponse, Status> {
        self.upload_from(who, bytes, 0, bytes.len()).await
    }

    pub(crate) async fn send(&self, who: &str, start: UploadStart, chunks: Vec<Vec<u8>>) -> Result<UploadEvidenceResponse, Status> {
        let parts = std::iter::once(Part::Start(start)).chain(chunks.into_iter().map(Part::Chunk));
        let messages: Vec<_> = parts.map(|part| UploadEvidenceRequest { part: Some(part) }).collect();
        let request = self.ask(who, tokio_stream::iter(messages));
        Ok(self.evidence().upload_evidence(request).await?.into_inner())
    }
}

impl Replica {
    async fn build(kit: Kit, key: &Key, identity: &Route, followed: [&Kit; 2], evidence: &EvidenceOptions) -> Self {
        let tokens = TokenSource::new(REPORTING, key.clone(), identity.clone());
        let [plans, assignments] = followed.map(|kit| Peer::new(Route::Local(kit.guard(Routes::default())), tokens.clone()));
        let db = kit.db.clone();
        let service = vigia_reporting::build(kit, plans, assignments, evidence.clone()).await.unwrap();
        Self { db, service }
    }

    /// It has heard of plan and assignments: from now on a call waits for nothing but the writer.
    async fn has_heard(&self, world: &World) {
        let request = GetObligationRequest { name: obligation("a1") };
        let client = ObligationServiceClient::new(self.route());
        client.clone().get_obligation(world.ask("msp", request)).await.unwrap();
    }

    pub(crate) fn route(&self) -> Route {
        Route::Local(self.service.clone())
    }

    pub(crate) fn reports(&self) -> ReportServiceClient<Route> {
        ReportServiceClient::new(self.route()).max_decoding_message_size(16 << 20)
    }

    pub(crate) async fn submit(&self, world: &World, request: SubmitReportRequest) -> Result<SubmitReportResponse, Status> {
        let answer = self.reports().submit_report(world.ask("msp", request)).await;
        answer.map(Response::into_inner)
    }

    /// Up to which instant the journal is closed, as a follower is told first.
    pub(crate) async fn closed_at(&self, world: &World) -> Timestamp {
        let request = world.ask("reporting", SubscribeRequest::default());
        let mut batches = ReportingJournalServiceClient::new(self.route())
            .subscribe(request)
            .await
            .unwrap()
            .into_inner();
        loop {
            let batch = batches.message().await.unwrap().unwrap();
            if let Some(closed_at) = batch.closed_at.as_ref().and_then(instant) {
                return closed_at;
            }
        }
    }

    pub(crate) async fn obligation(&self, world: &World, name: &str) -> Obligation {
        let request = world.ask("msp", GetObligationRequest { name: name.into() });
        let answer = ObligationServiceClient::new(self.route()).get_obligation(request).await;
        answer.unwrap().into_inner().obligation.unwrap()
    }
}

async fn record(kit: &Kit, events: &[(&str, String, Vec<u8>)]) {
    let caller = Caller::vigia(&kit.clock, "test");
    let mut change = kit.db.change(&caller, &new_id(), &Account::default()).await.unwrap();
    for (event_type, resource, event) in events {
        change.record(event_type, resource, "", &Raw(event.clone())).await.unwrap();
    }
    change.commit(Account::default()).await.unwrap();
}

/// An event that is encoded already.
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

async fn kit(area: Area, store: Store, clock: &Clock, key: &Key) -> Kit {
    let db = Db::open(area, store, Durability::Scratch, clock.clone()).await.unwrap();
    let kit = Kit::new(db, clock.clone());
    assert!(kit.verifier.set_keys(&format!("{{\"keys\":[{}]}}", key.jwk())));
    let roles = [
        ("reporting", &[(Role::Service, "")][..]),
        ("admin", &[(Role::Administrator, "")]),
        ("coordinator", &[(Role::Coordinator, "")]),
        ("reviewer", &[(Role::Reviewer, "")]),
        ("auditor", &[(Role::Auditor, "")]),
        ("msp", &[(Role::Reporter, "institutions/msp")]),
        ("msp-head", &[(Role::Head, "institutions/msp")]),
        ("msp-reviewer", &[(Role::Head, "institutions/msp"), (Role::Reviewer, "")]),
        ("mies", &[(Role::Reporter, "institutions/mies")]),
    ];
    for (id, held) in roles {
        let name = format!("clients/{id}");
        let created = ClientCreated {
            client: Some(Client {
                name: name.clone(),
                ..Client::default()
            }),
        };
        let granted = held.iter().map(|(role, scope)| {
            let granted = RoleGranted {
                principal: name.clone(),
                grant: Some(RoleGrant {
                    role: (*role).into(),
                    scope: (*scope).into(),
                }),
            };
            ("RoleGranted", granted.encode_to_vec())
        });
        for (event_type, event) in std::iter::once(("ClientCreated", created.encode_to_vec())).chain(granted) {
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

fn calendar(setting: &Setting) -> ReportingCalendar {
    if setting.calendar_days {
        return ReportingCalendar {
            frequency: Frequency::Quarterly.into(),
            due_days_after_period: 15,
            ..ReportingCalendar::default()
        };
    }
    ReportingCalendar {
        frequency: Frequency::Quarterly.into(),
        due_days_after_period: 10,
        count: DayCount::Working.into(),
        holidays: vec!["2026-07-06".into()],
        hour: "17:00".into(),
        ..ReportingCalendar::default()
    }
}

fn definition(setting: &Setting) -> PlanDefinition {
    let plan = Plan {
        name: "plans/vcm".into(),
        title_es: "Plan".into(),
        start: "2026-01-01".into(),
        end: "2026-12-31".into(),
        time_zone: setting.zone.unwrap_or("America/Guayaquil").into(),
        reporting: Some(ReportingCalendar {
            head_submits: setting.head_submits,
            evidence_metadata: if setting.accepts_traces {
                EvidenceMetadata::Accept
            } else {
                EvidenceMetadata::Unspecified
            }
            .into(),
            ..calendar(setting)
        }),
        compliance_policy: Some(CompliancePolicy::default()),
        ..Plan::default()
    };
    let action = Action {
        name: "plans/vcm/actions/p1".into(),
        code: "P1".into(),
        text_es: "Formar promotoras".into(),
        component: "plans/vcm/components/p".into(),
        start: "2026-01-01".into(),
        end: "2026-12-31".into(),
        milestones: vec![Milestone {
            code: "M1".into(),
            due: "2026-06-30".into(),
            ..Milestone::default()
        }],
        budget_lines: vec![BudgetLine {
            year: 2026,
            classifier: "530101".into(),
            initial: Some(decimal("100")),
            ..BudgetLine::default()
        }],
        ..Action::default()
    };
    let indicator = Indicator {
        name: "plans/vcm/actions/p1/indicators/i1".into(),
        code: "I1".into(),
        unit: "count".into(),
        aggregation: Aggregation::Cumulative.into(),
        breakdown: vec!["province".into()],
        targets: vec![Target {
            on: "2026-12-31".into(),
            value: Some(decimal("400")),
        }],
        ..Indicator::default()
    };
    PlanDefinition {
        plan: Some(plan),
        actions: vec![action],
        indicators: vec![indicator],
        ..PlanDefinition::default()
    }
}

pub(crate) fn decimal(text: &str) -> Decimal {
    Decimal { value: text.into() }
}

/// A local time of Guayaquil.
pub(crate) fn at(time: &str) -> Timestamp {
    local(&TimeZone::get("America/Guayaquil").unwrap(), time)
}

fn local(zone: &TimeZone, time: &str) -> Timestamp {
    let time: DateTime = time.parse().unwrap();
    zone.to_ambiguous_timestamp(time).unambiguous().unwrap()
}

pub(crate) fn name_of(bytes: &[u8]) -> String {
    format!("evidence/{}", hex::encode(Sha256::digest(bytes)))
}

pub(crate) fn start(bytes: &[u8]) -> UploadStart {
    UploadStart {
        evidence: name_of(bytes),
        size_bytes: i64::try_from(bytes.len()).unwrap(),
        plan: "plans/vcm".into(),
        ..UploadStart::default()
    }
}

pub(crate) fn obligation(assignment: &str) -> String {
    format!("plans/vcm/assignments/{assignment}/obligations/2026-Q2")
}

/// A report of one value.
pub(crate) fn report(value: &str) -> Report {
    Report {
        values: vec![IndicatorValue {
            indicator: "I1".into(),
            value: Some(Value::Number(decimal(value))),
            ..IndicatorValue::default()
        }],
        ..Report::default()
    }
}

pub(crate) fn paths(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    details
        .bad_request()
        .map(|bad| bad.field_violations.iter().map(|one| one.field.clone()).collect())
        .unwrap_or_default()
}

pub(crate) fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

pub(crate) fn metadata(status: &Status, key: &str) -> String {
    let details = status.get_error_details();
    let info = details.error_info();
    info.and_then(|info| info.metadata.get(key).cloned()).unwrap_or_default()
}
