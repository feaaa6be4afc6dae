//! What is repaired, case by case; and what holds for whatever there is to see.

mod cases;
mod properties;
mod scene;
