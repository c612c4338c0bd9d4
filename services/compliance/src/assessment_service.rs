//! AssessmentService: what others than the governing body conclude, beside the official verdict.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Error, Faults, Filter, Page, Scope, name, timestamp};
use vigia_proto::compliance::{
    Assessment, AssessmentRecorded, Basis, Completion, EarlyResults, GetAssessmentRequest, GetAssessmentResponse, ListAssessmentsRequest,
    ListAssessmentsResponse, ListDisagreementsRequest, ListDisagreementsResponse, RecordAssessmentRequest, RecordAssessmentResponse,
    SideBySide, assessment_service_server::AssessmentService,
};
use vigia_rules::{ActionId, Decimal, Exact, Policy, Reading, Role};

use crate::{
    answers, assessment,
    cards::{Cards, InShort},
    compliance_service::{basis, outdated_token, plan_of},
    desk::{self, Desk, instant_of},
    texts,
    view::View,
};

/// Judgements of one assessor on one action at most.
const OF_ONE_MAX: usize = 100;
/// Pieces of evidence that a judgement names at most.
const EVIDENCE_MAX: usize = 20;

/// What is wrong with a judgement by itself; `today` is the day on which it comes.
fn check(faults: &mut Faults, asked: &Assessment, today: jiff::civil::Date) {
    let grades = [
        ("assessment.completion", &asked.completion, i32::from(Completion::Complete)),
        (
            "assessment.early_results",
            &asked.early_results,
            i32::from(EarlyResults::Outstanding),
        ),
    ];
    for (path, given, best) in grades {
        faults.require(
            assessment::are_grades(given, best),
            path,
            "debe ser una nota, dos notas vecinas (la menor primero) o solo UNKNOWN",
            "must be one grade, two neighbouring ones (the lower first), or UNKNOWN alone",
        );
    }
    faults.text("assessment.reasons", &asked.reasons, 1..=4000);
    faults.require(
        asked.evidence.len() <= EVIDENCE_MAX,
        "assessment.evidence",
        "son más de 20",
        "are more than 20",
    );
    for (place, evidence) in asked.evidence.iter().enumerate().take(EVIDENCE_MAX) {
        faults.text(&format!("assessment.evidence[{place}]"), evidence, 1..=500);
    }
    desk::provenance(faults, "assessment.provenance", asked.provenance.as_ref());
    if !asked.assessed_on.is_empty() {
        let day = faults.date("assessment.assessed_on", &asked.assessed_on);
        faults.require(
            day.is_none_or(|day| day <= today),
            "assessment.assessed_on",
            "no puede estar en el futuro",
            "can't lie in the future",
        );
    }
}

/// An assessment beside the official verdict as of the view's instant.
fn side_by_side(view: &View<'_>, all: &HashMap<ActionId, InShort>, at_risk_from: Reading, assessed: Assessment) -> SideBySide {
    let action: ActionId = assessed.action.rsplit('/').next().unwrap_or_default().into();
    let verdict = all.get(&action);
    let official = verdict.map_or(Completion::Unknown, |verdict| assessment::official(verdict, at_risk_from));
    let own = |standing: &vigia_rules::Standing<'_>| {
        let made = standing.assignment;
        let is_on_it = made.action == action && made.role != Role::Counterpart;
        is_on_it && format!("institutions/{}", made.institution) == assessed.assessor
    };
    SideBySide {
        verdict: verdict.map(|verdict| answers::action_in_short(view, verdict)),
        official_completion: official.into(),
        difference: assessment::difference(&assessed.completion, official),
        own_action: view.frame().standings(view.t).any(|standing| own(&standing)),
        assessment: Some(assessed),
    }
}

/// Percent from which the plan calls an action at risk, as a share.
fn at_risk_from(view: &View<'_>) -> Reading {
    let policy = view.definition.plan.as_ref().and_then(|plan| plan.compliance_policy.as_ref());
    let given = policy.and_then(|policy| policy.at_risk_from.as_ref()?.value.parse::<Decimal>().ok());
    let percent = given.unwrap_or(Policy::default().at_risk_from);
    let share = Exact::from(percent).divided_by(&Exact::from_int(100));
    share.map_or(Reading::ONE, |share| Reading::of(&share))
}

/// Where a list goes on: further pages stand on the verdicts and the judgements of the first one.
struct Place {
    t: Timestamp,
    positions: String,
    /// How many judgements there were in the plan.
    count: usize,
    skip: usize,
}

impl Place {
    fn of(page: &Page) -> Result<Option<Self>, Error> {
        let Some(after) = page.after.as_deref() else { return Ok(None) };
        let parsed = || {
            let [t, positions, count, skip] = after.split(' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            Some(Self {
                t: t.parse().ok()?,
                positions: positions.to_owned(),
                count: count.parse().ok()?,
                skip: skip.parse().ok()?,
            })
        };
        parsed().map(Some).ok_or_else(outdated_token)
    }

    fn text(&self, further: usize) -> String {
        format!("{} {} {} {}", self.t, self.positions, self.count, self.skip + further)
    }
}

impl Desk {
    /// On what a page stands, and the judgements that it is about, all those of the plan by then.
    async fn place(&self, plan: &str, page: &Page, asked: Option<Timestamp>) -> Result<(Place, Basis, Vec<Assessment>), Error> {
        let going_on = Place::of(page)?;
        let t = self.kit.as_of(going_on.as_ref().map(|place| place.t).or(asked)).await?;
        let basis = basis(&self.kit, &self.memory, t);
        let positions = basis.positions.join(",");
        let mut all: Vec<_> = self.record.voices(|voices| {
            let all = voices.assessments().by(plan, asked.unwrap_or(Timestamp::MAX));
            all.cloned().collect()
        });
        let place = going_on.unwrap_or_else(|| Place {
            t,
            positions: positions.clone(),
            count: all.len(),
            skip: 0,
        });
        if place.positions != positions {
            return Err(outdated_token());
        }
        all.truncate(place.count);
        Ok((place, basis, all))
    }

    /// Puts judgements beside the official verdicts as of t.
    fn beside(&self, plan: &str, t: Timestamp, assessed: Vec<Assessment>) -> Result<Vec<SideBySide>, Error> {
        self.memory.ask(plan, t, |view| {
            let in_short = |cards: &Cards<'_>| {
                Ok(cards
                    .actions()
                    .into_iter()
                    .map(|verdict| (verdict.action.clone(), verdict))
                    .collect())
            };
            let (all, at_risk_from) = (view.ask_cards(in_short)?, at_risk_from(view));
            let beside = assessed.into_iter().map(|one| side_by_side(view, &all, at_risk_from, one));
            Ok(beside.collect())
        })
    }

    /// Gives the judgements of a page their texts.
    async fn with_texts(&self, caller: &Caller, mut beside: Vec<SideBySide>) -> Result<Vec<SideBySide>, Error> {
        let mut assessed: Vec<_> = beside.iter_mut().filter_map(|one| one.assessment.take()).collect();
        texts::fill(self.kit.db.read(caller), &self.record, &mut assessed).await?;
        for (one, assessment) in beside.iter_mut().zip(assessed) {
            one.assessment = Some(assessment);
        }
        Ok(beside)
    }
}

#[tonic::async_trait]
impl AssessmentService for Desk {
    async fn record_assessment(&self, request: Request<RecordAssessmentRequest>) -> Result<Response<RecordAssessmentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let mut assessment = request.assessment.clone().unwrap_or_default();
        let mut faults = Faults::new();
        let id = desk::id(&mut faults, "assessment_id", &request.assessment_id);
        // The last place on Earth where a day begins: nobody's today is refused.
        check(
            &mut faults,
            &assessment,
            jiff::tz::Offset::constant(14).to_datetime(caller.received_at()).date(),
        );
        self.check_speaker(&mut faults, &caller, "assessment.assessor", &assessment.assessor);
        faults.require(
            !assessment.assessor.is_empty(),
            "assessment.assessor",
            "diga de quién es",
            "say whose it is",
        );
        let source = assessment.provenance.as_ref().map_or("", |from| from.source.as_str());
        faults.require(
            !source.is_empty() || matches!(caller.scope(), Scope::Institutions(_)),
            "assessment.provenance.source",
            "diga dónde la publicó quien evaluó",
            "say where the assessor has published it",
        );
        faults.done()?;
        self.check_action(plan, &assessment.action).await?;
        let mut change = self.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        if let Some(mut answer) = change.replayed::<RecordAssessmentResponse>()? {
            texts::fill(change.tx(), &self.record, answer.get_mut().assessment.as_mut_slice()).await?;
            return Ok(answer);
        }
        assessment.name = format!("{}/assessments/{id}", request.parent);
        self.check_name(&assessment.name)?;
        let made = self.record.voices(|voices| {
            let all = voices.assessments().by(plan, Timestamp::MAX);
            all.filter(|one| one.action == assessment.action && one.assessor == assessment.assessor)
                .count()
        });
        desk::limit(&assessment.action, made, OF_ONE_MAX)?;
        assessment.record_time = Some(timestamp(change.now()));
        caller.principal().clone_into(&mut assessment.recorder);
        let recorded = texts::keep(&change, &mut assessment).await?;
        let event = AssessmentRecorded {
            assessment: Some(recorded.clone()),
        };
        change
            .record(
                "vigia.compliance.v1.AssessmentRecorded",
                &assessment.name,
                &assessment.assessor,
                &event,
            )
            .await?;
        let mut answer = change
            .commit(RecordAssessmentResponse {
                assessment: Some(recorded),
            })
            .await?;
        answer.get_mut().assessment = Some(assessment);
        Ok(answer)
    }

    async fn get_assessment(&self, request: Request<GetAssessmentRequest>) -> Result<Response<GetAssessmentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let not_found = || Error::not_found(&request.name);
        let found = self
            .record
            .voices(|voices| voices.assessments().get(&request.name).cloned())
            .ok_or_else(not_found)?;
        let plan = name::split("plans/{}/assessments/{}", &request.name).ok_or_else(not_found)?[0];
        let t = self.kit.as_of(None).await?;
        let beside = self.with_texts(&caller, self.beside(plan, t, vec![found])?).await?;
        Ok(Response::new(GetAssessmentResponse {
            side_by_side: beside.into_iter().next(),
            basis: Some(basis(&self.kit, &self.memory, t)),
        }))
    }

    async fn list_assessments(&self, request: Request<ListAssessmentsRequest>) -> Result<Response<ListAssessmentsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let filter = Filter::parse(&request.filter, &["action", "assessor"])?;
        let asked = instant_of("as_of", request.as_of.as_ref())?;
        let bound = asked.map(|t| t.to_string()).unwrap_or_default();
        let arguments = [request.parent.as_str(), &request.filter, &bound];
        let page = Page::parse(&caller, request.page_size, &request.page_token, &arguments)?;
        let (place, basis, all) = self.place(plan, &page, asked).await?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let passing = all.into_iter().filter(|one| {
            filter.matches(|field| match field {
                "action" => Some(one.action.clone()),
                "assessor" => Some(one.assessor.clone()),
                _ => None,
            })
        });
        let mut shown: Vec<_> = passing.skip(place.skip).take(size.saturating_add(1)).collect();
        let next = (shown.len() > size).then(|| place.text(size));
        shown.truncate(size);
        let assessments = self.with_texts(&caller, self.beside(plan, place.t, shown)?).await?;
        Ok(Response::new(ListAssessmentsResponse {
            assessments,
            next_page_token: page.next(next.as_deref()),
            basis: Some(basis),
        }))
    }

    async fn list_disagreements(&self, request: Request<ListDisagreementsRequest>) -> Result<Response<ListDisagreementsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let asked = instant_of("as_of", request.as_of.as_ref())?;
        let bound = asked.map(|t| t.to_string()).unwrap_or_default();
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[&request.parent, &bound])?;
        let (place, basis, all) = self.place(plan, &page, asked).await?;
        // Of each assessor its newest judgement on each action.
        let newest: BTreeMap<_, _> = all
            .into_iter()
            .map(|one| ((one.action.clone(), one.assessor.clone()), one))
            .collect();
        let beside = self.beside(plan, place.t, newest.into_values().collect())?;
        let with = |holds: fn(i32) -> bool| beside.iter().filter(|one| one.difference.is_some_and(holds)).count();
        let (agreeing, comparable) = (with(|difference| difference == 0), with(|_| true));
        let not_comparable = beside.len() - comparable;
        let mut differing: Vec<_> = beside
            .into_iter()
            .filter(|one| one.difference.is_some_and(|difference| difference != 0))
            .collect();
        // A stable sort: what differs by the same stays in the order of actions and assessors.
        differing.sort_by_key(|one| std::cmp::Reverse(one.difference.unwrap_or(0).abs()));
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let next = (differing.len() > place.skip.saturating_add(size)).then(|| place.text(size));
        let shown = differing.into_iter().skip(place.skip).take(size).collect();
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        Ok(Response::new(ListDisagreementsResponse {
            disagreements: self.with_texts(&caller, shown).await?,
            next_page_token: page.next(next.as_deref()),
            basis: Some(basis),
            agreeing: count(agreeing),
            not_comparable: count(not_comparable),
        }))
    }
}
