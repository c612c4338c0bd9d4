//! What the administrator and the governing body do, from the first account to the verdict on a report: a file for each
//! noun, thin over the public API.

mod account;
mod assignment;
mod client;
pub mod desk;
mod grant;
mod institution;
mod plan;
mod review;
mod role;

use anyhow::Result;
use clap::Subcommand;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cuentas de personas / accounts of persons.
    #[command(subcommand)]
    Account(account::Command),
    /// Sistemas de instituciones, que firman con una clave / institutions' systems, which sign with a key.
    #[command(subcommand)]
    Client(client::Command),
    /// Da un rol / give a role.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia grant accounts/ana coordinator --account admin\n  vigia grant clients/msp-1 reporter --institution msp --account admin"
    )]
    Grant(grant::Args),
    /// Quita un rol / take a role away.
    #[command(after_help = "Ejemplo / example:\n  vigia revoke clients/msp-1 reporter --institution msp --account admin")]
    Revoke(grant::Args),
    /// Instituciones / institutions.
    #[command(subcommand)]
    Institution(institution::InstitutionCommand),
    /// Territorios / territories.
    #[command(subcommand)]
    Territory(institution::TerritoryCommand),
    /// Planes: como archivos, y puestos en vigencia por dos personas / plans: as files, and put in force by two persons.
    #[command(subcommand)]
    Plan(plan::Command),
    /// Quién responde por qué acción / who answers for which action.
    #[command(subcommand)]
    Assignment(assignment::Command),
    /// Decide sobre el reporte recibido de una obligación / decide on the report received for an obligation.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia review plans/vcm/assignments/a1/obligations/2024-S1 --validate --account revisora\n  vigia review plans/vcm/assignments/a1/obligations/2024-S1 --return \"Falta el acta\" --answer-by 2024-08-15 --account revisora"
    )]
    Review(review::Args),
}

/// Runs a command.
pub async fn run(command: &Command, json: bool) -> Result<()> {
    match command {
        Command::Account(command) => account::run(command, json).await,
        Command::Client(command) => client::run(command, json).await,
        Command::Grant(args) => grant::grant(args, json).await,
        Command::Revoke(args) => grant::revoke(args, json).await,
        Command::Institution(command) => institution::institutions(command, json).await,
        Command::Territory(command) => institution::territories(command, json).await,
        Command::Plan(command) => plan::run(command, json).await,
        Command::Assignment(command) => assignment::run(command, json).await,
        Command::Review(args) => review::run(args, json).await,
    }
}
