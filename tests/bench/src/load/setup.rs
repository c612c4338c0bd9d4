//! The world that the load needs. It is made on a server whose clock stands before the plan's period, so that all of
//! its ended months are owed when the clock is right again.

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result};
use tonic::{Request, Response, transport::Channel};
use vigia_platform::{new_id, token::Key};
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
};

/// Institutions, each with a client of its own, unless fewer are asked for.
pub(crate) const INSTITUTIONS: usize = 32;
/// Actions of the plan; each institution leads all of them in its own territory.
pub(crate) const ACTIONS: usize = 60;

/// Fills the server.
pub(crate) async fn run(server: &str, password: &str, keys: &Path, institutions: usize) -> Result<()> {
    let channel = connect(server).await?;
    let admin = token(&channel, account("accounts/admin", password)).await?;
    let mut principals = PrincipalServiceClient::new(channel.clone());
    let mut seen = String::new();
    for (id, role) in [("coordinator", Role::Coordinator), ("approver", Role::Approver)] {
        let request = CreateAccountRequest {
            account_id: id.into(),
            account: Some(Account::default()),
            password: PASSWORD.into(),
            request_id: new_id(),
        };
        principals.create_account(with(&admin, "", request)).await?;
        grant(&mut principals, &admin, &format!("accounts/{id}"), role, "").await?;
    }
    fs::create_dir_all(keys)?;
    for institution in 0..institutions {
        let id = format!("i{institution}");
        let key = Key::generate(&id).map_err(tonic::Status::from)?;
        fs::write(keys.join(format!("{id}.pem")), key.to_pem().map_err(tonic::Status::from)?)?;
        let client = Client {
            keys: vec![ClientKey {
                kid: id.clone(),
                public_key_pem: key.public_pem().map_err(tonic::Status::from)?,
            }],
            ..Client::default()
        };
        let request = CreateClientRequest {
            client_id: id.clone(),
            client: Some(client),
            request_id: new_id(),
        };
        principals.create_client(with(&admin, "", request)).await?;
        for role in [Role::Reporter, Role::Head] {
            seen = grant(
                &mut principals,
                &admin,
                &format!("clients/{id}"),
                role,
                &format!("institutions/{id}"),
            )
            .await?;
        }
    }
    let coordinator = token(&channel, account("accounts/coordinator", PASSWORD)).await?;
    let approver = token(&channel, account("accounts/approver", PASSWORD)).await?;
    adopt(&channel, &coordinator, &approver, &seen).await?;
    let mut registry = InstitutionServiceClient::new(channel.clone());
    for institution in 0..institutions {
        let request = CreateInstitutionRequest {
            institution_id: format!("i{institution}"),
            institution: Some(Institution {
                name_es: format!("Institución {institution}"),
                branch: "executive".into(),
                kind: "ministry".into(),
                ..Institution::default()
            }),
            request_id: new_id(),
        };
        registry.create_institution(with(&coordinator, &seen, request)).await?;
    }
    let mut desk = AssignmentServiceClient::new(channel.clone());
    for institution in 0..institutions {
        let id = format!("i{institution}");
        let head = token_of(&channel, keys, &id).await?;
        for action in 0..ACTIONS {
            let assignment = Assignment {
                action: format!("plans/carga/actions/a{action}"),
                institution: format!("institutions/{id}"),
                role: AssignmentRole::Lead.into(),
                from: "2020-01-01".into(),
                ..Assignment::default()
            };
            let propose = ProposeAssignmentRequest {
                parent: "plans/carga".into(),
                assignment_id: format!("{id}-a{action}"),
                assignment: Some(assignment),
                request_id: new_id(),
            };
            desk.propose_assignment(with(&coordinator, "", propose)).await?;
            let accept = AcceptAssignmentRequest {
                name: format!("plans/carga/assignments/{id}-a{action}"),
                etag: String::new(),
                request_id: new_id(),
            };
            desk.accept_assignment(with(&head, "", accept)).await?;
        }
    }
    Ok(())
}

const PASSWORD: &str = "una clave de ensayo";

/// A token of the coordinator, who may see everything.
pub(crate) async fn coordinator(channel: &Channel) -> Result<String> {
    token(channel, account("accounts/coordinator", PASSWORD)).await
}

async fn adopt(channel: &Channel, coordinator: &str, approver: &str, seen: &str) -> Result<()> {
    let mut plan = String::from(
        "plan:\n  id: carga\n  title_es: Plan de carga\n  period: {start: 2020-01-01, end: 2030-12-31}\n  time_zone: America/Guayaquil\n  \
         reporting: {frequency: monthly, due_days_after_period: 15}\ncomponents: [{code: P, level: eje, title_es: Prevención}]\nactions:\n",
    );
    for action in 0..ACTIONS {
        writeln!(
            plan,
            "- {{code: A{action}, component: P, text_es: Formar promotoras, start: 2020-01-01, end: 2030-12-31, indicators: [{{code: I1, \
             name_es: Promotoras, unit: count, aggregation: sum, targets: [{{year: 2030, value: 400}}]}}]}}"
        )?;
    }
    let import = ImportPlanRequest {
        file: plan.into(),
        validate_only: false,
        request_id: new_id(),
    };
    PlanServiceClient::new(channel.clone())
        .import_plan(with(coordinator, seen, import))
        .await?;
    let mut revisions = RevisionServiceClient::new(channel.clone());
    let propose = ProposeRevisionRequest {
        parent: "plans/carga".into(),
        revision: Some(Revision {
            legal_instrument: "Acuerdo 1".into(),
            effective_on: "2020-01-01".into(),
            ..Revision::default()
        }),
        request_id: new_id(),
        ..ProposeRevisionRequest::default()
    };
    let proposed = revisions.propose_revision(with(coordinator, "", propose)).await?.into_inner();
    let approve = ApproveRevisionRequest {
        name: proposed.revision.unwrap_or_default().name,
        etag: String::new(),
        request_id: new_id(),
    };
    revisions.approve_revision(with(approver, "", approve)).await?;
    Ok(())
}

/// A connection of its own.
pub(crate) async fn connect(server: &str) -> Result<Channel> {
    let channel = Channel::from_shared(format!("http://{server}"))?.connect().await;
    channel.with_context(|| server.to_owned())
}

/// A token for an institution's client.
pub(crate) async fn token_of(channel: &Channel, keys: &Path, id: &str) -> Result<String> {
    let pem = fs::read_to_string(keys.join(format!("{id}.pem")))?;
    let assertion = Key::from_pem(id, &pem).and_then(|key| key.assertion(&format!("clients/{id}")));
    token(channel, Credentials::ClientAssertion(assertion.map_err(tonic::Status::from)?)).await
}

fn account(name: &str, password: &str) -> Credentials {
    Credentials::Password(Password {
        account: name.into(),
        password: password.into(),
    })
}

async fn token(channel: &Channel, credentials: Credentials) -> Result<String> {
    let request = IssueTokenRequest {
        credentials: Some(credentials),
    };
    let answer = TokenServiceClient::new(channel.clone()).issue_token(request).await?;
    Ok(answer.into_inner().access_token)
}

/// A call with a token, after the service has seen the positions.
pub(crate) fn with<T>(token: &str, seen: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Ok(bearer) = format!("Bearer {token}").parse() {
        request.metadata_mut().insert("authorization", bearer);
    }
    if let Some(seen) = Some(seen).filter(|seen| !seen.is_empty()).and_then(|seen| seen.parse().ok()) {
        request.metadata_mut().insert("vigia-at-least", seen);
    }
    request
}

async fn grant(principals: &mut PrincipalServiceClient<Channel>, admin: &str, principal: &str, role: Role, scope: &str) -> Result<String> {
    let request = GrantRoleRequest {
        principal: principal.into(),
        grant: Some(RoleGrant {
            role: role.into(),
            scope: scope.into(),
        }),
        request_id: new_id(),
    };
    Ok(position(&principals.grant_role(with(admin, "", request)).await?))
}

fn position<T>(response: &Response<T>) -> String {
    let position = response
        .metadata()
        .get("vigia-position")
        .and_then(|position| position.to_str().ok());
    position.unwrap_or_default().to_owned()
}
