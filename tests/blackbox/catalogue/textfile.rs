//! The collector `textfile` on this machine, held against an independent reading.
