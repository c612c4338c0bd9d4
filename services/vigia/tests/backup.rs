//! A backup that is made while an institution reports, and what is there again after a restore.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "what the other tests need of it is more")]
mod office;

use std::fs;

use office::{Office, PLAN};

fn obligation(i: usize) -> String {
    format!("{PLAN}/assignments/a{i}/obligations/2026-Q1")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_backup_is_there_after_a_restore() {
    let mut office = Office::open(12).await;
    for i in 1..=3 {
        office.submit(&obligation(i)).await;
    }

    // While reports come in.
    let mut backup = office.spawn(&["backup", "respaldo", "--data", "data"]);
    for i in 4..=11 {
        office.submit(&obligation(i)).await;
    }
    assert!(backup.wait().unwrap().success());
    assert_eq!(
        office.vigia(&["backup", "respaldo", "--data", "data"]).status.code(),
        Some(2),
        "nothing is overwritten"
    );

    // The machine is lost.
    office.stop();
    fs::rename(office.path("data"), office.path("perdido")).unwrap();
    let restored = office.vigia(&["restore", "respaldo", "--data", "data", "-o", "json"]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let told: serde_json::Value = serde_json::from_slice(&restored.stdout).unwrap();
    assert_eq!(told["services"]["reporting"]["epoch"], 2, "{told}");
    let onto = office.vigia(&["restore", "respaldo", "--data", "data"]);
    assert_eq!(onto.status.code(), Some(2), "what is there is never overwritten");

    // It goes on: what was there is there, and what is new is judged.
    office.forget();
    office.start().await;
    office.wait_for_reports(3).await;
    office.submit(&obligation(12)).await;
    let status = office.run("msp", &["obligations", "-o", "json"]);
    assert_eq!(status.code, 0, "{status:?}");

    // A file that is not as it was, one that is missing, and one too many: all are named, and nothing is made.
    office.stop();
    let path = office.path("respaldo/plans.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::remove_file(office.path("respaldo/identity.sqlite")).unwrap();
    fs::write(office.path("respaldo/otro"), "").unwrap();
    let refused = office.vigia(&["restore", "respaldo", "--data", "otros"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    for file in ["plans.sqlite", "identity.sqlite", "otro"] {
        assert!(said.contains(file), "{said}");
    }
    assert!(!office.path("otros").exists() && !office.path("otros.restoring").exists());
}
