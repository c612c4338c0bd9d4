//! How alerts reach people, with a whole server and real mail servers: what was given up is tried again, a kill between
//! sending and noting it costs nothing, and TLS is not given up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "what the other tests need of it is more")]
mod office;
#[path = "office/post.rs"]
mod post;

use std::{collections::BTreeSet, fs};

use office::{Office, PASSWORD};
use post::Post;
use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;
use vigia_platform::new_id;
use vigia_proto::{
    compliance::{
        Delivery, DeliveryState, ListDeliveriesRequest, NoticesDecided, RedeliverDeliveryRequest, alert_service_client::AlertServiceClient,
        compliance_journal_service_client::ComplianceJournalServiceClient,
    },
    journal::ListEntriesRequest,
};

const ADDRESS: &str = "planificacion@salud.ejemplo.ec";
/// After the hour of the digest of that day, 8:00 in Guayaquil.
const NEXT_MORNING: &str = "2026-04-21T13:30:00Z";

/// A server that has decided whom to tell, by a mail server at that address, and has not told anybody yet.
async fn decided(url: String) -> (Office, Delivery) {
    let mut office = Office::open(1).await;
    let points = format!("id,name_es,function,kind,focal_points\nmsp,Ministerio msp,executive,ministry,Planificación <{ADDRESS}>\n");
    fs::write(office.path("focales.csv"), points).unwrap();
    let imported = office.person("una", PASSWORD, &["institution", "import", "focales.csv"]);
    assert_eq!(imported.code, 0, "{imported:?}");
    office.variables = vec![
        ("VIGIA_ALERTS_SMTP_URL", url),
        ("VIGIA_ALERTS_SENDER", "Vigía <avisos@vigia.ejemplo.ec>".to_owned()),
    ];
    office.until("2026-04-20T16:00:00Z").await;
    let delivery = until(&office, |delivery| delivery.state() == DeliveryState::Open).await;
    (office, delivery)
}

async fn service(office: &Office) -> (AlertServiceClient<Channel>, String) {
    let token = office.token_of("una", PASSWORD).await;
    (AlertServiceClient::new(office.channel().await), token)
}

/// The one delivery that there is, as soon as it is as it is waited for.
async fn until(office: &Office, is: impl Fn(&Delivery) -> bool) -> Delivery {
    let (mut service, token) = service(office).await;
    loop {
        let listed = service.list_deliveries(office.with(&token, ListDeliveriesRequest::default())).await;
        let mut all = listed.unwrap().into_inner().deliveries;
        assert!(all.len() <= 1, "{all:?}");
        let Some(delivery) = all.pop() else { continue };
        if is(&delivery) {
            return delivery;
        }
        let goes_on = matches!(delivery.state(), DeliveryState::Open | DeliveryState::Sending);
        assert!(goes_on, "it stays as it is: {delivery:?}");
    }
}

fn is_sent(delivery: &Delivery) -> bool {
    delivery.state() == DeliveryState::Sent
}

/// Every notice that was ever decided, by the journal.
async fn decisions(office: &Office) -> Vec<String> {
    let token = office.token_of("jefa", PASSWORD).await;
    let request = ListEntriesRequest {
        page_size: 1000,
        ..ListEntriesRequest::default()
    };
    let mut journal = ComplianceJournalServiceClient::new(office.channel().await);
    let entries = journal
        .list_entries(office.with(&token, request))
        .await
        .unwrap()
        .into_inner()
        .entries;
    let decided = entries
        .iter()
        .filter(|entry| entry.event_type == "vigia.compliance.v1.NoticesDecided");
    let decided = decided.flat_map(|entry| NoticesDecided::decode(entry.event.as_slice()).unwrap().notices);
    decided.map(|notice| notice.key).collect()
}

fn keys(delivery: &Delivery) -> BTreeSet<String> {
    delivery.notices.iter().map(|notice| notice.key.clone()).collect()
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_sending_and_noting_sends_the_same_again() {
    let post = Post::start(&[]);
    let (mut office, open) = decided(format!("smtp://127.0.0.1:{}", post.port("smtp"))).await;
    // The mail server has the message, and the server is gone before it hears so.
    post.behave(&json!({"smtp": "hold"}));
    office.until(NEXT_MORNING).await;
    let first = post.messages(1);
    office.stop();
    post.accept();
    // The lease of the one that was killed has run out.
    office.until("2026-04-21T13:35:00Z").await;
    let both = post.messages(2);
    assert_eq!(
        (&both[0], &both[1]),
        (&first[0], &first[0]),
        "the same text, to the same, by the same id"
    );
    assert_eq!(both[0]["to"], json!([ADDRESS]));
    let sent = until(&office, is_sent).await;
    assert_eq!(
        (&sent.targets[0].message_id, sent.targets[0].attempts),
        (&first[0]["id"].as_str().unwrap().to_owned(), 1),
        "the attempt that was cut off is not on record"
    );
    // Nothing was lost, and nothing decided twice.
    assert!(!keys(&open).is_empty());
    assert_eq!((&sent.name, keys(&sent)), (&open.name, keys(&open)));
    let decided = decisions(&office).await;
    assert_eq!((decided.len(), decided.into_iter().collect()), (open.notices.len(), keys(&open)));
    // Nor does it come a third time after another restart.
    office.until("2026-04-21T20:00:00Z").await;
    until(&office, is_sent).await;
    assert_eq!(post.messages(2).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_taken_up_again() {
    let post = Post::start(&[]);
    let (mut office, _) = decided(format!("smtp://127.0.0.1:{}", post.port("smtp"))).await;
    let name = until(&office, |_| true).await.name;
    let redeliver = |reason: &str, request_id: String| RedeliverDeliveryRequest {
        name: name.clone(),
        reason: reason.into(),
        request_id,
    };
    let (mut service_now, token) = service(&office).await;
    let early = service_now.redeliver_delivery(office.with(&token, redeliver("r", new_id()))).await;
    assert_eq!(reason(&early.unwrap_err()), "STATE_CONFLICT", "it is not dead");

    post.behave(&json!({"refuse": [ADDRESS]}));
    office.until(NEXT_MORNING).await;
    let dead = until(&office, |delivery| delivery.state() == DeliveryState::Dead).await;
    assert_eq!(dead.targets[0].last_error, "el servidor de correo rechazó la dirección (550)");
    let listed = office.person("una", PASSWORD, &["alerts", "deliveries", "--dead", "--recipient", "msp"]);
    assert!(
        listed.out.contains("abandonado") && listed.out.contains(&format!("vigia alerts redeliver {name} --reason")),
        "{listed:?}"
    );
    let none = office.person("una", PASSWORD, &["alerts", "deliveries", "--recipient", "mineduc", "-o", "json"]);
    assert_eq!(none.json()["deliveries"], json!([]));

    let (mut service, token) = service(&office).await;
    let head = office.token_of("jefa", PASSWORD).await;
    let refused = service.redeliver_delivery(office.with(&head, redeliver("r", new_id()))).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    for (text, expect) in [("", Some("INVALID_FIELDS")), (&"x".repeat(1001), Some("INVALID_FIELDS"))] {
        let refused = service.redeliver_delivery(office.with(&token, redeliver(text, new_id()))).await;
        assert_eq!(refused.err().as_ref().map(reason).as_deref(), expect);
    }
    post.accept();
    let once = redeliver(&"x".repeat(1000), new_id());
    let first = service
        .redeliver_delivery(office.with(&token, once.clone()))
        .await
        .unwrap()
        .into_inner();
    let requeued = first.delivery.clone().unwrap();
    assert_eq!(
        (requeued.state(), requeued.targets[0].attempts, &requeued.targets[0].message_id),
        (DeliveryState::Sending, 0, &dead.targets[0].message_id)
    );
    // Repeated it is the same answer, whatever has become of it since; with other content it is refused.
    let again = service
        .redeliver_delivery(office.with(&token, once.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    let other = redeliver("otra", once.request_id.clone());
    let refused = service.redeliver_delivery(office.with(&token, other)).await;
    assert_eq!(reason(&refused.unwrap_err()), "REQUEST_ID_REUSED");

    let sent = until(&office, is_sent).await;
    let came = post.messages(1);
    assert_eq!((came.len(), came[0]["id"].as_str()), (1, Some(dead.targets[0].message_id.as_str())));
    assert_eq!((&sent.name, keys(&sent)), (&dead.name, keys(&dead)));
    let late = office.person("una", PASSWORD, &["alerts", "redeliver", &name, "--reason", "r"]);
    assert!(late.code == 1 && late.err.contains("STATE_CONFLICT"), "{late:?}");
    let unknown = RedeliverDeliveryRequest {
        name: "deliveries/ninguno".into(),
        ..redeliver("r", new_id())
    };
    let refused = service.redeliver_delivery(office.with(&token, unknown)).await;
    assert_eq!(reason(&refused.unwrap_err()), "NOT_FOUND");
}

/// Sends over TLS to a server whose certificate an authority has made that nobody knows: not before it is trusted.
async fn over_tls(way: &str, url: impl Fn(&Post, &str) -> String) {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let trusted = file("ca.pem", authority.pem());
    let post = Post::start(&[&file("server.pem", certificate.pem()), &file("server.key", key.serialize_pem())]);

    let (mut office, _) = decided(url(&post, way)).await;
    let has_failed = |times: i32| {
        move |delivery: &Delivery| {
            delivery.state() == DeliveryState::Sending && delivery.targets.iter().any(|target| target.attempts == times)
        }
    };
    office.until(NEXT_MORNING).await;
    let failed = until(&office, has_failed(1)).await;
    assert_eq!(failed.targets[0].last_error, "no se pudo hablar con el servidor de correo");
    // Trusted, but it does not offer what is asked for: nothing goes out in the clear instead.
    office.variables.push(("SSL_CERT_FILE", trusted.display().to_string()));
    office.variables[0].1 = url(&post, "smtp");
    office.until("2026-04-21T14:30:00Z").await;
    until(&office, has_failed(2)).await;
    assert_eq!(post.messages(0), Vec::<Value>::new());

    office.variables[0].1 = url(&post, way);
    office.until("2026-04-21T15:30:00Z").await;
    let sent = until(&office, is_sent).await;
    let came = post.messages(1);
    assert_eq!(
        (came.len(), &came[0]["tls"], came[0]["id"].as_str()),
        (1, &true.into(), Some(sent.targets[0].message_id.as_str()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_starttls_to_whom_is_trusted() {
    over_tls("starttls", |post, way| format!("smtp://127.0.0.1:{}?tls=required", post.port(way))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_to_whom_is_trusted() {
    over_tls("smtps", |post, way| format!("smtps://127.0.0.1:{}", post.port(way))).await;
}
