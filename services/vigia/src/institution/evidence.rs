//! `vigia evidence add`: cleans files of what could identify a person, uploads them, and names them in a report's draft.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use vigia_proto::reporting::{Classification, EvidenceLink, Report};

use super::{
    clean::{self, CLEANED_BYTES_MAX, Removed, Stays},
    fault::told,
    server::Server,
    upload::{Upload, upload},
};
use crate::{
    access::Access,
    lang::say,
    output::{self, Usage},
    refused::Refused,
};

/// Links of a report at most, as the server takes them.
const LINKS_MAX: usize = 100;

/// What is done with evidence.
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Limpia, carga y enlaza archivos; si se corta, ejecutarlo otra vez sigue donde quedó / clean, upload and link files.
    #[command(
        after_help = "Ejemplos / examples:\n  vigia evidence add acta.pdf foto.jpg\n  vigia evidence add acta.pdf --obligation plans/vcm/assignments/a1/obligations/2024-S1 --title 'Acta firmada' --shows I1\n\nSe aceptan / accepted: PDF, PNG, JPEG, WebP, DOCX, XLSX, ODT, ODS, TXT, CSV (UTF-8)"
    )]
    Add(Args),
}

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Archivos / files.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Obligación en cuyo borrador se nombran; «vigia submit» las incluye / obligation whose draft names them.
    #[arg(long)]
    pub obligation: Option<String>,
    #[command(flatten)]
    pub said: Said,
    /// Plan; el de la obligación o el único, si no se dice / plan; the obligation's or the only one.
    #[arg(long)]
    pub plan: Option<String>,
    /// Institución, si se reporta por varias / institution, for who reports for several.
    #[arg(long)]
    pub institution: Option<String>,
    #[command(flatten)]
    pub access: Access,
}

/// What the draft is to say of evidence. What is not said stays as the draft has it.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Said {
    /// Quién puede leerlas por el reporte; lo que diga el borrador, o institutional / who may read them through the report; as
    /// the draft has it, or institutional.
    #[arg(long, value_enum)]
    pub classification: Option<Class>,
    /// Qué muestran, en pocas palabras; lo que diga el borrador / what they show, in a few words; as the draft has it.
    #[arg(long)]
    pub title: Option<String>,
    /// Código del indicador o hito que muestran; lo que diga el borrador / code of the indicator or milestone that they show; as
    /// the draft has it.
    #[arg(long)]
    pub shows: Option<String>,
}

/// Who may read evidence through a link, the least protected first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Pública / public.
    Public,
    /// Institucional / institutional.
    Institutional,
    /// Reservada / reserved.
    Reserved,
}

impl Class {
    /// As a link has it; one that does not say is institutional.
    fn of(classification: Classification) -> Self {
        match classification {
            Classification::Public => Self::Public,
            Classification::Reserved => Self::Reserved,
            Classification::Unspecified | Classification::Institutional => Self::Institutional,
        }
    }

    /// In words, in the reader's language.
    fn word(self) -> &'static str {
        match self {
            Self::Public => say("pública", "public"),
            Self::Institutional => say("institucional", "institutional"),
            Self::Reserved => say("reservada", "reserved"),
        }
    }
}

impl From<Class> for Classification {
    fn from(class: Class) -> Self {
        match class {
            Class::Public => Self::Public,
            Class::Institutional => Self::Institutional,
            Class::Reserved => Self::Reserved,
        }
    }
}

/// What became of a file.
#[derive(Debug, Default, Serialize)]
struct Added {
    file: PathBuf,
    /// `evidence/{sha256}`; empty where it was not uploaded.
    evidence: String,
    size_bytes: u64,
    media_type: String,
    removed: BTreeSet<Removed>,
    /// What stays in it and is not seen at once, in words.
    stays: Vec<String>,
    /// Bytes that were sent now; none where the server had them all before.
    sent_bytes: u64,
    /// The draft that names it.
    draft: Option<String>,
    /// Who may read it through the draft.
    classification: Option<Class>,
    /// Its classification before, where that protected it more.
    less_protected_than: Option<Class>,
    /// Why it was not uploaded.
    error: Option<String>,
}

/// Runs the command; says whether all files are on the server.
pub async fn run(command: &Evidence, json: bool) -> Result<bool> {
    let Evidence::Add(args) = command;
    let server = Server::connect(&args.access).await?;
    let plan = match (&args.obligation, &args.plan) {
        (Some(obligation), _) => match obligation.split("/assignments/").next() {
            Some(plan) if super::book::keys(obligation).is_some() => plan.to_owned(),
            _ => return Err(Usage::of("--obligation: plans/{plan}/assignments/{id}/obligations/{period}")),
        },
        (None, plan) => server.plan_or_only(plan.as_deref()).await?,
    };
    let institution = args
        .institution
        .as_deref()
        .map_or_else(String::new, super::template::institution_name);
    let mut all = Vec::new();
    for path in &args.files {
        let added = match add(&server, path, &plan, &institution).await {
            Ok(added) => added,
            Err(cause) => Added {
                error: Some(format!("{cause:#}")),
                ..Added::default()
            },
        };
        let added = Added {
            file: path.clone(),
            ..added
        };
        if !json {
            tell(&added);
        }
        all.push(added);
    }
    if let Some(obligation) = &args.obligation {
        let links = all.iter().filter(|added| added.error.is_none()).map(|added| EvidenceLink {
            evidence: added.evidence.clone(),
            file_name: added.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            ..EvidenceLink::default()
        });
        let links: Vec<_> = links.collect();
        if !links.is_empty() {
            let (draft, classes) = link(&server, obligation, &links, &args.said).await?;
            for (added, class) in all.iter_mut().filter(|added| added.error.is_none()).zip(classes) {
                added.draft = Some(draft.clone());
                added.classification = Some(class.now);
                added.less_protected_than = class.before.filter(|before| *before > class.now);
                if !json {
                    tell_class(added);
                }
            }
            if !json {
                output::line(&format!("{}: {draft}", say("nombradas en el borrador", "named in the draft")));
            }
        }
    }
    if json {
        output::json(&all)?;
    }
    Ok(all.iter().all(|added| added.error.is_none()))
}

fn tell(added: &Added) {
    let file = added.file.display();
    if let Some(error) = &added.error {
        output::line(&format!("{file}: {error}"));
        return;
    }
    if !added.removed.is_empty() {
        let removed: Vec<&str> = added.removed.iter().map(|removed| removed.said()).collect();
        output::line(&format!("{file}: {}: {}", say("se quitó", "removed"), removed.join("; ")));
    }
    for stays in &added.stays {
        output::line(&format!("{file}: {}: {stays}", say("queda", "stays")));
    }
    let state = if added.sent_bytes == 0 {
        say("ya estaba", "was there already")
    } else {
        say("guardado", "stored")
    };
    output::line(&format!("{file}: {state}: {} · {} bytes", added.evidence, added.size_bytes));
}

/// Says where more people may read evidence than before.
fn tell_class(added: &Added) {
    let (Some(now), Some(before)) = (added.classification, added.less_protected_than) else {
        return;
    };
    let (file, now, before) = (added.file.display(), now.word(), before.word());
    output::line(&told(
        format!("{file}: ATENCIÓN: era {before} y queda {now}: más personas pueden leerla"),
        format!("{file}: NOTE: it was {before} and is now {now}: more people may read it"),
    ));
}

/// Cleans a file and uploads it.
async fn add(server: &Server, path: &Path, plan: &str, institution: &str) -> Result<Added> {
    let (path, read) = (path.to_owned(), path.to_owned());
    let ready = tokio::task::spawn_blocking(move || prepare(&read)).await??;
    let held = ready.cleaned.as_ref().map_or(path.as_path(), |cleaned| cleaned.path());
    let bytes = Upload {
        path: held,
        evidence: format!("evidence/{}", hex::encode(ready.digest)),
        size: ready.size,
        institution,
        plan,
    };
    let uploaded = upload(server, &bytes).await?;
    Ok(Added {
        evidence: uploaded.evidence.name,
        size_bytes: ready.size,
        media_type: uploaded.evidence.media_type,
        removed: ready.removed,
        stays: ready.stays.iter().map(Stays::said).collect(),
        sent_bytes: uploaded.sent_bytes,
        ..Added::default()
    })
}

/// A file that can be sent.
struct Ready {
    /// The bytes, where they are other than the file's.
    cleaned: Option<NamedTempFile>,
    digest: [u8; 32],
    size: u64,
    removed: BTreeSet<Removed>,
    stays: BTreeSet<Stays>,
}

/// Cleans a file, and looks at the result as the server will: what it would refuse is not sent.
fn prepare(path: &Path) -> Result<Ready> {
    let mut file = File::open(path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => anyhow::anyhow!(say("no existe", "is not there").to_owned()),
        _ => cause.into(),
    })?;
    let size = file.metadata()?.len();
    if size == 0 {
        bail!(say("está vacío", "it is empty").to_owned());
    }
    let (mut cleaned, mut removed, mut stays) = (None, BTreeSet::new(), BTreeSet::new());
    if size <= CLEANED_BYTES_MAX {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let result = clean::clean(bytes);
        // What can't be cleaned may need no cleaning.
        match result {
            Ok(clean) => {
                if !clean.removed.is_empty() {
                    let mut kept = NamedTempFile::new()?;
                    kept.write_all(&clean.bytes)?;
                    cleaned = Some(kept);
                }
                (removed, stays) = (clean.removed, clean.stays);
            }
            Err(why) => {
                inspected(&mut file, size, Some(why.said()))?;
            }
        }
    }
    let file = match &mut cleaned {
        Some(cleaned) => cleaned.as_file_mut(),
        None => &mut file,
    };
    let size = file.metadata()?.len();
    inspected(file, size, None)?;
    let digest = digest(file)?;
    Ok(Ready {
        cleaned,
        digest,
        size,
        removed,
        stays,
    })
}

/// Looks at a file as the server will. `why` says why it could not be cleaned.
fn inspected(file: &mut File, size: u64, why: Option<&str>) -> Result<()> {
    let inspected = match vigia_reporting::inspect(file, size)? {
        Ok(inspected) => inspected,
        Err(unaccepted) => {
            let (es, en) = unaccepted.said();
            bail!(say(es, en).to_owned());
        }
    };
    if inspected.traces.is_empty() {
        return Ok(());
    }
    let found = inspected.traces.iter().map(|trace| {
        let (es, en) = vigia_reporting::names_person(trace);
        say(es, en)
    });
    let found: BTreeSet<&str> = found.collect();
    let found = found.into_iter().collect::<Vec<_>>().join("; ");
    let why = why.unwrap_or_else(|| {
        say(
            "este programa no sabe quitarlo: ábralo con el suyo, quite las propiedades y guárdelo de nuevo",
            "this program can't take it out: open it with its own, remove the properties and save it again",
        )
    });
    bail!(told(
        format!("no se cargó; en los metadatos {found}; {why}"),
        format!("not uploaded; in the metadata {found}; {why}"),
    ))
}

fn digest(file: &mut File) -> Result<[u8; 32]> {
    use std::io::Seek;
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&buffer[..read]);
    }
}

/// Names evidence in the draft of an obligation's report, which is begun where there is none; gives the draft's name and
/// who may read each. What another program changes meanwhile is kept.
async fn link(server: &Server, obligation: &str, links: &[EvidenceLink], said: &Said) -> Result<(String, Vec<Classed>)> {
    // As often as somebody else may write the same draft at the same time.
    for _ in 0..5 {
        let before = server.draft(obligation).await?;
        let mut draft = before.clone().unwrap_or_default();
        let classes = join(&mut draft, links, said);
        if draft.evidence_links.len() + draft.evidence.len() > LINKS_MAX {
            bail!(told(
                format!("un reporte nombra hasta {LINKS_MAX} medios de verificación"),
                format!("a report names {LINKS_MAX} pieces of evidence at most"),
            ));
        }
        match server.keep_draft(obligation, &draft, before.is_some()).await? {
            Ok(draft) => return Ok((draft.name, classes)),
            Err(Refused { reason, .. }) if matches!(reason.as_str(), "ETAG_MISMATCH" | "ALREADY_EXISTS") => {}
            Err(refused) => return Err(refused).with_context(|| obligation.to_owned()),
        }
    }
    bail!(
        say(
            "otro programa escribe el mismo borrador: inténtelo de nuevo",
            "another program writes the same draft: try again"
        )
        .to_owned()
    )
}

/// Who may read evidence through a draft, and who might before it was named anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Classed {
    now: Class,
    /// None where the draft did not name it.
    before: Option<Class>,
}

/// Names evidence in a report, each piece once. What is not said of it stays as the report has it: whoever only adds a file
/// again makes nothing readable that was reserved.
fn join(report: &mut Report, links: &[EvidenceLink], said: &Said) -> Vec<Classed> {
    let mut classes = Vec::new();
    for link in links {
        let is_it = |kept: &EvidenceLink| kept.evidence == link.evidence;
        let mut kept = report.evidence_links.extract_if(.., |kept| is_it(kept)).next();
        if let Some(place) = report.evidence.iter().position(|name| *name == link.evidence) {
            report.evidence.remove(place);
            kept = kept.or_else(|| Some(EvidenceLink::default()));
        }
        let before = kept.as_ref().map(|kept| Class::of(kept.classification()));
        let now = said.classification.or(before).unwrap_or(Class::Institutional);
        let kept = kept.unwrap_or_default();
        report.evidence_links.push(EvidenceLink {
            classification: Classification::from(now).into(),
            title: said.title.clone().unwrap_or(kept.title),
            shows: said.shows.clone().unwrap_or(kept.shows),
            ..link.clone()
        });
        classes.push(Classed { now, before });
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(evidence: &str, title: &str) -> EvidenceLink {
        EvidenceLink {
            evidence: evidence.to_owned(),
            title: title.to_owned(),
            classification: Classification::Institutional.into(),
            ..EvidenceLink::default()
        }
    }

    #[test]
    fn evidence_is_named_once() {
        let mut report = Report {
            evidence: vec!["evidence/a".to_owned(), "evidence/b".to_owned()],
            evidence_links: vec![link("evidence/c", "antes")],
            ..Report::default()
        };
        let said = Said {
            title: Some("ahora".to_owned()),
            ..Said::default()
        };
        let again = [link("evidence/b", ""), link("evidence/c", ""), link("evidence/c", "")];
        join(&mut report, &again, &said);
        assert_eq!(report.evidence, ["evidence/a"]);
        assert_eq!(report.evidence_links, [link("evidence/b", "ahora"), link("evidence/c", "ahora")]);
    }

    /// Adding a file again made evidence of reserved institutional, and forgot its title and what it shows.
    #[test]
    fn what_is_not_said_stays_as_the_draft_has_it() {
        let reserved = EvidenceLink {
            classification: Classification::Reserved.into(),
            shows: "I1".to_owned(),
            ..link("evidence/a", "Acta")
        };
        let mut report = Report {
            evidence_links: vec![reserved.clone()],
            ..Report::default()
        };
        let file = [EvidenceLink {
            evidence: "evidence/a".to_owned(),
            ..EvidenceLink::default()
        }];
        let classes = |now, before| vec![Classed { now, before: Some(before) }];
        assert_eq!(
            join(&mut report, &file, &Said::default()),
            classes(Class::Reserved, Class::Reserved)
        );
        assert_eq!(report.evidence_links, std::slice::from_ref(&reserved));
        // What is said holds, an empty text too.
        let said = Said {
            classification: Some(Class::Public),
            title: Some(String::new()),
            shows: None,
        };
        assert_eq!(join(&mut report, &file, &said), classes(Class::Public, Class::Reserved));
        let open = EvidenceLink {
            classification: Classification::Public.into(),
            title: String::new(),
            ..reserved
        };
        assert_eq!(report.evidence_links, [open]);
    }
}
