//! The writer over real databases: groups, replicas, and the midnight between receipt and commit.
use std::{future::Future, pin::Pin, task::Poll};

use tonic::{Request, Response};
use vigia_platform::{Caller, instant, new_id};
use vigia_proto::{
    identity::Account,
    journal::{Entry, ListEntriesRequest},
    reporting::{Decision, ReviewReportRequest, SubmitReportRequest, Timeliness},
};

use crate::world::{Place, Replica, Setting, World, reason, report};

fn obligation(assignment: usize, period: &str) -> String {
    format!("plans/vcm/assignments/a{}/obligations/{period}", assignment + 1)
}

fn submission(assignment: usize, period: &str, number: &str) -> SubmitReportRequest {
    SubmitReportRequest {
        parent: obligation(assignment, period),
        report: Some(report(number)),
        request_id: new_id(),
        ..SubmitReportRequest::default()
    }
}

/// Eight assignments of `msp`, due at the midnight after 15 calendar days.
async fn world(place: &Place, zone: &'static str, now: &'static str) -> World {
    let setting = Setting {
        more_assignments: 7,
        calendar_days: true,
        zone: Some(zone),
        now: Some(now),
        ..Setting::default()
    };
    World::on(place, setting).await
}

/// Lets a call run until it waits for something.
async fn goes_until_it_waits<F: Future>(call: &mut Pin<Box<F>>) {
    std::future::poll_fn(|context| {
        assert!(call.as_mut().poll(context).is_pending(), "it did not wait");
        Poll::Ready(())
    })
    .await;
}

/// A change that is under way: nothing else of this replica is written until it is dropped.
async fn in_the_way(world: &World, replica: &Replica) -> vigia_platform::Change {
    let caller = Caller::vigia(&world.clock, "test");
    replica.db.change(&caller, &new_id(), &Account::default()).await.unwrap()
}

async fn entries(replica: &Replica) -> Vec<Entry> {
    let caller = Caller::vigia(&vigia_platform::Clock::real(), "test");
    let request = ListEntriesRequest {
        page_size: 1000,
        ..ListEntriesRequest::default()
    };
    vigia_platform::journal::list_entries(&replica.db, &caller, request)
        .await
        .unwrap()
        .entries
}

#[tokio::test]
async fn a_report_received_before_midnight_and_committed_after_it_is_on_time() {
    for zone in ["America/Guayaquil", "Pacific/Galapagos"] {
        for place in Place::all().await {
            let world = world(&place, zone, "2026-04-01 09:00").await;
            let replica = &world.replica;
            // The fifteenth day after the quarter ends at this zone's midnight, an hour later in Galápagos.
            world.clock.set(world.at("2026-04-15T23:59:59.999999"));
            let first = in_the_way(&world, replica).await;
            let mut in_time = Box::pin(replica.submit(&world, submission(0, "2026-Q1", "1")));
            goes_until_it_waits(&mut in_time).await;
            world.clock.set(world.at("2026-04-16T00:00:00"));
            let mut late = Box::pin(replica.submit(&world, submission(1, "2026-Q1", "1")));
            goes_until_it_waits(&mut late).await;
            drop(first);
            let (in_time, late) = tokio::join!(in_time, late);
            let (in_time, late) = (in_time.unwrap(), late.unwrap());
            // One group, committed after midnight.
            let times: Vec<_> = entries(replica)
                .await
                .iter()
                .map(|entry| instant(&entry.time.unwrap()).unwrap())
                .collect();
            assert_eq!(times, [world.at("2026-04-16T00:00:00"); 2], "{zone}");
            assert_eq!((in_time.position, late.position), (1, 2));
            let received = in_time.report.unwrap().receive_time.as_ref().and_then(instant).unwrap();
            assert_eq!(received, world.at("2026-04-15T23:59:59.999999"));
            for (assignment, timeliness) in [(0, Timeliness::OnTime), (1, Timeliness::Late)] {
                let owed = replica.obligation(&world, &obligation(assignment, "2026-Q1")).await;
                assert_eq!(owed.timeliness(), timeliness, "{zone} a{assignment}");
                assert_eq!(instant(&owed.due_time.unwrap()), Some(world.at("2026-04-16T00:00:00")));
            }
            place.end().await;
        }
    }
}

#[tokio::test]
async fn a_report_that_waits_for_another_service_was_received_when_it_came() {
    for place in Place::all().await {
        let world = world(&place, "America/Guayaquil", "2026-04-01 09:00").await;
        let replica = &world.replica;
        world.clock.set(world.at("2026-04-15T23:59:59"));
        let mut request = world.ask("msp", submission(0, "2026-Q1", "1"));
        request.metadata_mut().insert("vigia-at-least", "plans:2".parse().unwrap());
        let mut reports = replica.reports();
        let mut call = Box::pin(reports.submit_report(request));
        goes_until_it_waits(&mut call).await;
        world.clock.set(world.at("2026-04-16T00:00:01"));
        world.plan_is_touched().await;
        let report = call.await.unwrap().into_inner().report.unwrap();
        assert_eq!(instant(&report.receive_time.unwrap()), Some(world.at("2026-04-15T23:59:59")));
        let owed = replica.obligation(&world, &obligation(0, "2026-Q1")).await;
        assert_eq!(owed.timeliness(), Timeliness::OnTime);
        place.end().await;
    }
}

#[tokio::test]
async fn in_a_group_each_call_is_answered_for_itself() {
    for place in Place::all().await {
        let world = world(&place, "America/Guayaquil", "2026-04-01 09:00").await;
        let replica = &world.replica;
        world.clock.set(world.at("2026-04-10T08:00:00"));
        let first = in_the_way(&world, replica).await;
        let good = submission(0, "2026-Q1", "1");
        let other_content = SubmitReportRequest {
            request_id: good.request_id.clone(),
            ..submission(0, "2026-Q1", "2")
        };
        let calls = [
            good.clone(),
            submission(1, "2026-Q2", "1"),  // has not ended
            submission(2, "2026-Q1", "1x"), // is no number
            good.clone(),                   // the same call again
            other_content,                  // another one under its request_id
            submission(0, "2026-Q1", "3"),  // replaces the first
            submission(3, "2026-Q1", "4"),
        ];
        let mut waiting: Vec<_> = calls.into_iter().map(|call| Box::pin(replica.submit(&world, call))).collect();
        for call in &mut waiting {
            goes_until_it_waits(call).await;
        }
        drop(first);
        let mut answers = Vec::new();
        for call in waiting {
            answers.push(match call.await {
                Ok(answer) => format!("{} {}", answer.report.unwrap().name.rsplit('/').next().unwrap(), answer.position),
                Err(status) => reason(&status),
            });
        }
        let expect = [
            "1 1",
            "PERIOD_NOT_ENDED",
            "INVALID_FIELDS",
            "1 1",
            "REQUEST_ID_REUSED",
            "2 3",
            "1 2",
        ];
        assert_eq!(answers, expect);
        let again = replica.submit(&world, good).await.unwrap();
        assert_eq!(again.position, 1, "repeated, also when all is over");
        let recorded: Vec<_> = entries(replica)
            .await
            .into_iter()
            .map(|entry| (entry.position, entry.resource))
            .collect();
        assert_eq!(
            recorded,
            [
                (1, obligation(0, "2026-Q1")),
                (2, obligation(3, "2026-Q1")),
                (3, obligation(0, "2026-Q1"))
            ]
        );
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_decide_as_one() {
    // Files have one process only.
    let Some(place) = Place::server().await else { return };
    let world = world(&place, "America/Guayaquil", "2026-04-01 09:00").await;
    let second = world.second_replica(&place).await;
    let replicas = [&world.replica, &second];
    world.clock.set(world.at("2026-04-10T08:00:00"));
    let mut calls = Vec::new();
    for n in 0..60_usize {
        // All on the same three obligations, half of the calls at each replica; every third comes to both.
        let call = submission(n % 3, "2026-Q1", &n.to_string());
        for replica in &replicas[if n % 3 == 0 { 0 } else { n % 2 }..] {
            calls.push((call.request_id.clone(), replica.submit(&world, call.clone())));
            if n % 3 != 0 {
                break;
            }
        }
    }
    let (ids, calls): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
    let answers = futures::future::join_all(calls).await;
    let mut by_id = std::collections::BTreeMap::new();
    for (id, answer) in ids.into_iter().zip(answers) {
        let answer = answer.unwrap();
        let name = answer.report.unwrap().name;
        assert_eq!(
            by_id.entry(id).or_insert_with(|| (name.clone(), answer.position)),
            &(name, answer.position)
        );
    }
    let mut names: Vec<_> = by_id.values().map(|(name, _)| name.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 60, "no version is given twice");
    let entries = entries(replicas[0]).await;
    assert_eq!(
        entries.iter().map(|entry| entry.position).collect::<Vec<_>>(),
        (1..=60).collect::<Vec<_>>(),
        "dense"
    );
    // What one replica took, the other reviews at once.
    let sent = replicas[0].submit(&world, submission(4, "2026-Q1", "1")).await.unwrap();
    let review = ReviewReportRequest {
        name: sent.report.unwrap().name,
        decision: Decision::Validated.into(),
        request_id: new_id(),
        ..ReviewReportRequest::default()
    };
    let mut request: Request<_> = world.ask("reviewer", review);
    request
        .metadata_mut()
        .insert("vigia-at-least", format!("reporting:{}", sent.position).parse().unwrap());
    let reviewed = replicas[1].reports().review_report(request).await.map(Response::into_inner);
    assert_eq!(reviewed.unwrap().review.unwrap().decision(), Decision::Validated);
    let refused = replicas[0].submit(&world, submission(4, "2026-Q1", "2")).await.unwrap_err();
    assert_eq!(
        reason(&refused),
        "ALREADY_VALIDATED",
        "and the first one knows of it, whenever it is asked"
    );
    drop((world, second));
    place.end().await;
}

#[tokio::test]
async fn times_follow_the_latest_of_all_replicas_and_closed_is_closed() {
    let Some(place) = Place::server().await else { return };
    // The same databases, seen by a host whose clock is behind: by less than the shortest outage, for else nobody was there
    // in between.
    let behind = world(&place, "America/Guayaquil", "2026-04-10 07:59:30").await;
    let ahead = world(&place, "America/Guayaquil", "2026-04-10 08:00").await;
    let (first, second) = (&ahead.replica, &behind.replica);
    let closed_at = first.closed_at(&ahead).await;
    assert_eq!(closed_at, ahead.at("2026-04-10T07:59:59.999999"));
    second.submit(&behind, submission(0, "2026-Q1", "1")).await.unwrap();
    let times: Vec<_> = entries(first)
        .await
        .iter()
        .map(|entry| instant(&entry.time.unwrap()).unwrap())
        .collect();
    assert_eq!(times, [ahead.at("2026-04-10T08:00:00")], "not before what the first has closed");
    drop((ahead, behind));
    place.end().await;
}
