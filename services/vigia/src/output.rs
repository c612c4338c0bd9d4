//! What goes to standard output: lines and tables for people, JSON for programs.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use comfy_table::{Attribute, Cell, Color, Table, presets::NOTHING};
use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde::Serialize;

use crate::lang::{Lang, lang, say};

/// What was asked for can't be asked so: exit code 2, as for flags that nobody knows.
#[derive(Debug)]
pub struct Usage(String);

impl Usage {
    /// With what is wrong.
    pub fn of(text: impl Into<String>) -> anyhow::Error {
        Self(text.into()).into()
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Writes a line. A reader that has gone (`| head`) is no error of ours.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Writes a line to standard error: what a person should know beside the answer.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "vigia: {text}");
}

/// Says that what was told comes from a scratch server, where it does.
pub fn simulated(is_simulated: bool) {
    if is_simulated {
        line(say(
            "SIMULADO: nada de esto dice algo sobre una conducta real.",
            "SIMULATED: none of this says anything about real conduct.",
        ));
    }
}

/// Writes JSON, indented.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A message of the contract as JSON, as protobuf writes it; `name` is its full name, such as
/// `vigia.compliance.v1.Scorecard`.
pub fn value(name: &str, message: &impl Message) -> Result<serde_json::Value> {
    let descriptor = vigia_proto::POOL.get_message_by_name(name).with_context(|| name.to_owned())?;
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    let options = SerializeOptions::new().skip_default_fields(false).use_proto_field_name(true);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// A table with a heading, and colours where a person looks at it.
pub fn table(heading: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(heading.iter().map(|title| bold(title)));
    table.add_rows(rows);
    table.to_string()
}

fn bold(text: &str) -> Cell {
    if colours() {
        Cell::new(text).add_attribute(Attribute::Bold)
    } else {
        Cell::new(text)
    }
}

/// A cell in the colour of the traffic light: green from 85, yellow from 70, red below.
pub fn light(index: &str) -> Cell {
    let cell = Cell::new(percent(index));
    if !colours() {
        return cell;
    }
    match index.parse::<f64>() {
        Ok(index) if index >= 0.85 => cell.fg(Color::Green),
        Ok(index) if index >= 0.70 => cell.fg(Color::Yellow),
        Ok(_) => cell.fg(Color::Red),
        Err(_) => cell,
    }
}

/// Whether a person looks at it who wants colours.
pub fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// An index for people: `91.3 %`, or `—` where there is none. Only shown, never reckoned with.
pub fn percent(index: &str) -> String {
    match index.parse::<f64>() {
        Ok(index) => format!("{:.1} %", index * 100.0),
        Err(_) => "—".to_owned(),
    }
}

/// The word for an action's state, in the language of the locale.
pub fn state_word(state: &str) -> &str {
    state_word_in(state, lang())
}

/// The Spanish or English word for an action's state.
pub fn state_word_in(state: &str, lang: Lang) -> &str {
    let say = |es, en| lang.say(es, en);
    match state.strip_prefix("ACTION_STATE_").unwrap_or(state) {
        "SCHEDULED" => say("programada", "scheduled"),
        "UNASSIGNED" => say("sin responsable", "unassigned"),
        "UNMEASURED" => say("sin medición", "unmeasured"),
        "NOT_YET_DUE" => say("aún no exigible", "not yet due"),
        "ON_TRACK" => say("en curso", "on track"),
        "AT_RISK" => say("en riesgo", "at risk"),
        "OFF_TRACK" => say("atrasada", "off track"),
        "UNREPORTED" => say("sin reporte", "unreported"),
        "ACHIEVED" => say("cumplida", "achieved"),
        "ACHIEVED_LATE" => say("cumplida con retraso", "achieved late"),
        "NOT_ACHIEVED" => say("incumplida", "not achieved"),
        "EXCUSED" => say("excusada", "excused"),
        "SUSPENDED" => say("suspendida", "suspended"),
        "WITHDRAWN" => say("retirada", "withdrawn"),
        other => other,
    }
}

/// The Spanish or English words for an obligation's state.
pub fn obligation_word(state: &str, lang: Lang) -> &str {
    let say = |es, en| lang.say(es, en);
    match state {
        "NOT_OPEN" => say("aún no se puede presentar", "not open yet"),
        "OPEN" => say("por presentar", "open"),
        "OVERDUE" => say("vencido", "overdue"),
        "SUBMITTED" => say("presentado", "submitted"),
        "RETURNED" => say("devuelto con observaciones", "returned with observations"),
        "RETURNED_OVERDUE" => say("devuelto y sin respuesta a tiempo", "returned and not answered in time"),
        "VALIDATED" => say("validado", "validated"),
        "WAIVED" => say("dispensado", "waived"),
        other => other,
    }
}
