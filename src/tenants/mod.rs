//! Which tenant and app an address belongs to.
