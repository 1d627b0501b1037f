//! The pure core: decides everything and touches nothing. No async, I/O, clock, randomness, logging, config or serde.
