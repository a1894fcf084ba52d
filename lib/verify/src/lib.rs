//! Signed envelope, hash trees, package and slot formats: bytes and keys to a verdict.
