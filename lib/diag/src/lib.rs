//! One printer for errors with hints, and the table of exit codes.
