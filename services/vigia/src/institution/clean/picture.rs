//! Pictures: what is needed to show them is kept, everything else goes.

use std::collections::BTreeSet;

use bytes::Bytes;
use exif::{In, Tag, Value};
use img_parts::{
    jpeg::{Jpeg, JpegSegment, markers},
    png::Png,
    riff::{RiffChunk, RiffContent},
    webp::WebP,
};

use super::{Cleaned, Removed, Uncleanable};

const EXIF: &[u8] = b"Exif\0\0";

/// A JPEG. How it is turned stays: without that, photographs lie on their sides.
pub(super) fn jpeg(bytes: &[u8]) -> Cleaned {
    let mut picture = Jpeg::from_bytes(Bytes::copy_from_slice(bytes)).map_err(|_| Uncleanable::Broken)?;
    let mut removed = BTreeSet::new();
    let mut kept: Vec<JpegSegment> = Vec::new();
    let mut turned = None;
    for segment in std::mem::take(picture.segments_mut()) {
        let contents = segment.contents();
        match segment.marker() {
            markers::APP1 if contents.starts_with(EXIF) => {
                let orientation = orientation(&contents[EXIF.len()..]);
                let plain = orientation.map(turned_only);
                if plain.as_deref() != Some(&contents[..]) {
                    removed.insert(Removed::Exif);
                }
                turned = turned.or(plain);
            }
            markers::APP1 => {
                removed.insert(Removed::Xmp);
            }
            markers::APP13 => {
                removed.insert(Removed::Iptc);
            }
            // How colours are meant, and nothing else.
            markers::APP0 | markers::APP14 => kept.push(segment),
            markers::APP2 if contents.starts_with(b"ICC_PROFILE\0") => kept.push(segment),
            markers::COM | markers::APP2..=markers::APP15 => {
                removed.insert(Removed::Beside);
            }
            marker if segment.has_entropy() => {
                let entropy = entropy(bytes, &segment).ok_or(Uncleanable::Broken)?;
                let end = end_of_picture(entropy).unwrap_or(entropy.len());
                // A few bytes that fill up a block are nothing.
                if entropy[end..].iter().any(|byte| *byte != 0) {
                    removed.insert(Removed::Behind);
                }
                let entropy = Bytes::copy_from_slice(&entropy[..end]);
                kept.push(JpegSegment::new_with_entropy(marker, contents.clone(), entropy));
            }
            _ => kept.push(segment),
        }
    }
    if let Some(turned) = turned {
        let after_head = kept.iter().take_while(|segment| segment.marker() == markers::APP0).count();
        kept.insert(after_head, JpegSegment::new_with_contents(markers::APP1, turned.into()));
    }
    *picture.segments_mut() = kept;
    Ok((picture.encoder().bytes().to_vec(), removed))
}

/// The bytes behind the segment that begins the picture itself: all that follow in the file.
fn entropy<'b>(bytes: &'b [u8], segment: &JpegSegment) -> Option<&'b [u8]> {
    bytes.get(bytes.len() - segment.len_with_entropy() + segment.len()..)
}

/// Where a picture ends, its end mark included: within the scans a mark is told from data by what follows it, and marks
/// with a length are skipped with what they hold.
fn end_of_picture(entropy: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr(0xFF, entropy.get(at..)?)?;
        match entropy.get(at + 1)? {
            0xD9 => return Some(at + 2),
            0x00 | 0x01 | 0xD0..=0xD7 => at += 2,
            0xFF => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([*entropy.get(at + 2)?, *entropy.get(at + 3)?])).max(2),
        }
    }
}

/// How EXIF says that the picture is turned, where it is.
fn orientation(tiff: &[u8]) -> Option<u16> {
    let mut reader = exif::Reader::new();
    let read = reader.continue_on_error(true).read_raw(tiff.to_vec());
    let read = read.or_else(|fault| fault.distill_partial_result(|_| ())).ok()?;
    match &read.get_field(Tag::Orientation, In::PRIMARY)?.value {
        Value::Short(turns) => turns.first().copied().filter(|turn| (1..=8).contains(turn)),
        _ => None,
    }
}

/// EXIF that says how a picture is turned, and nothing else.
fn turned_only(turn: u16) -> Vec<u8> {
    let mut exif = EXIF.to_vec();
    // One entry of one short, and no further directory.
    exif.extend_from_slice(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0");
    exif.extend_from_slice(&turn.to_le_bytes());
    exif.extend_from_slice(&[0; 6]);
    exif
}

/// What a PNG needs to be shown; each four letters.
const CHUNKS: [&[u8; 4]; 18] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"bKGD", b"pHYs", b"sPLT", b"hIST",
    b"acTL", b"fcTL", b"fdAT",
];

/// A PNG.
pub(super) fn png(bytes: &[u8]) -> Cleaned {
    let mut picture = Png::from_bytes(Bytes::copy_from_slice(bytes)).map_err(|_| Uncleanable::Broken)?;
    let mut removed = BTreeSet::new();
    picture.chunks_mut().retain(|chunk| {
        let kind = chunk.kind();
        let keeps = CHUNKS.contains(&&kind);
        if !keeps {
            removed.insert(if &kind == b"eXIf" { Removed::Exif } else { Removed::Beside });
        }
        keeps
    });
    let whole = picture.len();
    let cleaned = picture.encoder().bytes().to_vec();
    if removed.is_empty() && whole < bytes.len() {
        removed.insert(Removed::Behind);
    }
    Ok((cleaned, removed))
}

/// A WebP.
pub(super) fn webp(bytes: &[u8]) -> Cleaned {
    let mut picture = WebP::from_bytes(Bytes::copy_from_slice(bytes)).map_err(|_| Uncleanable::Broken)?;
    let mut removed = BTreeSet::new();
    let mut kept = Vec::new();
    for chunk in std::mem::take(picture.chunks_mut()) {
        match &chunk.id() {
            b"EXIF" => {
                removed.insert(Removed::Exif);
            }
            b"XMP " => {
                removed.insert(Removed::Xmp);
            }
            // Its first byte tells which further blocks there are.
            b"VP8X" => {
                let mut head = chunk.content().data().map(|data| data.to_vec()).ok_or(Uncleanable::Broken)?;
                if let Some(flags) = head.first_mut() {
                    *flags &= !(0x08 | 0x04);
                }
                kept.push(RiffChunk::new(chunk.id(), RiffContent::Data(head.into())));
            }
            b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF" | b"ICCP" => kept.push(chunk),
            _ => {
                removed.insert(Removed::Beside);
            }
        }
    }
    *picture.chunks_mut() = kept;
    let cleaned = picture.encoder().bytes().to_vec();
    if removed.is_empty() && cleaned.len() < bytes.len() {
        removed.insert(Removed::Behind);
    }
    Ok((cleaned, removed))
}
