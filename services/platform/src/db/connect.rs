//! Connecting: to a file for each service (SQLite), or to a schema for each service (PostgreSQL). Settings that lose
//! acknowledged changes in a power cut are refused, and so are tables that are older or newer than this program.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement,
    sqlx::{
        Connection,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use vigia_migrations::Schema;

use crate::{Area, clock::from_micros};

/// Connections for reading that each service holds at most.
const READERS_MAX: u32 = 8;
/// How long a service waits for a lock of another process, and how long a transaction may stand still: past it the
/// database gives it up, so that a process that hangs does not stop the others.
const STANDSTILL_MAX: Duration = Duration::from_secs(10);
/// How long to wait for a connection.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Two processes that migrate at once wait for each other by this number.
const MIGRATION_LOCK: i64 = 0x0076_6967_6961;

/// Where the databases are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// A file for each service in this directory (SQLite).
    Directory(PathBuf),
    /// A schema for each service in this database (PostgreSQL): `postgres://user:password@host/database`.
    Postgres(String),
}

impl From<&Path> for Store {
    fn from(directory: &Path) -> Self {
        Self::Directory(directory.to_owned())
    }
}

impl From<&PathBuf> for Store {
    fn from(directory: &PathBuf) -> Self {
        Self::Directory(directory.clone())
    }
}

/// Whether commits survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Acknowledged means durable.
    Full,
    /// Nothing is awaited: for what is marked as scratch only.
    Scratch,
}

/// A connection that writes, and those that read.
pub(super) struct Connections {
    pub(super) writer: DatabaseConnection,
    pub(super) reader: DatabaseConnection,
}

/// Opens the database of an area, ready for use.
pub(super) async fn open(area: Area, store: &Store, durability: Durability) -> Result<Connections, DbErr> {
    match store {
        Store::Directory(directory) => {
            let writer = sqlite(area, directory, durability, 1).await?;
            check_sqlite(&writer, durability).await?;
            // Its only user is this program: it brings the tables up to date itself.
            match vigia_migrations::check(&writer, area.name()).await? {
                Schema::Current => {}
                Schema::Older(_) => vigia_migrations::migrate(&writer, area.name()).await?,
                Schema::Newer(names) => return Err(newer(area, &names)),
            }
            let reader = sqlite(area, directory, durability, 4).await?;
            Ok(Connections { writer, reader })
        }
        Store::Postgres(url) => {
            let synchronous_commit = match durability {
                Durability::Full => durable(url).await?,
                Durability::Scratch => "off".to_owned(),
            };
            let writer = postgres(url, Some(area), &synchronous_commit, 2).await.map_err(|cause| {
                // The role comes with the tables.
                if cause.to_string().contains("role \"vigia_") {
                    older(area, &[])
                } else {
                    cause
                }
            })?;
            match vigia_migrations::check(&writer, area.name()).await? {
                Schema::Current => {}
                Schema::Older(names) => return Err(older(area, &names)),
                Schema::Newer(names) => return Err(newer(area, &names)),
            }
            let reader = postgres(url, Some(area), &synchronous_commit, READERS_MAX).await?;
            Ok(Connections { writer, reader })
        }
    }
}

/// What a look at a database tells whoever operates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The last entry of its journal.
    pub position: i64,
    /// No further entry is dated before this: it lies in the past unless a clock was wrong.
    pub time: Timestamp,
    /// The database server's clock; none where there is no server.
    pub server_time: Option<Timestamp>,
}

/// Looks at an area's database, and changes nothing: fails where a service would refuse to start on it.
pub async fn inspect(area: Area, store: &Store) -> Result<Inspection, DbErr> {
    let (db, server_time) = match store {
        Store::Directory(directory) => {
            let path = file(area, directory);
            if !path.exists() {
                return Err(DbErr::Custom(format!("{} is missing", path.display())));
            }
            let db = sqlite(area, directory, Durability::Full, 1).await?;
            check_sqlite(&db, Durability::Full).await?;
            (db, None)
        }
        Store::Postgres(url) => {
            let synchronous_commit = durable(url).await?;
            let db = postgres(url, Some(area), &synchronous_commit, 1).await?;
            let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
            let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
            let micros = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
            (db, micros.map(from_micros))
        }
    };
    match vigia_migrations::check(&db, area.name()).await? {
        Schema::Current => {}
        Schema::Older(names) => return Err(older(area, &names)),
        Schema::Newer(names) => return Err(newer(area, &names)),
    }
    let head = super::head::read(&db).await?;
    db.close().await?;
    Ok(Inspection {
        position: head.position,
        time: head.time,
        server_time,
    })
}

fn older(area: Area, missing: &[String]) -> DbErr {
    let missing = missing.join(", ");
    DbErr::Custom(format!(
        "the tables of {area} are older than this program: run \"vigia migrate\" first (missing: {missing})"
    ))
}

fn newer(area: Area, unknown: &[String]) -> DbErr {
    let unknown = unknown.join(", ");
    DbErr::Custom(format!(
        "the tables of {area} are newer than this program: run the version that made them, or a later one (unknown: {unknown})"
    ))
}

/// Where an area's database lies in a directory.
pub(super) fn file(area: Area, directory: &Path) -> PathBuf {
    directory.join(format!("{area}.sqlite"))
}

async fn sqlite(area: Area, directory: &Path, durability: Durability, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file(area, directory).display()));
    let synchronous = match durability {
        Durability::Full => SqliteSynchronous::Full,
        Durability::Scratch => SqliteSynchronous::Off,
    };
    options
        .max_connections(connections)
        .min_connections(1)
        .sqlx_logging(false)
        .test_before_acquire(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(synchronous)
                .foreign_keys(true)
                .busy_timeout(STANDSTILL_MAX)
        })
        // A full disk ends a transaction inside SQLite, and the driver goes on counting it as open: whatever came next on
        // that connection would be part of something that is never committed. Such a connection is closed.
        .map_sqlx_sqlite_pool_opts(|pool| pool.before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) })));
    Database::connect(options).await
}

/// What SQLite really does, read back: a setting that was not taken up must not go unnoticed.
async fn check_sqlite(db: &DatabaseConnection, durability: Durability) -> Result<(), DbErr> {
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

/// Connects in the schema and with the rights of an area; without one, as whoever the URL names.
async fn postgres(url: &str, area: Option<Area>, synchronous_commit: &str, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    let standstill = STANDSTILL_MAX.as_millis().to_string();
    let mut settings = vec![
        ("default_transaction_isolation", "read committed".to_owned()),
        // Said by the client, so that a later change of the server's configuration does not take it away.
        ("synchronous_commit", synchronous_commit.to_owned()),
    ];
    if let Some(area) = area {
        settings.extend([
            ("search_path", area.name().to_owned()),
            ("role", role(area)),
            ("lock_timeout", standstill.clone()),
            ("idle_in_transaction_session_timeout", standstill),
        ]);
    }
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(CONNECT_PATIENCE)
        .sqlx_logging(false)
        .test_before_acquire(false)
        .test_before_acquire_if_idle_for(Duration::from_secs(1))
        .map_sqlx_postgres_opts(move |postgres| postgres.application_name("vigia").options(settings.clone()));
    Database::connect(options).await
}

/// The role with whose rights a service works.
fn role(area: Area) -> String {
    format!("vigia_{area}")
}

/// Refuses a server that loses acknowledged changes; else says what `synchronous_commit` is to be.
async fn durable(url: &str) -> Result<String, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).acquire_timeout(CONNECT_PATIENCE).sqlx_logging(false);
    let db = Database::connect(options).await?;
    let mut synchronous_commit = String::new();
    for (name, wanted) in [
        ("fsync", &["on"][..]),
        ("full_page_writes", &["on"]),
        ("synchronous_commit", &["on", "remote_apply"]),
        // A standby is not read for a decision.
        ("in_hot_standby", &["off"]),
    ] {
        let found = show(&db, name).await?;
        if !wanted.contains(&found.as_str()) {
            return Err(DbErr::Custom(format!(
                "PostgreSQL runs with {name}={found}, not {}: refusing to start, since acknowledged changes could be lost",
                wanted.join(" or ")
            )));
        }
        if name == "synchronous_commit" {
            synchronous_commit = found;
        }
    }
    db.close().await?;
    Ok(synchronous_commit)
}

async fn show(db: &DatabaseConnection, name: &str) -> Result<String, DbErr> {
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), format!("SHOW {name}")))
        .await?;
    row.ok_or_else(|| DbErr::Custom(format!("PostgreSQL does not tell its {name}")))?
        .try_get_by_index(0)
}

/// Makes schema, tables and role of an area in a PostgreSQL database, or brings them up to date. The URL's user must be
/// allowed to: it owns the tables, the service's role only uses them, and can't change what the journal holds.
pub async fn migrate_postgres(area: Area, url: &str) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(CONNECT_PATIENCE)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |postgres| postgres.options([("search_path", area.name())]));
    let db = Database::connect(options).await?;
    db.execute_unprepared(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).await?;
    if let Schema::Newer(names) = vigia_migrations::check(&db, area.name()).await? {
        return Err(newer(area, &names));
    }
    let role = role(area);
    // Roles belong to the whole server: another database may make the same one at this moment.
    db.execute_unprepared(&format!(
        "CREATE SCHEMA IF NOT EXISTS {area};
         DO $$ BEGIN
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         DO $$ BEGIN
           IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN GRANT {role} TO CURRENT_USER; END IF;
         EXCEPTION WHEN unique_violation THEN NULL; END $$;"
    ))
    .await?;
    vigia_migrations::migrate(&db, area.name()).await?;
    db.execute_unprepared(&order_by_bytes(area)).await?;
    db.execute_unprepared(&format!(
        "GRANT USAGE ON SCHEMA {area} TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {area} TO {role};
         REVOKE UPDATE, DELETE ON journal_entry, journal_origin FROM {role};
         REVOKE INSERT, UPDATE, DELETE ON seaql_migrations FROM {role};"
    ))
    .await?;
    db.close().await
}

/// Names are ordered by their bytes, as SQLite and Rust do it, whatever the database's language is.
fn order_by_bytes(area: Area) -> String {
    format!(
        "DO $$ DECLARE c record; BEGIN
           FOR c IN SELECT table_name, column_name, data_type FROM information_schema.columns
             WHERE table_schema = '{area}' AND table_name <> 'seaql_migrations'
               AND data_type IN ('character varying', 'text') AND collation_name IS DISTINCT FROM 'C'
           LOOP
             EXECUTE format('ALTER TABLE %I ALTER COLUMN %I TYPE %s COLLATE \"C\"', c.table_name, c.column_name, c.data_type);
           END LOOP;
         END $$;"
    )
}
