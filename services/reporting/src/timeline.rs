//! What happened to an obligation: read from our own journal, with who and when.

use jiff::Timestamp;
use prost::Message;
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use vigia_platform::{Error, from_micros, timestamp};
use vigia_proto::reporting::{
    Extension, ExtensionGranted, ObligationWaived, ReportReviewed, ReportSubmitted, ReportTextsErased, TimelineEvent,
};
use vigia_rules as rules;

use crate::{
    entities::journal_entry,
    lines::Plan,
    names::{ObligationName, ReportName},
};

/// The entries on an obligation, and on all extensions of its plan; in their order.
pub(crate) async fn entries(db: &DatabaseConnection, name: &ObligationName) -> Result<Vec<journal_entry::Model>, Error> {
    let extension = Condition::all()
        .add(journal_entry::Column::EventType.eq("vigia.reporting.v1.ExtensionGranted"))
        .add(journal_entry::Column::Resource.starts_with(format!("plans/{}/extensions/", name.plan)));
    let wanted = Condition::any()
        .add(journal_entry::Column::Resource.eq(name.to_string()))
        .add(extension);
    Ok(journal_entry::Entity::find()
        .filter(wanted)
        .order_by_asc(journal_entry::Column::Position)
        .all(db)
        .await?)
}

/// What an entry tells about the obligation; none where it is an extension that does not cover it.
pub(crate) fn event(plan: &Plan<'_>, name: &ObligationName, entry: &journal_entry::Model) -> Result<Option<TimelineEvent>, Error> {
    let bytes = entry.event.as_slice();
    let mut own_institution = false;
    let (version, text) = match entry.event_type.as_str() {
        "vigia.reporting.v1.ReportSubmitted" => {
            let report = ReportSubmitted::decode(bytes)?.report.unwrap_or_default();
            (report.version, report.nil_reason)
        }
        "vigia.reporting.v1.ReportReviewed" => {
            let review = ReportReviewed::decode(bytes)?.review.unwrap_or_default();
            let version = ReportName::parse("report", &review.report)?
                .version
                .and_then(|version| i32::try_from(version).ok());
            own_institution = review.own_institution;
            (version.unwrap_or_default(), review.observation)
        }
        "vigia.reporting.v1.ExtensionGranted" => {
            let extension = ExtensionGranted::decode(bytes)?.extension.unwrap_or_default();
            let Extension {
                covers: Some(covers),
                period,
                legal_basis,
                ..
            } = extension
            else {
                return Ok(None);
            };
            if period != name.period.to_string() || !plan.covers(&covers, name.assignment.as_str()) {
                return Ok(None);
            }
            (0, legal_basis)
        }
        "vigia.reporting.v1.ReportTextsErased" => {
            let erased = ReportTextsErased::decode(bytes)?;
            let version = ReportName::parse("report", &erased.report)?.version;
            let version = version.and_then(|version| i32::try_from(version).ok());
            (version.unwrap_or_default(), erased.reason)
        }
        "vigia.reporting.v1.ObligationWaived" => (0, ObligationWaived::decode(bytes)?.reason),
        _ => return Ok(None),
    };
    let time = from_micros(entry.time);
    Ok(Some(TimelineEvent {
        time: Some(timestamp(time)),
        caller: entry.caller.clone(),
        event_type: entry.event_type.clone(),
        version,
        text,
        due_time: moved_to(plan, name, entry.position, time).map(timestamp),
        position: entry.position,
        own_institution,
    }))
}

/// The due instant after an extension that moved it.
fn moved_to(plan: &Plan<'_>, name: &ObligationName, position: i64, time: Timestamp) -> Option<Timestamp> {
    let owed = rules::obligation(plan.facts, &name.assignment, name.period, time)?;
    let position = rules::Position {
        source: rules::Source::Reporting,
        number: u64::try_from(position).ok()?,
    };
    owed.extended_by.contains(&position).then_some(owed.due_at)
}
