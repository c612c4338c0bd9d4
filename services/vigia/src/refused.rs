//! What a server has refused, in the language of whoever reads, and what to do where the reader can do something.

use tonic::{Code, Status};
use tonic_types::StatusExt;
use vigia_platform::clock::machine_now;
use vigia_proto::error::Refusal;

use crate::{
    institution::fault::told as in_words,
    lang::{Lang, lang, say},
};

/// What a server has refused, in the reader's language.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The stable reason, such as `NOTHING_OWED`; the gRPC code where there is none.
    pub reason: String,
    /// The sentence.
    pub text: String,
    /// Faults of fields: path and sentence.
    pub fields: Vec<(String, String)>,
    /// Where the server does not believe who calls, and this machine's clock is off: by how many seconds it is ahead of the
    /// server's (behind: negative).
    pub ahead_seconds: Option<i64>,
}

/// Seconds by which a clock may differ: a signature by a clock that is further off is not believed.
const AHEAD_SECONDS_MAX: i64 = 30;

impl Refused {
    /// Reads a status.
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let code = || format!("{:?}", status.code());
        let reason = details.error_info().map_or_else(code, |info| info.reason.clone());
        let spanish = details.localized_message().filter(|_| lang() == Lang::Es);
        let text = spanish.map_or_else(|| status.message().to_owned(), |message| message.message.clone());
        let fields = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
        let fields = fields.iter().map(|field| {
            // A fault of a field is told in both languages at once.
            let (es, en) = field
                .description
                .split_once(" / ")
                .unwrap_or((&field.description, &field.description));
            (field.field.clone(), say(es, en).to_owned())
        });
        Self {
            reason,
            text,
            fields: fields.collect(),
            ahead_seconds: ahead(status),
        }
    }

    /// Reads the refusal of one of many.
    pub fn of_one(refusal: Refusal) -> Self {
        let reason = refusal.reason().as_str_name();
        let fields = refusal.field_violations.into_iter();
        Self {
            reason: reason.strip_prefix("REASON_").unwrap_or(reason).to_owned(),
            text: say(&refusal.text_es, &refusal.text_en).to_owned(),
            fields: fields
                .map(|field| (field.field, say(&field.text_es, &field.text_en).to_owned()))
                .collect(),
            ahead_seconds: None,
        }
    }

    /// What is wrong with this machine's clock, if that may be why the server does not believe who calls.
    pub fn clock(&self) -> Option<String> {
        let ahead = self.ahead_seconds?;
        let (es, en) = if ahead > 0 {
            ("adelantado", "ahead of")
        } else {
            ("atrasado", "behind")
        };
        let off = ahead.abs();
        Some(in_words(
            format!(
                "el reloj de esta máquina está {off} s {es} respecto del servidor, y no se cree una firma de otra hora: ponga el reloj en hora"
            ),
            format!("this machine's clock is {off} s {en} the server's, and a signature of another time is not believed: set the clock"),
        ))
    }
}

/// By how many seconds this machine's clock is ahead of that of a server which does not believe who calls.
fn ahead(status: &Status) -> Option<i64> {
    let date = status.metadata().get("date").filter(|_| status.code() == Code::Unauthenticated)?;
    let there = jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok()?.timestamp();
    let ahead = machine_now().as_second() - there.as_second();
    (ahead.abs() > AHEAD_SECONDS_MAX).then_some(ahead)
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.text, self.reason)?;
        for (field, text) in &self.fields {
            write!(f, "\n  {field}: {text}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// What to do about a server that can't be reached.
pub fn unreachable() -> &'static str {
    say(
        "no se pudo hablar con el servidor: ¿está en marcha («vigia serve»)? ¿Es esa su dirección (--server, VIGIA_SERVER)?",
        "the server could not be reached: is it running (\"vigia serve\")? Is that its address (--server, VIGIA_SERVER)?",
    )
}

/// A status as it is told: the refusal, before it what the caller can do.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn told(status: Status) -> anyhow::Error {
    let refused = Refused::of(&status);
    let remedy = match status.code() {
        Code::Unauthenticated => say(
            "el servidor no conoce esta cuenta con esta contraseña, o este cliente con esta clave («vigia login» dice qué falta)",
            "the server does not know this account with this password, or this client with this key (\"vigia login\" says what is missing)",
        ),
        Code::Unavailable => unreachable(),
        _ => return refused.into(),
    };
    let remedy = refused.clock().unwrap_or_else(|| remedy.to_owned());
    anyhow::Error::from(refused).context(remedy)
}
