//! The workbook's layout: which sheets it has, which columns, which of them a person fills in. Everything that writes or
//! reads a workbook, as XLSX or as CSV, asks here and nowhere else.

/// Version of the layout. A workbook of another version is refused: its columns may mean something else.
pub const FORMAT: &str = "2";
/// The sheet that nobody sees, with version, origin, plan and ids.
pub const HIDDEN: &str = "_vigia";
/// The sheet that explains.
pub const INSTRUCTIONS: &str = "Instrucciones";

/// Rows of a sheet at most, without its heading. The women's plan owes about 1,200 reports a quarter over all
/// institutions together; a ministry's own system with more than this uses the API.
pub const ROWS_MAX: u32 = 20_000;
/// Columns of a sheet at most; what stands further to the right is not looked at.
pub const COLUMNS_MAX: u16 = 40;
/// Bytes of a file at most. A filled workbook with 10,000 rows has about 1 MiB.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a workbook at most once it is unpacked, all its parts together.
pub const UNPACKED_BYTES_MAX: u64 = 128 << 20;
/// Parts of a workbook (entries of its zip directory) at most.
pub const PARTS_MAX: usize = 500;

/// Characters of a narrative at most, as the server takes it.
pub const NARRATIVE_MAX: u32 = 20_000;
/// Characters of a reason for having nothing to report at most.
pub const NIL_REASON_MAX: u32 = 2_000;
/// Characters of a letter's number at most.
pub const LETTER_NUMBER_MAX: u32 = 100;
/// Characters of a note on spending at most.
pub const NOTE_MAX: u32 = 1_000;
/// Characters of a cell with breakdowns at most.
pub const BREAKDOWN_MAX: u32 = 10_000;

/// A sheet that people fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sheet {
    /// One row for each obligation: narrative, nil reason, letter number.
    Reports,
    /// One row for each obligation and indicator: its value.
    Indicators,
    /// One row for each obligation and milestone: whether it is done.
    Milestones,
    /// One row for each obligation and line of its budget: what was spent.
    Spending,
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// What its heading says.
    pub title: &'static str,
    /// What a person must know to fill it in; none where it is locked.
    pub hint: Option<&'static str>,
    /// Width in characters.
    pub width: u16,
}

const fn locked(title: &'static str, width: u16) -> Column {
    Column { title, hint: None, width }
}

const fn filled(title: &'static str, width: u16, hint: &'static str) -> Column {
    Column {
        title,
        hint: Some(hint),
        width,
    }
}

/// Column of the assignment's id, on every sheet.
pub const ASSIGNMENT: u16 = 0;
/// Column of the period, on every sheet.
pub const PERIOD: u16 = 1;
/// Column of the indicator's, milestone's or budget line's code.
pub const CODE: u16 = 3;
/// Reports: what was done.
pub const NARRATIVE: u16 = 8;
/// Reports: why there is nothing to report.
pub const NIL_REASON: u16 = 9;
/// Reports: the letter's number.
pub const LETTER_NUMBER: u16 = 10;
/// Indicators: the value, or a ratio's numerator.
pub const VALUE: u16 = 7;
/// Indicators: a ratio's denominator.
pub const DENOMINATOR: u16 = 8;
/// Indicators: the value by dimensions.
pub const BREAKDOWN: u16 = 9;
/// Spending: what was spent.
pub const ACCRUED: u16 = 5;
/// Spending: why it is more than foreseen.
pub const NOTE: u16 = 6;
/// Milestones: whether it is done.
pub const DONE: u16 = 6;
/// What stands in that column for a milestone that is done.
pub const YES: &str = "sí";
/// What may stand there for one that is not.
pub const NO: &str = "no";

const REPORTS: &[Column] = &[
    locked("Asignación", 18),
    locked("Período", 10),
    locked("Acción", 9),
    locked("Qué se hace", 48),
    locked("Institución", 14),
    locked("Territorio", 10),
    locked("Vence antes de", 18),
    locked("Estado", 16),
    filled(
        "Narrativa",
        60,
        "Qué se hizo en el período, en pocas frases. Sin nombres de personas. Hasta 20 000 caracteres.",
    ),
    filled(
        "Sin novedad: motivo",
        32,
        "Solo si no hay nada que reportar: por qué. Entonces no llene valores ni hitos. Hasta 2 000 caracteres.",
    ),
    filled(
        "Oficio (Quipux)",
        26,
        "Número del oficio con que se remite, si lo hay. Hasta 100 caracteres.",
    ),
];

const INDICATORS: &[Column] = &[
    locked("Asignación", 18),
    locked("Período", 10),
    locked("Acción", 9),
    locked("Indicador", 10),
    locked("Qué se mide", 52),
    locked("Unidad", 12),
    locked("Próxima meta", 20),
    filled(
        "Valor",
        18,
        "El número, sin unidad ni separador de miles: 1234 o 12,5. Déjelo vacío si no lo conoce: vacío no es cero.",
    ),
    filled(
        "De un total de",
        18,
        "Solo para razones: el total del que el valor es parte, mayor que 0. De 20 atenciones, 15: Valor 15, total 20.",
    ),
    filled(
        "Desagregación",
        40,
        "Una dimensión por línea, y sus partes suman el valor: province: 09=40; 13=50. Si el valor es una razón: province: 09=3/4; 13=12/16.",
    ),
];

const MILESTONES: &[Column] = &[
    locked("Asignación", 18),
    locked("Período", 10),
    locked("Acción", 9),
    locked("Hito", 10),
    locked("En qué consiste", 60),
    locked("Previsto hasta", 14),
    filled("Cumplido", 12, "Elija «sí» si ya está cumplido; si no, déjelo vacío."),
];

const SPENDING: &[Column] = &[
    locked("Asignación", 18),
    locked("Período", 10),
    locked("Acción", 9),
    locked("Partida", 16),
    locked("Presupuesto del año", 20),
    filled(
        "Devengado",
        18,
        "Lo devengado en el período, en dólares, sin separador de miles: 1234 o 1234,50. Déjelo vacío si no lo conoce.",
    ),
    filled(
        "Nota",
        50,
        "Por qué lo devengado en el año pasa del presupuesto, si es así. Hasta 1 000 caracteres.",
    ),
];

impl Sheet {
    /// All, in the order in which they stand.
    pub const ALL: [Self; 4] = [Self::Reports, Self::Indicators, Self::Milestones, Self::Spending];

    /// The sheet's name, as on its tab.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reports => "Reportes",
            Self::Indicators => "Indicadores",
            Self::Milestones => "Hitos",
            Self::Spending => "Gastos",
        }
    }

    /// Its columns, from A on.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Reports => REPORTS,
            Self::Indicators => INDICATORS,
            Self::Milestones => MILESTONES,
            Self::Spending => SPENDING,
        }
    }
}

/// What the instructions say, a line each; a line that begins with `#` is a heading.
pub const HELP: &[&str] = &[
    "# Cómo llenar este libro",
    "1. Llene solo las celdas amarillas. Las demás están protegidas (sin contraseña) porque dicen a qué obligación corresponde cada fila.",
    "2. «Reportes»: una fila por obligación. Escriba qué se hizo o, si no hay nada que reportar, por qué (sin novedad).",
    "3. «Indicadores»: una fila por indicador. Escriba números, no fórmulas: 1234 o 12,5, sin separador de miles, sin % ni unidades.",
    "4. «Hitos»: elija «sí» en los que ya están cumplidos.",
    "5. «Gastos»: lo devengado en el período por partida, si la acción tiene presupuesto en el plan.",
    "6. Vacío significa «no se reporta», nunca cero. Una obligación cuyas filas quedan vacías no se envía.",
    "7. Puede filtrar filas, y dejar para después las que todavía no tiene: envíe el archivo otra vez cuando las llene.",
    "# Qué no debe ir aquí",
    "Nada que identifique a una persona: ni nombres, ni cédulas, ni casos. Solo totales.",
    "# Cómo enviarlo",
    "vigia check ARCHIVO      revisa el archivo y dice hoja, celda y remedio de cada falla; no envía nada",
    "vigia submit ARCHIVO     lo envía; ejecutarlo dos veces no duplica nada",
    "Junto al archivo queda ARCHIVO.resultado.xlsx con el comprobante de cada reporte. Guárdelo.",
];

/// A cell's name as spreadsheets show it, from its row and column counted from 0: `H7`.
pub fn cell_name(row: u32, column: u16) -> String {
    let mut letters = Vec::new();
    let mut rest = u32::from(column) + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
        rest /= 26;
    }
    let letters: String = letters.iter().rev().collect();
    format!("{letters}{}", row + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_named_as_spreadsheets_name_them() {
        for (row, column, expect) in [
            (0, 0, "A1"),
            (6, 7, "H7"),
            (9, 25, "Z10"),
            (0, 26, "AA1"),
            (1, 701, "ZZ2"),
            (0, 702, "AAA1"),
        ] {
            assert_eq!(cell_name(row, column), expect);
        }
    }

    #[test]
    fn the_columns_are_where_their_names_say() {
        for (sheet, column, title) in [
            (Sheet::Reports, NARRATIVE, "Narrativa"),
            (Sheet::Reports, NIL_REASON, "Sin novedad: motivo"),
            (Sheet::Reports, LETTER_NUMBER, "Oficio (Quipux)"),
            (Sheet::Indicators, VALUE, "Valor"),
            (Sheet::Indicators, DENOMINATOR, "De un total de"),
            (Sheet::Indicators, BREAKDOWN, "Desagregación"),
            (Sheet::Milestones, DONE, "Cumplido"),
            (Sheet::Spending, ACCRUED, "Devengado"),
            (Sheet::Spending, NOTE, "Nota"),
        ] {
            let column = &sheet.columns()[usize::from(column)];
            assert!(column.title == title && column.hint.is_some());
        }
    }
}
