//! The head row: one row that says how far the journal goes and from which instant on further entries are dated.
//!
//! Whoever writes holds it from the beginning of the transaction to its commit, whichever process that is. So positions
//! are dense and in the order of the commits, times never run backwards although hosts' clocks differ, and whoever
//! decides sees all that was decided before.

use jiff::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect, Statement, sea_query::Value};

use crate::{
    clock::{from_micros, just_before, micros},
    entities::journal_head,
};

/// How far a journal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last entry.
    pub(crate) position: i64,
    /// No further entry has an earlier time.
    pub(crate) time: Timestamp,
}

impl Head {
    /// Up to which instant (inclusive) no entry will come any more.
    pub(crate) fn closed_at(self) -> Timestamp {
        just_before(self.time)
    }
}

/// The head as it was committed last.
pub(crate) async fn read(db: &impl ConnectionTrait) -> Result<Head, DbErr> {
    head(journal_head::Entity::find_by_id(1).one(db).await?)
}

/// The head, held until the transaction ends. Waits for whoever holds it.
pub(super) async fn lock(transaction: &impl ConnectionTrait) -> Result<Head, DbErr> {
    head(journal_head::Entity::find_by_id(1).lock_exclusive().one(transaction).await?)
}

/// Moves the head on. The transaction holds it.
pub(super) async fn advance(transaction: &impl ConnectionTrait, to: Head) -> Result<(), DbErr> {
    let sql = "UPDATE journal_head SET position = $1, time = $2 WHERE id = 1";
    let values: [Value; 2] = [to.position.into(), micros(to.time).into()];
    let statement = Statement::from_sql_and_values(transaction.get_database_backend(), sql, values);
    transaction.execute_raw(statement).await.map(|_| ())
}

/// Promises for all processes that no further entry is dated before `time`, and says how far the journal goes then.
/// Waits for whoever holds the head: what that one writes is part of the answer.
pub(super) async fn promise(db: &impl ConnectionTrait, time: Timestamp) -> Result<Head, DbErr> {
    let sql = "UPDATE journal_head SET time = GREATEST(time, $1) WHERE id = 1 RETURNING id, position, time";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [micros(time).into()]);
    head(journal_head::Entity::find().from_raw_sql(statement).one(db).await?)
}

fn head(row: Option<journal_head::Model>) -> Result<Head, DbErr> {
    let row = row.ok_or_else(|| DbErr::Custom("the journal has no head row".to_owned()))?;
    Ok(Head {
        position: row.position,
        time: from_micros(row.time),
    })
}
