//! Takes out of a file what could identify a person, before it is hashed and sent: where and by whom a picture was taken,
//! who wrote a document, who commented on it. What a file shows or says is left as it is; comments go with their authors.
//!
//! The same bytes are always cleaned to the same bytes, so that an upload that broke off goes on in another run. Which
//! metadata identify a person is said by the server's own inspection, which looks at the result once more.

mod office;
mod pdf;
mod picture;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::lang::say;

/// Bytes of a file that is cleaned at most: it is held in memory, in two or three copies. Larger ones are sent as they
/// are, if the server's inspection finds nothing in them.
pub const CLEANED_BYTES_MAX: u64 = 256 << 20;

/// Something that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Removed {
    /// EXIF: place, camera, owner, time.
    Exif,
    /// XMP: the same and who worked on it.
    Xmp,
    /// IPTC: who took the picture, and where.
    Iptc,
    /// Texts and further blocks beside a picture.
    Beside,
    /// What stood behind a picture's end: previews and second pictures.
    Behind,
    /// A document's author, who saved it last, its manager.
    Author,
    /// Comments with their authors.
    Comments,
    /// Who made tracked changes and notes.
    Names,
}

impl Removed {
    /// In words, in the reader's language.
    pub fn said(self) -> &'static str {
        match self {
            Self::Exif => say(
                "lugar, cámara y fecha de la imagen (EXIF)",
                "the picture's place, camera and time (EXIF)",
            ),
            Self::Xmp => say(
                "ficha de la imagen o del documento (XMP)",
                "the picture's or document's record (XMP)",
            ),
            Self::Iptc => say("autoría y lugar de la imagen (IPTC)", "the picture's author and place (IPTC)"),
            Self::Beside => say("textos ocultos junto a la imagen", "hidden texts beside the picture"),
            Self::Behind => say("imágenes ocultas detrás de la imagen", "hidden pictures behind the picture"),
            Self::Author => say("autoría del documento", "the document's authors"),
            Self::Comments => say("comentarios y quién los hizo", "comments and who made them"),
            Self::Names => say(
                "nombres de quienes hicieron cambios o notas",
                "the names of who made changes or notes",
            ),
        }
    }
}

/// Why a file can't be cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncleanable {
    /// Another file would not bear the signature.
    Signed,
    /// Nothing in it can be looked into.
    Encrypted,
    /// It is not what it begins like.
    Broken,
}

impl Uncleanable {
    /// What is wrong, and what to do.
    pub fn said(self) -> &'static str {
        match self {
            Self::Signed => say(
                "está firmado electrónicamente y limpiarlo rompería la firma: quite los metadatos del original y fírmelo de nuevo",
                "it is signed and cleaning would break the signature: clean the original's metadata and sign it again",
            ),
            Self::Encrypted => say(
                "está cifrado o protegido con contraseña: guárdelo sin protección",
                "it is encrypted or protected by a password: save it without protection",
            ),
            Self::Broken => say(
                "está dañado o a medias: ábralo con su programa y guárdelo de nuevo",
                "it is damaged or cut off: open it with its program and save it again",
            ),
        }
    }
}

/// A file without what could identify a person, and what was taken out; with nothing taken out the bytes are the same.
pub fn clean(bytes: Vec<u8>) -> Result<(Vec<u8>, BTreeSet<Removed>), Uncleanable> {
    let cleaned = match bytes.as_slice() {
        [0xFF, 0xD8, 0xFF, ..] => picture::jpeg(&bytes),
        [0x89, b'P', b'N', b'G', ..] => picture::png(&bytes),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => picture::webp(&bytes),
        [b'%', b'P', b'D', b'F', b'-', ..] => pdf::clean(&bytes),
        [b'P', b'K', 3, 4, ..] => office::clean(&bytes),
        // Texts hold nothing but their text; everything else the server does not take.
        _ => return Ok((bytes, BTreeSet::new())),
    };
    cleaned.map(|(cleaned, removed)| if removed.is_empty() { (bytes, removed) } else { (cleaned, removed) })
}

/// What a cleaner gives: the bytes, of no use where nothing was taken out.
type Cleaned = Result<(Vec<u8>, BTreeSet<Removed>), Uncleanable>;
