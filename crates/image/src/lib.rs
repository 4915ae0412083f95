//! Image references, the store on disk, safe unpacking and root file systems.
