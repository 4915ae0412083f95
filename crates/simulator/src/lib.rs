//! A model of shims, time and faults that runs the planner through millions of lives.
