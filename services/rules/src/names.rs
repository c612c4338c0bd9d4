//! Ids, as newtypes over shared text: two of them can't be swapped, and a copy costs a count.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    )*};
}

ids! {
    /// A plan.
    PlanId;
    /// A component of a plan's tree.
    ComponentId;
    /// An action of a plan.
    ActionId;
    /// An indicator, unique within its action.
    IndicatorId;
    /// A milestone, unique within its action.
    MilestoneId;
    /// An institution.
    InstitutionId;
    /// An assignment of responsibility.
    AssignmentId;
    /// A territory's code: a province's is the beginning of those of its cantons.
    TerritoryCode;
}

impl TerritoryCode {
    /// Whether this territory is `other` or a part of it (by the code's beginning).
    #[must_use]
    pub fn lies_in(&self, other: &Self) -> bool {
        self.0.starts_with(&*other.0)
    }
}
