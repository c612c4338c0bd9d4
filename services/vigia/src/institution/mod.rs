//! The command line for institutions: what is owed, a workbook to fill in, its check, its sending, and the receipts.
//!
//! `layout` says how the workbook looks, `write` and `read` know the file formats, `filled` turns what was read into
//! reports, `examine` asks the server about them. The rest is a file for each command.

mod batches;
mod book;
mod breakdown;
mod calendar;
mod cell;
mod check;
mod clean;
mod csv_names;
mod evidence;
mod examine;
pub mod fault;
mod filled;
mod ical;
pub mod key;
mod layout;
mod login;
mod number;
mod obligations;
mod outcome;
mod read;
mod receipt;
pub mod server;
mod status;
mod submit;
mod template;
#[cfg(test)]
mod tests;
mod upload;
mod words;
pub mod write;

use anyhow::Result;
use clap::Subcommand;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Hace su clave y recuerda servidor y cliente / make your key; remember server and client.
    #[command(after_help = "Ejemplo / example:\n  vigia login --server vigia.gob.ec:7300 --client clients/msp-1")]
    Login(login::Args),
    /// Qué reportes debe la institución, primero lo que vence antes / what reports are owed, due soonest first.
    #[command(after_help = "Ejemplos / examples:\n  vigia obligations\n  vigia obligations --plan vcm --period 2024-S1 --all -o json")]
    Obligations(obligations::Args),
    /// Hace un libro de Excel (o CSV) con lo que se debe, para llenarlo / make a workbook (or CSV) to fill in.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia template\n  vigia template t1.xlsx --plan vcm --period 2024-S1\n  vigia template t1.csv"
    )]
    Template(template::Args),
    /// Revisa un archivo lleno y dice hoja, celda y remedio; no envía nada / check a filled file; nothing is sent.
    #[command(after_help = "Ejemplos / examples:\n  vigia check t1.xlsx\n  vigia check t1.csv --offline -o json")]
    Check(check::Args),
    /// Envía un archivo lleno; dos veces no duplica nada / send a filled file; twice doubles nothing.
    #[command(after_help = "Ejemplos / examples:\n  vigia submit t1.xlsx\n  vigia submit t1.xlsx --replace -o json")]
    Submit(submit::Args),
    /// Medios de verificación: limpiarlos y cargarlos / evidence: clean and upload it.
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    /// Cómo va la institución, y qué observaron los revisores / how the institution stands, and what reviewers ask.
    #[command(after_help = "Ejemplos / examples:\n  vigia status\n  vigia status t1.xlsx -o json")]
    Status(status::Args),
    /// El comprobante de un reporte recibido / the receipt of a report.
    #[command(after_help = "Ejemplo / example:\n  vigia receipt plans/vcm/assignments/a1/obligations/2024-S1 > comprobante.txt")]
    Receipt(receipt::Args),
    /// Todos los plazos de un plan, como tabla o iCalendar / every due instant of a plan, as a table or iCalendar.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia calendar\n  vigia calendar --ical > plazos.ics\n  vigia calendar --plan vcm --ical-folder plazos"
    )]
    Calendar(calendar::Args),
}

/// Runs a command; says whether all was as it should be.
pub async fn run(command: &Command, json: bool) -> Result<bool> {
    match command {
        Command::Login(args) => return login::run(args, json).await,
        Command::Check(args) => return check::run(args, json).await,
        Command::Submit(args) => return submit::run(args, json).await,
        Command::Evidence(command) => return evidence::run(command, json).await,
        Command::Status(args) => return status::run(args, json).await,
        Command::Obligations(args) => obligations::run(args, json).await?,
        Command::Template(args) => template::run(args, json).await?,
        Command::Receipt(args) => receipt::run(args, json).await?,
        Command::Calendar(args) => calendar::run(args, json).await?,
    }
    Ok(true)
}
