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

use super::{Cleaned, Removed, Uncleanable, picture};

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

/// Elements by which a text points to its comments: what they point to is taken out.
const POINTERS: [&str; 3] = ["w:commentRangeStart", "w:commentRangeEnd", "w:commentReference"];

/// Who made a change, where a name must stand.
const SOMEBODY: &str = "Autor";

pub(super) fn clean(bytes: &[u8]) -> Cleaned {
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
        return Ok((Vec::new(), BTreeSet::new()));
    }
    let mut removed = BTreeSet::new();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (place, name) in names.iter().enumerate() {
        if is_of_comments(name) {
            removed.insert(Removed::Comments);
            continue;
        }
        let raw = || Uncleanable::Broken;
        let part = match Kind::of(name) {
            Kind::Other => None,
            kind => {
                let file = archive.by_index(place).map_err(|_| raw())?;
                edited(kind, name, &unpacked(file)?, &mut removed)?
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
        return Err(Uncleanable::Signed);
    }
    let cleaned = writer.finish().map_err(|_| Uncleanable::Broken)?;
    Ok((cleaned.into_inner(), removed))
}

/// Files that hold comments, or the names of who made them.
fn is_of_comments(name: &str) -> bool {
    let within = |folder: &str, begins: &[&str]| {
        name.strip_prefix(folder)
            .is_some_and(|file| begins.iter().any(|begin| file.starts_with(begin)) && !file.contains('/'))
    };
    within("word/", &["comments", "people"]) || within("xl/persons/", &[""]) || within("xl/threadedComments/", &[""])
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
        } else if ends(&[".xml", ".rels"]) {
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
            Ok(xml) if may_name(xml) => rewritten(name, xml).map_err(|_| Uncleanable::Broken)?,
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
        || ["w:author", "<w:comment", "comments", "people.xml", "persons/", "threadedComments"]
            .iter()
            .any(|word| xml.contains(word))
}

/// XML without names, and without what points to comments that are gone.
fn rewritten(name: &str, xml: &str) -> Result<(Vec<u8>, BTreeSet<Removed>), quick_xml::Error> {
    let mut reader = Reader::from_str(xml);
    let mut writer = Writer::new(Vec::with_capacity(xml.len()));
    let mut removed = BTreeSet::new();
    // The element whose text is being blanked, and how many elements deep in one that is left out.
    let mut blanked: Option<String> = None;
    let mut left_out = 0_usize;
    loop {
        let event = reader.read_event()?;
        match &event {
            Event::Eof => return Ok((writer.into_inner(), removed)),
            Event::Start(_) if left_out > 0 => left_out += 1,
            Event::End(_) if left_out > 0 => left_out -= 1,
            _ if left_out > 0 => {}
            Event::Start(element) if goes(name, element) => {
                removed.insert(Removed::Comments);
                left_out = 1;
            }
            Event::Empty(element) if goes(name, element) => {
                removed.insert(Removed::Comments);
            }
            Event::Start(element) => {
                let tag = element.name().0;
                if blanked.is_none() && AUTHORS.contains(&tag) {
                    blanked = Some(tag.to_owned());
                }
                writer.write_event(Event::Start(unnamed(element, &mut removed)))?;
            }
            Event::Empty(element) => writer.write_event(Event::Empty(unnamed(element, &mut removed)))?,
            Event::End(element) => {
                if blanked.as_deref() == Some(element.name().0) {
                    blanked = None;
                }
                writer.write_event(event)?;
            }
            Event::Text(text) if blanked.is_some() => {
                if !text.trim().is_empty() {
                    removed.insert(Removed::Author);
                }
            }
            Event::CData(_) | Event::GeneralRef(_) if blanked.is_some() => {
                removed.insert(Removed::Author);
            }
            _ => writer.write_event(event)?,
        }
    }
}

/// Whether an element of a part points to comments or to the people who made them.
fn goes(part: &str, element: &BytesStart<'_>) -> bool {
    let value = |key: &str| {
        let mut attributes = element.attributes().flatten();
        attributes
            .find(|attribute| attribute.key.0 == key)
            .map(|attribute| attribute.value.into_owned())
    };
    match element.name().0 {
        "Relationship" => value("Target").is_some_and(|target| is_of_comments(&pointed_to(part, &target))),
        "Override" => value("PartName").is_some_and(|named| is_of_comments(named.trim_start_matches('/'))),
        name => POINTERS.contains(&name),
    }
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
