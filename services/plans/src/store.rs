//! Rows of plans, and the plan that they make: the draft, then the revisions that act, in their order.

use jiff::Timestamp;
use prost::Message;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use vigia_platform::{
    Change, Error, Faults, etag, from_micros, micros, name, new_id,
    plan_changes::{apply, sort_indicators},
    timestamp,
};
use vigia_proto::{
    error::Reason,
    plans::{
        self, Action, ActionSaved, Component, ComponentSaved, Indicator, IndicatorSaved, Plan, PlanDefinition, PlanState, Revision,
        RevisionState, change::Resource,
    },
};

use crate::{
    entities::{plan, plan_part, revision},
    normal::normalise,
};

/// A part of a plan: what components, actions and indicators have in common.
pub(crate) trait Part: Message + Default + Clone {
    /// Kind of its rows, and the last collection in its name.
    const KIND: &'static str;
    /// Pattern of its names.
    const PATTERN: &'static str;
    /// Its field in requests.
    const FIELD: &'static str;
    fn name(&self) -> &str;
    fn code(&self) -> &str;
    fn put_name(&mut self, name: String);
    fn etag(&mut self) -> &mut String;
    fn list(definition: &PlanDefinition) -> &[Self];
    fn list_mut(definition: &mut PlanDefinition) -> &mut Vec<Self>;
    fn resource(self) -> Resource;
    /// Appends the event that it was saved.
    async fn record(self, change: &mut Change) -> Result<(), Error>;
}

macro_rules! part {
    ($part:ident, $saved:ident, $field:ident, $list:ident, $pattern:literal) => {
        impl Part for $part {
            const KIND: &'static str = stringify!($list);
            const PATTERN: &'static str = $pattern;
            const FIELD: &'static str = stringify!($field);
            fn name(&self) -> &str {
                &self.name
            }
            fn code(&self) -> &str {
                &self.code
            }
            fn put_name(&mut self, name: String) {
                self.name = name;
            }
            fn etag(&mut self) -> &mut String {
                &mut self.etag
            }
            fn list(definition: &PlanDefinition) -> &[Self] {
                &definition.$list
            }
            fn list_mut(definition: &mut PlanDefinition) -> &mut Vec<Self> {
                &mut definition.$list
            }
            fn resource(self) -> Resource {
                Resource::$part(self)
            }
            async fn record(self, change: &mut Change) -> Result<(), Error> {
                let name = self.name.clone();
                let event = $saved { $field: Some(self) };
                change
                    .record(concat!("vigia.plans.v1.", stringify!($saved)), &name, "", &event)
                    .await?;
                Ok(())
            }
        }
    };
}
part!(Component, ComponentSaved, component, components, "plans/{}/components/{}");
part!(Action, ActionSaved, action, actions, "plans/{}/actions/{}");
part!(
    Indicator,
    IndicatorSaved,
    indicator,
    indicators,
    "plans/{}/actions/{}/indicators/{}"
);

/// A plan's rows: the draft, and the approved revisions in the order in which they act.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) row: plan::Model,
    draft: PlanDefinition,
    pub(crate) approved: Vec<Revision>,
}

impl Stored {
    /// Reads a plan with all that belongs to it.
    pub(crate) async fn load(db: &impl ConnectionTrait, name: &str) -> Result<Self, Error> {
        let row = plan::Entity::find_by_id(name)
            .one(db)
            .await?
            .ok_or_else(|| Error::not_found(name))?;
        let mut draft = PlanDefinition {
            plan: Some(Plan::decode(row.definition.as_slice())?),
            ..PlanDefinition::default()
        };
        let parts = plan_part::Entity::find()
            .filter(plan_part::Column::Plan.eq(name))
            .order_by_asc(plan_part::Column::Place)
            .all(db)
            .await?;
        for part in parts {
            let bytes = part.definition.as_slice();
            match part.kind.as_str() {
                Component::KIND => draft.components.push(Component::decode(bytes)?),
                Action::KIND => draft.actions.push(Action::decode(bytes)?),
                _ => draft.indicators.push(Indicator::decode(bytes)?),
            }
        }
        sort_indicators(&mut draft);
        let approved = approved(db, name).await?;
        Ok(Self { row, draft, approved })
    }

    /// Reads a plan's own fields and revisions only: for lists of plans.
    pub(crate) async fn load_head(db: &impl ConnectionTrait, row: plan::Model) -> Result<Self, Error> {
        let draft = PlanDefinition {
            plan: Some(Plan::decode(row.definition.as_slice())?),
            ..PlanDefinition::default()
        };
        let mut approved = approved(db, &row.name).await?;
        for revision in &mut approved {
            revision.changes.retain(|change| matches!(change.resource, Some(Resource::Plan(_))));
        }
        Ok(Self { row, draft, approved })
    }

    /// A draft's own fields, just written.
    pub(crate) fn of_draft(row: plan::Model, plan: Plan) -> Self {
        Self {
            row,
            draft: PlanDefinition {
                plan: Some(plan),
                ..PlanDefinition::default()
            },
            approved: Vec::new(),
        }
    }

    /// The plan that the revisions which pass make, without what the service adds for show.
    pub(crate) fn composed(&self, passes: impl Fn(&Revision) -> bool) -> PlanDefinition {
        let mut definition = self.draft.clone();
        let changes = self
            .approved
            .iter()
            .filter(|revision| passes(revision))
            .flat_map(|revision| &revision.changes);
        let mut revised = false;
        for change in changes {
            apply(&mut definition, change);
            revised = true;
        }
        if revised {
            normalise(&mut definition);
        }
        definition
    }

    /// The plan as it stands now, with state, times and etags.
    pub(crate) fn now(&self, now: Timestamp) -> PlanDefinition {
        let mut definition = self.composed(|revision| acts_from(revision) <= now);
        if let Some(plan) = &mut definition.plan {
            self.show(plan, now);
        }
        fn show<P: Part>(definition: &mut PlanDefinition) {
            for part in P::list_mut(definition) {
                *part.etag() = etag(part);
            }
        }
        show::<Component>(&mut definition);
        show::<Action>(&mut definition);
        show::<Indicator>(&mut definition);
        definition
    }

    fn show(&self, plan: &mut Plan, now: Timestamp) {
        let acting = self.approved.iter().filter(|revision| acts_from(revision) <= now);
        plan.revision = acting.clone().map(number).max().unwrap_or(0);
        plan.set_state(if self.row.in_force { PlanState::InForce } else { PlanState::Draft });
        plan.create_time = Some(timestamp(from_micros(self.row.created_at)));
        let updated = acting.map(acts_from).chain([from_micros(self.row.updated_at)]).max();
        plan.update_time = updated.map(timestamp);
        plan.etag = etag(plan);
    }

    /// Refuses unless the plan is still a draft.
    pub(crate) fn draft_only(&self) -> Result<(), Error> {
        draft_only(&self.row)
    }

    /// Number of the newest approved revision; 0 for a draft.
    pub(crate) fn newest(&self) -> i32 {
        self.approved.iter().map(number).max().unwrap_or(0)
    }
}

/// Refuses unless the plan is still a draft.
pub(crate) fn draft_only(row: &plan::Model) -> Result<(), Error> {
    if !row.in_force {
        return Ok(());
    }
    Err(Error::refused(
        Reason::PlanInForce,
        format!("«{}» está vigente: cambia solo por revisiones.", row.name),
        format!("\"{}\" is in force: it changes only by revisions.", row.name),
    )
    .with("plan", row.name.clone()))
}

/// When an approved revision begins to act.
pub(crate) fn acts_from(revision: &Revision) -> Timestamp {
    revision
        .acts_from
        .as_ref()
        .and_then(vigia_platform::instant)
        .unwrap_or(Timestamp::MAX)
}

/// A revision's number, from its name.
pub(crate) fn number(revision: &Revision) -> i32 {
    name::split("plans/{}/revisions/{}", &revision.name)
        .and_then(|parts| parts[1].parse().ok())
        .unwrap_or(0)
}

/// Puts revisions in the order in which they act, then of their numbers.
pub(crate) fn in_order(revisions: &mut [Revision]) {
    revisions.sort_by_key(|revision| (acts_from(revision), number(revision)));
}

async fn approved(db: &impl ConnectionTrait, plan: &str) -> Result<Vec<Revision>, Error> {
    let rows = revision::Entity::find()
        .filter(revision::Column::Plan.eq(plan))
        .filter(revision::Column::State.eq(RevisionState::Approved.as_str_name()))
        .all(db)
        .await?;
    let mut approved = rows
        .iter()
        .map(|row| Revision::decode(row.definition.as_slice()))
        .collect::<Result<Vec<_>, _>>()?;
    in_order(&mut approved);
    Ok(approved)
}

/// Writes a plan's own row.
pub(crate) async fn save_plan(change: &Change, stored: Option<&plan::Model>, plan: &Plan, in_force: bool) -> Result<plan::Model, Error> {
    let now = micros(change.now());
    let row = plan::Model {
        name: plan.name.clone(),
        in_force,
        definition: plan.encode_to_vec(),
        created_at: stored.map_or(now, |stored| stored.created_at),
        updated_at: now,
    };
    if stored.is_some() {
        row.clone().into_active_model().reset_all().update(change.tx()).await?;
    } else {
        plan::Entity::insert(row.clone().into_active_model())
            .exec_without_returning(change.tx())
            .await?;
    }
    Ok(row)
}

/// Writes a new part behind the others of its kind, or the new content of one that is there.
pub(crate) async fn save_part<P: Part>(change: &Change, plan: &str, part: &P, is_new: bool) -> Result<(), Error> {
    let tx = change.tx();
    if !is_new {
        let mut row = plan_part::Model {
            name: part.name().to_owned(),
            plan: String::new(),
            kind: String::new(),
            place: 0,
            definition: Vec::new(),
        }
        .into_active_model();
        row.definition = Set(part.encode_to_vec());
        row.update(tx).await?;
        return Ok(());
    }
    let last: Option<i32> = plan_part::Entity::find()
        .filter(plan_part::Column::Plan.eq(plan))
        .filter(plan_part::Column::Kind.eq(P::KIND))
        .order_by_desc(plan_part::Column::Place)
        .select_only()
        .column(plan_part::Column::Place)
        .into_tuple()
        .one(tx)
        .await?;
    plan_part::Entity::insert(row(plan, part, last.unwrap_or(0) + 1))
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

fn row<P: Part>(plan: &str, part: &P, place: i32) -> plan_part::ActiveModel {
    plan_part::ActiveModel {
        name: Set(part.name().to_owned()),
        plan: Set(plan.to_owned()),
        kind: Set(P::KIND.to_owned()),
        place: Set(place),
        definition: Set(part.encode_to_vec()),
    }
}

/// Replaces all parts of a draft.
pub(crate) async fn replace_parts(change: &Change, plan: &str, definition: &PlanDefinition) -> Result<(), Error> {
    fn rows<P: Part>(plan: &str, definition: &PlanDefinition) -> Vec<plan_part::ActiveModel> {
        P::list(definition)
            .iter()
            .zip(1..)
            .map(|(part, place)| row(plan, part, place))
            .collect()
    }
    plan_part::Entity::delete_many()
        .filter(plan_part::Column::Plan.eq(plan))
        .exec(change.tx())
        .await?;
    let mut all = rows::<Component>(plan, definition);
    all.extend(rows::<Action>(plan, definition));
    all.extend(rows::<Indicator>(plan, definition));
    for some in all.chunks(ROWS_AT_ONCE) {
        plan_part::Entity::insert_many(some.to_vec())
            .exec_without_returning(change.tx())
            .await?;
    }
    Ok(())
}

/// Rows of one statement: five values each, far below what either database takes.
const ROWS_AT_ONCE: usize = 500;

/// Writes a revision, new or changed.
pub(crate) async fn save_revision(change: &Change, plan: &str, revision: &Revision, is_new: bool) -> Result<(), Error> {
    let row = revision::Model {
        name: revision.name.clone(),
        plan: plan.to_owned(),
        number: number(revision),
        state: revision.state().as_str_name().to_owned(),
        acts_from: revision.acts_from.as_ref().and_then(vigia_platform::instant).map(micros),
        definition: revision.encode_to_vec(),
    };
    if is_new {
        revision::Entity::insert(row.into_active_model())
            .exec_without_returning(change.tx())
            .await?;
    } else {
        row.into_active_model().reset_all().update(change.tx()).await?;
    }
    Ok(())
}

/// Reads a revision, whatever its state.
pub(crate) async fn find_revision(db: &impl ConnectionTrait, name: &str) -> Result<Revision, Error> {
    let row = revision::Entity::find_by_id(name)
        .one(db)
        .await?
        .ok_or_else(|| Error::not_found(name))?;
    Ok(Revision::decode(row.definition.as_slice())?)
}

/// Adds what a revision's readers see beside what is stored.
pub(crate) fn shown(mut revision: Revision) -> Revision {
    revision.etag = etag(&revision);
    revision
}

/// An id as given, or made from the code, or made up.
pub(crate) fn id_or_made(faults: &mut Faults, path: &str, given: &str, code: &str) -> String {
    let made = name::id_of_code(code);
    match given {
        "" if made.is_empty() => new_id(),
        "" => made,
        given => {
            faults.id(path, given);
            given.to_owned()
        }
    }
}

/// A change without a mask: the whole.
pub(crate) fn whole(resource: Resource) -> plans::Change {
    plans::Change {
        resource: Some(resource),
        update_mask: None,
    }
}

/// Refuses where there is no such plan.
pub(crate) async fn exists(db: &impl ConnectionTrait, plan: &str) -> Result<(), Error> {
    let row = plan::Entity::find_by_id(plan).one(db).await?;
    row.map(|_| ()).ok_or_else(|| Error::not_found(plan))
}
