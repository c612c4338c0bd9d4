//! The plan's calendar, with all that moves a due instant.

use vigia_platform::{new_id, timestamp};
use vigia_proto::reporting::{
    Extension, GrantExtensionRequest, ObligationState, PreviewCalendarRequest, PreviewCalendarResponse, WaiveObligationRequest,
    extension::Covers,
};

use crate::world::{World, at, obligation, reason};

async fn preview(world: &World, who: &str, request: PreviewCalendarRequest) -> PreviewCalendarResponse {
    let request = PreviewCalendarRequest {
        parent: "plans/vcm".into(),
        ..request
    };
    world
        .obligations()
        .preview_calendar(world.ask(who, request))
        .await
        .unwrap()
        .into_inner()
}

fn due_days(answer: &PreviewCalendarResponse) -> Vec<(String, String)> {
    let short = |name: &str| name.replace("plans/vcm/assignments/", "").replace("/obligations/2026-", " ");
    answer
        .entries
        .iter()
        .map(|entry| (short(&entry.obligation), entry.due_day.clone()))
        .collect()
}

#[tokio::test]
async fn every_due_instant_is_listed_with_what_moves_it() {
    let world = World::start().await;
    let all = preview(&world, "coordinator", PreviewCalendarRequest::default()).await;
    assert_eq!(all.time_zone, "America/Guayaquil");
    let periods: Vec<_> = all
        .periods
        .iter()
        .map(|due| (due.period.as_str(), due.last_day.as_str(), due.due_day.as_str()))
        .collect();
    // Ten working days after the quarter; 6 July is a holiday of the plan.
    assert_eq!(
        periods,
        [
            ("2026-Q1", "2026-03-31", "2026-04-14"),
            ("2026-Q2", "2026-06-30", "2026-07-15"),
            ("2026-Q3", "2026-09-30", "2026-10-14"),
            ("2026-Q4", "2026-12-31", "2027-01-14"),
        ]
    );
    assert_eq!(all.periods[1].due_time, Some(timestamp(at("2026-07-15 17:00"))));
    assert_eq!(all.entries.len(), 8);
    let second = all.entries.iter().find(|entry| entry.obligation == obligation("a1")).unwrap();
    assert_eq!(
        (second.action_code.as_str(), second.action_text_es.as_str()),
        ("P1", "Formar promotoras")
    );
    assert_eq!(second.state(), ObligationState::Open);

    let extend = async |covers: Covers, until: &str, emergency: bool, period: &str| {
        let request = GrantExtensionRequest {
            parent: "plans/vcm".into(),
            extension: Some(Extension {
                period: period.into(),
                covers: Some(covers),
                until: until.into(),
                emergency,
                legal_basis: "Acuerdo 12".into(),
                ..Extension::default()
            }),
            request_id: new_id(),
        };
        let answer = world.obligations().grant_extension(world.ask("coordinator", request)).await?;
        Ok::<_, tonic::Status>(answer.into_inner().obligations_moved)
    };
    assert_eq!(
        extend(Covers::Institution("institutions/msp".into()), "2026-07-24", false, "2026-Q2")
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        extend(Covers::All(true), "2026-07-20", false, "2026-Q2").await.unwrap(),
        1,
        "b1 only"
    );
    // What is overdue moves by an emergency only.
    assert_eq!(
        reason(&extend(Covers::All(true), "2026-07-30", false, "2026-Q1").await.unwrap_err()),
        "EXTENSION_MOVES_NOTHING"
    );
    assert_eq!(extend(Covers::All(true), "2026-07-30", true, "2026-Q1").await.unwrap(), 2);
    let waive = WaiveObligationRequest {
        name: "plans/vcm/assignments/b1/obligations/2026-Q3".into(),
        reason: "Estado de excepción".into(),
        request_id: new_id(),
    };
    world.obligations().waive_obligation(world.ask("coordinator", waive)).await.unwrap();

    let moved = preview(&world, "coordinator", PreviewCalendarRequest::default()).await;
    let expect = [
        ("b1 Q2", "2026-07-20"),
        ("a1 Q2", "2026-07-24"),
        ("a1 Q1", "2026-07-30"),
        ("b1 Q1", "2026-07-30"),
        ("a1 Q3", "2026-10-14"),
        ("b1 Q3", "2026-10-14"),
        ("a1 Q4", "2027-01-14"),
        ("b1 Q4", "2027-01-14"),
    ];
    assert_eq!(due_days(&moved), expect.map(|(name, day)| (name.to_owned(), day.to_owned())));
    assert_eq!(moved.entries[0].extension_positions.len(), 1);
    assert_eq!(moved.entries[0].calendar_due_time, Some(timestamp(at("2026-07-15 17:00"))));
    assert_eq!(moved.entries[5].state(), ObligationState::Waived);
    // The periods' own due instants stand.
    assert_eq!(moved.periods, all.periods);
}

#[tokio::test]
async fn an_institution_sees_its_own_and_pages_agree() {
    let world = World::start().await;
    let own = preview(&world, "msp", PreviewCalendarRequest::default()).await;
    assert_eq!(own.entries.len(), 4);
    assert!(own.entries.iter().all(|entry| entry.institution == "institutions/msp"));
    let asked = |institution: &str, page_size: i32, page_token: &str| PreviewCalendarRequest {
        institution: institution.into(),
        page_size,
        page_token: page_token.into(),
        ..PreviewCalendarRequest::default()
    };
    let other = preview(&world, "msp", asked("institutions/mies", 0, "")).await;
    assert_eq!(other.entries.len(), 0);
    let all = preview(&world, "coordinator", asked("", 100, "")).await;
    let first = preview(&world, "coordinator", asked("", 5, "")).await;
    let rest = preview(&world, "coordinator", asked("", 5, &first.next_page_token)).await;
    assert_eq!(
        (rest.next_page_token.as_str(), [first.entries, rest.entries].concat()),
        ("", all.entries)
    );
    let request = PreviewCalendarRequest {
        parent: "plans/otro".into(),
        ..PreviewCalendarRequest::default()
    };
    let unknown = world.obligations().preview_calendar(world.ask("msp", request)).await.unwrap_err();
    assert_eq!(reason(&unknown), "NOT_FOUND");
}
