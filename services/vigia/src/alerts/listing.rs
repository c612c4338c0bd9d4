//! Which alerts stand, one of them in full, and which will come.

use anyhow::Result;
use console::Style;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use vigia_platform::instant;
use vigia_proto::compliance::{
    Alert, AlertRule, GetAlertRequest, ListAlertsRequest, ListAlertsResponse, PreviewAlertsRequest, PreviewAlertsResponse,
    alert_service_client::AlertServiceClient,
};

use super::{minute, rule_word};
use crate::{
    access::Access,
    ask,
    commands::{as_of_wire, plan_name, plan_of, tell_basis},
    institution::fault::told as in_words,
    lang::{lang, say},
    office::desk::named,
    output::{self, Usage},
    refused::told,
};

/// Rows of a page: the most that a server gives.
const PAGE: i32 = 1_000;
/// How far a preview looks ahead at most; a server's limit.
const DAYS_MAX: i32 = 366;
/// Late is what a clock says after its due day.
const OVERDUE: &str = "(rule = REPORT OR rule = REVIEW OR rule = ANSWER) AND threshold > 0";

/// Which alerts.
#[derive(clap::Args, Debug)]
pub struct ListArgs {
    /// plans/vcm o vcm.
    #[arg(required = true)]
    plan: Option<String>,
    /// Por qué / why: report, review, answer, unanswered, contested, unassigned, falling-index, spending-behind,
    /// money-late, silent-indicator, returned-again, empty-reports, no-evidence, no-address.
    #[arg(long, value_delimiter = ',', value_parser = parse_rule)]
    rule: Vec<AlertRule>,
    /// Solo lo atrasado / only what is late.
    #[arg(long)]
    overdue: bool,
    /// Solo lo que nadie ha tomado ni silenciado / only what nobody has taken up or muted.
    #[arg(long)]
    open: bool,
    /// Solo lo que espera a esta institución / only what waits for this institution: msp, institutions/msp.
    #[arg(long)]
    institution: Option<String>,
    /// Solo de esta acción / only of this action: p1-1, plans/vcm/actions/p1-1.
    #[arg(long)]
    action: Option<String>,
    /// Filtro / filter: rule, owner, recipient, action, subject, threshold, muted, acknowledged.
    #[arg(long)]
    filter: Option<String>,
    /// Al instante, en hora del plan; ahora si no se dice / as of, in the plan's time; now if left out.
    #[arg(long)]
    as_of: Option<String>,
}

/// Which one.
#[derive(clap::Args, Debug)]
pub struct ShowArgs {
    /// plans/vcm/alerts/0b9f2c1e-…, como lo da la lista / as the list gives it.
    name: String,
    /// Al instante, en hora del plan; ahora si no se dice / as of, in the plan's time; now if left out.
    #[arg(long)]
    as_of: Option<String>,
}

/// Until when.
#[derive(clap::Args, Debug)]
pub struct PreviewArgs {
    /// plans/vcm o vcm.
    plan: String,
    /// Hasta el fin de este día / until the end of this day: 2026-07-31.
    #[arg(long, value_name = "DAY", conflicts_with = "days")]
    until: Option<String>,
    /// Tantos días / so many days.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i32).range(1..=i64::from(DAYS_MAX)))]
    days: i32,
}

/// A rule by its name, such as `falling-index`.
fn parse_rule(text: &str) -> Result<AlertRule, String> {
    let named = AlertRule::from_str_name(&format!("ALERT_RULE_{}", text.to_uppercase().replace('-', "_")));
    named.filter(|rule| *rule != AlertRule::Unspecified).ok_or_else(|| {
        let all = (1..).map_while(|number| AlertRule::try_from(number).ok());
        let all: Vec<String> = all.map(|rule| code(rule).to_lowercase().replace('_', "-")).collect();
        format!("{}: {}", say("una de", "one of"), all.join(", "))
    })
}

/// A rule as filters name it.
fn code(rule: AlertRule) -> &'static str {
    rule.as_str_name().trim_start_matches("ALERT_RULE_")
}

impl ListArgs {
    /// All that was asked for, as one filter (AIP-160).
    fn filter(&self, plan: &str) -> String {
        let rules: Vec<String> = self.rule.iter().map(|rule| format!("rule = {}", code(*rule))).collect();
        let action = |id: &String| format!("action = \"{}\"", named(&format!("{plan}/actions"), id));
        let parts = [
            (!rules.is_empty()).then(|| format!("({})", rules.join(" OR "))),
            self.overdue.then(|| OVERDUE.to_owned()),
            self.open.then(|| "acknowledged = false AND muted = false".to_owned()),
            self.institution
                .as_ref()
                .map(|id| format!("owner = \"{}\"", named("institutions", id))),
            self.action.as_ref().map(action),
            self.filter.as_ref().map(|filter| format!("({filter})")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" AND ")
    }
}

/// `vigia alerts PLAN`.
pub async fn list(access: &Access, args: &ListArgs, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let parent = plan_name(args.plan.as_deref().unwrap_or_default());
    let (_, zone) = ask::plan(&principal, &parent).await?;
    let mut request = ListAlertsRequest {
        filter: args.filter(&parent),
        parent,
        as_of: as_of_wire(args.as_of.as_deref(), &zone)?,
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut service = AlertServiceClient::new(principal);
    let mut all = Vec::new();
    let basis = loop {
        let answer = service.list_alerts(request.clone()).await.map_err(told)?.into_inner();
        all.extend(answer.alerts);
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break answer.basis;
        }
    };
    if json {
        let answer = ListAlertsResponse {
            alerts: all,
            next_page_token: String::new(),
            basis,
        };
        return output::json(&output::value("vigia.compliance.v1.ListAlertsResponse", &answer)?);
    }
    all.iter().for_each(|alert| tell(alert, &zone));
    output::line(&match all.len() {
        0 => say("Nada de esto necesita a nadie.", "Nothing of this needs anybody.").to_owned(),
        1 => say("1 alerta", "1 alert").to_owned(),
        count => format!("{count} {}", say("alertas", "alerts")),
    });
    tell_basis(&basis.unwrap_or_default(), &zone);
    Ok(())
}

/// `vigia alerts show NAME`.
pub async fn show(access: &Access, args: &ShowArgs, json: bool) -> Result<()> {
    let plan = plan_of_alert(&args.name)?;
    let principal = access.principal().await?;
    let (_, zone) = ask::plan(&principal, &plan).await?;
    let request = GetAlertRequest {
        name: args.name.clone(),
        as_of: as_of_wire(args.as_of.as_deref(), &zone)?,
    };
    let answer = AlertServiceClient::new(principal)
        .get_alert(request)
        .await
        .map_err(told)?
        .into_inner();
    if json {
        return output::json(&output::value("vigia.compliance.v1.GetAlertResponse", &answer)?);
    }
    tell_all(&answer.alert.unwrap_or_default(), &zone);
    tell_basis(&answer.basis.unwrap_or_default(), &zone);
    Ok(())
}

/// `vigia alerts preview PLAN`.
pub async fn preview(access: &Access, args: &PreviewArgs, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let parent = plan_name(&args.plan);
    let (_, zone) = ask::plan(&principal, &parent).await?;
    let until = args.until.as_deref().map(|day| end_of(day, &zone)).transpose()?;
    let mut request = PreviewAlertsRequest {
        parent,
        // A server counts days from its own now: those after the day that is meant are left out here.
        days: if until.is_some() { DAYS_MAX } else { args.days },
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut service = AlertServiceClient::new(principal);
    let mut all = Vec::new();
    let basis = loop {
        let answer = service.preview_alerts(request.clone()).await.map_err(told)?.into_inner();
        if let (Some(until), Some(now)) = (
            until,
            answer.basis.as_ref().and_then(|basis| basis.as_of.as_ref()).and_then(instant),
        ) {
            must_lie_ahead(until, now)?;
        }
        let since = |alert: &Alert| alert.since_time.as_ref().and_then(instant);
        let is_meant = |alert: &Alert| until.is_none_or(|until| since(alert).is_some_and(|since| since < until));
        let before = all.len() + answer.alerts.len();
        all.extend(answer.alerts.into_iter().filter(is_meant));
        request.page_token = answer.next_page_token;
        // They come by time: after the first that is left out there is nothing more.
        if request.page_token.is_empty() || all.len() < before {
            break answer.basis;
        }
    };
    if json {
        let answer = PreviewAlertsResponse {
            alerts: all,
            next_page_token: String::new(),
            basis,
        };
        return output::json(&output::value("vigia.compliance.v1.PreviewAlertsResponse", &answer)?);
    }
    all.iter().for_each(|alert| tell(alert, &zone));
    output::line(&match all.len() {
        0 => say("Hasta entonces no vendrá nada.", "Nothing will come until then.").to_owned(),
        count => format!(
            "{count} {}",
            say(
                "por venir si nada más se registra; lo que sigue de reportes no se puede prever",
                "to come if nothing further is recorded; what follows from reports can't be foreseen"
            )
        ),
    });
    tell_basis(&basis.unwrap_or_default(), &zone);
    Ok(())
}

/// The plan of an alert, by its name.
pub fn plan_of_alert(name: &str) -> Result<String> {
    plan_of(name).filter(|_| name.contains("/alerts/")).ok_or_else(|| {
        Usage::of(in_words(
            format!("{name}: se espera plans/{{plan}}/alerts/{{id}}, como lo da «vigia alerts PLAN»"),
            format!("{name}: plans/{{plan}}/alerts/{{id}} is expected, as \"vigia alerts PLAN\" gives it"),
        ))
    })
}

/// The instant at which a day ends.
fn end_of(day: &str, zone: &TimeZone) -> Result<Timestamp> {
    let next = day.parse::<Date>().ok().and_then(|day| day.tomorrow().ok());
    let end = next.and_then(|next| crate::scenario::instant(zone, next.at(0, 0, 0, 0)).ok());
    end.ok_or_else(|| {
        Usage::of(in_words(
            format!("«{day}» no es un día; escriba 2026-07-31"),
            format!("\"{day}\" is no day; write 2026-07-31"),
        ))
    })
}

fn must_lie_ahead(until: Timestamp, now: Timestamp) -> Result<()> {
    if until <= now {
        return Err(Usage::of(say(
            "--until: ese día ya pasó; lo que hay ahora lo da «vigia alerts PLAN»",
            "--until: that day has passed; \"vigia alerts PLAN\" gives what there is now",
        )));
    }
    // The day itself, which has begun, is not counted.
    if until.duration_since(now) > SignedDuration::from_hours(24 * i64::from(DAYS_MAX)) {
        return Err(Usage::of(say(
            "--until: se prevé un año a lo más",
            "--until: a year can be foreseen at most",
        )));
    }
    Ok(())
}

/// An alert in its language.
fn text(alert: &Alert) -> &str {
    lang().text(&alert.text_es, &alert.text_en)
}

fn owner(alert: &Alert) -> &str {
    if alert.owner.is_empty() {
        say(
            "institución rectora, que el plan no nombra",
            "the governing institution, which the plan does not name",
        )
    } else {
        &alert.owner
    }
}

/// An alert in three lines: since when, why and whom it waits for; what; its name and what was done.
fn tell(alert: &Alert, zone: &TimeZone) {
    let heading = format!(
        "{} · {} · {}",
        minute(alert.since_time.as_ref(), zone),
        rule_word(alert.rule()),
        owner(alert)
    );
    let is_late = matches!(alert.rule(), AlertRule::Report | AlertRule::Review | AlertRule::Answer) && alert.threshold > 0;
    let style = if is_late { Style::new().red() } else { Style::new() };
    output::line(&style.force_styling(output::colours()).apply_to(heading).to_string());
    output::line(&format!("  {}", text(alert)));
    let mut about = vec![alert.name.clone()];
    let mut note = |es: &'static str, en: &'static str, names: &[String]| {
        if !names.is_empty() {
            about.push(format!("{}: {}", say(es, en), names.join(", ")));
        }
    };
    note("sin dirección", "without address", &alert.recipients_without_address);
    note("avisados", "told", &alert.told);
    if let Some(taken) = &alert.acknowledgement {
        note("tomada por", "taken up by", std::slice::from_ref(&taken.acknowledged_by));
    }
    if let Some(mute) = &alert.mute {
        note("silenciada", "muted", std::slice::from_ref(&mute.reason));
    }
    output::line(&format!("  {}", about.join(" · ")));
}

/// All that is known of an alert.
fn tell_all(alert: &Alert, zone: &TimeZone) {
    output::line(&alert.name);
    output::line(&format!("  {}", text(alert)));
    let or_nobody = |names: &[String]| {
        if names.is_empty() {
            say("nadie", "nobody").to_owned()
        } else {
            names.join(", ")
        }
    };
    let acknowledgement = alert.acknowledgement.as_ref().map_or_else(
        || {
            let nobody = say("nadie todavía", "nobody yet");
            format!("{nobody} (vigia alerts acknowledge {})", alert.name)
        },
        |taken| {
            let when = minute(taken.acknowledge_time.as_ref(), zone);
            [taken.acknowledged_by.as_str(), &when, &taken.note].join(" · ")
        },
    );
    let mute = alert.mute.as_ref().map(|mute| {
        let when = minute(mute.mute_time.as_ref(), zone);
        [mute.muted_by.as_str(), &when, &mute.reason].join(" · ")
    });
    for (title, value) in [
        (
            say("regla", "rule"),
            format!("{} ({}), {}", rule_word(alert.rule()), code(alert.rule()), alert.threshold),
        ),
        (say("sobre", "about"), alert.subject.clone()),
        (say("acción", "action"), alert.action.clone()),
        (say("se cuenta desde", "counted from"), minute(alert.due_time.as_ref(), zone)),
        (say("en pie desde", "stands since"), minute(alert.since_time.as_ref(), zone)),
        (say("espera a", "waits for"), owner(alert).to_owned()),
        (say("se avisa a", "for"), or_nobody(&alert.recipients)),
        (
            say("de ellos sin dirección", "of these without address"),
            alert.recipients_without_address.join(", "),
        ),
        (say("avisados", "told"), or_nobody(&alert.told)),
        (say("tomada por", "taken up by"), acknowledgement),
        (say("silenciada por", "muted by"), mute.unwrap_or_default()),
        (say("bitácora", "journal"), alert.positions.join(", ")),
    ] {
        if !value.is_empty() {
            output::line(&format!("  {title}: {value}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Asked {
        #[command(flatten)]
        list: ListArgs,
    }

    #[test]
    fn what_is_asked_becomes_one_filter() {
        let filter = |line: &str| {
            let asked = Asked::try_parse_from(["alerts", "vcm"].into_iter().chain(line.split_whitespace()));
            asked.map(|asked| asked.list.filter("plans/vcm")).map_err(|fault| fault.to_string())
        };
        for (line, expect) in [
            ("", ""),
            ("--rule report,no-address", "(rule = REPORT OR rule = NO_ADDRESS)"),
            (
                "--overdue --institution msp",
                "(rule = REPORT OR rule = REVIEW OR rule = ANSWER) AND threshold > 0 AND owner = \"institutions/msp\"",
            ),
            (
                "--open --action plans/vcm/actions/a1 --filter threshold=1",
                "acknowledged = false AND muted = false AND action = \"plans/vcm/actions/a1\" AND (threshold=1)",
            ),
            ("--action a1", "action = \"plans/vcm/actions/a1\""),
        ] {
            assert_eq!(filter(line).as_deref(), Ok(expect), "{line}");
        }
        let refused = filter("--rule late").expect_err("no such rule");
        assert!(
            refused.contains("report, review, answer") && refused.contains("no-address"),
            "{refused}"
        );
    }

    #[test]
    fn a_preview_ends_with_the_day() -> Result<()> {
        let zone = TimeZone::get("America/Guayaquil")?;
        assert_eq!(end_of("2026-07-31", &zone)?.to_string(), "2026-08-01T05:00:00Z");
        assert!(end_of("31/07/2026", &zone).is_err());
        let now: Timestamp = "2026-04-20T15:00:00Z".parse()?;
        for (until, is_refused) in [
            ("2026-04-19", true),
            ("2026-04-20", false),
            ("2027-04-20", false),
            ("2027-04-22", true),
        ] {
            assert_eq!(must_lie_ahead(end_of(until, &zone)?, now).is_err(), is_refused, "{until}");
        }
        Ok(())
    }
}
