//! The brain's body: feeds what happens to the planner and carries out its steps.
