//! Which calls can't do anything twice.

use std::{collections::HashMap, sync::LazyLock};

use bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use vigia_proto::POOL;

/// A unary method of the contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    /// The number of its `request_id`; none where it only reads.
    request_id: Option<u32>,
}

static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    let services = POOL.services();
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .filter(|method| !method.is_client_streaming() && !method.is_server_streaming())
        .map(|method| {
            let request_id = method.input().get_field_by_name("request_id").map(|field| field.number());
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            (path, Method { request_id })
        })
        .collect()
});

impl Method {
    /// The method of a path; none for a stream and for what is not ours.
    pub(crate) fn of(path: &str) -> Option<Self> {
        METHODS.get(path).copied()
    }

    /// Whether this request may be sent again: it names itself, or changes nothing.
    pub(crate) fn may_repeat(self, framed: &[u8]) -> bool {
        let Some(number) = self.request_id else { return true };
        // Before the message stand a flag for compression and its length.
        framed.first() == Some(&0) && framed.get(5..).is_some_and(|message| names_itself(message, number))
    }
}

/// Whether a field of text is there and not empty.
fn names_itself(mut message: &[u8], number: u32) -> bool {
    while message.has_remaining() {
        let Ok((field, wire)) = decode_key(&mut message) else {
            return false;
        };
        if field == number && wire == WireType::LengthDelimited {
            return decode_varint(&mut message).is_ok_and(|length| length > 0);
        }
        if skip_field(wire, field, &mut message, DecodeContext::default()).is_err() {
            return false;
        }
    }
    false
}
