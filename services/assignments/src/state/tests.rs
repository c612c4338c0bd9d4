use AssignmentState as S;
use jiff::civil::date;

use super::*;

const STATES: [S; 6] = [S::Proposed, S::Accepted, S::Contested, S::Withdrawn, S::Ended, S::HandedOver];

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn one(state: S) -> Assignment {
    Assignment {
        name: "plans/vcm/assignments/a1".into(),
        institution: "institutions/sdh".into(),
        from: "2022-01-01".into(),
        instrument: "Decreto 1".into(),
        state: state.into(),
        etag: "x".into(),
        ..Assignment::default()
    }
}

fn to_mmdh(effective_on: Date) -> HandOver<'static> {
    HandOver {
        name: "plans/vcm/assignments/a1-mmdh",
        institution: "institutions/mmdh",
        effective_on,
        instrument: "",
        now: now(),
    }
}

#[test]
fn each_step_is_taken_from_its_states_only() {
    let check = |step: &dyn Fn(Assignment) -> Result<Assignment, Refused>, allowed: &[(S, S)]| {
        for state in STATES {
            let expect = allowed
                .iter()
                .find(|(from, _)| *from == state)
                .map_or(Err(Refused::State(state)), |(_, to)| Ok(*to));
            assert_eq!(step(one(state)).map(|after| after.state()), expect, "{state:?}");
        }
    };
    check(&|a| accept(a, now()), &[(S::Proposed, S::Accepted)]);
    check(&|a| contest(a, "No es nuestra."), &[(S::Proposed, S::Contested)]);
    check(&|a| resolve(a, Resolution::Confirmed, now()), &[(S::Contested, S::Accepted)]);
    check(&|a| resolve(a, Resolution::Withdrawn, now()), &[(S::Contested, S::Withdrawn)]);
    check(
        &|a| end(a, date(2022, 6, 30)),
        &[(S::Proposed, S::Ended), (S::Accepted, S::Ended), (S::Contested, S::Ended)],
    );
    let taken = [(S::Proposed, S::Accepted), (S::Accepted, S::Accepted), (S::Contested, S::Accepted)];
    check(&|a| hand_over(a, to_mmdh(date(2022, 11, 29))).map(|(_, new)| new), &taken);
}

#[test]
fn a_proposal_says_nothing_of_what_only_the_service_says() {
    let asked = Assignment {
        accept_time: Some(timestamp(now())),
        predecessor: "x".into(),
        successor: "y".into(),
        contest_reason: "z".into(),
        ..one(S::Accepted)
    };
    let proposed = propose("plans/vcm/assignments/b", asked);
    assert_eq!(proposed.state(), S::Proposed);
    assert_eq!((proposed.name.as_str(), proposed.accept_time), ("plans/vcm/assignments/b", None));
    assert_eq!(
        [proposed.predecessor, proposed.successor, proposed.contest_reason, proposed.etag].concat(),
        ""
    );
}

#[test]
fn a_hand_over_leaves_no_day_between() {
    let contested = Assignment {
        contest_reason: "No.".into(),
        ..one(S::Contested)
    };
    let (old, new) = hand_over(contested, to_mmdh(date(2022, 11, 29))).expect("it is open");
    assert_eq!(
        (old.last_day.as_str(), new.from.as_str(), new.last_day.as_str()),
        ("2022-11-28", "2022-11-29", "")
    );
    assert_eq!(
        (old.successor.as_str(), new.predecessor.as_str()),
        (new.name.as_str(), old.name.as_str())
    );
    assert_eq!((old.state(), new.state()), (S::HandedOver, S::Accepted));
    assert_eq!(old.contest_reason, "No.", "what was said stays with who said it");
    assert_eq!((new.contest_reason.as_str(), new.accept_time), ("", Some(timestamp(now()))));
    assert_eq!(new.instrument, "Decreto 1");
}

#[test]
fn days_are_in_order() {
    assert_eq!(end(one(S::Accepted), date(2021, 12, 31)), Err(Refused::EndsBeforeItBegins));
    assert_eq!(end(one(S::Accepted), date(2022, 1, 1)).map(|a| a.last_day), Ok("2022-01-01".into()));
    let over = |a: Assignment, day| hand_over(a, to_mmdh(day)).map(|(old, _)| old.last_day);
    assert_eq!(over(one(S::Accepted), date(2021, 12, 31)), Err(Refused::HandedOverBeforeItBegins));
    assert_eq!(over(one(S::Accepted), date(2022, 1, 1)), Ok("2021-12-31".into()), "never in force");
    let until = Assignment {
        last_day: "2022-06-30".into(),
        ..one(S::Accepted)
    };
    assert_eq!(over(until.clone(), date(2022, 7, 1)), Err(Refused::HandedOverAfterItEnded));
    assert_eq!(over(until, date(2022, 6, 30)), Ok("2022-06-29".into()));
    let own = HandOver {
        institution: "institutions/sdh",
        ..to_mmdh(date(2022, 6, 1))
    };
    assert_eq!(hand_over(one(S::Accepted), own), Err(Refused::SameInstitution));
}

#[test]
fn a_succession_takes_what_is_owed_on_its_day() {
    let day = date(2022, 11, 29);
    let accepted = |last_day: &str, state| Assignment {
        last_day: last_day.into(),
        accept_time: Some(timestamp(now())),
        ..one(state)
    };
    assert_eq!(passes_on(&accepted("", S::Accepted), day), Ok(()));
    assert_eq!(passes_on(&accepted("2022-11-29", S::Accepted), day), Ok(()));
    assert_eq!(
        passes_on(&accepted("2022-11-28", S::Accepted), day),
        Err(Refused::HandedOverAfterItEnded)
    );
    assert_eq!(
        passes_on(&accepted("2022-12-31", S::Ended), day),
        Ok(()),
        "it is to end, and still owed"
    );
    assert_eq!(passes_on(&accepted("2022-11-28", S::Ended), day), Err(Refused::State(S::Ended)));
    assert_eq!(
        passes_on(
            &Assignment {
                last_day: "2022-12-31".into(),
                ..one(S::Ended)
            },
            day
        ),
        Err(Refused::State(S::Ended)),
        "never accepted"
    );
    assert_eq!(passes_on(&accepted("", S::Withdrawn), day), Err(Refused::State(S::Withdrawn)));
    assert_eq!(passes_on_at(&one(S::Accepted), day), day);
    assert_eq!(
        passes_on_at(
            &Assignment {
                from: "2023-01-01".into(),
                ..one(S::Proposed)
            },
            day
        ),
        date(2023, 1, 1)
    );
}

#[test]
fn a_successors_id_is_made_of_both_or_new() {
    assert_eq!(id_after("a1", "mmdh").as_deref(), Some("a1-mmdh"));
    assert_eq!(id_after(&"a".repeat(58), "mmdh").map(|id| id.len()), Some(63));
    assert_eq!(id_after(&"a".repeat(59), "mmdh"), None);
}
