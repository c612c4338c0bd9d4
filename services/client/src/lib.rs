//! Calling Vigía from Rust: a deadline for every call, and another try where that is safe.
//!
//! Wrap a channel, and give it to any generated client:
//!
//! ```no_run
//! # async fn call() -> Result<(), Box<dyn std::error::Error>> {
//! use vigia_client::Patient;
//! use vigia_proto::{identity::GetJwksRequest, identity::token_service_client::TokenServiceClient};
//!
//! let channel = tonic::transport::Channel::from_static("http://127.0.0.1:7300").connect_lazy();
//! let mut identity = TokenServiceClient::new(Patient::new(channel));
//! println!("{}", identity.get_jwks(GetJwksRequest {}).await?.into_inner().jwks_json);
//! # Ok(()) }
//! ```
//!
//! A call is tried again if the server could not be reached, answered `UNAVAILABLE`, or said when to come back
//! (`grpc-retry-pushback-ms`), and if that can't do anything twice: it only reads, or it carries a `request_id`. Streams
//! are never tried again here: whoever uploads or subscribes goes on where they were. Tries are spaced and rationed as
//! gRPC's proposal A6 has it (exponential, with jitter; a budget that failures use up and successes fill), so that a
//! server in need is not finished off by those who wait for it.

mod budget;
mod safe;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status, body::Body};
use tower::{Service, ServiceExt};

use crate::{budget::Budget, safe::Method};

/// Tries of one call at most; A6 allows no more.
const TRIES_MAX: u32 = 5;
/// How long a call may take, tries and pauses together, where the caller names no deadline.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause after the first try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, unless the server asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Bytes of a request that is kept for another try: what the services take at most.
const REQUEST_BYTES_MAX: usize = 5 << 20;

/// A channel with patience. Clones share the budget for tries.
#[derive(Clone, Debug)]
pub struct Patient<S> {
    inner: S,
    budget: Arc<Budget>,
}

impl<S> Patient<S> {
    /// Over a channel to one server.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            budget: Arc::default(),
        }
    }
}

impl<S> Service<Request<Body>> for Patient<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { inner, budget } = self.clone();
        Box::pin(async move {
            match Method::of(request.uri().path()) {
                Some(method) => in_time(inner, &budget, &method, request).await,
                // A stream lasts as long as it lasts.
                None => inner.oneshot(request).await.map_err(unreachable),
            }
        })
    }
}

/// A unary call with its deadline.
async fn in_time<S>(inner: S, budget: &Budget, method: &Method, request: Request<Body>) -> Result<Response<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let patience = request.headers().get("grpc-timeout").and_then(timeout).unwrap_or(PATIENCE);
    let deadline = Instant::now() + patience;
    let answer = timeout_at(deadline, try_again(inner, budget, method, request, deadline)).await;
    answer.unwrap_or_else(|_| {
        Err(Status::deadline_exceeded(format!(
            "no hubo respuesta en {patience:?} / there was no answer within {patience:?}"
        )))
    })
}

async fn try_again<S>(
    inner: S,
    budget: &Budget,
    method: &Method,
    request: Request<Body>,
    deadline: Instant,
) -> Result<Response<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut head, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await;
    let body = body
        .map_err(|cause| Status::resource_exhausted(format!("request: {cause}")))?
        .to_bytes();
    let may_repeat = method.may_repeat(&body);
    for tried in 1.. {
        head.headers.insert("grpc-timeout", remaining(deadline));
        let request = Request::from_parts(head.clone(), Body::new(Full::<Bytes>::new(body.clone())));
        let answer = inner.clone().oneshot(request).await.map_err(unreachable);
        let Some(wish) = wish(&answer) else {
            budget.succeeded();
            return answer;
        };
        let rations = budget.failed();
        let pause = match wish {
            Wish::Never => return answer,
            Wish::Whenever => jittered((FIRST_PAUSE * 2u32.pow(tried - 1)).min(PAUSE_MAX)),
            Wish::After(pause) => pause + jittered(FIRST_PAUSE),
        };
        if !may_repeat || !rations || tried == TRIES_MAX || Instant::now() + pause >= deadline {
            return answer;
        }
        sleep(pause).await;
    }
    Err(Status::internal("tries"))
}

/// Why there was no answer. What is not known better means that the connection broke.
fn unreachable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Status {
    let status = Status::from_error(cause.into());
    if status.code() == Code::Unknown {
        Status::unavailable(status.message())
    } else {
        status
    }
}

/// What a failure says of another try.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Whenever,
    After(Duration),
    Never,
}

/// None where the call was answered, if only by a refusal that another try would get again.
fn wish(answer: &Result<Response<Body>, Status>) -> Option<Wish> {
    let (code, pushback) = match answer {
        Err(status) => (
            status.code(),
            status
                .metadata()
                .get("grpc-retry-pushback-ms")
                .map(|value| value.to_str().ok().map(str::to_owned)),
        ),
        Ok(response) => {
            let headers = response.headers();
            let code = headers
                .get("grpc-status")
                .map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()));
            (
                code,
                headers
                    .get("grpc-retry-pushback-ms")
                    .map(|value| value.to_str().ok().map(str::to_owned)),
            )
        }
    };
    match (code, pushback) {
        (Code::Unavailable, None) => Some(Wish::Whenever),
        // A6: what is no number of milliseconds means that one should not come back.
        (Code::Unavailable | Code::ResourceExhausted, Some(pushback)) => {
            let millis = pushback.and_then(|pushback| pushback.parse::<u32>().ok());
            Some(millis.map_or(Wish::Never, |millis| Wish::After(Duration::from_millis(millis.into()))))
        }
        _ => None,
    }
}

/// A fifth more or less, so that those who were refused together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [128];
    // Without a random number all come back at once, which is no worse than without jitter.
    let _ = getrandom::fill(&mut byte);
    pause * (800 + u32::from(byte[0]) * 400 / 255) / 1000
}

/// A deadline as gRPC writes it: at most eight digits and a unit.
fn timeout(value: &HeaderValue) -> Option<Duration> {
    let (digits, unit) = value.to_str().ok()?.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

fn remaining(deadline: Instant) -> HeaderValue {
    let millis = deadline.saturating_duration_since(Instant::now()).as_millis().clamp(1, 99_999_999);
    HeaderValue::try_from(format!("{millis}m")).unwrap_or(HeaderValue::from_static("30S"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use prost::Message;
    use tower::service_fn;
    use vigia_proto::{identity::WhoAmIRequest, reporting::SubmitReportRequest};

    use super::*;

    const READ: &str = "/vigia.identity.v1.PrincipalService/WhoAmI";
    const WRITE: &str = "/vigia.reporting.v1.ReportService/SubmitReport";

    /// A server that answers with these statuses in turn, then `OK`; and how often it was called.
    fn answers(
        headers: &[&'static [(&'static str, &'static str)]],
    ) -> (
        impl Service<Request<Body>, Response = Response<Body>, Error = Status, Future: Send> + Clone + Send + 'static,
        Arc<Mutex<usize>>,
    ) {
        let calls = Arc::new(Mutex::new(0));
        let (counted, headers) = (calls.clone(), headers.to_vec());
        let service = service_fn(move |_| {
            let mut calls = counted.lock().expect("a count");
            let mut response = Response::new(Body::empty());
            for (name, value) in headers.get(*calls).copied().unwrap_or_default() {
                response.headers_mut().insert(*name, HeaderValue::from_static(value));
            }
            *calls += 1;
            std::future::ready(Ok(response))
        });
        (service, calls)
    }

    const UNAVAILABLE: &[(&str, &str)] = &[("grpc-status", "14")];

    fn request(path: &str, message: &impl Message) -> Request<Body> {
        let bytes = message.encode_to_vec();
        let mut framed = vec![0];
        framed.extend(u32::try_from(bytes.len()).expect("a length").to_be_bytes());
        framed.extend(bytes);
        let body = Body::new(Full::new(Bytes::from(framed)));
        Request::post(path).body(body).expect("a request")
    }

    async fn tries(request: Request<Body>, headers: &[&'static [(&'static str, &'static str)]]) -> usize {
        let (server, calls) = answers(headers);
        let _ = Patient::new(server).oneshot(request).await;
        *calls.lock().expect("a count")
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_safe_is_tried_again_and_nothing_else() {
        let read = || request(READ, &WhoAmIRequest {});
        let named = || {
            let request_id = "a".to_owned();
            request(
                WRITE,
                &SubmitReportRequest {
                    request_id,
                    ..SubmitReportRequest::default()
                },
            )
        };
        let unnamed = || request(WRITE, &SubmitReportRequest::default());
        assert_eq!(tries(read(), &[UNAVAILABLE, UNAVAILABLE]).await, 3);
        assert_eq!(tries(named(), &[UNAVAILABLE]).await, 2);
        assert_eq!(tries(unnamed(), &[UNAVAILABLE]).await, 1, "it might be done twice");
        assert_eq!(tries(read(), &[UNAVAILABLE; 9]).await, 5);
        assert_eq!(tries(read(), &[&[("grpc-status", "5")]]).await, 1, "a refusal would come again");
        assert_eq!(tries(read(), &[&[("grpc-status", "8")]]).await, 1);
        assert_eq!(
            tries(read(), &[&[("grpc-status", "8"), ("grpc-retry-pushback-ms", "1000")]]).await,
            2
        );
        assert_eq!(
            tries(read(), &[&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")]]).await,
            1
        );
        assert_eq!(
            tries(
                request("/vigia.reporting.v1.EvidenceService/UploadEvidence", &WhoAmIRequest {}),
                &[UNAVAILABLE]
            )
            .await,
            1
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_in_need_is_left_in_peace() {
        let (server, calls) = answers(&[UNAVAILABLE; 100]);
        let patient = Patient::new(server);
        for _ in 0..20 {
            let _ = patient.clone().oneshot(request(READ, &WhoAmIRequest {})).await;
        }
        // Five failures use up half of the budget; from then on each call is tried once.
        let calls = *calls.lock().expect("a count");
        assert_eq!(calls, 24);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline() {
        let never = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Status>>());
        let mut call = request(READ, &WhoAmIRequest {});
        call.headers_mut().insert("grpc-timeout", HeaderValue::from_static("250m"));
        let began = Instant::now();
        let answer = Patient::new(never).oneshot(call).await;
        assert_eq!(answer.expect_err("no answer").code(), Code::DeadlineExceeded);
        assert_eq!(began.elapsed().as_millis(), 250);
    }
}
