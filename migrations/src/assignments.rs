//! Assignments' tables: institutions, who took over from whom, territories, and who answers for what.

use sea_orm_migration::{
    prelude::*,
    schema::{binary, integer, string},
};

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(CreateInstitutions),
        Box::new(CreateSuccessions),
        Box::new(CreateTerritories),
        Box::new(CreateAssignments),
        Box::new(CreateAgreements),
    ]
}

struct CreateInstitutions;

impl MigrationName for CreateInstitutions {
    fn name(&self) -> &'static str {
        "m3001_create_institutions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateInstitutions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("institution")
                    .col(string("name").primary_key())
                    .col(string("parent"))
                    .col(binary("definition"))
                    .col(string("etag"))
                    .to_owned(),
            )
            .await
    }
}

struct CreateSuccessions;

impl MigrationName for CreateSuccessions {
    fn name(&self) -> &'static str {
        "m3002_create_successions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateSuccessions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("succession")
                    // The day first, so that the order of the key is that of the days.
                    .col(string("key").primary_key())
                    .col(binary("definition"))
                    .to_owned(),
            )
            .await
    }
}

struct CreateTerritories;

impl MigrationName for CreateTerritories {
    fn name(&self) -> &'static str {
        "m3003_create_territories"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTerritories {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("territory")
                    .col(string("name").primary_key())
                    .col(binary("definition"))
                    .to_owned(),
            )
            .await
    }
}

struct CreateAssignments;

impl MigrationName for CreateAssignments {
    fn name(&self) -> &'static str {
        "m3004_create_assignments"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateAssignments {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("assignment")
                    .col(string("name").primary_key())
                    .col(string("plan"))
                    .col(string("action"))
                    .col(string("institution"))
                    .col(string("territory"))
                    .col(integer("state"))
                    .col(binary("definition"))
                    .col(string("etag"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("assignment_institution")
                    .table("assignment")
                    .col("institution")
                    .col("name")
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("assignment_plan")
                    .table("assignment")
                    .col("plan")
                    .col("name")
                    .to_owned(),
            )
            .await
    }
}

struct CreateAgreements;

impl MigrationName for CreateAgreements {
    fn name(&self) -> &'static str {
        "m3005_create_agreements"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateAgreements {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("agreement")
                    .col(string("name").primary_key())
                    .col(string("plan"))
                    .col(string("institution"))
                    .col(string("counterpart"))
                    .col(binary("definition"))
                    .to_owned(),
            )
            .await
    }
}
