//! The collector `disk` on this machine, held against an independent reading.
