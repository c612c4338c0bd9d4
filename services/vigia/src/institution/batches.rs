//! A file's reports in batches, as `check` and `submit` send them: a few calls instead of one for each report.

use prost::Message;
use vigia_proto::reporting::SubmitReportRow;

use super::filled::Stated;

/// Reports of a batch at most. Each batch is one commit of the server's, and a step of the progress bar.
const ROWS_MAX: usize = 50;
/// Bytes of a batch at most, save one report that is larger alone: over a line of 256 kbit/s that takes four seconds.
const BYTES_MAX: usize = 128 << 10;
/// Batches under way at a time: while the server makes one durable, the next one travels.
pub const UNDER_WAY: usize = 2;

/// Reports that are sent in one call, by their places in the file.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Place of each.
    pub places: Vec<usize>,
    /// The rows, in the same order.
    pub rows: Vec<SubmitReportRow>,
}

/// The reports at these places, in batches.
pub fn batches(reports: &[Stated], places: impl IntoIterator<Item = usize>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut size = 0;
    for place in places {
        let row = SubmitReportRow {
            parent: reports[place].obligation.clone(),
            report: Some(reports[place].report.clone()),
            etag: String::new(),
        };
        let bytes = row.encoded_len();
        let fits = batches
            .last()
            .is_some_and(|batch| batch.rows.len() < ROWS_MAX && size + bytes <= BYTES_MAX);
        if !fits {
            batches.push(Batch::default());
            size = 0;
        }
        size += bytes;
        if let Some(batch) = batches.last_mut() {
            batch.places.push(place);
            batch.rows.push(row);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(narratives: &[usize]) -> Vec<usize> {
        let stated = |length: &usize| {
            let mut stated = Stated::default();
            stated.report.narrative = "x".repeat(*length);
            stated
        };
        let reports: Vec<Stated> = narratives.iter().map(stated).collect();
        batches(&reports, 0..reports.len()).iter().map(|batch| batch.places.len()).collect()
    }

    #[test]
    fn a_batch_has_so_many_reports_and_so_many_bytes_at_most() {
        assert_eq!(counts(&[]), Vec::<usize>::new());
        assert_eq!(counts(&[0; ROWS_MAX]), [ROWS_MAX]);
        assert_eq!(counts(&[0; ROWS_MAX + 1]), [ROWS_MAX, 1]);
        // Half of the limit with what frames it is a little more than half.
        assert_eq!(counts(&[BYTES_MAX / 2; 2]), [1, 1]);
        assert_eq!(counts(&[BYTES_MAX / 2 - 20; 3]), [2, 1]);
        assert_eq!(counts(&[10, 2 * BYTES_MAX, 10]), [1, 1, 1]);
    }
}
