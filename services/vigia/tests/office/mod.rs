//! A server in which an institution owes reports, for the tests of its command line: real processes, real sockets.
//!
//! What is owed falls due months after it was accepted, and a server that is not a scratch one lives by the machine's
//! clock. So server and command line run with their clock shifted (libfaketime): in January, when the duty is accepted,
//! and, started anew on the same data, on 20 April, when the first report is overdue.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use jiff::Timestamp;
use tonic::{Request, metadata::MetadataValue, transport::Channel};
use vigia_platform::new_id;
use vigia_proto::{
    assignments::{
        AcceptAssignmentRequest, Assignment, AssignmentRole, CreateInstitutionRequest, Institution, ProposeAssignmentRequest,
        assignment_service_client::AssignmentServiceClient, institution_service_client::InstitutionServiceClient,
    },
    identity::{
        Account, Client, ClientKey, CreateAccountRequest, CreateClientRequest, GrantRoleRequest, IssueTokenRequest, Password, Role,
        RoleGrant, issue_token_request::Credentials, principal_service_client::PrincipalServiceClient,
        token_service_client::TokenServiceClient,
    },
    plans::{
        ApproveRevisionRequest, ImportPlanRequest, ProposeRevisionRequest, Revision, plan_service_client::PlanServiceClient,
        revision_service_client::RevisionServiceClient,
    },
    reporting::{
        Decision, ListObligationsRequest, Report, ReviewReportRequest, SubmitReportRequest, UploadEvidenceRequest, UploadStart,
        evidence_service_client::EvidenceServiceClient, obligation_service_client::ObligationServiceClient,
        report_service_client::ReportServiceClient, upload_evidence_request::Part,
    },
};

/// The password of every account but the administrator's.
pub(crate) const PASSWORD: &str = "una contraseña de prueba";
const JANUARY: &str = "2026-01-05T15:00:00Z";
const APRIL: &str = "2026-04-20T15:00:00Z";
/// The plan that everybody reports for.
pub(crate) const PLAN: &str = "plans/ejemplo";

/// A server on a directory of its own, and the clients of two institutions: `msp`, which owes, and `mineduc`.
pub(crate) struct Office {
    /// Everything lies here: data, keys, workbooks.
    pub(crate) directory: tempfile::TempDir,
    /// The server's address.
    pub(crate) address: String,
    /// Variables that the server is started with.
    pub(crate) variables: Vec<(&'static str, String)>,
    shift: i64,
    server: Option<Child>,
    seen: BTreeMap<String, String>,
}

impl Drop for Office {
    fn drop(&mut self) {
        self.stop();
    }
}

fn faketime() -> String {
    let roots = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let found = roots.iter().map(|root| format!("{root}/faketime/libfaketimeMT.so.1"));
    found
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("libfaketime: apt-get install faketime; tests/run does it")
}

fn seconds_until(instant: &str) -> i64 {
    let then: Timestamp = instant.parse().unwrap();
    then.as_second() - vigia_platform::clock::machine_now().as_second()
}

/// A plan with so many actions, as a file.
pub(crate) fn plan(actions: usize) -> String {
    let mut plan = "
plan:
  id: ejemplo
  title_es: Plan de ejemplo
  period: {start: 2026-01-01, end: 2026-12-31}
  time_zone: America/Guayaquil
  reporting: {frequency: quarterly, due_days_after_period: 15}
components: [{code: P, level: eje, title_es: Prevención}]
actions:
"
    .to_owned();
    for i in 1..=actions {
        plan.push_str(&format!(
            "- {{code: A{i}, component: P, text_es: \"=Formar promotoras {i}\", start: 2026-01-01, end: 2026-12-31,
   milestones: [{{code: M1, due: 2026-06-30, text_es: Red en marcha}}],
   indicators: [{{code: I1, name_es: Promotoras formadas, unit: count, aggregation: sum, targets: [{{year: 2026, value: 400}}]}},
                {{code: I2, name_es: Atenciones a tiempo, unit: percent, aggregation: latest, targets: [{{year: 2026, value: 80}}]}}]}}\n"
        ));
    }
    plan
}

impl Office {
    /// A server in January on which nobody has done anything yet, and the administrator's password.
    pub(crate) async fn new() -> (Self, String) {
        let directory = tempfile::tempdir().unwrap();
        let mut office = Self {
            directory,
            address: String::new(),
            variables: Vec::new(),
            shift: seconds_until(JANUARY),
            server: None,
            seen: BTreeMap::new(),
        };
        let init = office.vigia(&["init", "--data", "data", "-o", "json"]);
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        let told: serde_json::Value = serde_json::from_slice(&init.stdout).unwrap();
        office.start().await;
        (office, told["password"].as_str().unwrap().to_owned())
    }

    /// Goes on to April.
    pub(crate) async fn until_april(&mut self) {
        self.until(APRIL).await;
    }

    /// Cuts the server off and goes on at an instant.
    pub(crate) async fn until(&mut self, instant: &str) {
        self.stop();
        self.shift = seconds_until(instant);
        self.start().await;
    }

    /// A server in April, with so many actions that `msp` has answered for since January.
    pub(crate) async fn open(actions: usize) -> Self {
        let (mut office, password) = Self::new().await;
        office.prepare(&password, actions).await;
        office.until_april().await;
        office
    }

    /// Starts the server, on the address that it had before.
    pub(crate) async fn start(&mut self) {
        if self.address.is_empty() {
            self.address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        }
        let address = self.address.clone();
        let mut command = self.command(&["serve", "--data", "data", "--listen", &address]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.server = Some(child);
        self.channel().await;
    }

    /// Ends the server at once, as a power cut does.
    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// A connection, once the server has opened its port.
    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        loop {
            if let Ok(channel) = endpoint.connect().await {
                return channel;
            }
            // Not a wait for an effect to have happened, but for a process to open its port.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A file of the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigia"));
        command
            .env_clear()
            .current_dir(&self.directory)
            .env("HOME", self.directory.path())
            .env("LANG", "es_EC.UTF-8")
            .env("TZ", "UTC")
            .env("LD_PRELOAD", faketime())
            .env("FAKETIME", format!("{:+}s", self.shift))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .args(arguments);
        command
    }

    /// Runs `vigia` as somebody at a terminal of nobody in particular would.
    pub(crate) fn vigia(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Starts `vigia`, and does not wait for its end.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Forgets how far the journals were seen: after a restore they may be shorter.
    pub(crate) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Runs `vigia` as a person.
    pub(crate) fn person(&self, account: &str, password: &str, arguments: &[&str]) -> Told {
        let who = ["--server", &self.address, "--account", account];
        let mut command = self.command(&[arguments, &who].concat());
        let output = command.env("VIGIA_PASSWORD", password).stdin(Stdio::null()).output().unwrap();
        self.told(output)
    }

    /// Runs `vigia` as somebody who reads another language.
    pub(crate) fn vigia_in(&self, language: &str, arguments: &[&str]) -> Output {
        self.command(arguments).env("LANG", language).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs `vigia` as an institution's client.
    pub(crate) fn run(&self, client: &str, arguments: &[&str]) -> Told {
        let key = format!("{client}.pem");
        let who = ["--server", &self.address, "--client", client, "--key", &key];
        self.told(self.vigia(&[arguments, &who].concat()))
    }

    /// Runs `vigia` as an institution's client on a machine whose clock is so many seconds ahead of the server's.
    pub(crate) fn run_ahead(&self, client: &str, seconds: i64, arguments: &[&str]) -> Told {
        let key = format!("{client}.pem");
        let who = ["--server", &self.address, "--client", client, "--key", &key];
        let mut command = self.command(&[arguments, &who].concat());
        command.env("FAKETIME", format!("{:+}s", self.shift + seconds));
        self.told(command.stdin(Stdio::null()).output().unwrap())
    }

    /// Runs `vigia` with what `vigia login` has kept, and a person in the environment.
    pub(crate) fn run_with_account(&self, account: &str, password: &str, arguments: &[&str]) -> Told {
        let mut command = self.command(arguments);
        command.env("VIGIA_ACCOUNT", account).env("VIGIA_PASSWORD", password);
        self.told(command.stdin(Stdio::null()).output().unwrap())
    }

    fn told(&self, output: Output) -> Told {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Told {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout).replace(&self.address, "[server]"),
            err: text(output.stderr).replace(&self.address, "[server]"),
        }
    }

    /// Starts `vigia` as an institution's client, and does not wait for its end.
    pub(crate) fn start_run(&self, client: &str, arguments: &[&str]) -> Child {
        let key = format!("{client}.pem");
        let who = ["--server", &self.address, "--client", client, "--key", &key];
        let mut command = self.command(&[arguments, &who].concat());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Starts `vigia` as an institution's client; what it says is read as it says it.
    pub(crate) fn start_piped(&self, client: &str, arguments: &[&str]) -> Child {
        let key = format!("{client}.pem");
        let who = ["--server", &self.address, "--client", client, "--key", &key];
        let mut command = self.command(&[arguments, &who].concat());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The head of `msp` submits a report with nothing to report.
    pub(crate) async fn submit(&mut self, obligation: &str) {
        let head = self.token_of("jefa", PASSWORD).await;
        let request = SubmitReportRequest {
            parent: obligation.to_owned(),
            report: Some(Report {
                nil_reason: "Sin novedad".into(),
                ..Report::default()
            }),
            request_id: new_id(),
            ..SubmitReportRequest::default()
        };
        let mut client = ReportServiceClient::new(self.channel().await);
        let submitted = client.submit_report(self.with(&head, request)).await.unwrap();
        self.note(submitted);
    }

    /// Waits until so many reports are in.
    pub(crate) async fn wait_for_reports(&self, count: usize) {
        let reviewer = self.token_of("revisora", PASSWORD).await;
        let mut client = ObligationServiceClient::new(self.channel().await);
        loop {
            let request = ListObligationsRequest {
                parent: PLAN.into(),
                page_size: i32::try_from(count).unwrap(),
                page_token: String::new(),
                filter: "state = \"SUBMITTED\"".into(),
            };
            let answer = client.list_obligations(self.with(&reviewer, request)).await.unwrap().into_inner();
            if answer.obligations.len() >= count {
                return;
            }
        }
    }

    /// Uploads the first bytes of evidence for `msp`, and then the line breaks.
    pub(crate) async fn upload_beginning(&self, evidence: &str, size: usize, beginning: &[u8]) {
        let token = self.token_of("jefa", PASSWORD).await;
        let start = Part::Start(UploadStart {
            evidence: evidence.into(),
            size_bytes: i64::try_from(size).unwrap(),
            plan: PLAN.into(),
            ..UploadStart::default()
        });
        let chunks = beginning.chunks(1 << 20).map(|chunk| Part::Chunk(chunk.to_vec()));
        let parts: Vec<_> = std::iter::once(start)
            .chain(chunks)
            .map(|part| UploadEvidenceRequest { part: Some(part) })
            .collect();
        let mut client = EvidenceServiceClient::new(self.channel().await);
        let broken = client.upload_evidence(self.with(&token, futures::stream::iter(parts))).await;
        assert!(broken.is_err(), "{broken:?}");
    }

    /// Waits until so many bytes of an upload lie in the data directory.
    pub(crate) async fn wait_for_bytes(&self, bytes: u64) {
        fn largest(folder: &Path) -> u64 {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let sizes = entries.map(|entry| match entry.metadata() {
                Ok(is) if is.is_dir() => largest(&entry.path()),
                Ok(is) => is.len(),
                Err(_) => 0,
            });
            sizes.max().unwrap_or(0)
        }
        while largest(&self.path("data/evidence")) < bytes {
            tokio::task::yield_now().await;
        }
    }

    /// A request of whoever has a token, answered once what was done before is known everywhere.
    pub(crate) fn with<T>(&self, token: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let seen: Vec<String> = self.seen.iter().map(|(area, position)| format!("{area}:{position}")).collect();
        if !seen.is_empty() {
            request.metadata_mut().insert("vigia-at-least", seen.join(",").parse().unwrap());
        }
        request
    }

    fn note<T>(&mut self, response: tonic::Response<T>) -> T {
        let position = response.metadata().get("vigia-position").unwrap().to_str().unwrap();
        let (area, position) = position.split_once(':').unwrap();
        self.seen.insert(area.to_owned(), position.to_owned());
        response.into_inner()
    }

    /// A token for a person.
    pub(crate) async fn token_of(&self, account: &str, password: &str) -> String {
        let credentials = Some(Credentials::Password(Password {
            account: format!("accounts/{account}"),
            password: password.to_owned(),
        }));
        let mut client = TokenServiceClient::new(self.channel().await);
        let answer = client.issue_token(IssueTokenRequest { credentials }).await.unwrap();
        answer.into_inner().access_token
    }

    /// A reviewer's decision on the first version of an obligation's report.
    pub(crate) async fn review(&mut self, obligation: &str, decision: Decision, answer_by: &str, observation: &str) {
        let reviewer = self.token_of("revisora", PASSWORD).await;
        let request = ReviewReportRequest {
            name: format!("{obligation}/reports/1"),
            decision: decision.into(),
            answer_by: answer_by.to_owned(),
            observation: observation.to_owned(),
            request_id: new_id(),
            ..ReviewReportRequest::default()
        };
        let mut client = ReportServiceClient::new(self.channel().await);
        let reviewed = client.review_report(self.with(&reviewer, request)).await.unwrap();
        self.note(reviewed);
    }

    /// What the governing body does first: who may call, the plan, and who answers for what.
    async fn prepare(&mut self, password: &str, actions: usize) {
        let channel = self.channel().await;
        let admin = self.token_of("admin", password).await;
        let mut principals = PrincipalServiceClient::new(channel.clone());
        for (id, role, scope) in [
            ("una", Role::Coordinator, ""),
            ("otra", Role::Approver, ""),
            ("revisora", Role::Reviewer, ""),
            ("jefa", Role::Head, "institutions/msp"),
        ] {
            let request = CreateAccountRequest {
                account_id: id.into(),
                account: Some(Account::default()),
                password: PASSWORD.into(),
                request_id: new_id(),
            };
            let made = principals.create_account(self.with(&admin, request)).await.unwrap();
            self.note(made);
            self.grant(&mut principals, &admin, &format!("accounts/{id}"), role, scope).await;
        }
        for id in ["msp", "mineduc"] {
            // The command line makes the key, and says what is to be handed to whoever keeps the accounts.
            let key = format!("{id}.pem");
            let login = self.run(id, &["login", "-o", "json"]);
            let told: serde_json::Value = serde_json::from_str(&login.out).unwrap();
            assert_eq!((login.code, &told["known"]), (1, &false.into()), "{}", login.err);
            let public_key_pem = told["public_key_pem"].as_str().unwrap().to_owned();
            let client = Client {
                keys: vec![ClientKey {
                    kid: id.into(),
                    public_key_pem,
                }],
                ..Client::default()
            };
            let request = CreateClientRequest {
                client_id: id.into(),
                client: Some(client),
                request_id: new_id(),
            };
            let made = principals.create_client(self.with(&admin, request)).await.unwrap();
            self.note(made);
            self.grant(
                &mut principals,
                &admin,
                &format!("clients/{id}"),
                Role::Head,
                &format!("institutions/{id}"),
            )
            .await;
            assert!(fs::exists(self.path(&key)).unwrap());
        }
        let (una, otra) = (self.token_of("una", PASSWORD).await, self.token_of("otra", PASSWORD).await);
        for id in ["msp", "mineduc"] {
            let institution = Institution {
                name_es: format!("Ministerio {id}"),
                branch: "executive".into(),
                kind: "ministry".into(),
                ..Institution::default()
            };
            let create = CreateInstitutionRequest {
                institution_id: id.into(),
                institution: Some(institution),
                request_id: new_id(),
            };
            let made = InstitutionServiceClient::new(channel.clone())
                .create_institution(self.with(&una, create))
                .await
                .unwrap();
            self.note(made);
        }
        self.adopt(&channel, (&una, &otra), actions).await;
        self.assign(&channel, &una, actions).await;
    }

    async fn adopt(&mut self, channel: &Channel, (una, otra): (&str, &str), actions: usize) {
        let import = ImportPlanRequest {
            file: plan(actions).into(),
            validate_only: false,
            request_id: new_id(),
        };
        let imported = PlanServiceClient::new(channel.clone())
            .import_plan(self.with(una, import))
            .await
            .unwrap();
        self.note(imported);
        let mut revisions = RevisionServiceClient::new(channel.clone());
        let revision = Revision {
            legal_instrument: "Acuerdo 1".into(),
            effective_on: "2026-01-01".into(),
            ..Revision::default()
        };
        let propose = ProposeRevisionRequest {
            parent: PLAN.into(),
            revision: Some(revision),
            request_id: new_id(),
            ..ProposeRevisionRequest::default()
        };
        let proposed = revisions.propose_revision(self.with(una, propose)).await.unwrap();
        let name = self.note(proposed).revision.unwrap().name;
        let approve = ApproveRevisionRequest {
            name,
            etag: String::new(),
            request_id: new_id(),
        };
        let approved = revisions.approve_revision(self.with(otra, approve)).await.unwrap();
        self.note(approved);
    }

    async fn assign(&mut self, channel: &Channel, una: &str, actions: usize) {
        // Clients prove who they are by the clock, and this test's own is not the server's: a person accepts.
        let msp = self.token_of("jefa", PASSWORD).await;
        let mut desk = AssignmentServiceClient::new(channel.clone());
        for i in 1..=actions {
            let assignment = Assignment {
                action: format!("{PLAN}/actions/a{i}"),
                institution: "institutions/msp".into(),
                role: AssignmentRole::Lead.into(),
                from: "2026-01-01".into(),
                ..Assignment::default()
            };
            let propose = ProposeAssignmentRequest {
                parent: PLAN.into(),
                assignment_id: format!("a{i}"),
                assignment: Some(assignment),
                request_id: new_id(),
            };
            let proposed = desk.propose_assignment(self.with(una, propose)).await.unwrap();
            self.note(proposed);
            let accept = AcceptAssignmentRequest {
                name: format!("{PLAN}/assignments/a{i}"),
                etag: String::new(),
                request_id: new_id(),
            };
            let accepted = desk.accept_assignment(self.with(&msp, accept)).await.unwrap();
            self.note(accepted);
        }
    }

    async fn grant(&mut self, principals: &mut PrincipalServiceClient<Channel>, admin: &str, principal: &str, role: Role, scope: &str) {
        let grant = RoleGrant {
            role: role.into(),
            scope: scope.into(),
        };
        let request = GrantRoleRequest {
            principal: principal.into(),
            grant: Some(grant),
            request_id: new_id(),
        };
        let granted = principals.grant_role(self.with(admin, request)).await.unwrap();
        self.note(granted);
    }
}

/// What a run of the command line has said.
#[derive(Debug)]
pub(crate) struct Told {
    /// Its exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Told {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|cause| panic!("{cause}: {self:?}"))
    }
}
