//! One contract suite a port, run against the fake and the real adapter.
