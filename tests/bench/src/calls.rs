//! What a call costs: `WhoAmI` with its token and permission, and lists as an institution sees them, against an empty
//! tonic service; and how fast and how large `vigia serve` is on an empty directory.
//!
//! Alternating rounds of all, over the same number of connections to processes of their own; medians.

use std::{
    convert::Infallible,
    env, fs,
    future::Future,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    pin::Pin,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context as Waker, Poll},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use http::uri::PathAndQuery;
use tonic::{
    Request, Response, Status,
    body::Body,
    client::Grpc,
    metadata::{Ascii, MetadataValue},
    server::NamedService,
    service::Routes,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};
use vigia_platform::token::Key;
use vigia_proto::{
    identity::{
        GetJwksRequest, IssueTokenRequest, WhoAmIRequest, issue_token_request::Credentials,
        principal_service_client::PrincipalServiceClient, token_service_client::TokenServiceClient,
    },
    reporting::{ListObligationsRequest, obligation_service_client::ObligationServiceClient},
};

const CONNECTIONS: usize = 4;
const CALLS_AT_ONCE: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// The institution whose lists are read: one of ninety.
const INSTITUTION: &str = "msp";

#[tokio::main]
async fn main() -> Result<()> {
    if env::args().nth(1).as_deref() == Some("empty") {
        return Empty::serve().await;
    }
    let vigia = PathBuf::from(env::var("VIGIA_BIN").context("VIGIA_BIN; run it by tests/bench/run")?);
    let mut out = std::io::stdout().lock();
    let directory = tempfile::tempdir()?;

    let (demo, once) = Demo::start(&vigia, &directory.path().join("demo"))?;
    let empty = Empty::start()?;
    let subjects = [
        Subject::empty(&empty.address).await?,
        Subject::who_am_i(&demo).await?,
        Subject::list("ListObligations, an institution", &demo, INSTITUTION).await?,
        Subject::list("ListObligations, an auditor", &demo, "auditor").await?,
    ];
    let mut rates = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (subject, rates) in subjects.iter().zip(&mut rates) {
            rates.push(subject.round().await?);
        }
    }
    writeln!(
        out,
        "{:<34} {:>10} {:>10} {:>10} {:>8}",
        "calls a second", "median", "least", "most", "of empty"
    )?;
    let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    for ((subject, rates), median) in subjects.iter().zip(&rates).zip(&medians) {
        let (least, most) = (rates[0], rates[rates.len() - 1]);
        writeln!(
            out,
            "{:<34} {median:>10.0} {least:>10.0} {most:>10.0} {:>8.2}",
            subject.name,
            median / medians[0]
        )?;
    }
    drop((demo, empty));
    let (started, memory) = start_of_serve(&vigia, &directory.path().join("serve")).await?;
    writeln!(
        out,
        "serve on an empty directory: {:.2} s to the first answer, {memory:.1} MiB",
        started.as_secs_f64()
    )?;
    writeln!(
        out,
        "demo on an empty directory: {:.1} s until it has shown everything",
        once.as_secs_f64()
    )?;
    writeln!(out, "ratio {:.2}", medians[1] / medians[0])?;
    Ok(())
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// One call, over one of the connections.
type Call = dyn Fn(Channel) -> Pin<Box<dyn Future<Output = Result<(), Status>> + Send>> + Send + Sync;

/// What is called, over and over.
struct Subject {
    name: &'static str,
    channels: Vec<Channel>,
    call: Arc<Call>,
}

impl Subject {
    async fn new(name: &'static str, address: &str, call: Arc<Call>) -> Result<Self> {
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            channels.push(Channel::from_shared(format!("http://{address}"))?.connect().await?);
        }
        Ok(Self { name, channels, call })
    }

    async fn empty(address: &str) -> Result<Self> {
        let call = |channel| -> Pin<Box<dyn Future<Output = Result<(), Status>> + Send>> {
            Box::pin(async move {
                let mut client = Grpc::new(channel);
                client
                    .ready()
                    .await
                    .map_err(|cause: tonic::transport::Error| Status::unavailable(cause.to_string()))?;
                let codec = ProstCodec::<(), ()>::default();
                client
                    .unary(Request::new(()), PathAndQuery::from_static(EMPTY), codec)
                    .await
                    .map(drop)
            })
        };
        Self::new("empty tonic service", address, Arc::new(call)).await
    }

    async fn who_am_i(demo: &Demo) -> Result<Self> {
        let bearer = demo.bearer(INSTITUTION).await?;
        let call = move |channel| -> Pin<Box<dyn Future<Output = Result<(), Status>> + Send>> {
            let request = with(&bearer, WhoAmIRequest {});
            Box::pin(async move { PrincipalServiceClient::new(channel).who_am_i(request).await.map(drop) })
        };
        Self::new("WhoAmI", &demo.0.address, Arc::new(call)).await
    }

    async fn list(name: &'static str, demo: &Demo, who: &str) -> Result<Self> {
        let bearer = demo.bearer(who).await?;
        let call = move |channel| -> Pin<Box<dyn Future<Output = Result<(), Status>> + Send>> {
            let list = ListObligationsRequest {
                parent: "plans/vcm".into(),
                ..ListObligationsRequest::default()
            };
            let request = with(&bearer, list);
            Box::pin(async move { ObligationServiceClient::new(channel).list_obligations(request).await.map(drop) })
        };
        Self::new(name, &demo.0.address, Arc::new(call)).await
    }

    /// Calls a second in one round. One call that fails ends the bench: a refusal would be quick.
    async fn round(&self) -> Result<f64> {
        let (done, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let began = Instant::now();
        let mut callers = Vec::new();
        for n in 0..CALLS_AT_ONCE {
            let (channel, call) = (self.channels[n % CONNECTIONS].clone(), self.call.clone());
            let (done, over) = (done.clone(), over.clone());
            callers.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    call(channel.clone()).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, Status>(())
            }));
        }
        tokio::time::sleep(ROUND).await;
        over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await?.with_context(|| self.name)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
    }
}

fn with<T>(bearer: &MetadataValue<Ascii>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer.clone());
    request
}

/// A process that says on its first line where it serves, and is killed at the end.
struct Served {
    child: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The demo with its institutions and reports, which stays up.
struct Demo(Served, PathBuf);

impl Demo {
    /// Plays the story, and says how long it took.
    fn start(vigia: &Path, directory: &Path) -> Result<(Self, Duration)> {
        let began = Instant::now();
        let mut command = Command::new(vigia);
        command.args(["demo", "-o", "json", "--data"]).arg(directory).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let out = child.stdout.take().context("stdout")?;
        let mut shown = String::new();
        // The whole of it is one object, which ends on a line of its own.
        for line in BufReader::new(out).lines() {
            let line = line?;
            shown.push_str(&line);
            if line == "}" {
                break;
            }
        }
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let address = shown["address"].as_str().context("address")?.to_owned();
        Ok((Self(Served { child, address }, directory.to_owned()), began.elapsed()))
    }

    /// A token of one of its clients.
    async fn bearer(&self, client: &str) -> Result<MetadataValue<Ascii>> {
        let pem = fs::read_to_string(self.1.join("keys").join(format!("{client}.pem")))?;
        let key = Key::from_pem(client, &pem).map_err(Status::from)?;
        let assertion = key.assertion(&format!("clients/{client}")).map_err(Status::from)?;
        let request = IssueTokenRequest {
            credentials: Some(Credentials::ClientAssertion(assertion)),
        };
        let mut tokens = TokenServiceClient::connect(format!("http://{}", self.0.address)).await?;
        let token = tokens.issue_token(request).await?.into_inner().access_token;
        Ok(format!("Bearer {token}").parse()?)
    }
}

/// `vigia serve` on a directory that was only just made: how long until it answers, and the memory it then takes, in MiB.
async fn start_of_serve(vigia: &Path, directory: &Path) -> Result<(Duration, f64)> {
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut init = Command::new(vigia);
    init.args(["init", "--data"])
        .arg(directory)
        .env_remove("VIGIA_BIN")
        .stdout(Stdio::null());
    if !init.status()?.success() {
        bail!("init");
    }
    let began = Instant::now();
    let mut command = Command::new(vigia);
    command
        .args(["serve", "--listen", &address, "--data"])
        .arg(directory)
        // `serve` refuses a variable that it does not know.
        .env_remove("VIGIA_BIN")
        .stderr(Stdio::null());
    let served = Served {
        child: command.spawn()?,
        address,
    };
    let mut tokens = loop {
        if let Ok(tokens) = TokenServiceClient::connect(format!("http://{}", served.address)).await {
            break tokens;
        }
        if began.elapsed() > Duration::from_secs(30) {
            bail!("serve does not answer");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    tokens.get_jwks(GetJwksRequest {}).await?;
    let started = began.elapsed();
    let status = fs::read_to_string(format!("/proc/{}/status", served.child.id()))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok((started, kib.context("VmRSS")? / 1024.0))
}

const EMPTY: &str = "/bench.v1.EmptyService/Call";

/// A service that does nothing, behind nothing.
#[derive(Clone)]
struct Empty;

impl NamedService for Empty {
    const NAME: &'static str = "bench.v1.EmptyService";
}

impl Service<http::Request<Body>> for Empty {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Waker<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async {
            let answer = service_fn(async |_: Request<()>| Ok::<_, Status>(Response::new(())));
            Ok(tonic::server::Grpc::new(ProstCodec::<(), ()>::default())
                .unary(answer, request)
                .await)
        })
    }
}

impl Empty {
    fn start() -> Result<Served> {
        let mut child = Command::new(env::current_exe()?).arg("empty").stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut address)?;
        Ok(Served {
            child,
            address: address.trim().to_owned(),
        })
    }

    async fn serve() -> Result<()> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = Server::builder().add_routes(Routes::new(Self));
        Ok(server.serve_with_incoming(incoming).await?)
    }
}
