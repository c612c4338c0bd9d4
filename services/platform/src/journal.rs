//! The journal: an append-only record of every change, whose entries are leaves of a Merkle log (RFC 6962).

use std::pin::Pin;

use futures::Stream;
use jiff::Timestamp;
use prost::Message;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};
use sha2::{Digest, Sha256};
use tonic::Status;
use vigia_proto::journal::{Entry, ListEntriesRequest, ListEntriesResponse, SubscribeRequest, SubscribeResponse};

use crate::{
    Area,
    caller::{Caller, Scope},
    clock::{from_micros, timestamp},
    db::Db,
    entities::{journal_entry, journal_origin},
    error::Error,
};

/// Entries of a batch at most.
pub(crate) const BATCH_ENTRIES: u64 = 1000;
/// Bytes of a batch at most; an entry larger than that goes alone.
const BATCH_BYTES: usize = 1 << 20;

/// The event that begins a new epoch. It says nothing of any resource, so followers learn nothing from it.
pub const RESTORED: &str = "vigia.journal.v1.JournalRestored";

/// Which log it is: its name, and how often it was restored.
#[derive(Clone, Debug)]
pub struct Origin {
    /// C2SP origin line, such as `vigia/plans/3f…`; ends in `/simulated` where a clock was set.
    pub origin: String,
    /// 1 from the beginning; a restore begins a new one.
    pub epoch: i64,
}

impl Origin {
    pub(crate) async fn load(db: &DatabaseConnection, area: Area, simulated: bool) -> Result<Self, DbErr> {
        if let Some(row) = journal_origin::Entity::find()
            .order_by_desc(journal_origin::Column::Epoch)
            .one(db)
            .await?
        {
            if row.origin.ends_with("/simulated") != simulated {
                return Err(DbErr::Custom(format!(
                    "{} was kept by another kind of clock: refusing to mix them",
                    row.origin
                )));
            }
            return Ok(Self {
                origin: row.origin,
                epoch: row.epoch,
            });
        }
        let suffix = if simulated { "/simulated" } else { "" };
        let origin = format!("vigia/{area}/{}{suffix}", crate::name::new_id());
        let row = journal_origin::ActiveModel {
            epoch: Set(1),
            origin: Set(origin.clone()),
        };
        // Of two processes that begin at once one is the first, and both take its name.
        let first = OnConflict::column(journal_origin::Column::Epoch).do_nothing().to_owned();
        journal_origin::Entity::insert(row)
            .on_conflict(first)
            .exec_without_returning(db)
            .await?;
        let row = journal_origin::Entity::find_by_id(1).one(db).await?;
        let row = row.ok_or_else(|| DbErr::Custom("the journal has no origin".to_owned()))?;
        Ok(Self {
            origin: row.origin,
            epoch: row.epoch,
        })
    }
}

/// An entry of a call, without what happened.
pub(crate) fn by(caller: &Caller, call_id: &str, time: Timestamp) -> Entry {
    Entry {
        time: Some(timestamp(time)),
        caller: caller.principal().to_owned(),
        permission: caller.permission().to_owned(),
        method: caller.method().to_owned(),
        call_id: call_id.to_owned(),
        ..Entry::default()
    }
}

/// Gives an entry its salted payload hash and its leaf hash. The leaf commits to the payload only by the salted hash, so
/// that payload and salt can be erased and every proof still holds.
pub(crate) fn seal(mut entry: Entry, origin: &Origin) -> Result<(Entry, Vec<u8>), Error> {
    let mut salt = vec![0; 16];
    getrandom::fill(&mut salt).map_err(|cause| Error::internal(&cause))?;
    entry.payload_hash = Sha256::new().chain_update(&salt).chain_update(&entry.event).finalize().to_vec();
    entry.leaf_hash = leaf_hash(&entry, origin).to_vec();
    Ok((entry, salt))
}

/// RFC 6962, 2.1: SHA-256 of 0x00 and the leaf. The leaf is the entry without event and leaf hash, behind origin and
/// epoch, so that an entry can't be moved to another log.
pub fn leaf_hash(entry: &Entry, origin: &Origin) -> [u8; 32] {
    let leaf = Entry {
        event: Vec::new(),
        leaf_hash: Vec::new(),
        ..entry.clone()
    };
    Sha256::new()
        .chain_update([0])
        .chain_update(&origin.origin)
        .chain_update(b"\n")
        .chain_update(origin.epoch.to_be_bytes())
        .chain_update(leaf.encode_to_vec())
        .finalize()
        .into()
}

pub(crate) fn row(entry: &Entry, salt: Vec<u8>, time: i64) -> journal_entry::ActiveModel {
    journal_entry::ActiveModel {
        position: Set(entry.position),
        time: Set(time),
        caller: Set(entry.caller.clone()),
        permission: Set(entry.permission.clone()),
        method: Set(entry.method.clone()),
        call_id: Set(entry.call_id.clone()),
        resource: Set(entry.resource.clone()),
        event_type: Set(entry.event_type.clone()),
        event: Set(entry.event.clone()),
        salt: Set(salt),
        leaf_hash: Set(entry.leaf_hash.clone()),
        institution: Set(entry.institution.clone()),
    }
}

fn entry(row: journal_entry::Model) -> Entry {
    let payload_hash = Sha256::new().chain_update(&row.salt).chain_update(&row.event).finalize().to_vec();
    Entry {
        position: row.position,
        time: Some(timestamp(from_micros(row.time))),
        caller: row.caller,
        permission: row.permission,
        method: row.method,
        call_id: row.call_id,
        resource: row.resource,
        event_type: row.event_type,
        event: row.event,
        payload_hash,
        leaf_hash: row.leaf_hash,
        institution: row.institution,
    }
}

pub(crate) async fn entries_after(db: &impl ConnectionTrait, after: i64, limit: u64) -> Result<Vec<Entry>, DbErr> {
    let rows = journal_entry::Entity::find()
        .filter(journal_entry::Column::Position.gt(after))
        .order_by_asc(journal_entry::Column::Position)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(entry).collect())
}

/// A page of the entries that the caller may read.
pub async fn list_entries(db: &Db, caller: &Caller, request: ListEntriesRequest) -> Result<ListEntriesResponse, Error> {
    let size = u64::try_from(request.page_size).unwrap_or(0);
    let size = if size == 0 { 100 } else { size.min(BATCH_ENTRIES) };
    let mut query = journal_entry::Entity::find().filter(journal_entry::Column::Position.gt(request.after_position));
    if let Scope::Institutions(institutions) = caller.scope() {
        query = query.filter(journal_entry::Column::Institution.is_in(institutions));
    }
    if !request.resource.is_empty() {
        let below = format!("{}/", request.resource);
        query = query.filter(
            Condition::any()
                .add(journal_entry::Column::Resource.eq(&request.resource))
                .add(journal_entry::Column::Resource.starts_with(&below)),
        );
    }
    let rows = query
        .order_by_asc(journal_entry::Column::Position)
        .limit(size + 1)
        .all(db.read(caller))
        .await?;
    let more = u64::try_from(rows.len()).is_ok_and(|rows| rows > size);
    let entries: Vec<Entry> = rows
        .into_iter()
        .take(usize::try_from(size).unwrap_or(usize::MAX))
        .map(entry)
        .collect();
    let next_after_position = if more { entries.last().map_or(0, |last| last.position) } else { 0 };
    Ok(ListEntriesResponse {
        entries,
        next_after_position,
    })
}

/// What `Subscribe` answers with.
pub type Subscription = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

/// Streams entries as they are committed, and up to when the journal is closed.
pub async fn subscribe(db: &Db, request: &SubscribeRequest) -> Result<Subscription, Error> {
    let db = db.clone();
    let mut head = db.head().await?;
    let mut after = request.after_position;
    if after < 0 || after > head.borrow().position {
        return Err(Error::refused(
            vigia_proto::error::Reason::AsOfInFuture,
            "El cursor está más allá del final de la bitácora: no es la bitácora que siguió hasta ahora.",
            "The cursor lies beyond the journal's end: this is not the journal that was followed so far.",
        ));
    }
    Ok(Box::pin(async_stream::try_stream! {
        loop {
            let now = *head.borrow_and_update();
            while after < now.position {
                let mut entries = db.entries_after(after).await.map_err(Error::from)?;
                let mut bytes = 0;
                let fit = entries.iter().take_while(|entry| { bytes += entry.encoded_len(); bytes <= BATCH_BYTES }).count();
                entries.truncate(fit.max(1));
                let Some(last) = entries.last() else { break };
                after = last.position;
                yield SubscribeResponse { entries, closed_at: None, origin: db.origin().origin.clone(), epoch: db.origin().epoch };
            }
            let closed_at = Some(timestamp(now.closed_at()));
            yield SubscribeResponse { entries: Vec::new(), closed_at, origin: db.origin().origin.clone(), epoch: db.origin().epoch };
            if head.changed().await.is_err() {
                break;
            }
        }
    }))
}
