//! What people do about alerts: take one up, keep those of an obligation from being sent.

use anyhow::Result;
use vigia_platform::new_id;
use vigia_proto::compliance::{
    AcknowledgeAlertRequest, MuteObligationRequest, UnmuteObligationRequest, alert_service_client::AlertServiceClient,
};

use super::listing::plan_of_alert;
use crate::{
    access::Access, commands::plan_of, institution::fault::told as in_words, lang::say, office::desk::tell, output::Usage, refused::told,
};

/// Which alert is taken up.
#[derive(clap::Args, Debug)]
pub struct AcknowledgeArgs {
    /// plans/vcm/alerts/0b9f2c1e-…, como lo da la lista / as the list gives it.
    name: String,
    /// Qué se hará / what will be done.
    #[arg(long, default_value = "")]
    note: String,
}

/// Which obligation, and why.
#[derive(clap::Args, Debug)]
pub struct MuteArgs {
    /// plans/vcm/assignments/a1/obligations/2024-S1.
    obligation: String,
    /// Por qué / why.
    #[arg(long)]
    reason: String,
}

impl MuteArgs {
    fn obligation(&self) -> Result<String> {
        let name = &self.obligation;
        if plan_of(name).is_some() && name.contains("/obligations/") {
            return Ok(name.clone());
        }
        Err(Usage::of(in_words(
            format!(
                "{name}: se espera plans/{{plan}}/assignments/{{id}}/obligations/{{period}}; de qué obligación es una alerta lo dice «vigia alerts show»"
            ),
            format!(
                "{name}: plans/{{plan}}/assignments/{{id}}/obligations/{{period}} is expected; \"vigia alerts show\" says of which obligation an alert is"
            ),
        )))
    }
}

/// `vigia alerts acknowledge NAME`.
pub async fn acknowledge(access: &Access, args: &AcknowledgeArgs, json: bool) -> Result<()> {
    plan_of_alert(&args.name)?;
    let request = AcknowledgeAlertRequest {
        name: args.name.clone(),
        note: args.note.clone(),
        request_id: new_id(),
    };
    let mut service = AlertServiceClient::new(access.principal().await?);
    let answer = service.acknowledge_alert(request).await.map_err(told)?.into_inner();
    let text = format!(
        "{}: {}",
        args.name,
        say(
            "tomada; sigue en la lista y ya no se envía",
            "taken up; it stays listed and is not sent any more"
        )
    );
    tell(json, "vigia.compliance.v1.AcknowledgeAlertResponse", &answer, &text)
}

/// `vigia alerts mute OBLIGATION`.
pub async fn mute(access: &Access, args: &MuteArgs, json: bool) -> Result<()> {
    let request = MuteObligationRequest {
        obligation: args.obligation()?,
        reason: args.reason.clone(),
        request_id: new_id(),
    };
    let mut service = AlertServiceClient::new(access.principal().await?);
    let answer = service.mute_obligation(request).await.map_err(told)?.into_inner();
    let text = format!(
        "{}: {}",
        args.obligation,
        say(
            "silenciada; sus alertas siguen en la lista y no se envían («vigia alerts unmute» lo deshace)",
            "muted; its alerts stay listed and are not sent (\"vigia alerts unmute\" undoes it)"
        )
    );
    tell(json, "vigia.compliance.v1.MuteObligationResponse", &answer, &text)
}

/// `vigia alerts unmute OBLIGATION`.
pub async fn unmute(access: &Access, args: &MuteArgs, json: bool) -> Result<()> {
    let request = UnmuteObligationRequest {
        obligation: args.obligation()?,
        reason: args.reason.clone(),
        request_id: new_id(),
    };
    let mut service = AlertServiceClient::new(access.principal().await?);
    let answer = service.unmute_obligation(request).await.map_err(told)?.into_inner();
    let text = format!(
        "{}: {}",
        args.obligation,
        say("sus alertas se envían otra vez", "its alerts are sent again")
    );
    tell(json, "vigia.compliance.v1.UnmuteObligationResponse", &answer, &text)
}
