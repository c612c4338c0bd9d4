//! The budget for tries of gRPC's proposal A6: a failure takes a token, a success gives a tenth of one back, and only
//! while more than half of them are there is anything tried again.

use std::sync::atomic::{AtomicU32, Ordering};

/// Tenths of a token at most.
const TENTHS_MAX: u32 = 100;

#[derive(Debug)]
pub(crate) struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(TENTHS_MAX))
    }
}

impl Budget {
    /// Notes a success.
    pub(crate) fn succeeded(&self) {
        let add = |tenths: u32| (tenths < TENTHS_MAX).then_some(tenths + 1);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Notes a failure; says whether there is enough left for another try.
    pub(crate) fn failed(&self) -> bool {
        let take = |tenths: u32| Some(tenths.saturating_sub(10));
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        before.unwrap_or_else(|tenths| tenths).saturating_sub(10) > TENTHS_MAX / 2
    }
}
