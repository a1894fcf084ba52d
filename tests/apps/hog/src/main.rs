//! Uses more memory than its limit.
#![forbid(unsafe_code)]

fn main() {
    println!("taking memory");
    let mut taken: Vec<Vec<u8>> = Vec::new();
    // 16 MiB is far above the limit; ending there says that the limit did not hold.
    for _ in 0..256 {
        taken.push(vec![1; 64 * 1024]);
    }
    println!("took {} KiB", taken.iter().map(Vec::len).sum::<usize>() / 1024);
}
