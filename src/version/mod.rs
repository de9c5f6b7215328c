//! Version order of each ecosystem. Knows only strings.
