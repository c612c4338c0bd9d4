//! One service's database, and the only ways to change it: a change that holds rows, journal entries and the stored
//! answer, or a batch of calls that are handed over as values. Both are one durable transaction, and both hold the head
//! row ([`head`]) from its beginning to its end, so that they come one after another in all processes of the service.
//!
//! Group commit: the first change opens a transaction and asks a task to commit it. The task stands in the same queue
//! as every other change (a fair lock), so all that waited by then run first, each in a savepoint of its own, and are
//! made durable by one commit. One that fails rolls back its savepoint and hurts no neighbour; one alone waits for
//! nobody.

mod alive;
mod answers;
mod backup;
mod batch;
mod connect;
mod head;
mod insert;
mod lease;
mod scratch;

use std::{
    collections::VecDeque,
    sync::{
        Arc, PoisonError, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use prost::Message;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, TransactionTrait};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tonic::{Response, Status};
use uuid::Uuid;
use vigia_proto::{error::Reason, journal::Entry};

use crate::{
    Area,
    caller::Caller,
    clock::{Clock, micros},
    entities::{idempotency, journal_entry},
    error::{Error, Faults},
    journal::{self, Origin},
};

pub use self::{
    answers::StoredAnswer,
    backup::{JournalEnd, begin_epoch, copy_database, verify_database},
    batch::{Batch, NotWritten},
    connect::{Durability, Inspection, Store, inspect, migrate_postgres},
    insert::Column,
    lease::Lease,
    scratch::ScratchDatabases,
};
pub(crate) use head::Head;

/// How often a quiet journal says up to when it is closed, and looks for what other processes have written.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// The same where this process alone writes (SQLite): then it costs no statement, and what was reported shows sooner.
const HEARTBEAT_ALONE: Duration = Duration::from_millis(20);
/// Entries that are kept for those who follow closely, at most: some groups.
const RECENT_ENTRIES_MAX: usize = 1024;
/// Bytes of the event of an entry that is kept: a plan's import is read back.
const RECENT_EVENT_BYTES_MAX: usize = 16 << 10;
/// How long to ask a database that has gone away whether it did commit: a restart takes a few seconds.
const OUTCOME_PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before it is asked again.
const OUTCOME_AGAIN_AFTER: Duration = Duration::from_millis(100);

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
    /// On PostgreSQL other processes may write too.
    shared: bool,
    group: Arc<Mutex<Group>>,
    /// What is committed, as far as it is known here.
    head: watch::Sender<Head>,
    /// The last entry that the observer has seen.
    observed: watch::Sender<i64>,
    /// The latest time that was seen in another journal, in microseconds.
    seen: AtomicI64,
    recent: std::sync::Mutex<Recent>,
}

/// The newest entries, as they were written here: whoever follows closely need not read them back.
#[derive(Debug, Default)]
struct Recent(VecDeque<Entry>);

impl Recent {
    fn add(&mut self, entries: Vec<Entry>) {
        let follows = self
            .0
            .back()
            .zip(entries.first())
            .is_none_or(|(last, first)| last.position + 1 == first.position);
        let is_small = entries.iter().all(|entry| entry.event.len() <= RECENT_EVENT_BYTES_MAX);
        if !follows || !is_small {
            self.0.clear();
        }
        if is_small {
            self.0.extend(entries);
        }
        let too_many = self.0.len().saturating_sub(RECENT_ENTRIES_MAX);
        self.0.drain(..too_many);
    }

    /// The entries after a position, if they are all here.
    fn after(&self, position: i64) -> Option<Vec<Entry>> {
        let first = self.0.front()?.position;
        let skipped = usize::try_from(position.checked_sub(first)?.checked_add(1)?).ok()?;
        let most = usize::try_from(journal::BATCH_ENTRIES).unwrap_or(usize::MAX);
        Some(self.0.iter().skip(skipped).take(most).cloned().collect())
    }
}

/// The changes that will be made durable by one commit.
#[derive(Debug)]
struct Group {
    transaction: Option<DatabaseTransaction>,
    outcome: watch::Sender<Option<Outcome>>,
    /// The key of the last change that joined; none as long as nobody did.
    key: Option<String>,
    /// Entries of this group, not yet committed.
    entries: Vec<Entry>,
    /// The head with these entries.
    head: Head,
    observer: Observer,
}

/// What came of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Committed,
    /// Nothing was written.
    NotWritten,
    /// The database went away in the middle and did not come back.
    Unknown,
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

/// The name of a call for 400 days, by its caller, method and `request_id`; and what it asked for.
#[derive(Clone, Debug)]
pub struct CallKey {
    key: String,
    request_hash: Vec<u8>,
}

impl CallKey {
    /// Of a request, whose `request_id` must be a UUID.
    pub fn of(caller: &Caller, request_id: &str, request: &impl Message) -> Result<Self, Error> {
        if Uuid::try_parse(request_id).is_err() {
            let mut faults = Faults::new();
            faults.add("request_id", "debe ser un UUID", "must be a UUID");
            faults.done()?;
        }
        Ok(Self {
            key: [caller.principal(), caller.method(), request_id].join("\n"),
            request_hash: Sha256::digest(request.encode_to_vec()).to_vec(),
        })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// Refuses where the call was made before with another content.
    fn check(&self, stored: &idempotency::Model) -> Result<(), Error> {
        if stored.request_hash == self.request_hash {
            return Ok(());
        }
        let request_id = self.key.rsplit('\n').next().unwrap_or_default();
        Err(Error::refused(
            Reason::RequestIdReused,
            "El request_id ya se usó con otro contenido: use uno nuevo.",
            "The request_id was used before with another content: use a new one.",
        )
        .with("request_id", request_id))
    }
}

impl Db {
    /// Opens an area's database, and refuses to run on unsafe settings or on tables of another version.
    pub async fn open(area: Area, store: impl Into<Store>, durability: Durability, clock: Clock) -> Result<Self, DbErr> {
        let store = store.into();
        let connect::Connections { writer, reader } = connect::open(area, &store, durability).await?;
        let origin = Origin::load(&writer, area, clock.is_simulated()).await?;
        let head = head::read(&writer).await?;
        let group = Group {
            transaction: None,
            outcome: watch::Sender::new(None),
            key: None,
            entries: Vec::new(),
            head,
            observer: Observer::default(),
        };
        let inner = Arc::new(Inner {
            area,
            clock,
            origin,
            reader,
            writer,
            shared: matches!(store, Store::Postgres(_)),
            group: Arc::new(Mutex::new(group)),
            head: watch::Sender::new(head),
            observed: watch::Sender::new(0),
            seen: AtomicI64::new(i64::MIN),
            recent: std::sync::Mutex::default(),
        });
        tokio::spawn(beat(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// For whoever only looks at it as long as it is there.
    pub(crate) fn downgrade(&self) -> Looked {
        Looked(Arc::downgrade(&self.0))
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

    /// The position of the last entry, as any process has committed it: what was read after this was asked holds all up
    /// to it.
    pub async fn position(&self) -> Result<i64, Error> {
        Ok(head::read(&self.0.reader).await?.position)
    }

    /// The committed entries after a position, as many as a batch holds.
    pub(crate) async fn entries_after(&self, position: i64) -> Result<Vec<Entry>, DbErr> {
        let recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner).after(position);
        match recent.filter(|entries| !entries.is_empty()) {
            Some(entries) => Ok(entries),
            None => journal::entries_after(&self.0.reader, position, journal::BATCH_ENTRIES).await,
        }
    }

    /// Tells what is committed, at once and then each time that something is, and at every heartbeat.
    pub(crate) async fn head(&self) -> Result<watch::Receiver<Head>, Error> {
        let head = self.0.head.subscribe();
        self.look().await?;
        Ok(head)
    }

    /// An entry of another journal was taken in: what follows from it is not dated before it, though clocks may differ.
    pub(crate) fn see(&self, time: Timestamp) {
        self.0.seen.fetch_max(micros(time), Ordering::Relaxed);
    }

    /// Waits until the observer has seen entry `position` of this very journal; at once where there is no observer.
    pub(crate) async fn wait_observed(&self, position: i64, patience: Duration) -> bool {
        if self.0.group.lock().await.observer.0.is_none() {
            return true;
        }
        let mut observed = self.0.observed.subscribe();
        let waited = tokio::time::timeout(patience, observed.wait_for(|observed| *observed >= position)).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// Calls `observe` with every entry from the first on: those that are there now, and each further one before the
    /// call that wrote it is answered, or, if another process wrote it, before anything further is decided here and
    /// within two heartbeats. One observer only.
    pub async fn follow_own(&self, observe: impl FnMut(&Entry) + Send + Sync + 'static) -> Result<(), Error> {
        let mut group = self.0.group.clone().lock_owned().await;
        let head = head::read(&self.0.reader).await?;
        group.observer = Observer(Some(Box::new(observe)));
        Ok(self.catch_up(&mut group, head.position).await?)
    }

    /// Shows the observer what it has not seen yet of the entries up to `position`, all of them committed.
    async fn catch_up(&self, group: &mut Group, position: i64) -> Result<(), DbErr> {
        let Some(observe) = &mut group.observer.0 else { return Ok(()) };
        let mut observed = *self.0.observed.borrow();
        while observed < position {
            let entries = self.entries_after(observed).await?;
            let seen = entries.iter().take_while(|entry| entry.position <= position);
            let Some(last) = seen.inspect(|entry| observe(entry)).last() else {
                break;
            };
            observed = last.position;
            self.0.observed.send_replace(observed);
        }
        Ok(())
    }

    /// The time of an entry that is written now: the latest of the clock, the times before it and those seen elsewhere.
    fn time_after(&self, before: Timestamp) -> Timestamp {
        let seen = crate::clock::from_micros(self.0.seen.load(Ordering::Relaxed));
        self.0.clock.now().max(before).max(seen)
    }

    /// Begins a change: `request_id` is the request's own, a UUID, and names the call for 400 days.
    ///
    /// It may share its commit with changes before it, which are not yet observed then: what decides by an observer's
    /// state takes [`Db::change_after_all`].
    pub async fn change(&self, caller: &Caller, request_id: &str, request: &impl Message) -> Result<Change, Error> {
        let call = CallKey::of(caller, request_id, request)?;
        let group = self.0.group.clone().lock_owned().await;
        self.begin(caller, call, group).await
    }

    /// Begins a change that sees all earlier ones of all processes committed, and observed here.
    pub async fn change_after_all(&self, caller: &Caller, request_id: &str, request: &impl Message) -> Result<Change, Error> {
        let call = CallKey::of(caller, request_id, request)?;
        let group = self.settled().await?;
        self.begin(caller, call, group).await
    }

    async fn begin(&self, caller: &Caller, call: CallKey, mut group: OwnedMutexGuard<Group>) -> Result<Change, Error> {
        let (group, savepoint, stored) = loop {
            self.drop_if_ended(&mut group).await;
            if group.transaction.is_none() {
                let transaction = self.transaction(&mut group).await?;
                self.mark(&transaction).await?;
                group.transaction = Some(transaction);
                tokio::spawn(self.clone().commit_when_all_have_joined());
            }
            let Some(transaction) = &group.transaction else {
                return Err(Error::internal(&"no transaction"));
            };
            let savepoint = transaction.begin().await?;
            let stored = idempotency::Entity::find_by_id(call.key.clone()).one(&savepoint).await?;
            if stored.is_none() || group.key.is_none() {
                break (group, savepoint, stored);
            }
            // The first answer may belong to this very group: it is given once it is durable, not before.
            savepoint.rollback().await?;
            group = self.commit_now(group).await?;
        };
        if let Some(stored) = &stored {
            call.check(stored)?;
        }
        Ok(Change {
            db: self.clone(),
            caller: caller.clone(),
            now: self.time_after(group.head.time),
            call,
            call_id: crate::name::new_id(),
            stored: stored.map(|stored| (stored.answer, stored.position)),
            entries: Vec::new(),
            savepoint,
            group,
        })
    }

    /// A transaction that holds the head, with everything before it observed.
    async fn transaction(&self, group: &mut Group) -> Result<DatabaseTransaction, DbErr> {
        let mut again = true;
        loop {
            let begun = async {
                let transaction = self.0.writer.begin().await?;
                let head = head::lock(&transaction).await?;
                Ok::<_, DbErr>((transaction, head))
            };
            match begun.await {
                Ok((transaction, head)) => {
                    // Promises of this process may be newer than the row.
                    let time = head.time.max(group.head.time);
                    group.head = Head { time, ..head };
                    self.catch_up(group, head.position).await?;
                    return Ok(transaction);
                }
                // A connection that the server has closed meanwhile: nothing was done on it.
                Err(cause) if again && Error::passes(&cause) => again = false,
                Err(cause) => return Err(cause),
            }
        }
    }

    /// Marks a group's transaction, so that it can be told later whether it is still the same one.
    async fn mark(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        if self.0.shared {
            return Ok(());
        }
        transaction.execute_unprepared("SAVEPOINT vigia_group").await.map(drop)
    }

    /// Fails where a group's transaction has ended unasked. A full disk ends it inside SQLite: what was written by then is
    /// gone, and what came after would be committed piece by piece. (PostgreSQL refuses everything until the end by itself.)
    async fn check_mark(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        if self.0.shared {
            return Ok(());
        }
        transaction
            .execute_unprepared("RELEASE vigia_group; SAVEPOINT vigia_group")
            .await
            .map(drop)
    }

    /// Gives up an open group whose transaction has ended unasked: nothing of it was written.
    async fn drop_if_ended(&self, group: &mut Group) {
        let Some(transaction) = &group.transaction else { return };
        if let Err(cause) = self.check_mark(transaction).await {
            tracing::warn!(%cause, "the database ended a transaction");
            group.transaction = None;
            group.entries.clear();
            group.key = None;
            group.head.position = self.0.head.borrow().position;
            group.outcome.send_replace(Some(Outcome::NotWritten));
            group.outcome = watch::Sender::new(None);
        }
    }

    /// The group's lock, with no transaction open.
    async fn settled(&self) -> Result<OwnedMutexGuard<Group>, Error> {
        let group = self.0.group.clone().lock_owned().await;
        if group.transaction.is_some() {
            self.commit_now(group).await
        } else {
            Ok(group)
        }
    }

    /// Commits the open group, whoever waits for it, and gives the lock back. In a task of its own: a client that goes
    /// away must not leave a commit half-way.
    async fn commit_now(&self, mut group: OwnedMutexGuard<Group>) -> Result<OwnedMutexGuard<Group>, Error> {
        let db = self.clone();
        let task = tokio::spawn(async move {
            db.commit_group(&mut group).await;
            group
        });
        task.await.map_err(|cause| Error::internal(&cause))
    }

    /// Queues for the lock like everybody else, behind those who wait already, and commits what is open then.
    async fn commit_when_all_have_joined(self) {
        let mut group = self.0.group.lock().await;
        self.commit_group(&mut group).await;
    }

    async fn commit_group(&self, group: &mut Group) {
        let Some(transaction) = group.transaction.take() else { return };
        let entries = std::mem::take(&mut group.entries);
        if let Some(key) = group.key.take() {
            let to = self.head_after(group, &entries);
            let advanced = match self.check_mark(&transaction).await {
                Ok(()) if !entries.is_empty() => head::advance(&transaction, to).await,
                checked => checked,
            };
            let outcome = match advanced {
                Ok(()) => self.finish(transaction, group, entries, to, &key).await,
                Err(cause) => {
                    tracing::warn!(%cause, "the head could not be moved");
                    group.head.position = self.0.head.borrow().position;
                    Outcome::NotWritten
                }
            };
            group.outcome.send_replace(Some(outcome));
            group.outcome = watch::Sender::new(None);
        }
        // Where nobody joined the transaction is dropped, and so rolled back.
    }

    /// The head when these entries are written.
    fn head_after(&self, group: &Group, entries: &[Entry]) -> Head {
        Head {
            position: entries.last().map_or(group.head.position, |last| last.position),
            // Taken after the entries' own time: so the journal is closed at it as soon as they are there.
            time: self.time_after(group.head.time),
        }
    }

    /// Commits a transaction with these entries, which has moved the head, and tells of it. `key` names one of its calls.
    async fn finish(&self, transaction: DatabaseTransaction, group: &mut Group, entries: Vec<Entry>, to: Head, key: &str) -> Outcome {
        if let Err(cause) = transaction.commit().await {
            tracing::warn!(%cause, "commit failed");
            // What was not written is counted no more; the next transaction asks the row anyway.
            group.head.position = self.0.head.borrow().position;
            match self.is_recorded(key).await {
                Some(true) => {}
                Some(false) => return Outcome::NotWritten,
                None => return Outcome::Unknown,
            }
        }
        group.head = to;
        if let Some(observe) = &mut group.observer.0 {
            entries.iter().for_each(observe);
            self.0.observed.send_replace(to.position);
        }
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner).add(entries);
        self.0.head.send_replace(to);
        Outcome::Committed
    }

    /// Whether a call was committed after all. Holding the head means that the transaction which wrote it has ended.
    async fn is_recorded(&self, key: &str) -> Option<bool> {
        let begun = tokio::time::Instant::now();
        loop {
            let look = async {
                let transaction = self.0.writer.begin().await?;
                head::lock(&transaction).await?;
                let stored = idempotency::Entity::find_by_id(key).one(&transaction).await?;
                Ok::<_, DbErr>(stored.is_some())
            };
            match look.await {
                Ok(is_recorded) => return Some(is_recorded),
                Err(cause) if begun.elapsed() > OUTCOME_PATIENCE => {
                    tracing::error!(%cause, "whether a commit was made is unknown");
                    return None;
                }
                Err(_) => tokio::time::sleep(OUTCOME_AGAIN_AFTER).await,
            }
        }
    }

    /// Looks how far the journal goes, closes it up to now if somebody follows it, and tells both.
    async fn look(&self) -> Result<(), DbErr> {
        let now = self.0.clock.now();
        let mut group = self.0.group.lock().await;
        if group.transaction.is_some() {
            // It ends within moments, and tells then. What other processes have committed is told at once: a follower
            // may have seen it there already.
            if self.0.shared {
                let committed = head::read(&self.0.reader).await?;
                self.0.head.send_if_modified(|head| {
                    let is_newer = committed.position > head.position;
                    if is_newer {
                        *head = committed;
                    }
                    is_newer
                });
            }
            return Ok(());
        }
        let is_followed = self.0.head.receiver_count() > 0;
        if self.0.shared {
            let mut head = head::read(&self.0.reader).await?;
            // What another process has promised, or written, holds for us too: at most one write for each heartbeat.
            let recently = now.checked_sub(SignedDuration::from_millis(90)).unwrap_or(now);
            if is_followed && (head.time < recently || self.0.clock.is_simulated() && head.time < now) {
                head = head::promise(&self.0.writer, now).await?;
            }
            self.catch_up(&mut group, head.position).await?;
            group.head = head;
        } else if is_followed {
            // Kept in memory: nobody else writes, and the next commit stores it.
            group.head.time = group.head.time.max(now);
        } else {
            return Ok(());
        }
        self.0.head.send_replace(group.head);
        Ok(())
    }
}

/// A database that is looked at from outside, and not held.
pub(crate) struct Looked(Weak<Inner>);

impl Looked {
    /// Its last entry, as far as it is known here; none once it is closed.
    pub(crate) fn position(&self) -> Option<i64> {
        Some(self.0.upgrade()?.head.borrow().position)
    }
}

/// The heartbeat of a database, as long as somebody uses it.
async fn beat(db: Weak<Inner>) {
    let Some((mut turned, shared)) = db.upgrade().map(|db| (db.clock.turned(), db.shared)) else {
        return;
    };
    let every = if shared { HEARTBEAT } else { HEARTBEAT_ALONE };
    let mut is_reached = true;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            turned = turned.changed() => if turned.is_err() { return }
        }
        let Some(db) = db.upgrade() else { return };
        let looked = Db(db).look().await;
        if let Err(cause) = &looked
            && is_reached
        {
            tracing::warn!(%cause, "the database does not answer");
        }
        is_reached = looked.is_ok();
    }
}

/// A change under way. Dropped without `commit` it never was.
#[derive(Debug)]
pub struct Change {
    // Dropped in this order: the savepoint rolls back before the lock is given up.
    savepoint: DatabaseTransaction,
    entries: Vec<Entry>,
    db: Db,
    caller: Caller,
    call: CallKey,
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
        let position = self.group.head.position + i64::try_from(self.entries.len()).unwrap_or(i64::MAX) + 1;
        let entry = Entry {
            position,
            resource: resource.to_owned(),
            event_type: event_type.to_owned(),
            event: event.encode_to_vec(),
            institution: institution.to_owned(),
            ..journal::by(&self.caller, &self.call_id, self.now)
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
        let (mut outcome, position) = released?;
        let outcome = outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| *outcome);
        match outcome {
            Some(Outcome::Committed) => Ok(answered(answer, area, position)),
            Some(Outcome::NotWritten) => Err(Error::unavailable().into()),
            Some(Outcome::Unknown) | None => Err(Error::outcome_unknown().into()),
        }
    }

    /// Stores the answer, releases the savepoint, and gives what tells of the group's commit.
    async fn release(self, answer: Vec<u8>) -> Result<(watch::Receiver<Option<Outcome>>, i64), Error> {
        // Locals are dropped from the last to the first: on an error the savepoint rolls back before the lock is given up.
        let Self {
            mut group,
            entries,
            call,
            now,
            savepoint,
            ..
        } = self;
        let position = entries.last().map_or(group.head.position, |last| last.position);
        let stored = idempotency::ActiveModel {
            key: Set(call.key.clone()),
            request_hash: Set(call.request_hash),
            answer: Set(answer),
            position: Set(position),
            time: Set(micros(now)),
        };
        idempotency::Entity::insert(stored).exec_without_returning(&savepoint).await?;
        savepoint.commit().await?;
        group.head = Head { position, time: now };
        group.key = Some(call.key);
        group.entries.extend(entries);
        Ok((group.outcome.subscribe(), position))
    }
}

/// An answer with the journal position up to which its caller has seen the service.
pub fn answered<R>(answer: R, area: Area, position: i64) -> Response<R> {
    let mut response = Response::new(answer);
    if let Ok(value) = format!("{area}:{position}").parse() {
        response.metadata_mut().insert("vigia-position", value);
    }
    response
}
