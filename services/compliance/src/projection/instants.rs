//! When each entry of the followed reporting journal was recorded. Its times never run backwards, so a position orders
//! exactly as its instant does: columns hold positions, and a question's instant becomes one position.

use jiff::{SignedDuration, Timestamp};

/// Entries that share a base; small, so that a base and 32 bits of microseconds reach over them even on slow days.
const CHUNK: usize = 64;

/// Instants by position, from 1 on.
#[derive(Clone, Debug, Default)]
pub(super) struct Instants {
    chunks: Vec<Chunk>,
    len: usize,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are narrow; a pointer to each would cost more")]
enum Chunk {
    /// Whole microseconds from a base.
    Narrow { base: Timestamp, micros: [u32; CHUNK] },
    /// What does not fit: quiet times, or parts of a microsecond.
    Wide(Box<[Timestamp; CHUNK]>),
}

/// A journal's times run backwards, or it is longer than the projection can number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalRefused {
    /// An entry is older than the one before it.
    #[error("entry {position} of the reporting journal is older than the one before it")]
    Backwards {
        /// The entry.
        position: u64,
    },
    /// More than [`ENTRIES_MAX`] entries.
    #[error("the reporting journal has more than {ENTRIES_MAX} entries")]
    TooLong,
}

/// The longest reporting journal that can be projected: two bits of a column's word are flags.
pub const ENTRIES_MAX: u64 = (1 << 30) - 2;

impl Chunk {
    fn at(&self, i: usize) -> Timestamp {
        match self {
            Self::Narrow { base, micros } => *base + SignedDuration::from_micros(micros[i].into()),
            Self::Wide(all) => all[i],
        }
    }

    fn set(&mut self, i: usize, at: Timestamp) {
        match self {
            Self::Narrow { base, micros } => {
                let since = at.duration_since(*base);
                let whole = since.subsec_nanos() % 1000 == 0;
                if let (true, Ok(since)) = (whole, u32::try_from(since.as_micros())) {
                    micros[i] = since;
                } else {
                    let mut all = Box::new([*base; CHUNK]);
                    for (j, slot) in all.iter_mut().enumerate().take(i) {
                        *slot = self.at(j);
                    }
                    all[i] = at;
                    *self = Self::Wide(all);
                }
            }
            Self::Wide(all) => all[i] = at,
        }
    }
}

impl Instants {
    /// The last position.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.len).unwrap_or(u32::MAX)
    }

    /// Takes in the time of an entry. What lies between it and the last one (entries of other plans) is as old as it.
    pub(super) fn push(&mut self, position: u64, at: Timestamp) -> Result<u32, JournalRefused> {
        if position > ENTRIES_MAX {
            return Err(JournalRefused::TooLong);
        }
        let known = self.len as u64;
        if position <= known || (self.len > 0 && at < self.at(self.len())) {
            return Err(JournalRefused::Backwards { position });
        }
        for _ in known..position {
            let i = self.len % CHUNK;
            if i == 0 {
                self.chunks.push(Chunk::Narrow {
                    base: at,
                    micros: [0; CHUNK],
                });
            }
            if let Some(chunk) = self.chunks.last_mut() {
                chunk.set(i, at);
            }
            self.len += 1;
        }
        Ok(self.len())
    }

    /// When an entry was recorded; positions are from 1 to the last.
    pub(super) fn at(&self, position: u32) -> Timestamp {
        let i = (position as usize).saturating_sub(1);
        self.chunks[i / CHUNK].at(i % CHUNK)
    }

    /// The last entry recorded by t; 0 where there is none.
    pub(super) fn up_to(&self, t: Timestamp) -> u32 {
        let chunk = self.chunks.partition_point(|chunk| chunk.at(0) <= t);
        let Some(chunk) = chunk.checked_sub(1) else { return 0 };
        let first = chunk * CHUNK;
        let len = CHUNK.min(self.len - first);
        let within = (0..len).take_while(|&i| self.chunks[chunk].at(i) <= t).count();
        u32::try_from(first + within).unwrap_or(u32::MAX)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let wide = self.chunks.iter().filter(|chunk| matches!(chunk, Chunk::Wide(_))).count();
        self.chunks.len() * size_of::<Chunk>() + wide * size_of::<[Timestamp; CHUNK]>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_and_instants_lead_to_each_other(
            steps in prop::collection::vec((1..4_u64, prop_oneof![Just(0_i64), 0..5_000_i64, 0..10_000_000_000_000_i64]), 1..300),
            asked in 0..400_i64,
        ) {
            let (mut instants, mut plain) = (Instants::default(), Vec::new());
            let (mut position, mut at) = (0, Timestamp::UNIX_EPOCH);
            for (gap, nanos) in steps {
                position += gap;
                at += SignedDuration::from_nanos(nanos);
                instants.push(position, at).expect("in order");
                plain.resize(usize::try_from(position).expect("small"), at);
            }
            for (i, at) in plain.iter().enumerate() {
                prop_assert_eq!(instants.at(u32::try_from(i + 1).expect("small")), *at);
            }
            let mut questions: Vec<_> = plain.iter().flat_map(|at| [*at, *at - SignedDuration::from_nanos(1)]).collect();
            questions.push(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(asked * 60));
            for t in questions {
                prop_assert_eq!(instants.up_to(t) as usize, plain.iter().filter(|at| **at <= t).count());
            }
            prop_assert!(instants.push(position, at).is_err());
            prop_assert!(instants.push(position + 1, at - SignedDuration::from_nanos(1)).is_err());
            prop_assert_eq!(instants.push(ENTRIES_MAX + 1, at), Err(JournalRefused::TooLong));
        }
    }
}
