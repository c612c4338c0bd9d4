//! The same question as of the same instant has the same answer for ever: asked at once, asked later, asked of another
//! replica that was built anew.

use proptest::prelude::*;
use prost_types::FieldMask;
use vigia_platform::{Area, instant};
use vigia_proto::{assignments as a, compliance::ScopeKind, plans as p, reporting as r};
use vigia_rules::{AssignmentId, Verdicts};

use super::journal::{Journals, at, hours, report};
use crate::{answers, cards::Cards, comparison, memory::Memory, scopes::Named, store, trajectories, view::View};

#[derive(Clone, Debug)]
enum What {
    Submit {
        who: usize,
        of: usize,
        values: Vec<i32>,
        milestone: bool,
        evidence: bool,
    },
    Review {
        who: usize,
        of: usize,
        decision: usize,
    },
    Extend {
        of: usize,
        days: i64,
    },
    Waive {
        who: usize,
        of: usize,
    },
    Rename {
        who: usize,
        name: u8,
    },
    Propose {
        action: usize,
        indicative: bool,
    },
    HandOver {
        days: i64,
    },
    Revise {
        text: u8,
        target: i32,
        days: i64,
    },
}

fn what() -> impl Strategy<Value = What> {
    let who = 0..3_usize;
    let of = 0..4_usize;
    prop_oneof![
        6 => (who.clone(), of.clone(), prop::collection::vec(0..200, 0..3), any::<bool>(), any::<bool>())
            .prop_map(|(who, of, values, milestone, evidence)| What::Submit { who, of, values, milestone, evidence }),
        3 => (who.clone(), of.clone(), 0..3_usize).prop_map(|(who, of, decision)| What::Review { who, of, decision }),
        1 => (of.clone(), 0..90_i64).prop_map(|(of, days)| What::Extend { of, days }),
        1 => (who.clone(), of).prop_map(|(who, of)| What::Waive { who, of }),
        1 => (who, any::<u8>()).prop_map(|(who, name)| What::Rename { who, name }),
        1 => (0..2_usize, any::<bool>()).prop_map(|(action, indicative)| What::Propose { action, indicative }),
        1 => (1..300_i64).prop_map(|days| What::HandOver { days }),
        1 => (any::<u8>(), 1..600, -60..60_i64).prop_map(|(text, target, days)| What::Revise { text, target, days }),
    ]
}

const QUARTERS: [&str; 4] = ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4"];
const ASSIGNMENTS: [(&str, &str, &str); 3] = [("x1", "a1", "msp"), ("x2", "a1", "mdg"), ("x3", "a2", "msp")];

/// A story over 18 months, as journals.
fn told(mut story: Vec<(i64, What)>) -> Journals {
    story.sort_by_key(|(hour, _)| *hour);
    let mut journals = Journals::begin();
    let begin = at("2025-12-02 09:00");
    let role = |i: usize| {
        if i == 1 {
            a::AssignmentRole::CoResponsible
        } else {
            a::AssignmentRole::Lead
        }
    };
    let made: Vec<_> = ASSIGNMENTS
        .iter()
        .enumerate()
        .map(|(i, (id, action, institution))| Journals::assignment(id, action, institution, role(i), "2026-01-01"))
        .collect();
    for assignment in &made {
        journals.propose(begin, assignment);
        journals.accept(begin, assignment);
    }
    let mut versions = std::collections::HashMap::new();
    let (mut handed_over, mut revisions) = (false, 1);
    for (n, (hour, what)) in story.into_iter().enumerate() {
        let now = hours(hour);
        let obligation = |who: usize, of: usize| format!("{}/obligations/{}", ASSIGNMENTS[who].0, QUARTERS[of]);
        match what {
            What::Submit {
                who,
                of,
                values,
                milestone,
                evidence,
            } => {
                let version = versions.entry((who, of)).or_insert(0);
                *version += 1;
                let values: Vec<_> = ["I1", "I2"].into_iter().zip(values).collect();
                let report = r::Report {
                    milestones: if milestone { vec!["M1".into()] } else { Vec::new() },
                    evidence: if evidence { vec!["evidence/00".into()] } else { Vec::new() },
                    ..report(&values)
                };
                journals.submit(now, &obligation(who, of), *version, report);
            }
            What::Review { who, of, decision } => {
                let decision = [r::Decision::Validated, r::Decision::Returned, r::Decision::Rejected][decision];
                let answer_by = super::journal::zone().to_datetime(hours(hour + 24 * 10)).date().to_string();
                let version = versions.get(&(who, of)).copied().unwrap_or(1);
                journals.review(now, &obligation(who, of), version, decision, &answer_by);
            }
            What::Extend { of, days } => {
                let until = super::journal::zone().to_datetime(hours(hour + 24 * days)).date();
                journals.extend(now, QUARTERS[of], until);
            }
            What::Waive { who, of } => journals.waive(now, &obligation(who, of)),
            What::Rename { who, name } => journals.institution(now, ASSIGNMENTS[who].2, &format!("Ministerio {name}")),
            What::Propose { action, indicative } => {
                let proposed = a::Assignment {
                    indicative,
                    territory: "1701".into(),
                    ..Journals::assignment(&format!("n{n}"), ["a1", "a2"][action], "mdg", a::AssignmentRole::Lead, "2026-02-01")
                };
                journals.propose(now, &proposed);
            }
            What::HandOver { days } if !handed_over => {
                handed_over = true;
                let effective = super::journal::zone().to_datetime(hours(hour + 24 * days)).date().to_string();
                let heir = Journals::assignment("heir", "a1", "mdg", a::AssignmentRole::Lead, &effective);
                journals.hand_over(now, &made[0], &heir);
            }
            What::HandOver { .. } => {}
            What::Revise { text, target, days } => {
                revisions += 1;
                let effective_on = super::journal::zone().to_datetime(hours(hour + 24 * days)).date().to_string();
                let mut definition = super::journal::definition();
                let mut action = definition.actions.remove(0);
                action.text_es = format!("Formar promotoras {text}");
                let mut indicator = definition.indicators.remove(0);
                indicator.targets[0].value = Some(super::journal::decimal(target));
                let change = |resource, path: &str| p::Change {
                    resource: Some(resource),
                    update_mask: Some(FieldMask { paths: vec![path.into()] }),
                };
                let changes = vec![
                    change(p::change::Resource::Action(action), "text_es"),
                    change(p::change::Resource::Indicator(indicator), "targets"),
                ];
                journals.revise(now, revisions, &effective_on, changes, None);
            }
        }
    }
    journals
}

fn taken<'e>(entries: impl IntoIterator<Item = &'e (Area, vigia_proto::journal::Entry)>) -> Memory {
    let memory = Memory::default();
    for (area, entry) in entries {
        memory.take(*area, entry).expect("taken in");
    }
    memory
}

/// Everything that can be asked as of t, field for field.
fn everything(memory: &Memory, t: jiff::Timestamp, from: jiff::Timestamp) -> Vec<String> {
    let plan = Named::parse("plans/siempre", "").expect("a name");
    let before = memory.scorecard(&plan, from).expect("in force then");
    let answers = memory.ask_cards("siempre", t, |view, cards, _| {
        let mut said = vec![format!("{:?}", memory.positions(t))];
        for found in cards.actions() {
            let verdict = vigia_rules::action(&view.facts_on(&found.action), &found.action, t).expect("an action");
            said.push(format!("{:?}", answers::action(view, &verdict)));
            said.push(format!("{:?}", trajectories::of_action(view, &found.action)?));
        }
        said.extend(view.obligations().map(|found| format!("{:?}", answers::obligation(view, &found))));
        for named in Named::all(view, &kinds()) {
            said.push(format!("{:?}", named.scorecard(view, cards)?));
            said.push(format!("{:?}", trajectories::of_scope(view, &named)?));
        }
        said.push(format!("{:?}", comparison::compare(view, &plan, (*before).clone(), from)?));
        Ok(said)
    });
    answers.expect("a plan")
}

/// What the service answers of scorecards and verdicts is what the rules say of the same facts.
fn agrees_with_the_rules(memory: &Memory, t: jiff::Timestamp) -> Result<(), TestCaseError> {
    let by_rules = |view: &View<'_>| {
        let facts = view.all_facts();
        let all = Verdicts::as_of(&facts, t).expect("a plan");
        let cards = Cards::Rules(&all);
        let named = Named::all(view, &kinds()).into_iter();
        let cards: Vec<_> = named.map(|named| named.scorecard(view, &cards).expect("a scope")).collect();
        Ok((cards, all.actions().map(Into::into).collect::<Vec<crate::cards::InShort>>()))
    };
    let (cards, actions) = memory.ask("siempre", t, by_rules).expect("a plan");
    let names = memory.ask("siempre", t, |view| Ok(Named::all(view, &kinds()))).expect("a plan");
    // Twice: what is kept is the same.
    for _ in 0..2 {
        for (named, card) in names.iter().zip(&cards) {
            prop_assert_eq!(&*memory.scorecard(named, t).expect("a scope"), card);
        }
    }
    let found = memory.ask_cards("siempre", t, |_, cards, _| Ok(cards.actions())).expect("a plan");
    prop_assert_eq!(found, actions);
    Ok(())
}

fn origin() -> vigia_platform::journal::Origin {
    vigia_platform::journal::Origin {
        origin: "vigia/reporting/x".into(),
        epoch: 1,
    }
}

fn kinds() -> std::collections::BTreeSet<ScopeKind> {
    (1..=10).filter_map(|number| ScopeKind::try_from(number).ok()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn an_answer_is_the_same_at_once_later_and_after_a_rebuild(
        story in prop::collection::vec((0..24 * 500_i64, what()), 0..40),
        (one, other) in (0..24 * 500_i64, 0..24 * 500_i64),
    ) {
        let journals = told(story);
        let (from, t) = (hours(one.min(other)), hours(one.max(other)));
        let time = |entry: &vigia_proto::journal::Entry| entry.time.as_ref().and_then(instant).expect("a time");
        // At once: nothing later has come yet.
        let at_once = everything(&taken(journals.0.iter().filter(|(_, entry)| time(entry) <= t)), t, from);
        // Later: all has come.
        let later = everything(&taken(&journals.0), t, from);
        prop_assert_eq!(&at_once, &later);
        // Rebuilt: the journals are read anew, each by itself, in another order.
        let of = |area: Area| journals.0.iter().filter(move |(other, _)| *other == area);
        let rebuilt = taken(of(Area::Reporting).chain(of(Area::Plans)).chain(of(Area::Assignments)));
        prop_assert_eq!(&later, &everything(&rebuilt, t, from));
        agrees_with_the_rules(&rebuilt, t)?;
    }

    /// Scorecards of now are kept until something changes: entries come in and time goes on, and at every step they are
    /// those of the rules.
    #[test]
    fn what_is_kept_is_what_the_rules_would_say(
        story in prop::collection::vec((0..24 * 500_i64, what()), 0..30),
        steps in prop::collection::vec(1..24 * 40_i64, 1..12),
    ) {
        let journals = told(story);
        let memory = Memory::default();
        let mut entries = journals.0.iter().peekable();
        let mut hour = 0;
        for step in steps {
            hour += step;
            let t = hours(hour);
            let time = |entry: &vigia_proto::journal::Entry| entry.time.as_ref().and_then(instant).expect("a time");
            while let Some((area, entry)) = entries.next_if(|(_, entry)| time(entry) <= t) {
                memory.take(*area, entry).expect("taken in");
            }
            agrees_with_the_rules(&memory, t)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Started from what was stored some time ago, however far the other journals have come since.
    #[test]
    fn an_answer_is_the_same_after_a_start_from_the_store(
        story in prop::collection::vec((0..24 * 500_i64, what()), 0..40),
        (stored_after, ahead) in (0.0..1.0_f64, any::<bool>()),
        (one, other) in (0..24 * 500_i64, 0..24 * 500_i64),
        settled in any::<bool>(),
    ) {
        let journals = told(story);
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("compliance.store");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a part")]
        let part = (journals.0.len() as f64 * stored_after) as usize;
        let before = taken(&journals.0[..part]);
        if settled {
            let _ = before.snapshot("siempre");
        }
        store::write(&path, &before, origin()).expect("written");
        let is_other = |area: &Area| *area != Area::Reporting;
        let known = if ahead { &journals.0[..] } else { &journals.0[..part] };
        let started = taken(known.iter().filter(|(area, _)| is_other(area)));
        let has_any = journals.0[..part].iter().any(|(area, _)| !is_other(area));
        let position = store::restore(&path, &started);
        prop_assert_eq!(position.is_ok(), has_any);
        let position = i64::try_from(position.unwrap_or(0)).expect("small");
        let rest = journals.0.iter().enumerate().filter(|(place, (area, entry))| {
            if is_other(area) { !ahead && *place >= part } else { entry.position > position }
        });
        for (_, (area, entry)) in rest {
            started.take(*area, entry).expect("taken in");
        }
        let (from, t) = (hours(one.min(other)), hours(one.max(other)));
        prop_assert_eq!(everything(&started, t, from), everything(&taken(&journals.0), t, from));
    }
}

/// Whatever is done to a stored file, it is passed over, and nothing has changed.
#[test]
fn a_damaged_store_changes_nothing() {
    let what = |who: usize, of: usize| What::Submit {
        who,
        of,
        values: vec![3],
        milestone: who == 1,
        evidence: true,
    };
    let journals = told((0..3).map(|who| (24 * 100, what(who, 0))).collect());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("compliance.store");
    store::write(&path, &taken(&journals.0), origin()).expect("written");
    let whole = std::fs::read(&path).expect("it is there");
    let others = || taken(journals.0.iter().filter(|(area, _)| *area != Area::Reporting));
    let refused = |bytes: &[u8], memory: &Memory| {
        std::fs::write(&path, bytes).expect("written");
        assert!(store::restore(&path, memory).is_err());
        assert_eq!(memory.stored().position(), 0);
        let nothing = memory.ask("siempre", hours(24 * 200), |view| {
            Ok(view.obligations().all(|owed| owed.received_at.is_none()))
        });
        assert!(nothing.expect("a plan"));
    };
    let memory = others();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        refused(&bytes, &memory);
        refused(&whole[..place], &memory);
    }
    refused(&[&whole[..], b"x"].concat(), &memory);
    // Of assignments that nobody has heard of.
    let empty = Memory::default();
    std::fs::write(&path, &whole).expect("written");
    assert!(store::restore(&path, &empty).is_err());
    assert!(store::restore(&path, &memory).is_ok());
}

#[test]
fn an_id_of_an_assignment_names_who_holds_it() {
    let memory = taken(&told(Vec::new()).0);
    let said = memory.ask("siempre", at("2026-02-01 00:00"), |view| Ok(view.who(&AssignmentId::from("x1"))));
    assert_eq!(said.expect("a plan"), "Ministerio de Salud Pública");
}
