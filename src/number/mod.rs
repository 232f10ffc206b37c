//! Numbers as text: parsing, formatting and hashing, without any heap.
