//! What a PDF tells of a person: its author, in the information dictionary or in XMP, and what the pictures in it tell.
//!
//! Objects may lie in compressed streams: these are unpacked one after the other, so much and no further, and nothing of
//! them is kept.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::read::ZlibDecoder;

use super::{kind::says, scan, traces::UNREADABLE};

/// Bytes of one compressed stream of objects, unpacked, that are looked at.
const STREAM_BYTES: u64 = 4 << 20;
/// Bytes of all of them together.
const STREAMS_BYTES: u64 = 256 << 20;
/// How far behind its dictionary's mark a stream begins.
const DICTIONARY_BYTES: u64 = 4096;

/// A PDF that is looked into: how many bytes may still be unpacked.
#[derive(Debug)]
pub(crate) struct Pdf {
    budget: u64,
}

impl Pdf {
    pub(crate) fn new() -> Self {
        Self { budget: STREAMS_BYTES }
    }

    /// What a stream tells whose dictionary has a mark that ends here.
    pub(crate) fn of_stream(&mut self, file: &mut (impl Read + Seek), mark_end: u64) -> io::Result<Option<&'static str>> {
        let unpacked = unpacked(file, mark_end, self.budget.min(STREAM_BYTES))?;
        self.budget -= unpacked.len() as u64;
        let authors = memchr::memmem::find_iter(&unpacked, "/Author").any(|at| names_author(&unpacked[at + 7..]));
        if authors || says(&unpacked, "dc:creator") {
            return Ok(Some("pdf.author"));
        }
        let is_cut = unpacked.len() as u64 >= STREAM_BYTES || self.budget == 0;
        Ok(is_cut.then_some(UNREADABLE))
    }
}

/// A stream whose dictionary has a mark that ends here, unpacked up to a limit; what is not packed is empty.
fn unpacked(file: &mut (impl Read + Seek), mark_end: u64, limit: u64) -> io::Result<Vec<u8>> {
    let dictionary = scan::at(file, mark_end, DICTIONARY_BYTES)?;
    let Some(begin) = memchr::memmem::find(&dictionary, b"stream") else {
        return Ok(Vec::new());
    };
    let line_end = dictionary[begin + 6..]
        .iter()
        .take(2)
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    file.seek(SeekFrom::Start(mark_end + (begin + 6 + line_end) as u64))?;
    let mut unpacked = Vec::new();
    // What can't be unpacked gives what came before: a broken stream is none of ours.
    let _ = ZlibDecoder::new(BufReader::new(file)).take(limit).read_to_end(&mut unpacked);
    Ok(unpacked)
}

/// Whether the value that follows `/Author` is a text that is not empty, or lies elsewhere.
pub(crate) fn names_author(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    match rest {
        [b'(', text @ ..] => {
            let end = text.iter().position(|byte| *byte == b')').unwrap_or(text.len());
            text[..end]
                .iter()
                .any(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0 | 0xFE | 0xFF))
        }
        [b'<', hex @ ..] => {
            let digits: Vec<u8> = hex
                .iter()
                .copied()
                .take_while(|byte| *byte != b'>')
                .filter(u8::is_ascii_hexdigit)
                .collect();
            let digits = digits.to_ascii_uppercase();
            digits.strip_prefix(b"FEFF").unwrap_or(&digits).iter().any(|digit| *digit != b'0')
        }
        [b'0'..=b'9', ..] => true,
        _ => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use crate::evidence::{
        kind::tests::traces,
        traces::tests::{jpeg, tiff},
    };

    fn pdf(objects: &[u8]) -> Vec<u8> {
        [b"%PDF-1.7\n", objects, b"\n%%EOF\n"].concat()
    }

    fn packed(kind: &str, bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        let packed = encoder.finish().unwrap();
        let head = format!(
            "7 0 obj <</Type /{kind} /Length {} /Filter /FlateDecode>>\nstream\r\n",
            packed.len()
        );
        [head.as_bytes(), &packed, b"\nendstream endobj"].concat()
    }

    #[test]
    fn an_author_is_found_wherever_it_stands() {
        let check = |objects: &[u8], expect: &[&str]| assert_eq!(traces(&pdf(objects)), expect, "{}", String::from_utf8_lossy(objects));
        check(b"1 0 obj <</Author (Ana)>> endobj", &["pdf.author"]);
        check(b"1 0 obj <</Author(Ana)>> endobj", &["pdf.author"]);
        check(b"1 0 obj <</Author <FEFF0041>>> endobj", &["pdf.author"]);
        check(b"1 0 obj <</Author 5 0 R>> endobj", &["pdf.author"]);
        check(b"1 0 obj <</Author ()>> endobj", &[]);
        check(b"1 0 obj <</Author <FEFF>>> endobj", &[]);
        check(b"1 0 obj <</Producer (LibreOffice)>> endobj", &[]);
        check(&packed("ObjStm", b"1 0 <</Author (Ana)>>"), &["pdf.author"]);
        check(&packed("ObjStm", b"1 0 <</Author ()>>"), &[]);
        check(
            &packed("Metadata", b"<x:xmpmeta><dc:creator>Ana</dc:creator></x:xmpmeta>"),
            &["pdf.author"],
        );
        check(b"<x:xmpmeta><dc:creator>Ana</dc:creator>", &["xmp.creator"]);
        check(b"trailer <</Encrypt 9 0 R>>", &["pdf.encrypted"]);
        check(&jpeg(&tiff("", true)), &["exif.gps"]);
    }

    #[test]
    fn a_bomb_is_looked_into_so_far_and_no_further() {
        let bomb = packed("ObjStm", &vec![b' '; 64 << 20]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(traces(&pdf(&bomb)), ["unreadable"]);
    }
}
