//! Stored answers, which are kept for 400 days: what is erased elsewhere must not be told by them either.

use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::{Change, Db};
use crate::{caller::Caller, entities::idempotency, error::Error};

/// The name of a stored answer.
#[derive(Clone, Debug)]
pub struct StoredAnswer(String);

impl Db {
    /// The stored answers that hold a text, such as a resource's name. It reads all of them, and holds nobody up.
    pub async fn answers_holding(&self, caller: &Caller, text: &str) -> Result<Vec<StoredAnswer>, Error> {
        let db = self.read(caller);
        let holds = match db.get_database_backend() {
            DbBackend::Postgres => "position($1 in answer) > 0",
            _ => "instr(answer, ?) > 0",
        };
        let keys: Vec<String> = idempotency::Entity::find()
            .select_only()
            .column(idempotency::Column::Key)
            .filter(Expr::cust_with_values(holds, [text.as_bytes().to_vec()]))
            .into_tuple()
            .all(db)
            .await?;
        Ok(keys.into_iter().map(StoredAnswer).collect())
    }
}

impl Change {
    /// Rewrites stored answers: whoever repeats one of these calls gets what `rewrite` makes of its answer. None leaves it.
    pub async fn rewrite_answers(&self, answers: &[StoredAnswer], rewrite: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<(), Error> {
        for StoredAnswer(key) in answers {
            let stored = idempotency::Entity::find_by_id(key.as_str()).one(self.tx()).await?;
            let Some(answer) = stored.and_then(|stored| rewrite(&stored.answer)) else {
                continue;
            };
            idempotency::Entity::update_many()
                .col_expr(idempotency::Column::Answer, Expr::value(answer))
                .filter(idempotency::Column::Key.eq(key.as_str()))
                .exec(self.tx())
                .await?;
        }
        Ok(())
    }
}
