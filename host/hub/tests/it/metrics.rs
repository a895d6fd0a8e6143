//! `GET /metrics`, read as strictly as the formats have it.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]
