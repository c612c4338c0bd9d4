//! Many rows by few statements.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, Statement,
    sea_query::{ArrayType, Value},
};

use super::head::{Head, advance};
use crate::clock::micros;

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

/// Rows of one table, whose values stand in the order of the columns.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) table: &'static str,
    pub(super) columns: &'static [Column],
    pub(super) values: Vec<Vec<Value>>,
}

/// Inserts all of them and moves the head on: by a single statement on PostgreSQL, since each costs a journey there and
/// back.
pub(super) async fn insert(db: &impl ConnectionTrait, all: Vec<Rows>, head: Head) -> Result<(), DbErr> {
    let all = all.into_iter().filter(|rows| !rows.values.is_empty());
    if db.get_database_backend() == DbBackend::Postgres {
        return insert_at_once(db, all, head).await;
    }
    for rows in all {
        insert_in_parts(db, rows).await?;
    }
    advance(db, head).await
}

async fn insert_at_once(db: &impl ConnectionTrait, all: impl Iterator<Item = Rows>, head: Head) -> Result<(), DbErr> {
    let (mut parts, mut parameters) = (Vec::new(), Vec::<Value>::new());
    for Rows { table, columns, values } in all {
        // One array for each column: the same statement for any number of rows.
        let mut arrays: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(values.len())).collect();
        for row in values {
            for (array, value) in arrays.iter_mut().zip(row) {
                array.push(value);
            }
        }
        let first = parameters.len() + 1;
        let types = columns
            .iter()
            .enumerate()
            .map(|(i, column)| format!("${}::{}", first + i, column.array().1));
        let types = types.collect::<Vec<_>>().join(", ");
        parts.push(format!("{table}_rows AS ({} SELECT * FROM UNNEST({types}))", into(table, columns)));
        let arrays = columns.iter().zip(arrays);
        parameters.extend(arrays.map(|(column, array)| Value::Array(column.array().0, Some(Box::new(array)))));
    }
    let with = if parts.is_empty() {
        String::new()
    } else {
        format!("WITH {} ", parts.join(", "))
    };
    let (position, time) = (parameters.len() + 1, parameters.len() + 2);
    parameters.extend([head.position.into(), micros(head.time).into()]);
    let sql = format!("{with}UPDATE journal_head SET position = ${position}, time = ${time} WHERE id = 1");
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, parameters))
        .await?;
    Ok(())
}

async fn insert_in_parts(db: &impl ConnectionTrait, Rows { table, columns, values }: Rows) -> Result<(), DbErr> {
    let one = format!("({})", vec!["?"; columns.len()].join(", "));
    let mut rows = values.into_iter();
    while rows.len() > 0 {
        let count = 1 << rows.len().min(ROWS_MAX).ilog2();
        let sql = format!("{} VALUES {}", into(table, columns), vec![one.as_str(); count].join(", "));
        let values: Vec<Value> = rows.by_ref().take(count).flatten().collect();
        db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values))
            .await?;
    }
    Ok(())
}

fn into(table: &str, columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    format!("INSERT INTO {table} ({})", names.join(", "))
}
