//! What was refused, in one shape: a stable reason, a sentence in two languages, and each fault with its path.

use std::{collections::HashMap, ops::RangeInclusive, time::Duration};

use jiff::civil::Date;
use sea_orm::{DbErr, RuntimeErr, sqlx};
use tonic::{Code, Status, metadata::MetadataValue};
use tonic_types::{ErrorDetails, StatusExt};
use vigia_proto::{
    error::{FieldViolation, Reason, Refusal},
    types::Decimal,
};

use crate::db::NotWritten;

/// A refusal, or a fault of ours. Turns into a `Status` with google.rpc details.
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    reason: Reason,
    es: String,
    en: String,
    metadata: HashMap<String, String>,
    faults: Vec<Fault>,
}

/// One thing wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field.
    pub path: String,
    /// In Spanish: what is wrong and what to do.
    pub es: String,
    /// The same in English.
    pub en: String,
}

impl Error {
    /// A refusal with its reason and a sentence in Spanish and English.
    pub fn refused(reason: Reason, es: impl Into<String>, en: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            reason,
            es: es.into(),
            en: en.into(),
            metadata: HashMap::new(),
            faults: Vec::new(),
        }))
    }

    /// Adds metadata that a program can read.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// It does not exist, or the caller may not know that it does.
    pub fn not_found(resource: impl Into<String>) -> Self {
        let resource = resource.into();
        Self::refused(
            Reason::NotFound,
            format!("No existe «{resource}», o no es suyo."),
            format!("There is no \"{resource}\", or it is not yours."),
        )
        .with("resource", resource)
    }

    /// It exists already.
    pub fn already_exists(resource: impl Into<String>) -> Self {
        let resource = resource.into();
        Self::refused(
            Reason::AlreadyExists,
            format!("Ya existe «{resource}»."),
            format!("\"{resource}\" exists already."),
        )
        .with("resource", resource)
    }

    /// The version that the caller read is not the stored one.
    pub fn etag_mismatch(resource: impl Into<String>) -> Self {
        let resource = resource.into();
        Self::refused(
            Reason::EtagMismatch,
            format!("«{resource}» cambió desde que lo leyó: léalo otra vez."),
            format!("\"{resource}\" has changed since you read it: read it again."),
        )
        .with("resource", resource)
    }

    /// The state does not allow it.
    pub fn state_conflict(resource: impl Into<String>, state: &str) -> Self {
        let resource = resource.into();
        Self::refused(
            Reason::StateConflict,
            format!("«{resource}» está en estado {state}, que no lo permite."),
            format!("\"{resource}\" is {state}, which does not allow it."),
        )
        .with("resource", resource)
        .with("state", state)
    }

    /// A fault of ours: the chain goes to the log, once; the caller gets none of it.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "call failed");
        Self::refused(
            Reason::Internal,
            "Algo falló en el servicio; nada cambió. Intente de nuevo y, si sigue, avise.",
            "Something failed in the service; nothing was changed. Try again and, if it goes on, tell us.",
        )
    }

    /// Nothing was changed, and it may go well the next time.
    pub fn unavailable() -> Self {
        Self::refused(
            Reason::Unavailable,
            "La base de datos no está disponible; nada cambió. Intente de nuevo.",
            "The database is not available; nothing was changed. Try again.",
        )
    }

    /// The database went away at the very commit: only the same call again can tell.
    pub fn outcome_unknown() -> Self {
        Self::refused(
            Reason::Unavailable,
            "No se sabe si quedó registrado: repita la misma llamada, con el mismo request_id.",
            "Whether it was recorded is unknown: repeat the same call, with the same request_id.",
        )
    }

    /// Whether a fault of the database passes by itself: it went away, or two that wrote the same were in each other's
    /// way. Whoever tries again may succeed.
    pub fn passes(cause: &DbErr) -> bool {
        let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = cause else {
            return matches!(cause, DbErr::ConnectionAcquire(_));
        };
        let RuntimeErr::SqlxError(cause) = cause else { return false };
        match &**cause {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
            // Of PostgreSQL (appendix A): connection exceptions, serialisation and dead lock, a server that stops, a lock
            // that was not given in time, a transaction that stood still.
            sqlx::Error::Database(cause) => cause.code().is_some_and(|code| {
                ["08", "57P"].iter().any(|class| code.starts_with(class)) || ["40001", "40P01", "55P03", "25P03"].contains(&&*code)
            }),
            _ => false,
        }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// Lists what is wrong, each with its path.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.0.faults.extend(faults.0);
        self
    }

    /// What is wrong, each with its path.
    pub fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    /// The sentence in Spanish and in English.
    pub fn texts(&self) -> (&str, &str) {
        (&self.0.es, &self.0.en)
    }

    /// The same for one of many, whose others have answers of their own.
    pub fn into_refusal(self) -> Refusal {
        let violation = |fault: Fault| FieldViolation {
            field: fault.path,
            text_es: fault.es,
            text_en: fault.en,
        };
        Refusal {
            reason: self.0.reason.into(),
            text_es: self.0.es,
            text_en: self.0.en,
            metadata: self.0.metadata,
            field_violations: self.0.faults.into_iter().map(violation).collect(),
        }
    }
}

impl From<DbErr> for Error {
    fn from(cause: DbErr) -> Self {
        if Self::passes(&cause) {
            tracing::warn!(%cause, "the database is away or busy");
            return Self::unavailable();
        }
        Self::internal(&cause)
    }
}

impl From<NotWritten> for Error {
    fn from(cause: NotWritten) -> Self {
        match cause {
            NotWritten::Refused(cause) => cause.into(),
            NotWritten::Unknown => Self::outcome_unknown(),
        }
    }
}

impl From<prost::DecodeError> for Error {
    fn from(cause: prost::DecodeError) -> Self {
        Self::internal(&cause)
    }
}

fn code(reason: Reason) -> Code {
    use Reason as R;
    match reason {
        R::InvalidFields
        | R::PageTokenInvalid
        | R::FilterInvalid
        | R::AnswerByPast
        | R::EvidenceHashMismatch
        | R::EvidenceTypeRefused
        | R::EvidenceNamesPerson
        | R::EvidenceSizeRefused
        | R::ReadingReasonRequired
        | R::BatchRefused => Code::InvalidArgument,
        R::Unauthenticated | R::CredentialsWrong => Code::Unauthenticated,
        R::PermissionDenied | R::PersonRequired | R::SecondPersonRequired | R::HeadRequired => Code::PermissionDenied,
        R::NotFound => Code::NotFound,
        R::AlreadyExists | R::RequestIdReused => Code::AlreadyExists,
        R::EtagMismatch | R::RevisionBaseOutdated | R::EvidenceOffsetWrong | R::EvidenceIncomplete => Code::Aborted,
        R::AsOfInFuture => Code::OutOfRange,
        R::GrantsStale | R::NotClosedYet | R::Unavailable => Code::Unavailable,
        R::Overloaded | R::EvidenceQuotaExceeded | R::LimitReached => Code::ResourceExhausted,
        R::Internal | R::Unspecified => Code::Internal,
        R::PeriodNotEnded
        | R::AlreadyValidated
        | R::Waived
        | R::NothingToReview
        | R::AnswerPending
        | R::AlreadyReceived
        | R::ReportReplaced
        | R::NothingOwed
        | R::ExtensionMovesNothing
        | R::StateConflict
        | R::PlanInForce
        | R::InUse => Code::FailedPrecondition,
    }
}

/// When a call that was refused only for the moment may be tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl From<Error> for Status {
    fn from(Error(parts): Error) -> Self {
        let name = parts.reason.as_str_name();
        let mut details = ErrorDetails::with_error_info(name.strip_prefix("REASON_").unwrap_or(name), "vigia", parts.metadata);
        // Spanish is the language of the localised message; the status text is the English one.
        details.set_localized_message("es", parts.es.as_str());
        for fault in &parts.faults {
            details.add_bad_request_violation(fault.path.as_str(), format!("{} / {}", fault.es, fault.en));
        }
        let is_passing = matches!(
            parts.reason,
            Reason::Overloaded | Reason::GrantsStale | Reason::NotClosedYet | Reason::Unavailable
        );
        if is_passing {
            details.set_retry_info(Some(AGAIN_AFTER));
        }
        let mut status = Status::with_error_details(code(parts.reason), parts.en, details);
        if is_passing {
            // The same for gRPC libraries that try again by themselves (proposal A6).
            status
                .metadata_mut()
                .insert("grpc-retry-pushback-ms", MetadataValue::from(AGAIN_AFTER.as_secs() * 1000));
        }
        status
    }
}

/// Collects all that is wrong with a request, so that the caller learns it at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

/// A request lists at most this many faults; a file with more has a deeper problem.
const FAULTS_MAX: usize = 1000;

impl Faults {
    /// Nothing wrong so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a fault.
    pub fn add(&mut self, path: impl Into<String>, es: impl Into<String>, en: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault {
                path: path.into(),
                es: es.into(),
                en: en.into(),
            });
        }
    }

    /// Notes a fault unless `holds`.
    pub fn require(&mut self, holds: bool, path: &str, es: &str, en: &str) {
        if !holds {
            self.add(path, es, en);
        }
    }

    /// A text of so many characters, without control characters other than line breaks and tabs.
    pub fn text(&mut self, path: &str, text: &str, length: RangeInclusive<usize>) {
        let count = text.chars().count();
        if !length.contains(&count) {
            let (least, most) = (length.start(), length.end());
            self.add(
                path,
                format!("debe tener de {least} a {most} caracteres y tiene {count}"),
                format!("must have {least} to {most} characters and has {count}"),
            );
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.add(path, "contiene caracteres de control", "has control characters");
        }
    }

    /// An id: `[a-z0-9-]{1,63}`.
    pub fn id(&mut self, path: &str, id: &str) {
        if !crate::name::is_id(id) {
            self.add(
                path,
                "debe tener de 1 a 63 caracteres de a-z, 0-9 y guion",
                "must have 1 to 63 characters of a-z, 0-9 and hyphen",
            );
        }
    }

    /// A date `YYYY-MM-DD` in the years 1900 to 2199.
    pub fn date(&mut self, path: &str, text: &str) -> Option<Date> {
        let date = (text.len() == 10).then(|| text.parse::<Date>().ok()).flatten();
        let date = date.filter(|date| (1900..2200).contains(&date.year()));
        if date.is_none() {
            self.add(
                path,
                format!("«{text}» no es una fecha AAAA-MM-DD"),
                format!("\"{text}\" is not a date YYYY-MM-DD"),
            );
        }
        date
    }

    /// A decimal in canonical form; what is given is made canonical.
    pub fn decimal(&mut self, path: &str, decimal: Option<&Decimal>) -> Option<String> {
        let canonical = decimal.and_then(|decimal| crate::decimal::canonical(&decimal.value));
        if canonical.is_none() {
            self.add(
                path,
                "debe ser un número decimal con 15 cifras antes del punto y 6 después, como máximo",
                "must be a decimal number with at most 15 digits before and 6 after the point",
            );
        }
        canonical
    }

    /// What was noted.
    pub fn list(&self) -> &[Fault] {
        &self.0
    }

    /// Refuses if anything is wrong.
    pub fn done(self) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut error = Error::refused(
            Reason::InvalidFields,
            format!("La solicitud tiene {} fallas; nada cambió.", self.0.len()),
            format!("The request has {} faults; nothing was changed.", self.0.len()),
        );
        error.0.faults = self.0;
        Err(error)
    }
}
