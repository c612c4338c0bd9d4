//! `vigia plan`: plans as files, and the two persons who put one in force.

use std::{io::Write, path::PathBuf};

use anyhow::Result;
use clap::Subcommand;
use vigia_platform::new_id;
use vigia_proto::plans::{
    ApproveRevisionRequest, ExportPlanRequest, ImportPlanRequest, PlanState, ProposeRevisionRequest, Revision,
    plan_service_client::PlanServiceClient, revision_service_client::RevisionServiceClient,
};

use super::desk::{self, settle};
use crate::{access::Access, commands::plan_name, institution::fault::told as in_words, lang::say, output, refused::told};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Importa un plan como borrador; con una falla nada se guarda / import a plan as a draft; with one fault nothing is
    /// kept.
    #[command(after_help = "Ejemplo / example:\n  vigia plan import deploy/data/plans/vcm.yaml --validate-only")]
    Import(Import),
    /// Escribe un plan como archivo que se importa igual / write a plan as a file that imports unchanged.
    #[command(after_help = "Ejemplo / example:\n  vigia plan export vcm > vcm.yaml")]
    Export(Export),
    /// Propone una revisión; la primera pone el borrador en vigencia / propose a revision; the first puts the draft in force.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia plan propose vcm --instrument \"Acuerdo MDT-2026-001\" --effective 2026-01-01 --account ana\n  vigia plan propose vcm --changes cambios.yaml --instrument \"Acuerdo 7\" --effective 2026-07-01 --account ana"
    )]
    Propose(Propose),
    /// Aprueba una revisión; otra persona que la que la propuso / approve a revision; another person than the proposer.
    #[command(after_help = "Ejemplo / example:\n  vigia plan approve vcm 1 --account luz")]
    Approve(Approve),
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Import {
    /// Archivo YAML / YAML file.
    pub file: PathBuf,
    /// Solo revisa / only check.
    #[arg(long)]
    pub validate_only: bool,
    #[command(flatten)]
    pub access: Access,
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Export {
    /// plans/vcm o vcm.
    pub plan: String,
    #[command(flatten)]
    pub access: Access,
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Propose {
    /// plans/vcm o vcm.
    pub plan: String,
    /// Instrumento legal / legal instrument.
    #[arg(long)]
    pub instrument: String,
    /// Desde qué día, en hora del plan / from which day, in the plan's time: 2026-01-01.
    #[arg(long, value_name = "DAY")]
    pub effective: String,
    /// Por qué / why.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Archivo con los cambios (YAML); no para la primera / file with the changes; not for the first one.
    #[arg(long, value_name = "FILE")]
    pub changes: Option<PathBuf>,
    /// Número de la revisión sobre la que se hace; la vigente si no se dice / the revision that it stands on; the one in
    /// force if not said.
    #[arg(long)]
    pub base: Option<i32>,
    /// Solo revisa / only check.
    #[arg(long)]
    pub validate_only: bool,
    #[command(flatten)]
    pub access: Access,
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Approve {
    /// plans/vcm o vcm.
    pub plan: String,
    /// Número de la revisión / the revision's number.
    pub revision: u32,
    #[command(flatten)]
    pub access: Access,
}

/// Runs a command.
pub async fn run(command: &Command, json: bool) -> Result<()> {
    match command {
        Command::Import(args) => import(args, json).await,
        Command::Export(args) => export(args).await,
        Command::Propose(args) => propose(args, json).await,
        Command::Approve(args) => approve(args, json).await,
    }
}

fn id(plan: &str) -> &str {
    plan.strip_prefix("plans/").unwrap_or(plan)
}

async fn import(args: &Import, json: bool) -> Result<()> {
    let request = ImportPlanRequest {
        file: desk::read(&args.file)?,
        validate_only: args.validate_only,
        request_id: new_id(),
    };
    let principal = desk::open(&args.access).await?;
    let mut service = PlanServiceClient::new(principal.clone());
    let answer = service.import_plan(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    if json {
        return output::json(&output::value("vigia.plans.v1.ImportPlanResponse", &answer)?);
    }
    let plan = answer.plan.unwrap_or_default();
    let what = if args.validate_only {
        say("sin fallas", "no faults")
    } else {
        say("importado", "imported")
    };
    let (components, actions, indicators) = (answer.components, answer.actions, answer.indicators);
    output::line(&in_words(
        format!(
            "{} · {what}: {components} componentes, {actions} acciones, {indicators} indicadores",
            plan.name
        ),
        format!(
            "{} · {what}: {components} components, {actions} actions, {indicators} indicators",
            plan.name
        ),
    ));
    for warning in answer.warnings {
        output::line(&format!("  {}: {warning}", say("aviso", "warning")));
    }
    if !args.validate_only && plan.state() == PlanState::Draft {
        let id = id(&plan.name);
        output::line(&in_words(
            format!(
                "Es un borrador: nadie debe nada hasta que dos personas lo pongan en vigencia. Sigue:\n  vigia plan propose {id} --instrument \"…\" --effective {}",
                plan.start
            ),
            format!(
                "It is a draft: nobody owes anything until two persons put it in force. Next:\n  vigia plan propose {id} --instrument \"…\" --effective {}",
                plan.start
            ),
        ));
    }
    Ok(())
}

async fn export(args: &Export) -> Result<()> {
    let request = ExportPlanRequest {
        name: plan_name(&args.plan),
    };
    let principal = desk::open(&args.access).await?;
    let answer = PlanServiceClient::new(principal).export_plan(request).await.map_err(told)?;
    std::io::stdout().write_all(&answer.into_inner().file)?;
    Ok(())
}

async fn propose(args: &Propose, json: bool) -> Result<()> {
    let file = args.changes.as_deref().map(desk::read).transpose()?.unwrap_or_default();
    let principal = desk::open(&args.access).await?;
    let name = plan_name(&args.plan);
    let base = match args.base {
        Some(base) => base,
        None => crate::ask::plan(&principal, &name).await?.0.revision,
    };
    let revision = Revision {
        base,
        legal_instrument: args.instrument.clone(),
        effective_on: args.effective.clone(),
        reason: args.reason.clone(),
        ..Revision::default()
    };
    let request = ProposeRevisionRequest {
        parent: name.clone(),
        revision: Some(revision),
        file,
        validate_only: args.validate_only,
        request_id: new_id(),
    };
    let mut service = RevisionServiceClient::new(principal.clone());
    let answer = service.propose_revision(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let revision = answer.revision.clone().unwrap_or_default();
    let (id, number) = (id(&name), revision.name.rsplit('/').next().unwrap_or_default());
    let text = if args.validate_only {
        format!("{name} · {}", say("sin fallas", "no faults"))
    } else {
        in_words(
            format!(
                "{} · propuesta. Otra persona la aprueba:\n  vigia plan approve {id} {number}",
                revision.name
            ),
            format!(
                "{} · proposed. Another person approves it:\n  vigia plan approve {id} {number}",
                revision.name
            ),
        )
    };
    desk::tell(json, "vigia.plans.v1.ProposeRevisionResponse", &answer, &text)
}

async fn approve(args: &Approve, json: bool) -> Result<()> {
    let request = ApproveRevisionRequest {
        name: format!("{}/revisions/{}", plan_name(&args.plan), args.revision),
        etag: String::new(),
        request_id: new_id(),
    };
    let principal = desk::open(&args.access).await?;
    let mut service = RevisionServiceClient::new(principal.clone());
    let answer = service.approve_revision(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let revision = answer.revision.clone().unwrap_or_default();
    let id = id(&args.plan);
    let text = in_words(
        format!(
            "{} · aprobada, desde {}. Para pedir a las instituciones que respondan:\n  vigia assignment import FILE.csv --plan {id}",
            revision.name, revision.effective_on
        ),
        format!(
            "{} · approved, from {}. To ask the institutions to answer for it:\n  vigia assignment import FILE.csv --plan {id}",
            revision.name, revision.effective_on
        ),
    );
    desk::tell(json, "vigia.plans.v1.ApproveRevisionResponse", &answer, &text)
}
