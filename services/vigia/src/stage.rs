//! Where a scenario is played: a scratch directory with a clock that is set, and the services over it, all in this
//! process or each in a process of its own. The services do not know which.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp, civil::DateTime};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tonic::Status;
use vigia_platform::{
    Area, Clock,
    db::{ScratchDatabases, copy_database},
    token::Key,
};
use vigia_proto::{
    assignments::{ImportInstitutionsRequest, institution_service_client::InstitutionServiceClient},
    plans::{ImportPlanRequest, plan_service_client::PlanServiceClient},
};
use vigia_reporting::EvidenceOptions;

use crate::{
    cast::{Cast, Credentials},
    channels::Channels,
    cluster::{self, Running},
    play::UNSAID,
    refused::told,
    scenario::Scenario,
    tls::Tls,
};

/// The password of the persons of a scratch directory, which protects nothing.
const SCRATCH_PASSWORD: &str = "una clave de ensayo";

/// Where the services of a stage run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// All in this one.
    One,
    /// Each in its own.
    EachItsOwn,
}

/// What every stage begins with: databases with their tables, the offices that all scenarios know, and every institution
/// that one of them names. Made once; each stage copies it, which takes a tenth of the time.
#[derive(Debug)]
pub struct Backstage {
    cast: Cast,
    processes: Processes,
    /// Where the databases are, if not in the directory: those to copy, and the URL of the one that is copied.
    databases: Option<(ScratchDatabases, String)>,
    /// Databases and keys, in nobody's use.
    directory: TempDir,
}

impl Backstage {
    /// Makes it: in files, or on the PostgreSQL server of a URL.
    pub async fn prepare(processes: Processes, server: Option<&str>, institutions: &BTreeSet<String>) -> Result<Self> {
        let workshop = TempDir::with_prefix("vigia-")?;
        cluster::make_directory(workshop.path())?;
        // Long before any plan: entries of a journal never run backwards.
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        let databases = match server.map(ScratchDatabases::on) {
            Some(databases) => {
                let url = databases.make().await?;
                Some((databases, url))
            }
            None => None,
        };
        let url = databases.as_ref().map(|(_, url)| url.clone());
        let running = cluster::start(cluster::build(&options(workshop.path(), url, &clock)).await?).await?;
        let password = fs::read_to_string(cluster::password_path(workshop.path()))?;
        let administrator = Credentials::Account(cluster::ADMINISTRATOR.to_owned(), password.trim().to_owned());
        let mut cast = Cast::new(Channels::connect(&running.address.to_string()).await?, administrator);
        cast.offices(new_key, SCRATCH_PASSWORD).await?;
        let_in(&mut cast, institutions).await?;
        let directory = TempDir::with_prefix("vigia-")?;
        match &databases {
            Some((databases, url)) => {
                // PostgreSQL copies only what nobody is connected to.
                drop(running);
                databases.close(url).await?;
            }
            None => {
                for area in Area::ALL {
                    copy_database(area, workshop.path(), directory.path()).await?;
                }
            }
        }
        for kept in ["keys", "SCRATCH"] {
            copy(&workshop.path().join(kept), &directory.path().join(kept))?;
        }
        Ok(Self {
            cast,
            processes,
            databases,
            directory,
        })
    }

    /// Takes away what was made on a server.
    pub async fn strike(self) -> Result<()> {
        match &self.databases {
            Some((databases, _)) => Ok(databases.drop_all().await?),
            None => Ok(()),
        }
    }
}

async fn let_in(cast: &mut Cast, institutions: &BTreeSet<String>) -> Result<()> {
    // An import of nobody is refused.
    if institutions.is_empty() {
        return Ok(());
    }
    let mut file = "id,name_es,function,kind\n".to_owned();
    for id in institutions {
        file.push_str(&format!("{id},{id},executive,ministry\n"));
    }
    let request = ImportInstitutionsRequest {
        file: file.into(),
        request_id: cast.request_id(),
        ..ImportInstitutionsRequest::default()
    };
    InstitutionServiceClient::new(cast.of("coordinator")?)
        .import_institutions(request)
        .await
        .map_err(told)?;
    cast.institutions(institutions, new_key).await
}

fn options(directory: &Path, database: Option<String>, clock: &Clock) -> cluster::Options {
    cluster::Options {
        directory: directory.to_owned(),
        database,
        clock: clock.clone(),
        scratch: true,
        services: Area::ALL.into(),
        peers: BTreeMap::new(),
        evidence: EvidenceOptions::in_directory(directory.join("evidence")),
        tls: Tls::default(),
        alerts: vigia_compliance::AlertOptions::default(),
    }
}

fn new_key(id: &str) -> Result<Key> {
    Ok(Key::generate(id).map_err(Status::from)?)
}

/// Where a scenario is played.
#[derive(Debug)]
pub struct Stage {
    /// Who acts.
    pub cast: Cast,
    /// The plan, as resource name.
    pub plan: String,
    /// Newest version that was submitted, by obligation.
    pub versions: HashMap<String, i32>,
    /// How many revisions were approved.
    pub revisions: i32,
    services: Services,
    // Last: the databases are closed before their directory goes.
    _directory: TempDir,
}

#[derive(Debug)]
enum Services {
    Here(Clock, Running),
    Apart(Vec<Service>),
}

impl Stage {
    /// Sets the stage: services on sockets, everybody who was let in backstage, and the plan in force.
    pub async fn set(scenario: &Scenario, backstage: &Backstage) -> Result<Self> {
        let directory = TempDir::with_prefix("vigia-")?;
        copy(backstage.directory.path(), directory.path())?;
        let database = match &backstage.databases {
            Some((databases, url)) => Some(databases.copy(url).await?),
            None => None,
        };
        // The plan is in force from the start: before its first day, the first event and the first question.
        let events = scenario.events.iter().map(|event| event.at);
        let times = events.chain(scenario.expect.iter().map(|expectation| expectation.as_of));
        let midnight = scenario.plan_start.at(0, 0, 0, 0);
        let begin = scenario.instant(times.fold(midnight, DateTime::min))? - SignedDuration::from_hours(24);
        let (services, address) = match backstage.processes {
            Processes::One => {
                let clock = Clock::simulated(begin);
                let running = cluster::start(cluster::build(&options(directory.path(), database, &clock)).await?).await?;
                let address = running.address.to_string();
                (Services::Here(clock, running), address)
            }
            Processes::EachItsOwn => {
                let services = Service::all(directory.path(), database, begin).await?;
                let addresses: Vec<String> = services
                    .iter()
                    .map(|service| format!("{}={}", service.area, service.address))
                    .collect();
                (Services::Apart(services), addresses.join(","))
            }
        };
        let mut stage = Self {
            cast: backstage.cast.over(Channels::connect(&address).await?),
            plan: format!("plans/{}", scenario.plan_id),
            versions: HashMap::new(),
            revisions: 0,
            services,
            _directory: directory,
        };
        stage.cast.counterparts(&scenario.counterparts()).await?;
        stage.adopt(scenario, begin).await?;
        Ok(stage)
    }

    /// Where the services answer, if they do in this process.
    #[cfg(test)]
    pub fn address(&self) -> Option<String> {
        match &self.services {
            Services::Here(_, running) => Some(running.address.to_string()),
            Services::Apart(_) => None,
        }
    }

    /// Sets the clock of all services, before a question; never back.
    pub async fn turn_clock(&mut self, at: Timestamp) -> Result<()> {
        self.turn_clock_quietly(at).await?;
        if let Services::Here(clock, _) = &self.services {
            clock.set(at);
        }
        Ok(())
    }

    /// The same before an event, which need not wait until the journals are closed.
    pub async fn turn_clock_quietly(&mut self, at: Timestamp) -> Result<()> {
        match &mut self.services {
            Services::Here(clock, _) => clock.set_quietly(at),
            Services::Apart(services) => {
                for service in services {
                    service.turn_clock(at).await?;
                }
            }
        }
        Ok(())
    }

    /// Imports the plan and puts it in force before anything happens.
    async fn adopt(&mut self, scenario: &Scenario, begin: Timestamp) -> Result<()> {
        let request = ImportPlanRequest {
            file: scenario.plan.to_yaml().into(),
            validate_only: false,
            request_id: self.cast.request_id(),
        };
        PlanServiceClient::new(self.cast.of("coordinator")?)
            .import_plan(request)
            .await
            .map_err(told)
            .context("plan")?;
        let day = scenario.zone.to_datetime(begin).date();
        self.revise(&["coordinator".into(), "approver".into()], &day.to_string(), UNSAID, "", Vec::new())
            .await
            .map_err(told)
            .context("plan")
    }

    /// Ends the services and takes the directory away.
    pub async fn strike(self) -> Result<()> {
        let Self { services, cast, .. } = self;
        // An open channel would hold the drain.
        drop(cast);
        match services {
            Services::Here(_, running) => running.stop().await,
            Services::Apart(services) => {
                // Who follows ends before whom it follows: an open stream would hold the drain.
                for service in services.into_iter().rev() {
                    service.stop().await?;
                }
                Ok(())
            }
        }
    }
}

/// Copies a file, or a directory with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A service in a process of its own (`vigia serve AREA --stage`), which is told the time over its standard input and
/// ends with it.
#[derive(Debug)]
struct Service {
    area: Area,
    address: String,
    child: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Service {
    /// Starts all, each after those that it asks.
    async fn all(directory: &Path, database: Option<String>, begin: Timestamp) -> Result<Vec<Self>> {
        let mut services: Vec<Self> = Vec::new();
        for area in Area::ALL {
            let mut command = Command::new(std::env::current_exe()?);
            command
                .args(["serve", area.name(), "--stage", "--listen", "127.0.0.1:0", "--data"])
                .arg(directory);
            match &database {
                Some(url) => command.env("VIGIA_DATABASE", url),
                None => command.env_remove("VIGIA_DATABASE"),
            };
            for peer in &services {
                command.env(format!("VIGIA_PEERS_{}", peer.area.name().to_uppercase()), &peer.address);
            }
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
            let mut child = command.spawn()?;
            let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
                bail!("{area}: stdin, stdout");
            };
            let mut service = Self {
                area,
                address: String::new(),
                child,
                stdin,
                answers: BufReader::new(stdout).lines(),
            };
            service.address = service.tell(begin).await?;
            services.push(service);
        }
        Ok(services)
    }

    async fn turn_clock(&mut self, at: Timestamp) -> Result<()> {
        self.tell(at).await.map(drop)
    }

    /// Tells it the time, and waits until it has taken it up. The first answer is its address.
    async fn tell(&mut self, at: Timestamp) -> Result<String> {
        self.stdin.write_all(format!("{at}\n").as_bytes()).await?;
        let answer = self.answers.next_line().await?;
        answer.with_context(|| format!("{}: ended", self.area))
    }

    async fn stop(mut self) -> Result<()> {
        drop(self.stdin);
        let status = self.child.wait().await?;
        if status.success() {
            Ok(())
        } else {
            bail!("{}: {status}", self.area)
        }
    }
}

/// `vigia serve AREA --stage`: a service of a stage. It reads the time from standard input, line by line, and ends with it.
pub async fn serve(config: &crate::config::Config) -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut next = async || -> Result<Option<Timestamp>> { Ok(lines.next_line().await?.map(|line| line.parse()).transpose()?) };
    let Some(begin) = next().await? else { return Ok(()) };
    let clock = Clock::simulated(begin);
    let options = cluster::Options {
        services: config.areas()?,
        peers: config.peers(),
        ..options(&config.data, config.database.clone(), &clock)
    };
    let running = cluster::start(cluster::build(&options).await?).await?;
    crate::output::line(&running.address.to_string());
    while let Some(at) = next().await? {
        clock.set(at);
        crate::output::line(&at.to_string());
    }
    running.stop().await
}
