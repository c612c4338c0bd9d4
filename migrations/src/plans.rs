//! The tables of plans.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, binary, boolean, integer, string},
};

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(CreatePlans), Box::new(CreatePlanParts), Box::new(CreateRevisions)]
}

struct CreatePlans;

impl MigrationName for CreatePlans {
    fn name(&self) -> &'static str {
        "m2001_create_plans"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreatePlans {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("plan")
            .col(string("name").primary_key())
            .col(boolean("in_force"))
            .col(binary("definition"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"));
        manager.create_table(table).await
    }
}

struct CreatePlanParts;

impl MigrationName for CreatePlanParts {
    fn name(&self) -> &'static str {
        "m2002_create_plan_parts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreatePlanParts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("plan_part")
            .col(string("name").primary_key())
            .col(string("plan"))
            .col(string("kind"))
            .col(integer("place"))
            .col(binary("definition"));
        manager.create_table(table).await?;
        let mut index = Index::create();
        index
            .name("plan_part_in_order")
            .table("plan_part")
            .col("plan")
            .col("kind")
            .col("place");
        manager.create_index(index).await
    }
}

struct CreateRevisions;

impl MigrationName for CreateRevisions {
    fn name(&self) -> &'static str {
        "m2003_create_revisions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateRevisions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table("revision")
            .col(string("name").primary_key())
            .col(string("plan"))
            .col(integer("number"))
            .col(string("state"))
            .col(big_integer_null("acts_from"))
            .col(binary("definition"));
        manager.create_table(table).await?;
        let mut index = Index::create();
        index
            .name("revision_by_number")
            .table("revision")
            .col("plan")
            .col("number")
            .unique();
        manager.create_index(index).await
    }
}
