//! What the rules refuse, as the contract says it: reason, metadata, and a sentence in two languages.

use vigia_platform::Error;
use vigia_proto::error::Reason;
use vigia_rules::Refused;

use crate::names::ObligationName;

/// A call on an obligation that the rules refuse.
pub(crate) fn refused(refused: Refused, name: &ObligationName) -> Error {
    let obligation = name.to_string();
    let (reason, es, en) = match refused {
        Refused::NothingOwed => (
            Reason::NothingOwed,
            format!("No se debe reporte por «{obligation}»."),
            format!("Nothing is owed for \"{obligation}\"."),
        ),
        Refused::PeriodNotEnded { opens_at } => return period_not_ended(name, opens_at),
        Refused::AlreadyValidated => (
            Reason::AlreadyValidated,
            "El reporte ya está validado: solo una devolución o un rechazo lo abre de nuevo.".to_owned(),
            "The report is validated: only a return or a rejection opens it again.".to_owned(),
        ),
        Refused::Waived => (
            Reason::Waived,
            "La obligación fue dispensada.".to_owned(),
            "The obligation was waived.".to_owned(),
        ),
        Refused::NothingToReview => (
            Reason::NothingToReview,
            "Ningún reporte espera revisión.".to_owned(),
            "No report waits for a review.".to_owned(),
        ),
        Refused::AnswerPending => (
            Reason::AnswerPending,
            "El reporte fue devuelto y espera su respuesta: no se puede validar.".to_owned(),
            "The report was returned and waits for its answer: it can't be validated.".to_owned(),
        ),
        Refused::AlreadyReceived => (
            Reason::AlreadyReceived,
            "Ya se recibió un reporte: la obligación no se puede dispensar.".to_owned(),
            "A report was received, so the obligation can't be waived.".to_owned(),
        ),
        Refused::ReportReplaced { version } => (
            Reason::ReportReplaced,
            format!("Esa versión fue reemplazada por la {version}: revise esa."),
            format!("That version was replaced by version {version}: review that one."),
        ),
        Refused::AnswerByPast { ended_at } => (
            Reason::AnswerByPast,
            format!("El día para responder ya terminó ({ended_at})."),
            format!("The day to answer by has already ended ({ended_at})."),
        ),
        Refused::ExtensionMovesNothing => (
            Reason::ExtensionMovesNothing,
            "La prórroga no mueve ningún plazo.".to_owned(),
            "The extension would move no due instant.".to_owned(),
        ),
    };
    Error::refused(reason, es, en).with("obligation", obligation)
}

/// Submitted by a reporter, where the plan leaves that to the head.
pub(crate) fn head_required(name: &ObligationName) -> Error {
    Error::refused(
        Reason::HeadRequired,
        "En este plan presenta los reportes la máxima autoridad: guárdelo como borrador y pídale que lo presente.",
        "In this plan the head of the institution submits reports: keep it as a draft and ask for its submission.",
    )
    .with("obligation", name.to_string())
}

/// Sent before the end of the day from which it may be.
pub(crate) fn period_not_ended(name: &ObligationName, opens_at: jiff::Timestamp) -> Error {
    Error::refused(
        Reason::PeriodNotEnded,
        format!("El período {} no ha terminado: se puede reportar desde {opens_at}.", name.period),
        format!("The period {} has not ended: it can be reported from {opens_at} on.", name.period),
    )
    .with("period", name.period.to_string())
    .with("opens_at", opens_at.to_string())
}
