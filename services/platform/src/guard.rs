//! The permission layer: nothing reaches a service but through it. It reads from the contract which permission a method
//! needs, denies what is not stated, and gives the handler its `Caller`.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Instant,
};

use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use prost_reflect::Value;
use tonic::{Status, body::Body, service::Routes};
use tower::Service;
use tracing::{Instrument, Span, field::Empty, info_span};
use vigia_proto::{POOL, error::Reason};

use crate::{
    caller::{Caller, Scope, scope_of},
    error::Error,
    kit::Kit,
    share::Place,
};

/// Bytes of a request that is kept while this service waits for others: the largest that any method takes is an import
/// of 4 MiB.
const REQUEST_BYTES_MAX: usize = 5 << 20;

/// What the contract says of a method.
struct Method {
    /// The permission that it states.
    permission: Option<String>,
    /// Whether it changes something: all that do carry a `request_id`.
    changes: bool,
    /// Whether the request is one message.
    is_unary: bool,
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
                Method {
                    permission,
                    changes,
                    is_unary: !method.is_client_streaming(),
                },
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

/// What is answered in the end.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Guarded {
    /// Answers a call. What the server holds for it, such as its place among the calls at once, is held until then.
    pub(crate) fn answer(&self, request: Request<Body>, held: impl Send + 'static) -> Answer {
        let Self { kit, mut routes } = self.clone();
        let span = info_span!("call", rpc = request.uri().path(), caller = Empty, position = Empty, status = Empty);
        Box::pin(
            async move {
                let _held = held;
                let began = Instant::now();
                let (caller, _place, mut request) = match let_in(&kit, request).await {
                    Ok(let_in) => let_in,
                    Err(error) => return Ok(Status::from(error).into_http()),
                };
                Span::current().record("caller", caller.principal());
                let method = caller.method();
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
                crate::metrics::answered(method, status, began.elapsed());
                if kit.clock.is_simulated() {
                    response
                        .headers_mut()
                        .insert("vigia-simulated", http::HeaderValue::from_static("true"));
                }
                tracing::debug!("answered");
                Ok(response)
            }
            .instrument(span),
        )
    }
}

/// The same for a service of this process, over no socket.
impl Service<Request<Body>> for Guarded {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        self.answer(request, ())
    }
}

/// Checks token and permission, and waits until this service has seen what the caller has, and until it is the caller's
/// turn.
async fn let_in(kit: &Kit, mut request: Request<Body>) -> Result<(Caller, Option<Place>, Request<Body>), Error> {
    let denied = |permission: &str| {
        Error::refused(
            Reason::PermissionDenied,
            format!("No tiene el permiso {permission}: pídalo a quien administra las cuentas."),
            format!("You lack the permission {permission}: ask whoever keeps the accounts."),
        )
        .with("permission", permission)
    };
    let (path, method) = METHODS.get_key_value(request.uri().path()).ok_or_else(|| denied("no declarado"))?;
    let permission = method.permission.as_deref().ok_or_else(|| denied("no declarado"))?;
    let mut caller = Caller {
        claims: None,
        grants: Arc::default(),
        permission,
        method: path,
        scope: Scope::Institutions(BTreeSet::new()),
        received_at: kit.clock.now(),
        is_received: false,
        clock: kit.clock.clone(),
    };
    if permission == "public" {
        let place = if method.is_unary { Some(enter(kit, "").await?) } else { None };
        return Ok((caller, place, request));
    }
    let bearer = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let claims = bearer.and_then(|token| kit.verifier.verify(token)).ok_or_else(Caller::unknown)?;
    let at_least = request.headers().get("vigia-at-least").and_then(|value| value.to_str().ok());
    if let Some(at_least) = at_least.map(str::to_owned) {
        if method.is_unary {
            request = received(request, &mut caller).await?;
        }
        kit.wait_at_least(&at_least).await?;
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
    let mut place = kit.shares.try_enter(&claims.sub);
    if place.is_none() && method.is_unary {
        request = received(request, &mut caller).await?;
        place = Some(enter(kit, &claims.sub).await?);
    }
    caller.claims = Some(claims);
    caller.grants = grants;
    Ok((caller, place.filter(|_| method.is_unary), request))
}

/// A place for a call, as soon as it is its caller's turn. One that is shed is counted.
async fn enter(kit: &Kit, caller: &str) -> Result<Place, Error> {
    let place = kit.shares.enter(caller).await;
    place.inspect_err(|_| kit.shed.count(kit.clock.now()))
}

/// The request with its last byte here: a report that is here before midnight is not late because this service had to
/// wait for another one, or for its turn.
async fn received(request: Request<Body>, caller: &mut Caller) -> Result<Request<Body>, Error> {
    if caller.is_received {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await.map_err(|_| {
        Error::refused(
            Reason::InvalidFields,
            "La solicitud no llegó entera, o es demasiado grande.",
            "The request did not arrive whole, or is too large.",
        )
    })?;
    caller.received_at = caller.clock.now();
    caller.is_received = true;
    Ok(Request::from_parts(head, Body::new(Full::new(body.to_bytes()))))
}
