//! The tables of every service. Forward only; each migration does one thing; the same ones serve SQLite and PostgreSQL.

mod assignments;
mod compliance;
mod identity;
mod plans;
mod platform;
mod reporting;

use sea_orm_migration::{
    MigrationTrait, MigratorTrait,
    sea_orm::{DatabaseConnection, DbErr},
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
