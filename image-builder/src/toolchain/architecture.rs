//! What differs between the architectures, in one table.

use nacre_manifest::arch::Arch;

use crate::elf::ElfKind;

/// How programs for one architecture are made.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// The architecture.
    pub arch: Arch,
    /// The same in signed things.
    pub signed: nacre_verify::target::Arch,
    /// The same in the allow-list of syscalls.
    pub policy: nacre_seccomp_policy::Arch,
    /// The same for the kernel.
    pub kernel: nacre_kernel_config::Arch,
    /// Prefix of the compiler that makes the kernel.
    pub kernel_cross: &'static str,
    /// Rust's target.
    pub target: &'static str,
    /// `-Ctarget-cpu`.
    pub cpu: &'static str,
    /// How code is laid out, where Rust's own choice is not the best one.
    pub code: &'static [&'static str],
    /// What an executable's header must say.
    pub elf: ElfKind,
    /// The C compiler that links, when Rust's own linker isn't there.
    pub linker: &'static str,
    /// Debian's package of the linker.
    pub linker_package: &'static str,
    /// Where Debian's musl has its start files and libraries.
    pub musl_folder: &'static str,
    /// Where it has the headers.
    pub musl_headers: &'static str,
    /// Debian's package of musl.
    pub musl_package: &'static str,
    /// What the C compiler is told of the processor.
    pub c_flags: &'static [&'static str],
}

const TABLE: [Architecture; 2] = [
    Architecture {
        arch: Arch::Armv7,
        signed: nacre_verify::target::Arch::Armv7,
        policy: nacre_seccomp_policy::Arch::Armv7,
        kernel: nacre_kernel_config::Arch::Arm,
        kernel_cross: "arm-linux-gnueabihf-",
        target: Arch::Armv7.rust_target(),
        cpu: "cortex-a7",
        // Rust makes no static position-independent programs for this target: code that could be moved would only
        // cost a page or more of relocated pointers in each process.
        // SHA-2 as loops instead of 48 KB of unrolled rounds: a device hashes some kilobytes, mostly at its start.
        // Thumb-2 code: a quarter smaller than ARM's own, and all of it is read, checked and unpacked at boot.
        code: &[
            "-Crelocation-model=static",
            "-Ctarget-feature=+thumb-mode",
            "--cfg=sha2_backend_soft=\"compact\"",
        ],
        elf: ElfKind { name: "armv7", machine: Arch::Armv7.elf_machine(), wide: false },
        linker: "arm-linux-gnueabihf-gcc",
        linker_package: "gcc-arm-linux-gnueabihf",
        musl_folder: "/usr/lib/arm-linux-musleabihf",
        musl_headers: "/usr/include/arm-linux-musleabihf",
        musl_package: "musl-dev:armhf",
        c_flags: &["-mcpu=cortex-a7", "-mthumb", "-mfpu=vfpv3-d16"],
    },
    Architecture {
        arch: Arch::X86_64,
        signed: nacre_verify::target::Arch::X86_64,
        policy: nacre_seccomp_policy::Arch::X86_64,
        kernel: nacre_kernel_config::Arch::X86_64,
        kernel_cross: "x86_64-linux-gnu-",
        target: Arch::X86_64.rust_target(),
        cpu: "x86-64",
        code: &[],
        elf: ElfKind { name: "x86_64", machine: Arch::X86_64.elf_machine(), wide: true },
        linker: "x86_64-linux-gnu-gcc",
        linker_package: "gcc",
        musl_folder: "/usr/lib/x86_64-linux-musl",
        musl_headers: "/usr/include/x86_64-linux-musl",
        musl_package: "musl-dev",
        c_flags: &[],
    },
];

impl Architecture {
    /// The row of an architecture.
    pub fn of(arch: Arch) -> &'static Self {
        match arch {
            Arch::Armv7 => &TABLE[0],
            Arch::X86_64 => &TABLE[1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_has_each_architecture_in_its_row() {
        for arch in Arch::ALL {
            let row = Architecture::of(arch);
            assert_eq!(row.arch, arch);
            let names = [row.elf.name.to_owned(), row.signed.to_string(), row.policy.to_string()];
            assert_eq!(names, [arch.as_str(); 3]);
        }
    }
}
