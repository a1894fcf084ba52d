//! What the kernel would answer: an interpreter of the few instructions that filters consist of.

/// `struct seccomp_data`.
pub(crate) struct Data {
    words: Vec<u32>,
}

/// What a filter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    Notify,
    Error(u32),
    Kill,
}

impl Data {
    pub(crate) fn new(number: u32, arch: u32, arguments: &[u64]) -> Self {
        let mut words = vec![number, arch, 0, 0];
        for index in 0..6 {
            let argument = arguments.get(index).copied().unwrap_or_default();
            let bytes = argument.to_le_bytes();
            words.extend(bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())));
        }
        Self { words }
    }
}

/// Runs `filter` on `data`; an instruction that no filter of ours has is a panic.
pub(crate) fn evaluate(filter: &[u8], data: &Data) -> Verdict {
    evaluate_counting(filter, data).0
}

/// As [`evaluate`], and how many instructions were run.
pub(crate) fn evaluate_counting(filter: &[u8], data: &Data) -> (Verdict, usize) {
    let mut accumulator = 0_u32;
    let mut steps = 0;
    let mut next = 0;
    loop {
        let bytes: [u8; 8] = filter[next * 8..next * 8 + 8].try_into().unwrap();
        let code = u16::from_le_bytes([bytes[0], bytes[1]]);
        let (if_true, if_false) = (usize::from(bytes[2]), usize::from(bytes[3]));
        let k = u32::from_le_bytes(bytes[4..].try_into().unwrap());
        let branch = |holds: bool| if holds { if_true } else { if_false };
        next += 1;
        steps += 1;
        match code {
            0x20 => accumulator = data.words[usize::try_from(k / 4).unwrap()],
            0x54 => accumulator &= k,
            0x05 => next += usize::try_from(k).unwrap(),
            0x15 => next += branch(accumulator == k),
            0x25 => next += branch(accumulator > k),
            0x35 => next += branch(accumulator >= k),
            0x06 if k == 0x7fff_0000 => return (Verdict::Allow, steps),
            0x06 if k >> 16 == 0x7fc0 => return (Verdict::Notify, steps),
            0x06 if k == 0x8000_0000 => return (Verdict::Kill, steps),
            0x06 if k >> 16 == 5 => return (Verdict::Error(k & 0xffff), steps),
            _ => panic!("instruction {code:#x} {k:#x}"),
        }
    }
}
