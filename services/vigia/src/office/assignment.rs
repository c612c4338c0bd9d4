//! `vigia assignment`: who answers for which action.

mod list;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use vigia_platform::{
    name::{id_of_code, split},
    new_id,
};
use vigia_proto::assignments::{
    AcceptAssignmentRequest, Assignment, AssignmentRole, ContestAssignmentRequest, ImportAssignmentsRequest, ProposeAssignmentRequest,
    assignment_service_client::AssignmentServiceClient,
};

use super::desk::{self, named, settle};
use crate::{access::Access, commands::plan_name, institution::fault::told as in_words, lang::say, output::Usage, refused::told};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Propone todas las asignaciones de un CSV, o ninguna / propose all assignments of a CSV file, or none.
    #[command(
        after_help = "Ejemplo / example:\n  vigia assignment import asignaciones.csv --plan vcm --account ana\n\nColumnas / columns: action, institution, role (lead, co_responsible, supporting, counterpart), from; id, territory,\nlast_day, indicative, instrument"
    )]
    Import(Import),
    /// Pide a una institución que responda por una acción / ask an institution to answer for an action.
    #[command(after_help = "Ejemplo / example:\n  vigia assignment propose p1-1 msp --plan vcm --from 2026-01-01 --id a1 --account ana")]
    Propose(Propose),
    /// Las de un plan, y cómo está cada una; una institución ve las suyas / those of a plan, and how each stands; an institution
    /// sees its own.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia assignment list vcm\n  vigia assignment list vcm --institution msp --account ana"
    )]
    List(list::Args),
    /// La acepta, por la institución / accept it, for the institution.
    #[command(after_help = "Ejemplo / example:\n  vigia assignment accept plans/vcm/assignments/a1")]
    Accept(Accept),
    /// La impugna, con el motivo / contest it, with the reason.
    #[command(
        after_help = "Ejemplo / example:\n  vigia assignment contest plans/vcm/assignments/a1 --reason \"No es competencia nuestra\""
    )]
    Contest(Contest),
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Import {
    /// Archivo CSV, UTF-8 / CSV file.
    pub file: PathBuf,
    /// plans/vcm o vcm.
    #[arg(long)]
    pub plan: String,
    /// Solo revisa / only check.
    #[arg(long)]
    pub validate_only: bool,
    #[command(flatten)]
    pub access: Access,
}

/// What an institution does in an action.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Does {
    /// Responde por ella / answers for it.
    Lead,
    /// Responde con otra / answers with the lead.
    CoResponsible,
    /// Apoya / helps.
    Supporting,
    /// Contraparte / counterpart.
    Counterpart,
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Propose {
    /// Acción / action: p1-1, plans/vcm/actions/p1-1.
    pub action: String,
    /// Institución / institution: msp, institutions/msp.
    pub institution: String,
    /// plans/vcm o vcm.
    #[arg(long)]
    pub plan: String,
    /// Primer día / first day: 2026-01-01.
    #[arg(long, value_name = "DAY")]
    pub from: String,
    /// Qué hace en la acción / what it does in the action.
    #[arg(long, value_enum, default_value_t = Does::Lead)]
    pub role: Does,
    /// Provincia o cantón; todo el país si no se dice / province or canton; all of them if not said.
    #[arg(long, default_value = "")]
    pub territory: String,
    /// Id; uno nuevo si no se dice / id; made up if not said.
    #[arg(long, default_value = "")]
    pub id: String,
    /// Instrumento / by which instrument.
    #[arg(long, default_value = "")]
    pub instrument: String,
    #[command(flatten)]
    pub access: Access,
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Accept {
    /// plans/vcm/assignments/a1.
    pub assignment: String,
    #[command(flatten)]
    pub access: Access,
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Contest {
    /// plans/vcm/assignments/a1.
    pub assignment: String,
    /// Por qué / why.
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub access: Access,
}

/// Runs a command.
pub async fn run(command: &Command, json: bool) -> Result<()> {
    match command {
        Command::Import(args) => import(args, json).await,
        Command::Propose(args) => propose(args, json).await,
        Command::List(args) => list::run(args, json).await,
        Command::Accept(args) => accept(args, json).await,
        Command::Contest(args) => contest(args, json).await,
    }
}

async fn import(args: &Import, json: bool) -> Result<()> {
    let request = ImportAssignmentsRequest {
        parent: plan_name(&args.plan),
        file: desk::read(&args.file)?,
        validate_only: args.validate_only,
        request_id: new_id(),
    };
    let principal = desk::open(&args.access).await?;
    let mut service = AssignmentServiceClient::new(principal.clone());
    let answer = service.import_assignments(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let done = if args.validate_only {
        say("sin fallas", "no faults")
    } else {
        say(
            "propuestas; cada institución acepta o impugna",
            "proposed; each institution accepts or contests",
        )
    };
    let text = format!("{} · {} {}", args.file.display(), answer.assignments, done);
    desk::tell(json, "vigia.assignments.v1.ImportAssignmentsResponse", &answer, &text)
}

async fn propose(args: &Propose, json: bool) -> Result<()> {
    let parent = plan_name(&args.plan);
    let action = id_of_code(args.action.rsplit('/').next().unwrap_or_default());
    let role = match args.role {
        Does::Lead => AssignmentRole::Lead,
        Does::CoResponsible => AssignmentRole::CoResponsible,
        Does::Supporting => AssignmentRole::Supporting,
        Does::Counterpart => AssignmentRole::Counterpart,
    };
    let assignment = Assignment {
        action: format!("{parent}/actions/{action}"),
        institution: named("institutions", &args.institution),
        role: role.into(),
        territory: args.territory.clone(),
        from: args.from.clone(),
        instrument: args.instrument.clone(),
        ..Assignment::default()
    };
    let request = ProposeAssignmentRequest {
        parent,
        assignment_id: args.id.clone(),
        assignment: Some(assignment),
        request_id: new_id(),
    };
    let principal = desk::open(&args.access).await?;
    let mut service = AssignmentServiceClient::new(principal.clone());
    let answer = service.propose_assignment(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let name = answer
        .assignment
        .as_ref()
        .map(|assignment| assignment.name.clone())
        .unwrap_or_default();
    let next = say("propuesta; la institución acepta con", "proposed; the institution accepts with");
    let text = format!("{name} · {next}:\n  vigia assignment accept {name}");
    desk::tell(json, "vigia.assignments.v1.ProposeAssignmentResponse", &answer, &text)
}

/// An assignment's resource name. An id alone is refused: it may stand in several plans.
fn full(name: &str) -> Result<String> {
    if split("plans/{}/assignments/{}", name).is_some() {
        return Ok(name.to_owned());
    }
    Err(Usage::of(in_words(
        format!("«{name}» no basta: escriba el nombre entero, como plans/vcm/assignments/a1; «vigia assignment list PLAN» los muestra"),
        format!(
            "\"{name}\" is not enough: write the full name, such as plans/vcm/assignments/a1; \"vigia assignment list PLAN\" shows them"
        ),
    )))
}

async fn accept(args: &Accept, json: bool) -> Result<()> {
    let request = AcceptAssignmentRequest {
        name: full(&args.assignment)?,
        etag: String::new(),
        request_id: new_id(),
    };
    let principal = desk::open(&args.access).await?;
    let mut service = AssignmentServiceClient::new(principal.clone());
    let answer = service.accept_assignment(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let done = say(
        "aceptada; lo que debe: vigia obligations",
        "accepted; what it owes: vigia obligations",
    );
    let text = format!("{} · {done}", args.assignment);
    desk::tell(json, "vigia.assignments.v1.AcceptAssignmentResponse", &answer, &text)
}

async fn contest(args: &Contest, json: bool) -> Result<()> {
    let request = ContestAssignmentRequest {
        name: full(&args.assignment)?,
        reason: args.reason.clone(),
        etag: String::new(),
        request_id: new_id(),
    };
    let principal = desk::open(&args.access).await?;
    let mut service = AssignmentServiceClient::new(principal.clone());
    let answer = service.contest_assignment(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let text = format!("{} · {}", args.assignment, say("impugnada", "contested"));
    desk::tell(json, "vigia.assignments.v1.ContestAssignmentResponse", &answer, &text)
}
