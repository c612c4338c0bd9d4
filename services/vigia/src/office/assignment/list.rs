//! `vigia assignment list`: which assignments there are, and how each stands.

use anyhow::Result;
use comfy_table::Cell;
use vigia_proto::assignments::{Assignment, AssignmentRole, AssignmentState};

use super::super::desk::named;
use crate::{
    access::Access,
    commands::plan_name,
    institution::server::Server,
    lang::say,
    output::{self, Usage},
};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// plans/vcm o vcm; «-» para todos / for all.
    pub plan: String,
    /// Solo las de esta institución / only this institution's: msp, institutions/msp.
    #[arg(long)]
    pub institution: Option<String>,
    #[command(flatten)]
    pub access: Access,
}

/// Runs the command.
pub async fn run(args: &Args, json: bool) -> Result<()> {
    let filter = match &args.institution {
        Some(institution) if institution.contains('"') => return Err(Usage::of("--institution: msp, institutions/msp")),
        Some(institution) => format!("institution = \"{}\"", named("institutions", institution)),
        None => String::new(),
    };
    let server = Server::connect(&args.access).await?;
    let assignments = server.assignments(&plan_name(&args.plan), &filter).await?;
    if json {
        let all = assignments.values();
        let all: Result<Vec<_>> = all.map(|one| output::value("vigia.assignments.v1.Assignment", one)).collect();
        return output::json(&all?);
    }
    if assignments.is_empty() {
        output::line(say("No hay ninguna asignación.", "There is no assignment."));
        return Ok(());
    }
    let heading = [
        say("asignación", "assignment"),
        say("acción", "action"),
        say("institución", "institution"),
        say("qué hace", "does"),
        say("desde", "from"),
        say("estado", "state"),
    ];
    output::line(&output::table(&heading, assignments.values().map(row).collect()));
    output::simulated(server.is_simulated());
    Ok(())
}

fn row(assignment: &Assignment) -> Vec<Cell> {
    let id = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let cells = [
        assignment.name.clone(),
        id(&assignment.action),
        id(&assignment.institution),
        role_word(assignment.role()).to_owned(),
        assignment.from.clone(),
        state_word(assignment.state()).to_owned(),
    ];
    cells.map(Cell::new).into()
}

fn role_word(role: AssignmentRole) -> &'static str {
    match role {
        AssignmentRole::Lead => say("responde", "leads"),
        AssignmentRole::CoResponsible => say("corresponsable", "co-responsible"),
        AssignmentRole::Supporting => say("apoya", "supports"),
        AssignmentRole::Counterpart => say("contraparte", "counterpart"),
        AssignmentRole::Unspecified => "",
    }
}

fn state_word(state: AssignmentState) -> &'static str {
    match state {
        AssignmentState::Proposed => say("propuesta, sin respuesta", "proposed, not answered"),
        AssignmentState::Accepted => say("aceptada", "accepted"),
        AssignmentState::Contested => say("impugnada", "contested"),
        AssignmentState::Withdrawn => say("retirada", "withdrawn"),
        AssignmentState::Ended => say("terminada", "ended"),
        AssignmentState::HandedOver => say("traspasada", "handed over"),
        AssignmentState::Unspecified => "",
    }
}
