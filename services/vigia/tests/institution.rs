//! The command line of an institution against a real server: from the first key to the receipt.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "what the monitoring tests need of it is more")]
mod office;
#[path = "office/sheet.rs"]
mod sheet;

use std::{fs, os::unix::fs::PermissionsExt};

use insta::assert_snapshot;
use office::{Office, PLAN};
use sheet::{Sheet, fill};
use vigia_proto::reporting::Decision;

fn obligation(i: usize) -> String {
    format!("{PLAN}/assignments/a{i}/obligations/2026-Q1")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_official_reports_with_a_spreadsheet() {
    let mut office = Office::open(3).await;

    // What is owed, what is due soonest first; and what will be owed this year.
    let owed = office.run("msp", &["obligations"]);
    assert_snapshot!(owed.out, @r"
    vence antes de    queda  estado   período  acción                        obligación                                       
    2026-04-16 00:00  -4 d   vencida  2026-Q1  A1      =Formar promotoras 1  plans/ejemplo/assignments/a1/obligations/2026-Q1 
    2026-04-16 00:00  -4 d   vencida  2026-Q1  A2      =Formar promotoras 2  plans/ejemplo/assignments/a2/obligations/2026-Q1 
    2026-04-16 00:00  -4 d   vencida  2026-Q1  A3      =Formar promotoras 3  plans/ejemplo/assignments/a3/obligations/2026-Q1
    ");
    let all = office.run("msp", &["obligations", "--all", "-o", "json"]).json();
    assert_eq!(all.as_array().unwrap().len(), 12);
    assert_snapshot!(office.run("msp", &["calendar"]).out, @r"
    Plan de ejemplo · America/Guayaquil
     vence antes de    período  institución       reportes  por recibir 
     2026-04-16 00:00  2026-Q1  institutions/msp  3         3           
     2026-07-16 00:00  2026-Q2  institutions/msp  3         3           
     2026-10-16 00:00  2026-Q3  institutions/msp  3         3           
     2027-01-16 00:00  2026-Q4  institutions/msp  3         3
    ");
    let ical = office.run("msp", &["calendar", "--period", "2026-Q2", "--ical"]).out;
    assert!(
        ical.contains("DTSTART;VALUE=DATE:20260715") && ical.matches("BEGIN:VEVENT").count() == 1,
        "{ical}"
    );

    // A template; one that is there is never overwritten.
    let template = office.run("msp", &["template", "t1.xlsx"]);
    assert_snapshot!(template.out, @r"
    Obligaciones: 3 · indicadores: 6 · hitos: 3
    t1.xlsx
    Llene las celdas amarillas y ejecute: vigia check 't1.xlsx'
    ");
    let again = office.run("msp", &["template", "t1.xlsx"]);
    assert_eq!((again.code, again.err.contains("ya existe")), (1, true), "{again:?}");

    // An empty one has nothing wrong, and nothing to send.
    let empty = office.run("msp", &["check", "t1.xlsx"]);
    assert_eq!(empty.code, 0, "{empty:?}");
    assert_snapshot!(empty.out, @r"
    Sin fallas. Reportes: 0 · valores: 0 · hitos: 0
    Obligaciones vacías, que no se envían: 3
    ");

    // Filled in, with a slip: nothing is sent, and the cell is named.
    let path = office.path("t1.xlsx");
    fill(
        &path,
        &[
            (Sheet::Reports, "I2", "Dos talleres en Manabí"),
            (Sheet::Reports, "K2", "MSP-2026-0012-O"),
            (Sheet::Indicators, "H2", "90"),
            (Sheet::Indicators, "H3", "1.234"),
            (Sheet::Milestones, "G2", "sí"),
            (Sheet::Reports, "J3", "Sin presupuesto todavía"),
        ],
    );
    let slip = office.run("msp", &["submit", "t1.xlsx"]);
    assert_eq!(slip.code, 1);
    assert_snapshot!(slip.out, @r"
    Hay una falla; no se envió nada:
      Indicadores!H3: «1.234» puede leerse de dos maneras. Si es 1234, escriba 1234; si son decimales, escriba 1,2340.
    ");
    assert!(!fs::exists(office.path("t1.resultado.json")).unwrap());
    fill(&path, &[(Sheet::Indicators, "H3", "75,5")]);
    let good = office.run("msp", &["check", "t1.xlsx"]);
    assert_eq!(good.code, 0, "{good:?}");
    assert_snapshot!(good.out, @r"
    Sin fallas. Reportes: 2 · valores: 2 · hitos: 1
    Obligaciones vacías, que no se envían: 1
    Se acepta, pero está incompleto o llama la atención:
      Reportes!A2: No nombra ningún medio de verificación.
    Para enviarlo: vigia submit 't1.xlsx'
    ");

    // Sent; sent again, nothing doubles and the receipts are the same.
    let sent = office.run("msp", &["submit", "t1.xlsx", "-o", "json"]).json();
    assert_eq!(
        (&sent["received"], &sent["empty"], &sent["refused"]),
        (&2.into(), &1.into(), &0.into())
    );
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(office.path("t1.resultado.json")).unwrap()).unwrap();
    assert_eq!(kept["reports"], sent["reports"]);
    let again = office.run("msp", &["submit", "t1.xlsx"]);
    assert_eq!(again.code, 0);
    assert_snapshot!(again.out, @r"
    Recibidos: 0 · ya estaban: 2 · rechazados: 0 · sin llenar: 1
    comprobantes: t1.resultado.xlsx
    comprobantes: t1.resultado.json
    ");
    let again = office.run("msp", &["submit", "t1.xlsx", "-o", "json"]).json();
    assert_eq!(again["reports"][0]["receipt"], sent["reports"][0]["receipt"]);
    assert!(fs::metadata(office.path("t1.resultado.xlsx")).unwrap().len() > 1_000);

    // The receipt says the same as the result.
    let receipt = office.run("msp", &["receipt", &obligation(1), "-o", "json"]).json();
    let position = sent["reports"][0]["receipt"]["position"].as_i64().unwrap();
    assert_eq!(receipt["position"], position.to_string());
    assert_eq!(receipt["report"]["letter_number"], "MSP-2026-0012-O");
    let text = office.run("msp", &["receipt", &obligation(1)]).out;
    assert!(
        text.contains(sent["reports"][0]["receipt"]["leaf_hash"].as_str().unwrap()),
        "{text}"
    );
    let nothing = office.run("msp", &["receipt", &obligation(3)]);
    assert_eq!(nothing.code, 1);

    // Changed after it was received: refused, unless it is meant to replace what is there.
    fill(&path, &[(Sheet::Indicators, "H2", "95")]);
    let changed = office.run("msp", &["submit", "t1.xlsx"]);
    assert_eq!(changed.code, 1);
    assert_snapshot!(changed.out, @r"
    Hay una falla; no se envió nada:
      Reportes!A2: después de hecha la plantilla se recibió la versión 1, con otro contenido. Si quiere reemplazarla con lo que dice esta fila, envíe con --replace; si no, vacíe la fila.
    ");
    let replaced = office.run("msp", &["submit", "t1.xlsx", "--replace", "-o", "json"]).json();
    assert_eq!((&replaced["received"], &replaced["already_received"]), (&1.into(), &1.into()));

    // Returned by the reviewer: the status says what is asked for; the same again is no answer, another one is.
    office
        .review(
            &obligation(2),
            Decision::Returned,
            "2026-05-10",
            "Diga desde cuándo no hay presupuesto.",
        )
        .await;
    let status = office.run("msp", &["status"]);
    assert_eq!(status.code, 1);
    assert_snapshot!(status.out, @r"
    plans/ejemplo: 12 obligaciones
     período  abierta  vencida  devuelta  devuelta y vencida  presentada  validada  dispensada 
     2026-Q1  ·        1        1         ·                   1           ·         ·          
    lo más urgente: antes de 2026-04-16 00:00 (-4 d): plans/ejemplo/assignments/a3/obligations/2026-Q1
    devuelta: plans/ejemplo/assignments/a2/obligations/2026-Q1 · responder antes de 2026-05-11 00:00
      Diga desde cuándo no hay presupuesto.
    ");
    let same = office.run("msp", &["check", "t1.xlsx"]);
    assert_eq!(same.code, 1);
    assert_snapshot!(same.out, @r"
    Hay una falla; no se envió nada:
      Reportes!A3: la versión 1 fue devuelta con observaciones, y la fila dice lo mismo. «vigia status» muestra las observaciones; corrija lo que piden.
    ");
    let answer = office.run("msp", &["template", "t2.xlsx"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    fill(
        &office.path("t2.xlsx"),
        &[(Sheet::Reports, "J3", "Sin presupuesto desde el 2 de enero")],
    );
    let answered = office.run("msp", &["submit", "t2.xlsx", "-o", "json"]).json();
    assert_eq!(answered["received"], 1, "{answered}");
    assert!(
        answered["reports"][0]["receipt"]["report"]
            .as_str()
            .unwrap()
            .ends_with("/reports/2")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ones_own_is_refused_before_anything_is_sent() {
    let office = Office::open(1).await;
    assert_eq!(office.run("msp", &["template", "t1.xlsx"]).code, 0);
    fill(&office.path("t1.xlsx"), &[(Sheet::Indicators, "H2", "90")]);

    // Another institution's client; it owes nothing itself.
    let stranger = office.run("mineduc", &["submit", "t1.xlsx"]);
    assert_eq!(stranger.code, 1);
    assert_snapshot!(stranger.out, @r"
    Hay una falla; no se envió nada:
      la plantilla es de institutions/msp, y usted reporta por institutions/mineduc. Use la plantilla de su institución: «vigia template» la hace.
    ");
    let nothing = office.run("mineduc", &["template"]);
    assert_eq!(nothing.code, 1);
    assert_snapshot!(nothing.err, @"vigia: no se debe ningún reporte en ningún plan");
    let hidden = office.run("mineduc", &["receipt", &obligation(1)]);
    assert_eq!(hidden.code, 1);

    // Another server's address.
    let address = office.address.replace("127.0.0.1", "localhost");
    let elsewhere = office.vigia(&["check", "t1.xlsx", "--server", &address, "--client", "msp", "--key", "msp.pem"]);
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&elsewhere.stdout).contains("es del servidor"));

    // A key that others can read, and no key at all.
    fs::set_permissions(office.path("msp.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let open = office.run("msp", &["obligations"]);
    assert_eq!(open.code, 2);
    assert_snapshot!(open.err, @r"
    vigia: msp.pem: otras personas de este equipo pueden leer la clave (permisos 644); ciérrela con: chmod 600 'msp.pem'
    ");
    fs::set_permissions(office.path("msp.pem"), fs::Permissions::from_mode(0o600)).unwrap();

    // What `vigia login` has kept is enough for the other commands.
    let login = office.run("msp", &["login"]);
    assert_eq!(login.code, 0, "{login:?}");
    assert_snapshot!(login.out, @"clients/msp · [server] · head institutions/msp");
    let owed = office.vigia(&["obligations", "-o", "json"]);
    assert!(owed.status.success() && owed.stdout.starts_with(b"["), "{owed:?}");

    // Without a server the file itself is still looked through.
    let offline = office.vigia(&["check", "t1.xlsx", "--offline"]);
    assert!(offline.status.success(), "{offline:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_goes_on_after_a_power_cut_and_nothing_doubles() {
    let mut office = Office::open(160).await;
    assert_eq!(office.run("msp", &["template", "t1.csv"]).code, 0);
    let indicators = office.path("t1.indicadores.csv");
    let text = fs::read_to_string(&indicators).unwrap();
    fs::write(&indicators, text.replace("2026-12-31;;", "2026-12-31;12,5;")).unwrap();

    // The server dies while the reports go out, at whatever point, and comes back.
    let mut sending = office.start_run("msp", &["submit", "t1.csv", "-o", "json"]);
    office.wait_for_reports(10).await;
    office.stop();
    office.start().await;
    let first = sending.wait().unwrap();
    // It has waited for the server, or given up: running it again brings all to its end.
    let again = office.run("msp", &["submit", "t1.csv", "-o", "json"]);
    assert_eq!(again.code, 0, "{first:?} {again:?}");
    let again = again.json();
    assert_eq!(
        again["received"].as_u64().unwrap() + again["already_received"].as_u64().unwrap(),
        160,
        "{again}"
    );
    let owed = office
        .run("msp", &["obligations", "--period", "2026-Q1", "--all", "-o", "json"])
        .json();
    let versions: Vec<i64> = owed
        .as_array()
        .unwrap()
        .iter()
        .map(|owed| owed["version"].as_i64().unwrap())
        .collect();
    assert_eq!(versions, [1; 160]);
}
