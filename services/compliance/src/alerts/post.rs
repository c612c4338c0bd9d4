//! The ways of telling that are configured, checked at start.

use std::{collections::BTreeSet, time::Duration};

use super::{mail::Mail, webhook::Hook};

/// How alerts are sent. Without any way nothing is decided and nothing is sent; alerts are listed all the same.
#[derive(Clone, Debug, Default)]
pub struct AlertOptions {
    /// SMTP server: `smtps://user:password@host`, `smtp://host?tls=required`, or `smtp://host:25` on a network that is
    /// trusted.
    pub smtp_url: Option<String>,
    /// Who writes: `Vigía <avisos@ejemplo.gob.ec>`.
    pub sender: Option<String>,
    /// Address that a message names, where its reader can look.
    pub link: Option<String>,
    /// Systems that are called.
    pub webhooks: Vec<Webhook>,
}

/// A system that is called with what is decided.
#[derive(Clone, Debug, Default)]
pub struct Webhook {
    /// Its id.
    pub name: String,
    /// Where it is called: `https://…`.
    pub url: String,
    /// Standard Webhooks' secret: `whsec_` and 24 to 64 bytes in base64.
    pub secret: String,
    /// The institution whose alerts it gets, as id; none for all.
    pub institution: Option<String>,
    /// Whether it may lie in a private network, and be called by plain HTTP.
    pub private: bool,
}

/// The ways, open.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) mail: Option<Mail>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) link: Option<String>,
}

impl Post {
    /// Checks what is configured. Says in words what is wrong with it.
    pub(crate) fn open(options: &AlertOptions, patience: Duration) -> Result<Self, String> {
        let mail = match (&options.smtp_url, &options.sender) {
            (Some(url), Some(sender)) => Some(Mail::open(url, sender, patience)?),
            (None, None) => None,
            _ => return Err("alerts: smtp_url y sender van juntos / go together".to_owned()),
        };
        let mut names = BTreeSet::new();
        let mut hooks = Vec::new();
        for webhook in &options.webhooks {
            if !vigia_platform::name::is_id(&webhook.name) || !names.insert(&webhook.name) {
                let name = &webhook.name;
                return Err(format!(
                    "alerts.webhooks: «{name}» debe ser un nombre propio de a-z, 0-9 y guion / must be a name of its own of a-z, 0-9 and hyphen"
                ));
            }
            hooks.push(Hook::open(webhook, patience)?);
        }
        Ok(Self {
            mail,
            hooks,
            link: options.link.clone(),
        })
    }

    pub(crate) fn has_a_way(&self) -> bool {
        self.mail.is_some() || !self.hooks.is_empty()
    }

    /// The webhook of a recipient such as `webhooks/rector`.
    pub(crate) fn hook(&self, recipient: &str) -> Option<&Hook> {
        let name = recipient.strip_prefix("webhooks/")?;
        self.hooks.iter().find(|hook| hook.name == name)
    }
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was taken.
    Sent,
    /// Not now: it is tried again.
    Failed(String),
    /// Never: trying again is of no use.
    Refused(String),
}
