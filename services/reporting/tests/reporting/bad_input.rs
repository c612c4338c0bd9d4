//! What people and programs send by mistake or on purpose: each has its reason and its path, in both languages, and
//! nothing of it stays. Hashes, sizes, types and broken streams are tried in `evidence`.

use std::io::{Cursor, Write};

use tonic::{Code, Status};
use tonic_types::StatusExt;
use vigia_platform::new_id;
use vigia_proto::reporting::{
    Decision, EvidenceLink, ListReportsRequest, Report, ReviewReportRequest, SubmitReportRequest,
    reporting_journal_service_client::ReportingJournalServiceClient,
};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::world::{World, metadata, name_of, obligation, paths, reason, report};

/// How many entries the journal has.
async fn recorded(world: &World) -> usize {
    let mut journal = ReportingJournalServiceClient::new(world.route());
    let answer = journal.list_entries(world.ask("auditor", vigia_proto::journal::ListEntriesRequest::default()));
    answer.await.unwrap().into_inner().entries.len()
}

/// The message in English, and in Spanish.
fn told(status: &Status) -> (String, String) {
    let spanish = status.get_error_details().localized_message().map(|text| text.message.clone());
    (status.message().to_owned(), spanish.unwrap_or_default())
}

#[tokio::test]
async fn a_zip_bomb_stays_packed_and_nothing_of_it_is_kept() {
    let world = World::start().await;
    let mut bomb = ZipWriter::new(Cursor::new(Vec::new()));
    let blank = vec![b' '; 64 << 20];
    for (name, content) in [
        ("[Content_Types].xml", &b"<Types/>"[..]),
        ("xl/workbook.xml", b"<workbook/>"),
        ("docProps/core.xml", &blank),
    ] {
        bomb.start_file(name, SimpleFileOptions::default()).unwrap();
        bomb.write_all(content).unwrap();
    }
    let bomb = bomb.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    let refused = world.upload("msp", &bomb).await.unwrap_err();
    assert_eq!(
        (reason(&refused).as_str(), refused.code()),
        ("EVIDENCE_NAMES_PERSON", Code::InvalidArgument)
    );
    assert_eq!(metadata(&refused, "found"), "unreadable");
    let (english, spanish) = told(&refused);
    assert!(
        english.contains("vigia evidence add") && spanish.contains("quítelos"),
        "{english} {spanish}"
    );
    let left = std::fs::read_dir(world.directory.path().join("evidence/uploads")).unwrap().count();
    assert_eq!((left, recorded(&world).await), (0, 0));
}

#[tokio::test]
async fn a_file_name_with_a_path_a_nul_or_turned_writing_reaches_nothing() {
    let world = World::start().await;
    let link = |file_name: &str| EvidenceLink {
        evidence: name_of(b"acta"),
        file_name: file_name.into(),
        ..EvidenceLink::default()
    };
    let submit = async |file_name: &str| {
        let request = SubmitReportRequest {
            parent: obligation("a1"),
            report: Some(Report {
                evidence_links: vec![link(file_name)],
                ..report("10")
            }),
            request_id: new_id(),
            ..SubmitReportRequest::default()
        };
        world.reports().submit_report(world.ask("msp", request)).await
    };
    let review = async |file_name: &str| {
        let request = ReviewReportRequest {
            name: format!("{}/reports/1", obligation("a1")),
            decision: Decision::Validated.into(),
            attachments: vec![link(file_name)],
            request_id: new_id(),
            ..ReviewReportRequest::default()
        };
        world.reports().review_report(world.ask("reviewer", request)).await
    };
    let bad = [
        "../acta.pdf",
        "C:\\acta.pdf",
        "acta\0.pdf",
        "acta\u{202E}fdp.exe",
        "acta\u{2066}.pdf",
        "..",
    ];
    for name in bad {
        let refused = submit(name).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_FIELDS", "{name:?}");
        assert_eq!(paths(&refused), ["report.evidence_links[0].file_name"], "{name:?}");
        let details = refused.get_error_details();
        let told = &details.bad_request().unwrap().field_violations[0].description;
        assert!(told.contains("sin ruta") && told.contains("without a path"), "{told}");
    }
    assert_eq!(recorded(&world).await, 0);
    let versions = async || {
        let request = ListReportsRequest {
            parent: obligation("a1"),
            ..ListReportsRequest::default()
        };
        let answer = world.reports().list_reports(world.ask("msp", request)).await.unwrap();
        answer.into_inner().reports.len()
    };
    assert_eq!(versions().await, 0);
    submit("Acta n.º 3.pdf").await.unwrap();
    for name in bad {
        assert_eq!(paths(&review(name).await.unwrap_err()), ["attachments[0].file_name"], "{name:?}");
    }
    assert_eq!((recorded(&world).await, versions().await), (1, 1));
}
