//! A package in words, for people.
