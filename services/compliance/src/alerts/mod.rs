//! Alerts, and how they reach people.
//!
//! **What stands** ([`board`]) is computed each time that it is asked: a pure function of the facts as of a closed instant,
//! in `vigia_rules::alert`. Here it gets names, and the institutions that it is for: the owner and, as the plan's policy
//! says, the body above it and the plan's governing institution. An alert's name is made from rule, subject, threshold and
//! due instant: as long as these are the same, it is the same alert, on every replica and after every restart.
//!
//! **Whom to tell is decided once** ([`decide`]), as of the newest closed instant: nobody is told of a report that is
//! missing while one may still be in the pipe. A *notice* is one alert for one recipient; its key is made from recipient,
//! rule, subject, threshold and due instant. Decisions are journal entries, made while the journal's head is held: whoever
//! decides has seen all that was decided before, by this process or another, so two replicas can't decide the same twice,
//! and the key is unique in the table besides. What is muted or acknowledged is not decided.
//!
//! **Notices are gathered in deliveries**: an e-mail digest for each institution and day, not before the hour that the
//! plan's policy names, so that nobody is woken and nobody gets two; for a webhook a call with up to 100 notices, at once.
//! When its hour has come a delivery's content is *fixed* ([`fix`]): what is not needed any more is dropped (and may be
//! decided anew), the text is written down, and the addresses are those of that moment. From then on nothing changes but
//! the attempts.
//!
//! **Sending is tried at least once** ([`send`]), each time with the same text and the same Message-ID or webhook-id, made
//! from the delivery's name: who gets it twice, because we crashed before we could note that it was sent, can tell. Attempts
//! go on over machine time with growing pauses and jitter; what is refused for good, has no address, or fails for three
//! days is a dead letter, listed until somebody takes it up again. E-mail waits for the end of the quiet hours.
//!
//! **One process at a time does all this** ([`task`]), by a lease that passes on when the process dies. The lease only
//! spares double work: what it writes is fenced, and decisions are unique without it.
//!
//! *Absent:* addresses in the journal, in deliveries and in logs (an office names them, its institution's record has
//! them); narratives; anything that is typed in.

pub(crate) mod board;
mod decide;
mod fix;
mod kept;
mod mail;
mod post;
mod retry;
mod send;
mod task;
mod texts;
mod webhook;

use std::{sync::Arc, time::Duration};

use uuid::Uuid;
use vigia_platform::{Caller, Kit, StartError, micros};
use vigia_proto::compliance::AlertRule;

use crate::{memory::Memory, record::Record};

pub(crate) use kept::Boards;
pub(crate) use post::Post;
pub use post::{AlertOptions, Webhook};

/// What ids of alerts, notices and deliveries are made in (UUIDv5).
const SPACE: Uuid = Uuid::from_u128(0x7669_6769_6100_5a1e_8f00_616c_6572_7461);

/// What alerts and their deliveries stand on. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) kit: Kit,
    pub(crate) memory: Memory,
    pub(crate) record: Record,
    pub(crate) post: Arc<Post>,
    pub(crate) boards: Boards,
}

/// How long one attempt to send may take.
const ATTEMPT_PATIENCE: Duration = Duration::from_secs(20);

impl Desk {
    pub(crate) fn open(kit: Kit, memory: Memory, record: Record, options: &AlertOptions) -> Result<Self, StartError> {
        let post = Post::open(options, ATTEMPT_PATIENCE).map_err(StartError::Other)?;
        Ok(Self {
            kit,
            memory,
            record,
            post: Arc::new(post),
            boards: Boards::default(),
        })
    }

    /// Begins to tell people, if there is a way to.
    pub(crate) fn start(&self) {
        if self.post.has_a_way() {
            tokio::spawn(task::run(self.clone()));
        }
    }

    /// Who decides and sends: Vigía itself, as the journal names it.
    fn caller(&self) -> Caller {
        Caller::vigia(&self.kit.clock, "alerts")
    }
}

/// The id of an alert, within its plan.
fn alert_id(plan: &str, rule: AlertRule, subject: &str, threshold: i32, due_at: jiff::Timestamp) -> Uuid {
    let parts = [
        plan,
        rule.as_str_name(),
        subject,
        &threshold.to_string(),
        &micros(due_at).to_string(),
    ];
    Uuid::new_v5(&SPACE, parts.join("\n").as_bytes())
}

/// The key of an alert for one recipient: nobody is told the same twice.
fn notice_key(recipient: &str, alert: &str) -> Uuid {
    Uuid::new_v5(&SPACE, [recipient, alert].join("\n").as_bytes())
}
