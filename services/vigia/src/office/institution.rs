//! `vigia institution` and `vigia territory`: the registry, as files.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use vigia_platform::new_id;
use vigia_proto::assignments::{ImportInstitutionsRequest, ImportTerritoriesRequest, institution_service_client::InstitutionServiceClient};

use super::desk::{self, settle};
use crate::{access::Access, lang::say, refused::told};

/// The commands on institutions.
#[derive(Debug, Subcommand)]
pub enum InstitutionCommand {
    /// Crea o cambia las instituciones de un CSV; con una falla nada se guarda / make or change the institutions of a CSV
    /// file; with one fault nothing is kept.
    #[command(
        after_help = "Ejemplo / example:\n  vigia institution import deploy/data/institutions.csv --account ana\n\nColumnas / columns: id, name_es, function, kind; acronym, parent_id, …"
    )]
    Import(Import),
}

/// The commands on territories.
#[derive(Debug, Subcommand)]
pub enum TerritoryCommand {
    /// Crea o cambia los territorios de un CSV; con una falla nada se guarda / make or change the territories of a CSV
    /// file; with one fault nothing is kept.
    #[command(
        after_help = "Ejemplo / example:\n  vigia territory import deploy/data/provinces.csv --account ana\n\nColumnas / columns: code, name, time_zone, …"
    )]
    Import(Import),
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Import {
    /// Archivo CSV, UTF-8 / CSV file.
    pub file: PathBuf,
    /// Solo revisa / only check.
    #[arg(long)]
    pub validate_only: bool,
    #[command(flatten)]
    pub access: Access,
}

fn text(args: &Import, what: &str, count: i32) -> String {
    let done = if args.validate_only {
        say("sin fallas", "no faults")
    } else {
        say("importado", "imported")
    };
    format!("{} · {done}: {count} {what}", args.file.display())
}

/// Runs a command on institutions.
pub async fn institutions(command: &InstitutionCommand, json: bool) -> Result<()> {
    let InstitutionCommand::Import(args) = command;
    let request = ImportInstitutionsRequest {
        file: desk::read(&args.file)?,
        validate_only: args.validate_only,
        request_id: new_id(),
    };
    let principal = desk::open(&args.access).await?;
    let mut service = InstitutionServiceClient::new(principal.clone());
    let answer = service.import_institutions(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let text = text(args, say("instituciones", "institutions"), answer.institutions);
    desk::tell(json, "vigia.assignments.v1.ImportInstitutionsResponse", &answer, &text)
}

/// Runs a command on territories.
pub async fn territories(command: &TerritoryCommand, json: bool) -> Result<()> {
    let TerritoryCommand::Import(args) = command;
    let request = ImportTerritoriesRequest {
        file: desk::read(&args.file)?,
        validate_only: args.validate_only,
        request_id: new_id(),
    };
    let principal = desk::open(&args.access).await?;
    let mut service = InstitutionServiceClient::new(principal.clone());
    let answer = service.import_territories(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let text = text(args, say("territorios", "territories"), answer.territories);
    desk::tell(json, "vigia.assignments.v1.ImportTerritoriesResponse", &answer, &text)
}
