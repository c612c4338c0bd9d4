//! Reports over real sockets, as people read them, and what must hold for all of them.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use vigia_platform::timestamp;
use vigia_proto::{
    assignments::{Agreement, ContactPoint, Institution, Succession},
    compliance::{ActionState, Basis, CompareScorecardsResponse, Discipline, IndexChange, IndexPoint, Scorecard, StateCount, Verdict},
    plans::{Action, Component, Indicator, Level, Plan, Target},
    types::{Decimal, Provenance},
};

use super::{Materials, html, late, markdown, sections};
use crate::{
    compliance_tests::{Play, STORY},
    lang::Lang,
};

/// A report must not be larger, so that it can be sent by e-mail.
const HTML_BYTES_MAX: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_reads_well() {
    let mut play = Play::of(STORY).await;
    play.until("2026-10-20 10:00").await;
    let auditor = play.stage.cast.of("auditor").expect("an auditor");
    let materials = Materials::gather(&auditor, "demo", Some("2026-10-20T09:00"), Some("2026-04-01")).await;
    let materials = materials.expect("gathered");
    insta::assert_snapshot!("report_es", markdown::text(&sections::document(&materials, Lang::Es)));
    insta::assert_snapshot!(
        "report_en",
        html::page(&sections::document(&materials, Lang::En)).replace("><", ">\n<")
    );
    // Asked again later, for the same instant, it is the same.
    play.until("2027-01-20 10:00").await;
    let again = Materials::gather(&auditor, "demo", Some("2026-10-20T09:00"), Some("2026-04-01")).await;
    let again = again.expect("gathered");
    assert_eq!(
        markdown::text(&sections::document(&again, Lang::Es)),
        markdown::text(&sections::document(&materials, Lang::Es))
    );
}

/// A ministry stood there as the one that answers, although it had contested.
#[tokio::test(flavor = "multi_thread")]
async fn who_contests_does_not_answer_for_an_action() {
    let begun = "- {at: 2026-04-05 09:00,";
    let contested = "\
- {at: 2026-01-03 09:00, as: coordinator, do: propose, assignment: c1, action: A1, institution: mdg, role: lead, from: 2026-01-01}
- {at: 2026-01-03 09:01, as: mdg, do: contest, assignment: c1}
- {at: 2026-01-03 09:02, as: coordinator, do: propose, assignment: u1, action: A1, institution: mies, role: lead, from: 2026-01-01}
";
    let story = STORY.replacen(begun, &format!("{contested}{begun}"), 1);
    let mut play = Play::of(&story).await;
    play.until("2026-02-01 10:00").await;
    let auditor = play.stage.cast.of("auditor").expect("an auditor");
    let leads = async |as_of: &str| {
        let materials = Materials::gather(&auditor, "demo", Some(as_of), None).await.expect("gathered");
        let on_it = materials.verdicts.iter().find(|verdict| verdict.name == "plans/demo/actions/a1");
        on_it.expect("a verdict").institutions.clone()
    };
    // Silence is no way out; before it contested, it was asked.
    assert_eq!(leads("2026-02-01T09:00").await, ["institutions/mies", "institutions/msp"]);
    assert_eq!(leads("2026-01-03T09:00").await, ["institutions/mdg", "institutions/msp"]);
}

fn some(text: &str, number: usize) -> String {
    format!("{text} {number}")
}

/// A plan with so many actions, each led by an institution of its own, over so many periods, in which nobody has reported.
fn materials(actions: usize, periods: usize, text: &str) -> Materials {
    let day = |number: usize| {
        timestamp(jiff::Timestamp::from_second(1_600_000_000 + 86_400 * i64::try_from(number).expect("small")).expect("a time"))
    };
    let discipline = Some(Discipline {
        owed: 20,
        received: 3,
        ..Discipline::default()
    });
    let card = |name: String| Scorecard {
        name,
        title_es: text.to_owned(),
        strict: "0.123456789012".into(),
        coverage_observed: "0.5".into(),
        discipline,
        states: vec![StateCount {
            state: ActionState::Unreported.into(),
            actions: 3,
        }],
        ..Scorecard::default()
    };
    let action = |number: usize| format!("plans/p/actions/a{number}");
    let institution = |number: usize| format!("institutions/i{number}");
    let missing = (0..actions).flat_map(|number| {
        (0..periods).map(move |period| Verdict {
            name: format!(
                "plans/p/assignments/x{number}/obligations/{}-Q{}",
                2020 + period / 4,
                1 + period % 4
            ),
            obligation_state: "OVERDUE".into(),
            timeliness: "MISSING".into(),
            period: format!("{}-Q{}", 2020 + period / 4, 1 + period % 4),
            due_time: Some(day(90 * period)),
            institutions: vec![institution(number)],
            institution_titles_es: vec![some(text, number)],
            action: action(number),
            title_es: some(text, number),
            ..Verdict::default()
        })
    });
    let change = |number: usize| IndexChange {
        time: Some(day(number)),
        action: action(number % actions),
        title_es: text.to_owned(),
        strict: "0.01".into(),
        observed: "-0.01".into(),
        validated: "0".into(),
        text_es: text.to_owned(),
        ..IndexChange::default()
    };
    Materials {
        plan: Plan {
            name: "plans/p".into(),
            title_es: text.to_owned(),
            levels: vec![Level {
                key: "eje".into(),
                name_es: text.to_owned(),
                ..Level::default()
            }],
            ..Plan::default()
        },
        zone: TimeZone::UTC,
        as_of: jiff::Timestamp::from_second(1_800_000_000).expect("a time"),
        basis: Basis {
            simulated: true,
            ..Basis::default()
        },
        components: (0..6)
            .map(|number| Component {
                name: format!("plans/p/components/c{number}"),
                code: text.to_owned(),
                level: "eje".into(),
                ..Component::default()
            })
            .collect(),
        actions: (0..actions)
            .map(|number| {
                let action = Action {
                    name: action(number),
                    code: text.to_owned(),
                    component: format!("plans/p/components/c{}", number % 6),
                    gloss_en: text.to_owned(),
                    provenance: Some(Provenance {
                        illustrative: true,
                        ..Provenance::default()
                    }),
                    ..Action::default()
                };
                (action.name.clone(), action)
            })
            .collect(),
        indicators: Vec::new(),
        scorecards: std::iter::once("plans/p".to_owned())
            .chain((0..6).map(|number| format!("plans/p/components/c{number}")))
            .chain((0..actions).map(institution))
            .map(card)
            .collect(),
        trajectory: (0..periods)
            .map(|period| IndexPoint {
                time: Some(day(90 * period)),
                period: format!("{}-Q{}", 2020 + period / 4, 1 + period % 4),
                strict: "0.5".into(),
                observed: if period % 3 == 0 { String::new() } else { "0.75".into() },
                ..IndexPoint::default()
            })
            .collect(),
        verdicts: (0..actions)
            .map(|number| Verdict {
                name: action(number),
                action: action(number),
                institutions: vec![institution(number)],
                institution_titles_es: vec![text.to_owned()],
                title_es: text.to_owned(),
                ..Verdict::default()
            })
            .collect(),
        missing: missing.collect(),
        institutions: BTreeMap::new(),
        successions: Vec::new(),
        agreements: Vec::new(),
        assessments: Vec::new(),
        follow_ups: None,
        comparison: Some(CompareScorecardsResponse {
            changes: (0..1000).map(change).collect(),
            ..CompareScorecardsResponse::default()
        }),
    }
}

#[test]
fn a_large_report_is_small_and_needs_nothing_from_elsewhere() {
    let materials = materials(100, 20, &"Formar promotoras comunitarias en cada cantón ".repeat(6));
    for lang in [Lang::Es, Lang::En] {
        let page = html::page(&sections::document(&materials, lang));
        assert!(page.len() <= HTML_BYTES_MAX, "{} bytes", page.len());
        for fetched in [
            "<link", "<script", "<img", "<iframe", "src=", "url(", "@import", "http:", "https:", "<object", "<embed",
        ] {
            assert!(!page.contains(fetched), "{fetched}");
        }
        // Whatever is linked stands on the page itself.
        assert!(
            page.match_indices("href=\"")
                .all(|(at, found)| page[at + found.len()..].starts_with('#'))
        );
        // Each chart has the table of its numbers after it.
        let charts = page.matches("<svg").count();
        assert_eq!(charts, 2);
        assert_eq!(
            page.split("</svg>")
                .skip(1)
                .filter(|rest| rest.trim_start_matches("</figure>").starts_with("<table>"))
                .count(),
            charts
        );
    }
}

#[test]
fn what_others_have_typed_is_text() {
    let hostile = "<script>alert(1)</script>\"><img src=x onerror=y>|`*[x](http://evil)\n# H";
    let materials = materials(3, 2, hostile);
    for lang in [Lang::Es, Lang::En] {
        let page = html::page(&sections::document(&materials, lang));
        assert!(
            !page.contains("<script>") && !page.contains("<img") && page.contains("&lt;script&gt;"),
            "{page}"
        );
        let text = markdown::text(&sections::document(&materials, lang));
        assert!(
            !text.contains("<script>") && !text.replace("\\]", "").contains("](") && !text.contains("\n# H"),
            "{text}"
        );
        // A cell remains a cell: every row of a table has as many of them as its heading.
        let bars = |line: &str| line.replace("\\|", "").matches('|').count();
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        let tables = text.split("\n\n").filter(|part| part.starts_with('|'));
        assert!(rows.len() > 20);
        for table in tables {
            let counts: Vec<_> = table.lines().map(bars).collect();
            assert!(counts.windows(2).all(|two| two[0] == two[1]), "{table}");
        }
    }
}

#[test]
fn small_counts_are_withheld() {
    let mut materials = materials(3, 2, "texto");
    let indicator = Indicator {
        name: "plans/p/actions/a1/indicators/i".into(),
        unit: "count".into(),
        targets: vec![Target {
            value: Some(Decimal { value: "10".into() }),
            ..Target::default()
        }],
        ..Indicator::default()
    };
    materials.indicators = vec![indicator];
    let page = |materials: &Materials| markdown::text(&sections::document(materials, Lang::En));
    assert!(!page(&materials).contains("| withheld |"), "the action acts everywhere");
    materials.actions.get_mut("plans/p/actions/a1").expect("an action").territories = vec!["1701".into()];
    let text = page(&materials);
    // Its institution has no other action; its component has none either.
    let withheld: Vec<_> = text.lines().filter(|line| line.contains("| withheld |")).collect();
    assert_eq!(withheld.len(), 2, "{withheld:#?}");
    // What it moved is not told by itself: nor alone among the rest, from which it could be reckoned.
    let of = |number: usize| IndexChange {
        action: format!("plans/p/actions/a{number}"),
        strict: format!("0.{}", 3 + number),
        ..IndexChange::default()
    };
    let comparison = materials.comparison.as_mut().expect("a comparison");
    comparison.changes = vec![of(0), of(1), of(2)];
    let text = page(&materials);
    assert!(
        text.contains("the sum of 2 parts that are smaller or withheld |  | +70.0 |"),
        "{text}"
    );
    assert!(
        text.contains("| +50.0 |") && !text.contains("| +40.0 |") && !text.contains("| +30.0 |"),
        "{text}"
    );
}

#[test]
fn the_late_are_called_where_they_are_now() {
    let mut materials = materials(2, 2, "texto");
    let institution = |id: &str| Institution {
        name: format!("institutions/{id}"),
        name_es: id.to_uppercase(),
        ..Institution::default()
    };
    for id in ["i0", "i1", "heir", "last"] {
        materials.institutions.insert(format!("institutions/{id}"), institution(id));
    }
    let passes = |from: &str, to: &str, kind: &str, on: &str| Succession {
        predecessor: format!("institutions/{from}"),
        successor: format!("institutions/{to}"),
        kind: kind.into(),
        effective_on: on.into(),
        ..Succession::default()
    };
    materials.successions = vec![
        passes("i0", "heir", "absorption", "2022-01-01"),
        passes("heir", "last", "rename", "2023-01-01"),
        passes("last", "i0", "merger", "2024-01-01"),
        passes("i1", "heir", "split", "2022-01-01"),
        passes("i1", "last", "rename", "2099-01-01"),
    ];
    // A ring ends; a split and what is to come pass on nothing.
    assert_eq!(materials.holder("institutions/i1"), None);
    materials.successions.remove(2);
    assert_eq!(
        materials.holder("institutions/i0").map(|holder| holder.name_es.as_str()),
        Some("LAST")
    );
    materials.agreements = vec![Agreement {
        institution: "institutions/last".into(),
        institution_contact: Some(ContactPoint {
            office: "Planificación".into(),
            ..ContactPoint::default()
        }),
        ..Agreement::default()
    }];
    let late = late(&materials);
    assert_eq!(late.len(), 2, "a row for each institution and action");
    assert_eq!(
        late[0].owed.iter().map(|owed| owed.period.as_str()).collect::<Vec<_>>(),
        ["2020-Q1", "2020-Q2"]
    );
    let offices: Vec<_> = late
        .iter()
        .map(|late| materials.contact(late).map(|contact| contact.office.as_str()))
        .collect();
    assert_eq!(offices, [Some("Planificación"), None]);
    // Its own focal point comes first, the one that has an address.
    let office = |office: &str, email: &str| ContactPoint {
        office: office.into(),
        email: email.into(),
        ..ContactPoint::default()
    };
    let last = materials.institutions.get_mut("institutions/last").expect("an institution");
    last.focal_points = vec![office("Archivo", ""), office("Género", "genero@example.org")];
    let late = self::late(&materials);
    assert_eq!(materials.contact(&late[0]).map(|contact| contact.office.as_str()), Some("Género"));
}
