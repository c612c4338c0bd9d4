//! WatchCompliance: what changes, as it changes.
//!
//! One task for each watched plan judges it anew when entries came in or an instant passed at which something falls due,
//! always as of an instant that all journals are closed at, and puts the newest state where every watcher finds it. A
//! watcher keeps what it has sent and sends the difference to the newest state when its reader is ready for more. So a
//! slow reader holds up nobody, costs no queue, and gets the net difference. A resume token names the instant that was
//! sent last: since an answer as of an instant is the same for ever, the difference since is computed, not stored.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    answers,
    cards::Cards,
    compliance_service::{basis, field_of, outdated_token, plan_of},
    memory::Memory,
    scopes,
    view::View,
};
use futures::{Stream, future::select_all};
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tonic::Status;
use vigia_platform::{Caller, Error, Filter, Kit, Page, caller::scope_of, clock::machine_now};
use vigia_proto::{
    compliance::{Basis, ScopeKind, Scorecard, Verdict, WatchComplianceRequest, WatchComplianceResponse, WatchKind},
    error::Reason,
};

/// Watches at once over all plans; each keeps a list of what it has sent.
pub(crate) const WATCHES_MAX: usize = 500;
/// Verdicts and scorecards of a plan that can be watched: their state takes about 50 MiB.
pub(crate) const WATCHED_MAX: usize = 100_000;
/// Verdicts, scorecards and removed names of one answer at most.
pub(crate) const BATCH_MAX: usize = 500;
/// A plan is judged anew at most this often, however many entries come in.
const PAUSE: Duration = Duration::from_millis(50);

const SCORECARDS: [ScopeKind; 4] = [ScopeKind::Plan, ScopeKind::Component, ScopeKind::Institution, ScopeKind::Territory];

/// What is watched, by name.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Verdict(Arc<Verdict>),
    Scorecard(Arc<Scorecard>),
}

type Items = BTreeMap<String, Item>;

/// A plan as of an instant. While nothing changes only the instant moves on.
#[derive(Clone, Debug)]
struct Snapshot {
    t: Timestamp,
    /// None where there is more than can be watched.
    items: Option<Arc<Items>>,
}

/// Whether a plan is watched with its obligations: they are many, and most watchers do without.
type Key = (String, bool);

/// All watches.
#[derive(Clone, Debug)]
pub(crate) struct Watches {
    kit: Kit,
    memory: Memory,
    places: Arc<Semaphore>,
    plans: Arc<Mutex<HashMap<Key, watch::Sender<Option<Snapshot>>>>>,
}

impl Watches {
    pub(crate) fn new(kit: Kit, memory: Memory) -> Self {
        Self {
            kit,
            memory,
            places: Arc::new(Semaphore::new(WATCHES_MAX)),
            plans: Arc::default(),
        }
    }

    /// Begins a watch.
    pub(crate) fn watch(
        &self,
        caller: &Caller,
        request: &WatchComplianceRequest,
        filter: Filter,
    ) -> Result<impl Stream<Item = Result<WatchComplianceResponse, Status>> + use<>, Error> {
        let plan = plan_of(&request.parent, "parent")?.to_owned();
        let kinds: BTreeSet<_> = match request.kinds.as_slice() {
            [] => [WatchKind::Actions, WatchKind::Scorecards].into(),
            _ => request.kinds().collect(),
        };
        let given: Vec<_> = kinds.iter().map(WatchKind::as_str_name).collect();
        let arguments = [request.parent.as_str(), &given.join(","), &request.filter];
        let token = Page::parse(caller, 0, &request.resume_token, &arguments)?;
        let since = token.after.as_deref().map(Since::parse).transpose()?;
        let place = self
            .places
            .clone()
            .try_acquire_owned()
            .map_err(|_| too_many("watches", WATCHES_MAX))?;
        // A plan that does not exist, or is a draft, can't be watched.
        self.memory.ask(&plan, self.kit.closed_at(), |_| Ok(()))?;
        let receiver = self.subscribe((plan.clone(), kinds.contains(&WatchKind::Obligations)));
        let watcher = Watcher {
            kit: self.kit.clone(),
            memory: self.memory.clone(),
            caller: caller.clone(),
            plan,
            kinds,
            filter,
            token,
            receiver,
        };
        Ok(async_stream::try_stream! {
            let _place = place;
            let mut watcher = watcher;
            let (mut sent, mut seen) = (watcher.sent_until(since).await?, None);
            loop {
                let snapshot = watcher.next(seen.as_ref()).await?;
                let items = snapshot.items.clone().ok_or_else(|| too_many("verdicts", WATCHED_MAX))?;
                let now = watcher.passing(&items);
                let basis = basis(&watcher.kit, &watcher.memory, snapshot.t);
                let is_first = seen.is_none();
                let answers = difference(&sent, &now, is_first);
                let last = answers.len().saturating_sub(1);
                for (place, answer) in answers.into_iter().enumerate() {
                    watcher.check_caller()?;
                    let token = (place == last).then(|| Since::text(snapshot.t, &basis));
                    yield WatchComplianceResponse {
                        basis: Some(basis.clone()),
                        resume_token: watcher.token.next(token.as_deref()),
                        ..answer
                    };
                }
                (sent, seen) = (now, Some(items));
            }
        })
    }

    fn subscribe(&self, key: Key) -> watch::Receiver<Option<Snapshot>> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = plans.get(&key) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        plans.insert(key.clone(), sender.clone());
        tokio::spawn(self.clone().keep(key, sender));
        receiver
    }

    /// Ends the watches of a plan.
    fn forget(&self, key: &Key) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Keeps the newest state of a plan until nobody watches it any more.
    async fn keep(self, key: Key, sender: watch::Sender<Option<Snapshot>>) {
        let mut judged: Option<Judged> = None;
        loop {
            let mut further: Vec<_> = self.kit.followed().iter().map(vigia_platform::Follow::further).collect();
            for one in &mut further {
                one.mark_unchanged();
            }
            let t = self.kit.closed_at();
            let followed: Vec<_> = self
                .kit
                .followed()
                .iter()
                .map(|follow| (follow.now().position, follow.now().time))
                .collect();
            let positions: Vec<_> = followed.iter().map(|(position, _)| *position).collect();
            let newest = followed.iter().map(|(_, time)| *time).max().unwrap_or(Timestamp::MIN);
            let is_new = judged
                .as_ref()
                .is_none_or(|last| t > last.t && (t >= last.next_change || last.positions != positions));
            if is_new {
                let (memory, (plan, with_obligations)) = (self.memory.clone(), key.clone());
                let found = tokio::task::spawn_blocking(move || judge(&memory, &plan, with_obligations, t)).await;
                // Nobody is left waiting for a state that will not come: the watches end, and whoever comes back begins anew.
                let Ok((items, next_change)) = found else {
                    return self.forget(&key);
                };
                let before = sender.borrow().as_ref().and_then(|snapshot| snapshot.items.clone());
                // What is the same keeps its place, so that watchers see at once that nothing changed.
                let items = items.map(|items| before.filter(|before| **before == items).unwrap_or_else(|| Arc::new(items)));
                sender.send_replace(Some(Snapshot { t, items }));
                // Entries that lie after t are judged once their instant is closed.
                let positions = if newest > t { Vec::new() } else { positions };
                judged = Some(Judged { t, next_change, positions });
            } else {
                sender.send_if_modified(|snapshot| match snapshot {
                    Some(snapshot) if t > snapshot.t => {
                        snapshot.t = t;
                        true
                    }
                    _ => false,
                });
            }
            let changed = select_all(further.iter_mut().map(|one| Box::pin(one.changed())));
            tokio::select! {
                (changed, ..) = changed => if changed.is_err() { return self.forget(&key) },
                () = sender.closed() => {
                    let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
                    // Somebody may have come in between; nobody can while the lock is held.
                    if sender.is_closed() {
                        plans.remove(&key);
                        return;
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// How far a plan was judged.
struct Judged {
    t: Timestamp,
    next_change: Timestamp,
    positions: Vec<i64>,
}

/// All that can be watched of a plan as of t, and until when it stays as it is if nothing is recorded. Nothing where
/// there is too much.
fn judge(memory: &Memory, plan: &str, with_obligations: bool, t: Timestamp) -> (Option<Items>, Timestamp) {
    let found = memory.ask_cards(plan, t, |view, cards, _| {
        Ok((items(view, cards, with_obligations)?, cards.next_change()))
    });
    // A plan that was there and is not: nothing of it is left.
    found.unwrap_or_else(|_| (Some(Items::new()), t))
}

fn items(view: &View<'_>, cards: &Cards<'_>, with_obligations: bool) -> Result<Option<Items>, Error> {
    let mut items = Items::new();
    let verdict = |verdict: Verdict| (verdict.name.clone(), Item::Verdict(Arc::new(verdict)));
    items.extend(cards.actions().iter().map(|found| verdict(answers::action_in_short(view, found))));
    if with_obligations {
        let owed = view.obligations().take(WATCHED_MAX + 1);
        items.extend(owed.map(|found| verdict(answers::obligation_in_short(view, &found))));
    }
    for named in scopes::Named::all(view, &SCORECARDS.into()) {
        let card = named.scorecard(view, cards)?;
        items.insert(card.name.clone(), Item::Scorecard(Arc::new(card)));
    }
    Ok(within_limit(items))
}

/// None where there is more than can be watched.
fn within_limit(items: Items) -> Option<Items> {
    (items.len() <= WATCHED_MAX).then_some(items)
}

/// One watch.
struct Watcher {
    kit: Kit,
    memory: Memory,
    caller: Caller,
    plan: String,
    kinds: BTreeSet<WatchKind>,
    filter: Filter,
    token: Page,
    receiver: watch::Receiver<Option<Snapshot>>,
}

impl Watcher {
    /// What was sent by the answer that a token stands for; nothing without one.
    async fn sent_until(&self, since: Option<Since>) -> Result<Items, Error> {
        let Some(since) = since else { return Ok(Items::new()) };
        let t = self.kit.as_of(Some(since.t)).await?;
        if self.memory.positions(t).join(",") != since.positions {
            return Err(outdated_token());
        }
        let (memory, plan) = (self.memory.clone(), self.plan.clone());
        let with_obligations = self.kinds.contains(&WatchKind::Obligations);
        let judged = tokio::task::spawn_blocking(move || judge(&memory, &plan, with_obligations, t)).await;
        let (items, _) = judged.map_err(|cause| Error::internal(&cause))?;
        Ok(self.passing(&items.ok_or_else(|| too_many("verdicts", WATCHED_MAX))?))
    }

    /// The next state that is not the one seen last.
    async fn next(&mut self, seen: Option<&Arc<Items>>) -> Result<Snapshot, Error> {
        let is_other = |snapshot: &Option<Snapshot>| {
            snapshot.as_ref().is_some_and(|snapshot| match (&snapshot.items, seen) {
                (Some(items), Some(seen)) => !Arc::ptr_eq(items, seen),
                _ => true,
            })
        };
        // A watch does not outlive its token: whoever is still let in resumes with the next one.
        let (_, expires_at) = self.caller.token();
        let left = Duration::try_from(expires_at.duration_since(machine_now())).unwrap_or_default();
        let found = tokio::time::timeout(left, self.receiver.wait_for(is_other)).await;
        match found {
            Ok(Ok(snapshot)) => snapshot.clone().ok_or_else(|| Error::internal(&"no state")),
            Ok(Err(_)) => Err(Error::refused(
                Reason::Unavailable,
                "El servicio termina: retome con el último resume_token.",
                "The service ends: resume with the last resume_token.",
            )),
            Err(_) => Err(Error::refused(
                Reason::Unauthenticated,
                "El token venció: retome con uno nuevo y el último resume_token.",
                "The token has expired: resume with a new one and the last resume_token.",
            )),
        }
    }

    /// Whoever has lost the right to see sees nothing more.
    fn check_caller(&self) -> Result<(), Error> {
        let grants = self.kit.grants.of(self.caller.principal()).unwrap_or_default();
        let permission = self.caller.permission();
        if scope_of(permission, &grants).is_some() {
            return Ok(());
        }
        Err(Error::refused(
            Reason::PermissionDenied,
            format!("Ya no tiene el permiso {permission}."),
            format!("You no longer have the permission {permission}."),
        )
        .with("permission", permission))
    }

    /// What this watch is about.
    fn passing(&self, items: &Items) -> Items {
        let passes = |item: &Item| match item {
            Item::Scorecard(_) => self.kinds.contains(&WatchKind::Scorecards),
            Item::Verdict(verdict) => {
                let kind = if verdict.obligation_state.is_empty() {
                    WatchKind::Actions
                } else {
                    WatchKind::Obligations
                };
                self.kinds.contains(&kind) && self.filter.matches(|field| field_of(verdict, field))
            }
        };
        items
            .iter()
            .filter(|(_, item)| passes(item))
            .map(|(name, item)| (name.clone(), item.clone()))
            .collect()
    }
}

/// The answers that lead from what was sent to what is; the first state is answered even where nothing differs, so that
/// the caller has a basis and a token.
fn difference(sent: &Items, now: &Items, is_first: bool) -> Vec<WatchComplianceResponse> {
    let changed = now.iter().filter(|(name, item)| sent.get(*name) != Some(*item));
    let removed = sent.keys().filter(|name| !now.contains_key(*name));
    let changed = changed.map(|(_, item)| Ok(item));
    let all: Vec<Result<&Item, &String>> = changed.chain(removed.map(Err)).collect();
    let mut answers: Vec<_> = all
        .chunks(BATCH_MAX)
        .map(|batch| {
            let mut answer = WatchComplianceResponse::default();
            for one in batch {
                match one {
                    Ok(Item::Verdict(verdict)) => answer.verdicts.push(Verdict::clone(verdict)),
                    Ok(Item::Scorecard(card)) => answer.scorecards.push(Scorecard::clone(card)),
                    Err(name) => answer.removed.push((*name).clone()),
                }
            }
            answer
        })
        .collect();
    if answers.is_empty() && is_first {
        answers.push(WatchComplianceResponse::default());
    }
    answers
}

/// Where a watch goes on.
struct Since {
    t: Timestamp,
    positions: String,
}

impl Since {
    fn parse(text: &str) -> Result<Self, Error> {
        let parsed = text.split_once(' ').and_then(|(t, positions)| Some((t.parse().ok()?, positions)));
        let (t, positions) = parsed.ok_or_else(outdated_token)?;
        Ok(Self {
            t,
            positions: positions.to_owned(),
        })
    }

    fn text(t: Timestamp, basis: &Basis) -> String {
        format!("{t} {}", basis.positions.join(","))
    }
}

fn too_many(what: &str, most: usize) -> Error {
    Error::refused(
        Reason::Overloaded,
        format!("Hay más de {most} ({what}): acote lo que sigue, o intente más tarde."),
        format!("There are more than {most} ({what}): watch less, or try later."),
    )
}

#[cfg(test)]
mod tests {
    use vigia_platform::{Area, Clock, Db, Durability};

    use super::*;

    fn items(count: usize, state: &str) -> Items {
        let verdict = |n: usize| Verdict {
            name: format!("v{n:06}"),
            obligation_state: state.into(),
            ..Verdict::default()
        };
        let verdicts = (0..count).map(verdict);
        verdicts
            .map(|verdict| (verdict.name.clone(), Item::Verdict(Arc::new(verdict))))
            .collect()
    }

    #[test]
    fn so_much_is_watched_and_no_more() {
        assert!(within_limit(items(WATCHED_MAX, "OPEN")).is_some());
        assert!(within_limit(items(WATCHED_MAX + 1, "OPEN")).is_none());
    }

    async fn watcher(receiver: watch::Receiver<Option<Snapshot>>) -> (tempfile::TempDir, Watcher) {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        let db = Db::open(Area::Compliance, directory.path(), Durability::Scratch, clock.clone()).await;
        // Its token expired before all time.
        let caller = Caller::vigia(&clock, "test");
        let watcher = Watcher {
            kit: Kit::new(db.expect("a database"), clock),
            memory: Memory::default(),
            token: Page::parse(&caller, 0, "", &[]).expect("no token"),
            caller,
            plan: "p".to_owned(),
            kinds: BTreeSet::new(),
            filter: Filter::parse("", &[]).expect("no filter"),
            receiver,
        };
        (directory, watcher)
    }

    /// A watch that has nothing to tell ends when its caller's token expires, and says what to do.
    #[tokio::test]
    async fn a_watch_does_not_outlive_its_token() {
        let (sender, receiver) = watch::channel(None);
        let (_directory, mut watcher) = watcher(receiver).await;
        let ended = tokio::time::timeout(Duration::from_secs(20), watcher.next(None)).await;
        let refused = ended.expect("it ends by itself").expect_err("nothing came");
        assert_eq!(refused.reason(), Reason::Unauthenticated);
        drop(sender);
        let refused = watcher.next(None).await.expect_err("nothing comes any more");
        assert_eq!(refused.reason(), Reason::Unavailable);
    }

    /// Whoever watches what has grown beyond the limit is told so.
    #[tokio::test]
    async fn a_watch_of_too_much_is_refused() {
        let t = Timestamp::UNIX_EPOCH;
        let (_sender, receiver) = watch::channel(Some(Snapshot { t, items: None }));
        let (_directory, mut watcher) = watcher(receiver).await;
        let snapshot = watcher.next(None).await.expect("the state");
        assert!(snapshot.items.is_none());
        assert_eq!(too_many("verdicts", WATCHED_MAX).reason(), Reason::Overloaded);
    }

    #[test]
    fn a_difference_goes_out_in_batches() {
        let sizes = |sent: &Items, now: &Items, is_first: bool| -> Vec<_> {
            let answers = difference(sent, now, is_first);
            answers.iter().map(|answer| (answer.verdicts.len(), answer.removed.len())).collect()
        };
        let (none, full, over) = (Items::new(), items(BATCH_MAX, "OPEN"), items(BATCH_MAX + 1, "OPEN"));
        assert_eq!(sizes(&none, &full, true), [(BATCH_MAX, 0)]);
        assert_eq!(sizes(&none, &over, true), [(BATCH_MAX, 0), (1, 0)]);
        // Only what differs; and nothing at all is an answer only at first.
        assert_eq!(sizes(&full, &over, false), [(1, 0)]);
        assert_eq!(sizes(&over, &full, false), [(0, 1)]);
        assert_eq!(sizes(&full, &items(BATCH_MAX, "OVERDUE"), false), [(BATCH_MAX, 0)]);
        assert_eq!(sizes(&full, &full, false), []);
        assert_eq!(sizes(&full, &full, true), [(0, 0)]);
    }
}
