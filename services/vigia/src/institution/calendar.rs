//! `vigia calendar`: every due instant of a plan, as a table or as iCalendar files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use comfy_table::Cell;
use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};
use sha2::{Digest, Sha256};
use vigia_platform::clock::machine_now;
use vigia_proto::{plans::Action, reporting::Obligation};

use super::{
    fault::told,
    ical::{self, When},
    obligations::period_filter,
    server::Server,
    words, write,
};
use crate::{access::Access, lang::say, output};

/// Actions that an event names; an institution with more of them reads the rest with `vigia obligations`.
const ACTIONS_SHOWN: usize = 50;

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Plan; el único en que se debe, si no se dice / plan; the only one, if there is one.
    #[arg(long)]
    pub plan: Option<String>,
    /// Solo este período, como 2026-Q1 / only this period.
    #[arg(long)]
    pub period: Option<String>,
    /// Como iCalendar (RFC 5545) en la salida / as iCalendar on standard output.
    #[arg(long)]
    pub ical: bool,
    /// Un archivo .ics por institución en esta carpeta / one .ics file for each institution in this folder.
    #[arg(long, conflicts_with = "ical")]
    pub ical_folder: Option<PathBuf>,
    #[command(flatten)]
    pub access: Access,
}

/// What falls due at one instant for one institution and period.
struct Due<'a> {
    institution: &'a str,
    period: &'a str,
    at: Timestamp,
    owed: Vec<&'a Obligation>,
}

/// Runs the command.
pub async fn run(args: &Args, json: bool) -> Result<()> {
    let filter = period_filter(args.period.as_deref())?;
    let server = Server::connect(&args.access).await?;
    let name = server.plan_or_only(args.plan.as_deref()).await?;
    let plan = server.plan(&name).await?;
    let zone = TimeZone::get(&plan.time_zone)?;
    let actions = server.actions(&name).await?;
    let owed = server.obligations(&name, &filter).await?;
    let dues = dues(&owed);
    // A calendar is read far from here: what is simulated says so in its name.
    let title = if server.is_simulated() {
        format!("{} · {}", say("SIMULADO", "SIMULATED"), plan.title_es)
    } else {
        plan.title_es.clone()
    };
    if let Some(folder) = &args.ical_folder {
        let mut files = Vec::new();
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let institutions: std::collections::BTreeSet<&str> = dues.iter().map(|due| due.institution).collect();
        for institution in institutions {
            let own = dues.iter().filter(|due| due.institution == institution);
            let file = file(folder, institution);
            write::save(&file, calendar(&title, own, &actions, &zone).as_bytes())?;
            files.push(file);
        }
        if json {
            return output::json(&files);
        }
        files.iter().for_each(|file| output::line(&file.display().to_string()));
        return Ok(());
    }
    if args.ical {
        output::line(calendar(&title, dues.iter(), &actions, &zone).trim_end());
        return Ok(());
    }
    if json {
        let list = dues.iter().map(|due| {
            let obligations: Vec<&str> = due.owed.iter().map(|owed| owed.name.as_str()).collect();
            serde_json::json!({
                "due_time": due.at.to_string(), "due_local": words::local(Some(due.at), &zone), "period": due.period,
                "institution": due.institution, "obligations": obligations, "simulated": server.is_simulated(),
            })
        });
        return output::json(&list.collect::<Vec<_>>());
    }
    let heading = [
        say("vence antes de", "due before"),
        say("período", "period"),
        say("institución", "institution"),
        say("reportes", "reports"),
        say("por recibir", "still owed"),
    ];
    let rows = dues.iter().map(|due| {
        let open = due.owed.iter().filter(|owed| owed.version == 0 || words::is_awaited(owed)).count();
        vec![
            Cell::new(words::local(Some(due.at), &zone)),
            Cell::new(due.period),
            Cell::new(due.institution),
            Cell::new(due.owed.len()),
            Cell::new(open),
        ]
    });
    output::line(&format!("{} · {}", plan.title_es, plan.time_zone));
    output::line(&output::table(&heading, rows.collect()));
    output::simulated(server.is_simulated());
    Ok(())
}

/// The due instants in order.
fn dues(owed: &[Obligation]) -> Vec<Due<'_>> {
    let mut dues: BTreeMap<(Timestamp, &str, &str), Vec<&Obligation>> = BTreeMap::new();
    for owed in owed {
        let Some(at) = owed.due_time.as_ref().and_then(vigia_platform::instant) else {
            continue;
        };
        dues.entry((at, &owed.period, &owed.institution)).or_default().push(owed);
    }
    let dues = dues.into_iter().map(|((at, period, institution), owed)| Due {
        institution,
        period,
        at,
        owed,
    });
    dues.collect()
}

/// The file of an institution: its id has only letters, digits and hyphens.
fn file(folder: &Path, institution: &str) -> PathBuf {
    folder.join(format!("{}.ics", institution.rsplit('/').next().unwrap_or("institucion")))
}

/// The calendar as iCalendar.
fn calendar<'a>(title: &str, dues: impl Iterator<Item = &'a Due<'a>>, actions: &BTreeMap<String, Action>, zone: &TimeZone) -> String {
    // How many instants there were for the same institution and period: an extension for some parts them, one for all
    // moves the event, so that a calendar which has it already moves it too.
    let mut ranks: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let events = dues.map(|due| {
        let rank = ranks.entry((due.institution, due.period)).or_default();
        *rank += 1;
        event(due, *rank, actions, zone)
    });
    let name = told(format!("Reportes: {title}"), format!("Reports: {title}"));
    ical::file(&name, &events.collect::<Vec<_>>(), machine_now())
}

fn event(due: &Due<'_>, rank: u32, actions: &BTreeMap<String, Action>, zone: &TimeZone) -> ical::Event {
    let (count, period) = (due.owed.len(), due.period);
    let plan = due
        .owed
        .first()
        .and_then(|owed| owed.name.split("/assignments/").next())
        .unwrap_or_default();
    let id = Sha256::digest(format!("{plan}\n{}\n{period}\n{rank}", due.institution));
    let local = zone.to_datetime(due.at);
    ical::Event {
        uid: format!("{}@vigia", hex::encode(&id[..16])),
        when: if local.time() == Time::midnight() {
            // Due before midnight: the event is the whole last day.
            When::Day(zone.to_datetime(due.at - SignedDuration::from_secs(1)).date())
        } else {
            When::At(due.at)
        },
        summary: told(
            format!("Vence el reporte de {period} ({count})"),
            format!("Report of {period} due ({count})"),
        ),
        description: description(due, actions),
        reminder: told(
            format!("En una semana vence el reporte de {period}"),
            format!("The report of {period} is due in a week"),
        ),
    }
}

fn description(due: &Due<'_>, actions: &BTreeMap<String, Action>) -> String {
    let mut lines = vec![due.institution.to_owned()];
    lines.extend(due.owed.iter().take(ACTIONS_SHOWN).map(|owed| {
        let action = actions.get(&owed.action);
        let (code, text) = action.map_or(("", ""), |action| (&action.code, &action.text_es));
        format!("{code} {} [{}]", crate::commands::shortened(text, 80), words::state(owed.state()))
    }));
    if due.owed.len() > ACTIONS_SHOWN {
        lines.push("…".to_owned());
    }
    lines.join("\n")
}
