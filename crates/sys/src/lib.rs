//! Linux made safe: every unsafe block of Outrigger stands here.
