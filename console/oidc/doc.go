// Package oidc asks a provider of OpenID Connect who somebody is, by the authorisation code flow.
//
// Sources: OpenID Connect Core 1.0 sections 2, 3.1 and 5.3; OpenID Connect Discovery 1.0 section 4; RFC 6749 section 4.1;
// RFC 7636 (PKCE); RFC 9207 (the issuer in the answer); RFC 9700 section 2.1 (best current practice).
//
//	browser                      console                                    provider
//	   | "log in by ..."            |                                          |
//	   |--------------------------->| Begin: state, nonce, verifier            |
//	   |<- sealed cookie, redirect -|                                          |
//	   |----------------------- state, nonce, challenge ---------------------->| who are you?
//	   |<---------------------- code, state, iss -------------------------------|
//	   |-- cookie, code, state ---->| Finish: code, verifier ----------------->|
//	   |                            |<---- ID token (nonce), access token -----|
//	   |                            |-- access token -> claims of the person ->|
//	   |<----- session -------------| Identity
//
// What the console has to remember between Begin and Finish lies in the cookie, sealed with AES-256-GCM and for ten minutes:
// whoever asks for a thousand logins costs no memory.
//
// The provider may be down when the daemon starts and at any time later: it is asked when somebody wants in, what it said of
// itself is kept for an hour and used for longer if it cannot be asked again, and who is unlucky is told so. People with a
// password are not concerned.
//
// Schools' portals and regions' directories put people into groups, in a claim of their choosing (groups, memberOf, a
// school's number): values of it give roles, and the sites or rooms of these. Of several roles the mightiest counts, with the
// places of all values that give it.
//
// Guaranteed: an Identity was signed by a key of the provider, for this console, in answer to this browser's Begin, and not
// more than ten minutes ago; a mail in it was called verified. A clock may be two minutes off. Not guaranteed: that the
// provider tells the truth; that an answer is finished once only, which the provider has to see to, as a code is good once.
package oidc
