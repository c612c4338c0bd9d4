//! Plan files, checks, changes and differences, against the real plans and the scenarios.

use std::{collections::BTreeSet, path::PathBuf};

use proptest::prelude::*;
use vigia_platform::{Faults, plan_changes::apply};
use vigia_proto::{
    plans::{Action, AlertPolicy, Change, Component, Indicator, PlanDefinition, Target, Window, change::Resource},
    types::{Decimal, Provenance},
};

use crate::{check::check, diff::diff, file, file_changes, file_write::write, normal::normalise, yaml::Node};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

fn read(text: &str) -> PlanDefinition {
    file::read(text.as_bytes())
        .unwrap_or_else(|faults| panic!("{:#?}", faults.list()))
        .definition
}

/// Each fault as `path: Spanish sentence`.
fn sentences(faults: &Faults) -> Vec<String> {
    faults.list().iter().map(|fault| format!("{}: {}", fault.path, fault.es)).collect()
}

fn faults_of(text: &str) -> Vec<String> {
    file::read(text.as_bytes())
        .err()
        .map(|faults| sentences(&faults))
        .unwrap_or_default()
}

fn real_plans() -> Vec<String> {
    ["vcm", "lgbti", "ogp-2019-2022"]
        .map(|plan| text(&format!("deploy/data/plans/{plan}.yaml")))
        .to_vec()
}

fn scenario_files() -> Vec<Node> {
    let mut paths: Vec<_> = std::fs::read_dir(root().join("tests/scenarios"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    texts
        .map(|text| Node::parse(&text).unwrap_or_else(|broken| panic!("{broken:?}")))
        .filter(|node| node.get("plan").is_some())
        .collect()
}

fn scenario_plans() -> Vec<String> {
    scenario_files()
        .iter()
        .filter_map(|node| node.get("plan"))
        .map(Node::to_yaml)
        .collect()
}

#[test]
fn the_real_plans_and_the_scenarios_are_read_without_a_fault() {
    let counts = real_plans().into_iter().map(|text| {
        let file = file::read(text.as_bytes()).unwrap_or_else(|faults| panic!("{:#?}", sentences(&faults)));
        let odd = file.warnings.iter().filter(|warning| !warning.starts_with("estas claves"));
        assert_eq!(odd.collect::<Vec<_>>(), Vec::<&String>::new());
        let definition = file.definition;
        (definition.components.len(), definition.actions.len(), definition.indicators.len())
    });
    assert_eq!(counts.collect::<Vec<_>>(), [(15, 49, 49), (12, 31, 31), (4, 10, 3)]);
    let scenarios = scenario_plans();
    assert!(scenarios.len() >= 8);
    scenarios.iter().for_each(|text| assert_eq!(faults_of(text), Vec::<String>::new()));
}

#[test]
fn a_written_plan_reads_as_the_same_and_is_written_the_same_again() {
    for text in real_plans().iter().chain(&scenario_plans()) {
        let definition = read(text);
        let written = write(&definition);
        let again = read(&written);
        assert_eq!(again, definition);
        assert_eq!(write(&again), written);
    }
}

#[test]
fn nothing_that_the_real_plans_say_is_lost() {
    // Every key and every scalar of the file is in what is written, but for the two that are spelt otherwise.
    fn leaves(node: &Node, path: &str, into: &mut BTreeSet<String>) {
        let path = path.replace("indicators[0]", "indicator");
        match &node.kind {
            crate::yaml::Kind::Scalar(text, _) => {
                let number = vigia_platform::decimal::canonical(text);
                into.insert(format!("{path}={}", number.as_deref().unwrap_or(text)));
            }
            crate::yaml::Kind::List(items) => items
                .iter()
                .enumerate()
                .for_each(|(place, item)| leaves(item, &format!("{path}[{place}]"), into)),
            crate::yaml::Kind::Map(entries) => entries.iter().for_each(|(key, node)| leaves(node, &format!("{path}.{key}"), into)),
        }
    }
    for text in real_plans() {
        let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
        leaves(&Node::parse(&text).unwrap_or_else(|broken| panic!("{broken:?}")), "", &mut before);
        leaves(
            &Node::parse(&write(&read(&text))).unwrap_or_else(|broken| panic!("{broken:?}")),
            "",
            &mut after,
        );
        // `lead: null` is a lead that is not there; `illustrative: false` says what its absence says.
        let lost: Vec<_> = before
            .difference(&after)
            .filter(|leaf| !leaf.ends_with("=null") && !leaf.ends_with(".illustrative=false"))
            .collect();
        assert_eq!(lost, Vec::<&String>::new());
    }
}

const PLAN: &str = "plan:
  id: demo
  title_es: Plan de ejemplo
  period: {start: 2026-01-01, end: 2027-12-31}
  time_zone: America/Guayaquil
  reporting: {frequency: quarterly, due_days_after_period: 15}
components:
- {code: P, level: eje, title_es: Prevención}
actions:
- code: A1
  component: P
  text_es: Formar promotoras
  start: 2026-01-01
  end: 2026-12-31
  indicators:
  - {code: I1, name_es: Promotoras, unit: count, aggregation: sum, targets: [{year: 2026, value: 400}]}
";

#[test]
fn the_smallest_plan_has_the_defaults() {
    let definition = read(PLAN);
    let policy = definition.plan.clone().and_then(|plan| plan.compliance_policy).unwrap_or_default();
    assert_eq!(
        (policy.rules, policy.stale_after, policy.reporting_roles.join(" ")),
        (1, 2, "lead co_responsible".to_owned())
    );
    assert_eq!(definition.indicators[0].name, "plans/demo/actions/a1/indicators/i1");
    assert_eq!(definition.indicators[0].targets[0].on, "2026-12-31");
    // A value of one action that has an indicator without a code of its own.
    let only = PLAN.replace("  indicators:\n  - {code: I1, name_es", "  indicator:\n    {name_es");
    assert_eq!(read(&only).indicators[0].code, "I");
}

/// Changes the smallest plan and expects these faults.
fn check_fault(from: &str, to: &str, expect: &[&str]) {
    assert!(PLAN.contains(from), "{from}");
    assert_eq!(faults_of(&PLAN.replacen(from, to, 1)), expect, "{to}");
}

#[test]
fn bad_files_are_refused_with_each_fault_and_its_line() {
    check_fault(
        "end: 2026-12-31",
        "end: 2025-12-31",
        &[
            "actions[0].end: línea 14: la acción termina antes de empezar",
            "actions[0].end: línea 14: está fuera del plan (2026-01-01 a 2027-12-31)",
        ],
    );
    check_fault(
        "end: 2027-12-31}",
        "end: 2025-12-31}",
        &["plan.end: línea 4: el plan termina antes de empezar"],
    );
    check_fault(
        "end: 2026-12-31",
        "end: 2028-01-01",
        &["actions[0].end: línea 14: está fuera del plan (2026-01-01 a 2027-12-31)"],
    );
    check_fault(
        "end: 2026-12-31",
        "end: 2026-02-30",
        &["actions[0].end: línea 14: «2026-02-30» no es una fecha AAAA-MM-DD"],
    );
    check_fault(
        "  end: 2026-12-31\n",
        "",
        &["actions[0].end: línea 10: «» no es una fecha AAAA-MM-DD"],
    );
    check_fault(
        "Guayaquil",
        "Macondo",
        &["plan.time_zone: línea 5: «America/Macondo» no es una zona horaria conocida, como America/Guayaquil"],
    );
    check_fault(
        "quarterly",
        "weekly",
        &["plan.reporting.frequency: línea 6: debe ser uno de: monthly, quarterly, semiannual, annual"],
    );
    check_fault(
        "period: 15",
        "period: quince",
        &["plan.reporting.due_days_after_period: línea 6: debe ser un número entero"],
    );
    check_fault(
        "  component: P",
        "  component: Q",
        &["actions[0].component: línea 11: el plan no tiene el componente «Q»"],
    );
    check_fault(
        "- {code: P,",
        "- {code: P, level: eje, title_es: Otra}\n- {code: P,",
        &[
            "components[1].id: línea 9: «p» está repetido",
            "components[1].code: línea 9: «P» está repetido",
        ],
    );
    check_fault(
        "- {code: P,",
        "- {code: Q, parent: P, title_es: Otra}\n- {code: P, parent: Q,",
        &[
            "components[0].parent: línea 8: está debajo de sí mismo: el árbol da la vuelta",
            "components[1].parent: línea 9: está debajo de sí mismo: el árbol da la vuelta",
        ],
    );
    check_fault(
        "{code: P,",
        "{code: P, parent: X,",
        &["components[0].parent: línea 8: el plan no tiene el componente «X»"],
    );
    check_fault(
        "value: 400}",
        "value: 400}, {date: 2026-12-31, value: 1}",
        &["actions[0].indicators[0].targets[1]: línea 16: «2026-12-31» está repetido"],
    );
    let number = "debe ser un número decimal con 15 cifras antes del punto y 6 después, como máximo";
    for wrong in ["0.1234567", "1234567890123456", "1e3", "mucho", "1,5", ".5"] {
        check_fault(
            "value: 400",
            &format!("value: '{wrong}'"),
            &[&format!("actions[0].indicators[0].targets[0].value: línea 16: {number}")],
        );
    }
    check_fault(
        "{year: 2026, value: 400}",
        "{year: 2026}",
        &[&format!("actions[0].indicators[0].targets[0].value: línea 16: {number}")],
    );
    check_fault(
        "  component: P",
        "  component: P\n  weight: 0",
        &["actions[0].weight: línea 12: debe ser mayor que 0"],
    );
    check_fault(
        "unit: count",
        "unit: count, weight: -1",
        &["actions[0].indicators[0].weight: línea 16: debe ser mayor que 0"],
    );
    check_fault(
        "aggregation: sum",
        "aggregation: sum, direction: decrease",
        &["actions[0].indicators[0].aggregation: línea 16: lo que decrece no se suma ni se toma el máximo"],
    );
    check_fault(
        "aggregation: sum",
        "window: year, direction: at_most",
        &["actions[0].indicators[0].window: línea 16: por año solo se mide lo que crece (direction: increase)"],
    );
    check_fault(
        "sum, targets: [{year: 2026, value: 400",
        "sum, direction: at_least, targets: [{year: 2026, value: 0",
        &["actions[0].indicators[0].targets[0].value: línea 16: un piso debe ser mayor que 0"],
    );
    check_fault(
        "sum, targets: [{year: 2026, value: 400",
        "sum, direction: at_most, targets: [{year: 2026, value: -1",
        &["actions[0].indicators[0].targets[0].value: línea 16: un techo no puede ser menor que 0"],
    );
    check_fault(
        "  reporting:",
        "  compliance_policy: {on_track_from: 60, at_risk_from: 101}\n  reporting:",
        &["plan.compliance_policy.at_risk_from: línea 6: debe ser un porcentaje de 0 a 100"],
    );
    check_fault(
        "  reporting:",
        "  alert_policy: {due_soon_days: [30, 30], overdue_days: [1, tarde], silent_periods: 101, digest_hour: '21:00', quiet_to: 7}\n  reporting:",
        &[
            "plan.alert_policy.overdue_days: línea 6: deben ser números enteros",
            "plan.alert_policy.due_soon_days: línea 6: deben ser a lo sumo 10 números de 1 a 366, cada uno una vez",
            "plan.alert_policy.silent_periods: línea 6: debe estar entre 1 y 100",
            "plan.alert_policy.quiet_to: línea 6: debe ser una hora HH:MM",
        ],
    );
    check_fault(
        "  reporting:",
        "  alert_policy: {digest_hour: '06:59'}\n  reporting:",
        &["plan.alert_policy.digest_hour: línea 6: cae en las horas de silencio"],
    );
    check_fault(
        "  reporting:",
        "  compliance_policy: {on_track_from: 60, reporting_roles: [jefe]}\n  reporting:",
        &[
            "plan.compliance_policy.at_risk_from: línea 6: no puede ser mayor que on_track_from",
            "plan.compliance_policy.reporting_roles[0]: línea 6: «jefe» no es un rol: lead, co_responsible, supporting, counterpart",
        ],
    );
    check_fault(
        "  component: P",
        "  component: P\n  milestones:\n  - {code: M1, due: pronto}",
        &["actions[0].milestones[0].due: línea 13: «pronto» no es una fecha AAAA-MM-DD"],
    );
    check_fault(
        "  component: P",
        "  component: P\n  territory: [Azuay]",
        &["actions[0].territory[0]: línea 12: debe ser national, cantonal o códigos de provincia (2 cifras) o cantón (4)"],
    );
    check_fault(
        "id: demo",
        "id: Demo 1",
        &["plan.id: línea 2: debe tener de 1 a 63 caracteres de a-z, 0-9 y guion"],
    );
    check_fault(
        "  text_es: Formar promotoras",
        "  text_es: [a]",
        &["actions[0].text_es: línea 12: debe ser un texto"],
    );
    check_fault(
        "code: A1\n",
        "code: A1\n  code: A2\n",
        &["file: línea 11: «code» aparece dos veces"],
    );
    let broken = faults_of(&PLAN.replacen("plan:\n", "plan: [\n", 1));
    assert!(
        broken.len() == 1 && broken[0].starts_with("file: línea 3: el YAML no se entiende: "),
        "{broken:?}"
    );
}

#[test]
fn all_faults_of_a_file_come_at_once_in_the_order_of_their_lines() {
    let text = PLAN
        .replace("Guayaquil", "Macondo")
        .replace("  component: P", "  component: Q")
        .replace("value: 400", "value: x");
    let paths: Vec<_> = faults_of(&text)
        .iter()
        .filter_map(|fault| fault.split(':').next().map(str::to_owned))
        .collect();
    assert_eq!(
        paths,
        [
            "plan.time_zone",
            "actions[0].component",
            "actions[0].indicators[0].targets[0].value"
        ]
    );
}

#[test]
fn a_text_that_is_too_long_is_refused_at_one_past_the_limit() {
    for (length, faults) in [(2000, 0), (2001, 1)] {
        assert_eq!(
            faults_of(&PLAN.replace("Formar promotoras", &"x".repeat(length))).len(),
            faults,
            "{length}"
        );
    }
}

#[test]
fn without_targets_nothing_is_wrong_and_unknown_keys_are_kept_and_told() {
    let text = PLAN.replace(", targets: [{year: 2026, value: 400}]", "").replace(
        "  start: 2026-01-01\n",
        "  start: 2026-01-01\n  comentarios: {a: 0.10}\n  peso: 2\n",
    );
    let file = file::read(text.as_bytes()).unwrap_or_else(|faults| panic!("{:?}", sentences(&faults)));
    assert_eq!(
        file.warnings,
        ["estas claves se guardan como anotaciones, sin otro efecto: comentarios, peso"]
    );
    assert_eq!(
        file.definition.actions[0].annotations_json,
        r#"{"comentarios":{"a":0.10},"peso":2}"#
    );
    assert_eq!(read(&write(&file.definition)), file.definition);
}

#[test]
fn a_slip_of_the_pen_in_a_key_and_a_decimal_comma_are_faults() {
    let text = PLAN
        .replace("{year: 2026, value: 400}", "{year: 2026, value: 1.234,5}")
        .replace("  start: 2026-01-01\n", "  start: 2026-01-01\n  wieght: 2\n");
    assert_eq!(
        faults_of(&text),
        [
            "actions[0].wieght: línea 14: nadie conoce esta clave; ¿quiso decir «weight»?",
            "actions[0].indicators[0].targets[0].5: línea 17: nadie conoce esta clave: quítela, o corrija cómo se escribe",
        ]
    );
}

#[test]
fn what_would_count_nowhere_is_told() {
    let text = PLAN
        .replace(
            "{year: 2026, value: 400}",
            "{year: 2026, value: 4}], baseline: {year: 2025, value: 5}, direction: increase, breakdown: [",
        )
        .replace(
            "  start: 2026-01-01\n",
            "  start: 2026-01-01\n  milestones: [{code: M1, due: 2099-01-01}]\n",
        );
    let file = file::read(text.as_bytes()).unwrap_or_else(|faults| panic!("{:?}", sentences(&faults)));
    assert_eq!(file.warnings.len(), 3, "{:?}", file.warnings);
}

fn changes_of(file: &str, base: &PlanDefinition) -> Vec<Change> {
    file_changes::read(file.as_bytes(), base)
        .unwrap_or_else(|faults| panic!("{:?}", sentences(&faults)))
        .changes
}

fn paths(change: &Change) -> Vec<&str> {
    change.update_mask.iter().flat_map(|mask| &mask.paths).map(String::as_str).collect()
}

#[test]
fn the_revision_of_the_scenario_changes_what_it_names_and_nothing_else() {
    let scenarios = scenario_files();
    let revise = scenarios.iter().find_map(|node| {
        let crate::yaml::Kind::List(events) = &node.get("events")?.kind else {
            return None;
        };
        Some((node.get("plan")?, events.iter().find_map(|event| event.get("changes"))?))
    });
    let Some((plan, changes)) = revise else {
        panic!("no scenario has a revision")
    };
    let base = read(&plan.to_yaml());
    let changes = changes_of(&changes.to_yaml(), &base);
    assert_eq!(
        changes.iter().map(paths).collect::<Vec<_>>(),
        [vec!["end"], vec!["targets"], vec!["suspended"]]
    );
    let mut after = base.clone();
    changes.iter().for_each(|change| apply(&mut after, change));
    normalise(&mut after);
    assert_eq!(sentences(&check(&after)), Vec::<String>::new());
    let differences: Vec<_> = diff(&base, &after)
        .into_iter()
        .map(|difference| (difference.resource, difference.field))
        .collect();
    assert_eq!(
        differences,
        [
            ("plans/demo/actions/c1".to_owned(), "end".to_owned()),
            ("plans/demo/actions/c2".to_owned(), "suspended".to_owned()),
            ("plans/demo/actions/c1/indicators/i1".to_owned(), "targets".to_owned()),
        ]
    );
    assert_eq!(after.indicators[0].targets.len(), 3);
    assert_eq!(read(&write(&after)), after);
}

#[test]
fn a_file_of_changes_names_policy_calendar_and_new_resources() {
    let base = read(PLAN);
    let file = "compliance_policy: {stale_after: 1, note: x}\nalert_policy: {overdue_days: [2], digest_hour: '09:30'}\nreporting: {hour: '17:00'}\nplan: {title_en: Plan, note: y, period: {end: 2028-12-31}}\ncomponents: {Q: {title_es: Otra}}\nactions: {B1: {component: Q, text_es: Nueva, start: 2026-01-01, end: 2028-12-31, indicator: {name_es: N, unit: count}}}\n";
    let changes = changes_of(file, &base);
    assert_eq!(
        paths(&changes[0]),
        [
            "alert_policy.digest_hour",
            "alert_policy.overdue_days",
            "annotations_json",
            "compliance_policy.stale_after",
            "end",
            "provenance.note",
            "reporting.hour",
            "title_en"
        ]
    );
    assert!(changes[1..].iter().all(|change| change.update_mask.is_none()));
    let mut after = base.clone();
    changes.iter().for_each(|change| apply(&mut after, change));
    assert_eq!(sentences(&check(&after)), Vec::<String>::new());
    let plan = after.plan.clone().unwrap_or_default();
    let (policy, reporting) = (plan.compliance_policy.unwrap_or_default(), plan.reporting.unwrap_or_default());
    assert_eq!(
        (
            policy.stale_after,
            policy.rules,
            reporting.hour.as_str(),
            reporting.due_days_after_period
        ),
        (1, 1, "17:00", 15)
    );
    let alerts = plan.alert_policy.unwrap_or_default();
    assert_eq!((alerts.overdue_days, alerts.digest_hour.as_str()), (vec![2], "09:30"));
    assert_eq!(plan.annotations_json, r#"{"compliance_policy":{"note":"x"}}"#);
    assert_eq!(after.indicators[1].name, "plans/demo/actions/b1/indicators/i");
    normalise(&mut after);
    assert_eq!(read(&write(&after)), after);
}

#[test]
fn what_is_replaced_takes_its_annotations_with_it() {
    let base = read(&PLAN.replace("value: 400}]", "value: 400, note: a}], source: s, otra: b"));
    assert_eq!(
        base.indicators[0].annotations_json,
        r#"{"otra":"b","targets":{"2026-12-31":{"note":"a"}}}"#
    );
    let changes = changes_of(
        "actions: {A1: {indicators: {I1: {targets: [{year: 2026, value: 300}], note: n}}}}",
        &base,
    );
    assert_eq!(paths(&changes[0]), ["annotations_json", "provenance.note", "targets"]);
    let mut after = base;
    apply(&mut after, &changes[0]);
    let indicator = &after.indicators[0];
    let provenance = indicator.provenance.clone().unwrap_or_default();
    assert_eq!(
        (
            indicator.annotations_json.as_str(),
            provenance.source.as_str(),
            provenance.note.as_str()
        ),
        (r#"{"otra":"b"}"#, "s", "n")
    );
}

#[test]
fn faults_of_the_plan_as_it_would_become_stand_at_their_lines() {
    let base = read(PLAN);
    let file = "actions:\n  A1:\n    end: 2029-01-01\n    indicators:\n      I1: {weight: 0}\n";
    let read = file_changes::read(file.as_bytes(), &base).unwrap_or_else(|faults| panic!("{:?}", sentences(&faults)));
    let mut after = base.clone();
    read.changes.iter().for_each(|change| apply(&mut after, change));
    assert_eq!(
        sentences(&read.located(&after, &check(&after))),
        [
            "actions.A1.end: línea 3: está fuera del plan (2026-01-01 a 2027-12-31)",
            "actions.A1.indicators.I1.weight: línea 5: debe ser mayor que 0",
        ]
    );
    let broken = file_changes::read(b"acciones: {}\nactions: [x]\nplan: {id: otro}\n", &base)
        .err()
        .map(|faults| sentences(&faults));
    assert_eq!(
        broken.unwrap_or_default(),
        [
            "acciones: línea 1: no es una parte de un plan: plan, components, actions",
            "actions: línea 2: debe tener los códigos como claves",
            "plan.id: línea 3: el id de un plan no cambia",
        ]
    );
}

#[test]
fn a_difference_shows_what_was_there_and_what_is() {
    let (before, mut after) = (read(PLAN), read(PLAN));
    if let Some(policy) = after.plan.as_mut().and_then(|plan| plan.compliance_policy.as_mut()) {
        policy.stale_after = 3;
    }
    after.actions[0].withdrawn_on = "2026-06-01".into();
    after.components.push(Component {
        name: "plans/demo/components/q".into(),
        code: "Q".into(),
        ..Component::default()
    });
    let shown: Vec<_> = diff(&before, &after)
        .into_iter()
        .map(|d| format!("{} {} {} → {}", d.resource, d.field, d.before_json, d.after_json))
        .collect();
    assert_eq!(
        shown,
        [
            "plans/demo compliance_policy.stale_after 2 → 3",
            "plans/demo/components/q code  → \"Q\"",
            "plans/demo/actions/a1 withdrawn_on  → \"2026-06-01\"",
        ]
    );
    assert_eq!(diff(&before, &before), []);
}

#[test]
fn annotations_must_be_an_object_and_must_not_hide_a_field() {
    for (json, is_fine) in [
        ("", true),
        ("{\"x\":1.50}", true),
        ("[]", false),
        ("{", false),
        ("{\"weight\":1}", false),
        ("{\"suspended\":{\"0\":{\"why\":1}}}", true),
        ("{x: 1}", false),
    ] {
        let mut definition = read(PLAN);
        definition.actions[0].annotations_json = json.to_owned();
        assert_eq!(check(&definition).list().is_empty(), is_fine, "{json}");
    }
}

/// Any printable text, quotes, colons, hashes and all.
fn words() -> impl Strategy<Value = String> {
    "[ -~áéñ¿«»\u{1F600}\n]{1,40}".prop_map(|text| format!("x{text}x"))
}

fn numbers() -> impl Strategy<Value = Decimal> {
    (1_i64..1_000_000_000, 0_u32..=6).prop_map(|(digits, places)| {
        let text = format!("{digits:07}");
        let (whole, part) = text.split_at(text.len() - places as usize);
        let text = if part.is_empty() {
            whole.to_owned()
        } else {
            format!("{whole}.{part}")
        };
        Decimal {
            value: vigia_platform::decimal::canonical(&text).unwrap_or_default(),
        }
    })
}

prop_compose! {
    fn plans()(
        title in words(), note in words(), code in "[A-Za-z0-9.]{1,8}[a-z]", weight in numbers(),
        targets in prop::collection::btree_map((2020_i16..2030, 1_u8..=12, 1_u8..=28), numbers(), 0..6),
        year in any::<bool>(), verified in any::<bool>(), annotation in words(), territories in prop::collection::btree_set("[0-9]{2}", 0..4),
    ) -> PlanDefinition {
        let mut definition = read(PLAN);
        let provenance = Some(Provenance { source: title.clone(), verified, illustrative: year, note });
        if let Some(plan) = &mut definition.plan {
            plan.title_es.clone_from(&title);
            plan.alert_policy = year.then(|| AlertPolicy { due_soon_days: vec![60, 5], returned_times: 4, quiet_from: "19:00".into(), ..AlertPolicy::default() });
            plan.provenance.clone_from(&provenance);
        }
        let mut annotations = String::from("{\"k\":");
        annotations.push_str(&Node::text(&annotation).to_json());
        annotations.push('}');
        let action = Action { name: "plans/demo/actions/own-id".into(), code, weight: Some(weight), text_es: title, territories: territories.into_iter().collect(), provenance, annotations_json: annotations, ..definition.actions[0].clone() };
        let targets = targets.into_iter().map(|((year, month, day), value)| Target { on: format!("{year}-{month:02}-{day:02}"), value: Some(value) });
        let indicator = Indicator { name: "plans/demo/actions/own-id/indicators/i1".into(), targets: targets.collect(), window: if year { Window::Year.into() } else { 0 }, ..definition.indicators[0].clone() };
        if action.code != "A1" {
            definition.actions.push(action);
            definition.indicators.push(indicator);
        }
        definition
    }
}

proptest! {
    #[test]
    fn any_plan_survives_the_file(definition in plans()) {
        prop_assert_eq!(sentences(&check(&definition)), Vec::<String>::new());
        let written = write(&definition);
        let again = file::read(written.as_bytes()).map_err(|faults| TestCaseError::fail(format!("{:?}\n{written}", sentences(&faults))))?.definition;
        prop_assert_eq!(&again, &definition);
        prop_assert_eq!(write(&again), written);
    }

    #[test]
    fn changes_to_the_later_plan_leave_no_difference(before in plans(), after in plans()) {
        let whole = |resource| Change { resource: Some(resource), update_mask: None };
        let mut changed = before;
        for change in after.plan.clone().map(Resource::Plan).into_iter()
            .chain(after.components.iter().cloned().map(Resource::Component))
            .chain(after.actions.iter().cloned().map(Resource::Action))
            .chain(after.indicators.iter().cloned().map(Resource::Indicator))
        {
            apply(&mut changed, &whole(change));
        }
        prop_assert_eq!(diff(&changed, &after), []);
    }

    #[test]
    fn no_bytes_make_the_reader_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..PLAN.len()) {
        let _ = file::read(&bytes);
        let _ = file::read(&PLAN.as_bytes()[..cut]);
    }
}
