//! When reporting could not take reports: down, or shedding on a due day; and extensions for what fell due then.
//!
//! Reports of the second quarter are due on 15 July 2026 at 17:00, those of the third on 14 October.
use std::{pin::Pin, task::Poll};

use tonic::{Code, Response, Status};
use tonic_types::StatusExt;
use vigia_platform::{Caller, instant, new_id};
use vigia_proto::{
    identity::Account,
    reporting::{
        CreateReportRequest, Extension, GrantExtensionRequest, GrantExtensionResponse, ListExtensionsRequest, ListOutagesRequest,
        ListOutagesResponse, Outage, OutageKind, SubmitReportRequest, WaiveObligationRequest, extension::Covers,
    },
};

use crate::world::{Place, Setting, World, at, obligation, paths, reason, report};

async fn world(place: &Place, now: &'static str) -> World {
    let setting = Setting {
        now: Some(now),
        ..Setting::default()
    };
    World::on(place, setting).await
}

/// What is on record, once the journal has come to a position.
async fn outages(world: &World, who: &str, position: i64) -> Vec<Outage> {
    let mut request = world.ask(who, ListOutagesRequest::default());
    let seen = format!("reporting:{position}").parse().unwrap();
    request.metadata_mut().insert("vigia-at-least", seen);
    world.obligations().list_outages(request).await.unwrap().into_inner().outages
}

async fn extend(
    world: &World,
    period: &str,
    until: &str,
    emergency: bool,
    outage: &str,
    covers: Covers,
) -> Result<GrantExtensionResponse, Status> {
    let request = GrantExtensionRequest {
        parent: "plans/vcm".into(),
        extension: Some(Extension {
            period: period.into(),
            covers: Some(covers),
            until: until.into(),
            emergency,
            legal_basis: "Acuerdo 12".into(),
            outage: outage.into(),
            ..Extension::default()
        }),
        request_id: new_id(),
    };
    let answer = world.obligations().grant_extension(world.ask("coordinator", request)).await;
    answer.map(Response::into_inner)
}

async fn submit(world: &World) {
    let request = SubmitReportRequest {
        parent: obligation("a1"),
        report: Some(report("1")),
        request_id: new_id(),
        ..SubmitReportRequest::default()
    };
    world.reports().submit_report(world.ask("msp", request)).await.unwrap();
}

#[tokio::test]
async fn a_time_in_which_nobody_was_there_is_on_record_and_extends_what_fell_due_in_it() {
    for place in Place::all().await {
        let world = world(&place, "2026-07-15 15:00").await;
        assert_eq!(outages(&world, "msp", 0).await, []);
        let world = world.restarted(&place, "2026-07-15 19:00").await;
        let recorded = outages(&world, "msp", 1).await;
        let [outage] = &recorded[..] else { panic!("{recorded:?}") };
        let times = [&outage.start_time, &outage.end_time].map(|time| instant(time.as_ref().unwrap()).unwrap());
        assert_eq!(times, [at("2026-07-15 15:00"), at("2026-07-15 19:00")]);
        assert_eq!(
            (outage.kind(), outage.refused_calls, outage.position),
            (OutageKind::Unavailable, 0, 1)
        );
        for who in ["mies", "msp-head", "coordinator", "reviewer", "auditor"] {
            assert_eq!(outages(&world, who, 1).await, recorded, "{who}");
        }
        let all = || Covers::All(true);
        for nowhere in ["outages/otra", "outages", "plans/vcm"] {
            let refused = extend(&world, "2026-Q2", "2026-07-17", true, nowhere, all()).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{nowhere}");
            assert_eq!(paths(&refused), ["extension.outage"], "{nowhere}");
        }
        // All faults at once; and what has fallen due is moved by an emergency only.
        let refused = extend(&world, "Q2", "2026-07-17", true, "outages/otra", all()).await.unwrap_err();
        assert_eq!(paths(&refused), ["extension.outage", "extension.period"]);
        let refused = extend(&world, "2026-Q2", "2026-07-17", false, &outage.name, all())
            .await
            .unwrap_err();
        assert_eq!(reason(&refused), "EXTENSION_MOVES_NOTHING");
        let granted = extend(&world, "2026-Q2", "2026-07-17", true, &outage.name, all()).await.unwrap();
        assert_eq!(granted.obligations_moved, 2);
        // They are due on another day now, on which nobody was away.
        let refused = extend(&world, "2026-Q2", "2026-07-20", true, &outage.name, all())
            .await
            .unwrap_err();
        assert_eq!(paths(&refused), ["extension.outage"]);
        let text = refused.get_error_details().bad_request().unwrap().field_violations[0]
            .description
            .clone();
        assert!(text.contains("2 of the obligations"), "{text}");
        let request = ListExtensionsRequest {
            parent: "plans/vcm".into(),
            ..ListExtensionsRequest::default()
        };
        let listed = world.obligations().list_extensions(world.ask("mies", request)).await.unwrap();
        let extensions = listed.into_inner().extensions;
        assert_eq!(extensions.len(), 1);
        assert_eq!(extensions[0].extension.as_ref().unwrap().outage, outage.name);
        drop(world);
        place.end().await;
    }
}

#[tokio::test]
async fn an_outage_covers_what_was_due_after_it_began_on_a_day_that_it_touched() {
    // When it began and ended, and whether what is due on 15 July at 17:00 fell due in it.
    for (began, ended, covered) in [
        ("2026-07-15 16:59", "2026-07-15 17:00", true),
        ("2026-07-15 09:00", "2026-07-15 09:01", true),
        ("2026-07-13 09:00", "2026-07-15 00:00:00.000001", true),
        ("2026-07-13 09:00", "2026-07-15 00:00", false),
        ("2026-07-15 17:00", "2026-07-15 23:00", false),
        ("2026-07-15 18:00", "2026-07-16 09:00", false),
    ] {
        let place = Place::Directory(tempfile::tempdir().unwrap());
        let world = world(&place, began).await.restarted(&place, ended).await;
        let recorded = outages(&world, "auditor", 1).await;
        let all = Covers::All(true);
        let extended = extend(&world, "2026-Q2", "2026-07-31", true, &recorded[0].name, all).await;
        assert_eq!(extended.is_ok(), covered, "{began} to {ended}");
    }
}

#[tokio::test]
async fn a_short_absence_and_one_in_which_another_was_there_are_none() {
    for place in Place::all().await {
        let first = world(&place, "2026-07-02 12:00").await;
        let second = first.restarted(&place, "2026-07-02 12:00:59.999999").await;
        assert_eq!(outages(&second, "auditor", 0).await, []);
        // Somebody was there at four.
        second.clock.set(at("2026-07-02 16:00"));
        submit(&second).await;
        let third = second.restarted(&place, "2026-07-02 16:00:30").await;
        assert_eq!(outages(&third, "auditor", 1).await, []);
        let fourth = third.restarted(&place, "2026-07-02 16:01:30").await;
        let recorded = outages(&fourth, "auditor", 2).await;
        let starts: Vec<_> = recorded
            .iter()
            .map(|outage| instant(&outage.start_time.unwrap()).unwrap())
            .collect();
        assert_eq!(starts, [at("2026-07-02 16:00:30")], "as long as what is recorded at least");
        // Once is enough.
        let fifth = fourth.restarted(&place, "2026-07-02 16:01:40").await;
        assert_eq!(outages(&fifth, "auditor", 2).await, recorded);
        drop(fifth);
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_that_come_back_at_once_one_records_it() {
    let Some(place) = Place::server().await else { return };
    let world = world(&place, "2026-07-02 12:00").await;
    let (world, others) = world.restarted_with(&place, "2026-07-03 12:00", 3).await;
    assert_eq!(outages(&world, "auditor", 1).await.len(), 1);
    drop((world, others));
    place.end().await;
}

/// Calls of `msp` until as many as given are shed. Nothing comes of any of them.
async fn shed(world: &World, count: usize) {
    // In their way: they wait until it is dropped, and are dropped before.
    let caller = Caller::vigia(&world.clock, "test");
    let in_the_way = world.replica.db.change(&caller, &new_id(), &Account::default()).await.unwrap();
    let mut waiting: Vec<Pin<Box<dyn Future<Output = Status>>>> = Vec::new();
    let mut refused = 0;
    while refused < count {
        assert!(waiting.len() < 1_000, "nothing is shed");
        let request = CreateReportRequest {
            parent: obligation("a1"),
            report: Some(report("1")),
            request_id: new_id(),
        };
        let (mut reports, request) = (world.reports(), world.ask("msp", request));
        let mut call: Pin<Box<dyn Future<Output = Status>>> =
            Box::pin(async move { reports.create_report(request).await.expect_err("it waits, or is shed") });
        let polled = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        match polled {
            Poll::Pending => waiting.push(call),
            Poll::Ready(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted);
                refused += 1;
            }
        }
    }
    drop(waiting);
    drop(in_the_way);
}

#[tokio::test]
async fn calls_that_were_shed_on_a_due_day_are_counted_on_record() {
    for place in Place::all().await {
        let world = world(&place, "2026-07-14 10:05").await;
        // Nothing falls due on the fourteenth.
        shed(&world, 1).await;
        world.clock.set(at("2026-07-15 16:44"));
        shed(&world, 2).await;
        world.clock.set(at("2026-07-15 16:50"));
        shed(&world, 3).await;
        world.clock.set(at("2026-07-15 17:00"));
        let recorded = outages(&world, "msp", 2).await;
        let told: Vec<_> = recorded
            .iter()
            .map(|outage| {
                let times = [&outage.start_time, &outage.end_time].map(|time| instant(time.as_ref().unwrap()).unwrap());
                (outage.kind(), times, outage.refused_calls)
            })
            .collect();
        assert_eq!(
            told,
            [
                (OutageKind::Shedding, [at("2026-07-15 16:30"), at("2026-07-15 16:45")], 2),
                (OutageKind::Shedding, [at("2026-07-15 16:45"), at("2026-07-15 17:00")], 3),
            ]
        );
        // Page by page.
        let page = async |page_token: String| {
            let request = ListOutagesRequest { page_size: 1, page_token };
            let answer = world.obligations().list_outages(world.ask("mies", request)).await;
            answer.map(Response::into_inner)
        };
        let first = page(String::new()).await.unwrap();
        let second = page(first.next_page_token.clone()).await.unwrap();
        let pages = [first, second].map(|ListOutagesResponse { outages, .. }| outages).concat();
        assert_eq!(pages, recorded);
        assert_eq!(reason(&page("otra".into()).await.unwrap_err()), "PAGE_TOKEN_INVALID");
        let one = Covers::Assignment("plans/vcm/assignments/a1".into());
        let granted = extend(&world, "2026-Q2", "2026-07-16", true, &recorded[0].name, one).await.unwrap();
        assert_eq!(granted.obligations_moved, 1);
        // What is due in October has nothing to do with it.
        let refused = extend(&world, "2026-Q3", "2026-10-30", true, &recorded[0].name, Covers::All(true)).await;
        assert_eq!(paths(&refused.unwrap_err()), ["extension.outage"]);
        drop(world);
        place.end().await;
    }
}

#[tokio::test]
async fn where_all_is_waived_nothing_falls_due() {
    let place = Place::Directory(tempfile::tempdir().unwrap());
    let world = world(&place, "2026-07-15 08:00").await;
    for assignment in ["a1", "b1"] {
        let request = WaiveObligationRequest {
            name: obligation(assignment),
            reason: "Sismo".into(),
            request_id: new_id(),
        };
        let waived = world.obligations().waive_obligation(world.ask("coordinator", request)).await;
        waived.unwrap();
    }
    shed(&world, 1).await;
    // What is shed on the fourteenth of October is recorded after it, and so in the same order.
    world.clock.set(at("2026-10-14 08:00"));
    shed(&world, 1).await;
    world.clock.set(at("2026-10-14 08:15"));
    let recorded = outages(&world, "auditor", 3).await;
    let starts: Vec<_> = recorded
        .iter()
        .map(|outage| instant(&outage.start_time.unwrap()).unwrap())
        .collect();
    assert_eq!(starts, [at("2026-10-14 08:00")]);
}
