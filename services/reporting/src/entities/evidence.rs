//! Evidence that an institution has uploaded to the end. Two may have uploaded the same bytes: neither learns of it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "evidence")]
pub struct Model {
    /// As resource name; empty for the governing body.
    #[sea_orm(primary_key, auto_increment = false)]
    pub institution: String,
    /// SHA-256, in hexadecimal digits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: String,
    pub size_bytes: i64,
    pub media_type: String,
    /// What in its metadata could identify a person, with spaces between.
    pub traces: String,
    /// In microseconds since 1970.
    pub stored_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
