//! Compliance's tables: whom it told, and what; and what people wrote, which can be erased. Verdicts and alerts are never
//! stored.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, binary, integer, string, text},
};

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreateDeliveries), Box::new(CreateNotices), Box::new(CreateTexts)]
}

struct CreateDeliveries;

impl MigrationName for CreateDeliveries {
    fn name(&self) -> &'static str {
        "m5001_create_deliveries"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateDeliveries {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("delivery")
                    .col(string("name").primary_key())
                    .col(string("recipient"))
                    .col(integer("state"))
                    .col(big_integer("decided_at"))
                    .col(big_integer("send_at"))
                    .col(big_integer("next_attempt_at"))
                    .col(binary("definition"))
                    .col(text("body"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("delivery_state")
                    .table("delivery")
                    .col("state")
                    .col("next_attempt_at")
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("delivery_decided")
                    .table("delivery")
                    .col("decided_at")
                    .col("name")
                    .to_owned(),
            )
            .await
    }
}

struct CreateNotices;

impl MigrationName for CreateNotices {
    fn name(&self) -> &'static str {
        "m5002_create_notices"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateNotices {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("notice")
                    .col(string("key").primary_key())
                    .col(string("delivery"))
                    .col(binary("definition"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(Index::create().name("notice_delivery").table("notice").col("delivery").to_owned())
            .await
    }
}

struct CreateTexts;

impl MigrationName for CreateTexts {
    fn name(&self) -> &'static str {
        "m5003_create_texts"
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
