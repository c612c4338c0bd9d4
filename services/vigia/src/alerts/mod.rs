//! `vigia alerts`: what needs somebody, what is done about it, and how it was told. For the governing body and for
//! institutions, each of which sees what is its own.

mod deeds;
mod deliveries;
mod listing;

use anyhow::Result;
use clap::Subcommand;
use jiff::tz::TimeZone;
use prost_types::Timestamp;
use vigia_platform::instant;
use vigia_proto::compliance::AlertRule;

use crate::{access::Access, lang::say};

/// Alerts of a plan, or one of the commands.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: listing::ListArgs,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Una alerta entera: qué, desde cuándo, a quién se avisa, quién la tomó / an alert in full.
    #[command(after_help = "Ejemplo / example:\n  vigia alerts show plans/vcm/alerts/0b9f2c1e-…")]
    Show(listing::ShowArgs),
    /// Lo que vendrá hasta un día si nada más se registra, y por qué / what will come until a day if nothing further is
    /// recorded, and why.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia alerts preview vcm\n  vigia alerts preview vcm --until 2026-07-31\n  vigia alerts preview vcm --days 7 -o json"
    )]
    Preview(listing::PreviewArgs),
    /// Toma una alerta: sigue en la lista y ya no se envía / take an alert up: it stays listed and is not sent any more.
    #[command(after_help = "Ejemplo / example:\n  vigia alerts acknowledge plans/vcm/alerts/0b9f2c1e-… --note 'Se enviará el lunes'")]
    Acknowledge(deeds::AcknowledgeArgs),
    /// No envía más alertas de una obligación, con el motivo / send no more alerts of an obligation, with the reason.
    #[command(after_help = "Ejemplo / example:\n  vigia alerts mute plans/vcm/assignments/a1/obligations/2024-S1 --reason 'En litigio'")]
    Mute(deeds::MuteArgs),
    /// Las envía otra vez, con el motivo / send them again, with the reason.
    #[command(
        after_help = "Ejemplo / example:\n  vigia alerts unmute plans/vcm/assignments/a1/obligations/2024-S1 --reason 'Hubo sentencia'"
    )]
    Unmute(deeds::MuteArgs),
    /// Lo que se decidió enviar, lo más nuevo primero, con sus intentos / what was decided to be sent, the newest first,
    /// with its attempts.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia alerts deliveries\n  vigia alerts deliveries --dead\n  vigia alerts deliveries --recipient msp -o json"
    )]
    Deliveries(deliveries::DeliveriesArgs),
    /// Intenta otra vez un envío que se abandonó / try a delivery again that was given up.
    #[command(after_help = "Ejemplo / example:\n  vigia alerts redeliver deliveries/7d1c… --reason 'El buzón ya existe'")]
    Redeliver(deliveries::RedeliverArgs),
}

/// Runs a command.
pub async fn run(args: &Args, json: bool) -> Result<()> {
    let access = &args.access;
    match &args.command {
        None => listing::list(access, &args.list, json).await,
        Some(Command::Show(args)) => listing::show(access, args, json).await,
        Some(Command::Preview(args)) => listing::preview(access, args, json).await,
        Some(Command::Acknowledge(args)) => deeds::acknowledge(access, args, json).await,
        Some(Command::Mute(args)) => deeds::mute(access, args, json).await,
        Some(Command::Unmute(args)) => deeds::unmute(access, args, json).await,
        Some(Command::Deliveries(args)) => deliveries::list(access, args, json).await,
        Some(Command::Redeliver(args)) => deliveries::redeliver(access, args, json).await,
    }
}

/// A rule in a word or two.
fn rule_word(rule: AlertRule) -> &'static str {
    match rule {
        AlertRule::Unspecified => "?",
        AlertRule::Report => say("reporte", "report"),
        AlertRule::Review => say("validación", "review"),
        AlertRule::Answer => say("respuesta a observaciones", "answer to observations"),
        AlertRule::Unanswered => say("asignación sin respuesta", "assignment unanswered"),
        AlertRule::Contested => say("asignación impugnada", "assignment contested"),
        AlertRule::Unassigned => say("acción sin responsable", "action without a lead"),
        AlertRule::FallingIndex => say("índice que cae", "falling index"),
        AlertRule::SpendingBehind => say("gasto atrasado", "spending behind"),
        AlertRule::MoneyLate => say("dinero que no llega", "money late"),
        AlertRule::SilentIndicator => say("indicador en silencio", "silent indicator"),
        AlertRule::ReturnedAgain => say("reporte devuelto varias veces", "report returned again"),
        AlertRule::EmptyReports => say("reportes puntuales y vacíos", "empty reports"),
        AlertRule::NoEvidence => say("instrumento sin medio de verificación", "instrument without evidence"),
        AlertRule::NoAddress => say("punto focal sin dirección", "focal point without address"),
    }
}

/// An instant in a zone, to the minute; nothing where there is none.
fn minute(wire: Option<&Timestamp>, zone: &TimeZone) -> String {
    let at = wire.and_then(instant);
    at.map(|at| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_default()
}
