//! In which language we speak to whoever sits at the terminal.

use std::{env, sync::LazyLock};

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// Spanish, the default.
    Es,
    /// English.
    En,
}

impl Lang {
    /// The sentence in this language.
    pub fn say<'a>(self, es: &'a str, en: &'a str) -> &'a str {
        if self == Self::Es { es } else { en }
    }

    /// The text in this language, if it has one in it; otherwise the Spanish one, which is the official one.
    pub fn text<'a>(self, es: &'a str, en: &'a str) -> &'a str {
        if self == Self::Es || en.is_empty() { es } else { en }
    }

    /// Its code (BCP 47).
    pub fn code(self) -> &'static str {
        self.say("es", "en")
    }
}

// Tests read what an official reads, whatever the machine's language is.
static LANG: LazyLock<Lang> = LazyLock::new(|| {
    if cfg!(test) {
        Lang::Es
    } else {
        of_locale(|name| env::var(name).ok())
    }
});

/// The language of the locale.
pub fn lang() -> Lang {
    *LANG
}

/// The sentence in the language of the locale.
pub fn say<'a>(es: &'a str, en: &'a str) -> &'a str {
    lang().say(es, en)
}

/// The first of the usual variables that is set decides; one that names no language of ours means Spanish.
fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Lang {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|locale| !locale.is_empty());
    match locale {
        Some(locale) if locale == "en" || locale.starts_with("en_") => Lang::En,
        _ => Lang::Es,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_decides() {
        for (name, value, expect) in [
            ("LANG", "en_US.UTF-8", Lang::En),
            ("LC_ALL", "es_EC.UTF-8", Lang::Es),
            ("LANG", "C", Lang::Es),
            ("X", "en", Lang::Es),
        ] {
            assert_eq!(
                of_locale(|asked| (asked == name).then(|| value.to_owned())),
                expect,
                "{name}={value}"
            );
        }
    }
}
