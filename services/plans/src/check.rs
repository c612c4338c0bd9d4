//! What is wrong with a plan: all of it at once. Pure; whatever is stored has passed it.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use jiff::civil::{Date, Time};
use vigia_platform::{Faults, name, plan_changes::action_of};
use vigia_proto::{
    plans::{
        Action, Aggregation, AlertPolicy, BudgetLine, CompliancePolicy, Component, Direction, Frequency, Indicator, Plan, PlanDefinition,
        ReportingCalendar, Target, Window,
    },
    types::{Decimal as Wire, Provenance},
};
use vigia_rules::Decimal;

use crate::annotations;

/// Roles of an institution in an action.
pub const ROLES: [&str; 4] = ["lead", "co_responsible", "supporting", "counterpart"];
/// Components of a plan at most.
pub const COMPONENTS_MAX: usize = 2_000;
/// Actions of a plan at most: forty times the largest that we know.
pub const ACTIONS_MAX: usize = 2_000;
/// Indicators of an action at most.
pub const INDICATORS_MAX: usize = 50;
/// Milestones of an action at most.
pub const MILESTONES_MAX: usize = 100;
/// Targets of an indicator at most.
pub const TARGETS_MAX: usize = 200;
/// Entries of any other list at most.
pub const LIST_MAX: usize = 1_000;
/// Years of a plan at most.
const YEARS_MAX: i16 = 60;

/// All that is wrong with a plan. Paths are those of a plan file: `actions[3].indicators[0].targets[2].value`.
pub fn check(definition: &PlanDefinition) -> Faults {
    let mut faults = Faults::new();
    let empty = Plan::default();
    let plan = definition.plan.as_ref().unwrap_or(&empty);
    let days = check_plan(&mut faults, plan);
    limit(&mut faults, "components", definition.components.len(), COMPONENTS_MAX);
    limit(&mut faults, "actions", definition.actions.len(), ACTIONS_MAX);
    let levels: Vec<_> = plan.levels.iter().map(|level| level.key.as_str()).collect();
    check_components(&mut faults, &plan.name, &levels, &definition.components);
    let components: HashSet<&str> = definition.components.iter().map(|component| component.name.as_str()).collect();
    let mut indicators: HashMap<&str, Vec<&Indicator>> = HashMap::new();
    for indicator in &definition.indicators {
        indicators.entry(action_of(&indicator.name)).or_default().push(indicator);
    }
    let (mut names, mut codes) = (Once::default(), Once::default());
    for (place, action) in definition.actions.iter().enumerate() {
        let path = format!("actions[{place}]");
        names.id(&mut faults, &path, &action.name, &format!("{}/actions/", plan.name));
        codes.code(&mut faults, &path, &action.code);
        check_action(&mut faults, &path, action, &components, days);
        let measured = indicators.remove(action.name.as_str()).unwrap_or_default();
        check_indicators(&mut faults, &path, &action.name, &measured);
    }
    for indicator in indicators.into_values().flatten() {
        faults.add(
            "indicators",
            format!("«{}» no es de ninguna acción", indicator.name),
            format!("\"{}\" belongs to no action", indicator.name),
        );
    }
    faults
}

/// Notices what comes twice.
struct Once<T>(HashSet<T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Hash + Eq> Once<T> {
    fn note(&mut self, faults: &mut Faults, path: &str, value: T, shown: &str) {
        if !self.0.insert(value) {
            faults.add(path, format!("«{shown}» está repetido"), format!("\"{shown}\" comes twice"));
        }
    }
}

impl<'a> Once<&'a str> {
    fn code(&mut self, faults: &mut Faults, path: &str, code: &'a str) {
        let path = format!("{path}.code");
        faults.text(&path, code, 1..=63);
        if !code.is_empty() {
            self.note(faults, &path, code, code);
        }
    }

    fn id(&mut self, faults: &mut Faults, path: &str, name: &'a str, prefix: &str) {
        let path = format!("{path}.id");
        let id = name.strip_prefix(prefix).unwrap_or("");
        faults.id(&path, id);
        if !id.is_empty() {
            self.note(faults, &path, name, id);
        }
    }
}

fn limit(faults: &mut Faults, path: &str, count: usize, most: usize) {
    if count > most {
        faults.add(
            path,
            format!("son {count}; caben {most}"),
            format!("{count} are too many: at most {most}"),
        );
    }
}

fn positive(faults: &mut Faults, path: &str, weight: Option<&Wire>) {
    if let Some(value) = weight.and_then(|weight| decimal(faults, path, Some(weight))) {
        faults.require(value > zero(), path, "debe ser mayor que 0", "must be above 0");
    }
}

fn zero() -> Decimal {
    Decimal::from_int(0)
}

fn decimal(faults: &mut Faults, path: &str, value: Option<&Wire>) -> Option<Decimal> {
    faults.decimal(path, value)?.parse().ok()
}

fn each_once(faults: &mut Faults, path: &str, values: &[String], check: impl Fn(&mut Faults, &str, &str)) {
    limit(faults, path, values.len(), LIST_MAX);
    let mut once = Once(HashSet::new());
    for (place, value) in values.iter().enumerate() {
        let path = format!("{path}[{place}]");
        check(faults, &path, value);
        once.note(faults, &path, value, value);
    }
}

fn role(faults: &mut Faults, path: &str, role: &str) {
    if !ROLES.contains(&role) {
        let known = ROLES.join(", ");
        faults.add(
            path,
            format!("«{role}» no es un rol: {known}"),
            format!("\"{role}\" is no role: {known}"),
        );
    }
}

fn provenance(faults: &mut Faults, path: &str, provenance: Option<&Provenance>) {
    if let Some(provenance) = provenance {
        faults.text(&format!("{path}.source"), &provenance.source, 0..=4000);
        faults.text(&format!("{path}.note"), &provenance.note, 0..=4000);
    }
}

/// The plan's own fields; gives its first and last day where they are days in order.
fn check_plan(faults: &mut Faults, plan: &Plan) -> Option<(Date, Date)> {
    faults.id("plan.id", plan.name.strip_prefix("plans/").unwrap_or(""));
    faults.text("plan.title_es", &plan.title_es, 1..=500);
    faults.text("plan.title_en", &plan.title_en, 0..=500);
    faults.text("plan.acronym", &plan.acronym, 0..=50);
    if jiff::tz::TimeZone::get(&plan.time_zone).is_err() {
        let zone = &plan.time_zone;
        faults.add(
            "plan.time_zone",
            format!("«{zone}» no es una zona horaria conocida, como America/Guayaquil"),
            format!("\"{zone}\" is no known time zone, such as America/Guayaquil"),
        );
    }
    let governing = &plan.governing_institution;
    if !governing.is_empty() {
        faults.id("plan.governing_institution", governing.strip_prefix("institutions/").unwrap_or(""));
    }
    limit(faults, "plan.levels", plan.levels.len(), 20);
    let mut keys = Once::default();
    for (place, level) in plan.levels.iter().enumerate() {
        let path = format!("plan.levels[{place}]");
        faults.text(&format!("{path}.key"), &level.key, 1..=63);
        keys.note(faults, &format!("{path}.key"), level.key.as_str(), &level.key);
        faults.text(&format!("{path}.name_es"), &level.name_es, 0..=200);
        faults.text(&format!("{path}.name_en"), &level.name_en, 0..=200);
    }
    limit(faults, "plan.legal_basis", plan.legal_basis.len(), LIST_MAX);
    for (place, basis) in plan.legal_basis.iter().enumerate() {
        let path = format!("plan.legal_basis[{place}]");
        faults.text(&format!("{path}.instrument"), &basis.instrument, 1..=1000);
        faults.text(&format!("{path}.reference"), &basis.reference, 0..=1000);
        if !basis.date.is_empty() {
            faults.date(&format!("{path}.date"), &basis.date);
        }
        provenance(faults, &path, basis.provenance.as_ref());
    }
    check_calendar(faults, &plan.reporting.clone().unwrap_or_default());
    check_policy(faults, &plan.compliance_policy.clone().unwrap_or_default());
    check_alert_policy(faults, &plan.alert_policy.clone().unwrap_or_default());
    provenance(faults, "plan", plan.provenance.as_ref());
    annotations::check(faults, "plan", &plan.annotations_json, &annotations::PLAN);
    let (start, end) = (faults.date("plan.start", &plan.start), faults.date("plan.end", &plan.end));
    let (start, end) = (start?, end?);
    faults.require(
        start <= end,
        "plan.end",
        "el plan termina antes de empezar",
        "the plan ends before it starts",
    );
    faults.require(
        end.year() - start.year() <= YEARS_MAX,
        "plan.end",
        "el plan dura más de 60 años",
        "the plan lasts more than 60 years",
    );
    (start <= end).then_some((start, end))
}

fn check_calendar(faults: &mut Faults, calendar: &ReportingCalendar) {
    faults.require(
        calendar.frequency() != Frequency::Unspecified,
        "plan.reporting.frequency",
        "falta: monthly, quarterly, semiannual o annual",
        "is missing: monthly, quarterly, semiannual or annual",
    );
    for (path, days) in [
        ("due_days_after_period", calendar.due_days_after_period),
        ("review_days", calendar.review_days),
    ] {
        faults.require(
            (0..=366).contains(&days),
            &format!("plan.reporting.{path}"),
            "debe estar entre 0 y 366",
            "must lie between 0 and 366",
        );
    }
    each_once(faults, "plan.reporting.holidays", &calendar.holidays, |faults, path, day| {
        faults.date(path, day);
    });
    let hour = &calendar.hour;
    let is_hour = hour.is_empty() || (hour.len() == 5 && Time::strptime("%H:%M", hour).is_ok());
    faults.require(is_hour, "plan.reporting.hour", "debe ser una hora HH:MM", "must be an hour HH:MM");
}

fn check_policy(faults: &mut Faults, policy: &CompliancePolicy) {
    let at = |field: &str| format!("plan.compliance_policy.{field}");
    faults.require(policy.rules == 1, &at("rules"), "solo hay reglas 1", "there are only rules 1");
    let mut percent = |field: &str, value: &Option<Wire>| {
        let path = at(field);
        let value = decimal(faults, &path, value.as_ref())?;
        let fits = value >= zero() && value <= Decimal::from_int(100);
        faults.require(
            fits,
            &path,
            "debe ser un porcentaje de 0 a 100",
            "must be a percentage from 0 to 100",
        );
        fits.then_some(value)
    };
    let on_track = percent("on_track_from", &policy.on_track_from);
    let at_risk = percent("at_risk_from", &policy.at_risk_from);
    percent("reported_from", &policy.reported_from);
    if let (Some(on_track), Some(at_risk)) = (on_track, at_risk) {
        faults.require(
            at_risk <= on_track,
            &at("at_risk_from"),
            "no puede ser mayor que on_track_from",
            "can't be above on_track_from",
        );
    }
    faults.require(
        (0..=1000).contains(&policy.stale_after),
        &at("stale_after"),
        "debe estar entre 0 y 1000",
        "must lie between 0 and 1000",
    );
    faults.require(
        !policy.reporting_roles.is_empty(),
        &at("reporting_roles"),
        "falta quién reporta",
        "who reports is missing",
    );
    each_once(faults, &at("reporting_roles"), &policy.reporting_roles, role);
    positive(faults, &at("milestones_weight"), policy.milestones_weight.as_ref());
}

/// Days, or thresholds in days, of an alert policy at most.
const ALERT_DAYS_MAX: usize = 10;

fn check_alert_policy(faults: &mut Faults, policy: &AlertPolicy) {
    let at = |field: &str| format!("plan.alert_policy.{field}");
    for (field, days) in [("due_soon_days", &policy.due_soon_days), ("overdue_days", &policy.overdue_days)] {
        let mut once: Vec<_> = days.iter().filter(|days| (1..=366).contains(*days)).collect();
        once.sort_unstable();
        once.dedup();
        faults.require(
            once.len() == days.len() && days.len() <= ALERT_DAYS_MAX,
            &at(field),
            "deben ser a lo sumo 10 números de 1 a 366, cada uno una vez",
            "must be at most 10 numbers from 1 to 366, each once",
        );
    }
    for (field, number, most) in [
        ("parent_from_days", policy.parent_from_days, 366),
        ("governing_from_days", policy.governing_from_days, 366),
        ("unanswered_days", policy.unanswered_days, 366),
        ("money_late_days", policy.money_late_days, 366),
        ("silent_periods", policy.silent_periods, 100),
        ("returned_times", policy.returned_times, 100),
        ("empty_reports", policy.empty_reports, 100),
        ("index_fall_percent", policy.index_fall_percent, 100),
        ("spending_behind_percent", policy.spending_behind_percent, 100),
    ] {
        if !(0..=most).contains(&number) {
            faults.add(
                at(field),
                format!("debe estar entre 1 y {most}"),
                format!("must lie between 1 and {most}"),
            );
        }
    }
    let hours = [
        ("digest_hour", &policy.digest_hour, "08:00"),
        ("quiet_from", &policy.quiet_from, "20:00"),
        ("quiet_to", &policy.quiet_to, "07:00"),
    ];
    let mut all_are_hours = true;
    let hours = hours.map(|(field, hour, default)| {
        let is_hour = hour.is_empty() || (hour.len() == 5 && Time::strptime("%H:%M", hour).is_ok());
        all_are_hours &= is_hour;
        faults.require(is_hour, &at(field), "debe ser una hora HH:MM", "must be an hour HH:MM");
        if hour.is_empty() { default } else { hour.as_str() }
    });
    // Hours of two figures each: their order as text is that of the day.
    let [digest, from, to] = hours;
    let is_quiet = if from <= to {
        (from..to).contains(&digest)
    } else {
        digest >= from || digest < to
    };
    faults.require(
        !(all_are_hours && is_quiet),
        &at("digest_hour"),
        "cae en las horas de silencio",
        "lies in the quiet hours",
    );
}

fn check_components(faults: &mut Faults, plan: &str, levels: &[&str], components: &[Component]) {
    let parents: HashMap<&str, &str> = components
        .iter()
        .map(|component| (component.name.as_str(), component.parent.as_str()))
        .collect();
    let (mut names, mut codes) = (Once::default(), Once::default());
    for (place, component) in components.iter().enumerate() {
        let path = format!("components[{place}]");
        names.id(faults, &path, &component.name, &format!("{plan}/components/"));
        codes.code(faults, &path, &component.code);
        faults.text(&format!("{path}.level"), &component.level, 0..=63);
        if !component.level.is_empty() && !levels.is_empty() && !levels.contains(&component.level.as_str()) {
            faults.add(
                format!("{path}.level"),
                format!("el plan no tiene el nivel «{}»: son {}", component.level, levels.join(", ")),
                format!("the plan has no level \"{}\": they are {}", component.level, levels.join(", ")),
            );
        }
        faults.text(&format!("{path}.title_es"), &component.title_es, 1..=500);
        faults.text(&format!("{path}.title_en"), &component.title_en, 0..=500);
        provenance(faults, &path, component.provenance.as_ref());
        annotations::check(faults, &path, &component.annotations_json, &annotations::COMPONENT);
        let parent = component.parent.as_str();
        let at = format!("{path}.parent");
        if !parent.is_empty() && !parents.contains_key(parent) {
            unknown_component(faults, &at, parent);
        } else if is_below_itself(&parents, &component.name) {
            faults.add(
                at,
                "está debajo de sí mismo: el árbol da la vuelta",
                "lies below itself: the tree runs in a circle",
            );
        }
    }
}

/// Whether the way up comes back to where it began.
fn is_below_itself(parents: &HashMap<&str, &str>, name: &str) -> bool {
    let mut above = parents.get(name).copied().unwrap_or("");
    for _ in 0..parents.len() {
        if above == name {
            return true;
        }
        above = parents.get(above).copied().unwrap_or("");
    }
    false
}

fn unknown_component(faults: &mut Faults, path: &str, name: &str) {
    let shown = name.rsplit('/').next().unwrap_or(name);
    faults.add(
        path,
        format!("el plan no tiene el componente «{shown}»"),
        format!("the plan has no component \"{shown}\""),
    );
}

fn check_action(faults: &mut Faults, path: &str, action: &Action, components: &HashSet<&str>, plan: Option<(Date, Date)>) {
    let at = |field: &str| format!("{path}.{field}");
    if !components.contains(action.component.as_str()) {
        unknown_component(faults, &at("component"), &action.component);
    }
    faults.text(&at("text_es"), &action.text_es, 1..=2000);
    faults.text(&at("gloss_en"), &action.gloss_en, 0..=2000);
    faults.text(&at("legal_basis"), &action.legal_basis, 0..=2000);
    positive(faults, &at("weight"), action.weight.as_ref());
    let (start, end) = (faults.date(&at("start"), &action.start), faults.date(&at("end"), &action.end));
    if let (Some(start), Some(end)) = (start, end) {
        faults.require(
            start <= end,
            &at("end"),
            "la acción termina antes de empezar",
            "the action ends before it starts",
        );
    }
    if let Some((first, last)) = plan {
        for (field, day) in [("start", start), ("end", end)] {
            if day.is_some_and(|day| day < first || day > last) {
                faults.add(
                    at(field),
                    format!("está fuera del plan ({first} a {last})"),
                    format!("lies outside of the plan ({first} to {last})"),
                );
            }
        }
    }
    let cantonal = action.territories == ["cantonal"];
    each_once(faults, &at("territory"), &action.territories, |faults, path, code| {
        let is_code = matches!(code.len(), 2 | 4) && code.bytes().all(|b| b.is_ascii_digit());
        faults.require(
            is_code || cantonal,
            path,
            "debe ser national, cantonal o códigos de provincia (2 cifras) o cantón (4)",
            "must be national, cantonal or codes of provinces (2 digits) or cantons (4)",
        );
    });
    if !action.lead.is_empty() {
        faults.id(&at("lead"), &action.lead);
    }
    for (field, institutions) in [
        ("co_responsible", &action.co_responsible),
        ("supporting", &action.supporting),
        ("counterpart", &action.counterpart),
    ] {
        each_once(faults, &at(field), institutions, |faults, path, institution| {
            faults.id(path, institution);
        });
    }
    limit(faults, &at("milestones"), action.milestones.len(), MILESTONES_MAX);
    let mut codes = Once::default();
    for (place, milestone) in action.milestones.iter().enumerate() {
        let path = format!("{path}.milestones[{place}]");
        codes.code(faults, &path, &milestone.code);
        faults.date(&format!("{path}.due"), &milestone.due);
        faults.text(&format!("{path}.text_es"), &milestone.text_es, 0..=2000);
        annotations::check(faults, &path, &milestone.annotations_json, &annotations::MILESTONE);
    }
    limit(faults, &at("suspended"), action.suspended.len(), MILESTONES_MAX);
    for (place, span) in action.suspended.iter().enumerate() {
        let path = format!("{path}.suspended[{place}]");
        let from = faults.date(&format!("{path}.from"), &span.from);
        if !span.to.is_empty() {
            let to = faults.date(&format!("{path}.to"), &span.to);
            let in_order = from.zip(to).is_none_or(|(from, to)| from <= to);
            faults.require(in_order, &format!("{path}.to"), "termina antes de empezar", "ends before it starts");
        }
    }
    if !action.withdrawn_on.is_empty() {
        faults.date(&at("withdrawn_on"), &action.withdrawn_on);
    }
    limit(faults, &at("budget_lines"), action.budget_lines.len(), LIST_MAX);
    for (place, line) in action.budget_lines.iter().enumerate() {
        check_budget_line(faults, &format!("{path}.budget_lines[{place}]"), line);
    }
    each_once(faults, &at("commitments"), &action.commitments, |faults, path, text| {
        faults.text(path, text, 1..=100);
    });
    if !action.twin.is_empty() {
        let is_action = name::split("plans/{}/actions/{}", &action.twin).is_some();
        faults.require(is_action, &at("twin"), "debe ser plans/…/actions/…", "must be plans/…/actions/…");
    }
    provenance(faults, path, action.provenance.as_ref());
    annotations::check(faults, path, &action.annotations_json, &annotations::ACTION);
}

fn check_budget_line(faults: &mut Faults, path: &str, line: &BudgetLine) {
    faults.require(
        (1900..2200).contains(&line.year),
        &format!("{path}.year"),
        "debe ser un año",
        "must be a year",
    );
    faults.text(&format!("{path}.classifier"), &line.classifier, 0..=100);
    let known = ["", "treasury", "cooperation"].contains(&line.source.as_str());
    faults.require(
        known,
        &format!("{path}.source"),
        "debe ser treasury o cooperation",
        "must be treasury or cooperation",
    );
    for (field, amount) in [("initial", &line.initial), ("current", &line.current), ("accrued", &line.accrued)] {
        if amount.is_some() {
            faults.decimal(&format!("{path}.{field}"), amount.as_ref());
        }
    }
}

fn check_indicators(faults: &mut Faults, path: &str, action: &str, indicators: &[&Indicator]) {
    limit(faults, &format!("{path}.indicators"), indicators.len(), INDICATORS_MAX);
    let (mut names, mut codes) = (Once::default(), Once::default());
    for (place, indicator) in indicators.iter().enumerate() {
        let path = format!("{path}.indicators[{place}]");
        names.id(faults, &path, &indicator.name, &format!("{action}/indicators/"));
        codes.code(faults, &path, &indicator.code);
        check_indicator(faults, &path, indicator);
    }
}

fn check_indicator(faults: &mut Faults, path: &str, indicator: &Indicator) {
    let at = |field: &str| format!("{path}.{field}");
    faults.text(&at("name_es"), &indicator.name_es, 1..=1000);
    faults.text(&at("unit"), &indicator.unit, 1..=63);
    faults.text(&at("means_of_verification_es"), &indicator.means_of_verification_es, 0..=2000);
    positive(faults, &at("weight"), indicator.weight.as_ref());
    each_once(faults, &at("reported_by"), &indicator.reported_by, role);
    each_once(faults, &at("breakdown"), &indicator.breakdown, |faults, path, text| {
        faults.text(path, text, 1..=63);
    });
    provenance(faults, path, indicator.provenance.as_ref());
    annotations::check(faults, path, &indicator.annotations_json, &annotations::INDICATOR);
    let direction = indicator.direction();
    let increases = matches!(direction, Direction::Increase | Direction::Unspecified);
    faults.require(
        increases || indicator.window() != Window::Year,
        &at("window"),
        "por año solo se mide lo que crece (direction: increase)",
        "by year only what increases is measured (direction: increase)",
    );
    let adds = matches!(indicator.aggregation(), Aggregation::Sum | Aggregation::Max);
    faults.require(
        direction != Direction::Decrease || !adds,
        &at("aggregation"),
        "lo que decrece no se suma ni se toma el máximo",
        "what decreases is neither added nor taken at its greatest",
    );
    if let Some(baseline) = &indicator.baseline {
        check_target(faults, &at("baseline"), baseline);
    }
    limit(faults, &at("targets"), indicator.targets.len(), TARGETS_MAX);
    let mut days = Once::default();
    for (place, target) in indicator.targets.iter().enumerate() {
        let path = format!("{path}.targets[{place}]");
        let (day, value) = check_target(faults, &path, target);
        if let Some(day) = day {
            days.note(faults, &path, day, &target.on);
        }
        let Some(value) = value else { continue };
        let path = format!("{path}.value");
        match direction {
            Direction::AtLeast => faults.require(value > zero(), &path, "un piso debe ser mayor que 0", "a floor must be above 0"),
            Direction::AtMost => faults.require(
                value >= zero(),
                &path,
                "un techo no puede ser menor que 0",
                "a ceiling can't be below 0",
            ),
            _ => {}
        }
    }
}

fn check_target(faults: &mut Faults, path: &str, target: &Target) -> (Option<Date>, Option<Decimal>) {
    (
        faults.date(&format!("{path}.on"), &day_of(&target.on)),
        decimal(faults, &format!("{path}.value"), target.value.as_ref()),
    )
}

/// The day of a target as date: a year alone means its 31 December.
pub(crate) fn day_of(on: &str) -> String {
    let is_year = on.len() == 4 && on.bytes().all(|b| b.is_ascii_digit());
    if is_year { format!("{on}-12-31") } else { on.to_owned() }
}
