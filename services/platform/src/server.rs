//! One hardened server for all services, on one port: gRPC and gRPC-Web, health, limits on whatever a caller can make
//! grow, and a drain that lets calls in flight finish.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::{net::TcpListener, sync::Semaphore};
use tonic::{
    Status,
    body::Body,
    service::Routes,
    transport::{Server, ServerTlsConfig, server::TcpIncoming},
};
use tower::{Layer, Service};
use vigia_proto::error::Reason;

use crate::{Area, error::Error, guard::Guarded};

/// Streams of one connection at once; tonic passes "no limit" to hyper where nothing is said.
const STREAMS_PER_CONNECTION: u32 = 256;
/// Streams that a client may open and reset before the connection is closed (rapid reset).
const RESET_STREAMS_MAX: usize = 64;
/// Bytes of a request's headers at most.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Calls at once over all connections, waiting ones and streams among them; past it they are shed unread. Far more than
/// one caller can hold (see `share.rs`).
const CALLS_AT_ONCE: usize = 8192;
/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `shutdown`, then drains. With `tls` nobody is answered in the clear; with `reflection` the server tells
/// anybody its contract.
pub async fn serve(
    listener: TcpListener,
    services: Vec<Guarded>,
    tls: Option<ServerTlsConfig>,
    reflection: bool,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    for service in vigia_proto::POOL.services() {
        if services
            .iter()
            .any(|guarded| Area::of_path(&format!("/{}/", service.full_name())) == Some(guarded.kit.db.area()))
        {
            reporter
                .set_service_status(service.full_name(), tonic_health::ServingStatus::Serving)
                .await;
        }
    }
    let front = FrontLayer {
        services: Arc::new(services),
        calls: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
    };
    // Over a plain listener stream a call costs 44 ms: without nodelay the answer waits for an acknowledgement.
    let incoming = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(Duration::from_mins(1)));
    let (drain, drained) = tokio::sync::oneshot::channel::<()>();
    let stop = async move {
        shutdown.await;
        for service in vigia_proto::POOL.services() {
            reporter
                .set_service_status(service.full_name(), tonic_health::ServingStatus::NotServing)
                .await;
        }
        let _ = drain.send(());
    };
    let mut open = Routes::new(health);
    if reflection {
        let service = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(vigia_proto::DESCRIPTORS)
            .build_v1();
        match service {
            Ok(service) => open = open.add_service(service),
            Err(cause) => tracing::error!(%cause, "no reflection"),
        }
    }
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls)?;
    }
    let server = server
        .max_concurrent_streams(Some(STREAMS_PER_CONNECTION))
        .http2_max_pending_accept_reset_streams(Some(RESET_STREAMS_MAX))
        .http2_max_header_list_size(Some(HEADER_BYTES_MAX))
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .accept_http1(true)
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(front)
        .add_routes(open)
        .serve_with_incoming_shutdown(incoming, stop);
    tokio::select! {
        result = server => result,
        // Streams that never end would hold the drain for ever.
        () = async { let _ = drained.await; tokio::time::sleep(DRAIN).await } => Ok(()),
    }
}

/// Sends each call to the service that its path names.
#[derive(Clone)]
struct FrontLayer {
    services: Arc<Vec<Guarded>>,
    calls: Arc<Semaphore>,
}

impl<S> Layer<S> for FrontLayer {
    type Service = Front<S>;

    fn layer(&self, rest: S) -> Front<S> {
        Front {
            services: self.services.clone(),
            calls: self.calls.clone(),
            rest,
        }
    }
}

#[derive(Clone)]
struct Front<S> {
    services: Arc<Vec<Guarded>>,
    calls: Arc<Semaphore>,
    rest: S,
}

impl<S> Service<Request<Body>> for Front<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.rest.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(guarded) =
            Area::of_path(request.uri().path()).and_then(|area| self.services.iter().find(|guarded| guarded.kit.db.area() == area))
        else {
            return Box::pin(self.rest.call(request));
        };
        let Ok(permit) = self.calls.clone().try_acquire_owned() else {
            guarded.kit.shed.count(guarded.kit.clock.now());
            crate::metrics::shed();
            let error = Error::refused(
                Reason::Overloaded,
                "Demasiadas llamadas a la vez: espere un momento.",
                "Too many calls at once: wait a moment.",
            );
            return Box::pin(async { Ok(Status::from(error).into_http()) });
        };
        guarded.answer(request, permit)
    }
}
