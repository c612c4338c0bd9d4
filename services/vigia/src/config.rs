//! The configuration: `vigia.toml`, then the environment (`VIGIA_…`), then flags; the last one wins. A key that nobody
//! knows is refused by its name.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};
use vigia_compliance::AlertOptions;
use vigia_platform::Area;
use vigia_reporting::EvidenceOptions;

use crate::{output::Usage, tls::Tls};

/// All that can be configured.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Data directory: the keys, and a database for each service unless `database` is given. `VIGIA_DATA`, `--data`.
    pub data: PathBuf,
    /// PostgreSQL instead of files, as `postgres://user:password@host/database`: a schema for each service, which works
    /// there with the rights of its own role (`vigia_plans`, …); the user that is named must be a member of it. `vigia
    /// migrate` makes schemas, tables and roles. `VIGIA_DATABASE`, `--database`.
    pub database: Option<String>,
    /// Address to listen on. `VIGIA_LISTEN`, `--listen`.
    pub listen: SocketAddr,
    /// Services to run: identity, plans, assignments, reporting, compliance; all if empty.
    pub services: Vec<String>,
    /// Whether the server tells its contract by gRPC reflection, to anybody who asks: for trying it out with grpcurl.
    /// `VIGIA_REFLECTION`.
    pub reflection: bool,
    /// Address on which operators are told metrics in the clear, `GET /metrics` (Prometheus); none if not said. Nobody
    /// else should reach it. `VIGIA_ADMIN`.
    pub admin: Option<SocketAddr>,
    /// A collector that takes traces and metrics by OTLP over gRPC, such as `http://127.0.0.1:4317`; none if not said.
    /// `VIGIA_OTLP`.
    pub otlp: Option<String>,
    /// Certificates and keys, where TLS does not end in front of this program.
    pub tls: Tls,
    /// Where the services answer that do not run here.
    pub peers: Peers,
    /// Where evidence lies, and how much of it there may be.
    pub evidence: Evidence,
    /// How people are told of alerts.
    pub alerts: Alerts,
    /// What is logged, and how.
    pub log: Log,
}

/// Alerts that are sent. Without `smtp_url` and `webhooks` nobody is told anything: alerts are only listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// SMTP server: `smtps://user:password@host`, `smtp://host?tls=required`, or `smtp://host:25` without a password on a
    /// network that is trusted. `VIGIA_ALERTS_SMTP_URL`.
    pub smtp_url: Option<String>,
    /// Who writes, as `Vigía <avisos@ejemplo.gob.ec>`. `VIGIA_ALERTS_SENDER`.
    pub sender: Option<String>,
    /// Address that messages name, where their reader can look; without it they name a command. `VIGIA_ALERTS_LINK`.
    pub link: Option<String>,
    /// Systems that are called with signed webhooks (Standard Webhooks). `VIGIA_ALERTS_WEBHOOKS`, as
    /// `[{name="rector",url="https://…",secret="whsec_…"}]`.
    pub webhooks: Vec<Webhook>,
}

/// A system that is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// Its id, a-z, 0-9 and hyphen.
    pub name: String,
    /// Where it is called; redirects are not followed.
    pub url: String,
    /// `whsec_` and 24 to 64 bytes in base64, known to it and to us.
    pub secret: String,
    /// The institution whose alerts it gets, as id; all if absent.
    pub institution: Option<String>,
    /// Whether it may lie in a private network, and be called by plain HTTP.
    pub private: bool,
}

/// Evidence that institutions upload.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// An S3-compatible store, `s3://bucket/prefix`, with its keys, region and endpoint in `AWS_…` variables; required for
    /// more than one replica of reporting. Without it evidence lies in the data directory. `VIGIA_EVIDENCE_URL`.
    pub url: Option<String>,
    /// Bytes of a file at most; 2 GiB. `VIGIA_EVIDENCE_FILE_BYTES_MAX`.
    pub file_bytes_max: u64,
    /// Bytes of all evidence of one institution at most; 50 GiB. `VIGIA_EVIDENCE_QUOTA_BYTES`.
    pub quota_bytes: u64,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            url: None,
            file_bytes_max: 2 << 30,
            quota_bytes: 50 << 30,
        }
    }
}

/// Addresses of services, such as `10.0.0.2:7300` or `http://plans:7300`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peers {
    /// Identity. `VIGIA_PEERS_IDENTITY`.
    pub identity: Option<String>,
    /// Plans. `VIGIA_PEERS_PLANS`.
    pub plans: Option<String>,
    /// Assignments. `VIGIA_PEERS_ASSIGNMENTS`.
    pub assignments: Option<String>,
    /// Reporting. `VIGIA_PEERS_REPORTING`.
    pub reporting: Option<String>,
    /// Compliance. `VIGIA_PEERS_COMPLIANCE`.
    pub compliance: Option<String>,
}

/// The log, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`. `VIGIA_LOG_FORMAT`.
    pub format: LogFormat,
    /// A filter such as `info` or `vigia_platform=debug`. `VIGIA_LOG_FILTER`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info,sea_orm_migration=warn".into(),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "vigia-data".into(),
            database: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 7300)),
            services: Vec::new(),
            reflection: false,
            admin: None,
            otlp: None,
            tls: Tls::default(),
            peers: Peers::default(),
            evidence: Evidence::default(),
            alerts: Alerts::default(),
            log: Log::default(),
        }
    }
}

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flags {
    /// `--data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// `--database`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// `--listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Services by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
}

/// Variables that belong to the commands of the client, not to the configuration.
const CLIENT_VARIABLES: [&str; 9] = [
    "server",
    "account",
    "password",
    "new_password",
    "client",
    "key",
    "kid",
    "ca",
    "config",
];

impl Config {
    /// Reads the configuration. A file that is named must be there; `vigia.toml` need not.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        figment = match file {
            Some(file) => figment.merge(Toml::file_exact(file)),
            None => figment.merge(Toml::file("vigia.toml")),
        };
        // `VIGIA_PEERS_PLANS` is `peers.plans`.
        let environment = Env::prefixed("VIGIA_")
            .ignore(&CLIENT_VARIABLES)
            .map(|key| key.as_str().replacen('_', ".", 1).into());
        let config: Self = figment
            .merge(environment)
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|fault| {
                let places: Vec<String> = fault.into_iter().map(|fault| fault.to_string()).collect();
                Usage::of(format!("configuración / configuration: {}", places.join("; ")))
            })?;
        config.areas()?;
        if config.database.as_ref().is_some_and(|url| !url.starts_with("postgres://")) {
            return Err(Usage::of(
                "database: debe empezar por postgres:// / must begin with postgres://".to_owned(),
            ));
        }
        Ok(config)
    }

    /// The services to run here.
    pub fn areas(&self) -> Result<BTreeSet<Area>> {
        let mut areas = BTreeSet::new();
        for name in &self.services {
            let Some(area) = Area::of(name) else {
                return Err(Usage::of(format!(
                    "services: «{name}» no es un servicio / is no service: identity, plans, assignments, reporting, compliance"
                )));
            };
            areas.insert(area);
        }
        Ok(if areas.is_empty() { Area::ALL.into() } else { areas })
    }

    /// Where evidence lies.
    pub fn evidence(&self) -> EvidenceOptions {
        EvidenceOptions {
            directory: self.data.join("evidence"),
            url: self.evidence.url.clone(),
            file_bytes_max: self.evidence.file_bytes_max,
            quota_bytes: self.evidence.quota_bytes,
        }
    }

    /// How people are told of alerts.
    pub fn alerts(&self) -> AlertOptions {
        let webhooks = self.alerts.webhooks.iter().cloned().map(|webhook| vigia_compliance::Webhook {
            name: webhook.name,
            url: webhook.url,
            secret: webhook.secret,
            institution: webhook.institution,
            private: webhook.private,
        });
        AlertOptions {
            smtp_url: self.alerts.smtp_url.clone(),
            sender: self.alerts.sender.clone(),
            link: self.alerts.link.clone(),
            webhooks: webhooks.collect(),
        }
    }

    /// The addresses of the others.
    pub fn peers(&self) -> BTreeMap<Area, String> {
        let Peers {
            identity,
            plans,
            assignments,
            reporting,
            compliance,
        } = &self.peers;
        let all = [
            (Area::Identity, identity),
            (Area::Plans, plans),
            (Area::Assignments, assignments),
            (Area::Reporting, reporting),
            (Area::Compliance, compliance),
        ];
        all.into_iter()
            .filter_map(|(area, address)| Some((area, address.clone()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str) -> Result<Config> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), toml)?;
        Config::load(Some(file.path()), &Flags::default())
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        for (toml, key) in [
            ("dta = 'x'", "dta"),
            ("[peers]\nplan = 'x'", "plan"),
            ("[log]\nlevel = 'info'", "level"),
            ("services = ['plan']", "plan"),
            ("database = 'mysql://x/y'", "database"),
            ("[evidence]\nquota = 1", "quota"),
            ("[alerts]\nsmtp = 'x'", "smtp"),
            ("[[alerts.webhooks]]\nkey = 'x'", "key"),
        ] {
            let fault = load(toml).err().map(|fault| fault.to_string()).unwrap_or_default();
            assert!(fault.contains(key), "{toml}: {fault}");
        }
    }

    #[test]
    fn the_file_wins_over_the_defaults() -> Result<()> {
        let config = load("listen = '127.0.0.1:7400'\nservices = ['plans']\n[peers]\nidentity = 'http://i:1'")?;
        assert_eq!(config.listen.port(), 7400);
        assert_eq!(config.areas()?, BTreeSet::from([Area::Plans]));
        assert_eq!(config.peers().get(&Area::Identity).map(String::as_str), Some("http://i:1"));
        Ok(())
    }
}
