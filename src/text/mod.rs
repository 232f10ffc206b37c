//! Unicode, case, escapes and codecs, without any heap.
