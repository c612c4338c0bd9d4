//! `vigia doctor`: looks at all that a server stands on, changes nothing, and says in plain words what is wrong and what
//! to do.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use anyhow::{Context, Result};
use comfy_table::{Cell, Color};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use vigia_platform::{Area, Store, clock::machine_now, db::inspect};
use x509_parser::{pem::Pem, prelude::X509Certificate};

use crate::{cluster, config::Config, lang::say, output, tls};

/// Free space below which somebody should look, in bytes and as a share of the disk.
const SPACE_LOW: (u64, u64) = (2 << 30, 10);
/// Free space below which a service may stop writing any moment.
const SPACE_OUT: u64 = 200 << 20;
/// Days before its end at which a certificate should be renewed.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(21 * 24);
/// How far clocks may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// How long a server has to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// For how long a service may not hear of another one's journal: past 60 s it refuses changes.
const SILENCE: f64 = 10.0;
/// Entries that a service may lag behind.
const LAG: f64 = 1000.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Good,
    Warning,
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    about: String,
    outcome: Outcome,
    found: String,
    remedy: String,
}

#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn note(&mut self, about: &str, outcome: Outcome, found: impl Into<String>, remedy: &str) {
        self.0.push(Finding {
            about: about.to_owned(),
            outcome,
            found: found.into(),
            remedy: if outcome == Outcome::Good {
                String::new()
            } else {
                remedy.to_owned()
            },
        });
    }

    fn good(&mut self, about: &str, found: impl Into<String>) {
        self.note(about, Outcome::Good, found, "");
    }

    fn bad(&mut self, about: &str, found: impl Into<String>, remedy: &str) {
        self.note(about, Outcome::Bad, found, remedy);
    }
}

/// Runs all checks; says whether nothing is bad.
pub async fn run(config: &Config, json: bool) -> Result<bool> {
    let mut findings = Findings::default();
    directory(&mut findings, config)?;
    databases(&mut findings, config).await?;
    certificates(&mut findings, config);
    server(&mut findings, config).await?;
    let is_good = findings.0.iter().all(|finding| finding.outcome != Outcome::Bad);
    if json {
        output::json(&findings.0)?;
        return Ok(is_good);
    }
    let rows = findings.0.into_iter().map(|finding| {
        let (word, colour) = match finding.outcome {
            Outcome::Good => (say("bien", "good"), Color::Green),
            Outcome::Warning => (say("aviso", "warning"), Color::Yellow),
            Outcome::Bad => (say("mal", "bad"), Color::Red),
        };
        let told = if finding.remedy.is_empty() {
            finding.found
        } else {
            format!("{}\n→ {}", finding.found, finding.remedy)
        };
        let word = Cell::new(word);
        let word = if output::colours() { word.fg(colour) } else { word };
        vec![Cell::new(finding.about), word, Cell::new(told)]
    });
    output::line(&output::table(&["", "", ""], rows.collect()));
    Ok(is_good)
}

/// The data directory, its keys and its disk.
fn directory(findings: &mut Findings, config: &Config) -> Result<()> {
    let about = say("directorio", "directory");
    let data = &config.data;
    let Ok(metadata) = fs::metadata(data) else {
        findings.bad(
            about,
            data.display().to_string(),
            say("no existe: «vigia init» lo hace", "does not exist: \"vigia init\" makes it"),
        );
        return Ok(());
    };
    let mode = metadata.permissions().mode() & 0o777;
    let for_others = mode & 0o007;
    if for_others < 1 {
        findings.good(about, data.display().to_string());
    } else {
        let remedy = format!("chmod 700 '{}'", data.display());
        findings.bad(about, format!("{} ({mode:o})", data.display()), &remedy);
    }
    if data.join("SCRATCH").exists() {
        let remedy = say(
            "nada en él es duradero: no lo use para el registro",
            "nothing in it is durable: do not keep the record in it",
        );
        findings.note(about, Outcome::Warning, say("es de ensayo", "is a scratch one"), remedy);
    }
    for area in config.areas()? {
        let id = if area == Area::Identity {
            "identity".to_owned()
        } else {
            format!("vigia-{area}")
        };
        let about = format!("{} {area}", say("clave de", "key of"));
        match cluster::read_key(&cluster::key_path(data, &id), &id) {
            Ok(_) => findings.good(&about, say("solo su dueño la lee", "only its owner reads it")),
            Err(cause) => findings.bad(
                &about,
                format!("{cause:#}"),
                say("«vigia init» hace las que faltan", "\"vigia init\" makes those that are missing"),
            ),
        }
    }
    let space = rustix::fs::statvfs(data)?;
    let (free, total) = (space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize);
    let found = format!("{} GiB {}", free >> 30, say("libres", "free"));
    let remedy = say(
        "sin espacio no se acusa recibo de nada: agregue disco o mueva los respaldos",
        "without space nothing is acknowledged: add disk, or move backups away",
    );
    let outcome = match free {
        free if free < SPACE_OUT => Outcome::Bad,
        free if free < SPACE_LOW.0 || free < total / SPACE_LOW.1 => Outcome::Warning,
        _ => Outcome::Good,
    };
    findings.note(say("disco", "disk"), outcome, found, remedy);
    Ok(())
}

/// Tables, settings, and clocks.
async fn databases(findings: &mut Findings, config: &Config) -> Result<()> {
    let store = match &config.database {
        Some(url) => Store::Postgres(url.clone()),
        None => Store::from(&config.data),
    };
    for area in config.areas()? {
        let about = format!("{} {area}", say("base de", "database of"));
        match inspect(area, &store).await {
            Ok(seen) => {
                findings.good(
                    &about,
                    format!(
                        "{} {}",
                        seen.position,
                        say("entradas; tablas y ajustes al día", "entries; tables and settings are right")
                    ),
                );
                let now = machine_now();
                let remedy = say(
                    "ajuste el reloj (NTP): las entradas nuevas llevan la hora de la más adelantada",
                    "set the clock (NTP): new entries are dated by the one that is ahead",
                );
                for (what, time) in [(say("bitácora", "journal"), Some(seen.time)), ("PostgreSQL", seen.server_time)] {
                    let ahead = time.map_or(SignedDuration::ZERO, |time| time.duration_since(now));
                    let is_behind = what == "PostgreSQL" && ahead < -SKEW;
                    if ahead > SKEW || is_behind {
                        findings.bad(
                            &format!("{} ({area})", say("reloj", "clock")),
                            format!("{what}: {} s", ahead.as_secs()),
                            remedy,
                        );
                    }
                }
            }
            Err(cause) => findings.bad(
                &about,
                cause.to_string(),
                say(
                    "lea el motivo: el servicio no empezaría",
                    "read the reason: the service would not start",
                ),
            ),
        }
    }
    Ok(())
}

/// Certificates that are shown to others.
fn certificates(findings: &mut Findings, config: &Config) {
    let about = say("certificado", "certificate");
    if let Err(cause) = config.tls.server() {
        findings.bad(about, format!("{cause:#}"), "tls.cert, tls.key, tls.client_ca");
    }
    let Some(path) = &config.tls.cert else {
        return;
    };
    let remedy = say("renuévelo y reinicie el servicio", "renew it and restart the service");
    match last_day(path) {
        Ok(end) => {
            let left = end.duration_since(machine_now());
            let outcome = match left {
                left if left.is_negative() => Outcome::Bad,
                left if left < RENEW_BEFORE => Outcome::Warning,
                _ => Outcome::Good,
            };
            findings.note(about, outcome, format!("{} {end}", say("vale hasta", "is valid until")), remedy);
        }
        Err(cause) => findings.bad(about, format!("{}: {cause:#}", path.display()), remedy),
    }
}

/// When the first certificate of a file ends.
fn last_day(path: &Path) -> Result<Timestamp> {
    let bytes = fs::read(path)?;
    let (pem, _) = Pem::read(std::io::Cursor::new(&bytes)).context("PEM")?;
    let certificate: X509Certificate<'_> = pem.parse_x509().context("X.509")?;
    Ok(Timestamp::from_second(certificate.validity().not_after.timestamp())?)
}

/// Whether the services answer, and how far they follow each other.
async fn server(findings: &mut Findings, config: &Config) -> Result<()> {
    let about = say("servidor", "server");
    let scheme = if config.tls.cert.is_some() { "https" } else { "http" };
    let mut endpoint = Channel::from_shared(format!("{scheme}://{}", config.listen))?.connect_timeout(PATIENCE);
    if config.tls.cert.is_some() {
        endpoint = endpoint.tls_config(tls::believing(config.tls.ca.as_deref())?)?;
    }
    let Ok(channel) = endpoint.connect().await else {
        findings.note(
            about,
            Outcome::Warning,
            format!("{}: {}", config.listen, say("no responde", "does not answer")),
            "vigia serve",
        );
        return Ok(());
    };
    let mut health = HealthClient::new(channel);
    for area in config.areas()? {
        let name = vigia_proto::POOL
            .services()
            .find(|service| Area::of_path(&format!("/{}/", service.full_name())) == Some(area));
        let service = name.map(|service| service.full_name().to_owned()).unwrap_or_default();
        let answer = timeout(PATIENCE, health.check(HealthCheckRequest { service })).await;
        let serves = matches!(answer, Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving);
        if serves {
            findings.good(&format!("{about}: {area}"), say("atiende", "serves"));
        } else {
            findings.bad(
                &format!("{about}: {area}"),
                say("no atiende", "does not serve"),
                say("lea su registro", "read its log"),
            );
        }
    }
    let Some(admin) = config.admin else {
        findings.note(
            say("seguimiento", "following"),
            Outcome::Warning,
            say("no se sabe: falta admin", "not known: admin is missing"),
            "admin = \"127.0.0.1:7390\"",
        );
        return Ok(());
    };
    match timeout(PATIENCE, metrics(&admin.to_string())).await {
        Ok(Ok(text)) => following(findings, &text),
        _ => findings.bad("admin", admin.to_string(), say("no responde /metrics", "/metrics does not answer")),
    }
    Ok(())
}

async fn metrics(admin: &str) -> Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    stream
        .write_all(format!("GET /metrics HTTP/1.0\r\nHost: {admin}\r\n\r\n").as_bytes())
        .await?;
    let mut text = String::new();
    stream.take(4 << 20).read_to_string(&mut text).await?;
    Ok(text)
}

/// A service that lags behind a journal, or has not heard of it.
fn following(findings: &mut Findings, text: &str) {
    let values = |name: &str| -> Vec<(String, String, f64)> {
        let lines = text
            .lines()
            .filter(|line| line.starts_with(name) && line.as_bytes().get(name.len()) == Some(&b'{'));
        let label = |line: &str, label: &str| -> String {
            let value = line.split_once(&format!("{label}=\"")).and_then(|(_, rest)| rest.split_once('"'));
            value.map(|(value, _)| value.to_owned()).unwrap_or_default()
        };
        lines
            .filter_map(|line| {
                let value = line.rsplit(' ').next()?.parse().ok()?;
                Some((label(line, "vigia_service"), label(line, "vigia_source"), value))
            })
            .collect()
    };
    let written = values("vigia_journal_position");
    let silent = values("vigia_follow_silence_seconds");
    let about = say("seguimiento", "following");
    for (service, source, position) in values("vigia_follow_position") {
        let head = written
            .iter()
            .find(|(of, _, _)| *of == source)
            .map_or(position, |(_, _, head)| *head);
        let silence = silent
            .iter()
            .find(|(of, from, _)| *of == service && *from == source)
            .map_or(0.0, |(_, _, silence)| *silence);
        let found = format!("{service} ← {source}: {position:.0} / {head:.0}, {silence:.1} s");
        let remedy = say(
            "la fuente no responde, o el seguidor no da abasto: lea sus registros",
            "the source does not answer, or the follower can not keep up: read their logs",
        );
        let outcome = if silence > SILENCE || head - position > LAG {
            Outcome::Bad
        } else {
            Outcome::Good
        };
        findings.note(about, outcome, found, remedy);
    }
}
