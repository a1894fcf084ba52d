//! The search tree beside the compiler's own program.

use super::*;

/// Arguments that are near to what conditions ask for, and far from it.
fn arguments_near(rules: &[&Call]) -> Vec<u64> {
    let mut values = vec![0, 1, u64::MAX, 1 << 32, 0xffff_fffe];
    for condition in rules.iter().flat_map(|call| sets_of(call)).flatten().copied() {
        let near = match condition.test {
            Test::Is(value) => [value, value ^ 1, value.wrapping_add(1), value | 0x8000_0000],
            Test::Masked { mask, value } => {
                [value, value | !mask, value ^ (mask & mask.wrapping_neg()), value ^ mask]
            }
            Test::Null => [0, 1, 2, 3],
        };
        values.extend(near.map(u64::from));
        values.push(u64::from(near[0]) | 1 << 40);
    }
    values.sort_unstable();
    values.dedup();
    values
}

#[test]
fn tree_agrees_with_the_compilers_program_for_every_number_and_argument() {
    let calls: Vec<&Call> = GROUPS.iter().flat_map(|group| group.calls).chain(netd::CALLS).collect();
    let conditional: Vec<&Call> = calls.iter().copied().filter(|call| !call.if_any.is_empty()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for arch in BOTH {
        for rules in all_rules(arch) {
            let (long, short) = (bytes(&linear(&rules).unwrap()), bytes(&searched(&rules).unwrap()));
            let agree = |number: u32, arguments: &[u64]| {
                for of_arch in [arch.audit_value(), arch.audit_value() ^ 1] {
                    let data = Data::new(number, of_arch, arguments);
                    let expected = evaluate(&long, &data);
                    assert_eq!(evaluate(&short, &data), expected, "{number} {arguments:x?} on {arch}");
                }
            };
            for number in numbers() {
                agree(number, &[0; 6]);
                agree(number, &[u64::MAX; 6]);
                let words = next();
                agree(number, &[0, 8, 16, 24, 32, 40].map(|shift| words >> shift));
            }
            for call in &conditional {
                let Some(number) = call.number(arch) else { continue };
                let own = arguments_near(&[call]);
                let mut pick = || own[usize::try_from(next() % own.len() as u64).unwrap()];
                for _ in 0..500 {
                    agree(number, &[pick(), pick(), pick(), pick(), pick(), pick()]);
                }
                for set in sets_of(call) {
                    agree(number, &fitting(set));
                }
            }
        }
    }
}

#[test]
fn tree_is_short_and_its_paths_are() {
    for arch in BOTH {
        for (name, rules) in
            ["app", "app with network", "no sockets", "netd", "all grants", "all grants, notifying"]
                .iter()
                .zip(all_rules(arch))
        {
            let (long, short) = (bytes(&linear(&rules).unwrap()), bytes(&searched(&rules).unwrap()));
            // As many as the kernel tries when it fills its cache of verdicts (kernel/seccomp.c).
            let table = 0..470;
            let steps = |filter: &[u8]| -> Vec<usize> {
                let run =
                    |number| evaluate_counting(filter, &Data::new(number, arch.audit_value(), &[0; 6])).1;
                table.clone().map(run).collect()
            };
            let (before, after) = (steps(&long), steps(&short));
            let mean = |steps: &[usize]| steps.iter().sum::<usize>() / steps.len();
            println!(
                "{name} on {arch}: {} instructions instead of {}; mean path {} instead of {}, longest {} instead of {}",
                short.len() / 8,
                long.len() / 8,
                mean(&after),
                mean(&before),
                after.iter().max().unwrap(),
                before.iter().max().unwrap()
            );
            assert!(short.len() / 8 <= 400, "{name} on {arch}: {} instructions", short.len() / 8);
            assert!(mean(&after) <= 16, "{name} on {arch}: {}", mean(&after));
        }
    }
}
