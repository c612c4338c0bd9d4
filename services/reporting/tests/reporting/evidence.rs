//! Evidence: uploads that break and go on, what is refused, and who may read what.

use std::time::{Duration, SystemTime};

use tonic::{Code, Status};
use vigia_platform::new_id;
use vigia_proto::{
    journal::{ListEntriesRequest, ListEntriesResponse},
    reporting::{
        Classification, CreateReportRequest, Decision, DownloadEvidenceRequest, EvidenceHead, EvidenceLink, EvidenceRead, EvidenceState,
        GetEvidenceRequest, GetReportRequest, Report, ReviewReportRequest, SubmitReportRequest, SubmitReportResponse, UploadStart,
        download_evidence_response::Part, evidence_service_client::EvidenceServiceClient,
        reporting_journal_service_client::ReportingJournalServiceClient,
    },
};

use crate::world::{Setting, World, at, metadata, name_of, obligation, paths, reason, report, start};

/// A text that is larger than a chunk and than a buffer.
fn long_text() -> Vec<u8> {
    (0..40_000).flat_map(|n| format!("línea {n}\n").into_bytes()).collect()
}

fn photograph_with_place() -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x25\x88\x04\0\x01\0\0\0\x1A\0\0\0\0\0\0\0".to_vec();
    tiff.extend_from_slice(b"\x01\0\x01\0\x02\0\x02\0\0\0S\0\0\0\0\0\0\0");
    [b"\xFF\xD8\xFF\xE1\0\x40Exif\0\0", &tiff[..], b"\xFF\xDA\0\x02datos\xFF\xD9"].concat()
}

fn link(bytes: &[u8], classification: Classification) -> EvidenceLink {
    EvidenceLink {
        evidence: name_of(bytes),
        classification: classification.into(),
        title: "Listado".into(),
        file_name: "listado.txt".into(),
        shows: "I1".into(),
    }
}

async fn submit(world: &World, assignment: &str, who: &str, links: Vec<EvidenceLink>) -> SubmitReportResponse {
    let request = SubmitReportRequest {
        parent: obligation(assignment),
        report: Some(Report {
            evidence_links: links,
            ..report("10")
        }),
        request_id: new_id(),
        ..SubmitReportRequest::default()
    };
    world.reports().submit_report(world.ask(who, request)).await.unwrap().into_inner()
}

async fn download(world: &World, who: &str, request: DownloadEvidenceRequest) -> Result<(EvidenceHead, Vec<u8>), Status> {
    let mut answers = world.evidence().download_evidence(world.ask(who, request)).await?.into_inner();
    let Some(Part::Head(head)) = answers.message().await?.and_then(|answer| answer.part) else {
        panic!("no head");
    };
    let mut bytes = Vec::new();
    while let Some(answer) = answers.message().await? {
        let Some(Part::Chunk(chunk)) = answer.part else {
            panic!("no chunk")
        };
        bytes.extend_from_slice(&chunk);
    }
    Ok((head, bytes))
}

fn of_report(bytes: &[u8], assignment: &str, version: &str) -> DownloadEvidenceRequest {
    DownloadEvidenceRequest {
        name: name_of(bytes),
        report: format!("{}/reports/{version}", obligation(assignment)),
        ..DownloadEvidenceRequest::default()
    }
}

async fn evidence(world: &World, who: &str, bytes: &[u8]) -> Result<vigia_proto::reporting::Evidence, Status> {
    let request = GetEvidenceRequest {
        name: name_of(bytes),
        ..GetEvidenceRequest::default()
    };
    Ok(world
        .evidence()
        .get_evidence(world.ask(who, request))
        .await?
        .into_inner()
        .evidence
        .unwrap())
}

/// Entries of the journal that are of a type.
async fn entries(world: &World, event_type: &str) -> Vec<vigia_proto::journal::Entry> {
    let request = ListEntriesRequest {
        page_size: 1000,
        ..ListEntriesRequest::default()
    };
    let answer: ListEntriesResponse = ReportingJournalServiceClient::new(world.route())
        .list_entries(world.ask("auditor", request))
        .await
        .unwrap()
        .into_inner();
    let of_type = |entry: &vigia_proto::journal::Entry| entry.event_type == format!("vigia.reporting.v1.{event_type}");
    answer.entries.into_iter().filter(of_type).collect()
}

#[tokio::test]
async fn what_is_uploaded_is_read_through_the_report_that_names_it() {
    for remote in [false, true] {
        let world = World::with(Setting {
            remote,
            ..Setting::default()
        })
        .await;
        let bytes = long_text();
        let stored = world.upload("msp", &bytes).await.unwrap();
        let evidence_stored = stored.evidence.unwrap();
        assert_eq!(evidence_stored.state(), EvidenceState::Stored);
        assert_eq!(evidence_stored.size_bytes, i64::try_from(bytes.len()).unwrap());
        assert_eq!(evidence_stored.media_type, "text/plain; charset=utf-8");
        assert_eq!(stored.findings, []);
        let submitted = submit(&world, "a1", "msp", vec![link(&bytes, Classification::Institutional)]).await;
        let kinds: Vec<_> = submitted.findings.iter().map(|finding| finding.kind.as_str()).collect();
        assert_eq!(kinds, ["BREAKDOWN_MISSING"]);
        let (head, read) = download(&world, "reviewer", of_report(&bytes, "a1", "1")).await.unwrap();
        assert!(read == bytes, "{remote}");
        assert_eq!(head.link.unwrap().file_name, "listado.txt");
        let range = DownloadEvidenceRequest {
            offset: 100,
            length: 50,
            ..of_report(&bytes, "a1", "1")
        };
        assert_eq!(download(&world, "msp", range).await.unwrap().1, bytes[100..150]);
        let rest = DownloadEvidenceRequest {
            offset: i64::try_from(bytes.len() - 5).unwrap(),
            ..of_report(&bytes, "a1", "1")
        };
        assert_eq!(download(&world, "msp", rest).await.unwrap().1, bytes[bytes.len() - 5..]);
        let beyond = DownloadEvidenceRequest {
            offset: i64::try_from(bytes.len()).unwrap(),
            ..of_report(&bytes, "a1", "1")
        };
        assert_eq!(paths(&download(&world, "msp", beyond).await.unwrap_err()), ["offset"]);
        // Nothing unfinished is left behind, and the same again is answered without a byte.
        assert_eq!(
            std::fs::read_dir(world.directory.path().join("evidence/uploads")).unwrap().count(),
            0
        );
        assert!(world.send("msp", start(&bytes), Vec::new()).await.is_ok());
        assert_eq!(entries(&world, "EvidenceStored").await.len(), 1);
    }
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off() {
    let world = World::start().await;
    let bytes = long_text();
    let half = bytes.len() / 2;
    assert_eq!(reason(&evidence(&world, "msp", &bytes).await.unwrap_err()), "NOT_FOUND");
    let broken = world.upload_from("msp", &bytes, 0, half).await.unwrap_err();
    assert_eq!(reason(&broken), "EVIDENCE_INCOMPLETE");
    assert_eq!(metadata(&broken, "durable_bytes"), half.to_string());
    let unfinished = evidence(&world, "msp", &bytes).await.unwrap();
    assert_eq!((unfinished.state(), unfinished.size_bytes), (EvidenceState::Uploading, 0));
    assert_eq!(unfinished.durable_bytes, i64::try_from(half).unwrap());
    // Another institution knows the hash, and learns nothing.
    assert_eq!(reason(&evidence(&world, "mies", &bytes).await.unwrap_err()), "NOT_FOUND");
    let ahead = world.upload_from("msp", &bytes, half + 1, bytes.len()).await.unwrap_err();
    assert_eq!(
        (reason(&ahead).as_str(), metadata(&ahead, "durable_bytes")),
        ("EVIDENCE_OFFSET_WRONG", half.to_string())
    );
    world.upload_from("msp", &bytes, half, bytes.len()).await.unwrap();
    assert_eq!(evidence(&world, "msp", &bytes).await.unwrap().state(), EvidenceState::Stored);
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_finds_its_bytes_again() {
    let world = World::start().await;
    let address = world.serve().await;
    let bytes = long_text();
    let first = bytes[..64 << 10].to_vec();
    let (sent, chunks) = tokio::sync::mpsc::channel(4);
    let mut client = EvidenceServiceClient::connect(address).await.unwrap();
    let request = world.ask("msp", tokio_stream::wrappers::ReceiverStream::new(chunks));
    let call = tokio::spawn(async move { client.upload_evidence(request).await });
    let part = |part| vigia_proto::reporting::UploadEvidenceRequest { part: Some(part) };
    use vigia_proto::reporting::upload_evidence_request::Part as Sent;
    sent.send(part(Sent::Start(start(&bytes)))).await.unwrap();
    sent.send(part(Sent::Chunk(first.clone()))).await.unwrap();
    // What was sent arrives some time; then the connection is cut, without a goodbye.
    let arrived = async {
        loop {
            if evidence(&world, "msp", &bytes)
                .await
                .is_ok_and(|evidence| evidence.durable_bytes > 0)
            {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), arrived).await.unwrap();
    call.abort();
    drop(sent);
    let gone_on = async {
        loop {
            // As long as the broken stream is not noticed, the same upload is under way.
            match world.upload_from("msp", &bytes, first.len(), bytes.len()).await {
                Err(busy) if reason(&busy) == "STATE_CONFLICT" => tokio::task::yield_now().await,
                answer => break answer,
            }
        }
    };
    let stored = tokio::time::timeout(Duration::from_secs(20), gone_on).await.unwrap().unwrap();
    assert_eq!(stored.evidence.unwrap().state(), EvidenceState::Stored);
}

#[tokio::test]
async fn an_upload_outlives_a_store_that_is_away() {
    let world = World::with(Setting {
        remote: true,
        ..Setting::default()
    })
    .await;
    // A file stands where the store's directory was.
    let bucket = world.directory.path().join("bucket");
    std::fs::remove_dir(&bucket).unwrap();
    std::fs::write(&bucket, "").unwrap();
    let bytes = long_text();
    let away = world.upload("msp", &bytes).await.unwrap_err();
    assert_eq!((reason(&away).as_str(), away.code()), ("UNAVAILABLE", Code::Unavailable));
    assert_eq!(entries(&world, "EvidenceStored").await.len(), 0);
    std::fs::remove_file(&bucket).unwrap();
    std::fs::create_dir(&bucket).unwrap();
    let unfinished = evidence(&world, "msp", &bytes).await.unwrap();
    assert_eq!(unfinished.durable_bytes, i64::try_from(bytes.len()).unwrap());
    // Not a byte is sent again.
    world.upload_from("msp", &bytes, bytes.len(), bytes.len()).await.unwrap();
    submit(&world, "a1", "msp", vec![link(&bytes, Classification::Institutional)]).await;
    assert!(download(&world, "msp", of_report(&bytes, "a1", "1")).await.unwrap().1 == bytes);
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_nothing_is_kept() {
    let world = World::with(Setting {
        file_bytes_max: Some(1000),
        ..Setting::default()
    })
    .await;
    let check = async |start: UploadStart, chunks: &[&[u8]], expect: &str, code: Code| {
        let chunks = chunks.iter().map(|chunk| chunk.to_vec()).collect();
        let status = world.send("msp", start, chunks).await.unwrap_err();
        assert_eq!((reason(&status).as_str(), status.code()), (expect, code), "{status:?}");
        let left = std::fs::read_dir(world.directory.path().join("evidence/uploads")).unwrap().count();
        assert_eq!(left, 0, "{expect}");
        status
    };
    let text = b"uno dos tres";
    let other = UploadStart {
        evidence: name_of(b"otro"),
        ..start(text)
    };
    let mismatch = check(other, &[text], "EVIDENCE_HASH_MISMATCH", Code::InvalidArgument).await;
    assert_eq!(format!("evidence/{}", metadata(&mismatch, "received")), name_of(text));
    check(start(b""), &[], "EVIDENCE_SIZE_REFUSED", Code::InvalidArgument).await;
    check(start(&vec![b'x'; 1001]), &[], "EVIDENCE_SIZE_REFUSED", Code::InvalidArgument).await;
    let program = b"MZ\x90\0\x03\0\0\0\x04\0";
    check(start(program), &[program], "EVIDENCE_TYPE_REFUSED", Code::InvalidArgument).await;
    let photograph = photograph_with_place();
    let named = check(start(&photograph), &[&photograph], "EVIDENCE_NAMES_PERSON", Code::InvalidArgument).await;
    assert_eq!(
        (paths(&named), metadata(&named, "found")),
        (vec!["content.exif.gps".to_owned()], "exif.gps".to_owned())
    );
    let bare = UploadStart {
        evidence: "evidence/ABC".into(),
        offset: 5,
        ..UploadStart::default()
    };
    let faulty = check(bare, &[], "INVALID_FIELDS", Code::InvalidArgument).await;
    assert_eq!(paths(&faulty), ["start.evidence", "start.offset", "start.plan"]);
    let elsewhere = UploadStart {
        institution: "institutions/mies".into(),
        ..start(text)
    };
    check(elsewhere, &[text], "NOT_FOUND", Code::NotFound).await;
    let nowhere = UploadStart {
        plan: "plans/otro".into(),
        ..start(text)
    };
    check(nowhere, &[text], "NOT_FOUND", Code::NotFound).await;
    assert!(world.upload("msp", &vec![b'x'; 1000]).await.is_ok(), "the limit itself");
    assert_eq!(entries(&world, "EvidenceStored").await.len(), 1);
}

#[tokio::test]
async fn chunks_are_held_to_their_size_and_to_what_was_declared() {
    let world = World::start().await;
    let bytes = vec![b'x'; (1 << 20) + 1];
    let whole = world
        .send("msp", start(&bytes), vec![bytes[..1 << 20].to_vec(), bytes[1 << 20..].to_vec()])
        .await;
    assert!(whole.is_ok());
    let bytes = vec![b'y'; (1 << 20) + 1];
    let large = world.send("msp", start(&bytes), vec![bytes.clone()]).await.unwrap_err();
    assert_eq!(paths(&large), ["chunk"]);
    let more = world.send("msp", start(b"abc"), vec![b"abcd".to_vec()]).await.unwrap_err();
    assert_eq!(paths(&more), ["chunk"]);
    let request = world.ask("msp", tokio_stream::iter(Vec::new()));
    let nothing = world.evidence().upload_evidence(request).await.unwrap_err();
    assert_eq!(paths(&nothing), ["start"]);
}

#[tokio::test]
async fn an_institution_has_so_much_room_and_no_more() {
    let world = World::with(Setting {
        quota_bytes: Some(100),
        ..Setting::default()
    })
    .await;
    world.upload("msp", &[b'a'; 60]).await.unwrap();
    let over = world.upload("msp", &[b'b'; 41]).await.unwrap_err();
    assert_eq!(
        (reason(&over).as_str(), over.code()),
        ("EVIDENCE_QUOTA_EXCEEDED", Code::ResourceExhausted)
    );
    assert_eq!(metadata(&over, "used_bytes"), "60");
    // What is unfinished takes room too.
    world.upload_from("msp", &[b'c'; 30], 0, 20).await.unwrap_err();
    assert_eq!(
        reason(&world.upload("msp", &[b'd'; 21]).await.unwrap_err()),
        "EVIDENCE_QUOTA_EXCEEDED"
    );
    world.upload("msp", &[b'd'; 20]).await.unwrap();
    world.upload("mies", &[b'e'; 100]).await.unwrap();
}

#[tokio::test]
async fn what_is_unfinished_for_two_days_is_thrown_away() {
    let world = World::start().await;
    world.upload_from("msp", b"uno dos", 0, 3).await.unwrap_err();
    let uploads = world.directory.path().join("evidence/uploads");
    let part = std::fs::read_dir(&uploads).unwrap().next().unwrap().unwrap().path();
    let expires = evidence(&world, "msp", b"uno dos").await.unwrap().expire_time.unwrap();
    let file = std::fs::File::options().write(true).open(&part).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let lasts = Duration::from_hours(48);
    let unix = |t: SystemTime| t.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(u64::try_from(expires.seconds).unwrap(), unix(modified + lasts));
    file.set_modified(modified - lasts - Duration::from_mins(1)).unwrap();
    world.upload("mies", b"otro").await.unwrap();
    assert_eq!(reason(&evidence(&world, "msp", b"uno dos").await.unwrap_err()), "NOT_FOUND");
}

#[tokio::test]
async fn who_knows_a_hash_gets_neither_bytes_nor_their_existence() {
    let world = World::start().await;
    let bytes = b"nombres de cantones";
    world.upload("msp", bytes).await.unwrap();
    submit(&world, "a1", "msp", vec![link(bytes, Classification::Institutional)]).await;
    // It names the hash in a report of its own: its own upload is asked for, and the other's report is not there for it.
    let pending = submit(&world, "b1", "mies", vec![link(bytes, Classification::Institutional)]).await;
    assert!(pending.findings.iter().any(|finding| finding.kind == "EVIDENCE_PENDING"));
    let own = download(&world, "mies", of_report(bytes, "b1", "1")).await.unwrap_err();
    assert_eq!(
        (reason(&own).as_str(), metadata(&own, "state")),
        ("STATE_CONFLICT", "PENDING".to_owned())
    );
    let unknown = of_report(b"que nunca hubo", "a1", "1");
    for request in [of_report(bytes, "a1", "1"), unknown] {
        let other = download(&world, "mies", request).await.unwrap_err();
        assert_eq!((reason(&other).as_str(), other.code()), ("NOT_FOUND", Code::NotFound));
    }
    // A link of another report does not serve either.
    assert_eq!(
        reason(&download(&world, "reviewer", of_report(b"otro", "a1", "1")).await.unwrap_err()),
        "NOT_FOUND"
    );
    // It must bring the bytes itself, all of them; then both have them, stored once.
    assert_eq!(
        reason(&world.send("mies", start(bytes), Vec::new()).await.unwrap_err()),
        "EVIDENCE_INCOMPLETE"
    );
    world.upload("mies", bytes).await.unwrap();
    assert_eq!(download(&world, "mies", of_report(bytes, "b1", "1")).await.unwrap().1, bytes);
}

#[tokio::test]
async fn the_link_says_who_may_read() {
    let world = World::start().await;
    let (public, reserved) = (b"cifras publicas", b"cifras reservadas");
    world.upload("msp", public).await.unwrap();
    world.upload("msp", reserved).await.unwrap();
    let links = vec![link(public, Classification::Public), link(reserved, Classification::Reserved)];
    submit(&world, "a1", "msp", links).await;
    assert_eq!(download(&world, "mies", of_report(public, "a1", "1")).await.unwrap().1, public);
    assert_eq!(
        reason(&download(&world, "mies", of_report(reserved, "a1", "1")).await.unwrap_err()),
        "NOT_FOUND"
    );
    let bare = download(&world, "reviewer", of_report(reserved, "a1", "1")).await.unwrap_err();
    assert_eq!(
        (reason(&bare).as_str(), bare.code()),
        ("READING_REASON_REQUIRED", Code::InvalidArgument)
    );
    assert_eq!(entries(&world, "EvidenceRead").await.len(), 0);
    let asked = DownloadEvidenceRequest {
        reason: "Validación del segundo trimestre".into(),
        ..of_report(reserved, "a1", "1")
    };
    for n in 1..=2 {
        assert_eq!(download(&world, "reviewer", asked.clone()).await.unwrap().1, reserved);
        let readings = entries(&world, "EvidenceRead").await;
        assert_eq!(readings.len(), n);
        let last = readings.last().unwrap();
        assert_eq!(
            (last.caller.as_str(), last.institution.as_str()),
            ("clients/reviewer", "institutions/msp")
        );
        let event = <EvidenceRead as prost::Message>::decode(last.event.as_slice()).unwrap();
        assert_eq!(event.reason, "Validación del segundo trimestre");
    }
}

#[tokio::test]
async fn a_draft_is_read_by_its_institution_only() {
    let world = World::start().await;
    let bytes = b"un borrador";
    world.upload("msp", bytes).await.unwrap();
    let request = CreateReportRequest {
        parent: obligation("a1"),
        report: Some(Report {
            evidence_links: vec![link(bytes, Classification::Public)],
            ..report("10")
        }),
        request_id: new_id(),
    };
    world.reports().create_report(world.ask("msp", request)).await.unwrap();
    assert_eq!(download(&world, "msp", of_report(bytes, "a1", "draft")).await.unwrap().1, bytes);
    for who in ["mies", "reviewer", "auditor"] {
        assert_eq!(
            reason(&download(&world, who, of_report(bytes, "a1", "draft")).await.unwrap_err()),
            "NOT_FOUND",
            "{who}"
        );
    }
}

#[tokio::test]
async fn a_reviewer_attaches_evidence_of_the_governing_body() {
    let world = World::start().await;
    let (guide, unlinked) = (b"guia de llenado", b"de la institucion");
    world.upload("reviewer", guide).await.unwrap();
    world.upload("msp", unlinked).await.unwrap();
    submit(&world, "a1", "msp", Vec::new()).await;
    let attachment = |bytes: &[u8]| EvidenceLink {
        shows: String::new(),
        ..link(bytes, Classification::Institutional)
    };
    let review = ReviewReportRequest {
        name: format!("{}/reports/1", obligation("a1")),
        decision: Decision::Rejected.into(),
        observation: "Siga la guía.".into(),
        attachments: vec![attachment(guide), attachment(unlinked)],
        request_id: new_id(),
        ..ReviewReportRequest::default()
    };
    world.reports().review_report(world.ask("reviewer", review)).await.unwrap();
    assert_eq!(download(&world, "msp", of_report(guide, "a1", "1")).await.unwrap().1, guide);
    assert_eq!(
        reason(&download(&world, "mies", of_report(guide, "a1", "1")).await.unwrap_err()),
        "NOT_FOUND"
    );
    // A reviewer's link does not open what the institution has not linked.
    assert_eq!(
        reason(&download(&world, "reviewer", of_report(unlinked, "a1", "1")).await.unwrap_err()),
        "STATE_CONFLICT"
    );
}

#[tokio::test]
async fn bytes_may_follow_within_a_day() {
    let world = World::start().await;
    let bytes = b"llega despues";
    let submitted = submit(&world, "a1", "msp", vec![link(bytes, Classification::Institutional)]).await;
    let kinds = async || {
        let request = GetReportRequest {
            name: submitted.report.as_ref().unwrap().name.clone(),
        };
        let answer = world
            .reports()
            .get_report(world.ask("reviewer", request))
            .await
            .unwrap()
            .into_inner();
        answer.findings.into_iter().map(|finding| finding.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds().await, ["EVIDENCE_PENDING"]);
    world.clock.set(at("2026-07-03 12:00"));
    assert_eq!(kinds().await, ["EVIDENCE_NEVER_CAME"]);
    world.upload("msp", bytes).await.unwrap();
    assert_eq!(kinds().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_plan_may_take_metadata_with_a_finding() {
    let world = World::with(Setting {
        accepts_traces: true,
        ..Setting::default()
    })
    .await;
    let photograph = photograph_with_place();
    let stored = world.upload("msp", &photograph).await.unwrap();
    assert_eq!(stored.evidence.unwrap().traces, ["exif.gps"]);
    assert_eq!(stored.findings[0].kind, "EVIDENCE_NAMES_PERSON");
    let submitted = submit(&world, "a1", "msp", vec![link(&photograph, Classification::Reserved)]).await;
    assert!(submitted.findings.iter().any(|finding| finding.kind == "EVIDENCE_NAMES_PERSON"));
}
