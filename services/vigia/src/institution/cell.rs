//! What stands in a cell, read as a number or a text; else what is wrong with it, and the remedy.

use super::{
    fault::{Fault, shown, told},
    layout::Sheet,
    number::{self, Unclear},
    read::Cell,
};

/// The fault of a cell that holds no text.
pub fn not_a_text(sheet: Sheet, row: u32, column: u16, cell: &Cell) -> Fault {
    let fault = match cell {
        Cell::Formula => formula().0,
        Cell::Date => told(
            "la hoja de cálculo lo convirtió en una fecha".to_owned(),
            "the spreadsheet has made a date of it".to_owned(),
        ),
        _ => told("no es un texto".to_owned(), "it is no text".to_owned()),
    };
    let remedy = told(
        "Dé a la celda el formato «Texto» y escríbalo de nuevo.".to_owned(),
        "Format the cell as \"Text\" and type it again.".to_owned(),
    );
    Fault::of_cell(sheet, row, column, fault, remedy)
}

/// That a formula stands in a cell, and what to do.
pub fn formula() -> (String, String) {
    (
        told("hay una fórmula".to_owned(), "there is a formula".to_owned()),
        told(
            "Copie la celda y péguela con «Pegado especial: valores».".to_owned(),
            "Copy the cell and paste it with \"Paste special: values\".".to_owned(),
        ),
    )
}

/// The decimal in a cell; else what is wrong, and the remedy.
pub fn decimal(cell: &Cell) -> Result<String, (String, String)> {
    let (text, unclear) = match cell {
        Cell::Number(number) => match number::of_cell(*number) {
            Ok(decimal) => return Ok(decimal),
            Err(unclear) => (number.to_string(), unclear),
        },
        Cell::Text(text) => match number::of_text(text) {
            Ok(decimal) => return Ok(decimal),
            Err(unclear) => (text.clone(), unclear),
        },
        Cell::Formula => return Err(formula()),
        Cell::Percent => (String::new(), Unclear::Percent),
        Cell::Date => (String::new(), Unclear::Date),
        Cell::Bool(_) | Cell::Error => (String::new(), Unclear::NotANumber),
    };
    Err(unclear_number(&text, unclear))
}

fn unclear_number(text: &str, unclear: Unclear) -> (String, String) {
    let quoted = if text.is_empty() {
        String::new()
    } else {
        format!("«{}» ", shown(text))
    };
    match unclear {
        Unclear::Ambiguous => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let (whole, part) = digits.split_at(digits.len().saturating_sub(3));
            (
                told(
                    format!("{quoted}puede leerse de dos maneras"),
                    format!("{quoted}can be read in two ways"),
                ),
                told(
                    format!("Si es {digits}, escriba {digits}; si son decimales, escriba {whole},{part}0."),
                    format!("If it is {digits}, write {digits}; if these are decimals, write {whole}.{part}0."),
                ),
            )
        }
        Unclear::Percent => (
            told(format!("{quoted}está como porcentaje"), format!("{quoted}is a percentage")),
            told(
                "Dé a la celda el formato «General» y escriba el número sin %: 85 para 85 %.".to_owned(),
                "Format the cell as \"General\" and write the number without %: 85 for 85 %.".to_owned(),
            ),
        ),
        Unclear::Date => (
            told(
                format!("{quoted}es una fecha, y aquí va un número"),
                format!("{quoted}is a date, and a number belongs here"),
            ),
            told(
                "Dé a la celda el formato «General» y escriba el número de nuevo.".to_owned(),
                "Format the cell as \"General\" and write the number again.".to_owned(),
            ),
        ),
        Unclear::TooLong => (
            told(format!("{quoted}tiene demasiadas cifras"), format!("{quoted}has too many digits")),
            told(
                "Redondee a 6 decimales; antes de la coma caben 15 cifras.".to_owned(),
                "Round to 6 decimals; 15 digits fit in front of the point.".to_owned(),
            ),
        ),
        Unclear::NotANumber => (
            told(format!("{quoted}no es un número"), format!("{quoted}is no number")),
            told(
                "Escriba solo el número, sin unidad ni texto: 1234 o 12,5. Si no lo conoce, deje la celda vacía.".to_owned(),
                "Write the number only, without unit or text: 1234 or 12.5. If you don't know it, leave the cell empty.".to_owned(),
            ),
        ),
    }
}
