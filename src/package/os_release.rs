//! os_release
