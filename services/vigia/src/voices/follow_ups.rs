//! `vigia follow-up`: what was tried with those who are late.

use anyhow::Result;
use clap::ValueEnum;
use comfy_table::Cell;
use prost_types::Timestamp;
use vigia_platform::{instant, new_id};
use vigia_proto::compliance::{
    FollowUp, FollowUpKind, ListFollowUpsRequest, RecordFollowUpRequest, follow_up_service_client::FollowUpServiceClient,
};

use super::{PAGE, text, zone_and_instant};
use crate::{
    access::Access,
    cast::Principal,
    commands::{plan_name, plan_of, shortened},
    lang::say,
    output::{self, Usage},
    refused::told,
};

/// What was tried.
#[derive(clap::Args, Debug)]
pub struct RecordArgs {
    /// plans/vcm/assignments/a1/obligations/2024-S1.
    pub obligation: String,
    /// Cómo fue / how it was.
    #[arg(long, value_enum)]
    pub kind: How,
    /// Qué resultó / what came of it.
    #[arg(long)]
    pub outcome: String,
    /// Con quién / with whom.
    #[arg(long, default_value = "")]
    pub contact: String,
    /// Número de oficio / number of the letter.
    #[arg(long, default_value = "")]
    pub letter_number: String,
    /// Cuándo, en hora del plan; ahora si no se dice / when, in the plan's time; now if left out.
    #[arg(long)]
    pub at: Option<String>,
    /// Próxima fecha / next date.
    #[arg(long, default_value = "")]
    pub next_on: String,
    #[command(flatten)]
    pub access: Access,
}

/// How somebody was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// Llamada / by telephone.
    Call,
    /// Oficio / in writing.
    Letter,
    /// Reunión / face to face or by video.
    Meeting,
}

pub async fn record_follow_up(args: &RecordArgs, json: bool) -> Result<()> {
    let obligation = &args.obligation;
    let principal = args.access.principal().await?;
    let Some(parent) = plan_of(obligation) else {
        return Err(Usage::of(format!(
            "{obligation}: plans/{{plan}}/assignments/{{id}}/obligations/{{period}}"
        )));
    };
    let (_, at) = zone_and_instant(&principal, &parent, args.at.as_deref()).await?;
    let kind = match args.kind {
        How::Call => FollowUpKind::Call,
        How::Letter => FollowUpKind::Letter,
        How::Meeting => FollowUpKind::Meeting,
    };
    let follow_up = FollowUp {
        obligation: obligation.clone(),
        kind: kind.into(),
        happen_time: at,
        contact: args.contact.clone(),
        outcome: args.outcome.clone(),
        letter_number: args.letter_number.clone(),
        next_on: args.next_on.clone(),
        ..FollowUp::default()
    };
    let request = RecordFollowUpRequest {
        parent,
        follow_up_id: String::new(),
        follow_up: Some(follow_up),
        request_id: new_id(),
    };
    let answer = FollowUpServiceClient::new(principal)
        .record_follow_up(request)
        .await
        .map_err(told)?
        .into_inner();
    if json {
        return output::json(&output::value("vigia.compliance.v1.RecordFollowUpResponse", &answer)?);
    }
    output::line(&answer.follow_up.unwrap_or_default().name);
    Ok(())
}

/// All follow-ups of a plan that a filter lets pass.
pub async fn follow_ups(
    principal: &Principal,
    parent: &str,
    as_of: Option<Timestamp>,
    filter: &str,
) -> Result<Vec<FollowUp>, tonic::Status> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListFollowUpsRequest {
            parent: parent.to_owned(),
            as_of,
            page_size: PAGE,
            page_token,
            filter: filter.to_owned(),
        };
        let answer = FollowUpServiceClient::new(principal.clone())
            .list_follow_ups(request)
            .await?
            .into_inner();
        all.extend(answer.follow_ups);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// How it was tried, in a word.
pub fn kind_word(kind: FollowUpKind) -> &'static str {
    match kind {
        FollowUpKind::Unspecified => "?",
        FollowUpKind::Call => say("llamada", "call"),
        FollowUpKind::Letter => say("oficio", "letter"),
        FollowUpKind::Meeting => say("reunión", "meeting"),
    }
}

pub async fn list_follow_ups(access: &Access, plan: &str, filter: &str, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let parent = plan_name(plan);
    let (zone, _) = zone_and_instant(&principal, &parent, None).await?;
    let all = follow_ups(&principal, &parent, None, filter).await.map_err(told)?;
    if json {
        let list: Result<Vec<_>> = all.iter().map(|one| output::value("vigia.compliance.v1.FollowUp", one)).collect();
        return output::json(&list?);
    }
    let heading = [
        say("cuándo", "when"),
        say("cómo", "how"),
        say("obligación", "obligation"),
        say("resultado", "outcome"),
        say("próxima", "next"),
    ];
    let rows = all.iter().map(|one| {
        let when = one.happen_time.as_ref().and_then(instant);
        let when = when.map(|when| zone.to_datetime(when).strftime("%Y-%m-%d %H:%M").to_string());
        vec![
            Cell::new(when.unwrap_or_default()),
            Cell::new(kind_word(one.kind())),
            Cell::new(&one.obligation),
            Cell::new(shortened(text(&one.outcome, one.seal.as_ref()), 80)),
            Cell::new(&one.next_on),
        ]
    });
    output::line(&output::table(&heading, rows.collect()));
    Ok(())
}
