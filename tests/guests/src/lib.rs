//! The collectors of the black-box tests, built for `wasm32-wasip2`.

/// Each with its name.
pub const GUESTS: &[(&str, &[u8])] = &[
    ("hostile", include_bytes!(concat!(env!("OUT_DIR"), "/test-hostile.wasm"))),
    ("moody", include_bytes!(concat!(env!("OUT_DIR"), "/test-moody.wasm"))),
    ("one", include_bytes!(concat!(env!("OUT_DIR"), "/test-one.wasm"))),
    ("two", include_bytes!(concat!(env!("OUT_DIR"), "/test-two.wasm"))),
];
