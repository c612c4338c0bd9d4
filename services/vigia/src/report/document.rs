//! What a report says, before it is HTML or Markdown: sections with texts, tables and charts. A chart never comes
//! without the table of its numbers: not everybody can see it, and numbers can be checked.

use super::chart::Chart;
use crate::lang::Lang;

/// A report in one language.
#[derive(Clone, Debug)]
pub struct Document {
    /// The language.
    pub lang: Lang,
    /// Its title.
    pub title: String,
    /// What stands under the title: name and value.
    pub head: Vec<(String, String)>,
    /// What must be known before anything is read: that it is simulated, that it is illustrative.
    pub warnings: Vec<String>,
    /// What it says.
    pub sections: Vec<Section>,
}

/// A part with a heading.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// Paragraphs before the table.
    pub text: Vec<String>,
    /// A chart, with its numbers in `tables`.
    pub chart: Option<Chart>,
    /// Tables.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What it shows, in a few words.
    pub caption: String,
    /// Headings; whether the column holds numbers.
    pub columns: Vec<(String, bool)>,
    /// Its cells, as many in each row as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// With its headings; those that begin with `#` head columns of numbers.
    pub fn new(caption: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|title| match title.strip_prefix('#') {
            Some(title) => (title.to_owned(), true),
            None => ((*title).to_owned(), false),
        });
        Self {
            caption: caption.to_owned(),
            columns: columns.collect(),
            rows: Vec::new(),
        }
    }

    /// With these rows.
    #[must_use]
    pub fn with(mut self, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.rows.extend(rows);
        self
    }
}
