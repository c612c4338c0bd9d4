//! Vigía: one binary. It serves all services or some, plays the demo and scenario files, and asks a server.
#![allow(unreachable_pub, reason = "a binary: what is public in its modules is public in it alone")]

mod access;
#[cfg(test)]
mod alert_tests;
mod alerts;
mod ask;
mod backup;
mod call_sheet;
mod cast;
mod channels;
mod cluster;
mod commands;
#[cfg(test)]
mod compliance_tests;
mod config;
mod demo;
mod demo_story;
mod demo_view;
mod doctor;
mod institution;
mod lang;
mod letter;
mod lock;
mod office;
mod outages;
mod output;
mod play;
mod refused;
mod report;
mod scenario;
mod simulate;
mod stage;
mod telemetry;
mod tls;
mod voices;
#[cfg(test)]
mod voices_tests;
mod watch;
mod yaml;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    access::Access,
    config::{Config, Flags},
    stage::Processes,
};

/// Vigía: quién cumple los planes nacionales, quién no, y por qué.
/// Who complies with the national plans, who does not, and why.
#[derive(Debug, Parser)]
#[command(
    name = "vigia",
    version,
    after_help = "Salida / exit codes: 0 bien / fine; 1 algo difiere o fue negado / something differs or was refused; 2 uso / usage."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Formato de la salida / format of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Text, global = true)]
    output: Format,
    /// Archivo de configuración, si no es vigia.toml / configuration file, if not vigia.toml.
    #[arg(long, env = "VIGIA_CONFIG", global = true)]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Para personas / for people.
    Text,
    /// Para programas / for programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Atiende con todos los servicios, o con algunos / serve all services, or some.
    #[command(after_help = "Ejemplos / examples:\n  vigia serve\n  vigia serve reporting --data /var/lib/vigia --listen 127.0.0.1:7303")]
    Serve {
        /// identity, plans, assignments, reporting, compliance; todos si no se dice / all if none is named.
        services: Vec<String>,
        /// Directorio de datos / data directory.
        #[arg(long)]
        data: Option<PathBuf>,
        /// PostgreSQL en vez de archivos / instead of files: postgres://usuario:clave@servidor/base.
        #[arg(long)]
        database: Option<String>,
        /// Dirección / address, 127.0.0.1:7300.
        #[arg(long)]
        listen: Option<SocketAddr>,
        /// De un escenario: directorio de ensayo, y la hora por la entrada estándar.
        #[arg(long, hide = true)]
        stage: bool,
    },
    /// Prepara un directorio: claves y primera administradora / make keys and the first administrator.
    #[command(after_help = "Ejemplo / example:\n  vigia init --data /var/lib/vigia")]
    Init {
        /// Directorio de datos / data directory.
        #[arg(long)]
        data: Option<PathBuf>,
        /// PostgreSQL en vez de archivos / instead of files: postgres://usuario:clave@servidor/base.
        #[arg(long)]
        database: Option<String>,
    },
    /// Pone al día las bases de datos / bring the databases up to date.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia migrate --data /var/lib/vigia\n  vigia migrate --database postgres://admin@localhost/vigia"
    )]
    Migrate {
        /// Directorio de datos / data directory.
        #[arg(long)]
        data: Option<PathBuf>,
        /// PostgreSQL en vez de archivos / instead of files: postgres://usuario:clave@servidor/base.
        #[arg(long)]
        database: Option<String>,
    },
    /// Respalda el directorio de datos mientras se atiende / back the data directory up while the services run.
    #[command(
        after_help = "Ejemplo / example:\n  vigia backup /respaldo/2026-11-25 --data /var/lib/vigia\n\nCon PostgreSQL: pg_dump o archivado continuo / with PostgreSQL: pg_dump or continuous archiving (deploy/README.md)."
    )]
    Backup {
        /// Directorio nuevo para el respaldo / a new directory for the backup.
        target: PathBuf,
        /// Directorio de datos / data directory.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Comprueba un respaldo y hace de él un directorio de datos nuevo / check a backup and make it a new data directory.
    #[command(after_help = "Ejemplo / example:\n  vigia restore /respaldo/2026-11-25 --data /var/lib/vigia")]
    Restore {
        /// El respaldo / the backup.
        backup: PathBuf,
        /// Directorio de datos, nuevo / data directory, a new one.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Revisa configuración, claves, bases de datos, reloj, disco, certificados y el servidor / check all that a server
    /// stands on.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia doctor --data /var/lib/vigia\n  vigia --config vigia.toml doctor -o json\n\nTermina con 1 si algo falla / ends with 1 if anything fails."
    )]
    Doctor {
        /// Directorio de datos / data directory.
        #[arg(long)]
        data: Option<PathBuf>,
        /// PostgreSQL en vez de archivos / instead of files: postgres://usuario:clave@servidor/base.
        #[arg(long)]
        database: Option<String>,
        /// Dirección del servidor / the server's address.
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// El tablero de un plan, eje, institución o territorio / the scorecard of a plan, component, institution, territory.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia scorecard plans/vcm\n  vigia scorecard institutions/msp --plan vcm --as-of 2024-03-31 -o json"
    )]
    Scorecard {
        /// plans/vcm, plans/vcm/components/p1, institutions/msp, territories/17.
        name: String,
        /// Plan, para instituciones y territorios / for institutions and territories.
        #[arg(long)]
        plan: Option<String>,
        /// Al instante, en hora del plan / as of, in the plan's time.
        #[arg(long)]
        as_of: Option<String>,
        /// Compara con este instante anterior, y dice qué movió el índice / compare with this earlier instant, and say
        /// what moved the index.
        #[arg(long, value_name = "AS_OF")]
        compare: Option<String>,
        #[command(flatten)]
        access: Access,
    },
    /// El índice en el tiempo, y adónde va cada indicador / the index over time, and where each indicator goes.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia trajectory plans/vcm/actions/p1-1\n  vigia trajectory institutions/msp --plan vcm -o json"
    )]
    Trajectory {
        /// Una acción, o lo que tiene un tablero / an action, or whatever has a scorecard.
        name: String,
        /// Plan, para instituciones y territorios / for institutions and territories.
        #[arg(long)]
        plan: Option<String>,
        /// Al instante, en hora del plan / as of, in the plan's time.
        #[arg(long)]
        as_of: Option<String>,
        #[command(flatten)]
        access: Access,
    },
    /// En vivo: quién está en mora ahora, y qué cambió / live: who is late now, and what changed.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia watch vcm\n  vigia watch vcm --filter 'institution = \"institutions/msp\"' -o json\n  vigia watch vcm --plain >> vcm.log"
    )]
    Watch(watch::Args),
    /// Un informe del plan para leer, imprimir y enviar / a report on the plan to read, print and send.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia report vcm > vcm.md\n  vigia report vcm --as-of 2025-01-31 --compare 2024-07-31 --file vcm.html\n  vigia report vcm --language en --format html > vcm.html"
    )]
    Report(report::Args),
    /// A quién llamar, por qué, y qué se intentó / whom to call, about what, and what was tried.
    #[command(after_help = "Ejemplos / examples:\n  vigia call-sheet vcm > llamadas.csv\n  vigia call-sheet vcm --file llamadas.xlsx")]
    CallSheet(call_sheet::Args),
    /// Cuándo no se pudo recibir reportes / when reports could not be taken.
    #[command(after_help = "Ejemplo / example:\n  vigia outages vcm -o json")]
    Outages {
        /// El plan en cuya hora se muestran / the plan in whose time they are shown: plans/vcm o vcm.
        plan: String,
        #[command(flatten)]
        access: Access,
    },
    /// Qué necesita a alguien, y qué se hace con ello / what needs somebody, and what is done about it.
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true,
        after_help = "Ejemplos / examples:\n  vigia alerts vcm\n  vigia alerts vcm --overdue --open --institution msp\n  vigia alerts vcm --rule unanswered,contested --as-of 2024-03-31\n  vigia alerts preview vcm --until 2024-07-31\n  vigia alerts deliveries --dead"
    )]
    Alerts(alerts::Args),
    /// El dictamen de una acción u obligación, con sus razones / the verdict on an action or obligation, with its reasons.
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true,
        after_help = "Ejemplos / examples:\n  vigia verdict plans/vcm/actions/p1-1 --as-of 2024-03-31\n  vigia verdict explain plans/vcm/actions/p1-1"
    )]
    Verdict {
        #[command(subcommand)]
        command: Option<VerdictCommand>,
        /// plans/vcm/actions/p1-1, plans/vcm/assignments/x/obligations/2024-S1.
        #[arg(required = true)]
        name: Option<String>,
        /// Al instante, en hora del plan / as of, in the plan's time.
        #[arg(long)]
        as_of: Option<String>,
        #[command(flatten)]
        access: Access,
    },
    /// Muestra el sistema vivo: planes e instituciones reales, reportes simulados / the living system, with real plans
    /// and institutions and simulated reports.
    #[command(after_help = "Ejemplos / examples:\n  vigia demo\n  vigia demo --once -o json")]
    Demo {
        /// Termina después de mostrar / end after showing.
        #[arg(long)]
        once: bool,
        /// Directorio de datos / data directory.
        #[arg(long, default_value = "vigia-data/demo")]
        data: PathBuf,
    },
    /// Representa escenarios y compara lo que se espera / play scenario files and compare with what they expect.
    #[command(after_help = "Ejemplo / example:\n  vigia simulate tests/scenarios")]
    Simulate {
        /// Archivos o directorios / files or directories.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Cada servicio en un proceso propio / each service in a process of its own.
        #[arg(long)]
        separate: bool,
        /// En un servidor PostgreSQL, en bases que hace y borra / on a PostgreSQL server, in databases that it makes and drops.
        #[arg(long, env = "VIGIA_DATABASE")]
        database: Option<String>,
    },
    #[command(flatten)]
    Voices(voices::Command),
    #[command(flatten)]
    Institution(institution::Command),
    #[command(flatten)]
    Office(office::Command),
}

#[derive(Debug, Subcommand)]
enum VerdictCommand {
    /// Una página que puede ir en un oficio / a page that can go into a letter.
    #[command(after_help = "Ejemplo / example:\n  vigia verdict explain plans/vcm/actions/p1-1 --as-of 2024-03-31")]
    Explain {
        /// plans/vcm/actions/p1-1, plans/vcm/assignments/x/obligations/2024-S1.
        name: String,
        /// Al instante, en hora del plan / as of, in the plan's time.
        #[arg(long)]
        as_of: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    // Usage: clap itself ends with 2, and says what is wrong.
    let cli = Cli::parse();
    match run(cli).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(cause) => {
            // Into the void if nobody listens: the exit code still tells.
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("vigia: {cause:#}\n"));
            ExitCode::from(if cause.is::<output::Usage>() { 2 } else { 1 })
        }
    }
}

/// Runs a command; says whether all was as it should be.
async fn run(Cli { command, output, config }: Cli) -> Result<bool> {
    let json = output == Format::Json;
    let load = |flags: Flags| Config::load(config.as_deref(), &flags);
    match command {
        Command::Serve {
            services,
            data,
            database,
            listen,
            stage,
        } => {
            let flags = Flags {
                data,
                database,
                listen,
                services,
            };
            let config = load(flags)?;
            if stage {
                stage::serve(&config).await?;
            } else {
                commands::serve(&config).await?;
            }
        }
        Command::Init { data, database } => {
            let flags = Flags {
                data,
                database,
                ..Flags::default()
            };
            commands::init(&load(flags)?, json).await?;
        }
        Command::Migrate { data, database } => {
            let flags = Flags {
                data,
                database,
                ..Flags::default()
            };
            commands::migrate(&load(flags)?, json).await?;
        }
        Command::Doctor { data, database, listen } => {
            let flags = Flags {
                data,
                database,
                listen,
                ..Flags::default()
            };
            return doctor::run(&load(flags)?, json).await;
        }
        Command::Backup { target, data } => {
            let flags = Flags { data, ..Flags::default() };
            backup::backup(&load(flags)?, &target, json).await?;
        }
        Command::Restore { backup, data } => {
            let flags = Flags { data, ..Flags::default() };
            backup::restore(&load(flags)?, &backup, json).await?;
        }
        Command::Scorecard {
            name,
            plan,
            as_of,
            compare: Some(from),
            access,
        } => ask::compare(&access, &name, plan.as_deref(), &from, as_of.as_deref(), json).await?,
        Command::Scorecard {
            name, plan, as_of, access, ..
        } => commands::scorecard(&access, &name, plan.as_deref(), as_of.as_deref(), json).await?,
        Command::Trajectory { name, plan, as_of, access } => {
            ask::trajectory(&access, &name, plan.as_deref(), as_of.as_deref(), json).await?;
        }
        Command::Watch(args) => watch::run(&args, json).await?,
        Command::Report(args) => report::run(&args, json).await?,
        Command::CallSheet(args) => call_sheet::run(&args, json).await?,
        Command::Outages { plan, access } => outages::list(&access, &plan, json).await?,
        Command::Alerts(args) => alerts::run(&args, json).await?,
        Command::Verdict {
            command: Some(VerdictCommand::Explain { name, as_of }),
            access,
            ..
        } => ask::explain(&access, &name, as_of.as_deref(), json).await?,
        Command::Verdict { name, as_of, access, .. } => {
            commands::verdict(&access, &name.unwrap_or_default(), as_of.as_deref(), json).await?;
        }
        Command::Demo { once, data } => demo::run(&data, once, json).await?,
        Command::Simulate { files, separate, database } => {
            let processes = if separate { Processes::EachItsOwn } else { Processes::One };
            return simulate::run(&files, processes, database, json).await;
        }
        Command::Voices(command) => voices::run(&command, json).await?,
        Command::Institution(command) => return institution::run(&command, json).await,
        Command::Office(command) => office::run(&command, json).await?,
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_verdict_is_asked_for_or_explained() {
        Cli::command().debug_assert();
        let parsed = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.command);
        let explained = parsed("vigia verdict explain plans/p/actions/a --as-of 2026-01-01 --server localhost:1 -o json");
        assert!(
            matches!(&explained, Ok(Command::Verdict { command: Some(VerdictCommand::Explain { name, as_of: Some(_) }), access, .. })
                if name == "plans/p/actions/a" && access.server.as_deref() == Some("localhost:1")),
            "{explained:?}"
        );
        let asked = parsed("vigia verdict plans/p/actions/a --as-of 2026-01-01");
        assert!(
            matches!(&asked, Ok(Command::Verdict { command: None, name: Some(name), .. }) if name == "plans/p/actions/a"),
            "{asked:?}"
        );
        assert!(parsed("vigia verdict").is_err() && parsed("vigia verdict explain").is_err());
    }
}
