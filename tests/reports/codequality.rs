//! Code Quality.
