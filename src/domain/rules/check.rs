//! What must hold of a package beyond its shape.
