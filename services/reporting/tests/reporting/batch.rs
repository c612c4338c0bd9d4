//! Many reports at once: all or none, or each on its own.

use tonic::{Code, Status};
use vigia_platform::new_id;
use vigia_proto::{
    error::Reason,
    journal::ListEntriesRequest,
    reporting::{
        BatchMode, CreateReportRequest, GetReportRequest, IndicatorValue, Ratio, Report, SubmitReportBatchRequest,
        SubmitReportBatchResponse, SubmitReportRow, indicator_value::Value,
        reporting_journal_service_client::ReportingJournalServiceClient, submit_report_result::Result as Answer,
    },
};

use crate::world::{Setting, World, decimal, metadata, obligation, paths, reason, report};

async fn world(assignments: usize) -> World {
    World::with(Setting {
        more_assignments: assignments,
        ..Setting::default()
    })
    .await
}

fn row(assignment: &str, report: Report) -> SubmitReportRow {
    SubmitReportRow {
        parent: obligation(assignment),
        report: Some(report),
        etag: String::new(),
    }
}

fn batch(mode: BatchMode, rows: Vec<SubmitReportRow>) -> SubmitReportBatchRequest {
    SubmitReportBatchRequest {
        rows,
        mode: mode.into(),
        validate_only: false,
        request_id: new_id(),
    }
}

async fn send(world: &World, who: &str, request: SubmitReportBatchRequest) -> Result<SubmitReportBatchResponse, Status> {
    Ok(world.reports().submit_report_batch(world.ask(who, request)).await?.into_inner())
}

/// What became of each row: its version, or the reason.
fn told(answer: &SubmitReportBatchResponse) -> Vec<String> {
    answer
        .results
        .iter()
        .map(|result| match result.result.as_ref().unwrap() {
            Answer::Submitted(row) => row.report.rsplit('/').next().unwrap().to_owned(),
            Answer::Refusal(refusal) => Reason::try_from(refusal.reason).unwrap().as_str_name().to_owned(),
        })
        .collect()
}

async fn recorded(world: &World) -> usize {
    let request = ListEntriesRequest {
        page_size: 1000,
        ..ListEntriesRequest::default()
    };
    let answer = ReportingJournalServiceClient::new(world.route())
        .list_entries(world.ask("auditor", request))
        .await
        .unwrap();
    answer.into_inner().entries.len()
}

fn mixed_rows() -> Vec<SubmitReportRow> {
    vec![
        row("a1", report("10")),
        row("a2", report("diez")),
        row("b1", report("10")),
        row("a1", report("11")),
        row("a9", report("10")),
        row("a3", report("12")),
    ]
}

#[tokio::test]
async fn each_row_stands_on_its_own() {
    let world = world(2).await;
    let request = batch(BatchMode::Each, mixed_rows());
    let answer = send(&world, "msp", request.clone()).await.unwrap();
    let expect = [
        "1",
        "REASON_INVALID_FIELDS",
        "REASON_NOT_FOUND",
        "REASON_INVALID_FIELDS",
        "REASON_NOT_FOUND",
        "1",
    ];
    assert_eq!(
        (told(&answer), answer.submitted, answer.refused),
        (expect.map(str::to_owned).to_vec(), 2, 4)
    );
    let Some(Answer::Refusal(refusal)) = &answer.results[1].result else {
        panic!()
    };
    assert_eq!(refusal.field_violations[0].field, "report.values[0].number");
    assert!(!refusal.field_violations[0].text_es.is_empty() && !refusal.text_es.is_empty());
    let Some(Answer::Submitted(first)) = &answer.results[0].result else {
        panic!()
    };
    assert_eq!((first.leaf_hash.len(), first.findings[0].kind.as_str()), (32, "BREAKDOWN_MISSING"));
    assert_eq!(recorded(&world).await, 2);
    // The same again gives the first answer; another content under the same id is refused.
    assert_eq!(send(&world, "msp", request.clone()).await.unwrap(), answer);
    let other = SubmitReportBatchRequest {
        rows: vec![row("a2", report("3"))],
        ..request
    };
    assert_eq!(reason(&send(&world, "msp", other).await.unwrap_err()), "REQUEST_ID_REUSED");
    assert_eq!(recorded(&world).await, 2);
    let read = GetReportRequest {
        name: format!("{}/reports/1", obligation("a3")),
    };
    assert!(world.reports().get_report(world.ask("msp", read)).await.is_ok());
}

#[tokio::test]
async fn all_rows_or_none() {
    let world = world(2).await;
    let refused = send(&world, "msp", batch(BatchMode::Atomic, mixed_rows())).await.unwrap_err();
    assert_eq!(
        (reason(&refused).as_str(), refused.code()),
        ("BATCH_REFUSED", Code::InvalidArgument)
    );
    assert_eq!(
        (metadata(&refused, "refused"), metadata(&refused, "rows")),
        ("4".to_owned(), "6".to_owned())
    );
    assert_eq!(
        paths(&refused),
        ["rows[1].report.values[0].number", "rows[2]", "rows[3].parent", "rows[4]"]
    );
    assert_eq!(recorded(&world).await, 0);
    let only_checked = SubmitReportBatchRequest {
        validate_only: true,
        ..batch(BatchMode::Atomic, mixed_rows())
    };
    assert_eq!(send(&world, "msp", only_checked).await.unwrap().refused, 4);
    assert_eq!(recorded(&world).await, 0);
    let good = vec![row("a1", report("10")), row("a2", report("11")), row("a3", report("12"))];
    assert_eq!(
        told(&send(&world, "msp", batch(BatchMode::Atomic, good.clone())).await.unwrap()),
        ["1", "1", "1"]
    );
    // Sent again under another id they are new versions.
    assert_eq!(
        told(&send(&world, "msp", batch(BatchMode::Atomic, good)).await.unwrap()),
        ["2", "2", "2"]
    );
}

#[tokio::test]
async fn drafts_are_submitted_and_gone() {
    let world = world(1).await;
    let request = CreateReportRequest {
        parent: obligation("a1"),
        report: Some(report("10")),
        request_id: new_id(),
    };
    world.reports().create_report(world.ask("msp", request)).await.unwrap();
    let of_draft = |assignment: &str, etag: &str| SubmitReportRow {
        parent: obligation(assignment),
        report: None,
        etag: etag.into(),
    };
    let stale = send(&world, "msp", batch(BatchMode::Each, vec![of_draft("a1", "x"), of_draft("a2", "")]))
        .await
        .unwrap();
    assert_eq!(told(&stale), ["REASON_ETAG_MISMATCH", "REASON_NOT_FOUND"]);
    assert_eq!(
        told(&send(&world, "msp", batch(BatchMode::Each, vec![of_draft("a1", "")])).await.unwrap()),
        ["1"]
    );
    assert_eq!(
        told(&send(&world, "msp", batch(BatchMode::Each, vec![of_draft("a1", "")])).await.unwrap()),
        ["REASON_NOT_FOUND"]
    );
}

#[tokio::test]
async fn numbers_and_ratios_are_not_mixed_within_a_batch() {
    let world = world(1).await;
    let ratio = Report {
        values: vec![IndicatorValue {
            indicator: "I1".into(),
            value: Some(Value::Ratio(Ratio {
                num: Some(decimal("1")),
                den: Some(decimal("2")),
            })),
            ..IndicatorValue::default()
        }],
        ..Report::default()
    };
    let answer = send(
        &world,
        "msp",
        batch(BatchMode::Each, vec![row("a1", report("10")), row("a2", ratio)]),
    )
    .await
    .unwrap();
    assert_eq!(told(&answer), ["1", "REASON_INVALID_FIELDS"]);
}

#[tokio::test]
async fn a_batch_has_so_many_rows_and_no_more() {
    let world = world(4_999).await;
    let rows: Vec<_> = (1..=5_000).map(|n| row(&format!("a{n}"), report("10"))).collect();
    let request = batch(BatchMode::Atomic, rows.clone());
    let began = std::time::Instant::now();
    let answer = send(&world, "msp", request).await.unwrap();
    // A build without optimisation on a busy machine: the release keeps well below 5 s.
    println!("5000 rows in {:?}", began.elapsed());
    assert_eq!((answer.submitted, answer.refused), (5_000, 0));
    let more = [rows, vec![row("a5001", report("10"))]].concat();
    assert_eq!(
        paths(&send(&world, "msp", batch(BatchMode::Atomic, more)).await.unwrap_err()),
        ["rows"]
    );
    let nothing = SubmitReportBatchRequest::default();
    assert_eq!(paths(&send(&world, "msp", nothing).await.unwrap_err()), ["rows", "mode"]);
}
