use super::*;
use crate::plan::{Interpolation, Suspension};
use crate::world::{World, assignment, at, day, indicator, period, plan};

const RETURN: Decision = Decision::Returned {
    answer_by: jiff::civil::date(2026, 4, 30),
};

/// What brings an obligation into each column of the table of calls; D is 11 April, 00:00.
fn in_state(state: ObligationState) -> World {
    let mut world = World::new();
    match state {
        ObligationState::NotOpen | ObligationState::Open | ObligationState::Overdue => {}
        ObligationState::Waived => drop(world.waive("2026-04-02 09:00", "a", "2026-Q1")),
        _ => drop(world.submit("2026-04-03 09:00", "a", "2026-Q1", "1")),
    }
    match state {
        ObligationState::Returned | ObligationState::ReturnedOverdue => drop(world.review("2026-04-04 09:00", "a", "2026-Q1", RETURN)),
        ObligationState::Validated => drop(world.review("2026-04-04 09:00", "a", "2026-Q1", Decision::Validated)),
        _ => {}
    }
    world
}

#[test]
fn the_table_of_calls() {
    use ObligationState::{NotOpen, Open, Overdue, Returned, ReturnedOverdue, Submitted, Validated, Waived};
    type Answer = Result<ObligationState, Refused>;
    let check = |from: ObligationState, now: &str, expect: [Answer; 5]| {
        assert_eq!(in_state(from).owed(now, "a", "2026-Q1").map(|owed| owed.state), Some(from), "{now}");
        let state = |answer: Result<Obligation, Refused>| answer.map(|owed| owed.state);
        let answer_by = day("2026-06-30");
        let got = [
            state(in_state(from).submit(now, "a", "2026-Q1", "2")),
            state(in_state(from).review(now, "a", "2026-Q1", Decision::Validated)),
            state(in_state(from).review(now, "a", "2026-Q1", Decision::Returned { answer_by })),
            state(in_state(from).review(now, "a", "2026-Q1", Decision::Rejected)),
            state(in_state(from).waive(now, "a", "2026-Q1")),
        ];
        assert_eq!(got, expect, "{from:?}");
    };
    let opens_at = at("2026-04-01 00:00");
    let nothing = Err(Refused::NothingToReview);
    let early = Err(Refused::PeriodNotEnded { opens_at });
    check(NotOpen, "2026-03-31 23:59", [early, nothing, nothing, nothing, Ok(Waived)]);
    check(Open, "2026-04-01 00:00", [Ok(Submitted), nothing, nothing, nothing, Ok(Waived)]);
    check(Overdue, "2026-04-11 00:00", [Ok(Submitted), nothing, nothing, nothing, Ok(Waived)]);
    let received = Err(Refused::AlreadyReceived);
    check(
        Submitted,
        "2026-04-05 00:00",
        [Ok(Submitted), Ok(Validated), Ok(Returned), Ok(Open), received],
    );
    check(
        Submitted,
        "2026-04-20 00:00",
        [Ok(Submitted), Ok(Validated), Ok(Returned), Ok(Overdue), received],
    );
    let pending = Err(Refused::AnswerPending);
    check(
        Returned,
        "2026-04-30 23:59",
        [Ok(Submitted), pending, Ok(Returned), Ok(Overdue), received],
    );
    check(
        ReturnedOverdue,
        "2026-05-01 00:00",
        [Ok(Submitted), pending, Ok(Returned), Ok(Overdue), Ok(Waived)],
    );
    let done = Err(Refused::AlreadyValidated);
    check(Validated, "2026-04-05 00:00", [done, done, Ok(Returned), Ok(Open), received]);
    let waived = Err(Refused::Waived);
    check(Waived, "2026-04-05 00:00", [waived, waived, waived, waived, waived]);
}

#[test]
fn what_nobody_owes_is_refused_before_anything_else() {
    let mut world = World::new();
    for (id, of) in [("a", "2027-Q1"), ("a", "2026-03"), ("nobody", "2026-Q1")] {
        let now = "2026-01-05 09:00";
        assert_eq!(world.submit(now, id, of, "1").err(), Some(Refused::NothingOwed), "{id} {of}");
        assert_eq!(world.waive(now, id, of).err(), Some(Refused::NothingOwed));
        assert_eq!(world.review(now, id, of, Decision::Rejected).err(), Some(Refused::NothingOwed));
        let refused = world.extend(now, Cover::Assignment(id.into()), of, "2027-12-31", false);
        assert_eq!(refused, Err(Refused::ExtensionMovesNothing));
    }
    let draft = obligation(&world.facts, &"a".into(), period("2026-Q1"), at("2025-11-30 00:00"));
    assert_eq!(draft, None, "a draft asks for nothing");
}

#[test]
fn a_review_names_the_version_that_stands_and_a_day_that_is_not_past() {
    let mut world = World::new();
    world.submit("2026-04-03 09:00", "a", "2026-Q1", "1").expect("accepted");
    world.submit("2026-04-03 09:05", "a", "2026-Q1", "2").expect("accepted");
    let call = |version, decision| {
        let now = at("2026-04-04 00:00");
        review(&world.facts, &"a".into(), period("2026-Q1"), version, decision, now).map(|owed| owed.state)
    };
    assert_eq!(call(1, Decision::Validated), Err(Refused::ReportReplaced { version: 2 }));
    assert_eq!(call(2, Decision::Validated), Ok(ObligationState::Validated));
    let past = Decision::Returned {
        answer_by: day("2026-04-03"),
    };
    assert_eq!(
        call(2, past),
        Err(Refused::AnswerByPast {
            ended_at: at("2026-04-04 00:00")
        })
    );
    let today = Decision::Returned {
        answer_by: day("2026-04-04"),
    };
    assert_eq!(call(2, today), Ok(ObligationState::Returned));
}

/// Submissions (`s`), returns with the answer by 30 April (`r`), rejections (`x`) and an emergency
/// until 30 June (`e`) at times in 2026.
#[test]
fn timeliness_looks_at_the_last_first_receipt_and_at_every_answer_since() {
    use Timeliness::{Late, Missing, OnTime};
    let check = |story: &[(char, &str)], t: &str, expect: Timeliness| {
        let mut world = World::new();
        for (call, time) in story {
            let now = format!("2026-{time}");
            match call {
                's' => drop(world.submit(&now, "a", "2026-Q1", "1").expect("accepted")),
                'r' => drop(world.review(&now, "a", "2026-Q1", RETURN).expect("accepted")),
                'x' => drop(world.review(&now, "a", "2026-Q1", Decision::Rejected).expect("accepted")),
                _ => world.extend(&now, Cover::All, "2026-Q1", "2026-06-30", true).expect("accepted"),
            }
        }
        let owed = world.owed(&format!("2026-{t}"), "a", "2026-Q1").expect("owed");
        assert_eq!(owed.timeliness, expect, "{story:?}");
    };
    check(&[('s', "04-10 23:59")], "04-11 00:00", OnTime);
    check(&[('s', "04-11 00:00")], "04-11 00:00", Late);
    check(&[('s', "04-10 09:00"), ('s', "04-11 09:00")], "04-12 00:00", Late);
    check(&[('s', "04-10 09:00"), ('r', "04-12 09:00")], "04-30 23:59", OnTime);
    check(&[('s', "04-10 09:00"), ('r', "04-12 09:00")], "05-01 00:00", Missing);
    check(
        &[('s', "04-10 09:00"), ('r', "04-12 09:00"), ('s', "04-30 23:00")],
        "05-02 00:00",
        OnTime,
    );
    check(
        &[('s', "04-10 09:00"), ('r', "04-12 09:00"), ('s', "05-01 00:00")],
        "05-02 00:00",
        Late,
    );
    let replaced = [
        ('s', "04-10 09:00"),
        ('r', "04-12 09:00"),
        ('s', "04-20 09:00"),
        ('s', "05-01 09:00"),
    ];
    check(&replaced, "05-02 00:00", Late);
    let replaced = [
        ('s', "04-10 09:00"),
        ('r', "04-12 09:00"),
        ('s', "04-20 09:00"),
        ('s', "04-29 09:00"),
    ];
    check(&replaced, "05-02 00:00", OnTime);
    check(&[('s', "04-10 09:00"), ('x', "04-12 09:00")], "04-13 00:00", Missing);
    check(
        &[('s', "04-10 09:00"), ('x', "04-12 09:00"), ('s', "04-13 09:00")],
        "04-14 00:00",
        Late,
    );
    let anew = [
        ('s', "04-11 09:00"),
        ('x', "04-12 09:00"),
        ('e', "04-12 10:00"),
        ('s', "04-13 09:00"),
    ];
    check(&anew, "04-14 00:00", OnTime);
    // An emergency that comes after a late receipt makes it one in time.
    check(&[('s', "04-11 09:00"), ('e', "04-12 09:00")], "04-13 00:00", OnTime);
    // An answer is never due before D.
    let waiting = [('s', "04-03 09:00"), ('r', "04-04 09:00"), ('e', "04-04 10:00")];
    check(&waiting, "06-30 23:59", OnTime);
    check(&waiting, "07-01 00:00", Missing);
    let answered = [
        ('s', "04-03 09:00"),
        ('r', "04-04 09:00"),
        ('e', "04-04 10:00"),
        ('s', "05-20 09:00"),
    ];
    check(&answered, "05-21 00:00", OnTime);
}

#[test]
fn an_extension_moves_what_is_not_yet_due_or_in_an_emergency_and_only_to_later() {
    let check = |calls: &[(&str, &str, bool)], expect: &str| {
        let mut world = World::new();
        for (now, until, emergency) in calls {
            let _ = world.extend(now, Cover::All, "2026-Q1", until, *emergency);
        }
        let due_at = world.owed("2026-12-31 00:00", "a", "2026-Q1").map(|owed| owed.due_at);
        assert_eq!(due_at, Some(at(expect)), "{calls:?}");
    };
    check(&[], "2026-04-11 00:00");
    check(&[("2026-04-10 23:59", "2026-04-20", false)], "2026-04-21 00:00");
    check(&[("2026-04-11 00:00", "2026-04-20", false)], "2026-04-11 00:00");
    check(&[("2026-04-11 00:00", "2026-04-20", true)], "2026-04-21 00:00");
    check(&[("2026-04-01 09:00", "2026-04-10", false)], "2026-04-11 00:00");
    check(
        &[("2026-04-01 09:00", "2026-04-20", false), ("2026-04-15 09:00", "2026-04-25", false)],
        "2026-04-26 00:00",
    );
    check(
        &[("2026-04-01 09:00", "2026-04-20", false), ("2026-04-02 09:00", "2026-04-15", false)],
        "2026-04-21 00:00",
    );
}

#[test]
fn an_extension_covers_lines_institutions_territories_or_all() {
    let check = |cover: Cover, expect: Result<usize, Refused>| {
        let mut world = World::new();
        let entry = world.entry("2025-12-05 09:00", crate::Source::Assignments);
        let canton = Assignment {
            territory: Some("1701".into()),
            institution: "gad".into(),
            ..assignment("b", "2026-01-01")
        };
        world.facts.assignment_proposed(entry, canton);
        world.facts.assignment_accepted(entry, &"b".into());
        world.hand_over("2026-02-01 09:00", "a", "a2", "2026-02-01");
        let extension = Extension {
            period: period("2026-Q1"),
            cover,
            until: day("2026-05-31"),
            emergency: false,
        };
        let moved = extend(&world.facts, &extension, at("2026-03-01 00:00"));
        assert_eq!(moved.map(|moved| moved.len()), expect, "{extension:?}");
    };
    check(Cover::All, Ok(2));
    check(Cover::Assignment("a".into()), Ok(1));
    check(Cover::Assignment("a2".into()), Ok(1));
    check(Cover::Institution("gad".into()), Ok(1));
    check(Cover::Territory("17".into()), Ok(1));
    check(Cover::Territory("1702".into()), Err(Refused::ExtensionMovesNothing));
    check(Cover::Institution("nobody".into()), Err(Refused::ExtensionMovesNothing));
}

/// A version of the plan, as edited.
fn revised(approved: &'static str, effective: &'static str, edit: fn(&mut crate::Plan)) -> impl Fn(&mut World) {
    move |world: &mut World| {
        let mut plan = world.plan.clone();
        edit(&mut plan);
        world.version(approved, effective, plan);
    }
}

#[test]
fn an_obligation_exists_by_what_was_recorded_before_the_end_of_its_period() {
    let check = |change: &dyn Fn(&mut World), of: &str, expect: bool| {
        let mut world = World::new();
        change(&mut world);
        assert_eq!(world.owed("2027-06-01 00:00", "a", of).is_some(), expect, "{of}");
    };
    check(&|_| {}, "2026-Q4", true);
    check(&|_| {}, "2027-Q1", false); // the action has ended
    check(&|world| world.end("2026-03-31 23:59", "a", "2026-03-30"), "2026-Q1", false);
    check(&|world| world.end("2026-04-01 00:00", "a", "2026-03-30"), "2026-Q1", true);
    check(&|world| world.end("2026-04-01 00:00", "a", "2026-03-30"), "2026-Q2", false);
    check(&|world| world.end("2026-02-01 00:00", "a", "2026-03-31"), "2026-Q1", true);
    // Of several ends the last counts.
    let undone = |world: &mut World| {
        world.end("2026-02-01 00:00", "a", "2026-03-01");
        world.end("2026-03-02 00:00", "a", "2026-12-31");
    };
    check(&undone, "2026-Q1", true);
    let rest = |plan: &mut crate::Plan| {
        plan.actions[0].suspended = vec![Suspension {
            from: day("2026-03-01"),
            to: Some(day("2026-06-30")),
        }];
    };
    check(&revised("2026-03-31 09:00", "2026-03-31", rest), "2026-Q1", false);
    check(&revised("2026-03-31 09:00", "2026-04-01", rest), "2026-Q1", true);
    check(&revised("2026-04-02 09:00", "2026-03-01", rest), "2026-Q1", true);
    check(&revised("2026-04-02 09:00", "2026-03-01", rest), "2026-Q2", false);
    let given_up = |plan: &mut crate::Plan| plan.actions[0].withdrawn_on = Some(day("2026-06-30"));
    check(&revised("2026-06-01 09:00", "2026-06-01", given_up), "2026-Q1", true);
    check(&revised("2026-06-01 09:00", "2026-06-01", given_up), "2026-Q2", false);
    let supporting = |plan: &mut crate::Plan| plan.policy.reporting_roles = vec![Role::Supporting];
    check(&revised("2026-05-01 09:00", "2026-05-01", supporting), "2026-Q1", true);
    check(&revised("2026-05-01 09:00", "2026-05-01", supporting), "2026-Q2", false);
    let later = |plan: &mut crate::Plan| plan.actions[0].end = day("2027-12-31");
    check(&revised("2026-12-31 09:00", "2026-12-31", later), "2027-Q1", true);
    // A policy that only judges changes nothing that is owed.
    let step = |plan: &mut crate::Plan| plan.policy.interpolation = Interpolation::Step;
    check(&revised("2026-05-01 09:00", "2026-05-01", step), "2026-Q2", true);
}

#[test]
fn nobody_owes_what_ended_before_they_accepted() {
    let check = |accepted: &str, end: &str, expect: bool| {
        let mut plan = plan();
        plan.actions[0].end = day(end);
        let mut world = World::with(plan);
        let entry = world.entry("2026-01-02 09:00", crate::Source::Assignments);
        world.facts.assignment_proposed(entry, assignment("b", "2026-01-01"));
        assert_eq!(world.owed("2026-05-01 00:00", "b", "2026-Q1"), None, "silence owes nothing");
        let entry = world.entry(accepted, crate::Source::Assignments);
        world.facts.assignment_accepted(entry, &"b".into());
        assert_eq!(world.owed("2026-05-01 00:00", "b", "2026-Q1").is_some(), expect, "{accepted} {end}");
    };
    check("2026-03-31 23:59", "2026-12-31", true);
    check("2026-04-01 00:00", "2026-12-31", false);
    check("2026-02-28 23:59", "2026-02-28", true);
    check("2026-03-01 00:00", "2026-02-28", false);
}

#[test]
fn values_below_zero_and_mixed_kinds_are_refused() {
    let mut plan = plan();
    let mut floor = indicator();
    floor.id = "I2".into();
    floor.direction = Direction::AtLeast;
    plan.actions[0].indicators.push(floor);
    let mut world = World::with(plan);
    world.lead("b");
    world.submit("2026-04-02 09:00", "b", "2026-Q1", "5").expect("accepted");
    let number = |text: &str| Value::Number(text.parse().expect("a decimal"));
    let ratio = |num: &str, den: &str| Value::Ratio {
        num: num.parse().expect("num"),
        den: den.parse().expect("den"),
    };
    let check = |id: &str, of: &str, indicator: &str, value: Value, expect: Option<ValueRefused>| {
        let now = at("2026-04-03 00:00");
        let faults = check_values(&world.facts, &id.into(), period(of), &[(indicator.into(), value)], now);
        assert_eq!(faults.first(), expect.as_ref(), "{indicator} {value:?}");
    };
    let negative = || Some(ValueRefused::Negative { indicator: "I2".into() });
    check("a", "2026-Q1", "I1", number("-1"), None);
    check("a", "2026-Q1", "I2", number("-0.000001"), negative());
    check("a", "2026-Q1", "I2", number("0"), None);
    check("a", "2026-Q1", "I2", ratio("-1", "2"), negative());
    check("a", "2026-Q1", "I2", ratio("1", "-2"), negative());
    check("a", "2026-Q1", "I2", ratio("1", "0"), None);
    check(
        "a",
        "2026-Q1",
        "I1",
        ratio("1", "2"),
        Some(ValueRefused::Mixed { indicator: "I1".into() }),
    );
    // What a submission replaces does not stand in its way.
    check("b", "2026-Q1", "I1", ratio("1", "2"), None);
    check("a", "2026-Q1", "elsewhere", number("-1"), None);
}

#[test]
fn only_what_was_recorded_by_then_counts() {
    let mut world = World::new();
    world.submit("2026-04-03 09:00", "a", "2026-Q1", "1").expect("accepted");
    let state = |t| world.owed(t, "a", "2026-Q1").map(|owed| owed.state);
    assert_eq!(state("2026-04-03 08:59"), Some(ObligationState::Open));
    assert_eq!(state("2026-04-03 09:00"), Some(ObligationState::Submitted));
    assert_eq!(obligations(&world.facts, at("2026-04-03 09:00")).count(), 4);
}

#[test]
fn who_has_accepted_cannot_take_it_back_by_contesting() {
    use crate::Resolution::{Confirmed, Withdrawn};
    use crate::facts::DeskEvent::{self, Accepted, Contested, Ended, Resolved};
    let check = |events: &[(&str, DeskEvent)], expect: bool| {
        let mut world = World::new();
        let entry = world.entry("2026-01-02 09:00", crate::Source::Assignments);
        world.facts.assignment_proposed(entry, assignment("b", "2026-01-01"));
        for (now, event) in events {
            let entry = world.entry(now, crate::Source::Assignments);
            match event {
                Accepted => world.facts.assignment_accepted(entry, &"b".into()),
                Contested => world.facts.assignment_contested(entry, &"b".into()),
                Resolved(how) => world.facts.assignment_resolved(entry, &"b".into(), *how),
                Ended(last_day) => world.facts.assignment_ended(entry, &"b".into(), *last_day),
            }
        }
        assert_eq!(world.owed("2026-03-01 00:00", "b", "2026-Q1").is_some(), expect, "{events:?}");
    };
    check(&[("2026-01-03 09:00", Contested)], false);
    check(&[("2026-01-03 09:00", Contested), ("2026-01-04 09:00", Accepted)], true);
    check(&[("2026-01-03 09:00", Accepted), ("2026-01-04 09:00", Contested)], true);
    check(&[("2026-01-03 09:00", Contested), ("2026-01-04 09:00", Resolved(Confirmed))], true);
    check(&[("2026-01-03 09:00", Contested), ("2026-01-04 09:00", Resolved(Withdrawn))], false);
}
