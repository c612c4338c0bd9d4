//! ComplianceService: asks the rules, as of an instant that all journals are closed at.

use std::{collections::BTreeSet, pin::Pin};

use futures::Stream;
use jiff::Timestamp;
use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Error, Faults, Filter, Kit, Page, instant, name, page::PAGE_SIZE_MAX, timestamp};
use vigia_proto::{
    compliance::{
        Basis, CompareScorecardsRequest, CompareScorecardsResponse, GetScorecardRequest, GetScorecardResponse, GetTrajectoryRequest,
        GetTrajectoryResponse, GetVerdictRequest, GetVerdictResponse, ListScorecardsRequest, ListScorecardsResponse, ListVerdictsRequest,
        ListVerdictsResponse, ScopeKind, Verdict, WatchComplianceRequest, WatchComplianceResponse,
        compliance_service_server::ComplianceService,
    },
    error::Reason,
};
use vigia_rules as rules;

use crate::{answers, comparison, memory::Memory, scopes, store::Keeper, trajectories, watch::Watches};

/// What a filter of verdicts may ask for.
const FILTER_FIELDS: [&str; 5] = ["state", "timeliness", "institution", "action", "period"];

/// The scopes that ListScorecards answers with where none are asked for.
const USUAL_SCOPES: [ScopeKind; 4] = [ScopeKind::Plan, ScopeKind::Component, ScopeKind::Institution, ScopeKind::Territory];

#[derive(Debug)]
pub(crate) struct Compliance {
    kit: Kit,
    memory: Memory,
    watches: Watches,
    _keeper: Option<Keeper>,
}

impl Compliance {
    pub(crate) fn new(kit: Kit, memory: Memory, keeper: Option<Keeper>) -> Self {
        let watches = Watches::new(kit.clone(), memory.clone());
        Self {
            kit,
            memory,
            watches,
            _keeper: keeper,
        }
    }

    async fn basis(&self, path: &str, asked: Option<&prost_types::Timestamp>) -> Result<(Timestamp, Basis), Error> {
        basis_of(&self.kit, &self.memory, path, asked).await
    }
}

/// The instant that an answer is as of, and on what it stands. `path` is where the request says it.
pub(crate) async fn basis_of(
    kit: &Kit,
    memory: &Memory,
    path: &str,
    asked: Option<&prost_types::Timestamp>,
) -> Result<(Timestamp, Basis), Error> {
    let asked = match asked {
        None => None,
        Some(wire) => {
            let mut faults = Faults::new();
            let t = instant(wire);
            faults.require(t.is_some(), path, "no es un instante", "is not an instant");
            faults.done()?;
            t
        }
    };
    let t = kit.as_of(asked).await?;
    Ok((t, basis(kit, memory, t)))
}

/// On what an answer as of t stands.
pub(crate) fn basis(kit: &Kit, memory: &Memory, t: Timestamp) -> Basis {
    Basis {
        as_of: Some(timestamp(t)),
        positions: memory.positions(t),
        rules: i32::try_from(rules::plan::RULES).unwrap_or(0),
        simulated: kit.followed().iter().any(|follow| follow.now().simulated),
    }
}

/// The plan that a name is, as its id.
pub(crate) fn plan_of<'a>(parent: &'a str, path: &str) -> Result<&'a str, Error> {
    name::split("plans/{}", parent)
        .map(|parts| parts[0])
        .ok_or_else(|| wrong_name(path, "plans/{plan}"))
}

fn wrong_name(path: &str, pattern: &str) -> Error {
    let mut faults = Faults::new();
    faults.add(
        path,
        format!("debe ser de la forma {pattern}"),
        format!("must be of the form {pattern}"),
    );
    faults.done().err().unwrap_or_else(|| Error::not_found(path))
}

/// A scope by its name, which must be of one of the known forms.
fn scope(asked: &str, plan: &str) -> Result<scopes::Named, Error> {
    scopes::Named::parse(asked, plan).ok_or_else(|| wrong_name("name", scopes::PATTERN))
}

#[tonic::async_trait]
impl ComplianceService for Compliance {
    type WatchComplianceStream = Pin<Box<dyn Stream<Item = Result<WatchComplianceResponse, Status>> + Send>>;

    async fn get_verdict(&self, request: Request<GetVerdictRequest>) -> Result<Response<GetVerdictResponse>, Status> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let asked = request.name.as_str();
        let about = About::parse(asked)?;
        let (t, basis) = self.basis("as_of", request.as_of.as_ref()).await?;
        let not_found = || Error::not_found(asked);
        let verdict = self.memory.ask(about.plan(), t, |view| match &about {
            About::Action(_, action) => {
                let facts = view.facts_on(action);
                let verdict = rules::action(&facts, action, t).ok_or_else(not_found)?;
                let since_time = rules::action_since(&facts, action, t).map(timestamp);
                Ok(Verdict {
                    since_time,
                    ..answers::action(view, &verdict)
                })
            }
            About::Obligation(_, assignment, period) => {
                let facts = view.facts_of_assignment(assignment);
                let found = rules::obligation(&facts, assignment, *period, t).ok_or_else(not_found)?;
                let since_time = rules::obligation_since(&facts, assignment, *period, t).map(timestamp);
                Ok(Verdict {
                    since_time,
                    ..answers::obligation(view, &found)
                })
            }
        });
        // Whether the plan or only the action is unknown: what was asked for is named.
        let verdict = verdict.map_err(|error| if error.reason() == Reason::NotFound { not_found() } else { error })?;
        Ok(Response::new(GetVerdictResponse {
            verdict: Some(verdict),
            basis: Some(basis),
        }))
    }

    async fn list_verdicts(&self, request: Request<ListVerdictsRequest>) -> Result<Response<ListVerdictsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let filter = Filter::parse(&request.filter, &FILTER_FIELDS)?;
        let kind = if request.obligations { "obligations" } else { "actions" };
        let asked = asked(request.as_of.as_ref());
        let page = Page::parse(
            &caller,
            request.page_size,
            &request.page_token,
            &[&request.parent, kind, &request.filter, &asked],
        )?;
        let (fixed, skip) = Cursor::of(&page)?;
        let (t, basis) = self
            .basis("as_of", fixed.as_ref().map(Cursor::wire).or(request.as_of).as_ref())
            .await?;
        Cursor::check(fixed.as_ref(), &basis)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        // Only what is shown is explained; one more tells whether there is another page.
        let shown = |verdict: &Verdict| filter.matches(|field| field_of(verdict, field));
        let mut verdicts = if request.obligations {
            self.memory.ask(plan, t, |view| {
                let found = view.obligations().filter(|found| shown(&answers::obligation_in_short(view, found)));
                let page = found.skip(skip).take(size + 1);
                Ok(page.map(|found| answers::obligation(view, &found)).collect::<Vec<_>>())
            })?
        } else {
            self.memory.ask_cards(plan, t, |view, cards, _| {
                let found = cards
                    .actions()
                    .into_iter()
                    .filter(|found| shown(&answers::action_in_short(view, found)));
                let page = found.skip(skip).take(size + 1);
                let explained = page.filter_map(|found| rules::action(&view.facts_on(&found.action), &found.action, t));
                Ok(explained.map(|verdict| answers::action(view, &verdict)).collect())
            })?
        };
        let next = (verdicts.len() > size).then(|| Cursor::next(t, &basis, skip + size));
        verdicts.truncate(size);
        Ok(Response::new(ListVerdictsResponse {
            verdicts,
            next_page_token: page.next(next.as_deref()),
            basis: Some(basis),
        }))
    }

    async fn get_scorecard(&self, request: Request<GetScorecardRequest>) -> Result<Response<GetScorecardResponse>, Status> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let named = scope(&request.name, &request.plan)?;
        let (t, basis) = self.basis("as_of", request.as_of.as_ref()).await?;
        let scorecard = self.memory.scorecard(&named, t)?;
        Ok(Response::new(GetScorecardResponse {
            scorecard: Some((*scorecard).clone()),
            basis: Some(basis),
        }))
    }

    async fn list_scorecards(&self, request: Request<ListScorecardsRequest>) -> Result<Response<ListScorecardsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let kinds: BTreeSet<_> = match request.kinds.as_slice() {
            [] => USUAL_SCOPES.into(),
            _ => request.kinds().collect(),
        };
        let given: Vec<_> = kinds.iter().map(ScopeKind::as_str_name).collect();
        let (asked, size) = (asked(request.as_of.as_ref()), request.page_size);
        let size = if size == 0 {
            i32::try_from(PAGE_SIZE_MAX).unwrap_or(i32::MAX)
        } else {
            size
        };
        let page = Page::parse(&caller, size, &request.page_token, &[&request.parent, &given.join(","), &asked])?;
        let (fixed, skip) = Cursor::of(&page)?;
        let (t, basis) = self
            .basis("as_of", fixed.as_ref().map(Cursor::wire).or(request.as_of).as_ref())
            .await?;
        Cursor::check(fixed.as_ref(), &basis)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let (scorecards, more) = self.memory.ask_cards(plan, t, |view, cards, _| {
            let scopes = scopes::Named::all(view, &kinds);
            let shown = scopes.iter().skip(skip).take(size);
            let cards = shown.map(|named| named.scorecard(view, cards)).collect::<Result<Vec<_>, _>>()?;
            Ok((cards, scopes.len() > skip + size))
        })?;
        let next = more.then(|| Cursor::next(t, &basis, skip + size));
        Ok(Response::new(ListScorecardsResponse {
            scorecards,
            next_page_token: page.next(next.as_deref()),
            basis: Some(basis),
        }))
    }

    async fn compare_scorecards(&self, request: Request<CompareScorecardsRequest>) -> Result<Response<CompareScorecardsResponse>, Status> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let named = scope(&request.name, &request.plan)?;
        let mut faults = Faults::new();
        faults.require(
            request.from.is_some(),
            "from",
            "falta el instante anterior",
            "the earlier instant is missing",
        );
        faults.done()?;
        let (to, basis_after) = self.basis("to", request.to.as_ref()).await?;
        let (from, basis_before) = self.basis("from", request.from.as_ref()).await?;
        let mut faults = Faults::new();
        faults.require(from <= to, "from", "debe ser anterior a to", "must not be after to");
        faults.done()?;
        // Hundreds of instants may have to be judged: not on the threads that answer calls.
        let memory = self.memory.clone();
        let found = tokio::task::spawn_blocking(move || {
            let before = memory.ask_cards(&named.plan, from, |view, cards, _| named.scorecard(view, cards))?;
            memory.ask(&named.plan, to, |view| comparison::compare(view, &named, before, from))
        });
        let found = found.await.map_err(|cause| Error::internal(&cause))??;
        Ok(Response::new(CompareScorecardsResponse {
            basis_before: Some(basis_before),
            basis_after: Some(basis_after),
            ..found
        }))
    }

    async fn get_trajectory(&self, request: Request<GetTrajectoryRequest>) -> Result<Response<GetTrajectoryResponse>, Status> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let action = name::split("plans/{}/actions/{}", &request.name).map(|parts| (parts[0].to_owned(), rules::ActionId::from(parts[1])));
        let named = match &action {
            Some(_) => None,
            None => Some(scope(&request.name, &request.plan)?),
        };
        let (t, basis) = self.basis("as_of", request.as_of.as_ref()).await?;
        // A judgement for each period that was due: not on the threads that answer calls.
        let memory = self.memory.clone();
        let found = tokio::task::spawn_blocking(move || match (&action, &named) {
            (Some((plan, action)), _) => memory.ask(plan, t, |view| trajectories::of_action(view, action)),
            (None, Some(named)) => memory.ask(&named.plan, t, |view| trajectories::of_scope(view, named)),
            (None, None) => Err(Error::internal(&"a trajectory of nothing")),
        });
        let found = found.await.map_err(|cause| Error::internal(&cause))??;
        Ok(Response::new(GetTrajectoryResponse {
            basis: Some(basis),
            ..found
        }))
    }

    async fn watch_compliance(&self, request: Request<WatchComplianceRequest>) -> Result<Response<Self::WatchComplianceStream>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let filter = Filter::parse(&request.filter, &FILTER_FIELDS)?;
        Ok(Response::new(Box::pin(self.watches.watch(&caller, &request, filter)?)))
    }
}

/// What a verdict is asked about.
enum About {
    Action(String, rules::ActionId),
    Obligation(String, rules::AssignmentId, rules::Period),
}

impl About {
    fn parse(asked: &str) -> Result<Self, Error> {
        if let Some(parts) = name::split("plans/{}/actions/{}", asked) {
            return Ok(Self::Action(parts[0].to_owned(), parts[1].into()));
        }
        if let Some(parts) = name::split("plans/{}/assignments/{}/obligations/{}", asked) {
            let period = parts[2].parse().map_err(|_| Error::not_found(asked))?;
            return Ok(Self::Obligation(parts[0].to_owned(), parts[1].into(), period));
        }
        Err(wrong_name(
            "name",
            "plans/{plan}/actions/{a} | plans/{plan}/assignments/{id}/obligations/{period}",
        ))
    }

    fn plan(&self) -> &str {
        let (Self::Action(plan, _) | Self::Obligation(plan, ..)) = self;
        plan
    }
}

/// An instant as an argument that a page token is bound to.
pub(crate) fn asked(wire: Option<&prost_types::Timestamp>) -> String {
    wire.map(|wire| format!("{}.{:09}", wire.seconds, wire.nanos)).unwrap_or_default()
}

/// Where a list goes on: further pages are as of the first one's instant and stand on the same positions, so that they
/// agree.
pub(crate) struct Cursor {
    t: Timestamp,
    positions: String,
}

impl Cursor {
    pub(crate) fn of(page: &Page) -> Result<(Option<Self>, usize), Error> {
        let Some(after) = page.after.as_deref() else { return Ok((None, 0)) };
        let parsed = || {
            let [t, positions, skip] = after.split(' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            let positions = positions.to_owned();
            Some((
                Self {
                    t: t.parse().ok()?,
                    positions,
                },
                skip.parse().ok()?,
            ))
        };
        let (cursor, skip) = parsed().ok_or_else(|| wrong_name("page_token", "next_page_token"))?;
        Ok((Some(cursor), skip))
    }

    pub(crate) fn wire(&self) -> prost_types::Timestamp {
        timestamp(self.t)
    }

    /// Refuses a token that another journal stands behind, as after a restore.
    pub(crate) fn check(cursor: Option<&Self>, basis: &Basis) -> Result<(), Error> {
        match cursor {
            Some(cursor) if cursor.positions != basis.positions.join(",") => Err(outdated_token()),
            _ => Ok(()),
        }
    }

    pub(crate) fn next(t: Timestamp, basis: &Basis, skip: usize) -> String {
        format!("{t} {} {skip}", basis.positions.join(","))
    }
}

/// The refusal of a token that does not stand on these journals.
pub(crate) fn outdated_token() -> Error {
    Error::refused(
        Reason::PageTokenInvalid,
        "Las bitácoras ya no son las que había al empezar: empiece sin token.",
        "The journals are no longer those that it began on: begin without a token.",
    )
}

/// What a filter may ask of a verdict.
pub(crate) fn field_of(verdict: &Verdict, field: &str) -> Option<String> {
    Some(match field {
        "state" if !verdict.obligation_state.is_empty() => verdict.obligation_state.clone(),
        "state" => answers::state_name(verdict),
        "timeliness" => verdict.timeliness.clone(),
        "institution" => verdict.institutions.first()?.clone(),
        "action" => verdict.action.clone(),
        "period" => verdict.period.clone(),
        _ => return None,
    })
}
