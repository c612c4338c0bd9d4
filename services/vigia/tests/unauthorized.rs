//! The contract lists the tests: every method is called without a token, with a wrong one, and by somebody who holds no
//! role. A new method without a permission, or one that lets strangers in, fails here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use http::uri::PathAndQuery;
use tonic::{Code, Request, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;
use vigia_platform::{guard::permissions, new_id, token::Key};
use vigia_proto::identity::{
    Account, CreateAccountRequest, IssueTokenRequest, Password, issue_token_request::Credentials,
    principal_service_client::PrincipalServiceClient, token_service_client::TokenServiceClient,
};

/// A server that is killed at the end, whatever happens.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Calls a method with an empty request, and gives the code of its answer.
async fn code(channel: &Channel, path: &'static str, token: Option<&str>, seen: &str) -> Code {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = Request::new(());
    // The account is new: a service that has not heard of it yet waits.
    request.metadata_mut().insert("vigia-at-least", seen.parse().unwrap());
    if let Some(token) = token {
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let codec = ProstCodec::<(), ()>::default();
    let answer = client.unary(request, PathAndQuery::from_static(path), codec).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn token(channel: &Channel, account: &str, password: &str) -> String {
    let credentials = Some(Credentials::Password(Password {
        account: account.into(),
        password: password.into(),
    }));
    let request = IssueTokenRequest { credentials };
    TokenServiceClient::new(channel.clone())
        .issue_token(request)
        .await
        .unwrap()
        .into_inner()
        .access_token
}

fn vigia(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigia"));
    command.env_clear().current_dir(directory).env("VIGIA_DATA", "data");
    command
}

async fn serve(directory: &Path, reflection: &str) -> (Served, Channel) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = vigia(directory);
    command.args(["serve", "--listen", &address]).env("VIGIA_REFLECTION", reflection);
    let served = Served(command.stdout(Stdio::null()).spawn().unwrap());
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    loop {
        if let Ok(channel) = endpoint.connect().await {
            return (served, channel);
        }
        // Not a wait for an effect to have happened, but for a process to open its port.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_told_only_when_that_is_asked_for() {
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let directory = tempfile::tempdir().unwrap();
    assert!(
        vigia(directory.path())
            .args(["init", "-o", "json"])
            .output()
            .unwrap()
            .status
            .success()
    );
    for (reflection, told) in [("false", false), ("true", true)] {
        let (_served, channel) = serve(directory.path(), reflection).await;
        // An empty question is no question, but one that is heard.
        assert_eq!(code(&channel, path, None, "").await != Code::Unimplemented, told, "{reflection}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_nothing_from_any_method() {
    let directory = tempfile::tempdir().unwrap();
    let init = vigia(directory.path()).args(["init", "-o", "json"]).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&init.stdout).unwrap();
    let (_served, channel) = serve(directory.path(), "false").await;
    let admin = token(&channel, "accounts/admin", told["password"].as_str().unwrap()).await;
    let mut request = Request::new(CreateAccountRequest {
        account_id: "nadie".into(),
        account: Some(Account::default()),
        password: "doce caracteres".into(),
        request_id: new_id(),
    });
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {admin}").parse().unwrap());
    let created = PrincipalServiceClient::new(channel.clone()).create_account(request).await.unwrap();
    let seen = created.metadata().get("vigia-position").unwrap().to_str().unwrap();
    let nobody = token(&channel, "accounts/nadie", "doce caracteres").await;
    let (forged, _) = Key::generate("vigia").unwrap().access_token("accounts/admin").unwrap();

    let mut public = Vec::new();
    for (path, permission) in permissions() {
        let permission = permission.unwrap();
        let without = code(&channel, path, None, seen).await;
        let wrong = code(&channel, path, Some(&forged), seen).await;
        let roleless = code(&channel, path, Some(&nobody), seen).await;
        match permission {
            "public" => public.push(path),
            "any" => assert_eq!((without, wrong), (Code::Unauthenticated, Code::Unauthenticated), "{path}"),
            _ => assert_eq!(
                (without, wrong, roleless),
                (Code::Unauthenticated, Code::Unauthenticated, Code::PermissionDenied),
                "{path}"
            ),
        }
    }
    // The exceptions may only shrink.
    assert_eq!(
        public,
        [
            "/vigia.identity.v1.TokenService/GetJwks",
            "/vigia.identity.v1.TokenService/IssueToken"
        ]
    );
}
