//! Documents that are archives: Word and Excel (OOXML), and OpenDocument. Only their directory is read, the few small
//! files that say who wrote them, and the beginning of the pictures in them.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
};

use zip::ZipArchive;

use super::{
    kind::{Inspected, Unaccepted, says},
    traces::{self, UNREADABLE},
};

/// Files in a document at most.
const ENTRIES_MAX: u64 = 10_000;
/// Bytes of its directory at most.
const DIRECTORY_BYTES_MAX: u64 = 4 << 20;
/// Bytes of a file about the document that are unpacked at most.
const PROPERTIES_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a picture in it that are unpacked: what it tells stands at its beginning.
const PICTURE_BYTES: u64 = 256 << 10;
/// Pictures that are looked at.
const PICTURES_MAX: usize = 500;

/// What a document is and tells.
pub(crate) fn inspect(file: &mut File, size: u64) -> io::Result<Result<Inspected, Unaccepted>> {
    if !has_small_directory(file, size)? {
        return Ok(Err(Unaccepted::Archive));
    }
    file.rewind()?;
    let Ok(mut archive) = ZipArchive::new(&mut *file) else {
        return Ok(Err(Unaccepted::Archive));
    };
    let names = archive.file_names().map(|name| name.map(std::borrow::Cow::into_owned));
    let Ok(names) = names.collect::<Result<BTreeSet<String>, _>>() else {
        return Ok(Err(Unaccepted::Archive));
    };
    // Nothing is unpacked to a disk here, but somewhere else it may be.
    let leads_out = |name: &String| name.starts_with('/') || name.contains('\\') || name.split('/').any(|part| part == "..");
    if names.iter().any(leads_out) {
        return Ok(Err(Unaccepted::Archive));
    }
    if names.iter().any(|name| name.ends_with("vbaProject.bin")) {
        return Ok(Err(Unaccepted::Macros));
    }
    let media_type = if names.contains("[Content_Types].xml") {
        if names.contains("word/document.xml") {
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        } else if names.contains("xl/workbook.xml") {
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        } else {
            return Ok(Err(Unaccepted::Archive));
        }
    } else {
        match properties(&mut archive, "mimetype").as_deref() {
            Some(b"application/vnd.oasis.opendocument.text") => "application/vnd.oasis.opendocument.text",
            Some(b"application/vnd.oasis.opendocument.spreadsheet") => "application/vnd.oasis.opendocument.spreadsheet",
            _ => return Ok(Err(Unaccepted::Archive)),
        }
    };
    let traces = told(&mut archive, &names);
    Ok(Ok(Inspected { media_type, traces }))
}

fn told(archive: &mut ZipArchive<&mut File>, names: &BTreeSet<String>) -> BTreeSet<&'static str> {
    let mut traces = BTreeSet::new();
    let about: [(&str, &[(&str, &str)]); 3] = [
        (
            "docProps/core.xml",
            &[("dc:creator", "ooxml.creator"), ("cp:lastModifiedBy", "ooxml.last_modified_by")],
        ),
        ("docProps/app.xml", &[("Manager", "ooxml.manager")]),
        (
            "meta.xml",
            &[("meta:initial-creator", "odf.initial_creator"), ("dc:creator", "odf.creator")],
        ),
    ];
    for (name, elements) in about {
        if !names.contains(name) {
            continue;
        }
        match properties(archive, name) {
            None => {
                traces.insert(UNREADABLE);
            }
            Some(xml) => traces.extend(elements.iter().filter(|(element, _)| says(&xml, element)).map(|(_, trace)| *trace)),
        }
    }
    // Comments and tracked changes carry the names of who made them.
    let people = ["word/people.xml", "word/comments.xml", "xl/persons/person.xml"];
    if people.iter().any(|name| names.contains(*name)) {
        traces.insert("ooxml.people");
    }
    let pictures: Vec<_> = names.iter().filter(|name| is_picture(name)).collect();
    if pictures.len() > PICTURES_MAX {
        traces.insert(UNREADABLE);
    }
    for name in pictures.into_iter().take(PICTURES_MAX) {
        let mut beginning = Vec::new();
        let read = archive
            .by_name(name)
            .is_ok_and(|picture| picture.take(PICTURE_BYTES).read_to_end(&mut beginning).is_ok());
        match traces::of(&mut Cursor::new(beginning), None) {
            Ok(more) if read => traces.extend(more),
            _ => {
                traces.insert(UNREADABLE);
            }
        }
    }
    traces
}

fn is_picture(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic"]
        .iter()
        .any(|extension| name.ends_with(extension))
}

/// A small file of the archive; none where it can't be read or is not small.
fn properties(archive: &mut ZipArchive<&mut File>, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = archive.by_name(name).ok()?;
    file.take(PROPERTIES_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= PROPERTIES_BYTES_MAX).then_some(bytes)
}

/// Whether the archive's directory is one that may be read into memory: it says so itself, in its last bytes. Archives
/// with the 64-bit form have more in them than a document.
fn has_small_directory(file: &mut File, size: u64) -> io::Result<bool> {
    // The end record has 22 bytes and a comment of at most 65,535.
    let tail_bytes = size.min(22 + 0xFFFF);
    file.seek(SeekFrom::Start(size - tail_bytes))?;
    let mut tail = Vec::new();
    file.take(tail_bytes).read_to_end(&mut tail)?;
    let Some(end) = memchr::memmem::rfind(&tail, b"PK\x05\x06") else {
        return Ok(false);
    };
    let Some(record) = tail.get(end..end + 22) else { return Ok(false) };
    let entries = u64::from(u16::from_le_bytes([record[10], record[11]]));
    let bytes = u64::from(u32::from_le_bytes([record[12], record[13], record[14], record[15]]));
    Ok(entries <= ENTRIES_MAX && bytes <= DIRECTORY_BYTES_MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(crate) mod tests {
    use std::io::{Cursor, Write};

    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    use super::*;
    use crate::evidence::{
        kind::tests::{inspected, traces},
        traces::tests::{jpeg, tiff},
    };

    pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            let method = if *name == "mimetype" {
                CompressionMethod::Stored
            } else {
                CompressionMethod::Deflated
            };
            writer
                .start_file(*name, SimpleFileOptions::default().compression_method(method))
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    const TYPES: (&str, &[u8]) = ("[Content_Types].xml", b"<Types/>");
    const WORKBOOK: (&str, &[u8]) = ("xl/workbook.xml", b"<workbook/>");

    #[test]
    fn documents_are_told_by_their_directory() {
        let check = |files: &[(&str, &[u8])], expect: Result<&str, Unaccepted>| {
            let found = inspected(&archive(files)).map(|inspected| inspected.media_type);
            assert_eq!(found, expect, "{:?}", files.iter().map(|(name, _)| name).collect::<Vec<_>>());
        };
        check(
            &[TYPES, WORKBOOK],
            Ok("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        );
        check(
            &[TYPES, ("word/document.xml", b"<d/>")],
            Ok("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        );
        check(
            &[("mimetype", b"application/vnd.oasis.opendocument.text")],
            Ok("application/vnd.oasis.opendocument.text"),
        );
        check(&[("mimetype", b"application/epub+zip")], Err(Unaccepted::Archive));
        check(&[("listado.csv", b"a;b")], Err(Unaccepted::Archive));
        check(&[TYPES, WORKBOOK, ("xl/vbaProject.bin", b"x")], Err(Unaccepted::Macros));
        check(&[TYPES, WORKBOOK, ("../../etc/passwd", b"x")], Err(Unaccepted::Archive));
    }

    #[test]
    fn who_wrote_a_document_is_found() {
        let with = |name: &'static str, bytes: &[u8]| traces(&archive(&[TYPES, WORKBOOK, (name, bytes)]));
        assert_eq!(with("docProps/core.xml", b"<dc:creator>Ana</dc:creator>"), ["ooxml.creator"]);
        assert_eq!(
            with(
                "docProps/core.xml",
                b"<dc:creator></dc:creator><cp:lastModifiedBy>Ana</cp:lastModifiedBy>"
            ),
            ["ooxml.last_modified_by"]
        );
        assert_eq!(with("docProps/core.xml", b"<dc:creator></dc:creator>"), Vec::<&str>::new());
        assert_eq!(with("docProps/app.xml", b"<Manager>Ana</Manager>"), ["ooxml.manager"]);
        assert_eq!(with("xl/persons/person.xml", b"<x/>"), ["ooxml.people"]);
        assert_eq!(with("xl/media/image1.jpg", &jpeg(&tiff("", true))), ["exif.gps"]);
        let text = ("mimetype", &b"application/vnd.oasis.opendocument.text"[..]);
        let text_document = archive(&[text, ("meta.xml", b"<meta:initial-creator>Ana</meta:initial-creator>")]);
        assert_eq!(traces(&text_document), ["odf.initial_creator"]);
    }

    #[test]
    fn a_bomb_stays_packed() {
        let bomb = vec![b' '; 64 << 20];
        let packed = archive(&[TYPES, WORKBOOK, ("xl/worksheets/sheet1.xml", &bomb), ("docProps/core.xml", &bomb)]);
        assert!(packed.len() < 1 << 20);
        assert_eq!(traces(&packed), ["unreadable"]);
    }

    #[test]
    fn a_directory_that_is_too_large_is_not_read() {
        let names: Vec<String> = (0..=ENTRIES_MAX).map(|n| format!("xl/{n}.xml")).collect();
        let mut files: Vec<(&str, &[u8])> = vec![TYPES, WORKBOOK];
        files.extend(names.iter().map(|name| (name.as_str(), &b""[..])));
        let fits = usize::try_from(ENTRIES_MAX).unwrap();
        assert!(inspected(&archive(&files[..fits])).is_ok());
        assert_eq!(inspected(&archive(&files[..=fits])), Err(Unaccepted::Archive));
    }
}
