//! What people say about verdicts, over real sockets: who may, what is refused, what stays on record and what can be taken
//! away.

use tonic::{Code, Status};
use tonic_types::StatusExt;
use vigia_platform::{new_id, timestamp};
use vigia_proto::{
    compliance::{
        Assessment, Comment, Completion, CreateCommentRequest, EarlyResults, EraseTextsRequest, FollowUp, FollowUpKind,
        GetAssessmentRequest, ListAssessmentsRequest, ListCommentsRequest, ListDisagreementsRequest, ListFollowUpsRequest,
        RecordAssessmentRequest, RecordFollowUpRequest, assessment_service_client::AssessmentServiceClient,
        comment_service_client::CommentServiceClient, compliance_journal_service_client::ComplianceJournalServiceClient,
        follow_up_service_client::FollowUpServiceClient, text_service_client::TextServiceClient,
    },
    journal::ListEntriesRequest,
    types::Provenance,
};

use crate::{
    cast::Principal,
    commands::parse_as_of,
    compliance_tests::{Play, STORY},
};

const PLAN: &str = "plans/demo";
const A1: &str = "plans/demo/actions/a1";
const LATE: &str = "plans/demo/assignments/a2/obligations/2026-Q2";

/// The story with a counterpart, `ong`, which judges an action of which half was reached.
async fn play() -> Play {
    let judged = "- {at: 2026-11-01 09:00, as: ong, do: assess, action: A1, completion: [not_started, limited], reason: Faltan talleres}\nexpect: []";
    let mut play = Play::of(&STORY.replace("expect: []", judged)).await;
    play.until("2026-11-02 09:00").await;
    play
}

fn of(play: &Play, id: &str) -> Principal {
    play.stage.cast.of(id).expect("somebody on stage")
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// The paths of all faults of a refused request.
fn faults(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let faults = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    faults.into_iter().map(|fault| fault.field).collect()
}

fn assessment(assessor: &str, completion: &[Completion], source: &str) -> RecordAssessmentRequest {
    RecordAssessmentRequest {
        parent: PLAN.into(),
        assessment: Some(Assessment {
            action: A1.into(),
            assessor: assessor.into(),
            completion: completion.iter().map(|grade| (*grade).into()).collect(),
            early_results: vec![EarlyResults::Unknown.into()],
            reasons: "Se visitaron cuatro cantones".into(),
            provenance: Some(Provenance {
                source: source.into(),
                ..Provenance::default()
            }),
            ..Assessment::default()
        }),
        request_id: new_id(),
        ..RecordAssessmentRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn judgements_stand_beside_the_official_one() {
    let play = play().await;
    let mut ong = AssessmentServiceClient::new(of(&play, "ong"));
    let mut auditor = AssessmentServiceClient::new(of(&play, "auditor"));
    // In its own name only; the same call again gives the same answer, with its texts; other content is refused.
    let call = assessment("institutions/ong", &[Completion::Substantial, Completion::Complete], "");
    let first = ong.record_assessment(call.clone()).await.expect("recorded").into_inner();
    let recorded = first.assessment.clone().unwrap_or_default();
    assert_eq!(
        (recorded.reasons.as_str(), recorded.recorder.as_str()),
        ("Se visitaron cuatro cantones", "clients/ong")
    );
    assert_eq!(ong.record_assessment(call.clone()).await.expect("again").into_inner(), first);
    let mut other = call.clone();
    other.assessment.as_mut().expect("one").reasons = "Otra cosa".into();
    let refused = ong.record_assessment(other).await.expect_err("another content");
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
    let in_the_name_of_another = ong
        .record_assessment(assessment("institutions/msp", &[Completion::Complete], "x"))
        .await;
    assert_eq!(faults(&in_the_name_of_another.expect_err("not its own")), ["assessment.assessor"]);
    // An auditor writes down what another has published, and says where.
    let unsourced = auditor
        .record_assessment(assessment("institutions/ong", &[Completion::Complete], ""))
        .await;
    assert_eq!(faults(&unsourced.expect_err("no source")), ["assessment.provenance.source"]);
    auditor
        .record_assessment(assessment("institutions/msp", &[Completion::Complete], "https://example.org"))
        .await
        .expect("recorded");
    // Whoever only reports has no say here.
    let reporter = AssessmentServiceClient::new(of(&play, "mdg"))
        .record_assessment(assessment("institutions/mdg", &[Completion::Complete], ""))
        .await;
    assert_eq!(reason(&reporter.expect_err("a reporter")), "PERMISSION_DENIED");
    // All faults at once; what is not there.
    let mut bad = assessment("institutions/nobody", &[Completion::Complete, Completion::Limited], "");
    let wrong = bad.assessment.as_mut().expect("one");
    wrong.early_results = Vec::new();
    wrong.reasons = String::new();
    wrong.assessed_on = "2027-01-01".into();
    wrong.evidence = vec![String::new(); 21];
    bad.assessment_id = "NO".into();
    let told = faults(&ong.record_assessment(bad).await.expect_err("all wrong"));
    for path in [
        "assessment_id",
        "assessment.completion",
        "assessment.early_results",
        "assessment.reasons",
        "assessment.evidence",
        "assessment.evidence[0]",
        "assessment.assessed_on",
        "assessment.assessor",
    ] {
        assert!(told.iter().any(|other| other == path), "{path}: {told:?}");
    }
    let mut nowhere = assessment("institutions/ong", &[Completion::Complete], "");
    nowhere.assessment.as_mut().expect("one").action = "plans/demo/actions/none".into();
    assert_eq!(reason(&ong.record_assessment(nowhere).await.expect_err("no action")), "NOT_FOUND");

    // Side by side: the official one has an observed reading of 0.4.
    let list = ListAssessmentsRequest {
        parent: PLAN.into(),
        page_size: 1,
        ..ListAssessmentsRequest::default()
    };
    let (mut beside, mut token) = (Vec::new(), String::new());
    loop {
        let page = ListAssessmentsRequest {
            page_token: token,
            ..list.clone()
        };
        let page = AssessmentServiceClient::new(of(&play, "mdg"))
            .list_assessments(page)
            .await
            .expect("a page")
            .into_inner();
        beside.extend(page.assessments);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let told: Vec<_> = beside
        .iter()
        .map(|one| (one.official_completion(), one.difference, one.own_action))
        .collect();
    let limited = Completion::Limited;
    assert_eq!(
        told,
        [(limited, Some(0), false), (limited, Some(1), false), (limited, Some(2), true)]
    );
    assert!(
        beside
            .iter()
            .all(|one| one.verdict.as_ref().is_some_and(|verdict| verdict.observed.starts_with("0.40")))
    );
    let by_ong = ListAssessmentsRequest {
        filter: "assessor = \"institutions/ong\"".into(),
        as_of: Some(timestamp(
            parse_as_of("2026-11-01T10:00", &jiff::tz::TimeZone::get("America/Guayaquil").expect("a zone")).expect("a time"),
        )),
        page_size: 0,
        ..list
    };
    let then = auditor.list_assessments(by_ong).await.expect("a list").into_inner();
    assert_eq!(then.assessments.len(), 1, "what was recorded by then");

    // Where they differ most: of each assessor its newest judgement.
    let request = ListDisagreementsRequest {
        parent: PLAN.into(),
        ..ListDisagreementsRequest::default()
    };
    let differing = auditor.list_disagreements(request).await.expect("a list").into_inner();
    let order: Vec<_> = differing
        .disagreements
        .iter()
        .map(|one| one.assessment.clone().unwrap_or_default().assessor)
        .collect();
    assert_eq!(order, ["institutions/msp", "institutions/ong"]);
    assert_eq!((differing.agreeing, differing.not_comparable), (0, 0));
    let request = GetAssessmentRequest { name: recorded.name };
    let got = ong.get_assessment(request).await.expect("one").into_inner();
    assert_eq!(got.side_by_side.and_then(|one| one.assessment), first.assessment);
}

fn comment(text: &str) -> CreateCommentRequest {
    CreateCommentRequest {
        parent: PLAN.into(),
        comment: Some(Comment {
            action: A1.into(),
            institution: "institutions/ong".into(),
            text: text.into(),
            ..Comment::default()
        }),
        request_id: new_id(),
        ..CreateCommentRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_are_signed_limited_and_can_be_erased() {
    let play = play().await;
    let mut ong = CommentServiceClient::new(of(&play, "ong"));
    let call = comment("La señora Quispe no fue atendida");
    let first = ong.create_comment(call.clone()).await.expect("created").into_inner();
    let made = first.comment.clone().unwrap_or_default();
    assert_eq!(
        (made.author.as_str(), made.institution.as_str()),
        ("clients/ong", "institutions/ong")
    );
    let seal = made.seal.clone().unwrap_or_default();
    assert_eq!((seal.hash.len(), seal.salt.len()), (32, 16));
    // Whoever sees verdicts reads it; who keeps the plan does not speak here.
    let list = ListCommentsRequest {
        parent: PLAN.into(),
        filter: "institution = \"institutions/ong\"".into(),
        ..ListCommentsRequest::default()
    };
    let mut reader = CommentServiceClient::new(of(&play, "mdg"));
    let read = reader.list_comments(list.clone()).await.expect("a list").into_inner();
    assert_eq!(read.comments, std::slice::from_ref(&made));
    let refused = CommentServiceClient::new(of(&play, "coordinator"))
        .create_comment(comment("x"))
        .await
        .expect_err("no observer");
    assert_eq!(reason(&refused), "PERMISSION_DENIED");
    let mut nobody = comment("");
    nobody.comment.as_mut().expect("one").institution.clear();
    assert_eq!(
        faults(&ong.create_comment(nobody).await.expect_err("wrong")),
        ["comment.text", "comment.institution"]
    );

    // The journal has who and when, and not a word of the text.
    let mut journal = ComplianceJournalServiceClient::new(of(&play, "auditor"));
    let request = ListEntriesRequest {
        resource: made.name.clone(),
        ..ListEntriesRequest::default()
    };
    let entries = journal.list_entries(request.clone()).await.expect("entries").into_inner().entries;
    assert_eq!(
        entries.iter().map(|entry| entry.caller.as_str()).collect::<Vec<_>>(),
        ["clients/ong"]
    );
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(
        entries
            .iter()
            .all(|entry| !holds(&entry.event, "Quispe") && !holds(&entry.event, &String::from_utf8_lossy(&seal.salt)))
    );

    // Taken away by who keeps the accounts, with a reason on record; nobody else may, and not twice.
    let erase = || EraseTextsRequest {
        name: made.name.clone(),
        reason: "Nombra a una persona".into(),
        request_id: new_id(),
    };
    for id in ["ong", "coordinator", "auditor"] {
        let refused = TextServiceClient::new(of(&play, id)).erase_texts(erase()).await.expect_err(id);
        assert_eq!(reason(&refused), "PERMISSION_DENIED", "{id}");
    }
    let mut administrator = TextServiceClient::new(play.stage.cast.administrator());
    administrator.erase_texts(erase()).await.expect("erased");
    assert_eq!(
        reason(&administrator.erase_texts(erase()).await.expect_err("erased already")),
        "STATE_CONFLICT"
    );
    let unknown = EraseTextsRequest {
        name: "plans/demo/comments/none".into(),
        ..erase()
    };
    assert_eq!(reason(&administrator.erase_texts(unknown).await.expect_err("none")), "NOT_FOUND");
    let read = reader.list_comments(list).await.expect("a list").into_inner().comments;
    let erased = read.first().and_then(|one| one.seal.clone()).unwrap_or_default();
    assert_eq!((read[0].text.as_str(), &erased.hash, erased.salt.len()), ("", &seal.hash, 0));
    assert_eq!(
        (erased.erase_time.is_some(), erased.erase_reason.as_str()),
        (true, "Nombra a una persona")
    );
    // Nor does the call that wrote it bring it back.
    let again = ong
        .create_comment(call)
        .await
        .expect("again")
        .into_inner()
        .comment
        .unwrap_or_default();
    assert_eq!((again.name, again.text.as_str()), (made.name.clone(), ""));
    let entries = journal.list_entries(request).await.expect("entries").into_inner().entries;
    assert_eq!(entries.len(), 2);

    // A hundred by one on one action, and not one more; on another there is room.
    for number in 2..=100 {
        ong.create_comment(comment(&format!("comentario {number}")))
            .await
            .expect("up to the limit");
    }
    let refused = ong.create_comment(comment("uno más")).await.expect_err("one past it");
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::ResourceExhausted, "LIMIT_REACHED".to_owned())
    );
    let mut elsewhere = comment("otra acción");
    elsewhere.comment.as_mut().expect("one").action = "plans/demo/actions/a2".into();
    ong.create_comment(elsewhere).await.expect("another action");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_government_knows_what_was_tried() {
    let mut play = play().await;
    let zone = jiff::tz::TimeZone::get("America/Guayaquil").expect("a zone");
    let at = |text: &str| Some(timestamp(parse_as_of(text, &zone).expect("a time")));
    let call = |obligation: &str, kind: FollowUpKind| RecordFollowUpRequest {
        parent: PLAN.into(),
        follow_up: Some(FollowUp {
            obligation: obligation.into(),
            kind: kind.into(),
            happen_time: at("2026-11-02T08:30"),
            contact: "Dirección de planificación".into(),
            outcome: "Enviarán el reporte el lunes".into(),
            next_on: "2026-11-09".into(),
            ..FollowUp::default()
        }),
        request_id: new_id(),
        ..RecordFollowUpRequest::default()
    };
    let mut coordinator = FollowUpServiceClient::new(of(&play, "coordinator"));
    let request = call(LATE, FollowUpKind::Call);
    let first = coordinator.record_follow_up(request.clone()).await.expect("recorded").into_inner();
    assert_eq!(coordinator.record_follow_up(request).await.expect("again").into_inner(), first);
    let made = first.follow_up.unwrap_or_default();
    assert_eq!(
        (made.institution.as_str(), made.recorder.as_str()),
        ("institutions/mdg", "clients/coordinator")
    );
    coordinator
        .record_follow_up(call("plans/demo/assignments/a1/obligations/2026-Q1", FollowUpKind::Letter))
        .await
        .expect("recorded");
    // Only who keeps the plan writes; the institution that it is about does not see it, nor do observers.
    for id in ["reviewer", "mdg", "ong", "auditor"] {
        let refused = FollowUpServiceClient::new(of(&play, id))
            .record_follow_up(call(LATE, FollowUpKind::Call))
            .await
            .expect_err(id);
        assert_eq!(reason(&refused), "PERMISSION_DENIED", "{id}");
    }
    let list = ListFollowUpsRequest {
        parent: PLAN.into(),
        ..ListFollowUpsRequest::default()
    };
    for (id, may) in [
        ("coordinator", true),
        ("reviewer", true),
        ("auditor", true),
        ("mdg", false),
        ("ong", false),
    ] {
        let read = FollowUpServiceClient::new(of(&play, id)).list_follow_ups(list.clone()).await;
        assert_eq!(read.is_ok(), may, "{id}");
    }
    let own = ListEntriesRequest::default();
    let own = ComplianceJournalServiceClient::new(of(&play, "mdg"))
        .list_entries(own)
        .await
        .expect("entries");
    assert!(
        own.into_inner().entries.is_empty(),
        "nothing of it in the journal that the institution reads"
    );
    let about = ListFollowUpsRequest {
        filter: "institution = \"institutions/mdg\" AND kind = CALL AND next_on <= \"2026-11-09\"".into(),
        ..list.clone()
    };
    let read = coordinator.list_follow_ups(about).await.expect("a list").into_inner().follow_ups;
    assert_eq!(read, [made]);
    // What can't be, with every fault at once.
    let mut wrong = call(LATE, FollowUpKind::Unspecified);
    let asked = wrong.follow_up.as_mut().expect("one");
    asked.happen_time = at("2026-11-03T00:00");
    asked.outcome.clear();
    asked.next_on = "2026-11-01".into();
    let told = faults(&coordinator.record_follow_up(wrong).await.expect_err("wrong"));
    assert_eq!(
        told,
        ["follow_up.kind", "follow_up.outcome", "follow_up.happen_time", "follow_up.next_on"]
    );
    let nothing = coordinator
        .record_follow_up(call("plans/demo/assignments/a2/obligations/2020-Q1", FollowUpKind::Call))
        .await;
    assert_eq!(reason(&nothing.expect_err("nothing is owed")), "NOT_FOUND");
    // Pages, in the order of recording; and what was recorded by then.
    play.until("2026-11-03 09:00").await;
    let mut just_now = call(LATE, FollowUpKind::Meeting);
    just_now.follow_up.as_mut().expect("one").happen_time = None;
    let made = coordinator.record_follow_up(just_now).await.expect("recorded").into_inner();
    assert_eq!(made.follow_up.unwrap_or_default().happen_time, at("2026-11-03T09:00"));
    let mut kinds = Vec::new();
    let mut page = ListFollowUpsRequest {
        page_size: 2,
        ..list.clone()
    };
    loop {
        let answer = coordinator.list_follow_ups(page.clone()).await.expect("a page").into_inner();
        kinds.extend(answer.follow_ups.iter().map(FollowUp::kind));
        page.page_token = answer.next_page_token;
        if page.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(kinds, [FollowUpKind::Call, FollowUpKind::Letter, FollowUpKind::Meeting]);
    let then = ListFollowUpsRequest {
        as_of: at("2026-11-02T12:00"),
        ..list
    };
    assert_eq!(
        coordinator
            .list_follow_ups(then)
            .await
            .expect("a list")
            .into_inner()
            .follow_ups
            .len(),
        2
    );
}
