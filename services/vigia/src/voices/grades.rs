//! Grades as plan files, scenarios and people write them.

use anyhow::{Result, bail};
use vigia_proto::compliance::{Completion, EarlyResults};

use crate::{
    lang::Lang,
    yaml::{Kind, Node},
};

/// A scale of grades: the values of an enum of the contract without their prefix, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// How far it was carried out.
    Completion,
    /// What came of it.
    EarlyResults,
}

/// Grades of the scales: as files write them, in Spanish, in English.
const COMPLETION: [(Completion, &str, &str, &str); 5] = [
    (Completion::Unknown, "unknown", "se desconoce", "unknown"),
    (Completion::NotStarted, "not_started", "no iniciado", "not started"),
    (Completion::Limited, "limited", "limitado", "limited"),
    (Completion::Substantial, "substantial", "sustancial", "substantial"),
    (Completion::Complete, "complete", "completo", "complete"),
];
const EARLY_RESULTS: [(EarlyResults, &str, &str, &str); 5] = [
    (EarlyResults::Unknown, "unknown", "se desconoce", "unknown"),
    (EarlyResults::None, "none", "ninguno", "none"),
    (EarlyResults::Marginal, "marginal", "marginal", "marginal"),
    (EarlyResults::Significant, "significant", "significativo", "significant"),
    (EarlyResults::Outstanding, "outstanding", "excepcional", "outstanding"),
];

impl Scale {
    fn all(self) -> [(i32, &'static str, &'static str, &'static str); 5] {
        match self {
            Self::Completion => COMPLETION.map(|(grade, key, es, en)| (grade.into(), key, es, en)),
            Self::EarlyResults => EARLY_RESULTS.map(|(grade, key, es, en)| (grade.into(), key, es, en)),
        }
    }

    /// Grades from a file: `limited`, `substantial_or_complete`, `[substantial, complete]`, `unknown`; unknown where there
    /// are none.
    pub fn read(self, node: Option<&Node>) -> Result<Vec<i32>> {
        let words: Vec<&str> = match node {
            None => return Ok(vec![1]),
            Some(Node {
                kind: Kind::Scalar(text, _),
                ..
            }) => text.split("_or_").collect(),
            Some(node) => node.texts(),
        };
        let mut grades = Vec::new();
        for word in words {
            let Some((grade, ..)) = self.all().into_iter().find(|(_, key, ..)| *key == word) else {
                bail!("{word}: {}", self.all().map(|(_, key, ..)| key).join(", "));
            };
            grades.push(grade);
        }
        Ok(grades)
    }

    /// As files write them: `substantial_or_complete`; empty for none.
    pub fn write(self, grades: &[i32]) -> String {
        self.join(grades, "_or_", |(_, key, ..)| key)
    }

    /// As people say them: `sustancial o completo`.
    pub fn say(self, grades: &[i32], lang: Lang) -> String {
        self.join(grades, lang.say(" o ", " or "), |(_, _, es, en)| lang.say(es, en))
    }

    fn join(self, grades: &[i32], between: &str, word: impl Fn((i32, &'static str, &'static str, &'static str)) -> &'static str) -> String {
        let words = grades
            .iter()
            .filter_map(|grade| self.all().into_iter().find(|(of, ..)| of == grade).map(&word));
        words.collect::<Vec<_>>().join(between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_are_read_as_files_have_them() {
        let check = |text: &str, expect: Option<&[i32]>, said: &str| {
            let node = Node::parse(text).expect("YAML");
            let read = Scale::Completion.read(Some(&node)).ok();
            assert_eq!(read.as_deref(), expect, "{text}");
            assert_eq!(Scale::Completion.say(&read.unwrap_or_default(), Lang::Es), said, "{text}");
        };
        check("limited", Some(&[3]), "limitado");
        check("substantial_or_complete", Some(&[4, 5]), "sustancial o completo");
        check("[not_started, limited]", Some(&[2, 3]), "no iniciado o limitado");
        check("unknown", Some(&[1]), "se desconoce");
        check("none", None, "");
        check("excelente", None, "");
        assert_eq!(Scale::EarlyResults.read(None).ok(), Some(vec![1]));
        assert_eq!(Scale::EarlyResults.write(&[4, 5]), "significant_or_outstanding");
    }
}
