//! What was decided to be sent, and the dead letters.

use anyhow::Result;
use comfy_table::Cell;
use jiff::tz::TimeZone;
use vigia_platform::new_id;
use vigia_proto::compliance::{
    Delivery, DeliveryChannel, DeliveryState, ListDeliveriesRequest, RedeliverDeliveryRequest, alert_service_client::AlertServiceClient,
};

use super::minute;
use crate::{
    access::Access,
    lang::say,
    office::desk::{named, tell},
    output,
    refused::told,
};

/// Which deliveries.
#[derive(clap::Args, Debug)]
pub struct DeliveriesArgs {
    /// Solo los que se abandonaron / only those that were given up.
    #[arg(long)]
    dead: bool,
    /// A quién / to whom: msp, institutions/msp, webhooks/rector.
    #[arg(long)]
    recipient: Option<String>,
    /// Filtro / filter: state, channel, recipient.
    #[arg(long)]
    filter: Option<String>,
    /// Tantos, los más nuevos / so many, the newest.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i32).range(1..=1000))]
    limit: i32,
}

/// Which one, and why.
#[derive(clap::Args, Debug)]
pub struct RedeliverArgs {
    /// deliveries/7d1c…, como lo da la lista / as the list gives it.
    name: String,
    /// Por qué / why.
    #[arg(long)]
    reason: String,
}

impl DeliveriesArgs {
    fn filter(&self) -> String {
        let recipient = |id: &String| {
            let name = if id.contains('/') { id.clone() } else { named("institutions", id) };
            format!("recipient = \"{name}\"")
        };
        let parts = [
            self.dead.then(|| "state = DEAD".to_owned()),
            self.recipient.as_ref().map(recipient),
            self.filter.as_ref().map(|filter| format!("({filter})")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" AND ")
    }
}

/// `vigia alerts deliveries`.
pub async fn list(access: &Access, args: &DeliveriesArgs, json: bool) -> Result<()> {
    let request = ListDeliveriesRequest {
        filter: args.filter(),
        page_size: args.limit,
        page_token: String::new(),
    };
    let mut service = AlertServiceClient::new(access.principal().await?);
    let answer = service.list_deliveries(request).await.map_err(told)?.into_inner();
    if json {
        return output::json(&output::value("vigia.compliance.v1.ListDeliveriesResponse", &answer)?);
    }
    let heading = [
        say("desde (UTC)", "from (UTC)"),
        say("por", "by"),
        say("a", "to"),
        say("estado", "state"),
        say("avisos", "notices"),
        say("intentos", "attempts"),
        say("próximo (UTC)", "next (UTC)"),
        say("envío", "delivery"),
        say("qué pasó", "what happened"),
    ];
    output::line(&output::table(&heading, answer.deliveries.iter().map(row).collect()));
    if !answer.next_page_token.is_empty() {
        output::line(say("Hay más antiguos: --limit", "There are older ones: --limit"));
    }
    if !answer.email_configured && answer.webhooks.is_empty() {
        output::line(say(
            "No hay configurada ninguna manera de avisar, así que nada se envía: [alerts] en vigia.toml, con smtp_url y sender, o webhooks.",
            "No way of telling is configured, so nothing is sent: [alerts] in vigia.toml, with smtp_url and sender, or webhooks.",
        ));
    }
    if let Some(dead) = answer.deliveries.iter().find(|delivery| delivery.state() == DeliveryState::Dead) {
        output::line(&format!(
            "{} vigia alerts redeliver {} --reason …",
            say("Para intentar otra vez uno que se abandonó:", "To try one again that was given up:"),
            dead.name
        ));
    }
    Ok(())
}

/// `vigia alerts redeliver NAME`.
pub async fn redeliver(access: &Access, args: &RedeliverArgs, json: bool) -> Result<()> {
    let request = RedeliverDeliveryRequest {
        name: named("deliveries", &args.name),
        reason: args.reason.clone(),
        request_id: new_id(),
    };
    let mut service = AlertServiceClient::new(access.principal().await?);
    let answer = service.redeliver_delivery(request).await.map_err(told)?.into_inner();
    let delivery = answer.delivery.clone().unwrap_or_default();
    let text = format!("{}: {}", delivery.name, state_word(delivery.state()));
    tell(json, "vigia.compliance.v1.RedeliverDeliveryResponse", &answer, &text)
}

fn row(delivery: &Delivery) -> Vec<Cell> {
    let attempts = delivery.targets.iter().map(|target| target.attempts).max().unwrap_or(0);
    let went_wrong = delivery.targets.iter().filter(|target| !target.last_error.is_empty());
    let mut happened: Vec<String> = went_wrong
        .map(|target| format!("{}: {}", target.office, target.last_error))
        .collect();
    if delivery.state() == DeliveryState::Dead && delivery.targets.is_empty() {
        happened.push(say("nadie tenía dirección", "nobody had an address").to_owned());
    }
    let channel = match delivery.channel() {
        DeliveryChannel::Unspecified => "?",
        DeliveryChannel::Email => say("correo", "e-mail"),
        DeliveryChannel::Webhook => "webhook",
    };
    // Of all plans, each of which may have a time of its own.
    vec![
        Cell::new(minute(delivery.send_time.as_ref(), &TimeZone::UTC)),
        Cell::new(channel),
        Cell::new(&delivery.recipient),
        Cell::new(state_word(delivery.state())),
        Cell::new(delivery.notice_count),
        Cell::new(attempts),
        Cell::new(minute(delivery.next_attempt_time.as_ref(), &TimeZone::UTC)),
        Cell::new(&delivery.name),
        Cell::new(happened.join("; ")),
    ]
}

fn state_word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Unspecified => "?",
        DeliveryState::Open => say("decidido", "decided"),
        DeliveryState::Sending => say("en camino", "on its way"),
        DeliveryState::Sent => say("entregado", "delivered"),
        DeliveryState::Dead => say("abandonado", "given up"),
        DeliveryState::Dropped => say("innecesario", "not needed"),
    }
}
