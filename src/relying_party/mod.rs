//! The login, from sending a person away to a verified identity.
