//! Submissions over many connections.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use tonic::transport::Channel;
use vigia_platform::new_id;
use vigia_proto::{
    reporting::{IndicatorValue, Report, SubmitReportRequest, indicator_value::Value, report_service_client::ReportServiceClient},
    types::Decimal,
};

use crate::setup::{ACTIONS, INSTITUTIONS, connect, token_of, with};

/// Months that have ended since the plan began, and are owed: up to October 2026.
const MONTHS: usize = 82;
/// What a minister's office writes in a hurry.
const NARRATIVE: &str = concat!(
    "Se formaron promotoras comunitarias en los cantones priorizados del período, con la participación de las mesas ",
    "territoriales y de la sociedad civil; los listados de asistencia y el informe técnico constan en el expediente.",
);

/// How much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    pub(crate) seconds: u64,
    pub(crate) rate: u64,
    pub(crate) first: usize,
}

/// Sends, and prints `rate`, `p50_us`, `p99_us`, `max_us`, `calls`, `refused`.
pub(crate) async fn run(server: &str, keys: &Path, load: Load) -> Result<()> {
    let first = connect(server).await?;
    let mut tokens = Vec::new();
    for institution in 0..INSTITUTIONS.min(load.clients) {
        tokens.push(token_of(&first, keys, &format!("i{institution}")).await?);
    }
    let mut channels = vec![first];
    while channels.len() < load.clients {
        channels.push(connect(server).await?);
    }
    let counts = Arc::new(AtomicBool::new(false));
    let ends = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for (client, channel) in channels.into_iter().enumerate() {
        let token = tokens[client % tokens.len()].clone();
        let (counts, ends) = (counts.clone(), ends.clone());
        tasks.push(tokio::spawn(one_client(channel, token, client, load, begun, counts, ends)));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    counts.store(true, Ordering::Relaxed);
    let counted_from = Instant::now();
    tokio::time::sleep(Duration::from_secs(load.seconds)).await;
    counts.store(false, Ordering::Relaxed);
    let counted = counted_from.elapsed();
    ends.store(true, Ordering::Relaxed);
    let (mut latencies, mut refused) = (Vec::new(), 0_u64);
    for task in tasks {
        let (of_client, refused_of_client) = task.await?;
        latencies.extend(of_client);
        refused += refused_of_client;
    }
    latencies.sort_unstable();
    let at = |percent: usize| {
        latencies
            .get(latencies.len() * percent / 100)
            .copied()
            .unwrap_or_default()
            .as_micros()
    };
    let millis = u64::try_from(counted.as_millis())?.max(1);
    let rate = u64::try_from(latencies.len())? * 1000 / millis;
    let max = latencies.last().copied().unwrap_or_default().as_micros();
    std::io::Write::write_fmt(
        &mut std::io::stdout(),
        format_args!(
            "rate {rate} p50_us {} p99_us {} max_us {max} calls {} refused {refused}\n",
            at(50),
            at(99),
            latencies.len()
        ),
    )?;
    anyhow::ensure!(refused == 0, "{refused} calls were refused");
    Ok(())
}

async fn one_client(
    channel: Channel,
    token: String,
    client: usize,
    load: Load,
    begun: Instant,
    counts: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
) -> (Vec<Duration>, u64) {
    let mut reports = ReportServiceClient::new(channel);
    let (mut latencies, mut refused) = (Vec::new(), 0);
    // Several clients of one institution begin at different places of what it owes.
    let institution = client % INSTITUTIONS;
    let mut next = load.first + client / INSTITUTIONS * 37;
    let clients = u32::try_from(load.clients).unwrap_or(u32::MAX);
    let pace = (load.rate > 0).then(|| Duration::from_secs(1) * clients / u32::try_from(load.rate).unwrap_or(u32::MAX));
    let mut due = begun + pace.unwrap_or_default() * u32::try_from(client).unwrap_or(0) / clients;
    while !ends.load(Ordering::Relaxed) {
        // By the timetable a call is timed from when it was due, not from when it could be sent.
        let from = match pace {
            Some(pace) => {
                tokio::time::sleep_until(due.into()).await;
                let from = due;
                due += pace;
                from
            }
            None => Instant::now(),
        };
        let answer = reports.submit_report(with(&token, "", request(institution, next))).await;
        next += 1;
        match answer {
            Ok(_) if counts.load(Ordering::Relaxed) => latencies.push(from.elapsed()),
            Ok(_) => {}
            Err(status) => {
                if refused == 0 {
                    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{status:?}\n"));
                }
                refused += 1;
            }
        }
    }
    (latencies, refused)
}

/// A report of an institution: on the actions in turn, then on the next month.
pub(crate) fn request(institution: usize, number: usize) -> SubmitReportRequest {
    let (action, month) = (number % ACTIONS, number / ACTIONS % MONTHS);
    let period = format!("{}-{:02}", 2020 + month / 12, month % 12 + 1);
    let value = IndicatorValue {
        indicator: "I1".into(),
        value: Some(Value::Number(Decimal {
            value: (number % 97).to_string(),
        })),
        ..IndicatorValue::default()
    };
    SubmitReportRequest {
        parent: format!("plans/carga/assignments/i{institution}-a{action}/obligations/{period}"),
        report: Some(Report {
            narrative: NARRATIVE.into(),
            values: vec![value],
            letter_number: format!("OF-{number}"),
            ..Report::default()
        }),
        request_id: new_id(),
        ..SubmitReportRequest::default()
    }
}
