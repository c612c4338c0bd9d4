//! Fills in a workbook as a spreadsheet program does: cells of its sheets' XML, and nothing else.

use std::{
    fs::{self, File},
    io::{Cursor, Read, Write},
    path::Path,
};

use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

/// A sheet of the template.
#[derive(Clone, Copy)]
pub(crate) enum Sheet {
    /// «Reportes».
    Reports,
    /// «Indicadores».
    Indicators,
    /// «Hitos».
    Milestones,
}

/// Writes texts into cells.
pub(crate) fn fill(path: &Path, cells: &[(Sheet, &str, &str)]) {
    let mut archive = ZipArchive::new(Cursor::new(fs::read(path).unwrap())).unwrap();
    let mut writer = ZipWriter::new(File::create(path).unwrap());
    for i in 0..archive.len() {
        let mut part = archive.by_index(i).unwrap();
        let name = part.name().unwrap().into_owned();
        let mut text = String::new();
        part.read_to_string(&mut text).unwrap();
        for (sheet, cell, content) in cells {
            let part = match sheet {
                Sheet::Reports => "xl/worksheets/sheet2.xml",
                Sheet::Indicators => "xl/worksheets/sheet3.xml",
                Sheet::Milestones => "xl/worksheets/sheet4.xml",
            };
            if part == name {
                put(&mut text, cell, content);
            }
        }
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
}

fn put(text: &mut String, cell: &str, content: &str) {
    let from = text
        .find(&format!("<c r=\"{cell}\""))
        .unwrap_or_else(|| panic!("there is no {cell}"));
    let rest = &text[from..];
    let end = match (rest.find("/>"), rest.find("</c>")) {
        (Some(short), Some(long)) if long < short => long + 4,
        (Some(short), _) => short + 2,
        (None, long) => long.unwrap() + 4,
    };
    let cell = format!("<c r=\"{cell}\" t=\"inlineStr\"><is><t>{content}</t></is></c>");
    text.replace_range(from..from + end, &cell);
}
