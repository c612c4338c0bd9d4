//! TokenService: who proves who it is gets a token.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sea_orm::EntityTrait;
use tonic::{Request, Response, Status};
use vigia_platform::{
    Caller, Error, Kit,
    clock::machine_now,
    timestamp,
    token::{self, Key},
};
use vigia_proto::{
    error::Reason,
    identity::{
        Client, GetJwksRequest, GetJwksResponse, IssueTokenRequest, IssueTokenResponse, RevokeTokenRequest, RevokeTokenResponse,
        TokenRevoked, issue_token_request::Credentials, token_service_server::TokenService,
    },
};

use crate::{entities::principal, passwords};

/// Passwords checked at once: each takes 19 MiB and tens of milliseconds of a core.
const PASSWORD_CHECKS_AT_ONCE: usize = 4;

#[derive(Debug)]
pub(crate) struct Tokens {
    kit: Kit,
    key: Key,
    /// Assertions that were used, with their end: none is taken twice.
    used: Arc<Mutex<HashMap<String, i64>>>,
    password_checks: tokio::sync::Semaphore,
}

impl Tokens {
    pub(crate) fn new(kit: Kit, key: Key) -> Self {
        Self {
            kit,
            key,
            used: Arc::default(),
            password_checks: tokio::sync::Semaphore::new(PASSWORD_CHECKS_AT_ONCE),
        }
    }

    async fn principal(&self, caller: &Caller, name: &str) -> Result<Option<principal::Model>, Error> {
        let row = principal::Entity::find_by_id(name).one(self.kit.db.read(caller)).await?;
        Ok(row.filter(|row| !row.disabled))
    }

    async fn client_of(&self, caller: &Caller, assertion: &str) -> Result<Option<String>, Error> {
        let Some((name, kid)) = token::assertion_issuer(assertion).filter(|(name, _)| name.starts_with("clients/")) else {
            return Ok(None);
        };
        let Some(row) = self.principal(caller, &name).await? else {
            return Ok(None);
        };
        let client: Client = prost::Message::decode(row.definition.as_slice())?;
        let key = client.keys.into_iter().find(|key| key.kid == kid);
        let Some(claims) = key.and_then(|key| token::verify_assertion(assertion, &name, &key.public_key_pem)) else {
            return Ok(None);
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = machine_now().as_second();
        if used.len() > 10_000 {
            used.retain(|_, exp| *exp > now);
        }
        let fresh = used.insert(format!("{name}\n{}", claims.jti), claims.exp).is_none();
        Ok(fresh.then_some(name))
    }

    async fn account_of(&self, caller: &Caller, account: &str, password: String) -> Result<Option<String>, Error> {
        if !account.starts_with("accounts/") || password.len() > 1000 {
            return Ok(None);
        }
        let Ok(_permit) = self.password_checks.acquire().await else {
            return Ok(None);
        };
        let stored = self.principal(caller, account).await?.map(|row| row.password_hash);
        let check = tokio::task::spawn_blocking(move || passwords::fits(&password, stored.as_deref()));
        Ok(check.await.unwrap_or(false).then(|| account.to_owned()))
    }
}

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn issue_token(&self, request: Request<IssueTokenRequest>) -> Result<Response<IssueTokenResponse>, Status> {
        let caller = Caller::of(&request)?;
        let principal = match request.into_inner().credentials {
            Some(Credentials::ClientAssertion(assertion)) => self.client_of(&caller, &assertion).await?,
            Some(Credentials::Password(given)) => self.account_of(&caller, &given.account, given.password).await?,
            None => None,
        };
        let principal = principal.ok_or_else(|| {
            Error::refused(
                Reason::CredentialsWrong,
                "Las credenciales no son correctas, o ya se usaron.",
                "The credentials are not right, or were used before.",
            )
        })?;
        let (access_token, expires_at) = self.key.access_token(&principal)?;
        Ok(Response::new(IssueTokenResponse {
            access_token,
            expire_time: Some(timestamp(expires_at)),
        }))
    }

    async fn revoke_token(&self, request: Request<RevokeTokenRequest>) -> Result<Response<RevokeTokenResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let (token_id, expires_at) = caller.token();
        let event = TokenRevoked {
            token_id: token_id.to_owned(),
            expire_time: Some(timestamp(expires_at)),
        };
        change
            .record("vigia.identity.v1.TokenRevoked", caller.principal(), "", &event)
            .await?;
        change.commit(RevokeTokenResponse {}).await
    }

    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        Ok(Response::new(GetJwksResponse {
            jwks_json: jwks(&self.key),
        }))
    }
}

/// The key set that verifies tokens (RFC 7517).
pub(crate) fn jwks(key: &Key) -> String {
    serde_json::json!({ "keys": [key.jwk()] }).to_string()
}
