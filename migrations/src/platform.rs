//! The tables that every service has: its journal, the answers to calls, who does what is done once at a time, and when it
//! was last alive.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, binary, string, text},
};

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(CreateJournal),
        Box::new(CreateJournalHead),
        Box::new(FillJournalHead),
        Box::new(CreateLease),
        Box::new(CreateAlive),
    ]
}

struct CreateJournal;

impl MigrationName for CreateJournal {
    fn name(&self) -> &'static str {
        "m0001_create_journal"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateJournal {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("journal_entry")
                    .col(big_integer("position").primary_key())
                    .col(big_integer("time"))
                    .col(string("caller"))
                    .col(string("permission"))
                    .col(string("method"))
                    .col(string("call_id"))
                    .col(string("resource"))
                    .col(string("event_type"))
                    .col(binary("event"))
                    .col(binary("salt"))
                    .col(binary("leaf_hash"))
                    .col(string("institution"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("journal_entry_resource")
                    .table("journal_entry")
                    .col("resource")
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("journal_origin")
                    .col(big_integer("epoch").primary_key())
                    .col(string("origin"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("idempotency")
                    .col(text("key").primary_key())
                    .col(binary("request_hash"))
                    .col(binary("answer"))
                    .col(big_integer("position"))
                    .col(big_integer("time"))
                    .to_owned(),
            )
            .await
    }
}

struct CreateJournalHead;

impl MigrationName for CreateJournalHead {
    fn name(&self) -> &'static str {
        "m0002_create_journal_head"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateJournalHead {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("journal_head")
                    .col(big_integer("id").primary_key())
                    .col(big_integer("position"))
                    .col(big_integer("time"))
                    .to_owned(),
            )
            .await
    }
}

struct FillJournalHead;

impl MigrationName for FillJournalHead {
    fn name(&self) -> &'static str {
        "m0003_fill_journal_head"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FillJournalHead {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // An empty journal begins at 1970: every clock is later.
        let fill = "INSERT INTO journal_head (id, position, time) \
                    SELECT 1, COALESCE(MAX(position), 0), COALESCE(MAX(time), 0) FROM journal_entry";
        manager.get_connection().execute_unprepared(fill).await?;
        Ok(())
    }
}

struct CreateLease;

impl MigrationName for CreateLease {
    fn name(&self) -> &'static str {
        "m0004_create_lease"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateLease {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("lease")
                    .col(string("name").primary_key())
                    .col(string("holder"))
                    .col(big_integer("fence"))
                    .col(big_integer("expires_at"))
                    .to_owned(),
            )
            .await
    }
}

struct CreateAlive;

impl MigrationName for CreateAlive {
    fn name(&self) -> &'static str {
        "m0005_create_alive"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateAlive {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("alive")
                    .col(big_integer("id").primary_key())
                    .col(big_integer("time"))
                    .to_owned(),
            )
            .await
    }
}
