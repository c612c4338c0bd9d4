//! Word, Excel and OpenDocument files: archives of XML. What names somebody is blanked or taken out; every other file of
//! the archive is copied as it is, byte for byte.

use std::{
    collections::BTreeSet,
    io::{Cursor, Read, Write},
};

use quick_xml::{
    Reader, Writer,
    events::{BytesStart, Event, attributes::Attribute},
};
use zip::{CompressionMethod, ZipArchive, ZipWriter, read::ZipFile, write::SimpleFileOptions};

use super::{Clean, Removed, Stays, Uncleanable, picture, signed};

/// Bytes of a file of the archive, unpacked, that is looked into at most.
const PART_BYTES_MAX: u64 = 64 << 20;

/// Elements whose text is somebody's name.
const AUTHORS: [&str; 6] = [
    "dc:creator",
    "cp:lastModifiedBy",
    "Manager",
    "meta:initial-creator",
    "meta:printed-by",
    "author",
];

/// Elements of a document's properties whose text says what it is about or where it comes from, without their prefix.
const PROPERTIES: [&str; 18] = [
    "title",
    "subject",
    "keywords",
    "keyword",
    "description",
    "category",
    "contentStatus",
    "contributor",
    "publisher",
    "source",
    "rights",
    "coverage",
    "relation",
    "identifier",
    "user-defined",
    "Company",
    "HyperlinkBase",
    "Template",
];

/// Comments within a text, and the elements by which a text points to comments that stand elsewhere.
const COMMENTS: [&str; 5] = [
    "w:commentRangeStart",
    "w:commentRangeEnd",
    "w:commentReference",
    "office:annotation",
    "office:annotation-end",
];

/// Who made a change, where a name must stand.
const SOMEBODY: &str = "Autor";

pub(super) fn clean(bytes: &[u8]) -> Result<Clean, Uncleanable> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| Uncleanable::Broken)?;
    let names: Vec<String> = (0..archive.len())
        .map(|place| {
            archive
                .by_index_raw(place)
                .ok()
                .and_then(|file| file.name().ok().map(|name| name.to_string()))
        })
        .collect::<Option<_>>()
        .ok_or(Uncleanable::Broken)?;
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if !has("[Content_Types].xml") && !has("mimetype") {
        // No document: the server says so.
        return Ok(Clean::default());
    }
    let (mut removed, mut stays) = (BTreeSet::new(), BTreeSet::new());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (place, name) in names.iter().enumerate() {
        if let Some(gone) = left_out_whole(name) {
            removed.insert(gone);
            continue;
        }
        let raw = || Uncleanable::Broken;
        let part = match Kind::of(name) {
            Kind::Other => None,
            kind => {
                let file = archive.by_index(place).map_err(|_| raw())?;
                let unpacked = unpacked(file)?;
                stays.extend(staying(name, &unpacked));
                edited(kind, name, &unpacked, &mut removed)?
            }
        };
        let file = archive.by_index_raw(place).map_err(|_| raw())?;
        match part {
            None => writer.raw_copy_file(file).map_err(|_| raw())?,
            Some(part) => {
                let options = SimpleFileOptions::default()
                    .compression_method(CompressionMethod::Deflated)
                    .last_modified_time(file.last_modified().unwrap_or_default());
                drop(file);
                writer.start_file(name.as_str(), options).map_err(|_| raw())?;
                writer.write_all(&part).map_err(|_| raw())?;
            }
        }
    }
    let is_signed = names
        .iter()
        .any(|name| name.starts_with("_xmlsignatures/") || name == "META-INF/documentsignatures.xml");
    if is_signed && !removed.is_empty() {
        return signed(&removed, stays);
    }
    let cleaned = writer.finish().map_err(|_| Uncleanable::Broken)?;
    Ok(Clean {
        bytes: cleaned.into_inner(),
        removed,
        stays,
    })
}

/// Files that go wholly: comments, the names of who made them, and properties that somebody has made up.
fn left_out_whole(name: &str) -> Option<Removed> {
    if name == "docProps/custom.xml" {
        return Some(Removed::Properties);
    }
    let within = |folder: &str, begins: &[&str]| {
        name.strip_prefix(folder)
            .is_some_and(|file| begins.iter().any(|begin| file.starts_with(begin)) && !file.contains('/'))
    };
    let is_of_comments = within("word/", &["comments", "people"]) || within("xl/persons/", &[""]) || within("xl/threadedComments/", &[""]);
    is_of_comments.then_some(Removed::Comments)
}

/// A file of a sheet's comments. It stays, empty of text: the sheet's drawing has a box for each of them.
fn is_of_cells(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    name.starts_with("xl/") && file.starts_with("comment")
}

/// A file of the document's properties.
fn is_of_properties(name: &str) -> bool {
    matches!(name, "docProps/core.xml" | "docProps/app.xml" | "meta.xml") || name.ends_with(".psmdcp")
}

/// What stays in a part and is not seen at once.
fn staying(name: &str, part: &[u8]) -> BTreeSet<Stays> {
    let has = |word: &str| memchr::memmem::find(part, word.as_bytes()).is_some();
    let mut stays = BTreeSet::new();
    match name {
        _ if name.starts_with("word/document") => {
            stays.extend(has("<w:delText").then_some(Stays::Deleted));
            stays.extend(has("<w:vanish/>").then_some(Stays::HiddenText));
        }
        "xl/workbook.xml" => stays.extend(hidden_sheets(part)),
        "content.xml" => {
            stays.extend(has("<text:deletion").then_some(Stays::Deleted));
            stays.extend(has("text:display=\"none\"").then_some(Stays::HiddenText));
            // Large sheets have none, and are not worth reading twice.
            if has("table:display=\"false\"") {
                stays.extend(hidden_sheets(part));
            }
        }
        _ => {}
    }
    stays
}

/// The hidden sheets of a workbook: in Excel's by their state, in OpenDocument by a style that is not displayed.
fn hidden_sheets(workbook: &[u8]) -> Vec<Stays> {
    let (mut hidden, mut style, mut undisplayed) = (Vec::new(), String::new(), BTreeSet::new());
    let mut reader = Reader::from_str(std::str::from_utf8(workbook).unwrap_or_default());
    loop {
        let element = match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => element,
            Ok(Event::Eof) | Err(_) => return hidden,
            Ok(_) => continue,
        };
        let value = |key: &str| value(&element, key).unwrap_or_default();
        match element.name().0 {
            "style:style" => style = value("style:name"),
            "style:table-properties" if value("table:display") == "false" => drop(undisplayed.insert(style.clone())),
            "table:table" if undisplayed.contains(&value("table:style-name")) => hidden.push(Stays::HiddenSheet(value("table:name"))),
            "sheet" | "x:sheet" if matches!(value("state").as_str(), "hidden" | "veryHidden") => {
                hidden.push(Stays::HiddenSheet(value("name")));
            }
            _ => {}
        }
    }
}

/// How a file of the archive is looked into.
#[derive(Clone, Copy)]
enum Kind {
    Xml,
    Picture,
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| lower.ends_with(end));
        if ends(&[".jpg", ".jpeg", ".png", ".webp"]) {
            Self::Picture
        } else if ends(&[".xml", ".rels", ".psmdcp"]) {
            Self::Xml
        } else {
            Self::Other
        }
    }
}

fn unpacked(file: ZipFile<'_, impl Read>) -> Result<Vec<u8>, Uncleanable> {
    let mut bytes = Vec::new();
    let read = file.take(PART_BYTES_MAX + 1).read_to_end(&mut bytes);
    if read.is_ok() && bytes.len() as u64 <= PART_BYTES_MAX {
        Ok(bytes)
    } else {
        Err(Uncleanable::Broken)
    }
}

/// A part as it is without names; none where it has none.
fn edited(kind: Kind, name: &str, part: &[u8], removed: &mut BTreeSet<Removed>) -> Result<Option<Vec<u8>>, Uncleanable> {
    let found = match (kind, part) {
        (Kind::Xml, _) => match std::str::from_utf8(part) {
            // Large sheets have none of it, and are not worth reading twice.
            Ok(xml) if is_of_properties(name) || is_of_cells(name) || may_name(xml) => {
                rewritten(name, xml).map_err(|_| Uncleanable::Broken)?
            }
            _ => return Ok(None),
        },
        (Kind::Picture, [0xFF, 0xD8, 0xFF, ..]) => picture::jpeg(part)?,
        (Kind::Picture, [0x89, b'P', ..]) => picture::png(part)?,
        (Kind::Picture, [b'R', b'I', b'F', b'F', ..]) => picture::webp(part)?,
        _ => return Ok(None),
    };
    let (cleaned, of_part) = found;
    let changed = !of_part.is_empty();
    removed.extend(of_part);
    Ok(changed.then_some(cleaned))
}

fn may_name(xml: &str) -> bool {
    AUTHORS.iter().any(|element| xml.contains(&format!("<{element}")))
        || [
            "w:author",
            "<w:comment",
            "comments",
            "people.xml",
            "persons/",
            "threadedComments",
            "office:annotation",
            "docProps/custom.xml",
        ]
        .iter()
        .any(|word| xml.contains(word))
}

/// What goes with the text of an element of a part, if its text goes.
fn blank(part: &str, tag: &str) -> Option<Removed> {
    let local = tag.rsplit(':').next().unwrap_or_default();
    if AUTHORS.contains(&tag) {
        Some(Removed::Author)
    } else if is_of_cells(part) && local == "t" {
        Some(Removed::Comments)
    } else if is_of_properties(part) && PROPERTIES.contains(&local) {
        Some(Removed::Properties)
    } else {
        None
    }
}

/// XML without names, and without what points to comments that are gone.
fn rewritten(name: &str, xml: &str) -> Result<(Vec<u8>, BTreeSet<Removed>), quick_xml::Error> {
    let mut reader = Reader::from_str(xml);
    let mut writer = Writer::new(Vec::with_capacity(xml.len()));
    let mut removed = BTreeSet::new();
    // The element whose text is being blanked and what goes with it, and how many elements deep in one that is left out.
    let mut blanked: Option<(String, Removed)> = None;
    let mut left_out = 0_usize;
    loop {
        let event = reader.read_event()?;
        match &event {
            Event::Eof => return Ok((writer.into_inner(), removed)),
            Event::Start(_) if left_out > 0 => left_out += 1,
            Event::End(_) if left_out > 0 => left_out -= 1,
            _ if left_out > 0 => {}
            Event::Start(element) | Event::Empty(element) if goes(name, element).is_some() => {
                removed.extend(goes(name, element));
                left_out = usize::from(matches!(event, Event::Start(_)));
            }
            Event::Start(element) => {
                let tag = element.name().0;
                if blanked.is_none() {
                    blanked = blank(name, tag).map(|with| (tag.to_owned(), with));
                }
                writer.write_event(Event::Start(unnamed(element, &mut removed)))?;
            }
            Event::Empty(element) => writer.write_event(Event::Empty(unnamed(element, &mut removed)))?,
            Event::End(element) => {
                blanked.take_if(|(tag, _)| tag == element.name().0);
                writer.write_event(event)?;
            }
            Event::Text(text) if blanked.is_some() => {
                if !text.trim().is_empty() {
                    removed.extend(blanked.as_ref().map(|(_, with)| *with));
                }
            }
            Event::CData(_) | Event::GeneralRef(_) if blanked.is_some() => {
                removed.extend(blanked.as_ref().map(|(_, with)| *with));
            }
            _ => writer.write_event(event)?,
        }
    }
}

/// With what an element of a part goes: one that holds comments, or points to a file that is left out.
fn goes(part: &str, element: &BytesStart<'_>) -> Option<Removed> {
    match element.name().0 {
        "Relationship" => left_out_whole(&pointed_to(part, &value(element, "Target")?)),
        "Override" => left_out_whole(value(element, "PartName")?.trim_start_matches('/')),
        // Where a text was begun from may lie in somebody's own folder.
        "meta:template" => Some(Removed::Properties),
        name => COMMENTS.contains(&name).then_some(Removed::Comments),
    }
}

/// What an attribute of an element says.
fn value(element: &BytesStart<'_>, key: &str) -> Option<String> {
    let mut attributes = element.attributes().flatten();
    let found = attributes.find(|attribute| attribute.key.0 == key)?;
    Some(found.value.into_owned())
}

/// The file that a relationship points to. `word/_rels/document.xml.rels` speaks from `word/`.
fn pointed_to(rels: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut path: Vec<&str> = rels.split('/').collect();
    path.truncate(path.len().saturating_sub(2));
    for step in target.split('/') {
        match step {
            ".." => {
                path.pop();
            }
            "." | "" => {}
            step => path.push(step),
        }
    }
    path.join("/")
}

/// An element with somebody in place of whoever made a change.
fn unnamed<'x>(element: &BytesStart<'x>, removed: &mut BTreeSet<Removed>) -> BytesStart<'x> {
    let names = |attribute: &Attribute<'_>| matches!(attribute.key.0, "w:author" | "w:initials");
    let mut named = element.attributes().flatten().filter(names).peekable();
    if named.peek().is_none() || named.all(|attribute| attribute.value == SOMEBODY) {
        return element.clone();
    }
    removed.insert(Removed::Names);
    let mut plain = element.clone();
    plain.clear_attributes();
    for attribute in element.attributes().flatten() {
        if names(&attribute) {
            plain.push_attribute((attribute.key.0, SOMEBODY));
        } else {
            plain.push_attribute(attribute);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relationship_points_from_its_part() {
        let check = |rels: &str, target: &str, expect: &str| assert_eq!(pointed_to(rels, target), expect, "{rels} {target}");
        check("_rels/.rels", "docProps/core.xml", "docProps/core.xml");
        check("word/_rels/document.xml.rels", "comments.xml", "word/comments.xml");
        check("word/_rels/document.xml.rels", "/word/comments.xml", "word/comments.xml");
        check("xl/worksheets/_rels/sheet1.xml.rels", "../comments1.xml", "xl/comments1.xml");
        check("xl/worksheets/_rels/sheet1.xml.rels", "../../../../x", "x");
    }
}
