//! Each service as a process of its own: the same calls, the same answers, and a service that is killed comes back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tonic::{Code, Request, transport::Channel};
use tonic_types::StatusExt;
use vigia_platform::{Area, new_id, token::Key};
use vigia_proto::{
    assignments::{
        AcceptAssignmentRequest, Assignment, AssignmentRole, CreateInstitutionRequest, EndAssignmentRequest, GetAssignmentRequest,
        Institution, ProposeAssignmentRequest, assignment_service_client::AssignmentServiceClient,
        institution_service_client::InstitutionServiceClient,
    },
    compliance::{GetScorecardRequest, compliance_service_client::ComplianceServiceClient},
    identity::{
        Account, Client, ClientKey, CreateAccountRequest, CreateClientRequest, GrantRoleRequest, IssueTokenRequest, Password, Role,
        RoleGrant, issue_token_request::Credentials, principal_service_client::PrincipalServiceClient,
        token_service_client::TokenServiceClient,
    },
    plans::{
        ApproveRevisionRequest, ImportPlanRequest, ProposeRevisionRequest, Revision, plan_service_client::PlanServiceClient,
        revision_service_client::RevisionServiceClient,
    },
    reporting::{ListObligationsRequest, obligation_service_client::ObligationServiceClient},
};

const PLAN: &str = "
plan:
  id: siempre
  title_es: Plan de prueba
  period: {start: 2020-01-01, end: 2030-12-31}
  time_zone: America/Guayaquil
  reporting: {frequency: quarterly, due_days_after_period: 15}
components: [{code: P, level: eje, title_es: Prevención}]
actions:
- {code: A1, component: P, text_es: Formar promotoras, start: 2020-01-01, end: 2030-12-31,
   indicators: [{code: I1, name_es: Promotoras, unit: count, aggregation: sum, targets: [{year: 2030, value: 400}]}]}
";

/// Processes that are killed at the end, whatever happens.
struct Processes {
    directory: tempfile::TempDir,
    addresses: BTreeMap<Area, String>,
    running: BTreeMap<Area, Child>,
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn vigia(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigia"));
    command.env_clear().current_dir(directory).env("VIGIA_DATA", directory.join("data"));
    command
}

impl Processes {
    /// Starts the services in the wrong order: each waits for those that it needs.
    fn start() -> (Self, String) {
        let directory = tempfile::tempdir().unwrap();
        let init = vigia(directory.path()).args(["init", "-o", "json"]).output().unwrap();
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        let told: serde_json::Value = serde_json::from_slice(&init.stdout).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let addresses = Area::ALL.into_iter().map(|area| (area, free())).collect();
        let mut processes = Self {
            directory,
            addresses,
            running: BTreeMap::new(),
        };
        for area in Area::ALL.into_iter().rev() {
            processes.run(area);
        }
        (processes, told["password"].as_str().unwrap().to_owned())
    }

    fn run(&mut self, area: Area) {
        self.run_with(area, &[]);
    }

    fn run_with(&mut self, area: Area, environment: &[(&str, &str)]) {
        let mut command = vigia(self.directory.path());
        command.args(["serve", area.name(), "--listen", &self.addresses[&area]]);
        for (peer, address) in &self.addresses {
            command.env(format!("VIGIA_PEERS_{}", peer.name().to_uppercase()), address);
        }
        command.envs(environment.iter().copied());
        let child = command.stderr(Stdio::inherit()).stdout(Stdio::null()).spawn().unwrap();
        self.running.insert(area, child);
    }

    fn kill(&mut self, area: Area) {
        let mut child = self.running.remove(&area).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    async fn channel(&self, area: Area) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.addresses[&area])).unwrap();
        for _ in 0..600 {
            if let Ok(channel) = endpoint.connect().await {
                return channel;
            }
            // Not a wait for an effect to have happened, but for a process to open its port.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{area} does not answer");
    }
}

fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// A call that waits until the service has seen what others have answered with.
fn after<T>(token: &str, positions: &[String], message: T) -> Request<T> {
    let mut request = with(token, message);
    request
        .metadata_mut()
        .insert("vigia-at-least", positions.join(",").parse().unwrap());
    request
}

fn position<T>(response: &tonic::Response<T>) -> String {
    response.metadata().get("vigia-position").unwrap().to_str().unwrap().to_owned()
}

async fn token(channel: &Channel, credentials: Credentials) -> String {
    let request = IssueTokenRequest {
        credentials: Some(credentials),
    };
    TokenServiceClient::new(channel.clone())
        .issue_token(request)
        .await
        .unwrap()
        .into_inner()
        .access_token
}

async fn grant(principals: &mut PrincipalServiceClient<Channel>, admin: &str, principal: &str, role: Role, scope: &str) -> String {
    let grant = RoleGrant {
        role: role.into(),
        scope: scope.into(),
    };
    let request = GrantRoleRequest {
        principal: principal.into(),
        grant: Some(grant),
        request_id: new_id(),
    };
    position(&principals.grant_role(with(admin, request)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_answer_as_one_and_come_back() {
    let (mut processes, password) = Processes::start();
    let identity = processes.channel(Area::Identity).await;
    let admin = token(
        &identity,
        Credentials::Password(Password {
            account: "accounts/admin".into(),
            password,
        }),
    )
    .await;
    let mut principals = PrincipalServiceClient::new(identity.clone());

    // Two persons and an institution's system.
    let mut seen = Vec::new();
    let mut tokens = BTreeMap::new();
    for (id, roles) in [("una", &[Role::Coordinator][..]), ("otra", &[Role::Approver])] {
        let request = CreateAccountRequest {
            account_id: id.into(),
            account: Some(Account::default()),
            password: "doce caracteres".into(),
            request_id: new_id(),
        };
        principals.create_account(with(&admin, request)).await.unwrap();
        for role in roles {
            seen = vec![grant(&mut principals, &admin, &format!("accounts/{id}"), *role, "").await];
        }
        let password = Password {
            account: format!("accounts/{id}"),
            password: "doce caracteres".into(),
        };
        tokens.insert(id, token(&identity, Credentials::Password(password)).await);
    }
    let key = Key::generate("k1").unwrap();
    let client = Client {
        keys: vec![ClientKey {
            kid: "k1".into(),
            public_key_pem: key.public_pem().unwrap(),
        }],
        ..Client::default()
    };
    let request = CreateClientRequest {
        client_id: "msp".into(),
        client: Some(client),
        request_id: new_id(),
    };
    principals.create_client(with(&admin, request)).await.unwrap();
    for role in [Role::Reporter, Role::Head] {
        seen = vec![grant(&mut principals, &admin, "clients/msp", role, "institutions/msp").await];
    }
    let msp = token(&identity, Credentials::ClientAssertion(key.assertion("clients/msp").unwrap())).await;
    let (una, otra) = (&tokens["una"], &tokens["otra"]);

    // A plan in force, an institution, an assignment.
    let plans = processes.channel(Area::Plans).await;
    let import = ImportPlanRequest {
        file: PLAN.into(),
        validate_only: false,
        request_id: new_id(),
    };
    PlanServiceClient::new(plans.clone())
        .import_plan(after(una, &seen, import))
        .await
        .unwrap();
    let mut revisions = RevisionServiceClient::new(plans.clone());
    let revision = Revision {
        legal_instrument: "Acuerdo 1".into(),
        effective_on: "2020-01-01".into(),
        ..Revision::default()
    };
    let propose = ProposeRevisionRequest {
        parent: "plans/siempre".into(),
        revision: Some(revision),
        request_id: new_id(),
        ..ProposeRevisionRequest::default()
    };
    let proposed = revisions
        .propose_revision(with(una, propose))
        .await
        .unwrap()
        .into_inner()
        .revision
        .unwrap();
    let approve = ApproveRevisionRequest {
        name: proposed.name,
        etag: String::new(),
        request_id: new_id(),
    };
    let approved = position(&revisions.approve_revision(with(otra, approve)).await.unwrap());
    let assignments = processes.channel(Area::Assignments).await;
    let institution = Institution {
        name_es: "Ministerio de Salud Pública".into(),
        branch: "executive".into(),
        kind: "ministry".into(),
        ..Institution::default()
    };
    let create = CreateInstitutionRequest {
        institution_id: "msp".into(),
        institution: Some(institution),
        request_id: new_id(),
    };
    InstitutionServiceClient::new(assignments.clone())
        .create_institution(after(una, &seen, create))
        .await
        .unwrap();
    let mut desk = AssignmentServiceClient::new(assignments.clone());
    let assignment = Assignment {
        action: "plans/siempre/actions/a1".into(),
        institution: "institutions/msp".into(),
        role: AssignmentRole::Lead.into(),
        from: "2020-01-01".into(),
        ..Assignment::default()
    };
    let propose = ProposeAssignmentRequest {
        parent: "plans/siempre".into(),
        assignment_id: "a1".into(),
        assignment: Some(assignment),
        request_id: new_id(),
    };
    desk.propose_assignment(with(una, propose)).await.unwrap();
    let accept = AcceptAssignmentRequest {
        name: "plans/siempre/assignments/a1".into(),
        etag: String::new(),
        request_id: new_id(),
    };
    let accepted = position(&desk.accept_assignment(with(&msp, accept)).await.unwrap());
    let seen = [seen, vec![approved, accepted]].concat();

    // Reporting and compliance follow, also after they were killed.
    for killed in [None, Some(Area::Reporting), Some(Area::Compliance), Some(Area::Plans)] {
        if let Some(area) = killed {
            processes.kill(area);
            processes.run(area);
        }
        let reporting = processes.channel(Area::Reporting).await;
        let list = ListObligationsRequest {
            parent: "plans/siempre".into(),
            ..ListObligationsRequest::default()
        };
        let owed = ObligationServiceClient::new(reporting)
            .list_obligations(after(&msp, &seen, list))
            .await
            .unwrap()
            .into_inner()
            .obligations;
        assert!(
            owed.iter().all(|obligation| obligation.institution == "institutions/msp") && !owed.is_empty(),
            "{killed:?}: {owed:?}"
        );
        let compliance = processes.channel(Area::Compliance).await;
        let ask = GetScorecardRequest {
            name: "plans/siempre".into(),
            ..GetScorecardRequest::default()
        };
        let card = ComplianceServiceClient::new(compliance)
            .get_scorecard(after(una, &seen, ask))
            .await
            .unwrap()
            .into_inner()
            .scorecard
            .unwrap();
        assert_eq!(card.discipline.unwrap().assignments_accepted, 1, "{killed:?}");
    }

    // Without identity a service reads on, but a minute later it changes nothing any more. Its minute is a second here.
    processes.kill(Area::Assignments);
    let library = faketime();
    processes.run_with(
        Area::Assignments,
        &[
            ("LD_PRELOAD", &library),
            ("FAKETIME", "+0s x60"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ],
    );
    let mut desk = AssignmentServiceClient::new(processes.channel(Area::Assignments).await);
    let end = || EndAssignmentRequest {
        name: "plans/siempre/assignments/unknown".into(),
        last_day: "2026-01-01".into(),
        request_id: new_id(),
        ..EndAssignmentRequest::default()
    };
    let fresh = desk.end_assignment(after(una, &seen, end())).await.unwrap_err();
    assert_eq!(fresh.code(), Code::NotFound, "{fresh:?}");
    processes.kill(Area::Identity);
    let refused = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let status = desk.end_assignment(with(una, end())).await.unwrap_err();
            if status.code() != Code::NotFound {
                break status;
            }
        }
    });
    let refused = refused.await.unwrap();
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "GRANTS_STALE", "{refused:?}");
    assert!(details.retry_info().is_some());
    let read = GetAssignmentRequest {
        name: "plans/siempre/assignments/a1".into(),
    };
    assert!(desk.get_assignment(with(una, read)).await.is_ok());
}

/// Runs a process's clock faster; `tests/run` installs it.
fn faketime() -> String {
    let libraries = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let library = libraries
        .map(|directory| directory.join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    library.expect("libfaketime: apt-get install faketime").display().to_string()
}
