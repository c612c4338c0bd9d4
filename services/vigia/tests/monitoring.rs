//! The monitoring commands against a real server: the report, the call sheet, and a watch that goes on after a break.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "what institutions' tests need of it is more")]
mod office;

use std::{
    fs,
    io::{BufRead, BufReader},
};

use office::{Office, PASSWORD, PLAN};

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

#[tokio::test(flavor = "multi_thread")]
async fn the_governing_body_sees_what_needs_somebody_and_takes_it_up() {
    let office = Office::open(2).await;
    let una = |arguments: &[&str]| office.person("una", PASSWORD, &[&["alerts"][..], arguments].concat());
    let done = |told: office::Told| {
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:?}");
        told
    };
    let names = |told: &office::Told| -> Vec<String> {
        let answer = told.json();
        let all = answer["alerts"].as_array().unwrap().iter();
        all.map(|alert| alert["name"].as_str().unwrap().to_owned()).collect()
    };

    // What stands: both reports are late, and nobody at the ministry can be written to.
    let all = done(una(&["ejemplo"]));
    assert!(
        all.out.starts_with("2026-04-16 00:00 · reporte · institutions/msp\n  2026-Q1, acción A1, Ministerio msp: el reporte está atrasado; vencía al terminar el 15 de abril de 2026.\n")
            && all.out.contains(" · sin dirección: institutions/msp\n")
            && all.out.contains(" · punto focal sin dirección · institución rectora, que el plan no nombra\n")
            && all.out.contains("\n3 alertas\nal 2026-04-20T"),
        "{all:?}"
    );
    let late = names(&done(una(&[
        "ejemplo",
        "--overdue",
        "--open",
        "--institution",
        "msp",
        "-o",
        "json",
    ])));
    assert_eq!(late.len(), 2, "{late:?}");
    let first = names(&done(una(&["ejemplo", "--rule", "report", "--action", "a1", "-o", "json"])));
    assert_eq!(first, late[..1]);
    let before = done(una(&["ejemplo", "--overdue", "--as-of", "2026-04-15"]));
    assert!(
        before.out.starts_with("Nada de esto necesita a nadie.\nal 2026-04-15T"),
        "{before:?}"
    );
    // Institutions see what is for them.
    assert_eq!(names(&done(office.run("msp", &["alerts", "ejemplo", "-o", "json"]))), late);
    assert_eq!(names(&done(office.run("mineduc", &["alerts", "ejemplo", "-o", "json"]))).len(), 0);

    let shown = done(una(&["show", &late[0]]));
    let obligation = format!("{PLAN}/assignments/a1/obligations/2026-Q1");
    for part in [
        "  regla: reporte (REPORT), 1\n",
        &format!("  sobre: {obligation}\n"),
        "  se cuenta desde: 2026-04-16 00:00\n",
        "  avisados: nadie\n",
        &format!("  tomada por: nadie todavía (vigia alerts acknowledge {})\n", late[0]),
    ] {
        assert!(shown.out.contains(part), "{part}: {shown:?}");
    }

    // What will come: on 30 April, the fifteenth late day, each is said again; nothing before.
    let ahead = done(una(&["preview", "ejemplo", "--until", "2026-04-30"]));
    assert!(
        ahead.out.starts_with("2026-04-30 00:00 · reporte · institutions/msp\n")
            && ahead.out.contains("lleva 15 días de atraso o más")
            && ahead.out.contains("\n2 por venir"),
        "{ahead:?}"
    );
    assert_eq!(names(&done(una(&["preview", "ejemplo", "--days", "9", "-o", "json"]))).len(), 0);
    let none = done(una(&["preview", "ejemplo", "--until", "2026-04-29"]));
    assert!(none.out.starts_with("Hasta entonces no vendrá nada.\n"), "{none:?}");

    // The institution takes one up; the other is muted, with a reason.
    let taken = done(office.run("msp", &["alerts", "acknowledge", &late[0], "--note", "Se enviará el lunes"]));
    assert!(taken.out.contains(": tomada; "), "{taken:?}");
    let other = format!("{PLAN}/assignments/a2/obligations/2026-Q1");
    assert!(
        done(una(&["mute", &other, "--reason", "En litigio"]))
            .out
            .contains(": silenciada; ")
    );
    assert_eq!(names(&done(una(&["ejemplo", "--overdue", "--open", "-o", "json"]))).len(), 0);
    let shown = done(una(&["show", &late[0]]));
    assert!(
        shown.out.contains("  tomada por: clients/msp · 2026-04-20 10:") && shown.out.contains(" · Se enviará el lunes\n"),
        "{shown:?}"
    );
    let muted = done(una(&["ejemplo", "--filter", "muted = true"]));
    assert!(
        muted.out.contains(" · silenciada: En litigio\n") && muted.out.contains("\n1 alerta\n"),
        "{muted:?}"
    );
    done(una(&["unmute", &other, "--reason", "Hubo sentencia"]));
    assert_eq!(names(&done(una(&["ejemplo", "--overdue", "--open", "-o", "json"]))), late[1..]);

    let unsent = done(una(&["deliveries"]));
    assert!(unsent.out.contains("No hay configurada ninguna manera de avisar"), "{unsent:?}");
    let wrong = format!("{PLAN}/alerts/ninguna");
    for (arguments, code, said) in [
        (&["show", &wrong][..], 1, "NOT_FOUND"),
        (&["acknowledge", &late[0]], 1, "STATE_CONFLICT"),
        (&["unmute", &other, "--reason", "otra vez"], 1, "STATE_CONFLICT"),
        (&["redeliver", "ninguno", "--reason", "r"], 1, "NOT_FOUND"),
        (&["ejemplo", "--filter", "color = rojo"], 1, "FILTER_INVALID"),
        (&["otro"], 1, "NOT_FOUND"),
        (&["ejemplo", "--rule", "late"], 2, "report, review, answer"),
        (&["ejemplo", "--as-of", "mañana"], 2, "no es una fecha"),
        (&["show", &obligation], 2, "plans/{plan}/alerts/{id}"),
        (&["mute", &late[1], "--reason", "r"], 2, "vigia alerts show"),
        (&["mute", &other], 2, "--reason"),
        (&["preview", "ejemplo", "--until", "2026-04-19"], 2, "ya pasó"),
        (&["preview", "ejemplo", "--until", "2028-01-01"], 2, "un año"),
        (&[], 2, "<PLAN>"),
    ] {
        let refused = una(arguments);
        assert_eq!((refused.code, refused.out.as_str()), (code, ""), "{arguments:?}: {refused:?}");
        assert!(refused.err.contains(said), "{arguments:?}: {refused:?}");
    }
    // Only the governing body mutes.
    let refused = office.run("msp", &["alerts", "mute", &obligation, "--reason", "r"]);
    assert_eq!(refused.code, 1, "{refused:?}");
}
