//! What the governing body sees at the demo's end, for people or as JSON: all of it asked of compliance, as the auditor.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use comfy_table::Cell;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use vigia_platform::{name::id_of_code, timestamp};
use vigia_proto::{
    assignments::{ListInstitutionsRequest, institution_service_client::InstitutionServiceClient},
    compliance::{
        ActionState, GetVerdictRequest, ListScorecardsRequest, ListVerdictsRequest, Scorecard, Verdict,
        compliance_service_client::ComplianceServiceClient,
    },
};

use crate::{
    cast::Principal,
    cluster,
    commands::{due, shortened, tell_scorecards, tell_verdict},
    demo_story::Work,
    lang::say,
    output,
    refused::told,
    yaml::Node,
};

/// Overdue obligations that are listed; beside them stands how many there are.
const OVERDUE_SHOWN: usize = 15;
/// Institutions that are listed.
const WORST_SHOWN: usize = 10;
/// A program that asks for a verdict with the auditor's key.
const SNIPPET: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ask.py"));

/// How the demo went, and how to call it.
#[derive(Clone, Debug)]
pub struct Calls {
    pub address: SocketAddr,
    pub directory: PathBuf,
    pub seconds: f32,
    pub refused: BTreeMap<String, u64>,
}

/// Reporting discipline of an institution, over all plans.
#[derive(Clone, Debug)]
struct Institution {
    name: String,
    title: String,
    owed: i64,
    received: i64,
    on_time: i64,
    /// Strict reading in each plan: an index holds within one plan only.
    strict: Vec<(String, String)>,
}

type Compliance = ComplianceServiceClient<Principal>;

/// Asks and shows.
pub async fn show(auditor: &Principal, works: &[Work], as_of: Timestamp, zone: &TimeZone, calls: &Calls, as_json: bool) -> Result<()> {
    let mut compliance = ComplianceServiceClient::new(auditor.clone());
    let mut boards = Vec::new();
    let mut institutions = BTreeMap::new();
    let mut overdue = Vec::new();
    for work in works {
        let plan = format!("plans/{}", work.id);
        let cards = scorecards(&mut compliance, &plan, as_of).await?;
        gather(&mut institutions, &work.id, &cards);
        boards.push((plan.clone(), axes(work, &plan, cards)));
        overdue.extend(verdicts(&mut compliance, &plan, true, "timeliness = \"MISSING\"", as_of).await?);
    }
    overdue.sort_by_key(|verdict| (due(verdict), verdict.name.clone()));
    let mut worst = worst(institutions.into_values().collect());
    let names = names(auditor).await?;
    for institution in &mut worst {
        institution.title = names.get(&institution.name).unwrap_or(&institution.title).clone();
    }
    let verdict = explained(&mut compliance, as_of).await?;
    if as_json {
        return output::json(&as_value(&boards, &worst, &overdue, &verdict, as_of, calls)?);
    }
    crate::demo::say_what_is_real();
    for (plan, cards) in &boards {
        output::line(&format!(
            "\n{} {plan} · {} {}",
            say("TABLERO", "SCORECARD"),
            say("al", "as of"),
            zone.to_datetime(as_of)
        ));
        tell_scorecards(cards);
    }
    tell_worst(&worst);
    tell_overdue(&overdue, zone);
    output::line(&format!(
        "\n{}",
        say("UN DICTAMEN, CON SUS RAZONES", "ONE VERDICT, WITH ITS REASONS")
    ));
    tell_verdict(&verdict, zone);
    let refused: Vec<String> = calls.refused.iter().map(|(reason, times)| format!("{reason} × {times}")).collect();
    if !refused.is_empty() {
        output::line(&format!(
            "\n{}: {}",
            say("llamadas negadas durante la historia", "calls refused during the story"),
            refused.join(", ")
        ));
    }
    output::line(&format!("\n{:.1} s", calls.seconds));
    Ok(())
}

async fn scorecards(compliance: &mut Compliance, plan: &str, as_of: Timestamp) -> Result<Vec<Scorecard>> {
    let request = ListScorecardsRequest {
        parent: plan.to_owned(),
        as_of: Some(timestamp(as_of)),
        ..ListScorecardsRequest::default()
    };
    let answer = compliance
        .list_scorecards(request)
        .await
        .map_err(told)
        .with_context(|| plan.to_owned())?;
    Ok(answer.into_inner().scorecards)
}

async fn verdicts(compliance: &mut Compliance, plan: &str, obligations: bool, filter: &str, as_of: Timestamp) -> Result<Vec<Verdict>> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListVerdictsRequest {
            parent: plan.to_owned(),
            obligations,
            as_of: Some(timestamp(as_of)),
            page_size: 1000,
            page_token,
            filter: filter.to_owned(),
        };
        let answer = compliance
            .list_verdicts(request)
            .await
            .map_err(told)
            .with_context(|| plan.to_owned())?
            .into_inner();
        all.extend(answer.verdicts);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// What institutions are called; ours are far fewer than a page holds.
async fn names(auditor: &Principal) -> Result<BTreeMap<String, String>> {
    let request = ListInstitutionsRequest {
        page_size: 1000,
        ..ListInstitutionsRequest::default()
    };
    let answer = InstitutionServiceClient::new(auditor.clone())
        .list_institutions(request)
        .await
        .map_err(told)?
        .into_inner();
    Ok(answer
        .institutions
        .into_iter()
        .map(|institution| (institution.name, institution.name_es))
        .collect())
}

/// The plan and its axes: the components at the top.
fn axes(work: &Work, plan: &str, cards: Vec<Scorecard>) -> Vec<Scorecard> {
    let components = work.node.get("components").map(Node::items).unwrap_or_default();
    let top = components
        .iter()
        .filter(|component| component.get("parent").is_none())
        .filter_map(|component| component.text_of("code"));
    let top: Vec<String> = top.map(|code| format!("{plan}/components/{}", id_of_code(code))).collect();
    cards
        .into_iter()
        .filter(|card| card.name == plan || top.contains(&card.name))
        .collect()
}

fn gather(institutions: &mut BTreeMap<String, Institution>, plan: &str, cards: &[Scorecard]) {
    for card in cards.iter().filter(|card| card.name.starts_with("institutions/")) {
        let discipline = card.discipline.unwrap_or_default();
        let title = if card.title_es.is_empty() { &card.name } else { &card.title_es };
        let new = || Institution {
            name: card.name.clone(),
            title: title.clone(),
            owed: 0,
            received: 0,
            on_time: 0,
            strict: Vec::new(),
        };
        let institution = institutions.entry(card.name.clone()).or_insert_with(new);
        institution.owed += discipline.owed;
        institution.received += discipline.received;
        institution.on_time += discipline.on_time;
        if !card.strict.is_empty() {
            institution.strict.push((plan.to_owned(), card.strict.clone()));
        }
    }
}

/// Those who sent the smallest share of what they owed; where that is equal, the smallest share on time.
fn worst(mut institutions: Vec<Institution>) -> Vec<Institution> {
    institutions.retain(|institution| institution.owed > 0);
    // a/b < c/d as a·d < c·b: whole numbers, no rounding.
    institutions.sort_by(|a, b| {
        let received = (a.received * b.owed).cmp(&(b.received * a.owed));
        let on_time = (a.on_time * b.owed).cmp(&(b.on_time * a.owed));
        received.then(on_time).then(b.owed.cmp(&a.owed)).then_with(|| a.name.cmp(&b.name))
    });
    institutions.truncate(WORST_SHOWN);
    institutions
}

/// One verdict in full: the first action that is unreported, or off track, of the first plan that has one.
async fn explained(compliance: &mut Compliance, as_of: Timestamp) -> Result<Verdict> {
    let actions = verdicts(compliance, "plans/vcm", false, "", as_of).await?;
    let wanted = [ActionState::OffTrack, ActionState::Unreported, ActionState::AtRisk];
    let found = wanted
        .into_iter()
        .find_map(|state| actions.iter().find(|verdict| verdict.action_state() == state));
    let name = found.or(actions.first()).map(|verdict| verdict.name.clone()).context("plans/vcm")?;
    let request = GetVerdictRequest {
        name,
        as_of: Some(timestamp(as_of)),
    };
    compliance
        .get_verdict(request)
        .await
        .map_err(told)?
        .into_inner()
        .verdict
        .context("verdict")
}

fn as_value(
    boards: &[(String, Vec<Scorecard>)],
    worst: &[Institution],
    overdue: &[Verdict],
    verdict: &Verdict,
    as_of: Timestamp,
    calls: &Calls,
) -> Result<Value> {
    let message = |name: &str, message: &Scorecard| output::value(name, message);
    let mut plans = Vec::new();
    for (plan, cards) in boards {
        let cards: Result<Vec<Value>> = cards.iter().map(|card| message("vigia.compliance.v1.Scorecard", card)).collect();
        plans.push(json!({"plan": plan, "scorecards": cards?}));
    }
    let of_verdict = |verdict: &Verdict| output::value("vigia.compliance.v1.Verdict", verdict);
    let first: Result<Vec<Value>> = overdue.iter().take(OVERDUE_SHOWN).map(of_verdict).collect();
    let worst = worst.iter().map(|institution| {
        let strict: BTreeMap<_, _> = institution.strict.iter().cloned().collect();
        json!({"institution": institution.name, "name_es": institution.title, "owed": institution.owed, "received": institution.received, "on_time": institution.on_time, "strict": strict})
    });
    Ok(json!({
        "as_of": as_of.to_string(),
        "simulated": true,
        "real": {"plans": "deploy/data/plans", "institutions": "deploy/data/institutions.csv", "successions": "deploy/data/successions.csv", "territories": "deploy/data/provinces.csv"},
        "made_up": ["reports", "reviews", "extension", "contest"],
        "plans": plans,
        "worst": worst.collect::<Vec<_>>(),
        "overdue": {"in_all": overdue.len(), "first": first?},
        "verdict": of_verdict(verdict)?,
        "refused": calls.refused,
        "seconds": calls.seconds,
        "address": calls.address.to_string(),
        "auditor_key": cluster::key_path(&calls.directory, "auditor"),
    }))
}

fn tell_worst(worst: &[Institution]) {
    output::line(&format!(
        "\n{}",
        say(
            "LAS DIEZ INSTITUCIONES QUE PEOR CUMPLEN (reportes simulados)",
            "THE TEN INSTITUTIONS THAT COMPLY WORST (simulated reports)"
        )
    ));
    let heading = [
        say("institución", "institution"),
        say("debidos", "owed"),
        say("recibidos", "received"),
        say("a tiempo", "on time"),
        say("índice estricto por plan", "strict index by plan"),
    ];
    let rows = worst.iter().map(|institution| {
        let strict: Vec<String> = institution
            .strict
            .iter()
            .map(|(plan, index)| format!("{plan} {}", output::percent(index)))
            .collect();
        let mut row = vec![Cell::new(shortened(&institution.title, 52))];
        row.extend([institution.owed, institution.received, institution.on_time].map(Cell::new));
        row.push(Cell::new(if strict.is_empty() { "—".to_owned() } else { strict.join(" · ") }));
        row
    });
    output::line(&output::table(&heading, rows.collect()));
}

fn tell_overdue(overdue: &[Verdict], zone: &TimeZone) {
    output::line(&format!(
        "\n{}: {}",
        say("OBLIGACIONES VENCIDAS", "OVERDUE OBLIGATIONS"),
        overdue.len()
    ));
    let heading = [
        say("vencía antes de", "was due before"),
        say("institución", "institution"),
        say("obligación", "obligation"),
        say("estado", "state"),
    ];
    let rows = overdue.iter().take(OVERDUE_SHOWN).map(|verdict| {
        let due = due(verdict).map(|due| zone.to_datetime(due).to_string());
        let who = verdict.institutions.join(", ").replace("institutions/", "");
        [due.unwrap_or_default(), who, verdict.name.clone(), verdict.obligation_state.clone()]
            .map(Cell::new)
            .into()
    });
    output::line(&output::table(&heading, rows.collect()));
    if let Some(more) = overdue.len().checked_sub(OVERDUE_SHOWN).filter(|more| *more > 0) {
        output::line(&format!("  … {} {more} {}", say("y", "and"), say("más", "more")));
    }
}

/// How to call the demo, while it stays up.
pub fn invite(calls: &Calls, as_json: bool) {
    let snippet = calls.directory.join("ask.py");
    let written = fs::write(&snippet, SNIPPET).is_ok();
    if as_json {
        return;
    }
    let key = cluster::key_path(&calls.directory, "auditor");
    output::line(&format!("\n{}: {}", say("atiende en", "serving on"), calls.address));
    output::line(&format!(
        "  VIGIA_SERVER={} VIGIA_CLIENT=clients/auditor VIGIA_KEY={} {} scorecard vcm",
        calls.address,
        key.display(),
        std::env::current_exe().map_or_else(|_| "vigia".to_owned(), |program| program.display().to_string())
    ));
    output::line(say(
        "  («cargo install --path services/vigia» deja el programa como «vigia»)",
        "  (\"cargo install --path services/vigia\" makes the program known as \"vigia\")",
    ));
    output::line(&format!(
        "  {}: {}",
        say("la clave de la auditora", "the auditor's key"),
        key.display()
    ));
    output::line(&format!(
        "  {}: {}",
        say("las de las instituciones", "those of the institutions"),
        institution_keys(&calls.directory).display()
    ));
    if written {
        output::line(&format!(
            "  Python: python3 {} {} {}",
            snippet.display(),
            calls.address,
            key.display()
        ));
    }
    output::line(say(
        "Ctrl-C termina; al volver sigue donde quedó.",
        "Ctrl-C ends; the next start goes on from there.",
    ));
}

fn institution_keys(directory: &Path) -> PathBuf {
    directory.join("keys/<institución>.pem")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first() {
        let of = |name: &str, owed, received, on_time| Institution {
            name: name.into(),
            title: name.into(),
            owed,
            received,
            on_time,
            strict: Vec::new(),
        };
        let order: Vec<String> = worst(vec![
            of("a", 10, 9, 9),
            of("b", 4, 1, 1),
            of("c", 0, 0, 0),
            of("d", 10, 9, 1),
            of("e", 8, 2, 2),
        ])
        .into_iter()
        .map(|i| i.name)
        .collect();
        assert_eq!(order, ["e", "b", "d", "a"]);
    }
}
