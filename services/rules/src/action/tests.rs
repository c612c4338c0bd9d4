use super::*;
use crate::facts::{Cover, Source, Value};
use crate::indicator::trajectory;
use crate::plan::{Aggregation, Milestone, Plan, Role};
use crate::world::{World, assignment, at, day, indicator, period, plan, point};
use crate::{Scope, Verdicts};

fn world(edit: fn(&mut Plan)) -> World {
    let mut plan = plan();
    edit(&mut plan);
    World::with(plan)
}

fn verdict(world: &World, t: &str) -> ActionVerdict {
    action(&world.facts, &"A1".into(), at(t)).expect("an action")
}

#[test]
fn latest_asks_only_lines_in_force_cumulative_all() {
    let check = |aggregation: fn(&mut Plan), expect: [Option<&str>; 3]| {
        let mut world = world(aggregation);
        world.lead("b");
        world.submit("2026-04-02 09:00", "a", "2026-Q1", "100").expect("accepted");
        world.submit("2026-04-02 09:00", "b", "2026-Q1", "50").expect("accepted");
        world.end("2026-05-01 09:00", "b", "2026-04-30");
        world.hand_over("2026-05-02 09:00", "a", "a2", "2026-05-02");
        world.submit("2026-07-02 09:00", "a2", "2026-Q2", "120").expect("accepted");
        world.end("2026-07-03 09:00", "a2", "2026-07-02");
        let points = trajectory(&world.facts, &"A1".into(), at("2026-07-04 00:00"));
        let got: Vec<_> = points
            .iter()
            .take(3)
            .map(|point| point.observed.as_ref().map(ToString::to_string))
            .collect();
        assert_eq!(got.iter().map(Option::as_deref).collect::<Vec<_>>(), expect);
    };
    // In the second quarter b is gone and a2 goes on for a; in the third nobody is in force.
    check(
        |plan| plan.actions[0].indicators[0].aggregation = Aggregation::Latest,
        [Some("150"), Some("120"), None],
    );
    check(
        |plan| plan.actions[0].indicators[0].aggregation = Aggregation::Cumulative,
        [Some("150"), Some("170"), Some("170")],
    );
    check(
        |plan| plan.actions[0].indicators[0].aggregation = Aggregation::Sum,
        [Some("150"), Some("270"), Some("270")],
    );
    check(
        |plan| plan.actions[0].indicators[0].aggregation = Aggregation::Max,
        [Some("100"), Some("120"), Some("120")],
    );
}

#[test]
fn nothing_is_achieved_while_a_lead_waits_under_an_extension() {
    let mut world = World::new();
    world.lead("b");
    world.submit("2026-04-02 09:00", "a", "2026-Q1", "400").expect("accepted");
    world
        .extend("2026-04-03 09:00", Cover::Assignment("b".into()), "2026-Q1", "2026-05-31", false)
        .expect("accepted");
    assert_eq!(verdict(&world, "2026-04-12 00:00").state, ActionState::OnTrack, "b waits");
    assert_eq!(
        verdict(&world, "2026-06-01 00:00").state,
        ActionState::OnTrack,
        "b is missing, one of two is enough"
    );
    world.submit("2026-06-02 09:00", "b", "2026-Q1", "").expect("accepted");
    assert_eq!(verdict(&world, "2026-06-03 00:00").state, ActionState::Achieved);
}

#[test]
fn nothing_is_over_while_a_lead_waits_under_an_extension() {
    let mut world = world(|plan| plan.actions[0].end = day("2026-03-31"));
    world.lead("b");
    world.submit("2026-04-02 09:00", "a", "2026-Q1", "100").expect("accepted");
    world
        .extend("2026-04-03 09:00", Cover::Assignment("b".into()), "2026-Q1", "2026-05-31", false)
        .expect("accepted");
    assert_eq!(verdict(&world, "2026-04-10 23:59").state, ActionState::NotYetDue);
    assert_eq!(verdict(&world, "2026-04-12 00:00").state, ActionState::OffTrack);
    let over = verdict(&world, "2026-06-01 00:00");
    assert_eq!((over.state, over.rule.number()), (ActionState::NotAchieved, 8));
    assert_eq!(over.strict.map(|strict| strict.to_string()).as_deref(), Some("0.25"));
}

#[test]
fn who_never_owed_anything_is_unreported_and_what_was_waived_excused() {
    let short = |plan: &mut Plan| plan.actions[0].end = day("2026-03-31");
    let mut excused = world(short);
    excused.waive("2026-02-01 09:00", "a", "2026-Q1").expect("accepted");
    assert_eq!(verdict(&excused, "2026-04-10 23:59").state, ActionState::NotYetDue);
    let after = verdict(&excused, "2026-04-11 00:00");
    assert_eq!((after.state, after.strict, after.period), (ActionState::Excused, None, None));
    // Accepted after the period, with a first day within the action: it leads, and owes nothing.
    let mut late = world(short);
    late.end("2026-01-02 09:00", "a", "2026-01-31");
    let entry = late.entry("2026-04-01 00:00", Source::Assignments);
    late.facts.assignment_proposed(entry, assignment("b", "2026-01-01"));
    late.facts.assignment_accepted(entry, &"b".into());
    let after = verdict(&late, "2026-04-11 00:00");
    assert_eq!(
        (after.state, after.rule, after.strict),
        (ActionState::Unreported, Rule::NothingAsked, Some(Reading::ZERO))
    );
}

#[test]
fn with_nothing_to_average_there_is_no_reading() {
    let edit = |plan: &mut Plan| {
        plan.actions[0].indicators.clear();
        plan.actions[0].milestones = vec![Milestone {
            id: "M".into(),
            due: day("2026-06-30"),
        }];
    };
    let mut running = world(edit);
    running.submit("2026-04-02 09:00", "a", "2026-Q1", "").expect("accepted");
    let now = verdict(&running, "2026-04-11 00:00");
    assert_eq!(
        (now.state, now.rule, now.period),
        (ActionState::NotYetDue, Rule::ByAchievement, Some(period("2026-Q1")))
    );
    assert_eq!((now.strict, now.observed), (None, None));
    let mut over = world(|plan| {
        plan.actions[0].indicators.clear();
        plan.actions[0].milestones = vec![Milestone {
            id: "M".into(),
            due: day("2026-06-30"),
        }];
        plan.actions[0].end = day("2026-03-31");
    });
    over.submit("2026-04-02 09:00", "a", "2026-Q1", "").expect("accepted");
    let now = verdict(&over, "2026-04-11 00:00");
    assert_eq!((now.state, now.strict, now.observed), (ActionState::NotAchieved, None, None));
    let card = Verdicts::as_of(&over.facts, at("2026-04-11 00:00"))
        .expect("a plan")
        .scorecard(&Scope::Plan);
    assert_eq!((card.strict, card.coverage_observed), (None, Some(Reading::ZERO)));
    assert_eq!(card.actions, std::collections::BTreeMap::from([(ActionState::NotAchieved, 1)]));
}

#[test]
fn a_verdict_says_what_it_rests_on_and_what_would_make_it_comply() {
    let mut world = world(|plan| {
        let mut unmeasured = indicator();
        unmeasured.id = "I2".into();
        unmeasured.targets = vec![point("2026-12-31", "0")];
        plan.actions[0].indicators[0].aggregation = Aggregation::Cumulative;
        plan.actions[0].indicators.push(unmeasured);
        plan.actions[0].milestones = vec![Milestone {
            id: "M".into(),
            due: day("2026-06-15"),
        }];
    });
    world.lead("b");
    let entry = world.entry("2026-01-02 09:00", Source::Assignments);
    world.facts.assignment_proposed(
        entry,
        crate::Assignment {
            role: Role::CoResponsible,
            ..assignment("k", "2026-01-01")
        },
    );
    world.facts.assignment_accepted(entry, &"k".into());
    world.submit("2026-04-02 09:00", "a", "2026-Q1", "60").expect("accepted");
    world.submit("2026-07-02 09:00", "a", "2026-Q2", "50").expect("accepted");
    world.submit("2026-07-02 09:00", "k", "2026-Q2", "70").expect("accepted");
    let verdict = verdict(&world, "2026-07-11 00:00");
    assert_eq!(
        (verdict.state, verdict.rule, verdict.rules),
        (ActionState::OffTrack, Rule::ByAchievement, 1)
    );
    let of = period("2026-Q2");
    let has = |finding: &Finding| verdict.findings.contains(finding);
    let exact = |value: i64| Exact::from_int(value);
    let expected = Exact::from_int(400 * 181).divided_by(&exact(365)).expect("a year");
    let missing = verdict.findings.iter().any(|finding| {
        matches!(finding, Finding::Missing { assignment, due_at, facts, .. }
            if assignment.as_str() == "b" && *due_at == at("2026-07-11 00:00") && facts.len() == 2)
    });
    assert!(missing, "{:?}", verdict.findings);
    assert!(has(&Finding::Answered {
        indicator: "I1".into(),
        period: of,
        answered: 1,
        asked: 2
    }));
    let both = verdict.findings.iter().any(|finding| {
        matches!(finding, Finding::BothRoles { institution, lead, co_responsible, facts }
            if institution.as_str() == "msp" && lead.as_str() == "a" && co_responsible.as_str() == "k" && facts.len() == 2)
    });
    assert!(both, "{:?}", verdict.findings);
    assert!(has(&Finding::Reported {
        period: of,
        received: 1,
        asked: 2,
        required_percent: Decimal::from_int(50)
    }));
    assert!(has(&Finding::MilestonesDue {
        period: of,
        due: 1,
        missing: vec!["M".into()]
    }));
    assert!(has(&Finding::Fell {
        indicator: "I1".into(),
        assignment: "a".into(),
        period: of,
        from: exact(60),
        to: exact(50)
    }));
    let differs = Finding::Differs {
        indicator: "I1".into(),
        assignment: "k".into(),
        period: of,
        stated: exact(70),
        counted: exact(50),
    };
    assert!(has(&differs));
    let not_better = crate::plan::NotMeasurable::TargetNotBetter {
        baseline: Decimal::ZERO,
        last_target: Decimal::ZERO,
    };
    assert!(has(&Finding::NotMeasurable {
        indicator: "I2".into(),
        why: not_better
    }));
    let judged = verdict.findings.iter().any(
        |finding| matches!(finding, Finding::Judged { value, expected: required, .. } if *value == exact(50) && *required == expected),
    );
    assert!(judged, "{:?}", verdict.findings);
    // What would make it comply is tested in `remedy`.
    assert!(verdict.remedies.len() > 1, "{:?}", verdict.remedies);
}

#[test]
fn a_ratio_needs_a_whole_above_zero() {
    let mut world = World::new();
    let mut send = |now: &str, of: &str, num: &str, den: &str| {
        world.submit(now, "a", of, "").expect("accepted");
        let entry = world.entry(now, Source::Reporting);
        let decimal = |text: &str| text.parse().expect("a decimal");
        let values = vec![(
            "I1".into(),
            Value::Ratio {
                num: decimal(num),
                den: decimal(den),
            },
        )];
        let (assignment, milestones) = ("a".into(), Vec::new());
        let report = Report {
            assignment,
            period: period(of),
            version: 2,
            received_at: at(now),
            values,
            milestones,
            nil: false,
        };
        world.facts.report_submitted(entry, report);
    };
    send("2026-04-02 09:00", "2026-Q1", "5", "0");
    send("2026-07-02 09:00", "2026-Q2", "500", "1");
    let points = trajectory(&world.facts, &"A1".into(), at("2026-07-04 00:00"));
    let got: Vec<_> = points
        .iter()
        .take(2)
        .map(|point| point.observed.as_ref().map(ToString::to_string))
        .collect();
    assert_eq!(got, [None, Some("505".to_owned())]);
}
