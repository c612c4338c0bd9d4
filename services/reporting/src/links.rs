//! Links from reports and reviews to evidence: they say who may read it.

use std::collections::BTreeSet;

use prost::Message;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use vigia_platform::{Caller, Error, Faults};
use vigia_proto::{
    identity::Role,
    reporting::{Classification, EvidenceLink, Report, ReportReviewed, Review},
};

use crate::{
    content::{Asked, at_most},
    desk::Desk,
    entities::{journal_entry, report, report_draft},
    evidence::Digest,
    names::{ObligationName, ReportName},
};

const EVIDENCE_MAX: usize = 100;
const TITLE_MAX: usize = 300;
/// Bytes of a file name that every file system takes.
const FILE_NAME_BYTES_MAX: usize = 255;

/// All links of a report: what is only named is institutional.
pub(crate) fn links(report: &Report) -> impl Iterator<Item = EvidenceLink> + '_ {
    let named = report.evidence.iter().map(|name| EvidenceLink {
        evidence: name.clone(),
        ..EvidenceLink::default()
    });
    named.chain(report.evidence_links.iter().cloned()).map(|mut link| {
        if link.classification() == Classification::Unspecified {
            link.set_classification(Classification::Institutional);
        }
        link
    })
}

/// Whether a link is of the plain list, and its path.
pub(crate) fn path(report: &Report, index: usize) -> String {
    match index.checked_sub(report.evidence.len()) {
        None => format!("report.evidence[{index}]"),
        Some(index) => format!("report.evidence_links[{index}].evidence"),
    }
}

/// All that is wrong with a report's evidence.
pub(crate) fn check(faults: &mut Faults, report: &Report, asked: &Asked<'_>) {
    at_most(
        faults,
        "report.evidence",
        report.evidence.len() + report.evidence_links.len(),
        EVIDENCE_MAX,
    );
    let mut seen = BTreeSet::new();
    for (i, name) in report.evidence.iter().enumerate().take(EVIDENCE_MAX) {
        named(faults, &format!("report.evidence[{i}]"), name, &mut seen);
    }
    each(faults, "report.evidence_links", &report.evidence_links, EVIDENCE_MAX, &mut seen);
    for (i, link) in report.evidence_links.iter().enumerate().take(EVIDENCE_MAX) {
        if !link.shows.is_empty() && !asked.has(&link.shows) {
            faults.add(
                format!("report.evidence_links[{i}].shows"),
                "la acción no tiene ese indicador ni ese hito",
                "the action has no such indicator or milestone",
            );
        }
    }
}

/// All that is wrong with a review's attachments.
pub(crate) fn check_attachments(faults: &mut Faults, attachments: &[EvidenceLink], most: usize) {
    at_most(faults, "attachments", attachments.len(), most);
    each(faults, "attachments", attachments, most, &mut BTreeSet::new());
}

fn each<'a>(faults: &mut Faults, path: &str, links: &'a [EvidenceLink], most: usize, seen: &mut BTreeSet<&'a str>) {
    for (i, link) in links.iter().enumerate().take(most) {
        let path = format!("{path}[{i}]");
        named(faults, &format!("{path}.evidence"), &link.evidence, seen);
        faults.text(&format!("{path}.title"), &link.title, 0..=TITLE_MAX);
        file_name(faults, &format!("{path}.file_name"), &link.file_name);
    }
}

fn named<'a>(faults: &mut Faults, path: &str, name: &'a str, seen: &mut BTreeSet<&'a str>) {
    if Digest::of_name(name).is_none() {
        faults.add(
            path,
            "debe ser «evidence/» y un SHA-256 en hexadecimal",
            "must be \"evidence/\" and a SHA-256 in hex",
        );
    }
    if !seen.insert(name) {
        faults.add(path, "está dos veces", "is there twice");
    }
}

/// A name under which a file can be kept everywhere, and which looks like what it is: no path, and no characters that
/// turn what follows around (`gpj.exe` read backwards).
fn file_name(faults: &mut Faults, path: &str, name: &str) {
    let turns = |c: char| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{061C}');
    let fits = name.len() <= FILE_NAME_BYTES_MAX
        && !matches!(name, "." | "..")
        && !name
            .chars()
            .any(|c| c.is_control() || turns(c) || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|'))
        && name.trim() == name;
    faults.require(
        fits,
        path,
        "debe ser un nombre de archivo de hasta 255 bytes, sin ruta ni caracteres de control o de dirección",
        "must be a file name of at most 255 bytes, without a path, control or direction characters",
    );
}

/// The institutions for which a caller acts.
pub(crate) fn acts_for(caller: &Caller) -> BTreeSet<&str> {
    let grants = caller.grants().iter();
    grants
        .filter(|grant| matches!(grant.role(), Role::Reporter | Role::Head))
        .map(|grant| grant.scope.as_str())
        .collect()
}

/// For whom a caller uploads: the institution named, the only one it acts for, or, for a reviewer, the governing body,
/// which is the empty name. `path` is the field's.
pub(crate) fn owner(caller: &Caller, path: &str, named: &str) -> Result<String, Error> {
    let institutions = acts_for(caller);
    if !named.is_empty() {
        return if institutions.contains(named) {
            Ok(named.to_owned())
        } else {
            Err(Error::not_found(named))
        };
    }
    let mut acting = institutions.into_iter();
    match (acting.next(), acting.next()) {
        (None, _) => Ok(String::new()),
        (Some(only), None) => Ok(only.to_owned()),
        (Some(_), Some(_)) => {
            let mut faults = Faults::new();
            faults.add(
                path,
                "actúa por varias instituciones: diga por cuál",
                "you act for several institutions: say for which",
            );
            faults.done().map(|()| String::new())
        }
    }
}

/// The link through which a caller may read evidence, and those whose upload serves it: a link of an institution's
/// report only what may answer for it has uploaded, a link of a review only what the governing body has. None where there
/// is no such link, or the caller may not know of it.
pub(crate) async fn linked(
    desk: &Desk,
    db: &impl ConnectionTrait,
    caller: &Caller,
    name: &ReportName,
    digest: &Digest,
) -> Result<Option<(EvidenceLink, Vec<String>)>, Error> {
    let obligation = &name.obligation;
    let institutions = desk.with_plan(&obligation.plan, |plan| {
        plan.answerable(obligation.assignment.as_str())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    let institutions = institutions.unwrap_or_default();
    let seen = institutions.iter().any(|institution| caller.sees(institution));
    let content = if name.version.is_some() {
        report::Entity::find_by_id(name.to_string())
            .one(db)
            .await?
            .map(|row| row.definition)
    } else {
        let acting = acts_for(caller);
        let own = institutions.iter().any(|institution| acting.contains(institution.as_str()));
        let draft = report_draft::Entity::find_by_id(obligation.to_string()).one(db).await?;
        draft.filter(|_| own).map(|row| row.definition)
    };
    let Some(content) = content else { return Ok(None) };
    let is_it = |link: &EvidenceLink| link.evidence == digest.name();
    if let Some(link) = links(&Report::decode(content.as_slice())?).find(is_it) {
        let may = seen || link.classification() == Classification::Public;
        return Ok(may.then_some((link, institutions)));
    }
    if !seen {
        return Ok(None);
    }
    let attached = reviews(db, obligation)
        .await?
        .into_iter()
        .filter(|review| review.report == name.to_string());
    let attachments = attached.flat_map(|review| {
        links(&Report {
            evidence_links: review.attachments,
            ..Report::default()
        })
        .collect::<Vec<_>>()
    });
    Ok(attachments.into_iter().find(is_it).map(|link| (link, vec![String::new()])))
}

/// The decisions on all versions of an obligation's report, in their order.
pub(crate) async fn reviews(db: &impl ConnectionTrait, obligation: &ObligationName) -> Result<Vec<Review>, Error> {
    let entries = journal_entry::Entity::find()
        .filter(journal_entry::Column::Resource.eq(obligation.to_string()))
        .filter(journal_entry::Column::EventType.eq("vigia.reporting.v1.ReportReviewed"))
        .order_by_asc(journal_entry::Column::Position)
        .all(db)
        .await?;
    let mut reviews = Vec::new();
    for entry in entries {
        reviews.extend(ReportReviewed::decode(entry.event.as_slice())?.review);
    }
    Ok(reviews)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_a_name_and_looks_like_what_it_is() {
        let check = |name: &str, accepted: bool| {
            let mut faults = Faults::new();
            file_name(&mut faults, "f", name);
            assert_eq!(faults.list().is_empty(), accepted, "{name:?}");
        };
        check("", true);
        check("Informe técnico n.º 3.pdf", true);
        check(&"x".repeat(255), true);
        check(&"x".repeat(256), false);
        for name in [
            "../a.pdf",
            "a/b",
            "C:\\a",
            "..",
            "a\0b",
            "foto\u{202E}gpj.exe",
            "a\u{200F}b",
            "a\nb",
            " a",
            "a?b",
        ] {
            check(name, false);
        }
    }

    #[test]
    fn a_plain_name_is_an_institutional_link() {
        let report = Report {
            evidence: vec!["evidence/a".to_owned()],
            evidence_links: vec![EvidenceLink {
                evidence: "evidence/b".to_owned(),
                classification: Classification::Public.into(),
                ..EvidenceLink::default()
            }],
            ..Report::default()
        };
        let classified: Vec<_> = links(&report).map(|link| (link.classification(), link.evidence)).collect();
        assert_eq!(
            classified,
            [
                (Classification::Institutional, "evidence/a".to_owned()),
                (Classification::Public, "evidence/b".to_owned())
            ]
        );
        assert_eq!(
            [path(&report, 0), path(&report, 1)],
            ["report.evidence[0]", "report.evidence_links[0].evidence"]
        );
    }
}
