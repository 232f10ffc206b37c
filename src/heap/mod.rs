//! Values, cells, allocation and collection.
