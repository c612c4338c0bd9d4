//! GetTrajectory: the index over time, and where each indicator goes.

use jiff::{Timestamp, civil::Date};
use vigia_platform::{Error, timestamp};
use vigia_proto::compliance::{self as wire, GetTrajectoryResponse, IndexPoint, IndicatorPoint, IndicatorTrajectory};
use vigia_rules::{
    ActionId, Exact, Period, TrajectoryPoint, Window, action, forecast,
    plan::{Indicator, remaining_targets},
    trajectory,
};

use crate::{
    answers::{reading, state},
    explain::{Named as NamedAction, at_least_or_most},
    scopes::Named,
    view::View,
    words::{self, Both},
};

/// Points of an index at most, the newest: a monthly plan has them after 33 years.
const POINTS_MAX: usize = 400;

/// When the index is looked at: whenever a period's reports were due by the calendar, and at last the instant asked for.
fn instants(view: &View<'_>) -> Result<Vec<(Timestamp, Option<Period>)>, Error> {
    let periods = view.ask_cards(|cards| Ok(cards.periods()))?;
    let due = periods.into_iter().filter(|(_, due_at)| *due_at < view.t);
    let mut instants: Vec<_> = due.map(|(period, due_at)| (due_at, Some(period))).collect();
    instants.sort_by_key(|(at, _)| *at);
    instants.push((view.t, None));
    Ok(instants.split_off(instants.len().saturating_sub(POINTS_MAX)))
}

/// The trajectory of a scope.
pub(crate) fn of_scope(view: &View<'_>, named: &Named) -> Result<GetTrajectoryResponse, Error> {
    named.slice(view)?;
    let point = |(t, period): (Timestamp, Option<Period>)| {
        let view = view.at(t)?;
        let slice = named.slice(&view).ok()?;
        let index = view.ask_cards(|cards| Ok(cards.index(&slice))).ok()?;
        Some(IndexPoint {
            strict: reading(index.strict),
            observed: reading(index.observed),
            validated: reading(index.validated),
            coverage_observed: reading(index.coverage_observed),
            coverage_validated: reading(index.coverage_validated),
            ..at(t, period)
        })
    };
    Ok(GetTrajectoryResponse {
        index: instants(view)?.into_iter().filter_map(point).collect(),
        ..GetTrajectoryResponse::default()
    })
}

fn at(t: Timestamp, period: Option<Period>) -> IndexPoint {
    IndexPoint {
        time: Some(timestamp(t)),
        period: period.map(|period| period.to_string()).unwrap_or_default(),
        ..IndexPoint::default()
    }
}

/// The trajectory of an action, with its indicators.
pub(crate) fn of_action(view: &View<'_>, id: &ActionId) -> Result<GetTrajectoryResponse, Error> {
    let facts = &view.facts_on(id);
    let name = format!("plans/{}/actions/{id}", view.plan);
    action(facts, id, view.t).ok_or_else(|| Error::not_found(name))?;
    let point = |(t, period): (Timestamp, Option<Period>)| {
        let verdict = action(facts, id, t)?;
        Some(IndexPoint {
            strict: reading(verdict.strict),
            observed: reading(verdict.observed),
            validated: reading(verdict.validated),
            action_state: state(verdict.state).into(),
            ..at(t, period)
        })
    };
    let points = trajectory(facts, id, view.t);
    let of_indicator = points.chunk_by(|one, other| one.indicator == other.indicator);
    Ok(GetTrajectoryResponse {
        index: instants(view)?.into_iter().filter_map(point).collect(),
        indicators: of_indicator.map(|points| indicator(view, id, points)).collect(),
        basis: None,
    })
}

fn indicator(view: &View<'_>, action: &ActionId, points: &[TrajectoryPoint]) -> IndicatorTrajectory {
    let code = &points[0].indicator;
    let described = view.indicator(action, code);
    let said = |value: &Option<Exact>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    IndicatorTrajectory {
        indicator: code.to_string(),
        name_es: described.map(|indicator| indicator.name_es.clone()).unwrap_or_default(),
        unit: described.map(|indicator| indicator.unit.clone()).unwrap_or_default(),
        points: points
            .iter()
            .map(|point| IndicatorPoint {
                period: point.period.to_string(),
                day: point.day.to_string(),
                expected: point.expected.to_string(),
                observed: said(&point.observed),
                validated: said(&point.validated),
                answered: count(point.answered),
                asked: count(point.asked),
            })
            .collect(),
        forecast: where_to(view, action, points),
    }
}

/// The forecast, where the plan has a target to go to.
fn where_to(view: &View<'_>, id: &ActionId, points: &[TrajectoryPoint]) -> Option<wire::Forecast> {
    let code = &points[0].indicator;
    let (_, plan) = view.frame().plan_versions().filter(|(from, _)| *from <= view.t).last()?;
    let action = plan.actions.iter().find(|action| action.id == *id)?;
    let indicator = action.indicators.iter().find(|indicator| indicator.id == *code)?;
    let today = view.zone.to_datetime(view.t).date();
    let targets = remaining_targets(action, indicator);
    let target = match indicator.window {
        Window::Plan => targets.last().copied(),
        // Each year begins anew: where this one goes.
        Window::Year => targets.iter().find(|target| target.on >= today).or(targets.last()).copied(),
    }?;
    let is_of_year = |day: Date| indicator.window == Window::Plan || day.year() == target.on.year();
    let reported = points.iter().filter(|point| point.answered > 0 && is_of_year(point.day));
    let values: Vec<_> = reported.filter_map(|point| Some((point.day, point.observed.clone()?))).collect();
    let reports = i32::try_from(values.len()).unwrap_or(i32::MAX);
    let told = NamedAction { view, action: id };
    let Some(found) = forecast(&values, indicator.direction, target) else {
        return Some(wire::Forecast {
            too_few_reports: true,
            reports,
            text_es: format!(
                "Hay muy pocos reportes para proyectar: {reports}, y hacen falta {}.",
                vigia_rules::FORECAST_REPORTS_MIN
            ),
            text_en: format!(
                "There are too few reports for a forecast: {reports} of at least {}.",
                vigia_rules::FORECAST_REPORTS_MIN
            ),
            ..wire::Forecast::default()
        });
    };
    let said = forecast_in_words(&told, indicator, target.on, &target.value.into(), &found);
    Some(wire::Forecast {
        too_few_reports: false,
        reports,
        slope_per_day: found.slope_per_day.to_string(),
        target: target.value.to_string(),
        target_on: target.on.to_string(),
        value_then: found.value_then.to_string(),
        misses_by: found.misses_by.to_string(),
        reaches_on: found.reaches_on.map(|day| day.to_string()).unwrap_or_default(),
        text_es: said.es,
        text_en: said.en,
    })
}

fn forecast_in_words(told: &NamedAction<'_>, indicator: &Indicator, on: Date, target: &Exact, found: &vigia_rules::Forecast) -> Both {
    let (es, en) = at_least_or_most(indicator.direction);
    let value = |value: &Exact| told.value(&indicator.id, value);
    let (named, day, then, goal) = (
        told.indicator(&indicator.id),
        words::day(on),
        value(&found.value_then),
        value(target),
    );
    let begins = Both::new(
        format!(
            "Al ritmo actual el indicador {} estará en {} el {}; la meta es {es} {}.",
            named.es, then.es, day.es, goal.es
        ),
        format!(
            "At its present pace indicator {} will be at {} on {}; the target is {en} {}.",
            named.en, then.en, day.en, goal.en
        ),
    );
    let ends = match (found.misses_by.is_positive(), found.reaches_on) {
        (false, Some(reached)) => {
            let day = words::day(reached);
            Both::new(format!("La alcanzará el {}.", day.es), format!("It will reach it on {}.", day.en))
        }
        (false, None) => Both::new("La alcanzará.", "It will reach it."),
        (true, reached) => {
            let missing = value(&found.misses_by);
            let later = reached.map(words::day).map_or_else(
                || Both::new("y a este ritmo no la alcanzará", "and at this pace it will never reach it"),
                |day| {
                    Both::new(
                        format!("y la alcanzaría recién el {}", day.es),
                        format!("and would reach it only on {}", day.en),
                    )
                },
            );
            Both::new(
                format!("Le faltarán {}, {}.", missing.es, later.es),
                format!("It will miss it by {}, {}.", missing.en, later.en),
            )
        }
    };
    Both::new(format!("{} {}", begins.es, ends.es), format!("{} {}", begins.en, ends.en))
}
