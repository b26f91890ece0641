//! The `tidings` binary: the server, and every client verb.

fn main() {}
