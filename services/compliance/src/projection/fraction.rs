//! Exact fractions in machine words. What does not fit goes on as the rules' own [`Exact`]: slower, never rounded.

use std::cmp::Ordering;

use vigia_rules::{Decimal, Exact, Reading};

/// A fraction.
#[derive(Clone, Debug)]
pub(super) enum Fraction {
    /// The denominator is above 0; not always reduced.
    Small { num: i128, den: i128 },
    /// Numbers that do not fit.
    Great(Exact),
}

use Fraction::{Great, Small};

/// Beyond this numerators and denominators are reduced, so that two of them still multiply.
const REDUCED_BEYOND: u128 = 1 << 62;
const TRILLIONTHS: i128 = 1_000_000_000_000;

impl Fraction {
    pub(super) const ZERO: Self = Small { num: 0, den: 1 };
    pub(super) const ONE: Self = Small { num: 1, den: 1 };

    pub(super) const fn whole(n: i128) -> Self {
        Small { num: n, den: 1 }
    }

    fn small(num: i128, den: i128) -> Self {
        let (num, den) = if den < 0 { (-num, -den) } else { (num, den) };
        if num.unsigned_abs() < REDUCED_BEYOND && den.unsigned_abs() < REDUCED_BEYOND {
            return Small { num, den };
        }
        let (mut a, mut b) = (num.unsigned_abs(), den.unsigned_abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        match i128::try_from(a) {
            Ok(common) if common > 1 => Small {
                num: num / common,
                den: den / common,
            },
            _ => Small { num, den },
        }
    }

    /// A quotient of sums that were kept in millionths; none where the divisor is zero.
    pub(super) fn quotient(num: i128, den: i128) -> Option<Self> {
        (den != 0).then(|| Self::small(num, den))
    }

    pub(super) fn millionths(sum: i128) -> Self {
        Self::small(sum, 1_000_000)
    }

    fn exact(&self) -> Exact {
        match self {
            Small { num, den } => {
                let quotient = Exact::from_millionths(*num).divided_by(&Exact::from_millionths(*den));
                quotient.unwrap_or_else(Exact::zero)
            }
            Great(exact) => exact.clone(),
        }
    }

    /// One operation: in words if everything fits, exactly in any case.
    fn by(
        &self,
        other: &Self,
        words: impl Fn(i128, i128, i128, i128) -> Option<(i128, i128)>,
        exact: impl Fn(&Exact, &Exact) -> Exact,
    ) -> Self {
        if let (Small { num: a, den: b }, Small { num: c, den: d }) = (self, other)
            && let Some((num, den)) = words(*a, *b, *c, *d)
        {
            return Self::small(num, den);
        }
        Great(exact(&self.exact(), &other.exact()))
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let words = |a: i128, b: i128, c: i128, d: i128| {
            if b == d {
                return Some((a.checked_add(c)?, b));
            }
            Some((a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?, b.checked_mul(d)?))
        };
        self.by(other, words, |a, b| a + b)
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        let words = |a: i128, b: i128, c: i128, d: i128| {
            if b == d {
                return Some((a.checked_sub(c)?, b));
            }
            Some((a.checked_mul(d)?.checked_sub(c.checked_mul(b)?)?, b.checked_mul(d)?))
        };
        self.by(other, words, |a, b| a - b)
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let words = |a: i128, b: i128, c: i128, d: i128| Some((a.checked_mul(c)?, b.checked_mul(d)?));
        self.by(other, words, |a, b| a * b)
    }

    /// None where the divisor is zero.
    pub(super) fn over(&self, divisor: &Self) -> Option<Self> {
        if divisor.is_zero() {
            return None;
        }
        let words = |a: i128, b: i128, c: i128, d: i128| Some((a.checked_mul(d)?, b.checked_mul(c)?));
        // Not zero, so there is a quotient.
        Some(self.by(divisor, words, |a, b| a.divided_by(b).unwrap_or_else(Exact::zero)))
    }

    fn is_zero(&self) -> bool {
        match self {
            Small { num, .. } => *num == 0,
            Great(exact) => *exact == Exact::zero(),
        }
    }

    /// Rounded half up.
    pub(super) fn reading(&self) -> Reading {
        if let Small { num, den } = self
            && let Some(doubled) = num.checked_mul(2 * TRILLIONTHS).and_then(|num| num.checked_add(*den))
            && let Some(den) = den.checked_mul(2)
        {
            let units = doubled.div_euclid(den);
            return if units < 0 {
                Reading::ZERO
            } else {
                u64::try_from(units).map_or_else(|_| Reading::of(&self.exact()), Reading::from_trillionths)
            };
        }
        Reading::of(&self.exact())
    }
}

impl From<Exact> for Fraction {
    fn from(exact: Exact) -> Self {
        match exact.parts() {
            Some((num, den)) => Small { num, den },
            None => Great(exact),
        }
    }
}

impl From<Decimal> for Fraction {
    fn from(decimal: Decimal) -> Self {
        Self::millionths(decimal.millionths())
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Fraction {}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Small { num: a, den: b }, Small { num: c, den: d }) = (self, other)
            && let (Some(left), Some(right)) = (a.checked_mul(*d), c.checked_mul(*b))
        {
            return left.cmp(&right);
        }
        self.exact().cmp(&other.exact())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = (i128, i128)> {
        let part = || prop_oneof![-1000..1000_i128, -(1_i128 << 100)..(1_i128 << 100)];
        (part(), part()).prop_filter("a fraction", |(_, den)| *den != 0)
    }

    fn both((num, den): (i128, i128)) -> (Fraction, Exact) {
        let exact = Exact::from_millionths(num)
            .divided_by(&Exact::from_millionths(den))
            .expect("not zero");
        (Fraction::quotient(num, den).expect("not zero"), exact)
    }

    proptest! {
        #[test]
        fn it_reckons_as_the_rules_do(one in number(), two in number()) {
            let ((a, exact_a), (b, exact_b)) = (both(one), both(two));
            prop_assert_eq!(a.plus(&b).exact(), &exact_a + &exact_b);
            prop_assert_eq!(a.minus(&b).exact(), &exact_a - &exact_b);
            prop_assert_eq!(a.times(&b).exact(), &exact_a * &exact_b);
            prop_assert_eq!(a.over(&b).map(|quotient| quotient.exact()), exact_a.divided_by(&exact_b));
            prop_assert_eq!(a.cmp(&b), exact_a.cmp(&exact_b));
            prop_assert_eq!(a.reading(), Reading::of(&exact_a));
            let share = a.times(&a).over(&a.times(&a).plus(&b.times(&b)));
            let exact_share = (&exact_a * &exact_a).divided_by(&(&(&exact_a * &exact_a) + &(&exact_b * &exact_b)));
            prop_assert_eq!(share.map(|share| share.reading()), exact_share.as_ref().map(Reading::of));
        }
    }
}
