//! The command line of an institution against a real server: from the first key to the receipt.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "what the monitoring tests need of it is more")]
mod office;
#[path = "office/sheet.rs"]
mod sheet;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use insta::assert_snapshot;
use office::{Office, PLAN};
use sha2::Digest as _;
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
    Obligaciones: 3 · indicadores: 6 · hitos: 3 · partidas: 0
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

    // Faults are told in the reader's language, those of the file and those of the server.
    let told_in = |language: &str, file: &str| {
        let told = office.vigia_in(
            language,
            &["check", file, "--server", &office.address, "--client", "msp", "--key", "msp.pem"],
        );
        (told.status.code(), String::from_utf8_lossy(&told.stdout).into_owned())
    };
    fs::copy(office.path("t1.xlsx"), office.path("t2.xlsx")).unwrap();
    fill(&office.path("t2.xlsx"), &[(Sheet::Indicators, "H2", "1.234")]);
    for (language, file, sentence) in [
        ("es_EC.UTF-8", "t2.xlsx", "puede leerse de dos maneras"),
        ("en_US.UTF-8", "t2.xlsx", "can be read in two ways"),
        ("es_EC.UTF-8", "t1.xlsx", "No nombra ningún medio de verificación"),
        ("en_US.UTF-8", "t1.xlsx", "It names no evidence"),
    ] {
        let (code, told) = told_in(language, file);
        assert_eq!(code, Some(i32::from(file == "t2.xlsx")), "{told}");
        assert!(told.contains(sentence), "{language} {told}");
    }

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

/// A PDF of this size, as far as its beginning tells: random, so that nothing in it looks like anything.
fn large(bytes: usize) -> Vec<u8> {
    let mut large = b"%PDF-1.7\n".to_vec();
    let mut state = 1_u64;
    while large.len() < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        large.extend_from_slice(&state.to_be_bytes());
    }
    large.truncate(bytes);
    large
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_cleaned_uploaded_and_named_by_the_report() {
    let mut office = Office::open(1).await;
    let given = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evidence").join(name);
    for name in ["picture.jpg", "acta.docx"] {
        fs::copy(given(name), office.path(name)).unwrap();
    }
    fs::write(office.path("cifrado.pdf"), b"%PDF-1.7\ntrailer <</Encrypt 9 0 R>>").unwrap();
    fs::write(office.path("lista.zip"), b"PK\x03\x04").unwrap();
    fs::write(office.path("nada.txt"), b"").unwrap();
    let owed = obligation(1);
    let add = [
        "evidence",
        "add",
        "--obligation",
        &owed,
        "--shows",
        "I1",
        "--title",
        "Taller en Manta",
    ];
    let added = office.run(
        "msp",
        &[&add[..], &["picture.jpg", "cifrado.pdf", "lista.zip", "nada.txt", "no.txt"]].concat(),
    );
    assert_eq!(added.code, 1);
    assert_snapshot!(added.out, @r"
    picture.jpg: se quitó: lugar, cámara y fecha de la imagen (EXIF); ficha de la imagen o del documento (XMP); autoría y lugar de la imagen (IPTC); textos ocultos junto a la imagen; imágenes ocultas detrás de la imagen
    picture.jpg: guardado: evidence/5d977cd21dbaf86994454b47b2d6f1d6c39790a1e8a81ca0e585113f146c9dc2 · 571 bytes
    cifrado.pdf: no se cargó; en los metadatos no se puede mirar: el documento está cifrado; está cifrado o protegido con contraseña: guárdelo sin protección
    lista.zip: Es un archivo comprimido que no es un documento: cargue cada documento por separado.
    nada.txt: está vacío
    no.txt: no existe
    nombradas en el borrador: plans/ejemplo/assignments/a1/obligations/2026-Q1/reports/draft
    ");
    // The file itself is as it was.
    assert_eq!(
        fs::read(office.path("picture.jpg")).unwrap(),
        fs::read(given("picture.jpg")).unwrap()
    );
    let again = office.run("msp", &[&add[..], &["picture.jpg", "acta.docx", "-o", "json"]].concat());
    assert_eq!(again.code, 0, "{again:?}");
    let again = again.json();
    assert_eq!(again[0]["sent_bytes"], 0, "{again}");
    assert_eq!(again[1]["sent_bytes"], again[1]["size_bytes"]);
    assert_eq!(again[1]["draft"], format!("{owed}/reports/draft"));
    let removed = again[1]["removed"].as_array().unwrap();
    assert!(removed.contains(&"comments".into()), "{again}");

    // Named again without options, it stays as protected as it was; what becomes less so is said.
    let protect = ["evidence", "add", "--obligation", &owed, "picture.jpg"];
    let told = office.run("msp", &[&protect[..], &["--classification", "reserved"]].concat());
    assert!(!told.out.contains("ATENCIÓN"), "{told:?}");
    let told = office.run("msp", &[&protect[..], &["-o", "json"]].concat()).json();
    assert_eq!(
        (&told[0]["classification"], &told[0]["less_protected_than"]),
        (&"reserved".into(), &serde_json::Value::Null)
    );
    let told = office.run("msp", &[&protect[..], &["--classification", "institutional"]].concat());
    assert!(
        told.out.contains("picture.jpg: ATENCIÓN: era reservada y queda institucional"),
        "{told:?}"
    );
    let told = office.run(
        "msp",
        &[
            "evidence",
            "add",
            "--obligation",
            &owed,
            "acta.docx",
            "--classification",
            "reserved",
        ],
    );
    assert_eq!(told.code, 0, "{told:?}");

    // The workbook has no cells for it; the report names it all the same, and each piece once.
    assert_eq!(office.run("msp", &["template", "t1.xlsx"]).code, 0);
    fill(&office.path("t1.xlsx"), &[(Sheet::Indicators, "H2", "90")]);
    let checked = office.run("msp", &["check", "t1.xlsx"]);
    assert!(!checked.out.contains("medio de verificación"), "{checked:?}");
    let sent = office.run("msp", &["submit", "t1.xlsx", "-o", "json"]).json();
    assert_eq!(sent["received"], 1, "{sent}");
    let receipt = office.run("msp", &["receipt", &owed, "-o", "json"]).json();
    let links = receipt["report"]["evidence_links"].as_array().unwrap();
    let named: Vec<_> = links
        .iter()
        .map(|link| (&link["evidence"], link["file_name"].as_str().unwrap()))
        .collect();
    assert_eq!(
        named,
        [(&again[0]["evidence"], "picture.jpg"), (&again[1]["evidence"], "acta.docx")]
    );
    let as_said = |link: &serde_json::Value| {
        [&link["classification"], &link["title"], &link["shows"]].map(|said| said.as_str().unwrap_or("").to_owned())
    };
    assert_eq!(as_said(&links[0]), ["CLASSIFICATION_INSTITUTIONAL", "Taller en Manta", "I1"]);
    assert_eq!(as_said(&links[1]), ["CLASSIFICATION_RESERVED", "Taller en Manta", "I1"]);
    let same = office.run("msp", &["submit", "t1.xlsx", "-o", "json"]).json();
    assert_eq!((&same["received"], &same["already_received"]), (&0.into(), &1.into()));

    // What broke off goes on where the server says.
    let bytes = large(3 << 20);
    fs::write(office.path("largo.pdf"), &bytes).unwrap();
    let name = format!("evidence/{}", hex::encode(sha2::Sha256::digest(&bytes)));
    office.upload_beginning(&name, bytes.len(), &bytes[..2 << 20]).await;
    let rest = office.run("msp", &["evidence", "add", "largo.pdf", "-o", "json"]).json();
    assert_eq!(
        (&rest[0]["evidence"], &rest[0]["sent_bytes"]),
        (&name.into(), &(1 << 20).into()),
        "{rest}"
    );

    // The server dies in the middle, and comes back: the command waits, and goes on.
    fs::write(office.path("mayor.pdf"), large(96 << 20)).unwrap();
    let mut sending = office.start_run("msp", &["evidence", "add", "mayor.pdf"]);
    office.wait_for_bytes(8 << 20).await;
    office.stop();
    office.start().await;
    assert!(sending.wait().unwrap().success());
    let again = office.run("msp", &["evidence", "add", "mayor.pdf", "-o", "json"]).json();
    assert_eq!(again[0]["sent_bytes"], 0, "{again}");
}
