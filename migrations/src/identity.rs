//! Identity's tables.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, binary, boolean, string},
};

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreatePrincipals)]
}

struct CreatePrincipals;

impl MigrationName for CreatePrincipals {
    fn name(&self) -> &'static str {
        "m1001_create_principals"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreatePrincipals {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("principal")
                    .col(string("name").primary_key())
                    .col(string("display_name"))
                    .col(boolean("disabled"))
                    .col(string("password_hash"))
                    .col(binary("definition"))
                    .col(string("etag"))
                    .col(big_integer("created_at"))
                    .to_owned(),
            )
            .await
    }
}
