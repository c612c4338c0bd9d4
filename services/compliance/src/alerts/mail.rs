//! E-mail over SMTP.

use std::{
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use jiff::Timestamp;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header},
    transport::smtp::extension::ClientId,
};

use super::post::Outcome;

/// Answers to a recipient that will be the same tomorrow (RFC 5321, 4.2.3): no such mailbox, not here, a name that is not
/// allowed. Others (the sender refused, no room, credentials) may be put right, and are tried again.
const REFUSED_FOR_GOOD: [u16; 3] = [550, 551, 553];

/// The SMTP server and who writes.
#[derive(Debug)]
pub(crate) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Mailbox,
    patience: Duration,
}

/// One message for one address.
pub(crate) struct Letter<'l> {
    pub(crate) to: &'l str,
    pub(crate) message_id: &'l str,
    pub(crate) subject: &'l str,
    pub(crate) text: &'l str,
    /// The hour of the digest: the same at each attempt.
    pub(crate) date: Timestamp,
}

impl Mail {
    pub(crate) fn open(url: &str, sender: &str, patience: Duration) -> Result<Self, String> {
        let sender =
            Mailbox::from_str(sender).map_err(|_| "alerts.sender: no es una dirección de correo / is not an e-mail address".to_owned())?;
        // A password over a line that anybody can read is no password.
        let is_plain = url.starts_with("smtp://") && !url.contains("tls=required");
        if is_plain && url.contains('@') {
            return Err("alerts.smtp_url: con clave debe usar TLS (smtps:// o ?tls=required) / with a password must use TLS".to_owned());
        }
        // What is wrong with it is not repeated: it may hold a password.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| "alerts.smtp_url: no es una dirección smtp:// o smtps:// / is no smtp:// or smtps:// address".to_owned())?;
        let transport = transport
            .timeout(Some(patience))
            .hello_name(ClientId::Domain(sender.email.domain().to_owned()))
            .build();
        Ok(Self {
            transport,
            sender,
            patience,
        })
    }

    /// The domain that Message-IDs end with.
    pub(crate) fn domain(&self) -> &str {
        self.sender.email.domain()
    }

    /// Sends, once.
    pub(crate) async fn send(&self, letter: &Letter<'_>) -> Outcome {
        let Ok(to) = letter.to.parse() else {
            return Outcome::Refused("la dirección no se puede leer".to_owned());
        };
        let date = UNIX_EPOCH + Duration::from_secs(letter.date.as_second().try_into().unwrap_or(0));
        let message = Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject)
            .date(date)
            .message_id(Some(letter.message_id.to_owned()))
            // RFC 3834: so that nobody's absence note answers it.
            .raw_header(header::HeaderValue::new(
                header::HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(header::ContentType::TEXT_PLAIN)
            .body(letter.text.to_owned());
        let message = match message {
            Ok(message) => message,
            Err(cause) => {
                tracing::error!(%cause, "a message can't be written");
                return Outcome::Refused("el mensaje no se puede escribir".to_owned());
            }
        };
        match tokio::time::timeout(self.patience, self.transport.send(message)).await {
            Ok(Ok(_)) => Outcome::Sent,
            Ok(Err(cause)) => outcome(&cause),
            Err(_) => Outcome::Failed("el servidor de correo no respondió a tiempo".to_owned()),
        }
    }
}

/// What to make of a failure. The server's text may name addresses: only its code is kept.
fn outcome(cause: &lettre::transport::smtp::Error) -> Outcome {
    if cause.is_timeout() {
        return Outcome::Failed("el servidor de correo no respondió a tiempo".to_owned());
    }
    match cause.status().map(u16::from) {
        Some(code) if REFUSED_FOR_GOOD.contains(&code) => Outcome::Refused(format!("el servidor de correo rechazó la dirección ({code})")),
        Some(code) => Outcome::Failed(format!("el servidor de correo respondió {code}")),
        None => Outcome::Failed("no se pudo hablar con el servidor de correo".to_owned()),
    }
}
