//! Webhooks, signed as Standard Webhooks says (version 1.0.0, symmetric signatures).
//!
//! A webhook's address is configured by the operator and still not trusted: it is called over HTTPS at public addresses
//! only, unless the configuration says that it lies in a private network; names are resolved by us, so that one that
//! points inside is not followed; redirects are not followed; the answer's body is not read.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::CONTENT_TYPE,
    redirect::Policy,
};
use sha2::Sha256;

use super::post::{Outcome, Webhook};

/// Bytes of a secret, as the specification has them.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A system that is called.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) name: String,
    /// The institution whose alerts it gets, as resource name; none for all.
    pub(crate) institution: Option<String>,
    url: Url,
    secret: Secret,
    client: Client,
}

/// Never shown.
struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Hook {
    pub(crate) fn open(webhook: &Webhook, patience: Duration) -> Result<Self, String> {
        let name = &webhook.name;
        let wrong = |what: &str| format!("alerts.webhooks.{name}: {what}");
        let url = Url::parse(&webhook.url).map_err(|_| wrong("url: no es una dirección / is no address"))?;
        let is_allowed = url.scheme() == "https" || webhook.private && url.scheme() == "http";
        if !is_allowed {
            return Err(wrong("url: debe ser https:// / must be https://"));
        }
        // Whatever form an address is written in, it stands here in its plain one.
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_inside = host.is_empty() || host.parse().is_ok_and(|address| !is_public(address));
        if is_inside && !webhook.private {
            return Err(wrong(
                "url: está en una red privada (private = true lo permite) / lies in a private network (private = true allows it)",
            ));
        }
        let secret = webhook
            .secret
            .strip_prefix("whsec_")
            .and_then(|text| BASE64_STANDARD.decode(text).ok());
        let secret = secret.filter(|secret| SECRET_BYTES.contains(&secret.len()));
        let secret = secret
            .ok_or_else(|| wrong("secret: debe ser whsec_ y 24 a 64 bytes en base64 / must be whsec_ and 24 to 64 bytes in base64"))?;
        // Fails only where a provider was set before: then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(Policy::none())
            .timeout(patience)
            .no_proxy()
            .user_agent(concat!("vigia/", env!("CARGO_PKG_VERSION")));
        if !webhook.private {
            client = client.dns_resolver(Arc::new(Public));
        }
        let client = client.build().map_err(|cause| wrong(&cause.to_string()))?;
        Ok(Self {
            name: name.clone(),
            institution: webhook.institution.as_ref().map(|id| format!("institutions/{id}")),
            url,
            secret: Secret(secret),
            client,
        })
    }

    /// Calls it, once, at a time by the machine's clock.
    pub(crate) async fn send(&self, id: &str, body: &str, now: Timestamp) -> Outcome {
        let timestamp = now.as_second().to_string();
        let Some(signature) = signature(&self.secret.0, id, &timestamp, body) else {
            return Outcome::Refused("la clave no sirve para firmar".to_owned());
        };
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body.to_owned());
        match request.send().await {
            Ok(answer) => outcome(answer.status().as_u16()),
            Err(cause) if cause.is_timeout() => Outcome::Failed("no respondió a tiempo".to_owned()),
            Err(_) => Outcome::Failed("no se pudo llamar".to_owned()),
        }
    }
}

fn outcome(status: u16) -> Outcome {
    match status {
        200..300 => Outcome::Sent,
        300..400 => Outcome::Failed(format!("respondió {status}: no se siguen redirecciones")),
        // Gone: as the specification says, it asks not to be called any more.
        410 => Outcome::Refused("respondió 410: ya no quiere llamadas".to_owned()),
        _ => Outcome::Failed(format!("respondió {status}")),
    }
}

/// `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64.
fn signature(secret: &[u8], id: &str, timestamp: &str, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    for part in [id, ".", timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

/// Resolves names to public addresses only.
#[derive(Debug)]
struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public network (IANA's special-purpose registries, as far as they are not global).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Carriers' networks, protocol assignments, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Addresses that carry one of version 4 are what that one is: mapped, translated (64:ff9b::/96) and 6to4.
    let inner = match segments {
        [0, 0, 0, 0, 0, 0xffff, a, b] | [0x64, 0xff9b, 0, 0, 0, 0, a, b] | [0x2002, a, b, ..] => Some((a, b)),
        _ => None,
    };
    if let Some((a, b)) = inner {
        return is_public_v4(Ipv4Addr::from((u32::from(a) << 16) | u32::from(b)));
    }
    // Only 2000::/3 is global, without documentation, benchmarks and Teredo.
    let is_global = segments[0] & 0xe000 == 0x2000;
    let is_documentation = segments[0] == 0x2001 && segments[1] == 0x0db8 || segments[0] == 0x3fff;
    let is_assigned_to_protocols = segments[0] == 0x2001 && segments[1] < 0x0200;
    is_global && !is_documentation && !is_assigned_to_protocols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the Standard Webhooks libraries.
        let secret = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        assert_eq!(
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#).as_deref(),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }

    #[test]
    fn only_public_addresses_are_called() {
        let check = |address: &str, expect: bool| assert_eq!(is_public(address.parse().expect("an address")), expect, "{address}");
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "203.0.113.9",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            check(inside, false);
        }
        for outside in [
            "190.152.1.1",
            "1.1.1.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
        ] {
            check(outside, true);
        }
    }

    #[tokio::test]
    async fn a_name_that_points_inside_is_not_resolved() {
        let name: Name = "localhost".parse().expect("a name");
        assert!(Public.resolve(name).await.is_err());
    }

    #[test]
    fn what_is_configured_is_checked() {
        let secret = format!("whsec_{}", BASE64_STANDARD.encode([7; 24]));
        let check = |url: &str, secret: &str, private: bool, expect: &str| {
            let webhook = Webhook {
                name: "rector".into(),
                url: url.into(),
                secret: secret.into(),
                institution: None,
                private,
            };
            let opened = Hook::open(&webhook, Duration::from_secs(1)).map(|_| ());
            let fault = opened.err().unwrap_or_default();
            assert!(
                if expect.is_empty() {
                    fault.is_empty()
                } else {
                    fault.contains(expect)
                },
                "{url}: {fault}"
            );
            assert!(!fault.contains(secret), "a secret is never shown");
        };
        check("https://ejemplo.gob.ec/avisos", &secret, false, "");
        check("http://ejemplo.gob.ec/avisos", &secret, false, "https");
        check("https://127.0.0.1/avisos", &secret, false, "private");
        check("https://[::1]/avisos", &secret, false, "private");
        check("http://127.0.0.1:8080/avisos", &secret, true, "");
        check("ftp://127.0.0.1/avisos", &secret, true, "https");
        check("https://ejemplo.gob.ec/", "whsec_c2hvcnQ=", false, "secret");
        check("https://ejemplo.gob.ec/", "otra-cosa", false, "secret");
        check("ejemplo", &secret, false, "url");
    }
}
