//! PDF: what it says of itself and of who made it, its notes and their authors, and what the photographs in it tell.

use std::collections::BTreeSet;

use lopdf::{Dictionary, Document, Object};

use super::{Clean, Removed, Stays, Uncleanable, picture, signed};

/// Notes that are no such: what these say stands on the page, or is what a program for the blind reads out.
const SHOWN: [&[u8]; 3] = [b"Widget", b"FreeText", b"Link"];

/// What the information dictionary may say of a document without naming anybody.
const PLAIN: [&[u8]; 8] = [
    b"Title",
    b"Subject",
    b"Keywords",
    b"Creator",
    b"Producer",
    b"CreationDate",
    b"ModDate",
    b"Trapped",
];

/// What a record of its own says where it names a person or a place.
const NAMING: [&str; 7] = ["creator", "Author", "Artist", "Owner", "GPS", "rights", "contributor"];

/// Bytes of such a record, unpacked, at most; a larger one goes unread.
const RECORD_BYTES: usize = 4 << 20;

pub(super) fn clean(bytes: &[u8]) -> Result<Clean, Uncleanable> {
    let mut document = Document::load_mem(bytes).map_err(|_| {
        // One that asks for a password can't be read at all.
        if memchr::memmem::find(bytes, b"/Encrypt").is_some() {
            Uncleanable::Encrypted
        } else {
            Uncleanable::Broken
        }
    })?;
    if document.is_encrypted() || document.encryption_state.is_some() || document.trailer.has(b"Encrypt") {
        return Err(Uncleanable::Encrypted);
    }
    let mut removed = BTreeSet::new();
    if let Some(info) = information(&document) {
        let names = info.iter().any(|(key, _)| !PLAIN.contains(&&key[..]));
        removed.extend((!info.is_empty()).then_some(Removed::Properties));
        removed.extend(names.then_some(Removed::Author));
    }
    // Wholly: whatever the dictionary says is said by nothing else.
    if let Some(Object::Reference(id)) = document.trailer.remove(b"Info") {
        document.objects.remove(&id);
    }
    let records: Vec<_> = document
        .objects
        .iter()
        .filter(|(_, object)| is_record(object))
        .map(|(id, _)| *id)
        .collect();
    let names = |id| document.objects.get(&id).is_some_and(names_somebody);
    let record_names = records.iter().any(|id| names(*id));
    removed.extend(record_names.then_some(Removed::Xmp));
    // A record repeats what the dictionary says: it goes with it.
    let record_gone = !records.is_empty() && !removed.is_empty();
    for id in records.iter().filter(|_| record_gone) {
        document.objects.remove(id);
    }
    let (mut is_signed, mut attached) = (false, 0);
    for object in document.objects.values_mut() {
        walk(object, &mut |dictionary| {
            is_signed |= dictionary.has(b"ByteRange");
            attached += usize::from(dictionary.get(b"Type").is_ok_and(|kind| is_name(kind, b"EmbeddedFile")));
            if record_gone {
                dictionary.remove(b"Metadata");
            }
            // Fields of a form have their own name there; notes have their author's.
            let kind = dictionary.get(b"Subtype").and_then(Object::as_name).unwrap_or_default();
            let is_shown = SHOWN.contains(&kind);
            let is_note = dictionary.has(b"Rect") && kind != b"Widget";
            if is_note && dictionary.remove(b"T").is_some() {
                removed.insert(Removed::Names);
            }
            // What was noted, plain and formatted, and on what.
            for text in [&b"Contents"[..], b"RC", b"Subj"] {
                if is_note && !is_shown && dictionary.remove(text).is_some() {
                    removed.insert(Removed::Comments);
                }
            }
        });
        if let Object::Stream(stream) = object
            && stream.filters().is_ok_and(|filters| filters == [b"DCTDecode"])
            && let Ok((cleaned, of_picture)) = picture::jpeg(&stream.content)
            && !of_picture.is_empty()
        {
            stream.set_content(cleaned);
            removed.extend(of_picture);
        }
    }
    let stays: BTreeSet<_> = (attached > 0).then_some(Stays::Attached(attached)).into_iter().collect();
    if is_signed && !removed.is_empty() {
        return signed(&removed, stays);
    }
    let mut cleaned = Vec::new();
    document.save_to(&mut cleaned).map_err(|_| Uncleanable::Broken)?;
    Ok(Clean {
        bytes: cleaned,
        removed,
        stays,
    })
}

/// What the document says of itself.
fn information(document: &Document) -> Option<&Dictionary> {
    match document.trailer.get(b"Info").ok()? {
        Object::Reference(id) => document.objects.get(id)?.as_dict().ok(),
        info => info.as_dict().ok(),
    }
}

fn is_name(object: &Object, name: &[u8]) -> bool {
    matches!(object, Object::Name(given) if given == name)
}

fn is_record(object: &Object) -> bool {
    matches!(object, Object::Stream(stream) if stream.dict.get(b"Type").is_ok_and(|kind| is_name(kind, b"Metadata")))
}

fn names_somebody(record: &Object) -> bool {
    let Object::Stream(stream) = record else { return false };
    match stream.get_plain_content_with_limit(RECORD_BYTES) {
        Ok(xml) => NAMING.iter().any(|word| memchr::memmem::find(&xml, word.as_bytes()).is_some()),
        // What can't be read may say anything.
        Err(_) => true,
    }
}

/// Every dictionary within an object. Objects of a file nest as deep as its reader has let them.
fn walk(object: &mut Object, each: &mut impl FnMut(&mut Dictionary)) {
    match object {
        Object::Array(objects) => objects.iter_mut().for_each(|object| walk(object, each)),
        Object::Dictionary(dictionary) => {
            each(dictionary);
            dictionary.iter_mut().for_each(|(_, object)| walk(object, each));
        }
        Object::Stream(stream) => {
            each(&mut stream.dict);
            stream.dict.iter_mut().for_each(|(_, object)| walk(object, each));
        }
        _ => {}
    }
}
