//! The collector `top` on this machine, held against an independent reading.
