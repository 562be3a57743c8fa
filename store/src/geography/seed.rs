//! Brings the places of the embedded list into the database.
