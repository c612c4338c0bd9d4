//! How long it takes to decide what 10,000 open obligations need.
//!
//! `cargo test --release -p vigia-compliance ten_thousand -- --nocapture` says it of a program as it is run.

use std::time::Instant;

use tonic::Request;
use vigia_platform::Caller;
use vigia_proto::{
    assignments as a,
    compliance::{Alert, DeliveryState, ListAlertsRequest, alert_service_server::AlertService},
    plans as p,
};

use super::world::{Place, World, deliveries, nowhere};
use crate::{
    alert_service::Alerts,
    alerts::{Desk, board},
    tests::journal::{Journals, at},
};

const INSTITUTIONS: usize = 200;
const ACTIONS: usize = 100;
const ASSIGNMENTS: usize = 2_500;

/// A year of quarters: 2,500 assignments, none of which has ever reported, owe 10,000 reports.
fn world() -> World {
    let mut world = World::new(Place::directory(), "2027-01-15 23:00");
    let begin = at("2025-12-01 10:00");
    world.journals = Journals::default();
    world.journals.office(
        begin,
        "mmdh",
        "Ministerio de la Mujer",
        "",
        &[("Tablero", "tablero@mujer.ejemplo.ec")],
    );
    for n in 0..INSTITUTIONS {
        let office = [("Planificación", "planificacion@ejemplo.ec")];
        world
            .journals
            .office(begin, &format!("i{n}"), &format!("Institución {n}"), "mmdh", &office);
    }
    let mut definition = crate::tests::journal::definition();
    if let Some(plan) = &mut definition.plan {
        plan.end = "2026-12-31".into();
        plan.governing_institution = "institutions/mmdh".into();
    }
    let pattern = definition.actions.remove(0);
    let (indicator, _) = definition.indicators.split_first().expect("one");
    let indicator = indicator.clone();
    definition.actions.clear();
    definition.indicators.clear();
    for n in 0..ACTIONS {
        let name = format!("plans/siempre/actions/n{n}");
        definition.indicators.push(p::Indicator {
            name: format!("{name}/indicators/i1"),
            ..indicator.clone()
        });
        definition.actions.push(p::Action {
            name,
            code: format!("N{n}"),
            ..pattern.clone()
        });
    }
    world.journals.revise(begin, 1, "2025-12-01", Vec::new(), Some(definition));
    for n in 0..ASSIGNMENTS {
        let (action, institution) = (format!("n{}", n % ACTIONS), format!("i{}", n % INSTITUTIONS));
        let made = Journals::assignment(&format!("a{n}"), &action, &institution, a::AssignmentRole::Lead, "2026-01-01");
        world.journals.propose(begin, &made);
        world.journals.accept(begin, &made);
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_open_obligations_are_decided_at_midnight() {
    let world = world();
    let desk = world.replica(&nowhere()).await;
    world.clock("2027-01-16 00:01");
    let begun = Instant::now();
    let decided = desk.decide(None).await.expect("decided");
    let took = begun.elapsed();
    println!(
        "10,000 open obligations: {} notices decided in {:.3} s",
        decided.notices,
        took.as_secs_f64()
    );
    // Each obligation for its institution; those of three quarters that are long overdue also for the governing one.
    assert!(decided.notices >= 10_000 + 7_500, "{}", decided.notices);
    let begun = Instant::now();
    assert_eq!(desk.decide(None).await.expect("decided").notices, 0);
    println!("looked at again, with nothing new: {:.3} s", begun.elapsed().as_secs_f64());
    world.clock("2027-01-16 08:00");
    let begun = Instant::now();
    while desk.fix(None).await.expect("fixed") > 0 {}
    println!("fixed: {:.3} s", begun.elapsed().as_secs_f64());
    let all = deliveries(&desk).await;
    assert_eq!(all.len(), INSTITUTIONS + 1, "one digest for each");
    assert!(all.iter().all(|delivery| delivery.state() == DeliveryState::Sending));
}

/// A page, and where the next one begins.
async fn page(service: &Alerts, desk: &Desk, filter: &str, (page_size, page_token): (i32, &str)) -> (Vec<Alert>, String) {
    let mut request = Request::new(ListAlertsRequest {
        parent: "plans/siempre".into(),
        filter: filter.into(),
        page_size,
        page_token: page_token.into(),
        as_of: None,
    });
    request.extensions_mut().insert(Caller::vigia(&desk.kit.clock, "test"));
    let answer = service.list_alerts(request).await.expect("listed").into_inner();
    (answer.alerts, answer.next_page_token)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_alerts_are_listed_page_by_page() {
    let world = world();
    world.clock("2027-01-16 00:01");
    let desk = world.replica(&nowhere()).await;
    let service = Alerts::new(desk.clone());
    let t = desk.kit.closed_at();
    let expect = desk.memory.ask("siempre", t, |view| {
        let begun = Instant::now();
        let board = board::board(view)?;
        println!("{} alerts: {:.3} s", board.raised.len(), begun.elapsed().as_secs_f64());
        let shown = board.raised.iter().map(|raised| board::wire(view, (&desk.record, t), raised));
        Ok(shown.collect::<Vec<Alert>>())
    });
    let expect = expect.expect("a board");
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let begun = Instant::now();
        let (alerts, next) = page(&service, &desk, "", (1000, &token)).await;
        println!("a page of {}: {:.3} s", alerts.len(), begun.elapsed().as_secs_f64());
        all.extend(alerts);
        token = next;
        if token.is_empty() {
            break;
        }
    }
    assert!(
        expect.len() >= 10_000 && all == expect,
        "the pages are what there is: {}",
        all.len()
    );
    for (filter, is_meant) in [
        (
            "owner = \"institutions/i7\"",
            (|alert| alert.owner == "institutions/i7") as fn(&Alert) -> bool,
        ),
        ("recipient = \"*institutions/mmdh*\" AND threshold = 30", |alert| {
            alert.threshold == 30 && alert.recipients.contains(&"institutions/mmdh".to_owned())
        }),
        ("muted = true OR acknowledged = true OR rule = REVIEW", |_| false),
        ("action = \"plans/siempre/actions/n99\" AND subject = \"*2026-Q4\"", |alert| {
            alert.action.ends_with("/n99") && alert.subject.ends_with("2026-Q4")
        }),
    ] {
        let begun = Instant::now();
        let (alerts, _) = page(&service, &desk, filter, (1000, "")).await;
        println!("{filter}: {} in {:.3} s", alerts.len(), begun.elapsed().as_secs_f64());
        let meant: Vec<_> = expect.iter().filter(|alert| is_meant(alert)).take(1000).cloned().collect();
        assert_eq!(alerts, meant, "{filter}");
    }
}
