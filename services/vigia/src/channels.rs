//! How the command line reaches the services: all on one address, or each on its own. A call's path says which one it is
//! for, as a proxy in front of them would read it.

use std::{
    collections::BTreeMap,
    future::Future,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use anyhow::{Context as _, Result};
use http::{Request, Response};
use tonic::{Status, body::Body, transport::Channel};
use tower::{Service, ServiceExt};
use vigia_client::Patient;
use vigia_platform::Area;

use crate::{cluster, output::Usage, refused, tls};

/// How long a server has to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an open connection is asked whether it still stands, while a call waits.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long the answer to that may take.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A channel for each service. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Channels(BTreeMap<Area, Patient<Channel>>);

impl Channels {
    /// All over one channel.
    #[cfg(test)]
    pub fn over(channel: &Channel) -> Self {
        let channel = Patient::new(channel.clone());
        Self(Area::ALL.into_iter().map(|area| (area, channel.clone())).collect())
    }

    /// Connects to `127.0.0.1:7300`, or to `identity=127.0.0.1:7301,plans=127.0.0.1:7302,…`.
    pub async fn connect(server: &str) -> Result<Self> {
        Self::connect_believing(server, None).await
    }

    /// The same, also to `https://…`: with certificates of this authority, or of one that the machine knows.
    pub async fn connect_believing(server: &str, ca: Option<&Path>) -> Result<Self> {
        if !server.contains('=') {
            let channel = connect(server, ca).await?;
            return Ok(Self(Area::ALL.into_iter().map(|area| (area, channel.clone())).collect()));
        }
        let mut channels = BTreeMap::new();
        for part in server.split(',') {
            let named = part.trim().split_once('=');
            let Some((area, address)) = named.and_then(|(name, address)| Some((Area::of(name)?, address))) else {
                return Err(Usage::of(format!(
                    "--server: {part}: 127.0.0.1:7300 | identity=127.0.0.1:7301,plans=127.0.0.1:7302,…"
                )));
            };
            channels.insert(area, connect(address, ca).await?);
        }
        Ok(Self(channels))
    }
}

async fn connect(address: &str, ca: Option<&Path>) -> Result<Patient<Channel>> {
    // A line that has gone dead without a word is told from a slow answer by pings that nobody returns.
    let mut endpoint = Channel::from_shared(cluster::url(address))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    if address.starts_with("https://") {
        endpoint = endpoint.tls_config(tls::believing(ca)?)?;
    }
    let channel = endpoint
        .connect()
        .await
        .with_context(|| format!("{address}: {}", refused::unreachable()))?;
    Ok(Patient::new(channel))
}

impl Service<Request<Body>> for Channels {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Which channel must be ready is known only with the request: `call` waits for that one.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let channel = Area::of_path(request.uri().path()).and_then(|area| self.0.get(&area)).cloned();
        let path = request.uri().path().to_owned();
        Box::pin(async move {
            let channel = channel.ok_or_else(|| Status::unavailable(format!("--server: {path}?")))?;
            channel.oneshot(request).await
        })
    }
}
