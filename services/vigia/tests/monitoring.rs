//! The monitoring commands against a real server: the report, the call sheet, and a watch that goes on after a break.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "what institutions' tests need of it is more")]
mod office;

use std::{
    fs,
    io::{BufRead, BufReader},
};

use office::{Office, PLAN};

#[tokio::test(flavor = "multi_thread")]
async fn the_governing_body_prints_a_report_and_knows_whom_to_call() {
    let office = Office::open(2).await;
    let written = office.run("msp", &["report", "ejemplo", "--compare", "2026-04-01", "--file", "informe.html"]);
    assert_eq!((written.code, written.out.as_str()), (0, "escrito: informe.html\n"), "{written:?}");
    let page = fs::read_to_string(office.path("informe.html")).unwrap();
    assert!(
        page.starts_with("<!DOCTYPE html><html lang=\"es\">") && page.contains("<svg") && page.contains("Quién está en mora"),
        "{page}"
    );
    let english = office.run("msp", &["report", PLAN, "--language", "en"]);
    assert!(
        english.out.starts_with("# Compliance report") && english.out.contains("## Who is late"),
        "{english:?}"
    );
    let told = office.run("msp", &["report", "ejemplo", "-o", "json"]).json();
    assert_eq!(
        (told["late"].as_array().unwrap().len(), &told["basis"]["simulated"]),
        (2, &false.into())
    );
    for (arguments, code) in [
        (["report", "ejemplo", "--as-of", "mañana"], 2),
        (["report", "ejemplo", "--as-of", "2027-01-01"], 1),
        (["report", "ejemplo", "--format", "pdf"], 2),
        (["report", "otro", "--language", "en"], 1),
    ] {
        let refused = office.run("msp", &arguments);
        assert_eq!((refused.code, refused.out.as_str()), (code, ""), "{refused:?}");
    }

    // The office was closed between January and April.
    let away = office.run("msp", &["outages", "ejemplo"]);
    let (start, rest) = away.out.split_once(" – ").unwrap();
    assert!(start.starts_with("2026-01-05 10:00:"), "{away:?}");
    assert!(
        rest.starts_with("2026-04-20 10:00:") && rest.contains(" · fuera de servicio · outages/"),
        "{away:?}"
    );
    let away: serde_json::Value = serde_json::from_str(&office.run("msp", &["outages", "ejemplo", "-o", "json"]).out).unwrap();
    assert_eq!(away[0]["kind"], "OUTAGE_KIND_UNAVAILABLE");
    let sheet = office.run("msp", &["call-sheet", "ejemplo"]);
    let lines: Vec<_> = sheet.out.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines.len(), 3, "{sheet:?}");
    assert!(lines[0].starts_with("institución;hoy responde;punto focal;"), "{sheet:?}");
    // The text of the action begins with `=`: no spreadsheet reckons it.
    assert!(
        lines[1].contains(";A1;'=Formar promotoras 1;2026-Q1;vencido;2026-04-16 00:00;4;"),
        "{sheet:?}"
    );
    let book = office.run("msp", &["call-sheet", "ejemplo", "-f", "llamadas.xlsx"]);
    assert_eq!(book.code, 0, "{book:?}");
    assert!(fs::read(office.path("llamadas.xlsx")).unwrap().starts_with(b"PK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_where_it_broke_off() {
    let mut office = Office::open(2).await;
    let mut watch = office.start_piped("msp", &["watch", "ejemplo", "-o", "json"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let names = |value: &serde_json::Value, key: &str| -> Vec<String> {
        let all = value[key].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().or(one.as_str()).unwrap().to_owned()).collect()
    };
    let first = next();
    let late = |i: u8| format!("{PLAN}/assignments/a{i}/obligations/2026-Q1");
    let told = names(&first, "verdicts");
    assert!(
        told.contains(&late(1)) && told.contains(&late(2)) && !first["resume_token"].as_str().unwrap().is_empty(),
        "{first}"
    );
    // The server is cut off and comes back; what happened since, and only that, is told.
    office.stop();
    office.start().await;
    office.submit(&late(1)).await;
    let mut removed = Vec::new();
    while !removed.contains(&late(1)) {
        let further = next();
        removed.extend(names(&further, "removed"));
        assert!(
            !names(&further, "verdicts").contains(&late(2)),
            "nothing about it has changed: {further}"
        );
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
}
