//! Puts the services together: opens their databases, finds their keys, builds them in the order in which they ask each
//! other, and serves them on one address. Those that run elsewhere are reached over their addresses; the services do
//! not know which is which.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::transport::{Channel, ServerTlsConfig};
use vigia_compliance::AlertOptions;
use vigia_identity::Cost;
use vigia_platform::{Area, Clock, Db, Durability, Guarded, Kit, Peer, Route, Store, TokenSource, token::Key};
use vigia_reporting::EvidenceOptions;

use crate::{institution::fault::told, output::Usage, tls::Tls};

/// What to run, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory: databases, and keys in `keys/`.
    pub directory: PathBuf,
    /// PostgreSQL's URL, where the databases do not lie in the directory.
    pub database: Option<String>,
    /// Domain time.
    pub clock: Clock,
    /// Whether the directory is a scratch one: nothing in it is durable, and its clock may be set.
    pub scratch: bool,
    /// The services to run here.
    pub services: BTreeSet<Area>,
    /// Addresses of the others.
    pub peers: BTreeMap<Area, String>,
    /// Where evidence lies.
    pub evidence: EvidenceOptions,
    /// Certificates and keys.
    pub tls: Tls,
    /// How people are told of alerts.
    pub alerts: AlertOptions,
}

impl Options {
    fn store(&self) -> Store {
        match &self.database {
            Some(url) => Store::Postgres(url.clone()),
            None => Store::from(&self.directory),
        }
    }
}

/// The administrator that `vigia init` makes.
pub const ADMINISTRATOR: &str = "accounts/admin";

/// Builds the services, each after those that it asks.
pub async fn build(options: &Options) -> Result<Vec<Guarded>> {
    check_mark(options)?;
    let mut built: BTreeMap<Area, Guarded> = BTreeMap::new();
    for area in Area::ALL.into_iter().filter(|area| options.services.contains(area)) {
        let guarded = build_one(options, area, &built).await.with_context(|| format!("{area}"))?;
        built.insert(area, guarded);
    }
    Ok(built.into_values().collect())
}

/// Every service that is to run here has its key: `vigia init` makes them. A directory without them is a mistaken one, and
/// an empty server in it would look like lost data.
pub fn must_be_initialised(options: &Options) -> Result<()> {
    let missing = options.services.iter().find(|area| {
        let id = if **area == Area::Identity {
            "identity".to_owned()
        } else {
            service_client(**area)
        };
        !key_path(&options.directory, &id).exists()
    });
    if missing.is_none() {
        return Ok(());
    }
    let shown = options.directory.display();
    Err(Usage::of(told(
        format!("{shown}: no es un directorio iniciado; haga primero: vigia init --data '{shown}'"),
        format!("{shown}: is no initialised directory; first run: vigia init --data '{shown}'"),
    )))
}

/// A scratch directory says so in a file of its own: what is not durable, or was made under a clock that was set, is
/// never taken for the record.
fn check_mark(options: &Options) -> Result<()> {
    let mark = options.directory.join("SCRATCH");
    match (options.scratch, mark.exists()) {
        (true, false) if !options.directory.join("identity.sqlite").exists() => Ok(fs::write(
            mark,
            "Directorio de ensayo: nada es duradero, su reloj fue puesto a mano.\nScratch directory: nothing is durable, its clock was set.\n",
        )?),
        (true, false) => bail!(
            "{}: no es un directorio de ensayo / is no scratch directory",
            options.directory.display()
        ),
        (false, true) => bail!(
            "{}: es un directorio de ensayo / is a scratch directory",
            options.directory.display()
        ),
        (true, true) | (false, false) => Ok(()),
    }
}

async fn build_one(options: &Options, area: Area, built: &BTreeMap<Area, Guarded>) -> Result<Guarded> {
    let durability = if options.scratch { Durability::Scratch } else { Durability::Full };
    let cost = if options.scratch { Cost::Scratch } else { Cost::Full };
    let db = Db::open(area, options.store(), durability, options.clock.clone()).await?;
    let kit = Kit::new(db, options.clock.clone());
    if area == Area::Identity {
        let (password, services) = secrets(&options.directory)?;
        vigia_identity::init(&kit, &password, &services, cost)
            .await
            .map_err(tonic::Status::from)?;
        return Ok(vigia_identity::build(kit, key(&options.directory, "identity")?, cost).await?);
    }
    let id = service_client(area);
    let identity = route(options, Area::Identity, built)?;
    let tokens = TokenSource::new(&format!("clients/{id}"), key(&options.directory, &id)?, identity.clone());
    let peer = |of| Ok::<_, anyhow::Error>(Peer::new(route(options, of, built)?, tokens.clone()));
    kit.trust(identity, peer(Area::Identity)?).await?;
    Ok(match area {
        Area::Identity => bail!("identity was built above"),
        Area::Plans => vigia_plans::build(kit).await?,
        Area::Assignments => vigia_assignments::build(kit, peer(Area::Plans)?).await?,
        Area::Reporting => vigia_reporting::build(kit, peer(Area::Plans)?, peer(Area::Assignments)?, options.evidence.clone()).await?,
        Area::Compliance => {
            let (plans, assignments, reporting) = (peer(Area::Plans)?, peer(Area::Assignments)?, peer(Area::Reporting)?);
            vigia_compliance::build(kit, plans, assignments, reporting, &options.directory, options.alerts.clone()).await?
        }
    })
}

/// How a service is reached from here.
fn route(options: &Options, to: Area, built: &BTreeMap<Area, Guarded>) -> Result<Route> {
    if let Some(guarded) = built.get(&to) {
        return Ok(Route::Local(guarded.clone()));
    }
    let Some(address) = options.peers.get(&to) else {
        bail!("falta la dirección de «{to}» (peers.{to}) / the address of \"{to}\" is missing (peers.{to})");
    };
    let mut endpoint = Channel::from_shared(url(address)).with_context(|| format!("peers.{to}: {address}"))?;
    if address.starts_with("https://") {
        endpoint = endpoint.tls_config(options.tls.client()?).context("tls")?;
    }
    Ok(Route::over(endpoint.connect_lazy()))
}

/// An address as a URL: `127.0.0.1:7300` means plain HTTP/2.
pub fn url(address: &str) -> String {
    if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    }
}

/// Services that answer on an address until they are stopped.
#[derive(Debug)]
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

/// Serves on a port of this machine that is free.
pub async fn start(services: Vec<Guarded>) -> Result<Running> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    start_on(listener, services, None, false)
}

/// Serves on a listener, and tells its contract by reflection if asked to.
pub fn start_on(listener: TcpListener, services: Vec<Guarded>, tls: Option<ServerTlsConfig>, reflection: bool) -> Result<Running> {
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(vigia_platform::server::serve(listener, services, tls, reflection, async {
        // An error means that nobody can stop it any more: then it stops.
        let _ = stopped.await;
    }));
    Ok(Running { address, stop, task })
}

impl Running {
    /// Lets calls in flight finish, then ends.
    pub async fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        Ok(self.task.await??)
    }
}

/// Makes the data directory, open to its owner only.
pub fn make_directory(directory: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory.join("keys"));
    made.with_context(|| directory.display().to_string())
}

/// The administrator's password and the public keys of the services' clients; what is not there yet is made. All of it
/// lies in `keys/`, readable by its owner only.
fn secrets(directory: &Path) -> Result<(String, Vec<(String, String)>)> {
    let path = password_path(directory);
    if !path.exists() {
        let password = Key::generate("password").map_err(tonic::Status::from)?.jwk()["x"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        write_secret(&path, &password)?;
    }
    let password = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    make_key(directory, "identity")?;
    let mut services = Vec::new();
    for area in Area::ALL.into_iter().filter(|area| *area != Area::Identity) {
        let id = service_client(area);
        make_key(directory, &id)?;
        let public = key(directory, &id)?.public_pem().map_err(tonic::Status::from)?;
        services.push((id, public));
    }
    Ok((password.trim().to_owned(), services))
}

/// Where the first administrator's password lies until somebody takes it away.
pub fn password_path(directory: &Path) -> PathBuf {
    directory.join("keys/admin-password")
}

fn service_client(area: Area) -> String {
    format!("vigia-{area}")
}

/// Where a key lies.
pub fn key_path(directory: &Path, id: &str) -> PathBuf {
    directory.join("keys").join(format!("{id}.pem"))
}

/// A key of the directory.
pub fn key(directory: &Path, id: &str) -> Result<Key> {
    read_key(&key_path(directory, id), id)
}

/// A key from a file.
pub fn read_key(path: &Path, kid: &str) -> Result<Key> {
    let pem = crate::tls::read_private(path).map_err(|cause| {
        if path.exists() {
            return cause;
        }
        cause.context("falta la clave; la hace «vigia init» / the key is missing; \"vigia init\" makes it")
    })?;
    Key::from_pem(kid, &pem)
        .map_err(|_| anyhow::anyhow!("{}: no es una clave Ed25519 (PKCS#8, PEM) / is not an Ed25519 key", path.display()))
}

/// Makes a key unless it is there.
pub fn make_key(directory: &Path, id: &str) -> Result<()> {
    let path = key_path(directory, id);
    if path.exists() {
        return Ok(());
    }
    let pem = Key::generate(id).and_then(|key| key.to_pem()).map_err(tonic::Status::from)?;
    write_secret(&path, &pem)
}

fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| path.display().to_string())?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_for_their_owner_only() -> Result<()> {
        let directory = tempfile::tempdir()?;
        make_directory(directory.path())?;
        let first = secrets(directory.path())?;
        assert_eq!(first, secrets(directory.path())?);
        assert!(first.0.len() >= 12);
        for entry in fs::read_dir(directory.path().join("keys"))? {
            assert_eq!(entry?.metadata()?.permissions().mode() & 0o777, 0o600);
        }
        Ok(())
    }
}
