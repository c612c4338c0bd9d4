//! Takes out of a file what could identify a person, before it is hashed and sent: where and by whom a picture was taken,
//! who wrote a document, who commented on it and what they said. What a file shows is left as it is; what it hides and can't
//! be taken out without changing what it says stays, and is told.
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

use super::fault::told;
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
    /// Comments and notes: their text, and who made them.
    Comments,
    /// Who made tracked changes and notes.
    Names,
    /// A document's title, subject, keywords, description and whatever else its properties say.
    Properties,
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
            Self::Properties => say(
                "propiedades del documento (título, asunto, palabras clave y las demás)",
                "the document's properties (title, subject, keywords and the others)",
            ),
        }
    }
}

/// Something that stays in a file and is not seen at once: a person has to look at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stays {
    /// A sheet that is hidden, by its name.
    HiddenSheet(String),
    /// Text that is formatted as hidden.
    HiddenText,
    /// Text that was deleted while changes were tracked.
    Deleted,
    /// Files within the document.
    Attached(usize),
    /// A signed document's properties: without them the signature would break.
    SignedProperties,
}

impl Stays {
    /// In words, in the reader's language.
    pub fn said(&self) -> String {
        match self {
            Self::HiddenSheet(name) => told(
                format!("la hoja oculta «{name}»: muéstrela y revísela"),
                format!("the hidden sheet \"{name}\": unhide it and look through it"),
            ),
            Self::HiddenText => say("texto oculto: muéstrelo y revíselo", "hidden text: show it and look through it").to_owned(),
            Self::Deleted => say(
                "texto borrado con control de cambios: acepte los cambios en el original",
                "text that was deleted with changes tracked: accept the changes in the original",
            )
            .to_owned(),
            Self::Attached(count) => told(
                format!("archivos adjuntos dentro del documento ({count}): revíselos"),
                format!("files attached within the document ({count}): look through them"),
            ),
            Self::SignedProperties => say(
                "las propiedades del documento (título, programa y otras), porque está firmado",
                "the document's properties (title, program and others), because it is signed",
            )
            .to_owned(),
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

/// A file without what could identify a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clean {
    /// The same bytes as before where nothing was taken out.
    pub bytes: Vec<u8>,
    /// What was taken out.
    pub removed: BTreeSet<Removed>,
    /// What stays and is not seen at once.
    pub stays: BTreeSet<Stays>,
}

impl From<Picture> for Clean {
    fn from((bytes, removed): Picture) -> Self {
        Self {
            bytes,
            removed,
            stays: BTreeSet::new(),
        }
    }
}

/// Cleans a file.
pub fn clean(bytes: Vec<u8>) -> Result<Clean, Uncleanable> {
    let cleaned = match bytes.as_slice() {
        [0xFF, 0xD8, 0xFF, ..] => picture::jpeg(&bytes)?.into(),
        [0x89, b'P', b'N', b'G', ..] => picture::png(&bytes)?.into(),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => picture::webp(&bytes)?.into(),
        [b'%', b'P', b'D', b'F', b'-', ..] => pdf::clean(&bytes)?,
        [b'P', b'K', 3, 4, ..] => office::clean(&bytes)?,
        // Texts hold nothing but their text; everything else the server does not take.
        _ => Clean::default(),
    };
    Ok(if cleaned.removed.is_empty() {
        Clean { bytes, ..cleaned }
    } else {
        cleaned
    })
}

/// A picture's bytes, of no use where nothing was taken out, and what was.
type Picture = (Vec<u8>, BTreeSet<Removed>);
/// What a cleaner of pictures gives.
type Cleaned = Result<Picture, Uncleanable>;

/// What becomes of a signed document from which something would be taken out. Nearly every program writes properties, so a
/// signed one is refused only where it says more: for its properties alone it stays as it is, and that is told.
fn signed(removed: &BTreeSet<Removed>, stays: BTreeSet<Stays>) -> Result<Clean, Uncleanable> {
    if removed.iter().any(|removed| *removed != Removed::Properties) {
        return Err(Uncleanable::Signed);
    }
    let mut stays = stays;
    stays.insert(Stays::SignedProperties);
    Ok(Clean { stays, ..Clean::default() })
}
