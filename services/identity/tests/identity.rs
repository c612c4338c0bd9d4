//! Identity over a real socket: who gets in, who does not, and what is kept.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use tokio::{net::TcpListener, sync::oneshot};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types_reason::reason;
use vigia_identity::Cost;
use vigia_platform::{Area, Clock, Db, Durability, Kit, new_id, server, token::Key};
use vigia_proto::identity::{
    issue_token_request::Credentials, principal_service_client::PrincipalServiceClient, token_service_client::TokenServiceClient, *,
};

/// Reads the reason from a status' details.
mod tonic_types_reason {
    pub(crate) fn reason(status: &tonic::Status) -> String {
        use tonic_types::StatusExt;
        status
            .get_error_details()
            .error_info()
            .map(|info| info.reason.clone())
            .unwrap_or_default()
    }
}

const PASSWORD: &str = "la primera contraseña";

struct Server {
    channel: Channel,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(directory: &Path, key: &Key) -> Self {
        let clock = Clock::real();
        let db = Db::open(Area::Identity, directory, Durability::Full, clock.clone()).await.unwrap();
        let kit = Kit::new(db, clock);
        vigia_identity::init(&kit, PASSWORD, &[], Cost::Scratch).await.unwrap();
        let guarded = vigia_identity::build(kit, key.clone(), Cost::Scratch).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            server::serve(listener, vec![guarded], None, false, async { stopped.await.unwrap_or(()) })
                .await
                .unwrap();
        });
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { channel, stop, task }
    }

    async fn stop(self) {
        drop(self.channel);
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    async fn token(&self, credentials: Credentials) -> Result<String, Status> {
        let request = IssueTokenRequest {
            credentials: Some(credentials),
        };
        Ok(TokenServiceClient::new(self.channel.clone())
            .issue_token(request)
            .await?
            .into_inner()
            .access_token)
    }

    async fn admin(&self) -> String {
        self.token(Credentials::Password(Password {
            account: "accounts/admin".into(),
            password: PASSWORD.into(),
        }))
        .await
        .unwrap()
    }

    fn principals(&self) -> PrincipalServiceClient<Channel> {
        PrincipalServiceClient::new(self.channel.clone())
    }
}

fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn create(id: &str, key: &Key, request_id: &str) -> CreateClientRequest {
    let key = ClientKey {
        kid: key.kid().into(),
        public_key_pem: key.public_pem().unwrap(),
    };
    CreateClientRequest {
        client_id: id.into(),
        client: Some(Client {
            display_name: "Sistema".into(),
            keys: vec![key],
            ..Client::default()
        }),
        request_id: request_id.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_in_with_its_key_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let signing = Key::generate("vigia-1").unwrap();
    let server = Server::start(directory.path(), &signing).await;
    let admin = server.admin().await;
    let key = Key::generate("k1").unwrap();

    let status = server.principals().who_am_i(WhoAmIRequest {}).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unauthenticated, "UNAUTHENTICATED")
    );
    let wrong = Credentials::Password(Password {
        account: "accounts/admin".into(),
        password: "otra".into(),
    });
    assert_eq!(reason(&server.token(wrong).await.unwrap_err()), "CREDENTIALS_WRONG");

    // The same call twice is one change; the same id with another content is refused.
    let id = new_id();
    let first = server
        .principals()
        .create_client(with(&admin, create("msp-1", &key, &id)))
        .await
        .unwrap();
    let again = server
        .principals()
        .create_client(with(&admin, create("msp-1", &key, &id)))
        .await
        .unwrap();
    assert_eq!(first.metadata().get("vigia-position"), again.metadata().get("vigia-position"));
    assert_eq!(first.into_inner(), again.into_inner());
    let status = server
        .principals()
        .create_client(with(&admin, create("msp-2", &key, &id)))
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "REQUEST_ID_REUSED");
    let status = server
        .principals()
        .create_client(with(&admin, create("msp-1", &key, &new_id())))
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "ALREADY_EXISTS");

    let assertion = key.assertion("clients/msp-1").unwrap();
    let token = server.token(Credentials::ClientAssertion(assertion.clone())).await.unwrap();
    assert_eq!(
        reason(&server.token(Credentials::ClientAssertion(assertion)).await.unwrap_err()),
        "CREDENTIALS_WRONG",
        "an assertion serves once"
    );
    let stranger = Key::generate("k1").unwrap().assertion("clients/msp-1").unwrap();
    assert!(server.token(Credentials::ClientAssertion(stranger)).await.is_err());

    let me = server
        .principals()
        .who_am_i(with(&token, WhoAmIRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((me.principal.as_str(), me.permissions.len()), ("clients/msp-1", 0));
    let status = server
        .principals()
        .list_accounts(with(&token, ListAccountsRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::PermissionDenied, "PERMISSION_DENIED")
    );

    // A role acts at once, and so does its end.
    let grant = RoleGrant {
        role: Role::Reporter.into(),
        scope: "institutions/msp".into(),
    };
    let give = GrantRoleRequest {
        principal: "clients/msp-1".into(),
        grant: Some(grant),
        request_id: new_id(),
    };
    server.principals().grant_role(with(&admin, give)).await.unwrap();
    let me = server
        .principals()
        .who_am_i(with(&token, WhoAmIRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert!(me.permissions.contains(&"reports.submit".to_owned()));
    let disable = DisableClientRequest {
        name: "clients/msp-1".into(),
        request_id: new_id(),
    };
    server.principals().disable_client(with(&admin, disable)).await.unwrap();
    assert_eq!(
        server
            .principals()
            .who_am_i(with(&token, WhoAmIRequest {}))
            .await
            .unwrap_err()
            .code(),
        Code::Unauthenticated
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let signing = Key::generate("vigia-1").unwrap();
    let server = Server::start(directory.path(), &signing).await;
    let admin = server.admin().await;
    let key = Key::generate("k1").unwrap();
    // Many at once: they share commits, and none is lost or doubled.
    let calls = (0..40).map(|i| {
        let (mut principals, request) = (server.principals(), with(&admin, create(&format!("c-{i}"), &key, &new_id())));
        async move {
            principals
                .create_client(request)
                .await
                .unwrap()
                .metadata()
                .get("vigia-position")
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        }
    });
    let mut positions: Vec<_> = futures::future::join_all(calls).await;
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), 40, "each call has a position of its own");
    server.stop().await;

    let server = Server::start(directory.path(), &signing).await;
    let list = ListClientsRequest {
        page_size: 1000,
        page_token: String::new(),
    };
    let clients = server
        .principals()
        .list_clients(with(&admin, list))
        .await
        .unwrap()
        .into_inner()
        .clients;
    assert_eq!(clients.len(), 40);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_told_at_once_and_a_page_token_is_bound_to_its_list() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &Key::generate("vigia-1").unwrap()).await;
    let admin = server.admin().await;
    let request = CreateAccountRequest {
        account_id: "¡no!".into(),
        account: None,
        password: "corta".into(),
        request_id: new_id(),
    };
    let status = server.principals().create_account(with(&admin, request)).await.unwrap_err();
    let details = tonic_types::StatusExt::get_error_details(&status);
    let fields: Vec<_> = details
        .bad_request()
        .unwrap()
        .field_violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["account_id", "password"]);

    let key = Key::generate("k1").unwrap();
    for id in ["a", "b"] {
        server
            .principals()
            .create_client(with(&admin, create(id, &key, &new_id())))
            .await
            .unwrap();
    }
    let page = ListClientsRequest {
        page_size: 1,
        page_token: String::new(),
    };
    let first = server.principals().list_clients(with(&admin, page)).await.unwrap().into_inner();
    let next = ListClientsRequest {
        page_size: 1,
        page_token: first.next_page_token.clone(),
    };
    let second = server.principals().list_clients(with(&admin, next)).await.unwrap().into_inner();
    assert_eq!(
        (
            first.clients[0].name.as_str(),
            second.clients[0].name.as_str(),
            second.next_page_token.as_str()
        ),
        ("clients/a", "clients/b", "")
    );
    let other = ListAccountsRequest {
        page_size: 1,
        page_token: first.next_page_token,
    };
    let status = server.principals().list_accounts(with(&admin, other)).await.unwrap_err();
    assert_eq!(reason(&status), "PAGE_TOKEN_INVALID");
    server.stop().await;
}

/// Otherwise nobody would be left who could give the role back.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_administration_or_access_from_himself() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &Key::generate("vigia-1").unwrap()).await;
    let admin = server.admin().await;
    let revoke = |principal: &str| RevokeRoleRequest {
        principal: principal.into(),
        grant: Some(RoleGrant {
            role: Role::Administrator.into(),
            scope: String::new(),
        }),
        request_id: new_id(),
    };
    let refused = server
        .principals()
        .revoke_role(with(&admin, revoke("accounts/admin")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let disable = DisableAccountRequest {
        name: "accounts/admin".into(),
        request_id: new_id(),
    };
    let refused = server.principals().disable_account(with(&admin, disable)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    // Another one can.
    let second = CreateAccountRequest {
        account_id: "segunda".into(),
        account: Some(Account {
            display_name: "Segunda".into(),
            ..Account::default()
        }),
        password: PASSWORD.into(),
        request_id: new_id(),
    };
    server.principals().create_account(with(&admin, second)).await.unwrap();
    let grant = GrantRoleRequest {
        principal: "accounts/segunda".into(),
        grant: revoke("").grant,
        request_id: new_id(),
    };
    server.principals().grant_role(with(&admin, grant)).await.unwrap();
    server
        .principals()
        .revoke_role(with(&admin, revoke("accounts/segunda")))
        .await
        .unwrap();
}
