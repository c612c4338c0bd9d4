//! One service's database, and the only way to change it: a change that holds rows, journal entries and the stored
//! answer, committed together with those that wait beside it.
//!
//! Group commit: the first change opens a transaction and asks a task to commit it. The task stands in the same queue
//! as every other change (a fair lock), so all that waited by then run first, each in a savepoint of its own, and are
//! made durable by one commit. One that fails rolls back its savepoint and hurts no neighbour; one alone waits for
//! nobody.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use prost::Message;
use sea_orm::{
    ActiveValue::Set,
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, Statement, TransactionTrait,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tonic::{Response, Status};
use uuid::Uuid;
use vigia_proto::{error::Reason, journal::Entry};

use crate::{
    Area,
    caller::Caller,
    clock::{Clock, from_micros, just_before, micros},
    entities::{idempotency, journal_entry},
    error::{Error, Faults},
    journal::{self, Head, Origin},
};

/// Whether commits survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `synchronous=FULL`: acknowledged means durable.
    Full,
    /// Nothing is awaited: for scratch directories only.
    Scratch,
}

/// A service's database. Clones share it.
#[derive(Clone, Debug)]
pub struct Db(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    area: Area,
    clock: Clock,
    origin: Origin,
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    group: Arc<Mutex<Group>>,
    head: watch::Sender<Head>,
}

/// The changes that will be made durable by one commit.
#[derive(Debug, Default)]
struct Group {
    transaction: Option<DatabaseTransaction>,
    committed: Option<watch::Sender<Option<bool>>>,
    /// Entries of this group, not yet committed.
    entries: Vec<Entry>,
    /// Position and time of the last entry, committed or not.
    position: i64,
    time: Timestamp,
    observer: Observer,
}

/// Called with committed entries, in order.
#[derive(Default)]
struct Observer(Option<Box<Observe>>);

type Observe = dyn FnMut(&Entry) + Send + Sync;

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl Db {
    /// Opens `<area>.sqlite` in `directory`, brings its tables up to date, and refuses to run on unsafe settings.
    pub async fn open(area: Area, directory: &Path, durability: Durability, clock: Clock) -> Result<Self, DbErr> {
        let url = format!("sqlite://{}?mode=rwc", directory.join(format!("{area}.sqlite")).display());
        let connect = async |connections: u32| {
            let mut options = ConnectOptions::new(url.clone());
            options
                .max_connections(connections)
                .min_connections(1)
                .sqlx_logging(false)
                .map_sqlx_sqlite_opts(move |sqlite| {
                    sqlite
                        .journal_mode(SqliteJournalMode::Wal)
                        .synchronous(if durability == Durability::Full {
                            SqliteSynchronous::Full
                        } else {
                            SqliteSynchronous::Off
                        })
                        .foreign_keys(true)
                        .busy_timeout(std::time::Duration::from_secs(10))
                });
            Database::connect(options).await
        };
        let writer = connect(1).await?;
        check_settings(&writer, durability).await?;
        vigia_migrations::migrate(&writer, area.name()).await?;
        let reader = connect(4).await?;
        let origin = Origin::load(&writer, area, clock.is_simulated()).await?;
        let last = journal::last(&writer).await?;
        let (position, time) = last.map_or((0, Timestamp::MIN), |last| (last.position, from_micros(last.time)));
        let group = Group {
            position,
            time,
            ..Group::default()
        };
        Ok(Self(Arc::new(Inner {
            area,
            clock,
            origin,
            reader,
            writer,
            group: Arc::new(Mutex::new(group)),
            head: watch::Sender::new(Head { position }),
        })))
    }

    /// Whose database it is.
    pub fn area(&self) -> Area {
        self.0.area
    }

    /// The log's origin and epoch.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// For reading. The caller was let in by the permission layer: nobody else has one.
    pub fn read(&self, _caller: &Caller) -> &DatabaseConnection {
        &self.0.reader
    }

    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.0.reader
    }

    /// Tells when entries were committed.
    pub(crate) fn head(&self) -> watch::Receiver<Head> {
        self.0.head.subscribe()
    }

    /// Up to which instant (inclusive) no entry will come any more, other than those committed by now.
    pub(crate) async fn closed_at(&self) -> Timestamp {
        let mut group = self.0.group.lock().await;
        if let Some(first) = group.entries.first() {
            let first = first.time.as_ref().and_then(crate::clock::instant).unwrap_or(Timestamp::MIN);
            return just_before(first);
        }
        let closed = just_before(self.0.clock.now());
        // Later entries are later than this, even where the clock is turned back.
        group.time = group.time.max(closed);
        closed
    }

    /// Calls `observe` with every entry from the first on: those that are there now, and each further one before the
    /// call that wrote it is answered. One observer only.
    pub async fn follow_own(&self, mut observe: impl FnMut(&Entry) + Send + Sync + 'static) -> Result<(), Error> {
        let mut group = self.0.group.clone().lock_owned().await;
        let mut after = 0;
        loop {
            let entries = journal::entries_after(&self.0.reader, after, journal::BATCH_ENTRIES).await?;
            let Some(last) = entries.last() else { break };
            after = last.position;
            entries.iter().for_each(&mut observe);
        }
        group.observer = Observer(Some(Box::new(observe)));
        Ok(())
    }

    /// Begins a change: `request_id` is the request's own, a UUID, and names the call for 400 days.
    pub async fn change(&self, caller: &Caller, request_id: &str, request: &impl Message) -> Result<Change, Error> {
        if Uuid::try_parse(request_id).is_err() {
            let mut faults = Faults::new();
            faults.add("request_id", "debe ser un UUID", "must be a UUID");
            faults.done()?;
        }
        let key = [caller.principal(), caller.method(), request_id].join("\n");
        let request_hash = Sha256::digest(request.encode_to_vec()).to_vec();
        let (group, savepoint, stored) = loop {
            let mut group = self.0.group.clone().lock_owned().await;
            if group.transaction.is_none() {
                group.transaction = Some(self.0.writer.begin().await?);
                group.committed = Some(watch::Sender::new(None));
                tokio::spawn(self.clone().commit_group());
            }
            let Some(transaction) = &group.transaction else {
                return Err(Error::internal(&"no transaction"));
            };
            let savepoint = transaction.begin().await?;
            let stored = idempotency::Entity::find_by_id(key.clone()).one(&savepoint).await?;
            let waits = stored.is_some() && !group.entries.is_empty();
            match group.committed.as_ref().map(watch::Sender::subscribe).filter(|_| waits) {
                // The first answer may belong to this very group: it is given once it is durable, not before.
                Some(mut committed) => {
                    savepoint.rollback().await?;
                    drop(group);
                    let _ = committed.wait_for(Option::is_some).await;
                }
                None => break (group, savepoint, stored),
            }
        };
        if stored.as_ref().is_some_and(|stored| stored.request_hash != request_hash) {
            return Err(Error::refused(
                Reason::RequestIdReused,
                "El request_id ya se usó con otro contenido: use uno nuevo.",
                "The request_id was used before with another content: use a new one.",
            )
            .with("request_id", request_id));
        }
        let now = self.0.clock.now().max(group.time);
        Ok(Change {
            db: self.clone(),
            caller: caller.clone(),
            key,
            request_hash,
            now,
            call_id: crate::name::new_id(),
            stored: stored.map(|stored| (stored.answer, stored.position)),
            entries: Vec::new(),
            savepoint,
            group,
        })
    }

    /// Commits the open group. It queues for the lock like everybody else, behind those who wait already.
    async fn commit_group(self) {
        let mut group = self.0.group.lock().await;
        let Some(transaction) = group.transaction.take() else { return };
        let result = transaction.commit().await;
        let entries = std::mem::take(&mut group.entries);
        let done = result.is_ok();
        if let Err(cause) = result {
            tracing::error!(%cause, "commit failed");
            // Nothing of the group exists; positions begin again where the journal ends.
            if let Ok(last) = journal::last(&self.0.reader).await {
                group.position = last.map_or(0, |last| last.position);
            }
        } else {
            if let Some(observe) = &mut group.observer.0 {
                entries.iter().for_each(observe);
            }
            let position = group.position;
            self.0.head.send_replace(Head { position });
        }
        if let Some(committed) = group.committed.take() {
            committed.send_replace(Some(done));
        }
    }
}

/// What SQLite really does, read back: a setting that was not taken up must not go unnoticed.
async fn check_settings(db: &DatabaseConnection, durability: Durability) -> Result<(), DbErr> {
    let wanted = [
        ("journal_mode", "wal"),
        ("synchronous", if durability == Durability::Full { "2" } else { "0" }),
        ("foreign_keys", "1"),
    ];
    for (name, wanted) in wanted {
        let row = db
            .query_one_raw(Statement::from_string(db.get_database_backend(), format!("PRAGMA {name}")))
            .await?;
        let row = row.ok_or_else(|| DbErr::Custom(format!("SQLite does not tell its {name}")))?;
        let found = row
            .try_get_by_index::<String>(0)
            .or_else(|_| row.try_get_by_index::<i64>(0).map(|n| n.to_string()))?;
        if found != wanted {
            return Err(DbErr::Custom(format!(
                "SQLite runs with {name}={found}, not {wanted}: refusing to start"
            )));
        }
    }
    Ok(())
}

/// A change under way. Dropped without `commit` it never was.
#[derive(Debug)]
pub struct Change {
    // Dropped in this order: the savepoint rolls back before the lock is given up.
    savepoint: DatabaseTransaction,
    entries: Vec<Entry>,
    db: Db,
    caller: Caller,
    key: String,
    request_hash: Vec<u8>,
    now: Timestamp,
    call_id: String,
    stored: Option<(Vec<u8>, i64)>,
    group: OwnedMutexGuard<Group>,
}

/// Where an entry stands in the journal.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// Its position.
    pub position: i64,
    /// Its RFC 6962 leaf hash.
    pub leaf_hash: [u8; 32],
}

impl Change {
    /// The first answer, where this very call was answered before.
    pub fn replayed<R: Message + Default>(&mut self) -> Result<Option<Response<R>>, Error> {
        let Some((answer, position)) = &self.stored else { return Ok(None) };
        Ok(Some(answered(R::decode(answer.as_slice())?, self.db.area(), *position)))
    }

    /// The rows, as this change sees them.
    pub fn tx(&self) -> &DatabaseTransaction {
        &self.savepoint
    }

    /// The time that the entries of this change carry.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Appends an entry: the event that happened to `resource`, and the institution that it is about, if any.
    pub async fn record(&mut self, event_type: &str, resource: &str, institution: &str, event: &impl Message) -> Result<Recorded, Error> {
        let position = self.group.position + i64::try_from(self.entries.len()).unwrap_or(i64::MAX) + 1;
        let entry = Entry {
            position,
            time: Some(crate::clock::timestamp(self.now)),
            caller: self.caller.principal().to_owned(),
            permission: self.caller.permission().to_owned(),
            method: self.caller.method().to_owned(),
            call_id: self.call_id.clone(),
            resource: resource.to_owned(),
            event_type: event_type.to_owned(),
            event: event.encode_to_vec(),
            institution: institution.to_owned(),
            ..Entry::default()
        };
        let (entry, salt) = journal::seal(entry, &self.db.0.origin)?;
        let mut leaf_hash = [0; 32];
        leaf_hash.copy_from_slice(&entry.leaf_hash);
        journal_entry::Entity::insert(journal::row(&entry, salt, micros(self.now)))
            .exec_without_returning(&self.savepoint)
            .await?;
        self.entries.push(entry);
        Ok(Recorded { position, leaf_hash })
    }

    /// Stores the answer and waits until all is durable.
    pub async fn commit<R: Message>(self, answer: R) -> Result<Response<R>, Status> {
        // In a task of its own: a client that goes away in the middle must not leave a savepoint released and its
        // entries uncounted.
        let (answer_bytes, area) = (answer.encode_to_vec(), self.db.area());
        let released = tokio::spawn(self.release(answer_bytes))
            .await
            .map_err(|cause| Error::internal(&cause))?;
        let (mut committed, position) = released?;
        let done = committed.wait_for(Option::is_some).await.ok().and_then(|done| *done);
        match done {
            Some(true) => Ok(answered(answer, area, position)),
            _ => Err(Error::internal(&"the group was not committed").into()),
        }
    }

    /// Stores the answer, releases the savepoint, and gives what tells of the group's commit.
    async fn release(self, answer: Vec<u8>) -> Result<(watch::Receiver<Option<bool>>, i64), Error> {
        // Locals are dropped from the last to the first: on an error the savepoint rolls back before the lock is given up.
        let Self {
            mut group,
            entries,
            key,
            request_hash,
            now,
            savepoint,
            ..
        } = self;
        let position = entries.last().map_or(group.position, |last| last.position);
        let stored = idempotency::ActiveModel {
            key: Set(key),
            request_hash: Set(request_hash),
            answer: Set(answer),
            position: Set(position),
            time: Set(micros(now)),
        };
        idempotency::Entity::insert(stored).exec_without_returning(&savepoint).await?;
        savepoint.commit().await?;
        group.position = position;
        group.time = now;
        group.entries.extend(entries);
        let committed = group.committed.as_ref().map(watch::Sender::subscribe);
        Ok((committed.ok_or_else(|| Error::internal(&"no commit was asked for"))?, position))
    }
}

fn answered<R>(answer: R, area: Area, position: i64) -> Response<R> {
    let mut response = Response::new(answer);
    if let Ok(value) = format!("{area}:{position}").parse() {
        response.metadata_mut().insert("vigia-position", value);
    }
    response
}
