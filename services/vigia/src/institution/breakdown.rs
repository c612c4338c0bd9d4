//! Breakdowns as people write them in a cell: `province: 09=40; 13=50,5`, one dimension a line (or divided by `|`); ratios
//! as `09=3/4`.

use vigia_proto::{
    reporting::{Breakdown, BreakdownPart, Ratio, breakdown_part::Value},
    types::Decimal,
};

use super::{
    fault::{shown, told},
    number,
};

/// The breakdowns in a text; else what is wrong, and the remedy.
pub fn read(text: &str) -> Result<Vec<Breakdown>, (String, String)> {
    let dimensions = text.split(['\n', '|']).map(str::trim).filter(|line| !line.is_empty());
    dimensions.map(dimension).collect()
}

fn dimension(line: &str) -> Result<Breakdown, (String, String)> {
    let (dimension, parts) = line.split_once(':').ok_or_else(|| {
        (
            told(
                format!("«{}» no dice por qué se desagrega", shown(line)),
                format!("\"{}\" does not say what it is broken down by", shown(line)),
            ),
            remedy(),
        )
    })?;
    let parts = parts.split(';').map(str::trim).filter(|part| !part.is_empty());
    Ok(Breakdown {
        dimension: dimension.trim().to_owned(),
        parts: parts.map(part).collect::<Result<_, _>>()?,
    })
}

fn part(text: &str) -> Result<BreakdownPart, (String, String)> {
    let wrong = || {
        (
            told(
                format!("«{}» no es una categoría con su valor", shown(text)),
                format!("\"{}\" is no category with its value", shown(text)),
            ),
            remedy(),
        )
    };
    let (category, value) = text.rsplit_once('=').ok_or_else(wrong)?;
    let decimal = |text: &str| number::of_text(text).map(|value| Decimal { value }).map_err(|_| wrong());
    let value = match value.split_once('/') {
        Some((num, den)) => Value::Ratio(Ratio {
            num: Some(decimal(num)?),
            den: Some(decimal(den)?),
        }),
        None => Value::Number(decimal(value)?),
    };
    Ok(BreakdownPart {
        category: category.trim().to_owned(),
        value: Some(value),
    })
}

fn remedy() -> String {
    told(
        "Escríbalo así, una dimensión por línea: province: 09=40; 13=50".to_owned(),
        "Write it like this, one dimension a line: province: 09=40; 13=50".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        let told = |text: &str| {
            let part = |part: &BreakdownPart| match &part.value {
                Some(Value::Number(number)) => format!("{}={}", part.category, number.value),
                Some(Value::Ratio(ratio)) => {
                    let [num, den] = [&ratio.num, &ratio.den].map(|one| one.as_ref().map_or("", |one| &one.value));
                    format!("{}={num}/{den}", part.category)
                }
                None => String::new(),
            };
            let all = read(text).map_err(|(fault, _)| fault)?;
            let all = all.iter().map(|one| {
                let parts: Vec<String> = one.parts.iter().map(part).collect();
                format!("{}: {}", one.dimension, parts.join(" "))
            });
            Ok::<_, String>(all.collect::<Vec<_>>().join(" | "))
        };
        let check = |text: &str, expect: &str| assert_eq!(told(text).as_deref(), Ok(expect), "{text}");
        check("", "");
        check("province: 09=40; 13=50,5;", "province: 09=40 13=50.5");
        check(
            "province:09=3/4\ndisability: sí=1/1|  sexo : mujeres = 2 ",
            "province: 09=3/4 | disability: sí=1/1 | sexo: mujeres=2",
        );
        check("edad: =>15=3", "edad: =>15=3");
        for wrong in [
            "09=40",
            "province: 09",
            "province: 09=",
            "province: 09=x",
            "province: 09=1.234",
            "province: 09=1/x",
        ] {
            assert!(told(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = read(&text);
        }
    }
}
