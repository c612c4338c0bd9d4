use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::action::action;
use crate::facts::{Cover, Decision, Facts, Position, Report, Source, Value};
use crate::indicator::trajectory;
use crate::obligation::{obligation, submit};
use crate::plan::{Milestone, Plan};
use crate::world::{World, at, day, indicator, period, plan, point};

/// Follows the remedies: whoever is named sends what is named, and nobody anything else. Gives the facts, and the instant
/// at which the action is judged by them.
fn follow(facts: &Facts, t: Timestamp, remedies: &[Remedy]) -> (Facts, Timestamp) {
    let mut facts = facts.clone();
    let (mut number, mut judged_at) = (1_000_000, t);
    let mut entry = |recorded_at: Timestamp, source: Source| {
        number += 1;
        let position = Position { source, number };
        crate::facts::Entry { recorded_at, position }
    };
    for remedy in remedies {
        if let Remedy::AcceptLead { assignment: Some(id) } = remedy {
            facts.assignment_accepted(entry(t, Source::Assignments), id);
        }
    }
    let sent = remedies.iter().filter_map(|remedy| match remedy {
        Remedy::Submit { assignment, period, by } | Remedy::Answer { assignment, period, by } => Some((assignment, *period, *by)),
        _ => None,
    });
    let sent: Vec<_> = sent.collect();
    for (id, of, by) in &sent {
        let when = obligation(&facts, id, *of, t).expect("owed").opens_at.max(t);
        assert!(by.is_none_or(|by| when < by), "{id} {of}");
        let owed = submit(&facts, id, *of, when).expect("can be sent");
        judged_at = judged_at.max(owed.calendar_due_at);
        // A report that stands and lacks something is sent again with what it had.
        let stands = obligation(&facts, id, *of, when).filter(crate::Obligation::is_received);
        let old = stands.and_then(|stands| submitted(&facts, id, *of, stands.version?)).cloned();
        let report = Report {
            assignment: (*id).clone(),
            period: *of,
            version: owed.next_version - 1,
            received_at: when,
            values: old.as_ref().map(|old| old.values.clone()).unwrap_or_default(),
            milestones: old.map(|old| old.milestones).unwrap_or_default(),
            nil: false,
        };
        facts.report_submitted(entry(when, Source::Reporting), report);
    }
    // What each of them states: 0, but for the one who brings the total to what is required.
    let of_action = facts
        .assignment(sent.first().map_or(&"a".into(), |(id, ..)| *id))
        .map(|made| made.action.clone());
    let of_action = of_action.unwrap_or_else(|| "A1".into());
    for remedy in remedies {
        match remedy {
            Remedy::Reach {
                indicator, period, value, ..
            } => {
                let carriers: Vec<_> = sent.iter().filter(|(_, of, _)| of <= period).collect();
                for (id, of, _) in &carriers {
                    amend(&mut facts, id, *of, |report| {
                        if !report.values.iter().any(|(other, _)| other == indicator) {
                            report.values.push((indicator.clone(), Value::Number(Decimal::ZERO)));
                        }
                    });
                }
                let with = |stated: Decimal, facts: &Facts| {
                    let mut facts = facts.clone();
                    let (id, of, _) = carriers.iter().rev().find(|(_, of, _)| of == period).expect("somebody carries it");
                    amend(&mut facts, id, *of, |report| {
                        let place = report.values.iter_mut().find(|(other, _)| other == indicator);
                        place.expect("stated above").1 = Value::Number(stated);
                    });
                    let points = trajectory(&facts, &of_action, judged_at);
                    let point = points
                        .into_iter()
                        .find(|point| point.indicator == *indicator && point.period == *period);
                    (facts, point.and_then(|point| point.observed))
                };
                let (_, low) = with(Decimal::ZERO, &facts);
                let (_, high) = with(Decimal::ONE, &facts);
                let (low, high) = (low.expect("a value"), high.expect("a value"));
                let by_one = &high - &low;
                let exact = (value - &low).divided_by(&by_one).unwrap_or_else(|| value.clone());
                let stated: Decimal = exact.to_string().parse().expect("six digits");
                facts = with(stated, &facts).0;
            }
            Remedy::Finish { milestone, period } => {
                let (id, of, _) = sent.iter().find(|(_, of, _)| of == period).expect("somebody tells it");
                amend(&mut facts, id, *of, |report| report.milestones.push(milestone.clone()));
            }
            _ => {}
        }
    }
    (facts, judged_at)
}

fn submitted<'f>(facts: &'f Facts, id: &AssignmentId, of: Period, version: u32) -> Option<&'f Report> {
    let course = facts.assignments[facts.find(id)?].courses.get(of)?;
    course.iter().find_map(|(_, event)| match event {
        crate::facts::CourseEvent::Submitted(report) if report.version == version => Some(&**report),
        _ => None,
    })
}

/// Changes the last submission of an obligation: what was sent a moment ago is completed.
fn amend(facts: &mut Facts, id: &AssignmentId, of: Period, change: impl FnOnce(&mut Report)) {
    let desk = facts.find(id).expect("made");
    let course = facts.desk_mut(desk).courses.get_mut(of).expect("sent");
    let last = course.iter_mut().rev().find_map(|(_, event)| match event {
        crate::facts::CourseEvent::Submitted(report) => Some(std::sync::Arc::make_mut(report)),
        _ => None,
    });
    change(last.expect("sent"));
}

fn remedies(world: &World, t: &str) -> Vec<Remedy> {
    action(&world.facts, &"A1".into(), at(t)).expect("an action").remedies
}

#[test]
fn a_missing_report_is_to_be_sent_with_just_enough() {
    let world = World::new();
    // 400 over 365 days: 98.63 expected at the end of March, 85 % of it is enough.
    let expected = Exact::from_int(400 * 90).divided_by(&Exact::from_int(365)).expect("a fraction");
    let enough = &expected * &Exact::from_int(85).divided_by(&Exact::from_int(100)).expect("a fraction");
    let got = remedies(&world, "2026-04-11 00:00");
    let submit = Remedy::Submit {
        assignment: "a".into(),
        period: period("2026-Q1"),
        by: None,
    };
    let reach = Remedy::Reach {
        indicator: "I1".into(),
        direction: Direction::Increase,
        period: period("2026-Q1"),
        from: None,
        value: enough.to_millionths(true),
    };
    assert_eq!(got, [submit, reach]);
    assert_eq!(enough.to_millionths(true).to_string(), "83.835617");
}

#[test]
fn what_was_reported_too_low_is_made_up_for_by_the_next_report() {
    let mut world = World::new();
    world.submit("2026-04-05 09:00", "a", "2026-Q1", "10").expect("accepted");
    let got = remedies(&world, "2026-04-11 00:00");
    let submit = Remedy::Submit {
        assignment: "a".into(),
        period: period("2026-Q2"),
        by: Some(at("2026-07-11 00:00")),
    };
    assert_eq!(got.first(), Some(&submit));
    assert!(
        matches!(&got[1], Remedy::Reach { from: Some(from), period: of, .. } if *from == Exact::from_int(10) && *of == period("2026-Q2")),
        "{got:?}"
    );
    assert_eq!(got.len(), 2);
}

#[test]
fn what_is_over_and_reported_is_left_to_a_revision() {
    let mut world = World::new();
    for (now, of) in [
        ("2026-04-05 09:00", "2026-Q1"),
        ("2026-07-05 09:00", "2026-Q2"),
        ("2026-10-05 09:00", "2026-Q3"),
        ("2027-01-05 09:00", "2026-Q4"),
    ] {
        world.submit(now, "a", of, "10").expect("accepted");
    }
    assert_eq!(remedies(&world, "2027-01-11 00:00"), [Remedy::Revise]);
    // More time, and the target reached in it.
    let mut plan = world.plan.clone();
    plan.actions[0].end = day("2027-12-31");
    plan.actions[0].indicators[0].targets = vec![point("2027-12-31", "400")];
    world.version("2027-01-12 09:00", "2027-01-12", plan);
    world.submit("2027-04-05 09:00", "a", "2027-Q1", "360").expect("accepted");
    let verdict = action(&world.facts, &"A1".into(), at("2027-04-11 00:00")).expect("an action");
    assert_eq!(verdict.state, ActionState::AchievedLate);
}

#[test]
fn an_action_that_nobody_leads_wants_an_answer_first() {
    let mut world = World::with(plan());
    world.end("2026-02-01 09:00", "a", "2026-02-28");
    let asked = |assignment: Option<&str>| {
        vec![Remedy::AcceptLead {
            assignment: assignment.map(Into::into),
        }]
    };
    assert_eq!(remedies(&world, "2026-03-10 00:00"), asked(None));
    let entry = world.entry("2026-03-11 09:00", Source::Assignments);
    world.facts.assignment_proposed(entry, crate::world::assignment("b", "2026-03-11"));
    assert_eq!(remedies(&world, "2026-03-12 00:00"), asked(Some("b")));
    let (facts, t) = follow(&world.facts, at("2026-03-12 00:00"), &asked(Some("b")));
    assert_eq!(
        action(&facts, &"A1".into(), t).map(|verdict| verdict.state),
        Some(ActionState::NotYetDue)
    );
}

/// An action with every kind of thing to lack: what adds up, what must stay low, what is averaged, and milestones.
fn rich(low: bool) -> Plan {
    let mut plan = plan();
    let at_most = Indicator {
        direction: Direction::AtMost,
        targets: vec![point("2026-12-31", "50")],
        ..Indicator::new("I2", if low { Aggregation::Latest } else { Aggregation::Sum })
    };
    let mean = Indicator {
        across: Across::Mean,
        direction: if low { Direction::Decrease } else { Direction::AtLeast },
        baseline: Some(point("2025-12-31", "90")),
        targets: vec![point("2026-12-31", "60")],
        ..Indicator::new("I3", Aggregation::Latest)
    };
    let yearly = Indicator {
        window: Window::Year,
        ..Indicator {
            id: "I4".into(),
            ..indicator()
        }
    };
    plan.actions[0].indicators.extend([at_most, mean, yearly]);
    plan.actions[0].milestones = ["2026-05-01", "2026-11-01"]
        .map(|due| Milestone {
            id: due.into(),
            due: day(due),
        })
        .to_vec();
    plan
}

#[derive(Clone, Debug)]
struct Sent {
    who: usize,
    of: usize,
    days: i64,
    values: [Option<i32>; 4],
    milestone: bool,
    review: u8,
}

fn sent() -> impl Strategy<Value = Sent> {
    let value = || prop::option::weighted(0.8, 0..200_i32);
    let values = [value(), value(), value(), value()];
    (0..3_usize, 0..4_usize, 0..120_i64, values, any::<bool>(), 0..6_u8).prop_map(|(who, of, days, values, milestone, review)| Sent {
        who,
        of,
        days,
        values,
        milestone,
        review,
    })
}

fn told(low: bool, story: &[Sent], extended: Option<usize>) -> World {
    let mut world = World::with(rich(low));
    world.lead("b");
    world.lead("c");
    let quarters = ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4"];
    if let Some(of) = extended {
        let cover = Cover::Assignment("b".into());
        let _ = world.extend("2026-01-15 09:00", cover, quarters[of], "2027-03-01", false);
    }
    let mut story: Vec<_> = story
        .iter()
        .map(|one| {
            let opens_at = crate::world::calendar().end_of(period(quarters[one.of]).last_day());
            (opens_at + jiff::SignedDuration::from_hours(24 * one.days), one)
        })
        .collect();
    story.sort_by_key(|(when, _)| *when);
    for (when, one) in story {
        let (id, of) = (AssignmentId::from(["a", "b", "c"][one.who]), period(quarters[one.of]));
        let Ok(owed) = submit(&world.facts, &id, of, when) else { continue };
        let values = one.values.iter().zip(["I1", "I2", "I3", "I4"]);
        let report = Report {
            assignment: id.clone(),
            period: of,
            version: owed.next_version - 1,
            received_at: when,
            values: values
                .filter_map(|(value, id)| Some((id.into(), Value::Number(Decimal::from_int((*value)?)))))
                .collect(),
            milestones: if one.milestone { vec!["2026-05-01".into()] } else { Vec::new() },
            nil: false,
        };
        let mut entry = world.entry("2026-01-01 00:00", Source::Reporting);
        entry.recorded_at = when;
        world.facts.report_submitted(entry, report);
        let decision = match one.review {
            0 => Decision::Validated,
            1 => Decision::Rejected,
            2 => Decision::Returned {
                answer_by: crate::world::calendar().day_of(when).tomorrow().expect("a day"),
            },
            _ => continue,
        };
        let mut entry = world.entry("2026-01-01 00:00", Source::Reporting);
        entry.recorded_at = when;
        world.facts.report_reviewed(entry, &id, of, owed.next_version - 1, decision);
    }
    world
}

proptest! {
    /// The promise of this file: who follows the remedies makes the action comply.
    #[test]
    fn who_follows_the_remedies_complies(
        low in any::<bool>(),
        story in prop::collection::vec(sent(), 0..14),
        extended in prop::option::of(0..4_usize),
        hour in 24 * 100..24 * 420_i64,
    ) {
        let world = told(low, &story, extended);
        let t = at("2026-01-01 00:00") + jiff::SignedDuration::from_hours(hour);
        let verdict = action(&world.facts, &"A1".into(), t).expect("an action");
        let complies = |state: ActionState| matches!(state, ActionState::OnTrack | ActionState::Achieved | ActionState::AchievedLate);
        let lacks = matches!(
            verdict.state,
            ActionState::Unreported | ActionState::NotAchieved | ActionState::AtRisk | ActionState::OffTrack
        );
        prop_assert_eq!(verdict.remedies.is_empty(), !lacks);
        if lacks && verdict.remedies != [Remedy::Revise] {
            // Facts recorded after t are not known to the remedies, and would be in their way.
            let known = told(low, &story.iter().filter(|one| {
                let opens_at = crate::world::calendar().end_of(period(["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4"][one.of]).last_day());
                opens_at + jiff::SignedDuration::from_hours(24 * one.days) <= t
            }).cloned().collect::<Vec<_>>(), extended);
            let (facts, judged_at) = follow(&known.facts, t, &verdict.remedies);
            let after = action(&facts, &"A1".into(), judged_at).expect("an action");
            prop_assert!(complies(after.state), "{:?} {:?}\n{:#?}\n{:#?}", verdict.state, after.state, verdict.remedies, after.findings);
        }
    }
}
