//! Many rows by few statements.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, sea_query::ArrayType, sea_query::Value};

/// Rows of one statement at most on SQLite, where each number of rows is a statement of its own: powers of two up to this
/// one, so that there are few of them and all stay prepared.
const ROWS_MAX: usize = 32;

/// A column and what it holds.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    /// A whole number of 64 bits.
    Integer(&'static str),
    /// A whole number of 32 bits.
    Small(&'static str),
    /// A text.
    Text(&'static str),
    /// Bytes.
    Bytes(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        let (Self::Integer(name) | Self::Small(name) | Self::Text(name) | Self::Bytes(name)) = self;
        name
    }

    fn array(self) -> (ArrayType, &'static str) {
        match self {
            Self::Integer(_) => (ArrayType::BigInt, "bigint[]"),
            Self::Small(_) => (ArrayType::Int, "integer[]"),
            Self::Text(_) => (ArrayType::String, "text[]"),
            Self::Bytes(_) => (ArrayType::Bytes, "bytea[]"),
        }
    }
}

/// Inserts rows whose values stand in the order of the columns.
pub(super) async fn insert(db: &impl ConnectionTrait, table: &str, columns: &[Column], rows: Vec<Vec<Value>>) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    let into = format!("INSERT INTO {table} ({})", names.join(", "));
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        // One array for each column: the same statement for any number of rows.
        let mut arrays: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            for (array, value) in arrays.iter_mut().zip(row) {
                array.push(value);
            }
        }
        let types = columns
            .iter()
            .enumerate()
            .map(|(i, column)| format!("${}::{}", i + 1, column.array().1));
        let sql = format!("{into} SELECT * FROM UNNEST({})", types.collect::<Vec<_>>().join(", "));
        let values = columns
            .iter()
            .zip(arrays)
            .map(|(column, array)| Value::Array(column.array().0, Some(Box::new(array))));
        db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
        return Ok(());
    }
    let one = format!("({})", vec!["?"; columns.len()].join(", "));
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let count = 1 << rows.len().min(ROWS_MAX).ilog2();
        let sql = format!("{into} VALUES {}", vec![one.as_str(); count].join(", "));
        let values: Vec<Value> = rows.by_ref().take(count).flatten().collect();
        db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    }
    Ok(())
}
