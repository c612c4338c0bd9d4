//! Alerts over real sockets: who sees which, and what is done about them.

use tonic::Code;
use vigia_platform::new_id;
use vigia_proto::compliance::{
    AcknowledgeAlertRequest, Alert, GetAlertRequest, ListAlertsRequest, ListDeliveriesRequest, MuteObligationRequest, PreviewAlertsRequest,
    RedeliverDeliveryRequest, UnmuteObligationRequest, alert_service_client::AlertServiceClient,
};

use crate::{
    cast::Principal,
    compliance_tests::{Play, STORY, reason},
};

/// The second action's report of the first quarter was due by the end of 15 April and never came.
const LATE: &str = "plans/demo/assignments/a2/obligations/2026-Q1";

fn of(play: &Play, who: &str) -> AlertServiceClient<Principal> {
    AlertServiceClient::new(play.stage.cast.of(who).expect("somebody"))
}

async fn listed(play: &Play, who: &str, filter: &str) -> Vec<Alert> {
    let request = ListAlertsRequest {
        parent: "plans/demo".into(),
        filter: filter.into(),
        ..ListAlertsRequest::default()
    };
    of(play, who).list_alerts(request).await.expect("listed").into_inner().alerts
}

/// The alert of the late report, as its institution sees it.
async fn late(play: &Play) -> Alert {
    let mut all = listed(play, "mdg", &format!("subject = \"{LATE}\"")).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_institution_sees_its_own_alerts_and_the_coordinator_all() {
    let mut play = Play::of(STORY).await;
    play.until("2026-04-16 10:00").await;
    let late = late(&play).await;
    assert_eq!((late.rule().as_str_name(), late.threshold), ("ALERT_RULE_REPORT", 1));
    assert_eq!(
        (late.text_es.as_str(), late.text_en.as_str()),
        (
            "2026-Q1, acción A2, mdg (1701): el reporte está atrasado; vencía al terminar el 15 de abril de 2026.",
            "2026-Q1, action A2, mdg (1701): the report is overdue; it was due at the end of 15 April 2026."
        )
    );
    assert_eq!(
        (late.owner.as_str(), &late.recipients_without_address),
        ("institutions/mdg", &late.recipients)
    );
    assert!(
        listed(&play, "mdg", "")
            .await
            .iter()
            .all(|alert| alert.recipients.contains(&"institutions/mdg".to_owned()))
    );
    assert!(
        listed(&play, "msp", "")
            .await
            .iter()
            .all(|alert| alert.recipients.contains(&"institutions/msp".to_owned()))
    );
    let all = listed(&play, "coordinator", "").await;
    assert!(all.contains(&late));
    let rules: std::collections::BTreeSet<_> = all.iter().map(|alert| alert.rule().as_str_name()).collect();
    assert!(rules.contains("ALERT_RULE_NO_ADDRESS"), "nobody has an address: {rules:?}");
    // One by one, by name; another institution's reads as not there.
    let get = GetAlertRequest {
        name: late.name.clone(),
        as_of: None,
    };
    let got = of(&play, "mdg").get_alert(get.clone()).await.expect("read").into_inner();
    assert_eq!(got.alert.as_ref(), Some(&late));
    let status = of(&play, "msp").get_alert(get.clone()).await.expect_err("not its own");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "NOT_FOUND"));
    // Filters, and pages that agree.
    let filter = "rule = REPORT AND subject = \"plans/demo/assignments/a2/*\" AND threshold = 1";
    assert_eq!(listed(&play, "coordinator", filter).await, std::slice::from_ref(&late));
    assert_eq!(listed(&play, "coordinator", "muted = true").await, []);
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListAlertsRequest {
            parent: "plans/demo".into(),
            page_size: 1,
            page_token: token,
            ..ListAlertsRequest::default()
        };
        let page = of(&play, "coordinator").list_alerts(request).await.expect("a page").into_inner();
        paged.extend(page.alerts);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_taken_up_once_and_while_it_stands() {
    let mut play = Play::of(STORY).await;
    play.until("2026-04-16 10:00").await;
    let request = AcknowledgeAlertRequest {
        name: late(&play).await.name,
        note: "Se enviará esta semana.".into(),
        request_id: new_id(),
    };
    let anew = || AcknowledgeAlertRequest {
        request_id: new_id(),
        ..request.clone()
    };
    let status = of(&play, "auditor").acknowledge_alert(anew()).await.expect_err("only reads");
    assert_eq!(status.code(), Code::PermissionDenied);
    let status = of(&play, "msp").acknowledge_alert(anew()).await.expect_err("another's");
    assert_eq!(reason(&status), "NOT_FOUND");
    let first = of(&play, "mdg")
        .acknowledge_alert(request.clone())
        .await
        .expect("taken up")
        .into_inner();
    let again = of(&play, "mdg")
        .acknowledge_alert(request.clone())
        .await
        .expect("the same")
        .into_inner();
    assert_eq!(first, again);
    let status = of(&play, "mdg").acknowledge_alert(anew()).await.expect_err("already");
    assert_eq!(reason(&status), "STATE_CONFLICT");
    let shown = listed(&play, "coordinator", "acknowledged = true").await;
    assert_eq!(shown[0].acknowledgement, first.acknowledgement);
    // Two weeks later it is another alert, which nobody has taken up; the old one is resolved.
    play.until("2026-05-01 10:00").await;
    let later = late(&play).await;
    assert_eq!((later.threshold, later.acknowledgement), (15, None));
    for who in ["mdg", "coordinator"] {
        let status = of(&play, who).acknowledge_alert(anew()).await.expect_err("resolved");
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::FailedPrecondition, "STATE_CONFLICT"),
            "{who}"
        );
    }
    let status = of(&play, "msp").acknowledge_alert(anew()).await.expect_err("another's");
    assert_eq!(reason(&status), "NOT_FOUND");
    let again = of(&play, "mdg")
        .acknowledge_alert(request.clone())
        .await
        .expect("the first answer")
        .into_inner();
    assert_eq!(first, again);
    for (chars, expect) in [(1000, "NOT_FOUND"), (1001, "INVALID_FIELDS")] {
        let unknown = AcknowledgeAlertRequest {
            name: format!("plans/demo/alerts/{}", new_id()),
            note: "x".repeat(chars),
            request_id: new_id(),
        };
        let status = of(&play, "coordinator").acknowledge_alert(unknown).await.expect_err("never was");
        assert_eq!(reason(&status), expect);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_obligation_is_muted_with_a_reason_and_shows_it() {
    let mut play = Play::of(STORY).await;
    play.until("2026-04-16 10:00").await;
    let mute = |obligation: &str, reason: &str| MuteObligationRequest {
        obligation: obligation.into(),
        reason: reason.into(),
        request_id: new_id(),
    };
    let status = of(&play, "mdg")
        .mute_obligation(mute(LATE, "En litigio"))
        .await
        .expect_err("not its business");
    assert_eq!(status.code(), Code::PermissionDenied);
    for (obligation, given, expect) in [
        ("plans/demo/assignments/a2/obligations/2031-Q1", "r", "NOT_FOUND"),
        ("plans/demo/actions/a2", "r", "NOT_FOUND"),
        (LATE, "", "INVALID_FIELDS"),
    ] {
        let status = of(&play, "coordinator")
            .mute_obligation(mute(obligation, given))
            .await
            .expect_err("refused");
        assert_eq!(reason(&status), expect, "{obligation}");
    }
    let request = mute(LATE, "En litigio");
    let muted = of(&play, "coordinator")
        .mute_obligation(request.clone())
        .await
        .expect("muted")
        .into_inner();
    let again = of(&play, "coordinator")
        .mute_obligation(request)
        .await
        .expect("the same")
        .into_inner();
    assert_eq!(muted, again);
    let status = of(&play, "coordinator")
        .mute_obligation(mute(LATE, "Otra vez"))
        .await
        .expect_err("already");
    assert_eq!(reason(&status), "STATE_CONFLICT");
    assert_eq!(late(&play).await.mute, muted.mute);
    // As of the day before it was not.
    let before = play.wire("2026-04-16 09:00");
    let request = ListAlertsRequest {
        parent: "plans/demo".into(),
        as_of: Some(before),
        ..ListAlertsRequest::default()
    };
    let before = of(&play, "mdg").list_alerts(request).await.expect("listed").into_inner().alerts;
    assert!(before.iter().any(|alert| alert.subject == LATE) && before.iter().all(|alert| alert.mute.is_none()));
    let unmute = || UnmuteObligationRequest {
        obligation: LATE.into(),
        reason: "Se resolvió".into(),
        request_id: new_id(),
    };
    of(&play, "coordinator").unmute_obligation(unmute()).await.expect("unmuted");
    let status = of(&play, "coordinator").unmute_obligation(unmute()).await.expect_err("it is not");
    assert_eq!(reason(&status), "STATE_CONFLICT");
    assert_eq!(late(&play).await.mute, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_come_is_foreseen() {
    let mut play = Play::of(STORY).await;
    play.until("2026-04-05 09:00").await;
    let request = PreviewAlertsRequest {
        parent: "plans/demo".into(),
        days: 12,
        ..PreviewAlertsRequest::default()
    };
    let ahead = of(&play, "mdg")
        .preview_alerts(request.clone())
        .await
        .expect("foreseen")
        .into_inner()
        .alerts;
    let thresholds: Vec<_> = ahead.iter().map(|alert| (alert.subject.as_str(), alert.threshold)).collect();
    assert_eq!(thresholds, [(LATE, -7), (LATE, -1), (LATE, 0), (LATE, 1)]);
    // It comes as it was foreseen, by the same name.
    play.until("2026-04-16 10:00").await;
    let come = late(&play).await;
    assert_eq!((&come.name, &come.text_es), (&ahead[3].name, &ahead[3].text_es));
    for (days, expect) in [(366, ""), (367, "INVALID_FIELDS"), (-1, "INVALID_FIELDS")] {
        let request = PreviewAlertsRequest { days, ..request.clone() };
        let asked = of(&play, "mdg").preview_alerts(request).await;
        let refused = asked.err().map(|status| reason(&status)).unwrap_or_default();
        assert_eq!(refused, expect, "{days}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_configured_nothing_is_sent_and_that_is_shown() {
    let mut play = Play::of(STORY).await;
    play.until("2026-04-16 10:00").await;
    let told = of(&play, "coordinator").list_deliveries(ListDeliveriesRequest::default()).await;
    let told = told.expect("listed").into_inner();
    assert_eq!((told.deliveries.len(), told.email_configured, told.webhooks.len()), (0, false, 0));
    let request = RedeliverDeliveryRequest {
        name: "deliveries/none".into(),
        reason: "r".into(),
        request_id: new_id(),
    };
    let status = of(&play, "coordinator")
        .redeliver_delivery(request)
        .await
        .expect_err("there is none");
    assert_eq!(reason(&status), "NOT_FOUND");
    let bad = ListDeliveriesRequest {
        filter: "office = x".into(),
        ..ListDeliveriesRequest::default()
    };
    let status = of(&play, "coordinator").list_deliveries(bad).await.expect_err("no such field");
    assert_eq!(reason(&status), "FILTER_INVALID");
}
