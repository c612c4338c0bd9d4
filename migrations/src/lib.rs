//! The tables of every service. Forward only; each migration does one thing; the same ones serve SQLite and PostgreSQL.

mod assignments;
mod compliance;
mod identity;
mod plans;
mod platform;
mod reporting;

use std::collections::BTreeSet;

use sea_orm_migration::{
    MigrationTrait, MigratorTrait, SchemaManager,
    sea_orm::{DatabaseConnection, DbErr, EntityTrait},
    seaql_migrations,
};

macro_rules! migrators {
    ($($migrator:ident $area:ident)*) => {$(
        struct $migrator;

        impl MigratorTrait for $migrator {
            fn migrations() -> Vec<Box<dyn MigrationTrait>> {
                let mut all = platform::migrations();
                all.extend($area::migrations());
                all
            }
        }
    )*};
}
migrators!(Identity identity Plans plans Assignments assignments Reporting reporting Compliance compliance);

/// Brings the tables of an area up to date.
pub async fn migrate(db: &DatabaseConnection, area: &str) -> Result<(), DbErr> {
    match area {
        "identity" => Identity::up(db, None).await,
        "plans" => Plans::up(db, None).await,
        "assignments" => Assignments::up(db, None).await,
        "reporting" => Reporting::up(db, None).await,
        "compliance" => Compliance::up(db, None).await,
        _ => Err(DbErr::Custom(format!("there is no area {area}"))),
    }
}

/// How a database's tables stand to the migrations of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// They are those that this program knows.
    Current,
    /// These migrations were never applied: the database is older, or empty.
    Older(Vec<String>),
    /// These were applied, and this program does not know them: the database is newer.
    Newer(Vec<String>),
}

/// Compares the tables of an area with this program, and changes nothing.
pub async fn check(db: &DatabaseConnection, area: &str) -> Result<Schema, DbErr> {
    let known: Vec<String> = match area {
        "identity" => names::<Identity>(),
        "plans" => names::<Plans>(),
        "assignments" => names::<Assignments>(),
        "reporting" => names::<Reporting>(),
        "compliance" => names::<Compliance>(),
        _ => return Err(DbErr::Custom(format!("there is no area {area}"))),
    };
    let applied = if SchemaManager::new(db).has_table("seaql_migrations").await? {
        seaql_migrations::Entity::find().all(db).await?
    } else {
        Vec::new()
    };
    let applied: BTreeSet<String> = applied.into_iter().map(|migration| migration.version).collect();
    let newer: Vec<String> = applied.iter().filter(|name| !known.contains(name)).cloned().collect();
    let older: Vec<String> = known.into_iter().filter(|name| !applied.contains(name)).collect();
    // What is unknown is told first: a program that lacks it can't judge the rest.
    Ok(match (newer.is_empty(), older.is_empty()) {
        (false, _) => Schema::Newer(newer),
        (true, false) => Schema::Older(older),
        (true, true) => Schema::Current,
    })
}

fn names<M: MigratorTrait>() -> Vec<String> {
    M::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}
