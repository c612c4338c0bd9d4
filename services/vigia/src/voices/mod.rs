//! What people say about verdicts, from the command line: independent assessments, comments, and what was tried with those
//! who are late.

mod assessments;
mod comments;
pub mod follow_ups;
pub mod grades;
pub mod published;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use jiff::tz::TimeZone;
use prost_types::Timestamp;
use vigia_platform::new_id;
use vigia_proto::compliance::{EraseTextsRequest, TextSeal, text_service_client::TextServiceClient};

use crate::{access::Access, ask, cast::Principal, commands::as_of_wire, lang::say, output, refused::told};

/// Rows of a page: the most that a server gives.
const PAGE: i32 = 1_000;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Evaluaciones independientes junto al dictamen oficial / independent assessments beside the official verdict.
    #[command(subcommand)]
    Assessment(AssessmentCommand),
    /// Lo que se intentó con quien está en mora / what was tried with those who are late.
    #[command(subcommand)]
    FollowUp(FollowUpCommand),
    /// Comentarios de observadores sobre acciones / observers' comments on actions.
    #[command(subcommand)]
    Comment(CommentCommand),
    /// Borra los textos de una evaluación, gestión o comentario; queda registrado / erase the texts of an assessment,
    /// follow-up or comment; that it was done stays on record.
    #[command(after_help = "Ejemplo / example:\n  vigia erase-texts plans/vcm/comments/c1 --reason 'nombra a una persona'")]
    EraseTexts {
        /// plans/vcm/comments/c1, plans/vcm/follow-ups/f1, plans/vcm/assessments/a1.
        name: String,
        /// Por qué / why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        access: Access,
    },
}

#[derive(Debug, Subcommand)]
pub enum AssessmentCommand {
    /// Registra las notas publicadas que trae un archivo de plan / record the published grades that a plan file has.
    #[command(after_help = "Ejemplo / example:\n  vigia assessment import deploy/data/plans/ogp-2019-2022.yaml")]
    Import {
        /// Archivo YAML con la clave assessment en sus acciones / YAML file with the key assessment in its actions.
        file: PathBuf,
        #[command(flatten)]
        access: Access,
    },
    /// Lado a lado con el dictamen oficial / side by side with the official verdict.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia assessment list ogp-2019-2022\n  vigia assessment list ogp-2019-2022 --disagreements -o json"
    )]
    List {
        /// plans/vcm o vcm.
        plan: String,
        /// Solo donde difieren, lo que más primero / only where they differ, the most first.
        #[arg(long)]
        disagreements: bool,
        /// Al instante, en hora del plan / as of, in the plan's time.
        #[arg(long)]
        as_of: Option<String>,
        #[command(flatten)]
        access: Access,
    },
}

#[derive(Debug, Subcommand)]
pub enum FollowUpCommand {
    /// Registra una llamada, un oficio o una reunión / record a call, letter or meeting.
    #[command(
        after_help = "Ejemplo / example:\n  vigia follow-up record plans/vcm/assignments/a1/obligations/2024-S1 --kind call \\\n    --outcome 'Enviarán el reporte el lunes' --next-on 2024-08-12"
    )]
    Record(follow_ups::RecordArgs),
    /// Lo que se intentó en un plan / what was tried in a plan.
    List {
        /// plans/vcm o vcm.
        plan: String,
        /// Filtro / filter: obligation, institution, kind, `next_on`.
        #[arg(long, default_value = "")]
        filter: String,
        #[command(flatten)]
        access: Access,
    },
}

#[derive(Debug, Subcommand)]
pub enum CommentCommand {
    /// Comenta una acción / comment on an action.
    #[command(
        after_help = "Ejemplo / example:\n  vigia comment add plans/vcm/actions/p1-1 --institution fundapi 'Faltan talleres en la Amazonía'"
    )]
    Add {
        /// plans/vcm/actions/p1-1.
        action: String,
        /// Qué se dice / what is said.
        text: String,
        /// En nombre de qué institución / in whose name.
        #[arg(long, default_value = "")]
        institution: String,
        #[command(flatten)]
        access: Access,
    },
    /// Los comentarios de un plan / the comments of a plan.
    List {
        /// plans/vcm o vcm.
        plan: String,
        /// Filtro / filter: action, institution.
        #[arg(long, default_value = "")]
        filter: String,
        #[command(flatten)]
        access: Access,
    },
}

/// Runs a command.
pub async fn run(command: &Command, json: bool) -> Result<()> {
    match command {
        Command::Assessment(AssessmentCommand::Import { file, access }) => assessments::import(access, file, json).await,
        Command::Assessment(AssessmentCommand::List {
            plan,
            disagreements,
            as_of,
            access,
        }) => assessments::list_assessments(access, plan, *disagreements, as_of.as_deref(), json).await,
        Command::FollowUp(FollowUpCommand::Record(args)) => follow_ups::record_follow_up(args, json).await,
        Command::FollowUp(FollowUpCommand::List { plan, filter, access }) => follow_ups::list_follow_ups(access, plan, filter, json).await,
        Command::Comment(CommentCommand::Add {
            action,
            text,
            institution,
            access,
        }) => comments::add_comment(access, action, text, institution, json).await,
        Command::Comment(CommentCommand::List { plan, filter, access }) => comments::list_comments(access, plan, filter, json).await,
        Command::EraseTexts { name, reason, access } => {
            let request = EraseTextsRequest {
                name: name.clone(),
                reason: reason.clone(),
                request_id: new_id(),
            };
            TextServiceClient::new(access.principal().await?)
                .erase_texts(request)
                .await
                .map_err(told)?;
            if json {
                return output::json(&serde_json::json!({"name": name}));
            }
            output::line(&format!("{name}: {}", say("textos borrados", "texts erased")));
            Ok(())
        }
    }
}

async fn zone_and_instant(principal: &Principal, plan: &str, at: Option<&str>) -> Result<(TimeZone, Option<Timestamp>)> {
    let (_, zone) = ask::plan(principal, plan).await?;
    let at = as_of_wire(at, &zone)?;
    Ok((zone, at))
}

/// A text, or that it was erased.
fn text<'a>(text: &'a str, seal: Option<&TextSeal>) -> &'a str {
    if seal.is_some_and(|seal| seal.erase_time.is_some()) {
        say("[borrado]", "[erased]")
    } else {
        text
    }
}
