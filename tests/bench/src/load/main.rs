//! Load on a Vigía that runs: `setup` fills it with a plan whose reports are owed, `submit` sends them and tells how fast;
//! `scorecard` and `ask` read scorecards meanwhile; `write` and `check` tell whether what was acknowledged is there after the server was killed.

mod faults;
mod scorecard;
mod setup;
mod submit;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Load on a Vigía that runs.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a plan in force, institutions with keys of their own, and accepted assignments.
    Setup {
        /// Address of the server.
        #[arg(long)]
        server: String,
        /// Password of the first administrator.
        #[arg(long)]
        password: String,
        /// Where the institutions' keys are put.
        #[arg(long)]
        keys: PathBuf,
        /// How many institutions.
        #[arg(long, default_value_t = setup::INSTITUTIONS)]
        institutions: usize,
    },
    /// Submits reports over many connections, one call at a time on each, and tells rate and latencies.
    Submit {
        /// Address of the server.
        #[arg(long)]
        server: String,
        /// Where the institutions' keys are.
        #[arg(long)]
        keys: PathBuf,
        /// Connections.
        #[arg(long, default_value_t = 32)]
        clients: usize,
        /// How long, after a second that is not counted.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Calls a second over all connections, by a timetable; as many as go through if it is 0.
        #[arg(long, default_value_t = 0)]
        rate: u64,
        /// With which of its obligations each institution begins, so that runs after each other send others.
        #[arg(long, default_value_t = 0)]
        first: usize,
    },
    /// Asks for the scorecard of now, again and again; then, while others submit, how long after its answer a report shows.
    Scorecard {
        /// Address of the server.
        #[arg(long)]
        server: String,
        /// Where the institutions' keys are.
        #[arg(long)]
        keys: PathBuf,
        /// Submissions a second meanwhile.
        #[arg(long, default_value_t = 2000)]
        rate: u64,
        /// For how long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Asks a server that lets everybody in for all scorecards of a plan as of a past instant.
    Ask {
        /// Address of the server.
        #[arg(long)]
        server: String,
        /// The plan's id.
        #[arg(long)]
        plan: String,
        /// The instant, in microseconds since 1970.
        #[arg(long)]
        as_of_micros: i64,
    },
    /// Submits until the server goes away, and notes what was sent and what was acknowledged.
    Write {
        /// Address of the server.
        #[arg(long)]
        server: String,
        /// Address of identity, where that is another process.
        #[arg(long)]
        identity: Option<String>,
        /// Where the institutions' keys are.
        #[arg(long)]
        keys: PathBuf,
        /// Connections, each of an institution of its own.
        #[arg(long, default_value_t = 8)]
        clients: usize,
        /// With which of its obligations each institution begins.
        #[arg(long, default_value_t = 0)]
        first: usize,
        /// How long at most.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Where it is noted; added to what is there.
        #[arg(long)]
        notes: PathBuf,
    },
    /// Fails where something that was acknowledged is lost, or anything is there twice.
    Check {
        /// Address of the server.
        #[arg(long)]
        server: String,
        /// Address of identity, where that is another process.
        #[arg(long)]
        identity: Option<String>,
        /// Where the institutions' keys are.
        #[arg(long)]
        keys: PathBuf,
        /// What was noted.
        #[arg(long)]
        notes: PathBuf,
    },
    /// Asks a service something that it can answer only when it is ready.
    Ready {
        /// identity, plans, assignments, reporting, compliance.
        area: String,
        /// Address of the service.
        #[arg(long)]
        server: String,
        /// Address of identity.
        #[arg(long)]
        identity: String,
        /// Where the institutions' keys are.
        #[arg(long)]
        keys: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Setup {
            server,
            password,
            keys,
            institutions,
        } => setup::run(&server, &password, &keys, institutions).await,
        Command::Scorecard {
            server,
            keys,
            rate,
            seconds,
        } => scorecard::run(&server, &keys, rate, seconds).await,
        Command::Ask {
            server,
            plan,
            as_of_micros,
        } => scorecard::ask(&server, &plan, as_of_micros).await,
        Command::Write {
            server,
            identity,
            keys,
            clients,
            first,
            seconds,
            notes,
        } => {
            let places = faults::Places::new(server, identity, keys);
            faults::write(&places, clients, first, seconds, &notes).await
        }
        Command::Check {
            server,
            identity,
            keys,
            notes,
        } => faults::check(&faults::Places::new(server, identity, keys), &notes).await,
        Command::Ready {
            area,
            server,
            identity,
            keys,
        } => faults::ready(&area, &faults::Places::new(server, Some(identity), keys)).await,
        Command::Submit {
            server,
            keys,
            clients,
            seconds,
            rate,
            first,
        } => {
            submit::run(
                &server,
                &keys,
                submit::Load {
                    clients,
                    seconds,
                    rate,
                    first,
                },
            )
            .await
        }
    }
}
