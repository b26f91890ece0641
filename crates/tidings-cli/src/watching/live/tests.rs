//! Screens of `tidings live`, as golden texts.
