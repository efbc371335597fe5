//! `/oauth2/sign_out` and `{base}/logout`.

mod ended;
mod way_out;
