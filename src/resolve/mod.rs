//! Which name means which local, cell or global.
