//! Kernel fragments with a reason for every option, the checker of the final config, and the cached build.
