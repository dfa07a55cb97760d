package api

// SessionCookie is the name of the console's cookie: bound to this very host, to TLS and to all paths by its prefix
// (RFC 6265bis, section 4.1.3.2).
const SessionCookie = "__Host-ardoise"
