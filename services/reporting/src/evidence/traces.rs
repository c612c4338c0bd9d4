//! What the metadata of a picture tells of a person: where it was taken, and by whom.
//!
//! EXIF, XMP and IPTC lie in blocks that begin with marks of their own, also where a picture lies inside a document: they
//! are looked for in the whole file, whatever its structure says.

use std::{
    collections::BTreeSet,
    io::{self, Read, Seek},
    sync::LazyLock,
};

use exif::{Context, Tag};

use super::{
    kind::says,
    pdf::{self, Pdf},
    scan::{self, Finder},
};

/// Bytes of a block that are looked at. EXIF of a JPEG is never larger.
const BLOCK_BYTES: u64 = 64 << 10;

/// What could not be looked into to its end.
pub(crate) const UNREADABLE: &str = "unreadable";

#[derive(Clone, Copy)]
enum Mark {
    /// TIFF follows.
    Exif,
    /// TIFF follows after four bytes of length.
    ExifOfWebp,
    /// IPTC in Photoshop's resources.
    Iptc,
    /// An XMP element or attribute by this name, and the trace that it is.
    Xmp(&'static str, &'static str),
    /// A place is a place, whatever it says.
    Place,
    /// A text of a PNG whose keyword says enough.
    Keyword(&'static str),
    /// A PDF's author.
    PdfAuthor,
    /// A stream of a PDF that may be packed.
    PdfStream,
    /// A PDF whose strings can't be read, so nobody can say what they are.
    PdfEncrypted,
}

const MARKS: [&[u8]; 19] = [
    b"Exif\0\0",
    b"eXIf",
    b"EXIF",
    b"Photoshop 3.0\0",
    b"<dc:creator",
    b"tiff:Artist",
    b"aux:OwnerName",
    b"pdf:Author",
    b"exif:GPSLatitude",
    b"exif:GPSLongitude",
    b"tEXtAuthor\0",
    b"iTXtAuthor\0",
    b"zTXtAuthor\0",
    // ImageMagick keeps whole EXIF and IPTC blocks in texts of this name.
    b"Raw profile type ",
    b"/Author",
    b"/ObjStm",
    b"/Type/Metadata",
    b"/Type /Metadata",
    b"/Encrypt",
];

const MEANINGS: [Mark; MARKS.len()] = [
    Mark::Exif,
    Mark::Exif,
    Mark::ExifOfWebp,
    Mark::Iptc,
    Mark::Xmp("dc:creator", "xmp.creator"),
    Mark::Xmp("tiff:Artist", "xmp.artist"),
    Mark::Xmp("aux:OwnerName", "xmp.owner"),
    Mark::Xmp("pdf:Author", "xmp.author"),
    Mark::Place,
    Mark::Place,
    Mark::Keyword("png.author"),
    Mark::Keyword("png.author"),
    Mark::Keyword("png.author"),
    Mark::Keyword("png.profile"),
    Mark::PdfAuthor,
    Mark::PdfStream,
    Mark::PdfStream,
    Mark::PdfStream,
    Mark::PdfEncrypted,
];

static FINDER: LazyLock<Finder> = LazyLock::new(|| Finder::new(&MARKS));

/// What a picture tells, or a document that holds pictures; and with `pdf` what a PDF tells.
pub(crate) fn of(file: &mut (impl Read + Seek), mut pdf: Option<Pdf>) -> io::Result<BTreeSet<&'static str>> {
    let mut traces = BTreeSet::new();
    let Some(hits) = FINDER.marks(file)? else {
        traces.insert(UNREADABLE);
        return Ok(traces);
    };
    for (mark, end) in hits {
        match (MEANINGS[mark], &mut pdf) {
            (Mark::Exif, _) => of_exif(scan::at(file, end, BLOCK_BYTES)?, &mut traces),
            (Mark::ExifOfWebp, _) => of_exif(scan::at(file, end + 4, BLOCK_BYTES)?, &mut traces),
            (Mark::Iptc, _) => of_iptc(&scan::at(file, end, BLOCK_BYTES)?, &mut traces),
            (Mark::Xmp(name, trace), _) => {
                let begin = end - MARKS[mark].len() as u64;
                if says_xmp(&scan::at(file, begin.saturating_sub(1), 4096)?, name) {
                    traces.insert(trace);
                }
            }
            (Mark::Place, _) => {
                traces.insert("xmp.gps");
            }
            (Mark::Keyword(trace), None) => {
                traces.insert(trace);
            }
            (Mark::PdfAuthor, Some(_)) => {
                if pdf::names_author(&scan::at(file, end, 512)?) {
                    traces.insert("pdf.author");
                }
            }
            (Mark::PdfStream, Some(pdf)) => traces.extend(pdf.of_stream(file, end)?),
            (Mark::PdfEncrypted, Some(_)) => {
                traces.insert("pdf.encrypted");
            }
            (Mark::Keyword(_), Some(_)) | (Mark::PdfAuthor | Mark::PdfStream | Mark::PdfEncrypted, None) => {}
        }
    }
    Ok(traces)
}

/// An element or an attribute with something in it.
fn says_xmp(xml: &[u8], name: &str) -> bool {
    let attribute = memchr::memmem::find(xml, name.as_bytes()).is_some_and(|at| {
        let rest = &xml[at + name.len()..];
        match rest {
            [b'=', quote @ (b'"' | b'\''), inner @ ..] => inner
                .iter()
                .take_while(|byte| *byte != quote)
                .any(|byte| !byte.is_ascii_whitespace()),
            _ => false,
        }
    });
    attribute || says(xml, name)
}

fn of_exif(block: Vec<u8>, traces: &mut BTreeSet<&'static str>) {
    if !block.starts_with(b"II*\0") && !block.starts_with(b"MM\0*") {
        // The mark stood there by chance.
        return;
    }
    let mut reader = exif::Reader::new();
    let read = reader.continue_on_error(true).read_raw(block);
    // What is read of a block that is broken counts, and that it is broken does too.
    let read = read.or_else(|fault| {
        traces.insert(UNREADABLE);
        fault.distill_partial_result(|_| ())
    });
    let Ok(read) = read else { return };
    for field in read.fields() {
        let empty = match &field.value {
            exif::Value::Ascii(texts) => texts.iter().flatten().all(|byte| byte.is_ascii_whitespace() || *byte == 0),
            exif::Value::Byte(bytes) => bytes.iter().all(|byte| *byte == 0 || *byte == b' '),
            _ => false,
        };
        if empty {
            continue;
        }
        // 0x9C9D is XPAuthor, by which Windows names an author.
        let trace = match field.tag {
            Tag(Context::Gps, 0) => continue,
            Tag(Context::Gps, _) => "exif.gps",
            Tag::Artist | Tag(Context::Tiff, 0x9C9D) => "exif.artist",
            Tag::CameraOwnerName => "exif.owner",
            _ => continue,
        };
        traces.insert(trace);
    }
}

/// IIM records 2:80 (by-line), 2:122 (writer) and 2:92 (place within a city) in Photoshop's resources.
fn of_iptc(block: &[u8], traces: &mut BTreeSet<&'static str>) {
    for (record, trace) in [(80, "iptc.byline"), (122, "iptc.writer"), (92, "iptc.place")] {
        let says =
            memchr::memmem::find_iter(block, &[0x1C, 2, record]).any(|at| block.get(at + 3..at + 5).is_some_and(|size| size != [0, 0]));
        if says {
            traces.insert(trace);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::evidence::kind::tests::traces;

    /// A TIFF block with an artist, a place, or neither.
    pub(crate) fn tiff(artist: &str, place: bool) -> Vec<u8> {
        let mut entries: Vec<[u8; 12]> = Vec::new();
        let entry = |tag: u16, kind: u16, count: u32, value: u32| {
            let mut entry = [0; 12];
            entry[..2].copy_from_slice(&tag.to_le_bytes());
            entry[2..4].copy_from_slice(&kind.to_le_bytes());
            entry[4..8].copy_from_slice(&count.to_le_bytes());
            entry[8..].copy_from_slice(&value.to_le_bytes());
            entry
        };
        let count = u32::from(!artist.is_empty()) + u32::from(place);
        let after = 8 + 2 + 12 * count + 4;
        let artist_length = u32::try_from(artist.len()).unwrap_or(0) + 1;
        if !artist.is_empty() {
            entries.push(entry(0x013B, 2, artist_length, after));
        }
        if place {
            entries.push(entry(0x8825, 4, 1, after + artist_length));
        }
        let mut block = b"II*\0\x08\0\0\0".to_vec();
        block.extend_from_slice(&u16::try_from(count).unwrap_or(0).to_le_bytes());
        block.extend(entries.concat());
        block.extend_from_slice(&[0; 4]);
        block.extend_from_slice(artist.as_bytes());
        block.push(0);
        if place {
            // One entry: the latitude's reference, "S".
            block.extend_from_slice(&1u16.to_le_bytes());
            block.extend_from_slice(&entry(1, 2, 2, u32::from(b'S')));
            block.extend_from_slice(&[0; 4]);
        }
        block
    }

    pub(crate) fn jpeg(tiff: &[u8]) -> Vec<u8> {
        let length = u16::try_from(tiff.len() + 8).unwrap_or(0).to_be_bytes();
        [
            b"\xFF\xD8\xFF\xE1",
            &length[..],
            b"Exif\0\0",
            tiff,
            b"\xFF\xDA\0\x02entropy\xFF\xD9",
        ]
        .concat()
    }

    #[test]
    fn a_photograph_tells_where_and_by_whom() {
        assert_eq!(traces(&jpeg(&tiff("", false))), Vec::<&str>::new());
        assert_eq!(traces(&jpeg(&tiff("Ana Paz", false))), ["exif.artist"]);
        assert_eq!(traces(&jpeg(&tiff("", true))), ["exif.gps"]);
        assert_eq!(traces(&jpeg(&tiff("Ana Paz", true))), ["exif.artist", "exif.gps"]);
        assert_eq!(traces(&jpeg(&tiff("       ", false))), Vec::<&str>::new());
        // A second picture behind the first, as cameras write them.
        assert_eq!(traces(&[jpeg(&[]), jpeg(&tiff("", true))].concat()), ["exif.gps"]);
        assert_eq!(traces(&jpeg(b"II*\0\xFF\xFF\xFF\xFF")), ["unreadable"]);
    }

    #[test]
    fn the_other_formats_keep_it_in_chunks() {
        let png = |chunk: &[u8]| [b"\x89PNG\r\n\x1a\n\0\0\0\x0D", chunk].concat();
        assert_eq!(traces(&png(&[b"eXIf", &tiff("", true)[..]].concat())), ["exif.gps"]);
        assert_eq!(traces(&png(b"tEXtAuthor\0Ana")), ["png.author"]);
        assert_eq!(traces(&png(b"zTXtRaw profile type exif\0\0x")), ["png.profile"]);
        assert_eq!(traces(&png(b"tEXtSoftware\0GIMP")), Vec::<&str>::new());
        let webp = |chunk: &[u8]| [b"RIFF\xFF\0\0\0WEBP", chunk].concat();
        assert_eq!(
            traces(&webp(&[b"EXIF\x40\0\0\0", &tiff("Ana Paz", false)[..]].concat())),
            ["exif.artist"]
        );
    }

    #[test]
    fn xmp_and_iptc_name_people_too() {
        let with = |block: &[u8]| [b"\xFF\xD8\xFF\xE1", block].concat();
        assert_eq!(
            traces(&with(b"<dc:creator><rdf:Seq><rdf:li>Ana</rdf:li></rdf:Seq></dc:creator>")),
            ["xmp.creator"]
        );
        assert_eq!(traces(&with(b"<dc:creator><rdf:Seq/></dc:creator>")), Vec::<&str>::new());
        assert_eq!(traces(&with(b" exif:GPSLatitude=\"0,12.3S\"")), ["xmp.gps"]);
        assert_eq!(traces(&with(b" tiff:Artist=\"Ana\"")), ["xmp.artist"]);
        assert_eq!(traces(&with(b" tiff:Artist=\"\"")), Vec::<&str>::new());
        assert_eq!(
            traces(&with(b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x08\x1C\x02\x50\0\x03Ana")),
            ["iptc.byline"]
        );
        assert_eq!(
            traces(&with(b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x05\x1C\x02\x50\0\0")),
            Vec::<&str>::new()
        );
    }
}
