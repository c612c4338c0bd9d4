//! The task that decides, fixes and sends: in one process at a time.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use vigia_platform::{Error, Lease, clock::machine_now, new_id};

use super::Desk;

/// How often it looks whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often plans are looked at anew while entries come in; what a date brings is seen at once.
const DECIDE_EVERY: Duration = Duration::from_secs(15);
/// How often plans are looked at though nothing seems to have changed: one that was approved for a later day begins then.
const DECIDE_ANYWAY_EVERY: Duration = Duration::from_hours(1);
/// For how long a lease is taken: a pass of sending ends within it.
const TERM: Duration = Duration::from_mins(1);
/// How often it is renewed, or asked for again.
const RENEW_EVERY: Duration = Duration::from_secs(15);

/// Runs for ever.
pub(super) async fn run(desk: Desk) {
    let holder = new_id();
    let mut work = Work::default();
    let mut turned = desk.kit.clock.turned();
    loop {
        if let Err(error) = work.pass(&desk, &holder).await {
            tracing::warn!(reason = ?error.reason(), "alerts could not be sent");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = turned.changed() => {}
        }
    }
}

/// What the task remembers between two passes; nothing is lost with it.
#[derive(Default)]
struct Work {
    lease: Option<Lease>,
    asked_at: Option<Instant>,
    /// The positions that were decided on, when, and when a date changes something.
    decided: Option<(Vec<String>, Instant, Timestamp)>,
}

impl Work {
    async fn pass(&mut self, desk: &Desk, holder: &str) -> Result<(), Error> {
        if self.asked_at.is_none_or(|asked_at| asked_at.elapsed() >= RENEW_EVERY) {
            self.asked_at = Some(Instant::now());
            self.lease = desk.kit.db.lease("alerts", holder, TERM).await?;
        }
        let Some(lease) = &self.lease else { return Ok(()) };
        let t = desk.kit.closed_at();
        let positions = desk.memory.positions(t);
        let is_due = self.decided.as_ref().is_none_or(|(before, at, next_change)| {
            let every = if *before == positions { DECIDE_ANYWAY_EVERY } else { DECIDE_EVERY };
            *next_change <= t || at.elapsed() >= every
        });
        if is_due {
            let decided = desk.decide(Some(lease)).await?;
            if decided.notices > 0 {
                tracing::info!(notices = decided.notices, "decided whom to tell");
            }
            self.decided = Some((positions, Instant::now(), decided.next_change));
        }
        desk.fix(Some(lease)).await?;
        desk.send(Some(lease), machine_now()).await?;
        Ok(())
    }
}
