//! One small process a Pod: parent of its containers, keeper of their exit codes and logs.
