//! Those who act in a scenario or in the demo, each with its own credentials, over one channel to the public API. What
//! one of them has caused, all others see: every call says how far the journals have been seen, and waits for that.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use anyhow::{Context as _, Result};
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tonic::{Status, body::Body, transport::Channel};
use tower::Service;
use vigia_platform::{clock::machine_now, instant, token::Key};
use vigia_proto::identity::{
    Account, Client, ClientKey, CreateAccountRequest, CreateClientRequest, GrantRoleRequest, IssueTokenRequest, Password, Role, RoleGrant,
    issue_token_request::Credentials as Proof, principal_service_client::PrincipalServiceClient, token_service_client::TokenServiceClient,
};

/// How somebody proves who they are.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a hundred of them at most")]
pub enum Credentials {
    /// A client's name (`clients/…`) and key.
    Client(String, Key),
    /// A person's account (`accounts/…`) and password.
    Account(String, String),
}

/// How far each journal has been seen.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, i64>>>);

impl Seen {
    fn note(&self, position: &str) {
        if let Some((area, Ok(position))) = position.split_once(':').map(|(area, position)| (area, position.parse::<i64>())) {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let newest = seen.entry(area.to_owned()).or_default();
            *newest = position.max(*newest);
        }
    }

    fn header(&self) -> Option<HeaderValue> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let parts: Vec<String> = seen.iter().map(|(area, position)| format!("{area}:{position}")).collect();
        if parts.is_empty() {
            None
        } else {
            HeaderValue::try_from(parts.join(",")).ok()
        }
    }
}

/// Somebody who calls; usable in any generated client. Clones share token and positions.
#[derive(Clone, Debug)]
pub struct Principal {
    channel: Channel,
    credentials: Arc<Credentials>,
    bearer: Arc<tokio::sync::Mutex<Option<(HeaderValue, Timestamp)>>>,
    seen: Seen,
}

impl Principal {
    /// Somebody with these credentials.
    pub fn new(channel: Channel, credentials: Credentials) -> Self {
        Self {
            channel,
            credentials: Arc::new(credentials),
            bearer: Arc::default(),
            seen: Seen::default(),
        }
    }

    /// The token, which is taken anew a minute before it ends.
    async fn bearer(&self) -> Result<HeaderValue, Status> {
        let mut kept = self.bearer.lock().await;
        let soon = machine_now() + SignedDuration::from_mins(1);
        if let Some((bearer, _)) = kept.as_ref().filter(|(_, expires_at)| *expires_at > soon) {
            return Ok(bearer.clone());
        }
        let proof = match &*self.credentials {
            Credentials::Client(name, key) => Proof::ClientAssertion(key.assertion(name)?),
            Credentials::Account(account, password) => Proof::Password(Password {
                account: account.clone(),
                password: password.clone(),
            }),
        };
        let request = IssueTokenRequest { credentials: Some(proof) };
        let answer = TokenServiceClient::new(self.channel.clone())
            .issue_token(request)
            .await?
            .into_inner();
        let bearer = HeaderValue::try_from(format!("Bearer {}", answer.access_token)).map_err(|_| Status::internal("token"))?;
        let expires_at = answer.expire_time.as_ref().and_then(instant).unwrap_or(Timestamp::MIN);
        *kept = Some((bearer.clone(), expires_at));
        Ok(bearer)
    }
}

impl Service<Request<Body>> for Principal {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel
            .poll_ready(context)
            .map_err(|cause| Status::unavailable(cause.to_string()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The clone that was made ready is the one to call; the other one waits its turn.
        let spare = self.clone();
        let mut this = std::mem::replace(self, spare);
        Box::pin(async move {
            request.headers_mut().insert(AUTHORIZATION, this.bearer().await?);
            if let Some(positions) = this.seen.header() {
                request.headers_mut().insert("vigia-at-least", positions);
            }
            let response = this
                .channel
                .call(request)
                .await
                .map_err(|cause| Status::unavailable(cause.to_string()))?;
            if let Some(position) = response.headers().get("vigia-position").and_then(|position| position.to_str().ok()) {
                this.seen.note(position);
            }
            Ok(response)
        })
    }
}

/// All who act, by id. Ids of calls are counted, so that a story that is begun again gets its first answers again.
#[derive(Debug)]
pub struct Cast {
    administrator: Principal,
    members: HashMap<String, Principal>,
    calls: u64,
}

impl Cast {
    /// An empty stage, with an administrator who lets others in.
    pub async fn connect(url: String, administrator: Credentials) -> Result<Self> {
        let channel = Channel::from_shared(url)?.connect().await?;
        Ok(Self {
            administrator: Principal::new(channel, administrator),
            members: HashMap::new(),
            calls: 0,
        })
    }

    /// Lets a client in, with these roles.
    pub async fn client(&mut self, id: &str, key: Key, grants: &[(Role, &str)]) -> Result<()> {
        let name = format!("clients/{id}");
        let keys = vec![ClientKey {
            kid: key.kid().to_owned(),
            public_key_pem: key.public_pem().map_err(Status::from)?,
        }];
        let client = Client {
            display_name: id.to_owned(),
            keys,
            ..Client::default()
        };
        let request = CreateClientRequest {
            client_id: id.to_owned(),
            client: Some(client),
            request_id: self.request_id(),
        };
        PrincipalServiceClient::new(self.administrator.clone())
            .create_client(request)
            .await
            .with_context(|| name.clone())?;
        self.grant(&name, grants).await?;
        self.join(id, Credentials::Client(name, key));
        Ok(())
    }

    /// Lets a person in, with an account, a password and these roles.
    pub async fn person(&mut self, id: &str, password: &str, grants: &[(Role, &str)]) -> Result<()> {
        let name = format!("accounts/{id}");
        let request = CreateAccountRequest {
            account_id: id.to_owned(),
            account: Some(Account {
                display_name: id.to_owned(),
                ..Account::default()
            }),
            password: password.to_owned(),
            request_id: self.request_id(),
        };
        PrincipalServiceClient::new(self.administrator.clone())
            .create_account(request)
            .await
            .with_context(|| name.clone())?;
        self.grant(&name, grants).await?;
        self.join(&person(id), Credentials::Account(name, password.to_owned()));
        Ok(())
    }

    async fn grant(&mut self, principal: &str, grants: &[(Role, &str)]) -> Result<()> {
        for (role, scope) in grants {
            let grant = RoleGrant {
                role: (*role).into(),
                scope: (*scope).to_owned(),
            };
            let request = GrantRoleRequest {
                principal: principal.to_owned(),
                grant: Some(grant),
                request_id: self.request_id(),
            };
            PrincipalServiceClient::new(self.administrator.clone())
                .grant_role(request)
                .await
                .with_context(|| principal.to_owned())?;
        }
        Ok(())
    }

    /// Takes in somebody whom the administrator has let in before.
    pub fn join(&mut self, id: &str, credentials: Credentials) {
        let Principal { channel, seen, .. } = self.administrator.clone();
        let member = Principal {
            channel,
            credentials: Arc::new(credentials),
            bearer: Arc::default(),
            seen,
        };
        self.members.insert(id.to_owned(), member);
    }

    /// One of the clients, or a person by `person(id)`.
    pub fn of(&self, id: &str) -> Result<Principal> {
        self.members
            .get(id)
            .cloned()
            .with_context(|| format!("no está en escena / is not on stage: {id}"))
    }

    /// The id of the next call. It follows from how many there were, so that a story which was broken off and is begun
    /// again from its start repeats its calls instead of making them twice.
    pub fn request_id(&mut self) -> String {
        self.calls += 1;
        let digest = Sha256::digest(self.calls.to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

/// The id of a person among the cast: an office has a client of the same name.
pub fn person(id: &str) -> String {
    format!("person {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_never_go_back() {
        let seen = Seen::default();
        for position in ["plans:3", "plans:2", "reporting:1", "nonsense"] {
            seen.note(position);
        }
        assert_eq!(
            seen.header().as_ref().and_then(|header| header.to_str().ok()),
            Some("plans:3,reporting:1")
        );
    }
}
