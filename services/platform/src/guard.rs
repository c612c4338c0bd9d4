//! The permission layer: nothing reaches a service but through it. It reads from the contract which permission a method
//! needs, denies what is not stated, and gives the handler its `Caller`.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response};
use prost_reflect::Value;
use tonic::{Status, body::Body, service::Routes};
use tower::Service;
use tracing::{Instrument, Span, field::Empty, info_span};
use vigia_proto::{POOL, error::Reason};

use crate::{
    caller::{Caller, Scope, scope_of},
    error::Error,
    kit::Kit,
};

/// What the contract says of a method.
struct Method {
    /// The permission that it states.
    permission: Option<String>,
    /// Whether it changes something: all that do carry a `request_id`.
    changes: bool,
}

/// The methods of the contract by their paths.
static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    let option = POOL.get_extension_by_name("vigia.options.v1.permission");
    let mut methods = HashMap::new();
    for service in POOL.services() {
        for method in service.methods() {
            let options = method.options();
            let stated = option
                .as_ref()
                .filter(|option| options.has_extension(option))
                .map(|option| options.get_extension(option).into_owned());
            let permission = match stated {
                Some(Value::String(permission)) => Some(permission),
                _ => None,
            };
            let changes = method.input().get_field_by_name("request_id").is_some();
            methods.insert(
                format!("/{}/{}", service.full_name(), method.name()),
                Method { permission, changes },
            );
        }
    }
    methods
});

/// Every method of the contract with the permission that it states, in the order of their paths.
pub fn permissions() -> Vec<(&'static str, Option<&'static str>)> {
    let mut all: Vec<_> = METHODS
        .iter()
        .map(|(path, method)| (path.as_str(), method.permission.as_deref()))
        .collect();
    all.sort_unstable();
    all
}

/// A service's routes behind the permission layer.
#[derive(Clone, Debug)]
pub struct Guarded {
    pub(crate) kit: Kit,
    pub(crate) routes: Routes,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Service<Request<Body>> for Guarded {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let Self { kit, mut routes } = self.clone();
        let span = info_span!("call", rpc = request.uri().path(), caller = Empty, position = Empty, status = Empty);
        let entered = span.clone();
        Box::pin(
            async move {
                let caller = match let_in(&kit, request.uri().path(), request.headers()).await {
                    Ok(caller) => caller,
                    Err(error) => return Ok(Status::from(error).into_http()),
                };
                Span::current().record("caller", caller.principal());
                request.extensions_mut().insert(caller);
                let mut response = routes.call(request).await.unwrap_or_else(|never| match never {});
                if let Some(position) = response.headers().get("vigia-position").and_then(|value| value.to_str().ok()) {
                    Span::current().record("position", position);
                }
                let status = response
                    .headers()
                    .get("grpc-status")
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or("0");
                Span::current().record("status", status);
                if kit.clock.is_simulated() {
                    response
                        .headers_mut()
                        .insert("vigia-simulated", http::HeaderValue::from_static("true"));
                }
                tracing::debug!("answered");
                Ok(response)
            }
            .instrument(entered),
        )
    }
}

/// Checks token and permission, and waits until this service has seen what the caller has.
async fn let_in(kit: &Kit, path: &str, headers: &HeaderMap) -> Result<Caller, Error> {
    let denied = |permission: &str| {
        Error::refused(
            Reason::PermissionDenied,
            format!("No tiene el permiso {permission}: pídalo a quien administra las cuentas."),
            format!("You lack the permission {permission}: ask whoever keeps the accounts."),
        )
        .with("permission", permission)
    };
    let method = METHODS.get(path).ok_or_else(|| denied("no declarado"))?;
    let permission = method.permission.as_deref().ok_or_else(|| denied("no declarado"))?;
    let mut caller = Caller {
        principal: String::new(),
        grants: Vec::new(),
        permission: permission.to_owned(),
        method: path.to_owned(),
        scope: Scope::Institutions(std::collections::BTreeSet::new()),
        token_id: String::new(),
        token_expires_at: jiff::Timestamp::MIN,
        received_at: kit.clock.now(),
        clock: kit.clock.clone(),
    };
    if permission == "public" {
        return Ok(caller);
    }
    let bearer = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let claims = bearer.and_then(|token| kit.verifier.verify(token)).ok_or_else(Caller::unknown)?;
    if let Some(at_least) = headers.get("vigia-at-least").and_then(|value| value.to_str().ok()) {
        kit.wait_at_least(at_least).await?;
    }
    if method.changes {
        kit.check_grants()?;
    }
    let grants = kit.grants.of(&claims.sub).ok_or_else(Caller::unknown)?;
    caller.scope = if permission == "any" {
        Scope::Everywhere
    } else {
        scope_of(permission, &grants).ok_or_else(|| denied(permission))?
    };
    caller.principal = claims.sub;
    caller.grants = grants;
    caller.token_id = claims.jti;
    caller.token_expires_at = jiff::Timestamp::from_second(claims.exp).unwrap_or(jiff::Timestamp::MAX);
    Ok(caller)
}
