//! A batch: calls that are handed over as values, decided together, and written by a few statements for all.

use std::collections::HashMap;

use jiff::Timestamp;
use prost::Message;
use sea_orm::{ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, sea_query::Value};
use tokio::sync::OwnedMutexGuard;
use vigia_proto::journal::Entry;

use super::{
    CallKey, Column, Db, Group, Outcome, Recorded,
    insert::{Rows, insert},
};
use crate::{caller::Caller, clock::micros, entities::idempotency, error::Error, journal};

const JOURNAL_COLUMNS: [Column; 12] = [
    Column::Integer("position"),
    Column::Integer("time"),
    Column::Text("caller"),
    Column::Text("permission"),
    Column::Text("method"),
    Column::Text("call_id"),
    Column::Text("resource"),
    Column::Text("event_type"),
    Column::Bytes("event"),
    Column::Bytes("salt"),
    Column::Bytes("leaf_hash"),
    Column::Text("institution"),
];

const ANSWER_COLUMNS: [Column; 5] = [
    Column::Text("key"),
    Column::Bytes("request_hash"),
    Column::Bytes("answer"),
    Column::Integer("position"),
    Column::Integer("time"),
];

/// Calls under way, in one transaction that holds the head: whoever has it sees all that was decided before, committed
/// and observed. Dropped without `commit` it never was.
#[derive(Debug)]
pub struct Batch {
    // Dropped in this order: the transaction rolls back before the lock is given up.
    transaction: DatabaseTransaction,
    db: Db,
    now: Timestamp,
    /// The last entry, written or not.
    position: i64,
    entries: Vec<Entry>,
    rows: Vec<Rows>,
    journal_rows: Vec<Vec<Value>>,
    answer_rows: Vec<Vec<Value>>,
    last_key: Option<String>,
    group: OwnedMutexGuard<Group>,
}

/// Why a batch was not written.
#[derive(Debug)]
pub enum NotWritten {
    /// Nothing of it is there. The database refused, or was not there.
    Refused(DbErr),
    /// The database went away at the commit and did not come back: nobody can say.
    Unknown,
}

impl From<DbErr> for NotWritten {
    fn from(cause: DbErr) -> Self {
        Self::Refused(cause)
    }
}

/// The answer that a call was given before.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer, as it was encoded.
    pub answer: Vec<u8>,
    /// Its position.
    pub position: i64,
}

impl Db {
    /// Begins a batch, after all changes before it.
    pub async fn batch(&self) -> Result<Batch, NotWritten> {
        let settled = self.settled().await;
        let mut group = settled.map_err(|_| DbErr::Custom("the changes before it were not committed".to_owned()))?;
        let transaction = self.transaction(&mut group).await?;
        Ok(Batch {
            transaction,
            db: self.clone(),
            now: self.time_after(group.head.time),
            position: group.head.position,
            entries: Vec::new(),
            rows: Vec::new(),
            journal_rows: Vec::new(),
            answer_rows: Vec::new(),
            last_key: None,
            group,
        })
    }
}

impl Batch {
    /// The time that the entries carry.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The rows, as this batch sees them.
    pub fn tx(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Those of the calls that were answered before, by their place; or that use the `request_id` of another one.
    pub async fn answered(&self, calls: &[&CallKey]) -> Result<HashMap<usize, Result<Answered, Error>>, DbErr> {
        let keys = calls.iter().map(|call| call.key.as_str());
        let stored = idempotency::Entity::find()
            .filter(idempotency::Column::Key.is_in(keys))
            .all(&self.transaction);
        let stored: HashMap<_, _> = stored.await?.into_iter().map(|row| (row.key.clone(), row)).collect();
        let found = calls.iter().enumerate().filter_map(|(place, call)| {
            let row = stored.get(&call.key)?;
            let answered = call.check(row).map(|()| Answered {
                answer: row.answer.clone(),
                position: row.position,
            });
            Some((place, answered))
        });
        Ok(found.collect())
    }

    /// Appends an entry: the event that happened to `resource`, and the institution that it is about.
    pub fn record(
        &mut self,
        caller: &Caller,
        event_type: &str,
        resource: String,
        institution: String,
        event: &impl Message,
    ) -> Result<Recorded, Error> {
        let position = self.position + 1;
        let entry = Entry {
            position,
            resource,
            event_type: event_type.to_owned(),
            event: event.encode_to_vec(),
            institution,
            ..journal::by(caller, &crate::name::new_id(), self.now)
        };
        let (entry, salt) = journal::seal(entry, &self.db.0.origin)?;
        let mut leaf_hash = [0; 32];
        leaf_hash.copy_from_slice(&entry.leaf_hash);
        self.journal_rows.push(vec![
            position.into(),
            micros(self.now).into(),
            entry.caller.as_str().into(),
            entry.permission.as_str().into(),
            entry.method.as_str().into(),
            entry.call_id.as_str().into(),
            entry.resource.as_str().into(),
            entry.event_type.as_str().into(),
            entry.event.as_slice().into(),
            salt.into(),
            entry.leaf_hash.as_slice().into(),
            entry.institution.as_str().into(),
        ]);
        self.entries.push(entry);
        self.position = position;
        Ok(Recorded { position, leaf_hash })
    }

    /// Keeps the answer to a call, to be given again to whoever repeats it.
    pub fn answer(&mut self, call: CallKey, answer: Vec<u8>) {
        self.last_key = Some(call.key.clone());
        let position = self.position;
        self.answer_rows.push(vec![
            call.key.into(),
            call.request_hash.into(),
            answer.into(),
            position.into(),
            micros(self.now).into(),
        ]);
    }

    /// Adds rows of the service's own, whose values stand in the order of the columns.
    pub fn insert(&mut self, table: &'static str, columns: &'static [Column], rows: Vec<Vec<Value>>) {
        self.rows.push(Rows {
            table,
            columns,
            values: rows,
        });
    }

    /// Makes all of it durable.
    pub async fn commit(self) -> Result<(), NotWritten> {
        // Locals are dropped from the last to the first: on an error the transaction ends before the lock is given up.
        let Self {
            mut group,
            db,
            entries,
            mut rows,
            journal_rows,
            answer_rows,
            last_key,
            transaction,
            ..
        } = self;
        let Some(key) = last_key else {
            transaction.rollback().await?;
            return Ok(());
        };
        rows.push(Rows {
            table: "journal_entry",
            columns: &JOURNAL_COLUMNS,
            values: journal_rows,
        });
        rows.push(Rows {
            table: "idempotency",
            columns: &ANSWER_COLUMNS,
            values: answer_rows,
        });
        let to = db.head_after(&group, &entries);
        insert(&transaction, rows, to).await?;
        match db.finish(transaction, &mut group, entries, to, &key).await {
            Outcome::Committed => Ok(()),
            Outcome::NotWritten => Err(NotWritten::Refused(DbErr::Custom("the batch was not committed".to_owned()))),
            Outcome::Unknown => Err(NotWritten::Unknown),
        }
    }
}
