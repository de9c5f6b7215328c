//! GitLab's container-scanning report.
