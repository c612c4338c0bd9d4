//! Commands that ask compliance more than one figure: a verdict as a letter, two instants side by side, and the way over
//! time.

use anyhow::Result;
use comfy_table::Cell;
use jiff::tz::TimeZone;
use vigia_platform::{instant, timestamp};
use vigia_proto::{
    assignments::{GetInstitutionRequest, GetTerritoryRequest, institution_service_client::InstitutionServiceClient},
    compliance::{
        CompareScorecardsRequest, GetTrajectoryRequest, GetVerdictRequest, IndexPoint, compliance_service_client::ComplianceServiceClient,
    },
    plans::{GetPlanRequest, Plan, plan_service_client::PlanServiceClient},
};

use crate::{
    access::Access,
    cast::Principal,
    commands::{as_of_wire, parse_as_of, plan_name, plan_of, shortened, tell_basis, tell_scorecards},
    lang::{Lang, lang, say},
    letter,
    output::{self, Usage},
    refused::told,
};

/// The plan, with its title and zone.
pub async fn plan(principal: &Principal, name: &str) -> Result<(Plan, TimeZone)> {
    let request = GetPlanRequest { name: name.to_owned() };
    let answer = PlanServiceClient::new(principal.clone()).get_plan(request).await.map_err(told)?;
    let plan = answer.into_inner().plan.unwrap_or_default();
    let zone = TimeZone::get(&plan.time_zone)?;
    Ok((plan, zone))
}

/// `vigia verdict explain`: a page for a letter.
pub async fn explain(access: &Access, name: &str, as_of: Option<&str>, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let Some(of) = plan_of(name) else {
        return Err(Usage::of(format!(
            "{name}: plans/{{plan}}/actions/{{a}}, plans/{{plan}}/assignments/{{id}}/obligations/{{period}}"
        )));
    };
    let (plan, zone) = plan(&principal, &of).await?;
    let as_of = as_of_wire(as_of, &zone)?;
    let request = GetVerdictRequest {
        name: name.to_owned(),
        as_of,
    };
    let answer = ComplianceServiceClient::new(principal)
        .get_verdict(request)
        .await
        .map_err(told)?
        .into_inner();
    if json {
        return output::json(&output::value("vigia.compliance.v1.GetVerdictResponse", &answer)?);
    }
    let (verdict, basis) = (answer.verdict.unwrap_or_default(), answer.basis.unwrap_or_default());
    output::line(&letter::page(&plan, &verdict, &basis, &zone, lang()));
    Ok(())
}

/// What a scorecard is asked of, with its plan. `vcm` is `plans/vcm`; an institution or a territory that is not there is
/// refused: its scorecard would be one of nothing.
pub async fn scope(principal: &Principal, name: &str, plan: Option<&str>) -> Result<(String, String)> {
    let name = if name.contains('/') { name.to_owned() } else { plan_name(name) };
    let Some(plan) = plan.map(plan_name).or_else(|| plan_of(&name)) else {
        return Err(Usage::of(say(
            "falta --plan: de qué plan, como --plan vcm",
            "--plan is missing: of which plan, such as --plan vcm",
        )));
    };
    let mut registry = InstitutionServiceClient::new(principal.clone());
    if name.starts_with("institutions/") {
        let request = GetInstitutionRequest { name: name.clone() };
        registry.get_institution(request).await.map_err(told)?;
    } else if name.starts_with("territories/") {
        let request = GetTerritoryRequest { name: name.clone() };
        registry.get_territory(request).await.map_err(told)?;
    }
    Ok((name, plan))
}

/// `vigia scorecard --compare`: two instants side by side, and what moved the index between them.
pub async fn compare(access: &Access, name: &str, plan_given: Option<&str>, from: &str, to: Option<&str>, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let (name, of) = scope(&principal, name, plan_given).await?;
    let (_, zone) = plan(&principal, &of).await?;
    let request = CompareScorecardsRequest {
        name,
        plan: of,
        from: Some(timestamp(parse_as_of(from, &zone)?)),
        to: as_of_wire(to, &zone)?,
    };
    let mut compliance = ComplianceServiceClient::new(principal);
    let answer = compliance.compare_scorecards(request).await.map_err(told)?.into_inner();
    if json {
        return output::json(&output::value("vigia.compliance.v1.CompareScorecardsResponse", &answer)?);
    }
    let cards = [answer.before.unwrap_or_default(), answer.after.unwrap_or_default()];
    tell_scorecards(&cards);
    let heading = [
        say("cuándo", "when"),
        say("acción", "action"),
        say("estricto", "strict"),
        say("observado", "observed"),
        say("validado", "validated"),
        say("por qué", "why"),
    ];
    let rows = answer.changes.iter().map(|change| {
        let when = change.time.as_ref().and_then(instant);
        let when = when.map(|when| zone.to_datetime(when).strftime("%Y-%m-%d %H:%M").to_string());
        let why = if lang() == Lang::Es { &change.text_es } else { &change.text_en };
        let why = if change.positions.is_empty() {
            why.clone()
        } else {
            format!("{why} [{}]", change.positions.join(", "))
        };
        let points = [&change.strict, &change.observed, &change.validated].map(|part| Cell::new(points(part)));
        let mut row = vec![Cell::new(when.unwrap_or_default()), Cell::new(shortened(&change.title_es, 40))];
        row.extend(points);
        row.push(Cell::new(why));
        row
    });
    let mut rows: Vec<_> = rows.collect();
    let sum = [&answer.strict, &answer.observed, &answer.validated].map(|sum| Cell::new(points(sum)));
    let mut last = vec![Cell::new(""), Cell::new(say("diferencia", "difference"))];
    last.extend(sum);
    last.push(Cell::new(""));
    rows.push(last);
    output::line(&output::table(&heading, rows));
    tell_basis(&answer.basis_before.unwrap_or_default(), &zone);
    tell_basis(&answer.basis_after.unwrap_or_default(), &zone);
    Ok(())
}

/// A difference of indices in percentage points: `+30.4`. Only shown, never reckoned with.
fn points(difference: &str) -> String {
    match difference.parse::<f64>() {
        Ok(difference) if difference != 0.0 => format!("{:+.1}", difference * 100.0),
        _ => "·".to_owned(),
    }
}

/// `vigia trajectory`: the index over time, and where each indicator goes.
pub async fn trajectory(access: &Access, name: &str, plan_given: Option<&str>, as_of: Option<&str>, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let (name, of) = scope(&principal, name, plan_given).await?;
    let (_, zone) = plan(&principal, &of).await?;
    let request = GetTrajectoryRequest {
        name,
        plan: of,
        as_of: as_of_wire(as_of, &zone)?,
    };
    let mut compliance = ComplianceServiceClient::new(principal);
    let answer = compliance.get_trajectory(request).await.map_err(told)?.into_inner();
    if json {
        return output::json(&output::value("vigia.compliance.v1.GetTrajectoryResponse", &answer)?);
    }
    let heading = [
        say("al", "as of"),
        say("período", "period"),
        say("estricto", "strict"),
        say("observado", "observed"),
        say("validado", "validated"),
    ];
    let row = |point: &IndexPoint| {
        let when = point.time.as_ref().and_then(instant);
        let when = when.map(|when| zone.to_datetime(when).strftime("%Y-%m-%d %H:%M").to_string());
        vec![
            Cell::new(when.unwrap_or_default()),
            Cell::new(&point.period),
            output::light(&point.strict),
            output::light(&point.observed),
            output::light(&point.validated),
        ]
    };
    output::line(&output::table(&heading, answer.index.iter().map(row).collect()));
    for indicator in &answer.indicators {
        output::line(&format!("\n{} · {}", indicator.indicator, indicator.name_es));
        let heading = [
            say("período", "period"),
            say("esperado", "expected"),
            say("observado", "observed"),
            say("validado", "validated"),
            say("respondieron", "answered"),
        ];
        let rows = indicator.points.iter().map(|point| {
            let values = [&point.expected, &point.observed, &point.validated].map(|value| Cell::new(shown(value)));
            let mut row = vec![Cell::new(&point.period)];
            row.extend(values);
            row.push(Cell::new(format!("{}/{}", point.answered, point.asked)));
            row
        });
        output::line(&output::table(&heading, rows.collect()));
        if let Some(forecast) = &indicator.forecast {
            let text = if lang() == Lang::Es { &forecast.text_es } else { &forecast.text_en };
            output::line(text);
        }
    }
    tell_basis(&answer.basis.unwrap_or_default(), &zone);
    Ok(())
}

/// A value with two decimals at most; a dash where there is none. Only shown.
fn shown(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) => {
            let text = format!("{number:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Err(_) => "—".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_shown_in_points() {
        for (difference, expect) in [("0.304166666667", "+30.4"), ("-0.5", "-50.0"), ("0", "·"), ("", "·")] {
            assert_eq!(points(difference), expect);
        }
        for (value, expect) in [("98.630136986301", "98.63"), ("90", "90"), ("", "—")] {
            assert_eq!(shown(value), expect);
        }
    }
}
