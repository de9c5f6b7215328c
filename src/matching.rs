//! Matching: which advisories hit which packages.
