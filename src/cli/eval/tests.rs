//! What eval takes and gives.
