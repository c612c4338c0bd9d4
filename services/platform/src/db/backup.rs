//! Copies of SQLite databases that are in use.

use std::path::Path;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr, Statement, sqlx::sqlite::SqliteSynchronous};

use super::connect::file;
use crate::Area;

/// Writes a copy of an area's database, as it is at one instant, into a directory in which there is none yet. Services go
/// on reading and writing meanwhile.
pub async fn copy_database(area: Area, from: &Path, to: &Path) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rw", file(area, from).display()));
    options
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| sqlite.synchronous(SqliteSynchronous::Full));
    let db = Database::connect(options).await?;
    let to = file(area, to);
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "VACUUM INTO $1",
        [to.to_string_lossy().into_owned().into()],
    );
    let copied = db.execute_raw(statement).await;
    db.close().await?;
    copied?;
    // SQLite does not wait until the copy is on the disk.
    let synced = tokio::fs::File::open(&to).await;
    match synced {
        Ok(file) => file.sync_all().await,
        Err(cause) => Err(cause),
    }
    .map_err(|cause| DbErr::Custom(format!("{}: {cause}", to.display())))
}
