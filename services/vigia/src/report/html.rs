//! A report as one HTML page that needs nothing else: style and charts stand in it, and its own policy forbids it to fetch
//! anything. Every text is escaped where it is written.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    chart,
    document::{Document, Section, Table},
};
use crate::lang::Lang;

const STYLE: &str = include_str!("style.css");
/// Nothing is fetched, run or sent, whatever a text may have smuggled in.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page.
pub fn page(document: &Document) -> String {
    let contents = if document.lang == Lang::Es { "Contenido" } else { "Contents" };
    let page = html! {
        (DOCTYPE)
        html lang=(document.lang.code()) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="referrer" content="no-referrer";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (document.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (document.title) }
                    @for warning in &document.warnings { p.warning role="note" { (warning) } }
                    dl { @for (name, value) in &document.head { dt { (name) } dd { (value) } } }
                }
                nav aria-label=(contents) {
                    ol { @for (place, section) in document.sections.iter().enumerate() { li { a href={ "#s" (place) } { (section.title) } } } }
                }
                main { @for (place, section) in document.sections.iter().enumerate() { (self::section(place, section)) } }
            }
        }
    };
    page.into_string()
}

fn section(place: usize, section: &Section) -> Markup {
    html! {
        section id={ "s" (place) } {
            h2 { (section.title) }
            @for text in &section.text { p { (text) } }
            @if let Some(chart) = &section.chart { figure { (chart::svg(chart, &section.title)) } }
            @for table in &section.tables { (self::table(table)) }
        }
    }
}

fn table(table: &Table) -> Markup {
    let is_number = |column: usize| table.columns.get(column).is_some_and(|(_, is_number)| *is_number);
    html! {
        table {
            caption { (table.caption) }
            thead { tr { @for (title, is_number) in &table.columns { th scope="col" class=[is_number.then_some("n")] { (title) } } } }
            tbody {
                @for row in &table.rows {
                    tr { @for (column, cell) in row.iter().enumerate() { td class=[is_number(column).then_some("n")] { (cell) } } }
                }
            }
        }
    }
}
