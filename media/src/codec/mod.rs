//! Configuration records of the codecs we carry. No picture is ever decoded here.

pub mod aac;
pub mod h264;
pub mod x264;
