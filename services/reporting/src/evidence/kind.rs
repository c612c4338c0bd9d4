//! What a file is, told by its content and never by its name, and what in its metadata could identify a person.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Seek},
};

use super::{office, pdf::Pdf, scan, text, traces};

/// What is accepted, for people.
pub(crate) const ACCEPTED: &str = "PDF, PNG, JPEG, WebP, DOCX, XLSX, ODT, ODS, TXT, CSV (UTF-8)";

/// What was found in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Media type.
    pub media_type: &'static str,
    /// Where something could identify a person, such as `exif.gps`.
    pub traces: BTreeSet<&'static str>,
}

/// Why a file's content is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unaccepted {
    /// Of no type that is.
    Type,
    /// A text that is not UTF-8, or has control characters.
    Text,
    /// An archive that is no document, or whose directory can't be read or is too large.
    Archive,
    /// A document with macros in it.
    Macros,
}

impl Unaccepted {
    /// What is wrong and what to do, in Spanish and English.
    pub fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::Type => (
                "El contenido no es de un tipo que se acepte, diga lo que diga el nombre.",
                "The content is of no type that is accepted, whatever its name says.",
            ),
            Self::Text => (
                "Es un texto que no está en UTF-8: guárdelo de nuevo en UTF-8.",
                "It is a text that is not UTF-8: save it again as UTF-8.",
            ),
            Self::Archive => (
                "Es un archivo comprimido que no es un documento: cargue cada documento por separado.",
                "It is an archive that is no document: upload each document by itself.",
            ),
            Self::Macros => (
                "El documento contiene macros: guárdelo sin ellas.",
                "The document has macros: save it without them.",
            ),
        }
    }
}

/// Looks into a file of so many bytes. Never holds more of it in memory than a few buffers, whatever it says of itself.
pub fn inspect(file: &mut File, size: u64) -> io::Result<Result<Inspected, Unaccepted>> {
    let mut head = [0; 16];
    file.rewind()?;
    let read = read_up_to(file, &mut head)?;
    file.rewind()?;
    let image = |media_type, file: &mut File| {
        Ok(Ok(Inspected {
            media_type,
            traces: traces::of(file, None)?,
        }))
    };
    match &head[..read] {
        [b'%', b'P', b'D', b'F', b'-', ..] => Ok(Ok(Inspected {
            media_type: "application/pdf",
            traces: traces::of(file, Some(Pdf::new()))?,
        })),
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => image("image/png", file),
        [0xFF, 0xD8, 0xFF, ..] => image("image/jpeg", file),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => image("image/webp", file),
        [b'P', b'K', 3, 4, ..] => office::inspect(file, size),
        // An image format that some programs take for text; here nothing of it could be looked into.
        [0xFF | 0xFE, ..] => Ok(Err(Unaccepted::Text)),
        _ if text::is_utf8(file)? => Ok(Ok(Inspected {
            media_type: "text/plain; charset=utf-8",
            traces: BTreeSet::new(),
        })),
        // What begins like a text was meant as one: the remedy is another.
        start if start.iter().all(|byte| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r')) => Ok(Err(Unaccepted::Text)),
        _ => Ok(Err(Unaccepted::Type)),
    }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

/// Whether XML that is small enough to be held has something within an element, tags aside.
pub(crate) fn says(xml: &[u8], element: &str) -> bool {
    let open = format!("<{element}");
    memchr::memmem::find_iter(xml, open.as_bytes()).any(|at| {
        let rest = &xml[at + open.len()..];
        let named = rest.first().is_some_and(|next| matches!(next, b'>' | b' ' | b'\t' | b'\r' | b'\n'));
        let close = format!("</{element}");
        named
            && rest
                .iter()
                .position(|byte| *byte == b'>')
                .map(|begin| &rest[begin + 1..])
                .is_some_and(|inner| scan::has_text(&inner[..memchr::memmem::find(inner, close.as_bytes()).unwrap_or(inner.len())]))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    /// What a file of these bytes is.
    pub(crate) fn inspected(bytes: &[u8]) -> Result<Inspected, Unaccepted> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        inspect(&mut file, bytes.len() as u64).unwrap()
    }

    pub(crate) fn traces(bytes: &[u8]) -> Vec<&'static str> {
        inspected(bytes).unwrap().traces.into_iter().collect()
    }

    #[test]
    fn the_type_is_told_by_content() {
        let check = |bytes: &[u8], expect: Result<&str, Unaccepted>| {
            assert_eq!(inspected(bytes).map(|inspected| inspected.media_type), expect, "{bytes:?}");
        };
        check(b"%PDF-1.7\n", Ok("application/pdf"));
        check(b"\x89PNG\r\n\x1a\n", Ok("image/png"));
        check(b"\xFF\xD8\xFF\xE0", Ok("image/jpeg"));
        check(b"RIFF\x04\0\0\0WEBPVP8 ", Ok("image/webp"));
        check("canton;valor\nAña;1,5\n".as_bytes(), Ok("text/plain; charset=utf-8"));
        check(b"MZ\x90\0\x03\0\0\0", Err(Unaccepted::Type));
        check(b"\x7FELF\x02\x01", Err(Unaccepted::Type));
        check(b"GIF89a\x01\0", Err(Unaccepted::Type));
        check(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Err(Unaccepted::Type));
        check(b"a\xF1o;1\n", Err(Unaccepted::Text));
        check(b"\xFF\xFEa\0", Err(Unaccepted::Text));
        check(b"PK\x03\x04", Err(Unaccepted::Archive));
        check(b"PK\x05\x06", Err(Unaccepted::Type));
    }

    #[test]
    fn an_element_says_something_only_by_its_text() {
        let check = |xml: &str, expect: bool| assert_eq!(says(xml.as_bytes(), "dc:creator"), expect, "{xml}");
        check("<dc:creator>Ana</dc:creator>", true);
        check("<dc:creator a='b'><rdf:Seq><rdf:li>Ana</rdf:li></rdf:Seq></dc:creator>", true);
        check("<dc:creator><rdf:Seq><rdf:li> \n</rdf:li></rdf:Seq></dc:creator>", false);
        check("<dc:creator/>", false);
        check("<dc:creator></dc:creator><dc:creator>Ana</dc:creator>", true);
        check("<dc:creators>Ana</dc:creators>", false);
        check("<dc:creator", false);
    }
}
