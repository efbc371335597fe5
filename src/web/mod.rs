//! Routes and handlers.
