//! The whole way with the command line alone: from an empty directory to a verdict.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "what the other tests need of it is more")]
mod office;
#[allow(dead_code, reason = "sheets that others fill")]
#[path = "office/sheet.rs"]
mod sheet;

use std::fs;

use office::{Office, PLAN, plan};
use sheet::{Sheet, fill};

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_directory_to_a_verdict() {
    let (mut office, admin) = Office::new().await;

    // The institution makes its key, and is told what to hand over and what is run with it.
    let login = office.run("msp", &["login"]);
    assert_eq!(login.code, 1, "{login:?}");
    assert!(
        login.out.contains("vigia client create msp --public-key") && login.out.contains("msp.pub.pem"),
        "{login:?}"
    );

    // The administrator lets everybody in.
    let account = |id: &str, role: &str| {
        let made = office.person("admin", &admin, &["account", "create", id, "--role", role, "-o", "json"]);
        assert_eq!(made.code, 0, "{made:?}");
        made.json()["password"].as_str().unwrap().to_owned()
    };
    let (una, otra, revisora) = (
        account("una", "coordinator"),
        account("otra", "approver"),
        account("revisora", "reviewer"),
    );
    let missing = office.person("admin", &admin, &["account", "create", "jefa", "--role", "head"]);
    assert_eq!((missing.code, missing.err.contains("--institution")), (2, true), "{missing:?}");
    let private = office.person("admin", &admin, &["client", "create", "msp", "--public-key", "msp.pem"]);
    assert_eq!(private.code, 2, "a private key is never sent: {private:?}");
    let create = [
        "client",
        "create",
        "msp",
        "--public-key",
        "msp.pub.pem",
        "--role",
        "reporter",
        "--institution",
        "msp",
    ];
    let made = office.person("admin", &admin, &create);
    assert_eq!(
        (made.code, made.out.as_str()),
        (0, "clients/msp: reporter institutions/msp\n"),
        "{made:?}"
    );
    let head = ["clients/msp", "head", "--institution", "institutions/msp"];
    let granted = office.person("admin", &admin, &[&["grant"][..], &head].concat());
    assert!(granted.code == 0 && granted.out.contains("head institutions/msp"), "{granted:?}");
    let login = office.run("msp", &["login"]);
    assert_eq!(login.code, 0, "{login:?}");
    let wrong = office.person("una", "otra contraseña cualquiera", &["plan", "export", "ejemplo"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");

    // The governing body: institutions, the plan, the two persons, who answers.
    fs::write(
        office.path("instituciones.csv"),
        "id,name_es,function,kind\nmsp,Ministerio de Salud Pública,executive,ministry\n",
    )
    .unwrap();
    fs::write(office.path("ejemplo.yaml"), plan(2)).unwrap();
    fs::write(
        office.path("asignaciones.csv"),
        "id,action,institution,role,from\na1,A1,msp,lead,2026-01-01\n",
    )
    .unwrap();
    let by_una = |arguments: &[&str]| {
        let told = office.person("una", &una, arguments);
        assert_eq!(told.code, 0, "{told:?}");
        told.out
    };
    by_una(&["institution", "import", "instituciones.csv"]);
    let draft = by_una(&["plan", "import", "ejemplo.yaml"]);
    assert!(
        draft.contains("borrador") && draft.contains("vigia plan propose ejemplo"),
        "{draft}"
    );
    let proposed = by_una(&[
        "plan",
        "propose",
        "ejemplo",
        "--instrument",
        "Acuerdo 1",
        "--effective",
        "2026-01-01",
    ]);
    assert!(proposed.contains("vigia plan approve ejemplo 1"), "{proposed}");
    let alone = office.person("una", &una, &["plan", "approve", "ejemplo", "1"]);
    assert!(alone.code == 1 && alone.err.contains("permiso"), "in Spanish: {alone:?}");
    let approved = office.person("otra", &otra, &["plan", "approve", "ejemplo", "1"]);
    assert!(
        approved.code == 0 && approved.out.contains("vigia assignment import"),
        "{approved:?}"
    );
    by_una(&["assignment", "import", "asignaciones.csv", "--plan", "ejemplo"]);
    by_una(&[
        "assignment",
        "propose",
        "A2",
        "msp",
        "--plan",
        "ejemplo",
        "--from",
        "2026-01-01",
        "--id",
        "a2",
    ]);
    let (first, second) = (format!("{PLAN}/assignments/a1"), format!("{PLAN}/assignments/a2"));
    // Nothing is owed yet, and it is said what waits for an answer, and how it is given.
    let accepts = [
        format!("vigia assignment accept {first}\n"),
        format!("vigia assignment accept {second}\n"),
    ];
    for asked in [
        &["obligations"][..],
        &["obligations", "--plan", "ejemplo"],
        &["status", "--plan", "ejemplo"],
        &["template", "nada.xlsx"],
        &["template", "nada.xlsx", "--plan", "ejemplo"],
    ] {
        let none = office.run("msp", asked);
        let said = format!("{}{}", none.out, none.err);
        assert!(accepts.iter().all(|line| said.contains(line)), "{asked:?}: {none:?}");
    }
    let short = office.run("msp", &["assignment", "accept", "a1"]);
    assert_eq!((short.code, short.err.contains("plans/vcm/assignments/a1")), (2, true), "{short:?}");
    let list = office.run("msp", &["assignment", "list", "ejemplo"]);
    assert_eq!(list.out.matches("propuesta, sin respuesta").count(), 2, "{list:?}");
    let none = by_una(&["assignment", "list", "ejemplo", "--institution", "mdg"]);
    assert_eq!(none, "No hay ninguna asignación.\n");
    let all = by_una(&["assignment", "list", "-", "--institution", "msp", "-o", "json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&all).unwrap().as_array().unwrap().len(),
        2
    );
    // A clock that is off is named, not the key.
    for seconds in [-600, 600] {
        for asked in [&["obligations"][..], &["login"]] {
            let off = office.run_ahead("msp", seconds, asked);
            assert!(off.code == 1 && off.err.contains("el reloj de esta máquina está"), "{off:?}");
        }
    }
    // Who calls is said where the environment names a person, and another login was kept.
    let both = office.run_with_account("una", &una, &["assignment", "list", "ejemplo"]);
    assert!(
        both.code == 0 && both.err.contains("se llama como una") && both.err.contains("clients/msp"),
        "{both:?}"
    );
    assert_eq!(office.run("msp", &["assignment", "accept", &first]).code, 0);
    let contested = office.run("msp", &["assignment", "contest", &second, "--reason", "No es competencia nuestra"]);
    assert_eq!(contested.code, 0, "{contested:?}");

    // In April: the report, what the reviewer says of it, and the verdict.
    office.until_april().await;
    let period = office.run("msp", &["obligations", "--period", "2026Q1"]);
    assert_eq!((period.code, period.err.contains("2026-Q1")), (2, true), "{period:?}");
    let made = office.run("msp", &["template", "t1.xlsx"]);
    assert_eq!(made.code, 0, "{made:?}");
    let narrative = (Sheet::Reports, "I2", "Dos talleres en Manabí");
    fill(&office.path("t1.xlsx"), &[narrative, (Sheet::Indicators, "H2", "90")]);
    let sent = office.run("msp", &["submit", "t1.xlsx"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    let obligation = format!("{first}/obligations/2026-Q1");
    let review = |arguments: &[&str]| office.person("revisora", &revisora, &[&["review", &obligation][..], arguments].concat());
    assert_eq!(review(&[]).code, 2, "a decision is asked for");
    let returned = review(&["--return", "Falta el acta", "--answer-by", "2026-05-10"]);
    assert_eq!((returned.code, returned.out.contains("devuelto")), (0, true), "{returned:?}");
    fill(&office.path("t1.xlsx"), &[(Sheet::Indicators, "H2", "95")]);
    let sent = office.run("msp", &["submit", "t1.xlsx", "--replace"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    let validated = review(&["--validate"]);
    assert_eq!(
        (validated.code, validated.out.contains("/reports/2 · validado")),
        (0, true),
        "{validated:?}"
    );
    let verdict = office.person("una", &una, &["verdict", &obligation, "-o", "json"]);
    assert_eq!(verdict.code, 0, "{verdict:?}");
    assert_eq!(verdict.json()["verdict"]["obligation_state"], "VALIDATED", "{verdict:?}");
    let unknown = office.person("una", &una, &["scorecard", "institutions/noexiste", "--plan", "ejemplo"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    let short = office.person("una", &una, &["scorecard", "ejemplo"]);
    assert_eq!(short.code, 0, "{short:?}");
    for arguments in [
        ["report", "ejemplo", "--file", "x.pdf"],
        ["call-sheet", "ejemplo", "--file", "x.txt"],
    ] {
        let refused = office.person("una", &una, &arguments);
        assert_eq!(refused.code, 2, "{refused:?}");
    }

    // A server that is not there is not remembered, and one is told what to look at.
    office.stop();
    let kept = fs::read(office.path(".config/vigia/client.json")).unwrap();
    let away = office.vigia(&["login", "--server", "127.0.0.1:9", "--client", "otro", "--key", "otro.pem"]);
    let told = String::from_utf8(away.stderr).unwrap();
    assert_eq!((away.status.code(), told.contains("vigia serve")), (Some(1), true), "{told}");
    assert_eq!(fs::read(office.path(".config/vigia/client.json")).unwrap(), kept);
}
