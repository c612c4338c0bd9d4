//! Files of other programs, which name people: cleaned, they name nobody, and still open.

use std::{
    io::{Cursor, Read, Write},
    path::Path,
};

use lopdf::{Dictionary, Document, Object, Stream, StringFormat, dictionary};
use zip::ZipArchive;

use super::{Removed::*, *};

fn given(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evidence").join(name);
    std::fs::read(path).expect("a file of the tests")
}

/// What the server's inspection finds.
fn traces(bytes: &[u8]) -> Vec<&'static str> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    let inspected = vigia_reporting::inspect(&mut file, bytes.len() as u64).expect("read");
    inspected.expect("of a type that is taken").traces.into_iter().collect()
}

/// Whether bytes name anybody, also within an archive.
fn names_anybody(bytes: &[u8]) -> bool {
    let named = |bytes: &[u8]| {
        ["Ana Paz", "Rosa Mora", "Luis Vera"]
            .iter()
            .any(|name| memchr::memmem::find(bytes, name.as_bytes()).is_some())
    };
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else {
        return named(bytes);
    };
    (0..archive.len()).any(|place| {
        let mut part = Vec::new();
        let mut file = archive.by_index(place).expect("a file of the archive");
        file.read_to_end(&mut part).expect("unpacked");
        named(&part)
    })
}

/// Cleans a file that names people, and looks that it then names nobody; cleaned again it is the same.
fn check(name: &str, expect: &[Removed]) -> Vec<u8> {
    let before = given(name);
    assert!(!traces(&before).is_empty(), "{name}: nothing to take out");
    let Clean { bytes: after, removed, .. } = clean(before.clone()).unwrap_or_else(|why| panic!("{name}: {why:?}"));
    assert_eq!(removed.into_iter().collect::<Vec<_>>(), expect, "{name}");
    assert_eq!(traces(&after), Vec::<&str>::new(), "{name}");
    assert!(!names_anybody(&after), "{name}");
    assert_eq!(clean(before).expect("cleaned before").bytes, after, "{name}: cleaned otherwise");
    let again = clean(after.clone()).expect("cleaned before");
    assert_eq!(
        (again.bytes == after, again.removed.is_empty()),
        (true, true),
        "{name}: cleaned twice"
    );
    after
}

#[test]
fn pictures_say_nothing_of_place_and_people() {
    let jpeg = check("picture.jpg", &[Exif, Xmp, Iptc, Beside, Behind]);
    // It still says that it is turned, and what it shows is the same to the last bit.
    let exif = exif::Reader::new().read_from_container(&mut Cursor::new(&jpeg)).expect("EXIF");
    let told: Vec<_> = exif.fields().map(|field| (field.tag, field.display_value().to_string())).collect();
    assert_eq!(told, [(exif::Tag::Orientation, "row 0 at right and column 0 at top".to_owned())]);
    let scan = |bytes: &[u8]| {
        let begin = memchr::memmem::find(bytes, b"\xFF\xDA").expect("a scan");
        let end = memchr::memmem::find(bytes, b"\xFF\xD9").expect("an end");
        bytes[begin..end].to_vec()
    };
    assert_eq!(scan(&jpeg), scan(&given("picture.jpg")));
    let png = check("picture.png", &[Exif, Beside]);
    assert!(png.ends_with(b"IEND\xAE\x42\x60\x82"));
    check("picture.webp", &[Exif, Xmp]);
}

#[test]
fn documents_say_nothing_of_who_wrote_them_or_commented() {
    let parts = |bytes: &[u8]| {
        let archive = ZipArchive::new(Cursor::new(bytes.to_vec())).expect("an archive");
        let names = archive.file_names().map(|name| name.expect("a name").into_owned());
        names.collect::<std::collections::BTreeSet<String>>()
    };
    let part = |bytes: &[u8], name: &str| {
        let mut archive = ZipArchive::new(Cursor::new(bytes.to_vec())).expect("an archive");
        let mut text = String::new();
        archive.by_name(name).expect("a part").read_to_string(&mut text).expect("a text");
        text
    };
    let docx = check("acta.docx", &[Exif, Xmp, Iptc, Beside, Behind, Author, Comments, Names, Properties]);
    assert!(!parts(&docx).contains("word/comments.xml"));
    let text = part(&docx, "word/document.xml");
    // What was written stays, tracked changes too; what pointed to the comment is gone, wherever it was named.
    assert!(text.contains("noventa promotoras") && text.contains("w:author=\"Autor\""), "{text}");
    for (name, word) in [
        ("word/document.xml", "w:comment"),
        ("word/_rels/document.xml.rels", "comments.xml"),
        ("[Content_Types].xml", "comments.xml"),
    ] {
        assert!(part(&given("acta.docx"), name).contains(word), "{name}");
        assert!(!part(&docx, name).contains(word), "{name}");
    }
    let odt = check("acta.odt", &[Exif, Xmp, Iptc, Beside, Behind, Author, Comments]);
    assert!(!part(&odt, "content.xml").contains("annotation"));
    assert_eq!(parts(&odt), parts(&given("acta.odt")));
    // The comments of a sheet stay, without text and authors, and the sheet still knows them.
    let xlsx = check("datos.xlsx", &[Author, Comments]);
    let comments = part(&xlsx, "xl/comments1.xml");
    assert!(
        comments.contains("<comment ref=\"A1\"") && !comments.contains("Revisar la cifra"),
        "{comments}"
    );
    assert!(part(&xlsx, "xl/worksheets/_rels/sheet1.xml.rels").contains("comments1.xml"));
    assert_eq!(parts(&xlsx), parts(&given("datos.xlsx")));
    check("datos.ods", &[Author, Comments]);
}

/// The same archive with files of it written anew, or added.
fn with(archive: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(given(archive))).expect("an archive");
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for place in 0..archive.len() {
        let file = archive.by_index_raw(place).expect("a file of the archive");
        let name = file.name().expect("a name").into_owned();
        if parts.iter().all(|(part, _)| *part != name) {
            writer.raw_copy_file(file).expect("copied");
        }
    }
    for (name, text) in parts {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("begun");
        writer.write_all(text.as_bytes()).expect("written");
    }
    writer.finish().expect("an archive").into_inner()
}

/// A stranger found title, subject, keywords, company and properties of their own in what had been cleaned.
#[test]
fn properties_of_documents_go() {
    let core = "<cp:coreProperties><dc:title>Caso Paz</dc:title><dc:subject>Caso Paz</dc:subject><cp:keywords>Caso Paz</cp:keywords>\
<dc:description>Caso Paz</dc:description><cp:category>Caso Paz</cp:category><cp:lastModifiedBy>Caso Paz</cp:lastModifiedBy>\
<cp:revision>3</cp:revision></cp:coreProperties>";
    let custom = "<Properties><property name=\"Responsable\"><vt:lpwstr>Caso Paz</vt:lpwstr></property></Properties>";
    let types = "<Types><Override PartName=\"/docProps/custom.xml\" ContentType=\"x\"/><Override PartName=\"/xl/workbook.xml\" ContentType=\"y\"/></Types>";
    let rels = "<Relationships><Relationship Id=\"a\" Target=\"docProps/custom.xml\"/><Relationship Id=\"b\" Target=\"xl/workbook.xml\"/></Relationships>";
    let before = with(
        "datos.xlsx",
        &[
            ("docProps/core.xml", core),
            (
                "docProps/app.xml",
                "<Properties><Company>Caso Paz</Company><Application>Excel</Application></Properties>",
            ),
            ("docProps/custom.xml", custom),
            ("[Content_Types].xml", types),
            ("_rels/.rels", rels),
        ],
    );
    let after = clean(before).expect("cleaned");
    assert_eq!(after.removed.into_iter().collect::<Vec<_>>(), [Author, Comments, Properties]);
    let mut archive = ZipArchive::new(Cursor::new(after.bytes)).expect("an archive");
    for place in 0..archive.len() {
        let mut text = Vec::new();
        let mut file = archive.by_index(place).expect("a file");
        file.read_to_end(&mut text).expect("unpacked");
        let text = String::from_utf8_lossy(&text);
        let name = file.name().expect("a name").into_owned();
        assert!(
            !text.contains("Caso Paz") && !text.contains("custom.xml") && name != "docProps/custom.xml",
            "{name}: {text}"
        );
        if name == "docProps/core.xml" {
            assert!(text.contains("<dc:title></dc:title>") && text.contains("<cp:revision>3<"), "{text}");
        }
    }
}

#[test]
fn what_stays_hidden_is_told() {
    let stays = |bytes: Vec<u8>| clean(bytes).expect("cleaned").stays.into_iter().collect::<Vec<_>>();
    let sheets = "<workbook><sheets><sheet name=\"Datos\" state=\"visible\"/><sheet name=\"Nombres\" state=\"hidden\"/>\
<sheet name=\"Más\" state=\"veryHidden\"></sheet></sheets></workbook>";
    let hidden = |name: &str| Stays::HiddenSheet(name.to_owned());
    assert_eq!(
        stays(with("datos.xlsx", &[("xl/workbook.xml", sheets)])),
        [hidden("Más"), hidden("Nombres")]
    );
    let content = "<office:document-content><style:style style:name=\"ta1\"><style:table-properties table:display=\"true\"/></style:style>\
<style:style style:name=\"ta2\"><style:table-properties table:display=\"false\"/></style:style>\
<table:table table:name=\"A\" table:style-name=\"ta1\"/><table:table table:name=\"B\" table:style-name=\"ta2\"/></office:document-content>";
    assert_eq!(stays(with("datos.ods", &[("content.xml", content)])), [hidden("B")]);
    let text = "<w:document><w:del w:author=\"Autor\"><w:delText>x</w:delText></w:del><w:rPr><w:vanish/></w:rPr></w:document>";
    assert_eq!(
        stays(with("acta.docx", &[("word/document.xml", text)])),
        [Stays::HiddenText, Stays::Deleted]
    );
    assert_eq!(stays(given("datos.xlsx")), []);
    // Without properties only its signature is left; with them it stays as it is, and that is said.
    let mut plain = pdf(true);
    plain.objects.retain(|_, object| {
        !object
            .as_stream()
            .is_ok_and(|stream| stream.dict.has(b"Filter") || stream.dict.has(b"Type"))
    });
    let mut about = Dictionary::new();
    about.set("Producer", Object::string_literal("x"));
    plain.trailer.set("Info", about);
    for object in plain.objects.values_mut() {
        if let Ok(page) = object.as_dict_mut() {
            page.remove(b"Annots");
        }
    }
    let mut signed = Vec::new();
    plain.save_to(&mut signed).expect("written");
    let after = clean(signed.clone()).expect("taken as it is");
    assert_eq!((after.bytes == signed, after.removed.len()), (true, 0));
    assert_eq!(after.stays.into_iter().collect::<Vec<_>>(), [Stays::SignedProperties]);
}

#[test]
fn a_pdf_says_nothing_of_its_author() {
    let pdf = check("datos.pdf", &[Author, Comments, Names, Properties]);
    assert_eq!(Document::load_mem(&pdf).expect("a PDF").get_pages().len(), 1);
}

/// A PDF with a record of who made it, somebody's note, a photograph and perhaps a signature.
fn pdf(signed: bool) -> Document {
    let mut pdf = Document::with_version("1.7");
    let text = |text: &str| Object::String(text.as_bytes().to_vec(), StringFormat::Literal);
    let record = "<x:xmpmeta><dc:creator><rdf:Seq><rdf:li>Ana Paz</rdf:li></rdf:Seq></dc:creator></x:xmpmeta>";
    let record = Stream::new(dictionary! {"Type" => "Metadata", "Subtype" => "XML"}, record.as_bytes().to_vec());
    let record = pdf.add_object(record);
    let photograph = dictionary! {
        "Type" => "XObject", "Subtype" => "Image", "Filter" => "DCTDecode", "Width" => 64, "Height" => 48,
    };
    let photograph = pdf.add_object(Stream::new(photograph, given("picture.jpg")));
    let rect: Vec<Object> = (0..4).map(Object::Integer).collect();
    let note = dictionary! {
        "Type" => "Annot", "Subtype" => "Text", "Rect" => rect.clone(), "T" => text("Luis Vera"), "Contents" => text("Revisar"),
    };
    let field = dictionary! {"Type" => "Annot", "Subtype" => "Widget", "Rect" => rect, "T" => text("casilla_1")};
    let pages = pdf.new_object_id();
    let page = pdf.add_object(dictionary! {
        "Type" => "Page", "Parent" => pages,
        "Resources" => dictionary! {"XObject" => dictionary! {"Im1" => photograph}},
        "Annots" => vec![Object::Dictionary(note), Object::Dictionary(field)],
    });
    pdf.objects.insert(
        pages,
        Object::Dictionary(dictionary! {"Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1}),
    );
    let mut catalog = dictionary! {"Type" => "Catalog", "Pages" => pages, "Metadata" => record};
    if signed {
        let range: Vec<Object> = (0..4).map(Object::Integer).collect();
        let signature = pdf.add_object(dictionary! {"Type" => "Sig", "ByteRange" => range});
        catalog.set("Perms", Object::Dictionary(dictionary! {"DocMDP" => signature}));
    }
    let catalog = pdf.add_object(catalog);
    let mut about = Dictionary::new();
    about.set("Title", text("Acta"));
    about.set("Author", text("Ana Paz"));
    about.set("Empresa", text("Rosa Mora"));
    let about = pdf.add_object(about);
    pdf.trailer.set("Root", catalog);
    pdf.trailer.set("Info", about);
    pdf
}

#[test]
fn records_notes_and_photographs_of_a_pdf_are_cleaned_wherever_they_stand() {
    let (mut plain, mut packed) = (Vec::new(), Vec::new());
    pdf(false).save_to(&mut plain).expect("written");
    // Objects in compressed streams, as newer programs write them.
    pdf(false).save_modern(&mut packed).expect("written");
    assert!(traces(&packed).contains(&"pdf.author"));
    for before in [plain, packed] {
        let Clean { bytes: after, removed, .. } = clean(before).expect("cleaned");
        assert_eq!(
            removed.into_iter().collect::<Vec<_>>(),
            [Exif, Xmp, Iptc, Beside, Behind, Author, Comments, Names, Properties]
        );
        assert_eq!(traces(&after), Vec::<&str>::new());
        let document = Document::load_mem(&after).expect("a PDF");
        let mut all = Vec::new();
        for object in document.objects.values() {
            all.extend(format!("{object:?}").into_bytes());
        }
        assert!(!names_anybody(&all) && !names_anybody(&after));
        // Of what it says only the form's field stays.
        let says = |text: &str| memchr::memmem::find(&after, text.as_bytes()).is_some();
        assert_eq!(["casilla_1", "Acta", "Revisar"].map(says), [true, false, false]);
        assert_eq!(clean(after.clone()).expect("cleaned before").removed, BTreeSet::new());
    }
}

#[test]
fn what_can_not_be_cleaned_is_said() {
    let mut signed = Vec::new();
    pdf(true).save_to(&mut signed).expect("written");
    let check = |bytes: Vec<u8>, expect: Uncleanable| assert_eq!(clean(bytes).err(), Some(expect));
    check(signed, Uncleanable::Signed);
    check(b"%PDF-1.7\ntrailer <</Encrypt 9 0 R>>".to_vec(), Uncleanable::Encrypted);
    check(b"%PDF-1.7\nnada".to_vec(), Uncleanable::Broken);
    check(given("picture.jpg")[..200].to_vec(), Uncleanable::Broken);
    check(given("acta.docx")[..9_000].to_vec(), Uncleanable::Broken);
}

#[test]
fn what_has_nothing_to_take_out_is_left_as_it_is() {
    for bytes in ["canton;valor\nAña;1,5\n".as_bytes().to_vec(), Vec::new(), b"MZ\x90\0".to_vec()] {
        let same = Clean {
            bytes: bytes.clone(),
            ..Clean::default()
        };
        assert_eq!(clean(bytes), Ok(same));
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(name in proptest::sample::select(vec!["picture.jpg", "picture.png", "picture.webp", "acta.odt", "datos.pdf"]),
        cut in 0..1000_usize, at in 0..1000_usize, byte in proptest::prelude::any::<u8>()) {
        let mut bytes = given(name);
        let place = |thousandth: usize, length: usize| length * thousandth / 1000;
        let changed = place(at, bytes.len());
        bytes[changed] = byte;
        bytes.truncate(place(cut, bytes.len()).max(16));
        let _ = clean(bytes);
    }
}
