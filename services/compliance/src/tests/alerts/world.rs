//! A plan with its institutions as journals have it, replicas of compliance that have read them, and servers that can be
//! told to misbehave.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use prost::Message;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use vigia_platform::{Area, Caller, Clock, Db, Durability, Kit, Store, db::ScratchDatabases};
use vigia_proto::{
    assignments as a,
    compliance::{Delivery, Notice},
    plans as p,
};

use crate::{
    alerts::{AlertOptions, Boards, Desk, Post, Webhook},
    entities::{delivery, notice},
    memory::Memory,
    record::Record,
    tests::journal::{Journals, at, definition},
};

/// Long enough for a server on this machine, short enough to wait for one that never answers.
const PATIENCE: Duration = Duration::from_millis(400);

/// Where the database of a test is.
pub(super) enum Place {
    Directory(tempfile::TempDir),
    Server(ScratchDatabases, String),
}

impl Place {
    pub(super) fn directory() -> Self {
        Self::Directory(tempfile::tempdir().expect("a directory"))
    }

    /// On the PostgreSQL server that the environment names, as `tests/run` does.
    pub(super) async fn server() -> Option<Self> {
        let server = std::env::var("TEST_DATABASE").ok()?;
        let databases = ScratchDatabases::on(&server);
        let url = databases.make().await.expect("a database");
        Some(Self::Server(databases, url))
    }

    fn store(&self) -> Store {
        match self {
            Self::Directory(directory) => Store::from(directory.path()),
            Self::Server(_, url) => Store::Postgres(url.clone()),
        }
    }

    pub(super) async fn end(self) {
        if let Self::Server(databases, _) = self {
            databases.drop_all().await.expect("dropped");
        }
    }
}

/// The ministry of health hangs on the presidency and leads both actions; the ministry of women governs the plan. Reports
/// are due 15 days after each quarter of 2026 and 2027.
pub(super) struct World {
    pub(super) journals: Journals,
    pub(super) clock: Clock,
    pub(super) place: Place,
}

impl World {
    pub(super) fn new(place: Place, now: &str) -> Self {
        let mut journals = Journals::default();
        let begin = at("2025-12-01 09:00");
        for (id, name, parent, offices) in [
            (
                "presidencia",
                "Presidencia",
                "",
                &[("Secretaría", "secretaria@presidencia.ejemplo.ec")][..],
            ),
            (
                "mmdh",
                "Ministerio de la Mujer",
                "presidencia",
                &[("Tablero", "tablero@mujer.ejemplo.ec")],
            ),
            (
                "msp",
                "Ministerio de Salud",
                "presidencia",
                &[("Planificación", "planificacion@salud.ejemplo.ec"), ("Archivo", "")],
            ),
        ] {
            journals.office(begin, id, name, parent, offices);
        }
        let mut plan = definition();
        if let Some(plan) = &mut plan.plan {
            plan.governing_institution = "institutions/mmdh".into();
            plan.acronym = "PNS".into();
        }
        journals.revise(begin, 1, "2025-12-01", Vec::new(), Some(plan));
        for (id, action) in [("x", "a1"), ("y", "a2")] {
            let made = Journals::assignment(id, action, "msp", a::AssignmentRole::Lead, "2026-01-01");
            journals.propose(begin, &made);
            journals.accept(begin, &made);
        }
        Self {
            journals,
            clock: Clock::simulated(at(now)),
            place,
        }
    }

    /// A replica that has read all that was recorded by now.
    pub(super) async fn replica(&self, options: &AlertOptions) -> Desk {
        let db = Db::open(Area::Compliance, self.place.store(), Durability::Scratch, self.clock.clone()).await;
        let kit = Kit::new(db.expect("a database"), self.clock.clone());
        let memory = Memory::default();
        let record = Record::follow(&kit).await.expect("followed");
        let desk = Desk {
            kit,
            memory,
            record,
            post: Arc::new(Post::open(options, PATIENCE).expect("a way to tell")),
            boards: Boards::default(),
        };
        self.read(&desk, 0);
        desk
    }

    /// Lets a replica read what was recorded after a number of entries.
    pub(super) fn read(&self, desk: &Desk, after: usize) {
        for (area, entry) in &self.journals.0[after..] {
            desk.memory.take(*area, entry).expect("readable");
        }
    }

    pub(super) fn clock(&self, now: &str) {
        self.clock.set(at(now));
    }
}

impl Journals {
    /// An institution with its focal points, each with its address.
    pub(super) fn office(&mut self, time: jiff::Timestamp, id: &str, name: &str, parent: &str, offices: &[(&str, &str)]) {
        let resource = format!("institutions/{id}");
        let points = offices.iter().map(|(office, email)| a::ContactPoint {
            office: (*office).into(),
            email: (*email).into(),
            ..a::ContactPoint::default()
        });
        let saved = a::InstitutionSaved {
            institution: Some(a::Institution {
                name: resource.clone(),
                name_es: name.into(),
                parent: if parent.is_empty() {
                    String::new()
                } else {
                    format!("institutions/{parent}")
                },
                focal_points: points.collect(),
                ..a::Institution::default()
            }),
        };
        self.write(time, Area::Assignments, &resource, "InstitutionSaved", &saved);
    }

    /// The plan says when people are told.
    pub(super) fn alert_policy(&mut self, time: jiff::Timestamp, policy: p::AlertPolicy) {
        let change = p::Change {
            resource: Some(p::change::Resource::Plan(p::Plan {
                name: "plans/siempre".into(),
                alert_policy: Some(policy),
                ..p::Plan::default()
            })),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["alert_policy".into()],
            }),
        };
        self.revise(time, 2, "2025-12-02", vec![change], None);
    }
}

/// What stands in the table, newest decision first within each recipient.
pub(super) async fn deliveries(desk: &Desk) -> Vec<Delivery> {
    let caller = Caller::vigia(&desk.kit.clock, "test");
    let rows = delivery::Entity::find()
        .order_by_asc(delivery::Column::Recipient)
        .order_by_asc(delivery::Column::SendAt);
    let rows = rows.all(desk.kit.db.read(&caller)).await.expect("rows");
    rows.iter()
        .map(|row| Delivery::decode(row.definition.as_slice()).expect("readable"))
        .collect()
}

/// The deliveries to one recipient.
pub(super) async fn to(desk: &Desk, recipient: &str) -> Vec<Delivery> {
    let all = deliveries(desk).await;
    all.into_iter().filter(|delivery| delivery.recipient == recipient).collect()
}

/// The notices of a recipient, as `rule subject threshold`.
pub(super) async fn notices(desk: &Desk, recipient: &str) -> Vec<String> {
    let caller = Caller::vigia(&desk.kit.clock, "test");
    let mut all = Vec::new();
    for delivery in to(desk, recipient).await {
        let rows = notice::Entity::find().filter(notice::Column::Delivery.eq(&delivery.name));
        for row in rows.all(desk.kit.db.read(&caller)).await.expect("rows") {
            let notice = Notice::decode(row.definition.as_slice()).expect("readable");
            let rule = notice.rule().as_str_name().trim_start_matches("ALERT_RULE_").to_owned();
            all.push(format!(
                "{rule} {} {}",
                notice.subject.trim_start_matches("plans/siempre/"),
                notice.threshold
            ));
        }
    }
    all.sort();
    all
}

/// Real servers, in a process of their own.
pub(super) struct Servers {
    child: Child,
    smtp: u64,
    http: u64,
    client: reqwest::Client,
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Servers {
    pub(super) fn start() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join("tests/.venv/bin/python");
        assert!(python.exists(), "{} is missing: tests/run installs it", python.display());
        let mut child = Command::new(python)
            .arg(root.join("tests/alerts/servers.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("its output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ports: Value = serde_json::from_str(&line).expect("its ports");
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            child,
            smtp: ports["smtp"].as_u64().expect("a port"),
            http: ports["http"].as_u64().expect("a port"),
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
        }
    }

    /// E-mail over the SMTP server.
    pub(super) fn mail(&self) -> AlertOptions {
        AlertOptions {
            smtp_url: Some(format!("smtp://127.0.0.1:{}", self.smtp)),
            sender: Some("Vigía <avisos@vigia.ejemplo.ec>".into()),
            ..AlertOptions::default()
        }
    }

    /// A webhook that gets all.
    pub(super) fn hook(&self) -> AlertOptions {
        AlertOptions {
            webhooks: vec![Webhook {
                name: "rector".into(),
                url: self.url("/hook"),
                secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
                institution: None,
                private: true,
            }],
            ..AlertOptions::default()
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    pub(super) async fn behave(&self, how: Value) {
        let told = self.client.put(self.url("/behave")).body(how.to_string()).send().await;
        assert!(told.expect("told").status().is_success());
    }

    pub(super) async fn mail_is(&self, how: &str) {
        self.behave(json!({"smtp": how})).await;
    }

    /// All that came.
    async fn received(&self, what: &str) -> Vec<Value> {
        let got = self.client.get(self.url("/received")).send().await.expect("answered");
        let all: Value = serde_json::from_slice(&got.bytes().await.expect("read")).expect("JSON");
        all[what].as_array().expect("a list").clone()
    }

    pub(super) async fn messages(&self) -> Vec<Value> {
        self.received("messages").await
    }

    pub(super) async fn calls(&self) -> Vec<Value> {
        self.received("calls").await
    }
}

/// E-mail over a port that nobody listens on.
pub(super) fn nowhere() -> AlertOptions {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    AlertOptions {
        smtp_url: Some(format!("smtp://127.0.0.1:{port}")),
        sender: Some("Vigía <avisos@vigia.ejemplo.ec>".into()),
        ..AlertOptions::default()
    }
}
