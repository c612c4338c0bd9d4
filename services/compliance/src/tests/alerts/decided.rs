//! Whom to tell is decided once.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use vigia_proto::{
    compliance::{Acknowledgement, AlertAcknowledged, DeliveryState, Mute, ObligationMuted},
    plans as p, reporting as r,
};

use super::world::{Place, Servers, World, deliveries, notices, nowhere, to};
use crate::{
    alerts::board,
    tests::journal::{Journals, at, report},
};

/// What a recipient is told of reports.
async fn reports(desk: &crate::alerts::Desk, recipient: &str) -> Vec<String> {
    let all = notices(desk, recipient).await;
    all.into_iter().filter(|told| told.starts_with("REPORT")).collect()
}

/// The first quarter's report is due by the end of 15 April.
const DUE: &str = "2026-04-16 00:00";

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_told_once_to_each_whom_it_is_for() {
    let mut world = World::new(Place::directory(), "2026-04-08 12:00");
    world
        .journals
        .submit(at("2026-04-07 09:00"), "y/obligations/2026-Q1", 1, report(&[("I1", 5)]));
    let desk = world.replica(&nowhere()).await;
    let first = desk.decide(None).await.expect("decided");
    assert!(first.notices > 0);
    assert_eq!(desk.decide(None).await.expect("decided").notices, 0, "nothing new");
    assert_eq!(
        reports(&desk, "institutions/msp").await,
        ["REPORT assignments/x/obligations/2026-Q1 -7"]
    );
    // A week later it is due, a day after that it is overdue, and two weeks on the presidency is told too.
    for (now, new) in [
        ("2026-04-14 00:00", Some("REPORT assignments/x/obligations/2026-Q1 -1")),
        ("2026-04-15 12:00", Some("REPORT assignments/x/obligations/2026-Q1 0")),
        ("2026-04-16 12:00", Some("REPORT assignments/x/obligations/2026-Q1 1")),
        ("2026-04-17 12:00", None),
        ("2026-04-30 12:00", Some("REPORT assignments/x/obligations/2026-Q1 15")),
    ] {
        world.clock(now);
        let before = reports(&desk, "institutions/msp").await;
        desk.decide(None).await.expect("decided");
        let after = reports(&desk, "institutions/msp").await;
        let told: Vec<&String> = after.iter().filter(|told| !before.contains(told)).collect();
        assert_eq!(told, new.iter().collect::<Vec<_>>(), "{now}");
    }
    assert_eq!(
        reports(&desk, "institutions/presidencia").await,
        ["REPORT assignments/x/obligations/2026-Q1 15"],
        "the body above is told from the fifteenth late day on, and nothing else"
    );
    assert!(
        deliveries(&desk)
            .await
            .iter()
            .all(|delivery| delivery.recipient != "institutions/mdg")
    );
}

/// A report that was received before midnight and recorded after it: at midnight it looks as if it were missing.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_a_report_that_was_in_the_pipe() {
    let late = |told: &[String]| {
        told.iter()
            .filter(|told| told.starts_with("REPORT") && told.ends_with(" 1"))
            .count()
    };
    for (recorded, expect) in [(Some("2026-04-16 00:00:30"), 1), (None, 2)] {
        let mut world = World::new(Place::directory(), "2026-04-15 23:00");
        let desk = world.replica(&nowhere()).await;
        desk.decide(None).await.expect("decided");
        let before = world.journals.0.len();
        if let Some(recorded) = recorded {
            let sent = report(&[("I1", 60)]);
            world.journals.submit(at(recorded), "x/obligations/2026-Q1", 1, sent);
        }
        world.clock(DUE);
        let decided = desk.decide(None).await.expect("decided");
        assert_eq!(decided.notices, 0, "not at once");
        world.clock("2026-04-16 00:00:59.999");
        assert_eq!(desk.decide(None).await.expect("decided").notices, 0);
        world.read(&desk, before);
        world.clock("2026-04-16 00:01");
        desk.decide(None).await.expect("decided");
        assert_eq!(late(&notices(&desk, "institutions/msp").await), expect, "{recorded:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_look_is_when_something_can_have_changed() {
    let world = World::new(Place::directory(), "2026-04-15 12:00");
    let desk = world.replica(&nowhere()).await;
    let next = desk.decide(None).await.expect("decided").next_change;
    assert_eq!(next, at(DUE));
    world.clock(DUE);
    let next = desk.decide(None).await.expect("decided").next_change;
    assert_eq!(next, at("2026-04-16 00:01"), "when it can't be in the pipe any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_muted_or_taken_up_is_not_told() {
    let world = World::new(Place::directory(), "2026-04-16 12:00");
    let desk = world.replica(&nowhere()).await;
    let caller = vigia_platform::Caller::vigia(&world.clock, "test");
    let obligation = "plans/siempre/assignments/x/obligations/2026-Q1".to_owned();
    let muted = ObligationMuted {
        mute: Some(Mute {
            obligation: obligation.clone(),
            reason: "En litigio".into(),
            ..Mute::default()
        }),
    };
    let mut change = desk
        .kit
        .db
        .change_after_all(&caller, &vigia_platform::new_id(), &muted)
        .await
        .expect("begun");
    change
        .record("vigia.compliance.v1.ObligationMuted", &obligation, "", &muted)
        .await
        .expect("recorded");
    let standing = desk
        .memory
        .ask("siempre", desk.kit.closed_at(), crate::alerts::board::board)
        .expect("in force");
    let other = standing
        .raised
        .iter()
        .find(|raised| raised.subject.ends_with("y/obligations/2026-Q1"))
        .expect("stands");
    let taken = AlertAcknowledged {
        acknowledgement: Some(Acknowledgement {
            alert: other.name.clone(),
            ..Acknowledgement::default()
        }),
    };
    change
        .record("vigia.compliance.v1.AlertAcknowledged", &other.name, "", &taken)
        .await
        .expect("recorded");
    change.commit(muted).await.expect("durable");
    desk.decide(None).await.expect("decided");
    assert_eq!(notices(&desk, "institutions/msp").await, [""; 0]);
    // The next threshold of what was taken up is another alert; what is muted stays so.
    world.clock("2026-04-30 12:00");
    desk.decide(None).await.expect("decided");
    assert_eq!(
        notices(&desk, "institutions/msp").await,
        ["REPORT assignments/y/obligations/2026-Q1 15"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_are_one_a_day_at_the_plans_hour() {
    let mut world = World::new(Place::directory(), "2026-04-15 07:59");
    let policy = p::AlertPolicy {
        digest_hour: "09:30".into(),
        ..p::AlertPolicy::default()
    };
    world.journals.alert_policy(at("2025-12-02 09:00"), policy);
    let desk = world.replica(&nowhere()).await;
    desk.decide(None).await.expect("decided");
    // After the hour of the digest, and at midnight: both are for the next day.
    for now in ["2026-04-15 09:31", "2026-04-16 00:05"] {
        world.clock(now);
        desk.fix(None).await.expect("fixed");
        desk.decide(None).await.expect("decided");
    }
    let sent: Vec<_> = to(&desk, "institutions/msp")
        .await
        .iter()
        .map(|delivery| (delivery.state(), delivery.send_time.as_ref().and_then(vigia_platform::instant)))
        .collect();
    assert_eq!(
        sent,
        [
            (DeliveryState::Sending, Some(at("2026-04-15 09:30"))),
            (DeliveryState::Open, Some(at("2026-04-16 09:30")))
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_way_nothing_is_decided() {
    let world = World::new(Place::directory(), "2026-04-16 12:00");
    let desk = world.replica(&crate::alerts::AlertOptions::default()).await;
    assert!(!desk.post.has_a_way());
    assert_eq!(desk.decide(None).await.expect("decided").notices, 0);
    assert_eq!(deliveries(&desk).await, []);
}

/// Two replicas on one database decide at the same moment, and then send.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_decide_and_send_once() {
    let Some(place) = Place::server().await else { return };
    let world = World::new(place, "2026-04-16 07:00");
    let servers = Servers::start();
    let (one, other) = (world.replica(&servers.mail()).await, world.replica(&servers.mail()).await);
    let (first, second) = tokio::join!(one.decide(None), other.decide(None));
    let (first, second) = (first.expect("decided").notices, second.expect("decided").notices);
    assert!(first > 0 && second == 0 || first == 0 && second > 0, "{first} and {second}");
    assert_eq!(other.decide(None).await.expect("decided").notices, 0);
    world.clock("2026-04-16 08:00");
    let term = std::time::Duration::from_hours(1);
    let lease = one.kit.db.lease("alerts", "one", term).await.expect("asked").expect("free");
    assert_eq!(other.kit.db.lease("alerts", "other", term).await.expect("asked"), None);
    one.fix(Some(&lease)).await.expect("fixed");
    let now = at("2026-04-16 08:00");
    one.send(Some(&lease), now).await.expect("sent");
    other.fix(None).await.expect("fixed");
    other.send(None, now).await.expect("sent");
    let messages = servers.messages().await;
    let mut to: Vec<String> = messages.iter().map(|message| message["to"].to_string()).collect();
    to.sort();
    to.dedup();
    assert_eq!(to.len(), messages.len(), "nobody gets two: {to:?}");
    assert!(!messages.is_empty());
    // Who was replaced while it was slow writes nothing any more.
    one.kit.db.give_back(lease.clone()).await.expect("given back");
    let taken = other.kit.db.lease("alerts", "other", term).await.expect("asked");
    assert!(taken.is_some());
    world.clock("2026-05-20 12:00");
    assert_eq!(one.decide(Some(&lease)).await.expect("asked").notices, 0);
    assert!(other.decide(taken.as_ref()).await.expect("decided").notices > 0);
    world.place.end().await;
}

/// A board is kept as long as it stays as it is: whoever asks at any instant, now or of the past, is answered as if it were
/// computed then.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_what_would_be_computed() {
    let mut world = World::new(Place::directory(), "2026-03-20 00:00");
    let desk = world.replica(&nowhere()).await;
    let evidence = "evidence/0123";
    let claims = r::Report {
        evidence: vec![evidence.into()],
        ..report(&[("I1", 60)])
    };
    let first = "y/obligations/2026-Q1";
    type Deed<'d> = (&'d str, &'d dyn Fn(&mut Journals, Timestamp));
    let deeds: [Deed<'_>; 6] = [
        ("2026-04-02 10:13", &|journals, time| {
            journals.submit(time, first, 1, claims.clone())
        }),
        ("2026-04-04 11:00", &|journals, time| {
            journals.review(time, first, 1, r::Decision::Returned, "2026-04-20");
        }),
        ("2026-04-10 09:00", &|journals, time| {
            journals.office(time, "msp", "Salud", "presidencia", &[("Archivo", "")])
        }),
        ("2026-04-18 09:00", &|journals, time| {
            journals.alert_policy(
                time,
                p::AlertPolicy {
                    overdue_days: vec![2],
                    ..p::AlertPolicy::default()
                },
            );
        }),
        ("2026-04-22 10:00", &|journals, time| journals.store(time, evidence, "msp")),
        ("2026-05-02 10:00", &|journals, time| journals.waive(time, "x/obligations/2026-Q1")),
    ];
    let mut deeds = deeds.iter().peekable();
    let (mut asked, mut boards) = (0, Vec::new());
    let mut now = at("2026-03-20 00:00");
    while now < at("2026-05-20 00:00") {
        if let Some((_, deed)) = deeds.next_if(|(time, _)| at(time) <= now) {
            let before = world.journals.0.len();
            deed(&mut world.journals, now);
            world.read(&desk, before);
        }
        // Now, a while ago, and what was asked before.
        for t in [now, now - SignedDuration::from_hours(100), now] {
            let answer = desk.memory.ask("siempre", t, |view| {
                let kept = desk.board(view)?;
                let computed = board::board(view)?;
                assert_eq!((kept.next_change > t, &kept.raised), (true, &computed.raised), "as of {t}");
                let until = t + SignedDuration::from_hours(24 * 20);
                assert_eq!(desk.upcoming(view, until)?.raised, board::upcoming(view, until).raised, "as of {t}");
                Ok(kept)
            });
            boards.push(answer.expect("a plan"));
            asked += 1;
        }
        now += SignedDuration::from_mins(311);
    }
    assert!(deeds.next().is_none(), "all was done");
    boards.dedup_by(|a, b| Arc::ptr_eq(a, b));
    assert!(boards.len() * 5 < asked * 4, "some were kept: {} of {asked}", boards.len());
}
