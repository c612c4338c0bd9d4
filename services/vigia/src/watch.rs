//! `vigia watch`: who is late now, and what changed. On a terminal a page that is drawn anew with each change; elsewhere a
//! line for each change, or one of JSON. A stream that breaks is taken up again where it was.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
    time::Duration,
};

use anyhow::Result;
use console::{Term, truncate_str};
use jiff::{Timestamp, tz::TimeZone};
use tonic::{Code, Status};
use vigia_platform::instant;
use vigia_proto::compliance::{
    Scorecard, Verdict, WatchComplianceRequest, WatchComplianceResponse, WatchKind, compliance_service_client::ComplianceServiceClient,
};

use crate::{
    access::Access,
    ask,
    cast::Principal,
    commands::{due, plan_name, shortened},
    lang::{lang, say},
    output,
    refused::{Refused, told},
};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// plans/vcm o vcm.
    pub plan: String,
    /// Todas las obligaciones, no solo las que están en mora / all obligations, not only those that are late.
    #[arg(long)]
    pub obligations: bool,
    /// Filtro de dictámenes / filter of verdicts: state, timeliness, institution, action, period.
    #[arg(long, default_value = "")]
    pub filter: String,
    /// Una línea por cambio, también en una terminal / a line for each change, on a terminal too.
    #[arg(long)]
    pub plain: bool,
    #[command(flatten)]
    pub access: Access,
}

/// Wait before a broken stream is taken up again; twice as long after each failure, up to the second.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];
/// Changes that the page keeps.
const CHANGES_KEPT: usize = 200;
/// Actions' verdicts have no timeliness, so they pass; of obligations only those that are missing do.
const ONLY_LATE: &str = "(timeliness = \"\" OR timeliness = \"MISSING\")";

/// Runs the command until it is stopped.
pub async fn run(args: &Args, json: bool) -> Result<()> {
    let principal = args.access.principal().await?;
    let parent = plan_name(&args.plan);
    let (plan, zone) = ask::plan(&principal, &parent).await?;
    let filter = match (args.obligations, args.filter.as_str()) {
        (true, filter) => filter.to_owned(),
        (false, "") => ONLY_LATE.to_owned(),
        (false, filter) => format!("({filter}) AND {ONLY_LATE}"),
    };
    let request = WatchComplianceRequest {
        parent,
        kinds: [WatchKind::Actions, WatchKind::Scorecards, WatchKind::Obligations]
            .map(Into::into)
            .into(),
        filter,
        resume_token: String::new(),
    };
    let terminal = Term::stdout();
    let mut board = Board::new(plan.title_es, request.parent.clone(), zone);
    let is_page = terminal.is_term() && !args.plain && !json;
    follow(principal, request, |news| {
        match news {
            News::Answer(answer) if json => {
                let value = output::value("vigia.compliance.v1.WatchComplianceResponse", answer)?;
                output::line(&serde_json::to_string(&value)?);
            }
            News::Answer(answer) => {
                let lines = board.take(answer);
                if !is_page {
                    lines.iter().for_each(|line| output::line(line));
                }
            }
            News::Broken(cause) => {
                board.broken = Some(cause.message().to_owned());
                if !is_page {
                    let text = say("se cortó; se retoma", "broken off; resuming");
                    // Whoever does not read standard error misses nothing of the plan.
                    let _ = Term::stderr().write_line(&format!("vigia: {text}: {}", cause.message()));
                }
            }
        }
        if is_page {
            let (height, width) = terminal.size();
            terminal.clear_screen()?;
            terminal.write_line(&board.page(height.into(), width.into()).join("\n"))?;
        }
        Ok(ControlFlow::Continue(()))
    })
    .await
}

/// What a watch hears.
pub enum News<'n> {
    /// What changed.
    Answer(&'n WatchComplianceResponse),
    /// The stream broke; it is taken up again.
    Broken(&'n Status),
}

/// Watches until `hear` has heard enough. What it hears after a break is the net difference since it.
pub async fn follow(
    principal: Principal,
    mut request: WatchComplianceRequest,
    mut hear: impl FnMut(News<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let mut compliance = ComplianceServiceClient::new(principal);
    let mut wait = AGAIN_AFTER[0];
    loop {
        let broken = match compliance.watch_compliance(request.clone()).await {
            Err(status) => status,
            Ok(stream) => {
                let mut changes = stream.into_inner();
                loop {
                    match changes.message().await {
                        Ok(Some(answer)) => {
                            wait = AGAIN_AFTER[0];
                            if !answer.resume_token.is_empty() {
                                request.resume_token.clone_from(&answer.resume_token);
                            }
                            if hear(News::Answer(&answer))?.is_break() {
                                return Ok(());
                            }
                        }
                        Ok(None) => break Status::unavailable("the stream ended"),
                        // A watch ends with its token; the next one has a fresh one.
                        Err(status) if status.code() == Code::Unauthenticated => break Status::unavailable(status.message()),
                        Err(status) => break status,
                    }
                }
            }
        };
        let is_outdated = !request.resume_token.is_empty() && Refused::of(&broken).reason == "PAGE_TOKEN_INVALID";
        if is_outdated {
            // The journals are others, as after a restore: all is told again.
            request.resume_token.clear();
        } else if !matches!(
            broken.code(),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::ResourceExhausted
        ) {
            return Err(told(broken));
        }
        if hear(News::Broken(&broken))?.is_break() {
            return Ok(());
        }
        tokio::time::sleep(wait).await;
        wait = (2 * wait).min(AGAIN_AFTER[1]);
    }
}

/// What a watch knows.
struct Board {
    title: String,
    plan: String,
    zone: TimeZone,
    as_of: Option<Timestamp>,
    is_simulated: bool,
    /// Whether the first state has been told to its end: what comes after it is a change.
    is_begun: bool,
    /// The plan's scorecard.
    card: Option<Scorecard>,
    /// Obligations that are missing, by name.
    late: BTreeMap<String, Verdict>,
    /// What changed, the newest first.
    changes: VecDeque<String>,
    broken: Option<String>,
}

impl Board {
    fn new(title: String, plan: String, zone: TimeZone) -> Self {
        Self {
            title,
            plan,
            zone,
            as_of: None,
            is_simulated: false,
            is_begun: false,
            card: None,
            late: BTreeMap::new(),
            changes: VecDeque::new(),
            broken: None,
        }
    }

    /// Takes in an answer, and gives a line for each thing in it.
    fn take(&mut self, answer: &WatchComplianceResponse) -> Vec<String> {
        let basis = answer.basis.clone().unwrap_or_default();
        self.as_of = basis.as_of.as_ref().and_then(instant);
        self.is_simulated = basis.simulated;
        self.broken = None;
        let when = self.local(self.as_of, "%Y-%m-%d %H:%M:%S");
        let mut said = Vec::new();
        for verdict in &answer.verdicts {
            said.push(verdict_line(verdict));
            if verdict.timeliness == "MISSING" {
                self.late.insert(verdict.name.clone(), verdict.clone());
            } else {
                self.late.remove(&verdict.name);
            }
        }
        for card in &answer.scorecards {
            said.push(card_line(card));
            if card.name == self.plan {
                self.card = Some(card.clone());
            }
        }
        for name in &answer.removed {
            said.push(match self.late.remove(name) {
                Some(verdict) => format!(
                    "{name}: {} · {}",
                    say("ya no está en mora", "no longer late"),
                    verdict.institution_titles_es.join("; ")
                ),
                None => format!("{name}: {}", say("ya no", "no longer")),
            });
        }
        let lines: Vec<_> = said.into_iter().map(|text| format!("{when}  {text}")).collect();
        if self.is_begun {
            lines.iter().for_each(|line| self.changes.push_front(line.clone()));
            self.changes.truncate(CHANGES_KEPT);
        }
        self.is_begun |= !answer.resume_token.is_empty();
        lines
    }

    fn local(&self, at: Option<Timestamp>, format: &str) -> String {
        at.map_or_else(|| "—".to_owned(), |at| self.zone.to_datetime(at).strftime(format).to_string())
    }

    /// The page, not larger than the terminal: two thirds of it for who is late, the rest for what changed.
    fn page(&self, height: usize, width: usize) -> Vec<String> {
        let mut page = vec![format!(
            "{} · {} {}",
            self.title,
            say("al", "as of"),
            self.local(self.as_of, "%Y-%m-%d %H:%M:%S")
        )];
        if self.is_simulated {
            page.push(
                say(
                    "SIMULADO: nada de esto dice algo sobre una conducta real.",
                    "SIMULATED: none of this says anything about real conduct.",
                )
                .to_owned(),
            );
        }
        page.extend(self.card.as_ref().map(card_line));
        page.extend(
            self.broken
                .as_ref()
                .map(|cause| format!("!! {}: {cause}", say("se cortó; se retoma", "broken off; resuming"))),
        );
        page.push(String::new());
        page.push(format!("{}: {}", say("EN MORA AHORA", "LATE NOW"), self.late.len()));
        let left = height.saturating_sub(page.len() + 4).max(3);
        let room = left - (left / 3).min(self.changes.len());
        let mut late: Vec<_> = self.late.values().collect();
        late.sort_by_key(|verdict| (due(verdict), &verdict.name));
        let shown = if late.len() > room { room.saturating_sub(1) } else { room };
        page.extend(late.iter().take(shown).map(|verdict| {
            let who = verdict.institution_titles_es.join("; ");
            format!(
                "  {}  {}  {}  {}",
                self.local(due(verdict), "%Y-%m-%d"),
                verdict.period,
                shortened(&who, 40),
                shortened(&verdict.title_es, 60)
            )
        }));
        if late.len() > shown {
            page.push(format!("  … {} {} {}", say("y", "and"), late.len() - shown, say("más", "more")));
        }
        page.push(String::new());
        page.push(say("QUÉ CAMBIÓ", "WHAT CHANGED").to_owned());
        let rest = height.saturating_sub(page.len() + 1);
        page.extend(self.changes.iter().take(rest).map(|line| format!("  {line}")));
        page.iter().map(|line| truncate_str(line, width, "…").into_owned()).collect()
    }
}

fn verdict_line(verdict: &Verdict) -> String {
    let state = if verdict.obligation_state.is_empty() {
        format!(
            "{} {}",
            output::state_word(verdict.action_state().as_str_name()),
            output::percent(&verdict.strict)
        )
    } else {
        output::obligation_word(&verdict.obligation_state, lang()).to_owned()
    };
    let who = verdict.institution_titles_es.join("; ");
    format!(
        "{}: {state} {} · {} · {who}",
        verdict.name,
        verdict.period,
        shortened(&verdict.title_es, 60)
    )
}

fn card_line(card: &Scorecard) -> String {
    let discipline = card.discipline.unwrap_or_default();
    let title = if card.title_es.is_empty() { &card.name } else { &card.title_es };
    format!(
        "{}: {} {} · {} {} · {} {} · {} {}/{}",
        shortened(title, 60),
        say("estricto", "strict"),
        output::percent(&card.strict),
        say("observado", "observed"),
        output::percent(&card.observed),
        say("validado", "validated"),
        output::percent(&card.validated),
        say("recibidos", "received"),
        discipline.received,
        discipline.owed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late(name: &str, due_seconds: i64) -> Verdict {
        Verdict {
            name: name.into(),
            obligation_state: "OVERDUE".into(),
            timeliness: "MISSING".into(),
            period: "2026-Q1".into(),
            due_time: Some(prost_types::Timestamp {
                seconds: due_seconds,
                nanos: 0,
            }),
            institution_titles_es: vec!["Ministerio de Salud Pública".into()],
            title_es: "Formar promotoras".into(),
            ..Verdict::default()
        }
    }

    #[test]
    fn a_page_shows_who_is_late_and_what_changed_and_fits() {
        let mut board = Board::new("Plan".into(), "plans/p".into(), TimeZone::UTC);
        let first = WatchComplianceResponse {
            verdicts: (0..40).map(|n| late(&format!("o{n:02}"), 86_400 * (100 - n))).collect(),
            resume_token: "t".into(),
            ..WatchComplianceResponse::default()
        };
        board.take(&first);
        assert_eq!((board.late.len(), board.changes.len()), (40, 0), "the first state is no change");
        let page = board.page(24, 80);
        assert!(page.len() < 24 && page.iter().all(|line| line.chars().count() <= 80), "{page:#?}");
        // The oldest first, and how many are not shown.
        assert!(
            page.iter()
                .position(|line| line.contains("1970-03-03"))
                .is_some_and(|at| page[at - 1].starts_with("EN MORA AHORA: 40")),
            "{page:#?}"
        );
        assert!(page.iter().any(|line| line.contains("más")), "{page:#?}");
        let answered = WatchComplianceResponse {
            removed: vec!["o39".into(), "plans/p/actions/gone".into()],
            ..WatchComplianceResponse::default()
        };
        let lines = board.take(&answered);
        assert_eq!(
            lines,
            [
                "—  o39: ya no está en mora · Ministerio de Salud Pública",
                "—  plans/p/actions/gone: ya no"
            ]
        );
        assert_eq!((board.late.len(), board.changes.len()), (39, 2));
        assert!(board.page(24, 200).iter().any(|line| line.contains("o39: ya no está en mora")));
    }
}
