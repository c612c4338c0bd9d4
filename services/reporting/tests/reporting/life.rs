//! The life of a report: draft, submission, return, answer, and what is refused or found on the way.

use tonic::{Code, Status};
use vigia_platform::new_id;
use vigia_proto::reporting::{
    Breakdown, BreakdownPart, CreateReportRequest, Decision, GetReportRequest, MilestoneDone, Observation, ObservationAnswer, Report,
    ReportSubmitted, ReviewReportRequest, Spending, SubmitReportRequest, SubmitReportResponse, UpdateReportRequest, breakdown_part,
    reporting_journal_service_client::ReportingJournalServiceClient,
};

use crate::world::{Setting, World, at, decimal, obligation, paths, reason, report};

async fn submit(world: &World, who: &str, report: Option<Report>, validate_only: bool) -> Result<SubmitReportResponse, Status> {
    let request = SubmitReportRequest {
        parent: obligation("a1"),
        report,
        validate_only,
        request_id: new_id(),
        ..SubmitReportRequest::default()
    };
    Ok(world.reports().submit_report(world.ask(who, request)).await?.into_inner())
}

async fn create(world: &World, who: &str, report: Report) -> Report {
    let request = CreateReportRequest {
        parent: obligation("a1"),
        report: Some(report),
        request_id: new_id(),
    };
    let answer = world.reports().create_report(world.ask(who, request)).await.unwrap();
    answer.into_inner().report.unwrap()
}

async fn give_back(world: &World, version: u32, observations: Vec<Observation>) -> Result<Vec<Observation>, Status> {
    let request = ReviewReportRequest {
        name: format!("{}/reports/{version}", obligation("a1")),
        decision: Decision::Returned.into(),
        answer_by: "2026-07-31".into(),
        observations,
        request_id: new_id(),
        ..ReviewReportRequest::default()
    };
    let answer = world.reports().review_report(world.ask("reviewer", request)).await?;
    Ok(answer.into_inner().review.unwrap().observations)
}

fn observed(field: &str, text: &str) -> Observation {
    Observation {
        field: field.into(),
        text: text.into(),
        ..Observation::default()
    }
}

fn kinds(answer: &SubmitReportResponse) -> Vec<&str> {
    answer.findings.iter().map(|finding| finding.kind.as_str()).collect()
}

#[tokio::test]
async fn where_the_plan_says_so_the_head_submits_what_the_reporter_drafted() {
    let world = World::with(Setting {
        head_submits: true,
        ..Setting::default()
    })
    .await;
    create(&world, "msp", report("10")).await;
    for validate_only in [true, false] {
        let refused = submit(&world, "msp", None, validate_only).await.unwrap_err();
        assert_eq!(
            (reason(&refused).as_str(), refused.code()),
            ("HEAD_REQUIRED", Code::PermissionDenied)
        );
    }
    assert_eq!(submit(&world, "msp-head", None, false).await.unwrap().report.unwrap().version, 1);
}

#[tokio::test]
async fn a_draft_is_saved_field_by_field_and_never_over_another_one() {
    let world = World::start().await;
    let draft = create(&world, "msp", report("10")).await;
    let update = async |etag: &str, changed: Report, paths: &[&str]| {
        let request = UpdateReportRequest {
            report: Some(Report {
                name: draft.name.clone(),
                etag: etag.into(),
                ..changed
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            }),
            request_id: new_id(),
        };
        let answer = world.reports().update_report(world.ask("msp", request)).await?;
        Ok::<_, Status>(answer.into_inner().report.unwrap())
    };
    let done = Report {
        milestones: vec!["M1".into()],
        milestones_done: vec![MilestoneDone {
            milestone: "M1".into(),
            done_on: "2026-06-30".into(),
        }],
        narrative: "No se guarda: la máscara no lo nombra.".into(),
        ..Report::default()
    };
    let saved = update(&draft.etag, done.clone(), &["milestones", "milestones_done"]).await.unwrap();
    assert_eq!(
        (saved.values.len(), saved.milestones_done.len(), saved.narrative.as_str()),
        (1, 1, "")
    );
    assert_ne!(saved.etag, draft.etag);
    let stale = update(&draft.etag, done, &["milestones"]).await.unwrap_err();
    assert_eq!((reason(&stale).as_str(), stale.code()), ("ETAG_MISMATCH", Code::Aborted));
    assert_eq!(submit(&world, "msp", None, false).await.unwrap().report.unwrap().milestones, ["M1"]);
}

#[tokio::test]
async fn all_that_is_impossible_is_told_at_once_and_changes_nothing() {
    let world = World::start().await;
    let mut given = report("10");
    let part = |category: &str, number: &str| BreakdownPart {
        category: category.into(),
        value: Some(breakdown_part::Value::Number(decimal(number))),
    };
    given.values[0].breakdowns = vec![Breakdown {
        dimension: "province".into(),
        parts: vec![part("09", "7"), part("17", "2")],
    }];
    given.values.push(report("1e3").values[0].clone());
    given.values[1].indicator = "I9".into();
    given.milestones = vec!["M1".into()];
    given.milestones_done = vec![MilestoneDone {
        milestone: "M1".into(),
        done_on: "2026-07-03".into(),
    }];
    given.spending = vec![Spending {
        classifier: "530101".into(),
        accrued: Some(decimal("-1")),
        note: String::new(),
    }];
    given.evidence = vec!["evidence/../../etc".into()];
    given.answers = vec![ObservationAnswer {
        observation: "1.1".into(),
        text: "Nadie preguntó.".into(),
    }];
    let expect = [
        "report.values[0].breakdowns[0]",
        "report.values[1].indicator",
        "report.values[1].number",
        "report.spending[0].accrued",
        "report.evidence[0]",
        "report.milestones_done[0].done_on",
        "report.answers",
    ];
    for validate_only in [true, false] {
        let status = submit(&world, "msp", Some(given.clone()), validate_only).await.unwrap_err();
        assert_eq!(paths(&status), expect);
    }
    let request = GetReportRequest {
        name: format!("{}/reports/1", obligation("a1")),
    };
    let nothing = world.reports().get_report(world.ask("msp", request)).await.unwrap_err();
    assert_eq!(reason(&nothing), "NOT_FOUND");
}

#[tokio::test]
async fn what_is_incomplete_is_taken_with_a_finding() {
    let world = World::start().await;
    let mut given = report("10");
    given.spending = vec![Spending {
        classifier: "530101".into(),
        accrued: Some(decimal("100.01")),
        note: String::new(),
    }];
    given.evidence = vec![format!("evidence/{}", "0".repeat(64))];
    let expect = ["BREAKDOWN_MISSING", "EVIDENCE_PENDING", "OVER_BUDGET"];
    let only_checked = submit(&world, "msp", Some(given.clone()), true).await.unwrap();
    assert_eq!((kinds(&only_checked), only_checked.position), (expect.to_vec(), 0));
    let submitted = submit(&world, "msp", Some(given.clone()), false).await.unwrap();
    assert_eq!(kinds(&submitted), expect);
    // The quarter after: the total falls, or is ten times what it was, and the year's spending goes on.
    world.clock.set(at("2026-10-01 08:00"));
    let next = async |value: &str, accrued: &str| {
        let mut given = report(value);
        given.spending = vec![Spending {
            classifier: "530101".into(),
            accrued: Some(decimal(accrued)),
            note: String::new(),
        }];
        let request = SubmitReportRequest {
            parent: "plans/vcm/assignments/a1/obligations/2026-Q3".into(),
            report: Some(given),
            validate_only: true,
            ..SubmitReportRequest::default()
        };
        let answer = world.reports().submit_report(world.ask("msp", request)).await.unwrap().into_inner();
        answer.findings.into_iter().map(|finding| finding.kind).collect::<Vec<_>>()
    };
    assert_eq!(
        next("9", "0").await,
        ["CUMULATIVE_FALLS", "BREAKDOWN_MISSING", "EVIDENCE_MISSING", "OVER_BUDGET"]
    );
    assert_eq!(
        next("100", "0").await,
        ["TENFOLD", "BREAKDOWN_MISSING", "EVIDENCE_MISSING", "OVER_BUDGET"]
    );
}

#[tokio::test]
async fn what_was_observed_is_answered_one_by_one() {
    let world = World::start().await;
    submit(&world, "msp", Some(report("10")), false).await.unwrap();
    let wrong = give_back(&world, 1, vec![observed("report.values[1]", "x"), observed("", "")])
        .await
        .unwrap_err();
    assert_eq!(paths(&wrong), ["observations[0].field", "observations[1].text"]);
    let observations = vec![observed("report.values[0]", "Falta desagregar."), observed("", "Falta la firma.")];
    let given = give_back(&world, 1, observations).await.unwrap();
    assert_eq!(given.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["1.1", "1.2"]);
    // The institution reads them with the version that they are about.
    let request = GetReportRequest {
        name: format!("{}/reports/1", obligation("a1")),
    };
    let read = world.reports().get_report(world.ask("msp", request)).await.unwrap().into_inner();
    assert_eq!(read.reviews.len(), 1);
    assert_eq!(read.reviews[0].observations, given);

    let answered = |ids: &[&str]| Report {
        answers: ids
            .iter()
            .map(|id| ObservationAnswer {
                observation: (*id).into(),
                text: "Corregido.".into(),
            })
            .collect(),
        ..report("10")
    };
    let unknown = submit(&world, "msp", Some(answered(&["2.1"])), false).await.unwrap_err();
    assert_eq!(paths(&unknown), ["report.answers[0].observation"]);
    let half = submit(&world, "msp", Some(answered(&["1.2"])), false).await.unwrap();
    assert_eq!(kinds(&half), ["BREAKDOWN_MISSING", "EVIDENCE_MISSING", "OBSERVATION_UNANSWERED"]);
    // The answer is replaced while it waits: it still answers the same return.
    let whole = submit(&world, "msp", Some(answered(&["1.1", "1.2"])), false).await.unwrap();
    assert_eq!(
        (kinds(&whole), whole.report.as_ref().unwrap().version),
        (vec!["BREAKDOWN_MISSING", "EVIDENCE_MISSING"], 3)
    );
    // Another return: what was observed before is not asked for again.
    assert_eq!(give_back(&world, 3, vec![observed("", "Aún falta.")]).await.unwrap()[0].id, "3.1");
    let old = submit(&world, "msp", Some(answered(&["1.1"])), false).await.unwrap_err();
    assert_eq!(paths(&old), ["report.answers[0].observation"]);
}

#[tokio::test]
async fn texts_stand_beside_the_journal() {
    let world = World::start().await;
    let given = Report {
        narrative: "Dos talleres con promotoras".into(),
        ..report("10")
    };
    let submitted = submit(&world, "msp", Some(given), false).await.unwrap().report.unwrap();
    assert_eq!(
        (submitted.narrative.as_str(), submitted.texts_salt.len()),
        ("Dos talleres con promotoras", 16)
    );
    let request = GetReportRequest {
        name: submitted.name.clone(),
    };
    let read = world
        .reports()
        .get_report(world.ask("reviewer", request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read.report, Some(submitted.clone()));
    let list = vigia_proto::journal::ListEntriesRequest {
        page_size: 10,
        ..vigia_proto::journal::ListEntriesRequest::default()
    };
    let mut journal = ReportingJournalServiceClient::new(world.route());
    let entries = journal.list_entries(world.ask("auditor", list)).await.unwrap().into_inner().entries;
    let event = <ReportSubmitted as prost::Message>::decode(entries[0].event.as_slice()).unwrap();
    let recorded = event.report.unwrap();
    assert_eq!((recorded.narrative.as_str(), recorded.texts_salt.len()), ("", 0));
    assert_eq!((recorded.texts_hash, recorded.values), (submitted.texts_hash, submitted.values));
}
