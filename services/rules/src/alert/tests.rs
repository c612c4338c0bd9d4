use proptest::prelude::*;

use super::*;
use crate::facts::{Cover, Source};
use crate::plan::Suspension;
use crate::world::{World, assignment, at, day, period};

fn said(world: &World, t: &str) -> Vec<String> {
    said_with(world, &Beside::default(), t)
}

/// Each alert as `rule subject threshold since owner`, with `+p` and `+g` where it goes further up.
fn said_with(world: &World, beside: &Beside, t: &str) -> Vec<String> {
    let board = board(&world.facts, &AlertPolicy::default(), beside, at(t)).expect("in force");
    board.alerts.iter().map(text).collect()
}

fn text(alert: &Alert) -> String {
    let zone = crate::world::calendar().time_zone;
    let since = zone.to_datetime(alert.since).strftime("%Y-%m-%d %H:%M").to_string();
    let owner = alert.owner.as_ref().map_or("rector", InstitutionId::as_str);
    let up = [("+p", alert.to_parent), ("+g", alert.to_governing)];
    let up: String = up.iter().filter(|(_, told)| *told).map(|(up, _)| *up).collect();
    format!("{:?} {:?} {} {since} {owner}{up}", alert.rule, alert.subject, alert.threshold)
}

/// The alerts of one rule.
fn of(rule: AlertRule, all: &[String]) -> Vec<&str> {
    let name = format!("{rule:?} ");
    all.iter().filter(|text| text.starts_with(&name)).map(String::as_str).collect()
}

fn report(t: &str, expect: &[&str]) {
    let world = World::new();
    let all = said(&world, t);
    let of_first = all.iter().filter(|text| text.contains("2026q1") || text.contains("Q1"));
    let found: Vec<&str> = of_first
        .filter_map(|text| text.strip_prefix("Report "))
        .map(|text| text.split(") ").last().unwrap_or(""))
        .collect();
    assert_eq!(found, expect, "{t}");
}

#[test]
fn a_clock_says_the_last_threshold_that_it_crossed() {
    // The first quarter's report is due by the end of 10 April.
    report("2026-03-10 23:59", &[]);
    report("2026-03-11 00:00", &["-30 2026-03-11 00:00 msp"]);
    report("2026-04-02 23:59", &["-30 2026-03-11 00:00 msp"]);
    report("2026-04-03 00:00", &["-7 2026-04-03 00:00 msp"]);
    report("2026-04-09 00:00", &["-1 2026-04-09 00:00 msp"]);
    report("2026-04-10 00:00", &["0 2026-04-10 00:00 msp"]);
    report("2026-04-10 23:59", &["0 2026-04-10 00:00 msp"]);
    report("2026-04-11 00:00", &["1 2026-04-11 00:00 msp"]);
    report("2026-04-25 00:00", &["15 2026-04-25 00:00 msp+p"]);
    report("2026-05-10 00:00", &["30 2026-05-10 00:00 msp+p+g"]);
}

#[test]
fn an_hour_on_the_due_day_begins_the_first_late_day() {
    let mut world = World::new();
    let mut plan = world.plan.clone();
    plan.calendar.due_hour = Some("17:00".parse().expect("an hour"));
    world.version("2025-12-05 09:00", "2026-01-01", plan);
    let first = |t: &str| {
        let all = said(&world, t);
        of(AlertRule::Report, &all)
            .first()
            .map(|text| text.split(") ").last().unwrap_or("").to_owned())
    };
    assert_eq!(first("2026-04-10 16:59").as_deref(), Some("0 2026-04-10 00:00 msp"));
    assert_eq!(first("2026-04-10 17:00").as_deref(), Some("1 2026-04-10 17:00 msp"));
    assert_eq!(first("2026-04-24 17:00").as_deref(), Some("15 2026-04-24 17:00 msp+p"));
}

#[test]
fn a_report_stops_its_clock_and_starts_the_reviewers() {
    let mut world = World::new();
    let mut plan = world.plan.clone();
    plan.calendar.review_days = Some(10);
    world.version("2025-12-05 09:00", "2026-01-01", plan);
    world.submit("2026-04-05 09:00", "a", "2026-Q1", "90").expect("accepted");
    let all = said(&world, "2026-04-16 00:00");
    assert_eq!(of(AlertRule::Report, &all), [""; 0]);
    assert_eq!(
        of(AlertRule::Review, &all),
        [r#"Review Obligation("a", 2026-Q1) 1 2026-04-16 00:00 rector"#]
    );
    let returned = Decision::Returned {
        answer_by: day("2026-04-20"),
    };
    world.review("2026-04-16 09:00", "a", "2026-Q1", returned).expect("accepted");
    let all = said(&world, "2026-05-20 00:00");
    assert_eq!(of(AlertRule::Review, &all), [""; 0]);
    assert_eq!(
        of(AlertRule::Answer, &all),
        [r#"Answer Obligation("a", 2026-Q1) 30 2026-05-20 00:00 msp+p+g"#]
    );
}

#[test]
fn a_moved_due_day_is_another_alert() {
    let mut world = World::new();
    let key = |world: &World, t: &str| {
        let board = board(&world.facts, &AlertPolicy::default(), &Beside::default(), at(t)).expect("in force");
        let first = board.alerts.into_iter().find(|alert| alert.rule == AlertRule::Report);
        first.map(|alert| (alert.subject, alert.threshold, alert.due_at))
    };
    let before = key(&world, "2026-04-09 12:00");
    world
        .extend("2026-04-09 09:00", Cover::All, "2026-Q1", "2026-04-17", false)
        .expect("moves");
    let after = key(&world, "2026-04-10 12:00");
    assert_eq!(before.map(|(_, threshold, _)| threshold), Some(-1));
    assert_eq!(
        after.map(|(_, threshold, due_at)| (threshold, due_at)),
        Some((-7, at("2026-04-18 00:00")))
    );
}

#[test]
fn assignments_wait_for_an_answer_and_for_a_decision() {
    let mut world = World::new();
    let entry = world.entry("2026-01-05 09:00", Source::Assignments);
    world.facts.assignment_proposed(entry, assignment("b", "2026-01-01"));
    let entry = world.entry("2026-01-05 09:00", Source::Assignments);
    world.facts.assignment_proposed(entry, assignment("c", "2026-01-01"));
    let entry = world.entry("2026-01-06 09:00", Source::Assignments);
    world.facts.assignment_contested(entry, &"c".into());
    let all = said(&world, "2026-01-20 08:59");
    assert_eq!(of(AlertRule::Unanswered, &all), [""; 0]);
    assert_eq!(
        of(AlertRule::Contested, &all),
        [r#"Contested Assignment("c") 0 2026-01-06 09:00 rector"#]
    );
    let all = said(&world, "2026-01-20 09:00");
    assert_eq!(
        of(AlertRule::Unanswered, &all),
        [r#"Unanswered Assignment("b") 15 2026-01-20 09:00 msp+g"#]
    );
    let ahead = upcoming(
        &world.facts,
        &AlertPolicy::default(),
        at("2026-01-10 00:00"),
        at("2026-01-31 00:00"),
    );
    assert_eq!(
        ahead.iter().map(text).collect::<Vec<_>>(),
        [r#"Unanswered Assignment("b") 15 2026-01-20 09:00 msp+g"#]
    );
    world.end("2026-01-21 09:00", "b", "2026-01-31");
    assert_eq!(of(AlertRule::Unanswered, &said(&world, "2026-01-31 09:00")).len(), 1);
    assert_eq!(of(AlertRule::Unanswered, &said(&world, "2026-02-01 09:00")), [""; 0]);
}

#[test]
fn an_action_that_nobody_leads_any_more_is_said_from_the_day_after() {
    let mut world = World::new();
    world.end("2026-02-10 09:00", "a", "2026-02-28");
    assert_eq!(of(AlertRule::Unassigned, &said(&world, "2026-02-28 23:59")), [""; 0]);
    assert_eq!(
        of(AlertRule::Unassigned, &said(&world, "2026-03-01 00:00")),
        [r#"Unassigned Action("A1") 0 2026-03-01 00:00 rector"#]
    );
    let mut plan = world.plan.clone();
    plan.actions[0].suspended = vec![Suspension {
        from: day("2026-03-05"),
        to: None,
    }];
    world.version("2026-03-02 09:00", "2026-03-05", plan);
    assert_eq!(of(AlertRule::Unassigned, &said(&world, "2026-03-05 00:00")), [""; 0]);
}

#[test]
fn an_index_that_falls_is_said_of_the_plan_and_of_the_institution() {
    let mut world = World::new();
    world.submit("2026-04-05 09:00", "a", "2026-Q1", "98").expect("accepted");
    assert_eq!(of(AlertRule::FallingIndex, &said(&world, "2026-04-11 00:00")), [""; 0]);
    let all = said(&world, "2026-07-11 00:00");
    assert_eq!(
        of(AlertRule::FallingIndex, &all),
        [
            "FallingIndex Plan 10 2026-07-11 00:00 rector",
            r#"FallingIndex Institution("msp") 10 2026-07-11 00:00 msp+g"#
        ]
    );
    // Late is better than never: then it has not fallen any more.
    world.submit("2026-07-12 09:00", "a", "2026-Q2", "100").expect("accepted");
    assert_eq!(of(AlertRule::FallingIndex, &said(&world, "2026-07-12 09:00")), [""; 0]);
}

#[test]
fn an_indicator_is_silent_after_two_periods_without_a_value() {
    let mut world = World::new();
    world.submit("2026-04-05 09:00", "a", "2026-Q1", "").expect("accepted");
    assert_eq!(of(AlertRule::SilentIndicator, &said(&world, "2026-04-11 00:00")), [""; 0]);
    assert_eq!(
        of(AlertRule::SilentIndicator, &said(&world, "2026-07-11 00:00")),
        [r#"SilentIndicator Indicator("A1", "I1") 2 2026-07-11 00:00 msp+g"#]
    );
    world.submit("2026-07-12 09:00", "a", "2026-Q2", "3").expect("accepted");
    assert_eq!(of(AlertRule::SilentIndicator, &said(&world, "2026-07-12 09:00")), [""; 0]);
}

#[test]
fn a_report_that_is_returned_three_times_is_said_until_it_is_validated() {
    let mut world = World::new();
    let returned = Decision::Returned {
        answer_by: day("2026-04-30"),
    };
    for (sent, back) in [("06", "07"), ("08", "09"), ("10", "11")] {
        world
            .submit(&format!("2026-04-{sent} 09:00"), "a", "2026-Q1", "9")
            .expect("accepted");
        assert_eq!(
            of(AlertRule::ReturnedAgain, &said(&world, &format!("2026-04-{sent} 09:00"))),
            [""; 0]
        );
        world
            .review(&format!("2026-04-{back} 09:00"), "a", "2026-Q1", returned)
            .expect("accepted");
    }
    let expect = [r#"ReturnedAgain Obligation("a", 2026-Q1) 3 2026-04-11 09:00 msp+g"#];
    assert_eq!(of(AlertRule::ReturnedAgain, &said(&world, "2026-04-11 09:00")), expect);
    world.submit("2026-04-12 09:00", "a", "2026-Q1", "9").expect("accepted");
    assert_eq!(of(AlertRule::ReturnedAgain, &said(&world, "2026-04-12 09:00")), expect);
    world
        .review("2026-04-13 09:00", "a", "2026-Q1", Decision::Validated)
        .expect("accepted");
    assert_eq!(of(AlertRule::ReturnedAgain, &said(&world, "2026-04-13 09:00")), [""; 0]);
}

#[test]
fn punctual_but_empty_reports_are_said_and_nil_reports_are_not_empty() {
    let check = |nil: bool, expect: &[&str]| {
        let mut world = World::new();
        for (sent, of) in [("2026-04-05 09:00", "2026-Q1"), ("2026-07-05 09:00", "2026-Q2")] {
            let entry = world.entry(sent, Source::Reporting);
            let sent = crate::facts::Report {
                assignment: "a".into(),
                period: period(of),
                version: 1,
                received_at: at(sent),
                values: Vec::new(),
                milestones: Vec::new(),
                nil,
            };
            world.facts.report_submitted(entry, sent);
        }
        assert_eq!(of(AlertRule::EmptyReports, &said(&world, "2026-04-30 00:00")), [""; 0]);
        assert_eq!(of(AlertRule::EmptyReports, &said(&world, "2026-07-06 00:00")), expect);
    };
    check(false, &[r#"EmptyReports Assignment("a") 2 2026-07-05 09:00 rector"#]);
    check(true, &[]);
}

#[test]
fn money_is_late_or_behind_and_unknown_is_neither() {
    let world = World::new();
    let check = |t: &str, accrued: Option<i64>, expect: &[&str]| {
        let beside = Beside {
            money: vec![Money {
                action: "A1".into(),
                year: 2026,
                budget: Exact::from_int(1000),
                accrued: accrued.map(Exact::from_int),
            }],
            unshown: vec![("A1".into(), at("2026-02-01 00:00"))],
            unreachable: ["msp", "mies"].map(|id| (id.into(), at("2026-01-01 00:00"))).into(),
        };
        let all = said_with(&world, &beside, t);
        let found = [of(AlertRule::SpendingBehind, &all), of(AlertRule::MoneyLate, &all)].concat();
        assert_eq!(found, expect, "{t} {accrued:?}");
        // Who owes nothing need not be told anything.
        let unreachable = [r#"NoAddress Institution("msp") 0 2026-01-01 00:00 rector"#];
        assert_eq!(of(AlertRule::NoAddress, &all), unreachable);
        assert_eq!(
            of(AlertRule::NoEvidence, &all),
            [r#"NoEvidence Action("A1") 0 2026-02-01 00:00 msp+g"#]
        );
    };
    check("2026-07-02 12:00", None, &[]);
    // 183 of 365 days have passed: half and a little.
    check("2026-07-02 12:00", Some(252), &[]);
    check(
        "2026-07-02 12:00",
        Some(251),
        &[r#"SpendingBehind Action("A1") 25 2026-01-01 00:00 msp+g"#],
    );
    check("2026-03-31 23:59", Some(0), &[]);
    check(
        "2026-04-01 00:00",
        Some(0),
        &[r#"MoneyLate Action("A1") 90 2026-04-01 00:00 msp+g"#],
    );
}

#[test]
fn what_was_once_said_of_a_report_is_known_after_it_came() {
    let mut world = World::new();
    world.submit("2026-04-12 09:00", "a", "2026-Q1", "9").expect("accepted");
    let said = once_said(&world.facts, &AlertPolicy::default(), at("2026-04-12 10:00"));
    let said: Vec<_> = said.iter().map(|(_, threshold, due_at, _)| (*threshold, *due_at)).collect();
    let due_at = at("2026-04-11 00:00");
    assert_eq!(said, [(-30, due_at), (-7, due_at), (-1, due_at), (0, due_at), (1, due_at)]);
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (0_i64..900).prop_map(|hours| at("2026-02-20 00:00") + jiff::SignedDuration::from_mins(hours * 97))
}

proptest! {
    /// Nothing changes before it is said to change, as long as nothing is recorded.
    #[test]
    fn nothing_changes_before_the_next_change(t in instants(), part in 0.0..1.0_f64, sent in any::<bool>()) {
        let mut world = World::new();
        if sent {
            world.submit("2026-04-05 09:00", "a", "2026-Q1", "9").expect("accepted");
        }
        let t = t.max(at("2026-04-05 09:00"));
        let policy = AlertPolicy::default();
        let now = board(&world.facts, &policy, &Beside::default(), t).expect("in force");
        prop_assert!(now.next_change > t);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any instant in between will do")]
        let later = t.as_microsecond() + ((now.next_change.as_microsecond() - 1 - t.as_microsecond()) as f64 * part) as i64;
        let later = Timestamp::from_microsecond(later).expect("an instant");
        let then = board(&world.facts, &policy, &Beside::default(), later).expect("in force");
        prop_assert_eq!(now.alerts, then.alerts);
    }

    /// What a preview promises is said then, if nothing is recorded in between.
    #[test]
    fn what_is_foreseen_comes(t in instants(), days in 1_i64..60) {
        let world = World::new();
        let policy = AlertPolicy::default();
        let until = t + jiff::SignedDuration::from_hours(24 * days);
        let ahead = upcoming(&world.facts, &policy, t, until);
        for alert in &ahead {
            prop_assert!(t < alert.since && alert.since <= until);
            let board = board(&world.facts, &policy, &Beside::default(), alert.since).expect("in force");
            prop_assert!(board.alerts.contains(alert), "{}", text(alert));
        }
        // And nothing of a clock is said that was not foreseen or said before.
        let said = |t| board(&world.facts, &policy, &Beside::default(), t).expect("in force").alerts;
        let before = said(t);
        let new = said(until).into_iter().filter(|alert| alert.rule == AlertRule::Report && !before.contains(alert));
        for alert in new {
            prop_assert!(ahead.contains(&alert), "{}", text(&alert));
        }
    }

    /// Each obligation has at most one alert of a clock, and none is said before its time.
    #[test]
    fn one_clock_says_one_thing(t in instants()) {
        let mut world = World::new();
        world.lead("b");
        let all = board(&world.facts, &AlertPolicy::default(), &Beside::default(), t).expect("in force").alerts;
        let clocks: Vec<_> = all.iter().filter(|alert| matches!(alert.subject, Subject::Obligation(..))).collect();
        let subjects: std::collections::BTreeSet<_> = clocks.iter().map(|alert| &alert.subject).collect();
        prop_assert_eq!(subjects.len(), clocks.len());
        prop_assert!(all.iter().all(|alert| alert.since <= t));
    }
}
