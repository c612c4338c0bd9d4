//! The contract of Vigía, compiled from `proto/vigia`. Every rule that a client must know stands in the
//! `.proto` files; this crate adds nothing but the descriptors.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// The encoded `FileDescriptorSet`, with comments and with our own options.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The descriptors of the whole contract.
pub static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("the descriptors were encoded by the build script"));

pub mod vigia {
    pub mod error {
        pub mod v1 {
            tonic::include_proto!("vigia.error.v1");
        }
    }
    pub mod journal {
        pub mod v1 {
            tonic::include_proto!("vigia.journal.v1");
        }
    }
    pub mod identity {
        pub mod v1 {
            tonic::include_proto!("vigia.identity.v1");
        }
    }
    pub mod plans {
        pub mod v1 {
            tonic::include_proto!("vigia.plans.v1");
        }
    }
    pub mod assignments {
        pub mod v1 {
            tonic::include_proto!("vigia.assignments.v1");
        }
    }
    pub mod reporting {
        pub mod v1 {
            tonic::include_proto!("vigia.reporting.v1");
        }
    }
    pub mod compliance {
        pub mod v1 {
            tonic::include_proto!("vigia.compliance.v1");
        }
    }
    pub mod r#type {
        pub mod v1 {
            tonic::include_proto!("vigia.r#type.v1");
        }
    }
}
pub use vigia::assignments::v1 as assignments;
pub use vigia::compliance::v1 as compliance;
pub use vigia::error::v1 as error;
pub use vigia::identity::v1 as identity;
pub use vigia::journal::v1 as journal;
pub use vigia::plans::v1 as plans;
pub use vigia::reporting::v1 as reporting;
pub use vigia::r#type::v1 as types;
