//! Misbehaviour as data. A [`Fault`] that is set changes one thing about the answers until it is
//! cleared; several can be set at once and apply in the order they were set.

use serde_json::Value;

/// What can be asked of the provider. Requests are counted, recorded and held per endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Discovery,
    Authorize,
    Token,
    Jwks,
    Userinfo,
    EndSession,
    /// As Entra has it: no `state` comes back.
    EntraLogout,
    /// As Cognito has it: not OpenID Connect's.
    CognitoLogout,
    GithubAuthorize,
    GithubToken,
    GithubUser,
    GithubEmails,
    GithubOrganizations,
    GithubMemberships,
    GithubTeams,
    /// Where `jku` and `x5u` of forged tokens point: keys that would verify them. Must stay at zero.
    AttackerKeys,
    /// A call to the API of a provider whose role is played.
    Call,
    /// RFC 7009, and GitHub's own way.
    Revoke,
    /// Any other path.
    Elsewhere,
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Something is wrong with the answers of one endpoint as such, whatever they say.
    At(Endpoint, Trouble),
    Discovery(DiscoveryFault),
    Authorize(AuthorizeFault),
    Token(TokenFault),
    IdToken(IdTokenFault),
    Jwks(JwksFault),
    Userinfo(UserinfoFault),
    Github(GithubFault),
    /// The role that is played refuses what is asked at this path, in its own shape.
    RoleRefuses(String),
}

macro_rules! is_a_fault {
    ($($kind:ident($fault:ty)),*) => {$(
        impl From<$fault> for Fault {
            fn from(fault: $fault) -> Self {
                Self::$kind(fault)
            }
        }
    )*};
}
is_a_fault!(
    Discovery(DiscoveryFault),
    Authorize(AuthorizeFault),
    Token(TokenFault),
    IdToken(IdTokenFault),
    Jwks(JwksFault),
    Userinfo(UserinfoFault),
    Github(GithubFault)
);

/// What any endpoint can suffer from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing is sent until the test releases the endpoint, or the client goes away.
    Held,
    /// The head and half of the body are sent, the rest once released.
    Stalled,
    /// The true answer, followed by this many spaces, with its length declared. (White space after a
    /// document is valid JSON: only a size limit can refuse it.)
    Huge(usize),
    /// The same in chunks, without a length.
    HugeInChunks(usize),
    /// A page for people, with this status.
    Html(u16),
    /// This status with an empty body.
    Status(u16),
    /// The true answer under another status.
    AnswerWithStatus(u16),
    /// 307 to this address.
    RedirectTo(String),
    /// 307 to a path of this provider which gives the true answer: refused only if no redirect is followed.
    RedirectToItself,
    /// The connection is closed without an answer.
    HangUp,
    /// A length is declared, half of it is sent, the connection is closed.
    CutOff,
    /// The true answer under another media type.
    ContentType(&'static str),
    /// The true answer, declared to be in this content coding (and not in it).
    ContentEncoding(&'static str),
    /// This JSON text instead of the true answer.
    Text(String),
}

/// What can be wrong with the metadata (OIDC Discovery 1.0 §3).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DiscoveryFault {
    OtherIssuer,
    IssuerWithSlash,
    /// A member is left out.
    Without(&'static str),
    /// A member has another value.
    With(&'static str, Value),
}

/// What can be wrong with the answer to the authorization request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthorizeFault {
    OtherIssuer,
    IssuerWithSlash,
    NoIssuer,
    CodeAndError,
    DuplicateState,
    DuplicateCode,
    NoState,
    OtherState,
    NoCode,
    EmptyCode,
    /// A code that was never given out.
    OtherCode,
    LongCode(usize),
    /// `error` and `error_description` instead of a code.
    Error(&'static str, &'static str),
    ErrorWithoutState,
    /// A page that posts the answer, although it was not asked for.
    FormPost,
}

/// What can be wrong with the token answer (RFC 6749 §5).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenFault {
    InvalidGrant,
    InvalidClient,
    /// An error document with status 200.
    ErrorUnder200,
    StringExpiresIn,
    NoIdToken,
    NoAccessToken,
    NoTokenType,
    TokenType(&'static str),
    /// `application/x-www-form-urlencoded` instead of JSON.
    FormEncoded,
    /// A member has another value.
    With(&'static str, Value),
    Without(&'static str),
}

/// What can be wrong with an ID token (OIDC Core 1.0 §2, RFC 7515, RFC 8725).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum IdTokenFault {
    OtherIssuer,
    IssuerWithSlash,
    NoIssuer,
    OtherAudience,
    NoAudience,
    EmptyAudience,
    /// Ours, followed by more letters.
    AudienceThatBeginsWithOurs,
    /// The first letters of ours.
    AudienceWithinOurs,
    /// A list with us and somebody else; `azp` says us.
    ExtraAudience,
    /// A list with us and somebody else; no `azp`.
    ExtraAudienceWithoutAzp,
    OtherAzp,
    NoNonce,
    OtherNonce,
    /// Expired this many seconds ago.
    ExpiredFor(i64),
    NoExpiry,
    /// `"never"`
    StringExpiry,
    /// The right number, in quotes.
    NumberInStringExpiry,
    NullExpiry,
    /// 1e300
    EndlessExpiry,
    NegativeExpiry,
    /// The right time and a half: valid (RFC 7519 §2).
    FractionalExpiry,
    /// Not valid for another this many seconds.
    NotBeforeIn(i64),
    StringNotBefore,
    NullNotBefore,
    /// Issued this many seconds in the future (negative: ago).
    IssuedIn(i64),
    NoIssuedAt,
    StringIssuedAt,
    NoSubject,
    EmptySubject,
    NullSubject,
    NumberSubject,
    /// This many characters; 255 are allowed.
    LongSubject(usize),
    SubjectWithControlCharacter,
    /// No signature, and `alg` in this spelling of `none`.
    Unsigned(&'static str),
    /// `HS256` keyed with public knowledge.
    HmacKeyedWith(KeyText),
    /// A valid signature by the provider's key of the other algorithm, truthfully labelled.
    SignedWithTheOtherAlgorithm,
    /// A valid signature, with `alg` naming an algorithm that does not fit the key.
    MislabelledAlgorithm(&'static str),
    /// One bit of the signature is wrong.
    BadSignature,
    /// The claims were changed after signing.
    ChangedAfterSigning,
    /// The signature part is empty.
    NoSignature,
    /// Signed by a key that the token itself carries.
    EmbeddedKey,
    /// Signed by a key to be found where `jku` says.
    KeySetAddress,
    /// Signed by a key to be found where `x5u` says.
    CertificateAddress,
    /// Signed by a stranger, under our `kid`.
    SignedByStranger,
    /// Signed by the key that was in use before the last rotation, under its own `kid`.
    SignedByRetiredKey,
    /// An extension that nobody understands (RFC 7515 §4.1.11).
    UnknownCritical,
    /// Unencoded payload (RFC 7797) with `crit`.
    UnencodedPayload,
    /// `b64: false` without `crit`.
    BareUnencodedPayload,
    UnknownKid,
    NoKid,
    EmptyKid,
    LongKid(usize),
    /// The `kid` of the provider's key of the other algorithm.
    KidOfOtherKey,
    /// `typ`, for tokens of another kind.
    Type(&'static str),
    /// Five parts (RFC 7516).
    Encrypted,
    /// Header, claims, signature, and one part more.
    FourParts,
    /// Nothing but this many dots.
    Dots(usize),
    /// Claims nested this deep.
    NestedClaims(usize),
    /// The header nested this deep.
    NestedHeader(usize),
    /// A claim occurs twice: first this value, then the true one.
    DuplicateClaim(&'static str, &'static str),
    /// Base64 with padding.
    Padded,
    /// A claim has another value.
    Claim(&'static str, Value),
    WithoutClaim(&'static str),
    /// A header parameter has another value.
    Header(&'static str, Value),
}

/// Public texts that a confused verifier would use as an HMAC key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyText {
    /// The public key in PEM.
    Pem,
    /// Without the last newline.
    TrimmedPem,
    /// `SubjectPublicKeyInfo` in DER.
    Der,
    /// The JWK as published.
    Jwk,
    /// The client secret: right for HS256, wrong where an asymmetric algorithm is pinned.
    ClientSecret,
    /// Nothing.
    Empty,
}

/// What can be wrong with the key set (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JwksFault {
    Empty,
    /// No `keys` member.
    NoKeys,
    /// Keys that nobody can use stand before the good ones.
    BrokenKeyAmongGoodOnes,
    /// A stranger's key comes first, under the `kid` of the good one.
    DuplicateKid,
    /// A symmetric key comes first, under the `kid` of the good one.
    SymmetricKeys,
    /// The good keys come after so many others that there are this many.
    ManyKeys(usize),
    /// Only keys that were in use before the last rotation.
    Stale,
    WithoutAlgorithm,
    WithoutUse,
    WithoutKid,
    /// The good keys say that they are for encryption.
    ForEncryption,
    /// An encryption key of the same family stands before each good one.
    EncryptionKeysFirst,
    /// `Cache-Control` of the answer.
    CacheControl(&'static str),
    NoCacheControl,
    /// Every key says that it signs for this issuer.
    KeyIssuer(String),
}

/// What can be wrong with userinfo (OIDC Core 1.0 §5.3.2).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum UserinfoFault {
    OtherSubject,
    NoSubject,
    /// A signed `application/jwt`.
    Jwt,
    /// E-mail and its flag are here, not in the ID token.
    EmailOnlyHere,
    /// They are in the ID token, not here.
    NoEmailHere,
    /// Every claim but `sub` is here, not in the ID token.
    EverythingOnlyHere,
    Without(&'static str),
    With(&'static str, Value),
}

/// What GitHub does that others do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GithubFault {
    /// This error under status 200, as GitHub answers a code that is used or old.
    ErrorUnder200(&'static str),
    /// `iss` in the callback, as it was sent for some days in 2026.
    SendsIssuer(&'static str),
    /// The person unticked all but these scopes.
    GrantsOnly(&'static str),
    /// Lists leave out organizations behind single sign-on and say so.
    PartialSingleSignOn,
    /// Lists are refused until single sign-on there.
    RequiredSingleSignOn,
    /// The next page is on another host.
    NextPageElsewhere(&'static str),
    /// The next page is the same page.
    NextPageIsThisPage,
    /// 403 with `x-ratelimit-remaining: 0`.
    RateLimited,
    /// JSON is asked for, form encoding is sent.
    AlwaysFormEncoded,
}
