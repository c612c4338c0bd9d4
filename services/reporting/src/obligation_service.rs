//! ObligationService: what is owed and by when; extensions and waivers.

use jiff::Timestamp;
use tokio::task::JoinSet;
use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Error, Faults, Filter, Page, Scope, facts, micros, name::split, new_id};
use vigia_proto::{
    error::Reason,
    reporting::{
        Extension, ExtensionGranted, GetObligationRequest, GetObligationResponse, GetObligationTimelineRequest,
        GetObligationTimelineResponse, GrantExtensionRequest, GrantExtensionResponse, ListExtensionsRequest, ListExtensionsResponse,
        ListObligationsRequest, ListObligationsResponse, ListOutagesRequest, ListOutagesResponse, ListWaiversRequest, ListWaiversResponse,
        ObligationWaived, Outage, PreviewCalendarRequest, PreviewCalendarResponse, WaiveObligationRequest, WaiveObligationResponse,
        extension::Covers, obligation_service_server::ObligationService,
    },
};
use vigia_rules::{self as rules, Obligation};

use crate::{
    calendar,
    desk::Desk,
    granted,
    lines::Plan,
    names::{ObligationName, wrong},
    outage,
    refusal::refused,
    timeline, wire,
};

const REASON_MAX: usize = 2_000;
const LEGAL_BASIS_MAX: usize = 500;

/// The service over its desk.
#[derive(Debug)]
pub(crate) struct Obligations {
    desk: Desk,
    /// Ends with the service.
    _watch: JoinSet<()>,
}

impl Obligations {
    /// Also watches that the service is there, from now on.
    pub(crate) async fn new(desk: Desk) -> Result<Self, Error> {
        let watch = outage::watch(desk.clone()).await?;
        Ok(Self { desk, _watch: watch })
    }

    /// An obligation for reading: what is not owed does not exist.
    fn read(&self, caller: &Caller, name: &ObligationName) -> Result<Obligation, Error> {
        let owed = self.desk.owed(caller, name, caller.received_at());
        owed.map_err(|error| {
            if error.reason() == Reason::NothingOwed {
                Error::not_found(name.to_string())
            } else {
                error
            }
        })
    }

    /// The obligations below a parent that the caller may see, with their plan.
    fn list(&self, caller: &Caller, parent: &str) -> Result<Vec<(String, Obligation)>, Error> {
        let t = caller.received_at();
        let of = |id: &str| self.desk.with_plan(id, |plan| of_plan(caller, id, plan, t));
        if let Some(parts) = split("plans/{}", parent) {
            // Where nobody was assigned anything yet, nothing is owed: that is no error, nor does it tell whether the plan is there.
            let ids = if parts[0] == "-" {
                self.desk.plans()
            } else {
                vec![parts[0].to_owned()]
            };
            return Ok(ids.iter().filter_map(|id| of(id)).flatten().collect());
        }
        let parts = split("plans/{}/assignments/{}", parent).ok_or_else(|| wrong("parent", "plans/{plan}/assignments/{id}"))?;
        let (id, assignment) = (parts[0], parts[1]);
        let owed = self.desk.with_plan(id, |plan| {
            is_seen(caller, plan, assignment).then(|| plan.owed([assignment], t).map(|owed| (id.to_owned(), owed)).collect())
        });
        owed.flatten().ok_or_else(|| Error::not_found(parent))
    }
}

#[tonic::async_trait]
impl ObligationService for Obligations {
    async fn get_obligation(&self, request: Request<GetObligationRequest>) -> Result<Response<GetObligationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let name = ObligationName::parse("name", &request.get_ref().name)?;
        self.desk.ready().await?;
        let owed = self.read(&caller, &name)?;
        Ok(Response::new(GetObligationResponse {
            obligation: Some(wire::obligation(&name.plan, &owed)),
        }))
    }

    async fn list_obligations(&self, request: Request<ListObligationsRequest>) -> Result<Response<ListObligationsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[&request.parent, &request.filter])?;
        let filter = Filter::parse(&request.filter, &["institution", "action", "period", "state", "timeliness"])?;
        self.desk.ready().await?;
        let all = self.list(&caller, &request.parent)?;
        let passing = all
            .into_iter()
            .filter(|(plan, owed)| filter.matches(|field| wire::field_of(owed, plan, field)));
        let mut keyed: Vec<_> = passing.map(|(plan, owed)| (key(&plan, &owed), plan, owed)).collect();
        keyed.retain(|(key, ..)| page.after.as_ref().is_none_or(|after| key > after));
        keyed.sort_unstable_by(|(a, ..), (b, ..)| a.cmp(b));
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let last = if keyed.len() > size {
            keyed.get(size - 1).map(|(key, ..)| key.clone())
        } else {
            None
        };
        let obligations = keyed
            .iter()
            .take(size)
            .map(|(_, plan, owed)| wire::obligation(plan, owed))
            .collect();
        Ok(Response::new(ListObligationsResponse {
            obligations,
            next_page_token: page.next(last.as_deref()),
        }))
    }

    async fn get_obligation_timeline(
        &self,
        request: Request<GetObligationTimelineRequest>,
    ) -> Result<Response<GetObligationTimelineResponse>, Status> {
        let caller = Caller::of(&request)?;
        let name = ObligationName::parse("name", &request.get_ref().name)?;
        self.desk.ready().await?;
        self.read(&caller, &name)?;
        let entries = timeline::entries(self.desk.kit.db.read(&caller), &name).await?;
        let events = self.desk.ask(&caller, &name, |plan| {
            let events = entries.iter().map(|entry| timeline::event(plan, &name, entry));
            events.filter_map(Result::transpose).collect::<Result<_, _>>()
        })?;
        Ok(Response::new(GetObligationTimelineResponse { events }))
    }

    async fn preview_calendar(&self, request: Request<PreviewCalendarRequest>) -> Result<Response<PreviewCalendarResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let page = Page::parse(
            &caller,
            request.page_size,
            &request.page_token,
            &[&request.parent, &request.institution],
        )?;
        self.desk.ready().await?;
        Ok(Response::new(calendar::answer(&self.desk, &caller, &request, &page)?))
    }

    async fn list_extensions(&self, request: Request<ListExtensionsRequest>) -> Result<Response<ListExtensionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.desk.ready().await?;
        Ok(Response::new(granted::extensions(&self.desk, &caller, request.get_ref())?))
    }

    async fn list_waivers(&self, request: Request<ListWaiversRequest>) -> Result<Response<ListWaiversResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.desk.ready().await?;
        Ok(Response::new(granted::waivers(&self.desk, &caller, request.get_ref())?))
    }

    async fn list_outages(&self, request: Request<ListOutagesRequest>) -> Result<Response<ListOutagesResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.desk.ready().await?;
        Ok(Response::new(outage::list(&self.desk, &caller, request.get_ref())?))
    }

    async fn grant_extension(&self, request: Request<GrantExtensionRequest>) -> Result<Response<GrantExtensionResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let parts = split("plans/{}", &request.parent).ok_or_else(|| wrong("parent", "plans/{plan}"))?;
        let plan = parts[0];
        self.desk.ready().await?;
        let given = request.extension.clone().unwrap_or_default();
        let mut faults = Faults::new();
        let outage = self.desk.record().outages.named(&given.outage, &mut faults).cloned();
        let (fact, institution) = self
            .desk
            .with_plan(plan, |known| parse_extension(&caller, plan, known, &given, faults))
            .ok_or_else(|| Error::not_found(&*request.parent))??;
        let mut change = self.desk.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let now = change.now();
        let moved = self.desk.with_plan(plan, |known| {
            let moved = rules::extend(known.facts, &fact, now).map_err(|_| moves_nothing(&given))?;
            all_fell_due_in(outage.as_ref(), known, &moved, now)?;
            Ok::<_, Error>(moved.len())
        });
        let moved = moved.ok_or_else(|| moves_nothing(&given))??;
        let extension = Extension {
            name: format!("plans/{plan}/extensions/{}", new_id()),
            ..given
        };
        let event = ExtensionGranted {
            extension: Some(extension.clone()),
        };
        change
            .record("vigia.reporting.v1.ExtensionGranted", &extension.name, &institution, &event)
            .await?;
        let obligations_moved = i32::try_from(moved).unwrap_or(i32::MAX);
        change
            .commit(GrantExtensionResponse {
                extension: Some(extension),
                obligations_moved,
            })
            .await
    }

    async fn waive_obligation(&self, request: Request<WaiveObligationRequest>) -> Result<Response<WaiveObligationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let name = ObligationName::parse("name", &request.name)?;
        self.desk.ready().await?;
        self.desk.owed(&caller, &name, caller.received_at())?;
        let mut faults = Faults::new();
        faults.text("reason", &request.reason, 1..=REASON_MAX);
        faults.done()?;
        let mut change = self.desk.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let now = change.now();
        let waived = self.desk.ask(&caller, &name, |plan| {
            rules::waive(plan.facts, &name.assignment, name.period, now).map_err(|refusal| refused(refusal, &name))
        })?;
        let event = ObligationWaived {
            obligation: name.to_string(),
            reason: request.reason,
        };
        let institution = format!("institutions/{}", waived.institution);
        change
            .record("vigia.reporting.v1.ObligationWaived", &name.to_string(), &institution, &event)
            .await?;
        change
            .commit(WaiveObligationResponse {
                obligation: Some(wire::obligation(&name.plan, &waived)),
            })
            .await
    }
}

/// The key by which a list is ordered and paged: due instant, then name. The instant is shifted so that it is never
/// below 0, and padded so that texts are ordered as numbers are.
pub(crate) fn key(plan: &str, owed: &Obligation) -> String {
    let shifted = i128::from(micros(owed.due_at)) - i128::from(i64::MIN);
    format!("{shifted:020} {}", wire::name(plan, owed))
}

fn is_seen(caller: &Caller, plan: &Plan<'_>, assignment: &str) -> bool {
    plan.answerable(assignment).any(|institution| caller.sees(institution))
}

fn of_plan(caller: &Caller, id: &str, plan: &Plan<'_>, t: Timestamp) -> Vec<(String, Obligation)> {
    let owed: Vec<Obligation> = match caller.scope() {
        Scope::Everywhere => rules::obligations(plan.facts, t).collect(),
        Scope::Institutions(_) => {
            let seen = plan.ids().filter(|assignment| is_seen(caller, plan, assignment));
            plan.owed(seen.collect::<Vec<_>>(), t).collect()
        }
    };
    owed.into_iter().map(|owed| (id.to_owned(), owed)).collect()
}

/// The extension for the rules and the institution that it is about, if it is about one. Who manages obligations of some
/// institutions only extends what these owe.
fn parse_extension(
    caller: &Caller,
    id: &str,
    plan: &Plan<'_>,
    given: &Extension,
    mut faults: Faults,
) -> Result<(rules::Extension, String), Error> {
    faults.require(
        given.period.parse::<rules::Period>().is_ok(),
        "extension.period",
        "debe ser un período como 2026-Q1",
        "must be a period such as 2026-Q1",
    );
    faults.date("extension.until", &given.until);
    faults.text("extension.legal_basis", &given.legal_basis, 1..=LEGAL_BASIS_MAX);
    let mut institution = String::new();
    match &given.covers {
        None => faults.add("extension.covers", "falta a quién cubre", "whom it covers is missing"),
        Some(Covers::Assignment(name)) => {
            let seat = split("plans/{}/assignments/{}", name)
                .filter(|parts| parts[0] == id)
                .and_then(|parts| plan.seat(parts[1]));
            match seat {
                Some(seat) => institution.clone_from(&seat.institution),
                None => faults.add("extension.assignment", "no existe en este plan", "is not there in this plan"),
            }
        }
        Some(Covers::Institution(name)) => {
            let named = split("institutions/{}", name).is_some();
            faults.require(
                named,
                "extension.institution",
                "debe ser «institutions/{i}»",
                "must be \"institutions/{i}\"",
            );
            institution.clone_from(name);
        }
        Some(Covers::Territory(code)) => {
            let digits = (1..=10).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit());
            faults.require(
                digits,
                "extension.territory",
                "debe ser un código de provincia o cantón",
                "must be the code of a province or canton",
            );
        }
        Some(Covers::All(all)) => faults.require(*all, "extension.all", "solo puede ser verdadero", "can only be true"),
    }
    faults.done()?;
    let allowed = matches!(caller.scope(), Scope::Everywhere) || caller.sees(&institution);
    if allowed {
        Ok((facts::extension(given)?, institution))
    } else {
        Err(Error::not_found(format!("plans/{id}")))
    }
}

/// Refuses an extension by reason of an outage that would move what did not fall due in it.
fn all_fell_due_in(outage: Option<&Outage>, plan: &Plan<'_>, moved: &[Obligation], now: Timestamp) -> Result<(), Error> {
    let (Some(outage), Some(first)) = (outage, moved.first()) else {
        return Ok(());
    };
    // As they are before it moves them.
    let owed = plan.owed(moved.iter().map(|owed| owed.assignment.as_str()), now);
    let due = owed.filter(|owed| owed.period == first.period).map(|owed| owed.due_at);
    let others = outage::fell_due_out_of(outage, due, plan.facts, now);
    let mut faults = Faults::new();
    faults.require(
        others == 0,
        "extension.outage",
        &format!("{others} de las obligaciones que movería no vencían en esa interrupción: van en otra prórroga"),
        &format!("{others} of the obligations that it would move did not fall due in that outage: they need an extension of their own"),
    );
    faults.done()
}

fn moves_nothing(given: &Extension) -> Error {
    let es = format!(
        "La prórroga hasta {} no mueve ningún plazo: ya vencieron, o vencen después.",
        given.until
    );
    let en = format!(
        "The extension until {} moves no due instant: they have passed, or come later.",
        given.until
    );
    Error::refused(Reason::ExtensionMovesNothing, es, en).with("until", given.until.as_str())
}
