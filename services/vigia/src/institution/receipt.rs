//! `vigia receipt`: the journal entry that records a report, with its leaf hash, for the institution to keep.

use anyhow::{Result, bail};
use jiff::tz::TimeZone;
use vigia_platform::instant;
use vigia_proto::journal::Entry;

use super::{book::keys, fault::told, server::Server, submit::recorded, words};
use crate::{
    access::Access,
    lang::say,
    output::{self, Usage},
};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// plans/vcm/assignments/x/obligations/2024-S1; con «/reports/1», esa versión / with "/reports/1", that version.
    pub obligation: String,
    #[command(flatten)]
    pub access: Access,
}

/// Runs the command.
pub async fn run(args: &Args, json: bool) -> Result<()> {
    let (obligation, version) = match args.obligation.split_once("/reports/") {
        Some((obligation, version)) => (obligation, version.parse::<i32>().ok()),
        None => (args.obligation.as_str(), None),
    };
    if keys(obligation).is_none() || args.obligation.contains("/reports/") && version.is_none() {
        return Err(Usage::of(format!(
            "{}: plans/{{plan}}/assignments/{{id}}/obligations/{{period}}[/reports/{{version}}]",
            args.obligation
        )));
    }
    let server = Server::connect(&args.access).await?;
    let entries = server.entries(obligation).await?;
    let Some(entry) = submission(&entries, version) else {
        bail!(told(
            format!("«{obligation}» no tiene ningún reporte recibido, o no es suya"),
            format!("no report has been received for \"{obligation}\", or it is not yours"),
        ));
    };
    let report = recorded(&entry.event).unwrap_or_default();
    if json {
        let mut value = output::value("vigia.journal.v1.Entry", &entry)?;
        value["simulated"] = server.is_simulated().into();
        value["server"] = server.address.clone().into();
        value["report"] = output::value("vigia.reporting.v1.Report", &report)?;
        return output::json(&value);
    }
    let plan = obligation.split("/assignments/").next().unwrap_or_default();
    let zone = TimeZone::get(&server.plan(plan).await?.time_zone)?;
    let received = words::local(report.receive_time.as_ref().and_then(instant), &zone);
    let lines = [
        (say("reporte", "report"), report.name.clone()),
        (say("institución", "institution"), entry.institution.clone()),
        (
            say("recibido", "received"),
            format!("{received} ({})", zone.iana_name().unwrap_or("UTC")),
        ),
        (say("enviado por", "sent by"), entry.caller.clone()),
        (say("oficio", "letter"), report.letter_number.clone()),
        (say("servidor", "server"), server.address.clone()),
        (say("bitácora", "journal"), format!("reporting:{}", entry.position)),
        (say("huella del contenido", "payload hash"), hex::encode(&entry.payload_hash)),
        (say("huella de la entrada", "leaf hash"), hex::encode(&entry.leaf_hash)),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(&format!("{name}: {value}"));
    }
    output::simulated(server.is_simulated());
    output::line(say(
        "Guárdelo: con la posición y la huella se comprueba que el reporte está en la bitácora. Aún no lleva firma.",
        "Keep it: position and hash show that the report is in the journal. It is not signed yet.",
    ));
    Ok(())
}

/// The entry of a version of the report among those of an obligation; of the newest, if none is named.
pub fn submission(entries: &[Entry], version: Option<i32>) -> Option<Entry> {
    let is_wanted = |entry: &&Entry| {
        entry.event_type == "vigia.reporting.v1.ReportSubmitted"
            && version.is_none_or(|version| recorded(&entry.event).is_some_and(|report| report.version == version))
    };
    entries.iter().rev().find(is_wanted).cloned()
}
