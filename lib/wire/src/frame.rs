//! One message on a byte stream: COBS-encoded CBOR with a CRC-32, ended by a zero byte.
