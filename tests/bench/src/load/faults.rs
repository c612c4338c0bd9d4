//! Writers that note what was acknowledged while the server is killed under them, and the check afterwards: nothing that
//! was acknowledged is lost, nothing is there twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tonic::transport::Channel;
use vigia_proto::{
    assignments::{ListInstitutionsRequest, institution_service_client::InstitutionServiceClient},
    compliance::{GetScorecardRequest, compliance_service_client::ComplianceServiceClient},
    journal::ListEntriesRequest,
    plans::{ListPlansRequest, plan_service_client::PlanServiceClient},
    reporting::{
        GetReportRequest, ListObligationsRequest, ListOutagesRequest, SubmitReportResponse,
        obligation_service_client::ObligationServiceClient, report_service_client::ReportServiceClient,
        reporting_journal_service_client::ReportingJournalServiceClient,
    },
};

use crate::{
    setup::{connect, token_of, with},
    submit::request,
};

/// Where the services are, and the institutions' keys.
pub(crate) struct Places {
    server: String,
    identity: String,
    keys: PathBuf,
}

impl Places {
    /// Identity is another process only if it is named.
    pub(crate) fn new(server: String, identity: Option<String>, keys: PathBuf) -> Self {
        Self {
            identity: identity.unwrap_or_else(|| server.clone()),
            server,
            keys,
        }
    }

    async fn token(&self, client: usize) -> Result<String> {
        token_of(&connect(&self.identity).await?, &self.keys, &format!("i{client}")).await
    }

    async fn connect(&self) -> Result<Channel> {
        connect(&self.server).await
    }
}

/// Asks a service something that it can answer only when it is ready.
pub(crate) async fn ready(area: &str, places: &Places) -> Result<()> {
    let (token, channel) = (places.token(0).await?, places.connect().await?);
    match area {
        "identity" => {}
        "plans" => {
            let request = with(&token, "", ListPlansRequest::default());
            PlanServiceClient::new(channel).list_plans(request).await?;
        }
        "assignments" => {
            let request = with(&token, "", ListInstitutionsRequest::default());
            InstitutionServiceClient::new(channel).list_institutions(request).await?;
        }
        "reporting" => {
            let request = ListObligationsRequest {
                parent: "plans/carga".to_owned(),
                page_size: 1,
                ..ListObligationsRequest::default()
            };
            let answer = ObligationServiceClient::new(channel)
                .list_obligations(with(&token, "", request))
                .await?;
            ensure!(!answer.into_inner().obligations.is_empty(), "it has not heard of the plan");
        }
        "compliance" => {
            let request = GetScorecardRequest {
                name: "plans/carga".to_owned(),
                ..GetScorecardRequest::default()
            };
            ComplianceServiceClient::new(channel)
                .get_scorecard(with(&token, "", request))
                .await?;
        }
        _ => bail!("{area}?"),
    }
    Ok(())
}

/// Submits with so many clients until the server goes away, or for so long. Of each call it notes that it was sent, and
/// then its position: `sent CLIENT NUMBER REQUEST_ID`, `done REQUEST_ID POSITION`.
pub(crate) async fn write(places: &Places, clients: usize, first: usize, seconds: u64, notes: &Path) -> Result<()> {
    let (noted, mut lines) = tokio::sync::mpsc::unbounded_channel::<String>();
    let ends_at = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for client in 0..clients {
        let channel = places.connect().await?;
        let token = places.token(client).await?;
        let noted = noted.clone();
        tasks.push(tokio::spawn(async move {
            let mut reports = ReportServiceClient::new(channel);
            for number in first.. {
                if Instant::now() > ends_at {
                    return;
                }
                let request = request(client, number);
                let id = request.request_id.clone();
                let _ = noted.send(format!("sent {client} {number} {id}"));
                match reports.submit_report(with(&token, "", request)).await {
                    Ok(answer) => {
                        let _ = noted.send(format!("done {id} {}", answer.into_inner().position));
                    }
                    Err(_) => return,
                }
            }
        }));
    }
    drop(noted);
    let mut file = File::options().create(true).append(true).open(notes)?;
    while let Some(line) = lines.recv().await {
        writeln!(file, "{line}")?;
    }
    for task in tasks {
        task.await?;
    }
    Ok(())
}

/// Checks the notes of all writers against the server. Calls that were sent and not answered are sent again.
pub(crate) async fn check(places: &Places, notes: &Path) -> Result<()> {
    let (mut sent, mut done) = (BTreeMap::new(), BTreeMap::new());
    for line in BufReader::new(File::open(notes)?).lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["sent", client, number, id] => {
                sent.insert(id.to_owned(), (client.parse::<usize>()?, number.parse::<usize>()?));
            }
            ["done", id, position] => {
                done.insert(id.to_owned(), position.parse::<i64>()?);
            }
            _ => bail!("{line}"),
        }
    }
    let channel = places.connect().await?;
    let clients: BTreeSet<usize> = sent.values().map(|(client, _)| *client).collect();
    let mut tokens = BTreeMap::new();
    for client in &clients {
        tokens.insert(*client, places.token(*client).await?);
    }
    let mut reports = ReportServiceClient::new(channel.clone());
    let mut answers: BTreeMap<String, SubmitReportResponse> = BTreeMap::new();
    let mut unanswered = 0;
    for (id, (client, number)) in &sent {
        let again = vigia_proto::reporting::SubmitReportRequest {
            request_id: id.clone(),
            ..request(*client, *number)
        };
        let answer = reports.submit_report(with(&tokens[client], "", again)).await?.into_inner();
        match done.get(id) {
            Some(position) => ensure!(
                answer.position == *position,
                "LOST: {id} was acknowledged at {position}, and is now at {}",
                answer.position
            ),
            None => unanswered += 1,
        }
        answers.insert(id.clone(), answer);
    }
    let mut entries = BTreeMap::new();
    for client in &clients {
        let mut after = 0;
        loop {
            let list = ListEntriesRequest {
                after_position: after,
                page_size: 1000,
                ..ListEntriesRequest::default()
            };
            let mut journal = ReportingJournalServiceClient::new(channel.clone());
            let page = journal.list_entries(with(&tokens[client], "", list)).await?.into_inner();
            for entry in page.entries {
                entries.insert(entry.position, entry.resource);
            }
            after = page.next_after_position;
            if after == 0 {
                break;
            }
        }
    }
    ensure!(
        entries.len() == answers.len(),
        "{} entries for {} calls",
        entries.len(),
        answers.len()
    );
    // Beside them stands since when nobody was there: at least since the plan was made under a clock that was set back.
    let mut positions: BTreeSet<i64> = entries.keys().copied().collect();
    if let Some(token) = tokens.values().next() {
        let asked = with(token, "", ListOutagesRequest::default());
        let outages = ObligationServiceClient::new(channel.clone())
            .list_outages(asked)
            .await?
            .into_inner()
            .outages;
        positions.extend(outages.iter().map(|outage| outage.position));
        ensure!(positions.len() == entries.len() + outages.len(), "two entries at one position");
    }
    ensure!(
        positions.iter().copied().eq(1..=i64::try_from(positions.len())?),
        "positions are not dense"
    );
    for (id, answer) in &answers {
        let report = answer.report.as_ref().context("a report")?;
        let resource = entries.get(&answer.position).context("an entry")?;
        ensure!(
            report.name.starts_with(&format!("{resource}/reports/")),
            "{id}: {} is not at {resource}",
            report.name
        );
        let (client, _) = sent[id];
        let get = GetReportRequest { name: report.name.clone() };
        let stored = reports.get_report(with(&tokens[&client], "", get)).await?.into_inner();
        ensure!(stored.report.as_ref() == Some(report), "{}: another report is stored", report.name);
    }
    let names: BTreeSet<_> = answers.values().filter_map(|answer| Some(&answer.report.as_ref()?.name)).collect();
    ensure!(names.len() == answers.len(), "a version is given twice");
    writeln!(
        std::io::stdout(),
        "{} acknowledged, {unanswered} without an answer, {} on record: none lost, none twice",
        done.len(),
        entries.len()
    )?;
    Ok(())
}
