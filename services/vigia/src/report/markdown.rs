//! A report as Markdown (CommonMark with the tables of GFM). Charts are left out: their numbers stand in the tables.

use std::fmt::Write as _;

use super::document::{Document, Table};

/// The text.
pub fn text(document: &Document) -> String {
    let mut lines = format!("# {}\n\n", plain(&document.title));
    for warning in &document.warnings {
        // A `String` takes whatever is written to it.
        let _ = write!(lines, "> **{}**\n\n", plain(warning));
    }
    for (name, value) in &document.head {
        let _ = writeln!(lines, "- {}: {}", plain(name), plain(value));
    }
    for section in &document.sections {
        let _ = write!(lines, "\n## {}\n", plain(&section.title));
        for text in &section.text {
            let _ = write!(lines, "\n{}\n", plain(text));
        }
        for table in &section.tables {
            lines += &self::table(table);
        }
    }
    lines
}

fn table(table: &Table) -> String {
    let row = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let mut lines = format!("\n{}:\n\n", plain(&table.caption));
    lines += &row(&mut table.columns.iter().map(|(title, _)| plain(title)));
    lines += &row(&mut table
        .columns
        .iter()
        .map(|(_, is_number)| if *is_number { "---:" } else { "---" }.to_owned()));
    for cells in &table.rows {
        lines += &row(&mut cells.iter().map(|cell| plain(cell)));
    }
    lines
}

/// A text in which nothing is markup, on one line: no heading, link, image or HTML comes of what somebody typed.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            // `@` and `://` would make links of addresses by themselves.
            ':' if rest.peek() == Some(&'/') => plain.push_str("\\:"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '&' | '@' | '$' | '^' | '=' => {
                plain.push('\\');
                plain.push(c);
            }
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_no_markup() {
        let check = |text: &str, expect: &str| assert_eq!(plain(text), expect);
        check("a|b\nc", r"a\|b c");
        check("[x](http://evil) <b> a_b", r"\[x\](http\://evil) \<b\> a\_b");
        check("Prevención: 41,2 %", "Prevención: 41,2 %");
    }
}
