//! What people said about verdicts, as the journal has it: assessments, comments and follow-ups, in the order of
//! recording, without their texts.

use std::collections::HashMap;

use jiff::Timestamp;
use prost::Message;
use vigia_platform::Error;
use vigia_proto::{
    compliance::{Assessment, AssessmentRecorded, Comment, CommentCreated, FollowUp, FollowUpRecorded, TextsErased},
    journal::Entry,
};

/// All that was said, by plan.
#[derive(Debug, Default)]
pub(crate) struct Voices {
    assessments: Said<Assessment>,
    comments: Said<Comment>,
    follow_ups: Said<FollowUp>,
    /// Whose texts were erased, when and why.
    erased: HashMap<String, (Timestamp, String)>,
}

/// What was said of one kind.
#[derive(Debug)]
pub(crate) struct Said<T> {
    by_plan: HashMap<String, Vec<(Timestamp, T)>>,
    /// Plan and place of each, by resource name.
    places: HashMap<String, (String, usize)>,
}

impl<T> Default for Said<T> {
    fn default() -> Self {
        Self {
            by_plan: HashMap::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> Said<T> {
    fn push(&mut self, time: Timestamp, name: &str, one: T) {
        let plan = name.split('/').nth(1).unwrap_or_default();
        let all = self.by_plan.entry(plan.to_owned()).or_default();
        self.places.insert(name.to_owned(), (plan.to_owned(), all.len()));
        all.push((time, one));
    }

    /// What was said in a plan by t, in the order of recording.
    pub(crate) fn by(&self, plan: &str, t: Timestamp) -> impl DoubleEndedIterator<Item = &T> {
        let all = self.by_plan.get(plan).map(Vec::as_slice).unwrap_or_default();
        all[..all.partition_point(|(time, _)| *time <= t)].iter().map(|(_, one)| one)
    }

    /// The one of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        let (plan, place) = self.places.get(name)?;
        self.by_plan.get(plan)?.get(*place).map(|(_, one)| one)
    }
}

impl Voices {
    /// Takes in an entry; says whether it is one of these.
    pub(crate) fn take(&mut self, time: Timestamp, entry: &Entry) -> Result<bool, Error> {
        let event = entry.event.as_slice();
        match entry.event_type.as_str() {
            "vigia.compliance.v1.AssessmentRecorded" => {
                let one = AssessmentRecorded::decode(event)?.assessment.unwrap_or_default();
                self.assessments.push(time, &entry.resource, one);
            }
            "vigia.compliance.v1.CommentCreated" => {
                let one = CommentCreated::decode(event)?.comment.unwrap_or_default();
                self.comments.push(time, &entry.resource, one);
            }
            "vigia.compliance.v1.FollowUpRecorded" => {
                let one = FollowUpRecorded::decode(event)?.follow_up.unwrap_or_default();
                self.follow_ups.push(time, &entry.resource, one);
            }
            "vigia.compliance.v1.TextsErased" => {
                let one = TextsErased::decode(event)?;
                self.erased.insert(one.name, (time, one.reason));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(crate) fn assessments(&self) -> &Said<Assessment> {
        &self.assessments
    }

    pub(crate) fn comments(&self) -> &Said<Comment> {
        &self.comments
    }

    pub(crate) fn follow_ups(&self) -> &Said<FollowUp> {
        &self.follow_ups
    }

    /// Whether something was said under that name.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.assessments.get(name).is_some() || self.comments.get(name).is_some() || self.follow_ups.get(name).is_some()
    }

    /// When and why the texts of a name were erased; none while they stand.
    pub(crate) fn erased(&self, name: &str) -> Option<(Timestamp, String)> {
        self.erased.get(name).cloned()
    }
}
