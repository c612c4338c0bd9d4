//! Exact arithmetic: decimals as stored, fractions as computed, readings as shown.

use std::fmt;
use std::ops::{Add, Mul, Sub};
use std::str::FromStr;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

/// One in millionths: a decimal has at most six digits after the point.
const MILLIONTHS: i128 = 1_000_000;
/// A decimal has at most fifteen digits before the point; its magnitude stays below this.
const DECIMAL_BOUND: i128 = 1_000_000_000_000_000 * MILLIONTHS;
/// One in the units of a [`Reading`]: twelve decimals.
const TRILLIONTHS: u64 = 1_000_000_000_000;

/// A decimal of at most fifteen digits before and six after the point, exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

/// The text is not a decimal of at most fifteen digits before and six after the point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a decimal of at most 15 digits before and 6 after the point")]
pub struct NotADecimal(pub String);

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// One: the weight of what has none written.
    pub const ONE: Self = Self(MILLIONTHS);

    /// The decimal of a whole number.
    #[must_use]
    pub const fn from_int(whole: i32) -> Self {
        Self(whole as i128 * MILLIONTHS)
    }

    /// So many millionths; none where that is too many digits for a decimal.
    #[must_use]
    pub const fn from_millionths(millionths: i128) -> Option<Self> {
        if millionths.unsigned_abs() < DECIMAL_BOUND.unsigned_abs() {
            Some(Self(millionths))
        } else {
            None
        }
    }

    /// The value in millionths.
    #[must_use]
    pub const fn millionths(self) -> i128 {
        self.0
    }
}

impl FromStr for Decimal {
    type Err = NotADecimal;

    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        let refused = || NotADecimal(text.to_owned());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = match digits.split_once('.') {
            Some((_, "")) => return Err(refused()),
            Some(split) => split,
            None => (digits, ""),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(part) {
            return Err(refused());
        }
        let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
        if whole.len() > 15 || part.len() > 6 {
            return Err(refused());
        }
        let number = |digits: &str| digits.bytes().fold(0, |number, digit| number * 10 + i128::from(digit - b'0'));
        let scale = (part.len()..6).fold(1, |scale, _| scale * 10);
        let magnitude = number(whole) * MILLIONTHS + number(part) * scale;
        debug_assert!(magnitude < DECIMAL_BOUND);
        Ok(Self(if negative { -magnitude } else { magnitude }))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let unit = MILLIONTHS.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let text = format!("{sign}{}.{:06}", magnitude / unit, magnitude % unit);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// An exact fraction. It is shown as a decimal, rounded half up to twelve digits after the point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(BigRational);

impl Exact {
    /// Zero.
    #[must_use]
    pub fn zero() -> Self {
        Self(BigRational::zero())
    }

    /// One.
    #[must_use]
    pub fn one() -> Self {
        Self::from_int(1)
    }

    /// The fraction of a whole number.
    #[must_use]
    pub fn from_int(whole: i64) -> Self {
        Self(BigRational::from_integer(BigInt::from(whole)))
    }

    /// A sum of decimals that was kept in millionths.
    #[must_use]
    pub fn from_millionths(sum: i128) -> Self {
        Self(BigRational::new(BigInt::from(sum), BigInt::from(MILLIONTHS)))
    }

    /// The quotient, or none where the divisor is zero.
    #[must_use]
    pub fn divided_by(&self, divisor: &Self) -> Option<Self> {
        (!divisor.0.is_zero()).then(|| Self(&self.0 / &divisor.0))
    }

    /// The nearest number of at most six digits after the point that is not below it (`up`), or not above it.
    #[must_use]
    pub fn to_millionths(&self, up: bool) -> Self {
        let scale = BigRational::from_integer(BigInt::from(MILLIONTHS));
        let scaled = &self.0 * &scale;
        Self((if up { scaled.ceil() } else { scaled.floor() }) / scale)
    }

    /// The whole number below or at it, where it fits.
    #[must_use]
    pub fn floor(&self) -> Option<i64> {
        self.0.floor().to_integer().to_i64()
    }

    /// Whether it is above zero.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.0.is_positive()
    }

    /// Numerator and denominator, where both fit.
    #[must_use]
    pub fn parts(&self) -> Option<(i128, i128)> {
        Some((self.0.numer().to_i128()?, self.0.denom().to_i128()?))
    }

    /// In units of 10⁻¹², rounded half up.
    fn trillionths(&self) -> BigInt {
        let scaled = &self.0 * BigRational::from_integer(BigInt::from(TRILLIONTHS));
        (scaled + BigRational::new(BigInt::from(1), BigInt::from(2))).floor().to_integer()
    }
}

impl From<Decimal> for Exact {
    fn from(decimal: Decimal) -> Self {
        Self::from_millionths(decimal.0)
    }
}

impl Add for &Exact {
    type Output = Exact;
    fn add(self, other: &Exact) -> Exact {
        Exact(&self.0 + &other.0)
    }
}

impl Sub for &Exact {
    type Output = Exact;
    fn sub(self, other: &Exact) -> Exact {
        Exact(&self.0 - &other.0)
    }
}

impl Mul for &Exact {
    type Output = Exact;
    fn mul(self, other: &Exact) -> Exact {
        Exact(&self.0 * &other.0)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.trillionths();
        let digits = format!("{:013}", units.abs());
        let (whole, part) = digits.split_at(digits.len() - 12);
        let sign = if units.is_negative() { "-" } else { "" };
        let text = format!("{sign}{whole}.{part}");
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A share between 0 and 1, rounded half up to twelve decimals: what verdicts and scorecards
/// show, and what roll-ups add (VERDICTS, preamble).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reading(u64);

impl Reading {
    /// Nothing of what was asked for.
    pub const ZERO: Self = Self(0);
    /// All of it.
    pub const ONE: Self = Self(TRILLIONTHS);

    /// The share rounded half up to twelve decimals.
    #[must_use]
    pub fn of(share: &Exact) -> Self {
        // A share below 0 or above 1 does not arise; if it did, the ends are what it means.
        Self(share.trillionths().to_u64().unwrap_or(0).min(TRILLIONTHS))
    }

    /// So many units of 10⁻¹²; all of it, beyond that.
    #[must_use]
    pub const fn from_trillionths(units: u64) -> Self {
        if units < TRILLIONTHS { Self(units) } else { Self::ONE }
    }

    /// In units of 10⁻¹²; 0 to 10¹².
    #[must_use]
    pub const fn trillionths(self) -> u64 {
        self.0
    }

    /// Rounded half up to fewer decimals, as text with all of them: `0.912500`.
    #[must_use]
    pub fn rounded(self, decimals: u32) -> String {
        let decimals = decimals.min(12);
        let step = 10_u64.pow(12 - decimals);
        let units = (self.0 + step / 2) / step;
        let unit = 10_u64.pow(decimals);
        if decimals == 0 {
            return units.to_string();
        }
        format!("{}.{:0width$}", units / unit, units % unit, width = decimals as usize)
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:012}", self.0 / TRILLIONTHS, self.0 % TRILLIONTHS);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The weighted mean of readings, or none where nothing carries weight.
pub(crate) fn weighted_mean(parts: impl IntoIterator<Item = (Decimal, Reading)>) -> Option<Reading> {
    let (mut sum, mut weight) = (BigInt::zero(), BigInt::zero());
    for (part_weight, reading) in parts {
        sum += BigInt::from(part_weight.0) * BigInt::from(reading.0);
        weight += BigInt::from(part_weight.0);
    }
    let units = BigInt::from(TRILLIONTHS);
    (!weight.is_zero()).then(|| Reading::of(&Exact(BigRational::new(sum, weight * units))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_read_and_show_exactly() {
        let check = |text: &str, expect: Option<&str>| {
            let shown = text.parse::<Decimal>().ok().map(|decimal| decimal.to_string());
            assert_eq!(shown.as_deref(), expect, "{text}");
        };
        check("0", Some("0"));
        check("-0.0", Some("0"));
        check("007.50", Some("7.5"));
        check("1000", Some("1000"));
        check("-12.5", Some("-12.5"));
        check("0.000001", Some("0.000001"));
        check("0.0000001", None);
        check("999999999999999.999999", Some("999999999999999.999999"));
        check("1000000000000000", None);
        for text in ["", "-", ".5", "5.", "1e3", "+1", "1,5", "1.2.3", "--1", "1.-2"] {
            check(text, None);
        }
    }

    #[test]
    fn a_share_is_rounded_half_up_to_twelve_decimals() {
        let check = |num: i64, den: i64, expect: &str| {
            let share = Exact::from_int(num).divided_by(&Exact::from_int(den)).expect("den");
            assert_eq!(Reading::of(&share).to_string(), expect, "{num}/{den}");
        };
        check(1, 3, "0.333333333333");
        check(2, 3, "0.666666666667");
        check(1, 2_000_000_000_000, "0.000000000001");
        check(49, 100_000_000_000_000, "0");
        check(1, 1, "1");
        assert_eq!(Reading::of(&Exact::from_int(-1)), Reading::ZERO);
        assert_eq!(Reading(912_500_000_000).rounded(6), "0.912500");
        assert_eq!(Reading(999_999_500_000).rounded(6), "1.000000");
        assert_eq!(Exact::from_int(-3).divided_by(&Exact::from_int(2)).expect("2").to_string(), "-1.5");
    }
}
