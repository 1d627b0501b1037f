//! A simulated tenant and a simulated target on loopback. Imports nothing of ours, or it would share our misunderstandings.
