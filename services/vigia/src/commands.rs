//! The plain commands: run services, make the first keys, bring databases up to date, and ask a server.

use std::{fs, io::ErrorKind};

use anyhow::{Context, Result};
use comfy_table::Cell;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use vigia_platform::{Area, Clock, Db, Durability, db::migrate_postgres, instant, timestamp};
use vigia_proto::{
    compliance::{
        Basis, GetScorecardRequest, GetScorecardResponse, GetVerdictRequest, GetVerdictResponse, Scorecard, Verdict,
        compliance_service_client::ComplianceServiceClient,
    },
    plans::{GetPlanRequest, plan_service_client::PlanServiceClient},
};

use crate::{
    access::Access,
    cast::Principal,
    cluster,
    config::Config,
    institution::fault::told as in_words,
    lang::{Lang, lang, say},
    lock::Locks,
    output::{self, Usage},
    refused::told,
    telemetry,
};

/// `vigia serve`: until SIGTERM or Ctrl-C.
pub async fn serve(config: &Config) -> Result<()> {
    let _telemetry = telemetry::start(config).await?;
    let options = options(config)?;
    cluster::must_be_initialised(&options)?;
    // The port first: a second process on it ends here, before it touches a database.
    let listener = TcpListener::bind(config.listen).await.map_err(|cause| {
        let address = config.listen;
        match cause.kind() {
            ErrorKind::AddrInUse => Usage::of(in_words(
                format!("{address}: la dirección ya está en uso; diga otra con --listen (o VIGIA_LISTEN)"),
                format!("{address}: the address is in use already; name another with --listen (or VIGIA_LISTEN)"),
            )),
            _ => anyhow::Error::from(cause).context(format!("--listen {address}")),
        }
    })?;
    // PostgreSQL keeps its own order; two processes are replicas there.
    let _locks = match &config.database {
        None => Some(Locks::take(&config.data, options.services.iter().copied())?),
        Some(_) => None,
    };
    let services = cluster::build(&options).await?;
    let names: Vec<&str> = options.services.iter().map(|area| area.name()).collect();
    let running = cluster::start_on(listener, services, config.tls.server()?, config.reflection)?;
    tracing::info!(address = %running.address, services = names.join(","), data = %config.data.display(), "serving");
    wait_for_the_end().await?;
    tracing::info!("draining");
    running.stop().await
}

/// Waits for SIGTERM or Ctrl-C.
pub async fn wait_for_the_end() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

fn options(config: &Config) -> Result<cluster::Options> {
    let options = cluster::Options {
        directory: config.data.clone(),
        database: config.database.clone(),
        clock: Clock::real(),
        scratch: false,
        services: config.areas()?,
        peers: config.peers(),
        evidence: config.evidence(),
        tls: config.tls.clone(),
        alerts: config.alerts(),
    };
    Ok(options)
}

/// `vigia init`: makes the keys, the services' clients and the first administrator, whose password it prints this once.
pub async fn init(config: &Config, json: bool) -> Result<()> {
    cluster::make_directory(&config.data)?;
    let path = cluster::password_path(&config.data);
    if path.exists() || config.data.join("identity.sqlite").exists() {
        // No fault: who starts a container does it each time.
        let text = say("ya está iniciado: nada cambió", "is initialised already: nothing was changed");
        return if json {
            output::json(&serde_json::json!({"account": cluster::ADMINISTRATOR, "password": null, "keys": config.data.join("keys")}))
        } else {
            output::line(&format!("{}: {text}", config.data.display()));
            Ok(())
        };
    }
    let options = cluster::Options {
        services: [Area::Identity].into(),
        ..options(config)?
    };
    cluster::build(&options).await?;
    let password = fs::read_to_string(&path)?;
    let keys = config.data.join("keys");
    // Shown once means kept nowhere: the account knows only its hash.
    fs::write(&path, "")?;
    if json {
        return output::json(&serde_json::json!({"account": cluster::ADMINISTRATOR, "password": password, "keys": keys}));
    }
    output::line(&format!("{}: {}", say("cuenta", "account"), cluster::ADMINISTRATOR));
    output::line(&format!(
        "{}: {password}",
        say(
            "contraseña (guárdela: no se mostrará otra vez)",
            "password (keep it: it is not shown again)"
        )
    ));
    output::line(&format!(
        "{}: {}",
        say("claves de los servicios", "keys of the services"),
        keys.display()
    ));
    output::line(say(
        "Sigue: «vigia serve», y en otra terminal deje entrar a quienes llevan los planes:",
        "Next: \"vigia serve\", and in another terminal let in those who keep the plans:",
    ));
    let who = format!("--account {}", cluster::ADMINISTRATOR);
    for (id, role) in [
        ("coordinadora", "coordinator"),
        ("aprobadora", "approver"),
        ("revisora", "reviewer"),
    ] {
        output::line(&format!("  vigia account create {id} --role {role} {who}"));
    }
    Ok(())
}

/// `vigia migrate`: brings the databases of the data directory up to date.
pub async fn migrate(config: &Config, json: bool) -> Result<()> {
    cluster::make_directory(&config.data)?;
    let _locks = match &config.database {
        None => Some(Locks::take(&config.data, config.areas()?)?),
        Some(_) => None,
    };
    let mut done = Vec::new();
    for area in config.areas()? {
        if let Some(url) = &config.database {
            let migrated = migrate_postgres(area, url).await;
            migrated.with_context(|| format!("{area}: PostgreSQL"))?;
            if !json {
                output::line(&format!("{area}: {}", say("al día", "up to date")));
            }
            done.push(serde_json::json!({"service": area.name(), "schema": area.name()}));
            continue;
        }
        let path = config.data.join(format!("{area}.sqlite"));
        let new = !path.exists();
        Db::open(area, &config.data, Durability::Full, Clock::real())
            .await
            .with_context(|| path.display().to_string())?;
        if !json {
            let what = if new {
                say("creada", "created")
            } else {
                say("al día", "up to date")
            };
            output::line(&format!("{}: {what}", path.display()));
        }
        done.push(serde_json::json!({"service": area.name(), "database": path, "created": new}));
    }
    if json { output::json(&done) } else { Ok(()) }
}

/// A plan's resource name from its id or name.
pub fn plan_name(plan: &str) -> String {
    if plan.starts_with("plans/") {
        plan.to_owned()
    } else {
        format!("plans/{plan}")
    }
}

/// An instant as people give it: a local time of the zone, a day (its first instant), or with its offset.
pub fn parse_as_of(text: &str, zone: &TimeZone) -> Result<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let local: DateTime = text
        .parse()
        .map_err(|_| {
            Usage::of(in_words(
                format!("«{text}» no es una fecha que se entienda. Escriba el día, 2026-03-31; el día y la hora, 2026-03-31T17:00; o con su huso, 2026-03-31T17:00:00-05:00."),
                format!("\"{text}\" is no date that can be understood. Write the day, 2026-03-31; day and hour, 2026-03-31T17:00; or with its offset, 2026-03-31T17:00:00-05:00."),
            ))
        })?;
    crate::scenario::instant(zone, local)
}

/// The same, as requests have it; none where nothing is said.
pub fn as_of_wire(text: Option<&str>, zone: &TimeZone) -> Result<Option<prost_types::Timestamp>> {
    Ok(text.map(|text| parse_as_of(text, zone)).transpose()?.map(timestamp))
}

/// The zone in which the times of a plan are to be read.
async fn zone(principal: &Principal, plan: &str) -> Result<TimeZone> {
    let request = GetPlanRequest { name: plan.to_owned() };
    let plan = PlanServiceClient::new(principal.clone())
        .get_plan(request)
        .await
        .map_err(told)?
        .into_inner()
        .plan
        .unwrap_or_default();
    Ok(TimeZone::get(&plan.time_zone)?)
}

/// The plan that a resource name begins with: `plans/vcm/actions/p1-1` is of `plans/vcm`.
pub fn plan_of(name: &str) -> Option<String> {
    let mut parts = name.split('/');
    (parts.next() == Some("plans")).then_some(())?;
    Some(format!("plans/{}", parts.next()?))
}

/// `vigia scorecard`.
pub async fn scorecard(access: &Access, name: &str, plan: Option<&str>, as_of: Option<&str>, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let (name, plan) = crate::ask::scope(&principal, name, plan).await?;
    let zone = zone(&principal, &plan).await?;
    let as_of = as_of_wire(as_of, &zone)?;
    let request = GetScorecardRequest { name, plan, as_of };
    let answer = ComplianceServiceClient::new(principal)
        .get_scorecard(request)
        .await
        .map_err(told)?
        .into_inner();
    if json {
        return output::json(&output::value("vigia.compliance.v1.GetScorecardResponse", &answer)?);
    }
    let GetScorecardResponse { scorecard, basis } = answer;
    tell_scorecards(&[scorecard.unwrap_or_default()]);
    tell_basis(&basis.unwrap_or_default(), &zone);
    Ok(())
}

/// `vigia verdict`.
pub async fn verdict(access: &Access, name: &str, as_of: Option<&str>, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let Some(plan) = plan_of(name) else {
        return Err(Usage::of(format!(
            "{name}: plans/{{plan}}/actions/{{a}}, plans/{{plan}}/assignments/{{id}}/obligations/{{period}}"
        )));
    };
    let zone = zone(&principal, &plan).await?;
    let as_of = as_of_wire(as_of, &zone)?;
    let request = GetVerdictRequest {
        name: name.to_owned(),
        as_of,
    };
    let answer = ComplianceServiceClient::new(principal)
        .get_verdict(request)
        .await
        .map_err(told)?
        .into_inner();
    if json {
        return output::json(&output::value("vigia.compliance.v1.GetVerdictResponse", &answer)?);
    }
    let GetVerdictResponse { verdict, basis } = answer;
    tell_verdict(&verdict.unwrap_or_default(), &zone);
    tell_basis(&basis.unwrap_or_default(), &zone);
    Ok(())
}

/// Scorecards as a table: three readings side by side, each with what it rests on, and discipline.
pub fn tell_scorecards(cards: &[Scorecard]) {
    let heading = [
        say("ámbito", "scope"),
        say("estricto", "strict"),
        say("observado", "observed"),
        say("cobertura", "coverage"),
        say("validado", "validated"),
        say("cobertura", "coverage"),
        say("debidos", "owed"),
        say("recibidos", "received"),
        say("a tiempo", "on time"),
        say("validados", "validated"),
        say("sin novedad", "nil"),
    ];
    let rows = cards.iter().map(|card| {
        let discipline = card.discipline.unwrap_or_default();
        let title = if card.title_es.is_empty() { &card.name } else { &card.title_es };
        let mut row = vec![
            Cell::new(shortened(title, 44)),
            output::light(&card.strict),
            output::light(&card.observed),
        ];
        row.push(Cell::new(output::percent(&card.coverage_observed)));
        row.push(output::light(&card.validated));
        row.push(Cell::new(output::percent(&card.coverage_validated)));
        row.extend(
            [
                discipline.owed,
                discipline.received,
                discipline.on_time,
                discipline.validated,
                discipline.nil,
            ]
            .map(Cell::new),
        );
        row
    });
    output::line(&output::table(&heading, rows.collect()));
}

/// A text of at most so many characters.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most - 1).chain("…".chars()).collect()
    }
}

/// The instant before which what an obligation owes must be received: of a returned report, its answer. Whatever is missing
/// is late since then.
pub fn due(verdict: &Verdict) -> Option<Timestamp> {
    verdict.answer_due_time.as_ref().or(verdict.due_time.as_ref()).and_then(instant)
}

/// A verdict with all its reasons.
pub fn tell_verdict(verdict: &Verdict, zone: &TimeZone) {
    let state = if verdict.obligation_state.is_empty() {
        output::state_word(verdict.action_state().as_str_name()).to_owned()
    } else {
        format!("{} · {}", verdict.obligation_state, verdict.timeliness)
    };
    output::line(&format!("{} · {state} {}", verdict.name, verdict.period));
    if verdict.obligation_state.is_empty() {
        let readings = [
            (say("estricto", "strict"), &verdict.strict),
            (say("observado", "observed"), &verdict.observed),
            (say("validado", "validated"), &verdict.validated),
        ];
        let readings: Vec<String> = readings
            .iter()
            .map(|(name, index)| format!("{name} {}", output::percent(index)))
            .collect();
        output::line(&format!("  {}", readings.join(" · ")));
    }
    if let Some(due) = verdict.due_time.as_ref().and_then(instant) {
        output::line(&format!("  {}: {}", say("vence antes de", "due before"), zone.to_datetime(due)));
    }
    if let Some(due) = verdict.answer_due_time.as_ref().and_then(instant) {
        let name = say("la respuesta vence antes de", "answer due before");
        output::line(&format!("  {name}: {}", zone.to_datetime(due)));
    }
    for step in &verdict.explanation {
        let text = if lang() == Lang::Es { &step.text_es } else { &step.text_en };
        output::line(&format!("  {}: {text}", step.rule));
        let facts = [
            (say("observado", "observed"), step.observed.clone()),
            (say("requerido", "required"), step.required.clone()),
            (say("bitácora", "journal"), step.positions.join(", ")),
        ];
        for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
            output::line(&format!("      {name}: {fact}"));
        }
    }
    let remedy = if lang() == Lang::Es {
        &verdict.remedy_es
    } else {
        &verdict.remedy_en
    };
    if !remedy.is_empty() {
        output::line(&format!("  {}: {remedy}", say("para cumplir", "to comply")));
    }
}

/// On what an answer stands.
pub fn tell_basis(basis: &Basis, zone: &TimeZone) {
    if let Some(as_of) = basis.as_of.as_ref().and_then(instant) {
        output::line(&format!(
            "{} {} · {}",
            say("al", "as of"),
            zone.to_datetime(as_of),
            basis.positions.join(", ")
        ));
    }
    output::simulated(basis.simulated);
}
