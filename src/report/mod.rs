//! Plans and outcomes for people (text) and for machines (JSON). Every sentence a person reads about them is here.
