//! Copies of SQLite databases that are in use; whether a copy is whole; and what is recorded when it is put back.

use std::path::Path;

use jiff::Timestamp;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait, QueryOrder, Set, Statement,
    sqlx::sqlite::SqliteSynchronous,
};
use tonic::Status;
use vigia_proto::journal::JournalRestored;

use super::{
    Db,
    connect::{Durability, file},
    head,
};
use crate::{
    Area, Caller, Clock,
    clock::instant,
    entities::journal_origin,
    journal::{self, BATCH_ENTRIES, Origin, RESTORED},
    name::new_id,
};

/// Where a journal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEnd {
    /// Its name.
    pub origin: String,
    /// How often it was begun.
    pub epoch: i64,
    /// Its last entry; 0 where there is none.
    pub position: i64,
    /// That entry's leaf hash; empty where there is none.
    pub leaf_hash: Vec<u8>,
}

/// Writes a copy of an area's database, as it is at one instant, into a directory in which there is none yet. Services go
/// on reading and writing meanwhile.
pub async fn copy_database(area: Area, from: &Path, to: &Path) -> Result<(), DbErr> {
    let db = open(area, from).await?;
    let to = file(area, to);
    let to_text = to.to_string_lossy().into_owned();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), "VACUUM INTO $1", [to_text.into()]);
    let copied = db.execute_raw(statement).await;
    db.close().await?;
    copied?;
    // SQLite does not wait until the copy is on the disk.
    let synced = match tokio::fs::File::open(&to).await {
        Ok(file) => file.sync_all().await,
        Err(cause) => Err(cause),
    };
    synced.map_err(|cause| DbErr::Custom(format!("{}: {cause}", to.display())))
}

async fn open(area: Area, directory: &Path) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", file(area, directory).display()));
    options
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| sqlite.synchronous(SqliteSynchronous::Full));
    Database::connect(options).await
}

/// Reads an area's database from end to end: whether SQLite finds it whole, and whether its journal is dense, in the order
/// of time, and has the leaf hashes that its entries must have.
pub async fn verify_database(area: Area, directory: &Path) -> Result<JournalEnd, DbErr> {
    let db = open(area, directory).await?;
    let end = verify(&db).await;
    db.close().await?;
    end.map_err(|cause| DbErr::Custom(format!("{area}: {cause}")))
}

async fn verify(db: &DatabaseConnection) -> Result<JournalEnd, DbErr> {
    let broken = |text: String| DbErr::Custom(text);
    let check = Statement::from_string(db.get_database_backend(), "PRAGMA integrity_check");
    let row = db.query_one_raw(check).await?;
    let found: String = row.ok_or_else(|| broken("no integrity_check".to_owned()))?.try_get_by_index(0)?;
    if found != "ok" {
        return Err(broken(format!("integrity_check: {found}")));
    }
    let mut origins = journal_origin::Entity::find()
        .order_by_asc(journal_origin::Column::Epoch)
        .all(db)
        .await?
        .into_iter();
    let first = origins.next().ok_or_else(|| broken("the journal has no origin".to_owned()))?;
    let mut origin = Origin {
        origin: first.origin,
        epoch: first.epoch,
    };
    let (mut position, mut time, mut leaf_hash) = (0, Timestamp::MIN, Vec::new());
    loop {
        let entries = journal::entries_after(db, position, BATCH_ENTRIES).await?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            if entry.event_type == RESTORED {
                let next = origins
                    .next()
                    .ok_or_else(|| broken(format!("entry {}: there is no such epoch", entry.position)))?;
                origin = Origin {
                    origin: next.origin,
                    epoch: next.epoch,
                };
            }
            let at = entry.time.as_ref().and_then(instant).unwrap_or(Timestamp::MIN);
            if entry.position != position + 1 || at < time {
                return Err(broken(format!("entry {} follows {position}, at {at} after {time}", entry.position)));
            }
            if entry.leaf_hash != journal::leaf_hash(&entry, &origin) {
                return Err(broken(format!(
                    "entry {}: its content is not what its leaf hash was made of",
                    entry.position
                )));
            }
            (position, time, leaf_hash) = (entry.position, at, entry.leaf_hash);
        }
    }
    let head = head::read(db).await?;
    if head.position != position {
        return Err(broken(format!("the head is at {}, the last entry at {position}", head.position)));
    }
    Ok(JournalEnd {
        origin: origin.origin,
        epoch: origin.epoch,
        position,
        leaf_hash,
    })
}

/// Begins a new epoch of a journal that was put back from a copy, with an entry that says where the old one ended: what
/// was recorded after the copy was made is not there, and nobody may take the two for the same.
pub async fn begin_epoch(area: Area, directory: &Path, end: &JournalEnd) -> Result<(), Status> {
    let failed = |cause: DbErr| Status::internal(format!("{area}: {cause}"));
    let db = open(area, directory).await.map_err(failed)?;
    let next = journal_origin::ActiveModel {
        epoch: Set(end.epoch + 1),
        origin: Set(end.origin.clone()),
    };
    journal_origin::Entity::insert(next)
        .exec_without_returning(&db)
        .await
        .map_err(failed)?;
    db.close().await.map_err(failed)?;
    let clock = Clock::real();
    let db = Db::open(area, directory, Durability::Full, clock.clone()).await.map_err(failed)?;
    let restored = JournalRestored {
        epoch: end.epoch + 1,
        last_position: end.position,
        last_leaf_hash: end.leaf_hash.clone(),
    };
    let mut change = db.change(&Caller::vigia(&clock, "vigia restore"), &new_id(), &restored).await?;
    change.record(RESTORED, &format!("journals/{area}"), "", &restored).await?;
    change.commit(restored).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with a journal of so many entries.
    async fn journal_of(entries: i64) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Clock::real();
        let db = Db::open(Area::Plans, directory.path(), Durability::Full, clock.clone())
            .await
            .expect("a database");
        for epoch in 1..=entries {
            let event = JournalRestored {
                epoch,
                ..JournalRestored::default()
            };
            let caller = Caller::vigia(&clock, "test");
            let mut change = db.change(&caller, &new_id(), &event).await.expect("a change");
            change.record("test.Happened", "plans/p", "", &event).await.expect("an entry");
            change.commit(event).await.expect("a commit");
        }
        directory
    }

    async fn copied(directory: &Path) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a directory");
        copy_database(Area::Plans, directory, copy.path()).await.expect("a copy");
        copy
    }

    #[tokio::test]
    async fn a_copy_is_whole_and_begins_a_new_epoch() {
        let directory = journal_of(3).await;
        let copy = copied(directory.path()).await;
        let end = verify_database(Area::Plans, copy.path()).await.expect("whole");
        assert_eq!((end.epoch, end.position), (1, 3));
        assert_eq!(end, verify_database(Area::Plans, directory.path()).await.expect("whole"));
        begin_epoch(Area::Plans, copy.path(), &end).await.expect("an epoch");
        let again = verify_database(Area::Plans, copy.path()).await.expect("whole");
        assert_eq!((again.epoch, again.position), (2, 4));
        assert_ne!(again.leaf_hash, end.leaf_hash);
        assert!(
            copy_database(Area::Plans, directory.path(), copy.path()).await.is_err(),
            "nothing is overwritten"
        );
    }

    #[tokio::test]
    async fn what_was_changed_afterwards_is_seen() {
        let directory = journal_of(3).await;
        for tampering in [
            "UPDATE journal_entry SET event = x'0801' WHERE position = 2",
            "UPDATE journal_entry SET caller = 'clients/x' WHERE position = 2",
            "UPDATE journal_entry SET time = 0 WHERE position = 3",
            "UPDATE journal_entry SET resource = 'plans/q' WHERE position = 1",
            "DELETE FROM journal_entry WHERE position = 2",
            "DELETE FROM journal_entry WHERE position = 3",
            "UPDATE journal_origin SET epoch = 2",
        ] {
            let copy = copied(directory.path()).await;
            let db = open(Area::Plans, copy.path()).await.expect("a database");
            db.execute_unprepared(tampering).await.expect("a change");
            db.close().await.expect("an end");
            assert!(verify_database(Area::Plans, copy.path()).await.is_err(), "{tampering}");
        }
    }
}
