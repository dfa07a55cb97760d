// Package oidc shows that people log in by a provider of OpenID Connect: the certified provider of npm's oidc-provider runs
// on this machine, a browser of net/http and a cookie jar walks through its pages, and the console's package oidc and
// fleet/people decide who comes in. Then the same with what a hostile browser, a mistaken provider and a dead one bring.
//
//	browser (net/http, cookies) ---> console: /login, /oidc/callback ---> people over SQLite
//	     |                               |
//	     +--------> provider (node) <----+
//
// The provider is set up by testdata/provider.mjs, which tells who has an account there. It needs Node.js 18 or newer and
// build/npm, which `make npm` fills.
package oidc
