//! What the fields of an institution, a territory and an assignment may hold: the same for calls and for files.

use vigia_platform::{Faults, name};
use vigia_proto::{assignments::ContactPoint, types::Provenance};

/// Branches of the State, and what stands beside it.
pub(crate) const BRANCHES: [&str; 9] = [
    "executive",
    "judicial",
    "legislative",
    "transparency",
    "electoral",
    "local",
    "civil_society",
    "academia",
    "international",
];

/// Addresses where something was read: some lines of the data name four of them.
pub(crate) const SOURCE_CHARS_MAX: usize = 4000;
/// Doubts and context.
pub(crate) const NOTE_CHARS_MAX: usize = 4000;
/// Seats that one institution may hold. The system with most seats that is known has 22.
const SEATS_MAX: usize = 100;
/// The highest number of a seat.
const SEAT_NUMBER_MAX: i32 = 1000;
/// Offices of one institution that are told of what it owes.
const FOCAL_POINTS_MAX: usize = 10;

pub(crate) fn name_es(faults: &mut Faults, path: &str, text: &str) {
    faults.text(path, text, 1..=300);
}

pub(crate) fn acronym(faults: &mut Faults, path: &str, text: &str) {
    faults.text(path, text, 0..=50);
}

/// Empty where it is not known.
pub(crate) fn branch(faults: &mut Faults, path: &str, branch: &str) {
    if !branch.is_empty() && !BRANCHES.contains(&branch) {
        let known = BRANCHES.join(", ");
        faults.add(path, format!("debe ser una de: {known}"), format!("must be one of: {known}"));
    }
}

pub(crate) fn kind(faults: &mut Faults, path: &str, text: &str) {
    faults.text(path, text, 0..=60);
}

pub(crate) fn seats(faults: &mut Faults, path: &str, seats: &[i32]) {
    faults.require(seats.len() <= SEATS_MAX, path, "son demasiados puestos", "are too many seats");
    let numbers = seats.iter().all(|seat| (1..=SEAT_NUMBER_MAX).contains(seat));
    faults.require(
        numbers,
        path,
        "cada puesto debe ser un número de 1 a 1000",
        "each seat must be a number from 1 to 1000",
    );
    let twice = seats.iter().enumerate().any(|(i, seat)| seats[..i].contains(seat));
    faults.require(!twice, path, "un puesto está dos veces", "a seat is there twice");
}

pub(crate) fn provenance(faults: &mut Faults, path: &str, provenance: Option<&Provenance>) {
    if let Some(provenance) = provenance {
        faults.text(&format!("{path}.source"), &provenance.source, 0..=SOURCE_CHARS_MAX);
        faults.text(&format!("{path}.note"), &provenance.note, 0..=NOTE_CHARS_MAX);
    }
}

pub(crate) fn territory_code(faults: &mut Faults, path: &str, code: &str) {
    let fits = matches!(code.len(), 2 | 4) && code.bytes().all(|byte| byte.is_ascii_digit());
    faults.require(
        fits,
        path,
        "debe ser el código de una provincia (2 cifras) o de un cantón (4 cifras)",
        "must be the code of a province (2 digits) or of a canton (4 digits)",
    );
}

/// An office and how it is reached.
pub(crate) fn contact(faults: &mut Faults, path: &str, contact: &ContactPoint) {
    faults.text(&format!("{path}.office"), &contact.office, 1..=200);
    faults.text(&format!("{path}.email"), &contact.email, 0..=254);
    let address = contact.email.is_empty()
        || contact.email.split_once('@').is_some_and(|(local, domain)| {
            let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';');
            !local.is_empty() && domain.contains('.') && !domain.contains('@') && !contact.email.contains(odd)
        });
    faults.require(
        address,
        &format!("{path}.email"),
        "no es una dirección de correo",
        "is not an e-mail address",
    );
    faults.text(&format!("{path}.phone"), &contact.phone, 0..=40);
}

/// The offices that are told of what an institution owes: each once, by its name.
pub(crate) fn focal_points(faults: &mut Faults, path: &str, focal_points: &[ContactPoint]) {
    faults.require(
        focal_points.len() <= FOCAL_POINTS_MAX,
        path,
        "son más de 10 puntos focales",
        "are more than 10 focal points",
    );
    for (place, point) in focal_points.iter().enumerate() {
        let path = format!("{path}[{place}]");
        contact(faults, &path, point);
        let twice = focal_points[..place].iter().any(|other| other.office == point.office);
        faults.require(
            !twice,
            &format!("{path}.office"),
            "esa unidad está dos veces",
            "that office is there twice",
        );
    }
}

/// A plan that is named, not all of them.
pub(crate) fn plan(faults: &mut Faults, path: &str, plan: &str) {
    let named = name::split("plans/{}", plan).is_some_and(|parts| parts != ["-"]);
    faults.require(named, path, "debe ser un plan: plans/…", "must be a plan: plans/…");
}

/// First and last day in force, `from` and `last_day` below `path`; the last one is empty while it is open.
pub(crate) fn days(faults: &mut Faults, path: &str, from: &str, last_day: &str) {
    let from = faults.date(&format!("{path}.from"), from);
    if last_day.is_empty() {
        return;
    }
    let path = format!("{path}.last_day");
    let last_day = faults.date(&path, last_day);
    let in_order = from.zip(last_day).is_none_or(|(from, last_day)| from <= last_day);
    faults.require(in_order, &path, "no puede ser anterior a «from»", "can't be before \"from\"");
}

/// By which instrument; empty where it is not known.
pub(crate) fn instrument(faults: &mut Faults, path: &str, text: &str) {
    faults.text(path, text, 0..=500);
}
