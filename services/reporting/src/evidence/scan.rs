//! Looking for marks in a file of any size, a buffer at a time.

use std::io::{self, Read, Seek, SeekFrom};

use aho_corasick::packed::Searcher;

/// Marks that are followed up at most: a file with more of them has other aims.
const HITS_MAX: usize = 10_000;
/// Bytes that are searched at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Looks for marks, all in one pass. Searched by vector instructions, at gigabytes a second; an automaton that is fed byte
/// by byte takes ten seconds for a gibibyte.
#[derive(Debug)]
pub(crate) struct Finder {
    marks: &'static [&'static [u8]],
    packed: Option<Searcher>,
}

impl Finder {
    pub(crate) fn new(marks: &'static [&'static [u8]]) -> Self {
        Self {
            marks,
            packed: Searcher::new(marks),
        }
    }

    /// The marks in a buffer, each with its end. None overlaps another.
    fn find(&self, buffer: &[u8]) -> Vec<(usize, usize)> {
        if let Some(packed) = &self.packed {
            return packed.find_iter(buffer).map(|hit| (hit.pattern().as_usize(), hit.end())).collect();
        }
        // A processor without the instructions: one after the other.
        let each = self.marks.iter().enumerate().flat_map(|(mark, bytes)| {
            let hits = memchr::memmem::find_iter(buffer, bytes);
            hits.map(move |begin| (mark, begin + bytes.len()))
        });
        let mut hits: Vec<_> = each.collect();
        hits.sort_by_key(|(_, end)| *end);
        hits
    }

    /// Where marks stand in a file: which one, and at which byte it ends. None where there are too many to look at.
    pub(crate) fn marks(&self, file: &mut (impl Read + Seek)) -> io::Result<Option<Vec<(usize, u64)>>> {
        file.rewind()?;
        let overlap = self.marks.iter().map(|mark| mark.len()).max().unwrap_or(1) - 1;
        let mut hits: Vec<(usize, u64)> = Vec::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        // Bytes of the buffer that stood at the end of the one before, and where in the file it begins.
        let (mut kept, mut begin) = (0, 0);
        loop {
            let read = file.read(&mut buffer[kept..])?;
            if read == 0 {
                return Ok(Some(hits));
            }
            let end = kept + read;
            for (mark, hit_end) in self.find(&buffer[..end]) {
                let at = begin + hit_end as u64;
                // What ends among the kept bytes was found before.
                if hit_end > kept {
                    if hits.len() == HITS_MAX {
                        return Ok(None);
                    }
                    hits.push((mark, at));
                }
            }
            let again = overlap.min(end);
            buffer.copy_within(end - again..end, 0);
            begin += (end - again) as u64;
            kept = again;
        }
    }
}

/// Up to `length` bytes from an offset on.
pub(crate) fn at(file: &mut (impl Read + Seek), offset: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether something other than space stands outside of tags.
pub(crate) fn has_text(xml: &[u8]) -> bool {
    let mut in_tag = false;
    xml.iter().any(|byte| match byte {
        b'<' => {
            in_tag = true;
            false
        }
        b'>' => {
            in_tag = false;
            false
        }
        byte => !in_tag && !byte.is_ascii_whitespace() && *byte != 0,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_mark_is_found_once_across_buffers_and_too_many_are_given_up() {
        let finder = Finder::new(&[b"marca", b"otra marca"]);
        for lead in [0, 1, BUFFER_BYTES - 5, BUFFER_BYTES - 3, BUFFER_BYTES - 1, BUFFER_BYTES] {
            let mut bytes = vec![b'x'; lead];
            bytes.extend_from_slice(b"marca y ");
            bytes.extend_from_slice(b"otra marca");
            let found = finder.marks(&mut Cursor::new(bytes)).unwrap();
            assert_eq!(found, Some(vec![(0, lead as u64 + 5), (1, lead as u64 + 18)]), "{lead}");
        }
        let found = |count: usize| {
            finder
                .marks(&mut Cursor::new("marca".repeat(count)))
                .unwrap()
                .map(|hits| hits.len())
        };
        assert_eq!(found(HITS_MAX), Some(HITS_MAX));
        assert_eq!(found(HITS_MAX + 1), None);
    }

    #[test]
    fn without_the_instructions_the_same_is_found() {
        let mut finder = Finder::new(&[b"uno", b"dos"]);
        let bytes = b"dos uno, dos";
        let packed = finder.find(bytes);
        finder.packed = None;
        assert_eq!(finder.find(bytes), packed);
        assert_eq!(packed, [(1, 3), (0, 7), (1, 12)]);
    }
}
