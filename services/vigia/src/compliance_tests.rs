//! Compliance over real sockets, under a clock that is set: what is asked and what is answered, and what a watch sends.

use std::{collections::BTreeMap, time::Duration};

use jiff::tz::TimeZone;
use tonic::{Code, Status, Streaming, transport::Channel};
use tonic_types::StatusExt;
use vigia_platform::timestamp;
use vigia_proto::{
    compliance::{
        CompareScorecardsRequest, GetScorecardRequest, GetTrajectoryRequest, GetVerdictRequest, ListScorecardsRequest, ListVerdictsRequest,
        ScopeKind, Scorecard, Verdict, WatchComplianceRequest, WatchComplianceResponse, WatchKind,
        compliance_service_client::ComplianceServiceClient,
    },
    plans::{GetPlanRequest, plan_service_client::PlanServiceClient},
};

use crate::{
    cast::Principal,
    channels::Channels,
    commands::parse_as_of,
    lang::Lang,
    letter,
    scenario::Scenario,
    stage::{Backstage, Processes, Stage},
};

pub const STORY: &str = "
title: Two actions, three institutions
plan:
  plan:
    id: demo
    title_es: Plan de ejemplo
    period: {start: 2026-01-01, end: 2027-12-31}
    time_zone: America/Guayaquil
    reporting: {frequency: quarterly, due_days_after_period: 15}
  components:
  - {code: P, level: eje, title_es: Prevención}
  - {code: P1, level: objetivo, parent: P, title_es: Formación}
  actions:
  - code: A1
    component: P1
    text_es: Formar promotoras comunitarias
    kind: implementation
    start: 2026-01-01
    end: 2027-12-31
    commitments: ['CEDAW:2', 'SDG:5.2']
    indicators:
    - {code: I1, name_es: Promotoras formadas, unit: count, aggregation: sum, targets: [{year: 2027, value: 730}]}
  - code: A2
    component: P
    text_es: Protocolo de atención
    kind: instrument
    start: 2026-01-01
    end: 2027-12-31
    milestones: [{code: M1, due: 2026-05-01, text_es: Protocolo publicado}]
events:
- {at: 2026-01-02 09:00, as: coordinator, do: propose, assignment: a1, action: A1, institution: msp, role: lead, from: 2026-01-01}
- {at: 2026-01-02 09:01, as: msp, do: accept, assignment: a1}
- {at: 2026-01-02 09:02, as: coordinator, do: propose, assignment: a2, action: A2, institution: mdg, role: lead, from: 2026-01-01, territory: '1701', indicative: true}
- {at: 2026-01-02 09:03, as: mdg, do: accept, assignment: a2}
- {at: 2026-04-05 09:00, as: msp, do: submit, assignment: a1, period: 2026-Q1, values: {I1: 60}}
- {at: 2026-07-05 09:00, as: msp, do: submit, assignment: a1, period: 2026-Q2, values: {I1: 20}}
- {at: 2026-10-05 09:00, as: msp, do: submit, assignment: a1, period: 2026-Q3, values: {I1: 30}}
- {at: 2026-10-06 09:00, as: reviewer, do: validate, assignment: a1, period: 2026-Q3}
- {at: 2027-01-05 09:00, as: msp, do: submit, assignment: a1, period: 2026-Q4, values: {I1: 40}}
expect: []
";

/// Nothing that is waited for takes longer; if it does, the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_mins(1);

/// A story under way.
pub struct Play {
    pub stage: Stage,
    scenario: Scenario,
    /// How many events were played.
    played: usize,
}

impl Play {
    async fn begin() -> Self {
        Self::of(STORY).await
    }

    /// Another story, before its first event.
    pub async fn of(story: &str) -> Self {
        let scenario = Scenario::parse(story).expect("a scenario");
        let backstage = Backstage::prepare(Processes::One, None, &scenario.institutions())
            .await
            .expect("a backstage");
        let stage = Stage::set(&scenario, &backstage).await.expect("a stage");
        Self {
            stage,
            scenario,
            played: 0,
        }
    }

    /// Plays all events up to a local time, and sets the clock to it.
    pub async fn until(&mut self, local: &str) {
        let end = self.at(local);
        while let Some(event) = self.scenario.events.get(self.played).filter(|event| {
            let at = self.scenario.instant(event.at).expect("an instant");
            at <= end
        }) {
            let refused = self.stage.play(&self.scenario, event).await.expect("played");
            assert!(refused.is_ok(), "{refused:?}");
            self.played += 1;
        }
        self.stage.turn_clock(end).await.expect("turned");
    }

    fn at(&self, local: &str) -> jiff::Timestamp {
        parse_as_of(&local.replace(' ', "T"), &self.scenario.zone).expect("a local time")
    }

    pub(super) fn wire(&self, local: &str) -> prost_types::Timestamp {
        timestamp(self.at(local))
    }

    fn auditor(&self) -> ComplianceServiceClient<Principal> {
        ComplianceServiceClient::new(self.stage.cast.of("auditor").expect("an auditor"))
    }
}

pub(super) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_goes_into_a_letter() {
    let mut play = Play::begin().await;
    play.until("2026-07-20 10:00").await;
    let request = GetPlanRequest { name: "plans/demo".into() };
    let plan = PlanServiceClient::new(play.stage.cast.of("auditor").expect("an auditor"))
        .get_plan(request)
        .await
        .expect("a plan");
    let plan = plan.into_inner().plan.unwrap_or_default();
    let zone = TimeZone::get(&plan.time_zone).expect("a zone");
    for (what, name, lang) in [
        ("action_es", "plans/demo/actions/a1", Lang::Es),
        ("action_en", "plans/demo/actions/a1", Lang::En),
        ("milestone_es", "plans/demo/actions/a2", Lang::Es),
        ("obligation_es", "plans/demo/assignments/a2/obligations/2026-Q2", Lang::Es),
    ] {
        let request = GetVerdictRequest {
            name: name.into(),
            as_of: Some(play.wire("2026-07-20 09:59")),
        };
        let answer = play.auditor().get_verdict(request).await.expect("a verdict").into_inner();
        let (verdict, basis) = (answer.verdict.unwrap_or_default(), answer.basis.unwrap_or_default());
        insta::assert_snapshot!(what, letter::page(&plan, &verdict, &basis, &zone, lang));
    }
    let unknown = GetVerdictRequest {
        name: "plans/demo/actions/none".into(),
        as_of: None,
    };
    let status = play.auditor().get_verdict(unknown).await.expect_err("there is none");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn scorecards_of_every_kind_on_pages_that_agree() {
    let mut play = Play::begin().await;
    play.until("2026-07-01 10:00").await;
    let kinds: Vec<i32> = (1..=10).collect();
    let request = ListScorecardsRequest {
        parent: "plans/demo".into(),
        kinds: kinds.clone(),
        page_size: 4,
        ..ListScorecardsRequest::default()
    };
    let mut compliance = play.auditor();
    let mut cards: Vec<Scorecard> = Vec::new();
    let (mut token, mut basis) = (String::new(), None);
    loop {
        let page = ListScorecardsRequest {
            page_token: token,
            ..request.clone()
        };
        let page = compliance.list_scorecards(page).await.expect("a page").into_inner();
        assert!(page.scorecards.len() <= 4);
        assert!(
            basis.is_none() || basis == page.basis,
            "pages are as of one instant, on the same positions"
        );
        cards.extend(page.scorecards);
        (token, basis) = (page.next_page_token, page.basis);
        if token.is_empty() {
            break;
        }
        // What happens between two pages does not show in the second.
        play.until("2026-07-06 10:00").await;
    }
    let names: Vec<_> = cards.iter().map(|card| card.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "plans/demo",
            "plans/demo/components/p",
            "plans/demo/components/p1",
            "institutions/mdg",
            "institutions/msp",
            "territories/17",
            "territories/1701",
            "plans/demo/kinds/instrument",
            "plans/demo/kinds/implementation",
            "plans/demo/kinds/unstated",
            "plans/demo/forces/binding",
            "plans/demo/forces/indicative",
            "plans/demo/fundings/treasury",
            "plans/demo/fundings/cooperation",
            "plans/demo/fundings/none",
            "plans/demo/commitments/CEDAW",
            "plans/demo/commitments/CEDAW:2",
            "plans/demo/commitments/SDG",
            "plans/demo/commitments/SDG:5.2",
            "plans/demo/roles/lead",
            "plans/demo/roles/co_responsible",
            "plans/demo/roles/supporting",
            "plans/demo/roles/counterpart",
            "plans/demo/components/p/institutions/mdg",
            "plans/demo/components/p/institutions/msp",
            "plans/demo/components/p1/institutions/msp",
        ]
    );
    // Each alone, as of the same instant, is the same.
    for card in &cards {
        let request = GetScorecardRequest {
            name: card.name.clone(),
            plan: "plans/demo".into(),
            as_of: basis.as_ref().and_then(|basis| basis.as_of),
        };
        let alone = compliance.get_scorecard(request).await.expect("a scorecard").into_inner();
        assert_eq!(
            (alone.scorecard.as_ref(), alone.basis),
            (Some(card), basis.clone()),
            "{}",
            card.name
        );
    }
    // The parts of a partition are the whole: every obligation is of one force, and of one role.
    let owed = |name: &str| {
        let card = cards.iter().find(|card| card.name == name).expect("a card");
        card.discipline.unwrap_or_default().owed
    };
    assert_eq!(
        owed("plans/demo/forces/binding") + owed("plans/demo/forces/indicative"),
        owed("plans/demo")
    );
    assert_eq!(owed("plans/demo/roles/lead"), owed("plans/demo"));
    assert_eq!(owed("territories/17"), owed("institutions/mdg"));
    let strict = |name: &str| cards.iter().find(|card| card.name == name).expect("a card").strict.clone();
    assert_eq!(strict("plans/demo/kinds/implementation"), strict("plans/demo/components/p1"));
    assert_eq!(strict("plans/demo/commitments/SDG"), strict("institutions/msp"));
    assert_eq!(strict("plans/demo/roles/lead"), "");
    // What is no scope, a token of other arguments, and a component that is not there.
    let get = |name: &str| GetScorecardRequest {
        name: name.into(),
        ..GetScorecardRequest::default()
    };
    for (name, expect) in [
        ("plans/demo/kinds/laws", "INVALID_FIELDS"),
        ("institutions/msp", "INVALID_FIELDS"),
        ("plans/demo/components/none", "NOT_FOUND"),
        ("plans/none", "NOT_FOUND"),
    ] {
        let status = compliance.get_scorecard(get(name)).await.expect_err(name);
        assert_eq!(reason(&status), expect, "{name}");
    }
    let first = compliance.list_scorecards(request.clone()).await.expect("a page").into_inner();
    let other = ListScorecardsRequest {
        kinds: vec![ScopeKind::Plan.into()],
        page_token: first.next_page_token,
        ..request
    };
    let status = compliance.list_scorecards(other).await.expect_err("a token of another list");
    assert_eq!(reason(&status), "PAGE_TOKEN_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instants_differ_by_what_happened_between() {
    let mut play = Play::begin().await;
    play.until("2026-11-01 10:00").await;
    let mut compliance = play.auditor();
    let units = |text: &str| -> i64 {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        sign * format!("{whole}{part:0<12}").parse::<i64>().expect("a decimal")
    };
    for name in [
        "plans/demo",
        "plans/demo/institutions/msp",
        "plans/demo/forces/indicative",
        "plans/demo/components/p1",
    ] {
        let request = CompareScorecardsRequest {
            name: name.into(),
            plan: String::new(),
            from: Some(play.wire("2026-04-01 00:00")),
            to: Some(play.wire("2026-10-20 00:00")),
        };
        let answer = compliance.compare_scorecards(request).await.expect("compared").into_inner();
        let sum = answer.changes.iter().fold([0; 3], |sum, change| {
            let parts = [&change.strict, &change.observed, &change.validated].map(|part| units(part));
            [sum[0] + parts[0], sum[1] + parts[1], sum[2] + parts[2]]
        });
        assert_eq!(
            sum,
            [&answer.strict, &answer.observed, &answer.validated].map(|part| units(part)),
            "{name}"
        );
        let (before, after) = (answer.before.unwrap_or_default(), answer.after.unwrap_or_default());
        let reading = |text: &str| if text.is_empty() { 0 } else { units(text) };
        assert_eq!(sum[0], reading(&after.strict) - reading(&before.strict), "{name}");
        assert!(!answer.changes.is_empty(), "{name}");
        if name == "plans/demo/institutions/msp" {
            let told: Vec<_> = answer
                .changes
                .iter()
                .map(|change| {
                    format!(
                        "{} [{}] {} {}",
                        change.text_es,
                        change.positions.join(" "),
                        change.strict,
                        change.validated
                    )
                })
                .collect();
            insta::assert_snapshot!("what_moved_an_institution", told.join("\n"));
        }
    }
    let ask = |from: Option<&str>, to: &str| CompareScorecardsRequest {
        name: "plans/demo".into(),
        plan: String::new(),
        from: from.map(|from| play.wire(from)),
        to: Some(play.wire(to)),
    };
    for (request, expect) in [
        (ask(None, "2026-10-20 00:00"), "INVALID_FIELDS"),
        (ask(Some("2026-10-20 00:00"), "2026-04-01 00:00"), "INVALID_FIELDS"),
        (ask(Some("2026-04-01 00:00"), "2027-10-20 00:00"), "AS_OF_IN_FUTURE"),
    ] {
        let status = compliance.compare_scorecards(request).await.expect_err(expect);
        assert_eq!(reason(&status), expect);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_indicator_goes_on_at_its_pace() {
    let mut play = Play::begin().await;
    play.until("2027-01-20 10:00").await;
    let mut compliance = play.auditor();
    let mut ask = async |name: &str, as_of: &str| {
        let request = GetTrajectoryRequest {
            name: name.into(),
            plan: String::new(),
            as_of: Some(play.wire(as_of)),
        };
        compliance.get_trajectory(request).await.expect("a trajectory").into_inner()
    };
    let few = ask("plans/demo/actions/a1", "2026-10-10 00:00").await;
    let forecast = few.indicators[0].forecast.clone().unwrap_or_default();
    assert!(
        forecast.too_few_reports && forecast.value_then.is_empty() && forecast.reports == 3,
        "{forecast:?}"
    );
    let enough = ask("plans/demo/actions/a1", "2027-01-20 00:00").await;
    let indicator = &enough.indicators[0];
    let observed: Vec<_> = indicator.points.iter().map(|point| point.observed.as_str()).collect();
    assert_eq!(observed[..4], ["60", "80", "110", "150"]);
    assert_eq!((indicator.points[0].answered, indicator.points[0].asked), (1, 1));
    let forecast = indicator.forecast.clone().unwrap_or_default();
    assert!(
        !forecast.too_few_reports && forecast.misses_by.parse::<f64>().expect("a number") > 300.0,
        "{forecast:?}"
    );
    insta::assert_snapshot!("a_forecast", format!("{}\n{}", forecast.text_es, forecast.text_en));
    let states: Vec<_> = enough
        .index
        .iter()
        .map(|point| (point.period.as_str(), point.strict.as_str()))
        .collect();
    assert_eq!(states[0].0, "2026-Q1");
    assert_eq!(states.len(), 5, "{states:?}");
    let plan = ask("plans/demo", "2027-01-20 00:00").await;
    assert!(plan.indicators.is_empty() && plan.index.len() == 5);
    // The past is told by what was known then: it does not change when it is asked later.
    let earlier = ask("plans/demo", "2026-08-01 00:00").await;
    assert_eq!(earlier.index[..2], plan.index[..2]);
}

/// What a watch has told so far.
struct Told {
    changes: Streaming<WatchComplianceResponse>,
    verdicts: BTreeMap<String, Verdict>,
    scorecards: BTreeMap<String, Scorecard>,
    token: String,
    answers: usize,
}

impl Told {
    async fn begin(mut compliance: ComplianceServiceClient<Principal>, request: WatchComplianceRequest) -> Result<Self, Status> {
        let changes = compliance.watch_compliance(request).await?.into_inner();
        Ok(Self {
            changes,
            verdicts: BTreeMap::new(),
            scorecards: BTreeMap::new(),
            token: String::new(),
            answers: 0,
        })
    }

    async fn next(&mut self) -> Result<WatchComplianceResponse, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.changes.message()).await.expect("in time")?;
        let answer = answer.expect("a watch does not end");
        self.answers += 1;
        for verdict in &answer.verdicts {
            self.verdicts.insert(verdict.name.clone(), verdict.clone());
        }
        for card in &answer.scorecards {
            self.scorecards.insert(card.name.clone(), card.clone());
        }
        for name in &answer.removed {
            self.verdicts.remove(name);
        }
        self.token.clone_from(&answer.resume_token);
        Ok(answer)
    }

    /// Reads on until an action is in a state.
    async fn until(&mut self, action: &str, state: &str) {
        while !self.is(action, state) {
            self.next().await.expect("an answer");
        }
    }

    fn is(&self, action: &str, state: &str) -> bool {
        let name = format!("plans/demo/actions/{action}");
        let found = self.verdicts.get(&name).map(|verdict| verdict.action_state().as_str_name());
        found == Some(&format!("ACTION_STATE_{state}"))
    }
}

fn watched(kinds: &[WatchKind], filter: &str, resume_token: &str) -> WatchComplianceRequest {
    WatchComplianceRequest {
        parent: "plans/demo".into(),
        kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
        filter: filter.into(),
        resume_token: resume_token.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_what_changes_and_what_midnight_changes() {
    let mut play = Play::begin().await;
    play.until("2026-04-01 00:00").await;
    let mut told = Told::begin(play.auditor(), watched(&[], "", "")).await.expect("a watch");
    let first = told.next().await.expect("the first");
    assert_eq!((first.verdicts.len(), first.scorecards.len()), (2, 7));
    assert!(told.is("a1", "NOT_YET_DUE") && first.verdicts.iter().all(|verdict| verdict.explanation.is_empty()));
    let before = told.token.clone();
    // Somebody who cares for one state only, and for obligations.
    let kinds = [WatchKind::Actions, WatchKind::Obligations];
    let mut silent = Told::begin(play.auditor(), watched(&kinds, "state = UNREPORTED", ""))
        .await
        .expect("a watch");
    assert_eq!(silent.next().await.expect("the first").verdicts, []);
    // A report came, and 15 April ended: nobody is scolded before that instant is closed.
    play.until("2026-04-15 23:59").await;
    play.until("2026-04-16 00:00:01").await;
    told.until("a2", "UNREPORTED").await;
    told.until("a1", "OFF_TRACK").await;
    assert_eq!(told.verdicts["plans/demo/actions/a1"].strict, "0.666666666667");
    silent.until("a2", "UNREPORTED").await;
    assert_eq!(silent.verdicts.len(), 1, "an action that is off track does not pass the filter");
    // The same state can be asked for: what a watch tells is what GetVerdict answers.
    let request = GetVerdictRequest {
        name: "plans/demo/actions/a2".into(),
        as_of: Some(play.wire("2026-04-16 00:00")),
    };
    let asked = play
        .auditor()
        .get_verdict(request)
        .await
        .expect("a verdict")
        .into_inner()
        .verdict
        .unwrap_or_default();
    assert_eq!(asked.action_state(), told.verdicts["plans/demo/actions/a2"].action_state());
    // Whoever comes back gets the net difference: once, and only what differs.
    let mut back = Told::begin(play.auditor(), watched(&[], "", &before)).await.expect("a watch");
    let net = back.next().await.expect("the difference");
    let names: Vec<_> = net.verdicts.iter().map(|verdict| verdict.name.as_str()).collect();
    assert_eq!(names, ["plans/demo/actions/a1", "plans/demo/actions/a2"]);
    assert!(net.scorecards.iter().all(|card| told.scorecards.get(&card.name) == Some(card)));
    let mut again = Told::begin(play.auditor(), watched(&[], "", &back.token)).await.expect("a watch");
    let nothing = again.next().await.expect("an answer");
    assert_eq!((nothing.verdicts.len(), nothing.scorecards.len(), nothing.removed.len()), (0, 0, 0));
    // A token of other arguments, a plan that is not there, a filter that is none.
    for (request, expect) in [
        (watched(&[WatchKind::Scorecards], "", &before), "PAGE_TOKEN_INVALID"),
        (watched(&[], "color = red", ""), "FILTER_INVALID"),
        (
            WatchComplianceRequest {
                parent: "plans/none".into(),
                ..WatchComplianceRequest::default()
            },
            "NOT_FOUND",
        ),
    ] {
        let status = Told::begin(play.auditor(), request).await.err().expect(expect);
        assert_eq!(reason(&status), expect);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_the_net_difference_and_holds_nobody() {
    let mut play = Play::begin().await;
    play.until("2026-04-16 10:00").await;
    // A window of 200 bytes: the server can send nothing more until the reader reads.
    let address = format!("http://{}", play.stage.address().expect("in this process"));
    let channel = Channel::from_shared(address).expect("an address").initial_stream_window_size(200);
    let channel = channel.connect().await.expect("connected");
    let slow = play.stage.cast.over(Channels::over(&channel)).of("auditor").expect("an auditor");
    let slow = ComplianceServiceClient::new(slow);
    let kinds = [WatchKind::Actions];
    let mut slow = Told::begin(slow, watched(&kinds, "", "")).await.expect("a watch");
    let mut fast = Told::begin(play.auditor(), watched(&kinds, "", "")).await.expect("a watch");
    fast.next().await.expect("the first");
    let changes = 12;
    for value in 1..=changes {
        let event =
            format!("- {{at: 2026-04-17 09:{value:02}, as: msp, do: submit, assignment: a1, period: 2026-Q1, values: {{I1: {value}}}}}");
        let story = STORY.split("events:").next().unwrap_or_default().to_owned() + "events:\n" + &event + "\nexpect: []\n";
        let scenario = Scenario::parse(&story).expect("a scenario");
        let played = play.stage.play(&scenario, &scenario.events[0]).await.expect("played");
        assert!(played.is_ok(), "{played:?}");
        let later = play.at(&format!("2026-04-17 09:{value:02}:30"));
        play.stage.turn_clock(later).await.expect("turned");
        // The fast one sees each of them, though the other reads nothing.
        let seen = fast.next().await.expect("a change");
        assert_eq!(seen.verdicts.len(), 1, "{value}");
    }
    let newest = fast.verdicts["plans/demo/actions/a1"].clone();
    while slow.verdicts.get("plans/demo/actions/a1") != Some(&newest) {
        slow.next().await.expect("an answer");
    }
    assert!(slow.answers < changes, "{} answers for {changes} changes", slow.answers);
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_listed_on_pages_that_agree() {
    let mut play = Play::begin().await;
    play.until("2026-07-20 10:00").await;
    let mut compliance = play.auditor();
    let request = ListVerdictsRequest {
        parent: "plans/demo".into(),
        obligations: true,
        page_size: 3,
        ..ListVerdictsRequest::default()
    };
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = ListVerdictsRequest {
            page_token: token,
            ..request.clone()
        };
        let page = compliance.list_verdicts(page).await.expect("a page").into_inner();
        assert!(page.verdicts.iter().all(|verdict| !verdict.explanation.is_empty()));
        names.extend(page.verdicts.into_iter().map(|verdict| (verdict.name, verdict.obligation_state)));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        play.until("2026-12-01 10:00").await;
    }
    assert_eq!(names.len(), 16);
    let overdue = names.iter().filter(|(_, state)| state == "OVERDUE").count();
    assert_eq!(overdue, 2, "as of July, whenever the later pages are read: {names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_watches_and_no_more() {
    /// The named limit of compliance (`WATCHES_MAX`), over two connections: one carries 256 streams.
    const WATCHES_MAX: usize = 500;
    let mut play = Play::begin().await;
    play.until("2026-04-16 10:00").await;
    let address = play.stage.address().expect("in this process");
    let mut watches = Vec::new();
    for _ in 0..2 {
        let channels = Channels::connect(&address).await.expect("connected");
        let auditor = play.stage.cast.over(channels).of("auditor").expect("an auditor");
        let auditor = ComplianceServiceClient::new(auditor);
        for _ in 0..WATCHES_MAX / 2 {
            let begun = Told::begin(auditor.clone(), watched(&[WatchKind::Scorecards], "", "")).await;
            watches.push(begun.expect("a watch"));
        }
    }
    let another = async || Told::begin(play.auditor(), watched(&[WatchKind::Scorecards], "", "")).await;
    let status = another().await.err().expect("one too many");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    // Whoever leaves makes room, as soon as the server has noticed.
    watches.pop();
    let room = async {
        while another().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("there is room");
}
