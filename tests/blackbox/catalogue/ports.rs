//! The collector `ports` on this machine, held against an independent reading.
