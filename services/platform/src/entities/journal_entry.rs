//! The journal: one row for each entry.
#![expect(unreachable_pub, reason = "sea-orm derives public types; the module keeps them in")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journal_entry")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub time: i64,
    pub caller: String,
    pub permission: String,
    pub method: String,
    pub call_id: String,
    pub resource: String,
    pub event_type: String,
    pub event: Vec<u8>,
    pub salt: Vec<u8>,
    pub leaf_hash: Vec<u8>,
    pub institution: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
