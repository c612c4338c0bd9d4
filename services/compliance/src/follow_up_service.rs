//! FollowUpService: what the governing body has tried with those who owe a report.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Error, Faults, facts::obligation_name, instant, name, timestamp};
use vigia_proto::compliance::{
    FollowUp, FollowUpKind, FollowUpRecorded, ListFollowUpsRequest, ListFollowUpsResponse, RecordFollowUpRequest, RecordFollowUpResponse,
    follow_up_service_server::FollowUpService,
};

use crate::{
    compliance_service::plan_of,
    desk::{self, Asked, Desk},
    texts,
    voices::Voices,
};

/// Follow-ups on one obligation at most.
const OF_ONE_MAX: usize = 100;
/// What lists can be filtered by.
const FILTER_FIELDS: [&str; 4] = ["obligation", "institution", "kind", "next_on"];

/// What is wrong with a follow-up by itself. `received_at` is now, `zone` the plan's.
fn check(faults: &mut Faults, asked: &FollowUp, received_at: Timestamp, zone: &TimeZone) {
    faults.require(
        asked.kind() != FollowUpKind::Unspecified,
        "follow_up.kind",
        "diga cómo fue: llamada, oficio o reunión",
        "say how it was: call, letter or meeting",
    );
    faults.text("follow_up.contact", &asked.contact, 0..=200);
    faults.text("follow_up.outcome", &asked.outcome, 1..=2000);
    faults.text("follow_up.letter_number", &asked.letter_number, 0..=100);
    let happened_at = asked.happen_time.as_ref().and_then(instant);
    faults.require(
        happened_at.is_some_and(|at| at <= received_at),
        "follow_up.happen_time",
        "no puede estar en el futuro",
        "can't lie in the future",
    );
    if asked.next_on.is_empty() {
        return;
    }
    let next_on: Option<Date> = faults.date("follow_up.next_on", &asked.next_on);
    if let (Some(next_on), Some(at)) = (next_on, happened_at) {
        faults.require(
            next_on >= zone.to_datetime(at).date(),
            "follow_up.next_on",
            "no puede ser anterior al día en que fue",
            "can't be before the day on which it was",
        );
    }
}

impl Desk {
    /// The institution that owes an obligation, as resource name, and the zone of its plan.
    async fn owed_by(&self, plan: &str, obligation: &str) -> Result<(String, TimeZone), Error> {
        let not_found = || Error::not_found(obligation);
        let parts = name::split("plans/{}/assignments/{}/obligations/{}", obligation);
        parts.filter(|parts| parts[0] == plan).ok_or_else(not_found)?;
        let (assignment, period) = obligation_name(obligation)?;
        let t = self.kit.as_of(None).await?;
        let owed = self.memory.ask(plan, t, |view| {
            let found = vigia_rules::obligation(&view.facts_of_assignment(&assignment), &assignment, period, t).ok_or_else(not_found)?;
            Ok((format!("institutions/{}", found.institution), view.zone.clone()))
        });
        owed.map_err(|_| not_found())
    }
}

#[tonic::async_trait]
impl FollowUpService for Desk {
    async fn record_follow_up(&self, request: Request<RecordFollowUpRequest>) -> Result<Response<RecordFollowUpResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let mut follow_up = request.follow_up.clone().unwrap_or_default();
        follow_up.happen_time.get_or_insert_with(|| timestamp(caller.received_at()));
        let (institution, zone) = self.owed_by(plan, &follow_up.obligation).await?;
        let mut faults = Faults::new();
        let id = desk::id(&mut faults, "follow_up_id", &request.follow_up_id);
        check(&mut faults, &follow_up, caller.received_at(), &zone);
        faults.done()?;
        let mut change = self.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        if let Some(mut answer) = change.replayed::<RecordFollowUpResponse>()? {
            texts::fill(change.tx(), &self.record, answer.get_mut().follow_up.as_mut_slice()).await?;
            return Ok(answer);
        }
        follow_up.name = format!("{}/follow-ups/{id}", request.parent);
        self.check_name(&follow_up.name)?;
        let tried = self.record.voices(|voices| {
            let all = voices.follow_ups().by(plan, Timestamp::MAX);
            all.filter(|one| one.obligation == follow_up.obligation).count()
        });
        desk::limit(&follow_up.obligation, tried, OF_ONE_MAX)?;
        follow_up.institution = institution;
        follow_up.record_time = Some(timestamp(change.now()));
        caller.principal().clone_into(&mut follow_up.recorder);
        let recorded = texts::keep(&change, &mut follow_up).await?;
        let event = FollowUpRecorded {
            follow_up: Some(recorded.clone()),
        };
        // About no institution: the one that it concerns would read it in the journal.
        change
            .record("vigia.compliance.v1.FollowUpRecorded", &follow_up.name, "", &event)
            .await?;
        let mut answer = change.commit(RecordFollowUpResponse { follow_up: Some(recorded) }).await?;
        answer.get_mut().follow_up = Some(follow_up);
        Ok(answer)
    }

    async fn list_follow_ups(&self, request: Request<ListFollowUpsRequest>) -> Result<Response<ListFollowUpsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let asked = Asked {
            parent: &request.parent,
            as_of: request.as_of.as_ref(),
            page_size: request.page_size,
            page_token: &request.page_token,
            filter: &request.filter,
        };
        let field = |follow_up: &FollowUp, field: &str| match field {
            "obligation" => Some(follow_up.obligation.clone()),
            "institution" => Some(follow_up.institution.clone()),
            "kind" => Some(follow_up.kind().as_str_name().trim_start_matches("FOLLOW_UP_KIND_").to_owned()),
            "next_on" => Some(follow_up.next_on.clone()),
            _ => None,
        };
        let (follow_ups, next_page_token) = self.list(&caller, &asked, &FILTER_FIELDS, Voices::follow_ups, field).await?;
        Ok(Response::new(ListFollowUpsResponse {
            follow_ups,
            next_page_token,
        }))
    }
}
