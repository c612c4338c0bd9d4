//! Messages that were decided; `definition` is the message of the contract, without its notices.
#![expect(unreachable_pub, reason = "sea-orm derives public types; the module keeps them in")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub recipient: String,
    pub state: i32,
    /// Domain time, in microseconds.
    pub decided_at: i64,
    /// Domain time, in microseconds.
    pub send_at: i64,
    /// Machine time, in microseconds.
    pub next_attempt_at: i64,
    pub definition: Vec<u8>,
    /// What is sent, once it is fixed: the same at each attempt. Not in the journal.
    pub body: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
