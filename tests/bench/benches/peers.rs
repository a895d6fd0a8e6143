//! All of it: see the library.

fn main() -> anyhow::Result<()> {
    sandbeat_bench::run::run(std::env::args().skip(1).collect())
}
