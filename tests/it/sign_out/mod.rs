//! `/oauth2/sign_out` and `{base}/logout`, and sign-outs that a provider tells of.

mod back_channel;
mod ended;
mod front_channel;
mod way_out;
