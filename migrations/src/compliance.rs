//! Compliance's tables. What it records stands in its journal; only what can be erased has a table of its own.

use sea_orm_migration::{
    MigrationTrait,
    prelude::*,
    schema::{binary, string},
};

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreateTexts)]
}

struct CreateTexts;

impl MigrationName for CreateTexts {
    fn name(&self) -> &'static str {
        "m5001_create_texts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTexts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("text")
            .col(string("name").primary_key())
            .col(binary("salt"))
            .col(binary("texts"));
        manager.create_table(table).await
    }
}
