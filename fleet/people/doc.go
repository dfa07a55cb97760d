// Package people knows who may do what: the people of the house with their roles, how they prove who they are, the sessions
// and tokens by which they are known again, and the log of what they did.
//
// Sources: section 10 of the project's design; RFC 9106 (Argon2), sections 3.1 and 4; RFC 6749 section 10.10 (guessing);
// OpenID Connect Core 1.0 section 5.7 (issuer and subject together are the account).
//
//	link of the first start --+
//	link of an invitation ----+--> Person --- Role, Sites, Rooms ---+
//	                          |      ^                              v
//	login and password -------+      |                            Caller --- May(action, site, room)?
//	provider's account -------+--> Session --- cookie ---> BySession|
//	                                 Token --- "ard_..." -> ByToken-+
//	administrator's socket ----------------------------------------+
//
// BySession is a use of a session, StillIn is none: a page that is open and follows events by itself does not keep a session
// from ending after two hours without a hand at it.
//
// Secrets are given once and kept as SHA-256; passwords are kept as argon2id. What a person may do is looked up at each
// request: it is never in the cookie. Scopes of a token narrow what its person may do and never widen it.
//
// At most two passwords are hashed at once, each with 32 MiB; a few more may wait, and who comes then is told so. One
// address has a rate; one login has, from one address, a pause that doubles with each wrong password up to a minute. Of IPv6
// an address counts as its network of 64 bits, but for who has logged in from that very address since the daemon started.
// Nobody can keep somebody else out from another network, and the socket of the server is always open to its administrator.
//
// The audit log only grows. Each entry bears a hash over itself and the hash of the one before:
//
//	hash(n) = SHA-256(number, time, hash(n-1), who, via, address, action, what, site, room, result, detail)
//
// This package records how people come and go; what they do is recorded by who lets them do it. Of refused logins the first
// from a network at a login is written at once, and ten minutes later how many more there were; beyond sixty such an hour they
// have one entry together. So nobody who may only knock fills the disk: in the long run it is 121 entries an hour, however many knock.
//
// Guaranteed: an unknown login takes as long as a wrong password and is answered the same; a change of role, of password or
// a disabled account ends the sessions at once; the last administrator who can log in stays; an entry that was changed or
// taken out of the middle of the log is found by Verify. Not guaranteed: that the log is whole against somebody who may write
// the database's file and computes the chain anew, or cuts off its end; that a token whose owner lost it is used by its owner.
package people
