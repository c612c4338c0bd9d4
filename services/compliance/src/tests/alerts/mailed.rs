//! E-mail: sent at least once, with the same Message-ID, whatever the server does.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use vigia_platform::instant;
use vigia_proto::compliance::{Delivery, DeliveryState};

use super::world::{Place, Servers, World, deliveries, notices, nowhere, to};
use crate::{
    alerts::Desk,
    tests::journal::{at, report},
};

const MSP: &str = "institutions/msp";

/// Decided in the night, to be sent at eight.
async fn decided(world: &World, desk: &Desk) {
    desk.decide(None).await.expect("decided");
    world.clock("2026-04-16 08:00");
    assert!(desk.fix(None).await.expect("fixed") > 0);
}

async fn only(desk: &Desk) -> Delivery {
    let mut all = to(desk, MSP).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// When it is tried again.
fn again(delivery: &Delivery) -> Timestamp {
    delivery.next_attempt_time.as_ref().and_then(instant).expect("tried again")
}

fn night() -> World {
    World::new(Place::directory(), "2026-04-16 00:05")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_says_little_and_in_spanish_first() {
    let (world, servers) = (night(), Servers::start());
    let desk = world.replica(&servers.mail()).await;
    decided(&world, &desk).await;
    desk.send(None, at("2026-04-16 08:00")).await.expect("sent");
    let messages = servers.messages().await;
    let mine: Vec<_> = messages
        .iter()
        .filter(|message| message["to"] == json!(["planificacion@salud.ejemplo.ec"]))
        .collect();
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0]["subject"], "Vigía: 2 avisos para Ministerio de Salud");
    assert_eq!(mine[0]["automatic"], "auto-generated");
    insta::assert_snapshot!(mine[0]["text"].as_str().unwrap_or_default());
    let delivery = only(&desk).await;
    assert_eq!(delivery.state(), DeliveryState::Sent);
    assert_eq!(mine[0]["id"], json!(delivery.targets[0].message_id));
    assert!(delivery.targets[0].message_id.ends_with("@vigia.ejemplo.ec>"));
    // An office without an address is passed over, and nobody's is written down.
    assert_eq!(delivery.targets.len(), 1);
    assert!(!format!("{:?}", deliveries(&desk).await).contains("salud.ejemplo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_decision_and_sending_loses_and_doubles_nothing() {
    let (world, servers) = (night(), Servers::start());
    let before = world.replica(&nowhere()).await;
    before.decide(None).await.expect("decided");
    let told = notices(&before, MSP).await;
    drop(before);
    let fixed = world.replica(&nowhere()).await;
    assert_eq!(fixed.decide(None).await.expect("decided").notices, 0, "it remembers");
    world.clock("2026-04-16 08:00");
    fixed.fix(None).await.expect("fixed");
    // The server is down: nobody listens.
    fixed.send(None, at("2026-04-16 08:00")).await.expect("tried");
    let failed = only(&fixed).await;
    assert_eq!((failed.state(), failed.targets[0].attempts), (DeliveryState::Sending, 1));
    assert_eq!(failed.targets[0].last_error, "no se pudo hablar con el servidor de correo");
    drop(fixed);
    let after = world.replica(&servers.mail()).await;
    assert_eq!(after.decide(None).await.expect("decided").notices, 0);
    let just_before = again(&failed) - SignedDuration::from_micros(1);
    assert_eq!(after.send(None, just_before).await.expect("asked"), 0, "not before its time");
    after.send(None, again(&failed)).await.expect("sent");
    let sent = only(&after).await;
    assert_eq!(sent.state(), DeliveryState::Sent);
    assert_eq!(sent.targets[0].message_id, failed.targets[0].message_id);
    assert_eq!(notices(&after, MSP).await, told);
    let ids: Vec<_> = servers.messages().await.iter().map(|message| message["id"].clone()).collect();
    assert!(ids.contains(&json!(failed.targets[0].message_id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_after_the_data_makes_the_same_message_come_again() {
    let (world, servers) = (night(), Servers::start());
    let desk = world.replica(&servers.mail()).await;
    decided(&world, &desk).await;
    servers.mail_is("drop").await;
    desk.send(None, at("2026-04-16 08:00")).await.expect("tried");
    let unsure = only(&desk).await;
    assert_eq!(unsure.state(), DeliveryState::Sending);
    servers.mail_is("accept").await;
    desk.send(None, again(&unsure)).await.expect("sent");
    assert_eq!(only(&desk).await.state(), DeliveryState::Sent);
    let id = json!(unsure.targets[0].message_id);
    let same: Vec<_> = servers.messages().await.into_iter().filter(|message| message["id"] == id).collect();
    assert_eq!(same.len(), 2, "at least once");
    assert_eq!(same[0], same[1], "and the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_recipient_that_is_refused_does_not_keep_the_others_from_theirs() {
    let (mut world, servers) = (night(), Servers::start());
    let offices = [
        ("Planificación", "planificacion@salud.ejemplo.ec"),
        ("Despacho", "despacho@salud.ejemplo.ec"),
    ];
    let changed_at = at("2026-04-01 09:00");
    world
        .journals
        .office(changed_at, "msp", "Ministerio de Salud", "presidencia", &offices);
    let desk = world.replica(&servers.mail()).await;
    decided(&world, &desk).await;
    servers.behave(json!({"refuse": ["despacho@salud.ejemplo.ec"]})).await;
    desk.send(None, at("2026-04-16 08:00")).await.expect("tried");
    let dead = only(&desk).await;
    assert_eq!(dead.state(), DeliveryState::Dead);
    let stand: Vec<_> = dead
        .targets
        .iter()
        .map(|target| (target.office.as_str(), target.state(), target.last_error.as_str()))
        .collect();
    assert_eq!(
        stand,
        [
            ("Planificación", DeliveryState::Sent, ""),
            ("Despacho", DeliveryState::Dead, "el servidor de correo rechazó la dirección (550)"),
        ]
    );
    let to_health = |messages: &[serde_json::Value]| {
        let to = messages
            .iter()
            .map(|message| message["to"][0].as_str().unwrap_or_default().to_owned());
        to.filter(|to| to.contains("salud")).collect::<Vec<_>>()
    };
    assert_eq!(to_health(&servers.messages().await), ["planificacion@salud.ejemplo.ec"]);
    assert_eq!(
        desk.send(None, at("2026-04-17 08:00")).await.expect("asked"),
        0,
        "a dead letter rests"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_slow_or_busy_is_tried_again() {
    let (world, servers) = (night(), Servers::start());
    let desk = world.replica(&servers.mail()).await;
    decided(&world, &desk).await;
    let mut now = at("2026-04-16 08:00");
    for (how, error) in [
        ("hang", "el servidor de correo no respondió a tiempo"),
        ("busy", "el servidor de correo respondió 451"),
    ] {
        servers.mail_is(how).await;
        desk.send(None, now).await.expect("tried");
        let failed = only(&desk).await;
        assert_eq!(
            (failed.state(), failed.targets[0].last_error.as_str()),
            (DeliveryState::Sending, error)
        );
        assert!(again(&failed) > now);
        now = again(&failed);
    }
    // In the quiet hours nobody is written to, however often it is due.
    servers.mail_is("accept").await;
    world.clock("2026-04-16 21:00");
    desk.send(None, now).await.expect("asked");
    assert_eq!(servers.messages().await, [json!(null); 0]);
    assert_eq!(only(&desk).await.targets[0].attempts, 2);
    world.clock("2026-04-17 07:00");
    assert_eq!(
        desk.send(None, now + SignedDuration::from_hours(9)).await.expect("asked"),
        0,
        "ten hours are left"
    );
    desk.send(None, now + SignedDuration::from_hours(10)).await.expect("sent");
    assert_eq!(only(&desk).await.state(), DeliveryState::Sent);
}

/// Decided on the due day after the hour of the digest; at midnight the report is overdue.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_true_any_more_when_it_is_sent_is_not_said() {
    let mut world = World::new(Place::directory(), "2026-04-15 12:00");
    let servers = Servers::start();
    let desk = world.replica(&servers.mail()).await;
    desk.decide(None).await.expect("decided");
    assert_eq!(
        notices(&desk, MSP).await,
        [
            "REPORT assignments/x/obligations/2026-Q1 0",
            "REPORT assignments/y/obligations/2026-Q1 0"
        ]
    );
    world.clock("2026-04-16 00:05");
    desk.decide(None).await.expect("decided");
    // One of the two reports comes in the night.
    let before = world.journals.0.len();
    world
        .journals
        .submit(at("2026-04-16 01:00"), "y/obligations/2026-Q1", 1, report(&[("I1", 5)]));
    world.read(&desk, before);
    world.clock("2026-04-16 08:00");
    desk.fix(None).await.expect("fixed");
    assert_eq!(notices(&desk, MSP).await, ["REPORT assignments/x/obligations/2026-Q1 1"]);
    desk.send(None, at("2026-04-16 08:00")).await.expect("sent");
    let text = servers
        .messages()
        .await
        .iter()
        .find(|message| message["to"][0] == "planificacion@salud.ejemplo.ec")
        .map(|message| message["text"].to_string());
    let text = text.expect("sent");
    assert!(
        text.contains("está atrasado") && !text.contains("hoy") && !text.contains("A2"),
        "{text}"
    );
    // What was dropped and comes back is told: its report is rejected.
    let before = world.journals.0.len();
    let rejected = vigia_proto::reporting::Decision::Rejected;
    world
        .journals
        .review(at("2026-04-16 09:00"), "y/obligations/2026-Q1", 1, rejected, "");
    world.read(&desk, before);
    world.clock("2026-04-16 10:00");
    desk.decide(None).await.expect("decided");
    assert!(
        notices(&desk, MSP)
            .await
            .contains(&"REPORT assignments/y/obligations/2026-Q1 1".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_be_written_to_that_is_shown() {
    let (mut world, servers) = (night(), Servers::start());
    world.journals.office(
        at("2026-04-01 09:00"),
        "msp",
        "Ministerio de Salud",
        "presidencia",
        &[("Archivo", "")],
    );
    let desk = world.replica(&servers.mail()).await;
    decided(&world, &desk).await;
    let dead = only(&desk).await;
    assert_eq!((dead.state(), dead.targets.len()), (DeliveryState::Dead, 0));
    assert!(
        notices(&desk, "institutions/mmdh")
            .await
            .contains(&"NO_ADDRESS institutions/msp 0".to_owned()),
        "the governing institution is told"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_three_days_is_a_dead_letter() {
    let world = night();
    let desk = world.replica(&nowhere()).await;
    decided(&world, &desk).await;
    let begin = at("2026-04-16 08:00");
    desk.send(None, begin).await.expect("tried");
    let almost = begin + SignedDuration::from_hours(72) - SignedDuration::from_secs(1);
    desk.send(None, almost).await.expect("tried");
    assert_eq!(only(&desk).await.state(), DeliveryState::Sending);
    desk.send(None, again(&only(&desk).await)).await.expect("tried");
    let dead = only(&desk).await;
    assert_eq!((dead.state(), dead.targets[0].attempts), (DeliveryState::Dead, 3));
}
