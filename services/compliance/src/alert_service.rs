//! AlertService: what needs someone now, and what is done about it.

use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Error, Faults, Kit, facts::obligation_name, name, timestamp};
use vigia_proto::compliance::{
    Mute, MuteObligationRequest, MuteObligationResponse, ObligationMuted, ObligationUnmuted, UnmuteObligationRequest,
    UnmuteObligationResponse, alert_service_server::AlertService,
};

use crate::{memory::Memory, record::Record};

/// Characters of a reason at most.
const REASON_CHARS_MAX: usize = 1000;

#[derive(Debug)]
pub(crate) struct Alerts {
    kit: Kit,
    memory: Memory,
    record: Record,
}

impl Alerts {
    pub(crate) fn new(kit: Kit, memory: Memory, record: Record) -> Self {
        Self { kit, memory, record }
    }

    /// The institution that owes an obligation, as resource name. What the caller may not see reads as not there.
    async fn owner_of(&self, caller: &Caller, obligation: &str) -> Result<String, Error> {
        let not_found = || Error::not_found(obligation);
        let plan = name::split("plans/{}/assignments/{}/obligations/{}", obligation).ok_or_else(not_found)?[0];
        let (assignment, period) = obligation_name(obligation)?;
        let t = self.kit.as_of(None).await?;
        let owner = self.memory.ask(plan, t, |view| {
            let found = vigia_rules::obligation(&view.facts.facts, &assignment, period, t).ok_or_else(not_found)?;
            Ok(format!("institutions/{}", found.institution))
        });
        let owner = owner.map_err(|_| not_found())?;
        if caller.sees(&owner) { Ok(owner) } else { Err(not_found()) }
    }
}

fn check_reason(reason: &str) -> Result<(), Error> {
    let mut faults = Faults::new();
    faults.text("reason", reason, 1..=REASON_CHARS_MAX);
    faults.done()
}

#[tonic::async_trait]
impl AlertService for Alerts {
    async fn mute_obligation(&self, request: Request<MuteObligationRequest>) -> Result<Response<MuteObligationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        check_reason(&request.reason)?;
        let owner = self.owner_of(&caller, &request.obligation).await?;
        let mut change = self.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        if self.record.mute(&request.obligation, change.now()).is_some() {
            return Err(Error::state_conflict(request.obligation, "MUTED").into());
        }
        let mute = Mute {
            obligation: request.obligation,
            reason: request.reason,
            mute_time: Some(timestamp(change.now())),
            muted_by: caller.principal().to_owned(),
        };
        let event = ObligationMuted { mute: Some(mute.clone()) };
        change
            .record("vigia.compliance.v1.ObligationMuted", &mute.obligation, &owner, &event)
            .await?;
        change.commit(MuteObligationResponse { mute: Some(mute) }).await
    }

    async fn unmute_obligation(&self, request: Request<UnmuteObligationRequest>) -> Result<Response<UnmuteObligationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        check_reason(&request.reason)?;
        let owner = self.owner_of(&caller, &request.obligation).await?;
        let mut change = self.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        if self.record.mute(&request.obligation, change.now()).is_none() {
            return Err(Error::state_conflict(request.obligation, "NOT_MUTED").into());
        }
        let event = ObligationUnmuted {
            obligation: request.obligation.clone(),
            reason: request.reason,
        };
        change
            .record("vigia.compliance.v1.ObligationUnmuted", &request.obligation, &owner, &event)
            .await?;
        change.commit(UnmuteObligationResponse {}).await
    }
}
