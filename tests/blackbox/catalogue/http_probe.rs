//! The collector `http-probe` on this machine, held against an independent reading.
