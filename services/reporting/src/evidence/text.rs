//! Whether a file is a text.

use std::io::{self, Read, Seek};

/// Whether all of it is UTF-8 without control characters other than line breaks and tabs.
pub(crate) fn is_utf8(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    file.rewind()?;
    let mut buffer = vec![0; 256 << 10];
    // Bytes at the beginning of the buffer that wait for the rest of their character.
    let mut waiting = 0;
    loop {
        let read = file.read(&mut buffer[waiting..])?;
        if read == 0 {
            return Ok(waiting == 0);
        }
        let end = waiting + read;
        let whole = match std::str::from_utf8(&buffer[..end]) {
            Ok(_) => end,
            Err(fault) if fault.error_len().is_none() => fault.valid_up_to(),
            Err(_) => return Ok(false),
        };
        let is_control = |byte: &u8| matches!(byte, 0..=8 | 0x0B | 0x0E..=0x1F | 0x7F);
        if buffer[..whole].iter().any(is_control) {
            return Ok(false);
        }
        buffer.copy_within(whole..end, 0);
        waiting = end - whole;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_text_is_utf8_to_its_last_byte() {
        let check = |bytes: Vec<u8>, expect: bool| assert_eq!(is_utf8(&mut Cursor::new(bytes)).unwrap(), expect);
        check("línea\r\n\ttabulada".into(), true);
        // A character that lies across the buffer's end.
        check(["x".repeat((256 << 10) - 1).as_bytes(), "ñ fin".as_bytes()].concat(), true);
        check(["x".repeat((256 << 10) - 1).as_bytes(), b"\xC3"].concat(), false);
        check(b"nul\0".to_vec(), false);
        check(b"\x1B[31m".to_vec(), false);
        check(b"ca\xF1on".to_vec(), false);
    }
}
