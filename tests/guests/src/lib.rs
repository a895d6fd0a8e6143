//! The collectors of the black-box tests and the benchmarks, built for `wasm32-wasip2`.

/// Each with its name.
pub const GUESTS: &[(&str, &[u8])] = &[
    ("hostile", include_bytes!(concat!(env!("OUT_DIR"), "/test-hostile.wasm"))),
    ("http", include_bytes!(concat!(env!("OUT_DIR"), "/test-http.wasm"))),
    ("moody", include_bytes!(concat!(env!("OUT_DIR"), "/test-moody.wasm"))),
    ("one", include_bytes!(concat!(env!("OUT_DIR"), "/test-one.wasm"))),
    ("sockets", include_bytes!(concat!(env!("OUT_DIR"), "/test-sockets.wasm"))),
    ("ten", include_bytes!(concat!(env!("OUT_DIR"), "/test-ten.wasm"))),
    ("two", include_bytes!(concat!(env!("OUT_DIR"), "/test-two.wasm"))),
];
