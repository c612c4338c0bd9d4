//! `vigia outages`: when reports could not be taken.

use anyhow::Result;
use jiff::tz::TimeZone;
use vigia_platform::instant;
use vigia_proto::reporting::{ListOutagesRequest, Outage, OutageKind, obligation_service_client::ObligationServiceClient};

use crate::{
    access::Access,
    ask,
    commands::plan_name,
    lang::{Lang, lang, say},
    output,
    refused::told,
};

/// Rows of a page: the most that a server gives.
const PAGE: i32 = 1_000;

/// Lists them in the time of a plan.
pub async fn list(access: &Access, plan: &str, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let (_, zone) = ask::plan(&principal, &plan_name(plan)).await?;
    let mut client = ObligationServiceClient::new(principal);
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListOutagesRequest {
            page_size: PAGE,
            page_token,
        };
        let answer = client.list_outages(request).await.map_err(told)?.into_inner();
        all.extend(answer.outages);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if json {
        let list: Result<Vec<_>> = all.iter().map(|one| output::value("vigia.reporting.v1.Outage", one)).collect();
        return output::json(&list?);
    }
    if all.is_empty() {
        output::line(say(
            "No consta ninguna interrupción del servicio.",
            "No outage of the service is on record.",
        ));
    }
    for one in &all {
        output::line(&line(one, &zone, lang()));
    }
    Ok(())
}

fn line(outage: &Outage, zone: &TimeZone, lang: Lang) -> String {
    let [start, end] = [&outage.start_time, &outage.end_time].map(|time| {
        let time = time.as_ref().and_then(instant);
        time.map(|time| zone.to_datetime(time).strftime("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_default()
    });
    let what = match outage.kind() {
        OutageKind::Unavailable => lang.say("fuera de servicio", "down").to_owned(),
        OutageKind::Shedding => format!("{}: {}", lang.say("llamadas rechazadas", "calls refused"), outage.refused_calls),
        OutageKind::Unspecified => String::new(),
    };
    format!("{start} – {end} · {what} · {}", outage.name)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use vigia_platform::timestamp;

    use super::*;

    #[test]
    fn a_line_says_from_when_until_when_and_how() {
        let zone = TimeZone::get("America/Guayaquil").expect("a zone");
        let at = |text: &str| Some(timestamp(text.parse().expect("an instant")));
        let mut outage = Outage {
            name: "outages/a".to_owned(),
            kind: OutageKind::Unavailable.into(),
            start_time: at("2026-07-16T03:55:10Z"),
            end_time: at("2026-07-16T05:01:00Z"),
            ..Outage::default()
        };
        assert_snapshot!(line(&outage, &zone, Lang::Es), @"2026-07-15 22:55:10 – 2026-07-16 00:01:00 · fuera de servicio · outages/a");
        outage.set_kind(OutageKind::Shedding);
        outage.refused_calls = 12;
        assert_snapshot!(line(&outage, &zone, Lang::En), @"2026-07-15 22:55:10 – 2026-07-16 00:01:00 · calls refused: 12 · outages/a");
    }
}
