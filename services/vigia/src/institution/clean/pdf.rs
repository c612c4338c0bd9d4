//! PDF: its author, its records of who made it, the authors of its notes, and what the photographs in it tell.

use std::collections::BTreeSet;

use lopdf::{Dictionary, Document, Object};

use super::{Cleaned, Removed, Uncleanable, picture};

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

pub(super) fn clean(bytes: &[u8]) -> Cleaned {
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
    if let Some(info) = information(&mut document) {
        let before = info.len();
        let others: Vec<Vec<u8>> = info
            .iter()
            .map(|(key, _)| key.clone())
            .filter(|key| !PLAIN.contains(&&key[..]))
            .collect();
        for other in others {
            info.remove(&other);
        }
        if info.len() < before {
            removed.insert(Removed::Author);
        }
    }
    let records: Vec<_> = document
        .objects
        .iter()
        .filter(|(_, object)| is_record(object))
        .map(|(id, _)| *id)
        .collect();
    let names = |id| document.objects.get(&id).is_some_and(names_somebody);
    if !removed.is_empty() && !records.is_empty() || records.iter().any(|id| names(*id)) {
        for id in &records {
            document.objects.remove(id);
        }
        removed.insert(Removed::Xmp);
    }
    let mut signed = false;
    let record_gone = removed.contains(&Removed::Xmp);
    for object in document.objects.values_mut() {
        walk(object, &mut |dictionary| {
            signed |= dictionary.has(b"ByteRange");
            if record_gone {
                dictionary.remove(b"Metadata");
            }
            // Fields of a form have their own name there; notes have their author's.
            let is_note = dictionary.has(b"Rect") && !dictionary.get(b"Subtype").is_ok_and(|kind| is_name(kind, b"Widget"));
            if is_note && dictionary.remove(b"T").is_some() {
                removed.insert(Removed::Names);
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
    if signed && !removed.is_empty() {
        return Err(Uncleanable::Signed);
    }
    let mut cleaned = Vec::new();
    document.save_to(&mut cleaned).map_err(|_| Uncleanable::Broken)?;
    Ok((cleaned, removed))
}

/// What the document says of itself.
fn information(document: &mut Document) -> Option<&mut Dictionary> {
    match document.trailer.get(b"Info") {
        Ok(Object::Reference(id)) => {
            let id = *id;
            document.objects.get_mut(&id)?.as_dict_mut().ok()
        }
        _ => document.trailer.get_mut(b"Info").ok()?.as_dict_mut().ok(),
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
