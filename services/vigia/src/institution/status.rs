//! `vigia status`: how the institution stands, and what reviewers ask for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::Result;
use comfy_table::Cell;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use vigia_proto::reporting::{Obligation, ObligationState};

use super::{
    check::{look, tell_faults},
    server::Server,
    words,
};
use crate::{access::Access, lang::say, output};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Solo lo que trae este archivo / only what this file holds.
    pub file: Option<PathBuf>,
    /// Plan; el único en que se debe, si no se dice / plan; the only one, if there is one.
    #[arg(long)]
    pub plan: Option<String>,
    #[command(flatten)]
    pub access: Access,
}

/// An obligation that was returned, with what the reviewer asks for.
#[derive(Serialize)]
struct Returned {
    obligation: String,
    answer_before: String,
    observations: Vec<String>,
}

/// Runs the command; says whether nothing is overdue or returned.
pub async fn run(args: &Args, json: bool) -> Result<bool> {
    let mut plan = args.plan.clone();
    let mut only = None;
    if let Some(file) = &args.file {
        match look(file) {
            Ok(filled) => {
                plan = Some(filled.origin.plan.clone());
                only = Some(
                    filled
                        .origin
                        .obligations
                        .into_iter()
                        .map(|known| known.name)
                        .collect::<BTreeSet<_>>(),
                );
            }
            Err(faults) => return tell_faults(&faults, json),
        }
    }
    let server = Server::connect(&args.access).await?;
    let plan = server.plan_or_only(plan.as_deref()).await?;
    let mut owed = server.obligations(&plan, "").await?;
    owed.retain(|owed| only.as_ref().is_none_or(|only| only.contains(&owed.name)));
    let zone = TimeZone::get(&server.plan(&plan).await?.time_zone)?;
    let mut returned = Vec::new();
    for owed in owed.iter().filter(|owed| is_returned(owed)) {
        let events = server.timeline(&owed.name).await?;
        let observations = events
            .into_iter()
            .filter(|event| event.event_type.ends_with("ReportReviewed") && event.version == owed.version)
            .map(|event| event.text)
            .filter(|text| !text.is_empty());
        returned.push(Returned {
            obligation: owed.name.clone(),
            answer_before: words::local(words::due(owed), &zone),
            observations: observations.collect(),
        });
    }
    let late = |owed: &Obligation| matches!(owed.state(), ObligationState::Overdue | ObligationState::ReturnedOverdue);
    let fine = returned.is_empty() && !owed.iter().any(late);
    let mut periods: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for owed in &owed {
        let state = owed.state().as_str_name().trim_start_matches("OBLIGATION_STATE_");
        *periods.entry(&owed.period).or_default().entry(state).or_default() += 1;
    }
    if json {
        output::json(&serde_json::json!({"plan": plan, "periods": periods, "returned": returned, "simulated": server.is_simulated()}))?;
        return Ok(fine);
    }
    let now = server.now(&plan).await;
    tell(&plan, &owed, &periods, &zone, now);
    if owed.is_empty() {
        output::line(server.unanswered(&plan).await.trim_start());
    }
    for returned in &returned {
        output::line(&format!(
            "{} {} · {} {}",
            say("devuelta:", "returned:"),
            returned.obligation,
            say("responder antes de", "answer before"),
            returned.answer_before
        ));
        for observation in &returned.observations {
            output::line(&format!("  {observation}"));
        }
    }
    output::simulated(server.is_simulated());
    Ok(fine)
}

fn is_returned(owed: &Obligation) -> bool {
    matches!(owed.state(), ObligationState::Returned | ObligationState::ReturnedOverdue)
}

fn tell(plan: &str, owed: &[Obligation], periods: &BTreeMap<&str, BTreeMap<&str, usize>>, zone: &TimeZone, now: Timestamp) {
    use ObligationState as S;
    let states = [
        S::Open,
        S::Overdue,
        S::Returned,
        S::ReturnedOverdue,
        S::Submitted,
        S::Validated,
        S::Waived,
    ];
    let mut heading = vec![say("período", "period")];
    heading.extend(states.map(words::state));
    let rows = periods.iter().filter(|(_, counts)| counts.keys().any(|state| *state != "NOT_OPEN"));
    let rows = rows.map(|(period, counts)| {
        let of = |state: S| counts.get(state.as_str_name().trim_start_matches("OBLIGATION_STATE_")).copied();
        let mut row = vec![Cell::new(period)];
        row.extend(states.map(|state| Cell::new(of(state).map_or_else(|| "·".to_owned(), |count| count.to_string()))));
        row
    });
    output::line(&format!("{plan}: {} {}", owed.len(), say("obligaciones", "obligations")));
    output::line(&output::table(&heading, rows.collect()));
    if let Some(next) = owed
        .iter()
        .filter(|owed| words::is_awaited(owed))
        .min_by_key(|owed| words::due(owed))
    {
        output::line(&format!(
            "{} {} ({}): {}",
            say("lo más urgente: antes de", "most urgent: before"),
            words::local(words::due(next), zone),
            words::left(next, now),
            next.name
        ));
    }
}
