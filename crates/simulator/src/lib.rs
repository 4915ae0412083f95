//! A model of shims, time and faults that runs the planner through millions of lives.
//!
//! [`World`] is the model runtime: it carries out the planner's steps as real containers would,
//! each by its [`Script`], and writes down what *really* happened. [`Oracle`] holds the project's
//! invariants against that trace, not against what the planner believed. Nothing here models
//! Linux; that is what the root tests are for.
//!
//! Start reading at [`live`], which runs one life. A seed gives the same life to the byte.

mod build;
mod faults;
mod happened;
mod life;
mod oracle;
mod random;
mod scenario;
mod script;
mod small;
mod storm;
mod transcript;
mod world;

pub use build::{Build, exec_probe};
pub use faults::{Faults, Order, StepKills};
pub use happened::{Happened, Trace};
pub use life::{Life, Settled, live};
pub use oracle::{Oracle, Violation};
pub use random::Random;
pub use scenario::{BadScenario, Expectation, Scenario};
pub use script::{OnSignal, Probing, Run, Script, Scripts};
pub use small::{every_small_pod, small_scripts};
pub use storm::{Storm, storm};
pub use transcript::transcript;
pub use world::World;
