//! `/api/authz/…`: may this request pass, asked as Authelia's users do?

mod answers;
mod grpc;
mod relayed;
