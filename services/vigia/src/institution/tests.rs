//! Files as they come back: well filled in, badly filled in, broken and hostile. Each is a real XLSX or CSV, written by us
//! and changed as a person or a program would change it.

use std::{
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
};

use insta::assert_snapshot;
use vigia_proto::reporting::{Report, indicator_value::Value};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::{
    book::{Book, Known, Origin, obligation_name},
    check::look,
    fault::Fault,
    filled::Filled,
    layout::{FILE_BYTES_MAX, ROWS_MAX, Sheet},
    write,
};

const PLAN: &str = "plans/p";

/// A book with `n` obligations; each has two indicators and a milestone.
fn book(n: usize) -> Book {
    let mut book = Book {
        origin: Origin {
            server: "127.0.0.1:7300".to_owned(),
            plan: PLAN.to_owned(),
            institution: "institutions/msp".to_owned(),
            made_at: "2026-04-20T15:00:00Z".to_owned(),
            ..Origin::default()
        },
        ..Book::default()
    };
    for i in 1..=n {
        let key = |code: &str| [format!("a{i}"), "2026-Q1".to_owned(), format!("A{i}"), code.to_owned()].to_vec();
        let name = obligation_name(PLAN, &format!("a{i}"), "2026-Q1");
        book.origin.obligations.push(Known {
            name: name.clone(),
            version: 0,
        });
        let rest = ["msp", "", "2026-04-16 00:00", "abierta"].map(str::to_owned);
        book.reports.push([&key("=Formar promotoras")[..], &rest].concat());
        for code in ["I1", "I2"] {
            let rest = ["Promotoras formadas", "cantidad", "400 al 2026-12-31"].map(str::to_owned);
            book.indicators.push([&key(code)[..], &rest].concat());
            book.origin.parts.insert((Sheet::Indicators, name.clone(), code.to_owned()));
        }
        book.milestones
            .push([&key("M1")[..], &["Red en marcha".to_owned(), "2026-06-30".to_owned()]].concat());
        book.origin.parts.insert((Sheet::Milestones, name.clone(), "M1".to_owned()));
        book.spending
            .push([&key("530101")[..3], &["530101".to_owned(), "1000".to_owned()]].concat());
        book.origin.parts.insert((Sheet::Spending, name, "530101".to_owned()));
    }
    book
}

/// The files of a workbook by name.
fn parts(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    let count = archive.len();
    let read = |i| {
        let mut part = archive.by_index(i).expect("a part");
        let mut content = Vec::new();
        part.read_to_end(&mut content).expect("bytes");
        (part.name().expect("a name").into_owned(), content)
    };
    (0..count).map(read).collect()
}

fn zipped(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in parts {
        writer.start_file(name.as_str(), options).expect("a part");
        writer.write_all(content).expect("bytes");
    }
    writer.finish().expect("a zip").into_inner()
}

/// A workbook whose parts were changed.
fn changed(bytes: &[u8], change: impl Fn(&str, String) -> String) -> Vec<u8> {
    let changed = parts(bytes).into_iter().map(|(name, content)| {
        let text = String::from_utf8(content).expect("text");
        let text = change(&name, text);
        (name, text.into_bytes())
    });
    zipped(&changed.collect::<Vec<_>>())
}

fn part_of(sheet: Sheet) -> &'static str {
    match sheet {
        Sheet::Reports => "xl/worksheets/sheet2.xml",
        Sheet::Indicators => "xl/worksheets/sheet3.xml",
        Sheet::Milestones => "xl/worksheets/sheet4.xml",
        Sheet::Spending => "xl/worksheets/sheet5.xml",
    }
}

/// What somebody puts into a cell.
#[derive(Clone, Copy)]
enum Put<'a> {
    Text(&'a str),
    Number(&'a str),
    Formula(&'a str),
    Yes,
}

/// Puts something into cells, as a spreadsheet writes it.
fn filled_in(bytes: &[u8], cells: &[(Sheet, &str, Put<'_>)]) -> Vec<u8> {
    changed(bytes, |name, mut text| {
        for (sheet, cell, put) in cells.iter().filter(|(sheet, ..)| part_of(*sheet) == name) {
            let from = text
                .find(&format!("<c r=\"{cell}\""))
                .unwrap_or_else(|| panic!("{} has no {cell}", sheet.name()));
            let rest = &text[from..];
            let end = match (rest.find("/>"), rest.find("</c>")) {
                (Some(short), Some(long)) if long < short => long + 4,
                (Some(short), _) => short + 2,
                (None, long) => long.expect("a cell") + 4,
            };
            let content = match put {
                Put::Text(text) => format!("<c r=\"{cell}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>"),
                Put::Number(number) => format!("<c r=\"{cell}\"><v>{number}</v></c>"),
                Put::Formula(formula) => format!("<c r=\"{cell}\"><f>{formula}</f><v>3</v></c>"),
                Put::Yes => format!("<c r=\"{cell}\" t=\"b\"><v>1</v></c>"),
            };
            text.replace_range(from..from + end, &content);
        }
        text
    })
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    }
}

fn look_at(bytes: &[u8]) -> Result<Filled, Vec<Fault>> {
    let folder = Folder::new();
    look(&folder.file("t.xlsx", bytes))
}

/// All that is said of a file that is wrong, a line each.
fn faults(bytes: &[u8]) -> String {
    said(look_at(bytes))
}

fn said(result: Result<Filled, Vec<Fault>>) -> String {
    let faults = result.expect_err("a fault");
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

fn xlsx(n: usize) -> Vec<u8> {
    write::xlsx(&book(n)).expect("a workbook")
}

#[test]
fn what_is_filled_in_becomes_reports_and_the_rest_stays_untouched() {
    let file = filled_in(
        &xlsx(3),
        &[
            (Sheet::Reports, "I2", Put::Text("Dos talleres en Manabí")),
            (Sheet::Reports, "K2", Put::Text("MSP-2026-0012-O")),
            (Sheet::Reports, "J4", Put::Text("Sin presupuesto todavía")),
            (Sheet::Indicators, "H2", Put::Number("1.1000000000000001")),
            (Sheet::Indicators, "H3", Put::Text("15")),
            (Sheet::Indicators, "I3", Put::Number("20")),
            (Sheet::Milestones, "G2", Put::Text("Sí")),
            (Sheet::Milestones, "G3", Put::Text("no")),
            (Sheet::Indicators, "J2", Put::Text("province: 09=0,6; 13=0,5")),
            (Sheet::Spending, "F2", Put::Text("1200,5")),
            (Sheet::Spending, "G2", Put::Text("Reforma presupuestaria 12")),
            (Sheet::Spending, "F4", Put::Number("0")),
        ],
    );
    let filled = look_at(&file).expect("no fault");
    assert_eq!(filled.origin, book(3).origin);
    assert_eq!(filled.untouched, [obligation_name(PLAN, "a2", "2026-Q1")]);
    let first = &filled.reports[0].report;
    assert_eq!(
        (first.narrative.as_str(), first.letter_number.as_str(), first.milestones.as_slice()),
        ("Dos talleres en Manabí", "MSP-2026-0012-O", ["M1".to_owned()].as_slice())
    );
    let values: Vec<String> = first
        .values
        .iter()
        .map(|value| match value.value.clone() {
            Some(Value::Number(number)) => format!("{}={}", value.indicator, number.value),
            Some(Value::Ratio(ratio)) => format!(
                "{}={}/{}",
                value.indicator,
                ratio.num.unwrap_or_default().value,
                ratio.den.unwrap_or_default().value
            ),
            None => String::new(),
        })
        .collect();
    assert_eq!(values, ["I1=1.1", "I2=15/20"]);
    let parts: Vec<_> = first.values[0].breakdowns[0]
        .parts
        .iter()
        .map(|part| part.category.as_str())
        .collect();
    assert_eq!(
        (first.values[0].breakdowns[0].dimension.as_str(), parts),
        ("province", vec!["09", "13"])
    );
    let spent = |report: &Report| {
        let spent = report.spending.iter();
        spent
            .map(|spent| {
                (
                    spent.classifier.clone(),
                    spent.accrued.clone().unwrap_or_default().value,
                    spent.note.clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    let told = |accrued: &str, note: &str| vec![("530101".to_owned(), accrued.to_owned(), note.to_owned())];
    assert_eq!(spent(first), told("1200.5", "Reforma presupuestaria 12"));
    assert_eq!(spent(&filled.reports[1].report), told("0", ""));
    // What the server says of them leads to their cells.
    let place = |path: &str| {
        filled.reports[0]
            .fault(path, "x".to_owned(), String::new())
            .to_string()
            .trim_end()
            .to_owned()
    };
    assert_eq!(place("report.values[0].breakdowns[0].parts"), "Indicadores!J2: x.");
    assert_eq!(place("report.spending[0].accrued"), "Gastos!F2: x.");
    assert_eq!(place("report.spending[0].note"), "Gastos!G2: x.");
    assert_eq!(filled.reports[1].report.nil_reason, "Sin presupuesto todavía");
    assert_eq!(filled.reports.len(), 2);
}

#[test]
fn every_bad_cell_is_named_with_its_remedy() {
    let file = filled_in(
        &xlsx(6),
        &[
            (Sheet::Reports, "J2", Put::Text("nada")),
            (Sheet::Reports, "I3", Put::Formula("1+2")),
            (Sheet::Reports, "K4", Put::Text("MSP\u{202e}2026")),
            (Sheet::Reports, "K5", Put::Text(&"9".repeat(101))),
            (Sheet::Indicators, "H2", Put::Text("1.234")),
            (Sheet::Indicators, "H3", Put::Formula("SUM(A1:A2)")),
            (Sheet::Indicators, "H4", Put::Text("31/03/2026")),
            (Sheet::Indicators, "H5", Put::Text("85 %")),
            (Sheet::Indicators, "H6", Put::Text("noventa")),
            (Sheet::Indicators, "H7", Put::Number("0.12345678")),
            (Sheet::Indicators, "H8", Put::Yes),
            (Sheet::Indicators, "I9", Put::Number("20")),
            (Sheet::Indicators, "H10", Put::Number("3")),
            (Sheet::Indicators, "I10", Put::Number("0")),
            (Sheet::Indicators, "H11", Put::Text("1.234,56")),
            (Sheet::Indicators, "H12", Put::Text("1,234.56")),
            (Sheet::Indicators, "D13", Put::Text("I9")),
            (Sheet::Milestones, "G2", Put::Yes),
            (Sheet::Milestones, "G3", Put::Text("casi")),
            (Sheet::Milestones, "A4", Put::Text("a1")),
            (Sheet::Milestones, "B5", Put::Text("2026-Q2")),
            (Sheet::Milestones, "A6", Put::Text("de-otra")),
            (Sheet::Milestones, "A7", Put::Text(" ")),
            (Sheet::Indicators, "J4", Put::Text("09=1; 13=2")),
            (Sheet::Indicators, "J7", Put::Text("province: 09")),
            (Sheet::Spending, "F2", Put::Text("USD 100")),
            (Sheet::Spending, "G3", Put::Text("Reforma presupuestaria 12")),
            (Sheet::Spending, "D4", Put::Text("999999")),
        ],
    );
    assert_snapshot!(faults(&file), @r"
    Reportes!I3: hay una fórmula. Dé a la celda el formato «Texto» y escríbalo de nuevo.
    Reportes!K4: «MSP·2026» tiene caracteres invisibles. Bórrelo y escríbalo de nuevo, o péguelo como texto sin formato.
    Reportes!K5: el texto tiene 101 caracteres y admite 100. Acórtelo.
    Indicadores!H2: «1.234» puede leerse de dos maneras. Si es 1234, escriba 1234; si son decimales, escriba 1,2340.
    Indicadores!H3: hay una fórmula. Copie la celda y péguela con «Pegado especial: valores».
    Indicadores!J4: «09=1; 13=2» no dice por qué se desagrega. Escríbalo así, una dimensión por línea: province: 09=40; 13=50
    Indicadores!H4: «31/03/2026» es una fecha, y aquí va un número. Dé a la celda el formato «General» y escriba el número de nuevo.
    Indicadores!H5: «85 %» está como porcentaje. Dé a la celda el formato «General» y escriba el número sin %: 85 para 85 %.
    Indicadores!H6: «noventa» no es un número. Escriba solo el número, sin unidad ni texto: 1234 o 12,5. Si no lo conoce, deje la celda vacía.
    Indicadores!J7: «09» no es una categoría con su valor. Escríbalo así, una dimensión por línea: province: 09=40; 13=50
    Indicadores!H7: «0.12345678» tiene demasiadas cifras. Redondee a 6 decimales; antes de la coma caben 15 cifras.
    Indicadores!H8: no es un número. Escriba solo el número, sin unidad ni texto: 1234 o 12,5. Si no lo conoce, deje la celda vacía.
    Indicadores!H9: hay un total pero falta el valor. Escriba el valor, o borre el total.
    Indicadores!I10: el total es 0 y debe ser mayor que 0. Corríjalo o, si no hubo casos, deje vacíos el valor y el total.
    Indicadores!D13: «I9» no es de esta obligación. Haga una plantilla nueva con «vigia template» y copie en ella los valores.
    Hitos!G3: «casi» no es ni sí ni no. Elija «sí» de la lista, o deje la celda vacía.
    Hitos!A4: la fila repite la fila 2. Deje una sola de las dos.
    Hitos!A5: el período «2026-Q2» no es de esta plantilla. Quite la fila, o haga una plantilla nueva con «vigia template»: las columnas de clave no se cambian.
    Hitos!A6: la asignación «de-otra» no es de esta plantilla. Quite la fila, o haga una plantilla nueva con «vigia template»: las columnas de clave no se cambian.
    Hitos!A7: la fila no dice de qué asignación y período es. Quite la fila, o haga una plantilla nueva con «vigia template»: las columnas de clave no se cambian.
    Gastos!F2: «USD 100» no es un número. Escriba solo el número, sin unidad ni texto: 1234 o 12,5. Si no lo conoce, deje la celda vacía.
    Gastos!F3: hay una nota pero falta lo devengado. Escriba lo devengado, o borre la nota.
    Gastos!D4: «999999» no es de esta obligación. Haga una plantilla nueva con «vigia template» y copie en ella los valores.
    Reportes!J2: dice «sin novedad» y a la vez hay valores o hitos. Borre el motivo, o los valores e hitos de esa obligación.
    ");
}

#[test]
fn a_date_and_a_percentage_are_told_by_their_format() {
    // Styles 14 and 9 are those of a date and of a percentage in every spreadsheet.
    let file = changed(&xlsx(1), |name, text| match name {
        "xl/styles.xml" => {
            let from = text.find("<cellXfs").expect("styles");
            let end = text[from..].find('>').expect("styles") + from + 1;
            let more = "<xf numFmtId=\"14\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>\
                        <xf numFmtId=\"9\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>";
            format!("{}{more}{}", &text[..end], &text[end..])
        }
        "xl/worksheets/sheet3.xml" => {
            let cell = |text: &str, cell: &str, style: u8, value: &str| {
                let from = text.find(&format!("<c r=\"{cell}\"")).expect("a cell");
                let end = text[from..].find("/>").expect("a cell") + from + 2;
                format!("{}<c r=\"{cell}\" s=\"{style}\"><v>{value}</v></c>{}", &text[..from], &text[end..])
            };
            cell(&cell(&text, "H2", 0, "46112"), "H3", 1, "0.85")
        }
        _ => text,
    });
    assert_snapshot!(faults(&file), @r"
    Indicadores!H2: es una fecha, y aquí va un número. Dé a la celda el formato «General» y escriba el número de nuevo.
    Indicadores!H3: está como porcentaje. Dé a la celda el formato «General» y escriba el número sin %: 85 para 85 %.
    ");
}

#[test]
fn a_sheet_that_was_remade_is_not_read() {
    let without = changed(&xlsx(1), |name, text| {
        if name == "xl/workbook.xml" {
            text.replace("name=\"Hitos\"", "name=\"Otra\"")
        } else {
            text
        }
    });
    let renamed = filled_in(&xlsx(1), &[(Sheet::Indicators, "H1", Put::Text("Valor reportado"))]);
    let merged = changed(&xlsx(2), |name, text| {
        if name == "xl/worksheets/sheet3.xml" {
            text.replace("</sheetProtection>", "").replacen(
                "<autoFilter",
                "<mergeCells count=\"1\"><mergeCell ref=\"H2:H3\"/></mergeCells><autoFilter",
                1,
            )
        } else {
            text
        }
    });
    assert_snapshot!([without, renamed, merged].map(|file| faults(&file)).join("\n---\n"), @r"
    Hitos: falta la hoja. Haga una plantilla nueva con «vigia template» y copie en ella los valores.
    ---
    Indicadores!H1: la columna se llama «Valor reportado» y debe llamarse «Valor». Devuélvale su nombre y su lugar; no agregue, quite ni mueva columnas.
    ---
    Indicadores!H2:H3: hay celdas combinadas. Sepárelas: Inicio, Combinar y centrar, Separar celdas; y escriba el dato en cada fila.
    ");
}

#[test]
fn a_template_of_another_version_or_no_template_is_refused() {
    let mut old = book(1);
    old.origin.server = "x".to_owned();
    let bytes = write::xlsx(&old).expect("a workbook");
    // The version is the first text of the hidden sheet that stands alone.
    let older = changed(&bytes, |name, text| {
        if name == "xl/sharedStrings.xml" {
            text.replace("<si><t>2</t></si>", "<si><t>1</t></si>")
        } else {
            text
        }
    });
    let none = changed(&bytes, |name, text| {
        if name == "xl/workbook.xml" {
            text.replace("name=\"_vigia\"", "name=\"otra\"")
        } else {
            text
        }
    });
    assert_snapshot!([older, none].map(|file| faults(&file)).join("\n---\n"), @r"
    la plantilla es de la versión 1; este programa usa la 2. Haga una plantilla nueva con «vigia template» y copie en ella los valores.
    ---
    no es una plantilla de Vigía: le falta la hoja oculta con las obligaciones. Haga una plantilla nueva con «vigia template» y copie en ella los valores.
    ");
}

#[test]
fn what_is_no_workbook_is_refused_in_a_sentence() {
    let ods = zipped(&[("mimetype".to_owned(), b"application/vnd.oasis.opendocument.spreadsheet".to_vec())]);
    let cut = xlsx(1);
    let files: [&[u8]; 6] = [
        b"",
        b"PK\x03\x04",
        b"%PDF-1.7 not a workbook",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 an old workbook",
        &ods,
        &cut[..cut.len() / 2],
    ];
    assert_snapshot!(files.map(faults).join("\n"), @r"
    no es un libro de Excel (.xlsx), o está dañado. Ábralo en Excel o LibreOffice y guárdelo como «Libro de Excel (.xlsx)», o haga una plantilla nueva con «vigia template».
    no es un libro de Excel (.xlsx), o está dañado. Ábralo en Excel o LibreOffice y guárdelo como «Libro de Excel (.xlsx)», o haga una plantilla nueva con «vigia template».
    no es un libro de Excel (.xlsx), o está dañado. Ábralo en Excel o LibreOffice y guárdelo como «Libro de Excel (.xlsx)», o haga una plantilla nueva con «vigia template».
    es un libro del Excel antiguo (.xls) o tiene contraseña. Guárdelo sin contraseña como «Libro de Excel (.xlsx)».
    no es un libro de Excel (.xlsx), o está dañado. Ábralo en Excel o LibreOffice y guárdelo como «Libro de Excel (.xlsx)», o haga una plantilla nueva con «vigia template».
    no es un libro de Excel (.xlsx), o está dañado. Ábralo en Excel o LibreOffice y guárdelo como «Libro de Excel (.xlsx)», o haga una plantilla nueva con «vigia template».
    ");
    assert!(said(look(Path::new("/nowhere/t.xlsx"))).contains("/nowhere/t.xlsx"));
}

#[test]
fn a_zip_bomb_does_not_go_off() {
    let zeros = vec![b' '; 200 << 20];
    let bomb = zipped(&[("xl/worksheets/sheet1.xml".to_owned(), zeros)]);
    assert!(bomb.len() < 1 << 20);
    assert_snapshot!(faults(&bomb), @r"
    el archivo ocupa más de 128 MiB, que es el límite. Quite imágenes y hojas ajenas, o haga una plantilla nueva y copie en ella los valores.
    ");
    // One whose directory lies about the size.
    let mut lying = bomb.clone();
    let size = u32::try_from(200 << 20).expect("fits").to_le_bytes();
    let places: Vec<usize> = (0..lying.len() - 4).filter(|at| lying[*at..*at + 4] == size).collect();
    assert!(!places.is_empty());
    for at in places {
        lying[at..at + 4].copy_from_slice(&[1, 0, 0, 0]);
    }
    assert_eq!(look_at(&lying).expect_err("a fault").len(), 1);
    // A part that says that it has more texts than memory could hold.
    let boast = changed(&xlsx(1), |name, text| {
        if name == "xl/sharedStrings.xml" {
            let from = text.find("uniqueCount=\"").expect("a count") + 13;
            format!("{}999999999999{}", &text[..from], &text[from..])
        } else {
            text
        }
    });
    assert_eq!(look_at(&boast).expect_err("a fault").len(), 1);
    let many: Vec<_> = (0..600).map(|i| (format!("p{i}"), Vec::new())).collect();
    assert_eq!(look_at(&zipped(&many)).expect_err("a fault").len(), 1);
}

#[test]
fn names_with_paths_nul_or_turned_writing_in_a_workbook_reach_nothing() {
    let mut all = parts(&xlsx(1));
    for name in [
        "../../tmp/vigia-was-here",
        "/tmp/vigia-was-here",
        "xl/\u{202e}slx.lmx",
        "xl/a\0b.xml",
    ] {
        all.push((name.to_owned(), b"<a/>".to_vec()));
    }
    let _ = look_at(&zipped(&all));
    assert!(!Path::new("/tmp/vigia-was-here").exists());
    let file = filled_in(&xlsx(1), &[(Sheet::Milestones, "A2", Put::Text("a1\u{202e}\u{7}xslx\u{200f}"))]);
    let said = faults(&file);
    assert!(
        !said.chars().any(|c| c.is_control() && c != '\n' || super::fault::turns_writing(c)),
        "{said}"
    );
}

#[test]
fn the_rows_have_a_limit_and_a_far_cell_costs_nothing() {
    // As many rows as there may be, and one more.
    let row = |n: u32| format!("<row r=\"{n}\"><c r=\"A{n}\" t=\"inlineStr\"><is><t>x</t></is></c></row>");
    let with_rows = |last: u32| {
        changed(&xlsx(1), |name, text| {
            if name == part_of(Sheet::Milestones) {
                let rows: String = (3..=last).map(row).collect();
                text.replace("</sheetData>", &format!("{rows}</sheetData>"))
            } else {
                text
            }
        })
    };
    let at_the_limit = faults(&with_rows(ROWS_MAX + 1));
    assert!(!at_the_limit.contains("20000"), "{at_the_limit}");
    assert_snapshot!(faults(&with_rows(ROWS_MAX + 2)), @r"
    Hitos: tiene más de 20000 filas, que es el límite. Haga una plantilla por plan y período («vigia template --period»), o use la API desde su sistema.
    ");
    assert_eq!(faults(&with_rows(100_001)), faults(&with_rows(ROWS_MAX + 2)));
    // A dense table up to this cell would take 400 GiB.
    let far = changed(&xlsx(1), |name, text| {
        if name == part_of(Sheet::Milestones) {
            text.replace("</sheetData>", "<row r=\"3\"><c r=\"XFD3\"><v>1</v></c></row></sheetData>")
        } else {
            text
        }
    });
    look_at(&far).expect("nothing is filled in, and nothing is wrong");
    let folder = Folder::new();
    let size = usize::try_from(FILE_BYTES_MAX).expect("fits");
    let large = folder.file("t.xlsx", &vec![0; size + 1]);
    assert!(said(look(&large)).contains("16 MiB"));
    let just = folder.file("t.xlsx", &vec![0; size]);
    assert!(!said(look(&just)).contains("16 MiB"));
}

#[test]
fn csv_files_are_read_as_excel_in_any_language_writes_them() {
    let folder = Folder::new();
    let path = folder.0.path().join("t.csv");
    write::csv(&book(2), &path).expect("files");
    let indicators = folder.0.path().join("t.indicadores.csv");
    let text = std::fs::read_to_string(&indicators).expect("text");
    assert!(text.starts_with("\u{feff}Asignación;Período;") && text.contains("\r\n"));
    let reports = std::fs::read_to_string(folder.0.path().join("t.reportes.csv")).expect("text");
    assert!(reports.contains(";'=Formar promotoras;"), "{reports}");
    // The Spanish Excel: `;` and a decimal comma.
    let spanish = text.replacen("2026-12-31;;", "2026-12-31;12,5;", 1);
    std::fs::write(&indicators, &spanish).expect("a file");
    let filled = look(&path).expect("no fault");
    assert!(format!("{:?}", filled.reports[0].report).contains("12.5"));
    // The English one: `,` and a decimal point.
    let english = spanish.replace("12,5", "12.5").replace(';', ",");
    std::fs::write(&indicators, &english).expect("a file");
    assert_eq!(look(&indicators).expect("no fault").reports[0].report, filled.reports[0].report);
    // A formula, another encoding, a part that is gone.
    std::fs::write(&indicators, spanish.replace("12,5", "=1+1")).expect("a file");
    let formula = said(look(&path));
    std::fs::write(&indicators, b"Asignaci\xf3n;Per\xedodo\r\n").expect("a file");
    let latin = said(look(&path));
    std::fs::remove_file(&indicators).expect("gone");
    let gone = said(look(&path));
    assert_snapshot!([formula, latin, gone].join("\n"), @r"
    Indicadores!H2: hay una fórmula. Copie la celda y péguela con «Pegado especial: valores».
    Indicadores: el CSV no está en UTF-8. Guárdelo como «CSV UTF-8 (delimitado por comas)».
    Indicadores: falta la hoja. Haga una plantilla nueva con «vigia template» y copie en ella los valores.
    ");
}

#[test]
fn no_change_of_bytes_breaks_the_reader() {
    let whole = parts(&xlsx(2));
    let mut seed = 1_u64;
    let mut next = move || {
        // A number that looks random and is the same in each run (Knuth's MMIX generator).
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("fits")
    };
    for _ in 0..150 {
        let mut parts = whole.clone();
        let at = next() % parts.len();
        for _ in 0..=next() % 4 {
            let content = &mut parts[at].1;
            let place = next() % content.len().max(1);
            match next() % 3 {
                0 => content[place] = u8::try_from(next() % 256).expect("a byte"),
                1 => content.truncate(place),
                _ => {
                    let some = content[place..(place + 40).min(content.len())].to_vec();
                    content.splice(place..place, some);
                }
            }
            if content.is_empty() {
                break;
            }
        }
        // Read or refused: nothing else can happen.
        let _ = look_at(&zipped(&parts));
    }
}
