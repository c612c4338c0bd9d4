//! `vigia template`: a workbook with the institution's own obligations, ready to be filled in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use jiff::tz::TimeZone;
use vigia_platform::clock::machine_now;
use vigia_proto::{
    assignments::Assignment,
    plans::{Action, Indicator},
    reporting::{Obligation, ObligationState},
};
use vigia_rules::{Decimal, Exact, Period};

use super::{
    book::{Book, Known, Origin, keys},
    csv_names::{CsvPart, csv_path, is_csv},
    fault::told,
    layout::{ROWS_MAX, Sheet},
    obligations::{action_id, period_filter},
    server::Server,
    words, write,
};
use crate::{
    access::Access,
    lang::say,
    output::{self, Usage},
};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Archivo .xlsx o .csv; un nombre propio si no se dice / file; a name is made up if it is left out.
    pub file: Option<PathBuf>,
    /// Plan; el único en que se debe, si no se dice / plan; the only one, if there is one.
    #[arg(long)]
    pub plan: Option<String>,
    /// Solo este período, como 2026-Q1 / only this period.
    #[arg(long)]
    pub period: Option<String>,
    /// Institución, si se reporta por varias / institution, for who reports for several.
    #[arg(long)]
    pub institution: Option<String>,
    /// También lo ya presentado, para corregirlo / also what was submitted, to correct it.
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
    let institutions = institutions(&server).await?;
    let named = args.institution.as_deref().map(institution_name);
    let institution = match (&named, institutions.as_slice()) {
        (Some(named), _) => named.clone(),
        (None, [only]) => only.clone(),
        (None, several) => {
            return Err(Usage::of(told(
                format!("diga para qué institución, con --institution: {}", several.join(", ")),
                format!("say for which institution, with --institution: {}", several.join(", ")),
            )));
        }
    };
    let mut owed = server.obligations(&plan, &filter).await?;
    owed.retain(|owed| {
        (words::is_awaited(owed) || args.all && owed.state() == ObligationState::Submitted)
            && named.as_ref().is_none_or(|named| owed.institution == *named)
    });
    if owed.is_empty() {
        let none = say(
            "no hay nada que reportar ahora; «vigia obligations --all» muestra todo lo que se debe",
            "there is nothing to report now; \"vigia obligations --all\" shows all that is owed",
        );
        bail!(format!("{none}{}", server.unanswered(&plan).await));
    }
    let zone = TimeZone::get(&server.plan(&plan).await?.time_zone)?;
    let (actions, indicators, assignments) =
        tokio::try_join!(server.actions(&plan), server.indicators(&plan), server.assignments(&plan, ""))?;
    let parts = Parts {
        actions,
        indicators,
        assignments,
    };
    let origin = Origin {
        server: server.address.clone(),
        plan: plan.clone(),
        institution: institution.clone(),
        made_at: machine_now().to_string(),
        ..Origin::default()
    };
    let book = book(origin, &mut owed, &parts, &zone);
    if let Some(sheet) = Sheet::ALL.into_iter().find(|sheet| book.rows(*sheet).len() > ROWS_MAX as usize) {
        let (name, rows) = (sheet.name(), book.rows(sheet).len());
        bail!(told(
            format!("la hoja {name} tendría {rows} filas, y el límite es {ROWS_MAX}: pida un solo período con --period"),
            format!("the sheet {name} would have {rows} rows, and the limit is {ROWS_MAX}: ask for one period with --period"),
        ));
    }
    let path = args.file.clone().unwrap_or_else(|| {
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let period = args.period.as_deref().unwrap_or("pendientes");
        PathBuf::from(format!("reporte-{}-{}-{period}.xlsx", last(&institution), last(&plan)))
    });
    let written = write(&book, &path)?;
    let counts = [
        book.reports.len(),
        book.indicators.len(),
        book.milestones.len(),
        book.spending.len(),
    ];
    if json {
        return output::json(&serde_json::json!({
            "files": written, "plan": plan, "institution": institution,
            "obligations": counts[0], "indicators": counts[1], "milestones": counts[2], "budget_lines": counts[3],
            "simulated": server.is_simulated(),
        }));
    }
    let [reports, indicators, milestones, lines] = counts;
    output::line(&told(
        format!("Obligaciones: {reports} · indicadores: {indicators} · hitos: {milestones} · partidas: {lines}"),
        format!("Obligations: {reports} · indicators: {indicators} · milestones: {milestones} · budget lines: {lines}"),
    ));
    for path in written {
        output::line(&path.display().to_string());
    }
    output::simulated(server.is_simulated());
    let path = path.display();
    output::line(&told(
        format!("Llene las celdas amarillas y ejecute: vigia check '{path}'"),
        format!("Fill in the yellow cells, and run: vigia check '{path}'"),
    ));
    Ok(())
}

/// The institutions for which we may report, as resource names.
pub async fn institutions(server: &Server) -> Result<Vec<String>> {
    let who = server.who().await?;
    let mut institutions: Vec<String> = who
        .grants
        .into_iter()
        .map(|grant| grant.scope)
        .filter(|scope| !scope.is_empty())
        .collect();
    institutions.sort();
    institutions.dedup();
    Ok(institutions)
}

/// An institution's resource name, by its name or id.
pub fn institution_name(named: &str) -> String {
    if named.starts_with("institutions/") {
        named.to_owned()
    } else {
        format!("institutions/{named}")
    }
}

/// What a plan says of what is to be reported.
pub struct Parts {
    /// Actions by name.
    pub actions: BTreeMap<String, Action>,
    /// Indicators in the plan's order.
    pub indicators: Vec<Indicator>,
    /// Assignments by name.
    pub assignments: BTreeMap<String, Assignment>,
}

/// The book for these obligations, which it puts in the order of their due instants.
pub fn book(origin: Origin, owed: &mut [Obligation], parts: &Parts, zone: &TimeZone) -> Book {
    let mut of_action: BTreeMap<&str, Vec<&Indicator>> = BTreeMap::new();
    for indicator in &parts.indicators {
        let action = indicator.name.split("/indicators/").next().unwrap_or_default();
        of_action.entry(action).or_default().push(indicator);
    }
    owed.sort_by_key(|owed| (words::due(owed), owed.action.clone(), owed.name.clone()));
    let mut book = Book { origin, ..Book::default() };
    for owed in owed.iter() {
        let Some((assignment, period)) = keys(&owed.name) else { continue };
        let unknown = Action::default();
        let action = parts.actions.get(&owed.action).unwrap_or(&unknown);
        let code = if action.code.is_empty() { action_id(owed) } else { &action.code };
        let key = || vec![assignment.to_owned(), period.to_owned(), code.to_owned()];
        let seat = owed.name.split("/obligations/").next().and_then(|name| parts.assignments.get(name));
        let institution = owed.institution.rsplit('/').next().unwrap_or_default();
        let territory = seat.map_or("", |seat| seat.territory.as_str());
        let mut row = key();
        row.extend([
            action.text_es.clone(),
            institution.to_owned(),
            territory.to_owned(),
            words::local(words::due(owed), zone),
            words::state(owed.state()).to_owned(),
        ]);
        book.reports.push(row);
        book.origin.obligations.push(Known {
            name: owed.name.clone(),
            version: owed.version,
        });
        for indicator in of_action.get(owed.action.as_str()).map(Vec::as_slice).unwrap_or_default() {
            let mut row = key();
            row.extend([
                indicator.code.clone(),
                measured(indicator),
                unit(&indicator.unit).to_owned(),
                next_target(indicator, period),
            ]);
            book.indicators.push(row);
            book.origin
                .parts
                .insert((Sheet::Indicators, owed.name.clone(), indicator.code.clone()));
        }
        for milestone in &action.milestones {
            let mut row = key();
            row.extend([milestone.code.clone(), milestone.text_es.clone(), milestone.due.clone()]);
            book.milestones.push(row);
            book.origin
                .parts
                .insert((Sheet::Milestones, owed.name.clone(), milestone.code.clone()));
        }
        for (classifier, foreseen) in budget(action, period) {
            let mut row = key();
            row.extend([classifier.to_owned(), foreseen.to_string()]);
            book.spending.push(row);
            book.origin
                .parts
                .insert((Sheet::Spending, owed.name.clone(), classifier.to_owned()));
        }
    }
    book
}

/// What an indicator measures, and by what its value is to be broken down.
fn measured(indicator: &Indicator) -> String {
    if indicator.breakdown.is_empty() {
        return indicator.name_es.clone();
    }
    format!("{} (desagregar por: {})", indicator.name_es, indicator.breakdown.join(", "))
}

/// What is foreseen for the period's year, by code of the classifier, all sources together.
fn budget<'a>(action: &'a Action, period: &str) -> BTreeMap<&'a str, Exact> {
    let mut budget = BTreeMap::new();
    let year = period.parse::<Period>().map(|period| i32::from(period.last_day().year()));
    let lines = action
        .budget_lines
        .iter()
        .filter(|line| year == Ok(line.year) && !line.classifier.is_empty());
    for line in lines {
        let foreseen = line.current.as_ref().or(line.initial.as_ref());
        let foreseen = foreseen.and_then(|foreseen| foreseen.value.parse::<Decimal>().ok());
        let sum = budget.entry(line.classifier.as_str()).or_insert_with(Exact::zero);
        *sum = &*sum + &foreseen.map_or_else(Exact::zero, Exact::from);
    }
    budget
}

/// The first target on or after the period's end, else the last one.
fn next_target(indicator: &Indicator, period: &str) -> String {
    let last_day = period
        .parse::<Period>()
        .map(|period| period.last_day().to_string())
        .unwrap_or_default();
    let next = indicator
        .targets
        .iter()
        .find(|target| target.on >= last_day)
        .or(indicator.targets.last());
    next.and_then(|target| Some(format!("{} al {}", target.value.as_ref()?.value, target.on)))
        .unwrap_or_default()
}

fn unit(unit: &str) -> &str {
    match unit {
        "count" => "cantidad",
        "percent" => "porcentaje",
        "days" => "días",
        other => other,
    }
}

/// Writes the book where nothing is yet: what somebody has filled in is never overwritten.
fn write(book: &Book, path: &Path) -> Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = if is_csv(path) {
        CsvPart::ALL.into_iter().map(|part| csv_path(path, part)).collect()
    } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx")) {
        vec![path.to_owned()]
    } else {
        return Err(Usage::of(told(
            format!("{}: el archivo debe terminar en .xlsx o .csv", path.display()),
            format!("{}: the file must end in .xlsx or .csv", path.display()),
        )));
    };
    if let Some(there) = paths.iter().find(|path| path.exists()) {
        bail!(told(
            format!("{} ya existe: dé otro nombre, o muévalo", there.display()),
            format!("{} exists already: give another name, or move it", there.display()),
        ));
    }
    if is_csv(path) {
        return write::csv(book, path);
    }
    write::save(path, &write::xlsx(book)?)?;
    Ok(paths)
}
