//! What stays on record: extensions and waivers in lists, reviews of the own institution, texts that were erased.

use tonic::{Code, Status};
use vigia_platform::new_id;
use vigia_proto::reporting::{
    CreateReportRequest, Decision, EraseReportTextsRequest, EraseReportTextsResponse, Extension, GetObligationTimelineRequest,
    GetReportRequest, GrantExtensionRequest, ListExtensionsRequest, ListWaiversRequest, Report, ReviewReportRequest, SubmitReportRequest,
    TimelineEvent, WaiveObligationRequest, extension::Covers,
};

use crate::world::{Place, Setting, World, at, obligation, paths, reason, report};

async fn timeline(world: &World, who: &str, assignment: &str) -> Vec<TimelineEvent> {
    let request = GetObligationTimelineRequest {
        name: obligation(assignment),
    };
    let answer = world.obligations().get_obligation_timeline(world.ask(who, request)).await;
    answer.unwrap().into_inner().events
}

async fn submit(world: &World, report: Report, request_id: &str) -> Report {
    let request = SubmitReportRequest {
        parent: obligation("a1"),
        report: Some(report),
        request_id: request_id.into(),
        ..SubmitReportRequest::default()
    };
    let answer = world.reports().submit_report(world.ask("msp", request)).await;
    answer.unwrap().into_inner().report.unwrap()
}

#[tokio::test]
async fn erased_texts_are_gone_wherever_they_were_told_and_the_rest_stands() {
    for place in Place::all().await {
        let world = World::on(&place, Setting::default()).await;
        texts_are_erased(&world).await;
        drop(world);
        place.end().await;
    }
}

async fn texts_are_erased(world: &World) {
    const NARRATIVE: &str = "El taller lo dictó una persona que no debía nombrarse.";
    let given = Report {
        narrative: NARRATIVE.into(),
        ..report("10")
    };
    let (drafted, sent) = (new_id(), new_id());
    let draft = async || {
        let request = CreateReportRequest {
            parent: obligation("a1"),
            report: Some(given.clone()),
            request_id: drafted.clone(),
        };
        let answer = world.reports().create_report(world.ask("msp", request)).await.unwrap();
        answer.into_inner().report.unwrap()
    };
    assert_eq!(draft().await.narrative, NARRATIVE);
    let first = submit(world, given.clone(), &sent).await;
    let second = submit(world, given.clone(), &new_id()).await;

    let erase = async |who: &str, name: &str, reason: &str, request_id: String| {
        let request = EraseReportTextsRequest {
            name: name.into(),
            reason: reason.into(),
            request_id,
        };
        let answer = world.reports().erase_report_texts(world.ask(who, request)).await?;
        Ok::<EraseReportTextsResponse, Status>(answer.into_inner())
    };
    for who in ["msp", "msp-head", "reviewer", "auditor"] {
        let refused = erase(who, &first.name, "Nombra a una persona", new_id()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{who}");
    }
    let no_reason = erase("coordinator", &first.name, "", new_id()).await.unwrap_err();
    assert_eq!(paths(&no_reason), ["reason"]);
    let too_long = erase("coordinator", &first.name, &"x".repeat(2_001), new_id()).await.unwrap_err();
    assert_eq!(paths(&too_long), ["reason"]);
    let of_draft = format!("{}/reports/draft", obligation("a1"));
    for nothing in [format!("{}/reports/9", obligation("a1")), of_draft] {
        let refused = erase("coordinator", &nothing, "Nombra a una persona", new_id()).await.unwrap_err();
        assert_eq!(reason(&refused), "NOT_FOUND", "{nothing}");
    }

    let read = async |name: &str| {
        let request = GetReportRequest { name: name.into() };
        let answer = world.reports().get_report(world.ask("auditor", request)).await.unwrap();
        answer.into_inner().report.unwrap()
    };
    let request_id = new_id();
    let erased = erase("admin", &first.name, "Nombra a una persona", request_id.clone())
        .await
        .unwrap();
    let left = erased.report.clone().unwrap();
    let expect = Report {
        narrative: String::new(),
        texts_salt: Vec::new(),
        texts_erase_time: left.texts_erase_time,
        ..first.clone()
    };
    assert_eq!(left, expect);
    assert!(left.texts_erase_time.is_some() && left.texts_hash.len() == 32);
    assert_eq!(read(&first.name).await, left);
    // Calls that told the texts tell them no more, and everything else again.
    assert_eq!(submit(world, given.clone(), &sent).await, left);
    assert_eq!(draft().await.narrative, "");
    // The other version is another matter.
    assert_eq!(read(&second.name).await.narrative, NARRATIVE);

    assert_eq!(
        erase("admin", &first.name, "Nombra a una persona", request_id).await.unwrap(),
        erased
    );
    let again = erase("coordinator", &first.name, "Otra vez", new_id()).await.unwrap_err();
    assert_eq!(reason(&again), "STATE_CONFLICT");
    let told = timeline(world, "msp", "a1").await;
    let last = told.last().unwrap();
    assert_eq!(
        (last.event_type.as_str(), last.version, last.text.as_str(), last.caller.as_str()),
        ("vigia.reporting.v1.ReportTextsErased", 1, "Nombra a una persona", "clients/admin")
    );
}

#[tokio::test]
async fn a_review_of_the_own_institution_is_marked() {
    let world = World::start().await;
    submit(&world, report("10"), &new_id()).await;
    for (who, decision, own) in [("msp-reviewer", Decision::Validated, true), ("reviewer", Decision::Rejected, false)] {
        let request = ReviewReportRequest {
            name: format!("{}/reports/1", obligation("a1")),
            decision: decision.into(),
            observation: if own { String::new() } else { "No es de este período.".into() },
            request_id: new_id(),
            ..ReviewReportRequest::default()
        };
        let answer = world.reports().review_report(world.ask(who, request)).await.unwrap();
        assert_eq!(answer.into_inner().review.unwrap().own_institution, own, "{who}");
    }
    let request = GetReportRequest {
        name: format!("{}/reports/1", obligation("a1")),
    };
    let answer = world
        .reports()
        .get_report(world.ask("auditor", request))
        .await
        .unwrap()
        .into_inner();
    let marks: Vec<bool> = answer.reviews.iter().map(|review| review.own_institution).collect();
    assert_eq!(marks, [true, false]);
    let marks: Vec<bool> = timeline(&world, "auditor", "a1")
        .await
        .iter()
        .map(|event| event.own_institution)
        .collect();
    assert_eq!(marks, [false, true, false]);
}

#[tokio::test]
async fn extensions_and_waivers_are_listed_for_whom_they_concern() {
    let world = World::with(Setting {
        more_assignments: 1,
        ..Setting::default()
    })
    .await;
    let extend = async |period: &str, covers: Covers, until: &str| {
        let extension = Extension {
            period: period.into(),
            covers: Some(covers),
            until: until.into(),
            legal_basis: "Acuerdo 12".into(),
            ..Extension::default()
        };
        let request = GrantExtensionRequest {
            parent: "plans/vcm".into(),
            extension: Some(extension),
            request_id: new_id(),
        };
        let answer = world.obligations().grant_extension(world.ask("coordinator", request)).await;
        answer.unwrap().into_inner().extension.unwrap().name
    };
    let of_mies = extend("2026-Q2", Covers::Institution("institutions/mies".into()), "2026-07-30").await;
    let of_one = extend("2026-Q2", Covers::Assignment("plans/vcm/assignments/a1".into()), "2026-07-31").await;
    let of_all = extend("2026-Q3", Covers::All(true), "2026-11-30").await;

    let listed = async |who: &str, page_size: i32, filter: &str| {
        let (mut pages, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListExtensionsRequest {
                parent: "plans/vcm".into(),
                page_size,
                page_token,
                filter: filter.into(),
            };
            let answer = world.obligations().list_extensions(world.ask(who, request)).await?.into_inner();
            let names = answer.extensions.iter().map(|granted| granted.extension.clone().unwrap().name);
            pages.push(names.collect::<Vec<_>>());
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok::<_, Status>(pages);
            }
        }
    };
    let all = [of_mies.clone(), of_one.clone(), of_all.clone()];
    assert_eq!(listed("auditor", 0, "").await.unwrap(), [all.to_vec()]);
    assert_eq!(listed("auditor", 2, "").await.unwrap(), [all[..2].to_vec(), all[2..].to_vec()]);
    assert_eq!(listed("msp", 1, "").await.unwrap(), [vec![of_one.clone()], vec![of_all.clone()]]);
    assert_eq!(listed("mies", 0, "").await.unwrap(), [vec![of_mies.clone(), of_all.clone()]]);
    assert_eq!(listed("auditor", 0, "period = \"2026-Q3\"").await.unwrap(), [vec![of_all]]);
    assert_eq!(reason(&listed("auditor", 0, "until = \"x\"").await.unwrap_err()), "FILTER_INVALID");

    world.clock.set(at("2026-07-03 12:00"));
    for assignment in ["a1", "b1"] {
        let request = WaiveObligationRequest {
            name: obligation(assignment),
            reason: "Sismo".into(),
            request_id: new_id(),
        };
        world
            .obligations()
            .waive_obligation(world.ask("coordinator", request))
            .await
            .unwrap();
    }
    for (who, expect) in [("auditor", &["a1", "b1"][..]), ("msp", &["a1"]), ("mies", &["b1"])] {
        let request = ListWaiversRequest {
            parent: "plans/vcm".into(),
            ..ListWaiversRequest::default()
        };
        let answer = world
            .obligations()
            .list_waivers(world.ask(who, request))
            .await
            .unwrap()
            .into_inner();
        let waived: Vec<_> = answer.waivers.iter().map(|waiver| waiver.obligation.clone()).collect();
        assert_eq!(waived, expect.iter().map(|id| obligation(id)).collect::<Vec<_>>(), "{who}");
        let first = &answer.waivers[0];
        assert_eq!((first.reason.as_str(), first.waiver.as_str()), ("Sismo", "clients/coordinator"));
        assert_eq!(first.name, format!("{}/waiver", first.obligation));
    }
    // Where there is no such plan nothing is told either.
    let request = ListWaiversRequest {
        parent: "plans/otro".into(),
        ..ListWaiversRequest::default()
    };
    let none = world
        .obligations()
        .list_waivers(world.ask("auditor", request))
        .await
        .unwrap()
        .into_inner();
    assert!(none.waivers.is_empty() && none.next_page_token.is_empty());
}
