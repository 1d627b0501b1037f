//! Samples both ways, odd schemas, and jobs made up by chance.
