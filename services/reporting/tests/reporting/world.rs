//! Reporting behind its permission layer, with people who call it, over real journals of plans and assignments.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use prost::Message;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tonic::{Request, Response, Status, body::Body, server::NamedService, service::Routes};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;
use tower::{Service, service_fn};
use vigia_platform::{Area, Caller, Clock, Db, Durability, Guarded, Kit, Peer, Route, TokenSource, new_id, timestamp, token::Key};
use vigia_proto::{
    assignments::{Assignment, AssignmentAccepted, AssignmentProposed, AssignmentRole},
    identity::{Client, ClientCreated, IssueTokenRequest, IssueTokenResponse, Role, RoleGrant, RoleGranted},
    journal::Entry,
    plans::{
        Action, Aggregation, BudgetLine, CompliancePolicy, DayCount, EvidenceMetadata, Frequency, Indicator, Milestone, Plan,
        PlanDefinition, ReportingCalendar, Revision, RevisionApproved, Target,
    },
    reporting::{
        IndicatorValue, Report, UploadEvidenceRequest, UploadEvidenceResponse, UploadStart, evidence_service_client::EvidenceServiceClient,
        indicator_value::Value, obligation_service_client::ObligationServiceClient, report_service_client::ReportServiceClient,
        upload_evidence_request::Part,
    },
    types::Decimal,
};
use vigia_reporting::EvidenceOptions;

const REPORTING: &str = "clients/reporting";

/// Identity, as far as a service asks it for a token of its own.
#[derive(Clone)]
struct Tokens(Key);

impl NamedService for Tokens {
    const NAME: &'static str = "vigia.identity.v1.TokenService";
}

impl Service<http::Request<Body>> for Tokens {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = IssueTokenResponse {
            access_token: self.0.access_token(REPORTING).unwrap().0,
            ..IssueTokenResponse::default()
        };
        Box::pin(async move {
            let answer =
                service_fn(move |_: Request<IssueTokenRequest>| std::future::ready(Ok::<_, Status>(Response::new(answer.clone()))));
            Ok(tonic::server::Grpc::new(ProstCodec::default()).unary(answer, request).await)
        })
    }
}

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) clock: Clock,
    key: Key,
    service: Guarded,
}

/// How a world differs from the plain one.
#[derive(Default)]
pub(crate) struct Setting {
    pub(crate) head_submits: bool,
    pub(crate) accepts_traces: bool,
    /// Assignments of `msp` beside `a1`.
    pub(crate) more_assignments: usize,
    pub(crate) file_bytes_max: Option<u64>,
    pub(crate) quota_bytes: Option<u64>,
    /// Evidence goes to a directory that is written as an object store is.
    pub(crate) remote: bool,
}

impl World {
    /// A quarterly plan of 2026 with one action, whose obligations `a1` of `msp` and `b1` of `mies` are due 10 working
    /// days after each quarter at 17:00; it is 2 July 2026, noon. `msp` and `mies` are reporters, `msp-head` is a head.
    pub(crate) async fn start() -> Self {
        Self::with(Setting::default()).await
    }

    pub(crate) async fn with(setting: Setting) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::simulated(at("2026-01-02 09:00"));
        let key = Key::generate("vigia-1").unwrap();
        let kit = async |area| {
            let db = Db::open(area, directory.path(), Durability::Scratch, clock.clone()).await.unwrap();
            kit(db, &clock, &key)
        };
        let (plans, assignments) = (kit(Area::Plans).await, kit(Area::Assignments).await);
        let recorder = Caller::vigia(&clock, "test");
        let record = async |kit: &Kit, event_type: &str, resource: &str, event: Vec<u8>| {
            let mut change = kit.db.change(&recorder, &new_id(), &()).await.unwrap();
            change.record(event_type, resource, "", &Raw(event)).await.unwrap();
            change.commit(()).await.unwrap();
        };
        let approved = RevisionApproved {
            revision: Some(Revision {
                name: "plans/vcm/revisions/1".into(),
                effective_on: "2026-01-01".into(),
                acts_from: Some(timestamp(clock.now())),
                ..Revision::default()
            }),
            definition: Some(definition(&setting)),
        };
        record(
            &plans,
            "vigia.plans.v1.RevisionApproved",
            "plans/vcm/revisions/1",
            approved.encode_to_vec(),
        )
        .await;
        let more: Vec<_> = (2..2 + setting.more_assignments).map(|n| format!("a{n}")).collect();
        let ids = ["a1", "b1"].into_iter().chain(more.iter().map(String::as_str));
        for id in ids {
            let assignment = Assignment {
                name: format!("plans/vcm/assignments/{id}"),
                action: "plans/vcm/actions/p1".into(),
                institution: if id == "b1" { "institutions/mies" } else { "institutions/msp" }.into(),
                role: AssignmentRole::Lead.into(),
                from: "2026-01-01".into(),
                ..Assignment::default()
            };
            let assignment = Some(assignment);
            let name = format!("plans/vcm/assignments/{id}");
            let proposed = AssignmentProposed {
                assignment: assignment.clone(),
            };
            record(
                &assignments,
                "vigia.assignments.v1.AssignmentProposed",
                &name,
                proposed.encode_to_vec(),
            )
            .await;
            let accepted = AssignmentAccepted { assignment };
            record(
                &assignments,
                "vigia.assignments.v1.AssignmentAccepted",
                &name,
                accepted.encode_to_vec(),
            )
            .await;
        }
        clock.set(at("2026-07-02 12:00"));
        let identity = Route::Local(kit(Area::Identity).await.guard(Routes::new(Tokens(key.clone()))));
        let tokens = TokenSource::new(REPORTING, key.clone(), identity);
        let peer = |kit: Kit| Peer::new(Route::Local(kit.guard(Routes::default())), tokens.clone());
        let mut evidence = EvidenceOptions::in_directory(directory.path().join("evidence"));
        if setting.remote {
            let store = directory.path().join("bucket");
            std::fs::create_dir(&store).unwrap();
            evidence.url = Some(format!("file://{}", store.display()));
        }
        evidence.file_bytes_max = setting.file_bytes_max.unwrap_or(evidence.file_bytes_max);
        evidence.quota_bytes = setting.quota_bytes.unwrap_or(evidence.quota_bytes);
        let service = vigia_reporting::build(kit(Area::Reporting).await, peer(plans), peer(assignments), evidence)
            .await
            .unwrap();
        Self {
            directory,
            clock,
            key,
            service,
        }
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
        Route::Local(self.service.clone())
    }

    pub(crate) fn evidence(&self) -> EvidenceServiceClient<Route> {
        EvidenceServiceClient::new(Route::Local(self.service.clone()))
    }

    pub(crate) fn reports(&self) -> ReportServiceClient<Route> {
        ReportServiceClient::new(Route::Local(self.service.clone())).max_decoding_message_size(16 << 20)
    }

    pub(crate) fn obligations(&self) -> ObligationServiceClient<Route> {
        ObligationServiceClient::new(Route::Local(self.service.clone()))
    }

    /// The service on a real socket, and its address.
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(vigia_platform::server::serve(
            listener,
            vec![self.service.clone()],
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

fn kit(db: Db, clock: &Clock, key: &Key) -> Kit {
    let kit = Kit::new(db, clock.clone());
    assert!(kit.verifier.set_keys(&format!("{{\"keys\":[{}]}}", key.jwk())));
    let roles = [
        ("reporting", Role::Service, ""),
        ("coordinator", Role::Coordinator, ""),
        ("reviewer", Role::Reviewer, ""),
        ("auditor", Role::Auditor, ""),
        ("msp", Role::Reporter, "institutions/msp"),
        ("msp-head", Role::Head, "institutions/msp"),
        ("mies", Role::Reporter, "institutions/mies"),
    ];
    for (id, role, scope) in roles {
        let name = format!("clients/{id}");
        let created = ClientCreated {
            client: Some(Client {
                name: name.clone(),
                ..Client::default()
            }),
        };
        let granted = RoleGranted {
            principal: name,
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

fn definition(setting: &Setting) -> PlanDefinition {
    let plan = Plan {
        name: "plans/vcm".into(),
        title_es: "Plan".into(),
        start: "2026-01-01".into(),
        end: "2026-12-31".into(),
        time_zone: "America/Guayaquil".into(),
        reporting: Some(ReportingCalendar {
            frequency: Frequency::Quarterly.into(),
            due_days_after_period: 10,
            count: DayCount::Working.into(),
            holidays: vec!["2026-07-06".into()],
            hour: "17:00".into(),
            head_submits: setting.head_submits,
            evidence_metadata: if setting.accepts_traces {
                EvidenceMetadata::Accept
            } else {
                EvidenceMetadata::Unspecified
            }
            .into(),
            ..ReportingCalendar::default()
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

pub(crate) fn at(local: &str) -> Timestamp {
    let local: DateTime = local.parse().unwrap();
    let zone = TimeZone::get("America/Guayaquil").unwrap();
    zone.to_ambiguous_timestamp(local).unambiguous().unwrap()
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
