//! How fast evidence is uploaded over a socket, against a plain copy of the same file with SHA-256 and fsync on the same
//! disk, and how much memory it takes. Run by `tests/bench/run evidence`; sizes in MiB as arguments.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement is for whoever runs it")]

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/reporting/world.rs"]
mod world;

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    time::Instant,
};

use sha2::{Digest, Sha256};
use vigia_proto::reporting::{
    UploadEvidenceRequest, UploadStart, evidence_service_client::EvidenceServiceClient, upload_evidence_request::Part,
};

use crate::world::World;

const MIB: usize = 1 << 20;
/// Times that each is measured; the median is shown.
const ROUNDS: usize = 3;

/// A file that begins like a PDF and goes on like a compressed one: nothing in it can be guessed or skipped.
fn make(path: &Path, mebibytes: usize) -> [u8; 32] {
    let mut file = File::create(path).unwrap();
    let mut hash = Sha256::new();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ mebibytes as u64;
    let mut block = vec![0; MIB];
    for n in 0..mebibytes {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        if n == 0 {
            block[..9].copy_from_slice(b"%PDF-1.7\n");
        }
        hash.update(&block);
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
    hash.finalize().into()
}

fn copy(from: &Path, to: &Path) -> f64 {
    let began = Instant::now();
    let (mut from, mut copied) = (File::open(from).unwrap(), File::create(to).unwrap());
    let mut hash = Sha256::new();
    let mut block = vec![0; MIB];
    loop {
        let read = from.read(&mut block).unwrap();
        if read == 0 {
            break;
        }
        hash.update(&block[..read]);
        copied.write_all(&block[..read]).unwrap();
    }
    copied.sync_all().unwrap();
    std::hint::black_box(hash.finalize());
    began.elapsed().as_secs_f64()
}

async fn upload(world: &World, address: &str, path: &Path, mebibytes: usize, digest: [u8; 32]) -> f64 {
    let start = UploadStart {
        evidence: format!("evidence/{}", hex::encode(digest)),
        size_bytes: i64::try_from(mebibytes * MIB).unwrap(),
        plan: "plans/vcm".into(),
        ..UploadStart::default()
    };
    let mut client = EvidenceServiceClient::connect(address.to_owned()).await.unwrap();
    let began = Instant::now();
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut file = File::open(path).unwrap();
    let reader = tokio::task::spawn_blocking(move || {
        let sent = |part| UploadEvidenceRequest { part: Some(part) };
        sender.blocking_send(sent(Part::Start(start))).unwrap();
        let mut block = vec![0; MIB];
        loop {
            let read = file.read(&mut block).unwrap();
            if read == 0 || sender.blocking_send(sent(Part::Chunk(block[..read].to_vec()))).is_err() {
                break;
            }
        }
    });
    let request = world.ask("msp", tokio_stream::wrappers::ReceiverStream::new(receiver));
    client.upload_evidence(request).await.unwrap();
    reader.await.unwrap();
    began.elapsed().as_secs_f64()
}

/// A line of this process's status, in MiB.
fn memory(key: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap() / 1024
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

#[tokio::main]
async fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).map(|size| size.parse().unwrap()).collect();
    let sizes = if sizes.is_empty() { vec![1024] } else { sizes };
    for size in sizes {
        let (mut copies, mut uploads, mut grown) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            // A world of its own each time: what is stored already is not uploaded again.
            let world = World::start().await;
            let address = world.serve().await;
            let (from, to) = (world.directory.path().join("from.pdf"), world.directory.path().join("to.pdf"));
            let digest = make(&from, size);
            copies.push(copy(&from, &to));
            std::fs::remove_file(&to).unwrap();
            // Forgets the peak so far.
            std::fs::write("/proc/self/clear_refs", "5").unwrap();
            let before = memory("VmRSS:");
            uploads.push(upload(&world, &address, &from, size, digest).await);
            grown = grown.max(memory("VmHWM:").saturating_sub(before));
        }
        let (copied, uploaded) = (median(copies), median(uploads));
        println!(
            "{size} MiB: copy {copied:.2} s, upload {uploaded:.2} s = {:.0} % of its speed; {grown} MiB of memory more, client and server together",
            100.0 * copied / uploaded
        );
    }
}
