//! Scorecards asked over the wire: what one of now costs beside a call that does nothing, when a submitted report shows
//! in it, and how long all of a large plan take as of a past instant.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tonic::{Request, transport::Channel};
use vigia_proto::{
    compliance::{GetScorecardRequest, ListScorecardsRequest, ScopeKind, compliance_service_client::ComplianceServiceClient},
    identity::{WhoAmIRequest, principal_service_client::PrincipalServiceClient},
    reporting::report_service_client::ReportServiceClient,
};

use crate::{
    setup::{INSTITUTIONS, connect, coordinator, token_of, with},
    submit::{self, Load, request},
};

const CONNECTIONS: usize = 4;
const CALLS_AT_ONCE: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// Institutions that the load leaves alone: each waits for its own reports to show.
const WATCHED: usize = 4;

/// Prints `whoami`, `scorecard` (calls a second, medians), then the load's line, then `fresh_p50_ms`, `fresh_p99_ms`.
pub(crate) async fn run(server: &str, keys: &Path, rate: u64, seconds: u64) -> Result<()> {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(connect(server).await?);
    }
    let token = coordinator(&channels[0]).await?;
    let (mut idle, mut scorecards) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let bearer = token.clone();
        let who_am_i = move |channel: Channel| {
            let request = with(&bearer, "", WhoAmIRequest {});
            async move { PrincipalServiceClient::new(channel).who_am_i(request).await.map(drop) }
        };
        idle.push(calls(&channels, who_am_i).await?);
        let bearer = token.clone();
        let scorecard = move |channel: Channel| {
            let request = with(&bearer, "", of("plans/carga"));
            async move { ComplianceServiceClient::new(channel).get_scorecard(request).await.map(drop) }
        };
        scorecards.push(calls(&channels, scorecard).await?);
    }
    say(&format!("whoami {:.0} scorecard {:.0}", median(&mut idle), median(&mut scorecards)))?;

    let load = Load {
        clients: INSTITUTIONS - WATCHED,
        seconds,
        rate,
        first: 0,
    };
    let over = Arc::new(AtomicBool::new(false));
    let mut waits = Vec::new();
    for institution in INSTITUTIONS - WATCHED..INSTITUTIONS {
        let channel = connect(server).await?;
        let own = token_of(&channel, keys, &format!("i{institution}")).await?;
        waits.push(tokio::spawn(shows(channel, own, token.clone(), institution, over.clone())));
    }
    submit::run(server, keys, load).await?;
    over.store(true, Ordering::Relaxed);
    let mut took = Vec::new();
    for wait in waits {
        took.extend(wait.await??);
    }
    took.sort_by(f64::total_cmp);
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    say(&format!(
        "fresh_p50_ms {:.1} fresh_p99_ms {:.1} fresh {}",
        at(50),
        at(99),
        took.len()
    ))
}

fn of(name: &str) -> GetScorecardRequest {
    GetScorecardRequest {
        name: name.into(),
        plan: "plans/carga".into(),
        as_of: None,
    }
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Calls a second, over all connections.
async fn calls<F>(channels: &[Channel], call: impl Fn(Channel) -> F + Clone + Send + 'static) -> Result<f64>
where
    F: Future<Output = Result<(), tonic::Status>> + Send + 'static,
{
    let (done, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let began = Instant::now();
    let mut callers = Vec::new();
    for n in 0..CALLS_AT_ONCE {
        let (channel, call) = (channels[n % channels.len()].clone(), call.clone());
        let (done, over) = (done.clone(), over.clone());
        callers.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                call(channel.clone()).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, tonic::Status>(())
        }));
    }
    tokio::time::sleep(ROUND).await;
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

/// Submits one report after the other, and of each measures how long after its answer the scorecard of its institution
/// counts it, in milliseconds.
async fn shows(channel: Channel, own: String, reader: String, institution: usize, over: Arc<AtomicBool>) -> Result<Vec<f64>> {
    let mut reports = ReportServiceClient::new(channel.clone());
    let mut compliance = ComplianceServiceClient::new(channel);
    let mut took = Vec::new();
    let name = format!("institutions/i{institution}");
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        reports.submit_report(with(&own, "", request(institution, number))).await?;
        let answered = Instant::now();
        loop {
            let answer = compliance.get_scorecard(with(&reader, "", of(&name))).await?.into_inner();
            let discipline = answer.scorecard.and_then(|card| card.discipline).context("a scorecard")?;
            if usize::try_from(discipline.received)? > number {
                break;
            }
        }
        took.push(answered.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took)
}

/// Asks a server without tokens for all scorecards of a plan as of an instant, by kinds, and prints the milliseconds of
/// each, medians: `discipline` of territories, `index` of plan, components and institutions, and `all` of both.
pub(crate) async fn ask(server: &str, plan: &str, as_of_micros: i64) -> Result<()> {
    let mut compliance = ComplianceServiceClient::new(connect(server).await?).max_decoding_message_size(64 << 20);
    let index = vec![ScopeKind::Plan, ScopeKind::Component, ScopeKind::Institution];
    let mut line = String::new();
    for (name, kinds) in [("discipline", vec![ScopeKind::Territory]), ("index", index), ("all", Vec::new())] {
        let (mut took, mut cards) = (Vec::new(), 0);
        for round in 0..7_i64 {
            // Each time another instant: nothing is kept from the one before.
            let micros = as_of_micros + round;
            let request = ListScorecardsRequest {
                parent: format!("plans/{plan}"),
                kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
                as_of: Some(prost_types::Timestamp {
                    seconds: micros.div_euclid(1_000_000),
                    nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1000)?,
                }),
                ..ListScorecardsRequest::default()
            };
            let began = Instant::now();
            let answer = compliance.list_scorecards(Request::new(request)).await?.into_inner();
            took.push(began.elapsed().as_secs_f64() * 1e3);
            cards = answer.scorecards.len();
        }
        write!(line, "{name}_ms {:.1} {name}_cards {cards} ", median(&mut took))?;
    }
    say(line.trim_end())
}
