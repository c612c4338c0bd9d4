//! Accounts and clients: one row each. `definition` is the `Account` or `Client` of the contract.
#![expect(unreachable_pub, reason = "sea-orm derives public types; the module keeps them in")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "principal")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub display_name: String,
    pub disabled: bool,
    pub password_hash: String,
    pub definition: Vec<u8>,
    pub etag: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
