//! Those who act in a scenario or in the demo, each with its own credentials, over the public API. What
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
use tonic::{Status, body::Body};
use tower::Service;
use vigia_platform::{clock::machine_now, instant, token::Key};
use vigia_proto::identity::{
    Account, Client, ClientKey, CreateAccountRequest, CreateClientRequest, GrantRoleRequest, IssueTokenRequest, Password, Role, RoleGrant,
    issue_token_request::Credentials as Proof, principal_service_client::PrincipalServiceClient, token_service_client::TokenServiceClient,
};

use crate::channels::Channels;

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

/// What servers say of themselves beside their answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whether one of them is a scratch one, whose clock was set.
    pub is_simulated: bool,
    /// What time it was there at the last answer, to the second.
    pub at: Option<Timestamp>,
}

impl Heard {
    fn note(&mut self, headers: &http::HeaderMap) {
        self.is_simulated |= headers.contains_key("vigia-simulated");
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        self.at = date
            .and_then(|date| Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp()))
            .or(self.at);
    }
}

/// Somebody who calls; usable in any generated client. Clones share token and positions.
#[derive(Clone, Debug)]
pub struct Principal {
    channels: Channels,
    credentials: Arc<Credentials>,
    bearer: Arc<tokio::sync::Mutex<Option<(HeaderValue, Timestamp)>>>,
    seen: Seen,
    heard: Arc<Mutex<Heard>>,
}

impl Principal {
    /// Somebody with these credentials.
    pub fn new(channels: Channels, credentials: Credentials) -> Self {
        Self {
            channels,
            credentials: Arc::new(credentials),
            bearer: Arc::default(),
            seen: Seen::default(),
            heard: Arc::default(),
        }
    }

    /// What the servers have said of themselves so far.
    pub fn heard(&self) -> Heard {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
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
        let answer = TokenServiceClient::new(self.channels.clone())
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

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut this = self.clone();
        Box::pin(async move {
            request.headers_mut().insert(AUTHORIZATION, this.bearer().await?);
            if let Some(positions) = this.seen.header() {
                request.headers_mut().insert("vigia-at-least", positions);
            }
            let response = this.channels.call(request).await?;
            if let Some(position) = response.headers().get("vigia-position").and_then(|position| position.to_str().ok()) {
                this.seen.note(position);
            }
            let mut heard = this.heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.note(response.headers());
            drop(heard);
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
    pub fn new(channels: Channels, administrator: Credentials) -> Self {
        Self {
            administrator: Principal::new(channels, administrator),
            members: HashMap::new(),
            calls: 0,
        }
    }

    /// The same members, who reach the services over other channels: those of a copy. Their tokens go with them: the copy
    /// has the key that signed them.
    pub fn over(&self, channels: Channels) -> Self {
        let administrator = Principal {
            channels,
            seen: Seen::default(),
            ..self.administrator.clone()
        };
        let over = |member: &Principal| Principal {
            channels: administrator.channels.clone(),
            seen: administrator.seen.clone(),
            ..member.clone()
        };
        Self {
            members: self.members.iter().map(|(id, member)| (id.clone(), over(member))).collect(),
            calls: self.calls,
            administrator,
        }
    }

    /// Lets in those who keep the plans, with their clients' keys and their persons' password.
    pub async fn offices(&mut self, key: impl Fn(&str) -> Result<Key>, password: &str) -> Result<()> {
        let clients = [
            ("coordinator", Role::Coordinator),
            ("reviewer", Role::Reviewer),
            ("auditor", Role::Auditor),
        ];
        let clients = clients.map(|(id, role)| Ok(NewClient::new(id, key(id)?, &[(role, "")])));
        self.clients(clients.into_iter().collect::<Result<_>>()?).await?;
        self.person("coordinator", password, &[(Role::Coordinator, "")]).await?;
        self.person("approver", password, &[(Role::Approver, "")]).await
    }

    /// Lets institutions in: a client each, that reports and is its head.
    pub async fn institutions(&mut self, ids: impl IntoIterator<Item = &String>, key: impl Fn(&str) -> Result<Key>) -> Result<()> {
        let clients = ids.into_iter().map(|id| {
            let scope = format!("institutions/{id}");
            Ok(NewClient::new(id, key(id)?, &[(Role::Reporter, &scope), (Role::Head, &scope)]))
        });
        self.clients(clients.collect::<Result<_>>()?).await
    }

    /// Makes institutions that were let in counterparts too: they may judge and comment.
    pub async fn counterparts(&mut self, ids: impl IntoIterator<Item = &String>) -> Result<()> {
        for id in ids {
            let (client, scope, request_id) = (format!("clients/{id}"), format!("institutions/{id}"), self.request_id());
            grant(&self.administrator, &client, Role::Counterpart, &scope, request_id).await?;
        }
        Ok(())
    }

    /// The administrator, who keeps accounts and erases texts.
    #[cfg(test)]
    pub fn administrator(&self) -> Principal {
        self.administrator.clone()
    }

    /// Lets clients in, at once: their calls wait for the same commits.
    async fn clients(&mut self, clients: Vec<NewClient>) -> Result<()> {
        let calls: Vec<_> = clients
            .iter()
            .map(|client| {
                let request_ids = std::iter::repeat_with(|| self.request_id()).take(1 + client.grants.len()).collect();
                client.let_in(self.administrator.clone(), request_ids)
            })
            .collect();
        futures::future::try_join_all(calls).await?;
        for NewClient { id, key, .. } in clients {
            let name = format!("clients/{id}");
            self.join(&id, Credentials::Client(name, key));
        }
        Ok(())
    }

    /// Lets a person in, with an account, a password and these roles.
    async fn person(&mut self, id: &str, password: &str, grants: &[(Role, &str)]) -> Result<()> {
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
        for (role, scope) in grants {
            let request_id = self.request_id();
            grant(&self.administrator, &name, *role, scope, request_id).await?;
        }
        self.join(&person(id), Credentials::Account(name, password.to_owned()));
        Ok(())
    }

    /// Takes in somebody whom the administrator has let in before.
    pub fn join(&mut self, id: &str, credentials: Credentials) {
        let Principal { channels, seen, .. } = self.administrator.clone();
        let member = Principal {
            channels,
            credentials: Arc::new(credentials),
            bearer: Arc::default(),
            seen,
            heard: Arc::default(),
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

/// A client that is to be let in.
struct NewClient {
    id: String,
    key: Key,
    /// Its roles, each with the institution that it is for.
    grants: Vec<(Role, String)>,
}

impl NewClient {
    fn new(id: &str, key: Key, grants: &[(Role, &str)]) -> Self {
        Self {
            id: id.to_owned(),
            key,
            grants: grants.iter().map(|(role, scope)| (*role, (*scope).to_owned())).collect(),
        }
    }

    /// Creates it and grants its roles. The request ids are given, so that they follow from the order of the story.
    fn let_in(&self, administrator: Principal, request_ids: Vec<String>) -> impl Future<Output = Result<()>> + use<> {
        let (id, key, grants) = (self.id.clone(), self.key.clone(), self.grants.clone());
        async move {
            let name = format!("clients/{id}");
            let keys = vec![ClientKey {
                kid: key.kid().to_owned(),
                public_key_pem: key.public_pem().map_err(Status::from)?,
            }];
            let mut request_ids = request_ids.into_iter();
            let request = CreateClientRequest {
                client_id: id.clone(),
                client: Some(Client {
                    display_name: id,
                    keys,
                    ..Client::default()
                }),
                request_id: request_ids.next().unwrap_or_default(),
            };
            PrincipalServiceClient::new(administrator.clone())
                .create_client(request)
                .await
                .with_context(|| name.clone())?;
            for ((role, scope), request_id) in grants.iter().zip(request_ids) {
                grant(&administrator, &name, *role, scope, request_id).await?;
            }
            Ok(())
        }
    }
}

async fn grant(administrator: &Principal, principal: &str, role: Role, scope: &str, request_id: String) -> Result<()> {
    let grant = RoleGrant {
        role: role.into(),
        scope: scope.to_owned(),
    };
    let request = GrantRoleRequest {
        principal: principal.to_owned(),
        grant: Some(grant),
        request_id,
    };
    PrincipalServiceClient::new(administrator.clone())
        .grant_role(request)
        .await
        .with_context(|| principal.to_owned())?;
    Ok(())
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
