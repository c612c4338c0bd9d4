//! When each entry of a followed journal was recorded. Its times never run backwards, so a position orders exactly as its
//! instant does: columns hold positions, and a question's instant becomes one position.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

/// Entries that share a base; small, so that a base and 32 bits of microseconds reach over them even on slow days.
const CHUNK: usize = 64;
/// Chunks that copies share as long as none of them goes on.
const BLOCK: usize = 64;

/// Instants by position, from 1 on. A copy shares nearly all of them.
#[derive(Clone, Debug, Default)]
pub struct Instants {
    blocks: Vec<Arc<Vec<Chunk>>>,
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
    #[error("entry {position} of the journal is older than the one before it")]
    Backwards {
        /// The entry.
        position: u64,
    },
    /// More than [`ENTRIES_MAX`] entries.
    #[error("the journal has more than {ENTRIES_MAX} entries")]
    TooLong,
}

/// The longest journal that can be projected: of a column's word two bits are flags, and the sign is left alone.
pub const ENTRIES_MAX: u64 = (1 << 29) - 2;

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
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.len).unwrap_or(u32::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes in the time of an entry. What lies between it and the last one is as old as it.
    pub fn push(&mut self, position: u64, at: Timestamp) -> Result<u32, JournalRefused> {
        if position > ENTRIES_MAX {
            return Err(JournalRefused::TooLong);
        }
        let known = self.len as u64;
        if position <= known || (self.len > 0 && at < self.at(self.len())) {
            return Err(JournalRefused::Backwards { position });
        }
        for _ in known..position {
            let (chunk, i) = (self.len / CHUNK, self.len % CHUNK);
            if self.len.is_multiple_of(CHUNK * BLOCK) {
                self.blocks.push(Arc::default());
            }
            if let Some(block) = self.blocks.last_mut() {
                let block = Arc::make_mut(block);
                if i == 0 {
                    block.push(Chunk::Narrow {
                        base: at,
                        micros: [0; CHUNK],
                    });
                }
                block[chunk % BLOCK].set(i, at);
            }
            self.len += 1;
        }
        Ok(self.len())
    }

    /// When an entry was recorded; positions are from 1 to the last.
    #[must_use]
    pub fn at(&self, position: u32) -> Timestamp {
        let i = (position as usize).saturating_sub(1);
        self.blocks[i / (CHUNK * BLOCK)][i / CHUNK % BLOCK].at(i % CHUNK)
    }

    /// The last entry recorded by t; 0 where there is none.
    #[must_use]
    pub fn up_to(&self, t: Timestamp) -> u32 {
        let block = self.blocks.partition_point(|block| block[0].at(0) <= t);
        let Some(block) = block.checked_sub(1) else { return 0 };
        // The first chunk is not later, or the block had not been found.
        let chunk = self.blocks[block].partition_point(|chunk| chunk.at(0) <= t).saturating_sub(1);
        let first = (block * BLOCK + chunk) * CHUNK;
        let len = CHUNK.min(self.len - first);
        let within = (0..len).take_while(|&i| self.blocks[block][chunk].at(i) <= t).count();
        u32::try_from(first + within).unwrap_or(u32::MAX)
    }

    /// The instants of entries that come one after the other, in as many steps as copies share.
    pub fn steps(&self) -> impl Iterator<Item = Vec<Timestamp>> {
        let positions = 1..=self.len();
        let step = CHUNK * BLOCK;
        positions
            .step_by(step)
            .map(move |first| (first..=self.len()).take(step).map(|position| self.at(position)).collect())
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let chunks = || self.blocks.iter().flat_map(|block| block.iter());
        let wide = chunks().filter(|chunk| matches!(chunk, Chunk::Wide(_))).count();
        chunks().count() * size_of::<Chunk>() + wide * size_of::<[Timestamp; CHUNK]>()
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
