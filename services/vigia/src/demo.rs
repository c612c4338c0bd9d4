//! `vigia demo`: the three plans and their institutions from `deploy/data`, six years of reports that are made up, and
//! what the governing body sees at the end. Every step is a call of the public API by somebody with a token.

mod steps;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    fs,
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use jiff::{
    Timestamp,
    civil::{Date, date},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tonic::Status;
use vigia_platform::{Area, Clock, from_micros, micros, name::id_of_code};
use vigia_proto::{
    assignments::{
        AcceptAssignmentRequest, Assignment, ContestAssignmentRequest, ImportInstitutionsRequest, ImportTerritoriesRequest,
        ProposeAssignmentRequest, Resolution, ResolveAssignmentRequest, SucceedInstitutionRequest, Succession,
        assignment_service_client::AssignmentServiceClient, institution_service_client::InstitutionServiceClient,
    },
    plans::{
        ApproveRevisionRequest, ImportPlanRequest, ProposeRevisionRequest, Revision, plan_service_client::PlanServiceClient,
        revision_service_client::RevisionServiceClient,
    },
    reporting::{
        Decision, Extension, GrantExtensionRequest, IndicatorValue, ListObligationsRequest, Obligation, Report, ReviewReportRequest,
        SubmitReportRequest, extension::Covers, indicator_value::Value, obligation_service_client::ObligationServiceClient,
        report_service_client::ReportServiceClient,
    },
    types::{Decimal, Provenance},
};
use vigia_reporting::EvidenceOptions;

use crate::{
    cast::{Cast, Credentials, person},
    channels::Channels,
    cluster::{self, Running},
    commands::wait_for_the_end,
    demo_story::{self as story, Judgement, Manner, Work},
    demo_view,
    lang::say,
    lock::Locks,
    output,
    play::role,
    refused::{Refused, told},
    simulate::progress,
    tls::Tls,
};

/// The story's first and last day.
const BEGIN: Date = date(2019, 11, 25);
const END: Date = date(2026, 6, 30);
/// The password of the demo's persons; the directory is a scratch one.
const PASSWORD: &str = "una clave de la demostración";
/// The assignment that is contested: plan and action.
const CONTESTED: (&str, &str) = ("vcm", "p1-2");

/// What the directory remembers of the story.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    /// Whether it was played to the end.
    played: bool,
    /// Where its clock stood, in microseconds since 1970.
    now_micros: i64,
    /// Calls that were refused, by reason.
    refused: BTreeMap<String, u64>,
}

/// Something that is to happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Adopt {
        plan: usize,
    },
    Propose {
        plan: usize,
        action: String,
        role: &'static str,
        institution: String,
    },
    Accept {
        name: String,
        institution: String,
    },
    Contest {
        name: String,
        institution: String,
    },
    Resolve {
        name: String,
    },
    Succeed {
        succession: usize,
    },
    Reprogram {
        plan: usize,
    },
    Assess {
        plan: usize,
    },
    Extend {
        plan: usize,
    },
    Ask {
        plan: usize,
        period: String,
        end: Date,
    },
    Submit {
        plan: usize,
        obligation: String,
        action: String,
        institution: String,
        end: Date,
    },
    Review {
        plan: usize,
        obligation: String,
        action: String,
        institution: String,
        end: Date,
    },
}

/// Runs the demo.
pub async fn run(directory: &Path, once: bool, json: bool) -> Result<()> {
    let started = std::time::Instant::now();
    cluster::make_directory(directory)?;
    let _locks = Locks::take(directory, Area::ALL)?;
    let memory = Memory::load(directory)?;
    let zone = TimeZone::get("America/Guayaquil")?;
    let begin = if memory.played {
        from_micros(memory.now_micros)
    } else {
        at(&zone, BEGIN, 0)?
    };
    let clock = Clock::simulated(begin);
    let options = cluster::Options {
        directory: directory.to_owned(),
        database: None,
        clock: clock.clone(),
        scratch: true,
        services: Area::ALL.into(),
        peers: BTreeMap::new(),
        evidence: EvidenceOptions::in_directory(directory.join("evidence")),
        tls: Tls::default(),
        alerts: vigia_compliance::AlertOptions::default(),
    };
    let running = cluster::start_on(listen().await?, cluster::build(&options).await?, None, true)?;
    let cast = connect(directory, &running).await?;
    let mut stage = Stage::new(directory, clock.clone(), zone.clone(), cast, memory)?;
    if !stage.memory.played {
        stage.play().await?;
    }
    clock.run();
    let auditor = stage.cast.of("auditor")?;
    let calls = demo_view::Calls {
        address: running.address,
        directory: directory.to_owned(),
        seconds: started.elapsed().as_secs_f32(),
        refused: stage.memory.refused.clone(),
    };
    demo_view::show(&auditor, &stage.works, at(&zone, END, 20)?, &zone, &calls, json).await?;
    if !once {
        demo_view::invite(&calls, json);
        stay(&mut stage).await?;
    }
    stage.memory.now_micros = micros(clock.now());
    stage.memory.save(directory)?;
    drop((auditor, stage));
    running.stop().await
}

/// Stays up until it is told to end, and notes now and then where the clock stands.
async fn stay(stage: &mut Stage) -> Result<()> {
    let end = wait_for_the_end();
    tokio::pin!(end);
    loop {
        tokio::select! {
            result = &mut end => return result,
            () = tokio::time::sleep(Duration::from_secs(5)) => {
                stage.memory.now_micros = micros(stage.clock.now());
                stage.memory.save(&stage.directory)?;
            }
        }
    }
}

/// The usual port, or one that is free.
async fn listen() -> Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 7300))).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind("127.0.0.1:0").await?),
    }
}

async fn connect(directory: &Path, running: &Running) -> Result<Cast> {
    let password = fs::read_to_string(cluster::password_path(directory))?;
    let administrator = Credentials::Account(cluster::ADMINISTRATOR.to_owned(), password.trim().to_owned());
    Ok(Cast::new(Channels::connect(&running.address.to_string()).await?, administrator))
}

/// An hour of a day in the zone.
fn at(zone: &TimeZone, day: Date, hour: i8) -> Result<Timestamp> {
    crate::scenario::instant(zone, day.at(hour, 0, 0, 0))
}

impl Memory {
    fn load(directory: &Path) -> Result<Self> {
        match fs::read(directory.join("demo.json")) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(cause) => Err(cause.into()),
        }
    }

    fn save(&self, directory: &Path) -> Result<()> {
        // Written beside and moved over: whoever reads it reads it whole.
        let new = directory.join("demo.json.new");
        fs::write(&new, serde_json::to_vec_pretty(self)?)?;
        Ok(fs::rename(new, directory.join("demo.json"))?)
    }
}

/// The story under way.
struct Stage {
    directory: std::path::PathBuf,
    clock: Clock,
    zone: TimeZone,
    cast: Cast,
    works: Vec<Work>,
    successions: Vec<story::Successor>,
    institutions: Vec<String>,
    agenda: BinaryHeap<Reverse<(Timestamp, u64, Step)>>,
    planned: u64,
    memory: Memory,
}

impl Stage {
    fn new(directory: &Path, clock: Clock, zone: TimeZone, mut cast: Cast, memory: Memory) -> Result<Self> {
        let works = story::PLANS.iter().map(|(id, text)| story::work(id, text)).collect::<Result<_>>()?;
        let institutions = story::institutions()?;
        for id in ["coordinator", "reviewer", "auditor"]
            .into_iter()
            .chain(institutions.iter().map(String::as_str))
        {
            cluster::make_key(directory, id)?;
            cast.join(id, Credentials::Client(format!("clients/{id}"), cluster::key(directory, id)?));
        }
        let successions = story::successions()?;
        Ok(Self {
            directory: directory.to_owned(),
            clock,
            zone,
            cast,
            works,
            successions,
            institutions,
            agenda: BinaryHeap::new(),
            planned: 0,
            memory,
        })
    }

    /// Plays from the beginning. Where a start was broken off, calls that were made get their first answers again.
    async fn play(&mut self) -> Result<()> {
        self.let_in().await?;
        self.plan_ahead()?;
        let bar: ProgressBar = progress(6000);
        while let Some(Reverse((at, _, step))) = self.agenda.pop() {
            self.clock.set(at);
            if let Err(status) = self.step(&step).await {
                let refusal = Refused::of(&status);
                // Some refusals belong to the story; a reason that does not is shown at the end.
                tracing::debug!(?step, %refusal, "refused");
                *self.memory.refused.entry(refusal.reason).or_default() += 1;
                if matches!(step, Step::Adopt { .. }) {
                    return Err(told(status));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        self.clock.set(at(&self.zone, END, 21)?);
        self.memory.played = true;
        self.memory.now_micros = micros(self.clock.now());
        self.memory.save(&self.directory)
    }

    /// Everybody who acts, institutions and territories.
    async fn let_in(&mut self) -> Result<()> {
        let directory = self.directory.clone();
        let key = |id: &str| cluster::key(&directory, id);
        self.cast.offices(key, PASSWORD).await?;
        let mut registry = InstitutionServiceClient::new(self.cast.of("coordinator")?);
        let request = ImportTerritoriesRequest {
            file: story::TERRITORIES.into(),
            validate_only: false,
            request_id: self.cast.request_id(),
        };
        registry.import_territories(request).await.map_err(told).context("provinces.csv")?;
        let request = ImportInstitutionsRequest {
            file: story::INSTITUTIONS.into(),
            validate_only: false,
            request_id: self.cast.request_id(),
        };
        registry
            .import_institutions(request)
            .await
            .map_err(told)
            .context("institutions.csv")?;
        self.cast.institutions(&self.institutions, key).await
    }

    fn plan(&mut self, day: Date, hour: i8, step: Step) -> Result<()> {
        if day <= END {
            self.planned += 1;
            self.agenda.push(Reverse((at(&self.zone, day, hour)?, self.planned, step)));
        }
        Ok(())
    }

    /// What is known from the start to come.
    fn plan_ahead(&mut self) -> Result<()> {
        for (index, work) in self.works.clone().into_iter().enumerate() {
            let adopted = story::after(work.start, -3);
            self.plan(adopted, 9, Step::Adopt { plan: index })?;
            for (id, deed) in &work.deeds {
                for (role, who) in &deed.answers {
                    let institution = story::holder(who, adopted, &self.successions);
                    if self.institutions.contains(&institution) {
                        self.plan(
                            adopted,
                            10,
                            Step::Propose {
                                plan: index,
                                action: id.clone(),
                                role,
                                institution,
                            },
                        )?;
                    }
                }
            }
            for (period, end) in story::periods(work.start, END) {
                self.plan(story::after(end, 1), 8, Step::Ask { plan: index, period, end })?;
            }
        }
        for (index, succession) in self.successions.clone().iter().enumerate() {
            self.plan(succession.on.max(BEGIN), 7, Step::Succeed { succession: index })?;
        }
        self.plan(date(2020, 9, 15), 9, Step::Reprogram { plan: 2 })?;
        // Published after the plan's end; the day is illustrative.
        self.plan(date(2023, 3, 1), 9, Step::Assess { plan: 2 })?;
        self.plan(date(2021, 7, 20), 9, Step::Extend { plan: 0 })
    }

    async fn step(&mut self, step: &Step) -> Result<(), Status> {
        let request_id = self.cast.request_id();
        let coordinator = self.of("coordinator")?;
        match step {
            Step::Adopt { plan } => self.adopt(*plan).await,
            Step::Propose {
                plan,
                action,
                role,
                institution,
            } => self.propose(*plan, action, role, institution).await,
            Step::Accept { name, institution } => {
                let request = AcceptAssignmentRequest {
                    name: name.clone(),
                    etag: String::new(),
                    request_id,
                };
                AssignmentServiceClient::new(self.of(institution)?)
                    .accept_assignment(request)
                    .await
                    .map(drop)
            }
            Step::Contest { name, institution } => {
                let reason = "La acción corresponde a otra institución, según su estatuto (simulado)".to_owned();
                let request = ContestAssignmentRequest {
                    name: name.clone(),
                    reason,
                    etag: String::new(),
                    request_id,
                };
                AssignmentServiceClient::new(self.of(institution)?)
                    .contest_assignment(request)
                    .await
                    .map(drop)
            }
            Step::Resolve { name } => {
                let reason = "La ley le asigna el control de contenidos (simulado)".to_owned();
                let resolution = Resolution::Confirmed.into();
                let request = ResolveAssignmentRequest {
                    name: name.clone(),
                    resolution,
                    reason,
                    etag: String::new(),
                    request_id,
                };
                AssignmentServiceClient::new(coordinator)
                    .resolve_assignment(request)
                    .await
                    .map(drop)
            }
            Step::Succeed { succession } => self.succeed(*succession).await,
            Step::Reprogram { plan } => {
                let file = self.works.get(*plan).map(story::reprogramming).unwrap_or_default();
                let basis = "Versión reprogramada del plan por la pandemia (2020); el día es ilustrativo";
                self.revise(*plan, 1, date(2020, 10, 1), basis, file.into()).await
            }
            Step::Extend { plan } => {
                let extension = Extension {
                    period: "2021-S1".into(),
                    covers: Some(Covers::Institution("institutions/msp".into())),
                    until: "2021-08-31".into(),
                    legal_basis: "Emergencia sanitaria (simulado)".into(),
                    ..Extension::default()
                };
                let request = GrantExtensionRequest {
                    parent: self.parent(*plan),
                    extension: Some(extension),
                    request_id,
                };
                ObligationServiceClient::new(coordinator).grant_extension(request).await.map(drop)
            }
            Step::Assess { plan } => self.assess(*plan).await,
            Step::Ask { plan, period, end } => self.ask(*plan, period, *end).await,
            Step::Submit {
                plan,
                obligation,
                action,
                institution,
                end,
            } => self.submit(*plan, obligation, action, institution, *end).await,
            Step::Review {
                plan,
                obligation,
                action,
                institution,
                end,
            } => self.review(*plan, obligation, action, institution, *end).await,
        }
    }

    fn of(&self, id: &str) -> Result<crate::cast::Principal, Status> {
        self.cast.of(id).map_err(|cause| Status::internal(cause.to_string()))
    }

    fn parent(&self, plan: usize) -> String {
        self.works.get(plan).map(|work| format!("plans/{}", work.id)).unwrap_or_default()
    }

    fn today(&self) -> Date {
        self.zone.to_datetime(self.clock.now()).date()
    }

    /// Plans a step so many days from today.
    fn later(&mut self, days: i32, hour: i8, step: Step) -> Result<(), Status> {
        self.plan(story::after(self.today(), days), hour, step)
            .map_err(|cause| Status::internal(cause.to_string()))
    }
}

/// What the demo says about its data, before all else.
pub fn say_what_is_real() {
    output::line(say(
        "REAL: los planes, las instituciones, sus sucesiones, los territorios y las notas publicadas del plan de gobierno abierto, con sus fuentes y sus marcas (deploy/data/README.md); indicadores y metas de vcm y lgbti son ilustrativos.",
        "REAL: plans, institutions, their successions, territories and the published grades of the open government plan, with their sources and marks (deploy/data/README.md); indicators and targets of vcm and lgbti are illustrative.",
    ));
    output::line(say(
        "SIMULADO: los reportes, las revisiones, la prórroga y la impugnación. Nada dice algo sobre la conducta real de una institución.",
        "SIMULATED: reports, reviews, the extension and the contest. None of it says anything about an institution's real conduct.",
    ));
}
