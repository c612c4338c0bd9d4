//! Databases on a PostgreSQL server that last as long as a run of scenarios.

use std::sync::atomic::{AtomicUsize, Ordering};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr, Statement};

use super::connect::{CONNECT_PATIENCE, migrate_postgres};
use crate::Area;

/// Databases that are made beside the one that a URL names, and dropped again.
#[derive(Debug)]
pub struct ScratchDatabases {
    server: String,
    prefix: String,
    made: AtomicUsize,
}

impl ScratchDatabases {
    /// On the server of that URL, whose user may make databases.
    pub fn on(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            prefix: format!("vigia_scratch_{}", crate::name::new_id().replace('-', "_")),
            made: AtomicUsize::new(0),
        }
    }

    /// An empty one with all tables. Answers with its URL.
    pub async fn make(&self) -> Result<String, DbErr> {
        let url = self.create("").await?;
        for area in Area::ALL {
            migrate_postgres(area, &url).await?;
        }
        Ok(url)
    }

    /// A copy of one, whose connections are all closed. Answers with its URL.
    pub async fn copy(&self, url: &str) -> Result<String, DbErr> {
        let name = database_of(url).ok_or_else(|| DbErr::Custom("the URL names no database".to_owned()))?;
        self.create(&format!("TEMPLATE {name}")).await
    }

    async fn create(&self, template: &str) -> Result<String, DbErr> {
        let name = format!("{}_{}", self.prefix, self.made.fetch_add(1, Ordering::Relaxed));
        self.execute(&[format!("CREATE DATABASE {name} {template}")]).await?;
        with_database(&self.server, &name)
    }

    /// Closes what is still connected to one, and keeps others from connecting.
    pub async fn close(&self, url: &str) -> Result<(), DbErr> {
        let name = database_of(url).ok_or_else(|| DbErr::Custom("the URL names no database".to_owned()))?;
        self.execute(&[
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
            format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"),
        ])
        .await
    }

    /// Drops all that were made, whoever is still connected.
    pub async fn drop_all(&self) -> Result<(), DbErr> {
        let made = 0..self.made.load(Ordering::Relaxed);
        let drop = made.map(|n| format!("DROP DATABASE IF EXISTS {}_{n} WITH (FORCE)", self.prefix));
        self.execute(&drop.collect::<Vec<_>>()).await
    }

    async fn execute(&self, statements: &[String]) -> Result<(), DbErr> {
        let mut options = ConnectOptions::new(&self.server);
        options.max_connections(1).acquire_timeout(CONNECT_PATIENCE).sqlx_logging(false);
        let db = Database::connect(options).await?;
        for sql in statements {
            // Each by itself: databases are not made in a transaction.
            db.query_all_raw(Statement::from_string(db.get_database_backend(), sql.as_str()))
                .await?;
        }
        db.close().await
    }
}

fn database_of(url: &str) -> Option<&str> {
    let address = url.split('?').next()?.strip_prefix("postgres://")?;
    address.split_once('/').map(|(_, name)| name)
}

fn with_database(url: &str, name: &str) -> Result<String, DbErr> {
    let old = database_of(url).ok_or_else(|| DbErr::Custom("the URL names no database".to_owned()))?;
    let at = "postgres://".len() + url["postgres://".len()..].find('/').unwrap_or(0) + 1;
    Ok(format!("{}{name}{}", &url[..at], &url[at + old.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_pointed_at_another_database() {
        for (url, expect) in [
            ("postgres://u@h:1/a?host=%2Ftmp", Some("postgres://u@h:1/b?host=%2Ftmp")),
            ("postgres://u:p@h/a", Some("postgres://u:p@h/b")),
            ("postgres://h", None),
            ("mysql://h/a", None),
        ] {
            assert_eq!(with_database(url, "b").ok().as_deref(), expect, "{url}");
        }
    }
}
