//! Reporting's tables. Obligations, reviews, extensions and waivers have none: they follow from the journals.

use sea_orm_migration::{
    MigrationTrait,
    prelude::*,
    schema::{big_integer, binary, integer, string},
};

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreateReports), Box::new(CreateEvidence)]
}

struct CreateReports;

impl MigrationName for CreateReports {
    fn name(&self) -> &'static str {
        "m4001_create_reports"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateReports {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let draft = Table::create()
            .table("report_draft")
            .col(string("obligation").primary_key())
            .col(binary("definition"))
            .col(string("etag"))
            .to_owned();
        manager.create_table(draft).await?;
        manager
            .create_table(
                Table::create()
                    .table("report")
                    .col(string("name").primary_key())
                    .col(string("obligation"))
                    .col(integer("version"))
                    .col(binary("definition"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("report_obligation")
                    .table("report")
                    .col("obligation")
                    .col("version")
                    .unique()
                    .to_owned(),
            )
            .await
    }
}

struct CreateEvidence;

impl MigrationName for CreateEvidence {
    fn name(&self) -> &'static str {
        "m4002_create_evidence"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateEvidence {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("evidence")
                    .col(string("institution"))
                    .col(string("digest"))
                    .col(big_integer("size_bytes"))
                    .col(string("media_type"))
                    .col(string("traces"))
                    .col(big_integer("stored_at"))
                    .primary_key(Index::create().col("institution").col("digest"))
                    .to_owned(),
            )
            .await
    }
}
