//! Webhooks: signed, called at least once with the same id, and never led astray.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;
use vigia_platform::instant;
use vigia_proto::compliance::{Delivery, DeliveryState};

use super::world::{Place, Servers, World, to};
use crate::{alerts::Desk, tests::journal::at};

const RECTOR: &str = "webhooks/rector";
const NOW: &str = "2026-04-16 12:00";

/// A replica that has decided what the webhook is told.
async fn decided(servers: &Servers) -> (World, Desk) {
    let world = World::new(Place::directory(), NOW);
    let desk = world.replica(&servers.hook()).await;
    desk.decide(None).await.expect("decided");
    assert!(desk.fix(None).await.expect("fixed") > 0, "at once");
    (world, desk)
}

async fn only(desk: &Desk) -> Delivery {
    let mut all = to(desk, RECTOR).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn again(delivery: &Delivery) -> Timestamp {
    delivery.next_attempt_time.as_ref().and_then(instant).expect("tried again")
}

/// Whether a call is signed as its receiver checks it.
fn is_signed(call: &Value) -> bool {
    let header = |name: &str| call["headers"][name].as_str().unwrap_or_default().to_owned();
    let secret = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("a key");
    let body = call["body"].as_str().unwrap_or_default();
    mac.update(format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    let given = header("webhook-signature");
    let given = given
        .strip_prefix("v1,")
        .and_then(|given| BASE64_STANDARD.decode(given).ok())
        .unwrap_or_default();
    mac.verify_slice(&given).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_signed_and_names_what_to_look_up() {
    let servers = Servers::start();
    let (_world, desk) = decided(&servers).await;
    desk.send(None, at(NOW)).await.expect("sent");
    let delivery = only(&desk).await;
    assert_eq!(delivery.state(), DeliveryState::Sent);
    let calls = servers.calls().await;
    assert_eq!(calls.len(), 1);
    assert!(is_signed(&calls[0]));
    assert_eq!(calls[0]["headers"]["webhook-id"], json!(delivery.targets[0].message_id));
    let body: Value = serde_json::from_str(calls[0]["body"].as_str().unwrap_or_default()).expect("JSON");
    assert_eq!(body["type"], "vigia.alerts");
    let alerts = body["data"]["alerts"].as_array().expect("a list");
    let late = alerts
        .iter()
        .find(|alert| alert["subject"] == "plans/siempre/assignments/x/obligations/2026-Q1")
        .expect("told");
    assert_eq!(
        (&late["rule"], &late["threshold"], &late["due_time"]),
        (&json!("REPORT"), &json!(1), &json!("2026-04-16T05:00:00Z"))
    );
    assert!(
        alerts.iter().all(|alert| alert.as_object().is_some_and(|alert| alert.len() == 5)),
        "nothing else"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_silence_is_not_waited_for() {
    let servers = Servers::start();
    let (_world, desk) = decided(&servers).await;
    let mut now = at(NOW);
    for (status, error) in [
        (302, "respondió 302: no se siguen redirecciones"),
        (0, "no respondió a tiempo"),
        (404, "respondió 404"),
    ] {
        servers.behave(json!({"http": status, "location": servers.url("/elsewhere")})).await;
        desk.send(None, now).await.expect("tried");
        let failed = only(&desk).await;
        assert_eq!(
            (failed.state(), failed.targets[0].last_error.as_str()),
            (DeliveryState::Sending, error)
        );
        now = again(&failed);
    }
    let calls = servers.calls().await;
    assert!(calls.iter().all(|call| call["path"] == "/hook"), "{calls:?}");
    servers.behave(json!({"http": 410})).await;
    desk.send(None, now).await.expect("tried");
    let dead = only(&desk).await;
    assert_eq!(
        (dead.state(), dead.targets[0].last_error.as_str()),
        (DeliveryState::Dead, "respondió 410: ya no quiere llamadas")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_errors_costs_nothing() {
    let servers = Servers::start();
    let (_world, desk) = decided(&servers).await;
    servers.behave(json!({"http": 500})).await;
    let begin = at(NOW);
    let mut now = begin;
    while now < begin + SignedDuration::from_hours(24) {
        desk.send(None, now).await.expect("tried");
        let failed = only(&desk).await;
        assert_eq!(
            (failed.state(), failed.targets[0].last_error.as_str()),
            (DeliveryState::Sending, "respondió 500")
        );
        now = again(&failed);
    }
    servers.behave(json!({"http": 200})).await;
    desk.send(None, now).await.expect("sent");
    assert_eq!(only(&desk).await.state(), DeliveryState::Sent);
    let calls = servers.calls().await;
    assert!(calls.len() > 8 && calls.len() < 30, "{}", calls.len());
    assert!(calls.iter().all(is_signed));
    let same = |what: &dyn Fn(&Value) -> Value| calls.iter().all(|call| what(call) == what(&calls[0]));
    assert!(same(&|call| call["headers"]["webhook-id"].clone()) && same(&|call| call["body"].clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_an_institution_gets_its_own_only() {
    let servers = Servers::start();
    let world = World::new(Place::directory(), NOW);
    let mut options = servers.hook();
    options.webhooks[0].institution = Some("presidencia".into());
    let desk = world.replica(&options).await;
    desk.decide(None).await.expect("decided");
    assert_eq!(to(&desk, RECTOR).await.len(), 0, "nothing is for the presidency yet");
    world.clock("2026-05-01 12:00");
    desk.decide(None).await.expect("decided");
    let told = super::world::notices(&desk, RECTOR).await;
    assert_eq!(
        told,
        [
            "REPORT assignments/x/obligations/2026-Q1 15",
            "REPORT assignments/y/obligations/2026-Q1 15"
        ]
    );
}
