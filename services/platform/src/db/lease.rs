//! Leases: for work that must be done once at a time among all processes of a service, and goes on elsewhere when the
//! one that does it dies.
//!
//! A lease is a row. Whoever takes it holds it for a term, by the database's own clock, so that it does not matter how
//! hosts' clocks differ; a process that crashes does not renew it, and the next one takes it over. A process that only
//! stood still for longer than the term may believe that it holds it still. So each new holder gets a higher *fence*, and
//! what is written under a lease checks the fence in the very transaction ([`Lease::holds`]): who was replaced writes
//! nothing any more.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, QuerySelect, Statement};

use super::Db;
use crate::{entities::lease, error::Error};

/// Work that this process may do, as long as the lease holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    name: &'static str,
    holder: String,
    /// Higher than that of every holder before.
    fence: i64,
}

impl Db {
    /// Takes the lease of that name for a term from now on, or renews it where `holder` has it; none where another holds
    /// it. A holder is one process, or one task: its name must be new each time that it starts.
    pub async fn lease(&self, name: &'static str, holder: &str, term: Duration) -> Result<Option<Lease>, Error> {
        let db = &self.0.writer;
        let now = now(db.get_database_backend());
        // One statement: of two that come at once the second finds the row that the first has written.
        let sql = format!(
            "INSERT INTO lease (name, holder, fence, expires_at) VALUES ($1, $2, 1, {now} + $3) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at, \
               fence = lease.fence + CASE WHEN lease.holder = excluded.holder THEN 0 ELSE 1 END \
             WHERE lease.holder = excluded.holder OR lease.expires_at <= {now} \
             RETURNING name, holder, fence, expires_at"
        );
        let term = i64::try_from(term.as_micros()).unwrap_or(i64::MAX / 2);
        let values = [name.into(), holder.into(), term.into()];
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        let row = lease::Entity::find().from_raw_sql(statement).one(db).await?;
        Ok(row.map(|row| Lease {
            name,
            holder: row.holder,
            fence: row.fence,
        }))
    }

    /// Gives a lease back, so that another process need not wait for its end. One that was lost stays lost.
    pub async fn give_back(&self, lease: Lease) -> Result<(), Error> {
        let db = &self.0.writer;
        let sql = "UPDATE lease SET expires_at = 0 WHERE name = $1 AND fence = $2";
        let values = [lease.name.into(), lease.fence.into()];
        db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values))
            .await?;
        Ok(())
    }
}

impl Lease {
    /// Whether nobody else has taken it meanwhile. Asked within a transaction, nobody can before that ends.
    pub async fn holds(&self, transaction: &impl ConnectionTrait) -> Result<bool, DbErr> {
        let row = lease::Entity::find_by_id(self.name).lock_shared().one(transaction).await?;
        Ok(row.is_some_and(|row| row.fence == self.fence && row.holder == self.holder))
    }
}

/// The database's clock, in microseconds: machine time, never domain time.
fn now(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
        _ => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::TransactionTrait;

    use super::*;
    use crate::{
        Area, Clock, Durability, Store,
        db::{ScratchDatabases, migrate_postgres},
    };

    const LONG: Duration = Duration::from_hours(1);

    /// Handles of one database: as many as processes may share it.
    async fn replicas(store: Store) -> Vec<Db> {
        let count = if matches!(store, Store::Postgres(_)) { 2 } else { 1 };
        let mut all = Vec::new();
        for _ in 0..count {
            let db = Db::open(Area::Compliance, store.clone(), Durability::Scratch, Clock::real()).await;
            all.push(db.expect("a database"));
        }
        all
    }

    async fn play(replicas: &[Db]) {
        let (first, second) = (&replicas[0], &replicas[replicas.len() - 1]);
        let of_first = first.lease("work", "a", LONG).await.expect("asked").expect("free");
        assert_eq!(second.lease("work", "b", LONG).await.expect("asked"), None, "held");
        let other = second.lease("other", "b", LONG).await.expect("asked");
        assert!(other.is_some(), "each work has its own");
        // Renewed it is the same lease. A term that is over as soon as it begins stands for a process that has died.
        let renewed = first.lease("work", "a", Duration::ZERO).await.expect("asked");
        assert_eq!(renewed.as_ref(), Some(&of_first));
        let of_second = second.lease("work", "b", LONG).await.expect("asked").expect("over");
        let transaction = first.0.writer.begin().await.expect("a transaction");
        assert!(
            !of_first.holds(&transaction).await.expect("asked"),
            "it was only slow: its fence is too low"
        );
        assert!(of_second.holds(&transaction).await.expect("asked"));
        transaction.rollback().await.expect("rolled back");
        // What was lost can't be given back; what is held can.
        first.give_back(of_first).await.expect("asked");
        assert_eq!(first.lease("work", "a", LONG).await.expect("asked"), None);
        second.give_back(of_second.clone()).await.expect("asked");
        let again = first.lease("work", "a", LONG).await.expect("asked").expect("free");
        assert!(again.fence > of_second.fence);
    }

    #[tokio::test]
    async fn work_is_done_once_at_a_time_and_passes_on() {
        let directory = tempfile::tempdir().expect("a directory");
        play(&replicas(Store::from(directory.path())).await).await;
        if let Ok(server) = std::env::var("TEST_DATABASE") {
            let databases = ScratchDatabases::on(&server);
            let url = databases.make().await.expect("a database");
            migrate_postgres(Area::Compliance, &url).await.expect("migrated");
            play(&replicas(Store::Postgres(url)).await).await;
            databases.drop_all().await.expect("dropped");
        }
    }
}
