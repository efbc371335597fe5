// The headers that tell an app who somebody is, in the two dialects that proxies ask in: their names, and what of an account
// stands in them (`user` is the broker's own).

/** `/oauth2/auth`, as with oauth2-proxy. */
export const authRequest = {
  'x-auth-request-user': 'user',
  'x-auth-request-email': 'email',
  'x-auth-request-preferred-username': 'preferred_username',
  'x-auth-request-groups': 'groups',
};

/** `/api/authz/…`, as with Authelia. */
export const remote = {
  'remote-user': 'user',
  'remote-groups': 'groups',
  'remote-name': 'name',
  'remote-email': 'email',
};
