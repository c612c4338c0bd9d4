//! The last-alive mark: one row that says when a process of the service was last there, with its database. All processes
//! of a service write the same one, so that it stands still only while none of them is there.

use jiff::{SignedDuration, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, Statement};

use super::{Change, Db};
use crate::{
    clock::{from_micros, micros},
    entities::alive,
    error::Error,
};

impl Db {
    /// Marks that this process is there at `now`. Where the last mark is as old as `gap`, or older, nothing is marked, and
    /// the answer is false: nobody was there in between. The first mark has none before it.
    pub async fn mark_alive(&self, now: Timestamp, gap: SignedDuration) -> Result<bool, Error> {
        let since = now.checked_sub(gap).unwrap_or(Timestamp::MIN);
        Ok(mark(&self.0.writer, now, since).await?)
    }
}

impl Change {
    /// The mark, which is set to the time of this change: whoever comes next finds it there.
    pub async fn mark_alive(&self) -> Result<Option<Timestamp>, Error> {
        let row = alive::Entity::find_by_id(1).one(self.tx()).await?;
        mark(self.tx(), self.now(), Timestamp::MIN).await?;
        Ok(row.map(|row| from_micros(row.time)))
    }
}

/// One statement, so that of two processes that come back at once only the first finds the gap. A mark never goes back.
async fn mark(db: &impl ConnectionTrait, now: Timestamp, since: Timestamp) -> Result<bool, DbErr> {
    let sql = "INSERT INTO alive (id, time) VALUES (1, $1) ON CONFLICT (id) DO UPDATE \
               SET time = CASE WHEN alive.time < excluded.time THEN excluded.time ELSE alive.time END WHERE alive.time > $2";
    let values = [micros(now).into(), micros(since).into()];
    let marked = db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values));
    Ok(marked.await?.rows_affected() > 0)
}
