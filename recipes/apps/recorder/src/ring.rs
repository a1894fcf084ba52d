//! A ring of samples in one file that survives a power cut at any instant.
//!
//! The file is a row of 512-byte blocks, the unit that a disk writes whole. A block carries its own
//! sequence number and checksum and nothing points to it, so there is no header that could go stale:
//! the newest block is the one with the greatest number, and a torn one is skipped.
//!
//! Block: sequence `u32`, samples in it `u32`, checksum `u32`, 4 bytes zero, then up to 62 samples of 8
//! bytes: CPU in thousandths `u16`, memory in use in units of 4 KiB `u16`, uptime in seconds `u32`. All
//! little-endian. Block `n` of the file holds sequence numbers that are `n` modulo the ring's length.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use minicbor::{Decode, Encode};

/// Bytes of a block.
const BLOCK: usize = 512;
/// Bytes before the samples of a block.
const HEADER: usize = 16;
/// Bytes of a sample.
const SAMPLE: usize = 8;
/// Samples in a full block.
const PER_BLOCK: usize = (BLOCK - HEADER) / SAMPLE;

/// Samples in a day at one a second.
pub const DAY: u32 = 86_400;

/// One second of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Sample {
    /// CPU time not idle, in thousandths.
    #[n(0)]
    pub cpu_permille: u16,
    /// Memory in use, in units of 4 KiB.
    #[n(1)]
    pub memory_pages: u16,
    /// Seconds since the kernel started; a smaller one than before means another boot.
    #[n(2)]
    pub uptime_s: u32,
}

/// The ring and its file.
#[derive(Debug)]
pub struct Ring {
    file: File,
    blocks: u32,
    /// Sequence number and samples of the block being filled.
    sequence: u32,
    current: Vec<Sample>,
    /// What is kept in the blocks before it.
    full: u32,
    boots: u32,
}

impl Ring {
    /// Opens the ring in `file`, which may be empty, for `capacity` samples or a few more.
    pub fn open(file: File, capacity: u32) -> io::Result<Self> {
        let per_block = u32::try_from(PER_BLOCK).unwrap_or(u32::MAX);
        // One block more than needed: the one being filled overwrites the oldest.
        let blocks = capacity.div_ceil(per_block) + 1;
        let mut ring = Self { file, blocks, sequence: 0, current: Vec::new(), full: 0, boots: 0 };
        ring.load()?;
        Ok(ring)
    }

    /// Samples kept.
    pub fn kept(&self) -> u32 {
        self.full + u32::try_from(self.current.len()).unwrap_or(0)
    }

    /// How many boots the samples come from, as far as their uptimes tell.
    pub fn boots(&self) -> u32 {
        self.boots
    }

    /// Adds a sample. It reaches the disk with the next [`Ring::sync`], or when the kernel likes.
    pub fn push(&mut self, sample: Sample) -> io::Result<()> {
        if self.current.len() >= PER_BLOCK {
            let dropped = self.read(self.sequence.wrapping_add(1) % self.blocks)?;
            self.full += u32::try_from(self.current.len()).unwrap_or(0);
            self.full -=
                dropped.map_or(0, |(_, samples)| u32::try_from(samples.len()).unwrap_or(0)).min(self.full);
            self.sequence += 1;
            self.current.clear();
        }
        let before = self.newest(1)?.first().map(|sample| sample.uptime_s);
        if before.is_none_or(|before| sample.uptime_s < before) {
            self.boots += 1;
        }
        self.current.push(sample);
        let at = u64::from(self.sequence % self.blocks) * BLOCK as u64;
        self.file.write_all_at(&encode(self.sequence, &self.current), at)
    }

    /// Waits until all samples are on the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// The newest `count` samples, oldest of them first.
    pub fn newest(&self, count: usize) -> io::Result<Vec<Sample>> {
        let mut newest = Vec::new();
        if count > 0 {
            self.walk_back(|sample| {
                newest.push(*sample);
                newest.len() < count
            })?;
        }
        newest.reverse();
        Ok(newest)
    }

    /// The newest `count` means over `every` seconds, oldest of them first. What an uptime falls into does
    /// not depend on the time of asking, and no mean reaches over a boot; its uptime is its newest sample's.
    pub fn newest_means(&self, count: usize, every: u32) -> io::Result<Vec<Sample>> {
        let every = every.max(1);
        let mut means = Vec::new();
        let mut open: Option<Mean> = None;
        self.walk_back(|sample| {
            match &mut open {
                Some(mean)
                    if sample.uptime_s / every == mean.newest.uptime_s / every
                        && sample.uptime_s <= mean.oldest_s =>
                {
                    mean.add(sample);
                }
                _ => means.extend(open.replace(Mean::of(sample)).map(|mean| mean.sample())),
            }
            means.len() < count
        })?;
        means.extend(open.map(|mean| mean.sample()));
        means.truncate(count);
        means.reverse();
        Ok(means)
    }

    /// Shows the samples from the newest backwards, until `more` has enough.
    fn walk_back(&self, mut more: impl FnMut(&Sample) -> bool) -> io::Result<()> {
        if !self.current.iter().rev().all(&mut more) {
            return Ok(());
        }
        let mut sequence = self.sequence;
        while sequence > 0 && self.sequence - sequence + 2 < self.blocks {
            sequence -= 1;
            match self.read(sequence % self.blocks)? {
                Some((found, samples)) if found == sequence => {
                    if !samples.iter().rev().all(&mut more) {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Finds the newest block, and counts what is kept from there backwards.
    fn load(&mut self) -> io::Result<()> {
        let mut newest: Option<u32> = None;
        for index in 0..self.blocks {
            if let Some((sequence, _)) = self.read(index)? {
                newest = newest.max(Some(sequence));
            }
        }
        let Some(newest) = newest else { return Ok(()) };
        let oldest = newest.saturating_sub(self.blocks - 1);
        let mut before: Option<u32> = None;
        for sequence in oldest..=newest {
            let Some((found, samples)) = self.read(sequence % self.blocks)? else { continue };
            if found != sequence {
                continue;
            }
            for sample in &samples {
                if before.is_none_or(|before| sample.uptime_s < before) {
                    self.boots += 1;
                }
                before = Some(sample.uptime_s);
            }
            if sequence == newest {
                self.current = samples;
            } else {
                self.full += u32::try_from(samples.len()).unwrap_or(0);
            }
        }
        self.sequence = newest;
        Ok(())
    }

    /// Block `index`: its sequence number and samples; `None` if it was never written or is torn.
    fn read(&self, index: u32) -> io::Result<Option<(u32, Vec<Sample>)>> {
        let mut block = [0; BLOCK];
        match self.file.read_exact_at(&mut block, u64::from(index) * BLOCK as u64) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        Ok(decode(&block).filter(|(sequence, _)| sequence % self.blocks == index))
    }
}

/// Samples being added up, from the newest backwards.
struct Mean {
    newest: Sample,
    oldest_s: u32,
    samples: u64,
    cpu: u64,
    memory: u64,
}

impl Mean {
    fn of(newest: &Sample) -> Self {
        let mut mean = Self { newest: *newest, oldest_s: newest.uptime_s, samples: 0, cpu: 0, memory: 0 };
        mean.add(newest);
        mean
    }

    fn add(&mut self, sample: &Sample) {
        self.oldest_s = sample.uptime_s;
        self.samples += 1;
        self.cpu += u64::from(sample.cpu_permille);
        self.memory += u64::from(sample.memory_pages);
    }

    fn sample(&self) -> Sample {
        let mean = |sum: u64| u16::try_from(sum / self.samples).unwrap_or(u16::MAX);
        Sample {
            cpu_permille: mean(self.cpu),
            memory_pages: mean(self.memory),
            uptime_s: self.newest.uptime_s,
        }
    }
}

fn encode(sequence: u32, samples: &[Sample]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let (header, body) = block.split_at_mut(HEADER);
    for (slot, sample) in body.chunks_exact_mut(SAMPLE).zip(samples) {
        let (cpu, rest) = slot.split_at_mut(2);
        let (memory, uptime) = rest.split_at_mut(2);
        cpu.copy_from_slice(&sample.cpu_permille.to_le_bytes());
        memory.copy_from_slice(&sample.memory_pages.to_le_bytes());
        uptime.copy_from_slice(&sample.uptime_s.to_le_bytes());
    }
    let count = u32::try_from(samples.len()).unwrap_or(0);
    let sum = checksum(sequence, count, body);
    for (slot, word) in header.chunks_exact_mut(4).zip([sequence, count, sum]) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    block
}

fn decode(block: &[u8; BLOCK]) -> Option<(u32, Vec<Sample>)> {
    let (header, body) = block.split_at(HEADER);
    let mut words = header.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    let (sequence, count, sum) = (words.next()?, words.next()?, words.next()?);
    let length = usize::try_from(count).ok().filter(|length| (1..=PER_BLOCK).contains(length))?;
    if sum != checksum(sequence, count, body) {
        return None;
    }
    let samples = body.as_chunks::<SAMPLE>().0.iter().take(length);
    let sample = |bytes: &[u8; SAMPLE]| {
        let [c0, c1, m0, m1, u0, u1, u2, u3] = *bytes;
        Sample {
            cpu_permille: u16::from_le_bytes([c0, c1]),
            memory_pages: u16::from_le_bytes([m0, m1]),
            uptime_s: u32::from_le_bytes([u0, u1, u2, u3]),
        }
    };
    Some((sequence, samples.map(sample).collect()))
}

/// FNV-1a (32 bits): it has to notice a torn block, not an attacker.
fn checksum(sequence: u32, count: u32, body: &[u8]) -> u32 {
    let words = [sequence.to_le_bytes(), count.to_le_bytes()];
    let bytes = words.iter().flatten().chain(body);
    bytes.fold(0x811c_9dc5, |sum: u32, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(uptime_s: u32) -> Sample {
        Sample { cpu_permille: 10, memory_pages: 20, uptime_s }
    }

    fn open(file: &File, capacity: u32) -> Ring {
        Ring::open(file.try_clone().unwrap(), capacity).unwrap()
    }

    fn uptimes(ring: &Ring, count: usize) -> Vec<u32> {
        ring.newest(count).unwrap().iter().map(|sample| sample.uptime_s).collect()
    }

    #[test]
    fn ring_opened_again_goes_on_where_it_was() {
        let file = tempfile::tempfile().unwrap();
        for boot in 1..=3 {
            let mut ring = open(&file, DAY);
            assert_eq!(ring.kept(), (boot - 1) * 100);
            for second in 1..=100 {
                ring.push(sample(second)).unwrap();
            }
            assert_eq!(ring.boots(), boot);
            assert_eq!(uptimes(&ring, 3), [98, 99, 100]);
        }
        assert_eq!(open(&file, DAY).boots(), 3);
    }

    #[test]
    fn ring_full_drops_the_oldest_and_keeps_its_capacity() {
        let file = tempfile::tempfile().unwrap();
        let mut ring = open(&file, 200);
        for second in 1..=1000 {
            ring.push(sample(second)).unwrap();
            assert!(ring.kept() >= second.min(200), "{} kept of {second}", ring.kept());
        }
        assert_eq!(uptimes(&ring, 150), (851..=1000).collect::<Vec<_>>());
        assert_eq!(file.metadata().unwrap().len(), u64::from(ring.blocks) * 512);
        let kept = ring.kept();
        assert_eq!(open(&file, 200).kept(), kept);
    }

    #[test]
    fn ring_means_keep_to_their_seconds_and_to_their_boot() {
        let file = tempfile::tempfile().unwrap();
        let mut ring = open(&file, 1000);
        let busy = |uptime_s: u32, cpu_permille| Sample { cpu_permille, memory_pages: 20, uptime_s };
        for second in 1..=100 {
            ring.push(busy(second, 10)).unwrap();
        }
        for second in 1..=25 {
            ring.push(busy(second, if second < 20 { 200 } else { 400 })).unwrap();
        }
        let means = ring.newest_means(5, 10).unwrap();
        let seen: Vec<_> = means.iter().map(|mean| (mean.uptime_s, mean.cpu_permille)).collect();
        assert_eq!(seen, [(99, 10), (100, 10), (9, 200), (19, 200), (25, 400)]);
        assert_eq!(means.first().map(|mean| mean.memory_pages), Some(20));
        assert_eq!(ring.newest_means(3, 1).unwrap(), ring.newest(3).unwrap());
        assert_eq!(ring.newest_means(0, 10).unwrap(), []);
        // Fewer than asked for: all there are, the oldest among them.
        assert_eq!(ring.newest_means(100, 50).unwrap().len(), 4);
    }

    #[test]
    fn ring_with_a_torn_block_keeps_the_others() {
        let file = tempfile::tempfile().unwrap();
        let mut ring = open(&file, DAY);
        for second in 1..=200 {
            ring.push(sample(second)).unwrap();
        }
        // The last block, half of an older write and half of a newer one.
        file.write_all_at(&[0xff; 256], 3 * 512 + 256).unwrap();
        let mut ring = open(&file, DAY);
        assert_eq!(ring.kept(), 186);
        ring.push(sample(201)).unwrap();
        assert_eq!(uptimes(&ring, 2), [186, 201]);
    }

    #[test]
    fn ring_in_a_file_of_noise_starts_empty() {
        let file = tempfile::tempfile().unwrap();
        let noise: Vec<u8> = (0..10_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        file.write_all_at(&noise, 0).unwrap();
        let mut ring = open(&file, DAY);
        assert_eq!(ring.kept(), 0);
        ring.push(sample(1)).unwrap();
        assert_eq!(uptimes(&ring, 10), [1]);
    }
}
