//! Another service, in this process or behind a socket: the caller does not know which.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, header::AUTHORIZATION};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tonic::{Status, body::Body, transport::Channel};
use tower::{Service, ServiceExt};
use vigia_client::Patient;
use vigia_proto::identity::{IssueTokenRequest, issue_token_request::Credentials, token_service_client::TokenServiceClient};

use crate::{clock::machine_now, guard::Guarded, token::Key};

/// How a service is reached.
#[derive(Clone, Debug)]
pub enum Route {
    /// In this process.
    Local(Guarded),
    /// Over a socket.
    Remote(Patient<Channel>),
}

impl Route {
    /// Over a channel, with patience.
    pub fn over(channel: Channel) -> Self {
        Self::Remote(Patient::new(channel))
    }
}

impl Service<Request<Body>> for Route {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        match self {
            Self::Local(_) => Poll::Ready(Ok(())),
            Self::Remote(channel) => channel.poll_ready(context),
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Self::Local(guarded) => {
                let answer = guarded.call(request);
                Box::pin(async { Ok(answer.await.unwrap_or_else(|never| match never {})) })
            }
            Self::Remote(channel) => channel.call(request),
        }
    }
}

/// Gets and keeps a token for one client: of a service, or of an institution's system.
#[derive(Clone, Debug)]
pub struct TokenSource {
    client: String,
    key: Arc<Key>,
    identity: Route,
    kept: Arc<Mutex<Option<(http::HeaderValue, Timestamp)>>>,
}

impl TokenSource {
    /// Tokens for `client` (`clients/…`), signed for by `key`.
    pub fn new(client: &str, key: Key, identity: Route) -> Self {
        Self {
            client: client.to_owned(),
            key: Arc::new(key),
            identity,
            kept: Arc::default(),
        }
    }

    async fn bearer(&self) -> Result<http::HeaderValue, Status> {
        let mut kept = self.kept.lock().await;
        let soon = machine_now() + SignedDuration::from_secs(60);
        if let Some((bearer, expires_at)) = kept.as_ref().filter(|(_, expires_at)| *expires_at > soon) {
            let _ = expires_at;
            return Ok(bearer.clone());
        }
        let assertion = self.key.assertion(&self.client)?;
        let request = IssueTokenRequest {
            credentials: Some(Credentials::ClientAssertion(assertion)),
        };
        let answer = TokenServiceClient::new(self.identity.clone())
            .issue_token(request)
            .await?
            .into_inner();
        let bearer = http::HeaderValue::try_from(format!("Bearer {}", answer.access_token)).map_err(|_| Status::internal("token"))?;
        let expires_at = answer
            .expire_time
            .as_ref()
            .and_then(crate::clock::instant)
            .unwrap_or(Timestamp::MIN);
        *kept = Some((bearer.clone(), expires_at));
        Ok(bearer)
    }
}

/// A service as another principal reaches it, with its token. For any generated client.
#[derive(Clone, Debug)]
pub struct Peer {
    route: Route,
    tokens: TokenSource,
}

impl Peer {
    /// The service behind `route`, called with tokens of `tokens`.
    pub fn new(route: Route, tokens: TokenSource) -> Self {
        Self { route, tokens }
    }
}

impl Service<Request<Body>> for Peer {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Self { route, tokens } = self.clone();
        Box::pin(async move {
            request.headers_mut().insert(AUTHORIZATION, tokens.bearer().await?);
            route.oneshot(request).await
        })
    }
}
