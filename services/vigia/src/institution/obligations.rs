//! `vigia obligations`: what the institution owes, what is due soonest first.

use anyhow::Result;
use comfy_table::Cell;
use jiff::tz::TimeZone;
use vigia_platform::clock::machine_now;
use vigia_proto::reporting::Obligation;

use super::{server::Server, words};
use crate::{
    commands::{Access, shortened},
    lang::say,
    output,
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
    let server = Server::connect(&args.access).await?;
    let plan = server.plan_or_only(args.plan.as_deref()).await?;
    let mut owed = server.obligations(&plan, &period_filter(args.period.as_deref())).await?;
    owed.retain(|owed| args.all || words::is_awaited(owed));
    owed.sort_by_key(|owed| (words::due(owed), owed.name.clone()));
    if json {
        let list: Result<Vec<_>> = owed
            .iter()
            .map(|owed| output::value("vigia.reporting.v1.Obligation", owed))
            .collect();
        return output::json(&list?);
    }
    let zone = TimeZone::get(&server.plan(&plan).await?.time_zone)?;
    let actions = server.actions(&plan).await?;
    if owed.is_empty() {
        output::line(say("No se debe ningún reporte ahora.", "No report is owed now."));
        return Ok(());
    }
    let now = machine_now();
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
    Ok(())
}

/// The filter that lets only a period pass.
pub fn period_filter(period: Option<&str>) -> String {
    period.map_or_else(String::new, |period| format!("period = \"{period}\""))
}

/// The code of an obligation's action by its name's last part, where the plan's own code is not at hand.
pub fn action_id(owed: &Obligation) -> &str {
    owed.action.rsplit('/').next().unwrap_or_default()
}
