//! Every preset against its fixtures.
