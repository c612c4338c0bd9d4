//! `vigia obligations`: what the institution owes, what is due soonest first.

use anyhow::Result;
use comfy_table::Cell;
use jiff::tz::TimeZone;
use vigia_proto::reporting::Obligation;
use vigia_rules::Period;

use super::{fault::told, server::Server, words};
use crate::{
    access::Access,
    commands::shortened,
    lang::say,
    output::{self, Usage},
};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Plan; el único en que se debe, si no se dice / plan; the only one, if there is one.
    #[arg(long)]
    pub plan: Option<String>,
    /// Período, como 2026-Q1 / period.
    #[arg(long)]
    pub period: Option<String>,
    /// También lo presentado, lo validado y lo que aún no abre / also what is received or not open yet.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub access: Access,
}

/// Runs the command.
pub async fn run(args: &Args, json: bool) -> Result<()> {
    let filter = period_filter(args.period.as_deref())?;
    let server = Server::connect(&args.access).await?;
    let plan = server.plan_or_only(args.plan.as_deref()).await?;
    let mut owed = server.obligations(&plan, &filter).await?;
    owed.retain(|owed| args.all || words::is_awaited(owed));
    owed.sort_by_key(|owed| (words::due(owed), owed.name.clone()));
    if json {
        let list: Result<Vec<_>> = owed
            .iter()
            .map(|owed| {
                let mut value = output::value("vigia.reporting.v1.Obligation", owed)?;
                value["simulated"] = server.is_simulated().into();
                Ok(value)
            })
            .collect();
        return output::json(&list?);
    }
    let zone = TimeZone::get(&server.plan(&plan).await?.time_zone)?;
    let actions = server.actions(&plan).await?;
    if owed.is_empty() {
        let none = say("No se debe ningún reporte ahora.", "No report is owed now.");
        output::line(&format!("{none}{}", server.unanswered(&plan).await));
        output::simulated(server.is_simulated());
        return Ok(());
    }
    let now = server.now(&plan).await;
    let heading = [
        say("vence antes de", "due before"),
        say("queda", "left"),
        say("estado", "state"),
        say("período", "period"),
        say("acción", "action"),
        "",
        say("obligación", "obligation"),
    ];
    let rows = owed.iter().map(|owed| {
        let action = actions.get(&owed.action);
        vec![
            Cell::new(words::local(words::due(owed), &zone)),
            Cell::new(words::left(owed, now)),
            words::state_cell(owed, now),
            Cell::new(&owed.period),
            Cell::new(action.map_or("", |action| &action.code)),
            Cell::new(shortened(action.map_or("", |action| &action.text_es), 44)),
            Cell::new(&owed.name),
        ]
    });
    output::line(&output::table(&heading, rows.collect()));
    output::simulated(server.is_simulated());
    Ok(())
}

/// The filter that lets only a period pass. What is no period is refused: it would find nothing, and look like no debt.
pub fn period_filter(period: Option<&str>) -> Result<String> {
    let Some(period) = period else { return Ok(String::new()) };
    if period.parse::<Period>().is_err() {
        return Err(Usage::of(told(
            format!("«{period}» no es un período. Escriba un trimestre, 2026-Q1; un semestre, 2026-S1; un mes, 2026-03; o un año, 2026."),
            format!("\"{period}\" is no period. Write a quarter, 2026-Q1; a half-year, 2026-S1; a month, 2026-03; or a year, 2026."),
        )));
    }
    Ok(format!("period = \"{period}\""))
}

/// The code of an obligation's action by its name's last part, where the plan's own code is not at hand.
pub fn action_id(owed: &Obligation) -> &str {
    owed.action.rsplit('/').next().unwrap_or_default()
}
