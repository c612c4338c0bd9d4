//! Drafts: one for each obligation, shared by those who may act on it, and never in the journal.

use prost::Message;
use sea_orm::entity::prelude::*;
use vigia_platform::Error;
use vigia_proto::reporting::Report;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "report_draft")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub obligation: String,
    pub definition: Vec<u8>,
    pub etag: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Its content.
    pub(crate) fn report(&self) -> Result<Report, Error> {
        Ok(Report::decode(self.definition.as_slice())?)
    }
}
